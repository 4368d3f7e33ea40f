r"""Laws that are a node of a network beside a product of curves, `log(2 + sin(2 x) cos(y)) + x exp(-y)`.

The function around the node is a spline that is projected out, as :mod:`kanlens.single_index` says; all else takes
Gauss-Newton steps together. No derivative is wanted, so that cones and other rough laws are followed, too. A plain node
`x + c y`, `x y`, `x^2 + c y^2` is one formula with one constant, and nearly every start leads to the law; that of
curves is one in ten.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.conditions import smallest
from kanlens.functions import Function
from kanlens.joins import DOUBT, Node, formulas, price
from kanlens.naming import curve_names, simplest_first, unscaled_product
from kanlens.problems import Problem
from kanlens.refit import free_values, with_free
from kanlens.single_index import Inner, Splines, fitted
from kanlens.spans import span_names
from kanlens.spreading import UNIFORMITY
from kanlens.trees import Number, Tree, Variable, add, multiply, raise_to, substitute, values, values_and_jacobian

ROWS, LEAST_ROWS = 600, 150
"""Rows that the splines are fitted to, and how many there must be."""

FEATURES = 3
"""Features up to which such laws are looked for."""

CURVES, AROUND = (6, 16), (8, 16)
"""Intervals of the splines of the curves and around the node, before and after they follow the target."""

STEPS = 60
"""Steps of a start at most: a tenth of a second."""

LIKELY, TRIED, RANDOM = 2, 8, 12
"""Plain nodes, of those that leave least beside two products, beside which one product begins at each of the two and
then at random, and how often; starts of nodes of curves."""

STARTS, STUCK = 3, 0.5
"""Starts beside two products at most, and the error from which on another one is made: one in three hardly moves."""

FOLLOWS, CLOSE, CLOSER = 5e-2, 5e-3, 1e-4
"""Error, as a share of the target's deviation, from which finer splines are fitted, and their curves named: a node of
curves follows more laws by chance."""

AS_GOOD, WELL = 2.0, 1e-5
"""How many times the error beside two products that beside one may be, and the least that is asked for."""

FLAT = 10.0
"""Deviation of a curve, in units of the misfit, up to which its feature has no part in a node."""

NAMES, CHOICES = 4, 8
"""Formulas of a node and of a product that are tried, and pairs of these whose constants are fitted."""

OPEN = 1e-3
"""Share of a product that is no function of the node up to which it is one."""

SURE = 1e-6
"""How far off a curve is at least, as a share of its deviation."""

RIGHT, EXACT = 2.0, 1e-6
"""Error of formulas, in units of that of the curves and of the target's deviation, from which they are right: the
function around the node is no closer."""


class _Model(NamedTuple):
    """Hold what makes a node of constants, with how many, and the splines of the products beside it."""

    inner: Inner
    constants: int
    beside: Splines

    def fitted(self, constants: Tensor, t: Tensor, intervals: int) -> tuple[Tensor, Tensor, float]:
        """Return the constants of the node and of the products after the steps, and the error."""
        more = len(constants) - self.constants
        node, terms = _among(self.inner, 0, more), _among(self._products, self.constants, 0)
        fit = fitted(node, constants, t, BSpline(degree=5, intervals=intervals), STEPS, terms)
        return fit.constants[: self.constants], fit.constants[self.constants :], fit.error

    def _products(self, constants: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of products, one or more, and its derivatives."""
        parts = [self.beside.node(part) for part in constants.view(-1, self.beside.columns[0].numel())]
        return torch.stack([part[0] for part in parts]).sum(0), torch.cat([part[1] for part in parts], 1)


class _Term(NamedTuple):
    """Hold the features of a product of curves, these, what may be added to each for all that is known, and the error.

    In `tanh(x + 2 y) + x exp(-y)`, nothing tells `x` from `x + c exp(-x / 2)`: the latter times the other curve is a
    function of the node.
    """

    features: tuple[int, ...]
    curves: tuple[Tensor, ...]
    open: tuple[Tensor | None, ...]
    misfit: float

    @classmethod
    def of(cls, splines: Splines, coef: Tensor, error: float, node: Tensor) -> "_Term":
        """Return the product of splines beside a node with some values `(rows,)`, without what is constant."""
        found = _node(splines, coef, error)
        curves = splines.curves(coef)
        around = BSpline(degree=5, intervals=AROUND[1])
        functions = around.values(node[:, None], around.adapted(node[:, None], UNIFORMITY))[:, 0]
        of_node = torch.linalg.qr(functions)[0]
        free: list[tuple[float, Tensor]] = []
        for k in found.features:
            others = curves[:, [j for j in range(curves.shape[1]) if j != k]].prod(1)
            columns = splines.columns[:, k] * others[:, None]
            solution, misfit, _ = smallest(columns - of_node @ (of_node.mT @ columns), columns)
            free.append((misfit, splines.columns[:, k] @ solution))
        # only one: a factor that is mostly what may be added to it makes the others nearly so
        least = min((misfit for misfit, _ in free), default=math.inf)
        chosen = [curve if misfit == least < OPEN else None for misfit, curve in free]
        return cls(found.features, found.curves, tuple(chosen), error)

    def formulas(self, z: Tensor, functions: Mapping[str, Function], plain: bool) -> Iterator[Tree]:
        """Yield formulas, likely ones first."""
        names = []
        for k, curve, free in zip(self.features, self.curves, self.open, strict=True):
            doubt = max(DOUBT * self.misfit / float(curve.std()), SURE)
            if free is None:
                names.append(curve_names(z[:, k], curve, functions, doubt, plain).likely)
            else:
                alone = span_names(z[:, k], torch.stack([curve, free], 1), doubt, functions) or []
                names.append([*alone, *(add(tree, Number(1.0)) for tree in alone)])
        for choice in simplest_first(names):
            pairs = zip(self.features, choice, strict=True)
            yield unscaled_product([substitute(tree, [Variable(k)]) for k, tree in pairs])


