"""Train a network of one node from the curves that derivatives show, which are only as exact as a stand-in's slopes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.joins import DOUBT, Node, interior
from kanlens.network import KAN
from kanlens.nodes import curves_into
from kanlens.problems import Problem
from kanlens.solvers import LevenbergMarquardt
from kanlens.spreading import evenly
from kanlens.surrogate import Surrogate
from kanlens.training import fit

ROUGH = 2e-4
"""Misfit of a node from which its curves gain by training."""

EXACT = 2e-6
"""Misfit below which no node is said to be: what constants of the curves make up for does not show in the target."""

LEAST = 0.1
"""Size of a factor, as a share of its deviation, from which its logarithm tells its power."""

BASIS, STEPS = BSpline(degree=5, intervals=16), 20
"""Splines of the network, and the steps that it takes: it begins near the end."""


def sharpened(node: Node, problem: Problem, smooth: Surrogate) -> Node:
    """Return a node with curves that fit the target itself, the same node if they are exact or gain nothing.

    The function around the node is a spline too, so that all features have to belong to it. From random starts the
    same network takes ten times as long, and often ends elsewhere.
    """
    if node.misfit < ROUGH or len(node.features) < problem.size:
        return node
    rows = smooth.rows[interior(problem.z[smooth.rows])]
    at, t = evenly(problem.z[rows]).at, problem.t[rows]
    model = _begun(node, at, t)
    fit(model, at, t[:, None], solver=LevenbergMarquardt(steps=STEPS))
    with torch.no_grad():
        error = float((model(at)[:, 0] - t).std() / t.std())
    curves = list(curves_into(model, at, node.product).unbind(1))
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


@torch.no_grad()
def _begun(node: Node, at: Tensor, t: Tensor) -> KAN:
    """Return the network of a node's curves, and of the function around them that is closest to the target."""
    size = len(node.features)
    model = KAN([size, (0, [size]) if node.product else 1, 1], basis=BASIS, residual="zero", dtype=torch.float64)
    first, last = model.layers
    curves = torch.stack(node.curves, 1)
    if node.product:
        first.mask.copy_(torch.eye(size))
    first.grid.copy_(BASIS.grid(at.amin(0), at.amax(0)))
    first.coef.copy_(BASIS.project(at, torch.diag_embed(curves) if node.product else curves[:, None], first.grid))
    edges = curves_into(model, at, node.product)
    node_values = (edges.prod(1) if node.product else edges.sum(1))[:, None]
    last.grid.copy_(BASIS.grid(node_values.amin(0), node_values.amax(0)))
    last.coef.copy_(BASIS.project(node_values, t[:, None, None], last.grid))
    return model
