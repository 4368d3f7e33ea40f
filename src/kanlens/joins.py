r"""Join features that the law feels only together, whatever the functions of them: sums and products of curves.

If :math:`t = h(F_1(z_1) + F_2(z_2), \ldots)`, then :math:`\partial_1 t\,F_2' = \partial_2 t\,F_1'` everywhere: linear
in the two slopes, so that splines for them are the null vector of a matrix, without start or outer function to guess.
If :math:`t = h(f_1(z_1) f_2(z_2), \ldots)`, the same holds of :math:`P_k = f_k / f_k'` with
:math:`\partial_1 t\,P_1 = \partial_2 t\,P_2`, also where a factor passes zero. It is the test for a node of a network:
a sum or a product of edges.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.conditions import Spline, block_diagonal, factor, interior, smallest, upper_of
from kanlens.functions import Function
from kanlens.naming import curve_choices, snapped, unscaled_product, unshifted_sum
from kanlens.presentation import taken_out
from kanlens.problems import Problem
from kanlens.single_index import fitted_formula
from kanlens.spreading import evenly
from kanlens.surrogate import Surrogate
from kanlens.trees import (
    Call,
    Number,
    Power,
    Product,
    Sum,
    Tree,
    Variable,
    add,
    complexity,
    multiply,
    raise_to,
    substitute,
    values,
    whole,
)

MISFIT = 0.03
"""Smallest singular value, functions having unit size, up to which features may belong together."""

CLEAR, BEGINNINGS, TURNS = 0.01, 2, 40
"""The same for curves that are found in turns, how often those begin, and how many turns they take."""

GAP = 0.2
"""The same as a share of the next one: with two solutions there is no telling."""

DOUBT = 5.0
"""How far off a curve may be, in units of the misfit of its node."""

LEAST, SAME = 0.1, 0.05
"""Exponent from which a factor counts as a power, and how far it may be off a whole one."""

NAMED = 3
"""Choices of names for the curves of a node that become problems."""

CHOICES, FITTED = 12, 600
"""Choices whose constants are fitted where the node is all there is, and the rows that they are fitted to."""

RIGHT, EXACT = 0.3, 1e-8
"""Error of a formula, in units of the node's misfit and of the target's deviation, from which its names are right."""

WORSE = 30.0
"""How much larger than the least error that of a formula may be that is looked at."""

ROWS = 30
"""Rows that each feature takes: a curve has thirteen coefficients."""

CREASED = 3
"""Features up to which the law is asked for a kink where a sum or a difference of two is 0."""

WEAK = 0.03
"""Share of the largest slope from which on rows count alike: a small slope is known no better than a large one."""


class Node(NamedTuple):
    """Hold the features of a node, each one's curve at the rows, how far they are off, and whether they multiply."""

    features: tuple[int, ...]
    curves: tuple[Tensor, ...]
    misfit: float
    product: bool


def joins(
    problem: Problem, smooth: Surrogate, together: Iterable[Node], functions: Mapping[str, Function]
) -> Iterator[tuple[float, Problem]]:
    """Yield problems in which the features of a node have become one, with the misfit."""
    z = problem.z[smooth.rows]
    z = z[interior(z)]
    for node in together:
        for smaller in named(problem, node, z, functions):
            yield node.misfit, smaller


def named(problem: Problem, node: Node, z: Tensor, functions: Mapping[str, Function]) -> Iterator[Problem]:
    """Yield problems in which a node's curves at the rows `z` have names, likely ones first."""
    others = [Variable(k) for k in range(problem.size) if k not in node.features]
    trees = formulas(node, z, functions) if others else _fitted(problem, node, z, functions)
    for tree in itertools.islice(trees, NAMED):
        smaller = problem.reduced([tree, *others])
        if smaller is not None:
            yield smaller


def formulas(node: Node, z: Tensor, functions: Mapping[str, Function], plain: bool = False) -> Iterator[Tree]:
    """Yield formulas of a node."""
    curves = [(z[:, k], curve) for k, curve in zip(node.features, node.curves, strict=True)]
    doubts = [DOUBT * node.misfit / float(curve.std()) for curve in node.curves]
    for choice in curve_choices(curves, functions, doubts, plain):
        yield _joined(node, choice)