def node_sums(problem: Problem, functions: Mapping[str, Function], late: Callable[[], bool]) -> Iterator[list[Problem]]:
    r"""Yield problems of one feature, the node: what is left of the target is a function of it alone.

    The law is :math:`h(v) + p_1(z_1)\,p_2(z_2) \cdots` with a node *v*: a plain one first, then
    :math:`f_1(z_1) + f_2(z_2) + \ldots` and :math:`f_1(z_1)\,f_2(z_2) \cdots`. No start begins once `late` says so.
    """
    if not 2 <= problem.size <= FEATURES or len(problem.t) < LEAST_ROWS:
        return
    z, t = problem.z[:ROWS], problem.t[:ROWS]
    spread = t.std()
    t = (t - t.mean()) / spread
    for kind in (_plain, _curved):
        sides = [(inner, multiply(Number(float(spread)), term)) for inner, term in kind(z, t, functions, late)]
        found = (problem.minus(term).reduced([inner]) for inner, term in sides)
        yield [smaller for smaller in found if smaller is not None]


def _plain(
    z: Tensor, t: Tensor, functions: Mapping[str, Function], late: Callable[[], bool]
) -> Iterator[tuple[Tree, Tree]]:
    """Yield a plain node and the product beside it, if there is one that leaves little.

    Beside two products, nearly every start ends at the least error, and the node of the law leaves least. Beside one,
    half of them end in a valley.
    """
    coarse = Splines.of(z, CURVES[0], product=True)
    begin, scored = _beginnings(coarse), []
    for tree in _plain_nodes(z):
        if late():
            return
        free = free_values(tree)
        model = _Model(_formula(tree, z), len(free), coarse)
        for _ in range(STARTS):
            node, products, error = model.fitted(torch.cat([free, next(begin), next(begin)]), t, AROUND[0])
            if error < STUCK:
                scored.append((error, with_free(tree, node), products.chunk(2)))
                break
    for error, tree, both in sorted(scored, key=lambda one: one[0])[:LIKELY]:
        starts = itertools.chain(both, itertools.islice(begin, TRIED))
        found = _beside(tree, coarse, starts, max(AS_GOOD * error, WELL), z, t) if error < FOLLOWS else None
        named = None if found is None else _named([found[0]], found[1], z, t, functions)
        if named is not None:
            yield named
            return


def _beside(
    tree: Tree, coarse: Splines, starts: Iterator[Tensor], enough: float, z: Tensor, t: Tensor
) -> "tuple[Tree, _Term] | None":
    """Return the node with its constants and the product beside it; None if they leave too much."""
    free, begun = free_values(tree), None
    model = _Model(_formula(tree, z), len(free), coarse)
    for start in starts:
        node, product, error = model.fitted(torch.cat([free, start]), t, AROUND[0])
        if error < enough:
            begun = node, product
            break
    if begun is None:
        return None
    fine = Splines.of(z, CURVES[1], product=True)
    begin = torch.cat([begun[0], fine.closest(coarse.curves(begun[1]))])
    node, product, error = model._replace(beside=fine).fitted(begin, t, AROUND[1])
    if error > CLOSE:
        return None
    tree = with_free(tree, node)
    return tree, _Term.of(fine, product, error, values(tree, z))


def _plain_nodes(z: Tensor) -> Iterator[Tree]:
    """Yield nodes of two features: their sum and difference, product and ratio, and sums with their squares."""
    size = z.std(0)
    for i, j in itertools.combinations(range(z.shape[1]), 2):
        pair, one = (Variable(i), Variable(j)), float(size[i] / size[j])
        yield multiply(*pair)
        yield from (add(pair[0], multiply(Number(sign * one), pair[1])) for sign in (1.0, -1.0))
        squares = [raise_to(side, 2) for side in pair]
        for first, second in ((squares[0], squares[1]), (squares[0], pair[1]), (squares[1], pair[0])):
            share = values(first, z).std() / values(second, z).std()
            yield add(first, multiply(Number(float(share)), second))
        if bool((z[:, j] > 0).all()):
            yield multiply(pair[0], raise_to(pair[1], -1))


