"""Make a problem smaller: features that only matter together become one.

Each reduction is suggested by the derivatives of a smooth stand-in for the law and is exact when it is right:
the smaller problem has the data's own precision.
"""

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction

import torch
from torch import Tensor

from kanlens.problems import Problem
from kanlens.surrogate import Surrogate
from kanlens.trees import Number, Tree, Variable, add, monomial, multiply, raise_to, whole

DENOMINATORS = (1, 2, 3)
"""Of the exponents that a scaling may have."""

GAP, WIDEST = 10.0, 0.01
"""Ratio of two singular values, and size of the smaller one, from which the gap between them tells what is zero."""

ROUGH = 0.15
"""Von Neumann ratio (1 for noise) up to which a target runs smoothly."""

GLANCED, NEIGHBOURS, GLANCE = 3, 100, 0.1
"""Features and rows up to and from which a single feature is looked for at a glance, and the target's scatter along it,
as a share of its deviation, from which it is one."""

POWER = 0.15
"""Share of a power's derivative that may be off because the stand-in is not exact."""


def scalings(problem: Problem, smooth: Surrogate) -> Iterator[Problem]:
    r"""Yield problems without the scales that the law does not feel.

    If :math:`\sum_i a_i z_i\,\partial t/\partial z_i = a_0 t` everywhere, then scaling each feature by
    :math:`\lambda^{a_i}` scales the target by :math:`\lambda^{a_0}`, and the law is a power product times a function
    of products that do not change: Buckingham's theorem, with the units found from the data. The vectors
    :math:`a` are the null space of the matrix of :math:`(z_i \partial_i t, -t)`; it is brought to the form in
    which some features have a scale of their own, which are then those that are taken out.
    """
    z = problem.z[smooth.rows]
    if not (z > 0).all() or problem.size < 1:
        return
    t = smooth.values
    matrix = torch.cat([z * smooth.slopes, -t[:, None]], 1)
    size = matrix.norm(dim=1, keepdim=True) + 1e-3 * matrix.norm(dim=1).mean()
    _, singular, right = torch.linalg.svd(matrix / size, full_matrices=False)
    shares = (singular / singular[0]).tolist()
    yield from unscaled(problem, *(right[-count:] for count in _null_sizes(shares) if count))


def unscaled(problem: Problem, *spaces: Tensor) -> Iterator[Problem]:
    """Yield problems without scales that are known: of each space, the rows `(scales, size + 1)` span it."""
    seen: set[tuple[tuple[Fraction, ...], ...]] = set()
    for space in spaces:
        for vectors in _echelons(space, problem.size):
            if vectors not in seen:
                seen.add(vectors)
                smaller = _unscaled(problem, vectors)
                if smaller is not None:
                    yield smaller


def _null_sizes(shares: list[float]) -> Iterator[int]:
    """Yield how many singular values, shares of the largest one, may be zero: those below the widest gap come first."""
    gaps = [before / max(after, 1e-16) for before, after in itertools.pairwise(shares)]
    place = max(range(len(gaps)), key=lambda k: gaps[k]) if gaps else 0
    if gaps and gaps[place] > GAP and shares[place + 1] < WIDEST:
        yield len(shares) - place - 1
    for tolerance in (3e-4, 3e-3, 3e-2, 0.1):
        yield sum(share < tolerance for share in shares)


def powers(problem: Problem, smooth: Surrogate) -> Problem | None:
    """Return the problem without the features of which the law has a power as a factor, None if there are none."""
    found = [_exponent(problem, smooth, k) for k in range(problem.size)]
    exponents = [p if misfit < POWER else Fraction(0) for p, misfit in found]
    others: list[Tree] = [Variable(k) for k in range(problem.size) if not exponents[k]]
    return problem.reduced(others, monomial(exponents)) if 0 < len(others) < problem.size else None


def _exponent(problem: Problem, smooth: Surrogate, k: int) -> tuple[Fraction, float]:
    """Return the power of a feature that the law may have as a factor, and how far its derivative is off that."""
    z = problem.z[smooth.rows, k]
    felt = z * smooth.slopes[:, k]
    slope = float((felt * smooth.values).sum() / smooth.values.square().sum())
    exponent = Fraction(round(2 * slope), 2)
    if not exponent or not (z > 0).all():
        return Fraction(0), math.inf
    left = (felt - float(exponent) * smooth.values).norm() / smooth.values.norm()
    return exponent, float(left) / abs(float(exponent))


