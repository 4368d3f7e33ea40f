"""Coordinates in which features lie evenly, as splines on even intervals want them."""

from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.bases import BSpline

UNIFORMITY = 0.5
"""How evenly knots lie; the rest follows the rows, as products of columns crowd near zero."""


class Spread(NamedTuple):
    """Hold coordinates of features `(rows, d)`, and the derivatives of the features by them."""

    at: Tensor
    slope: Tensor


def evenly(z: Tensor) -> Spread:
    """Return the features `(rows, d)`, as logarithms those that lie more evenly so.

    Quotients and products of columns crowd at one end of their range, and leave splines the other one with hardly a row
    in an interval. What is a function of a feature is one of its logarithm as well.

    Examples
    --------
    >>> even = torch.linspace(1, 9, 100, dtype=torch.float64)
    >>> z = torch.stack([even, even.exp()], 1)
    >>> torch.allclose(evenly(z).at, torch.stack([even, even], 1))
    True
    """
    logs = z.clamp_min(torch.finfo(z.dtype).tiny).log()
    better = (z > 0).all(0) & (_unevenness(logs) < _unevenness(z))
    return Spread(torch.where(better, logs, z), torch.where(better, z, 1.0))


def _unevenness(z: Tensor) -> Tensor:
    """Return how far the sorted values of each column are from even steps, as a share of its range, `(d,)`."""
    low, high = z.amin(0), z.amax(0)
    share = ((z - low) / (high - low).clamp_min(torch.finfo(z.dtype).tiny)).sort(0).values
    return (share - torch.linspace(0, 1, len(z), dtype=z.dtype)[:, None]).abs().mean(0)


def splines(at: Tensor, basis: BSpline) -> Tensor:
    """Return splines of coordinates `(rows, d)`, whose knots go with the rows half of the way, `(rows, d, size)`."""
    return basis.values(at, basis.adapted(at, UNIFORMITY))
