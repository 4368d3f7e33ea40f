"""Laws of one variable with a function beside or inside another: `c f(v) + d g(h(v)) + e`, or a product of the two.

The coefficients are linear. For the constants inside functions there is a grid, and what least squares asks for is a
few products of matrices for all pairs of columns at once (variable projection, Golub & Pereyra 1973). The best pair of
each two kinds of functions goes on; a few Gauss-Newton steps at a time tell which of them leads to the law.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.chains import Chain, Combination, Interaction, Link, project
from kanlens.functions import Function
from kanlens.problems import EXPONENTIAL, IDENTITY, Outer, Problem, outers
from kanlens.refit import Rows
from kanlens.univariate import Curve, Guess

SCALED = ("sin", "cos", "exp", "tanh")
"""Functions that stand beside another one or inside it at any scale of the variable."""

SQUARED = ("sin", "tanh")
"""Those of which the square stands inside another one as well: that of a cosine is one of a sine."""

AROUND = ("sin", "exp", "tanh", "arctan", "log", "sqrt", "1/x", "x^2")
"""Functions that stand around those."""

COVERED = (EXPONENTIAL, "t^2", "t^-1", "inverse log")
"""Outer functions that may be around a sum."""

ALIKE = 1e-7
"""Share of a column that another one leaves unexplained, below which the two are one."""

FEWEST = 12
"""Points from which a fit of up to nine constants says something."""

SCALES = 3
"""Scales of an inner function that are fitted: the best one of a grid may lead elsewhere."""

ROUNDS = ((200, 5), (50, 8), (12, 25))
"""Formulas that are fitted, the best so far, and the Gauss-Newton steps that each gets."""

CERTAIN = 1e-22
"""Mean square error, as a share of the target's variance, that only the law leaves."""


class Family(NamedTuple):
    """Hold columns `(n, points)`: a function of `a u + b` for a grid of `a` and `b`, `u` being a chain."""

    name: str
    inside: Chain
    function: Function
    free: str
    grid: Tensor  # (n, 2)
    columns: Tensor

    def chain(self, row: int) -> Chain:
        """Return the functions that make a column."""
        a, b = self.grid[row].tolist()
        return (*self.inside, Link(self.function, a, b, self.free))


class Target(NamedTuple):
    """Hold what is to be explained at points of the variable, how much each counts, and the function around it."""

    s: Tensor
    tau: Tensor
    square: Tensor
    outer: Outer

    @classmethod
    def of(cls, curve: Curve, outer: Outer) -> "Target":
        """Return the target inside an outer function."""
        square = (curve.felt * outer.weight(curve.t)).square()
        return cls(curve.s, outer.forward(curve.t), square / square.mean().clamp_min(1e-300), outer)


class Columns(NamedTuple):
    """Hold the columns of all families in one matrix `(n, points)`, and where each family begins and ends."""

    families: Sequence[Family]
    matrix: Tensor
    ends: list[int]

    @classmethod
    def of(cls, families: Sequence[Family]) -> "Columns":
        """Return the columns of some families."""
        sizes = torch.tensor([0, *(len(family.columns) for family in families)])
        return cls(families, torch.cat([family.columns for family in families]), sizes.cumsum(0).tolist())


def nested(problem: Problem, functions: Mapping[str, Function]) -> Iterator[list[Guess]]:
    """Yield guesses `t = c f(a g(s v) + b) + d`."""
    curve = Curve.of(problem)
    if len(curve.t) < FEWEST:
        return
    yield _nested(problem, Target.of(curve, IDENTITY), _around(_plain(curve, functions), functions))


def compounds(problem: Problem, functions: Mapping[str, Function]) -> Iterator[list[Guess]]:
    """Yield guesses for a problem of one feature: functions inside each other, then sums and products of two."""
    curve = Curve.of(problem)
    plain = _plain(curve, functions)
    if not plain or len(curve.t) < FEWEST:
        return
    target, deep = Target.of(curve, IDENTITY), _around(plain, functions)
    yield _nested(problem, target, deep)
    beside, around = Columns.of(plain), Columns.of([*plain, *deep])
    yield _sums(problem, target, beside, around)
    products = _best(_gain_of_products(beside, around, target), beside, around)
    yield _fitted(problem, target, [Interaction(pair) for pair in products])
    for outer in (outer for outer in outers(curve.t) if outer.name in COVERED):
        yield _sums(problem, Target.of(curve, outer), beside, around)