def indices(problem: Problem) -> Iterator[Problem]:
    """Yield problems of one feature, a power product or a sum of all, along which the target runs smoothly.

    Sorted by the right one, neighbours' targets differ little (von Neumann's ratio, 1941). It needs no smooth
    stand-in, and sees fast oscillations that a stand-in misses.
    """
    size = problem.size
    if not 2 <= size <= 5:
        return
    most = 3 if size <= 3 else 2
    exponents = itertools.product(range(-most, most + 1), repeat=size)
    choices = [row for row in exponents if next((v for v in row if v), 0) > 0]
    weights = torch.tensor(choices, dtype=problem.z.dtype)
    found: list[tuple[float, Tree]] = []
    for product in (True, False):
        order = (_products(problem.z, weights) if product else weights @ problem.z.T).argsort(1)
        steps = problem.t[order].diff(dim=1).square().mean(1) / (2 * problem.t.var())
        for share, place in zip(*(part.tolist() for part in steps.sort()), strict=True):
            if share > ROUGH or len(found) > 3:
                break
            row = choices[place]
            terms = [multiply(whole(p), Variable(k)) for k, p in enumerate(row) if p]
            found.append((share, monomial(row) if product else add(*terms)))
    for _, tree in sorted(found, key=lambda f: f[0])[:2]:
        smaller = problem.reduced([tree])
        if smaller is not None:
            yield smaller


def scatter(problem: Problem) -> float:
    """Return how much the rows' own target scatters along the only feature, from lines between neighbours.

    What these leave of the row between is as large as the noise, whatever the law (Gasser, Sroka & Jennen-Steinmetz,
    *Biometrika* 73, 1986). A kink or a steep end concerns few rows, where a smooth stand-in is off at all.
    """
    order = problem.z[:, 0].argsort()
    z, t, felt = problem.z[order, 0], problem.t[order], problem.felt()[order]
    share = torch.nan_to_num((z[1:-1] - z[:-2]) / (z[2:] - z[:-2]), nan=0.5)  # rows may be at one place
    left = t[1:-1] - (1 - share) * t[:-2] - share * t[2:]
    size = 1 + share.square() + (1 - share).square()
    count = torch.minimum(felt[1:-1], torch.minimum(felt[:-2], felt[2:]))
    return float((left.square() / size * count.square()).mean().sqrt())


def at_a_glance(problem: Problem) -> Iterator[Problem]:
    """Yield problems of one feature that all features are seen to make: their sum or difference, or their distance.

    Along the feature that matters the target scatters no more than a curve does between neighbours. No stand-in is
    wanted, which a cone is too steep for.
    """
    if not 2 <= problem.size <= GLANCED or len(problem.t) < NEIGHBOURS:
        return
    features = [Variable(k) for k in range(problem.size)]
    signs = itertools.product((1,), *[(1, -1)] * (problem.size - 1))
    sums = [add(*(multiply(whole(s), f) for s, f in zip(some, features, strict=True))) for some in signs]
    distance = raise_to(add(*(raise_to(feature, 2) for feature in features)), Fraction(1, 2))
    spread = float((problem.t * problem.felt()).std())
    for node in (distance, *sums):
        smaller = problem.reduced([node])
        if smaller is not None and scatter(smaller) < GLANCE * spread:
            yield smaller


def _products(z: Tensor, exponents: Tensor) -> Tensor:
    """Return power products of features, of either sign, `(products, rows)`."""
    size = z.abs().clamp_min(torch.finfo(z.dtype).tiny).log()
    negative = (exponents @ (z < 0).to(z.dtype).T).remainder(2) > 0
    products = (exponents @ size.T).exp()
    return torch.where(negative, -products, products)


def _echelons(null: Tensor, size: int) -> Iterator[tuple[tuple[Fraction, ...], ...]]:
    """Yield the null space in reduced form for several choices of the features taken out, simple exponents first."""
    found: dict[tuple[tuple[Fraction, ...], ...], float] = {}
    for taken in itertools.islice(itertools.combinations(range(size), len(null)), 60):
        square = null[:, list(taken)]
        if torch.linalg.cond(square) > 50:
            continue
        reduced = torch.linalg.solve(square, null)
        for bottom in DENOMINATORS:
            rounded = (reduced * bottom).round() / bottom
            if float((reduced - rounded).abs().amax()) < 0.12 / bottom:
                vectors = tuple(tuple(Fraction(round(v * bottom), bottom) for v in row) for row in reduced.tolist())
                price = sum(abs(v.numerator) + 2 * (v.denominator - 1) for row in vectors for v in row)
                found[vectors] = float(price)
                break
    yield from sorted(found, key=lambda v: found[v])[:3]


def _unscaled(problem: Problem, vectors: tuple[tuple[Fraction, ...], ...]) -> Problem | None:
    """Return the problem in the products that the scalings leave alone."""
    size = problem.size
    taken = [
        next(k for k in range(size) if row[k] == 1 and all(o[k] == 0 for o in vectors if o is not row))
        for row in vectors
    ]
    features = []
    for k in range(size):
        if k not in taken:
            exponents = [Fraction(0)] * size
            exponents[k] = Fraction(1)
            for place, row in zip(taken, vectors, strict=True):
                exponents[place] = -row[k]
            features.append(monomial(exponents))
    before = [Fraction(0)] * size
    for place, row in zip(taken, vectors, strict=True):
        before[place] = row[size]
    return problem.reduced(features, monomial(before))


