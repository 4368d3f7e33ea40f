"""Splines are splines: against SciPy, and by the theorems about them."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import interpolate
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.errors import InputError
from samples import points

KINDS = ("uniform", "adapted")
CLOSE = {1: 1e-11, 2: 1e-11, 3: 1e-10, 4: 1e-8, 5: 1e-7}
"""What a fit loses by degree: the higher it is, the more the ridge and round-off weigh."""


def grid_of(basis: BSpline, x: Tensor, kind: str) -> Tensor:
    return basis.grid(x.amin(0), x.amax(0)) if kind == "uniform" else basis.adapted(x, 0.1)


@st.composite
def setting(draw: st.DrawFn) -> tuple[BSpline, Tensor, Tensor]:
    """Return a basis, points `(rows, 2)` inside its grid, and the grid."""
    basis = BSpline(draw(st.integers(1, 5)), draw(st.integers(1, 12)))
    low, width = draw(st.floats(-1e3, 1e3)), draw(st.floats(1e-2, 1e3))
    x = low + width * points(60, 2, seed=draw(st.integers(0, 9)), low=0.0) ** draw(st.sampled_from([1, 3]))
    return basis, x, grid_of(basis, x, draw(st.sampled_from(KINDS)))


def by_scipy(basis: BSpline, x: Tensor, grid: Tensor, order: int = 0) -> np.ndarray:
    """Return SciPy's values `(batch, in, size)` of the derivatives of the basis functions."""
    columns = []
    for knots, column in zip(grid.numpy(), x.numpy().T, strict=True):
        splines = interpolate.BSpline(knots, np.eye(basis.size), basis.degree)
        columns.append(splines(column) if order == 0 else splines.derivative(order)(column))
    return np.stack(columns, 1)


@given(setting())
def test_values_are_non_negative_sum_to_one_and_are_local(case: tuple[BSpline, Tensor, Tensor]) -> None:
    basis, x, grid = case
    values = basis.values(x, grid)
    assert values.shape == (*x.shape, basis.size)
    assert bool((values >= -1e-14).all())
    torch.testing.assert_close(values.sum(-1), torch.ones_like(x))
    assert int((values != 0).sum(-1).max()) <= basis.degree + 1


@given(setting())
def test_values_and_slopes_are_scipys(case: tuple[BSpline, Tensor, Tensor]) -> None:
    basis, x, grid = case
    values, slopes = basis.values_and_slopes(x, grid)
    np.testing.assert_allclose(values, by_scipy(basis, x, grid), atol=1e-9)
    expected = by_scipy(basis, x, grid, 1)
    np.testing.assert_allclose(slopes, expected, atol=1e-7 * (1 + np.abs(expected).max()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
def test_derivatives_of_every_order_are_scipys(degree: int, kind: str) -> None:
    basis, x = BSpline(degree, 7), points(50, 3)
    grid = grid_of(basis, x, kind)
    for order in range(degree + 1):
        expected = by_scipy(basis, x, grid, order)
        # at a knot the highest derivative jumps, and both sides are right
        off_knots = ~torch.isclose(x[..., None], grid, atol=1e-9).any(-1)
        np.testing.assert_allclose(
            basis.derivatives(x, grid, order)[off_knots], expected[off_knots], atol=1e-9 * (1 + np.abs(expected).max())
        )
    assert not bool(basis.derivatives(x, grid, degree + 1).any())


@given(setting(), st.floats(0.01, 100.0))
def test_outside_a_spline_is_its_tangent(case: tuple[BSpline, Tensor, Tensor], far: float) -> None:
    basis, _, grid = case
    inner = basis.inner(grid)
    width = inner[:, -1] - inner[:, 0]
    for border, sign in ((inner[:, 0], -1), (inner[:, -1], 1)):
        value, slope = basis.values_and_slopes(border[None], grid)
        at = (border + sign * far * width)[None]
        beyond, same = basis.values_and_slopes(at, grid)
        torch.testing.assert_close(beyond, value + slope * (at - border)[..., None])
        torch.testing.assert_close(same, slope, rtol=1e-9, atol=0)
        torch.testing.assert_close(basis.derivatives(at, grid, 1), slope, rtol=1e-9, atol=0)
        for order in (2, 3):
            assert not bool(basis.derivatives(at, grid, order).any())


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5])
def test_a_spline_crosses_the_border_without_a_step_or_a_kink(degree: int) -> None:
    basis = BSpline(degree, 4)
    grid = basis.grid(torch.tensor([-1.0]).double(), torch.tensor([2.0]).double())
    for border in (-1.0, 2.0):
        near = torch.tensor([[border - 1e-7], [border + 1e-7]], dtype=torch.float64)
        values, slopes = basis.values_and_slopes(near, grid)
        torch.testing.assert_close(values[0], values[1], rtol=0, atol=1e-5)
        torch.testing.assert_close(slopes[0], slopes[1], rtol=0, atol=1e-4)


