"""Laws of several variables: power products, sums of few terms, sums of one-variable functions, implicit relations."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.functions import LIBRARY, Function
from kanlens.naming import curve_choices, unshifted_sum
from kanlens.problems import EXPONENTIAL, Outer, Problem, outers
from kanlens.sparse import best_subsets, coefficients
from kanlens.spreading import evenly
from kanlens.trees import Call, Number, Tree, Variable, add, monomial, multiply, raise_to, substitute, values
from kanlens.univariate import Guess

POINTS = 400
"""Rows that comparisons of many features look at."""

SOME, MANY = 4, 6
"""Terms of a sum, and of one where there are few rows: it is quick then, and smooth stand-ins tell little."""

FEW = 100
"""Rows up to which they are few."""

INTERVALS = (10, 20, 40)
"""Intervals of the splines of a sum, at most: curves are known the better, and named the surer, the finer they are."""

CLOSE = 1e-2
"""Error, as a share of the target's deviation, from which the curves of a sum are worth naming."""

CHANGED = 0.1
"""Size of the targets of the rarer sign, as a share of the others', up to which noise may have changed their sign."""

SHARPENED = 5
"""Steps that bring the exponents of a power product from logarithms of the target to the target itself."""

MOST_FEATURES = 3000
"""Features that a dictionary may have."""

MOST_TERMS = 60
"""Terms of a polynomial."""

NATURAL = ("sin", "cos", "exp", "log")
"""Functions that occur of a variable itself, without a factor."""


def power_products(problem: Problem) -> Iterator[list[Guess]]:
    """Yield the product of powers that is closest to the target, exponents rounded."""
    felt, slopes = problem.felt(), product_exponents(problem)
    for bottom in (1, 2, 6) if slopes else ():
        exponents = [Fraction(round(p * bottom), bottom) for p in slopes]
        before = monomial(exponents)
        base = values(before, problem.z)
        c = float((felt**2 * base * problem.t).sum() / (felt**2 * base**2).sum())
        error = float(((c * base - problem.t) * felt).square().mean())
        yield [Guess(problem.formula(multiply(Number(c), before)), error)]


def product_exponents(problem: Problem) -> list[float]:
    """Return the exponents of the product of powers that is closest to the target, none where there can be none.

    They begin with a linear fit of the logarithms, in which rows count in proportion to their target, as far as the
    target itself is to be met. So those do not count where noise has changed its sign, which are small ones if the
    target is such a product.
    """
    if not (problem.z > 0).all() or not problem.size:
        return []
    felt = problem.felt()
    weighty = felt * problem.t
    sign = 1.0 if float(weighty.clamp_min(0).norm()) > float(weighty.clamp_max(0).norm()) else -1.0
    size, weighty, logs = sign * problem.t, sign * weighty, problem.z.log()
    there = size > 0
    if not float(weighty[~there].norm()) < CHANGED * float(weighty[there].norm()):
        return []
    start = logs.new_tensor(coefficients(logs[there], size[there].log(), weighty[there]))
    slopes: list[float] = _sharpened(start, logs, size, felt)[:-1].tolist()
    return slopes


def _sharpened(constants: Tensor, logs: Tensor, size: Tensor, felt: Tensor) -> Tensor:
    """Return exponents and logarithmic factor after Gauss and Newton's steps on the target itself.

    Fitted to logarithms, they are biased by noise, which is not even there.
    """
    lines = torch.cat([logs, torch.ones_like(size)[:, None]], 1)
    best, least, trial = constants, math.inf, constants
    for _ in range(SHARPENED):
        product = (lines @ trial).exp()
        error = float((felt * (size - product)).square().mean())
        if not error < least:
            break
        best, least = trial, error
        trial = trial + logs.new_tensor(coefficients(logs, size / product - 1, felt * product))
    return best


