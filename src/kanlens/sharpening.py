"""Fit the curves of a node to the target: derivatives show them only as exactly as they know a stand-in's slopes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.conditions import interior
from kanlens.joins import DOUBT, Node
from kanlens.problems import Problem
from kanlens.single_index import Splines, fitted
from kanlens.surrogate import Surrogate

ROUGH = 2e-4
"""Misfit of a node from which its curves gain by training."""

EXACT = 2e-6
"""Misfit below which no node is said to be: what constants of the curves make up for does not show in the target."""

LEAST = 0.1
"""Size of a factor, as a share of its deviation, from which its logarithm tells its power."""

INTERVALS, OUTER, STEPS = 16, BSpline(degree=5, intervals=16), 40
"""Splines inside the node and around it, and the steps that they take at most."""


def sharpened(node: Node, problem: Problem, smooth: Surrogate) -> Node:
    """Return a node with curves that fit the target itself, the same node if they are exact or gain nothing.

    The function around the node is a spline too, so that all features have to belong to it.
    """
    if node.misfit < ROUGH or len(node.features) < problem.size:
        return node
    rows = smooth.rows[interior(problem.z[smooth.rows])]
    z, t = problem.z[rows], problem.t[rows]
    splines = Splines.of(z, INTERVALS, node.product)
    fit = fitted(splines.node, splines.closest(torch.stack(node.curves, 1)), t, OUTER, STEPS)
    error, curves = fit.error / float(t.std()), list(splines.curves(fit.constants).unbind(1))
    if not error < DOUBT * node.misfit:
        return node
    if node.product:
        curves = _to_the_power_before(curves, node.curves)
    sizes = [float(curve.std()) for curve in curves]
    units = sizes if node.product else [max(sizes)] * len(sizes)  # the terms of a sum have one scale
    return node._replace(
        curves=tuple(c / u for c, u in zip(curves, units, strict=True)), misfit=max(error / DOUBT, EXACT)
    )


def _to_the_power_before(curves: Sequence[Tensor], before: Sequence[Tensor]) -> list[Tensor]:
    """Return factors raised to the power that brings them closest to those before.

    A product is known up to a power, which the function around it undoes, and training drifts along that.
    """
    old, new = (torch.stack([curve.abs().log() for curve in some]) for some in (before, curves))
    sound = torch.stack([curve.abs() > LEAST * curve.std() for curve in before]) & torch.isfinite(new)
    weight = sound.double()
    old, new = (torch.where(sound, part, 0.0) for part in (old, new))
    old, new = (part - part.sum(1, keepdim=True) / weight.sum(1, keepdim=True) for part in (old, new))
    power = float((weight * new * old).sum() / (weight * old * old).sum())
    return [curve.sign() * curve.abs() ** (1 / power) for curve in curves] if power > 0 else list(curves)
