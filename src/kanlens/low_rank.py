r"""Laws that are a sum of few products of curves, `x exp(-y) + y cos(pi x)`, inside an outer function.

The number of products is the separation rank (Beylkin & Mohlenkamp, *PNAS* 99, 2002), and the fit a canonical polyadic
decomposition in splines. All curves take damped Gauss-Newton steps together (Sorber, Van Barel & De Lathauwer, *SIAM J.
Optim.* 23, 2013): in turns, as :mod:`kanlens.nodes` fits a single product, most fits of a sum end in a valley.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.angles import Wave, folded, paired
from kanlens.bases import BSpline
from kanlens.budget import look
from kanlens.conditions import least_squares, upper_of
from kanlens.functions import Function
from kanlens.naming import unshifted_sum
from kanlens.problems import Problem, outers
from kanlens.spans import span_names
from kanlens.spreading import evenly
from kanlens.trees import Number, Sum, Tree, Variable, add, multiply, substitute, values, whole
from kanlens.univariate import Guess

ROWS, EACH = 1000, 2
"""Rows that are looked at, at most, and rows for each coefficient at least."""

FEATURES = 4
"""Features up to which products of all of them are looked for."""

MOST, STARTS = 5, 2
"""Products that are fitted first: nearly every start leads to the least error if they are more than there are. Then
fewer are tried, from this many starts each, as spare ones make the curves less exact."""

AS_GOOD = 2.0
"""How many times the error of more products that of fewer ones may be."""

CANCELS = 4.0
"""Size of all products together, as a share of the target's, from which they cancel more than a law's do."""

COARSE, FINER = 6, (12, 20, 30, 45, 64)
"""Intervals of the splines, and those of finer ones once there are curves to begin with."""

UNIFORMITY = 0.5
"""How evenly knots lie; the rest follows the rows, as products of columns crowd near zero."""

FAST = (2, 30)
"""Products and intervals that are tried where coarse splines leave much, as fast waves make them."""

KINKS = 3
"""Functions of a feature that have a kink or a cusp at 0, the absolute value first."""

STEPS, PAUSE, GAIN = 60, 6, 0.2
"""Gauss-Newton steps; steps in which the error has to fall by this share, or they end."""

HOPELESS = 24
"""Steps after which an error that is not below :data:`NEAR` is given up."""

NEAR, CLOSE = 0.02, 1e-4
"""Error of coarse splines, and of finer ones, as a share of the target's size, from which it is followed and named."""

ABOVE, SMALLEST = 300.0, 2e-5
"""Singular values of curves that count, in units of the error, and the least that is told from round-off."""

OUTERS = 2
"""Outer functions inside which curves are named."""

DOUBT, LEAST_DOUBT = 3.0, 1e-6
"""How far off the curves are, in units of the error as a share of their size, and how far at least."""

TERMS = 8
"""Terms of a sum at most: more are a series in products of functions that have no part in the law."""

FAR = 30.0
"""What named curves may leave of the target, in units of the doubt."""

NOTHING = 10.0
"""Size of a product, in units of the doubt, up to which it is not there."""


class Decomposition(NamedTuple):
    """Hold splines at the rows `(features, rows, size)`, coefficients `(features, size, products)`, and the error."""

    columns: Tensor
    coef: Tensor
    error: float

    def cancels(self) -> float:
        """Return the size of all products together, as a share of the target's."""
        return float((self.columns @ self.coef).prod(0).square().mean(0).sqrt().sum())

    def span(self, k: int) -> tuple[Tensor, float]:
        """Return curves `(rows, count)` of which a feature's curves are mixtures, and how far off they are, as a share.

        The size of each is that of all that is multiplied by it.
        """
        others = torch.stack([c.mT @ c for j, c in enumerate(self.coef) if j != k]).prod(0)
        root = torch.linalg.eigh(others)
        weighed = self.coef[k] @ (root.eigenvectors * root.eigenvalues.clamp_min(0).sqrt())
        left, size, _ = torch.linalg.svd(weighed, full_matrices=False)
        count = max(1, int((size > max(ABOVE * self.error, SMALLEST)).sum()))
        return self.columns[k] @ left[:, :count], max(DOUBT * self.error / float(size[count - 1]), LEAST_DOUBT)


