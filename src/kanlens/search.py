"""From a table to the Pareto front of formulas.

A law is taken apart rather than guessed whole. A smooth stand-in gives derivatives; they show which features only
matter together, and each such reduction leaves a smaller problem that is as exact as the data. Small problems are
solved outright: by power products, few terms of a dictionary, sums of one-variable functions, implicit relations,
or a function of one variable. Every formula is fitted whole to the data themselves before it counts.
"""

import heapq
import itertools
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from kanlens.budget import Budget, TimeIsUpError
from kanlens.candidates import Library, as_library
from kanlens.compounds import compounds, nested
from kanlens.constants import is_simple, named_products
from kanlens.data import Array, pair, precision
from kanlens.description import length
from kanlens.dimensions import Dimensions
from kanlens.errors import InputError
from kanlens.front import Equation, Front
from kanlens.functions import Function
from kanlens.hinges import hinges
from kanlens.hypotheses import WORSE, reductions
from kanlens.joins import folded, interior, joins, nodes
from kanlens.multivariate import additive, few_terms, implicit, polynomials, power_products
from kanlens.neighbours import neighbours, shorter
from kanlens.nodes import products, scaled_products, single_nodes
from kanlens.presentation import expression, presentable
from kanlens.problems import Problem
from kanlens.reductions import indices, pairs, powers, scalings, separations, unscaled
from kanlens.refit import Rows, left_out, mean_square, merged, own_rows, refit, without_traces
from kanlens.screening import distinct, screened
from kanlens.signomials import FORMS, LONGER, QUICK, Form, signomials, waves
from kanlens.sparse import coefficients
from kanlens.surrogate import Surrogate, surrogate
from kanlens.trees import (
    Number,
    Tree,
    Variable,
    add,
    calls,
    complexity,
    multiply,
    numbers,
    planted,
    shape,
    symbolic,
    values_and_jacobian,
)
from kanlens.univariate import Guess, univariate

if TYPE_CHECKING:
    from sympy import Expr

logger = logging.getLogger(__name__)

EXACT = 1e-11
"""Error, as a share of the target's deviation, below which a formula is taken for the law itself.

A flexible formula reaches 1e-9 on a curve that is not its own."""

LARGEST = 1e75
"""Size of the numbers in a table: fourth powers of larger ones are infinite."""

CURVE = 3e-4
"""Error, as a share of the target's deviation, that a factor named by its curve may bring."""

NOISY = 3e-4
"""Error of the best smooth stand-in, as a share of the target's deviation, from which the data may have noise."""

ROUGH = 1e-3
"""The same from which its derivatives are too rough to tell what structure there is."""

PURE = 0.7
"""Share of the stand-in's error that must be noise by its own estimate if the data are to be treated as noisy."""

KINKED = 1e-4
"""Error of a smooth stand-in from which the law may have a kink where a feature passes zero."""

OPEN = 0.05
"""Error of the first stand-in, as a share of the target's deviation, from which there may be no law but for terms."""

SHORT = 24
"""Symbols up to which an exact formula is taken as it is."""

GRACE = 0.5
"""Steps that the search for a shorter form of an exact formula takes, as a share of those it took to find it."""

FEW_CONSTANTS, DOUBT = 3, 40
"""Constants of no simple value that a law may have, and steps that a search goes on for where one has more."""

PATIENCE = 40
"""Steps without a better formula after which a search ends that has explained all but noise.

Steps are counted, and not seconds: the same table and seed must give the same formulas on a slow machine."""

HELD_FROM = 40
"""Rows from which a fifth is held out: fewer than eight say little about an error, and are missed in the fit."""

MOST = 4000
"""Rows that formulas are fitted to at most, in the end with some of those that were held out."""

FEW = 240
"""Rows that a formula is first fitted to."""

COMPOUND = 4.0
"""Rank of pairs of functions of a feature that a reduction has left."""

INTERRUPTED = "It was interrupted."
"""Why a search ended on Ctrl-C."""

GUESSES = 12
"""Formulas of one kind that are fitted, the likeliest ones."""

SHOWN = 3
"""Formulas that are brought into a form for readers; it takes a fraction of a second each."""

RIVALS = 10
"""The same where no law is exact: which is the likeliest can change when constants have names."""

POOL = 60
"""Formulas of different shapes that are remembered, the likeliest ones."""

