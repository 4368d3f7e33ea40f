"""What is tried on a problem, and in which order: quick forms first, then what a smooth stand-in suggests."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from kanlens.agenda import Agenda
from kanlens.compounds import compounds, covered_pairs, nested, pairs
from kanlens.conditions import interior
from kanlens.groups import groups
from kanlens.hinges import hinges
from kanlens.hypotheses import WORSE, reductions
from kanlens.improvement import Improvement
from kanlens.joins import creased, distance, folded, joins, nodes, variants
from kanlens.low_rank import low_rank
from kanlens.multivariate import few_terms, implicit, polynomials, power_products, sums, sums_of_pairs
from kanlens.node_sums import node_sums
from kanlens.nodes import products, scaled_products
from kanlens.one_node import one_node
from kanlens.periods import periodic
from kanlens.pool import Pool
from kanlens.problems import Problem
from kanlens.product_terms import product_terms
from kanlens.quadratic_roots import quadratic_roots
from kanlens.quotients import quotients
from kanlens.reductions import at_a_glance, indices, powers, scalings, scatter
from kanlens.reductions import pairs as joined_pairs
from kanlens.screening import screened
from kanlens.separations import Part, parts, without
from kanlens.sharpening import sharpened
from kanlens.shears import shears
from kanlens.signomials import FORMS, LONGER, NOISY, NOISY_LONGER, QUICK, signomials, waves
from kanlens.signs import signed
from kanlens.single_nodes import single_nodes
from kanlens.surrogate import Surrogate, quick_error, surrogate
from kanlens.trees import Number, Sum, Variable
from kanlens.triples import triples
from kanlens.two_nodes import two_nodes
from kanlens.unfolding import unfolded
from kanlens.univariate import Guess, univariate

CURVE = 3e-4
"""Error, as a share of the target's deviation, that a factor named by its curve may bring."""

CLEAR = 1e-4
"""Error of a sum or a product of curves, as a share of the deviation, from which it is looked at first."""

ROUGH = 1e-3
"""The same from which its derivatives are too rough to tell what structure there is."""

PURE = 0.8
"""Share of the stand-in's error that must be noise by its own estimate if the data are to be treated as noisy."""

SLIGHT = 5e-3
"""Error of a stand-in, as a share of the deviation, up to which noise hardly hides the curves of a node."""

SHOWN, DENSE = 0.95, 2
"""Error of a stand-in, as a share of the first one, from which noise shows in a reduction, and features up to which."""

KINKED = 1e-4
"""Error of a smooth stand-in from which the law may have a kink where a feature passes zero."""

BENT = 0.2
"""Share of its error that a stand-in must lose in the absolute value of a feature, for a kink to be there."""

CREASE = 0.01
"""The same in that of a sum or a difference: of laws that are steep there, without a kink, 0.1 and more is left."""

SEPARATED = 3
"""Parts of the law that are named before other reductions are tried."""

OPEN = 0.05
"""Error of the first stand-in, as a share of the target's deviation, from which there may be no law but for terms."""

FEW_WAVES = 3
"""Features up to which waves of one of them are tried under noise."""

PARTS, TURNING = 8, 0.05
"""Parts of a feature's range, and share of the squared slopes that means of either sign have if a law turns."""

GOOD = 1.0
"""Error of a stand-in after a reduction, as a share of that before, up to which it is followed before others."""

IN_VAIN = 20.0
"""Added to the rank of what noise leaves no hope for."""

INSIDE = 2.5
"""Rank under noise of functions inside each other of a feature that a reduction has left."""

CURVED = 1.5
"""Added to the rank of nodes of curves beside a product."""

SOONEST = 3
"""Features up to which sums of few products are tried first of all."""

SHARP = 0.5
"""Scatter between neighbours, as a share of a stand-in's error, up to which the rest of that is no noise."""

COMPOUND = 4.0
"""Rank of pairs of functions of a feature that a reduction has left."""


