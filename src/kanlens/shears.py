"""Take out a factor or a term of a feature that the law also has elsewhere, moved along with another one."""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from kanlens.conditions import Spline, block_diagonal, factor, least_squares, smallest
from kanlens.problems import Problem, outers
from kanlens.separations import INSIDE, Part, sides, well_inside
from kanlens.spreading import evenly
from kanlens.surrogate import Surrogate

MISFIT = 0.01
"""Smallest singular value, functions having unit size, up to which there may be such a part."""

GAP = 0.2
"""The same as a share of that without one of the three functions, which would say that there is something simpler."""

CLOSE, MOST = 10.0, 3
"""How many times the least misfit that of another one may be, and how many are returned at most."""

PLAINER = 10.0
"""How much larger the misfit may be if one function is 1 or the feature: any function may be common to all three."""

POWERS = (0, 1, -1)
"""Powers of the other feature that its derivative has: it is moved itself, its logarithm is, or its square."""

WEAK = 0.03
"""Share of the largest size from which on rows count alike."""


def shears(problem: Problem, smooth: Surrogate) -> list[Part]:
    r"""Return such factors and terms, those that fit best first.

    If :math:`\tau = g(y)\,F(x + Y(y), \ldots)`, then
    :math:`\partial_y \tau = (g'/g)\,\tau + Y'\,\partial_x \tau`, whatever *F*, and of a term *g* the same with 1 in
    the place of :math:`\tau`: `sin(x + y^2) tanh(y)`. With :math:`x\,\partial_x` it is a product that *F* is taken of,
    as in `sin(x y) tanh(y)`, with :math:`\partial_x / x` a sum with the square of *x*. Multiplied by a function of *y*,
    it has no poles where *g* is zero; the three functions are then splines, and the null vector of a matrix.
    """
    z, t, slopes = well_inside(problem, smooth)
    at, steep = evenly(z)
    splines = [Spline.of(s) for s in at.unbind(1)]
    found: list[Part] = []
    for outer in (outer for outer in outers(problem.t) if outer.name in INSIDE):
        for k, spline in enumerate(splines):
            along = slopes[:, k] * steep[:, k]
            for moved, (side, whole) in itertools.product(_moved(z, slopes, k), list(sides(outer, t))):
                solved = _solved(spline, along, side, moved)
                if solved is not None:
                    curve, misfit = _curve(spline, *solved[:2], whole), solved[2]
                    found.append(Part((k,), (z[:, k],), (curve,), misfit, whole, outer, alone=False))
    found.sort(key=lambda part: part.misfit)
    return [part for part in found if part.misfit < CLOSE * found[0].misfit][:MOST]


def _moved(z: Tensor, slopes: Tensor, k: int) -> Iterator[Tensor]:
    """Yield the derivatives along which each of the other features is moved."""
    for i, power in itertools.product(range(z.shape[1]), POWERS):
        moved = slopes[:, i] * z[:, i] ** power
        if i != k and torch.isfinite(moved).all():
            yield moved


def _solved(spline: Spline, along: Tensor, side: Tensor, moved: Tensor) -> tuple[Tensor, Tensor, float] | None:
    """Return functions `a, b` of the feature with `a along = b side + c moved`, and how far off that is."""
    sizes = [part.norm().clamp_min(1e-300) for part in (along, side, moved)]
    along, side, moved = (part / size for part, size in zip((along, side, moved), sizes, strict=True))
    solution, misfit = _null(spline, along, side, moved)
    pairs = itertools.combinations((along, side, moved), 2)
    if misfit > MISFIT or misfit > GAP * min(_null(spline, *two)[1] for two in pairs):
        return None
    a, b = (spline.rows @ coef for coef in solution.view(3, -1)[:2])
    both = torch.cat([spline.rows * side[:, None], spline.rows * moved[:, None]], 1)
    for plain in (torch.ones_like(along), spline.s):
        coef = least_squares(both, plain * along)
        if float((both @ coef - plain * along).norm()) < PLAINER * misfit * float((plain * along).norm()):
            a, b = plain, -spline.rows @ coef[: spline.rows.shape[1]]
            break
    return a / sizes[0], -b / sizes[1], misfit


def _null(spline: Spline, *parts: Tensor) -> tuple[Tensor, float]:
    """Return coefficients of a function for each part, the sum of the products being zero, and how far it is off."""
    length = torch.stack(parts).norm(dim=0)
    weight = 1 / length.clamp_min(WEAK * length.quantile(0.95))
    matrix = torch.cat([spline.rows * (weight * part)[:, None] for part in parts], 1)
    return smallest(matrix, block_diagonal([spline.rows] * len(parts)))[:2]


def _curve(spline: Spline, a: Tensor, b: Tensor, whole: bool) -> Tensor:
    """Return the curve `g` with `a g' = b g`, or `a g' = b` of a term."""
    if whole:
        return factor(spline, b, a)[0]
    return spline.rows @ least_squares(spline.slopes * a[:, None], b)
