"""Knots are where curves need them: the error of a steep curve falls as if it were not steep."""

import pytest
import torch
from torch import Tensor

from kanlens import KAN, BSpline, Chebyshev, LevenbergMarquardt, converge, fit, regrid
from kanlens.grading import densities


def line(rows: int = 2000) -> Tensor:
    return torch.linspace(0, 1, rows, dtype=torch.float64)[:, None]


def knots(model: KAN) -> Tensor:
    layer = model.layers[0]
    assert isinstance(layer.basis, BSpline)
    return layer.basis.inner(layer.grid)[0]


def test_an_even_density_is_an_even_grid() -> None:
    x = line()
    model = KAN([1, 1], basis=BSpline(3, 7), dtype=torch.float64)
    even = regrid(model, x, intervals=14)
    graded = regrid(model, x, intervals=14, density=[torch.ones(1, 7, dtype=torch.float64)])
    torch.testing.assert_close(knots(graded), knots(even), rtol=0, atol=1e-8)


@pytest.mark.parametrize("intervals", [6, 12, 50])
def test_knots_divide_the_density_evenly(intervals: int) -> None:
    x = line()
    model = regrid(KAN([1, 1], basis=BSpline(3, 3), dtype=torch.float64), x)
    places = knots(model)
    found = knots(regrid(model, x, intervals=intervals, density=[torch.tensor([[4.0, 1.0, 1.0]]).double()]))
    assert int((found < places[1] - 1e-6).sum()) == pytest.approx(intervals * 2 / 3, abs=1)
    assert bool((found.diff() > 0).all())


def test_a_curve_of_one_polynomial_wants_even_knots() -> None:
    x = line()
    model = KAN([1, 1], basis=BSpline(3, 6), dtype=torch.float64)
    fit(model, x, 2 * x + 1, solver=LevenbergMarquardt(steps=20))
    density = densities(model, x)[0]
    assert density.shape == (1, 6)
    assert bool(density.isfinite().all())


def test_other_bases_have_no_knots_to_place() -> None:
    assert torch.equal(
        densities(KAN([2, 3, 1], basis=Chebyshev()).double(), torch.rand(9, 2).double())[0].unique(),
        torch.ones(1).double(),
    )


def test_a_steep_curve_is_met_by_fewer_knots() -> None:
    x = line()
    y = torch.exp(-60 * x)
    graded = converge(KAN([1, 1], basis=BSpline(3, 6), dtype=torch.float64), x, y, largest=30).rounds[-1]
    even = KAN([1, 1], basis=BSpline(3, graded.intervals), dtype=torch.float64)
    loss = min(fit(even, x, y, solver=LevenbergMarquardt(steps=30)).loss)
    assert graded.rmse < loss**0.5 / 3
