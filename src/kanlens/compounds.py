"""Laws of one variable with a function beside or inside another: `c f(v) + d g(h(v)) + e`, or a product of the two.

The coefficients are linear. For the constants inside functions there is a grid, and what least squares asks for is a
few products of matrices for all pairs of columns at once (variable projection, Golub & Pereyra 1973). The best pair of
each two kinds of functions goes on; a few Gauss-Newton steps at a time tell which of them leads to the law.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.budget import look
from kanlens.chains import (
    Chain,
    Combination,
    Interaction,
    ShiftedSquare,
    SquaredProduct,
    SquaredSum,
    project,
)
from kanlens.enumeration import AROUND, Columns, around, joined, of_the_square, of_the_variable, shifted_squares
from kanlens.functions import Function
from kanlens.problems import EXPONENTIAL, IDENTITY, WAVES, Outer, Problem, outers
from kanlens.refit import Rows
from kanlens.turns import visible
from kanlens.univariate import Curve, Guess

COVERED = (EXPONENTIAL, "t^2", "t^-1", "inverse log")
"""Outer functions that may be around a sum."""

ALSO = (*COVERED, "t^1/2", "inverse tanh", "inverse arctan")
"""The same around two functions of the variable itself, which take tenths of a second for each."""

OVER_SQUARES = ("inverse log", "t^-1", "t^2", IDENTITY.name, EXPONENTIAL)
"""Outer functions that may be around a square with a constant beside it."""

BELLS = ("exp", "1/x")
"""Functions around a shifted square that are bells."""

ALIKE = 1e-7
"""Share of a column that another one leaves unexplained, below which the two are one."""

FEWEST = 12
"""Points from which a fit of up to nine constants says something."""

MANY = 40
"""Rows from which that also holds of the best of a million: a curve of ten constants passes near any fewer."""

SCALES = 3
"""Scales of an inner function that are fitted: the best one of a grid may lead elsewhere."""

ROUNDS = ((1500, 5, 3), (120, 6, 3), (24, 12, 1), (10, 40, 1), (5, 400, 1))
"""Formulas that are fitted, the best so far, the steps that each gets, and of how many points one counts.

By its gain on the grid a law was the thousandth at times; after the first steps it was never behind the fourth."""

CERTAIN = 1e-22
"""Mean square error, as a share of the target's variance, that only the law leaves."""


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

    def thinned(self) -> "Target":
        """Return the target at every third point."""
        return Target(self.s[::3], self.tau[::3], self.square[::3], self.outer)


def nested(problem: Problem, functions: Mapping[str, Function]) -> Iterator[list[Guess]]:
    """Yield guesses `t = c f(a g(s v) + b) + d`, the same inside an outer function, then three inside each other."""
    curve = Curve.of(problem)
    if not tells(curve, functions):
        return
    target, parts = Target.of(curve, IDENTITY), list(around(of_the_variable(curve.s, functions), functions))
    yield _alone(problem, target, target, parts)
    if len(problem.t) < MANY:
        return
    for inner in _covered(curve, ALSO):
        yield _alone(problem, inner, inner, parts)
    some = target.thinned()
    two = joined(list(around(of_the_variable(some.s, functions, coarse=True), functions, coarse=True)))
    yield _alone(problem, target, some, around(two, functions, coarse=True))


def pairs(problem: Problem, functions: Mapping[str, Function]) -> Iterator[list[Guess]]:
    """Yield sums and products of two functions of the variable, in a tenth of the time of :func:`compounds`."""
    curve = Curve.of(problem)
    if not tells(curve, functions):
        return
    beside, target = of_the_variable(curve.s, functions), Target.of(curve, IDENTITY)
    inside, squares = _covered(curve, ALSO), of_the_square(beside, functions)
    yield _products(problem, target, beside, beside)
    yield _sums(problem, target, beside, beside)
    yield _products(problem, target, squares, beside)
    yield _sums(problem, target, squares, beside)
    for inner in inside:
        yield _sums(problem, inner, beside, beside)
    shape = {name: functions[name] for name in BELLS if name in functions}
    bells = joined(list(around(shifted_squares(curve.s, functions), shape))) if shape else squares.of()
    yield _sums(problem, target, beside, bells)
    yield _sums(problem, target, bells, bells)
    yield _products(problem, target, beside, bells)
    for inner in inside:
        yield _products(problem, inner, beside, beside)


def covered_pairs(problem: Problem, functions: Mapping[str, Function]) -> Iterator[list[Guess]]:
    """Yield two functions of the variable inside a wave, or in a square as in `outer((c p(s) + d q(s) + e)^2 + k)`."""
    curve = Curve.of(problem)
    if not tells(curve, functions):
        return
    beside = of_the_variable(curve.s, functions)
    for inner in (Target.of(curve, outer) for outer in WAVES if outer.fits(curve.t)):
        yield _sums(problem, inner, beside, beside)
    for kind, inner in itertools.product((SquaredSum, SquaredProduct, ShiftedSquare), _covered(curve, OVER_SQUARES)):
        yield _squares(kind, problem, inner, beside)


