"""Move the grids of a network to where its data are."""

import copy
import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from kanlens.layer import KANLayer
from kanlens.network import KAN, SymbolicEdges, Width, multiply

MARGIN = 0.005
"""Share of the data's range by which grids reach beyond it; between the data of a sample there are such gaps."""

REACH = 0.1
"""Share of a hidden node's range by which its grid reaches at most for values that other inputs may give."""


@torch.no_grad()
def regrid(
    model: KAN,
    x: Tensor,
    *,
    uniformity: float = 1.0,
    intervals: int | None = None,
    margin: float = MARGIN,
    density: Sequence[Tensor] | None = None,
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
        Share of the data's range by which grids reach beyond it at least. A hidden node
        takes its largest value where all its edges do, and few data come near: unless `margin` is
        0, its grid reaches for that value too, by at most a tenth of the range.
    density : sequence of tensors, optional
        How dense the new knots are on each interval of the old grids, `(in, intervals)` for each layer; see
        :func:`kanlens.grading.densities`. It takes the place of `uniformity`.

    Examples
    --------
    >>> model = KAN([2, 3, 1])
    >>> x = torch.rand(100, 2) * 10
    >>> finer = regrid(model, x, intervals=20)
    >>> finer.spec.basis.intervals, bool(finer.layers[0].grid.amax() > 9)
    (20, True)
    """
    result = copy.deepcopy(model)
    nodes, beyond = x, 0 * _ends(x)
    for number, (layer, symbols, width) in enumerate(result.parts()):
        ends = _ends(nodes)
        extent = ends[1] - ends[0]
        beyond = torch.maximum(margin * extent, torch.minimum(beyond, REACH * extent))
        wide = torch.stack([ends[0] - beyond[0], ends[1] + beyond[1]])
        grid = _placed(layer, nodes, wide, uniformity, intervals, None if density is None else density[number])
        _move(layer, nodes, grid, intervals)
        if number == result.depth - 1:  # nothing reads its nodes
            break
        nodes = multiply(layer(nodes) + symbols(nodes), width)
        beyond = _beyond(layer, symbols, width, ends, nodes) if margin else 0 * _ends(nodes)
    if intervals is not None:
        result.spec = replace(result.spec, basis=result.spec.basis.resized(intervals))
    return result


FAR = 8.0
"""A range that reaches so many half-widths from a grid's centre is foreign to it."""

FAINT = 0.05
"""Share of the targets' deviation that outputs start with, about that of a fresh network for targets of deviation 1."""

REGRESSED = 1e-3
"""Share of the targets' variance by which a regression may still improve outputs that count as fitted."""


@torch.no_grad()
def stretch(model: KAN, x: Tensor) -> KAN:
    """Return a copy of an untrained network whose first curves have the inputs' units.

    A fresh network knows nothing worth keeping of inputs far from its grids. :func:`regrid` would
    keep its curves there, which are steep tangents; this moves the grids and takes the curves
    along. What is not foreign stays as it is.

    Parameters
    ----------
    model : KAN
    x : Tensor
        Inputs `(batch, in)`.

    Examples
    --------
    >>> x = torch.rand(100, 2) * 1e6
    >>> model = KAN([2, 3, 1])
    >>> bool(model(x).std() > 1e3), bool(stretch(model, x).trace(x).nodes[1].std() < 3)
    (True, True)
    """
    result = copy.deepcopy(model)
    first = result.layers[0]
    inner = first.basis.inner(first.grid)
    centre, half = (inner[:, 0] + inner[:, -1]) / 2, (inner[:, -1] - inner[:, 0]) / 2
    reach = torch.maximum((x.amin(0) - centre).abs(), (x.amax(0) - centre).abs()) / half
    foreign = reach > FAR
    first.grid = torch.where(foreign[:, None], first.basis.grid(x.amin(0), x.amax(0)), first.grid)
    first.weight.div_(torch.where(foreign, reach, torch.ones_like(reach)))
    return result


@torch.no_grad()
def measured(model: KAN, x: Tensor, y: Tensor) -> KAN:
    """Return a copy of an untrained network whose outputs have the targets' units.

    So what a fit makes of it does not depend on them. Where outputs dwarf the targets, inner curves are bent first
    so that the outputs vanish; where they vanish beside the targets, the first steps of inner curves are too large.

    Their deviations become :data:`FAINT` of those of the targets, and all of them for products. Outputs that symbols
    lead to stay as they are, and so do those that no other scale and shift would bring nearer to the targets, as after
    a fit to noisy ones.

    Parameters
    ----------
    model : KAN
    x, y : Tensor
        Inputs `(batch, in)` and targets `(batch, out)`.

    Examples
    --------
    >>> x = torch.rand(100, 2)
    >>> bool(measured(KAN([2, 3, 1]), x, 1e-6 * x[:, :1])(x).std() < 1e-6)
    True
    """
    result = copy.deepcopy(model)
    last, symbolic = result.layers[-1], set(result.symbols[-1].out)
    outputs = result(x)
    for node, group in enumerate(result.spec.widths[-1].groups()):
        share = FAINT if len(group) == 1 else 1.0  # a product of small factors hardly feels either
        factor = share * y[:, node].std(correction=0) / outputs[:, node].std(correction=0)
        if 0 < float(factor) < math.inf and symbolic.isdisjoint(group) and not _regressed(outputs[:, node], y[:, node]):
            each = _twenty_bits(float(factor) ** (1 / len(group)))  # of a product, all factors alike
            last.coef[group.start : group.stop] *= each
            last.weight[group.start : group.stop] *= each
    return result


def _twenty_bits(value: float) -> float:
    """Return a number without its last bits, which depend on the order of the rows and would grow in training."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(mantissa * 2**20), exponent - 20)


def _regressed(output: Tensor, target: Tensor) -> bool:
    """Tell whether no scale and shift of an output would bring it nearer to its target."""
    has, wanted = output - output.mean(), target - target.mean()
    least = wanted.square().sum() - torch.dot(has, wanted) ** 2 / has.square().sum()
    return float((output - target).square().sum() - least) < REGRESSED * float(wanted.square().sum())


def _ends(values: Tensor) -> Tensor:
    """Return the smallest and the largest values, `(2, columns)`."""
    return torch.stack([values.amin(0), values.amax(0)])


def _beyond(layer: KANLayer, symbols: SymbolicEdges, width: Width, ends: Tensor, nodes: Tensor) -> Tensor:
    """Return by how much nodes could pass their data if the inputs were combined anew, `(2, nodes)`."""
    steps = torch.linspace(0, 1, 64, dtype=ends.dtype, device=ends.device)[:, None]
    points = ends[0] + (ends[1] - ends[0]) * steps
    edges = layer.edges(points)
    if len(symbols):
        edges = edges + symbols.spread(symbols.values(points), layer.in_features)
    low, high = edges.amin(0).sum(1), edges.amax(0).sum(1)
    found = []
    for group in width.groups():
        corners = torch.ones(1, dtype=ends.dtype, device=ends.device)
        for sub in group:
            corners = torch.cat([corners * low[sub], corners * high[sub]])
        found.append(torch.stack([corners.amin(), corners.amax()]))
    reached = torch.stack(found, 1)
    return (torch.stack([nodes.amin(0) - reached[0], reached[1] - nodes.amax(0)])).clamp_min(0)


def _placed(
    layer: KANLayer, nodes: Tensor, ends: Tensor, uniformity: float, intervals: int | None, density: Tensor | None
) -> Tensor:
    """Return a layer's new grids over the data, from end to end `(2, in)`."""
    basis = layer.basis if intervals is None else layer.basis.resized(intervals)
    if density is not None:
        count = basis.intervals * (FINE // basis.intervals + 1) + 1  # so that knots are among the points
        return basis.adapted(_graded(layer.basis.inner(layer.grid), density, ends, count), NEARLY_NONE)
    return basis.grid(*ends) if uniformity == 1 else basis.adapted(torch.cat([nodes, ends]), uniformity)


FINE = 1000
"""Points that stand for a density, at least."""

NEARLY_NONE = 1e-9
"""Share of even spacing in knots that a density says."""


def _graded(inner: Tensor, density: Tensor, ends: Tensor, count: int) -> Tensor:
    """Return points `(count, in)` from end to end that lie as a density `(in, intervals)` between knots says."""
    steps = torch.linspace(0, 1, count, dtype=ends.dtype, device=ends.device)
    even = (ends[0] + (ends[1] - ends[0]) * steps[:, None]).T.contiguous()  # (in, points)
    place = torch.searchsorted(inner[:, 1:-1].contiguous(), (even[:, 1:] + even[:, :-1]) / 2)
    grown = torch.nn.functional.pad(density.gather(1, place).cumsum(1), (1, 0))
    wanted = (grown[:, -1:] * steps).contiguous()
    cell = torch.searchsorted(grown, wanted, right=True).clamp(1, count - 1)
    below, above = grown.gather(1, cell - 1), grown.gather(1, cell)
    share = ((wanted - below) / (above - below)).clamp(0, 1)
    return torch.lerp(even.gather(1, cell - 1), even.gather(1, cell), share).T


def _move(layer: KANLayer, nodes: Tensor, grid: Tensor, intervals: int | None) -> None:
    """Put a layer on new grids, with the same curves."""
    basis = layer.basis if intervals is None else layer.basis.resized(intervals)
    if basis == layer.basis and torch.equal(grid, layer.grid):  # as that of the inputs, when the same rows come again
        return
    inner = basis.inner(grid)
    steps = torch.linspace(0, 1, 4 * basis.size, dtype=grid.dtype, device=grid.device)[:, None]
    spread = inner[:, 0] + (inner[:, -1] - inner[:, 0]) * steps
    points = torch.cat([nodes, spread])
    curves = torch.einsum("bik,oik->boi", layer.evaluator.values(points, layer.grid), layer.coef)
    layer.coef = torch.nn.Parameter(basis.project(points, curves, grid))
    if basis != layer.basis:
        layer.basis = basis
    layer.grid = grid