def _fitted(problem: Problem, node: Node, z: Tensor, functions: Mapping[str, Function]) -> Iterator[Tree]:
    """Return formulas of a node of all features, their constants fitted to the target, the best first.

    Whatever the function around the node, the right names leave next to nothing, and others as much as before: the
    constants alone say which names are right. More than single functions are looked for if no name is.
    """
    z_first, t = problem.z[:FITTED], problem.t[:FITTED]
    spread = float(t.std())
    fits: list[tuple[Tree, float]] = []
    for plain in (True, False):
        trees = itertools.islice(formulas(node, z, functions, plain), CHOICES)
        fits += [fitted_formula(tree, z_first, t) for tree in dict.fromkeys(trees)]
        least = min((error for _, error in fits), default=math.inf)
        if least < max(RIGHT * node.misfit, EXACT) * spread:
            break
    close = [fit for fit in fits if fit[1] <= max(WORSE * least, EXACT * spread)]
    best = sorted(close, key=lambda fit: price(fit[0], fit[1], EXACT * spread))
    return (tree if error < EXACT * spread else _simple(tree, z_first, t) for tree, error in best)


def _simple(tree: Tree, z: Tensor, t: Tensor) -> Tree:
    """Return a node's formula with simple constants, of which a spline that is not exact does not tell all digits.

    Its scale is free, so that the first coefficient of a sum is 1.
    """

    def fit(trial: Tree) -> tuple[Tree, float]:
        found, error = fitted_formula(trial, z, t)
        return found, error**2

    return snapped(taken_out(tree, "first")[-1], fit, 0.0)


def price(tree: Tree, error: float, floor: float) -> float:
    """Return about the bits of a description by a formula."""
    return 20 * math.log2(error + floor + 1e-300) + 4 * complexity(tree)


def variants(together: Sequence[Node], z: Tensor) -> Iterator[Node]:
    """Yield nodes in plain form and as found, or the other way around where that loses the sign of a curve."""
    for node in together:
        plain = list(plainer(node, z))
        pairs = ((p, c) for other in plain for p, c in zip(other.curves, node.curves, strict=True))
        lost = node.product and any((p >= 0).all() and (c < 0).any() for p, c in pairs)
        yield from (node, *plain) if lost else (*plain, node)


def plainer(node: Node, z: Tensor) -> Iterator[Node]:
    """Yield the product in which a feature stands by itself, if there is one in which it stands as a power.

    A node is known up to the function around it, so that `y^p f` may as well be `y f^(1 / p)`, and `p log y + log f`
    too: a power alone among products of curves is the better known to be none, as its exponent is one number.
    """
    for k, curve in zip(node.features, node.curves, strict=True):
        s = z[:, k]
        if not (s > 0).all() or (node.product and (curve == 0).any()):
            continue
        logs = s.log() - s.log().mean()
        target = curve.abs().log() if node.product else curve
        power = float((logs * target).sum() / logs.square().sum())
        left = target - target.mean() - power * logs
        if float(left.norm()) > DOUBT * node.misfit * float((target - target.mean()).norm()) or abs(power) < LEAST:
            continue
        if node.product and abs(power - 1) < SAME:
            return
        even = abs(1 / power - 2 * round(0.5 / power)) < SAME
        signs = [torch.ones_like(c) if even else c.sign() for c in node.curves]
        curves = [
            sign * c.abs() ** (1 / power) if node.product else (c / power).exp()
            for sign, c in zip(signs, node.curves, strict=True)
        ]
        if all(torch.isfinite(c).all() for c in curves):
            yield Node(node.features, tuple(c / c.std() for c in curves), node.misfit, True)
        return


def nodes(z: Tensor, slopes: Tensor) -> list[Node]:
    """Return the sums and products that features `(rows, d)` may belong to, large ones first, then those that fit best.

    Only pairs are tried, and groups of which all pairs fit.
    """
    size = z.shape[1]
    if len(z) < ROWS * size:
        return []
    at, steep = evenly(z)
    splines, slopes = [Spline.of(at[:, k]) for k in range(size)], slopes * steep
    found: list[Node] = []
    for solve in (_sum, _product):
        pairs = {pair: solve(pair, splines, slopes) for pair in itertools.combinations(range(size), 2)}
        good = {pair for pair, node in pairs.items() if node is not None}
        found += [node for node in pairs.values() if node is not None]
        for count in range(3, size + 1):
            for group in itertools.combinations(range(size), count):
                if good.issuperset(itertools.combinations(group, 2)):
                    whole = solve(group, splines, slopes)
                    found += [whole] if whole is not None else []
    joined = {node.features for node in found}
    others = (pair for pair in itertools.combinations(range(size), 2) if pair not in joined)
    found += [node for node in (_turning(pair, splines, slopes) for pair in others) if node is not None]
    return sorted(found, key=lambda node: (-len(node.features), node.misfit))


