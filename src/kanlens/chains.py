"""Functions inside each other, and fits of several of them by variable projection."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.budget import look
from kanlens.functions import LIBRARY, Function
from kanlens.trees import Number, Tree, Variable, add, apply, multiply, raise_to, whole

PAUSE, GAIN = 20, 0.9
"""Steps in which the error of at least one model has to fall to this share, or all of them end."""


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


@dataclass(frozen=True)
class Combination:
    """Hold a sum of multiples of chains and a constant, `c p + d q + e`."""

    chains: tuple[Chain, ...]

    @staticmethod
    def columns(values: Tensor) -> Tensor:
        """Return what the fit is linear in, `(models, points, k)`, from values of chains `(models, chains, points)`."""
        return torch.cat([values, torch.ones_like(values[:, :1])], 1).mT

    @staticmethod
    def slopes(values: Tensor, coef: Tensor) -> Tensor:
        """Return the derivative of the fit by each chain, `(models, chains, points)`."""
        return coef[:, : values.shape[1], None].expand_as(values)

    def formula(self, coef: Sequence[float]) -> Tree:
        """Return the fit in Variable(0)."""
        terms = [multiply(Number(c), chain_tree(chain)) for c, chain in zip(coef, self.chains, strict=False)]
        return add(*terms, Number(coef[-1]))


class Interaction(Combination):
    """Hold a product of two chains, `c p (q + d / c) + e`."""

    @staticmethod
    def columns(values: Tensor) -> Tensor:
        """Return what the fit is linear in, `(models, points, 3)`."""
        p, q = values.unbind(1)
        return torch.stack([p * q, p, torch.ones_like(p)], 2)

    @staticmethod
    def slopes(values: Tensor, coef: Tensor) -> Tensor:
        """Return the derivative of the fit by each chain, `(models, 2, points)`."""
        p, q = values.unbind(1)
        return torch.stack([coef[:, :1] * q + coef[:, 1:2], coef[:, :1] * p], 1)

    def formula(self, coef: Sequence[float]) -> Tree:
        """Return the fit in Variable(0)."""
        p, q = map(chain_tree, self.chains)
        c, d, e = coef
        return add(multiply(Number(c), p, add(q, Number(d / c))) if c else multiply(Number(d), p), Number(e))


class InteractionAndTerm(Combination):
    """Hold a product of two chains beside a third, `c p q + d r + e`."""

    @staticmethod
    def columns(values: Tensor) -> Tensor:
        """Return what the fit is linear in, `(models, points, 3)`."""
        p, q, r = values.unbind(1)
        return torch.stack([p * q, r, torch.ones_like(p)], 2)

    @staticmethod
    def slopes(values: Tensor, coef: Tensor) -> Tensor:
        """Return the derivative of the fit by each chain, `(models, 3, points)`."""
        (p, q, r), c = values.unbind(1), coef[:, :1]
        return torch.stack([c * q, c * p, coef[:, 1:2].expand_as(r)], 1)

    def formula(self, coef: Sequence[float]) -> Tree:
        """Return the fit in Variable(0)."""
        p, q, r = map(chain_tree, self.chains)
        c, d, e = coef
        return add(multiply(Number(c), p, q), multiply(Number(d), r), Number(e))


class SquaredSum(Combination):
    """Hold the square of a sum of two chains beside a constant, `(c p + d q)^2 + k`, by what that is linear in.

    A fit in *c*, *d* and *k* themselves would need to begin near them; that they make a square is left to the target.
    """

    @staticmethod
    def columns(values: Tensor) -> Tensor:
        """Return what the fit is linear in, `(models, points, 4)`."""
        p, q = values.unbind(1)
        return torch.stack([p * p, p * q, q * q, torch.ones_like(p)], 2)

    @staticmethod
    def slopes(values: Tensor, coef: Tensor) -> Tensor:
        """Return the derivative of the fit by each chain, `(models, 2, points)`."""
        (p, q), (pp, pq, qq) = values.unbind(1), coef[:, :3, None].unbind(1)
        return torch.stack([2 * pp * p + pq * q, pq * p + 2 * qq * q], 1)

    def inside(self, coef: Sequence[float]) -> tuple[float, float, float]:
        """Return the multiples of the chains and the constant inside the square."""
        pp, pq, qq = coef[:3]
        return abs(pp) ** 0.5, math.copysign(abs(qq) ** 0.5, pp * pq), 0.0

    def formula(self, coef: Sequence[float]) -> Tree:
        """Return the square in Variable(0), as it is if the coefficients make one."""
        c, d, e = self.inside(coef)
        p, q = map(chain_tree, self.chains)
        square = raise_to(add(multiply(Number(c), p), multiply(Number(d), q), Number(e)), 2)
        sign = math.copysign(1.0, coef[0])
        return add(multiply(whole(int(sign)), square), Number(coef[3] - sign * e**2))


class ShiftedSquare(SquaredSum):
    """Hold the same with a constant inside, `(c p + d q + e)^2 + k`.

    Where one chain is the square of the other, as `exp(2 s)` is that of `exp(s)`, its coefficients are not unique.
    """

    @staticmethod
    def columns(values: Tensor) -> Tensor:
        """Return what the fit is linear in, `(models, points, 6)`."""
        return torch.cat([SquaredSum.columns(values), values.mT], 2)

    @staticmethod
    def slopes(values: Tensor, coef: Tensor) -> Tensor:
        """Return the derivative of the fit by each chain, `(models, 2, points)`."""
        return SquaredSum.slopes(values, coef[:, :4]) + coef[:, 4:, None]

    def inside(self, coef: Sequence[float]) -> tuple[float, float, float]:
        """Return the multiples of the chains, and the constant that the larger one tells."""
        c, d, _ = super().inside(coef)
        e = coef[4] / (2 * c) if abs(c) > abs(d) else coef[5] / (2 * d)
        return c, d, e if coef[0] > 0 else -e


class SquaredProduct(Combination):
    """Hold the square of a product of two chains beside a constant, `c (p q)^2 + k`."""

    @staticmethod
    def columns(values: Tensor) -> Tensor:
        """Return what the fit is linear in, `(models, points, 2)`."""
        square = values.prod(1).square()
        return torch.stack([square, torch.ones_like(square)], 2)

    @staticmethod
    def slopes(values: Tensor, coef: Tensor) -> Tensor:
        """Return the derivative of the fit by each chain, `(models, 2, points)`."""
        return 2 * coef[:, :1, None] * values * values.flip(1).square()

    def formula(self, coef: Sequence[float]) -> Tree:
        """Return the fit in Variable(0)."""
        c, k = coef
        return add(multiply(Number(c), raise_to(multiply(*map(chain_tree, self.chains)), 2)), Number(k))


class Links(NamedTuple):
    """Hold the links of many models, `(models, chains, depth)`, short chains padded by identities."""

    functions: tuple[Function, ...]
    a: Tensor
    b: Tensor
    free: Tensor  # whether a and b are fitted, (models, chains, depth, 2)
    members: tuple[tuple[Tensor, ...], ...]  # chains of which each function is the link at a depth, by depth

    @classmethod
    def of(cls, models: Sequence[Combination]) -> "Links":
        """Return the links of models of equally many chains."""
        chains = [chain for model in models for chain in model.chains]
        depth = max(map(len, chains))
        rows = [[*chain, *[_IDENTITY] * (depth - len(chain))] for chain in chains]
        functions = {link.function.name: link.function for row in rows for link in row}
        places = {name: place for place, name in enumerate(functions)}
        shape = (len(models), -1, depth)
        place = torch.tensor([[places[link.function.name] for link in row] for row in rows])
        return cls(
            tuple(functions.values()),
            torch.tensor([[link.a for link in row] for row in rows], dtype=torch.float64).view(shape),
            torch.tensor([[link.b for link in row] for row in rows], dtype=torch.float64).view(shape),
            torch.tensor([[[letter in link.free for letter in "ab"] for link in row] for row in rows]).view(*shape, 2),
            tuple(tuple((column == k).nonzero()[:, 0] for k in range(len(functions))) for column in place.unbind(1)),
        )

    def at(self, s: Tensor) -> tuple[Tensor, Tensor]:
        """Return values `(models, chains, points)`, and derivatives by letters `(models, chains, 2 depth, points)`."""
        models, chains, depth = self.a.shape
        value = s.expand(models * chains, len(s))
        slopes = s.new_zeros(models * chains, 2 * depth, len(s))
        letters = zip(self.a.flatten(0, 1).unbind(1), self.b.flatten(0, 1).unbind(1), strict=True)
        for level, ((a, b), members) in enumerate(zip(letters, self.members, strict=True)):
            argument = torch.addcmul(b[:, None], a[:, None], value)
            after, steep = torch.empty_like(argument), torch.empty_like(argument)
            for function, mine in zip(self.functions, members, strict=True):
                if len(mine):
                    point = argument[mine]
                    after[mine], steep[mine] = function.torch(point), function.slope(point)
            slopes[:, : 2 * level] *= (a[:, None] * steep)[:, None]
            torch.mul(steep, value, out=slopes[:, 2 * level])
            slopes[:, 2 * level + 1] = steep
            value = after
        slopes = torch.where(self.free.view(models * chains, -1, 1), slopes, 0.0)
        return value.view(models, chains, -1), slopes.view(models, chains, 2 * depth, -1)

    def moved(self, letters: Tensor) -> "Links":
        """Return the links with all letters `(models, chains * depth * 2)` moved."""
        moves = torch.where(self.free, letters.view(self.free.shape), 0.0)
        return self._replace(a=self.a + moves[..., 0], b=self.b + moves[..., 1])

    def chosen(self, better: Tensor, other: "Links") -> "Links":
        """Return the links of this where it is better, of the other one elsewhere."""
        a, b = (torch.where(better[:, None, None], new, old) for new, old in zip(self[1:3], other[1:3], strict=True))
        return self._replace(a=a, b=b)


_IDENTITY = Link(LIBRARY["x"], 1.0, 0.0, "")


class _Point(NamedTuple):
    """Hold models where they are: their errors, coefficients, residuals and projected derivatives."""

    links: Links
    error: Tensor  # (models,)
    coef: Tensor  # (models, k)
    residual: Tensor  # (models, points)
    jacobian: Tensor  # (models, points, letters)

    def chosen(self, better: Tensor, other: "_Point") -> "_Point":
        """Return the models of this where they are better, of the other one elsewhere."""
        rest = [
            torch.where(better.view(-1, *[1] * (new.dim() - 1)), new, old)
            for new, old in zip(self[1:], other[1:], strict=True)
        ]
        return _Point(self.links.chosen(better, other.links), *rest)


def project(
    models: Sequence[Combination], s: Tensor, t: Tensor, weight: Tensor, steps: int, enough: float
) -> list[tuple[float, Combination, list[float]]]:
    """Return mean square errors, models and coefficients after damped Gauss-Newton steps, the best first.

    Models are of one kind and have equally many chains. The coefficients are solved for at each step (Golub & Pereyra
    1973, with Kaufman's derivative of 1975): in all constants at once the same steps crawl along curved valleys. All
    models take their steps together, until one of them leaves no more than `enough`, or none gets much further.
    """
    kind = type(models[0])
    at = _linearised(kind, Links.of(models), s, t, weight)
    damping, before = torch.full_like(at.error, 0.03), torch.full_like(at.error, math.inf)
    for step in range(steps):
        look()
        stuck = step % PAUSE == 0 and not (at.error < GAIN * before).any()
        if stuck or float(at.error.amin()) <= enough:
            break
        before = at.error if step % PAUSE == 0 else before
        there = _linearised(kind, at.links.moved(_steps(at, damping)), s, t, weight)
        better = there.error < at.error
        at = there.chosen(better, at)
        damping = torch.where(better, damping / 8, damping * 8).clamp(1e-14, 1e8)
    found = zip(at.error.tolist(), _with_letters(models, at.links), at.coef.tolist(), strict=True)
    return sorted(found, key=lambda one: one[0])


def _linearised(kind: type[Combination], links: Links, s: Tensor, t: Tensor, weight: Tensor) -> _Point:
    values, slopes = links.at(s)
    columns = kind.columns(values)
    sound = torch.isfinite(columns).flatten(1).all(1)
    columns = torch.where(sound[:, None, None], columns, 0.0) * weight[:, None]
    length = columns.norm(dim=1, keepdim=True).clamp_min(1e-150)
    basis, upper = torch.linalg.qr(columns / length)
    upper = upper + torch.diag_embed(torch.where(upper.diagonal(dim1=1, dim2=2).abs() < 1e-13, 1e-13, 0.0))
    along = basis.mT @ (t * weight)[:, None]
    coef = torch.linalg.solve_triangular(upper, along, upper=True)[..., 0] / length[:, 0]
    residual = t * weight - (basis @ along)[..., 0]
    error = torch.where(sound, residual.square().mean(1), math.inf)
    raw = (kind.slopes(values, coef)[:, :, None] * slopes).flatten(1, 2).mT  # (models, points, letters)
    raw = torch.nan_to_num(raw, nan=0.0, posinf=0.0, neginf=0.0) * weight[:, None]
    projected = raw - basis @ (basis.mT @ raw)
    return _Point(links, torch.nan_to_num(error, nan=math.inf, posinf=math.inf), coef, residual, projected)


def _steps(at: _Point, damping: Tensor) -> Tensor:
    """Return the damped Gauss-Newton step of each model, by QR: normal equations would lose half the digits."""
    free = at.links.free.flatten(1)
    used = free.long().argsort(dim=1, descending=True, stable=True)[:, : max(1, int(free.sum(1).amax()))]
    jacobian = at.jacobian.gather(2, used[:, None].expand(-1, at.jacobian.shape[1], -1))
    length = jacobian.norm(dim=1, keepdim=True)
    unit = jacobian / length.clamp_min(1e-150)
    count = unit.shape[2]
    eye = torch.eye(count, dtype=unit.dtype).expand(len(unit), -1, -1)
    basis, upper = torch.linalg.qr(torch.cat([unit, damping.sqrt()[:, None, None] * eye], 1))
    right = torch.cat([at.residual, at.residual.new_zeros(len(unit), count)], 1)
    move = torch.linalg.solve_triangular(upper, basis.mT @ right[..., None], upper=True)[..., 0]
    move = torch.where(length[:, 0] > 1e-150, move / length[:, 0].clamp_min(1e-150), 0.0)
    return torch.zeros_like(free, dtype=unit.dtype).scatter(1, used, move)


def _with_letters(models: Sequence[Combination], links: Links) -> list[Combination]:
    """Return the models with the letters of their links."""
    found = []
    for model, a, b in zip(models, links.a.tolist(), links.b.tolist(), strict=True):
        chains = tuple(
            tuple(link._replace(a=ai, b=bi) for link, ai, bi in zip(chain, row, other, strict=False))
            for chain, row, other in zip(model.chains, a, b, strict=True)
        )
        found.append(replace(model, chains=chains))
    return found