def polynomials(problem: Problem) -> Iterator[list[Guess]]:
    """Yield the polynomial of lowest degree, inside an outer function, that leaves no more than round-off.

    Its coefficients are found by one linear fit, however many there are; those that are round-off are left out.
    """
    rows = torch.arange(min(POINTS, len(problem.t)))
    z, t = problem.z[rows], problem.t[rows]
    for degree in range(1, 10):
        if math.comb(problem.size + degree, degree) - 1 > min(MOST_TERMS, len(t) - 4):
            return
        trees = [monomial(row) for row in exponents_up_to(problem.size, degree) if any(row)]
        columns = torch.stack([values(tree, z) for tree in trees], 1)
        found = []
        for outer in outers(t)[:4]:
            tau = outer.forward(t)
            one = torch.ones_like(tau)
            *c, d = coefficients(columns, tau, one)
            sizes = columns.norm(dim=0) * torch.tensor(c, dtype=z.dtype).abs()
            left = (columns @ torch.tensor(c, dtype=z.dtype) + d - tau).norm()
            if float(left) < 1e-10 * float((tau - tau.mean()).norm()):
                kept = [k for k, size in enumerate(sizes.tolist()) if size > 1e-8 * float(sizes.amax())]
                terms = [multiply(Number(c[k]), trees[k]) for k in kept]
                bodies = [add(*terms, Number(d)), *([add(*terms)] if abs(d) < 1e-8 * float(tau.abs().amax()) else [])]
                found += [Guess(problem.formula(outer.inverse(body)), 0.0) for body in bodies]
        if found:
            yield found
            return


def exponents_up_to(size: int, degree: int) -> Iterator[list[int]]:
    """Yield the exponents of all monomials up to a degree, the constant first."""
    for total in range(degree + 1):
        for chosen in itertools.combinations_with_replacement(range(size), total):
            yield [chosen.count(k) for k in range(size)]


def few_terms(problem: Problem) -> Iterator[list[Guess]]:
    """Yield sums of few monomials, some with a function of a variable in them, inside an outer function."""
    rows = torch.arange(min(POINTS, len(problem.t)))
    felt, t = problem.felt()[rows], problem.t[rows]
    columns, trees = _dictionary(problem.z[rows])
    short: list[Guess] = []
    long: list[Guess] = []
    for outer in outers(t):
        tau, weight = outer.forward(t), felt * outer.weight(t)
        for features, error in best_subsets(columns, tau, weight, MANY if len(rows) <= FEW else SOME):
            *c, d = coefficients(columns[:, list(features)], tau, weight)
            terms = [multiply(Number(ck), trees[k]) for ck, k in zip(c, features, strict=True)]
            bodies = (add(*terms, Number(d)), add(*terms))
            found = long if len(features) > SOME else short
            found += [Guess(problem.formula(outer.inverse(body)), error) for body in bodies]
    for guesses in (short, long):
        yield sorted(guesses, key=lambda guess: guess.error)


def _dictionary(z: Tensor) -> tuple[Tensor, list[Tree]]:
    """Return monomials, and functions of one variable times monomials of the others, `(rows, features)`."""
    exponents = _exponents(z)
    trees: list[Tree] = [monomial(row) for row in exponents]
    small = [row for row in exponents if all(p.denominator == 1 and -1 <= p <= 2 for p in row)]
    for k, name in itertools.product(range(z.shape[1]), NATURAL):
        for row in [[Fraction(0)] * z.shape[1], *small]:
            if row[k] == 0 and len(trees) < MOST_FEATURES:
                trees.append(multiply(monomial(row), Call(LIBRARY[name], Variable(k))))
    if z.shape[1] <= 3:
        trees += _of_several(z.shape[1])
    columns = torch.stack([values(tree, z) for tree in trees], 1)
    sound = torch.isfinite(columns).all(0)
    return columns[:, sound], [tree for tree, good in zip(trees, sound.tolist(), strict=True) if good]


def _of_several(size: int) -> list[Tree]:
    """Return functions of squares, products, sums and differences, and products of two functions."""
    x: list[Tree] = [Variable(k) for k in range(size)]
    arguments: list[Tree] = [raise_to(v, 2) for v in x]
    for u, v in itertools.combinations(x, 2):
        arguments += [multiply(u, v), add(u, v), add(u, multiply(Number(-1.0), v)), add(raise_to(u, 2), raise_to(v, 2))]
    common = [LIBRARY[name] for name in NATURAL]
    inside: list[Tree] = [Call(f, multiply(Number(1.0), u)) for f in common for u in arguments]
    plain = [[Call(f, multiply(Number(1.0), v)) for f in common] for v in x]
    both = [multiply(a, b) for k, j in itertools.combinations(range(size), 2) for a in plain[k] for b in plain[j]]
    return [*inside, *both]


