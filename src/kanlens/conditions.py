"""Splines that solve linear conditions on the rows: null vectors of matrices, without a start to guess."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.spreading import evenly

BASIS = BSpline(degree=5, intervals=8)

FINE = 801
"""Points of a curve that is integrated."""

RIM = 0.04
"""Share of a feature's range at either end that is the rim."""


def interior(z: Tensor) -> Tensor:
    """Return the rows away from the rim of the data, where a stand-in's slopes are ten times less exact."""
    at = evenly(z).at
    low, high = at.amin(0), at.amax(0)
    inside = ((at > low + RIM * (high - low)) & (at < high - RIM * (high - low))).all(1)
    rows = inside.nonzero()[:, 0]
    return rows if len(rows) > len(z) // 2 else torch.arange(len(z))


class Spline(NamedTuple):
    """Hold a basis at a feature's rows `(rows, size)` and its derivative there, the rows, and both on a fine grid."""

    rows: Tensor
    slopes: Tensor
    s: Tensor
    fine: Tensor
    at_fine: Tensor
    steep: Tensor

    @classmethod
    def of(cls, s: Tensor) -> "Spline":
        """Return the basis on a feature's range."""
        grid = BASIS.grid(s.amin()[None], s.amax()[None])
        fine = torch.linspace(float(s.amin()), float(s.amax()), FINE, dtype=s.dtype)
        at_fine, steep = BASIS.values_and_slopes(fine[:, None], grid)
        rows, slopes = BASIS.values_and_slopes(s[:, None], grid)
        return cls(rows[:, 0], slopes[:, 0], s, fine, at_fine[:, 0], steep[:, 0])

    def integral(self, coef: Tensor) -> Tensor:
        """Return the integral of the spline with these coefficients at the rows, zero at the lowest of them."""
        total = torch.cumulative_trapezoid(self.at_fine @ coef, self.fine)
        curve = torch.cat([total.new_zeros(1), total])
        place = ((self.s - self.fine[0]) / (self.fine[1] - self.fine[0])).clamp(0, FINE - 1.001)
        low = place.long()
        return torch.lerp(curve[low], curve[low + 1], place - low)

    def closest(self, curve: Tensor) -> Tensor:
        """Return the coefficients closest to a curve at the rows."""
        return least_squares(self.rows, curve)


def least_squares(columns: Tensor, target: Tensor) -> Tensor:
    """Return the coefficients by which columns `(rows, size)` are closest to a target; free ones are small."""
    ridge = 1e-10 * columns.norm() * torch.eye(columns.shape[1], dtype=target.dtype)
    right = torch.cat([target, target.new_zeros(len(ridge))])
    coef: Tensor = torch.linalg.lstsq(torch.cat([columns, ridge]), right[:, None]).solution[:, 0]
    return coef


def factor(spline: Spline, felt: Tensor, steep: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return the curve `f` with `felt f = steep f'`, its slope, and how far off that is as a share of both sides."""
    sides = felt[:, None] * spline.rows, steep[:, None] * spline.slopes
    coef, misfit, _ = smallest(sides[0] - sides[1], torch.cat(sides))
    return spline.rows @ coef, spline.slopes @ coef, misfit


def block_diagonal(blocks: Sequence[Tensor]) -> Tensor:
    """Return the matrix with these blocks along its diagonal."""
    whole: Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
    return whole


def smallest(matrix: Tensor, values: Tensor) -> tuple[Tensor, float, float]:
    """Return the coefficients for which a matrix is smallest while the functions have unit size, and how small.

    The third number is the second smallest size.
    """
    upper = upper_of(values)
    scaled = torch.linalg.solve_triangular(upper, matrix, upper=True, left=False)
    _, singular, right = torch.linalg.svd(scaled, full_matrices=False)
    solution = torch.linalg.solve_triangular(upper, right[-1][:, None], upper=True)[:, 0]
    return solution, float(singular[-1]), float(singular[-2])


def upper_of(values: Tensor) -> Tensor:
    """Return the triangle by which functions at the rows `(rows, size)` have unit size."""
    ridge = 1e-9 * values.norm() * torch.eye(values.shape[1], dtype=values.dtype)
    upper: Tensor = torch.linalg.qr(torch.cat([values, ridge]))[1]
    return upper
