r"""Laws of one column that are periodic but for a plain term or factor, `log(2 + cos(pi x))^2 + x / 2`.

With the period known, the target is a Fourier series, and what is added to it or multiplies it is a linear unknown: of
all periods that the range holds, the right one leaves far less than any other. If the series is even about some point
it is a function of one wave, `cos(pi x)`, in which the law has no wave any more.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.functions import LIBRARY
from kanlens.problems import Problem
from kanlens.trees import Call, Number, Tree, Variable, add, multiply, raise_to, recognised, values

FEWEST, ROWS = 100, 500
"""Rows that a curve has at least, and that are looked at, at most."""

CYCLES = (1.2, 8.0, 0.04)
"""Periods that the range holds, at least and at most, and the steps between: a few harmonics tell them apart."""

HARMONICS = (4, 8, 12, 20, 30)
"""Harmonics by which a period is seen, and more of them by which it is known more closely."""

ROUGHLY, EXACT = 0.05, 1e-7
"""What few harmonics and many may leave of the target, as a share of its deviation."""

LIKELY = 3
"""Periods that are looked at closely for each form."""

NARROWED, GOLDEN = 20, (math.sqrt(5) - 1) / 2
"""Steps of a golden section, each of which leaves this share of an interval."""

SHARPER = 0.15
"""Share of an interval that is looked at with more harmonics."""

LEAST = 1e-3
"""Share of the target's deviation that the periodic part, and what is added to it, have at least."""

EVEN = 1e-5
"""Largest odd part of a series about a point, as a share of all, with which it is even there."""

NAMED = 1e-7
"""How near to its name a constant is, as a share of it, or a phase."""


class _Form(NamedTuple):
    """Hold what is multiplied by a periodic function, and what is added to it."""

    factor: Tree | None
    term: Tree | None


class _Series(NamedTuple):
    """Hold a form, the angular frequency, the coefficients of the term and the series, and what these leave."""

    form: _Form
    frequency: float
    coef: Tensor
    left: float


def periodic(problem: Problem) -> list[Problem]:
    """Return the problem of the periodic part, in the wave that it is a function of, if there is one.

    Examples
    --------
    >>> import torch
    >>> from kanlens.refit import Rows
    >>> from kanlens.trees import shape
    >>> x = 4 * torch.rand(400, 1, dtype=torch.float64) - 2
    >>> y = (2 + (math.pi * x[:, 0]).cos()).log() ** 2 + x[:, 0] / 2
    >>> found = periodic(Problem.of(Rows(x, y)))[0]
    >>> [shape(column) for column in found.columns]
    ['(cos (* 3.14159265359 x0))']
    """
    if problem.size != 1 or len(problem.t) < FEWEST:
        return []
    s, t = problem.z[:ROWS, 0], problem.t[:ROWS]
    for form in _forms(s):
        series = _closest(form, s, t)
        if series is not None:
            smaller = _without(problem, series)
            return [] if smaller is None else [smaller]
    return []


def _forms(s: Tensor) -> Iterator[_Form]:
    """Yield what may stand beside a periodic function."""
    x = Variable(0)
    yield _Form(None, None)
    powers = [raise_to(x, power) for power in (1, 2, 3, -1, Fraction(1, 2))]
    rates = [Call(LIBRARY["exp"], multiply(Number(sign), x)) for sign in (1.0, -1.0)]
    for tree in (*powers, Call(LIBRARY["log"], x), *rates):
        if bool(torch.isfinite(values(tree, s[:, None])).all()):
            yield _Form(None, tree)
            yield _Form(tree, None)


def _columns(form: _Form, s: Tensor, frequency: Tensor, harmonics: int) -> Tensor:
    """Return the term, the constant and the waves at the rows for each frequency, `(..., rows, columns)`."""
    angle = frequency[..., None, None] * s[:, None] * torch.arange(1, harmonics + 1, dtype=s.dtype)
    one = torch.ones_like(angle[..., :1])
    waves = torch.cat([one, angle.cos(), angle.sin()], -1)
    if form.factor is not None:
        waves = waves * values(form.factor, s[:, None])[:, None]
    if form.term is None:
        return waves
    return torch.cat([values(form.term, s[:, None])[:, None] * one, waves], -1)


