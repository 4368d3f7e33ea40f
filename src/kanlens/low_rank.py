r"""Laws that are a sum of few products of curves, `x exp(-y) + y cos(pi x)`, inside an outer function.

The number of products is the separation rank (Beylkin & Mohlenkamp, *PNAS* 99, 2002), and the fit a canonical polyadic
decomposition in splines, :mod:`kanlens.decomposition`.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from kanlens.angles import Wave, folded, paired
from kanlens.conditions import least_squares
from kanlens.decomposition import COARSE, NEAR, Decomposition, from_start, kinked, refined, wanted
from kanlens.functions import Function
from kanlens.naming import unshifted_sum
from kanlens.problems import Problem, outers
from kanlens.spans import span_names
from kanlens.trees import Number, Sum, Tree, Variable, add, multiply, substitute, values, whole
from kanlens.univariate import Guess

ROWS = 1000
"""Rows that are looked at, at most."""

FEATURES = 4
"""Features up to which products of all of them are looked for."""

MOST, STARTS = 5, 2
"""Products that are fitted first: nearly every start leads to the least error if they are more than there are. Then
fewer are tried, from this many starts each, as spare ones make the curves less exact."""

AS_GOOD = 2.0
"""How many times the error of more products that of fewer ones may be."""

CANCELS = 4.0
"""Size of all products together, as a share of the target's, from which they cancel more than a law's do."""

FAST = (2, 30)
"""Products and intervals that are tried where coarse splines leave much, as fast waves make them."""

CLOSE = 1e-4
"""Error of finer splines, as a share of the target's size, from which their curves are named."""

OUTERS = 2
"""Outer functions inside which curves are named."""

TERMS = 8
"""Terms of a sum at most: more are a series in products of functions that have no part in the law."""

FAR = 30.0
"""What named curves may leave of the target, in units of the doubt."""

NOTHING = 10.0
"""Size of a product, in units of the doubt, up to which it is not there."""


def low_rank(problem: Problem, functions: Mapping[str, Function]) -> Iterator[list[Guess]]:
    """Yield a sum of up to five products of named curves, then sums inside the outer functions that leave the least."""
    z, t = problem.z[:ROWS], problem.t[:ROWS]
    if not 2 <= problem.size <= FEATURES or len(t) < wanted(MOST, problem.size, COARSE):
        return
    plain, *others = ((outer, outer.forward(t)) for outer in outers(t))
    for some in ([plain], others):
        tried = [(outer, tau, _decomposed(z, tau)) for outer, tau in some]
        found = [(outer, tau, fit) for outer, tau, fit in tried if fit is not None]
        guesses = []
        for outer, tau, coarse in sorted(found, key=lambda one: one[2].error)[:OUTERS]:
            tree = _named(refined(_fewest(coarse, tau), z, tau), z, tau, functions)
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
        if len(tau) >= wanted(count, z.shape[1], intervals):
            fit = from_start(kinked(z, intervals), tau, count, 0)
            if fit.error < NEAR:
                return fit
    return None


def _fewest(most: Decomposition, tau: Tensor) -> Decomposition:
    """Return the decomposition into as few products as leave little more, and do not cancel.

    Two large products with a small difference come as near to a sum of three curves as one likes, ever slower:
    `((1 + e f) (1 + e g) (1 + e h) - 1) / e` (de Silva & Lim, *SIAM J. Matrix Anal. Appl.* 30, 2008).
    """
    for count, start in itertools.product(range(1, most.coef.shape[2]), range(STARTS)):
        fewer = from_start(most.columns, tau, count, start)
        if fewer.error < AS_GOOD * most.error and fewer.cancels() < CANCELS:
            return fewer
    return most


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
