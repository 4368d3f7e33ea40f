"""Say where the knots of a network's splines are needed."""

import torch
from torch import Tensor

from kanlens import shards
from kanlens.bases import BSpline
from kanlens.jacobian import forward, sensitivities
from kanlens.network import KAN

SAMPLE = 1000
"""Rows that tell how strongly the outputs follow a node."""


@torch.no_grad()
def densities(model: KAN, x: Tensor) -> list[Tensor]:
    r"""Return for each layer how dense knots should be, `(in, intervals)` on its present grids.

    A spline of degree *k* with step *h* errs by about :math:`h^{k+1} |f^{(k+1)}|`, which is the same
    everywhere if knots are as dense as :math:`|f^{(k+1)}|^{1/(k+1)}`. That derivative is
    estimated from the jumps of the derivative of order *k*; the curves that leave a node count by how strongly
    the outputs follow them. Half of the knots stay spread evenly, so that a poor estimate costs little.

    Parameters
    ----------
    model : KAN
        A trained float64 network.
    x : Tensor
        Inputs `(rows, in)`.

    Examples
    --------
    >>> from kanlens import BSpline, fit
    >>> x = torch.linspace(0, 1, 500, dtype=torch.float64)[:, None]
    >>> model = KAN([1, 1], basis=BSpline(3, 8), dtype=torch.float64)
    >>> history = fit(model, x, torch.exp(-20 * x))
    >>> density = densities(model, x)[0][0]
    >>> bool(density[0] > 2 * density[-1])
    True

    References
    ----------
    C. de Boor, *Good Approximation by Splines with Variable Knots II* (1974); *A Practical Guide to Splines*,
    chapter XII.
    """
    passes = forward(model, shards.sample(x, SAMPLE))
    found: list[Tensor] = []
    for number, delta in sensitivities(passes):
        layer, follow = passes[number].layer, delta.square().mean((0, 2)).sqrt()  # (out,)
        found.insert(0, _density(layer.basis, layer.grid, layer.coef * layer.mask[..., None] * follow[:, None, None]))
    return found


def _density(basis: object, grid: Tensor, coef: Tensor) -> Tensor:
    """Return the density for curves `(out, in, size)`."""
    if not isinstance(basis, BSpline) or basis.intervals < 3:
        return torch.ones(len(grid), getattr(basis, "intervals", 1), dtype=grid.dtype, device=grid.device)
    inner = basis.inner(grid)
    widths, middles = inner.diff(dim=1), (inner[:, 1:] + inner[:, :-1]) / 2
    heights = torch.einsum("gik,oik->oig", basis.derivatives(middles.T, grid, basis.degree), coef)
    jumps = (heights.diff(dim=2) / middles.diff(dim=1)).square().sum(0).sqrt()  # (in, intervals - 1)
    steep = torch.cat([jumps[:, :1], torch.maximum(jumps[:, 1:], jumps[:, :-1]), jumps[:, -1:]], 1)
    needed = steep ** (1 / (basis.degree + 1))
    even = (needed * widths).sum(1, keepdim=True) / widths.sum(1, keepdim=True)
    return torch.where(even > 0, needed / even, 0.0) + 1
