"""Laws of one variable: a library function of it, scaled, inside another and times a power, or a few terms."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.budget import look
from kanlens.candidates import absorb, starts
from kanlens.functions import Function
from kanlens.problems import EXPONENTIAL, IDENTITY, Outer, Problem, outers
from kanlens.sparse import best_subsets, coefficients
from kanlens.trees import (
    Number,
    Tree,
    Variable,
    add,
    apply,
    multiply,
    raise_to,
    values,
    whole,
)

POINTS = 120
"""Rows, spread over the variable, that the comparison of thousands of curves looks at."""

EXPONENTS = tuple(Fraction(p, 2) for p in (-8, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 8))
"""Powers that a term of a sum may be."""

MULTIPLIERS = (0, 1, -1, 2, -2, 3, -3, 4, -4)
"""Powers of the variable that may stand before the function."""

INNER = ("x^2", "1/x", "sqrt", "1/x^2", "exp", "log", "sin", "cos", "tanh")
"""Functions of the variable that may stand inside the function."""

UNDONE = {"inverse arcsin": ("sin", "cos"), "inverse arccos": ("sin", "cos"), "inverse arctan": ("tan",)}
"""Functions that an outer one undoes: a long way to write a straight line."""

NATURAL = ("sin", "cos", "exp", "log")
"""Functions that occur of a sum or a power, and in products."""

NARROW = 1.0
"""Length of the busy part of [-1, 1] up to which functions are tried on its scale, too."""

LISTED = 60
"""Fits of one kind that become formulas."""

POLISHED = ((40, 5), (14, 8))
"""Targets that each function is polished for, the best so far, and Gauss-Newton steps, in two rounds."""


class Guess(NamedTuple):
    """Hold a formula for the rows' own target, constants still to be fitted, and its estimated mean square error."""

    tree: Tree
    error: float


class Curve(NamedTuple):
    """Hold a variable and its target at some points, and how much the rows' own target moves with the latter."""

    s: Tensor
    t: Tensor
    felt: Tensor

    @classmethod
    def of(cls, problem: Problem) -> "Curve":
        """Return points spread over the problem's only feature."""
        order = problem.z[:, 0].argsort()
        rows = order[torch.linspace(0, len(order) - 1, min(POINTS, len(order))).long()]
        return cls(problem.z[rows, 0], problem.t[rows], problem.felt()[rows])

    def busy(self) -> tuple[int, int]:
        """Return the first and the last point between which nine tenths of the target's ups and downs happen."""
        moved = self.t.diff().abs().cumsum(0)
        ends = torch.searchsorted(moved, moved[-1] * moved.new_tensor([0.05, 0.95])).tolist()
        return ends[0], min(ends[1] + 1, len(self.s) - 1)

    def allows(self, power: Fraction | int) -> bool:
        """Tell whether the variable has this power at all points."""
        power = Fraction(power)
        if power.denominator > 1:
            return bool((self.s > 0).all())
        return power >= 0 or bool((self.s != 0).all())

    def raised(self, power: Fraction | int) -> Tensor:
        """Return the variable's power."""
        power = Fraction(power)
        return self.s ** (int(power) if power.denominator == 1 else float(power))


class Argument(NamedTuple):
    """Hold what a function is taken of, moved to [-1, 1], and where in that the target is busy."""

    u: Tensor
    centre: float
    half: float
    busy: tuple[float, float]

    @classmethod
    def of(cls, s: Tensor, curve: Curve) -> "Argument":
        """Return the argument with values `s` at a curve's points."""
        low, high = float(s.amin()), float(s.amax())
        centre, half = (low + high) / 2, max((high - low) / 2, 1e-300)
        u = (s - centre) / half
        first, last = curve.busy()
        between = u[first : last + 1]
        return cls(u, centre, half, (float(between.amin()), float(between.amax())))

    def starts(self, function: Function) -> Tensor:
        """Return pairs `(a, b)` that a fit of `f(a u + b)` begins with, `(starts, 2)`.

        A curve that is flat over most of the range has its own scale where it is not: `tanh(3 s^2)` up to *s* = 3.
        """
        grid = starts(function, self.u)
        if function.absorbed:
            # what a function absorbs, it absorbs on any scale but not the variable's own shift
            shift = self.centre / self.half
            return torch.cat([grid, grid.new_tensor([[1.0, shift], [-1.0, -shift]])])
        low, high = self.busy
        if high - low > NARROW:
            return grid
        a, b = (2 / (high - low) * grid[:, 0], grid[:, 1])
        return torch.cat([grid, torch.stack([a, b - a * (low + high) / 2], 1)])


