"""Few terms out of many: best subsets of a dictionary of features by a beam search."""

from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.budget import look

BEAM = 12
"""Subsets of each size that are kept; a greedy search (1) misses pairs that explain only together."""


MOST_PAIRED = 2000
"""Features up to which all pairs are compared, not only those with one of the best singles."""


class Subset(NamedTuple):
    """Hold the features chosen, and the weighted mean square that they leave unexplained."""

    features: tuple[int, ...]
    left: float


class _State(NamedTuple):
    features: tuple[int, ...]
    basis: Tensor  # (rows, k), orthonormal
    left: Tensor  # what the basis leaves of the target, (rows,)


def best_subsets(features: Tensor, target: Tensor, weight: Tensor, most: int, enough: float = 0.0) -> list[Subset]:
    """Return subsets of up to `most` features, the best of each size, sizes ascending.

    Forward selection by orthogonal least squares (Chen, Billings & Luo 1989), a beam wide: a feature's merit is
    its part orthogonal to those already chosen. The constant is always among them. It ends as soon as a
    subset leaves no more than `enough`.
    """
    unit, total = _centred(features, target, weight)
    states = [_State((), total.new_zeros(len(total), 0), total)]
    found: list[Subset] = []
    for size in range(1, most + 1):
        look()
        grown = _pairs(unit, total) if size == 2 and unit.shape[1] <= MOST_PAIRED else _grow(states, unit)
        if not grown:
            break
        found += [Subset(state.features, float(state.left @ state.left) / len(total)) for state in grown]
        states = grown
        if min(s.left for s in found if len(s.features) == size) <= enough:
            break
    return found


def single(features: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean square that each feature by itself, with a constant, leaves, `(features,)`."""
    unit, total = _centred(features, target, weight)
    return (total @ total - (total @ unit).square()).clamp_min(0) / len(total)


def _centred(features: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return weighted features of unit length and the weighted target, both orthogonal to the constant."""
    one = weight / weight.norm()
    total = weight * target
    total = total - one * (one @ total)
    weighted = features * weight[:, None]
    whole = weighted.norm(dim=0)
    weighted = weighted - one[:, None] * (one @ weighted)
    length = weighted.norm(dim=0)
    sound = torch.isfinite(length) & (length > 1e-10 * whole)
    return torch.where(sound, weighted / length, 0.0), total


def _pairs(unit: Tensor, total: Tensor) -> list[_State]:
    """Return the best pairs of all, from the matrix of inner products."""
    inner, reach = unit.mT @ unit, total @ unit
    apart = 1 - inner.square()
    gain = (reach[:, None].square() + reach.square() - 2 * reach[:, None] * reach * inner) / apart
    gain = torch.where(apart > 1e-9, gain, 0.0).triu(1).flatten()
    places = gain.topk(min(BEAM, len(gain))).indices.tolist()
    states = []
    for first, second in (divmod(place, unit.shape[1]) for place in places):
        basis, _ = torch.linalg.qr(unit[:, [first, second]])
        left = total - basis @ (basis.mT @ total)
        states.append(_State((first, second), basis, left - basis @ (basis.mT @ left)))
    return states


def _grow(states: list[_State], unit: Tensor) -> list[_State]:
    """Return the best states of one feature more."""
    merits: list[tuple[float, int, int]] = []
    for number, state in enumerate(states):
        inside = state.basis.mT @ unit  # (k, features)
        apart = 1 - inside.square().sum(0)
        gain = (state.left @ unit).square() / apart
        gain = torch.where(apart > 1e-9, gain, 0.0)
        best, places = gain.topk(min(BEAM, len(gain)))
        have = float(state.left @ state.left)
        merits += [(have - b, number, j) for b, j in zip(best.tolist(), places.tolist(), strict=True)]
    grown: dict[frozenset[int], _State] = {}
    for _, number, j in sorted(merits):
        state = states[number]
        key = frozenset((*state.features, j))
        if len(key) == len(state.features) + 1 and key not in grown:
            column = unit[:, j]
            for _ in range(2):  # twice is enough for orthogonality to round-off (Kahan, Parlett)
                column = column - state.basis @ (state.basis.mT @ column)
            if float(column.norm()) > 1e-8:
                column = column / column.norm()
                left = state.left - column * (column @ state.left)
                basis = torch.cat([state.basis, column[:, None]], 1)
                grown[key] = _State((*state.features, j), basis, left)
        if len(grown) == BEAM:
            break
    return list(grown.values())


def coefficients(features: Tensor, target: Tensor, weight: Tensor) -> list[float]:
    """Return the weighted least-squares coefficients of chosen features `(rows, k)`, the constant last."""
    columns = torch.cat([features, torch.ones_like(target)[:, None]], 1) * weight[:, None]
    length = columns.norm(dim=0).clamp_min(1e-300)
    solved = torch.linalg.lstsq(columns / length, (target * weight)[:, None]).solution[:, 0]
    found: list[float] = (solved / length).tolist()
    return found
