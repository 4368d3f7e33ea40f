"""Solvers find minima, and never hand back a worse point than they were given."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import threadpoolctl
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kanlens.quadratic import NormalEquations, Quadratic
from kanlens.solvers import LBFGS, Adam, LevenbergMarquardt, Solver, Stop

SOLVERS = [LevenbergMarquardt(), LBFGS(), Adam(steps=200)]
every = pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: type(solver).__name__)


START = torch.tensor([-1.2, 1.0], dtype=torch.float64)


class Squares:
    """Minimise the sum of the squares of residuals `(rows,)`; the Jacobian comes from autograd."""

    def __init__(self, residuals: Callable[[Tensor], Tensor]) -> None:
        self.residuals, self.calls = residuals, 0

    def value(self, theta: Tensor) -> float:
        self.calls += 1
        residual = self.residuals(theta)
        return float(residual @ residual)

    def gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        model = self.quadratic(theta)
        return model.value, model.gradient

    def quadratic(self, theta: Tensor) -> Quadratic:
        self.calls += 1
        with torch.enable_grad():
            jacobian = torch.autograd.functional.jacobian(self.residuals, theta)
        residual = self.residuals(theta)
        return NormalEquations(float(residual @ residual), 2 * jacobian.T @ residual, 2 * jacobian.T @ jacobian)


def rosenbrock(theta: Tensor) -> Tensor:
    return torch.stack([10 * (theta[1] - theta[0] ** 2), 1 - theta[0]])


def jagged(theta: Tensor) -> Tensor:
    """Return residuals that are NaN for a negative first coordinate, with many valleys."""
    return torch.stack([theta[0].sqrt() + theta[1].sin(), 3 * (5 * theta[0]).cos(), theta[1] - theta[0]])


@given(st.integers(0, 99))
def test_levenberg_marquardt_solves_linear_least_squares(seed: int) -> None:
    generator = np.random.default_rng(seed)
    design, target = generator.normal(size=(12, 4)) * 10 ** generator.uniform(-3, 3, 4), generator.normal(size=12)
    best = np.linalg.lstsq(design, target, rcond=None)[0]
    a, y = torch.tensor(design), torch.tensor(target)
    found = LevenbergMarquardt(tolerance=1e-14).minimise(Squares(lambda theta: a @ theta - y), torch.zeros(4).double())
    np.testing.assert_allclose(found.theta, best, rtol=1e-6, atol=1e-9 * np.abs(best).max())
    assert found.stop == Stop.CONVERGED


def test_levenberg_marquardt_walks_through_rosenbrocks_valley() -> None:
    found = LevenbergMarquardt(steps=100).minimise(Squares(rosenbrock), START)
    torch.testing.assert_close(found.theta, torch.ones(2).double())
    assert found.value < 1e-20
    assert found.steps < 50


def test_lbfgs_walks_there_too() -> None:
    found = LBFGS().minimise(Squares(rosenbrock), START)
    torch.testing.assert_close(found.theta, torch.ones(2).double(), rtol=1e-4, atol=0)


@every
def test_every_solver_comes_down(solver: Solver) -> None:
    objective = Squares(rosenbrock)
    assert solver.minimise(objective, START).value < 0.25 * objective.value(START)


@pytest.mark.parametrize("function", [rosenbrock, jagged, torch.atan], ids=["rosenbrock", "jagged", "atan"])
@every
@given(x=st.floats(-3, 3), y=st.floats(-3, 3), steps=st.integers(1, 8))
def test_the_result_is_never_worse_than_the_start(
    solver: Solver, function: Callable[[Tensor], Tensor], x: float, y: float, steps: int
) -> None:
    objective, start = Squares(function), torch.tensor([x, y]).double()
    found = type(solver)(steps=steps).minimise(objective, start.clone())
    before = objective.value(start)
    assert found.steps <= steps
    if math.isfinite(before):
        assert found.value <= before
        assert objective.value(found.theta) == pytest.approx(found.value, rel=1e-12)
    else:
        assert found.theta.isfinite().all()


@every
def test_a_minimum_beside_a_region_of_nan_is_found(solver: Solver) -> None:
    objective = Squares(lambda theta: theta.log() + 3)
    found = solver.minimise(objective, torch.tensor([1.0]).double())
    assert float(found.theta) == pytest.approx(math.exp(-3), rel=0.05)


@every
def test_the_start_is_left_as_it_was(solver: Solver) -> None:
    start = START.clone()
    solver.minimise(Squares(rosenbrock), start)
    assert torch.equal(start, START)


@every
def test_an_interruption_keeps_the_best_point(solver: Solver) -> None:
    objective, seen = Squares(rosenbrock), []

    def watch(step: int, value: float, theta: Tensor) -> None:
        seen.append((value, theta.clone()))
        if step == 2:
            raise KeyboardInterrupt

    found = solver.minimise(objective, START, watch)
    assert found.stop == Stop.INTERRUPTED
    assert len(seen) == 2
    assert found.value == seen[-1][0] == min(value for value, _ in seen)
    torch.testing.assert_close(found.theta, seen[-1][1])


@every
def test_an_interruption_in_the_middle_of_a_step_keeps_it_too(solver: Solver) -> None:
    objective = Squares(rosenbrock)
    whole, calls = objective.quadratic, itertools.count()

    def interrupted(theta: Tensor) -> Quadratic:
        if next(calls) == 6:
            raise KeyboardInterrupt
        return whole(theta)

    objective.quadratic = interrupted  # type: ignore[method-assign]
    found = solver.minimise(objective, START)
    assert found.stop == Stop.INTERRUPTED
    assert found.value < Squares(rosenbrock).value(START)
    assert objective.value(found.theta) == pytest.approx(found.value)


def test_an_interruption_before_the_first_step_keeps_the_start() -> None:
    class Stopped(Squares):
        def quadratic(self, theta: Tensor) -> Quadratic:
            raise KeyboardInterrupt

    solution = LevenbergMarquardt().minimise(Stopped(rosenbrock), START)
    assert solution.stop is Stop.INTERRUPTED
    assert torch.equal(solution.theta, START)
    assert solution.value == pytest.approx(float(rosenbrock(START).square().sum()))


@every
def test_a_watcher_sees_each_step_and_may_stop(solver: Solver) -> None:
    seen = []

    def watch(step: int, value: float, theta: Tensor) -> Stop | None:
        seen.append((step, value))
        return Stop.CALLBACK if step == 2 else None

    found = solver.minimise(Squares(rosenbrock), START, watch)
    assert (found.stop, found.steps) == (Stop.CALLBACK, 2)
    assert [step for step, _ in seen] == [1, 2]
    assert all(later <= earlier for (_, earlier), (_, later) in itertools.pairwise(seen))


def test_levenberg_marquardt_stops_when_it_gains_nothing_and_with_nothing_to_do() -> None:
    at_best = LevenbergMarquardt().minimise(Squares(rosenbrock), torch.ones(2).double())
    assert (at_best.stop, at_best.value) == (Stop.CONVERGED, 0.0)
    flat = LevenbergMarquardt().minimise(Squares(lambda theta: theta[:1] * 0 + 2), torch.ones(2).double())
    assert (flat.stop, flat.theta.tolist()) == (Stop.CONVERGED, [1.0, 1.0])
    empty = LevenbergMarquardt().minimise(Squares(lambda theta: torch.ones(1)), torch.zeros(0))
    assert (empty.stop, empty.steps) == (Stop.CONVERGED, 0)


def test_a_direction_without_effect_does_no_harm() -> None:
    found = LevenbergMarquardt().minimise(Squares(lambda theta: theta[:1] - 3), torch.tensor([0.0, 5.0]).double())
    torch.testing.assert_close(found.theta, torch.tensor([3.0, 5.0]).double())


def test_numpy_takes_as_many_threads_as_torch_for_the_time_of_a_minimisation() -> None:
    def counts() -> set[int]:
        return {each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"}

    seen = []
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        LevenbergMarquardt(1).minimise(Squares(lambda theta: theta), START, lambda *_: seen.append(counts()))
        assert counts() == {2}
    assert torch.get_num_threads() == 1
    assert seen == [{1}]


def test_reasons_are_sentences() -> None:
    assert all(stop.value[0].isupper() and stop.value.endswith(".") for stop in Stop)