@dataclass(frozen=True)
class Targets:
    """Hold what a function could be fitted to: one row for each outer function and power before it."""

    forms: tuple[tuple[int, Outer], ...]
    tau: Tensor  # (forms, points)
    weight: Tensor  # (forms, points)

    @classmethod
    def of(cls, curve: Curve, plain: bool = False) -> "Targets":
        """Return all forms in which the target is finite, or the plain ones without outer function and power."""
        forms, tau, weight = [], [], []
        for power in MULTIPLIERS[:1] if plain else MULTIPLIERS:
            if not curve.allows(power):
                continue
            before = curve.raised(power)
            inner = curve.t / before
            for outer in [IDENTITY] if plain else outers(inner):
                forms.append((power, outer))
                tau.append(outer.forward(inner))
                weight.append(curve.felt * outer.weight(inner) * before.abs())
        empty = curve.t.new_zeros(0, len(curve.t))
        return cls(tuple(forms), torch.stack(tau) if tau else empty, torch.stack(weight) if weight else empty)


def univariate(problem: Problem, functions: Mapping[str, Function], most: int = 5) -> Iterator[list[Guess]]:
    """Yield guesses for a problem of one feature, those of one kind together, each best first."""
    curve = Curve.of(problem)
    plain, targets = Targets.of(curve, plain=True), Targets.of(curve)
    itself = Argument.of(curve.s, curve)
    yield _best(_scaled(problem, plain, itself, Variable(0), functions))
    yield _best(_scaled(problem, targets, itself, Variable(0), functions))
    yield _best(_sums(problem, curve, functions, most))
    for some in (plain, targets):
        yield _best(_inside(problem, some, curve, functions))


def _inside(problem: Problem, targets: Targets, curve: Curve, functions: Mapping[str, Function]) -> list[Guess]:
    """Return functions of a function of the variable."""
    found: list[Guess] = []
    for function in (functions[name] for name in INNER if name in functions):
        argument = function.torch(curve.s)
        if torch.isfinite(argument).all() and float(argument.std()) > 0:
            found += _scaled(problem, targets, Argument.of(argument, curve), apply(function, Variable(0)), functions)
    return found


def _best(guesses: list[Guess]) -> list[Guess]:
    return sorted(guesses, key=lambda guess: guess.error)


def _scaled(
    problem: Problem, targets: Targets, argument: Argument, variable: Tree, functions: Mapping[str, Function]
) -> list[Guess]:
    """Return `t = v^power outer(c f(a v + b) + d)` for each function and form, constants polished."""
    if not targets.forms:  # a target that hardly changes has none
        return []
    _, centre, half, _ = argument
    floor = 1e-20 * float(targets.tau[0].var() * targets.weight[0].square().mean()) + 1e-300
    known = [f for f in functions.values() if f.name not in ("0", "gaussian")]  # that is an exponential of a square
    fits = [
        (error + floor, function, targets.forms[form], (a / half, b - a * centre / half, c, d))
        for function, form, a, b, c, d, error in _fits(known, argument, targets)
        if function.name not in UNDONE.get(targets.forms[form][1].name, ())
    ]
    reach = dict(zip(targets.forms, targets.weight.square().mean(1).sqrt().tolist(), strict=True))
    found = []
    for error, function, (power, outer), affine in sorted(fits, key=_price)[:LISTED]:
        before = raise_to(Variable(0), power)
        bodies = _bodies(function, affine, variable, error**0.5 / reach[power, outer])
        found += [_guess(problem, before, outer, body, error) for body in bodies]
    return found


def _price(fit: tuple[float, Function, tuple[int, Outer], tuple[float, float, float, float]]) -> float:
    """Return about the bits of a description by a fit: its error at the points, and its symbols."""
    error, function, (power, outer), _ = fit
    symbols = function.complexity + (2 if power else 0) + (0 if outer is IDENTITY else 2)
    return 0.5 * POINTS * math.log2(error) + 4 * symbols


