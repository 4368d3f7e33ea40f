"""Factors and terms of features that the law also has inside another function are told from its derivatives."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kanlens.functions import LIBRARY
from kanlens.problems import Problem
from kanlens.product_terms import product_terms
from kanlens.refit import Rows
from kanlens.separations import without
from kanlens.shears import shears
from kanlens.surrogate import surrogate

Curve = Callable[[Tensor], Tensor]


def problem_of(law: Callable[..., Tensor], features: int) -> Problem:
    x = 2 * torch.rand(800, features, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    return Problem.of(Rows(x, law(*x.unbind(1))))


def unlike(found: Tensor, truth: Tensor) -> float:
    """Return the share of a curve that a multiple of the other one leaves."""
    return float((found - truth * (found @ truth) / (truth @ truth)).norm() / found.norm())


FACTORS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Curve]] = {
    "beside a sum": (lambda x, y: torch.tanh(x + torch.sin(2 * y)) * (1 + y**2), lambda y: 1 + y**2),
    "with a zero": (lambda x, y: torch.exp(torch.sin(x + y)) * torch.sin(2 * y), lambda y: torch.sin(2 * y)),
    "beside a product": (lambda x, y: torch.sin(3 * x * y) / (1 + y.exp()), lambda y: 1 / (1 + y.exp())),
    "beside a sum of squares": (lambda x, y: torch.sin(x**2 + y**2) * torch.cos(2 * y), lambda y: torch.cos(2 * y)),
    "inside exp": (lambda x, y: torch.exp(torch.sin(2 * x - y) * torch.cosh(y)), torch.cosh),
}


@pytest.mark.parametrize("name", FACTORS)
def test_a_factor_of_a_feature_that_is_needed_elsewhere_is_found(name: str) -> None:
    law, truth = FACTORS[name]
    problem = problem_of(law, 2)
    found = [part for part in shears(problem, surrogate(problem.z, problem.t)) if part.factor and not part.alone]
    assert min(unlike(part.curves[0], truth(part.s[0])) for part in found if part.features == (1,)) < 1e-3


def test_a_term_of_a_feature_that_is_needed_elsewhere_is_found() -> None:
    problem = problem_of(lambda x, y: torch.sin(2 * x - 2 * y) + torch.exp(y / 2), 2)
    term = shears(problem, surrogate(problem.z, problem.t))[0]
    curve, truth = term.curves[0], torch.exp(term.s[0] / 2)
    assert not term.factor
    assert term.features == (1,)
    assert unlike(curve - curve.mean(), truth - truth.mean()) < 1e-3


def test_a_law_of_a_sum_has_no_such_part() -> None:
    problem = problem_of(lambda x, y: torch.sin(2 * x + y**3), 2)
    assert not shears(problem, surrogate(problem.z, problem.t))


def test_a_term_that_is_a_product_of_curves_is_found_and_taken_off() -> None:
    problem = problem_of(lambda x, y, z: torch.atan(2 * x * y) + torch.exp(x) * torch.sin(z) + 0.3 * y, 3)
    term = product_terms(problem, surrogate(problem.z, problem.t))[0]
    assert term.features == (2, 0)
    assert unlike(term.curves[1], term.s[1].exp()) < 1e-3
    rest = torch.atan(2 * problem.z[:, 0] * problem.z[:, 1]) + 0.3 * problem.z[:, 1]
    left = [smaller.t - rest for _, smaller in without(problem, term, LIBRARY) if smaller.size == 2]
    assert min(float(t.std()) for t in left) < 1e-3


def test_a_product_of_all_features_is_no_term_beside_others() -> None:
    problem = problem_of(lambda x, y, z: torch.sin(2 * x * y + z * x + 2 * y * z), 3)
    assert not product_terms(problem, surrogate(problem.z, problem.t))
