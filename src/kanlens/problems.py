"""A regression problem on the way to a formula: what is left to explain after reductions of the data."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from kanlens.functions import LIBRARY
from kanlens.refit import Rows
from kanlens.trees import Call, Tree, Variable, add, multiply, raise_to, substitute, transform, values, whole

LARGEST = 1e75
"""Size of numbers: fourth powers of larger ones are infinite."""

TARGET = Variable(-1)
"""Stands for the problem's target in the tree of the law around it."""


@dataclass(frozen=True)
class Problem:
    """Hold features `(rows, d)` and a target `(rows,)` made from the rows, and the way back.

    `columns` says what each feature is in terms of the inputs; `law` what the rows' own target is in terms of the
    inputs and of this problem's target, :data:`TARGET`. Both are exact: nothing is lost by a reduction.
    """

    rows: Rows
    z: Tensor
    t: Tensor
    columns: tuple[Tree, ...]
    law: Tree = TARGET

    @classmethod
    def of(cls, rows: Rows) -> "Problem":
        """Return the problem that the rows themselves pose."""
        return cls(rows, rows.x, rows.y, tuple(Variable(k) for k in range(rows.x.shape[1])))

    @property
    def size(self) -> int:
        """Return the number of features."""
        return self.z.shape[1]

    def formula(self, tree: Tree) -> Tree:
        """Return the law in the inputs if the target is `tree` in the features."""
        return self._law_of(substitute(tree, self.columns))

    def reduced(self, features: Sequence[Tree], factor: Tree | None = None) -> "Problem | None":
        """Return the problem of other features and, with a factor, of the target divided by it.

        Features and factor are trees in this problem's features. A feature that is negative at all rows changes its
        sign, because logarithms and powers want positive ones. None if one is not finite at a row, or huge.
        """
        z = torch.stack([values(feature, self.z) for feature in features], 1) if features else self.z[:, :0]
        negative = (z < 0).all(0)
        z = torch.where(negative, -z, z)
        features = [multiply(whole(-1), f) if minus else f for f, minus in zip(features, negative, strict=True)]
        t = self.t if factor is None else self.t / values(factor, self.z)
        if not all(bool((part.abs() < LARGEST).all()) for part in (z, t)):
            return None
        columns = tuple(substitute(feature, self.columns) for feature in features)
        if factor is None:
            return Problem(self.rows, z, t, columns, self.law)
        outside = multiply(substitute(factor, self.columns), TARGET)
        return Problem(self.rows, z, t, columns, self._law_of(outside))

    def key(self) -> tuple[float, ...]:
        """Return what tells this problem from others of the same rows, whatever the order of its features."""
        places = torch.linspace(0, len(self.t) - 1, 5).long()
        numbers = torch.cat([self.z[places].sort(1).values.flatten(), self.t[places]])
        return tuple(float(f"{number:.6g}") for number in numbers.tolist())

    def minus(self, term: Tree) -> "Problem":
        """Return the problem of the target less a term in the features."""
        outside = add(substitute(term, self.columns), TARGET)
        return self.under(outside, self.t - values(term, self.z))

    def inside(self, outer: "Outer") -> "Problem":
        """Return the problem of the target inside an outer function."""
        return self.under(outer.inverse(TARGET), outer.forward(self.t))

    def under(self, outside: Tree, t: Tensor) -> "Problem":
        """Return the problem of another target, of which the present one is `outside`, a tree in :data:`TARGET`."""
        return Problem(self.rows, self.z, t, self.columns, self._law_of(outside))

    def _law_of(self, outside: Tree) -> Tree:
        """Return the law in terms of a new target, of which the present one is `outside`."""
        return transform(self.law, lambda leaf: outside if leaf == TARGET else leaf)

    def felt(self) -> Tensor:
        """Return how much the rows' own target moves with the problem's target, `(rows,)`, extremes clipped."""
        step = 1e-4 * float(self.t.abs().mean()) + 1e-300
        x = self.rows.x

        def outside(t: Tensor) -> Tensor:
            wide = torch.cat([x, t[:, None]], 1)
            return values(transform(self.law, lambda leaf: Variable(x.shape[1]) if leaf == TARGET else leaf), wide)

        slope = ((outside(self.t + step) - outside(self.t - step)) / (2 * step)).abs()
        return _weights(slope)


