"""Fit a target by a sum of products of curves, whose splines take damped Gauss-Newton steps together.

The canonical polyadic decomposition of a table with few of its entries known (Sorber, Van Barel & De Lathauwer, *SIAM
J. Optim.* 23, 2013). In turns, curve by curve, most fits of a sum end in a valley, and of a product one in three.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.budget import look
from kanlens.conditions import upper_of
from kanlens.spreading import evenly, splines

EACH = 2
"""Rows for each coefficient at least."""

COARSE, FINER = 6, (12, 20, 30, 45, 64)
"""Intervals of the splines, and those of finer ones once there are curves to begin with."""

KINKS = 3
"""Functions of a feature that have a kink or a cusp at 0, the absolute value first."""

STEPS, PAUSE, GAIN = 60, 6, 0.2
"""Gauss-Newton steps; steps in which the error has to fall by this share, or they end."""

HOPELESS, NEAR = 24, 0.02
"""Steps after which a fit is given up if it leaves more than this share of the target's size."""

ABOVE, SMALLEST = 300.0, 2e-5
"""Singular values of curves that count, in units of the error, and the least that is told from round-off."""

DOUBT, LEAST_DOUBT = 3.0, 1e-6
"""How far off the curves are, in units of the error as a share of their size, and how far at least."""


class Decomposition(NamedTuple):
    """Hold splines at the rows `(features, rows, size)`, coefficients `(features, size, products)`, and the error."""

    columns: Tensor
    coef: Tensor
    error: float

    def cancels(self) -> float:
        """Return the size of all products together, as a share of the target's."""
        return float((self.columns @ self.coef).prod(0).square().mean(0).sqrt().sum())

    def on(self, columns: Tensor, tau: Tensor) -> "Decomposition":
        """Return the decomposition in other splines, from the curves of this one."""
        return _stepped(columns, _scaled(tau), columns.mT @ (self.columns @ self.coef) / len(tau))

    def span(self, k: int) -> tuple[Tensor, float]:
        """Return curves `(rows, count)` of which a feature's curves are mixtures, and how far off they are, as a share.

        The size of each is that of all that is multiplied by it.
        """
        others = torch.stack([c.mT @ c for j, c in enumerate(self.coef) if j != k]).prod(0)
        root = torch.linalg.eigh(others)
        weighed = self.coef[k] @ (root.eigenvectors * root.eigenvalues.clamp_min(0).sqrt())
        left, size, _ = torch.linalg.svd(weighed, full_matrices=False)
        count = max(1, int((size > max(ABOVE * self.error, SMALLEST)).sum()))
        return self.columns[k] @ left[:, :count], max(DOUBT * self.error / float(size[count - 1]), LEAST_DOUBT)


def from_start(columns: Tensor, tau: Tensor, count: int, start: int) -> Decomposition:
    """Return the decomposition from coefficients drawn at random, whose sum of products has unit size."""
    shape = (*columns.shape[::2], count)
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(start), dtype=tau.dtype)
    return _stepped(columns, _scaled(tau), drawn * (count * shape[1]) ** (-0.5 / len(columns)))


def refined(fit: Decomposition, z: Tensor, tau: Tensor) -> Decomposition:
    """Return the same with finer splines for as long as these leave less."""
    for intervals in FINER:
        if _size(intervals) <= fit.columns.shape[2]:
            continue
        if len(tau) < wanted(fit.coef.shape[2], len(fit.coef), intervals):
            break
        finer = fit.on(kinked(z, intervals), tau)
        if not finer.error < fit.error:
            break
        fit = finer
    return fit


def wanted(products: int, features: int, intervals: int) -> int:
    """Return how many rows a fit wants."""
    return EACH * products * features * _size(intervals)


def _size(intervals: int) -> int:
    """Return how many splines there are of a feature."""
    return BSpline(degree=5, intervals=intervals).size + KINKS


def kinked(z: Tensor, intervals: int) -> Tensor:
    """Return splines of all features at the rows, `(features, rows, size)`, orthonormal there, with a kink at 0."""
    basis, at = BSpline(degree=5, intervals=intervals), evenly(z).at
    kink = torch.where((at.amin(0) < 0) & (at.amax(0) > 0), at.abs(), 0.0)
    kinks = torch.stack([kink, kink * at, kink.sqrt()], 2)
    dense = torch.cat([splines(at, basis), kinks], 2)
    return torch.stack([part @ torch.linalg.inv(upper_of(part)) * len(z) ** 0.5 for part in dense.unbind(1)])


def _scaled(tau: Tensor) -> Tensor:
    """Return the target in units of its size."""
    return tau / tau.square().mean().sqrt()


class _Point(NamedTuple):
    """Hold coefficients, the curves `(features, rows, products)` that they make, and what these leave `(rows,)`."""

    coef: Tensor
    curves: Tensor
    left: Tensor

    @classmethod
    def of(cls, columns: Tensor, tau: Tensor, coef: Tensor) -> "_Point":
        """Return the point at some coefficients."""
        curves = columns @ coef
        return cls(coef, curves, tau - curves.prod(0).sum(1))

    @property
    def error(self) -> float:
        """Return the root mean square of what is left."""
        return float(self.left.square().mean().sqrt())


def _stepped(columns: Tensor, tau: Tensor, coef: Tensor) -> Decomposition:
    """Return the decomposition of a target of unit size after damped Gauss-Newton steps in all coefficients."""
    at, damping, before = _Point.of(columns, tau, coef), 1e-2, math.inf
    for step in range(STEPS):
        look()
        if step % PAUSE == 0:
            if at.error > (1 - GAIN) * before or (step >= HOPELESS and at.error > NEAR):
                break
            before = at.error
        moved, damping = _step(columns, tau, at, damping)
        if moved is None:
            break
        at = moved
    return Decomposition(columns, at.coef, at.error * (len(tau) / (len(tau) - coef.numel())) ** 0.5)


def _step(columns: Tensor, tau: Tensor, at: _Point, damping: float) -> tuple[_Point | None, float]:
    """Return a point that leaves less, and the next damping; None if there is none."""
    others = [_others(at.curves, k) for k in range(len(columns))]
    blocks = [(part[:, :, None] * o[:, None]).flatten(1) for part, o in zip(columns, others, strict=True)]
    jacobian = torch.cat(blocks, 1)
    gram, slope = jacobian.mT @ jacobian / len(tau), jacobian.mT @ at.left / len(tau)
    while damping < 1e6:
        damped = gram + damping * torch.eye(len(gram), dtype=gram.dtype)
        move = torch.linalg.solve(damped, slope).view(len(columns), columns.shape[2], -1)
        trial = _Point.of(columns, tau, _balanced(at.coef + move))
        if trial.error < at.error:
            return trial, max(damping / 5, 1e-12)
        damping *= 4
    return None, damping


def _balanced(coef: Tensor) -> Tensor:
    """Return the coefficients with the curves of each product of one size: only that of the product is known."""
    size = coef.norm(dim=1, keepdim=True).clamp_min(1e-150)
    balanced: Tensor = coef / size * size.log().mean(0, keepdim=True).exp()
    return balanced


def _others(curves: Tensor, k: int) -> Tensor:
    """Return the products of the curves of all features but one, `(rows, products)`."""
    return torch.cat([curves[:k], curves[k + 1 :]]).prod(0)
