"""Formulas for tables without a law: few straight lines, bends and steps of the columns, and products of two.

Friedman's splines (1991) are of this kind. They promise no law; but what they leave is a fair measure for the formulas
that do, and a step or a bend may be the law itself.
"""

import itertools
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from kanlens.functions import Function
from kanlens.problems import Problem
from kanlens.sparse import best_subsets, coefficients
from kanlens.trees import Call, Number, Tree, Variable, add, multiply, raise_to, values
from kanlens.univariate import Guess

ROWS = 2000
"""Rows that the terms are chosen on."""

MOST = 8
"""Terms of a sum."""

BENDS, STEPS = 9, 99
"""Places in each column at which a line may bend, and at which there may be a step."""

FEATURES = 1500
"""Terms that are compared; of many columns, fewer places are."""

KEPT = 3
"""Sums of each length that become formulas."""


def hinges(problem: Problem, functions: Mapping[str, Function]) -> Iterator[list[Guess]]:
    """Yield sums of one, two, ... terms, the likeliest of each length together."""
    z, t, felt = problem.z[:ROWS], problem.t[:ROWS], problem.felt()[:ROWS]
    trees = _terms(z, functions)
    columns = torch.stack([values(tree, z) for tree in trees], 1)
    subsets = best_subsets(columns, t, felt, min(MOST, len(t) // 10))
    for _, same in itertools.groupby(subsets, key=lambda subset: len(subset.features)):
        guesses = []
        for features, left in sorted(same, key=lambda subset: subset.left)[:KEPT]:
            *c, d = coefficients(columns[:, list(features)], t, felt)
            terms = [multiply(Number(ck), trees[k]) for ck, k in zip(c, features, strict=True)]
            guesses.append(Guess(problem.formula(add(*terms, Number(d))), left))
        yield guesses


def _terms(z: Tensor, functions: Mapping[str, Function]) -> list[Tree]:
    """Return lines, squares, products of two columns, bends to both sides, and steps."""
    size = z.shape[1]
    share = min(1.0, FEATURES / (size * (2 * BENDS + STEPS)))
    x: list[Tree] = [Variable(k) for k in range(size)]
    trees = [*x, *(raise_to(v, 2) for v in x)]
    if size**2 < FEATURES:
        trees += [multiply(u, v) for u, v in itertools.combinations(x, 2)]
    for v, column in zip(x, z.unbind(1), strict=True):
        if relu := functions.get("relu"):
            for knot in _places(column, max(1, int(BENDS * share))):
                trees += [Call(relu, add(v, Number(-knot))), Call(relu, add(Number(knot), multiply(Number(-1.0), v)))]
        if sign := functions.get("sgn"):
            trees += [Call(sign, add(v, Number(-knot))) for knot in _places(column, max(1, int(STEPS * share)))]
    return trees


def _places(column: Tensor, count: int) -> list[float]:
    """Return places between the values of a column, as many rows on each side as there are places."""
    distinct = torch.unique(column)
    between = (distinct[1:] + distinct[:-1]) / 2
    if len(between) <= count:
        return [float(place) for place in between]
    shares = torch.linspace(0, 1, count + 2, dtype=column.dtype)[1:-1]
    near = torch.searchsorted(between, column.quantile(shares)).clamp_max(len(between) - 1)
    return [float(place) for place in between[torch.unique(near)]]