def _nested(problem: Problem, target: Target, families: Sequence[Family]) -> list[Guess]:
    kinds: dict[str, list[tuple[float, Chain]]] = {}
    for family in families:
        gain, row = _gain_alone(family.columns, target).max(0)
        kinds.setdefault(family.name, []).append((float(gain), family.chain(int(row))))
    found = [pair for kind in kinds.values() for pair in sorted(kind, key=lambda pair: -pair[0])[:SCALES]]
    ranked = sorted(found, key=lambda pair: -pair[0])
    return _fitted(problem, target, [Combination((chain,)) for _, chain in ranked])


def _sums(problem: Problem, target: Target, beside: Columns, around: Columns) -> list[Guess]:
    pairs = _best(_gain_of_sums(beside, around, target), beside, around)
    return _fitted(problem, target, [Combination(pair) for pair in pairs])


def _family(name: str, inside: Chain, function: Function, free: str, u: Tensor, grid: Tensor) -> Family | None:
    """Return the columns that are finite and not constant, None if there are none."""
    columns = function.torch(grid[:, :1] * u + grid[:, 1:])
    sound = (
        torch.isfinite(columns).all(1) & (columns.std(1) > 1e-6 * columns.abs().amax(1)) & (columns.abs().amax(1) < 1e8)
    )
    return Family(name, inside, function, free, grid[sound], columns[sound]) if sound.any() else None


def _plain(curve: Curve, functions: Mapping[str, Function]) -> list[Family]:
    """Return the functions of the variable itself."""
    s, size = curve.s, float(curve.s.abs().amax()) or 1.0
    scales = torch.logspace(-0.5, 1, 12, dtype=s.dtype) / size
    grids = {name: torch.stack([scales, 0 * scales], 1) for name in SCALED}
    grids["exp"] = torch.cat([grids["exp"], -grids["exp"]])
    low = float(s.amin())
    grids |= dict.fromkeys(("x", "x^2", "x^3", "abs"), s.new_tensor([[1.0, 0.0]]))
    grids["sqrt"] = grids["log"] = torch.stack(
        [torch.ones(6, dtype=s.dtype), size * torch.logspace(-1.5, 0.5, 6) - low], 1
    )
    free = dict.fromkeys(SCALED, "a") | {"sqrt": "b", "log": "b"}
    found = [
        _family(name, (), functions[name], free.get(name, ""), s, grid)
        for name, grid in grids.items()
        if name in functions
    ]
    return [family for family in found if family is not None]


def _around(plain: Sequence[Family], functions: Mapping[str, Function]) -> list[Family]:
    """Return functions around each column of others."""
    found = []
    for family in plain:
        for row, u in enumerate(family.columns):
            inner = [(family.name, family.chain(row), u)]
            if family.name in SQUARED and "x^2" in functions:
                square = Link(functions["x^2"], 1.0, 0.0, "")
                inner.append((f"{family.name}^2", (*family.chain(row), square), u.square()))
            for name, chain, v in inner:
                for function in (functions[name] for name in AROUND if name in functions):
                    free = "".join(letter for letter in "ab" if letter not in function.absorbed)
                    around = _family(f"{function.name} {name}", chain, function, free, v, _grid(function.name, v))
                    found += [around] if around is not None else []
    return found


def _grid(name: str, u: Tensor) -> Tensor:
    """Return pairs `(a, b)` for a function around values."""
    low, high = float(u.amin()), float(u.amax())
    centre, half = (low + high) / 2, max((high - low) / 2, 1e-300)
    if name in ("sin", "exp"):
        a = torch.logspace(-0.5, 0.8, 9, dtype=u.dtype) / half
        phases = u.new_tensor([0.0, 0.25, 0.5, 0.75]) * math.pi
        return (
            torch.cartesian_prod(a, phases) if name == "sin" else torch.stack([torch.cat([a, -a]), torch.zeros(18)], 1)
        )
    if name in ("tanh", "arctan"):
        a, zero = torch.cartesian_prod(
            torch.logspace(-0.3, 0.8, 7, dtype=u.dtype) / half,
            u.new_tensor([0.0, centre - 0.6 * half, centre, centre + 0.6 * half]),
        ).unbind(1)
        return torch.stack([a, -a * zero], 1)
    if name == "x^2":
        b = torch.linspace(-1.5, 1.5, 7, dtype=u.dtype) * half - centre
        return torch.stack([torch.ones_like(b), b], 1)
    far = half * torch.logspace(-1.5, 1, 9, dtype=u.dtype)
    left, right = torch.stack([0 * far + 1, far - low], 1), torch.stack([0 * far - 1, far + high], 1)
    return torch.cat([left, right])


