"""Start a narrow network where the slopes of a smooth stand-in say, layer by layer."""

import copy
from itertools import pairwise

import torch
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor

from kanlens.bases import Basis
from kanlens.network import KAN
from kanlens.surrogate import surrogate

MOST = 12
"""Inputs up to which pairs of them are compared."""

FLAT = 1e-8
"""Share of the largest variance below which a combination of curves is taken for a constant."""

ROUGH, DRAWS = 0.3, 3
"""Error of a stand-in, as a share of the deviation, above which it is fitted to other rows, and how often."""


@torch.no_grad()
def nested(model: KAN, x: Tensor, y: Tensor) -> KAN | None:
    r"""Return a copy whose nodes follow the slopes of a function of functions; None where its form does not allow it.

    In :math:`y = g(\sum_i \phi_i(x_i))` the slopes :math:`\partial y / \partial x_i = g' \phi_i'(x_i)` are, whatever
    *g* is, parallel to :math:`v = (\phi_1'(x_1), \phi_2'(x_2), \dots)`. So the curves are those for which

    .. math:: \sum (|v|^2 |\nabla y|^2 - (v \cdot \nabla y)^2) \,/\, \sum |v|^2 |\nabla y|^2

    is the least, an eigenvalue problem in their coefficients. The slopes are those of a Gaussian process. No fold of
    *g* disturbs them, where :func:`kanlens.starting.aligned` wants *g* to be monotone and a random start tends to
    stay in a fold of its own.

    Where a layer has several nodes, inputs that enter through one node only have such a direction in each pair of
    them, and others have not. They are put together by that, and the derivatives by the nodes tell the next layer.

    Parameters
    ----------
    model : KAN
        Only its form counts: layers of sums, each narrower than the one before, to one output.
    x, y : Tensor
        Inputs `(rows, in)` and targets `(rows, 1)`.

    Examples
    --------
    >>> x = 2 * torch.rand(500, 2, dtype=torch.float64) - 1
    >>> y = torch.sin(torch.pi * (x[:, :1] + 2 * x[:, 1:] ** 2))
    >>> start = nested(KAN([2, 1, 1], dtype=torch.float64), x, y)
    >>> bool((start(x) - y).std() < 0.1 * y.std())
    True

    References
    ----------
    W. Leontief, *Introduction to a Theory of the Internal Structure of Functional Relationships* (1947), for the ratios
    of derivatives by which functions of functions are known.
    """
    if not _fits(model):
        return None
    found = _slopes(x.cpu(), y[:, 0].cpu())
    if found is None:
        return None
    rows, slope = found[0].to(x.device), found[1].to(x)
    result, node = copy.deepcopy(model), x
    for layer in result.layers[:-1]:
        layer.grid = layer.basis.grid(node.amin(0), node.amax(0))
        point, coef = node[rows], torch.zeros_like(layer.coef)
        along = slope.new_zeros(len(rows), layer.out_features)
        for number, group in enumerate(_groups(point, slope, layer.grid, layer.basis, layer.out_features)):
            coef[number, group], _ = _curves(point[:, group], slope[:, group], layer.grid[group], layer.basis)
            along[:, number] = _along(
                point[:, group], slope[:, group], layer.grid[group], layer.basis, coef[number, group]
            )
        layer.weight.zero_()
        layer.coef = torch.nn.Parameter(coef)
        spread = layer(node).std(0).clamp_min(torch.finfo(x.dtype).tiny)
        layer.coef.div_(spread[:, None, None])
        node, slope = layer(node), along * spread
    last = result.layers[-1]
    last.grid = last.basis.grid(node.amin(0), node.amax(0))
    last.coef = torch.nn.Parameter(_sums(node, y, last.grid, last.basis))
    last.weight.zero_()
    return result