FINALISTS = 3
"""Of those that are fitted to few rows, the ones that are fitted to all but those held out."""

LAST = 30.0
"""Rank of formulas one change away from another: thousands of fits, of which few are better."""

CHANGES = 25
"""Formulas near another one that are fitted in one step of the search."""


@dataclass(frozen=True)
class SearchSettings:
    """Hold what is chosen about a search.

    Parameters
    ----------
    functions : names or mapping, optional
        Library functions that a formula may have; all by default. Sums, products and powers are always there.
    complexity : int
        The most symbols of a formula.
    seconds : float, optional
        Time limit; the best formulas so far are returned.
    steps : int, optional
        Limit of steps, some tenths of a second each: unlike seconds, it gives the same formulas on any machine.
    seed : int
        Seed of what is drawn: rows held out, rows compared first.
    start : Front, optional
        Formulas to begin with, of an earlier search.
    constants : mapping, optional
        Names and values that fitted constants may stand for, such as `{"g": 9.80665}`, also in products of powers.
    dimensions : Dimensions, optional
        Units of the columns and of the target, which formulas have to respect.
    """

    functions: Library = None
    complexity: int = 80
    seconds: float | None = 60.0
    steps: int | None = None
    seed: int = 0
    start: Front | None = None
    constants: Mapping[str, float] = field(default_factory=dict)
    dimensions: Dimensions | None = None

    def __post_init__(self) -> None:
        if self.complexity < 1:
            raise InputError(f"expected a complexity of at least 1, got {self.complexity}. 80 is the default.")
        if self.seconds is not None and not self.seconds > 0:
            raise InputError(f"expected a time limit above 0 seconds, got {self.seconds}. Use None for none.")
        if self.steps is not None and self.steps < 1:
            raise InputError(f"expected a limit of at least 1 step, got {self.steps}. Use None for none.")
        for name, value in self.constants.items():
            if not (name.isidentifier() and isinstance(value, Real) and math.isfinite(value) and value):
                raise InputError(f"expected constants such as {{'g': 9.81}}, got {name!r}: {value}. Leave zeros out.")


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
    points, targets = pair(x, y, inputs, 1)
    largest = max(float(points.abs().amax()), float(targets.abs().amax()))
    if largest > LARGEST:
        raise InputError(f"expected numbers up to {LARGEST:g}, got {largest:g}. Choose other units.")
    hunt = _Hunt(
        _rows(points, targets[:, 0], weight),
        max(precision(x), precision(y)),
        settings or SearchSettings(),
        watch,
        names,
    )
    with _one_thread():
        return hunt.run()


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


@dataclass(order=True)
class _Task:
    """Hold a step of the search that waits: the lowest rank comes first."""

    rank: tuple[float, int]
    steps: Iterator[None] = field(compare=False)


@dataclass
class _Best:
    """Hold a formula, its mean square error and its description length."""

    tree: Tree
    error: float
    bits: float


class _ExplainedError(Exception):
    """Ends a search that has explained the data up to noise."""


class _FoundError(Exception):
    """Ends a search that has the law."""


