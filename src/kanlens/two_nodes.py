r"""Laws of two plain nodes: `tanh(3 (x - y)) + x / 2`, `sin(pi (x - y)) exp(-(y - z)^2 / 2)`, `atan(x y) exp(-z) + z`.

Columns are often joined in few ways, `x - y`, `x y`, `x^2 + y^2`, which can all be tried. Whether the target is a sum
or a product of functions of two of them is linear algebra, and fine splines follow fast waves and kinks of one variable
where no stand-in for a function of all columns does. A product is :math:`t\,a(u) = b(v)`, whose two sides are the
closest functions of two spans (canonical correlation, Hotelling, *Biometrika* 28, 1936).
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.conditions import least_squares
from kanlens.problems import LARGEST, Outer, Problem, outers
from kanlens.spreading import evenly
from kanlens.trees import Tree, Variable, add, complexity, multiply, raise_to, values, variables, whole

ROWS, EACH = 1000, 4
"""Rows that are looked at, at most, and rows for each coefficient at least."""

CURVE, SURFACE = BSpline(degree=5, intervals=16), BSpline(degree=5, intervals=6)
"""Splines of a node, and those whose products follow a function of a node and a column."""

UNIFORMITY = 0.5
"""How evenly knots lie; the rest follows the rows, as products crowd near zero."""

WEIGHTS = {2: (1, 2, 3), 3: (1, 2)}
"""Weights in the sum of two columns, by how many columns there are."""

TRIED, TURNS = 4, 3
"""Pairs of nodes that are looked at again, the likeliest of each kind, and turns in which their factors are fitted."""

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
    if problem.size not in WEIGHTS or len(t) < EACH * 2 * CURVE.size:
        return []
    nodes = [node for node in _nodes(z) if _varies(values(node, z))]
    if not nodes:
        return []
    splines = _curves(torch.stack([values(node, z) for node in nodes], 1), CURVE)
    single = _single(nodes, splines, t)
    if single is not None:
        return _reduced(problem, [[single]])
    curves = [*_sums(nodes, splines, t), *_products(nodes, splines, t)]
    surfaces = _joined(nodes, z, t) if problem.size > 2 else ()
    found: list[_Pair] = []
    kinds = (curves, partial(_curves, basis=COARSE[0])), (surfaces, partial(_splines, basis=COARSE[1]))
    for (pairs, coarse), most in zip(kinds, FOLLOWED, strict=True):
        found += [pair for pair in pairs if pair.left < most and pair.sharpens(z, coarse)]
    alone = min(_left_by_sum(*splines[: _plain(nodes)], t=t, outer=outer) for outer in outers(t))
    found = sorted((pair for pair in found if pair.left < APART * alone), key=_Pair.price)
    likely = [pair for pair in found if pair.left < BEYOND * found[0].left + LEAST][:PAIRS]
    return _reduced(problem, [pair.nodes for pair in likely])


def _reduced(problem: Problem, choices: Sequence[Sequence[Tree]]) -> list[Problem]:
    """Return the problems of other features, of those choices that are finite."""
    smaller = map(problem.reduced, choices)
    return [other for other in smaller if other is not None]


def _nodes(z: Tensor) -> Iterator[Tree]:
    """Yield the columns, and what two or three of them are joined to."""
    columns, signed = [Variable(k) for k in range(z.shape[1])], ((z > 0).all(0) | (z < 0).all(0)).tolist()
    yield from columns
    weights = WEIGHTS[len(columns)]
    for (x, y), (fixed, other) in zip(
        itertools.combinations(columns, 2), itertools.combinations(signed, 2), strict=True
    ):
        for a, b in itertools.product(weights, weights):
            if math.gcd(a, b) == 1:
                yield from (add(multiply(whole(a), x), multiply(whole(sign * b), y)) for sign in (1, -1))
        yield multiply(x, y)
        if fixed or other:
            yield multiply(x, raise_to(y, -1)) if other else multiply(y, raise_to(x, -1))
        yield raise_to(add(raise_to(x, 2), raise_to(y, 2)), Fraction(1, 2))  # laws are smooth in it, or in its square
        for one, square in ((x, raise_to(y, 2)), (y, raise_to(x, 2))):
            yield from (add(one, multiply(whole(sign), square)) for sign in (1, -1))
            if len(columns) == 2:
                yield multiply(one, square)
    if len(columns) == 3:
        yield from _of_three(columns)


def _varies(values: Tensor) -> bool:
    """Tell whether a node is finite, and not the same at all rows."""
    low, high = float(values.amin()), float(values.amax())
    return -LARGEST < low < high < LARGEST


def _of_three(columns: list[Variable]) -> Iterator[Tree]:
    """Yield what three columns are joined to."""
    yield multiply(*columns)
    yield raise_to(add(*(raise_to(column, 2) for column in columns)), Fraction(1, 2))
    for first, second in itertools.product((1, -1), repeat=2):
        yield add(columns[0], multiply(whole(first), columns[1]), multiply(whole(second), columns[2]))
    for k, one in enumerate(columns):
        x, y = (column for j, column in enumerate(columns) if j != k)
        for sign in (1, -1):
            yield multiply(one, add(x, multiply(whole(sign), y)))
            yield add(one, multiply(whole(sign), x, y))


def _splines(features: Tensor, basis: BSpline) -> Tensor:
    """Return splines of features `(rows, n)` at the rows, `(n, rows, size)`."""
    at = evenly(features).at
    return basis.values(at, basis.adapted(at, UNIFORMITY)).transpose(0, 1)


def _curves(features: Tensor, basis: BSpline) -> Tensor:
    """Return the same and what has a kink or a cusp at 0.

    Where a feature has one sign, it is in the middle of the range: of all features there are as many.
    """
    at = evenly(features).at
    low, high = at.amin(0), at.amax(0)
    off = at - torch.where(low * high < 0, 0.0, (low + high) / 2)
    rough = torch.stack([off.abs(), off * off.abs(), off.abs().sqrt()], 2)
    return torch.cat([_splines(features, basis), rough.transpose(0, 1)], 2)


def _crossed(one: Tensor, other: Tensor) -> Tensor:
    """Return the products of the columns of each matrix `(n, rows, size)` with those of each, `(n, n, size, size)`."""
    count, rows, size = one.shape
    flat = [part.transpose(0, 1).reshape(rows, -1) for part in (one, other)]
    return (flat[0].mT @ flat[1]).view(count, size, count, size).transpose(1, 2)


def _single(nodes: list[Tree], splines: Tensor, t: Tensor) -> Tree | None:
    """Return the node of which alone the target is a function, if there is one."""
    left = [_left(columns, t) for columns in splines]
    best = min(range(len(nodes)), key=lambda k: left[k])
    return nodes[best] if left[best] < LEAST and best >= _plain(nodes) else None


def _sums(nodes: list[Tree], splines: Tensor, t: Tensor) -> Iterator[_Pair]:
    """Yield the nodes of which functions add up to the target, inside an outer function."""
    unit = torch.linalg.qr(splines - splines.mean(1, keepdim=True))[0]
    first, second = torch.triu_indices(len(nodes), len(nodes), 1)
    around = outers(t)
    tau = torch.stack([outer.forward(t) for outer in around], 1)
    tau = (tau - tau.mean(0)) / tau.std(0, correction=0)
    along, long = unit.mT @ tau, t.new_tensor([complexity(node) for node in nodes])
    cross = _crossed(unit, unit)[first, second]
    # what the second node adds to the first: its splines without what is one of the first's
    new = torch.eye(unit.shape[2], dtype=t.dtype) * (1 + RIDGE) - cross.mT @ cross
    beyond = along[second] - cross.mT @ along[first]
    explained = along[first].square().sum(1) + (beyond * torch.linalg.solve(new, beyond)).sum(1)
    for k, outer in enumerate(around):
        left = (len(t) - explained[:, k]).clamp_min(len(t) * ALIKE**2) * (long[first] + long[second])
        for place in left.argsort()[:TRIED].tolist():
            i, j = int(first[place]), int(second[place])
            if j >= _plain(nodes):
                fit = partial(_left_by_sum, t=t, outer=outer)
                yield _Pair((nodes[i], nodes[j]), fit(splines[i], splines[j]), fit)


def _plain(nodes: list[Tree]) -> int:
    """Return how many of the nodes are plain columns."""
    return sum(isinstance(node, Variable) for node in nodes)


def _left_by_sum(*splines: Tensor, t: Tensor, outer: Outer) -> float:
    """Return what a sum of splines leaves of a target inside an outer function, and of the target itself."""
    columns, tau = torch.cat(splines, 1), outer.forward(t)
    left = tau - columns @ least_squares(columns, tau)
    return max(float(left.std() / tau.std()), float((left * outer.weight(t)).std() / t.std()))


def _products(nodes: list[Tree], splines: Tensor, t: Tensor) -> Iterator[_Pair]:
    """Yield the nodes of which functions have the target as their product; one of these may be zero somewhere."""
    unit, times = (torch.linalg.qr(part)[0] for part in (splines, splines * t[:, None]))
    cross = _crossed(times, unit)
    near = torch.linalg.eigvalsh(cross.mT @ cross)[..., -1]
    near.fill_diagonal_(0)
    for place in near.flatten().topk(min(TRIED, near.numel())).indices.tolist():
        i, j = divmod(place, len(nodes))
        if max(i, j) >= _plain(nodes):
            # functions that are zero but at few rows agree as well, so that the product is asked
            start = unit[j] @ torch.linalg.svd(cross[i, j])[2][0]
            fit = partial(_left_by_product, curve=start, t=t)
            yield _Pair((nodes[i], nodes[j]), fit(splines[i], splines[j]), fit)


def _left_by_product(one: Tensor, other: Tensor, curve: Tensor, t: Tensor) -> float:
    """Return what the product of splines leaves of a target, from the second curve."""
    left = t
    for _ in range(TURNS):
        first = one @ least_squares(curve[:, None] * one, t)
        curve = other @ least_squares(first[:, None] * other, t)
        left = t - first * curve
    return float(left.std() / t.std())


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