def pairs(problem: Problem, smooth: Surrogate) -> Iterator[tuple[float, Problem]]:
    r"""Yield problems in which two features have become one, with the misfit of the derivatives.

    If the law feels :math:`x` and :math:`y` only through :math:`w(x, y)`, the ratio of its derivatives by them is that
    of :math:`w`'s. A ratio :math:`c\,m\,x^p y^{-q}`, with :math:`m` a power product of the others, belongs to
    :math:`w = c\,m\,x^{p+1}/(p+1) + y^{q+1}/(q+1)`, logarithms where an exponent is zero: sums, differences,
    squares and products are all of this kind. AI Feynman (Udrescu & Tegmark 2020) tries four of these one by one.
    """
    if problem.size < 2:
        return
    z = problem.z[smooth.rows]
    positive = (z > 0).all(0)
    strong = smooth.slopes.abs() * z.std(0)
    found: list[tuple[float, list[Tree]]] = []
    for i, j in itertools.combinations(range(problem.size), 2):
        ratio = smooth.slopes[:, i] / smooth.slopes[:, j]
        weight = torch.minimum(strong[:, i], strong[:, j])
        weight = (weight / weight.quantile(0.9).clamp_min(1e-300)).clamp_max(1.0)
        votes = float(torch.where(weight > 0.1, ratio.sign(), 0.0).sum())
        if abs(votes) < 0.98 * int((weight > 0.1).sum()):
            continue
        sign = math.copysign(1.0, votes)
        for exponents, scale, misfit in _power_ratio(z, ratio.abs(), weight, positive):
            joined = _joined(i, j, exponents, sign * scale)
            if joined is not None:
                others = [Variable(k) for k in range(problem.size) if k not in (i, j)]
                found.append((misfit, [joined, *others]))
    for misfit, features in sorted(found, key=lambda f: f[0]):
        smaller = problem.reduced(features)
        if smaller is not None and misfit < 0.3:
            yield misfit, smaller


def _power_ratio(
    z: Tensor, ratio: Tensor, weight: Tensor, positive: Tensor
) -> Iterator[tuple[list[Fraction], float, float]]:
    """Yield exponents, factor and relative misfit of a power product for a ratio of derivatives."""
    sound = torch.isfinite(ratio) & (ratio > 0) & (weight > 0.02)
    if sound.sum() < 20:
        return
    target, w = ratio[sound].log(), weight[sound]
    for use in ([False], [True, False]) if positive.any() else ([False],):
        used = positive if use[0] else torch.zeros_like(positive)
        columns = torch.cat([z[sound][:, used].log(), torch.ones_like(target)[:, None]], 1)
        solved = torch.linalg.lstsq(columns * w[:, None], (target * w)[:, None]).solution[:, 0]
        exponents = [Fraction(0)] * z.shape[1]
        slopes = iter(solved[:-1].tolist())
        for k in range(z.shape[1]):
            if used[k]:
                slope = next(slopes)
                exponents[k] = (
                    Fraction(round(2 * slope), 2) if abs(slope - round(slope)) > 0.2 else Fraction(round(slope))
                )
        rounded = columns[:, :-1] @ torch.tensor(
            [float(exponents[k]) for k in range(z.shape[1]) if used[k]], dtype=z.dtype
        )
        constant = ((target - rounded) * w.square()).sum() / w.square().sum()
        off = (((target - rounded - constant).abs().clamp_max(1.0) * w).square().sum() / w.square().sum()).sqrt()
        yield exponents, float(constant.exp()), float(off)


def _joined(i: int, j: int, exponents: list[Fraction], scale: float) -> Tree | None:
    """Return the combination of two features whose derivatives have this ratio."""
    p, q = exponents[i], -exponents[j]
    if (p == -1) != (q == -1):
        return None  # one of them logarithmic: a product of a power and an exponential, rare
    size = len(exponents)
    others = [Fraction(0) if k in (i, j) else exponents[k] for k in range(size)]
    if p == -1:
        if any(others):
            return None
        power = Fraction(round(scale * 6), 6) if abs(round(scale * 6) / 6 - scale) < 0.05 else None
        return (
            None
            if not power or scale == 0
            else monomial([power if k == i else 1 if k == j else 0 for k in range(size)])
        )
    factor = scale * float(q + 1) / float(p + 1)
    near = next(
        (
            Fraction(round(factor * b), b)
            for b in (1, 2, 3, 4)
            if abs(round(factor * b) / b - factor) < 0.02 * abs(factor)
        ),
        None,
    )
    if near is None or near == 0:
        return None
    left = [max(o, Fraction(0)) for o in others]
    right = [max(-o, Fraction(0)) for o in others]
    left[i], right[j] = p + 1, q + 1
    coefficient = Number(float(near)) if near.denominator != 1 else whole(int(near))
    return add(multiply(coefficient, monomial(left)), monomial(right))
