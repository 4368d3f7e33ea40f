"""What two or three columns are mostly joined to in a law: few forms without constants, which can all be tried."""

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction

from torch import Tensor

from kanlens.problems import LARGEST
from kanlens.trees import Tree, Variable, add, multiply, raise_to, values, whole

WEIGHTS = {2: (1, 2, 3), 3: (1, 2)}
"""Weights in the sum of two columns, by how many columns there are."""


def plain_nodes(z: Tensor) -> list[Tree]:
    """Return two or three columns, then what they are joined to, without nodes that are infinite or constant.

    Examples
    --------
    >>> import torch
    >>> from kanlens.trees import shape
    >>> nodes = plain_nodes(2 * torch.rand(100, 2, dtype=torch.float64) - 1)
    >>> len(nodes), [shape(node) for node in nodes[:4]]
    (24, ['x0', 'x1', '(+ x0 x1)', '(+ (* -1 x1) x0)'])
    """
    return [node for node in _all(z) if _varies(values(node, z))]


def _all(z: Tensor) -> Iterator[Tree]:
    columns, signed = [Variable(k) for k in range(z.shape[1])], ((z > 0).all(0) | (z < 0).all(0)).tolist()
    yield from columns
    weights = WEIGHTS[len(columns)]
    for (x, y), (fixed, other) in zip(
        itertools.combinations(columns, 2), itertools.combinations(signed, 2), strict=True
    ):
        for a, b in itertools.product(weights, weights):
            if math.gcd(a, b) == 1:
                yield from (add(multiply(whole(a), x), multiply(whole(sign * b), y)) for sign in (1, -1))
        yield multiply(x, y)
        if fixed or other:
            yield multiply(x, raise_to(y, -1)) if other else multiply(y, raise_to(x, -1))
        yield raise_to(add(raise_to(x, 2), raise_to(y, 2)), Fraction(1, 2))  # laws are smooth in it, or in its square
        for one, square in ((x, raise_to(y, 2)), (y, raise_to(x, 2))):
            yield from (add(one, multiply(whole(sign), square)) for sign in (1, -1))
            if len(columns) == 2:
                yield multiply(one, square)
    if len(columns) == 3:
        yield from _of_three(columns)


def _varies(values: Tensor) -> bool:
    """Tell whether a node is finite, and not the same at all rows."""
    low, high = float(values.amin()), float(values.amax())
    return -LARGEST < low < high < LARGEST


def _of_three(columns: list[Variable]) -> Iterator[Tree]:
    """Yield what three columns are joined to."""
    yield multiply(*columns)
    yield raise_to(add(*(raise_to(column, 2) for column in columns)), Fraction(1, 2))
    for first, second in itertools.product((1, -1), repeat=2):
        yield add(columns[0], multiply(whole(first), columns[1]), multiply(whole(second), columns[2]))
    for k, one in enumerate(columns):
        x, y = (column for j, column in enumerate(columns) if j != k)
        for sign in (1, -1):
            yield multiply(one, add(x, multiply(whole(sign), y)))
            yield add(one, multiply(whole(sign), x, y))
