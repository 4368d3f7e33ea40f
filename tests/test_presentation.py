"""Absolute values stand where people write them."""

import math
import re

import pytest
import torch

from kanlens.functions import LIBRARY
from kanlens.presentation import presentable
from kanlens.refit import Rows
from kanlens.trees import Call, Number, Tree, Variable, add, multiply, numbers, raise_to, shape, values

X = Variable(0)
ABS = Call(LIBRARY["abs"], X)
RANGE = torch.linspace(-1, 1, 200, dtype=torch.float64)[:, None]


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


@pytest.mark.parametrize("tree", [wave(5.0), wave(2.0, "tanh"), wave(2.0, "cos")])
def test_all_others_stay_inside(tree: Tree) -> None:
    shown = presentable(tree, Rows(RANGE, values(tree, RANGE)))
    assert "(abs x0)" in shape(shown)
