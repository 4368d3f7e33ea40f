"""A plain node beside curves of all columns is seen, and the sum is named."""

import pytest
import sympy
from tests.test_two_nodes import NAMES, problem

from kanlens.functions import LIBRARY
from kanlens.one_node import one_node
from kanlens.trees import symbolic, values


@pytest.mark.parametrize(
    ("law", "node"),
    [
        ("sin(4*x*y) + exp(x) + cos(3*y)", "x*y"),
        ("log(2 + sin(4*x*y) + x**2 + cos(y))", "x*y"),
        ("Abs(x - y) + sin(4*x) + exp(-y)", "x - y"),
        ("tanh(2*(x - y)) + sin(4*x) + cos(2*y) + z**2", "x - y"),
        ("cos(3*sqrt(x**2 + y**2)) + tanh(2*x) + exp(y)", "sqrt(x**2 + y**2)"),
        ("(exp(x + 2*y)/3 + sin(3*x) + y + 3)**2", "x + 2*y"),
    ],
)
def test_a_node_beside_curves_is_found_and_named(law: str, node: str) -> None:
    posed = problem(law, len(sympy.sympify(law).free_symbols))
    (guesses,) = one_node(posed, LIBRARY)
    left = [float((values(guess.tree, posed.z) - posed.t).std()) for guess in guesses]
    assert min(left) < 2e-3 * float(posed.t.std())
    assert any(_holds(symbolic(guess.tree, NAMES), sympy.sympify(node)) for guess in guesses)


def _holds(formula: sympy.Expr, node: sympy.Expr) -> bool:
    """Tell whether a formula has the product or the sum of just those variables in a function."""
    inside = [call.args[0] for call in formula.atoms(sympy.Function)]
    return any(part.free_symbols == node.free_symbols for part in inside)


@pytest.mark.parametrize(
    "law",
    ["sin(3*x) + exp(y)", "x*exp(-y) + y**2*sin(3*x)", "exp(x*sin(3*y))", "cos(3*x*sin(2*y)) + y", "x*cos(3*x*y)"],
)
def test_other_laws_have_none(law: str) -> None:
    assert list(one_node(problem(law, 2), LIBRARY)) == []


def test_few_rows_and_one_column_are_left_alone() -> None:
    assert list(one_node(problem("sin(4*x*y) + exp(x)", 2, rows=100), LIBRARY)) == []
    assert list(one_node(problem("sin(4*x)", 1), LIBRARY)) == []
