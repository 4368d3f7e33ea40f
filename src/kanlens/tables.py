"""Read a table of numbers from a CSV file, and say what cannot be read."""

import csv
import io
import keyword
import math
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from kanlens.errors import InputError

MISSING = frozenset({"", "na", "nan", "null", "none", "-"})
"""How people write that a value is missing, in lower case."""

Row = tuple[int, list[str]]
"""The number of a line in the file, and its cells."""


@dataclass(frozen=True)
class Table:
    """Hold numeric columns `values (rows, columns)` by name, and the names of columns of text."""

    names: tuple[str, ...]
    values: Tensor
    text: tuple[str, ...]

    def split(self, target: str) -> tuple[tuple[str, ...], Tensor, Tensor]:
        """Return the names of the inputs, the inputs `(rows, in)` and the target `(rows, 1)`.

        Raises
        ------
        InputError
            If the target is not a numeric column, or no input remains.
        """
        _known(target, (*self.names, *self.text))
        if target in self.text:
            raise InputError(f"expected a target of numbers, got text in column {target!r}. Choose a numeric column.")
        inputs = tuple(name for name in self.names if name != target)
        if not inputs:
            raise InputError("expected a column of numbers beside the target, got none. Add what it may depend on.")
        columns = [self.names.index(name) for name in inputs]
        return inputs, self.values[:, columns], self.values[:, [self.names.index(target)]]


def read_csv(path: Path, leave_out: Collection[str] = ()) -> Table:
    """Return the table in a CSV file with a header row, without the columns that are to be left out.

    The delimiter is a comma, a semicolon or a tab, whichever divides the header into more columns.
    Where it is not a comma, numbers may have a decimal comma.

    Raises
    ------
    InputError
        If there is no such file, no header, no row, a name twice, a row of another length, no
        column that is to be left out, or a missing or infinite value among numbers.
    """
    rows = _rows(_text(path))
    if len(rows) < 2:
        raise InputError(f"expected a header and at least one row in {path.name}, got {len(rows)} lines.")
    names = [name.strip() for name in rows[0][1]]
    if len(set(names)) < len(names) or "" in names:
        raise InputError(f"expected a different name for each column, got {names}. Rename them in the header.")
    for number, row in rows[1:]:
        if len(row) != len(names):
            raise InputError(f"expected {len(names)} values in line {number}, got {len(row)}. Check the delimiters.")
    for name in leave_out:
        _known(name, names)
    columns = {name: [(n, row[k]) for n, row in rows[1:]] for k, name in enumerate(names) if name not in leave_out}
    numeric = [name for name, cells in columns.items() if any(_number(cell) is not None for _, cell in cells)]
    values = [[_finite(name, number, cell) for number, cell in columns[name]] for name in numeric]
    stacked = torch.tensor(values, dtype=torch.float64).reshape(len(numeric), len(rows) - 1).T
    return Table(tuple(numeric), stacked, tuple(name for name in columns if name not in numeric))


def _text(path: Path) -> str:
    if not path.exists():
        raise InputError(f"expected a CSV file, got {path}, which does not exist. Check the path.")
    if not path.is_file():
        raise InputError(f"expected a CSV file, got {path}, which is not a file. Check the path.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"expected text in UTF-8, got other bytes in {path.name}. Save it as UTF-8.") from error


def _rows(text: str) -> list[Row]:
    """Return the lines that are not blank; only cells of a table without decimal commas keep their commas."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=lambda sign: len(next(csv.reader([header], delimiter=sign), [])))
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(cell.strip() for cell in row)]
    if delimiter == ",":
        return rows
    return [rows[0], *((number, [_with_point(cell) for cell in row]) for number, row in rows[1:])] if rows else []


def _with_point(cell: str) -> str:
    decimal = re.fullmatch(r"([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)", cell)
    return f"{decimal[1]}.{decimal[2]}" if decimal else cell


def _known(name: str, names: Collection[str]) -> None:
    if name not in names:
        raise InputError(f"expected a column of the table, got {name!r}. It has: {', '.join(names)}.")


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _finite(name: str, line: int, cell: str) -> float:
    value = None if cell.lower() in MISSING else _number(cell)
    if value is None or not math.isfinite(value):
        raise InputError(
            f"expected a number in line {line}, column {name!r}, got {cell!r}. Fill it, or drop the row or the column."
        )
    return value


def symbol_name(name: str) -> str:
    """Return a column's name as a symbol that can stand in a formula and in Python.

    Examples
    --------
    >>> symbol_name("semi-major axis (AU)"), symbol_name("2nd"), symbol_name("lambda")
    ('semi_major_axis_AU', '_2nd', 'lambda_')
    """
    # identifiers are compared in this form, in which a raised 2 is a 2
    word = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", name)).strip("_") or "x"
    word = word if word.isidentifier() else f"_{word}"
    return f"{word}_" if keyword.iskeyword(word) else word
