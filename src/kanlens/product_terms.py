"""Take off a term that is a product of curves, of which one feature occurs nowhere else: `x sqrt(z) + atan(x y)`."""

import math

import torch
from torch import Tensor

from kanlens.conditions import Spline
from kanlens.problems import Problem, outers
from kanlens.separations import INSIDE, Part, derivative, well_inside
from kanlens.single_index import Splines
from kanlens.spreading import evenly
from kanlens.surrogate import Surrogate

INTERVALS, SWEEPS = 8, 8
"""Intervals of the curves, and turns in which they are fitted."""

MISFIT = 0.01
"""Share of a derivative that the product of curves may leave."""

FLAT = 5.0
"""Deviation of a curve, in units of the misfit, up to which it is a constant."""


def product_terms(problem: Problem, smooth: Surrogate) -> list[Part]:
    r"""Return such terms, those that fit best first.

    If :math:`\tau = f(x)\,g(z) + R(x, y, \ldots)` then :math:`\partial_z \tau = f(x)\,g'(z)`: a product of curves of
    some of the features, whatever *R*. Those that are constant drop out.
    """
    z, t, slopes = well_inside(problem, smooth)
    at, steep = evenly(z)
    splines = Splines.of(z, INTERVALS, product=True)
    start = torch.randn(splines.columns[0].numel(), generator=torch.Generator().manual_seed(0), dtype=z.dtype)
    found = []
    for outer in (outer for outer in outers(problem.t) if outer.name in INSIDE):
        along = slopes / derivative(outer, t)[:, None]
        for k in range(problem.size):
            coef = splines.rank_one(along[:, k], start, SWEEPS)
            curves = splines.curves(coef)
            misfit = float((along[:, k] - curves.prod(1)).norm() / along[:, k].norm().clamp_min(1e-300))
            others = [i for i in range(problem.size) if i != k and _turns(curves[:, i], misfit)]
            if misfit < MISFIT and others:
                flat = [curves[:, i].mean() for i in range(problem.size) if i != k and i not in others]
                spline = Spline.of(at[:, k])
                grown = spline.integral(spline.closest(curves[:, k] * steep[:, k])) * math.prod(map(float, flat))
                features = (k, *others)
                parts = (grown, *(curves[:, i] for i in others))
                found.append(Part(features, tuple(z[:, i] for i in features), parts, misfit, False, outer))
    return sorted(found, key=lambda part: part.misfit)


def _turns(curve: Tensor, misfit: float) -> bool:
    """Tell whether a curve is more than a constant."""
    return float(curve.std()) > FLAT * misfit * float(curve.abs().mean())