class Tactics:
    """Try forms on problems, and put the smaller problems that they lead to on the agenda.

    Parameters
    ----------
    pool : Pool
        Formulas found so far.
    agenda : Agenda
    consider : callable
        Called with guesses, to fit and keep them.

    Attributes
    ----------
    noise : float
        Error of the best smooth stand-in so far, 0 before the first one.
    noisy : bool
        Whether the data are treated as if they had noise.
    """

    def __init__(self, pool: Pool, agenda: Agenda, consider: Callable[[list[Guess]], None]) -> None:
        self.pool, self.agenda, self.consider = pool, agenda, consider
        self.functions, self.seed, self.spread = pool.functions, pool.settings.seed, pool.variance**0.5
        self.improvement = Improvement(pool, agenda)
        self.noise, self.noisy, self._first = 0.0, False, 0.0
        self._seen: set[tuple[float, ...]] = set()
        self._sheared: set[tuple[float, ...]] = set()  # of these no part is taken that leaves as many features

    def solve(self, problem: Problem, above: float) -> Iterator[None]:
        """Try what is quick on a problem, then its reductions; what is slow waits."""
        if problem.size == 0:
            self.consider([Guess(problem.formula(Number(float(problem.t.mean()))), 0.0)])
            return
        if problem.key() in self._seen:
            return
        self._seen.add(problem.key())
        for guesses in power_products(problem):
            self.consider(guesses)
            yield
        if above == math.inf and (narrow := screened(problem, self.seed)) is not None:
            self.agenda.push(0, self._study(narrow, math.inf))
            self.agenda.push(5, self._try(hinges(problem, self.functions)))
            self.agenda.push(problem.size, self._study(problem, math.inf))
        else:
            yield from self._study(problem, above)

    def _study(self, problem: Problem, above: float) -> Iterator[None]:
        """Try sums of few products, and of powers, then look for nodes of two columns, and at a smooth stand-in."""
        if problem.size <= 2:  # of more variables, one that joins some of them first has a shorter form
            yield from self._try(polynomials(problem))
        if not self.noisy:
            yield from self._try(quadratic_roots(problem))
        for smaller in at_a_glance(problem) if above == math.inf else ():
            self.agenda.push(0.3, self.solve(smaller, math.inf))
        few = low_rank(problem, self.functions) if not self.noisy else iter(())
        if problem.size <= SOONEST:  # in as long as the stand-in takes, and nearly half of the laws are found so
            yield from self._try(itertools.islice(few, 1))
        if problem.size > 1:
            yield from self._by_exponents(problem, whole=above == math.inf)
        plain = above == math.inf and not self.noisy and all(isinstance(each, Variable) for each in problem.columns)
        joined = [*signed(problem), *two_nodes(problem)] if plain else []
        if joined:  # what is seen in fine splines of two nodes is right where a stand-in for all columns is rough
            for number, smaller in enumerate(joined):
                self.agenda.push(-1 + 0.1 * number, self.solve(smaller, math.inf))
            self.agenda.push(0, self._by_stand_in(problem, above, few))
        else:
            if plain:
                yield from self._try(one_node(problem, self.functions))
            yield from self._by_stand_in(problem, above, few)

    def _by_stand_in(self, problem: Problem, above: float, few: Iterator[list[Guess]]) -> Iterator[None]:
        """Try what a smooth stand-in suggests."""
        smooth = surrogate(problem.z, problem.t, self.seed, problem.felt() if self.noisy else None)
        error = self._error_of(problem, smooth)
        if not (math.isfinite(error) and torch.isfinite(smooth.slopes).all()):
            return
        bent = self._bent(problem, smooth, error) if above == math.inf else None
        if bent is not None:  # what a stand-in takes for noise may be a kink, so that this is asked first
            self.agenda.push(-1, self._study(bent, math.inf))
            self.agenda.push(problem.size, self._explore(problem, smooth, error, above, few))
        else:
            yield from self._explore(problem, smooth, error, above, few)

    def _bent(self, problem: Problem, smooth: Surrogate, error: float) -> Problem | None:
        """Return the problem in the absolute value of a feature if a stand-in is much closer to the target there.

        Else of the sum or the difference of two, beside all features.
        """
        felt = problem.felt()

        def off(there: Problem) -> float:
            return quick_error(there.z, there.t, felt, smooth.kind, self.seed)

        for bends, least, share in ((folded, KINKED, BENT), (creased, ROUGH, CREASE)):
            candidates = bends(problem, self.functions) if error > least * self.spread else ()
            best, closest = min(((off(p), p) for p in candidates), key=lambda one: one[0], default=(math.inf, problem))
            if closest is not problem and best < share * off(problem):
                return closest
        return None

    def _explore(
        self, problem: Problem, smooth: Surrogate, error: float, above: float, few: Iterator[list[Guess]]
    ) -> Iterator[None]:
        """Try sums and products of curves, and push the reductions that a smooth stand-in suggests."""
        if problem.size == 1 and (apart := scatter(problem)) < SHARP * error:  # a kink or a root is too steep for it
            error = apart
        if not self.noise:
            self.improvement.push()
            self._first = error
        noisy = None if self.noisy else self._with_noise(problem, smooth, error)
        if noisy is not None:
            self.noisy, smooth, error = True, noisy, self._error_of(problem, noisy)
        if self.noisy and problem.size > 1:  # of one feature, sums are tried with its functions
            short = self._try(signomials(problem, NOISY, self.seed, noisy=True, starts=QUICK))
            if above == math.inf:
                yield from short
            else:  # they take seconds, and a law of one feature is soon found if there is one
                self.agenda.push(problem.size - 0.55, short)
            self.agenda.push(
                problem.size - 0.5, self._try(signomials(problem, NOISY_LONGER, self.seed, noisy=True, starts=QUICK))
            )
            self._push_waves(problem, smooth)
        self.noise = min(self.noise or error, error)
        yield
        root = distance(problem) if problem.size == 1 else None
        if root is not None:  # whether the law is as smooth in the squares or not
            self.agenda.push(0.95, self.solve(root, max(above, CURVE * self.spread)))
        if error > (WORSE * above if self.noisy else max(1.15 * above, min(10 * above, 1e-3 * self.spread))):
            return  # the reduction was not one
        if above == math.inf and error > OPEN * self.spread:
            self.agenda.push(5, self._try(hinges(problem, self.functions)))
        if problem.size == 1:
            whole, inside = above == math.inf, list(unfolded(problem)) if not self.noisy else []
            sure = whole and any(plain for plain, _ in inside)
            for plain, inner in inside:
                self.agenda.push((-0.5 if whole else 0.9) if plain else 1.5, self.solve(inner, error))
            if sure:  # what turns at simple levels is likelier a wave than any sum that follows it
                self.agenda.push(-0.4, self._of_one(problem, whole))
            else:
                yield from self._of_one(problem, whole)
            return
        yield from self._try(scaled_products(problem, self.functions))
        if not self.noisy:
            self.agenda.push(problem.size - 1.5, self._by_quotients(problem))
            if problem.size > SOONEST:
                yield from self._try(itertools.islice(few, 1))
            yield from self._try(sums(problem, self.functions, 0.0, CLEAR))
            self.agenda.push(problem.size - 1.45, self._try(products(problem, self.functions, CLEAR)))
            self.agenda.push(problem.size - (1.38 if above == math.inf else 0.4), self._try(few))
        # it takes tenths of a second, in vain where there is noise
        self.agenda.push(problem.size + (0.5 if self.noisy else -1.42), self._try(implicit(problem)))
        self.agenda.push(problem.size - (0.7 if self.noisy else 1), self._try(few_terms(problem)))
        rough = error > (0.3 if self.noisy else ROUGH) * self.spread
        for number, smaller in enumerate(indices(problem) if rough else ()):
            self.agenda.push(1.5 + 0.1 * number, self.solve(smaller, error))
        if above == math.inf:  # a product is found beside poles, too, where other stand-ins are rough
            self.agenda.push(problem.size + 0.25, self._try(products(problem, self.functions)))
            # splines around a node follow noise, so that where it is not slight, forms of few constants come first
            late = self.noisy and error > SLIGHT * self.spread
            self._push_nodes(problem, problem.size + (0.3 if late else -1.01), error)
        self.agenda.push(10 + problem.size, self._slow(problem, error, above))
        self._by_derivatives(problem, smooth, error)
        self._push_node_sums(problem, error, above)
        if self.noisy:
            yield from self._by_trial(problem, smooth, error)
        else:  # what a stand-in takes for noise may also be a kink, so that derivatives are asked in either case
            self.agenda.push(20 + problem.size, self._by_trial(problem, smooth, error))

    def _by_quotients(self, problem: Problem) -> Iterator[None]:
        """Push problems divided by what has a short name, which are as exact as the data are."""
        for smaller in quotients(problem, self.functions):
            self.agenda.push(0.4, self.solve(smaller, math.inf))
            yield

    def _by_exponents(self, problem: Problem, whole: bool) -> Iterator[None]:
        """Try sums of power products, and push those of more terms or with sines and cosines in them."""
        seed = self.seed
        if whole:
            yield from self._try(signomials(problem, FORMS, seed, starts=QUICK))
        self._push_exact(problem.size - 0.95, signomials(problem, FORMS, seed))
        self._push_exact(problem.size + 0.4, signomials(problem, LONGER, seed))
        sums_of = [k for k, column in enumerate(problem.columns) if isinstance(column, Sum)]  # as of two angles
        for number, wave in enumerate(waves(problem, self.functions, range(problem.size) if whole else sums_of)):
            for forms, late in ((FORMS, 1.5), (LONGER, 4.0)) if whole else ((FORMS, -0.9),):
                self._push_exact(problem.size + late + 0.1 * number, signomials(problem, forms, seed, wave=wave))

    def _with_noise(self, problem: Problem, smooth: Surrogate, error: float) -> Surrogate | None:
        """Return a stand-in for data with noise if it is noise that one leaves by its own estimate.

        The first one may take fast waves for more than noise. Rows of few features are dense enough to tell them apart;
        where one follows the target more closely, the reduction is right, and what it leaves is noise indeed. Noise
        that is even in the target is not in its logarithm, so that a stand-in has to know to tell it from a misfit.
        """
        closer = problem.size <= DENSE and error < SHOWN * self._first
        if error <= ROUGH * self.spread or (self.noise and not closer):
            return None
        even = surrogate(problem.z, problem.t, self.seed, problem.felt())
        shows = even.noise > PURE and self._error_of(problem, even) > ROUGH * self.spread
        return even if shows or smooth.noise > PURE else None

    def _push_waves(self, problem: Problem, smooth: Surrogate) -> None:
        """Let sums of power products wait with the sine or cosine of a feature along which the law turns."""
        if problem.size > FEW_WAVES:
            return
        turning = [k for k in range(problem.size) if turns_along(problem.z[smooth.rows, k], smooth.slopes[:, k])]
        for number, wave in enumerate(waves(problem, self.functions, turning)):
            found = signomials(problem, FORMS, self.seed, noisy=True, wave=wave, starts=QUICK)
            self.agenda.push(problem.size - 0.6 + 0.1 * number, self._try(found))

    def _push_exact(self, rank: float, kinds: Iterator[list[Guess]]) -> None:
        """Let guesses wait that have to fit to round-off, under noise for all else.

        They are not left out, as what a stand-in takes for noise may be a fast wave.
        """
        if self.noisy:
            self.agenda.push(IN_VAIN + rank, self._try(kinds))
        else:
            self.agenda.push(rank, self._unless_noisy(rank, kinds))

    def _unless_noisy(self, rank: float, kinds: Iterator[list[Guess]]) -> Iterator[None]:
        """Try such guesses, or let them wait if there turned out to be noise."""
        if self.noisy:
            self._push_exact(rank, kinds)
        else:
            yield from self._try(kinds)

    def with_noise(self, problem: Problem) -> Iterator[None]:
        """Try sums of power products that leave some noise, and push longer ones."""
        few, more = (signomials(problem, forms, self.seed, noisy=True, starts=QUICK) for forms in (NOISY, NOISY_LONGER))
        self.agenda.push(problem.size - 0.5, self._try(more))
        yield from self._try(few)

    def _of_one(self, problem: Problem, whole: bool) -> Iterator[None]:
        """Try functions of the only feature, those first that take tenths of a second.

        Others take seconds, and wait where it is one reduction of many.
        """
        kinds = univariate(problem, self.functions)
        both: Iterator[list[Guess]] = iter(())
        quick: list[tuple[Iterator[list[Guess]], int]] = [(kinds, 2)]
        if not self.noisy:  # which does not tell pairs apart
            both = pairs(problem, self.functions)
            # powers beyond those of the library, `x^-12 - x^-6`
            quick += [(both, 4), (signomials(problem, FORMS, self.seed, starts=QUICK), len(FORMS))]
        for some, count in quick:
            yield from self._try(itertools.islice(some, count))
        parts = periodic(problem) if whole and not self.noisy else []
        for smaller in parts:
            self.agenda.push(-0.3, self.solve(smaller, math.inf))
        deeper = self._deeper(problem, kinds, both, whole)
        if parts:  # the rest of a law whose period is known is soon found
            self.agenda.push(0.2, deeper)
        else:
            yield from deeper

    def _deeper(
        self, problem: Problem, kinds: Iterator[list[Guess]], both: Iterator[list[Guess]], whole: bool
    ) -> Iterator[None]:
        """Try functions inside functions of the only feature."""
        chains, three, deeper = (make(problem, self.functions) for make in (nested, triples, compounds))
        turns = [(chains, 1), *([(deeper, 1), (three, 2)] if whole and not self.noisy else []), (kinds, 1)]
        for some, count in turns:
            yield from self._try(itertools.islice(some, count))
        if self.noisy:
            yield from self._try(itertools.islice(kinds, 1))
            self.agenda.push(1.0 if whole else INSIDE, self._try(kinds))
            return
        inside, covered = itertools.islice(kinds, 1), covered_pairs(problem, self.functions)
        slow = itertools.chain(both, chains, inside, itertools.islice(deeper, 2), three, covered, deeper, kinds)
        self.agenda.push(1.0 if whole else COMPOUND, self._try(slow))

    def _by_trial(self, problem: Problem, smooth: Surrogate, error: float) -> Iterator[None]:
        """Push the reductions that derivatives hint at and that a stand-in on the smaller problem is no worse for."""
        yield from self._reduced(reductions(problem, smooth, self.seed), problem, error)

    def _reduced(self, kinds: Iterator[list[tuple[float, Problem]]], problem: Problem, error: float) -> Iterator[None]:
        """Push reductions of each kind; where those of one are good, the next kind waits until they are followed."""
        for found in kinds:
            for share, smaller in found:
                self.agenda.push(smaller.size + min(4.0, 50 * max(0.0, share - 1)), self.solve(smaller, error))
            if found and found[0][0] < GOOD:
                self.agenda.push(problem.size - 0.3, self._reduced(kinds, problem, error))
                break
        yield

    def _by_derivatives(self, problem: Problem, smooth: Surrogate, error: float) -> None:
        """Push the reductions that derivatives show."""
        without = powers(problem, smooth)
        if without is not None:
            self.agenda.push(without.size + 0.2, self.solve(without, error))
        for number, smaller in enumerate(scalings(problem, smooth)):
            # products of many features hide sums and differences of them, which are looked for first
            late = 2 if smaller.size > 2 else 0
            self.agenda.push(smaller.size + late + 0.1 * number, self.solve(smaller, error))
        for number, (misfit, smaller) in enumerate(itertools.islice(joined_pairs(problem, smooth), 4)):
            self.agenda.push(problem.size - 1.4 + 5 * misfit + 0.9 * number, self.solve(smaller, error))
        z = problem.z[smooth.rows]
        inside = interior(z)
        together = nodes(z[inside], smooth.slopes[inside])
        if together:
            late = error > ROUGH * self.spread  # slopes that are this rough show nodes where there are none
            rank = problem.size - 1.3 + 5 * together[0].misfit + late
            found = variants(together, z[inside])
            if not self.noisy:  # splines that fine would follow the noise
                found = (sharpened(node, problem, smooth) for node in found)
            self.agenda.push(rank, self._join(joins(problem, smooth, found, self.functions), rank, error))
        if not self.noisy:
            self._push_parts(problem, parts(problem, smooth), problem.size - 1.42, error)
            self._push_parts(problem, product_terms(problem, smooth), problem.size - 1.28, error)
            self._push_parts(problem, groups(problem, error / self.spread), problem.size - 1.4, error)
            if problem.key() not in self._sheared:
                self._push_parts(problem, shears(problem, smooth), problem.size - 1.28, error)
        if error > KINKED * self.spread:
            for number, smaller in enumerate(folded(problem, self.functions)):
                self.agenda.push(problem.size - 0.9 + 0.1 * number, self.solve(smaller, error / 10))

    def _push_parts(self, problem: Problem, found: Sequence[Part], rank: float, error: float) -> None:
        """Let parts of the law wait to be taken out, many of them longer."""
        for number, part in enumerate(found):
            late = number >= SEPARATED
            self.agenda.push(rank + 20 * part.misfit + late, self._separate(problem, part, error))

    def _separate(self, problem: Problem, part: Part, error: float) -> Iterator[None]:
        """Take out a part of the law, which is only as exact as it is read off."""
        for symbols, smaller in without(problem, part, self.functions):
            rank = problem.size - 1.4 + 0.01 * symbols
            if not part.alone:
                self._sheared.add(smaller.key())
            self.agenda.push(rank, self.solve(smaller, max(error, CURVE * self.spread)))
            yield

    def _join(self, found: Iterator[tuple[float, Problem]], rank: float, error: float) -> Iterator[None]:
        """Reduce a problem by a node of curves, which are only as exact as they are read off; the next one waits."""
        for misfit, smaller in itertools.islice(found, 1):
            self.agenda.push(smaller.size - 0.5 + 5 * misfit, self.solve(smaller, max(error, 10 * CURVE * self.spread)))
            self.agenda.push(rank + 0.3, self._join(found, rank + 0.3, error))
            yield

    def _push_nodes(self, problem: Problem, rank: float, error: float) -> None:
        """Let problems wait of one feature that nodes from random starts make of all."""
        found = single_nodes(problem, self.functions, self.seed, self.agenda.budget.late)
        self.agenda.push(rank, self._by_nodes(found, rank, max(error, 10 * CURVE * self.spread)))

    def _by_nodes(self, found: Iterator[Problem], rank: float, error: float) -> Iterator[None]:
        """Push the next of these problems; the one after it waits until that is solved."""
        for smaller in itertools.islice(found, 1):
            self.agenda.push(1, self.solve(smaller, error))
            self.agenda.push(rank, self._by_nodes(found, rank, error))
            yield

    def _push_node_sums(self, problem: Problem, error: float, above: float) -> None:
        """Let nodes beside a product wait; in vain they take a second, or three of three features.

        Of two features, only a node of all that derivatives show clearly comes before: terms in vain take longer.
        """
        if self.noisy and above < math.inf:
            return
        rank = problem.size - ((1.285 if problem.size == 2 else 0.98) if above == math.inf else 0.3)
        found = node_sums(problem, self.functions, self.agenda.budget.late)
        if self.noisy:  # what a stand-in takes for a little noise may be as steep as a cone
            rank += 1.4 if error > SLIGHT * self.spread else 0.3
        self.agenda.push(rank, self._by_node_sums(found, rank, max(error, 10 * CURVE * self.spread)))

    def _by_node_sums(self, found: Iterator[list[Problem]], rank: float, error: float) -> Iterator[None]:
        """Push the problem of a plain node that stands beside a product; nodes of curves wait."""
        for some in itertools.islice(found, 1):
            for smaller in some:
                self.agenda.push(0.6, self.solve(smaller, error))
            self.agenda.push(rank + CURVED, self._by_node_sums(found, rank, error))
            yield

    def _slow(self, problem: Problem, error: float, above: float) -> Iterator[None]:
        if problem.size > 2:
            yield from self._try(polynomials(problem))
        if above < math.inf:
            yield from self._try(products(problem, self.functions))
            self._push_nodes(problem, 10 + problem.size, error)
        yield from self._try(sums(problem, self.functions, self.noise))
        yield from self._try(sums_of_pairs(problem, self.functions, self.noise))

    def _try(self, kinds: Iterator[list[Guess]]) -> Iterator[None]:
        """Consider the guesses of each kind, a step for each."""
        for guesses in kinds:
            self.consider(guesses)
            yield

    def _error_of(self, problem: Problem, smooth: Surrogate) -> float:
        """Return the stand-in's error in units of the rows' own target."""
        return smooth.error_felt(problem.felt()[smooth.rows])


def turns_along(s: Tensor, slopes: Tensor) -> bool:
    """Tell whether a law turns along a feature `(rows,)`: its mean slopes in parts of the range are of both signs.

    A slope that is of both signs because of other features, as that of `a` in `a cos(b)`, is none of its own.
    """
    means = torch.stack([part.mean() for part in slopes[s.argsort()].chunk(PARTS)])
    up, down = means.clamp_min(0).square().mean(), means.clamp_max(0).square().mean()
    return bool(torch.minimum(up, down) > TURNING * slopes.square().mean())
