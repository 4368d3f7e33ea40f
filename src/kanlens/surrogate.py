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
from kanlens.budget import look

FEW = 256
"""Rows that the lengths are fitted on; the process itself takes up to four times as many."""

CURVES = (4, 8, 16, 32, 64)
"""Intervals of splines that a function of one feature is tried with."""

SMOOTH = 1e-3
"""Their error, as a share of the target's deviation, up to which no process is asked."""

Rounds = tuple[tuple[int, int], ...]

Kind = tuple[bool, bool]
"""Whether the features, and whether the target, are logarithmic."""

NEARLY = 2.0
"""Error on those, as a multiple of the smallest, up to which a choice is tried on all rows."""

FEWER = 96
"""Rows on which the logarithms of features and target are compared with these themselves."""

ROUNDS = ((FEWER, 40), (FEW, 15))
"""Rows and quasi-Newton steps of that: from a good start, a few steps on all of them are enough.

Each choice is tried by the first ones; those that go on begin where they ended."""

QUICK = ((FEWER, 20), (FEW, 5))
"""The same for a quick process."""

QUICK_ROWS = 400
"""Rows that a quick process takes."""

PRIOR = 0.01
"""Weight of the squares of all logarithms of lengths, amplitude and noise."""


@dataclass(frozen=True)
class Surrogate:
    """Hold a smooth function through the data: its values and slopes at the rows, and how far it is off.

    `slopes` are the derivatives by the features `(rows, d)`, `left_out` the errors of the target at rows left out one
    by one, `rows` those of the problem that it was fitted on; `noise` is the share of the error that is noise by its
    own estimate, `lengths` the logarithms of a process's lengths, amplitude and noise.
    """

    rows: Tensor
    values: Tensor
    slopes: Tensor
    left_out: Tensor
    noise: float = 0.0
    kind: Kind = (False, False)
    lengths: Tensor | None = None

    @property
    def error(self) -> float:
        """Return the leave-one-out root mean square error of the target."""
        return self.error_felt(torch.ones_like(self.left_out))

    def error_felt(self, felt: Tensor) -> float:
        """Return the same, where the target of each row counts as much as is said, `(rows,)`."""
        error = float((self.left_out * felt).square().mean().sqrt())
        return error if math.isfinite(error) else math.inf


def surrogate(z: Tensor, t: Tensor, seed: int = 0, felt: Tensor | None = None, nearly: float = NEARLY) -> Surrogate:
    """Return the best of Gaussian processes over the features or their logarithms, for the target or its logarithm.

    The one with the smallest leave-one-out error wins. With `felt`, how much each row's target counts, `(rows,)`, the
    data have noise that is even in these units; without it, they have so little that it does not matter. With `nearly`
    1, only the one that does best on a few rows is fitted to all.
    """
    rows = _drawn(len(t), 4 * FEW, seed)
    if z.shape[1] == 1:
        spline = curve(z, t, rows)
        if spline is not None and spline.error < SMOOTH * float(t.std()):
            return spline
    logs = [False, True] if (z > 0).all() and (z.amax(0) > 1.5 * z.amin(0)).any() else [False]
    choices = list(itertools.product(logs, (False, True)))
    if len(rows) <= 2 * FEWER:
        return min((_fitted(z, t, rows, choice, felt) for choice in choices), key=lambda fit: fit[1])[0]
    tried = [_fitted(z, t, rows[:FEWER], choice, felt, ROUNDS[:1]) for choice in choices]
    least = min(error for _, error in tried)
    likely = [fit for fit, error in tried if error <= nearly * least]
    fits = (_fitted(z, t, rows, fit.kind, felt, ROUNDS[1:], fit.lengths) for fit in likely)
    return min(fits, key=lambda fit: fit[1])[0]


def quick_error(z: Tensor, t: Tensor, felt: Tensor, kind: Kind, seed: int = 0) -> float:
    """Return the leave-one-out error of a process on fewer rows, where noise is even in units of `felt`.

    Errors of several sets of features for one target may be compared with each other.
    """
    log_z, squeezed = kind
    rows = _drawn(len(t), QUICK_ROWS, seed)
    return _fitted(z, t, rows, (log_z and bool((z > 0).all()), squeezed), felt, QUICK)[1]


def _drawn(count: int, most: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:most]


def _fitted(
    z: Tensor,
    t: Tensor,
    rows: Tensor,
    kind: Kind,
    felt: Tensor | None,
    rounds: Rounds = ROUNDS,
    start: Tensor | None = None,
) -> tuple[Surrogate, float]:
    """Return the process over the features at some rows or their logarithms, for the target or its logarithm.

    With it comes its error as it is felt.
    """
    (log_z, squeezed), z, t = kind, z[rows], t[rows]
    squeeze = _Squeeze.of(t)
    target = squeeze.forward(t) if squeezed else t
    steep_there = squeeze.back(target)[1] if squeezed else torch.ones_like(t)
    even = felt is None
    felt = torch.ones_like(t) if felt is None else felt[rows]
    scatter = torch.ones_like(t) if even else 1 / (felt * steep_there)
    values, slopes, left_out, noise, lengths = _process(z.log() if log_z else z, target, scatter, rounds, start)
    if squeezed:
        values, steep = squeeze.back(values)
        slopes, left_out = slopes * steep[:, None], left_out * steep_there
    if log_z:
        slopes = slopes / z
    found = Surrogate(rows, values, slopes, left_out, noise, kind, lengths)
    return found, found.error_felt(felt)


