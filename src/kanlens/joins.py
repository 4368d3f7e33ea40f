r"""Join features that the law feels only together, whatever the functions of them: sums and products of curves.

If :math:`t = h(F_1(z_1) + F_2(z_2), \ldots)`, then :math:`\partial_1 t\,F_2' = \partial_2 t\,F_1'` everywhere: linear
in the two slopes, so that splines for them are the null vector of a matrix, without start or outer function to guess.
If :math:`t = h(f_1(z_1) f_2(z_2), \ldots)`, the same holds of :math:`P_k = f_k / f_k'` with
:math:`\partial_1 t\,P_1 = \partial_2 t\,P_2`, also where a factor passes zero. It is the test for a node of a network:
a sum or a product of edges.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.functions import Function
from kanlens.naming import curve_names, simplest_first, unscaled_product, unshifted_sum
from kanlens.problems import Problem
from kanlens.surrogate import Surrogate
from kanlens.trees import Call, Tree, Variable, substitute

BASIS = BSpline(degree=5, intervals=8)

FINE = 801
"""Points of a curve that is integrated."""

MISFIT = 0.03
"""Smallest singular value, functions having unit size, up to which features may belong together."""

GAP = 0.2
"""The same as a share of the next one: with two solutions there is no telling."""

DOUBT = 5.0
"""How far off a curve may be, in units of the misfit of its node."""

NAMED = 3
"""Choices of names for the curves of a node that become problems."""

RIM = 0.04
"""Share of a feature's range at either end that is the rim."""

ROWS = 30
"""Rows that each feature takes: a curve has thirteen coefficients."""

WEAK = 0.03
"""Share of the largest slope from which on rows count alike: a small slope is known no better than a large one."""


class Node(NamedTuple):
    """Hold the features of a node, each one's curve at the rows, how far they are off, and whether they multiply."""

    features: tuple[int, ...]
    curves: tuple[Tensor, ...]
    misfit: float
    product: bool


def joins(
    problem: Problem, smooth: Surrogate, together: Sequence[Node], functions: Mapping[str, Function]
) -> Iterator[tuple[float, Problem]]:
    """Yield problems in which the features of a node have become one, with the misfit."""
    z = problem.z[smooth.rows]
    z = z[interior(z)]
    for node in together:
        names = [
            curve_names(z[:, k], curve, functions, DOUBT * node.misfit / float(curve.std()))
            for k, curve in zip(node.features, node.curves, strict=True)
        ]
        others = [Variable(k) for k in range(problem.size) if k not in node.features]
        for choice in itertools.islice(simplest_first(names), NAMED):
            smaller = problem.reduced([_joined(node, choice), *others])
            if smaller is not None:
                yield node.misfit, smaller


def interior(z: Tensor) -> Tensor:
    """Return the rows away from the rim of the data, where a stand-in's slopes are ten times less exact."""
    low, high = z.amin(0), z.amax(0)
    inside = ((z > low + RIM * (high - low)) & (z < high - RIM * (high - low))).all(1)
    rows = inside.nonzero()[:, 0]
    return rows if len(rows) > len(z) // 2 else torch.arange(len(z))


def nodes(z: Tensor, slopes: Tensor) -> list[Node]:
    """Return the sums and products that features `(rows, d)` may belong to, large ones first, then those that fit best.

    Only pairs are tried, and groups of which all pairs fit.
    """
    size = z.shape[1]
    if len(z) < ROWS * size:
        return []
    splines = [_Spline.of(z[:, k]) for k in range(size)]
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


class _Spline(NamedTuple):
    """Hold a basis at a feature's rows `(rows, size)`, its derivative there, and both on a fine grid."""

    rows: Tensor
    s: Tensor
    fine: Tensor
    at_fine: Tensor
    steep: Tensor

    @classmethod
    def of(cls, s: Tensor) -> "_Spline":
        grid = BASIS.grid(s.amin()[None], s.amax()[None])
        fine = torch.linspace(float(s.amin()), float(s.amax()), FINE, dtype=s.dtype)
        at_fine, steep = BASIS.values_and_slopes(fine[:, None], grid)
        return cls(BASIS.values(s[:, None], grid)[:, 0], s, fine, at_fine[:, 0], steep[:, 0])

    def at_rows(self, curve: Tensor) -> Tensor:
        """Return a curve on the fine grid at the rows."""
        place = ((self.s - self.fine[0]) / (self.fine[1] - self.fine[0])).clamp(0, FINE - 1.001)
        low = place.long()
        return torch.lerp(curve[low], curve[low + 1], place - low)


def _sum(group: Sequence[int], splines: Sequence[_Spline], slopes: Tensor) -> Node | None:
    """Return the curves of which the law feels the sum."""
    solved = _null(group, splines, slopes, crossed=True)
    if solved is None:
        return None
    steep, misfit = solved
    curves = []
    for k, slope in zip(group, steep, strict=True):
        fine = splines[k].fine
        curve = torch.cat([slope.new_zeros(1), torch.cumulative_trapezoid(splines[k].at_fine @ slope, fine)])
        curves.append(splines[k].at_rows(curve))
    unit = max(float(curve.std()) for curve in curves)
    return Node(tuple(group), tuple(curve / unit for curve in curves), misfit, False)


def _product(group: Sequence[int], splines: Sequence[_Spline], slopes: Tensor) -> Node | None:
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
        factors.append(_smallest(matrix, spline.at_fine)[0])
    curves = [splines[k].rows @ factor for k, factor in zip(group, factors, strict=True)]
    return Node(tuple(group), tuple(curve / curve.std() for curve in curves), misfit, True)


def _slope_at_zero(curve: Tensor, steep: Tensor) -> float:
    """Return the steepest slope where a curve passes zero, 0 if it does not."""
    passes = (curve[1:] * curve[:-1] <= 0).nonzero()[:, 0]
    return max((float(steep[k]) for k in passes), key=abs, default=0.0)


def _null(
    group: Sequence[int], splines: Sequence[_Spline], slopes: Tensor, crossed: bool
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
    matrix, values = torch.cat(blocks), _block_diagonal([splines[k].rows for k in group])
    solution, misfit, following = _smallest(matrix, values)
    if not (misfit < MISFIT and misfit < GAP * following):
        return None
    ends = list(itertools.accumulate(sizes, initial=0))
    return [solution[start:end] for start, end in itertools.pairwise(ends)], misfit


def _block_diagonal(blocks: Sequence[Tensor]) -> Tensor:
    whole: Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]
    return whole


def _smallest(matrix: Tensor, values: Tensor) -> tuple[Tensor, float, float]:
    """Return the coefficients for which a matrix is smallest while the functions have unit size, and how small.

    The third number is the second smallest size.
    """
    ridge = 1e-9 * values.norm() * torch.eye(values.shape[1], dtype=values.dtype)
    upper = torch.linalg.qr(torch.cat([values, ridge]))[1]
    scaled = torch.linalg.solve_triangular(upper, matrix, upper=True, left=False)
    _, singular, right = torch.linalg.svd(scaled, full_matrices=False)
    solution = torch.linalg.solve_triangular(upper, right[-1][:, None], upper=True)[:, 0]
    return solution, float(singular[-1]), float(singular[-2])


def _joined(node: Node, names: Sequence[Tree]) -> Tree:
    """Return the node's formula in the features, each curve by its name, without the constants that drop out."""
    parts = [substitute(name, [Variable(k)]) for k, name in zip(node.features, names, strict=True)]
    return unscaled_product(parts) if node.product else unshifted_sum(parts)
