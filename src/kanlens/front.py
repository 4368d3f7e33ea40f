"""The Pareto front of formulas: what each length of formula buys."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kanlens.errors import InputError
from kanlens.views import Viewable

if TYPE_CHECKING:
    from sympy import Expr

Rule = Literal["best", "accurate", "simple"]

TOLERANCE = 1.05
"""Error, as a multiple of the smallest on the front, up to which the shortest formula counts as good enough."""


@dataclass(frozen=True)
class Equation:
    """Hold a formula, its length, and how well it does on rows that were held out.

    `complexity` counts the symbols in it: operators, functions, variables and constants. `rmse` is the
    root mean square error, `r2` the coefficient of determination, `bits` the length of a description
    of the data by it: constants, symbols and what it leaves unexplained.
    """

    expression: "Expr"
    complexity: int
    rmse: float
    r2: float
    bits: float


@dataclass(frozen=True)
class Front(Viewable):
    """Hold the formulas that no shorter one beats, from short to long.

    `exact` says whether what the best one leaves is no more than round-off, `stop` in a sentence why the
    search ended, `seconds` how long it took.
    """

    equations: tuple[Equation, ...]
    exact: bool = False
    stop: str = ""
    seconds: float = 0.0

    @classmethod
    def of(cls, equations: Iterable[Equation], *, exact: bool = False, stop: str = "", seconds: float = 0.0) -> "Front":
        """Keep those that no shorter or equally long one beats in error, and the likeliest one.

        Errors are those on rows held out, on which a wrong formula can beat a right one by chance.

        Examples
        --------
        >>> import sympy
        >>> x = sympy.Symbol("x")
        >>> line, same = Equation(x, 1, 0.5, 0.7, 90.0), Equation(x + 1, 3, 0.5, 0.7, 99.0)
        >>> len(Front.of([same, line]))
        1
        """
        kept: list[Equation] = []
        best = math.inf
        ordered = sorted(equations, key=lambda e: (e.complexity, e.rmse))
        likeliest = min(ordered, key=lambda e: e.bits, default=None)
        for equation in ordered:
            known = any(equation.expression == other.expression for other in kept)
            if (equation.rmse < best or equation is likeliest) and not known:
                kept.append(equation)
                best = min(best, equation.rmse)
        return cls(tuple(kept), exact, stop, seconds)

    @classmethod
    def joined(cls, fronts: "Sequence[Front]") -> "Front":
        """Return the front of several searches; an exact law ends it."""
        winner = next((front for front in fronts if front.exact), fronts[0])
        equations = [equation for front in fronts for equation in front]
        seconds = max(front.seconds for front in fronts)
        return cls.of(equations, exact=winner.exact, stop=winner.stop, seconds=seconds)

    @property
    def verdict(self) -> str:
        """Return a sentence that says whether there is a law, and what the formulas leave open.

        Examples
        --------
        >>> import sympy
        >>> Front((Equation(sympy.Symbol("x"), 1, 0.5, 0.75, 90.0),)).verdict
        'No exact law was found: the formula preferred leaves 25 % of the variance.'
        """
        if self.exact:
            return "An exact law: what it leaves is round-off."
        left, least = (max(100 * (1 - e.r2), 0.0) for e in (self.choose("best"), self.choose("accurate")))
        more = f", the most accurate one {least:.2g} %" if least < 0.99 * left else ""
        return f"No exact law was found: the formula preferred leaves {left:.2g} % of the variance{more}."

    def __len__(self) -> int:
        return len(self.equations)

    def __iter__(self) -> Iterator[Equation]:
        return iter(self.equations)

    def __getitem__(self, index: int) -> Equation:
        return self.equations[index]

    def choose(self, rule: Rule = "best") -> Equation:
        """Return the formula with the shortest description, the most accurate one, or the simplest nearly as accurate.

        Raises
        ------
        InputError
            If there is no formula, or no such rule.
        """
        if not self.equations:
            raise InputError("expected a front with a formula, got none. Search first.")
        if rule == "best":
            return min(self.equations, key=lambda e: e.bits)
        if rule == "accurate":
            return min(self.equations, key=lambda e: e.rmse)
        if rule == "simple":
            good = TOLERANCE * min(e.rmse for e in self.equations)
            return next(e for e in self.equations if e.rmse <= good)
        raise InputError(f"expected 'best', 'accurate' or 'simple', got {rule!r}. 'best' is a good start.")
