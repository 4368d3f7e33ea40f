"""Laws of one variable that are a product of two functions beside a third, or a sum of three functions.

The gain of all products of two columns of a grid beside each other column takes two products of matrices for a million
triples; of each three kinds of functions the best go on to a fit.
"""

from collections.abc import Iterator, Mapping
from itertools import product

import torch
from torch import Tensor

from kanlens.chains import Chain, Combination, InteractionAndTerm
from kanlens.compounds import ROUNDS, SCALES, Target, centred, fitted, gain, gain_of_sums, members, numbered, tells
from kanlens.enumeration import Columns, of_the_square, of_the_variable
from kanlens.functions import Function
from kanlens.problems import IDENTITY, Problem
from kanlens.univariate import Curve, Guess

Triple = tuple[Chain, Chain, Chain]


def triples(problem: Problem, functions: Mapping[str, Function]) -> Iterator[list[Guess]]:
    """Yield `exp(-s) sin(5 s) + tanh(2 s)` and `exp(-s) + sin(3 s) + s / 3`, then such with functions of the square."""
    curve = Curve.of(problem)
    if not tells(curve, functions):
        return
    target, beside = Target.of(curve, IDENTITY), of_the_variable(curve.s, functions)
    squares = of_the_square(beside, functions)
    yield _products(problem, target, beside, beside, beside)
    yield _sums(problem, target, beside, beside)
    if len(squares.place):
        yield _products(problem, target, beside, squares, beside)
        yield _sums(problem, target, beside, squares)
        yield _products(problem, target, beside, beside, squares)


def _products(problem: Problem, target: Target, beside: Columns, inside: Columns, third: Columns) -> list[Guess]:
    pairs, some = _pairs(beside, inside), target.thinned()
    both = beside.matrix[pairs[:, 0], ::3] * inside.matrix[pairs[:, 1], ::3]
    best = _best(gain_of_sums(third.matrix[:, ::3], both, some), pairs, (beside, inside, third))
    return fitted(problem, target, [InteractionAndTerm(triple) for triple in best])


def _sums(problem: Problem, target: Target, beside: Columns, inside: Columns) -> list[Guess]:
    pairs, some = _pairs(beside, inside), target.thinned()
    best = _best(_gain_of_three(beside, inside, pairs, some), pairs, (beside, inside, beside))
    return fitted(problem, target, [Combination(triple) for triple in best])


def _pairs(beside: Columns, inside: Columns) -> Tensor:
    """Return the places of all pairs of columns, `(pairs, 2)`, each once."""
    pairs = torch.cartesian_prod(torch.arange(len(beside.place)), torch.arange(len(inside.place)))
    return pairs[pairs[:, 0] <= pairs[:, 1]] if inside is beside else pairs


def _gain_of_three(beside: Columns, inside: Columns, pairs: Tensor, target: Target) -> Tensor:
    """Return how much of the target each sum of three columns and a constant explains, `(beside, pairs)`.

    Of columns of one set, each three are looked at in one order.
    """
    first, second, t = (
        centred(columns, target) for columns in (beside.matrix[:, ::3], inside.matrix[:, ::3], target.tau)
    )
    found = []
    for number, unit in enumerate(first / first.norm(dim=1, keepdim=True)):
        p, q, left = (part - (part @ unit)[..., None] * unit for part in (first, second, t))
        explained = gain(
            p.square().sum(1)[:, None], q.square().sum(1)[None], p @ q.mT, (p @ left)[:, None], (q @ left)[None]
        )
        total = explained[pairs[:, 0], pairs[:, 1]] + (t @ unit).square()
        found.append(torch.where(pairs[:, 1] <= number, total, 0.0) if inside is beside else total)
    return torch.stack(found)


def _best(gains: Tensor, pairs: Tensor, columns: tuple[Columns, Columns, Columns]) -> list[Triple]:
    """Return the best triples of each three kinds of functions, by their gains `(third, pairs)`.

    Scales of the third that lie side by side lead to the same fit, so that only the best of its neighbours goes on.
    """
    kinds = [_signed_kind(part) for part in columns]
    both = numbered(kinds[0][pairs[:, 0]] * (1 + int(kinds[1].amax())) + kinds[1][pairs[:, 1]])
    found: list[tuple[float, int, int, int]] = []
    for some, rows in product(members(both), members(numbered(kinds[2]))):
        best, place = gains[rows[:, None], some].max(1)
        peaks = _peaks(best)
        chosen = torch.cat([pairs[some[place[peaks]]], rows[peaks, None]], 1)
        found += [(value, k, m, n) for value, (k, m, n) in zip(best[peaks].tolist(), chosen.tolist(), strict=True)]
    found.sort(reverse=True)
    first, second, third = columns
    return [(first.chain(k), second.chain(m), third.chain(n)) for _, k, m, n in found[: ROUNDS[0][0]]]


def _signed_kind(columns: Columns) -> Tensor:
    """Return a number for the functions that make a column, and for growth or decay, which no fit turns around."""
    return 2 * columns.kind + (columns.letters[:, 0] < 0).long()


def _peaks(best: Tensor) -> Tensor:
    """Return the places of the largest local maxima, a few at most."""
    ends = best.new_full((1,), -1.0)
    around = torch.maximum(torch.cat([ends, best[:-1]]), torch.cat([best[1:], ends]))
    places = (best >= around).nonzero()[:, 0]
    return places[best[places].argsort(descending=True)][:SCALES]