class _Hunt:
    """Run one search: a queue of problems, and the best formulas so far."""

    def __init__(
        self,
        rows: Rows,
        digits: float,
        settings: SearchSettings,
        watch: Callable[[Front], None] | None,
        names: Sequence[str] | None,
    ) -> None:
        self.settings, self.watch = settings, watch
        self.functions: dict[str, Function] = as_library(settings.functions)
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(settings.seed))
        self.all = rows.take(order)
        count = len(order) // 5 if len(order) >= HELD_FROM else 0
        self.rows = self.all.take(torch.arange(count, len(order))).first(MOST)
        self.held = self.all.first(count) if count else self.rows
        self.few = self.rows.first(FEW)
        self.names = list(names) if names is not None else [f"x_{k + 1}" for k in range(rows.x.shape[1])]
        if taken := self.settings.constants.keys() & set(self.names):
            raise InputError(f"expected constants with names of their own, got the column {taken.pop()!r}. Rename one.")
        self.variance = self.rows.variance()
        self.exact = max(EXACT**2 * self.variance, (8 * digits * float(rows.y.abs().amax())) ** 2)
        self.best: dict[int, _Best] = {}
        self.pool: dict[str, _Best] = {}
        self.changed: set[str] = set()
        self.tried: set[str] = set()
        self.queue: list[_Task] = []
        self.count = itertools.count()
        self.seen: set[tuple[float, ...]] = set()
        self.noise, self.noisy = 0.0, False
        self.whole: Problem | None = None
        self.budget = Budget(settings.seconds, settings.steps)
        self.shortest, self.improved, self.found = math.inf, 0, cast("int | None", None)

    # --- the course of a search ----------------------------------------------------------

    def run(self) -> Front:
        """Return the front when the law is found, the problems are used up, time is out, or on Ctrl-C."""
        self._keep(*refit(Number(float(self.rows.y.mean())), self.rows))
        if self.variance <= 1e-24 * float(self.rows.mean(self.rows.y**2)):
            return self._front(True, "The target is constant.")
        self._keep_line()
        stop = "Every reduction and every small problem was tried."
        try:
            self._begin_with(self.settings.start)
            self._begin_with_units()
            self.whole = Problem.of(self.rows).reduced([Variable(k) for k in distinct(self.rows.x)])
            if self.whole is not None:
                self._push(0, self._solve(self.whole, math.inf))
            self._drain()
        except _FoundError:
            stop = "A formula leaves no more than round-off."
        except _ExplainedError:
            stop = "A formula leaves no more than the noise, and none better came for a while."
        except TimeIsUpError as limit:
            stop = str(limit)
        except KeyboardInterrupt:
            stop = INTERRUPTED
        return self._front(self.found is not None, stop)

    def _keep_line(self) -> None:
        """Fit the sum of multiples of all inputs, which whatever comes later has to beat."""
        count = self.rows.x.shape[1]
        if len(self.rows) > 2 * count:
            *c, d = coefficients(self.rows.x, self.rows.y, torch.ones_like(self.rows.y))
            slopes = [multiply(Number(ck), Variable(k)) for k, ck in enumerate(c)]
            for line in (add(*slopes), add(*slopes, Number(d))):
                self._keep(*refit(line, self.rows))

    def _begin_with(self, start: Front | None) -> None:
        """Fit the formulas of an earlier search."""
        symbols = _symbols(self.names)
        formulas = (equation.expression.subs(self.settings.constants) for equation in start or ())
        trees = (planted(formula, symbols, self.functions) for formula in formulas)
        for tree in trees:
            if tree is not None:
                self._keep(*refit(tree, self.rows))
        self._consider([])

    def _begin_with_units(self) -> None:
        """Where constants are pure numbers, leave out the scales that units show: Buckingham's theorem."""
        units = self.settings.dimensions
        if units is not None and units.pure and len(scales := units.scalings()):
            for smaller in unscaled(Problem.of(self.rows), scales):
                self._push(-1, self._solve(smaller, math.inf))

    def _push(self, rank: float, steps: Iterator[None]) -> None:
        heapq.heappush(self.queue, _Task((rank, next(self.count)), steps))

    def _drain(self) -> None:
        while self.queue:
            steps = heapq.heappop(self.queue).steps
            while self._step(steps):
                self.budget.check()
                self._end_if_found()
                if self._explained() and self.budget.spent - self.improved > PATIENCE:
                    self._end_under_noise()

    def _end_under_noise(self) -> None:
        """End a search that has explained all but noise, once it was looked for laws with noise."""
        if self.noisy or self.whole is None:
            raise _ExplainedError
        self.noisy = True
        self._push(-2, self._with_noise(self.whole))

    def _step(self, steps: Iterator[None]) -> bool:
        """Take the next step of a task; return whether there was one.

        A reduction that was none can make numbers of any size, on which linear algebra fails. Then the task is over and
        the search is not.
        """
        self.budget.spend()
        try:
            next(steps)
        except StopIteration:
            return False
        except (ArithmeticError, ValueError, RuntimeError) as error:
            logger.debug("a step of the search failed: %s", error)
            return False
        return True

    def _explained(self) -> bool:
        """Tell whether a formula leaves no more than the noise that smooth stand-ins find, if there is noise."""
        if self.noise < NOISY * self.variance**0.5:
            return False
        return min(b.error for b in self.best.values()) <= (1.01 * self.noise) ** 2

    def _solve(self, problem: Problem, above: float) -> Iterator[None]:
        """Try what is quick on a problem, then its reductions; what is slow waits."""
        if problem.size == 0:
            self._consider([Guess(problem.formula(Number(float(problem.t.mean()))), 0.0)])
            return
        if problem.key() in self.seen:
            return
        self.seen.add(problem.key())
        for guesses in power_products(problem):
            self._consider(guesses)
            yield
        if above == math.inf and (narrow := screened(problem, self.settings.seed)) is not None:
            self._push(0, self._study(narrow, math.inf))
            self._push(5, self._try(hinges(problem, self.functions)))
            self._push(problem.size, self._study(problem, math.inf))
        else:
            yield from self._study(problem, above)

    def _study(self, problem: Problem, above: float) -> Iterator[None]:
        """Try what a smooth stand-in suggests."""
        if problem.size <= 2:  # of more variables, one that joins some of them first has a shorter form
            yield from self._try(polynomials(problem))
        if problem.size > 1:
            yield from self._by_exponents(problem, whole=above == math.inf)
        smooth = surrogate(problem.z, problem.t, self.settings.seed)
        error = self._error_of(problem, smooth)
        if not (math.isfinite(error) and torch.isfinite(smooth.slopes).all()):
            return
        if not self.noise:
            self.noisy = error > ROUGH * self.variance**0.5 and smooth.noise > PURE
            self._push(LAST, self._improve(0))
        if self.noisy:
            smooth = surrogate(problem.z, problem.t, self.settings.seed, problem.felt())
            error = self._error_of(problem, smooth)
            yield from self._try(signomials(problem, (Form(1), *FORMS), self.settings.seed, noisy=True, starts=QUICK))
            self._push(
                problem.size - 0.5, self._try(signomials(problem, LONGER, self.settings.seed, noisy=True, starts=QUICK))
            )
        self.noise = min(self.noise or error, error)
        yield
        if error > (WORSE * above if self.noisy else max(1.15 * above, min(10 * above, 1e-3 * self.variance**0.5))):
            return  # the reduction was not one
        if above == math.inf and error > OPEN * self.variance**0.5:
            self._push(5, self._try(hinges(problem, self.functions)))
        if problem.size == 1:
            yield from self._of_one(problem, whole=above == math.inf)
            return
        yield from self._try(scaled_products(problem, self.functions))
        self._push(problem.size - 1, self._try(few_terms(problem)))
        rough = error > (0.3 if self.noisy else ROUGH) * self.variance**0.5
        for number, smaller in enumerate(indices(problem) if rough else ()):
            self._push(1.5 + 0.1 * number, self._solve(smaller, error))
        if above == math.inf:
            self._push(problem.size + 0.3, self._by_training(problem, error))
        self._push(10 + problem.size, self._slow(problem, smooth, error, above))
        self._by_derivatives(problem, smooth, error)
        if self.noisy:
            yield from self._by_trial(problem, smooth, error)
        else:  # what a stand-in takes for noise may also be a kink, so that derivatives are asked in either case
            self._push(20 + problem.size, self._by_trial(problem, smooth, error))

    def _by_exponents(self, problem: Problem, whole: bool) -> Iterator[None]:
        """Try sums of power products, and push those of more terms or with sines and cosines in them."""
        seed = self.settings.seed
        if whole:
            yield from self._try(signomials(problem, FORMS, seed, starts=QUICK))
        self._push(problem.size - 0.95, self._try(signomials(problem, FORMS, seed)))
        self._push(problem.size + 0.4, self._try(signomials(problem, LONGER, seed)))
        for number, wave in enumerate(waves(problem, self.functions) if whole else ()):
            for forms, late in ((FORMS, 1.5), (LONGER, 4.0)):
                self._push(problem.size + late + 0.1 * number, self._try(signomials(problem, forms, seed, wave=wave)))

    def _with_noise(self, problem: Problem) -> Iterator[None]:
        """Try sums of power products that leave some noise, and push longer ones."""
        few, more = (
            signomials(problem, forms, self.settings.seed, noisy=True, starts=QUICK)
            for forms in ((Form(1), *FORMS), LONGER)
        )
        self._push(problem.size - 0.5, self._try(more))
        yield from self._try(few)

    def _of_one(self, problem: Problem, whole: bool) -> Iterator[None]:
        """Try functions of the only feature; pairs of them take seconds, and wait where it is one reduction of many."""
        kinds = univariate(problem, self.functions)
        yield from self._try(itertools.islice(kinds, 3))
        if self.noisy:  # what is left of noise does not tell pairs apart
            yield from self._try(nested(problem, self.functions))
        elif whole:
            yield from self._try(compounds(problem, self.functions))
        else:
            self._push(COMPOUND, self._try(compounds(problem, self.functions)))
        yield from self._try(kinds)

    def _by_trial(self, problem: Problem, smooth: Surrogate, error: float) -> Iterator[None]:
        """Push the reductions that derivatives hint at and that a stand-in on the smaller problem is no worse for."""
        for share, smaller in reductions(problem, smooth, self.settings.seed):
            self._push(smaller.size + min(4.0, 50 * max(0.0, share - 1)), self._solve(smaller, error))
        yield

    def _by_derivatives(self, problem: Problem, smooth: Surrogate, error: float) -> None:
        """Push the reductions that derivatives show."""
        without = powers(problem, smooth)
        if without is not None:
            self._push(without.size + 0.2, self._solve(without, error))
        for number, smaller in enumerate(scalings(problem, smooth)):
            # products of many features hide sums and differences of them, which are looked for first
            late = 2 if smaller.size > 2 else 0
            self._push(smaller.size + late + 0.1 * number, self._solve(smaller, error))
        for number, (misfit, smaller) in enumerate(itertools.islice(pairs(problem, smooth), 4)):
            self._push(problem.size - 1.4 + 5 * misfit + 0.9 * number, self._solve(smaller, error))
        z = problem.z[smooth.rows]
        inside = interior(z)
        together = nodes(z[inside], smooth.slopes[inside])
        if together:
            rank = problem.size - 1.3 + 5 * together[0].misfit
            self._push(rank, self._join(joins(problem, smooth, together, self.functions), rank, error))
        if error > KINKED * self.variance**0.5:
            for number, smaller in enumerate(folded(problem, self.functions)):
                self._push(problem.size - 0.9 + 0.1 * number, self._solve(smaller, error / 10))
        self._push(problem.size + 0.5, self._try(implicit(problem)))

    def _join(self, found: Iterator[tuple[float, Problem]], rank: float, error: float) -> Iterator[None]:
        """Reduce a problem by a node of curves, which are only as exact as they are read off; the next one waits."""
        for misfit, smaller in itertools.islice(found, 1):
            self._push(
                smaller.size - 0.5 + 5 * misfit, self._solve(smaller, max(error, 10 * CURVE * self.variance**0.5))
            )
            self._push(rank + 0.3, self._join(found, rank + 0.3, error))
            yield

    def _by_training(self, problem: Problem, error: float) -> Iterator[None]:
        """Push problems of one feature that a trained network of one hidden node makes of all."""
        for smaller in single_nodes(problem, self.functions, self.settings.seed, self.budget.late):
            self._push(1, self._solve(smaller, max(error, 10 * CURVE * self.variance**0.5)))
            yield

    def _slow(self, problem: Problem, smooth: Surrogate, error: float, above: float) -> Iterator[None]:
        if problem.size > 2:
            yield from self._try(polynomials(problem))
        for smaller in separations(problem, smooth, self.functions):
            # a factor that was read off a curve is only as exact as the curve
            self._push(smaller.size + 1, self._solve(smaller, max(error, CURVE * self.variance**0.5)))
            yield
        yield from self._try(products(problem, self.functions))
        if above < math.inf:
            yield from self._by_training(problem, error)
        yield from self._try(additive(problem, self.functions, self.noise))

    def _improve(self, turn: int) -> Iterator[None]:
        """Try what is one change away from the likeliest formula that this was not done with yet; come back later.

        Not where no rows are held out: of thousands of formulas, one fits few rows by chance.
        """
        waiting = [key for key in self.pool if key not in self.changed]
        if not waiting or self.held is self.rows:
            return
        key = min(waiting, key=lambda k: self.pool[k].bits)
        self.changed.add(key)
        fitted: list[tuple[float, Tree]] = []
        for number, near in enumerate(neighbours(self.pool[key].tree, self.rows.x.shape[1], self.functions)):
            tree = merged(near)
            if self._allowed(tree) and shape(tree) not in self.tried:
                self.tried.add(shape(tree))
                tree, error = refit(tree, self.few, 12)
                fitted.append((self._bits(tree, error), tree))
            if number % CHANGES == CHANGES - 1:
                self.budget.check()
        for _, tree in sorted(fitted, key=lambda f: f[0])[: 2 * FINALISTS]:
            for form in (tree, *shorter(tree)):
                self._keep(*refit(form, self.rows))
        self._push(LAST + turn, self._improve(turn + 1))
        yield

    def _try(self, kinds: Iterator[list[Guess]]) -> Iterator[None]:
        for guesses in kinds:
            self._consider(guesses)
            yield

    def _error_of(self, problem: Problem, smooth: Surrogate) -> float:
        """Return the stand-in's error in units of the rows' own target."""
        return smooth.error_felt(problem.felt()[smooth.rows])

    # --- formulas ------------------------------------------------------------------------

    def _consider(self, guesses: list[Guess]) -> None:
        """Fit the likeliest of some formulas, the short ones of those that promise an exact fit, and keep the best."""
        exact = self.exact
        whole = [Guess(merged(guess.tree), guess.error) for guess in guesses]
        allowed = [guess for guess in whole if self._allowed(guess.tree)]
        likeliest = sorted(allowed, key=lambda g: self._bits(g.tree, max(g.error, exact)))
        fitted = []
        for guess in likeliest[:GUESSES]:
            if self.budget.late():
                break
            fitted.append(refit(guess.tree, self.few, 12)[::-1])
        fitted.sort(key=lambda pair: self._bits(pair[1], pair[0]))
        grown = False
        for _, tree in fitted[:FINALISTS]:
            best, error = refit(tree, self.rows)
            grown |= self._keep(best, error)
            if self.noisy:
                for less in shorter(best):
                    self._keep(*refit(less, self.rows, 12))
            if error <= self.exact:
                plain = without_traces(best, self.rows.x)
                for form in (plain, *shorter(plain)):
                    grown |= self._keep(*refit(form, self.rows))
        if grown and self.watch is not None:
            self.watch(self._front(False, ""))
        self._end_if_found()

    def _allowed(self, tree: Tree) -> bool:
        """Tell whether a formula is short enough, has no function but those chosen, and is right in its units."""
        units = self.settings.dimensions
        short = complexity(tree) <= self.settings.complexity
        return short and calls(tree) <= self.functions.keys() and (units is None or units.allow(tree))

    def _end_if_found(self) -> None:
        """End the search if it has the law, at once if that is short, else after a while: a shorter form may come.

        Series of a function reach round-off, too; it shows in their many constants of no simple value.
        """
        exact = [best for best in self.best.values() if best.error <= self.exact]
        if not exact:
            return
        if self.found is None:
            self.found = self.budget.spent
        shortest = min(exact, key=lambda best: best.bits).tree
        after = self.budget.spent - self.found
        if self._decimals(shortest) > FEW_CONSTANTS:
            over = after > max(DOUBT, GRACE * self.found)
        else:
            over = complexity(shortest) <= SHORT or after > GRACE * self.found
        if over:
            raise _FoundError

    def _decimals(self, tree: Tree) -> int:
        """Return how many constants have no simple value, but for those that could, as others make up for them."""
        free = [number.value for number in numbers(tree) if number.exact is None]
        jacobian = values_and_jacobian(tree, self.few.x)[1]
        if not jacobian.isfinite().all():
            return len(free)
        unit = jacobian / jacobian.norm(dim=0).clamp_min(1e-300)
        rank = int(torch.linalg.matrix_rank(unit, rtol=1e-9))
        return sum(not is_simple(value) for value in free) - (len(free) - rank)

    def _keep(self, tree: Tree, error: float) -> bool:
        """Remember a formula; return whether no shorter one is as good."""
        size, floor = complexity(tree), self.exact  # below which errors do not differ
        if size > 1 and not self._allowed(tree):
            return False
        kept = _Best(tree, error, self._bits(tree, error))
        self._remember(kept)
        smaller = (max(b.error, floor) for c, b in self.best.items() if c <= size)
        if not max(error, floor) < min(smaller, default=math.inf):
            return False
        self.best[size] = kept
        for longer in [c for c, b in self.best.items() if c > size and max(b.error, floor) >= error]:
            del self.best[longer]
        return True

    def _remember(self, kept: _Best) -> None:
        """Put a formula into the pool of the likeliest ones, of which each shape has one."""
        key = shape(kept.tree)
        if not kept.error < math.inf or (key in self.pool and self.pool[key].bits <= kept.bits):
            return
        self.pool[key] = kept
        if kept.bits < self.shortest - 1:
            self.shortest, self.improved = kept.bits, self.budget.spent
        if len(self.pool) > 2 * POOL:
            self.pool = dict(sorted(self.pool.items(), key=lambda item: item[1].bits)[:POOL])

    def _bits(self, tree: Tree, error: float, own: int = 0) -> float:
        """Return the description length of the data by a formula, which has constants for some rows of their own."""
        floor = (1e-13 * float(self.rows.y.abs().amax())) ** 2 + 1e-300
        count = len(self.rows)
        unexplained = 0.5 * (count - own) * math.log2(max(error, floor) / max(self.variance, floor))
        return unexplained + length(tree, count)

    def _bits_left_out(self, tree: Tree) -> float:
        """Return the same by the error at rows left out; what a row's own constant explains is no evidence."""
        return self._bits(tree, left_out(tree, self.rows), own_rows(tree, self.rows))

    def _front(self, exact: bool, stop: str) -> Front:
        """Return the formulas so far, the likeliest ones in a form for readers once the search has stopped.

        Under noise several formulas explain the data as well. Which is the likeliest shows when their constants have
        names.
        """
        kept = [b for b in self.best.values() if self._allowed(b.tree)] or list(self.best.values())
        rivals = self._rivals()[: SHOWN if exact else RIVALS] if stop else []
        try:
            named = self._named_in_time(rivals)
            rivals = rivals[: len(named)]
            ranked = sorted(named, key=lambda n: n[0])
            equations = [self._equation(*one, self._is_shown(place)) for place, one in enumerate(ranked)]
        except KeyboardInterrupt:  # nothing found is lost, only its form
            rivals, equations = [], []
        rest = [b for b in kept if b not in rivals]
        equations += [self._equation(self._bits_left_out(b.tree), b.tree, b.tree) for b in rest]
        return Front.of(equations, exact=exact, stop=stop, seconds=self.budget.elapsed)

    def _rivals(self) -> "list[_Best]":
        """Return the likeliest formulas, one of those that are the same function in other words."""
        found: dict[str, _Best] = {}
        few = self.held is self.rows
        for best in sorted(self.pool.values(), key=lambda b: self._bits_left_out(b.tree) if few else b.bits):
            found.setdefault(f"{best.error:.6g}" if best.error > self.exact else shape(best.tree), best)
        return list(found.values())

    def _is_shown(self, place: int) -> bool:
        """Tell whether a formula gets a form for readers: the likeliest one always, others if time is left."""
        return place == 0 or (place < SHOWN and not self.budget.over())

    def _named_in_time(self, rivals: "list[_Best]") -> list[tuple[float, Tree, Tree]]:
        """Return the likeliest formulas with their constants named, the first at least: long ones take seconds each."""
        named: list[tuple[float, Tree, Tree]] = []
        for best in rivals:
            if named and self.budget.over():
                break
            named.append(self._named(best.tree))
        return named

    def _named(self, tree: Tree) -> tuple[float, Tree, Tree]:
        """Return the bits of a formula with its constants fitted to all rows and named, that formula, and itself."""
        shown = presentable(tree, self.all.first(MOST), named_products(self.settings.constants))
        bits = min(self._bits_left_out(form) for form in dict.fromkeys((tree, shown)))
        return bits, shown, tree

    def _equation(self, bits: float, shown: Tree, tree: Tree, readable: bool = False) -> Equation:
        """Return a formula with the error on rows held out that it had before its constants were fitted to all rows.

        Where none is held out, each row is left out in its turn.
        """
        constants, spread = self.settings.constants, self.held.variance()
        error = left_out(shown, self.rows) if self.held is self.rows else mean_square(tree, self.held)
        form = (
            expression(shown, self.names, self.rows, constants) if readable else symbolic(shown, _symbols(self.names))
        )
        return Equation(form, complexity(shown), error**0.5, 1 - error / spread if spread > 0 else 1.0, bits)


def _symbols(names: Sequence[str]) -> "list[Expr]":
    import sympy

    return [sympy.Symbol(name) for name in names]