def _exponents(z: Tensor) -> list[tuple[Fraction, ...]]:
    """Return the exponents of monomials, as high in sum as their number allows, constants left out."""
    size = z.shape[1]
    rows: list[tuple[Fraction, ...]] = []
    for total in range(1, 9):
        shell = [tuple(map(Fraction, row)) for row in _of_sum(size, total)]
        if len(rows) + len(shell) > MOST_FEATURES // 2:
            break
        rows += shell
    if size <= 3:
        halves = [Fraction(p, 2) for p in range(-3, 4)]
        rows += [row for row in itertools.product(halves, repeat=size) if any(p.denominator == 2 for p in row)]
    return rows


def _of_sum(size: int, total: int) -> Iterator[tuple[int, ...]]:
    """Yield all vectors of whole numbers whose absolute values have this sum."""
    if size == 1:
        yield from {(total,), (-total,)}
        return
    for first in range(-total, total + 1):
        for rest in _of_sum(size - 1, total - abs(first)):
            yield (first, *rest)


def sums(
    problem: Problem, functions: Mapping[str, Function], noise: float, close: float = CLOSE
) -> Iterator[list[Guess]]:
    """Yield `outer(sum_k f_k(z_k))`, a network of one hidden node.

    The splines of a sum are found by linear least squares for each outer function; the curves of those that fit
    are named one by one, those only that leave less than `close` of the deviation where there is no noise.
    """
    return _sums(problem, functions, noise, close, [[Variable(k) for k in range(problem.size)]])


def sums_of_pairs(problem: Problem, functions: Mapping[str, Function], noise: float) -> Iterator[list[Guess]]:
    """Yield the same of two among both features, their product, ratio, sum and difference."""
    if problem.size != 2:
        return
    x, y = Variable(0), Variable(1)
    product, ratio = multiply(x, y), multiply(x, raise_to(y, -1))
    total, difference = add(x, y), add(x, multiply(Number(-1.0), y))
    pairs = map(list, itertools.combinations([x, y, product, ratio, total, difference], 2))
    yield from _sums(problem, functions, noise, CLOSE, itertools.islice(pairs, 1, None))


def _sums(
    problem: Problem,
    functions: Mapping[str, Function],
    noise: float,
    close: float,
    arguments: Iterable[list[Tree]],
) -> Iterator[list[Guess]]:
    rows = torch.arange(min(2 * POINTS, len(problem.t)))
    z, t, felt = problem.z[rows], problem.t[rows], problem.felt()[rows]
    spread = float((felt * (t - t.mean())).square().mean())
    fits: list[tuple[float, Outer, list[Tree], list[Tensor]]] = []
    for trees in arguments:
        v = torch.stack([values(tree, z) for tree in trees], 1)
        if not torch.isfinite(v).all():
            continue
        coarse = _Splines.of(v, INTERVALS[0])
        for outer in outers(t):
            tau, weight = outer.forward(t), felt * outer.weight(t)
            error, parts = coarse.fit(tau, weight)
            if error < max(CLOSE**2 * spread, 4 * noise**2):
                finer = [_Splines.of(v, intervals).fit(tau, weight) for intervals in INTERVALS[1:]]
                error, parts = min([(error, parts), *finer], key=lambda fit: fit[0])
                if error < max(close**2 * spread, 4 * noise**2):
                    fits.append((error, outer, trees, parts))
    for error, outer, trees, parts in sorted(fits, key=lambda fit: round(math.log10(fit[0] + 1e-12 * spread)))[:6]:
        v = torch.stack([values(tree, z) for tree in trees], 1)
        factors = outer.name == EXPONENTIAL  # a sum of logarithms is a product of functions
        curves = [part.exp() if factors else part for part in parts]
        doubts = [(error / spread) ** 0.5] * len(curves)
        choices = curve_choices(list(zip(v.unbind(1), curves, strict=True)), functions, doubts)
        found = []
        for choice in itertools.islice(choices, 12):
            placed = [substitute(tree, [argument]) for tree, argument in zip(choice, trees, strict=True)]
            if factors:
                product = math.prod(values(tree, v[:, [k]]) for k, tree in enumerate(choice))
                body = multiply(Number(float((t / product).median())), *placed)
            else:
                terms = unshifted_sum(placed)
                constant = float((outer.forward(t) - values(terms, z)).mean())
                body = outer.inverse(add(terms, Number(constant)))
            found.append(Guess(problem.formula(body), error))
        yield found


