"""From a table to the Pareto front of formulas.

A law is taken apart rather than guessed whole. A smooth stand-in gives derivatives; they show which features only
matter together, and each such reduction leaves a smaller problem that is as exact as the data. Small problems are
solved outright: by power products, few terms of a dictionary, sums of one-variable functions, implicit relations,
or a function of one variable. Every formula is fitted whole to the data themselves before it counts.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from kanlens.agenda import Agenda
from kanlens.budget import Budget, TimeIsUpError, watched
from kanlens.data import Array, on_cpu, pair, precision
from kanlens.description import spare
from kanlens.errors import InputError
from kanlens.front import Front
from kanlens.pool import Found, Pool
from kanlens.problems import LARGEST, Problem
from kanlens.reductions import unscaled
from kanlens.refit import Rows
from kanlens.screening import distinct
from kanlens.settings import SearchSettings
from kanlens.sparse import coefficients
from kanlens.surrogate import QUICK_ROWS, quick_error
from kanlens.tactics import Tactics
from kanlens.trees import Number, Tree, Variable, add, multiply, planted, reads_once, values
from kanlens.univariate import Guess
from kanlens.verdict import Verdict, symbols

NOISY = 3e-4
"""Error of the best smooth stand-in, as a share of the target's deviation, from which the data may have noise."""

GRACE = 0.5
"""Steps that the search for a shorter form of an exact formula takes, as a share of those it took to find it."""

DOUBT = 40
"""Steps that a search goes on for where an exact formula may be a series."""

PATIENCE, LEAST = 40, 12
"""Steps without a better formula after which a search ends that has explained all but noise, and the fewest of them.

Steps are counted, and not seconds: the same table and seed must give the same formulas on a slow machine."""

SPARE = 80.0
"""Bits of a formula beyond its columns from which a search has all of this patience: a short one is rarely beaten."""

SILENT = 0.99
"""Share of what a formula leaves that a stand-in for it must leave of that, for it to be noise."""

UNEASY = 3
"""How much more patience there is for formulas of which that cannot be said."""

INTERRUPTED = "It was interrupted."
"""Why a search ended on Ctrl-C."""


@on_cpu
def search(
    x: Array,
    y: Array,
    *,
    names: Sequence[str] | None = None,
    weight: Array | None = None,
    settings: SearchSettings | None = None,
    watch: Callable[[Front], None] | None = None,
) -> Front:
    """Return the Pareto front of formulas that explain a target.

    Parameters
    ----------
    x, y : Tensor or array
        Inputs `(rows, in)` and target `(rows,)`.
    names : sequence of str, optional
        Names of the inputs; `x_1, x_2, ...` by default.
    weight : Tensor or array, optional
        How much each row counts, `(rows,)`.
    settings : SearchSettings, optional
    watch : callable, optional
        Called with the front whenever it has grown.

    Raises
    ------
    InputError
        If the data have the wrong shape, no rows, a NaN, an infinity or numbers of more than 75 digits.

    Examples
    --------
    >>> x = torch.rand(200, 2, dtype=torch.float64) + 1
    >>> front = search(x, 3 * x[:, 0] ** 2 / x[:, 1], names=["m", "r"])
    >>> front.choose().expression, front.exact
    (3*m**2/r, True)
    """
    inputs = x.shape[-1] if len(getattr(x, "shape", ())) > 1 else 1
    points, targets = (part.cpu() for part in pair(x, y, inputs, 1))  # where all of the search runs
    largest = max(float(points.abs().amax()), float(targets.abs().amax()))
    if largest > LARGEST:
        raise InputError(f"expected numbers up to {LARGEST:g}, got {largest:g}. Choose other units.")
    rows, chosen = _rows(points, targets[:, 0], weight), settings or SearchSettings()
    columns = list(names) if names is not None else [f"x_{k + 1}" for k in range(inputs)]
    if taken := chosen.constants.keys() & set(columns):
        raise InputError(f"expected constants with names of their own, got the column {taken.pop()!r}. Rename one.")
    with _one_thread():
        return _Course(rows, max(precision(x), precision(y)), chosen, watch, columns).run()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch work in one thread for a while: on matrices of this size a second one makes it three times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _rows(x: Tensor, y: Tensor, weight: Array | None) -> Rows:
    """Return the different rows in a fixed order; one that occurs twice has twice the weight."""
    w = torch.ones_like(y) if weight is None else pair(x, weight, x.shape[1], 1)[1][:, 0]
    if (w < 0).any() or not float(w.sum()) > 0:
        raise InputError("expected weights of at least 0, some of them above it. Leave out rows that do not count.")
    counted = w > 0
    table, place = torch.unique(torch.cat([x, y[:, None]], 1)[counted], dim=0, return_inverse=True)
    total = torch.zeros(len(table), dtype=x.dtype).index_add(0, place, w[counted])
    even = bool((total == total[0]).all())
    return Rows(table[:, :-1], table[:, -1], None if even else total / total.mean())


class _ExplainedError(Exception):
    """Ends a search that has explained the data up to noise."""


class _FoundError(Exception):
    """Ends a search that has the law."""