def low_rank(problem: Problem, functions: Mapping[str, Function]) -> Iterator[list[Guess]]:
    """Yield a sum of up to five products of named curves, then sums inside the outer functions that leave the least."""
    z, t = problem.z[:ROWS], problem.t[:ROWS]
    if not 2 <= problem.size <= FEATURES or len(t) < _wanted(MOST, problem.size, COARSE):
        return
    plain, *others = ((outer, outer.forward(t)) for outer in outers(t))
    for some in ([plain], others):
        tried = [(outer, tau, _decomposed(z, tau)) for outer, tau in some]
        found = [(outer, tau, fit) for outer, tau, fit in tried if fit is not None]
        guesses = []
        for outer, tau, coarse in sorted(found, key=lambda one: one[2].error)[:OUTERS]:
            tree = _named(_refined(_fewest(coarse, tau), z, tau), z, tau, functions)
            guesses += [] if tree is None else [Guess(problem.formula(outer.inverse(tree)), 0.0)]
        yield guesses


def _named(fit: Decomposition, z: Tensor, tau: Tensor, functions: Mapping[str, Function]) -> Tree | None:
    """Return the sum of products of named curves; None if a curve has no name, or they leave too much."""
    if not fit.error < CLOSE:
        return None
    names: list[list[Tree]] = []
    doubt = 0.0
    for k, s in enumerate(z.unbind(1)):
        curves, off = fit.span(k)
        found = span_names(s, curves, off, functions)
        if found is None:
            return None
        names, doubt = [*names, found], max(doubt, off)
    tree, left = _sum(names, z, tau, doubt)
    return tree if left < FAR * doubt else None


def _decomposed(z: Tensor, tau: Tensor) -> Decomposition | None:
    """Return a target as a sum of products of coarse curves, or of fewer fine ones; None if it is neither."""
    for count, intervals in ((MOST, COARSE), FAST):
        if len(tau) >= _wanted(count, z.shape[1], intervals):
            fit = _from_start(_splines(z, intervals), tau, count, 0)
            if fit.error < NEAR:
                return fit
    return None


def _fewest(most: Decomposition, tau: Tensor) -> Decomposition:
    """Return the decomposition into as few products as leave little more, and do not cancel.

    Two large products with a small difference come as near to a sum of three curves as one likes, ever slower:
    `((1 + e f) (1 + e g) (1 + e h) - 1) / e` (de Silva & Lim, *SIAM J. Matrix Anal. Appl.* 30, 2008).
    """
    for count, start in itertools.product(range(1, most.coef.shape[2]), range(STARTS)):
        fewer = _from_start(most.columns, tau, count, start)
        if fewer.error < AS_GOOD * most.error and fewer.cancels() < CANCELS:
            return fewer
    return most


def _from_start(columns: Tensor, tau: Tensor, count: int, start: int) -> Decomposition:
    """Return the decomposition from coefficients drawn at random, whose sum of products has unit size."""
    shape = (*columns.shape[::2], count)
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(start), dtype=tau.dtype)
    return _stepped(columns, _scaled(tau), drawn * (count * shape[1]) ** (-0.5 / len(columns)))


def _scaled(tau: Tensor) -> Tensor:
    """Return the target in units of its size."""
    return tau / tau.square().mean().sqrt()


def _refined(fit: Decomposition, z: Tensor, tau: Tensor) -> Decomposition:
    """Return the same with finer splines for as long as these leave less."""
    tau = _scaled(tau)
    for intervals in FINER:
        if _size(intervals) <= fit.columns.shape[2]:
            continue
        if len(tau) < _wanted(fit.coef.shape[2], len(fit.coef), intervals):
            break
        columns = _splines(z, intervals)
        curves = fit.columns @ fit.coef
        finer = _stepped(columns, tau, columns.mT @ curves / len(tau))
        if not finer.error < fit.error:
            break
        fit = finer
    return fit


def _wanted(products: int, features: int, intervals: int) -> int:
    """Return how many rows a fit wants."""
    return EACH * products * features * _size(intervals)


def _size(intervals: int) -> int:
    """Return how many splines there are of a feature."""
    return BSpline(degree=5, intervals=intervals).size + KINKS


def _splines(z: Tensor, intervals: int) -> Tensor:
    """Return splines of all features at the rows, `(features, rows, size)`, orthonormal there, with a kink at 0."""
    basis, at = BSpline(degree=5, intervals=intervals), evenly(z).at
    kink = torch.where((at.amin(0) < 0) & (at.amax(0) > 0), at.abs(), 0.0)
    kinks = torch.stack([kink, kink * at, kink.sqrt()], 2)
    dense = torch.cat([basis.values(at, basis.adapted(at, UNIFORMITY)), kinks], 2)
    return torch.stack([part @ torch.linalg.inv(upper_of(part)) * len(z) ** 0.5 for part in dense.unbind(1)])


class _Point(NamedTuple):
    """Hold coefficients, the curves `(features, rows, products)` that they make, and what these leave `(rows,)`."""

    coef: Tensor
    curves: Tensor
    left: Tensor

    @classmethod
    def of(cls, columns: Tensor, tau: Tensor, coef: Tensor) -> "_Point":
        """Return the point at some coefficients."""
        curves = columns @ coef
        return cls(coef, curves, tau - curves.prod(0).sum(1))

    @property
    def error(self) -> float:
        """Return the root mean square of what is left."""
        return float(self.left.square().mean().sqrt())


