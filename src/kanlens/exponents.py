r"""Fit sums of power products with real exponents, times powers of such sums, from many starts at once.

The model is :math:`t = \big(\sum_k c_k b_k z^{P_k}\big) \prod_l \big(1 + \sum_j d_{lj} b_{lj} z^{Q_{lj}}\big)^{q_l}`,
where :math:`z^P` is a product of powers and *b* a fixed column of each term. Coefficients *c* are linear and projected
out: variable projection (Golub & Pereyra 1973) with the Jacobian of Kaufman (1975). All starts take their
Levenberg-Marquardt steps in one batch, so that hundreds cost what a few would cost one by one.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.budget import look

LARGEST = 80.0
"""Logarithm of the largest power product: far more than data hold, and far from overflow."""

STEP = 1.5
"""The most that an exponent or a coefficient moves in one step."""

START = 0.6
"""What the terms beside 1 in a sum under a power add up to at most in the beginning."""

LEAST = 1e-6
"""What a sum under a power has to stay above, its first term being 1."""


class Data(NamedTuple):
    """Hold logarithms of the features `(rows, f)`, the target `(rows,)`, and how much each row counts `(rows,)`."""

    logs: Tensor
    t: Tensor
    weight: Tensor

    def first(self, rows: int) -> "Data":
        """Return the first rows."""
        return Data(*(part[:rows] for part in self))


RESTS = 2
"""Idle steps in a row after which fits end."""


class Exponents(NamedTuple):
    """Hold the nonlinear parameters of `n` models: `P (n, K, f)`, `Q (n, L, J, f)`, `d (n, L, J)`, `q (n, L)`."""

    terms: Tensor
    inside: Tensor
    scale: Tensor
    power: Tensor

    def take(self, chosen: Tensor) -> "Exponents":
        """Return some of the models."""
        return Exponents(*(part[chosen] for part in self))

    def held(self, value: bool) -> "Exponents":
        """Return a mask of all parameters."""
        return Exponents(*(torch.full_like(part, value, dtype=torch.bool) for part in self))

    def moved(self, step: Tensor) -> "Exponents":
        """Return the models with all parameters `(n, parameters)` moved."""
        parts = torch.split(step, [part[0].numel() for part in self], 1)
        return Exponents(*(old + new.reshape(old.shape) for old, new in zip(self, parts, strict=True)))


class Columns(NamedTuple):
    """Hold the fixed columns of the terms `(n, rows, K)`, and of those under a power `(n, rows, L, J)`."""

    terms: Tensor
    inside: Tensor


class Fit(NamedTuple):
    """Hold `n` models at their best coefficients, with what the next step needs."""

    exponents: Exponents
    unit: Tensor  # the terms, weighted and of unit length, (n, rows, K)
    orthogonal: Tensor  # the same, orthonormal
    coef: Tensor  # of those of unit length, (n, K)
    length: Tensor  # (n, K)
    left: Tensor  # residuals, (n, rows)
    under: Tensor  # the terms under a power, (n, rows, L, J)
    sums: Tensor  # the sums under a power, (n, rows, L)
    error: Tensor  # weighted mean square, (n,)


def above_zero(data: Data, columns: Columns, start: Exponents) -> Exponents:
    """Return starts whose sums under a power are positive at every row."""
    largest = _under(data, columns, start).abs().amax(1)
    return start._replace(scale=start.scale * START / (start.scale.shape[2] * largest.clamp_min(1e-300)))


def fitted(
    data: Data, columns: Columns, start: Exponents, steps: int, held: Exponents, enough: float = 0.0, idle: float = 0.0
) -> tuple[Exponents, Tensor, Tensor]:
    """Return exponents, coefficients `(n, K)` and errors `(n,)` after some steps from each start.

    Parameters that are `held` stay what they are. It ends once the best one leaves no more than `enough`, or when for
    some steps no model has lost more than a share `idle` of its error.
    """
    moving = 1 - torch.cat([part.flatten(1) for part in held], 1).to(data.t)
    fit = _evaluated(data, columns, start)
    damping = torch.full_like(fit.error, 1e-2)
    rests = 0
    for _ in range(steps):
        look()
        fresh = _evaluated(data, columns, fit.exponents.moved(_step(data, fit, damping, moving)))
        better = fresh.error < fit.error
        rests = 0 if bool((fresh.error < (1 - idle) * fit.error).any()) else rests + 1
        damping = torch.where(better, 0.2 * damping, 5 * damping).clamp(1e-10, 1e8)
        fit = _chosen(better, fresh, fit)
        if float(fit.error.amin()) <= enough or (idle and rests == RESTS):
            break
    return fit.exponents, fit.coef / fit.length, fit.error


def _chosen(better: Tensor, fresh: Fit, old: Fit) -> Fit:
    def pick(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(better.view(-1, *[1] * (a.dim() - 1)), a, b)

    exponents = Exponents(*map(pick, fresh.exponents, old.exponents))
    return Fit(exponents, *(pick(a, b) for a, b in zip(fresh[1:], old[1:], strict=True)))


def _under(data: Data, columns: Columns, exponents: Exponents) -> Tensor:
    """Return the terms under a power, without their coefficients, `(n, rows, L, J)`."""
    return columns.inside * torch.einsum("rf,nljf->nrlj", data.logs, exponents.inside).clamp(-LARGEST, LARGEST).exp()


def power_products(logs: Tensor, terms: Tensor) -> Tensor:
    """Return the power products `(n, rows, K)` of exponents `(n, K, f)`, no larger than numbers can be."""
    return torch.einsum("rf,nkf->nrk", logs, terms).clamp(-LARGEST, LARGEST).exp()


def _evaluated(data: Data, columns: Columns, exponents: Exponents) -> Fit:
    logs, t, weight = data
    terms = columns.terms * power_products(logs, exponents.terms)
    under = _under(data, columns, exponents)
    sums = 1 + (under * exponents.scale[:, None]).sum(3)
    forbidden = (sums <= LEAST).flatten(1).any(1)
    sums = sums.clamp_min(LEAST)
    factor = (sums.log() * exponents.power[:, None]).sum(2).clamp(-LARGEST, LARGEST).exp()
    whole = terms * (factor * weight)[..., None]
    length = whole.norm(dim=1).clamp_min(1e-300)
    unit = whole / length[:, None]
    orthogonal, upper = torch.linalg.qr(unit)
    target = t * weight
    along = torch.einsum("nrk,r->nk", orthogonal, target)
    left = target - torch.einsum("nrk,nk->nr", orthogonal, along)
    diagonal = upper.diagonal(dim1=1, dim2=2)
    upper = upper + torch.diag_embed(torch.where(diagonal.abs() < 1e-12, 1e-12, 0.0))
    coef = torch.linalg.solve_triangular(upper, along[..., None], upper=True)[..., 0]
    error = left.square().mean(1)
    error = torch.where(forbidden | ~error.isfinite(), math.inf, error)
    return Fit(exponents, unit, orthogonal, coef, length, left, under, sums, error)


def _step(data: Data, fit: Fit, damping: Tensor, moving: Tensor) -> Tensor:
    """Return the damped Gauss-Newton steps `(n, parameters)`."""
    jacobian = _jacobian(data, fit) * moving[:, None]
    jacobian = jacobian - fit.orthogonal @ (fit.orthogonal.mT @ jacobian)
    jacobian = torch.nan_to_num(jacobian, nan=0.0, posinf=0.0, neginf=0.0)
    normal = jacobian.mT @ jacobian
    diagonal = normal.diagonal(dim1=1, dim2=2)
    ridge = damping[:, None] * diagonal + 1e-13 * diagonal.amax(1, keepdim=True) + 1e-200
    step, _ = torch.linalg.solve_ex(normal + torch.diag_embed(ridge), jacobian.mT @ fit.left[..., None])
    return torch.nan_to_num(step[..., 0]).clamp(-STEP, STEP)


def _jacobian(data: Data, fit: Fit) -> Tensor:
    """Return the derivatives `(n, rows, parameters)` of the models at fixed coefficients."""
    part = fit.unit * fit.coef[:, None]
    terms = torch.einsum("nrk,rf->nrkf", part, data.logs)
    total = part.sum(2)
    _, _, scale, power = fit.exponents
    felt = total[:, :, None, None] * power[:, None, :, None] * fit.under / fit.sums[..., None]
    inside = torch.einsum("nrlj,rf->nrljf", felt * scale[:, None], data.logs)
    powers = total[:, :, None] * fit.sums.log()
    return torch.cat([block.flatten(2) for block in (terms, inside, felt, powers)], 2)