def _slopes(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return some rows and the slopes of `y` there by all inputs, None if it has none or they are too rough."""
    for seed in range(DRAWS):
        stand_in = surrogate(x, y, seed, nearly=1.0)  # training follows: better slopes took longer and led no further
        if stand_in.error < ROUGH * float(y.std()) and bool(stand_in.slopes.any()):
            return stand_in.rows, stand_in.slopes
    return None


def _fits(model: KAN) -> bool:
    """Tell whether a network is of whole layers of splines that narrow down to one output."""
    sizes = [width.size for width in model.spec.widths]
    return (
        len(sizes) > 2
        and sizes[0] <= MOST
        and sizes[-1] == 1
        and all(after < before for before, after in pairwise(sizes[:-1]))
        and not any(width.products for width in model.spec.widths)
        and all(len(symbols) == 0 for symbols in model.symbols)
        and all(bool(part.mask.all()) for part in model.layers)
    )


def _groups(point: Tensor, slope: Tensor, grid: Tensor, basis: Basis, count: int) -> list[list[int]]:
    """Return the inputs in as many groups, those together whose slopes have directions of their own in pairs."""
    size = point.shape[1]
    if count == 1:
        return [list(range(size))]
    pairs = [[i, j] for i in range(size) for j in range(i + 1, size)]
    apart = [_curves(point[:, pair], slope[:, pair], grid[pair], basis)[1] for pair in pairs]
    labels = fcluster(linkage(apart, "average"), count, "maxclust")
    return [[i for i in range(size) if labels[i] == label] for label in sorted(set(labels))]


def _curves(point: Tensor, slope: Tensor, grid: Tensor, basis: Basis) -> tuple[Tensor, float]:
    """Return the coefficients `(in, size)` of the curves with the most parallel slopes, and how far they are not."""
    width = (point.amax(0) - point.amin(0))[:, None]  # so that units do not count
    slope = slope * width[:, 0]
    steep = basis.values_and_slopes(point, grid)[1] * width  # (rows, in, size)
    weight = slope.square().sum(1, keepdim=True)
    heavy: Tensor = torch.block_diag(*(part.T @ (part * weight) for part in steep.unbind(1)))  # type: ignore[no-untyped-call]
    spread, axes = torch.linalg.eigh(heavy)
    kept = spread > FLAT * spread[-1]
    if not kept.any():
        return steep.new_zeros(steep.shape[1:]), 0.0
    white = axes[:, kept] / spread[kept].sqrt()
    along = (steep * slope[..., None]).flatten(1) @ white
    parallel, direction = torch.linalg.eigh(along.T @ along)
    return (white @ direction[:, -1]).view(steep.shape[1:]), max(0.0, 1 - float(parallel[-1]))


def _along(point: Tensor, slope: Tensor, grid: Tensor, basis: Basis, coef: Tensor) -> Tensor:
    """Return the slopes `(rows,)` by the sum of some curves."""
    steep = torch.einsum("rik,ik->ri", basis.values_and_slopes(point, grid)[1], coef)
    width = point.amax(0) - point.amin(0)  # so that units do not count
    steep, slope = steep * width, slope * width
    by_sum: Tensor = (steep * slope).sum(1) / steep.square().sum(1).clamp_min(torch.finfo(steep.dtype).tiny)
    return by_sum


def _sums(node: Tensor, y: Tensor, grid: Tensor, basis: Basis) -> Tensor:
    """Return the coefficients `(out, in, size)` of the sums of curves closest to `y`."""
    values = basis.values(node, grid).flatten(1)
    ridge = (
        values.square().sum(0).amax().sqrt()
        * 1e-6
        * torch.eye(values.shape[1], dtype=values.dtype, device=values.device)
    )
    rows = torch.cat([values, ridge])
    target = torch.cat([y, y.new_zeros(len(ridge), y.shape[1])])
    coef: Tensor = torch.linalg.lstsq(rows, target).solution
    return coef.T.reshape(y.shape[1], node.shape[1], basis.size)
