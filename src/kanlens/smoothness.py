"""Let splines be smooth where the data do not say what they are."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kanlens import shards
from kanlens.bases import BSpline
from kanlens.cardinal import Cardinal
from kanlens.jacobian import Parameters, Pass, forward, sensitivities
from kanlens.layer import KANLayer

SAMPLE = 1000
"""Rows that are enough to tell how strongly the data hold an edge."""


def jumps(grid: Tensor, degree: int) -> Tensor:
    r"""Return rows `(in, intervals - 1, size)` that give a spline's jumps in its highest derivative.

    A spline of degree *k* is a polynomial on each interval. Its derivative of order *k* is a step
    function, whose jumps at the inner knots are linear in the coefficients. They all vanish where
    the spline is one single polynomial. On a uniform grid they are the differences
    :math:`\Delta^{k+1} c`; the rows are scaled so that their largest entry is 1.

    Parameters
    ----------
    grid : Tensor
        Knots `(in, knots)`.
    degree : int

    Examples
    --------
    >>> grid = torch.arange(7.0)[None]
    >>> jumps(grid, degree=1)[0, 0]  # the bend of a polygon
    tensor([ 0.5000, -1.0000,  0.5000,  0.0000,  0.0000])

    References
    ----------
    P. Eilers and B. Marx, *Flexible Smoothing with B-splines and Penalties* (1996);
    C. de Boor, *A Practical Guide to Splines*, chapter X, for the derivatives.
    """
    return bends(grid, degree, degree + 1)


def bends(grid: Tensor, degree: int, order: int = 2) -> Tensor:
    """Return rows `(in, size - order, size)` that give a derivative of a spline, one by its order.

    They are the coefficients of the derivative, a spline itself. Those of order 2 vanish where the spline is a straight
    line, those of order 1 where it is constant. The rows are scaled so that their largest entry is 1.

    Parameters
    ----------
    grid : Tensor
        Knots `(in, knots)`.
    degree, order : int
        Of the spline, and of the derivative: at most `degree + 1`, the jumps of its last.

    Examples
    --------
    >>> bends(torch.arange(8.0)[None], degree=2)[0, 0]
    tensor([ 0.5000, -1.0000,  0.5000,  0.0000,  0.0000])
    """
    rows = _derivative(grid, degree, order) if order <= degree else _derivative(grid, degree, degree).diff(dim=1)
    return rows / rows.abs().amax((1, 2), keepdim=True) if rows.shape[1] else rows


def _derivative(grid: Tensor, degree: int, order: int) -> Tensor:
    """Return the coefficients `(in, size - order, size)` of a derivative, by a spline's own, up to a factor."""
    size = grid.shape[1] - degree - 1
    rows = torch.eye(size, dtype=grid.dtype, device=grid.device).expand(len(grid), size, size)
    for step in range(1, order + 1):
        width = grid[:, degree + 1 : size + degree + 1 - step] - grid[:, step:size]
        rows = rows.diff(dim=1) / (width / width.mean(1, keepdim=True))[..., None]
    return rows


@dataclass(frozen=True)
class Smoothness:
    """Weigh how smooth splines are to be: three pulls, each on the squares of derivatives of all curves.

    Parameters
    ----------
    jumps : float
        Towards one polynomial; decides what data leave open, and is hardly felt elsewhere.
    bends : float
        Towards straight lines, as smoothing splines are pulled: for noisy data, from 0.03, which is hardly felt, to 10.
    slopes : float
        Towards constants, as ridge regression pulls: where inputs are many for the rows.

    References
    ----------
    P. Eilers and B. Marx, *Flexible Smoothing with B-splines and Penalties* (1996).
    """

    jumps: float = 1e-6
    bends: float = 0.0
    slopes: float = 0.0

    @property
    def orders(self) -> list[tuple[int, float]]:
        """Return the orders of the derivatives that are pulled to zero besides, and by what weights."""
        return [(order, weight) for order, weight in ((2, self.bends), (1, self.slopes)) if weight]


