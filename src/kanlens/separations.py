"""Take out a feature that the law has only in a factor, or only in a term, of its own, inside an outer function."""

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.functions import Function
from kanlens.joins import interior
from kanlens.naming import curve_choices, unscaled_product, unshifted_sum
from kanlens.problems import IDENTITY, OUTER, Outer, Problem, outers
from kanlens.spreading import evenly
from kanlens.surrogate import Surrogate
from kanlens.trees import Tree, Variable, complexity, substitute

BASIS = BSpline(degree=5, intervals=8)

SEPARATE = 0.02
"""Share of a derivative that may depend on other features because the stand-in is not exact."""

COVERED = 1e-3
"""The same inside an outer function, of which there are a dozen to choose from."""

DOUBT = 1.0
"""How far off a curve is, in units of what its slope is off."""

SAME = ("inverse log", *(outer.name for outer in OUTER if outer.name.startswith("t^")))
"""Outer functions inside which a factor of the target is a term or a factor of the target itself."""

FINE = 2001
"""Points of a slope that is integrated."""

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
    found = []
    for outer in outers(problem.t):
        tau, weight = outer.forward(t), outer.weight(t)
        weight = weight * torch.sign(tau[t.argmax()] - tau[t.argmin()])  # the reciprocal falls where the target grows
        for k in range(problem.size):
            integral = _Integral.of(at[:, k])
            sides = ((tau * weight, True), (weight, False))
            for side, factor in sides[outer.name in SAME :]:
                curve, misfit = integral.fit(side, slopes[:, k] * steep[:, k])
                if misfit < (SEPARATE if outer is IDENTITY else COVERED):
                    found.append(Part(k, z[:, k], curve.exp() if factor else curve, misfit, factor, outer))
    return sorted(found, key=lambda part: part.misfit)


class _Integral(NamedTuple):
    """Hold a basis at a feature's rows `(rows, size)` and on a fine grid, and the places of the rows on that."""

    rows: Tensor
    fine: Tensor
    at_fine: Tensor
    place: Tensor

    @classmethod
    def of(cls, s: Tensor) -> "_Integral":
        grid = BASIS.grid(s.amin()[None], s.amax()[None])
        fine = torch.linspace(float(s.amin()), float(s.amax()), FINE, dtype=s.dtype)
        place = ((s - fine[0]) / (fine[1] - fine[0])).clamp(0, FINE - 1.001)
        return cls(BASIS.values(s[:, None], grid)[:, 0], fine, BASIS.values(fine[:, None], grid)[:, 0], place)

    def fit(self, side: Tensor, slope: Tensor) -> tuple[Tensor, float]:
        """Return the integral of `g` where `slope = side g`, and the share of the slope that this leaves."""
        columns = self.rows * side[:, None]
        ridge = 1e-10 * columns.norm() * torch.eye(BASIS.size, dtype=side.dtype)
        right = torch.cat([slope, slope.new_zeros(BASIS.size)])
        coef = torch.linalg.lstsq(torch.cat([columns, ridge]), right[:, None]).solution[:, 0]
        misfit = float((slope - columns @ coef).norm() / slope.norm().clamp_min(1e-300))
        total = torch.cumulative_trapezoid(self.at_fine @ coef, self.fine)
        total = torch.cat([total.new_zeros(1), total])
        low = self.place.long()
        return torch.lerp(total[low], total[low + 1], self.place - low), misfit


def without(problem: Problem, part: Part, functions: Mapping[str, Function]) -> Iterator[tuple[int, Problem]]:
    """Yield problems of the others, the part divided out or taken off by a likely name, with the name's symbols."""
    others: list[Tree] = [Variable(k) for k in range(problem.size) if k != part.feature]
    inside = problem.inside(part.outer)
    names = curve_choices([(part.s, part.curve)], functions, [max(3e-5, DOUBT * part.misfit)])
    for (name,) in itertools.islice(names, NAMED):
        named = [substitute(name, [Variable(part.feature)])]
        if part.factor:
            smaller = inside.reduced(others, unscaled_product(named))
        else:
            smaller = inside.minus(unshifted_sum(named)).reduced(others)
        if smaller is not None:
            yield complexity(name), smaller