def _weights(slope: Tensor) -> Tensor:
    slope = torch.nan_to_num(slope, nan=0.0, posinf=0.0)
    top = slope.quantile(0.98).clamp_min(1e-300)
    return slope.clamp(1e-4 * top, top)


@dataclass(frozen=True)
class Outer:
    """Hold an invertible function around a target: `t = inverse(tau)` where `tau = forward(t)`."""

    name: str
    forward: Callable[[Tensor], Tensor]
    inverse: Callable[[Tree], Tree]
    fits: Callable[[Tensor], bool]

    def weight(self, t: Tensor) -> Tensor:
        """Return how much `t` moves with `tau`, `(rows,)`."""
        with torch.enable_grad():
            point = t.detach().requires_grad_()
            slope = torch.autograd.grad(self.forward(point).sum(), point)[0].abs()
        return 1 / slope.clamp_min(1e-150)


def _one_sign(t: Tensor) -> bool:
    return bool((t > 0).all() or (t < 0).all())


def _positive(t: Tensor) -> bool:
    return bool((t > 0).all())


def _power(exponent: Fraction) -> Outer:
    """Return the function around `tau = t^exponent`."""
    number = int(exponent) if exponent.denominator == 1 else float(exponent)
    odd = exponent.denominator == 1 and exponent.numerator % 2 == 1
    return Outer(
        f"t^{exponent}",
        lambda t: t**number,
        lambda tree: raise_to(tree, 1 / exponent),
        (lambda t: bool((t != 0).all())) if exponent == -1 else _one_sign if odd else _positive,
    )


def _negative(outer: Outer) -> Outer:
    """Return the same function around the target's negative."""
    return Outer(
        f"{outer.name} of -t",
        lambda t: outer.forward(-t),
        lambda tree: multiply(whole(-1), outer.inverse(tree)),
        lambda t: outer.fits(-t) and not outer.fits(t),
    )


def _call(name: str, forward: Callable[[Tensor], Tensor], fits: Callable[[Tensor], bool]) -> Outer:
    return Outer(f"inverse {name}", forward, lambda tree: Call(LIBRARY[name], tree), fits)


def _within(low: float, high: float) -> Callable[[Tensor], bool]:
    return lambda t: bool((t > low).all() and (t < high).all())


IDENTITY = Outer("t", lambda t: t, lambda tree: tree, lambda _: True)

_POWERS = [_power(Fraction(p)) for p in ("-1", "2", "1/2", "-2", "-1/2")]
EXPONENTIAL = "inverse exp"
"""Name of the outer function that makes a product of a sum."""

_LOG = _call("exp", torch.log, _positive)

OUTER: tuple[Outer, ...] = (
    IDENTITY,
    *_POWERS,
    _LOG,
    *(_negative(outer) for outer in (*_POWERS[1:], _LOG)),
    _call("log", torch.exp, _within(-30, 30)),
    _call("arcsin", torch.sin, _within(-math.pi / 2, math.pi / 2)),
    _call("arccos", torch.cos, _within(0, math.pi)),
    _call("arctan", torch.tan, _within(-math.pi / 2, math.pi / 2)),
    _call("tanh", torch.atanh, _within(-1, 1)),
)
"""The functions that a law may have outermost, from likely to unlikely."""


WAVES = (_call("sin", torch.asin, _within(-1, 1)), _call("cos", torch.acos, _within(-1, 1)))
"""The same where what is inside stays on one branch of a wave."""


def outers(t: Tensor) -> list[Outer]:
    """Return the functions that may be around a target."""
    found = []
    for outer in OUTER:
        if outer.fits(t):
            tau = outer.forward(t)
            if torch.isfinite(tau).all() and float(tau.std()) > 1e-12 * float(tau.abs().amax()):
                found.append(outer)
    return found
