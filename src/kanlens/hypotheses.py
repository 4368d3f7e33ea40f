"""Reductions for data with noise: derivatives only hint at them, a new stand-in on the smaller problem decides.

Without noise a reduction leaves derivatives that agree to three digits, and one look tells. With noise they agree to
one digit, so that many reductions are likely; but a wrong one costs the stand-in on a thousand rows far more accuracy
than chance does.
"""

import itertools
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.multivariate import product_exponents
from kanlens.problems import Problem
from kanlens.reductions import powers
from kanlens.surrogate import Kind, Surrogate, quick_error
from kanlens.trees import Number, Tree, Variable, add, monomial, multiply, raise_to, whole

TESTED = 6
"""Reductions of one kind that a stand-in is fitted for."""

WORSE = 1.02
"""Error of the stand-in on a smaller problem, in units of that on the larger one, up to which it may be right."""

PRICE = 0.003
"""What a symbol more adds to the error."""

FORMS = tuple((Fraction(p), Fraction(q)) for p, q in ((1, 1), (2, 2), (-1, -1), (1, 2), (2, 1)))
"""Powers of two features whose sum may be what matters."""

WHOLE = (0.03, 0.1)
"""How far the exponent of a factor may be off a whole number."""

SCALES = (1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
"""Coefficients that a sum likely has."""


class Hint(NamedTuple):
    """Hold a smaller problem, how far derivatives are off what it says, as a share of them, and its extra symbols."""

    misfit: float
    symbols: float
    problem: Problem


def reductions(problem: Problem, smooth: Surrogate, seed: int) -> Iterator[list[tuple[float, Problem]]]:
    """Yield smaller problems that may be right with their stand-ins' errors in units of this one's, the best first.

    Those of one kind come together: without a scale, with a sum in the place of two features, without a feature.
    A little is added for features that take many symbols: `x^2 y` may be all that matters where `x` is a factor, too.
    """
    felt = problem.felt()
    together = powers(problem, smooth)
    factors = [Hint(0.0, 0.0, together)] if together is not None else []
    factors += _factored(problem)
    error = _error(problem, smooth.kind, seed)
    for kinds in ((factors, _scalings(problem, smooth, felt)), (_joins(problem, smooth, felt),), (_without(problem),)):
        found = [one for kind in kinds for one in _tested(kind, error, smooth.kind, seed)]
        yield sorted(found, key=lambda f: f[0])


def _factored(problem: Problem) -> Iterator[Hint]:
    """Yield problems without the features that have whole powers in the power product closest to the target.

    So many features go at once; a stand-in tells whether they are factors indeed, and no whole powers by chance.
    """
    exponents = product_exponents(problem)
    for near in WHOLE:
        factor = [Fraction(round(p)) if abs(p - round(p)) < near else Fraction(0) for p in exponents]
        others: list[Tree] = [Variable(k) for k, p in enumerate(factor) if not p]
        smaller = problem.reduced(others, monomial(factor)) if 0 < len(others) < problem.size else None
        if smaller is not None:
            yield Hint(0.0, 0.0, smaller)


def _tested(hints: Iterable[Hint], error: float, kind: Kind, seed: int) -> Iterator[tuple[float, Problem]]:
    """Yield the likeliest of some hints that a stand-in is no worse for, and its error."""
    tested: set[tuple[float, ...]] = set()
    for hint in sorted(hints, key=lambda h: h.misfit):
        if len(tested) == TESTED:
            break
        if hint.problem.key() not in tested:
            tested.add(hint.problem.key())
            share = _error(hint.problem, kind, seed) / error
            if share < WORSE:
                yield share + PRICE * hint.symbols, hint.problem


def _error(problem: Problem, kind: Kind, seed: int) -> float:
    """Return the error of a quick stand-in in units of the rows' own target."""
    felt = problem.felt()
    if not problem.size:
        return float(((problem.t - problem.t.mean()) * felt).square().mean().sqrt())
    return quick_error(problem.z, problem.t, felt, kind, seed)


def _scalings(problem: Problem, smooth: Surrogate, felt: Tensor) -> Iterator[Hint]:
    """Yield problems without a scale that the law may not feel, of small whole numbers for up to three features."""
    z = problem.z[smooth.rows]
    if not (z > 0).all():
        return
    matrix = torch.cat([z * smooth.slopes, -smooth.values[:, None]], 1) * felt[smooth.rows, None]
    gram = matrix.mT @ matrix
    size = problem.size
    rows = [r for r in itertools.product(range(-2, 3), repeat=min(size, 6)) if 1 <= sum(map(bool, r)) <= 3]
    for row in rows:
        if next(v for v in row if v) < 0 or math.gcd(*row) > 1:
            continue
        vector = torch.tensor([*row, *[0] * (size - len(row)), 0], dtype=z.dtype)
        target = -2 * float(vector @ gram[:, -1]) / float(gram[-1, -1])
        vector[-1] = round(target) / 2
        left = float(vector @ gram @ vector) / float(vector.square() @ gram.diagonal())
        if left < 0.25:
            smaller = _unscaled(problem, row, Fraction(round(target), 2))
            if smaller is not None:
                symbols = float(sum(map(abs, row)) - 1)
                yield Hint(left**0.5 * (1 + 0.1 * symbols), symbols, smaller)


def _unscaled(problem: Problem, row: tuple[int, ...], target: Fraction) -> Problem | None:
    """Return the problem in the products that a scaling leaves alone."""
    taken = min((k for k, a in enumerate(row) if a), key=lambda k: abs(row[k]))
    features = []
    for k in range(problem.size):
        if k != taken:
            exponents = [Fraction(int(j == k)) for j in range(problem.size)]
            exponents[taken] = Fraction(-(row[k] if k < len(row) else 0), row[taken])
            features.append(monomial(exponents))
    before = [Fraction(0)] * problem.size
    before[taken] = target / row[taken]
    return problem.reduced(features, monomial(before))


def _joins(problem: Problem, smooth: Surrogate, felt: Tensor) -> Iterator[Hint]:
    """Yield problems in which a sum of powers of two features takes their place, perhaps with a third as a factor."""
    z, slopes = problem.z[smooth.rows], smooth.slopes * felt[smooth.rows, None]
    positive = (z > 0).all(0).tolist()
    for i, j in itertools.combinations(range(problem.size), 2):
        for p, q in FORMS:
            if p < 0 and not (positive[i] and positive[j]):
                continue
            left = slopes[:, i] * float(q) * z[:, j] ** float(q - 1)
            right = slopes[:, j] * float(p) * z[:, i] ** float(p - 1)
            for third, power in _factors(problem.size, (i, j), positive):
                times = left if third is None else left * z[:, third] ** power
                scale = float(times @ right) / float(times @ times)
                for near in _near(scale):
                    off = float((near * times - right).norm() / ((near * times).norm() + right.norm()))
                    if off < 0.3:
                        one = raise_to(Variable(i), p)
                        other = multiply(_coefficient(near), raise_to(Variable(j), q))
                        if third is not None:
                            other = multiply(other, raise_to(Variable(third), power))
                        features = [add(one, other), *(Variable(k) for k in range(problem.size) if k not in (i, j))]
                        smaller = problem.reduced(features)
                        if smaller is not None:
                            symbols = float(abs(p)) + float(abs(q)) + 2 * (third is not None) - 1
                            yield Hint(off * (1 + 0.1 * symbols), symbols, smaller)


def _factors(size: int, pair: tuple[int, int], positive: list[bool]) -> Iterator[tuple[int | None, int]]:
    """Yield the power of a third feature by which the second one may be multiplied, none first."""
    yield None, 1
    for k in range(size):
        if k not in pair and positive[k]:
            yield from ((k, 1), (k, -1))


def _near(scale: float) -> list[float]:
    """Return the simple coefficients near one that was estimated, or itself."""
    close = [s for s in SCALES if abs(s - scale) < 0.3 * abs(s)]
    return close or ([float(f"{scale:.2g}")] if math.isfinite(scale) and scale else [])


def _coefficient(value: float) -> Tree:
    return whole(int(value)) if value == int(value) else Number(value)


def _without(problem: Problem) -> Iterator[Hint]:
    """Yield the problems without one of the features."""
    for k in range(problem.size if problem.size > 1 else 0):
        smaller = problem.reduced([Variable(j) for j in range(problem.size) if j != k])
        if smaller is not None:
            yield Hint(1.0, 0.0, smaller)
