"""A formula pays for its turns, and is refused where rows are too few to see them."""

import math

import pytest
import torch
from torch import Tensor

from kanlens import SearchSettings
from kanlens.budget import Budget
from kanlens.functions import LIBRARY
from kanlens.pool import Pool
from kanlens.refit import Rows
from kanlens.trees import Number, Tree, Variable, add, apply, multiply
from kanlens.turns import price, turns, visible

X, Y = Variable(0), Variable(1)
S = torch.linspace(0, 1, 4001, dtype=torch.float64)[torch.randperm(4001, generator=torch.Generator().manual_seed(0))]


def sine(argument: Tree, scale: float) -> Tree:
    return apply(LIBRARY["sin"], add(multiply(Number(scale), argument), Number(0.3)))


def column(rows: int) -> Tensor:
    return torch.linspace(0, 1, rows, dtype=torch.float64)[:, None]


def pool(rows: int) -> Pool:
    x = column(rows)
    return Pool(Rows(x, x[:, 0] ** 2), 1e-16, SearchSettings(), Budget())


def test_turns_are_those_of_the_argument_from_row_to_row() -> None:
    inner = sine(X, 2 * math.pi)
    outer = apply(LIBRARY["cos"], multiply(Number(6 * math.pi), inner))
    assert turns(multiply(X, outer), S[:, None]) == pytest.approx([12, 1], rel=1e-3)
    assert turns(apply(LIBRARY["tanh"], X), S[:, None]) == []


def test_of_several_variables_the_range_counts() -> None:
    x = torch.stack([S, S.flip(0)], 1)
    total = add(X, Y)
    both = float((x[:, 0] + x[:, 1]).amax() - (x[:, 0] + x[:, 1]).amin())
    assert turns(sine(total, 8.0), x) == pytest.approx([8 * both / (2 * math.pi)])


def test_a_formula_undefined_at_a_row_is_not_visible() -> None:
    assert not visible(apply(LIBRARY["sin"], apply(LIBRARY["log"], X)), -1 - column(9), 9)


@pytest.mark.parametrize(("rows", "seen"), [(36, False), (400, True)])
def test_turns_that_rows_cannot_see_are_refused(rows: int, seen: bool) -> None:
    fast = sine(X, 2 * math.pi * 20)
    found = pool(rows)
    assert found.allowed(fast) == seen
    assert found.fit(fast) == seen


def test_a_formula_pays_for_its_turns() -> None:
    slow, fast = sine(X, 2 * math.pi), sine(X, 2 * math.pi * 7)
    assert price(fast, S[:, None]) - price(slow, S[:, None]) == pytest.approx(math.log2(8 / 2), rel=1e-3)
    assert pool(400).bits(fast, 1.0) - pool(400).bits(slow, 1.0) == pytest.approx(2, rel=1e-2)