def folded(problem: Problem, functions: Mapping[str, Function]) -> Iterator[Problem]:
    """Yield problems in which a feature of both signs has become its absolute value.

    A smooth stand-in does not see through a kink; without it, all that was said of smooth laws holds again.
    """
    for k in range(problem.size if "abs" in functions else 0):
        if float(problem.z[:, k].amin()) < 0 < float(problem.z[:, k].amax()):
            features: list[Tree] = [Variable(j) for j in range(problem.size)]
            features[k] = Call(functions["abs"], features[k])
            smaller = problem.reduced(features)
            if smaller is not None:
                yield smaller


def creased(problem: Problem, functions: Mapping[str, Function]) -> Iterator[Problem]:
    """Yield problems with one feature more: the absolute value of a sum or a difference of two that has both signs."""
    features: list[Tree] = [Variable(k) for k in range(problem.size)]
    pairs = itertools.combinations(features, 2) if "abs" in functions and problem.size <= CREASED else ()
    for (one, other), sign in itertools.product(pairs, (-1, 1)):
        node = add(one, multiply(whole(sign), other))
        along = values(node, problem.z)
        if float(along.amin()) < 0 < float(along.amax()):
            wider = problem.reduced([*features, Call(functions["abs"], node)])
            if wider is not None:
                yield wider


def distance(problem: Problem) -> Problem | None:
    """Return the problem in the root of the only feature if that is a sum of squares; None if it is none.

    People write functions of distances: in their squares, most have one more function inside.
    """
    column = problem.columns[0]
    terms = column.terms if isinstance(column, Sum) else ()
    parts = [term.factors if isinstance(term, Product) else (term,) for term in terms]
    sides = [[factor for factor in factors if not isinstance(factor, Number)] for factors in parts]
    squares = all(len(side) == 1 and isinstance(side[0], Power) and side[0].exponent == 2 for side in sides)
    return problem.reduced([raise_to(Variable(0), Fraction(1, 2))]) if terms and squares else None


def _sum(group: Sequence[int], splines: Sequence[Spline], slopes: Tensor) -> Node | None:
    """Return the curves of which the law feels the sum."""
    solved = _null(group, splines, slopes, crossed=True)
    if solved is None:
        return None
    steep, misfit = solved
    curves = [splines[k].integral(slope) for k, slope in zip(group, steep, strict=True)]
    unit = max(float(curve.std()) for curve in curves)
    return Node(tuple(group), tuple(curve / unit for curve in curves), misfit, False)


def _product(group: Sequence[int], splines: Sequence[Spline], slopes: Tensor) -> Node | None:
    """Return the curves of which the law feels the product, if one of them passes zero.

    Otherwise it feels the sum of their logarithms. A simple zero of a factor is one of P, with slope 1: that is the
    scale that the null vector leaves open.
    """
    solved = _null(group, splines, slopes, crossed=False)
    if solved is None:
        return None
    ratios, misfit = solved
    zeros = [_slope_at_zero(splines[k].at_fine @ c, splines[k].steep @ c) for k, c in zip(group, ratios, strict=True)]
    simple = max(zeros, key=abs)
    if not simple:
        return None
    factors = []
    for k, c, zero in zip(group, ratios, zeros, strict=True):
        # a zero of order n of the factor has the n-th part of a simple one's slope; known exactly, it keeps f smooth
        scale = zero * max(1, round(simple / zero)) if zero else simple
        spline = splines[k]
        matrix = (spline.at_fine @ c / scale)[:, None] * spline.steep - spline.at_fine
        factors.append(smallest(matrix, spline.at_fine)[0])
    curves = [splines[k].rows @ factor for k, factor in zip(group, factors, strict=True)]
    return Node(tuple(group), tuple(curve / curve.std() for curve in curves), misfit, True)