def _bodies(
    function: Function, affine: tuple[float, float, float, float], variable: Tree, hidden: float
) -> Iterator[Tree]:
    """Yield `c f(a v + b) + d` without the letters that the function absorbs, then without a small or `hidden` `d`."""
    a, b, c, d = absorb(function, affine) if {"a", "b"} & set(function.absorbed) else affine
    inside = variable if a == 1 else multiply(whole(-1) if a == -1 else Number(a), variable)
    scaled = multiply(Number(c), apply(function, add(inside, Number(b)) if b else inside))
    yield add(scaled, Number(d))
    if abs(d) < max(1e-3 * abs(c), hidden):
        yield scaled


def _guess(problem: Problem, before: Tree, outer: Outer, body: Tree, error: float) -> Guess:
    return Guess(problem.formula(multiply(before, outer.inverse(body))), error)


def _fits(
    functions: Sequence[Function], argument: Argument, targets: Targets
) -> list[tuple[Function, int, float, float, float, float, float]]:
    """Return `(function, form, a, b, c, d, error)` of functions on [-1, 1] for the forms that each fits best."""
    if not functions:
        return []
    left, letters = (torch.stack(part) for part in zip(*(_scan(f, argument, targets) for f in functions), strict=True))
    forms = left.argsort(1)
    for count, steps in POLISHED:
        forms = forms[:, :count]
        a, b = letters.gather(1, forms[..., None].expand(-1, -1, 2)).unbind(2)
        tau, weight = targets.tau[forms], targets.weight[forms]
        *polished, error = _polish(functions, a, b, argument.u, tau, weight, steps)
        order = error.argsort(1)
        forms, error = forms.gather(1, order), error.gather(1, order)
        fitted = torch.stack([letter.gather(1, order) for letter in polished], 2)
        letters = letters.scatter(1, forms[..., None].expand(-1, -1, 2), fitted[..., :2])
    rows = zip(forms.tolist(), fitted.tolist(), error.tolist(), strict=True)
    return [
        (function, form, a, b, c, d, left)
        for function, row in zip(functions, rows, strict=True)
        for form, (a, b, c, d), left in zip(*row, strict=True)
        if left < math.inf
    ]


def _scan(function: Function, argument: Argument, targets: Targets) -> tuple[Tensor, Tensor]:
    """Return what a function on [-1, 1] leaves of each form, and the best `(a, b)` of a grid for it."""
    look()
    grid = argument.starts(function)
    f = function.torch(grid[:, :1] * argument.u + grid[:, 1:])  # (grid, points)
    f = torch.where(torch.isfinite(f).all(1, keepdim=True), f, 0.0)
    w = targets.weight.square()
    total, mean = w.sum(1, keepdim=True), (w * targets.tau).sum(1, keepdim=True) / w.sum(1, keepdim=True)
    centred = targets.tau - mean
    wf = w @ f.mT
    ff = w @ f.square().mT - wf.square() / total
    fy = (w * centred) @ f.mT
    gain = torch.where(ff > 1e-12 * (w @ f.square().mT), fy.square() / ff, 0.0)
    best, place = torch.nan_to_num(gain).max(1)
    return (w * centred.square()).sum(1) - best, grid[place]


def _values(functions: Sequence[Function], argument: Tensor) -> tuple[Tensor, Tensor]:
    """Return each function and its slope at its own arguments `(functions, forms, points)`."""
    f, steep = torch.empty_like(argument), torch.empty_like(argument)
    for k, function in enumerate(functions):
        f[k], steep[k] = function.torch(argument[k]), function.slope(argument[k])
    return f, steep