def tells(curve: Curve, functions: Mapping[str, Function]) -> bool:
    """Tell whether there are points and functions enough for functions beside and inside each other."""
    return len(curve.t) >= FEWEST and bool(functions.keys() & set(AROUND))


def compounds(problem: Problem, functions: Mapping[str, Function]) -> Iterator[list[Guess]]:
    """Yield sums and products of a function and two inside each other, `t = outer(c p(s) + d q(s) + e)` and the like.

    Sums come first, which are met oftener.
    """
    curve = Curve.of(problem)
    if not tells(curve, functions):
        return
    beside, target = of_the_variable(curve.s, functions), Target.of(curve, IDENTITY)
    two = joined(list(around(beside, functions)))
    yield _sums(problem, target, beside, two)
    yield _products(problem, target, beside, two)
    yield _products(problem, target, two, beside.of("x", "x^2", "1/x"))  # as in `exp(cos(s)) (s + d)`
    for inner in _covered(curve):
        yield _sums(problem, inner, beside, two)


def _covered(curve: Curve, names: Sequence[str] = COVERED) -> list[Target]:
    """Return the targets inside each outer function that may be around a few others."""
    return [Target.of(curve, outer) for outer in outers(curve.t) if outer.name in names]


def _alone(problem: Problem, target: Target, some: Target, parts: Iterable[Columns]) -> list[Guess]:
    """Return the fits of single columns, of which the best of each kind are begun with, from a few places inside."""
    found: list[tuple[float, int, Columns, int]] = []
    for part in parts:
        gain = _gain_alone(part.matrix, some)
        best = gain.new_zeros(len(part.inside.matrix) if part.inside is not None else 1)
        best = best.scatter_reduce(0, part.parent, gain, "amax")
        rows = (gain >= best[part.parent]).nonzero()[:, 0]
        found += [
            (value, kind, part, row)
            for value, kind, row in zip(gain[rows].tolist(), part.kind[rows].tolist(), rows.tolist(), strict=True)
        ]
    count: Counter[int] = Counter()
    chains: list[Chain] = []
    for _, kind, part, row in sorted(found, key=lambda one: -one[0]):
        count[kind] += 1
        if count[kind] <= SCALES:
            chains.append(part.chain(row))
        if len(chains) == ROUNDS[0][0]:
            break
    return fitted(problem, target, [Combination((chain,)) for chain in chains])


def _sums(problem: Problem, target: Target, beside: Columns, inside: Columns) -> list[Guess]:
    pairs = _best(gain_of_sums(beside.matrix, inside.matrix, target), beside, inside)
    return fitted(problem, target, [Combination(pair) for pair in pairs])


def _products(problem: Problem, target: Target, beside: Columns, inside: Columns) -> list[Guess]:
    pairs = _best(_gain_of_products(beside.matrix, inside.matrix, target), beside, inside)
    return fitted(problem, target, [Interaction(pair) for pair in pairs])


def _squares(kind: type[Combination], problem: Problem, target: Target, beside: Columns) -> list[Guess]:
    pairs = _best(_gain_of(kind, beside.matrix, target), beside, beside)
    return fitted(problem, target, [kind(pair) for pair in pairs])


def _gain_of(kind: type[Combination], p: Tensor, target: Target) -> Tensor:
    """Return how much of a target's square a kind explains with each two columns, `(columns, columns)`."""
    some, weight = target.thinned(), target.thinned().square.sqrt()
    first, second = torch.triu_indices(len(p), len(p), 1)
    columns = kind.columns(torch.stack([p[first, ::3], p[second, ::3]], 1)) * weight[:, None]
    basis, upper = torch.linalg.qr(columns / columns.norm(dim=1, keepdim=True))
    along = (basis.mT @ (some.tau * weight)).square()
    sound = upper.diagonal(dim1=1, dim2=2).abs() > ALIKE
    gain = p.new_zeros(len(p), len(p))
    gain[first, second] = torch.nan_to_num(torch.where(sound, along, 0.0).sum(1))
    return gain + gain.mT


def gain(uu: Tensor, vv: Tensor, uv: Tensor, ut: Tensor, vt: Tensor) -> Tensor:
    """Return how much of a target's square two columns explain, from their products with each other and with it."""
    apart = uu * vv - uv.square()
    gain = (ut.square() * vv - 2 * ut * vt * uv + vt.square() * uu) / apart
    return torch.where(apart > ALIKE * uu * vv, torch.nan_to_num(gain), 0.0)


