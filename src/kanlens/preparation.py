"""Turn the columns of ordinary tables into inputs that splines are good at, by rows that have weights."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kanlens.errors import InputError

Floats = NDArray[np.float64]

MOST_LEVELS = 30
"""Categories of a column that get an input of their own, the most frequent ones."""

WIDE = 3.0
"""Robust deviations from the centre up to which values stay as they are; beyond, distances grow as logarithms."""

BEYOND = 0.1
"""Share of a column's range by which new values may pass it."""


@dataclass(frozen=True)
class Column:
    """Hold how one column becomes inputs: a number scaled, with a flag where it may be missing, or its categories.

    `levels` are the categories, None for numbers; `low` and `high` bound the scaled values; a column with
    `low == high` says nothing and has no input of its own.
    """

    levels: tuple[str, ...] | None = None
    centre: float = 0.0
    scale: float = 1.0
    low: float = 0.0
    high: float = 0.0
    gaps: bool = False

    def inputs(self, name: str) -> list[str]:
        """Return the names of the inputs that the column gives."""
        if self.levels is not None:
            return [f"{name}={level}" for level in self.levels]
        return [name] * (self.high > self.low) + [f"{name} is missing"] * self.gaps

    def apply(self, values: Floats) -> Floats:
        """Return the inputs `(rows, inputs)` of values `(rows,)`, NaN where one is missing; categories by number."""
        if self.levels is not None:
            flags: Floats = (values[:, None] == np.arange(len(self.levels))).astype(np.float64)
            return flags
        missing = np.isnan(values)
        found = []
        if self.high > self.low:
            room = BEYOND * (self.high - self.low)
            scaled = _compress((np.where(missing, self.centre, values) - self.centre) / self.scale)
            found.append(np.clip(scaled, self.low - room, self.high + room))
        if self.gaps:
            found.append(missing.astype(np.float64))
        return np.column_stack(found) if found else np.empty((len(values), 0))


@dataclass(frozen=True)
class Preparation:
    """Hold how a table's columns become inputs.

    Examples
    --------
    >>> X = np.array([[1.0, "red"], [2.0, "blue"], [None, "red"]], dtype=object)
    >>> raw, levels = read(X)
    >>> prepared = Preparation.of(raw, levels, np.ones(3))
    >>> prepared.names(["size", "colour"])
    ['size', 'size is missing', 'colour=blue', 'colour=red']
    >>> prepared.apply(raw)[2]
    array([0., 1., 0., 1.])
    """

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, raw: Floats, levels: Sequence[Sequence[str] | None], weight: Floats) -> "Preparation":
        """Measure columns `raw (rows, columns)` as :func:`read` gives them; a row of weight 2 counts as two."""
        columns = (_measure(values, own, weight) for values, own in zip(raw.T, levels, strict=True))
        return cls(tuple(columns))

    @property
    def levels(self) -> list[tuple[str, ...] | None]:
        """Return the categories of each column, None for numbers."""
        return [column.levels for column in self.columns]

    def names(self, columns: Sequence[str]) -> list[str]:
        """Return the names of the inputs, by those of the columns."""
        return [name for own, column in zip(columns, self.columns, strict=True) for name in column.inputs(own)]

    def apply(self, raw: Floats) -> Floats:
        """Return the inputs `(rows, inputs)`, at least one."""
        parts = [column.apply(values) for values, column in zip(raw.T, self.columns, strict=True)]
        found = np.column_stack(parts)
        return found if found.shape[1] else np.zeros((len(raw), 1))

    def record(self) -> list[dict[str, Any]]:
        """Return plain values."""
        return [asdict(column) for column in self.columns]

    @classmethod
    def read(cls, record: Sequence[dict[str, Any]]) -> "Preparation":
        """Return the preparation of plain values."""
        return cls(
            tuple(
                Column(**{**one, "levels": None if one["levels"] is None else tuple(one["levels"])}) for one in record
            )
        )


def categorical(X: Any) -> list[bool]:
    """Tell which columns of a frame are declared as categories, whatever their values; none in an array."""
    kinds = getattr(X, "dtypes", None)
    if kinds is None or getattr(X, "ndim", 2) != 2:
        return []
    return [str(kind).lower().startswith(("category", "categorical", "enum")) for kind in kinds]


