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
from kanlens.trees import Number, Tree, Variable, add, monomial, multiply, whole

DENOMINATORS = (1, 2, 3)
"""Of the exponents that a scaling may have."""


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
    seen: set[tuple[tuple[Fraction, ...], ...]] = set()
    for tolerance in (3e-4, 3e-3, 3e-2, 0.1):
        count = sum(share < tolerance for share in shares)
        if count:
            for vectors in _echelons(right[-count:], problem.size):
                if vectors not in seen:
                    seen.add(vectors)
                    smaller = _unscaled(problem, vectors)
                    if smaller is not None:
                        yield smaller


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
