"""Read a table of numbers from a CSV file, and say what cannot be read."""

import csv
import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from kanlens.errors import InputError

MISSING = frozenset({"", "na", "nan", "null", "none", "-"})
"""How people write that a value is missing, in lower case."""


@dataclass(frozen=True)
class Table:
    """Hold numeric columns `values (rows, columns)` by name, and the names of columns of text."""

    names: tuple[str, ...]
    values: Tensor
    text: tuple[str, ...]

    def split(self, target: str, leave_out: Sequence[str] = ()) -> tuple[tuple[str, ...], Tensor, Tensor]:
        """Return the names of the inputs, the inputs `(rows, in)` and the target `(rows, 1)`.

        Raises
        ------
        InputError
            If a name is not that of a numeric column, or no input remains.
        """
        for name in (target, *leave_out):
            if name not in (*self.names, *self.text):
                raise InputError(f"expected a column of the table, got {name!r}. It has: {', '.join(self.names)}.")
        if target in self.text:
            raise InputError(f"expected a target of numbers, got text in column {target!r}. Choose a numeric column.")
        inputs = tuple(name for name in self.names if name != target and name not in leave_out)
        if not inputs:
            raise InputError("expected a column of numbers beside the target, got none. Add what it may depend on.")
        columns = [self.names.index(name) for name in inputs]
        return inputs, self.values[:, columns], self.values[:, [self.names.index(target)]]


def read_csv(path: Path) -> Table:
    """Return the table in a CSV file with a header row; the delimiter is found out.

    Raises
    ------
    InputError
        If there is no such file, no header, no row, a name twice, a row of another length, or a
        missing or infinite value among numbers.
    """
    if not path.is_file():
        raise InputError(f"expected a CSV file, got {path}, which does not exist. Check the path.")
    text = path.read_text(encoding="utf-8-sig")
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise InputError(f"expected a header and at least one row in {path.name}, got {len(rows)} lines.")
    names = [name.strip() for name in rows[0]]
    if len(set(names)) < len(names) or "" in names:
        raise InputError(f"expected a different name for each column, got {names}. Rename them in the header.")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise InputError(f"expected {len(names)} values in line {number}, got {len(row)}. Check the delimiters.")
    columns = {name: [row[k].strip() for row in rows[1:]] for k, name in enumerate(names)}
    numeric = {name: cells for name, cells in columns.items() if any(_number(cell) is not None for cell in cells)}
    values = [_numbers(name, cells) for name, cells in numeric.items()]
    stacked = torch.tensor(values, dtype=torch.float64).reshape(len(numeric), len(rows) - 1).T
    return Table(tuple(numeric), stacked, tuple(name for name in names if name not in numeric))


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _numbers(name: str, cells: list[str]) -> list[float]:
    found = []
    for line, cell in enumerate(cells, 2):
        value = None if cell.lower() in MISSING else _number(cell)
        if value is None or value in (float("inf"), float("-inf")):
            raise InputError(f"expected a number in line {line}, column {name!r}, got {cell!r}. Fill or drop the row.")
        found.append(value)
    return found


def symbol_name(name: str) -> str:
    """Return a column's name as a symbol that can stand in a formula and in Python.

    Examples
    --------
    >>> symbol_name("semi-major axis (AU)"), symbol_name("2nd"), symbol_name("lambda")
    ('semi_major_axis_AU', '_2nd', 'lambda_')
    """
    word = re.sub(r"\W+", "_", name).strip("_") or "x"
    word = f"_{word}" if word[0].isdigit() else word
    return f"{word}_" if keyword.iskeyword(word) else word