def read(
    X: NDArray[Any], declared: Sequence[bool] = (), known: Sequence[Sequence[str] | None] | None = None
) -> tuple[Floats, list[tuple[str, ...] | None]]:
    """Return numbers `(rows, columns)` and the categories of each column, None for numbers.

    A category is its number, an unknown or missing one -1; a missing number is NaN.

    Parameters
    ----------
    X : array
        Of numbers, or of objects.
    declared : sequence of bool
        Which columns are categories even if they hold numbers.
    known : sequence, optional
        The categories of each column, where they are known already.

    Raises
    ------
    InputError
        If a column of numbers holds text.
    TypeError
        If a value is neither a number nor text.
    """
    if X.dtype.kind in "biuf" and not any(declared) and (known is None or not any(k is not None for k in known)):
        return X.astype(np.float64), [None] * X.shape[1]
    raw, levels = np.empty(X.shape), list[tuple[str, ...] | None]()
    for number, values in enumerate(X.T):
        wanted = known[number] if known is not None else None
        if known is None and (any(isinstance(v, str) for v in values) or (declared and declared[number])):
            wanted = _levels(values)
        raw[:, number] = _numbers(values, number) if wanted is None else _codes(values, wanted)
        levels.append(None if wanted is None else tuple(wanted))
    return raw, levels


def _levels(values: NDArray[Any]) -> list[str]:
    names, counts = np.unique([str(v) for v in values if not _is_missing(v)], return_counts=True)
    frequent = np.sort(np.argsort(-counts, kind="stable")[:MOST_LEVELS])
    return [str(name) for name in names[frequent]]


def _codes(values: NDArray[Any], levels: Sequence[str]) -> Floats:
    numbers = {level: number for number, level in enumerate(levels)}
    return np.array([-1 if _is_missing(v) else numbers.get(str(v), -1) for v in values], dtype=np.float64)


def _numbers(values: NDArray[Any], column: int) -> Floats:
    found = np.empty(len(values))
    for row, value in enumerate(values):
        if _is_missing(value):
            found[row] = np.nan
            continue
        try:
            found[row] = float(value)
        except ValueError as error:
            raise InputError(
                f"expected numbers in column {column}, as in fit, got {value!r} in row {row}. Check the table."
            ) from error
        except TypeError as error:
            raise TypeError(f"argument must be a string or a real number, got {value!r} in row {row}.") from error
    return found


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)  # NaN, which differs from itself
    except (TypeError, ValueError):
        return type(value).__name__ == "NAType"  # pandas.NA, which is neither equal nor different


def _measure(values: Floats, levels: Sequence[str] | None, weight: Floats) -> Column:
    if levels is not None:
        return Column(levels=tuple(levels))
    there = ~np.isnan(values)
    gaps = not bool(there.all())
    if not there.any():
        return Column(gaps=gaps)
    known, heavy = values[there], weight[there]
    quarter, centre, three = (weighted_quantile(known, heavy, share) for share in (0.25, 0.5, 0.75))
    deviation = float(np.sqrt(np.average((known - np.average(known, weights=heavy)) ** 2, weights=heavy)))
    robust = (three - quarter) / 1.349  # the deviation, of a normal distribution
    scale = robust if robust > 0.1 * deviation else deviation
    if not scale > 1e-12 * float(np.abs(known).max()):
        return Column(centre=centre, gaps=gaps)
    scaled = _compress((known - centre) / scale)
    return Column(centre=centre, scale=scale, low=float(scaled.min()), high=float(scaled.max()), gaps=gaps)


def weighted_quantile(values: Floats, weight: Floats, share: float) -> float:
    """Return the smallest value that a share of the weight does not exceed.

    Examples
    --------
    >>> weighted_quantile(np.array([3.0, 1.0]), np.array([1.0, 3.0]), 0.5)
    1.0
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    return float(values[order][min(np.searchsorted(reached, share * reached[-1]), len(values) - 1)])


def _compress(scaled: Floats) -> Floats:
    """Bring far values near: the identity up to three deviations, then with logarithmic growth and no bend between."""
    far = np.abs(scaled)
    return np.where(far > WIDE, np.sign(scaled) * (WIDE + np.log1p(np.maximum(far - WIDE, 0))), scaled)