class _Course:
    """Run one search: begin with what is known, take the steps on the agenda, and end in time."""

    def __init__(
        self,
        rows: Rows,
        digits: float,
        settings: SearchSettings,
        watch: Callable[[Front], None] | None,
        names: Sequence[str],
    ) -> None:
        self.settings, self.watch, self.names = settings, watch, names
        self.budget = Budget(settings.seconds, settings.steps)
        self.pool = Pool(rows, digits, settings, self.budget)
        self.agenda = Agenda(self.budget)
        self.tactics = Tactics(self.pool, self.agenda, self.consider)
        self.verdict = Verdict(self.pool, names)
        self.whole: Problem | None = None
        self.found: int | None = None
        self._told: dict[Tree, float] = {}

    def run(self) -> Front:
        """Return the front when the law is found, the problems are used up, time is out, or on Ctrl-C."""
        rows = self.pool.rows
        self.pool.fit(Number(float(rows.y.mean())))
        if self.pool.variance <= 1e-24 * float(rows.mean(rows.y**2)):
            return self.verdict.final(True, "The target is constant.")
        self._fit_line()
        stop = "Every reduction and every small problem was tried."
        try:
            self._begin_with(self.settings.start)
            self._begin_with_units()
            self.whole = Problem.of(rows).reduced([Variable(k) for k in distinct(rows.x)])
            if self.whole is not None:
                self.agenda.push(0, self.tactics.solve(self.whole, math.inf))
            with watched(self.budget.check_time):
                for _ in self.agenda.steps():
                    self._check()
        except _FoundError:
            stop = "A formula leaves no more than round-off."
        except _ExplainedError:
            stop = "A formula leaves no more than the noise, and none better came for a while."
        except TimeIsUpError as limit:
            stop = str(limit)
        except KeyboardInterrupt:
            stop = INTERRUPTED
        return self.verdict.final(self.found is not None, stop)

    def consider(self, guesses: Sequence[Guess]) -> None:
        """Fit guesses, show what has grown, and end the search if the law is among them."""
        grown = self.pool.consider(guesses, self.tactics.noisy)
        if grown and self.watch is not None:
            self.watch(self.verdict.so_far())
        self.end_if_found()

    def _fit_line(self) -> None:
        """Fit the sum of multiples of all inputs, which whatever comes later has to beat."""
        rows = self.pool.rows
        if len(rows) > 2 * rows.x.shape[1]:
            *c, d = coefficients(rows.x, rows.y, torch.ones_like(rows.y))
            slopes = [multiply(Number(ck), Variable(k)) for k, ck in enumerate(c)]
            self.pool.fit(add(*slopes), add(*slopes, Number(d)))

    def _begin_with(self, start: Front | None) -> None:
        """Fit the formulas of an earlier search."""
        named = symbols(self.names)
        formulas = (equation.expression.subs(self.settings.constants) for equation in start or ())
        trees = (planted(formula, named, self.pool.functions) for formula in formulas)
        self.pool.fit(*(tree for tree in trees if tree is not None))
        self.consider([])

    def _begin_with_units(self) -> None:
        """Where constants are pure numbers, leave out the scales that units show: Buckingham's theorem."""
        units = self.settings.dimensions
        if units is not None and units.pure and len(scales := units.scalings()):
            for smaller in unscaled(Problem.of(self.pool.rows), scales):
                self.agenda.push(-1, self.tactics.solve(smaller, math.inf))

    def _check(self) -> None:
        """End the search if there is no time left, no more to be found, or nothing but noise."""
        self.budget.check()
        self.end_if_found()
        idle = self.budget.spent - self.pool.improved
        if idle > LEAST and self._explained(self.pool.best.values()) and idle > self._patience():
            self._end_under_noise()

    def _explained(self, formulas: Iterable[Found]) -> bool:
        """Tell whether one of them leaves no more than the noise that smooth stand-ins find, if there is noise."""
        noise = self.tactics.noise
        if noise < NOISY * self.pool.variance**0.5:
            return False
        return min(best.error for best in formulas) <= (1.01 * noise) ** 2

    def _patience(self) -> float:
        """Return the steps to wait for a better formula, the fewer the less the likeliest one could be shorter."""
        likeliest = min(self.pool.likeliest.values(), key=lambda best: best.bits)
        if not self._silent(likeliest.tree):
            return UNEASY * PATIENCE
        if not self._explained([likeliest]):
            return PATIENCE
        return max(LEAST, PATIENCE * min(1.0, spare(likeliest.tree, len(self.pool.rows)) / SPARE))

    def _end_under_noise(self) -> None:
        """End a search that has explained all but noise, once it was looked for laws with noise."""
        if self.tactics.noisy or self.whole is None:
            raise _ExplainedError
        self.tactics.noisy = True
        self.pool.improved = self.budget.spent  # what is tried now gets its own time
        self.agenda.push(-2, self.tactics.with_noise(self.whole))

    def _silent(self, tree: Tree) -> bool:
        """Tell whether a stand-in foretells nothing of what a formula leaves.

        One for all columns is less exact than the law that it stands for, so that to be no worse than it says little.
        """
        if tree not in self._told:
            rows = self.pool.rows.first(QUICK_ROWS)
            left = rows.y - values(tree, rows.x)
            left = left - left.mean()
            told = quick_error(rows.x, left, torch.ones_like(left), (False, False), self.settings.seed)
            self._told[tree] = told / float(left.square().mean().sqrt())
        return self._told[tree] > SILENT

    def end_if_found(self) -> None:
        """End the search if it has the law, at once if that is short, else after a while: a shorter form may come.

        Series of a function reach round-off, too.
        """
        shortest = self.pool.shortest_exact()
        if shortest is None:
            return
        if self.found is None:
            self.found = self.budget.spent
        after = self.budget.spent - self.found
        if self.pool.may_be_series(shortest):
            over = after > max(DOUBT, GRACE * self.found)
        else:
            over = after > GRACE * self.found or reads_once(shortest) or self.verdict.is_short(shortest)
        if over:
            raise _FoundError
