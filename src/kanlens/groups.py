r"""A column that stands apart from two that are entangled: `atan(x sin(pi y)) + sqrt(z)`, `sin(x y) / (1 + z^2)`.

Derivatives of a stand-in show it where the stand-in is good (:mod:`kanlens.separations`). Where two columns make fast
waves together, one for all three is not, but splines are that know what stands apart: a function of two columns is
far easier to follow than one of three.
"""

import math

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.conditions import least_squares
from kanlens.problems import IDENTITY, Outer, Problem, outers
from kanlens.separations import INSIDE, Part
from kanlens.spreading import evenly

ROWS, EACH = 1000, 3
"""Rows that are looked at, at most, and rows for each coefficient at least."""

INTERVALS = 8
"""Of the splines of each column, whose products are those of two columns."""

TURNS, GAIN = 12, 0.9
"""Turns in which factors are fitted, and the share of the error before to which one must come, or it is the last."""

BETTER, CLOSE = 1.0, 0.05
"""Error, as a share of a stand-in's and of the target's deviation, up to which a column stands apart."""

DOUBT = 3.0
"""How far off a curve may be, in units of the error: that is no noise, but where splines are too coarse."""


def groups(problem: Problem, error: float) -> list[Part]:
    """Return the features that stand apart from two others in a term or a factor, those that fit best first.

    Parameters
    ----------
    problem : Problem
        Of three features.
    error : float
        That of a stand-in, as a share of the target's deviation.
    """
    z, t, basis = problem.z[:ROWS], problem.t[:ROWS], BSpline(degree=5, intervals=INTERVALS)
    if problem.size != 3 or len(t) < EACH * basis.size * (basis.size + 1):
        return []
    at = evenly(z).at
    splines = basis.values(at, basis.grid(at.amin(0), at.amax(0))).unbind(1)
    around = [(outer, outer.forward(t)) for outer in outers(t) if outer.name in INSIDE]
    found: list[tuple[float, Part]] = []
    for k, own in enumerate(splines):
        one, other = (splines[j] for j in range(3) if j != k)
        both = (one[:, :, None] * other[:, None]).flatten(1)
        found += [_part(z[:, k], k, _term(own, both, tau), tau, outer) for outer, tau in around]
        found += [_part(z[:, k], k, _factor(own, both, t, start), t) for start in (torch.ones_like(t), at[:, k])]
    likely = [part for left, part in found if left < min(BETTER * error, CLOSE)]
    return sorted(likely, key=lambda part: part.misfit)


def _part(s: Tensor, k: int, fit: tuple[Tensor, Tensor], tau: Tensor, outer: Outer | None = None) -> tuple[float, Part]:
    """Return what a fit leaves, as a share of the deviation, and the term, or without an outer function the factor."""
    curve, residual = fit
    left = float(residual.std() / tau.std())
    scale = tau.std() / curve.std().clamp_min(1e-300) if outer is not None else 1.0
    misfit = float(DOUBT * left * scale)
    return left, Part((k,), (s,), (curve,), misfit, outer is None, outer or IDENTITY)


def _term(own: Tensor, both: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
    """Return the curve of a column's own splines beside those of both others, and what is left."""
    columns = torch.cat([own, both], 1)
    coef = least_squares(columns, tau)
    return own @ coef[: own.shape[1]], tau - columns @ coef


def _factor(own: Tensor, both: Tensor, t: Tensor, curve: Tensor) -> tuple[Tensor, Tensor]:
    """Return the curve of a column's own splines that multiplies those of both others, and what is left."""
    before, left = math.inf, t
    for _ in range(TURNS):
        rest = both @ least_squares(curve[:, None] * both, t)
        curve = own @ least_squares(rest[:, None] * own, t)
        left = t - curve * rest
        if float(left.std()) > GAIN * before:
            break
        before = float(left.std())
    return curve, left