class _Splines:
    """Fit sums of splines of several variables."""

    def __init__(self, columns: Tensor, slices: list[slice], train: Tensor) -> None:
        self.columns, self.slices, self.train = columns, slices, train

    @classmethod
    def of(cls, v: Tensor, most: int) -> "_Splines":
        """Return the bases of the variables at their points `(rows, d)`."""
        intervals = max(1, min(most, len(v) // (8 * v.shape[1]) - 5))
        basis = BSpline(degree=5, intervals=intervals)
        at = evenly(v).at
        dense = basis.values(at, basis.grid(at.amin(0), at.amax(0)))  # (rows, d, size)
        columns = [torch.ones(len(v), 1, dtype=v.dtype)]
        slices, start = [], 1
        for k in range(v.shape[1]):
            part = dense[:, k] - dense[:, k].mean(0)
            columns.append(part[:, 1:])  # the splines sum to 1, which the constant is already
            slices.append(slice(start, start + part.shape[1] - 1))
            start += part.shape[1] - 1
        return cls(torch.cat(columns, 1), slices, torch.arange(len(v)) % 4 != 0)

    def fit(self, tau: Tensor, weight: Tensor) -> tuple[float, list[Tensor]]:
        """Return the held-out weighted mean square error, and each variable's part of the sum at the rows."""
        weighted = self.columns * weight[:, None]
        left, right = weighted[self.train], (tau * weight)[self.train]
        scale = left.norm(dim=0).clamp_min(1e-300)
        ridge = 1e-10 * torch.eye(left.shape[1], dtype=left.dtype)
        solved = (
            torch.linalg.lstsq(
                torch.cat([left / scale, ridge]), torch.cat([right, right.new_zeros(len(ridge))])[:, None]
            ).solution[:, 0]
            / scale
        )
        held = ~self.train
        error = float((weighted[held] @ solved - (tau * weight)[held]).square().mean())
        return error, [self.columns[:, part] @ solved[part] for part in self.slices]


def implicit(problem: Problem) -> Iterator[list[Guess]]:
    """Yield `t = (P / Q)^p`, P and Q polynomials, where the data satisfy `P(z) - t^(1/p) Q(z) = 0` to round-off.

    A relation is the null vector of the matrix of all monomials. Degrees grow until there is one; a variable may
    enter by its sine, cosine, exponential or logarithm.
    """
    if problem.size > 4:
        return
    rows = torch.arange(min(POINTS, len(problem.t)))
    z, t = problem.z[rows], problem.t[rows]
    for degree in range(1, 5 if problem.size < 4 else 3):
        for bases in _bases(problem.size):
            v = torch.stack([values(tree, z) for tree in bases], 1)
            if not torch.isfinite(v).all():
                continue
            trees = [monomial(row, bases) for row in exponents_up_to(len(bases), degree)]
            columns = torch.stack([values(tree, z) for tree in trees], 1)
            if 2 * columns.shape[1] > len(t) // 3:
                continue
            for p in (Fraction(1), Fraction(1, 2), Fraction(-1, 2)):
                if p != 1 and not (t > 0).all():
                    continue
                vector = _relation(columns, t ** float(1 / p))
                if vector is not None:
                    top, bottom = (_combination(part, trees) for part in vector)
                    tree = raise_to(multiply(top, raise_to(bottom, -1)), p)
                    yield [Guess(problem.formula(tree), 0.0)]
                    return


def _bases(size: int) -> Iterator[list[Tree]]:
    plain: list[Tree] = [Variable(k) for k in range(size)]
    yield plain
    for k, name in itertools.product(range(size), ("cos", "sin", "exp", "log")):
        yield [*plain[:k], Call(LIBRARY[name], plain[k]), *plain[k + 1 :]]


def _relation(columns: Tensor, target: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return coefficients of numerator and denominator if there is exactly one relation."""
    both = torch.cat([columns, -columns * target[:, None]], 1)
    both = both / both.norm(dim=1, keepdim=True)
    scale = both.norm(dim=0)
    _, singular, right = torch.linalg.svd(both / scale, full_matrices=False)
    if not singular[-1] < 1e-12 * singular[0] or singular[-2] < 1e3 * singular[-1]:
        return None
    vector = right[-1] / scale
    vector = torch.where(vector.abs() * scale > 1e-7 * (vector.abs() * scale).amax(), vector, 0.0)
    vector = vector / vector[vector.abs().argmax()]
    half = len(vector) // 2
    return (vector[:half], vector[half:]) if vector[:half].any() and vector[half:].any() else None


def _combination(weights: Tensor, trees: Sequence[Tree]) -> Tree:
    return add(*(multiply(Number(w), tree) for w, tree in zip(weights.tolist(), trees, strict=True) if w))
