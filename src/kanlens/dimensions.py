"""Which formulas are right in their units: dimensions of the columns, carried through a formula's tree."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from kanlens.errors import InputError, MissingPackageError
from kanlens.trees import Call, Number, Power, Product, Sum, Tree, Variable

Dimension = tuple[Fraction, ...]
"""Exponents of the base dimensions, such as length and time."""

KEPT = frozenset({"abs", "relu"})
"""Functions whose value has the dimension of their argument; that of all others is a pure number."""


class _WrongError(Exception):
    """Says that a formula adds what cannot be added, or takes the sine of a length."""


@dataclass(frozen=True)
class Dimensions:
    """Hold the dimensions of columns and target, and whether a formula's constants are pure numbers.

    Examples
    --------
    >>> length, time = (Fraction(1), Fraction(0)), (Fraction(0), Fraction(1))
    >>> speed = Dimensions((length, time), (Fraction(1), Fraction(-1)), pure=True)
    >>> distance, duration = Variable(0), Variable(1)
    >>> speed.allow(Product((distance, Power(duration, Fraction(-1))))), speed.allow(Sum((distance, duration)))
    (True, False)
    """

    columns: tuple[Dimension, ...]
    target: Dimension
    pure: bool = False

    @classmethod
    def of(cls, columns: Sequence[Any], target: Any, pure: bool = False) -> "Dimensions":
        """Read units as pint does, such as `"kg*m/s**2"`, or `"1"` for a pure number.

        Raises
        ------
        InputError
            If one is no unit, or the constants are pure numbers and no product of powers of the columns has the
            target's unit.
        MissingPackageError
            If pint is not installed.
        """
        read = [_exponents(unit) for unit in (*columns, target)]
        bases = sorted({base for exponents in read for base in exponents})
        *inside, outside = (tuple(exponents.get(base, Fraction(0)) for base in bases) for exponents in read)
        found = cls(tuple(inside), outside, pure)
        if pure and bases and _rank(found.scalings()) > _rank(found.scalings()[:, :-1]):
            raise InputError(
                f"expected columns whose units can make up the target's, {target}, got {', '.join(map(str, columns))}. "
                "Add the missing constant as a column, or let constants have units."
            )
        return found

    def scalings(self) -> Tensor:
        """Return how columns and target scale with each independent base unit, `(units, columns + 1)`."""
        table = torch.tensor([[float(p) for p in d] for d in (*self.columns, self.target)], dtype=torch.float64).T
        if not len(table):
            return table.reshape(0, len(self.columns) + 1)
        right: Tensor = torch.linalg.svd(table, full_matrices=False)[2]
        return right[: _rank(table)]

    def allow(self, tree: Tree) -> bool:
        """Tell whether a formula is right in its units.

        A constant may have any unit, unless constants are pure numbers; a constant in a sum with a logarithm makes
        up for the unit under it.
        """
        try:
            found = self._of(tree, False)
        except _WrongError:
            return False
        return found is None or found == self.target

    def _of(self, tree: Tree, shifted: bool) -> Dimension | None:
        """Return a tree's dimension, None if a constant makes it any."""
        match tree:
            case Variable(index):
                return self.columns[index]
            case Number(value, exact):
                free = value == 0 or (exact is None and not self.pure)
                return None if free else self._one
            case Sum(terms):
                constant = any(isinstance(term, Number) and term.exact is None for term in terms)
                known = {self._of(term, constant) for term in terms} - {None}
                if len(known) > 1:
                    raise _WrongError
                return known.pop() if known else None
            case Product(factors):
                return self._product(self._of(factor, shifted) for factor in factors)
            case Power(base, exponent):
                inside = self._of(base, False)
                return None if inside is None else tuple(exponent * p for p in inside)
            case Call(function, argument):
                inside = self._of(argument, False)
                if function.name in KEPT:
                    return inside
                cancels = function.name == "sgn" or (function.name == "log" and shifted and not self.pure)
                if inside not in (None, self._one) and not cancels:
                    raise _WrongError
                return self._one

    def _product(self, factors: Iterator[Dimension | None]) -> Dimension | None:
        total: list[Fraction] = [Fraction(0)] * len(self.target)
        free = False
        for factor in factors:
            free |= factor is None
            total = [a + b for a, b in zip(total, factor or self._one, strict=True)]
        return None if free else tuple(total)

    @property
    def _one(self) -> Dimension:
        return (Fraction(0),) * len(self.target)


def _rank(table: Tensor) -> int:
    return int(torch.linalg.matrix_rank(table, rtol=1e-9)) if table.numel() else 0


def _exponents(unit: Any) -> Mapping[str, Fraction]:
    """Return the exponents of a unit's base dimensions."""
    try:
        pint: Any = import_module("pint")
    except ImportError as error:
        raise MissingPackageError("expected pint, got nothing. Run: pip install 'kanlens[units]'.") from error
    text = str(unit).strip()
    if text in ("", "1"):
        return {}
    registry = pint.application_registry.get()
    try:
        found = registry.get_dimensionality(registry.parse_units(text))
    except (pint.errors.PintError, AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"expected a unit such as 'kg*m/s**2', got {text!r}: {error}. "
            "Check the spelling, or leave the column without a unit."
        ) from error
    return {str(base): Fraction(power).limit_denominator(12) for base, power in found.items()}
