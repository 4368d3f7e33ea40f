"""What is chosen about a search for formulas."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real

from kanlens.candidates import Library
from kanlens.dimensions import Dimensions
from kanlens.errors import InputError
from kanlens.front import Front


@dataclass(frozen=True)
class SearchSettings:
    """Hold what is chosen about a search.

    Parameters
    ----------
    functions : names or mapping, optional
        Library functions that a formula may have; all by default. Sums, products and powers are always there.
    complexity : int
        The most symbols of a formula.
    seconds : float, optional
        Time limit; the best formulas so far are returned.
    steps : int, optional
        Limit of steps, some tenths of a second each: unlike seconds, it gives the same formulas on any machine.
    seed : int
        Seed of what is drawn: rows held out, rows compared first.
    start : Front, optional
        Formulas to begin with, of an earlier search.
    constants : mapping, optional
        Names and values that fitted constants may stand for, such as `{"g": 9.80665}`, also in products of powers.
    dimensions : Dimensions, optional
        Units of the columns and of the target, which formulas have to respect.
    """

    functions: Library = None
    complexity: int = 80
    seconds: float | None = 60.0
    steps: int | None = None
    seed: int = 0
    start: Front | None = None
    constants: Mapping[str, float] = field(default_factory=dict)
    dimensions: Dimensions | None = None

    def __post_init__(self) -> None:
        if self.complexity < 1:
            raise InputError(f"expected a complexity of at least 1, got {self.complexity}. 80 is the default.")
        if self.seconds is not None and not self.seconds > 0:
            raise InputError(f"expected a time limit above 0 seconds, got {self.seconds}. Use None for none.")
        if self.steps is not None and self.steps < 1:
            raise InputError(f"expected a limit of at least 1 step, got {self.steps}. Use None for none.")
        for name, value in self.constants.items():
            if not (name.isidentifier() and isinstance(value, Real) and math.isfinite(value) and value):
                raise InputError(f"expected constants such as {{'g': 9.81}}, got {name!r}: {value}. Leave zeros out.")
