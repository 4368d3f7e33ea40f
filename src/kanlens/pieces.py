"""See the curves of a layer as polynomials between knots, which any language can compute."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kanlens.bases import Basis, BSpline
from kanlens.layer import KANLayer

FINE = BSpline(degree=5, intervals=200)
"""What a curve that is no spline is tabulated on."""

PERIODS = 3
"""Periods of a wave that are tabulated, the range in the middle. Beyond them it goes on as a straight line."""


@dataclass(frozen=True)
class Pieces:
    r"""Hold a layer as polynomials.

    .. math:: y_j = \sum_i \big( p_{jik}(x_i - z_{ik}) + w_{ji}\,\mathrm{silu}(x_i) \big)

    Here :math:`k` is the number of `knots (in, n + 1)` that are at most :math:`x_i`, so that the first and the
    last of the `n + 2` pieces are the straight lines outside. `centres (in, n + 2)` hold :math:`z`,
    `coef (out, in, n + 2, degree + 1)` the coefficients of each piece, highest power first, and
    `weight (out, in)` is :math:`w`.
    """

    knots: Tensor
    centres: Tensor
    coef: Tensor
    weight: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Return the outputs `(batch, out)` at `x (batch, in)`, computed as the written source does."""
        piece = torch.searchsorted(self.knots, x.T.contiguous(), right=True)  # (in, batch)
        past = x.T - self.centres.gather(1, piece)
        place = piece[None, :, :, None].expand(len(self.coef), -1, -1, self.coef.shape[3])
        total = torch.zeros_like(past)
        for power in self.coef.gather(2, place).unbind(3):  # each (out, in, batch)
            total = total * past + power
        silu = 0.5 * x * (1 + torch.tanh(0.5 * x))
        return total.sum(1).T + silu @ self.weight.T


@torch.no_grad()
def pieces(layer: KANLayer) -> Pieces:
    """Return a layer's splines as polynomials in float64: their Taylor series at each interval's middle.

    Splines are polynomials there, so that only round-off is lost. Curves of other bases are projected on
    the quintic splines :data:`FINE` first, which costs about 1e-8 of their size.

    Examples
    --------
    >>> layer, x = KANLayer(2, 3, dtype=torch.float64), torch.rand(50, 2, dtype=torch.float64) * 3 - 1.5
    >>> torch.allclose(pieces(layer)(x), layer(x), atol=1e-14)
    True
    """
    basis, grid, coef = layer.basis, layer.grid.double(), (layer.coef * layer.mask[..., None]).double()
    if not isinstance(basis, BSpline):
        basis, grid, coef = _tabulated(basis, grid, coef)
    knots = basis.inner(grid).contiguous()
    centres = torch.cat([knots[:, :1], (knots[:, :-1] + knots[:, 1:]) / 2, knots[:, -1:]], 1)
    series = []
    for order in range(basis.degree, -1, -1):
        slopes = torch.einsum("bik,oik->oib", basis.derivatives(centres.T, grid, order), coef) / math.factorial(order)
        if order > 1:  # straight lines outside
            slopes[..., 0] = slopes[..., -1] = 0
        series.append(slopes)
    found = Pieces(knots, centres, torch.stack(series, 3), torch.zeros_like(coef[..., 0]))
    weight = (layer.weight * layer.mask).double()
    if layer.residual == "identity":
        found.coef[..., -1] += weight[..., None] * centres
        found.coef[..., -2] += weight[..., None]
    return replace(found, weight=weight) if layer.residual == "silu" else found


def _tabulated(basis: Basis, grid: Tensor, coef: Tensor) -> tuple[BSpline, Tensor, Tensor]:
    """Return fine splines close to curves of another basis; of waves, over `PERIODS` of them."""
    ends = basis.inner(grid)
    low, high = ends[:, 0], ends[:, -1]
    fine = FINE
    if getattr(basis, "periodic", False):
        beyond = (high - low) * (PERIODS - 1) / 2
        low, high, fine = low - beyond, high + beyond, FINE.resized(FINE.intervals * PERIODS)
    knots = fine.grid(low, high)
    inner = fine.inner(knots)
    steps = torch.linspace(0, 1, 2 * fine.degree, dtype=grid.dtype, device=grid.device)
    points = (inner[:, :-1, None] + steps * inner.diff(dim=1)[..., None]).flatten(1).T
    curves = torch.einsum("bik,oik->boi", basis.values(points, grid), coef)
    return fine, knots, fine.project(points, curves, knots)
