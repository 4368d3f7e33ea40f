"""What has lost its signs gets them back, whatever curves it is a sum of, and nothing else does."""

import pytest
import sympy
import torch
from tests.test_two_nodes import NAMES, problem

from kanlens.problems import Problem
from kanlens.refit import Rows
from kanlens.search import search
from kanlens.settings import SearchSettings
from kanlens.signs import signed

SUMS = ("sin(2*x) - y", "x**2 - cos(y)", "x - y**2", "exp(x) - y - 1/2", "tanh(3*x) + cos(2*y) - z", "x*y - cos(2*z)/2")


@pytest.mark.parametrize("law", SUMS)
@pytest.mark.parametrize("size", ["Abs({})", "sqrt(Abs({}))", "({})**2", "log(Abs({}))"])
def test_signs_that_are_lost_are_found(law: str, size: str) -> None:
    columns = len(sympy.sympify(law).free_symbols)
    posed = problem(size.format(law), columns)
    right = torch.as_tensor(sympy.lambdify(NAMES[:columns], sympy.sympify(law))(*posed.z.numpy().T))
    (found,) = signed(posed)
    assert torch.allclose(found.t.abs(), right.abs())
    agree = (found.t * right > 0).double().mean()
    assert max(agree, 1 - agree) > 0.995


@pytest.mark.parametrize(
    "law", ["exp(sin(2*x) - y)", "1/(1/10 + x**2 + y**2)", "Abs(x)*exp(y)", "x**2*y**4", "Abs(sin(2*x)) + y**2"]
)
def test_other_laws_have_none(law: str) -> None:
    assert signed(problem(law, 2)) == []


def test_all_of_many_rows_get_their_signs() -> None:
    posed = problem("Abs(sin(2*x) - y)", 2, rows=3000)
    (found,) = signed(posed)
    right = (2 * posed.z[:, 0]).sin() - posed.z[:, 1]
    agree = float((found.t * right > 0).double().mean())
    assert max(agree, 1 - agree) > 0.999


def test_few_rows_and_many_columns_are_left_alone() -> None:
    assert signed(problem("Abs(sin(2*x) - y)", 2, rows=80)) == []
    x = torch.rand(2000, 5, dtype=torch.float64)
    assert signed(Problem.of(Rows(x, (x.sum(1) - 2.5).abs()))) == []


@pytest.mark.parametrize("law", ["Abs(sin(2*x) - y)", "sqrt(Abs(x*y - cos(2*z)/2))"])
def test_the_law_is_found(law: str) -> None:
    posed = problem(law, len(sympy.sympify(law).free_symbols))
    names = [str(name) for name in NAMES[: posed.size]]
    front = search(posed.z, posed.t, names=names, settings=SearchSettings(steps=300))
    assert front.exact
    assert sympy.simplify(front.choose().expression - sympy.sympify(law)) == 0