@dataclass(frozen=True)
class Smoothing:
    """Hold rows *S* that are zero but for one edge's coefficients each, layer by layer.

    `rows[l]` is `(edges, jumps, size)` and `places[l] (edges, size)` says where the coefficients are
    among the parameters. The dense matrix grows with their square, and only second order asks for it.
    """

    rows: list[Tensor]
    places: list[Tensor]
    size: int

    def of(self, theta: Tensor) -> Tensor:
        """Return *S theta*, `(rows,)`."""
        parts = zip(self.rows, self.places, strict=True)
        found = [(rows @ theta[places][..., None]).flatten() for rows, places in parts]
        return torch.cat([theta[:0], *found])

    def back(self, residual: Tensor) -> Tensor:
        """Return *S^T r*, `(parameters,)`, of a vector `(rows,)`."""
        result, start = residual.new_zeros(self.size), 0
        for rows, places in zip(self.rows, self.places, strict=True):
            count = rows.shape[0] * rows.shape[1]
            piece = residual[start : start + count].view(rows.shape[0], 1, rows.shape[1])
            result.index_add_(0, places.flatten(), (piece @ rows).flatten())
            start += count
        return result

    def dense(self, like: Tensor) -> Tensor:
        """Return *S*, `(rows, parameters)`, with the dtype and device of a tensor."""
        found = [like.new_zeros(0, self.size)]
        for rows, places in zip(self.rows, self.places, strict=True):
            spread = rows.new_zeros(*rows.shape[:2], self.size)
            found.append(spread.scatter(2, places[:, None].expand_as(rows), rows).flatten(0, 1))
        return torch.cat(found)

    def products(self, like: Tensor) -> Tensor:
        """Return *S^T S*, `(parameters, parameters)`: a block for each edge, and zeros between them."""
        found = like.new_zeros(self.size, self.size)
        for rows, places in zip(self.rows, self.places, strict=True):
            found[places[:, :, None], places[:, None, :]] = rows.mT @ rows
        return found


@torch.no_grad()
def smoothing(
    parameters: Parameters,
    x: Tensor,
    strength: Smoothness,
    error: float = 0.0,
    unit: float = 1.0,
    passes: Sequence[Pass] | None = None,
) -> Smoothing:
    r"""Return rows *S* `(rows, parameters)` whose squares :math:`|S\theta|^2` keep splines smooth.

    For each edge they are its :func:`jumps`, times `strength` and the root mean square by which
    the outputs follow the edge's coefficients. Against the mean squared error they weigh as
    `strength` squared, so that they decide only what the data leave open: a coefficient whose
    interval holds no datum, a grid finer than the data, the margin beyond them. There a spline goes
    on as the polynomial beside it.

    An interval with fewer than two data for each basis function alive there says little of a
    polynomial of its own: with noise, or where other edges cannot follow yet, it bends to meet
    each datum and misses what lies between, and goes astray beyond the last. There a jump is expected to be as
    large as the edge's largest elsewhere, :math:`\tau`, if enough are known to tell: more than the degree. With
    :math:`n` residuals of size :math:`\epsilon` that makes the strength :math:`\epsilon/(\tau\sqrt n)`, so that such
    a jump costs what one residual does. It stays between :math:`\epsilon`, as for a jump of the size of the curve,
    and 1, as for an error.

    With a strength :math:`\lambda` and a spline that errs by :math:`C h^{k+1} f^{(k+1)}`, the bias is
    below that error as long as :math:`\lambda \ll C`, which is 3e-3 for cubic and 2e-5 for quintic
    splines; from 1e-8 to 1e-5 results are the same to two digits.

    Parameters
    ----------
    parameters : Parameters
        Of a float64 network.
    x : Tensor
        Inputs `(batch, in)`.
    strength : Smoothness
    error : float
        Root mean square error, relative to the targets' deviation.
    unit : float
        The targets' deviation, in which the rows are to be.
    passes : sequence of Pass, optional
        The forward pass of all of `x`, if it is known.

    Notes
    -----
    A plain ridge was rejected: it pulls what is undetermined to zero, which bends the curve. So was a
    higher strength everywhere: the bias would be that of fine grids, too. Without :math:`\tau`, the error on fine
    grids rose, by a factor of up to a hundred, by what few rows meet at the extremes of hidden nodes.
    """
    sample = shards.sample(x, SAMPLE)
    if passes is None or sample is not x:
        passes = forward(parameters.model, sample)
    share = len(sample) / float(shards.total(torch.tensor(len(x))))
    residuals = float(shards.total(torch.tensor(len(x)))) * passes[-1].nodes.shape[1]
    found, places = [], []
    for layer, live, block, step, follow in zip(
        parameters.model.layers, parameters.live, parameters.blocks(), passes, _followed(passes), strict=True
    ):
        if not isinstance(layer.basis, BSpline):
            continue
        coefs = block[:, : layer.basis.size].to(x.device)
        degree = layer.basis.degree
        sparse = _sparse(layer.basis, layer.grid, step.x, share)
        out, in_ = live.T
        leaps = _jumps_of(layer)[in_]  # (edges, intervals - 1, size)
        felt = (leaps @ layer.coef[out, in_][..., None])[..., 0] * follow[out, in_, None]
        known = ~sparse[in_]
        sizes = torch.where(known, felt.abs() / unit, 0.0)  # their mean square falls short where curves are steep
        usual = torch.nn.functional.pad(sizes, (0, 1)).amax(1)  # 0 of a spline of one interval, which has no knots
        usual = torch.where(known.sum(1) > degree, usual, math.inf)
        firm = (error / (usual * residuals**0.5)).nan_to_num(error).clamp(error, max(error, 1.0))[:, None]
        hold = torch.where(known, strength.jumps, firm.clamp_min(strength.jumps)) / unit
        pulls = [weight / unit * bends(layer.grid, degree, order)[in_] for order, weight in strength.orders]
        rows = torch.cat([leaps * hold[..., None] * bool(strength.jumps), *pulls], 1)
        found.append(rows * follow[out, in_, None, None])
        places.append(coefs)
    return Smoothing(found, places, parameters.size)


