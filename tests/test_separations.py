"""A feature that a law has only in a factor or a term of its own is taken out, whatever that is and is inside."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kanlens.functions import LIBRARY
from kanlens.problems import TARGET, Problem
from kanlens.refit import Rows
from kanlens.separations import Part, parts, without
from kanlens.surrogate import surrogate
from kanlens.trees import Call, Tree, Variable, multiply, transform, values

LAWS: dict[str, Callable[[Tensor], Tensor]] = {
    "term": lambda x: torch.sin(2 * x[:, 0] * x[:, 1]) + torch.cosh(x[:, 2]),
    "factor": lambda x: torch.sin(2 * x[:, 0] - x[:, 1]) * (1 + x[:, 2] ** 2),
    "factor inside exp": lambda x: torch.exp(torch.sin(x[:, 0] + x[:, 1] ** 2) * torch.cosh(x[:, 2])),
    "term inside 1/x": lambda x: 1 / (4 + torch.sin(x[:, 0] * x[:, 1]) + torch.cosh(x[:, 2])),
}


def problem_of(law: Callable[[Tensor], Tensor], rows: int = 600) -> Problem:
    x = 2 * torch.rand(rows, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    return Problem.of(Rows(x, law(x)))


def found(problem: Problem) -> list[Part]:
    return parts(problem, surrogate(problem.z, problem.t))


@pytest.mark.parametrize("name", LAWS)
def test_the_feature_that_stands_alone_is_found(name: str) -> None:
    problem = problem_of(LAWS[name])
    best = found(problem)[0]
    truth = 1 + best.s[0] ** 2 if name == "factor" else torch.cosh(best.s[0])
    if best.factor:  # known up to a factor, a term up to another one
        curve, truth = best.curves[0].log(), truth.log() if "factor" in name else truth
    else:
        curve = best.curves[0]
    assert best.features == (2,)
    assert best.factor == ("factor" in name)
    assert float((curve - curve.mean() - truth + truth.mean()).abs().max()) < 1e-3 * float(truth.std())


@pytest.mark.parametrize("name", LAWS)
def test_what_is_left_is_the_law_of_the_others(name: str) -> None:
    problem = problem_of(LAWS[name])
    exact = []
    for _, smaller in without(problem, found(problem)[0], LIBRARY):
        assert smaller.size == 2
        assert torch.equal(smaller.z, problem.z[:, :2])
        law = transform(smaller.law, lambda leaf: Variable(3) if leaf == TARGET else leaf)
        wide = torch.cat([problem.rows.x, smaller.t[:, None]], 1)
        exact.append(float((values(law, wide) - problem.t).abs().max()))
    assert max(exact) < 1e-12


def test_a_law_whose_features_belong_together_has_no_part() -> None:
    problem = problem_of(lambda x: torch.sin(2 * x[:, 0] * x[:, 1] + x[:, 2] * x[:, 0] + 2 * x[:, 1] * x[:, 2]))
    assert not found(problem)


def test_an_outer_function_is_taken_off_with_its_problem() -> None:
    problem = problem_of(LAWS["factor inside exp"])
    part = found(problem)[0]
    inside = problem.inside(part.outer)
    expected: Tree = Call(LIBRARY["exp"], multiply(Variable(0), Variable(1)))
    assert torch.allclose(inside.t, problem.t.log())
    assert inside.formula(multiply(Variable(0), Variable(1))) == expected
