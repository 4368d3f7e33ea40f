"""A law of two plain nodes is seen as one, whatever functions of them it is, and no other law is."""

from collections.abc import Callable

import pytest
import sympy
import torch

from kanlens.problems import Problem
from kanlens.refit import Rows
from kanlens.trees import symbolic
from kanlens.two_nodes import two_nodes

NAMES = sympy.symbols("x y z")


def problem(law: str, columns: int, low: float = -1.0, rows: int = 800) -> Problem:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(rows, columns, generator=generator, dtype=torch.float64) * (1 - low) + low
    values = sympy.lambdify(NAMES[:columns], sympy.sympify(law), "numpy")(*x.numpy().T)
    return Problem.of(Rows(x, torch.as_tensor(values)))


def nodes(found: Problem) -> set[sympy.Expr]:
    return {symbolic(column, NAMES) for column in found.columns}


@pytest.mark.parametrize(
    ("law", "first", "second"),
    [
        ("tanh(3*(x - y)) + x/2", "x - y", "x"),
        ("sin(3*x*y) + 3*sqrt(x**2 + y**2)/2", "x*y", "sqrt(x**2 + y**2)"),
        ("tanh(exp(x*y) - 1/(1 + x**2))", "x", "x*y"),
        ("cos(3*sqrt(x**2 + y**2))*exp(-(x + 2*y)**2/2)", "x + 2*y", "sqrt(x**2 + y**2)"),
        ("sqrt(2 + sin(3*(x + y**2)) + y)", "y", "x + y**2"),
        ("sin(3*(x - y))*exp(-(y - z)**2/2)", "x - y", "y - z"),
        ("Abs(x - y*z) + z/3", "x - y*z", "z"),
        ("sqrt(Abs(x*y)) + tanh(2*(x + y))", "x*y", "x + y"),
        ("cos(3*z*(x - y)) + log(1 + Abs(x + z))", "x + z", "z*(x - y)"),
        ("atan(4*x*y)*exp(-4*z**2) + z", "x*y", "z"),
        ("cos(2*x + 2*atan(3*y*z))", "x", "y*z"),
        ("tanh(2*(x + y))*sin(2*(x - y))", "x + y", "x - y"),
        ("(x - y)*sin(3*x*y)", "x - y", "x*y"),
        ("sin(3*(x + y))*(z - x**2)", "x + y", "z - x**2"),
    ],
)
def test_two_nodes_are_found(law: str, first: str, second: str) -> None:
    columns = len(sympy.sympify(law).free_symbols)
    assert {sympy.sympify(first), sympy.sympify(second)} in [nodes(p) for p in two_nodes(problem(law, columns))]


def test_the_shortest_of_equal_pairs_comes_first() -> None:
    law = problem("(x - y)/(x + y) + log(x)", 2, low=0.3)
    assert nodes(two_nodes(law)[0]) == {sympy.sympify("x/y"), sympy.sympify("x")}


def test_quotients_of_columns_are_nodes() -> None:
    law = problem("sin(3*x/y) + 1/(x + y)**2", 2, low=0.3)
    assert {sympy.sympify("x/y"), sympy.sympify("x + y")} in [nodes(found) for found in two_nodes(law)]


@pytest.mark.parametrize(
    ("law", "node"),
    [("log(1 + exp(2*x - 3*y))", "2*x - 3*y"), ("Abs(sin(3*x*y))", "x*y"), ("exp(-z*(x + y))", "z*(x + y)")],
)
def test_one_node_is_enough(law: str, node: str) -> None:
    columns = len(sympy.sympify(law).free_symbols)
    assert [nodes(found) for found in two_nodes(problem(law, columns))] == [{sympy.sympify(node)}]


@pytest.mark.parametrize(
    ("law", "columns"),
    [
        ("sin(2*x)*cos(y) + x*exp(y) + y**3*x**2", 2),
        ("exp(x*sin(3*y)) + y*cos(2*x)", 2),
        ("sin(3*x)*cos(3*sqrt(y**2 + 1))", 2),
        ("log(3/2 + sin(3*x) + y**2)", 2),
        ("sin(x*y) + cos(y*z) + x*z", 3),
        ("sin(3*x) + tanh(2*y) + exp(2*z)", 3),
    ],
)
def test_other_laws_have_none(law: str, columns: int) -> None:
    assert two_nodes(problem(law, columns)) == []


def test_the_smaller_problem_is_the_same_law() -> None:
    law = problem("sin(2*(x - y))*exp(-(y - z)**2/2)", 3)
    found = two_nodes(law)[0]
    assert found.size == 2
    torch.testing.assert_close(found.t, law.t)


@pytest.mark.parametrize("other", [lambda x: 0 * x + 3, lambda x: x, lambda x: 1e60 * x, lambda x: 1e-60 * x])
def test_columns_that_are_constant_alike_or_huge_do_no_harm(other: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x = problem("x", 1).z
    rows = Rows(torch.cat([x, other(x[:, :1])], 1), torch.sin(3 * x[:, 0]) + x[:, 0].abs())
    for found in two_nodes(Problem.of(rows)):
        assert bool(found.z.isfinite().all())


def test_few_rows_or_many_columns_say_nothing() -> None:
    assert two_nodes(problem("sin(x*y) + x", 2, rows=100)) == []
    assert two_nodes(problem("sin(2*x) + x", 1)) == []
