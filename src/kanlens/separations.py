"""Take out a feature that the law has only in a factor, or only in a term, of its own, inside an outer function."""

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.functions import Function
from kanlens.joins import Spline, interior
from kanlens.naming import curve_choices, unscaled_product, unshifted_sum
from kanlens.problems import IDENTITY, OUTER, Outer, Problem, outers
from kanlens.spreading import evenly
from kanlens.surrogate import Surrogate
from kanlens.trees import Tree, Variable, complexity, substitute

SEPARATE = 0.02
"""Share of a derivative that may depend on other features because the stand-in is not exact."""

COVERED = 1e-3
"""The same inside an outer function, of which there are a dozen to choose from."""

DOUBT = 3e-5
"""How far off a curve is at least, as a share of its deviation; else as far as its slope."""

SAME = ("inverse log", *(outer.name for outer in OUTER if outer.name.startswith("t^")))
"""Outer functions inside which a factor of the target is a term or a factor of the target itself."""

NAMED = 2
"""Names of a curve that become problems."""


class Part(NamedTuple):
    """Hold a feature, its curve at rows, how far its slope is off, whether the curve is a factor, and what is around.

    The target is `outer(factor * rest)` or `outer(term + rest)`.
    """

    feature: int
    s: Tensor
    curve: Tensor
    misfit: float
    factor: bool
    outer: Outer


def parts(problem: Problem, smooth: Surrogate) -> list[Part]:
    r"""Return the features that stand alone in a factor or in a term, those that fit best first.

    With :math:`\tau` the target inside an outer function, :math:`\partial_i \tau = \tau\,g(z_i)` or
    :math:`\partial_i \tau = g(z_i)`. Either is linear in a spline for :math:`g`, also where the target changes its
    sign; the integral is the logarithm of the factor, or the term.
    """
    z = problem.z[smooth.rows]
    inside = interior(z)
    z, t, slopes = z[inside], problem.t[smooth.rows][inside], smooth.slopes[inside]
    at, steep = evenly(z)
    splines = [Spline.of(s) for s in at.unbind(1)]
    found = []
    for outer in outers(problem.t):
        tau, weight = outer.forward(t), outer.weight(t)
        weight = weight * torch.sign(tau[t.argmax()] - tau[t.argmin()])  # the reciprocal falls where the target grows
        sides = ((tau * weight, True), (weight, False))[outer.name in SAME :]
        for k, spline in enumerate(splines):
            for side, factor in sides:
                curve, misfit = _fitted(spline, side, slopes[:, k] * steep[:, k])
                if misfit < (SEPARATE if outer is IDENTITY else COVERED):
                    found.append(Part(k, z[:, k], curve.exp() if factor else curve, misfit, factor, outer))
    return sorted(found, key=lambda part: part.misfit)


def _fitted(spline: Spline, side: Tensor, slope: Tensor) -> tuple[Tensor, float]:
    """Return the integral of `g` where `slope = side g`, and the share of the slope that this leaves."""
    columns = spline.rows * side[:, None]
    ridge = 1e-10 * columns.norm() * torch.eye(columns.shape[1], dtype=side.dtype)
    right = torch.cat([slope, slope.new_zeros(columns.shape[1])])
    coef = torch.linalg.lstsq(torch.cat([columns, ridge]), right[:, None]).solution[:, 0]
    misfit = float((slope - columns @ coef).norm() / slope.norm().clamp_min(1e-300))
    return spline.integral(coef), misfit


def without(problem: Problem, part: Part, functions: Mapping[str, Function]) -> Iterator[tuple[int, Problem]]:
    """Yield problems of the others, the part divided out or taken off by a likely name, with the name's symbols."""
    others: list[Tree] = [Variable(k) for k in range(problem.size) if k != part.feature]
    inside = problem.inside(part.outer)
    names = curve_choices([(part.s, part.curve)], functions, [max(DOUBT, part.misfit)])
    for (name,) in itertools.islice(names, NAMED):
        named = [substitute(name, [Variable(part.feature)])]
        if part.factor:
            smaller = inside.reduced(others, unscaled_product(named))
        else:
            smaller = inside.minus(unshifted_sum(named)).reduced(others)
        if smaller is not None:
            yield complexity(name), smaller
