r"""A smooth stand-in for an unknown law: a Gaussian process, for its derivatives.

On a thousand rows without noise it gives first derivatives to three or four digits, in a fraction of a second and
without a choice of shape. Networks of splines were tried in its place: as precise where their shape fits the law,
but finding that shape is what the derivatives are for.
"""

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from kanlens.bases import BSpline

FEW = 256
"""Rows that the lengths are fitted on; the process itself takes up to four times as many."""

CURVES = (4, 8, 16, 32, 64)
"""Intervals of splines that a function of one feature is tried with."""

SMOOTH = 1e-3
"""Their error, as a share of the target's deviation, up to which no process is asked."""

NEARLY = 2.0
"""Error on those, as a multiple of the smallest, up to which a choice is tried on all rows."""

FEWER = 96
"""Rows on which the logarithms of features and target are compared with these themselves."""

ROUNDS = ((FEWER, 40), (FEW, 15))
"""Rows and quasi-Newton steps of that: from a good start, a few steps on all of them are enough."""

PRIOR = 0.01
"""Weight of the squares of all logarithms of lengths, amplitude and noise."""


@dataclass(frozen=True)
class Surrogate:
    """Hold a smooth function through the data: its values and slopes at the rows, and how far it is off.

    `slopes` are the derivatives by the features `(rows, d)`, `left_out` the errors of the target at rows left out one
    by one, `rows` those of the problem that it was fitted on.
    """

    rows: Tensor
    values: Tensor
    slopes: Tensor
    left_out: Tensor

    @property
    def error(self) -> float:
        """Return the leave-one-out root mean square error of the target."""
        error = float(self.left_out.square().mean().sqrt())
        return error if math.isfinite(error) else math.inf


def surrogate(z: Tensor, t: Tensor, seed: int = 0) -> Surrogate:
    """Return the best of Gaussian processes over the features or their logarithms, for the target or its logarithm.

    The one with the smallest leave-one-out error, in the target's own units, wins.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(t), generator=generator)[: 4 * FEW]
    if z.shape[1] == 1:
        curve = _curve(z, t, rows)
        if curve is not None and curve.error < SMOOTH * float(t.std()):
            return curve
    logs = [False, True] if (z > 0).all() and (z.amax(0) > 1.5 * z.amin(0)).any() else [False]
    choices = list(itertools.product(logs, (False, True)))
    if len(rows) > 2 * FEWER:
        errors = [_fitted(z, t, rows[:FEWER], *choice).error for choice in choices]
        choices = [c for c, error in zip(choices, errors, strict=True) if error <= NEARLY * min(errors)]
    return min((_fitted(z, t, rows, *choice) for choice in choices), key=lambda s: s.error)


def _fitted(z: Tensor, t: Tensor, rows: Tensor, log_z: bool, squeezed: bool) -> Surrogate:
    """Return the process over the features at some rows or their logarithms, for the target or its logarithm."""
    z, t = z[rows], t[rows]
    squeeze = _Squeeze.of(t)
    values, slopes, left_out = _process(z.log() if log_z else z, squeeze.forward(t) if squeezed else t)
    if squeezed:
        values, steep = squeeze.back(values)
        slopes, left_out = slopes * steep[:, None], left_out * squeeze.back(squeeze.forward(t))[1]
    if log_z:
        slopes = slopes / z
    return Surrogate(rows, values, slopes, left_out)


def _curve(z: Tensor, t: Tensor, rows: Tensor) -> Surrogate | None:
    """Return the best of least-squares splines of one feature, a hundred times as fast as a process."""
    z, t = z[rows], t[rows]
    found = []
    for intervals in CURVES:
        basis = BSpline(degree=5, intervals=intervals)
        if 4 * basis.size > len(t):
            break
        columns, steep = basis.values_and_slopes(z, basis.grid(z.amin(0), z.amax(0)))
        orthogonal, upper = torch.linalg.qr(columns[:, 0])
        if float(upper.diagonal().abs().amin()) < 1e-10 * float(upper.diagonal().abs().amax()):
            break  # an interval without rows
        values = orthogonal @ (orthogonal.mT @ t)
        coef = torch.linalg.solve_triangular(upper, (orthogonal.mT @ t)[:, None], upper=True)
        left_out = (t - values) / (1 - orthogonal.square().sum(1)).clamp_min(1e-12)
        found.append(Surrogate(rows, values, steep[:, 0] @ coef, left_out))
    return min(found, key=lambda s: s.error, default=None)


class _Squeeze(NamedTuple):
    """Hold a logarithm of a target of one sign, or the inverse hyperbolic sine of another one."""

    sign: float
    size: float

    @classmethod
    def of(cls, t: Tensor) -> "_Squeeze":
        sign = 1.0 if (t > 0).all() else -1.0 if (t < 0).all() else 0.0
        return cls(sign, float(t.abs().median()) or 1.0)

    def forward(self, t: Tensor) -> Tensor:
        """Return the squeezed target."""
        return t.abs().log() if self.sign else (t / self.size).asinh()

    def back(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return the target and its derivative by the squeezed one."""
        if self.sign:
            return self.sign * v.exp(), self.sign * v.exp()
        return self.size * v.sinh(), self.size * v.cosh()


