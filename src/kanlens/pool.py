"""The formulas that a search has found so far, compared by what they leave and how long they are."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from kanlens.budget import Budget
from kanlens.candidates import as_library
from kanlens.constants import is_simple
from kanlens.description import length
from kanlens.flattening import flattened
from kanlens.functions import Function
from kanlens.neighbours import shorter
from kanlens.refit import Rows, left_out, mean_square, merged, refit, without_shifts, without_traces
from kanlens.settings import SearchSettings
from kanlens.trees import Tree, calls, complexity, numbers, shape, values_and_jacobian
from kanlens.turns import price, visible
from kanlens.univariate import Guess

EXACT = 1e-11
"""Error, as a share of the target's deviation, below which a formula is taken for the law itself.

A flexible formula reaches 1e-9 on a curve that is not its own."""

HELD_FROM = 40
"""Rows from which a fifth is held out: fewer than eight say little about an error, and are missed in the fit."""

MOST = 4000
"""Rows that formulas are fitted to at most, in the end with some of those that were held out."""

FEW, QUICK = 240, 12
"""Rows that a formula is first fitted to, and steps that this takes."""

GUESSES = 12
"""Formulas of one kind that are fitted, the likeliest ones."""

MANY, MORE_GUESSES = 150, 40
"""The same under noise, where what they promise says less; those of them that are looked at with fewer constants."""

FINALISTS, MORE_FINALISTS = 3, 8
"""Of those that are fitted to few rows, the ones that are fitted to all but those held out, without and with noise."""

LARGEST = 60
"""Formulas of different shapes that are remembered, the likeliest ones."""

FEW_CONSTANTS, ROWS_EACH = 3, 10
"""Constants of no simple value that a law may have, and rows for each from which it may have more."""

NEGLIGIBLE = 1e-5
"""Error without one of its terms, as a share of the target's deviation, up to which a formula may be a series."""


def _alike(trees: Sequence[Tree]) -> list[list[Tree]]:
    """Return formulas of one shape together, in the order of the first ones."""
    found: dict[str, list[Tree]] = {}
    for tree in trees:
        found.setdefault(shape(tree), []).append(tree)
    return list(found.values())


@dataclass
class Found:
    """Hold a formula, its mean square error and its description length."""

    tree: Tree
    error: float
    bits: float


