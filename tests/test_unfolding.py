"""A sine or a square around a curve is passed through its turning points."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kanlens.problems import TARGET, Problem
from kanlens.refit import Rows
from kanlens.trees import Call, Variable, transform, values
from kanlens.unfolding import NEAR, unfolded


def problem_of(law: Callable[[Tensor], Tensor], low: float = -2, high: float = 2, rows: int = 800) -> Problem:
    x = low + (high - low) * torch.rand(rows, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Problem.of(Rows(x, law(x[:, 0])))


def around(problem: Problem) -> Tensor:
    """Return the law around a problem's target, at its target."""
    law = transform(problem.law, lambda leaf: Variable(0) if leaf == TARGET else leaf)
    return values(law, problem.t[:, None])


def straightness(curve: Tensor, truth: Tensor) -> float:
    """Return how far a curve is from a line in another one, as a share of its deviation."""
    columns = torch.stack([truth, torch.ones_like(truth)], 1)
    left = curve - columns @ torch.linalg.lstsq(columns, curve[:, None]).solution[:, 0]
    return float(left.norm() / (curve - curve.mean()).norm())


@given(
    st.floats(0.3, 3.0),
    st.floats(-2.0, 2.0),
    st.floats(2.0, 4.0),
    st.floats(-math.pi, math.pi),
)
def test_what_is_inside_a_sine_of_any_size_middle_and_phase_is_found(
    size: float, middle: float, fast: float, phase: float
) -> None:
    def inside(s: Tensor) -> Tensor:
        return fast * s + torch.exp(s) + phase

    problem = problem_of(lambda s: size * torch.sin(inside(s)) + middle)
    truth = inside(problem.z[:, 0])
    best = min((inner for _, inner in unfolded(problem)), key=lambda inner: straightness(inner.t, truth))
    assert straightness(best.t, truth) < 1e-3
    assert torch.allclose(around(best), problem.t, atol=2 * NEAR * size)  # what turning points may be apart


def test_turns_of_what_is_inside_are_no_touches_where_they_are_at_one_level() -> None:
    problem = problem_of(lambda s: torch.cos(s + 2 * torch.sin(2 * s)))
    simple, inner = next(unfolded(problem))
    s = problem.z[:, 0]
    assert simple
    assert straightness(inner.t, s + 2 * torch.sin(2 * s)) < 1e-6


def test_what_is_inside_a_square_changes_its_sign_where_it_passes_zero() -> None:
    problem = problem_of(lambda s: (s * torch.sin(4 * s) + 0.3) ** 2)
    _, inner = next(unfolded(problem))
    truth = problem.z[:, 0] * torch.sin(4 * problem.z[:, 0]) + 0.3
    assert min(float((inner.t - truth).abs().max()), float((inner.t + truth).abs().max())) < 1e-12


def test_the_outer_function_with_simple_numbers_comes_first() -> None:
    problem = problem_of(lambda s: torch.sqrt(torch.sin(4 * s + torch.tanh(s)) + 2))
    plain, inner = next(unfolded(problem))
    truth = 4 * problem.z[:, 0] + torch.tanh(problem.z[:, 0])
    assert plain
    assert straightness(inner.t, truth) < 1e-4


def test_a_top_at_which_what_is_inside_turns_is_not_passed() -> None:
    problem = problem_of(lambda s: torch.cos(3 * s**2))
    best = min(straightness(inner.t, problem.z[:, 0] ** 2) for _, inner in unfolded(problem))
    assert best < 1e-4


@pytest.mark.parametrize("law", [torch.exp, torch.tanh, lambda s: torch.exp(s) - 3 * s])
def test_a_curve_without_turning_points_that_speak_for_it_is_left_alone(law: Callable[[Tensor], Tensor]) -> None:
    assert not list(unfolded(problem_of(law)))


def test_few_rows_are_left_alone() -> None:
    assert not list(unfolded(problem_of(lambda s: torch.sin(5 * s), rows=20)))


def test_the_law_around_a_sine_names_it() -> None:
    problem = problem_of(lambda s: torch.sin(4 * s + s**3))
    _, inner = next(unfolded(problem))
    assert isinstance(inner.law, Call)
    assert inner.law.function.name == "sin"
