"""Laws that are a product of one-variable functions.

It is fitted with splines first, whatever the target's sign; their curves are then named one by one.
"""

import itertools
import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from kanlens.functions import Function
from kanlens.naming import curve_choices
from kanlens.problems import Problem
from kanlens.single_index import Splines
from kanlens.trees import Call, Number, Tree, Variable, add, multiply, substitute, values
from kanlens.univariate import Guess

POINTS = 600
"""Rows that the splines are fitted to."""

SWEEPS = 60
"""Turns of alternating least squares; each fits every factor once."""

CLOSE = 1e-2
"""Error, as a share of the target's deviation, from which the curves of a node are worth naming."""

FEW = 100
"""Rows up to which products of functions are compared one by one: for splines they are too few."""

COMMON = ("sin", "cos", "exp", "tanh")
"""The functions of those products."""

COARSE, FINER = 8, (16, 32)
"""Intervals of the splines of a product's factors, at most."""

STARTS = 3
"""Random starts of the factors of a product; each takes some tenths of a second."""


def products(problem: Problem, functions: Mapping[str, Function], close: float = CLOSE) -> Iterator[list[Guess]]:
    """Yield `t = f_1(z_1) f_2(z_2) ...`, its factors found as splines by alternating least squares.

    They are named if the splines leave less than `close` of the deviation.
    """
    rows = slice(0, POINTS)
    z, t = problem.z[rows], problem.t[rows]
    if not 2 <= problem.size <= 5 or len(t) < 12 * problem.size:
        return
    factors, error = _rank_one(z, t)
    if error > close * float(t.std()):
        return
    doubts = [error / float(t.std())] * len(factors)
    choices = curve_choices(list(zip(z.unbind(1), factors, strict=True)), functions, doubts)
    found = []
    for choice in itertools.islice(choices, 12):
        placed = [substitute(tree, [Variable(k)]) for k, tree in enumerate(choice)]
        product = torch.stack([values(tree, z) for tree in placed]).prod(0)
        scale = float((product * t).sum() / (product * product).sum())
        found.append(Guess(problem.formula(multiply(Number(scale), *placed)), error**2))
    yield found


def scaled_products(problem: Problem, functions: Mapping[str, Function]) -> Iterator[list[Guess]]:
    """Yield `t = c f(a z_1) g(b z_2) + d` for common functions, `a` and `b` the best of a grid.

    What least squares asks for is one product of matrices for all pairs at once; twenty rows are enough.
    """
    if problem.size != 2 or len(problem.t) > FEW:
        return
    t = problem.t - problem.t.mean()
    columns, trees, names = zip(*(_scaled(problem.z[:, k], k, functions) for k in range(2)), strict=True)
    total = columns[0].square().mT @ columns[1].square()
    mean = columns[0].mT @ columns[1] / len(t)
    gain = (columns[0].mT @ (t[:, None] * columns[1])).square() / (total - len(t) * mean.square())
    best: dict[tuple[str, str], Guess] = {}
    for place in torch.nan_to_num(gain).flatten().argsort(descending=True).tolist():
        i, j = divmod(place, gain.shape[1])
        pair = (names[0][i], names[1][j])
        if pair not in best:
            error = float(t.square().mean() - gain[i, j] / len(t))
            scale = float((columns[0][:, i] * columns[1][:, j] * t).sum() / (total[i, j] - len(t) * mean[i, j] ** 2))
            product = multiply(Number(scale), trees[0][i], trees[1][j])
            shift = float(problem.t.mean()) - scale * float(mean[i, j])
            best[pair] = Guess(problem.formula(add(product, Number(shift))), max(error, 0.0))
    yield list(best.values())


def _scaled(s: Tensor, k: int, functions: Mapping[str, Function]) -> tuple[Tensor, list[Tree], list[str]]:
    """Return the columns `(rows, n)` of common functions at several scales, their formulas and names."""
    scales = (torch.logspace(-0.5, 1, 16) / (float(s.abs().amax()) or 1.0)).tolist()
    columns: list[Tensor] = []
    trees: list[Tree] = []
    names: list[str] = []
    for name in (name for name in COMMON if name in functions):
        for scale in scales:
            column = functions[name].torch(scale * s)
            if torch.isfinite(column).all():
                columns.append(column)
                trees.append(Call(functions[name], multiply(Number(scale), Variable(k))))
                names.append(name)
    return torch.stack(columns, 1) if columns else s.new_zeros(len(s), 0), trees, names


def _rank_one(z: Tensor, t: Tensor) -> tuple[list[Tensor], float]:
    """Return the factors at the rows, and the root mean square error at a quarter of them held out.

    The first start that leads to a product goes on with finer splines, for as long as these leave less.
    """
    best: tuple[list[Tensor], float] = ([], math.inf)
    for start in range(STARTS):
        generator = torch.Generator().manual_seed(start)
        found = _alternated(z, t, COARSE, 1 + 0.5 * torch.randn(z.shape, generator=generator, dtype=z.dtype))
        best = min(best, found, key=lambda fit: fit[1])
        if best[1] < CLOSE * float(t.std()):
            break
    if best[1] < CLOSE * float(t.std()):
        for intervals in FINER:
            best = min(best, _alternated(z, t, intervals, torch.stack(best[0], 1)), key=lambda fit: fit[1])
    return best


def _alternated(z: Tensor, t: Tensor, most: int, start: Tensor) -> tuple[list[Tensor], float]:
    """Return the same from factors at the rows `(rows, d)`, by alternating least squares of splines."""
    intervals = max(2, min(most, len(t) // (10 * z.shape[1]) - 5))
    splines = Splines.of(z, intervals, product=True)
    train = torch.arange(len(t)) % 4 != 0
    part = Splines(splines.columns[train], product=True)
    factors = splines.curves(part.rank_one(t[train], part.closest(start[train]), SWEEPS))
    error = float((factors.prod(1) - t)[~train].square().mean().sqrt())
    return list(factors.unbind(1)), error
