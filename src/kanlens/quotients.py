r"""Laws in which a short factor hides the rest, `z cos(pi sqrt(x^2 + 1))`, `(sin(x) + cos(y))/(2 + sin(y))`.

The factors of a product are followed by splines, but only named as exactly as these are. Divided by those that have a
short name, the target is the other one as exactly as the data are, and all that is tried on a curve is tried on it.
Factors may pass zero, where slopes of their logarithms have poles. In a sum of two products, the two curves of a
feature may have a factor in common, and one of them little else.
"""

from collections.abc import Iterator, Mapping

from torch import Tensor

from kanlens.conditions import least_squares
from kanlens.decomposition import COARSE, NEAR, Decomposition, from_start, kinked, refined, wanted
from kanlens.functions import Function
from kanlens.naming import curve_names, unscaled_product
from kanlens.problems import Problem
from kanlens.spans import first_name, span_names
from kanlens.trees import Tree, Variable, substitute, values

ROWS, FEATURES = 1000, 4
"""Rows that are looked at, at most, and features up to which products of all of them are looked for."""

INTERVALS, STARTS = (COARSE, 30), 3
"""Intervals of the splines to begin with, more of them for fast waves, and starts with each."""

CLOSE = 1e-3
"""Error, as a share of the target's size, from which splines follow it."""

DOUBT, LEAST, RIGHT = 3.0, 1e-6, 30.0
"""How far off the curves are, in units of the error, and how far at least; what a right name may leave, in this."""


def quotients(problem: Problem, functions: Mapping[str, Function]) -> Iterator[Problem]:
    """Yield the problem of the only factor without a short name, or of each where all of them have one.

    Else, where the target is a sum of two products, yield that divided by a short curve of a feature that has others.

    Examples
    --------
    >>> import torch
    >>> from kanlens.functions import LIBRARY
    >>> from kanlens.refit import Rows
    >>> from kanlens.trees import shape
    >>> x = 2 * torch.rand(400, 2, dtype=torch.float64) - 1
    >>> y = (2 * x[:, 0]).sin().mul(3).cos().exp() * x[:, 1]
    >>> found = next(quotients(Problem.of(Rows(x, y)), LIBRARY))
    >>> [shape(column) for column in found.columns], bool(torch.allclose(found.t * x[:, 1], y))
    (['x0'], True)
    """
    if not 2 <= problem.size <= FEATURES:
        return
    z, t = problem.z[:ROWS], problem.t[:ROWS]
    for count, divided in ((1, _factors), (2, _shared)):
        fit = _fitted(z, t, count)
        if fit is not None:
            yield from divided(problem, fit, z, functions)
            return


def _factors(problem: Problem, fit: Decomposition, z: Tensor, functions: Mapping[str, Function]) -> Iterator[Problem]:
    """Yield the problem of each factor of which all others have a short name."""
    doubt = max(DOUBT * fit.error, LEAST)
    curves = (fit.columns @ fit.coef)[:, :, 0]
    names = [_name(s, curve, doubt, functions) for s, curve in zip(z.unbind(1), curves, strict=True)]
    for k in range(problem.size):
        others = [(j, name) for j, name in enumerate(names) if j != k and name is not None]
        if len(others) == problem.size - 1:
            factor = unscaled_product(substitute(name, [Variable(j)]) for j, name in others)
            smaller = problem.reduced([Variable(k)], factor)
            if smaller is not None:
                yield smaller


def _shared(problem: Problem, fit: Decomposition, z: Tensor, functions: Mapping[str, Function]) -> Iterator[Problem]:
    """Yield the target divided by one of the two curves of a feature, if that has a name but not both do."""
    for k, s in enumerate(z.unbind(1)):
        curves, off = fit.span(k)
        name = first_name(s, curves, off, functions) if curves.shape[1] > 1 else None
        if name is not None and span_names(s, curves, off, functions) is None:
            everything = [Variable(j) for j in range(problem.size)]
            smaller = problem.reduced(everything, substitute(name, [Variable(k)]))
            if smaller is not None:
                yield smaller


def _fitted(z: Tensor, t: Tensor, count: int) -> Decomposition | None:
    """Return the target as a sum of products of curves, None if it is none."""
    for intervals in INTERVALS:
        if len(t) < wanted(count, z.shape[1], intervals):
            break
        columns = kinked(z, intervals)
        for start in range(STARTS):
            fit = from_start(columns, t, count, start)
            if fit.error < NEAR:
                fine = refined(fit, z, t)
                return fine if fine.error < CLOSE else None
    return None


def _name(s: Tensor, curve: Tensor, doubt: float, functions: Mapping[str, Function]) -> Tree | None:
    """Return a function of the variable that a curve is a multiple of, None if that is none of those known."""
    for name in curve_names(s, curve, functions, doubt, plain=True).likely:
        column = values(name, s[:, None])[:, None]
        left = curve - column @ least_squares(column, curve)
        if float(left.norm()) < RIGHT * doubt * float(curve.norm()):
            return name
    return None