def _curved(
    z: Tensor, t: Tensor, functions: Mapping[str, Function], late: Callable[[], bool]
) -> Iterator[tuple[Tree, Tree]]:
    """Yield a product of curves, or a sum, and the product beside it, if they leave little."""
    for product in (True, False):
        found = _best_curves(z, t, product, late)
        if found is not None:
            inside = list(itertools.islice(formulas(found[0], z, functions, plain=True), NAMES))
            named = _named(inside, found[1], z, t, functions)
            if named is not None:
                yield named


def _best_curves(z: Tensor, t: Tensor, product: bool, late: Callable[[], bool]) -> "tuple[Node, _Term] | None":
    """Return the first node of curves and product beside it that follow the target well."""
    (some, beside), (finer, finer_beside) = ((Splines.of(z, n, product), Splines.of(z, n, True)) for n in CURVES)
    coarse, fine = (_Model(s.node, s.columns[0].numel(), b) for s, b in ((some, beside), (finer, finer_beside)))
    begin, generator = _beginnings(beside), torch.Generator().manual_seed(0)
    for _ in range(RANDOM):
        if late():
            break
        start = torch.randn(coarse.constants, generator=generator, dtype=z.dtype)
        start = 0.5 + 0.6 * start if product else start  # where all factors are small, so are all slopes
        node, term, error = coarse.fitted(torch.cat([start, next(begin)]), t, AROUND[0])
        if error < FOLLOWS:
            again = torch.cat([finer.closest(some.curves(node)), finer_beside.closest(beside.curves(term))])
            node, term, error = fine.fitted(again, t, AROUND[1])
            if error < CLOSER:
                return _node(finer, node, error), _Term.of(finer_beside, term, error, finer.node(node)[0])
    return None


def _beginnings(splines: Splines) -> Iterator[Tensor]:
    """Yield random coefficients of a product to begin with, around zero and far from it in turn."""
    generator = torch.Generator().manual_seed(0)
    for far in itertools.cycle((False, True)):
        drawn = torch.randn(splines.columns[0].numel(), generator=generator, dtype=splines.columns.dtype)
        yield 0.5 + 0.3 * drawn if far else 0.5 * drawn


def _node(splines: Splines, coef: Tensor, error: float) -> Node:
    """Return the features of curves that are more than a constant, with these."""
    curves = splines.curves(coef)
    curves = curves / (curves.abs().amax(0) if splines.product else curves.std(0).amax())
    bent = (curves.std(0) > FLAT * error).nonzero()[:, 0].tolist()
    return Node(tuple(bent), tuple(curves[:, k] for k in bent), error, splines.product)


def _named(
    inside: list[Tree], beside: "_Term", z: Tensor, t: Tensor, functions: Mapping[str, Function]
) -> tuple[Tree, Tree] | None:
    """Return one of the formulas of a node and that of the product beside it; None if they leave much."""
    for plain in (True, False):
        outside = dict.fromkeys(itertools.islice(beside.formulas(z, functions, plain), NAMES))
        choices = itertools.islice(itertools.product(dict.fromkeys(inside), list(outside)), CHOICES)
        fits = [_fitted_pair(inner, multiply(Number(1.0), term), z, t) for inner, term in choices]
        right = [fit for fit in fits if fit[2] < max(RIGHT * beside.misfit, EXACT)]
        if right:
            inner, term, _ = min(right, key=lambda fit: price(multiply(fit[0], fit[1]), fit[2], EXACT))
            return inner, term
    return None


def _fitted_pair(inner: Tree, term: Tree, z: Tensor, t: Tensor) -> tuple[Tree, Tree, float]:
    """Return both formulas with their constants fitted, and what they leave with any function of the inner one."""
    begin, more = free_values(inner), free_values(term)
    node, beside = _among(_formula(inner, z), 0, len(more)), _among(_formula(term, z), len(begin), 0)
    fit = fitted(node, torch.cat([begin, more]), t, steps=STEPS, beside=beside)
    first, last = fit.constants[: len(begin)], fit.constants[len(begin) :]
    return with_free(inner, first), with_free(term, last), fit.error


def _formula(tree: Tree, z: Tensor) -> Inner:
    """Return the values of a formula, and their derivatives, for given constants."""
    return lambda constants: values_and_jacobian(with_free(tree, constants), z)


def _among(inner: Inner, before: int, after: int) -> Inner:
    """Return the same for constants that stand between some that it does not feel."""

    def padded(constants: Tensor) -> tuple[Tensor, Tensor]:
        value, jacobian = inner(constants[before : len(constants) - after])
        return value, torch.nn.functional.pad(jacobian, (before, after))

    return padded
