"""Smoothing rows: they vanish on polynomials, measure jumps, and decide only what data leave open."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import BSpline as SciPySpline
from scipy.interpolate import make_lsq_spline

from kanlens import KAN, BSpline, fit
from kanlens.jacobian import Parameters
from kanlens.smoothness import Smoothness, bends, jumps, smoothing

settings = st.tuples(st.integers(1, 5), st.integers(2, 8), st.integers(0, 1000))


def uneven(degree: int, intervals: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(200, 1, generator=generator, dtype=torch.float64)
    return BSpline(degree, intervals).adapted(x**2, uniformity=0.5)


@given(settings)
def test_jumps_vanish_on_one_polynomial(setting: tuple[int, int, int]) -> None:
    degree, intervals, seed = setting
    grid = uneven(degree, intervals, seed)
    knots = grid[0].numpy()
    points = np.linspace(knots[degree], knots[-degree - 1], 50 * intervals)
    polynomial = np.polynomial.Polynomial(np.linspace(-1, 1, degree + 1))
    coef = torch.tensor(make_lsq_spline(points, polynomial(points), knots, degree).c)
    assert (jumps(grid, degree)[0] @ coef).abs().max() < 1e-9


@given(settings)
def test_jumps_are_those_of_the_highest_derivative(setting: tuple[int, int, int]) -> None:
    degree, intervals, seed = setting
    grid = uneven(degree, intervals, seed)
    knots = grid[0].numpy()
    coef = torch.randn(intervals + degree, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    middles = (knots[degree : degree + intervals] + knots[degree + 1 : degree + intervals + 1]) / 2
    oracle = torch.tensor(SciPySpline(knots, coef.numpy(), degree).derivative(degree)(middles)).diff()
    ours = jumps(grid, degree)[0] @ coef
    scale = (oracle @ ours) / (ours @ ours)
    assert torch.allclose(ours * scale, oracle, rtol=1e-7, atol=1e-8 * float(oracle.abs().max()))


@given(settings)
def test_bends_are_derivatives(setting: tuple[int, int, int]) -> None:
    degree, intervals, seed = setting
    grid = uneven(degree, intervals, seed)
    coef = torch.randn(intervals + degree, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for order in range(1, degree + 1):
        ours = bends(grid, degree, order)[0] @ coef
        oracle = torch.tensor(SciPySpline(grid[0].numpy(), coef.numpy(), degree).derivative(order).c[: len(ours)])
        scale = (oracle @ ours) / (ours @ ours)
        assert torch.allclose(ours * scale, oracle, rtol=1e-7, atol=1e-8 * float(oracle.abs().max()))


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_rows_on_uniform_grids_are_those_of_any_grid(degree: int) -> None:
    basis = BSpline(degree, 4)
    model = KAN([2, 1], basis=basis, seed=0).double()
    layer, x = model.layers[0], torch.rand(50, 2).double()
    layer.grid = basis.grid(torch.tensor([-1.0, 0.0]).double(), torch.tensor([1.0, 7.0]).double())
    uniform = smoothing(Parameters(model), x, Smoothness()).rows[0]
    assert type(layer.evaluator) is not BSpline
    layer._evaluator = basis
    torch.testing.assert_close(uniform, smoothing(Parameters(model), x, Smoothness()).rows[0], rtol=1e-9, atol=1e-15)


def test_strong_pulls_leave_a_line_or_a_constant() -> None:
    x = torch.linspace(-1, 1, 200, dtype=torch.float64)[:, None]
    y = x + torch.sin(6 * x)
    found = []
    for pull in (Smoothness(bends=1e4), Smoothness(slopes=1e2)):
        model = KAN([1, 1], residual="zero", dtype=torch.float64)
        fit(model, x, y, smoothness=pull)
        found.append(model(x).detach())
    line = torch.linalg.lstsq(torch.cat([x, torch.ones_like(x)], 1), y).solution
    torch.testing.assert_close(found[0], line[0] * x + line[1], rtol=0, atol=1e-4)
    assert found[1].std() < 1e-3


def test_validation_has_weights() -> None:
    x = torch.rand(60, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y, weight = torch.sin(5 * x), torch.arange(20.0, dtype=torch.float64)
    held = (x[:20], y[:20], weight)
    model = KAN([1, 1], basis=BSpline(3, 2), dtype=torch.float64)
    history = fit(model, x[20:], y[20:], validation=held)
    error = (weight[:, None] * (model(held[0]).detach() - held[1]) ** 2).sum() / weight.sum()
    assert min(history.validation) == pytest.approx(float(error))


def test_rows_have_the_places_of_the_splines_coefficients() -> None:
    model = KAN([2, 1], basis=BSpline(3, 5), dtype=torch.float64)
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = smoothing(Parameters(model), x, Smoothness(1e-3))
    rows, theta = found.dense(x), Parameters(model).get()
    torch.testing.assert_close(found.of(theta), rows @ theta)
    torch.testing.assert_close(found.back(found.of(theta)), rows.T @ rows @ theta)
    torch.testing.assert_close(found.products(x), rows.T @ rows)
    assert rows.shape == (2 * 4, 2 * 8 + 2)  # two edges with four inner knots; coefficients and weights
    assert not rows[:4, 8:].any()
    assert not rows[4:, :8].any()
    assert rows[:4, :8].any()


@pytest.mark.parametrize(("smoothness", "close"), [(1e-6, True), (0.0, False)])
def test_a_gap_in_the_data_is_bridged_by_the_polynomial_around_it(smoothness: float, close: bool) -> None:
    x = torch.rand(400, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = x[(x[:, 0] < 0.4) | (x[:, 0] > 0.6)]
    model = KAN([1, 1], basis=BSpline(3, 30), residual="zero", dtype=torch.float64)
    fit(model, x, x**3 - x, smoothness=smoothness)
    gap = torch.linspace(0.42, 0.58, 50, dtype=torch.float64)[:, None]
    with torch.no_grad():
        worst = float((model(gap) - (gap**3 - gap)).abs().max())
    assert (worst < 1e-6) == close


@pytest.mark.parametrize("seed", range(3))
def test_intervals_with_few_data_take_their_bend_from_their_neighbours(seed: int) -> None:
    """A hidden node's largest values are rare, and other data reach beyond them."""
    generator = torch.Generator().manual_seed(seed)
    most = torch.rand(500, 1, generator=generator, dtype=torch.float64)
    rare = 1 + 0.5 * torch.rand(6, 1, generator=generator, dtype=torch.float64)
    x = torch.cat([most, rare, torch.tensor([[1.5]])])
    y = x.exp() + 0.02 * torch.randn(len(x), 1, generator=generator, dtype=torch.float64)
    model = KAN([1, 1], basis=BSpline(3, 30), residual="zero", dtype=torch.float64)
    fit(model, x, y)
    line = torch.linspace(1, 1.5, 100, dtype=torch.float64)[:, None]
    with torch.no_grad():
        assert float((model(line) - line.exp()).abs().max()) < 0.5


def test_smoothness_does_not_bias_what_the_data_determine() -> None:
    x = torch.linspace(-1, 1, 500, dtype=torch.float64)[:, None]
    errors = []
    for smoothness in (0.0, 1e-6):
        model = KAN([1, 1], basis=BSpline(3, 20), dtype=torch.float64)
        errors.append(fit(model, x, torch.sin(5 * x), smoothness=smoothness).loss[-1])
    assert errors[1] < 1.001 * errors[0]