def _turning(group: Sequence[int], splines: Sequence[Spline], slopes: Tensor) -> Node | None:
    """Return the two curves of which the law feels the product, wherever they pass zero and turn.

    Neither `f / f'` nor `f' / f` is smooth then. The condition `s_1 f g' = s_2 f' g` divides by nothing; it is linear
    in each curve, so that each is found for the other one in turns, from where :func:`_beginnings` says.
    """
    first, second = (splines[k] for k in group)
    length = slopes[:, group].norm(dim=1)
    by_first, by_second = (slopes[:, group] / length.clamp_min(WEAK * length.quantile(0.95))[:, None]).unbind(1)
    best, curves = math.inf, (first.s, second.s)
    for begin in _beginnings(first, second, by_first, by_second):
        g, g_steep, misfit = second.rows @ begin, second.slopes @ begin, math.inf
        for _ in range(TURNS):
            before = misfit
            f, f_steep, _ = factor(first, by_first * g_steep, by_second * g)
            g, g_steep, misfit = factor(second, by_second * f_steep, by_first * f)
            if misfit > 0.999 * before:
                break
        if misfit < best:
            best, curves = misfit, (f, g)
    return Node(tuple(group), tuple(c / c.std() for c in curves), best, True) if best < CLEAR else None


def _beginnings(first: Spline, second: Spline, by_first: Tensor, by_second: Tensor) -> Iterator[Tensor]:
    """Yield coefficients of the second curve to begin with.

    The condition holds of all functions of the node, `s_1 h_y = s_2 h_x`, and is linear in their coefficients of
    products of splines: they are the null vectors of a matrix. The smoothest one but for a constant is mostly the
    product itself, and its curves are the first singular vectors of its coefficients. From lines, as was tried before,
    a product like `x sin(3 y)` is not reached.
    """
    left, right = (torch.linalg.inv(upper_of(spline.rows)) for spline in (first, second))
    across = (first.rows @ left)[:, :, None] * (second.slopes @ right * by_first[:, None])[:, None]
    along = (first.slopes @ left * by_second[:, None])[:, :, None] * (second.rows @ right)[:, None]
    null = torch.linalg.svd((across - along).flatten(1), full_matrices=False)[2]
    for row in null.flip(0)[1 : 1 + BEGINNINGS]:
        yield right @ torch.linalg.svd(row.view(len(left), len(right)))[2][0]


def _slope_at_zero(curve: Tensor, steep: Tensor) -> float:
    """Return the steepest slope where a curve passes zero, 0 if it does not."""
    passes = (curve[1:] * curve[:-1] <= 0).nonzero()[:, 0]
    return max((float(steep[k]) for k in passes), key=abs, default=0.0)


def _null(
    group: Sequence[int], splines: Sequence[Spline], slopes: Tensor, crossed: bool
) -> tuple[list[Tensor], float] | None:
    """Return coefficients of splines `g` with `s_i g_j = s_j g_i` (crossed) or `s_i g_i = s_j g_j`, and the misfit."""
    sizes = [splines[k].rows.shape[1] for k in group]
    blocks = []
    for (a, i), (b, j) in itertools.combinations(enumerate(group), 2):
        s_i, s_j = slopes[:, i], slopes[:, j]
        length = (s_i.square() + s_j.square()).sqrt()
        weight = 1 / length.clamp_min(WEAK * length.quantile(0.95))
        row = [slopes.new_zeros(len(slopes), size) for size in sizes]
        row[a] = splines[i].rows * (weight * (s_j if crossed else s_i))[:, None]
        row[b] = -splines[j].rows * (weight * (s_i if crossed else s_j))[:, None]
        blocks.append(torch.cat(row, 1))
    matrix, values = torch.cat(blocks), block_diagonal([splines[k].rows for k in group])
    solution, misfit, following = smallest(matrix, values)
    if not (misfit < MISFIT and misfit < GAP * following):
        return None
    ends = list(itertools.accumulate(sizes, initial=0))
    return [solution[start:end] for start, end in itertools.pairwise(ends)], misfit


def _joined(node: Node, names: Sequence[Tree]) -> Tree:
    """Return the node's formula in the features, each curve by its name, without the constants that drop out."""
    parts = [substitute(name, [Variable(k)]) for k, name in zip(node.features, names, strict=True)]
    return unscaled_product(parts) if node.product else unshifted_sum(parts)
