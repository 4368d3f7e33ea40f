"""What a factor without a short name is divided out of is that factor, as exactly as the data are."""

import pytest
import sympy
import torch
from tests.test_two_nodes import NAMES, problem

from kanlens.functions import LIBRARY
from kanlens.quotients import quotients


@pytest.mark.parametrize(
    ("factor", "others"),
    [
        ("cos(3*sqrt(x**2 + 1))", "y"),
        ("exp(-tanh(2*sin(3*x)))", "y**2"),
        ("log(2 + cos(3*x))**2", "sin(3*y)"),
        ("atan(x*sin(2*x) + 1)", "exp(-y)*z"),
    ],
)
def test_the_factor_without_a_name_is_left(factor: str, others: str) -> None:
    columns = len((sympy.sympify(factor) * sympy.sympify(others)).free_symbols)
    posed = problem(f"{factor}*{others}", columns)
    found = {str(found.columns): found for found in quotients(posed, LIBRARY)}
    (left,) = [found for found in found.values() if torch.equal(found.z[:, 0].abs(), posed.z[:, 0].abs())]
    right = torch.as_tensor(sympy.lambdify(NAMES[0], sympy.sympify(factor))(posed.z[:, 0].numpy()))
    ratio = left.t / right
    assert torch.allclose(ratio, ratio.mean().expand_as(ratio), rtol=1e-9)


@pytest.mark.parametrize("law", ["sin(x*y) + x", "exp(x)*y + x", "sin(3*x*y)", "exp(-x*y)/(2 + x + y)"])
def test_what_is_no_product_has_none(law: str) -> None:
    assert list(quotients(problem(law, 2), LIBRARY)) == []


def test_two_factors_without_names_have_none() -> None:
    assert list(quotients(problem("exp(-tanh(2*sin(3*x)))*atan(y*sin(5*y) + 1)", 2), LIBRARY)) == []


def test_a_factor_of_both_curves_of_a_column_is_divided_out() -> None:
    posed = problem("(sin(3*x) + cos(2*y))/(2 + sin(3*y))", 2)
    found = list(quotients(posed, LIBRARY))
    x, y = posed.z.unbind(1)
    right = (3 * x).sin() + (2 * y).cos()
    assert min(float((other.t / right - (other.t / right).mean()).abs().max()) for other in found) < 1e-8


def test_two_curves_with_names_are_left_alone() -> None:
    assert list(quotients(problem("x*exp(-y) + sin(3*x)*y", 2), LIBRARY)) == []