class Pool:
    """Hold the formulas found so far: the best of each length, and the likeliest of each shape.

    Parameters
    ----------
    rows : Rows
        All different rows. Some are held out, and say in the end how far off the formulas are.
    digits : float
        Round-off of the data, relative to their size.
    settings : SearchSettings
    budget : Budget
        Says when there is no time left to fit, and at which step the likeliest formula was found.
    """

    def __init__(self, rows: Rows, digits: float, settings: SearchSettings, budget: Budget) -> None:
        self.settings, self.budget = settings, budget
        self.functions: dict[str, Function] = as_library(settings.functions)
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(settings.seed))
        self.all = rows.take(order)
        count = len(order) // 5 if len(order) >= HELD_FROM else 0
        self.rows = self.all.take(torch.arange(count, len(order))).first(MOST)
        self.held = self.all.first(count) if count else self.rows
        self.few = self.rows.first(FEW)
        self.variance = self.rows.variance()
        self.exact = max(EXACT**2 * self.variance, (8 * digits * float(rows.y.abs().amax())) ** 2)
        self.best: dict[int, Found] = {}
        self.likeliest: dict[str, Found] = {}
        self.improved = 0
        self._shortest = math.inf
        self._series: dict[Tree, bool] = {}

    @property
    def holds_out(self) -> bool:
        """Tell whether some rows were held out."""
        return self.held is not self.rows

    def allowed(self, tree: Tree) -> bool:
        """Tell whether a formula is short, has no function but those chosen, is right in its units, and can be seen.

        What turns oftener than the rows can tell may be anything.
        """
        units = self.settings.dimensions
        short = complexity(tree) <= self.settings.complexity
        chosen = short and calls(tree) <= self.functions.keys() and (units is None or units.allow(tree))
        return chosen and visible(tree, self.few.x, len(self.rows))

    def fit(self, *trees: Tree) -> bool:
        """Fit formulas to the rows and keep them; return whether one is better than any shorter one."""
        better = [self.keep(*refit(tree, self.rows)) for tree in trees]
        return any(better)

    def consider(self, guesses: Sequence[Guess], noisy: bool) -> bool:
        """Fit the likeliest of some formulas, the short ones of those that promise an exact fit, and keep the best.

        Under noise, a formula is also tried without each of its terms. The value is whether one is better than any
        shorter one.
        """
        whole = [Guess(merged(guess.tree), guess.error) for guess in guesses]
        allowed = [guess for guess in whole if self.allowed(guess.tree)]
        allowed = list(self._different(allowed)) if noisy else allowed
        likeliest = sorted(allowed, key=lambda g: self.bits(g.tree, max(g.error, self.exact)))
        ranked = self._ranked([guess.tree for guess in likeliest[: MANY if noisy else GUESSES]], self.quick_fit)
        if noisy:  # many lose their shifts, and are the same then
            ranked = self._ranked(ranked[:MORE_GUESSES], self._without_shifts)
            ranked = [same[0] for same in _alike(ranked)]
        grown = False
        for place, tree in enumerate(ranked[: MORE_FINALISTS if noisy else FINALISTS]):
            if place and self.budget.late():
                break
            best, error = refit(tree, self.rows)
            grown |= self.keep(best, error)
            if noisy:
                for less in itertools.takewhile(lambda _: not self.budget.late(), shorter(best)):
                    self.keep(*refit(less, self.rows, QUICK))
            if error <= self.exact:
                plain = without_traces(best, self.rows.x)
                flat = flattened(plain, self.rows.x)
                grown |= self.fit(*dict.fromkeys((plain, flat)), *shorter(plain))
        return grown

    def _measured(self, guess: Guess) -> Guess:
        """Return a guess with its error as it is: what was estimated in a transformed target is biased by noise."""
        return guess._replace(error=mean_square(guess.tree, self.few))

    def _different(self, guesses: Sequence[Guess]) -> Iterator[Guess]:
        """Yield guesses with the errors that they have, one of those of a shape that are as close to the data."""
        seen: set[tuple[str, str]] = set()
        for guess in map(self._measured, guesses):
            key = shape(guess.tree), f"{guess.error:.2g}"
            if key not in seen:
                seen.add(key)
                yield guess

    def _ranked(self, trees: Sequence[Tree], fit: Callable[[Tree], tuple[float, Tree]]) -> list[Tree]:
        """Return formulas fitted one by one while time is left, the likeliest first."""
        fitted = [fit(tree) for tree in itertools.takewhile(lambda _: not self.budget.late(), trees)]
        return [tree for _, tree in sorted(fitted, key=lambda pair: pair[0])]

    def quick_fit(self, tree: Tree) -> tuple[float, Tree]:
        """Return what the formula fitted to few rows by few steps takes to describe, and that."""
        tree, error = refit(tree, self.few, QUICK)
        return self.bits(tree, error), tree

    def _without_shifts(self, tree: Tree) -> tuple[float, Tree]:
        """Return the same without the constant terms that make that longer, of a formula that is so fitted."""
        error = mean_square(tree, self.few)
        if error < math.inf:
            tree, error = without_shifts(tree, error, self.few, self.bits, QUICK)
        return self.bits(tree, error), tree

    def keep(self, tree: Tree, error: float) -> bool:
        """Remember a formula; return whether no shorter one is as good."""
        size, floor = complexity(tree), self.exact  # below which errors do not differ
        if size > 1 and not self.allowed(tree):
            return False
        kept = Found(tree, error, self.bits(tree, error))
        self._remember(kept)
        smaller = (max(b.error, floor) for c, b in self.best.items() if c <= size)
        if not max(error, floor) < min(smaller, default=math.inf):
            return False
        self.best[size] = kept
        for longer in [c for c, b in self.best.items() if c > size and max(b.error, floor) >= error]:
            del self.best[longer]
        return True

    def _remember(self, kept: Found) -> None:
        """Put a formula among the likeliest ones, of which each shape has one."""
        key = shape(kept.tree)
        if not kept.error < math.inf or (key in self.likeliest and self.likeliest[key].bits <= kept.bits):
            return
        self.likeliest[key] = kept
        if kept.bits < self._shortest - 1:
            self._shortest, self.improved = kept.bits, self.budget.spent
        if len(self.likeliest) > 2 * LARGEST:
            self.likeliest = dict(sorted(self.likeliest.items(), key=lambda item: item[1].bits)[:LARGEST])

    def bits(self, tree: Tree, error: float, own: int = 0) -> float:
        """Return the description length of the data by a formula, which has constants for some rows of their own."""
        floor = (1e-13 * float(self.rows.y.abs().amax())) ** 2 + 1e-300
        count = len(self.rows)
        unexplained = 0.5 * (count - own) * math.log2(max(error, floor) / max(self.variance, floor))
        return unexplained + length(tree, count) + price(tree, self.few.x)

    def bits_left_out(self, tree: Tree) -> float:
        """Return the same by the error at rows left out; what a row's own constant explains is no evidence."""
        return self.bits(tree, *left_out(tree, self.rows))

    def shortest_exact(self) -> Tree | None:
        """Return the shortest formula that leaves no more than round-off, None if there is none."""
        exact = [best for best in self.best.values() if best.error <= self.exact]
        return min(exact, key=lambda best: best.bits).tree if exact else None

    def decimals(self, tree: Tree) -> int:
        """Return how many constants have no simple value, but for those that could, as others make up for them."""
        free = [number.value for number in numbers(tree) if number.exact is None]
        jacobian = values_and_jacobian(tree, self.few.x)[1]
        if not jacobian.isfinite().all():
            return len(free)
        unit = jacobian / jacobian.norm(dim=0).clamp_min(1e-300)
        rank = int(torch.linalg.matrix_rank(unit, rtol=1e-9))
        return sum(not is_simple(value) for value in free) - (len(free) - rank)

    def may_be_series(self, tree: Tree) -> bool:
        """Tell whether an exact formula may be another function's series, or pass through few rows by chance.

        It then has many constants of no simple value. The terms of a series become smaller one by one, so that the
        last one matters little; without any term of a law, next to nothing is left of its accuracy.
        """
        if tree not in self._series:
            count = self.decimals(tree)
            self._series[tree] = count > FEW_CONSTANTS and (
                ROWS_EACH * count > len(self.rows)
                or any(refit(less, self.few, QUICK)[1] < NEGLIGIBLE**2 * self.variance for less in shorter(tree))
            )
        return self._series[tree]

    def rivals(self) -> list[Found]:
        """Return the likeliest formulas, one of those that are the same function in other words."""
        found: dict[str, Found] = {}
        ranked = self.likeliest.values()
        for best in sorted(ranked, key=lambda b: b.bits if self.holds_out else self.bits_left_out(b.tree)):
            found.setdefault(f"{best.error:.6g}" if best.error > self.exact else shape(best.tree), best)
        return list(found.values())