def curve(z: Tensor, t: Tensor, rows: Tensor) -> Surrogate | None:
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


def _process(
    z: Tensor, t: Tensor, scatter: Tensor, rounds: Rounds, start: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, float, Tensor | None]:
    """Return values, slopes, leave-one-out errors and noise of a Gaussian process with a linear trend.

    `scatter` is proportional to the noise's deviation at each row.
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
        return t - left * scale, slopes, left * scale, 0.0, None
    y = left / spread
    uneven = (scatter / scatter.median()).clamp(0.01, 100).square()
    logs = _lengths(u, y, uneven, rounds, start)
    kernel = _kernel(u, logs)
    precise = torch.linalg.cholesky(kernel + torch.diag(_nugget(logs, uneven)))
    inverse = torch.cholesky_inverse(precise)
    weights = torch.cholesky_solve(y[:, None], precise)[:, 0]  # the inverse times y has five digits less
    pulled = kernel * weights  # (rows, rows)
    slopes = (pulled @ u - pulled.sum(1, keepdim=True) * u) / (2 * logs[:size]).exp()
    slopes = (slopes * spread + line[1:]) / width * scale
    values = (kernel @ weights * spread + trend @ line) * scale
    left_out = weights / inverse.diagonal()  # of y
    noise = float((logs[-1].exp() * uneven.mean() / left_out.square().mean()).sqrt())
    return values, slopes, left_out * spread * scale, noise, logs


def _kernel(u: Tensor, logs: Tensor) -> Tensor:
    v = u / logs[: u.shape[1]].exp()
    square = (v * v).sum(1)
    distance = (square[:, None] + square - 2 * v @ v.T).clamp_min(0)
    return logs[-2].exp() * torch.exp(-0.5 * distance)


def _nugget(logs: Tensor, uneven: Tensor) -> Tensor:
    return logs[-1].exp() * uneven + 1e-11 * logs[-2].exp()


def _lengths(u: Tensor, y: Tensor, uneven: Tensor, rounds: Rounds, start: Tensor | None) -> Tensor:
    """Return the logarithms of lengths, amplitude and noise of greatest likelihood.

    The gradient is written by hand (Rasmussen & Williams, (5.9)): by automatic differentiation it takes four times
    as long. A weak prior keeps the lengths of features that do not matter from running away.
    """
    from scipy.optimize import minimize

    size = u.shape[1]
    point = np.array([0.7] * size + [0.5, math.log(1e-4)]) if start is None else start.numpy()
    bounds = [(-4.0, 6.0)] * size + [(-5.0, 15.0), (math.log(1e-12), 3.0)]
    for rows, steps in rounds:
        data, options = (u[:rows], y[:rows], uneven[:rows]), {"maxiter": steps}
        point = minimize(_negative_likelihood, point, data, "L-BFGS-B", jac=True, bounds=bounds, options=options).x
    return torch.from_numpy(point)


def _negative_likelihood(point: np.ndarray, u: Tensor, y: Tensor, uneven: Tensor) -> tuple[float, np.ndarray]:
    """Return the negative logarithm of likelihood and prior, and its gradient."""
    look()
    logs = torch.from_numpy(point)
    kernel = _kernel(u, logs)
    lower, failed = torch.linalg.cholesky_ex(kernel + torch.diag(_nugget(logs, uneven)))
    if failed:
        return 1e10, np.zeros_like(point)
    inverse = torch.cholesky_inverse(lower)
    alpha = inverse @ y
    value = 0.5 * y @ alpha + lower.diagonal().log().sum() + PRIOR * logs.square().sum()
    pull = inverse - torch.outer(alpha, alpha)
    felt = pull * kernel
    total = felt.sum(1)
    apart = 2 * (total @ u.square()) - 2 * (u * (felt @ u)).sum(0)  # sum_ij felt_ij (u_i - u_j)^2, (d,)
    diagonal = pull.diagonal()
    trace = float(diagonal.sum())
    amplitude = 0.5 * (float(total.sum()) + trace * 1e-11 * math.exp(point[-2]))
    noise = 0.5 * float(diagonal @ uneven) * math.exp(point[-1])
    slope = torch.cat([0.5 * apart / (2 * logs[:-2]).exp(), torch.tensor([amplitude, noise], dtype=u.dtype)])
    return float(value), (slope + 2 * PRIOR * logs).numpy()