def centred(columns: Tensor, target: Target) -> Tensor:
    """Return columns `(n, points)` times the square root of the weight, less what a constant explains."""
    w = target.square.sqrt()
    unit, weighed = w / w.norm(), columns * w
    centred: Tensor = weighed - (weighed @ unit)[..., None] * unit
    return centred


def _gain_alone(columns: Tensor, target: Target) -> Tensor:
    """Return how much of the target each column and a constant explain."""
    q = centred(columns, target)
    gain: Tensor = (q @ centred(target.tau, target)).square() / q.square().sum(1)
    return torch.nan_to_num(gain)


def gain_of_sums(beside: Tensor, inside: Tensor, target: Target) -> Tensor:
    """Return how much of the target each sum of two columns and a constant explains, `(beside, inside)`."""
    p, q, t = (centred(columns, target) for columns in (beside, inside, target.tau))
    return gain(p.square().sum(1)[:, None], q.square().sum(1)[None], p @ q.mT, (p @ t)[:, None], (q @ t)[None])


def _gain_of_products(p: Tensor, q: Tensor, target: Target) -> Tensor:
    """Return how much of the target `c p q + d p + e` explains for each two columns."""
    w, total = target.square, target.square.sum()
    t = target.tau - (target.square * target.tau).sum() / total
    pw, ppw = p * w, p.square() * w
    first, second = pw @ q.mT, pw.sum(1)[:, None]
    uu = ppw @ q.square().mT - first.square() / total
    uv = ppw @ q.mT - first * second / total
    vv = ppw.sum(1)[:, None] - second.square() / total
    return gain(uu, vv, uv, (pw * t) @ q.mT, (pw @ t)[:, None])


def _best(gain: Tensor, beside: Columns, inside: Columns) -> list[tuple[Chain, Chain]]:
    """Return the best pairs of columns of each two kinds, with a few different columns inside, the best first."""
    if not gain.numel():
        return []
    parent = inside.parent if inside.inside is not None else torch.arange(len(inside.parent))  # each scale by itself
    rows, columns = numbered(beside.kind), numbered(inside.kind * (1 + int(parent.amax())) + parent)
    best = gain.new_zeros(int(rows.amax()) + 1, gain.shape[1])
    best = best.scatter_reduce(0, rows[:, None].expand_as(gain), gain, "amax")  # (kinds beside, inside)
    whole = best.new_zeros(len(best), int(columns.amax()) + 1)
    whole = whole.scatter_reduce(1, columns.expand_as(best), best, "amax")  # (kinds beside, columns inside those)
    kind = torch.zeros(whole.shape[1], dtype=torch.long).scatter(0, columns, inside.kind).tolist()
    above, within = members(rows), members(columns)
    count: Counter[tuple[int, int]] = Counter()
    chosen: list[tuple[Chain, Chain]] = []
    for place in whole.flatten().argsort(descending=True)[:20000].tolist():
        row, column = divmod(place, whole.shape[1])
        two = (row, kind[column])
        count[two] += 1
        if count[two] <= SCALES:
            i, j = above[row], within[column]
            k, m = divmod(int(gain[i[:, None], j].argmax()), len(j))
            chosen.append((beside.chain(int(i[k])), inside.chain(int(j[m]))))
        if len(chosen) == ROUNDS[0][0]:
            break
    return chosen


def members(numbers: Tensor) -> tuple[Tensor, ...]:
    """Return the places of each number from 0 on."""
    sizes: list[int] = numbers.bincount().tolist()
    return torch.split(numbers.argsort(stable=True), sizes)


def numbered(labels: Tensor) -> Tensor:
    """Return a number from 0 on for each different label."""
    numbers: Tensor = torch.unique(labels, return_inverse=True)[1]
    return numbers


def fitted(problem: Problem, target: Target, models: Sequence[Combination]) -> list[Guess]:
    """Return the models fitted, those that promise most longest."""
    weight = target.square.sqrt()
    floor = CERTAIN * Rows(target.s[:, None], target.tau, target.square).variance()
    found: list[tuple[float, Combination, list[float]]] = []
    left = list(models)
    for count, steps, apart in ROUNDS:
        look()
        s, tau, w = (part[::apart] for part in (target.s, target.tau, weight))
        found = project(left[:count], s, tau, w, steps, floor) if left else []
        left = [model for _, model, _ in found]
    guesses = (Guess(target.outer.inverse(model.formula(coef)), error) for error, model, coef in found)
    seen = (guess for guess in guesses if visible(guess.tree, target.s[:, None], len(problem.t)))
    return [Guess(problem.formula(guess.tree), guess.error) for guess in itertools.islice(seen, 20)]