def _process(z: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return values, slopes and leave-one-out errors of a Gaussian process with a linear trend.

    C. Rasmussen and C. Williams, *Gaussian Processes for Machine Learning* (2006): likelihood (5.8), leave-one-out
    residuals (5.12).
    """
    size = z.shape[1]
    middle, width = z.mean(0), z.std(0).clamp_min(1e-300)
    u = (z - middle) / width
    trend = torch.cat([torch.ones_like(t)[:, None], u], 1)
    scale = t.std().clamp_min(1e-300)
    line = torch.linalg.lstsq(trend, (t / scale)[:, None]).solution[:, 0]
    left = t / scale - trend @ line
    spread = left.std()
    if spread < 1e-10:  # a line it is
        slopes = (line[1:] / width * scale).expand(len(t), size)
        return t - left * scale, slopes, left * scale
    y = left / spread
    logs = _lengths(u, y)
    kernel = _kernel(u, logs)
    precise = torch.linalg.cholesky(kernel + _nugget(logs) * torch.eye(len(y), dtype=y.dtype))
    inverse = torch.cholesky_inverse(precise)
    weights = torch.cholesky_solve(y[:, None], precise)[:, 0]  # the inverse times y has five digits less
    pulled = kernel * weights  # (rows, rows)
    slopes = (pulled @ u - pulled.sum(1, keepdim=True) * u) / (2 * logs[:size]).exp()
    slopes = (slopes * spread + line[1:]) / width * scale
    values = (kernel @ weights * spread + trend @ line) * scale
    return values, slopes, weights / inverse.diagonal() * spread * scale


def _kernel(u: Tensor, logs: Tensor) -> Tensor:
    v = u / logs[: u.shape[1]].exp()
    square = (v * v).sum(1)
    distance = (square[:, None] + square - 2 * v @ v.T).clamp_min(0)
    return logs[-2].exp() * torch.exp(-0.5 * distance)


def _nugget(logs: Tensor) -> Tensor:
    return logs[-1].exp() + 1e-11 * logs[-2].exp()


def _lengths(u: Tensor, y: Tensor) -> Tensor:
    """Return the logarithms of lengths, amplitude and noise of greatest likelihood.

    The gradient is written by hand (Rasmussen & Williams, (5.9)): by automatic differentiation it takes four times
    as long. A weak prior keeps the lengths of features that do not matter from running away.
    """
    from scipy.optimize import minimize

    size = u.shape[1]
    point = np.array([0.7] * size + [0.5, math.log(1e-4)])
    bounds = [(-4.0, 6.0)] * size + [(-5.0, 15.0), (math.log(1e-12), 3.0)]
    for rows, steps in ROUNDS:
        data, options = (u[:rows], y[:rows]), {"maxiter": steps}
        point = minimize(_negative_likelihood, point, data, "L-BFGS-B", jac=True, bounds=bounds, options=options).x
    return torch.from_numpy(point)


def _negative_likelihood(point: np.ndarray, u: Tensor, y: Tensor) -> tuple[float, np.ndarray]:
    """Return the negative logarithm of likelihood and prior, and its gradient."""
    logs = torch.from_numpy(point)
    kernel = _kernel(u, logs)
    lower, failed = torch.linalg.cholesky_ex(kernel + _nugget(logs) * torch.eye(len(y), dtype=y.dtype))
    if failed:
        return 1e10, np.zeros_like(point)
    inverse = torch.cholesky_inverse(lower)
    alpha = inverse @ y
    value = 0.5 * y @ alpha + lower.diagonal().log().sum() + PRIOR * logs.square().sum()
    pull = inverse - torch.outer(alpha, alpha)
    felt = pull * kernel
    total = felt.sum(1)
    apart = 2 * (total @ u.square()) - 2 * (u * (felt @ u)).sum(0)  # sum_ij felt_ij (u_i - u_j)^2, (d,)
    trace = float(pull.diagonal().sum())
    amplitude = 0.5 * (float(total.sum()) + trace * 1e-11 * math.exp(point[-2]))
    noise = 0.5 * trace * math.exp(point[-1])
    slope = torch.cat([0.5 * apart / (2 * logs[:-2]).exp(), torch.tensor([amplitude, noise], dtype=u.dtype)])
    return float(value), (slope + 2 * PRIOR * logs).numpy()
