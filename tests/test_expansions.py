"""Bases besides splines: against NumPy, by their theorems, and through the whole house."""

import numpy as np
import pytest
import torch
from torch import Tensor

from kanlens import KAN, LevenbergMarquardt, fit, prune, refine, regrid
from kanlens.bases import Basis, LinearSpline
from kanlens.errors import InputError
from kanlens.expansions import Chebyshev, Expansion, Fourier, Gaussian, Wavelet
from kanlens.specs import spec_from_json, spec_to_json
from samples import points

BASES = [Chebyshev(6), Fourier(3), Gaussian(5), Wavelet(4)]


def grid_of(basis: Basis, low: float = -1.0, high: float = 2.0, inputs: int = 2) -> Tensor:
    ends = torch.ones(inputs, dtype=torch.float64)
    return basis.grid(low * ends, high * ends)


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
def test_chebyshev_polynomials_are_numpys(order: int) -> None:
    x = points(50, 2, low=-1, high=2)
    for k in range(7):
        series = np.polynomial.Chebyshev.basis(k, domain=[-1, 2])
        expected = (series.deriv(order) if order else series)(x.numpy())
        found = Chebyshev(6).derivatives(x, grid_of(Chebyshev(6)), order)[..., k]
        np.testing.assert_allclose(found, expected, atol=1e-9 * (1 + np.abs(expected).max()))


def test_waves_are_orthogonal_and_repeat() -> None:
    basis = Fourier(3)
    x = torch.linspace(-1, 2, 61, dtype=torch.float64)[:-1, None].expand(-1, 2)
    values = basis.values(x, grid_of(basis))[:, 0]
    torch.testing.assert_close(values.mT @ values, torch.diag(torch.tensor([60.0, *[30.0] * 6], dtype=torch.float64)))
    torch.testing.assert_close(basis.values(x + 3, grid_of(basis)), basis.values(x, grid_of(basis)))


def test_bumps_and_hats_are_their_formulas() -> None:
    x = points(50, 2, low=-1, high=2)
    u = ((x + 1) * 2 / 3 - 1)[..., None]
    z = (u - torch.linspace(-1, 1, 6, dtype=torch.float64)) / (2 / 5)
    torch.testing.assert_close(Gaussian(5).values(x, grid_of(Gaussian(5))), torch.exp(-(z**2)))
    hats = Wavelet(5).values(x, grid_of(Wavelet(5)))
    torch.testing.assert_close(hats[..., 1:], (1 - 2 * z**2) * torch.exp(-(z**2)))
    torch.testing.assert_close(hats[..., 0], torch.ones_like(x))


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_each_derivative_is_that_of_the_one_before(basis: Expansion) -> None:
    x, grid = points(20, 2, low=-1.5, high=2.5).requires_grad_(), grid_of(basis)
    for order in range(4):
        values = basis.derivatives(x, grid, order)
        weights = points(40, basis.size, seed=order).view_as(values)
        slope = torch.autograd.grad((values * weights).sum(), x)[0]
        expected = (basis.derivatives(x, grid, order + 1) * weights).sum(2)
        torch.testing.assert_close(
            slope, expected.detach(), rtol=1e-9, atol=1e-9 * float(1 + expected.detach().abs().max())
        )
    torch.testing.assert_close(
        basis.pull_back(x, grid, weights), (basis.values_and_slopes(x, grid)[1] * weights).sum(2)
    )


@pytest.mark.parametrize("basis", [Chebyshev(6), Gaussian(5), Wavelet(4)], ids=str)
def test_outside_its_range_a_function_is_its_tangent(basis: Expansion) -> None:
    grid = grid_of(basis)
    for border, sign in ((-1.0, -1), (2.0, 1)):
        at = torch.full((1, 2), border, dtype=torch.float64)
        value, slope = basis.values_and_slopes(at, grid)
        torch.testing.assert_close(basis.values(at + sign * 5.0, grid), value + sign * 5.0 * slope)
        assert not bool(basis.derivatives(at + sign, grid, 2).any())


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_projection_finds_the_curves_of_its_own_space(basis: Expansion) -> None:
    grid, x = grid_of(basis), points(200, 2, low=-1, high=2)
    coef = points(3 * 2, basis.size, seed=3).view(3, 2, basis.size)
    curves = torch.einsum("bik,oik->boi", basis.values(x, grid), coef)
    found = basis.project(x, curves, grid)
    torch.testing.assert_close(torch.einsum("bik,oik->boi", basis.values(x, grid), found), curves, rtol=0, atol=1e-6)
    assert bool(basis.project(x[:1], curves[:1], grid).isfinite().all())


@pytest.mark.parametrize("basis", [Chebyshev(4), Fourier(3)], ids=str)
def test_a_finer_resolution_holds_the_coarser(basis: Expansion) -> None:
    grid, x = grid_of(basis), points(100, 2, low=-1, high=2)
    coef = points(2, basis.size, seed=3).view(1, 2, basis.size)
    fine, new_grid = basis.refine(coef, grid, 7)
    finer = basis.resized(7)
    assert fine.shape[-1] == finer.size
    before = torch.einsum("bik,oik->boi", basis.values(x, grid), coef)
    torch.testing.assert_close(torch.einsum("bik,oik->boi", finer.values(x, new_grid), fine), before, rtol=0, atol=1e-6)


@pytest.mark.parametrize("basis", [*BASES, LinearSpline(6)], ids=str)
def test_the_house_takes_any_basis(basis: Basis) -> None:
    x = points(150, 2)
    y = torch.sin(2 * x[:, :1]) + x[:, 1:] ** 2
    model = KAN([2, 2, 1], basis=basis, dtype=torch.float64)
    before = float((model(x) - y).detach().square().mean())
    fit(model, x, y, solver=LevenbergMarquardt(steps=8))
    assert float((model(x) - y).detach().square().mean()) < 0.05 * before
    moved = regrid(model, x)
    torch.testing.assert_close(moved(x), model(x), rtol=0, atol=0.1)
    finer = refine(model, x, intervals=2 * basis.intervals)
    assert finer.spec.basis == basis.resized(2 * basis.intervals)
    torch.testing.assert_close(finer(x), model(x), rtol=0, atol=0.2)
    assert spec_from_json(spec_to_json(model.spec)) == model.spec
    assert type(prune(model, x, y).spec.basis) is type(basis)


def test_what_is_no_basis_is_refused() -> None:
    for make in (Chebyshev, Fourier, Gaussian, Wavelet):
        for number in (0, 2.5, "3"):
            with pytest.raises(InputError, match="to be an integer of at least 1"):
                make(number)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected order"):
        Fourier().derivatives(points(3, 1), grid_of(Fourier(), inputs=1), -1)
    with pytest.raises(InputError, match="expected uniformity"):
        Fourier().adapted(points(3, 1), 0.0)
