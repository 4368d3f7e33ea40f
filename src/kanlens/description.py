"""How many bits it takes to write a formula down: the common coin of accuracy and length."""

import math
from fractions import Fraction

from kanlens.constants import Constant
from kanlens.trees import Call, Number, Power, Product, Sum, Tree, children, multiply, variables, whole

SYMBOL = 4.0
"""Bits that a symbol takes: one out of about sixteen."""

MINUS = whole(-1)
"""A factor that is no more than a sign: one bit."""


def length(tree: Tree, rows: int) -> float:
    """Return the bits of a formula whose free constants are known from so many rows.

    A constant that was fitted is worth half a logarithm of the rows (Rissanen 1978), one that has a name as much as
    the name; an exponent costs more the rarer it is, so that noise does not turn a square into a cube.

    Examples
    --------
    >>> from kanlens.trees import Variable, raise_to
    >>> square, odd = (raise_to(Variable(0), Fraction(p)) for p in ("2", "7/6"))
    >>> length(square, 100) < length(odd, 100)
    True
    """
    below = children(tree)
    inside = math.fsum(length(child, rows) for child in below)
    match tree:
        case Product(factors) if MINUS in factors:
            return length(multiply(*(f for f in factors if f != MINUS)), rows) + 1
        case Sum() | Product():
            return inside + SYMBOL * (len(below) - 1)
        case Power(_, exponent):
            return inside + SYMBOL + _exponent(exponent)
        case Call(function, _):
            return inside + SYMBOL * max(1, function.complexity - 1)
        case Number(_, None):
            return SYMBOL + 0.5 * math.log2(rows)
        case Number(_, Constant() as exact):
            return SYMBOL - 1 + exact.bits
    return SYMBOL


def spare(tree: Tree, rows: int) -> float:
    """Return the bits of a formula beyond those of a sum or product of its columns: what a shorter one could save.

    Examples
    --------
    >>> from kanlens.trees import Variable, raise_to
    >>> product = multiply(Variable(0), Variable(1))
    >>> spare(product, 100), spare(multiply(product, raise_to(Variable(2), 2)), 100)
    (0.0, 7.0)
    """
    return length(tree, rows) - SYMBOL * (2 * len(variables(tree)) - 1)


def _exponent(p: Fraction) -> float:
    """Return the bits of an exponent: 3 for a square, 4 for a root, 14 for a power of 7/6."""
    return 1 + 2 * math.log2(abs(p.numerator)) + 3 * math.log2(p.denominator) + (p < 0)
