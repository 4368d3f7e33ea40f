r"""Laws of two plain nodes: `tanh(3 (x - y)) + x / 2`, `sin(pi (x - y)) exp(-(y - z)^2 / 2)`, `atan(x y) exp(-z) + z`.

Columns are often joined in few ways, `x - y`, `x y`, `x^2 + y^2`, which can all be tried. Whether the target is a sum
of functions of two of them is linear algebra, and fine splines follow fast waves and kinks of one variable where no
stand-in for a function of all columns does. The likeliest products are those whose logarithms are sums.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.conditions import least_squares
from kanlens.decomposition import Decomposition, from_start, kinked
from kanlens.plain_nodes import plain_nodes
from kanlens.problems import Outer, Problem, outers
from kanlens.spreading import evenly, splines
from kanlens.trees import Tree, Variable, complexity, values, variables

ROWS, EACH = 1000, 4
"""Rows that are looked at, at most, and rows for each coefficient at least."""

CURVE, SURFACE = BSpline(degree=5, intervals=16), BSpline(degree=5, intervals=6)
"""Splines of a node, and those whose products follow a function of a node and a column."""

TRIED = 4
"""Pairs of nodes that are looked at again, the likeliest of each kind."""

MULTIPLIED = 2
"""Products of these that are fitted, which takes longer."""

BEGIN = BSpline(degree=3, intervals=4), BSpline(degree=3, intervals=6)
"""Splines of surfaces whose largest part a product begins with."""

INTERVALS, STARTS, BEGUN = 8, 4, 0.1
"""Intervals of the curves of a product that begins at random, such starts, and what a start may leave."""

FAINT = 1e-6
"""Share of the target's deviation below which it counts as zero."""

COARSE = BSpline(degree=5, intervals=8), BSpline(degree=5, intervals=4)
"""The same with fewer intervals."""

FOLLOWED, SHARPENED = (0.02, 0.05), 0.7
"""Error of curves of two nodes, and of a surface, as a share of the target's deviation, up to which they may be right:
a kink leaves so much; and as a share of what coarser splines leave."""

BEYOND, LEAST = 5.0, 1e-4
"""How many times the least error that of others may be, and what beside it."""

ALIKE = 1e-5
"""Error up to which pairs are equally right: functions of `x / y` and `x` are some of `x / y` and `x^2 y`, too."""

APART = 0.3
"""Share of what a sum of functions of the columns leaves up to which nodes are worth it."""

PAIRS = 2
"""Pairs of nodes that are followed."""

RIDGE = 1e-9
"""What two nodes that share a function are kept apart by."""

Splines = Callable[[Tensor], Tensor]
"""Returns splines `(n, rows, size)` of features `(rows, n)`."""


class _Pair(NamedTuple):
    """Hold two nodes, what functions of them leave of the target as a share of its deviation, and how to fit these."""

    nodes: tuple[Tree, Tree]
    left: float
    fit: Callable[[Tensor, Tensor], float]

    def price(self) -> float:
        """Return the error in proportion to the length: `x` is a sum of `x + 2 y` and `x - y`."""
        return max(self.left, ALIKE) * sum(map(complexity, self.nodes))

    def sharpens(self, z: Tensor, coarse: Splines) -> bool:
        """Tell whether coarser splines leave more: else it is not these that leave something, but the nodes."""
        if self.left < LEAST:
            return True
        one, other = coarse(torch.stack([values(node, z) for node in self.nodes], 1))
        return self.left < SHARPENED * self.fit(one, other)


