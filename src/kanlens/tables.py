"""Read a table of numbers from a CSV or Parquet file, and say what cannot be read."""

import csv
import io
import keyword
import math
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kanlens.errors import InputError, MissingPackageError

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

    def column(self, name: str) -> Tensor:
        """Return a numeric column `(rows,)`.

        Raises
        ------
        InputError
            If there is no such column, or it holds text.
        """
        _known(name, (*self.names, *self.text))
        if name in self.text:
            raise InputError(f"expected numbers in column {name!r}, got text. Check the table.")
        return self.values[:, self.names.index(name)]


def read_table(path: Path, leave_out: Collection[str] = (), only: Collection[str] | None = None) -> Table:
    """Return the table in a Parquet file if its name ends in `.parquet`, else in a CSV file (see :func:`read_csv`).

    Raises
    ------
    InputError
        As :func:`read_csv`.
    MissingPackageError
        If pyarrow, which reads Parquet, is not installed.
    """
    if path.suffix.lower() != ".parquet":
        return read_csv(path, leave_out, only)
    _check_file(path, "Parquet")
    parquet, arrow = _pyarrow()
    try:
        read = parquet.read_table(path)
    except arrow.ArrowInvalid as error:
        raise InputError(
            f"expected a Parquet file, got {path.name}: {error}. Check the file, or write it as CSV."
        ) from error
    names = _distinct(read.column_names)
    chosen = _chosen(names, leave_out, only)
    kinds = {name: read.schema.field(name).type for name in chosen}
    numeric = [n for n in chosen if any(is_(kinds[n]) for is_ in (arrow.types.is_integer, arrow.types.is_floating))]
    values = [[_filled(name, row, value) for row, value in enumerate(read[name].to_pylist())] for name in numeric]
    stacked = torch.tensor(values, dtype=torch.float64).reshape(len(numeric), read.num_rows).T
    if not read.num_rows:
        raise InputError(f"expected at least one row in {path.name}, got none. Check the file.")
    return Table(tuple(numeric), stacked, tuple(name for name in chosen if name not in numeric))


def column_names(path: Path) -> list[str]:
    """Return the names of the columns of a CSV or Parquet file.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be read as its kind.
    """
    if path.suffix.lower() == ".parquet":
        _check_file(path, "Parquet")
        parquet, arrow = _pyarrow()
        try:
            return list(parquet.read_schema(path).names)
        except arrow.ArrowInvalid as error:
            raise InputError(
                f"expected a Parquet file, got {path.name}: {error}. Check the file, or write it as CSV."
            ) from error
    return [name.strip() for _, names in _rows(_text(path))[:1] for name in names]


def write_table(path: Path | None, columns: Mapping[str, Tensor]) -> str:
    """Write columns `(rows,)` to a Parquet file if its name ends in `.parquet`, else to a CSV file.

    Without a path the CSV is only returned.
    """
    if path is not None and path.suffix.lower() == ".parquet":
        parquet, arrow = _pyarrow()
        parquet.write_table(arrow.table({name: column.tolist() for name, column in columns.items()}), path)
        return ""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    if path is not None:
        path.write_text(text.getvalue(), encoding="utf-8")
    return text.getvalue()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPackageError("expected pyarrow, got nothing. Run: pip install 'kanlens[parquet]'.") from error
    return pyarrow.parquet, pyarrow


def _filled(name: str, row: int, value: float | None) -> float:
    if value is None or not math.isfinite(value):
        raise InputError(f"expected a number in row {row}, column {name!r}, got {value}. Fill it, or drop the row.")
    return float(value)


def read_csv(path: Path, leave_out: Collection[str] = (), only: Collection[str] | None = None) -> Table:
    """Return the table in a CSV file with a header row, without the columns that are to be left out.

    With `only`, the other columns are not looked at.

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
        raise InputError(
            f"expected a header and at least one row in {path.name}, got {len(rows)} lines. Check the file."
        )
    names = _distinct([name.strip() for name in rows[0][1]])
    for number, row in rows[1:]:
        if len(row) != len(names):
            raise InputError(f"expected {len(names)} values in line {number}, got {len(row)}. Check the delimiters.")
    chosen = _chosen(names, leave_out, only)
    columns = {name: [(n, row[k]) for n, row in rows[1:]] for k, name in enumerate(names) if name in chosen}
    numeric = [name for name, cells in columns.items() if any(_number(cell) is not None for _, cell in cells)]
    values = [[_finite(name, number, cell) for number, cell in columns[name]] for name in numeric]
    stacked = torch.tensor(values, dtype=torch.float64).reshape(len(numeric), len(rows) - 1).T
    return Table(tuple(numeric), stacked, tuple(name for name in columns if name not in numeric))


def _distinct(names: list[str]) -> list[str]:
    if len(set(names)) < len(names) or "" in names:
        raise InputError(f"expected a different name for each column, got {names}. Rename them in the header.")
    return names


def _chosen(names: Sequence[str], leave_out: Collection[str], only: Collection[str] | None) -> list[str]:
    for name in (*leave_out, *(only or ())):
        _known(name, names)
    return [name for name in names if name not in leave_out and (only is None or name in only)]


def _check_file(path: Path, kind: str) -> None:
    if not path.exists():
        raise InputError(f"expected a {kind} file, got {path}, which does not exist. Check the path.")
    if not path.is_file():
        raise InputError(f"expected a {kind} file, got {path}, which is not a file. Check the path.")


def _text(path: Path) -> str:
    _check_file(path, "CSV")
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