def _stepped(columns: Tensor, tau: Tensor, coef: Tensor) -> Decomposition:
    """Return the decomposition after damped Gauss-Newton steps in all coefficients."""
    at, damping, before = _Point.of(columns, tau, coef), 1e-2, math.inf
    for step in range(STEPS):
        look()
        if step % PAUSE == 0:
            if at.error > (1 - GAIN) * before or (step >= HOPELESS and at.error > NEAR):
                break
            before = at.error
        moved, damping = _step(columns, tau, at, damping)
        if moved is None:
            break
        at = moved
    return Decomposition(columns, at.coef, at.error * (len(tau) / (len(tau) - coef.numel())) ** 0.5)


def _step(columns: Tensor, tau: Tensor, at: _Point, damping: float) -> tuple[_Point | None, float]:
    """Return a point that leaves less, and the next damping; None if there is none."""
    others = [_others(at.curves, k) for k in range(len(columns))]
    blocks = [(part[:, :, None] * o[:, None]).flatten(1) for part, o in zip(columns, others, strict=True)]
    jacobian = torch.cat(blocks, 1)
    gram, slope = jacobian.mT @ jacobian / len(tau), jacobian.mT @ at.left / len(tau)
    while damping < 1e6:
        damped = gram + damping * torch.eye(len(gram), dtype=gram.dtype)
        move = torch.linalg.solve(damped, slope).view(len(columns), columns.shape[2], -1)
        trial = _Point.of(columns, tau, _balanced(at.coef + move))
        if trial.error < at.error:
            return trial, max(damping / 5, 1e-12)
        damping *= 4
    return None, damping


def _balanced(coef: Tensor) -> Tensor:
    """Return the coefficients with the curves of each product of one size: only that of the product is known."""
    size = coef.norm(dim=1, keepdim=True).clamp_min(1e-150)
    balanced: Tensor = coef / size * size.log().mean(0, keepdim=True).exp()
    return balanced


def _others(curves: Tensor, k: int) -> Tensor:
    """Return the products of the curves of all features but one, `(rows, products)`."""
    return torch.cat([curves[:k], curves[k + 1 :]]).prod(0)


def _sum(sides: list[list[Tree]], z: Tensor, tau: Tensor, doubt: float) -> tuple[Tree, float]:
    """Return the sum of few products of names, and of constants, that is closest to a target, and what it leaves."""
    placed = [[substitute(unshifted_sum([name]), [Variable(k)]) for name in names] for k, names in enumerate(sides)]
    one: Tree = whole(1)
    kinds, waves = [folded([[one, *names] for names in placed])], [paired(names) for names in placed]
    if sum(some != names for some, names in zip(waves, placed, strict=True)) > 1:  # as many as products, or fewer
        kinds.append(folded([[one, *some] for some in waves]))
    found = [_closest(entries, z, tau, doubt) for entries in kinds]
    terms, left = min(found, key=lambda one: (not one[1] < FAR * doubt, len(one[0])))
    return add(*terms), left if len(terms) <= TERMS else math.inf


def _closest(entries: Sequence[Tree | Wave], z: Tensor, tau: Tensor, doubt: float) -> tuple[list[Tree], float]:
    """Return those multiples of entries that are there in the sum closest to a target, and what this leaves."""
    sides = [entry.sides if isinstance(entry, Wave) else (entry,) for entry in entries]
    columns = torch.stack([values(tree, z) for tree in itertools.chain(*sides)], 1)
    size = (least_squares(columns, tau) * columns).square().mean(0).sqrt()
    there = size > NOTHING * doubt * tau.std()
    coef = torch.zeros_like(size)
    coef[there] = least_squares(columns[:, there], tau)
    left = float((columns @ coef - tau).square().mean().sqrt() / tau.square().mean().sqrt())
    parts = torch.split(coef, [len(side) for side in sides])
    found = zip(entries, sides, (part.tolist() for part in parts), strict=True)
    return [_multiple(*one) for one in found if any(one[2])], left


def _multiple(entry: Tree | Wave, sides: Sequence[Tree], coef: Sequence[float]) -> Tree:
    """Return a multiple of an entry, a sine or a cosine without a shift if it is one."""
    if isinstance(entry, Wave) and all(coef):
        return entry.mixed(*coef)
    c, side = next((c, side) for c, side in zip(coef, sides, strict=True) if c)
    return add(*(multiply(Number(c), term) for term in (side.terms if isinstance(side, Sum) else (side,))))