def two_nodes(problem: Problem) -> list[Problem]:
    """Return problems of two plain nodes of which functions make the target, or of the only one that does.

    Examples
    --------
    >>> from kanlens.refit import Rows
    >>> from kanlens.trees import shape
    >>> x = 2 * torch.rand(400, 3, dtype=torch.float64) - 1
    >>> y = (3 * x[:, 0] * x[:, 1]).sin() + (x[:, 1] + x[:, 2]).exp()
    >>> [sorted(map(shape, found.columns)) for found in two_nodes(Problem.of(Rows(x, y)))]
    [['(* x0 x1)', '(+ x1 x2)']]
    """
    z, t = problem.z[:ROWS], problem.t[:ROWS]
    if not 2 <= problem.size <= 3 or len(t) < EACH * 2 * CURVE.size:
        return []
    nodes = plain_nodes(z)
    if len(nodes) == _plain(nodes):
        return []
    fine = curves(torch.stack([values(node, z) for node in nodes], 1), CURVE)
    single = _single(nodes, fine, t)
    if single is not None:
        return _reduced(problem, [[single]])
    both = [*_sums(nodes, fine, t), *_products(nodes, fine, z, t)]
    surfaces = _joined(nodes, z, t) if problem.size > 2 else ()
    found: list[_Pair] = []
    kinds = (both, partial(curves, basis=COARSE[0])), (surfaces, partial(_splines, basis=COARSE[1]))
    for (pairs, coarse), most in zip(kinds, FOLLOWED, strict=True):
        found += [pair for pair in pairs if pair.left < most and pair.sharpens(z, coarse)]
    alone = min(left_by_sum(*fine[: _plain(nodes)], t=t, outer=outer) for outer in outers(t))
    found = sorted((pair for pair in found if pair.left < APART * alone), key=_Pair.price)
    likely = [pair for pair in found if pair.left < BEYOND * found[0].left + LEAST][:PAIRS]
    if likely and _plain(likely[0].nodes) == 2:  # functions of `x` and `y` are some of `x` and `x y^2`, too
        return []
    return _reduced(problem, [pair.nodes for pair in likely])


def _reduced(problem: Problem, choices: Sequence[Sequence[Tree]]) -> list[Problem]:
    """Return the problems of other features, of those choices that are finite."""
    smaller = map(problem.reduced, choices)
    return [other for other in smaller if other is not None]


def _splines(features: Tensor, basis: BSpline) -> Tensor:
    """Return splines of features `(rows, n)` at the rows, `(n, rows, size)`."""
    return splines(evenly(features).at, basis).transpose(0, 1)


def curves(features: Tensor, basis: BSpline) -> Tensor:
    """Return the same and what has a kink or a cusp at 0.

    Where a feature has one sign, it is in the middle of the range: of all features there are as many.
    """
    at = evenly(features).at
    low, high = at.amin(0), at.amax(0)
    off = at - torch.where(low * high < 0, 0.0, (low + high) / 2)
    rough = torch.stack([off.abs(), off * off.abs(), off.abs().sqrt()], 2)
    return torch.cat([splines(at, basis), rough], 2).transpose(0, 1)


def _crossed(unit: Tensor) -> Tensor:
    """Return the products of the columns of each matrix `(n, rows, size)` with those of each, `(n, n, size, size)`."""
    count, rows, size = unit.shape
    flat = unit.transpose(0, 1).reshape(rows, -1)
    return (flat.mT @ flat).view(count, size, count, size).transpose(1, 2)


def _single(nodes: list[Tree], splines: Tensor, t: Tensor) -> Tree | None:
    """Return the node of which alone the target is a function, if there is one."""
    left = [_left(columns, t) for columns in splines]
    best = min(range(len(nodes)), key=lambda k: left[k])
    return nodes[best] if left[best] < LEAST and best >= _plain(nodes) else None


def _sums(nodes: list[Tree], splines: Tensor, t: Tensor) -> Iterator[_Pair]:
    """Yield the nodes of which functions add up to the target, inside an outer function."""
    around = outers(t)
    likely = _likely(nodes, splines, torch.stack([outer.forward(t) for outer in around], 1))
    for outer, pairs in zip(around, likely, strict=True):
        for i, j in pairs:
            fit = partial(left_by_sum, t=t, outer=outer)
            yield _Pair((nodes[i], nodes[j]), fit(splines[i], splines[j]), fit)


def _products(nodes: list[Tree], columns: Tensor, z: Tensor, t: Tensor) -> Iterator[_Pair]:
    """Yield the nodes of which functions have the target as their product; these may be zero somewhere.

    The logarithm of the size is a sum, whose poles are narrow. (That `t a(u)` is `b(v)` is linear, but it does not hold
    where both functions are zero somewhere, and it does for what is zero but at few rows.)
    """
    size = t.abs().clamp_min(float(t.std()) * FAINT).log()
    for i, j in _likely(nodes, columns, size[:, None])[0][:MULTIPLIED]:
        begin = _begun(torch.stack([values(nodes[i], z), values(nodes[j], z)], 1), t)
        fit = partial(_left_by_product, begin=begin, t=t)
        yield _Pair((nodes[i], nodes[j]), fit(columns[i], columns[j]), fit)


