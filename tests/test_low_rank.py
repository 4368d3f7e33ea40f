"""Sums of products of curves are found as they are, inside another function too, and nothing else is taken for one."""

import math

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanlens.functions import LIBRARY
from kanlens.low_rank import AS_GOOD, CANCELS, _decomposed, _fewest, low_rank
from kanlens.presentation import expression, presentable
from kanlens.problems import Problem
from kanlens.refit import Rows, refit
from kanlens.spans import span_names
from kanlens.trees import (
    Call,
    Number,
    Tree,
    Variable,
    add,
    multiply,
    planted,
    raise_to,
    reads_once,
    values,
    variables,
)

W = sympy.Wild("w")
X, Y, Z = (Variable(k) for k in range(3))
FUNCTIONS = {name: LIBRARY[name] for name in ("sin", "cos", "exp", "log", "sqrt", "tanh", "x^2", "abs")}


def call(name: str, scale: float, of: Tree = X) -> Tree:
    return Call(LIBRARY[name], multiply(Number(scale), of))


def problem(law: Tree, size: int, rows: int = 1000) -> Problem:
    x = torch.rand(rows, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
    return Problem.of(Rows(x, values(law, x)))


def best(posed: Problem) -> float:
    """Return the least error of the guesses once they are fitted, as a share of the deviation."""
    guesses = [guess for some in low_rank(posed, FUNCTIONS) for guess in some]
    errors = [refit(guess.tree, posed.rows)[1] for guess in guesses]
    return math.sqrt(min(errors, default=math.inf) / posed.rows.variance())


LAWS = {
    "two products": (add(multiply(X, call("exp", -1, Y)), multiply(Y, call("cos", 3, X))), 2),
    "a bell": (
        add(multiply(Y, Call(LIBRARY["exp"], multiply(Number(-4), raise_to(add(X, Number(-0.5)), 2)))), raise_to(Y, 3)),
        2,
    ),
    "three features": (add(multiply(X, Y, Z), multiply(call("sin", 3, X), call("cos", 1, Y)), raise_to(Z, 2)), 3),
    "fast waves": (add(raise_to(X, 2), call("cos", 14, X), call("sin", 11, Y), raise_to(Y, 2)), 2),
    "a kink": (add(multiply(Call(LIBRARY["abs"], X), call("sin", 2, Y)), X), 2),
    "inside a logarithm": (
        Call(
            LIBRARY["log"], add(multiply(X, call("cos", 1, Y)), multiply(raise_to(Y, 2), call("exp", -1, X)), Number(3))
        ),
        2,
    ),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_sum_of_products_is_found_as_it_is(law: tuple[Tree, int]) -> None:
    assert best(problem(*law)) < 1e-12


def test_a_function_of_a_product_is_not_taken_for_a_sum_of_products() -> None:
    law = add(Call(LIBRARY["exp"], multiply(X, Y)), Call(LIBRARY["sin"], multiply(Number(4), add(X, Y))))
    assert best(problem(law, 2)) == math.inf


@pytest.mark.parametrize(
    "argument",
    [
        add(X, raise_to(Y, 2)),
        add(raise_to(X, 2), multiply(Number(-0.5), Y), Number(1)),
        add(X, Y, multiply(Number(2), Z)),
    ],
    ids=["two", "a shift", "three"],
)
def test_a_wave_of_a_sum_is_one_wave(argument: Tree) -> None:
    posed = problem(Call(LIBRARY["cos"], argument), 1 + max(variables(argument)))
    guesses = [guess.tree for some in low_rank(posed, FUNCTIONS) for guess in some]
    fitted = [refit(tree, posed.rows) for tree in guesses if reads_once(tree)]
    assert min(error for _, error in fitted) < 1e-24


def test_few_rows_tell_no_products_apart() -> None:
    assert not list(low_rank(problem(LAWS["two products"][0], 2, rows=100), FUNCTIONS))


@settings(deadline=None)
@given(
    scale=st.floats(0.5, 3),
    rate=st.floats(-2, -0.5),
    mixing=st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda m: abs(m[0] * m[3] - m[1] * m[2]) > 0.2),
)
def test_names_of_mixed_curves_span_them(scale: float, rate: float, mixing: list[float]) -> None:
    s = torch.linspace(-1, 1, 300, dtype=torch.float64)
    curves = torch.stack([torch.sin(scale * s), torch.exp(rate * s)], 1)
    names = span_names(s, curves @ torch.tensor(mixing, dtype=torch.float64).view(2, 2), 1e-6, FUNCTIONS)
    assert names is not None
    columns = np.stack([np.ones(len(s)), *(values(name, s[:, None]).numpy() for name in names)], 1)
    left = curves.numpy() - columns @ np.linalg.lstsq(columns, curves.numpy(), rcond=None)[0]
    assert np.abs(left).max() < 1e-4


def test_curves_without_a_short_name_have_none() -> None:
    s = torch.linspace(0.1, 1, 300, dtype=torch.float64)
    curves = torch.stack([torch.special.bessel_j0(9 * s), torch.lgamma(s), torch.erf(3 * s)], 1)
    assert span_names(s, curves, 1e-8, FUNCTIONS) is None


@pytest.mark.parametrize(
    "text", ["(x + sin(3*y/2))**2", "(sin(3*x/2) + 2*Abs(y))**2", "(x - y)**2*tanh(2*x)", "(x + tanh(y))**2"]
)
def test_a_square_found_as_its_three_terms_is_shown_as_a_square(text: str) -> None:
    square = sympy.sympify(text)
    terms = sympy.expand(square).replace(sympy.sin(W) ** 2, lambda w: (1 - sympy.cos(2 * w)) / 2)
    tree = planted(terms, sympy.symbols("x y"))
    assert tree is not None
    x = torch.rand(200, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
    rows = Rows(x, values(tree, x))
    assert expression(presentable(tree, rows), ["x", "y"], rows) == square


def test_products_that_cancel_are_no_fewer() -> None:
    for seed in range(3):
        x = torch.rand(800, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1
        tau = x[:, 0].abs() + x[:, 1] ** 3 / 2 - torch.tanh(2 * x[:, 2])
        most = _decomposed(x, tau)
        assert most is not None
        fewer = _fewest(most, tau)
        assert fewer.cancels() < CANCELS
        assert fewer.error < AS_GOOD * most.error
