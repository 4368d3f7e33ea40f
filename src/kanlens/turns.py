"""How often the functions in a formula turn to and fro, and whether rows are enough to see that.

A fast sine passes through any few rows, and a sine of a sine through more of them: on 36 planets a factor
`exp(c sin(42 sin(a)))` beat Kepler's law. The oftener a sine turns, the more there are to choose one from, which the
choice has to pay for.
"""

import math

from torch import Tensor

from kanlens.trees import Call, Tree, calls, children, values, variables

TURNING = frozenset({"sin", "cos", "tan"})
"""Functions that never cease to turn."""

ROWS = 2
"""Rows for each turn without which another, slower curve passes through the same rows (Nyquist 1928)."""


def turns(tree: Tree, x: Tensor) -> list[float]:
    """Return how many turns each periodic function in a formula makes over points `(rows, in)`.

    That is the way which its argument goes from row to row, in the order of its variable. Rows of several variables
    have no order; there it is the range of the argument, which is less.

    Examples
    --------
    >>> import torch
    >>> from kanlens.functions import LIBRARY
    >>> from kanlens.trees import Number, Variable, apply, multiply
    >>> wave = apply(LIBRARY["sin"], multiply(Number(4 * math.pi), Variable(0)))
    >>> [round(count, 6) for count in turns(wave, torch.tensor([[0.25], [1.0], [0.0]]))]
    [2.0]
    """
    if not calls(tree) & TURNING:
        return []
    own = [_way(tree.argument, x) / (2 * math.pi)] if isinstance(tree, Call) and tree.function.name in TURNING else []
    return own + [count for child in children(tree) for count in turns(child, x)]


def visible(tree: Tree, x: Tensor, rows: int) -> bool:
    """Tell whether a formula, evaluated at some points, turns no oftener than so many rows can see."""
    return all(ROWS * count <= rows for count in turns(tree, x))


def price(tree: Tree, x: Tensor) -> float:
    """Return the bits that it takes to say how often a formula turns."""
    return math.fsum(math.log2(1 + count) for count in turns(tree, x))


def _way(argument: Tree, x: Tensor) -> float:
    value = values(argument, x)
    if len(used := variables(argument)) == 1:
        return float(value[x[:, used.pop()].argsort()].diff().abs().sum())
    return float(value.amax() - value.amin())