def _likely(nodes: list[Tree], splines: Tensor, tau: Tensor) -> list[list[tuple[int, int]]]:
    """Return which nodes are likeliest to add up to each of several targets `(rows, n)`."""
    unit = torch.linalg.qr(splines - splines.mean(1, keepdim=True))[0]
    first, second = torch.triu_indices(len(nodes), len(nodes), 1)
    tau = (tau - tau.mean(0)) / tau.std(0, correction=0)
    along, long = unit.mT @ tau, tau.new_tensor([complexity(node) for node in nodes])
    cross = _crossed(unit)[first, second]
    # what the second node adds to the first: its splines without what is one of the first's
    new = torch.eye(unit.shape[2], dtype=tau.dtype) * (1 + RIDGE) - cross.mT @ cross
    beyond = along[second] - cross.mT @ along[first]
    explained = along[first].square().sum(1) + (beyond * torch.linalg.solve(new, beyond)).sum(1)
    left = (len(tau) - explained).clamp_min(len(tau) * ALIKE**2) * (long[first] + long[second])[:, None]
    best = left.argsort(0)[:TRIED]
    return [list(zip(first[k].tolist(), second[k].tolist(), strict=True)) for k in best.mT]


def _plain(nodes: Sequence[Tree]) -> int:
    """Return how many of the nodes are plain columns."""
    return sum(isinstance(node, Variable) for node in nodes)


def left_by_sum(*splines: Tensor, t: Tensor, outer: Outer) -> float:
    """Return what a sum of splines leaves of a target inside an outer function, and of the target itself."""
    columns, tau = torch.cat(splines, 1), outer.forward(t)
    left = tau - columns @ least_squares(columns, tau)
    return max(float(left.std() / tau.std()), float((left * outer.weight(t)).std() / t.std()))


def _left_by_product(one: Tensor, other: Tensor, begin: Decomposition, t: Tensor) -> float:
    """Return what the product of splines leaves of a target, as a share of its size."""
    return begin.on(torch.linalg.qr(torch.stack([one, other]))[0] * len(t) ** 0.5, t).error


def _begun(features: Tensor, t: Tensor) -> Decomposition:
    """Return a product of coarse curves, the first of some that follows the target roughly.

    Most fits of a product whose factors pass zero end in a valley, from the largest part of a surface or at random.
    """
    fits = itertools.chain(
        (_largest(_splines(features, basis), t) for basis in BEGIN),
        (from_start(kinked(features, INTERVALS), t, 1, start) for start in range(STARTS)),
    )
    best = next(fits)
    for fit in fits:
        if best.error < BEGUN:
            break
        best = min(best, fit, key=lambda one: one.error)
    return best


def _largest(splines: Tensor, t: Tensor) -> Decomposition:
    """Return the product of curves that is the largest part of the surface closest to a target."""
    one, other = unit = torch.linalg.qr(splines)[0] * len(t) ** 0.5
    surface = least_squares((one[:, :, None] * other[:, None]).flatten(1), t).view(one.shape[1], -1)
    left, size, right = torch.linalg.svd(surface)
    coef = torch.stack([left[:, :1], right[:1].mT]) * size[0].sqrt()
    return Decomposition(unit, coef, math.inf).on(unit, t)


def _joined(nodes: list[Tree], z: Tensor, t: Tensor) -> Iterator[_Pair]:
    """Yield the nodes of two columns and the third column of which the target is a function."""
    if len(t) < EACH * SURFACE.size**2:
        return
    columns = _splines(z, SURFACE)
    for node in nodes:
        alone = set(range(z.shape[1])) - variables(node)
        if len(alone) == 1:
            k = alone.pop()
            fit, inside = partial(_left_by_surface, t=t), _splines(values(node, z)[:, None], SURFACE)[0]
            yield _Pair((node, Variable(k)), fit(inside, columns[k]), fit)


def _left_by_surface(one: Tensor, other: Tensor, t: Tensor) -> float:
    """Return what the products of two kinds of splines leave of a target."""
    return _left((one[:, :, None] * other[:, None]).flatten(1), t)


def _left(columns: Tensor, t: Tensor) -> float:
    """Return what columns `(rows, size)` leave of a target, as a share of its deviation."""
    return float((t - columns @ least_squares(columns, t)).std() / t.std())
