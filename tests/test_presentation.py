"""Formulas have the forms that people write."""

import math
import re
from fractions import Fraction

import pytest
import sympy
import torch

from kanlens.functions import LIBRARY
from kanlens.presentation import expression, presentable
from kanlens.refit import Rows
from kanlens.trees import Call, Number, Tree, Variable, add, calls, multiply, numbers, raise_to, shape, values, whole

X = Variable(0)
ABS = Call(LIBRARY["abs"], X)
RANGE = 2 * torch.rand(200, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1


def wave(scale: float, name: str = "sin") -> Tree:
    return Call(LIBRARY[name], multiply(Number(scale), ABS))


@pytest.mark.parametrize(
    "tree", [add(wave(3.0), raise_to(X, 3)), multiply(Number(2.0), wave(-1.5)), add(wave(1.0, "tan"), X)]
)
def test_the_absolute_value_of_a_wave_that_keeps_its_sign_is_outside(tree: Tree) -> None:
    shown = presentable(tree, Rows(RANGE, values(tree, RANGE)))
    assert re.search(r"\(abs \((sin|tan) ", shape(shown))
    assert "(abs x0)" not in shape(shown)
    torch.testing.assert_close(values(shown, RANGE), values(tree, RANGE))


@pytest.mark.parametrize("name", ["sin", "cos"])
@pytest.mark.parametrize("turns", range(-3, 4))
def test_a_shift_without_a_name_is_given_in_the_wave_that_has_one(name: str, turns: int) -> None:
    inside = add(multiply(Number(3.7), X), Number(0.4 + turns * math.pi / 2))
    tree = Call(LIBRARY[name], inside)
    shown = presentable(tree, Rows(RANGE, values(tree, RANGE)))
    torch.testing.assert_close(values(shown, RANGE), values(tree, RANGE))
    assert any(number.value == 0.4 and number.exact is not None for number in numbers(shown))


def test_no_function_comes_in_that_is_not_allowed() -> None:
    tree = add(Call(LIBRARY["sin"], add(multiply(Number(3.7), X), Number(0.4 + math.pi / 2))), wave(3.0))
    rows = Rows(RANGE, values(tree, RANGE))
    assert calls(presentable(tree, rows)) == {"sin", "cos", "abs"}
    assert calls(presentable(tree, rows, (), ["sin", "abs"])) == {"sin", "abs"}


@pytest.mark.parametrize("tree", [wave(5.0), wave(2.0, "tanh"), wave(2.0, "cos")])
def test_all_others_stay_inside(tree: Tree) -> None:
    shown = presentable(tree, Rows(RANGE, values(tree, RANGE)))
    assert "(abs x0)" in shape(shown)


def call(*names: str) -> Tree:
    """Return functions of each other, the outermost first, of the variable."""
    tree: Tree = X
    for name in reversed(names):
        tree = Call(LIBRARY[name], tree)
    return tree


@pytest.mark.parametrize(
    ("tree", "right"),
    [
        (Call(LIBRARY["sin"], multiply(whole(2), call("arctan"))), "2*x/(x**2 + 1)"),
        (call("sin", "arctan"), "x/sqrt(x**2 + 1)"),
        (call("arccos", "cos", "sin", "abs"), "Abs(sin(x))"),
        (call("arcsin", "sin", "tanh"), "tanh(x)"),
        (call("sin", "abs", "abs"), "sin(Abs(x))"),
    ],
)
def test_inverse_waves_and_waves_are_undone(tree: Tree, right: str) -> None:
    x = sympy.Symbol("x")
    shown = expression(tree, ["x"], Rows(RANGE, values(tree, RANGE)))
    assert shown == sympy.sympify(right, {"x": x})


def test_a_wave_that_an_inverse_does_not_undo_stays() -> None:
    tree = call("arcsin", "sin", "exp")
    assert expression(tree, ["x"], Rows(RANGE, values(tree, RANGE))).has(sympy.asin)


@pytest.mark.parametrize(
    ("powers", "right"),
    [
        ((0.5, 0.5), "sqrt(x*y)"),
        ((0.5, -0.5), "sqrt(x/y)"),
        ((-0.5, -0.5), "1/sqrt(x*y)"),
        ((0.5, 1.5), "sqrt(x)*y**Rational(3, 2)"),
        ((-1.5, 1.5), "(y/x)**Rational(3, 2)"),
    ],
)
def test_roots_are_joined(powers: tuple[float, float], right: str) -> None:
    tree = multiply(*(raise_to(Variable(k), Fraction(power)) for k, power in enumerate(powers)))
    points = torch.rand(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
    shown = expression(tree, ["x", "y"], Rows(points, values(tree, points)))
    assert shown == sympy.sympify(right, {"x": sympy.Symbol("x"), "y": sympy.Symbol("y")})
