"""The basis functions of few points by numpy, whose operations start three times sooner than torch's."""

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kanlens.cardinal import Cardinal
from kanlens.scratch import plain

Numbers = NDArray[np.float64]

FEW = 2**17
"""Numbers of basis functions up to which starting operations is what costs."""


def serves(x: Tensor, grid: Tensor, basis: Cardinal) -> bool:
    """Tell whether numpy is faster for such points and grid, whose derivatives nobody may ask for."""
    return (
        x.device.type == "cpu"
        and x.numel() * basis.size <= FEW
        and x.dtype == grid.dtype == torch.float64
        and plain(x)
        and plain(grid)
    )


def tabulate(x: Tensor, grid: Tensor, basis: Cardinal) -> tuple[Tensor, Tensor]:
    """Return the basis functions and their slopes, each `(batch, in, size)`, as :class:`kanlens.cardinal.Cardinal`."""
    with np.errstate(all="ignore"):  # NaN and infinities pass through, as they do in torch
        return _tabulated(x, grid, basis)


def _tabulated(x: Tensor, grid: Tensor, basis: Cardinal) -> tuple[Tensor, Tensor]:
    degree, count = basis.degree, basis.intervals
    points, knots = np.ascontiguousarray(x.detach().numpy().T), grid.detach().numpy()
    low = knots[:, degree, None]
    step = (knots[:, count + degree, None] - low) / count
    u = (points - low) / step
    inside = np.minimum(np.maximum(u, 0), count)
    interval = inside.astype(np.int64)  # of a NaN any number, whose fraction stays NaN
    np.minimum(np.maximum(interval, 0, out=interval), count - 1, out=interval)
    past = u - inside
    live = _polynomials(inside - interval, degree)
    width, batch = points.shape
    slots = interval * batch
    slots += (np.arange(width) * (basis.size * batch))[:, None]
    slots += np.arange(batch)
    pieces, rises = live[: degree + 1], live[degree + 1 :]
    if past.any():  # beyond the grid are tangents
        pieces += past * rises
    rises /= step
    return _spread(pieces, slots, basis.size), _spread(rises, slots, basis.size)


def _polynomials(t: Numbers, degree: int) -> Numbers:
    """Return the polynomials that are alive, and below them their rises, `(rows, in, batch)`."""
    up, down = [t], [1 - t]
    for _ in range(degree - 1):
        up.append(up[-1] * t)
        down.append(down[-1] * down[0])
    terms = np.empty((degree + 1, *t.shape), t.dtype)
    terms[0], terms[degree] = up[-1], down[-1]
    for number in range(1, degree):
        np.multiply(up[degree - 1 - number], down[number - 1], out=terms[number])
    factors = _factors(degree)
    found: Numbers = (factors @ terms.reshape(degree + 1, -1)).reshape(len(factors), *t.shape)
    return found


@functools.cache
def _factors(degree: int) -> Numbers:
    basis = Cardinal(degree, 1)
    return np.array(basis.pieces + basis.rises)


def _spread(live: Numbers, slots: NDArray[np.int64], size: int) -> Tensor:
    _, width, batch = live.shape
    full = np.zeros(width * size * batch, live.dtype)
    for number, each in enumerate(live):
        full[slots + number * batch] = each
    return torch.from_numpy(full).view(width, size, batch).permute(2, 0, 1)
