"""Move the grids of a network to where its data are."""

import copy
from dataclasses import replace

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.network import KAN, KANLayer, multiply

MARGIN = 0.005
"""Share of the data's range by which grids reach beyond it; between the data of a sample there are such gaps."""


@torch.no_grad()
def regrid(
    model: KAN, x: Tensor, *, uniformity: float = 1.0, intervals: int | None = None, margin: float = MARGIN
) -> KAN:
    """Return a copy whose grids span the data's range at every layer, with the same curves.

    The layers are done from the inputs on, each with the node values that the new layers before
    it give, so that small errors of projection do not add up. Curves are projected by least
    squares at the data and at points spread evenly over the new grid, which settle the coefficients
    that no datum touches.

    Parameters
    ----------
    model : KAN
    x : Tensor
        Inputs `(batch, in)`.
    uniformity : float
        1 for uniform grids, towards 0 for grids that follow the data's quantiles.
    intervals : int, optional
        Number of intervals of the new grids, by default as before.
    margin : float
        Share of the data's range by which uniform grids reach beyond it.

    Examples
    --------
    >>> model = KAN([2, 3, 1])
    >>> x = torch.rand(100, 2) * 10
    >>> finer = regrid(model, x, intervals=20)
    >>> finer.spec.basis.intervals, bool(finer.layers[0].grid.amax() > 9)
    (20, True)
    """
    result = copy.deepcopy(model)
    nodes = x
    for layer, symbols, width in result.parts():
        _move(layer, nodes, uniformity, intervals, margin)
        nodes = multiply(layer(nodes) + symbols(nodes), width)
    if intervals is not None:
        result.spec = replace(result.spec, basis=replace(result.spec.basis, intervals=intervals))
    return result


FAR = 8.0
"""A range that reaches so many half-widths from a grid's centre is foreign to it."""


@torch.no_grad()
def stretch(model: KAN, x: Tensor, y: Tensor) -> KAN:
    """Return a copy of an untrained network whose first curves and outputs have the data's units.

    A fresh network knows nothing worth keeping of inputs far from its grids. :func:`regrid` would
    keep its curves there, which are steep tangents; this moves the grids and takes the curves
    along. What is not foreign stays as it is.

    Parameters
    ----------
    model : KAN
    x, y : Tensor
        Inputs `(batch, in)` and targets `(batch, out)`.

    Examples
    --------
    >>> x = torch.rand(100, 2) * 1e6
    >>> model = KAN([2, 3, 1])
    >>> bool(model(x).std() > 1e3), bool(stretch(model, x, x[:, :1] / 1e6).trace(x).nodes[1].std() < 3)
    (True, True)
    """
    result = copy.deepcopy(model)
    first, last = result.layers[0], result.layers[-1]
    inner = first.basis.inner(first.grid)
    centre, half = (inner[:, 0] + inner[:, -1]) / 2, (inner[:, -1] - inner[:, 0]) / 2
    reach = torch.maximum((x.amin(0) - centre).abs(), (x.amax(0) - centre).abs()) / half
    foreign = reach > FAR
    first.grid = torch.where(foreign[:, None], first.basis.grid(x.amin(0), x.amax(0)), first.grid)
    first.weight.div_(torch.where(foreign, reach, torch.ones_like(reach)))
    has, wanted = result(x).std(0, correction=0), y.std(0, correction=0)
    for node, group in enumerate(result.spec.widths[-1].groups()):
        if 0 < float(FAR**2 * wanted[node]) < float(has[node]):
            last.coef[group[0]] *= wanted[node] / has[node]
            last.weight[group[0]] *= wanted[node] / has[node]
    return result


def _reaching(basis: BSpline, nodes: Tensor, margin: float) -> Tensor:
    """Return uniform grids that reach a little beyond the data, where new data may fall."""
    low, high = nodes.amin(0), nodes.amax(0)
    return basis.grid(low - margin * (high - low), high + margin * (high - low))


def _move(layer: KANLayer, nodes: Tensor, uniformity: float, intervals: int | None, margin: float) -> None:
    basis = layer.basis if intervals is None else replace(layer.basis, intervals=intervals)
    grid = _reaching(basis, nodes, margin) if uniformity == 1 else basis.adapted(nodes, uniformity)
    inner = basis.inner(grid)
    steps = torch.linspace(0, 1, 4 * basis.size, dtype=grid.dtype, device=grid.device)[:, None]
    spread = inner[:, 0] + (inner[:, -1] - inner[:, 0]) * steps
    points = torch.cat([nodes, spread])
    curves = torch.einsum("bik,oik->boi", layer.basis.values(points, layer.grid), layer.coef)
    layer.coef = torch.nn.Parameter(basis.project(points, curves, grid))
    layer.basis, layer.grid = basis, grid
