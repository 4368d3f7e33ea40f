"""Names for curves that were read off data: short formulas as exact as the curve is known."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from kanlens.compounds import nested, pairs
from kanlens.constants import nearby
from kanlens.flattening import flattened
from kanlens.functions import Function
from kanlens.neighbours import shorter
from kanlens.problems import Problem
from kanlens.refit import Rows, refit
from kanlens.trees import (
    Number,
    Product,
    Sum,
    Tree,
    add,
    complexity,
    multiply,
    numbers,
    tidy,
    values,
    with_numbers,
)
from kanlens.univariate import Guess, univariate

LEAST = 1e-7
"""How far off a curve is at least, as a share of its deviation."""

SHORT = 30.0
"""How much larger than thought the doubt is for short names."""

NEARLY = 10.0
"""How much larger it may be for names that make trying pairs of functions, which takes a second, needless."""

PLAIN = 14
"""Symbols up to which a formula that fits a curve as well as it is known ends the search for others."""


class Names(NamedTuple):
    """Hold formulas of a curve, in Variable(0): those that fit as well as it is known, and shorter ones."""

    likely: list[Tree]
    short: list[Tree]


def curve_names(
    s: Tensor, part: Tensor, functions: Mapping[str, Function], doubt: float = 3e-5, plain: bool = False
) -> Names:
    """Return the likeliest formulas of a curve, short ones first where they are as good.

    `doubt` is how far off the curve itself is, as a share of its deviation: it was read off splines. It is
    underestimated at times, and then a few decimals too many pay, so that short names are those at a larger doubt.
    `plain` names are single functions of the variable, found in a tenth of the time.
    """
    rows = Rows(s[:, None], part)
    floor = max(doubt, LEAST) ** 2 * rows.variance() + 1e-300

    def price(tree: Tree, error: float, floor: float = floor) -> float:
        return 10 * math.log2(error + floor) + 4 * complexity(tree)

    fitted: dict[Tree, float] = {}
    kinds = itertools.islice(_kinds(Problem.of(rows), functions), 1 if plain else None)
    for number, guesses in enumerate(kinds):
        likeliest = sorted(guesses, key=lambda g: price(*g))[:10]
        found = [refit(guess.tree, rows.first(200), 8) for guess in likeliest]
        plainer = [(tree, flattened(tree, rows.x)) for tree, _ in found]
        fitted |= dict([*found, *(refit(flat, rows.first(200), 8) for tree, flat in plainer if flat != tree)])
        enough = (2 if number < 3 else NEARLY**2) * floor  # what takes long needs more reason
        if any(error <= enough and complexity(tree) <= PLAIN for tree, error in fitted.items()):
            break
    likely, short = (
        _different(sorted(fitted, key=lambda tree: price(tree, fitted[tree], size)), rows)[:count]
        for size, count in ((floor, 4), (SHORT**2 * floor, 2))
    )
    short = [_shortened(tree, rows.first(200), SHORT**2 * floor) for tree in short]
    both = {
        tree: (snapped(tree, lambda trial: refit(trial, rows, 8), floor), tree)
        for tree in dict.fromkeys((*likely, *short))
    }
    return Names(*(list(dict.fromkeys(name for tree in best for name in both[tree])) for best in (likely, short)))


def _shortened(tree: Tree, rows: Rows, allowed: float) -> Tree:
    """Return the formula without the terms that it can do without, shifts inside functions among them."""
    for less in shorter(tree):
        trial, error = refit(less, rows, 8)
        if error <= allowed:
            return _shortened(trial, rows, allowed)
    return tree


def curve_choices(
    curves: Sequence[tuple[Tensor, Tensor]],
    functions: Mapping[str, Function],
    doubts: Sequence[float],
    plain: bool = False,
) -> Iterator[tuple[Tree, ...]]:
    """Yield names for several curves `(s, part)`, the likeliest of all, the shortest of all, and so on in turn."""
    names = [curve_names(*curve, functions, doubt, plain) for curve, doubt in zip(curves, doubts, strict=True)]
    kinds = (simplest_first([n.likely for n in names]), simplest_first([n.short for n in names]))
    seen: set[tuple[Tree, ...]] = set()
    for choice in (choice for two in itertools.zip_longest(*kinds) for choice in two):
        if choice is not None and choice not in seen:
            seen.add(choice)
            yield choice


def _kinds(problem: Problem, functions: Mapping[str, Function]) -> Iterator[list[Guess]]:
    """Yield guesses for a curve, plain ones first. Three functions inside each other take seconds for each curve."""
    kinds = univariate(problem, functions, most=2)
    yield from itertools.islice(kinds, 3)
    yield from itertools.islice(nested(problem, functions), 1)
    yield from itertools.islice(pairs(problem, functions), 2)


def _different(trees: Sequence[Tree], rows: Rows) -> list[Tree]:
    """Return the formulas that are not one before them in other words, as a sine is a cosine."""
    kept: dict[Tree, Tensor] = {}
    for tree in trees:
        found = values(tree, rows.x)
        near = 1e-9 * float(found.abs().amax())
        if not any(float((found - other).abs().amax()) <= near for other in kept.values()):
            kept[tree] = found
    return list(kept)


def snapped(tree: Tree, fit: Callable[[Tree], tuple[Tree, float]], floor: float) -> Tree:
    """Return the formula with constants made simple where the curve allows it, as `fit` says by a mean square error.

    A curve is known to three or four digits; with the right constants, what is left to explain is as exact as the data.
    """
    tree, error = fit(tree)
    for place, number in enumerate(numbers(tree)):
        if number.exact is not None:
            continue
        for constant in nearby(number.value, 2e-3 * abs(number.value) + 1e-3):
            found = numbers(tree)
            changed = [Number(constant.value, constant) if j == place else n for j, n in enumerate(found)]
            trial, there = fit(with_numbers(tree, changed))
            if there <= 3 * error + floor:
                tree = trial
                break
    return tidy(tree)


def simplest_first(names: Sequence[Sequence[Tree]]) -> Iterator[tuple[Tree, ...]]:
    """Yield choices of one name for each curve, those of high rank first."""
    ranks = itertools.product(*(range(len(trees)) for trees in names))
    for rank in sorted(ranks, key=sum):
        yield tuple(trees[k] for trees, k in zip(names, rank, strict=True))


def unscaled_product(trees: Iterable[Tree]) -> Tree:
    """Return the product of named curves without its constant factors, which drop out in the function around it."""
    factors = [factor for tree in trees for factor in (tree.factors if isinstance(tree, Product) else (tree,))]
    return multiply(*(factor for factor in factors if not isinstance(factor, Number)))


def unshifted_sum(trees: Iterable[Tree]) -> Tree:
    """Return the sum of named curves without its constant terms, which drop out in the function around it."""
    total = add(*trees)
    terms = total.terms if isinstance(total, Sum) else (total,)
    return add(*(term for term in terms if not isinstance(term, Number)))
