"""What a search says in the end: the formulas it has found, the likeliest ones in a form for readers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kanlens.constants import named_products
from kanlens.description import SYMBOL
from kanlens.front import Equation, Front
from kanlens.pool import MOST, Found, Pool
from kanlens.presentation import MOST_CONSTANTS, expression, presentable
from kanlens.refit import free_constants, left_out, mean_square, shortened
from kanlens.trees import Tree, complexity, planted, symbolic

if TYPE_CHECKING:
    from sympy import Expr

SHORT = 24
"""Symbols up to which an exact formula is taken as it is."""

SHOWN = 3
"""Formulas that are brought into a form for readers; it takes a fraction of a second each."""

RIVALS = 40
"""Formulas whose constants are named where no law is exact, which takes a tenth of a second each.

Which is the likeliest changes by it: a law of no constants of its own may be the twentieth while they are fitted."""


@dataclass(frozen=True)
class Verdict:
    """Hold formulas and the names of the columns, and bring both together in a front."""

    pool: Pool
    names: Sequence[str]
    _shown: dict[Tree, Tree] = field(default_factory=dict, init=False)
    _written: "dict[Tree, Expr]" = field(default_factory=dict, init=False)

    def so_far(self) -> Front:
        """Return the formulas as they were fitted."""
        return self._front([], [], exact=False, stop="")

    def final(self, exact: bool, stop: str) -> Front:
        """Return the formulas, the likeliest ones with names for their constants.

        Under noise several formulas explain the data as well. Which is the likeliest shows when their constants have
        names.
        """
        try:
            rivals = self.pool.rivals()[: SHOWN if exact else RIVALS]
            if exact:  # beside a law, nobody asks what the constants of anything else may be
                rivals = [best for best in rivals if best.error <= self.pool.exact] or rivals[:1]
            named = self._named_in_time(rivals)
            ranked, known = sorted(named, key=lambda n: n[0]), {tree for _, _, tree in named}
            equations = [self._equation(*one, self._is_shown(place)) for place, one in enumerate(ranked)]
        except KeyboardInterrupt:  # nothing found is lost, only its form
            return self._front([], [], exact, stop)
        return self._front([best for best in rivals if best.tree in known], equations, exact, stop)

    def _least(self, rival: Found) -> float:
        """Return the bits of a formula if none of its constants took any."""
        return rival.bits - free_constants(rival.tree) * (2 * SYMBOL + 0.5 * math.log2(len(self.pool.rows)))

    def is_short(self, tree: Tree) -> bool:
        """Tell whether a formula is short, by itself or in the form that readers will see."""
        if complexity(tree) <= SHORT:
            return True
        form = planted(self._form(self._presented(tree)), symbols(self.names), self.pool.functions)
        return form is not None and complexity(form) <= SHORT

    def _presented(self, tree: Tree) -> Tree:
        """Return a formula with its constants fitted to all rows and named; it takes a while, the first time."""
        if tree not in self._shown:
            rows, named = self.pool.all.first(MOST), named_products(self.pool.settings.constants)
            shown = presentable(tree, rows, named, self.pool.functions)
            if free_constants(shown) <= MOST_CONSTANTS and mean_square(shown, rows) > self.pool.exact:
                shown = shortened(shown, rows, self.pool.bits_left_out, named)
            self._shown[tree] = shown
        return self._shown[tree]

    def _form(self, shown: Tree) -> "Expr":
        """Return a formula as readers will see it; this takes a while, too."""
        if shown not in self._written:
            pool = self.pool
            self._written[shown] = expression(shown, self.names, pool.rows, pool.settings.constants)
        return self._written[shown]

    def _front(self, shown: Sequence[Found], equations: list[Equation], exact: bool, stop: str) -> Front:
        """Return some formulas that have become equations, and all others as they are."""
        pool = self.pool
        kept = [b for b in pool.best.values() if pool.allowed(b.tree)] or list(pool.best.values())
        rest = [b for b in kept if b not in shown]
        equations = equations + [self._equation(pool.bits_left_out(b.tree), b.tree, b.tree) for b in rest]
        return Front.of(equations, exact=exact, stop=stop, seconds=pool.budget.elapsed)

    def _is_shown(self, place: int) -> bool:
        """Tell whether a formula gets a form for readers: the likeliest one always, others if time is left."""
        return place == 0 or (place < SHOWN and not self.pool.budget.over())

    def _named_in_time(self, rivals: Sequence[Found]) -> list[tuple[float, Tree, Tree]]:
        """Return formulas with their constants named that may be the likeliest by that, the first one at least."""
        named: list[tuple[float, Tree, Tree]] = []
        for best in rivals:
            if named and self.pool.budget.over():  # long ones take seconds each
                break
            if not named or self._least(best) < min(bits for bits, _, _ in named):
                named.append(self._named(best.tree))
        return named

    def _named(self, tree: Tree) -> tuple[float, Tree, Tree]:
        """Return the bits of a formula with its constants fitted to all rows and named, that formula, and itself."""
        shown = self._presented(tree)
        bits = min(self.pool.bits_left_out(form) for form in dict.fromkeys((tree, shown)))
        return bits, shown, tree

    def _equation(self, bits: float, shown: Tree, tree: Tree, readable: bool = False) -> Equation:
        """Return a formula with the error on rows held out that it had before its constants were fitted to all rows.

        Where none is held out, each row is left out in its turn.
        """
        pool = self.pool
        spread = pool.held.variance()
        error = mean_square(tree, pool.held) if pool.holds_out else left_out(shown, pool.rows).error
        form = self._form(shown) if readable else symbolic(shown, symbols(self.names))
        return Equation(form, complexity(shown), error**0.5, 1 - error / spread if spread > 0 else 1.0, bits)


def symbols(names: Sequence[str]) -> "list[Expr]":
    """Return the symbols of the columns."""
    import sympy

    return [sympy.Symbol(name) for name in names]