def _gain(uu: Tensor, vv: Tensor, uv: Tensor, ut: Tensor, vt: Tensor) -> Tensor:
    """Return how much of a target's square two columns explain, from their products with each other and with it."""
    apart = uu * vv - uv.square()
    gain = (ut.square() * vv - 2 * ut * vt * uv + vt.square() * uu) / apart
    return torch.where(apart > ALIKE * uu * vv, torch.nan_to_num(gain), 0.0)


def _centred(columns: Tensor, target: Target) -> Tensor:
    """Return columns `(n, points)` times the square root of the weight, less what a constant explains."""
    w = target.square.sqrt()
    unit, weighed = w / w.norm(), columns * w
    centred: Tensor = weighed - (weighed @ unit)[..., None] * unit
    return centred


def _gain_alone(columns: Tensor, target: Target) -> Tensor:
    """Return how much of the target each column and a constant explain."""
    q = _centred(columns, target)
    gain: Tensor = (q @ _centred(target.tau, target)).square() / q.square().sum(1)
    return torch.nan_to_num(gain)


def _gain_of_sums(beside: Columns, around: Columns, target: Target) -> Tensor:
    """Return how much of the target each sum of two columns and a constant explains, `(beside, around)`."""
    p, q, t = (_centred(columns, target) for columns in (beside.matrix, around.matrix, target.tau))
    return _gain(p.square().sum(1)[:, None], q.square().sum(1)[None], p @ q.mT, (p @ t)[:, None], (q @ t)[None])


def _gain_of_products(beside: Columns, around: Columns, target: Target) -> Tensor:
    """Return how much of the target `c p q + d p + e` explains for each two columns, `(beside, around)`."""
    w, total = target.square, target.square.sum()
    p, q, t = beside.matrix, around.matrix, target.tau - (target.square * target.tau).sum() / total
    pw, ppw = p * w, p.square() * w
    first, second = pw @ q.mT, pw.sum(1)[:, None]
    uu = ppw @ q.square().mT - first.square() / total
    uv = ppw @ q.mT - first * second / total
    vv = ppw.sum(1)[:, None] - second.square() / total
    return _gain(uu, vv, uv, (pw * t) @ q.mT, (pw @ t)[:, None])


def _best(gain: Tensor, beside: Columns, around: Columns) -> list[tuple[Chain, Chain]]:
    """Return the best pair of columns of each two kinds of families, the best first."""
    kinds: dict[tuple[str, str], tuple[float, int, int, int, int]] = {}
    for j, second in enumerate(around.families):
        best, column = gain[:, around.ends[j] : around.ends[j + 1]].max(1)
        for i, first in enumerate(beside.families):
            value, row = best[beside.ends[i] : beside.ends[i + 1]].max(0)
            found = (float(value), i, int(row), j, int(column[beside.ends[i] + int(row)]))
            kind = (first.name, second.name)
            kinds[kind] = max(kinds.get(kind, found), found)
    ranked = sorted(kinds.values(), reverse=True)[: ROUNDS[0][0]]
    return [(beside.families[i].chain(row), around.families[j].chain(column)) for _, i, row, j, column in ranked]


def _fitted(problem: Problem, target: Target, models: Sequence[Combination]) -> list[Guess]:
    """Return the models fitted, those that promise most longest."""
    weight = target.square.sqrt()
    floor = CERTAIN * Rows(target.s[:, None], target.tau, target.square).variance()
    found: list[tuple[float, Combination, list[float]]] = []
    left = list(models)
    for count, steps in ROUNDS:
        found = project(left[:count], target.s, target.tau, weight, steps, floor) if left else []
        left = [model for _, model, _ in found]
    return [
        Guess(problem.formula(target.outer.inverse(model.formula(coef))), error) for error, model, coef in found[:20]
    ]
