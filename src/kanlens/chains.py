"""Functions inside each other, and fits of several of them by variable projection."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from kanlens.budget import look
from kanlens.functions import Function
from kanlens.trees import Number, Tree, Variable, add, apply, multiply


class Link(NamedTuple):
    """Hold a function of `a u + b`, and which of the letters are fitted."""

    function: Function
    a: float
    b: float
    free: str


Chain = tuple[Link, ...]
"""Links from the inside out."""


def chain_tree(chain: Chain) -> Tree:
    """Return the formula of a chain in Variable(0)."""
    tree: Tree = Variable(0)
    for function, a, b, free in chain:
        argument = tree if a == 1 and "a" not in free else multiply(Number(a), tree)
        tree = apply(function, add(argument, Number(b)) if b else argument)
    return tree


def chain_slopes(chain: Chain, s: Tensor) -> tuple[Tensor, Tensor]:
    """Return a chain's values `(points,)` and its derivatives by `a` and `b` of each link, `(2 links, points)`."""
    value, slopes = s, s.new_zeros(0, len(s))
    for function, a, b, free in chain:
        argument = a * value + b
        steep = function.slope(argument)
        own = torch.stack([steep * value * ("a" in free), steep * ("b" in free)])
        slopes = torch.cat([slopes * (a * steep), own])
        value = function.torch(argument)
    return value, slopes


@dataclass(frozen=True)
class Combination:
    """Hold a sum of multiples of chains and a constant, `c p + d q + e`."""

    chains: tuple[Chain, ...]

    def columns(self, values: Sequence[Tensor]) -> Tensor:
        """Return what the fit is linear in, `(points, k)`."""
        return torch.stack([*values, torch.ones_like(values[0])], 1)

    def slopes(self, values: Sequence[Tensor], coef: Tensor) -> Sequence[Tensor]:
        """Return the derivative of the fit by each chain, each `(points,)` or one number."""
        return coef[: len(values)].unbind(0)

    def formula(self, coef: Sequence[float]) -> Tree:
        """Return the fit in Variable(0)."""
        terms = [multiply(Number(c), chain_tree(chain)) for c, chain in zip(coef, self.chains, strict=False)]
        return add(*terms, Number(coef[-1]))


class Interaction(Combination):
    """Hold a product of two chains, `c p (q + d / c) + e`."""

    def columns(self, values: Sequence[Tensor]) -> Tensor:
        """Return what the fit is linear in, `(points, 3)`."""
        p, q = values
        return torch.stack([p * q, p, torch.ones_like(p)], 1)

    def slopes(self, values: Sequence[Tensor], coef: Tensor) -> Sequence[Tensor]:
        """Return the derivative of the fit by each chain, each `(points,)`."""
        p, q = values
        return coef[0] * q + coef[1], coef[0] * p

    def formula(self, coef: Sequence[float]) -> Tree:
        """Return the fit in Variable(0)."""
        p, q = map(chain_tree, self.chains)
        c, d, e = coef
        return add(multiply(Number(c), p, add(q, Number(d / c))) if c else multiply(Number(d), p), Number(e))


class _Point(NamedTuple):
    """Hold models where they are: their errors, coefficients, residuals and projected derivatives."""

    models: list[Combination]
    error: Tensor  # (models,)
    coef: Tensor  # (models, k)
    residual: Tensor  # (models, points)
    jacobian: Tensor  # (models, points, letters)


def project(
    models: Sequence[Combination], s: Tensor, t: Tensor, weight: Tensor, steps: int, enough: float
) -> list[tuple[float, Combination, list[float]]]:
    """Return mean square errors, models and coefficients after damped Gauss-Newton steps, the best first.

    The coefficients are solved for at each step (Golub & Pereyra 1973, with Kaufman's derivative of 1975): in all
    constants at once the same steps crawl along curved valleys. All models take their steps together, until one of
    them leaves no more than `enough`.
    """
    at = _linearised(models, s, t, weight)
    damping = torch.full_like(at.error, 1e-3)
    for _ in range(steps):
        look()
        if float(at.error.amin()) <= enough:
            break
        there = _linearised(_moved(at.models, _steps(at, damping)), s, t, weight)
        better = there.error < at.error
        at = _Point(
            [new if b else old for new, old, b in zip(there.models, at.models, better.tolist(), strict=True)],
            *(
                torch.where(better.reshape(-1, *[1] * (new.dim() - 1)), new, old)
                for new, old in zip(there[1:], at[1:], strict=True)
            ),
        )
        damping = torch.where(better, damping / 8, damping * 6).clamp(1e-14, 1e8)
    found = zip(at.error.tolist(), at.models, at.coef.tolist(), strict=True)
    return sorted(found, key=lambda one: one[0])


def _linearised(models: Sequence[Combination], s: Tensor, t: Tensor, weight: Tensor) -> _Point:
    evaluated = [[chain_slopes(chain, s) for chain in model.chains] for model in models]
    values = [[value for value, _ in pair] for pair in evaluated]
    columns = torch.stack([model.columns(v) for model, v in zip(models, values, strict=True)])
    sound = torch.isfinite(columns).flatten(1).all(1)
    columns = torch.where(sound[:, None, None], columns, 0.0) * weight[:, None]
    length = columns.norm(dim=1, keepdim=True).clamp_min(1e-150)
    basis, upper = torch.linalg.qr(columns / length)
    upper = upper + torch.diag_embed(torch.where(upper.diagonal(dim1=1, dim2=2).abs() < 1e-13, 1e-13, 0.0))
    along = basis.mT @ (t * weight)[:, None]
    coef = torch.linalg.solve_triangular(upper, along, upper=True)[..., 0] / length[:, 0]
    residual = t * weight - (basis @ along)[..., 0]
    error = torch.where(sound, residual.square().mean(1), float("inf"))
    slopes = [
        torch.cat([outer * inner for outer, (_, inner) in zip(model.slopes(v, c), pair, strict=True)])
        for model, v, c, pair in zip(models, values, coef, evaluated, strict=True)
    ]
    padded = pad_sequence(slopes, batch_first=True).mT  # models differ in their letters
    raw = torch.nan_to_num(padded, nan=0.0, posinf=0.0, neginf=0.0) * weight[:, None]
    return _Point(
        list(models), torch.where(error == error, error, float("inf")), coef, residual, raw - basis @ (basis.mT @ raw)
    )


def _steps(at: _Point, damping: Tensor) -> Tensor:
    """Return the damped Gauss-Newton step of each model, by QR: normal equations would lose half the digits."""
    length = at.jacobian.norm(dim=1, keepdim=True)
    unit = at.jacobian / length.clamp_min(1e-150)
    count = unit.shape[2]
    eye = torch.eye(count, dtype=unit.dtype).expand(len(unit), -1, -1)
    basis, upper = torch.linalg.qr(torch.cat([unit, damping.sqrt()[:, None, None] * eye], 1))
    right = torch.cat([at.residual, at.residual.new_zeros(len(unit), count)], 1)
    move = torch.linalg.solve_triangular(upper, basis.mT @ right[..., None], upper=True)[..., 0]
    return torch.where(length[:, 0] > 1e-150, move / length[:, 0].clamp_min(1e-150), 0.0)


def _moved(models: Sequence[Combination], moves: Tensor) -> list[Combination]:
    """Return the models with their letters changed."""
    found = []
    for model, move in zip(models, moves.tolist(), strict=True):
        letters = iter(move)
        chains = tuple(
            tuple(link._replace(a=link.a + next(letters), b=link.b + next(letters)) for link in chain)
            for chain in model.chains
        )
        found.append(replace(model, chains=chains))
    return found
