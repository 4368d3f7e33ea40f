"""Sort laws by the shape of network that they need, from their derivatives."""

import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np
import sympy

from benchmarks.judge import Law

Shape = Literal["one neuron", "read-once tree", "shared"]

POINTS = 12
"""Points at which derivatives are compared."""

CLOSE = 1e-8
"""Second derivative of a logarithm, as a share of the terms in it, that counts as zero."""


def shape(law: Law) -> Shape:
    """Return the class of a law.

    Two variables are siblings if the ratio of the law's derivatives by them is a function of one divided by a function
    of the other, whatever the third ones are. Where all pairs are, the law is `g(sum f_i(x_i))`, one hidden neuron.
    Siblings may be taken for one variable, and the next pair sought; where that ends with one variable, each one occurs
    once in some form of the law.
    """
    left = sorted(law.expression.free_symbols, key=str)
    if all(_siblings(law, i, j, left) for i, j in itertools.combinations(left, 2)):
        return "one neuron"
    while len(left) > 1:
        pair = next((p for p in itertools.combinations(left, 2) if _siblings(law, *p, left)), None)
        if pair is None:
            return "shared"
        left.remove(pair[1])
    return "read-once tree"


def _siblings(law: Law, i: sympy.Symbol, j: sympy.Symbol, left: Sequence[sympy.Symbol]) -> bool:
    """Tell whether `log(law_i / law_j)` is a sum of functions of `i` and of `j` as far as the variables left go."""
    of_i, of_j = sympy.diff(law.expression, i), sympy.diff(law.expression, j)

    def slope(by: sympy.Symbol) -> tuple[sympy.Expr, sympy.Expr]:
        return sympy.diff(of_i, by) / of_i, sympy.diff(of_j, by) / of_j

    a, b = slope(i)
    tests = [*(slope(k) for k in left if k not in (i, j)), (sympy.diff(a, j), sympy.diff(b, j))]
    points = law.sample(seed=3)[:POINTS]
    for first, second in tests:
        one, other = law.values(points, first), law.values(points, second)
        finite = np.isfinite(one) & np.isfinite(other)
        size = np.abs(one) + np.abs(other) + 1e-3
        if (np.abs(one - other) > CLOSE * size)[finite].any():
            return False
    return True