def _jumps_of(layer: KANLayer) -> Tensor:
    """Return the jumps of a layer's splines, which on uniform grids are those of any other."""
    if isinstance(layer.evaluator, Cardinal):
        even = _even_jumps(layer.evaluator.degree, layer.evaluator.intervals)
        return even.to(layer.grid).expand(layer.in_features, -1, -1)
    assert isinstance(layer.basis, BSpline)
    return jumps(layer.grid, layer.basis.degree)


@functools.cache
@torch.inference_mode(False)
def _even_jumps(degree: int, intervals: int) -> Tensor:
    return jumps(torch.arange(intervals + 2 * degree + 1, dtype=torch.float64)[None], degree)


def _followed(passes: Sequence[Pass]) -> list[Tensor]:
    """Return for each layer the root mean squares `(out, in)` by which the outputs follow the edges' coefficients."""
    found: list[Tensor] = []
    for number, delta in sensitivities(passes):
        values = passes[number].values.permute(1, 2, 0).square().mean(1).T  # (batch, in), along the batch in memory
        found.insert(0, (delta.square().mean(0) @ values / len(values)).sqrt())
    return found


def _sparse(basis: BSpline, grid: Tensor, x: Tensor, share: float) -> Tensor:
    """Tell for each inner knot `(in, intervals - 1)` whether an interval beside it has too few of the data.

    `x` is a sample `(rows, in)` that holds a share of all rows; a small share cannot tell.
    """
    enough = 2 * (basis.degree + 1) * share
    if enough < 1:
        return grid.new_zeros(len(grid), basis.intervals - 1, dtype=torch.bool)
    inner = basis.inner(grid)
    place = torch.searchsorted(inner[:, 1:-1].contiguous(), x.T.contiguous())
    counts = grid.new_zeros(len(inner), inner.shape[1] - 1).scatter_add(1, place, torch.ones_like(x.T))
    few = counts < enough
    return few[:, 1:] | few[:, :-1]
