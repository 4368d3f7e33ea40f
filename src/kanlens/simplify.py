"""Offer the simplest of several equal forms of an expression, each checked by numbers."""

import math
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sympy import Expr

LARGEST = 60
"""Operations up to which rewriting is tried; larger expressions would take too long."""

LARGEST_SEARCH = 30
"""Operations up to which sympy's own search for the simplest form is tried; with 40 it may take minutes."""

FEW_DECIMALS = 2
"""Decimal numbers up to which it is tried: identities ask for constants that agree, which no more of them do."""


def simplest(expression: "Expr") -> "Expr":
    """Return the shortest of the expression's equal forms.

    Forms come from sympy's own rewrites, with symbols under a logarithm or a root taken as
    positive, which they are on the data. A form that differs from the expression at any of some
    random points is thrown away.
    """
    import sympy

    if sympy.count_ops(expression) > LARGEST:
        return expression
    positive = {symbol: sympy.Symbol(symbol.name, positive=True) for symbol in _positive(expression)}
    back = {value: key for key, value in positive.items()}
    best = expression
    for rewrite in _rewrites():
        form = rewrite(expression.subs(positive)).subs(back)
        if _length(form) < _length(best) and equal(form, expression):
            best = form
    return best


def _positive(expression: "Expr") -> "set[Expr]":
    """Return the symbols that are the argument of a logarithm or of a fractional power."""
    import sympy

    logs = {log.args[0] for log in expression.atoms(sympy.log)}
    roots = {power.base for power in expression.atoms(sympy.Pow) if power.exp.is_integer is False}
    return {argument for argument in logs | roots if argument.is_Symbol}


def _rewrites() -> "Iterator[Callable[[Expr], Expr]]":
    import sympy

    yield sympy.expand
    yield lambda e: sympy.powsimp(sympy.expand_log(e))
    yield lambda e: sympy.factor(e) if e.is_polynomial() or e.is_rational_function() else e
    yield _simplify
    yield lambda e: e if (expanded := sympy.expand(e)) == e else _simplify(expanded)


def _simplify(expression: "Expr") -> "Expr":
    """Return what sympy's search finds, on expressions for which it finds something and ends in a second or so."""
    import sympy

    small = sympy.count_ops(expression) <= LARGEST_SEARCH and len(expression.atoms(sympy.Float)) <= FEW_DECIMALS
    return sympy.simplify(expression) if small else expression


def _length(expression: "Expr") -> tuple[int, int]:
    import sympy

    return int(sympy.count_ops(expression)), len(str(expression))


def equal(one: "Expr", other: "Expr", points: int = 12) -> bool:
    """Tell whether two expressions agree at random points where both are real and finite."""
    import sympy

    symbols = sorted(one.free_symbols | other.free_symbols, key=str)
    generator = random.Random(0)
    f, g = (sympy.lambdify(symbols, e, "mpmath") for e in (one, other))
    compared = 0
    for scale in (1.0, 0.3, 3.0):
        for point in range(points):  # half of them positive, where logarithms and roots are real
            at = [scale * generator.uniform(-(point % 2), 1) for _ in symbols]
            left, right = _value(f, at), _value(g, at)
            if left is None or right is None:
                continue
            compared += 1
            if abs(left - right) > 1e-9 * max(abs(left), abs(right), 1e-6):
                return False
    return compared > 0


def _value(function: Callable[..., Any], at: list[float]) -> float | None:
    try:
        value = complex(function(*at))
    except (ValueError, ZeroDivisionError, OverflowError, TypeError):
        return None
    real = abs(value.imag) <= 1e-12 * max(1.0, abs(value.real))
    return value.real if real and math.isfinite(value.real) else None