def _fit(form: _Form, s: Tensor, t: Tensor, frequency: Tensor, harmonics: int) -> tuple[Tensor, Tensor]:
    """Return coefficients for each frequency, and what they leave as a share of the target's deviation."""
    columns = _columns(form, s, frequency, harmonics)
    size = columns.norm(dim=-2, keepdim=True)
    basis, upper = torch.linalg.qr(columns / size)
    seen = basis.mT @ t[:, None]
    left = (t[:, None] - basis @ seen).norm(dim=-2)[..., 0] / (t - t.mean()).norm()
    ridge = 1e-13 * torch.eye(upper.shape[-1], dtype=t.dtype)
    return torch.linalg.solve_triangular(upper + ridge, seen, upper=True)[..., 0] / size[..., 0, :], left


def _closest(form: _Form, s: Tensor, t: Tensor) -> _Series | None:
    """Return the series of the period that leaves least, if that is next to nothing."""
    low, high, step = CYCLES
    unit = 2 * math.pi / float(s.amax() - s.amin())
    frequencies = unit * torch.arange(low, high, step, dtype=s.dtype)
    left = _fit(form, s, t, frequencies, HARMONICS[0])[1]
    inner = left[1:-1]
    least = ((inner <= left[:-2]) & (inner <= left[2:]) & (inner < ROUGHLY)).nonzero()[:, 0] + 1
    for place in sorted(least.tolist(), key=lambda k: float(left[k]))[:LIKELY]:
        series = _narrowed(form, s, t, float(frequencies[place]), unit * step)
        if series.left < EXACT and _has_both(series, s, t):
            return series
    return None


def _has_both(series: _Series, s: Tensor, t: Tensor) -> bool:
    """Tell whether the waves, and what is added to them, are more than round-off."""
    form, terms = series.form, series.form.term is not None
    harmonics = (len(series.coef) - 1) // 2
    columns = _columns(form, s, torch.tensor(series.frequency, dtype=s.dtype), harmonics)
    size = (columns * series.coef).std(0) / t.std()
    return float(size[terms + 1 :].amax()) > LEAST and not (terms and float(size[0]) < LEAST)


def _narrowed(form: _Form, s: Tensor, t: Tensor, frequency: float, width: float) -> _Series:
    """Return the series of the best frequency near another one, with ever more harmonics."""
    best = _Series(form, frequency, t[:0], math.inf)
    for harmonics in HARMONICS:
        if 4 * harmonics > len(t):
            break
        low, high = best.frequency - width, best.frequency + width
        for _ in range(NARROWED):
            inner = torch.tensor([high - GOLDEN * (high - low), low + GOLDEN * (high - low)], dtype=s.dtype)
            one, other = _fit(form, s, t, inner, harmonics)[1].tolist()
            low, high = (low, float(inner[1])) if one < other else (float(inner[0]), high)
        middle = torch.tensor((low + high) / 2, dtype=s.dtype)
        coef, left = _fit(form, s, t, middle, harmonics)
        if not float(left) < best.left:
            break
        best, width = _Series(form, float(middle), coef, float(left)), SHARPER * width
    return best


def _without(problem: Problem, series: _Series) -> Problem | None:
    """Return the problem of the periodic part; None if that is no simpler."""
    form, coef = series.form, series.coef
    if form.term is not None:
        size, coef = float(coef[0]), coef[1:]
        problem = problem.minus(multiply(recognised(size, NAMED * abs(size)), form.term))
    cosines, sines = coef[1:].chunk(2)
    phase = float(torch.atan2(sines[0], cosines[0]))
    turned = torch.arange(1, len(sines) + 1, dtype=sines.dtype) * phase
    odd = cosines * turned.sin() - sines * turned.cos()
    even = float(odd.abs().amax()) < EVEN * float(coef[1:].abs().amax())
    if not even and form.term is form.factor is None:
        return None
    return problem.reduced([_wave(series.frequency, phase) if even else Variable(0)], form.factor)


def _wave(frequency: float, phase: float) -> Tree:
    """Return the cosine, or the sine where that needs no phase; its sign is not asked for."""
    inside = multiply(recognised(frequency, NAMED * frequency), Variable(0))
    for name, middle in (("cos", 0.0), ("sin", math.pi / 2)):
        if abs(math.remainder(phase - middle, math.pi)) < EVEN:
            return Call(LIBRARY[name], inside)
    return Call(LIBRARY["cos"], add(inside, recognised(-phase, NAMED)))