def _solve(f: Tensor, tau: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the best `c, d` for each row of values, and the mean square error, infinity where undefined."""
    w = weight.square()
    total = w.sum(-1)
    mean_f, mean_t = (w * f).sum(-1) / total, (w * tau).sum(-1) / total
    f0, t0 = f - mean_f[..., None], tau - mean_t[..., None]
    c = (w * f0 * t0).sum(-1) / (w * f0.square()).sum(-1)
    error = (w * (t0 - c[..., None] * f0).square()).mean(-1)
    return c, mean_t - c * mean_f, torch.nan_to_num(error, nan=math.inf)


def _polish(
    functions: Sequence[Function], a: Tensor, b: Tensor, u: Tensor, tau: Tensor, weight: Tensor, steps: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Improve `(a, b, c, d)` of fits `(functions, forms)` at once by damped Gauss-Newton steps."""
    held = torch.tensor([[f.name == "x" or letter in f.absorbed for letter in "ab"] + [False] * 2 for f in functions])
    free = (~held).to(u.dtype)[:, None, None]
    f, steep = _values(functions, a[..., None] * u + b[..., None])
    c, d, error = _solve(f, tau, weight)
    damping = torch.full_like(a, 1e-3)
    for _ in range(steps):
        look()
        slope = c[..., None] * steep
        columns = torch.stack([slope * u, slope, f, torch.ones_like(f)], 3) * weight[..., None] * free
        columns = torch.nan_to_num(columns, posinf=0.0, neginf=0.0)
        residual = torch.nan_to_num((tau - c[..., None] * f - d[..., None]) * weight)
        normal = columns.mT @ columns
        diagonal = normal.diagonal(dim1=-2, dim2=-1)
        ridge = damping[..., None] * diagonal + 1e-13 * diagonal.amax(-1, keepdim=True) + 1e-300
        move = torch.linalg.solve(normal + torch.diag_embed(ridge), columns.mT @ residual[..., None])[..., 0]
        trial_a, trial_b = a + move[..., 0], b + move[..., 1]
        there, steep_there = _values(functions, trial_a[..., None] * u + trial_b[..., None])
        trial_c, trial_d, reached = _solve(there, tau, weight)
        better = reached < error
        a, b = torch.where(better, trial_a, a), torch.where(better, trial_b, b)
        c, d = torch.where(better, trial_c, c), torch.where(better, trial_d, d)
        f, steep = (torch.where(better[..., None], *pair) for pair in ((there, f), (steep_there, steep)))
        error = torch.where(better, reached, error)
        damping = torch.where(better, damping / 8, damping * 10)
    return a, b, c, d, error


def _sums(problem: Problem, curve: Curve, functions: Mapping[str, Function], most: int) -> list[Guess]:
    """Return sums of two and more terms: powers and, without a function around them, library functions."""
    columns, trees = _terms(curve, functions)
    powers = len([p for p in EXPONENTS if curve.allows(p)])
    found = []
    for outer in outers(curve.t):
        tau, weight = outer.forward(curve.t), curve.felt * outer.weight(curve.t)
        some = columns if outer.name in (IDENTITY.name, EXPONENTIAL) else columns[:, :powers]
        for features, error in best_subsets(some, tau, weight, most):
            if len(features) > 1:
                *c, d = coefficients(columns[:, list(features)], tau, weight)
                terms = [multiply(Number(ck), trees[k]) for ck, k in zip(c, features, strict=True)]
                found.append(_guess(problem, raise_to(Variable(0), 0), outer, add(*terms, Number(d)), error))
    return found


def _terms(curve: Curve, functions: Mapping[str, Function]) -> tuple[Tensor, list[Tree]]:
    """Return powers, functions of the variable at several scales, and products of two, `(points, terms)`, as trees."""
    x = Variable(0)
    allowed = [p for p in EXPONENTS if curve.allows(p)]
    trees: list[Tree] = [raise_to(x, p) for p in allowed]
    size = float(curve.s.abs().amax()) or 1.0
    scales = sorted({1.0, *(torch.logspace(-0.5, 1.3, 19) / size).tolist()})
    for function in functions.values():
        if "a" not in function.absorbed or function.name in ("log", "abs"):
            sizes = scales if "a" not in function.absorbed else [1.0]
            signed = [*sizes, *(-scale for scale in sizes)] if function.name == "exp" else sizes
            trees += [apply(function, multiply(Number(scale), x)) for scale in signed]
    square, one = raise_to(x, 2), Number(1.0)
    arguments = [square, raise_to(x, 3), add(x, square), add(x, one), add(square, one)]
    common = [functions[name] for name in NATURAL if name in functions]
    inside = [apply(f, multiply(Number(1.0), u)) for f in common for u in arguments]
    plain = [apply(f, multiply(Number(1.0), x)) for f in common]
    factors = [raise_to(x, power) for power in (1, 2, -1) if curve.allows(power)]
    trees += [*inside, *(multiply(a, b) for a, b in itertools.combinations([*factors, *plain, *inside], 2))]
    columns = torch.stack([values(tree, curve.s[:, None]) for tree in trees], 1)
    sound = torch.isfinite(columns).all(0)
    return columns[:, sound], [tree for tree, good in zip(trees, sound.tolist(), strict=True) if good]
