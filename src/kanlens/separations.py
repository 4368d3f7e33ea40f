"""Take out a feature that the law has only in a factor, or only in a term, of its own, inside an outer function."""

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.conditions import Spline, interior, least_squares
from kanlens.functions import Function
from kanlens.naming import curve_choices, unscaled_product, unshifted_sum
from kanlens.problems import EXPONENTIAL, IDENTITY, OUTER, Outer, Problem, outers
from kanlens.spreading import evenly
from kanlens.surrogate import Surrogate
from kanlens.trees import Tree, Variable, complexity, multiply, substitute

SEPARATE = 0.02
"""Share of a derivative that may depend on other features because the stand-in is not exact."""

COVERED = 1e-3
"""The same inside an outer function, of which there are a dozen to choose from."""

DOUBT = 3e-5
"""How far off a curve is at least, as a share of its deviation; else as far as its slope."""

SAME = ("inverse log", *(outer.name for outer in OUTER if outer.name.startswith("t^")))
"""Outer functions inside which a factor of the target is a term or a factor of the target itself."""

INSIDE = (IDENTITY.name, EXPONENTIAL, "t^-1", "t^2")
"""Outer functions inside which parts of several features are looked for."""

NAMED = 2
"""Names of a curve that become problems."""


class Part(NamedTuple):
    """Hold the features of a factor or a term, their values and curves at rows, how far slopes are off, what is around.

    The target is `outer(factor * rest)` or `outer(term + rest)`, where a term of several features is the product of
    their curves. The first feature occurs nowhere else if it is `alone`.
    """

    features: tuple[int, ...]
    s: tuple[Tensor, ...]
    curves: tuple[Tensor, ...]
    misfit: float
    factor: bool
    outer: Outer
    alone: bool = True


def parts(problem: Problem, smooth: Surrogate) -> list[Part]:
    r"""Return the features that stand alone in a factor or in a term, those that fit best first.

    With :math:`\tau` the target inside an outer function, :math:`\partial_i \tau = \tau\,g(z_i)` or
    :math:`\partial_i \tau = g(z_i)`. Either is linear in a spline for :math:`g`, also where the target changes its
    sign; the integral is the logarithm of the factor, or the term.
    """
    z, t, slopes = well_inside(problem, smooth)
    at, steep = evenly(z)
    splines = [Spline.of(s) for s in at.unbind(1)]
    found = []
    for outer in outers(problem.t):
        for k, spline in enumerate(splines):
            for side, factor in sides(outer, t):
                curve, misfit = _fitted(spline, side, slopes[:, k] * steep[:, k])
                if misfit < (SEPARATE if outer is IDENTITY else COVERED):
                    curve = curve.exp() if factor else curve
                    found.append(Part((k,), (z[:, k],), (curve,), misfit, factor, outer))
    return sorted(found, key=lambda part: part.misfit)


def well_inside(problem: Problem, smooth: Surrogate) -> tuple[Tensor, Tensor, Tensor]:
    """Return features, target and slopes at the stand-in's rows away from the rim."""
    z = problem.z[smooth.rows]
    inside = interior(z)
    return z[inside], problem.t[smooth.rows][inside], smooth.slopes[inside]


def sides(outer: Outer, t: Tensor) -> Iterator[tuple[Tensor, bool]]:
    """Yield what the slope of a factor's logarithm, and that of a term, is multiplied by in the target's derivative.

    The second entry tells whether it is that of a factor.
    """
    if outer.name not in SAME:
        yield outer.forward(t) * derivative(outer, t), True
    yield derivative(outer, t), False


def derivative(outer: Outer, t: Tensor) -> Tensor:
    """Return the target's derivative by what is inside the outer function: that of a reciprocal is negative."""
    ends = outer.forward(t[[int(t.argmin()), int(t.argmax())]])
    return outer.weight(t) * torch.sign(ends[1] - ends[0])


def _fitted(spline: Spline, side: Tensor, slope: Tensor) -> tuple[Tensor, float]:
    """Return the integral of `g` where `slope = side g`, and the share of the slope that this leaves."""
    columns = spline.rows * side[:, None]
    coef = least_squares(columns, slope)
    misfit = float((slope - columns @ coef).norm() / slope.norm().clamp_min(1e-300))
    return spline.integral(coef), misfit


def without(problem: Problem, part: Part, functions: Mapping[str, Function]) -> Iterator[tuple[int, Problem]]:
    """Yield problems with the part divided out or taken off by a likely name, with the name's symbols."""
    others: list[Tree] = [Variable(k) for k in range(problem.size) if not part.alone or k != part.features[0]]
    inside = problem.inside(part.outer)
    doubt = max(DOUBT, part.misfit)
    choices = curve_choices(list(zip(part.s, part.curves, strict=True)), functions, [doubt] * len(part.s))
    for names in itertools.islice(choices, NAMED):
        first, *rest = (substitute(name, [Variable(k)]) for k, name in zip(part.features, names, strict=True))
        if part.factor:
            smaller = inside.reduced(others, unscaled_product([first]))
        else:
            smaller = inside.minus(multiply(unshifted_sum([first]), *rest)).reduced(others)
        if smaller is not None:
            yield sum(map(complexity, names)), smaller
