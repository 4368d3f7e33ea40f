"""Recognise constants: integers, rationals, and their multiples of pi, e and square roots."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sympy import Expr

_UNITS = {
    "1": (1.0, 0.0),
    "pi": (math.pi, 2.0),
    "1/pi": (1 / math.pi, 5.0),
    "E": (math.e, 4.0),
    "1/E": (1 / math.e, 5.0),
    "sqrt(2)": (math.sqrt(2), 4.0),
    "sqrt(3)": (math.sqrt(3), 4.5),
    "sqrt(5)": (math.sqrt(5), 5.0),
    "sqrt(pi)": (math.sqrt(math.pi), 5.0),
    "log(2)": (math.log(2), 5.0),
}
_DENOMINATORS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20, 25, 50, 100, 1000)


_EXPONENTS = {1: ("1", "-1", "1/2", "-1/2", "2", "-2"), 2: ("1", "-1", "2", "-2"), 3: ("1", "-1", "2")}
"""Exponents that each of one, two or three constants of the user's may have in a product."""


def is_simple(value: float, tolerance: float = 1e-7) -> bool:
    """Tell whether a number is a fraction of a small denominator, or one of the usual units times one.

    Examples
    --------
    >>> is_simple(0.325), is_simple(math.pi / 2), is_simple(-0.0208333298)
    (True, True, False)
    """
    shares = (value / unit * bottom for unit, _ in _UNITS.values() for bottom in _DENOMINATORS)
    return any(abs(share - round(share)) <= tolerance * abs(share) for share in shares if abs(share) < 1000)


class Factor(NamedTuple):
    """Hold a power of a constant that the user has named."""

    name: str
    value: float
    exponent: Fraction


class Constant(NamedTuple):
    """Hold an exact constant: a fraction of a unit, times powers of the user's constants, and the bits of its name."""

    fraction: Fraction
    unit: str
    factors: tuple[Factor, ...] = ()

    @property
    def value(self) -> float:
        """Return the number."""
        return float(self.fraction) * _UNITS[self.unit][0] * _product(self.factors)

    @property
    def bits(self) -> float:
        """Return the length of the constant's name in bits."""
        top, bottom = abs(self.fraction.numerator), self.fraction.denominator
        price = 1.2 if bottom in (10, 100, 1000) else 2.0  # decimal fractions are more likely
        named = sum(3 + 2 * (abs(f.exponent.numerator) - 1) + 2 * (f.exponent.denominator - 1) for f in self.factors)
        return math.log2(1 + top) + price * math.log2(bottom) + _UNITS[self.unit][1] + named

    def symbolic(self) -> "Expr":
        """Return the constant as an exact sympy number."""
        import sympy

        units = {
            "1": sympy.Integer(1),
            "pi": sympy.pi,
            "1/pi": 1 / sympy.pi,
            "E": sympy.E,
            "1/E": 1 / sympy.E,
            "sqrt(2)": sympy.sqrt(2),
            "sqrt(3)": sympy.sqrt(3),
            "sqrt(5)": sympy.sqrt(5),
            "sqrt(pi)": sympy.sqrt(sympy.pi),
            "log(2)": sympy.log(2),
        }
        named = (sympy.Symbol(f.name) ** sympy.Rational(str(f.exponent)) for f in self.factors)
        return sympy.Mul(sympy.Rational(self.fraction.numerator, self.fraction.denominator), units[self.unit], *named)


Named = Sequence[tuple[Factor, ...]]
"""Products of powers of the user's constants."""


def named_products(constants: Mapping[str, float]) -> Named:
    """Return the products of powers of up to three constants that a formula's constant may stand for.

    Examples
    --------
    >>> len(named_products({"g": 9.81})), len(named_products({"h": 6.6e-34, "c": 3e8}))
    (6, 28)
    """
    return [
        tuple(Factor(name, constants[name], Fraction(p)) for name, p in zip(names, powers, strict=True))
        for count, exponents in _EXPONENTS.items()
        for names in itertools.combinations(constants, count)
        for powers in itertools.product(exponents, repeat=count)
    ]


def _product(factors: Sequence[Factor]) -> float:
    return math.prod((f.value ** float(f.exponent) for f in factors), start=1.0)


def nearby(value: float, error: float, named: Named = ()) -> list[Constant]:
    """Return the constants within `error` of a value whose naming is no accident, simplest first.

    `named` adds products of the user's own constants. With a resolution of `error`, a constant of `b` bits lies near
    a random number of this size about `2^b error / |value|` times; those for which this is not rare are left out.

    Examples
    --------
    >>> [str(c.symbolic()) for c in nearby(3.1415926, 1e-6)], nearby(0.7654321, 1e-3)
    (['pi'], [])
    """
    if abs(value) <= error:
        return [Constant(Fraction(0), "1")]
    return within(value, error, math.log2(max(abs(value), 0.25) / max(error, 1e-14)) - 3.5, named)


def within(value: float, error: float, bits: float, named: Named = ()) -> list[Constant]:
    """Return the constants within `error` of a value whose names take so many bits at most, simplest first.

    Examples
    --------
    >>> [str(c.symbolic()) for c in within(0.97, 0.1, 2.0)]
    ['1']
    """
    found = {c.value: c for factors in ((), *named) for c in _multiples(value, error, factors) if c.bits <= bits}
    return sorted(found.values(), key=lambda c: (c.bits, abs(c.value - value)))


def _multiples(value: float, error: float, factors: tuple[Factor, ...]) -> Iterator[Constant]:
    value, error = value / _product(factors), error / _product(factors)
    for unit, (size, _) in _UNITS.items():
        for bottom in _DENOMINATORS:
            top = round(value / size * bottom)
            if top and abs(top * size / bottom - value) <= error and abs(top) < 10**6:
                yield Constant(Fraction(top, bottom), unit, factors)


def recognise(value: float, tolerance: float = 1e-12) -> "Expr":
    """Return the exact constant that a number stands for, or the number itself as a sympy Float.

    `tolerance` is relative. A number that stands for a constant is that constant rounded to the
    network's dtype, so that the tolerance is a few units in the last place.
    """
    import sympy

    if value == 0:
        return sympy.Integer(0)
    found = nearby(value, tolerance * abs(value))
    return found[0].symbolic() if found else sympy.Float(value)