@pytest.mark.parametrize("degree", [2, 3, 4])
def test_automatic_differentiation_goes_through_twice(degree: int) -> None:
    basis = BSpline(degree, 3)
    ends = torch.ones(2, dtype=torch.float64)
    grid = basis.grid(-ends, ends)
    x = torch.tensor([[-0.83, 0.11], [0.47, 1.4], [-1.7, 0.9]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda at: basis.values(at, grid), x)
    assert torch.autograd.gradgradcheck(lambda at: basis.values(at, grid), x)


@given(setting(), st.integers(0, 99))
def test_projection_returns_polynomials_up_to_the_degree(case: tuple[BSpline, Tensor, Tensor], seed: int) -> None:
    basis, _, grid = case
    inner = basis.inner(grid)
    x = torch.stack([torch.linspace(float(k[0]), float(k[-1]), 200, dtype=torch.float64) for k in inner], 1)
    u = (x - inner[:, 0]) / (inner[:, -1] - inner[:, 0])
    letters = np.random.default_rng(seed).uniform(-1, 1, (3, 2, basis.degree + 1))
    curves = torch.einsum("oip,pbi->boi", torch.tensor(letters), torch.stack([u**p for p in range(basis.degree + 1)]))
    coef = basis.project(x, curves, grid)
    assert coef.shape == (3, 2, basis.size)
    torch.testing.assert_close(
        torch.einsum("bik,oik->boi", basis.values(x, grid), coef), curves, rtol=0, atol=CLOSE[basis.degree]
    )


def test_projection_is_the_least_squares_fit() -> None:
    basis, x = BSpline(3, 5), points(300, 2)
    grid = grid_of(basis, x, "uniform")
    y = torch.stack([torch.sin(5 * x), torch.exp(x)], 1)
    coef = basis.project(x, y, grid)
    for in_ in range(2):
        best = np.linalg.lstsq(basis.values(x, grid)[:, in_].numpy(), y[:, :, in_].numpy(), rcond=None)[0]
        np.testing.assert_allclose(coef[:, in_].numpy(), best.T, atol=1e-8)


@given(setting(), st.integers(1, 4), st.integers(0, 99))
def test_refining_by_a_multiple_keeps_the_curves(case: tuple[BSpline, Tensor, Tensor], times: int, seed: int) -> None:
    basis, x, grid = case
    coef = torch.tensor(np.random.default_rng(seed).normal(size=(2, 2, basis.size)))
    finer = BSpline(basis.degree, basis.intervals * times)
    fine, new_grid = basis.refine(coef, grid, finer.intervals)
    assert fine.shape == (2, 2, finer.size)
    before = torch.einsum("bik,oik->boi", basis.values(x, grid), coef)
    after = torch.einsum("bik,oik->boi", finer.values(x, new_grid), fine)
    torch.testing.assert_close(after, before, rtol=0, atol=CLOSE[basis.degree])


def test_refining_to_another_number_comes_close() -> None:
    basis, finer = BSpline(3, 5), BSpline(3, 23)
    x = points(400, 1)
    grid = grid_of(basis, x, "uniform")
    coef = basis.project(x, torch.sin(2 * x)[:, None], grid)
    fine, new_grid = basis.refine(coef, grid, 23)
    difference = finer.values(x, new_grid)[:, 0] @ fine[0, 0] - basis.values(x, grid)[:, 0] @ coef[0, 0]
    assert float(difference.abs().max()) < 1e-4


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_column_and_few_rows_give_finite_results(rows: int, kind: str, dtype: torch.dtype) -> None:
    basis = BSpline(3, 8)
    x = torch.cat([torch.full((rows, 1), 7.0), torch.zeros(rows, 1), torch.linspace(0, 1, rows)[:, None]], 1).to(dtype)
    grid = grid_of(basis, x, kind)
    assert bool((grid.diff(dim=1) > 0).all())
    coef = basis.project(x, x[:, None].expand(-1, 2, -1), grid)
    assert bool(coef.isfinite().all())
    torch.testing.assert_close(
        torch.einsum("bik,oik->boi", basis.values(x, grid), coef), x[:, None].expand(-1, 2, -1), rtol=1e-3, atol=1e-3
    )


def test_adapted_knots_go_where_the_data_are() -> None:
    basis = BSpline(3, 10)
    x = torch.cat([torch.linspace(0, 1, 901), torch.linspace(1, 10, 100)])[:, None].double()
    inner = basis.inner(basis.adapted(x))[0]
    assert (float(inner[0]), float(inner[-1])) == (0.0, 10.0)
    assert int((inner < 1.3).sum()) >= 9
    repeated = torch.cat([torch.zeros(500), torch.linspace(0, 1, 20)])[:, None]
    assert bool((basis.adapted(repeated).diff(dim=1) > 0).all())
    torch.testing.assert_close(basis.adapted(x, 1.0), basis.grid(x.amin(0), x.amax(0)))


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision_agrees_with_double(kind: str) -> None:
    basis, x = BSpline(3, 20), points(200, 2)
    grid = grid_of(basis, x, kind)
    values, slopes = basis.values_and_slopes(x.float(), grid.float())
    assert values.dtype == torch.float32
    torch.testing.assert_close(values.double(), basis.values(x, grid), rtol=0, atol=1e-4)
    exact = basis.values_and_slopes(x, grid)[1]
    torch.testing.assert_close(slopes.double(), exact, rtol=0, atol=1e-3 * float(exact.abs().max()))


@pytest.mark.parametrize("options", [{"degree": 0}, {"intervals": 0}, {"degree": 2.5}, {"intervals": "5"}])
def test_what_is_no_spline_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"expected (degree|intervals) to be an integer of at least 1"):
        BSpline(**options)


def test_wrong_orders_and_weights_are_refused() -> None:
    basis, x = BSpline(), points(5, 1)
    with pytest.raises(InputError, match="expected order >= 0"):
        basis.derivatives(x, grid_of(basis, x, "uniform"), -1)
    for uniformity in (0.0, 1.5):
        with pytest.raises(InputError, match="expected uniformity in"):
            basis.adapted(x, uniformity)
