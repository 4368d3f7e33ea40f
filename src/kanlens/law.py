"""What a file of `kanlens fit` or :func:`kanlens.save` holds: a network, and the names of its columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kanlens.compiler import compile_formula
from kanlens.errors import InputError
from kanlens.expressions import parse
from kanlens.network import KAN
from kanlens.persistence import header, load
from kanlens.symbolic import formula
from kanlens.tables import Table

if TYPE_CHECKING:
    from sympy import Expr


@dataclass(frozen=True)
class Law:
    """Hold a network with names: of its inputs as symbols, of the columns that they are in tables, of its outputs."""

    model: KAN
    inputs: tuple[str, ...]
    columns: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> "Law":
        """Read a file or folder that :func:`kanlens.save` wrote, or a text file `name = formula`.

        Raises
        ------
        InputError
            If there is no such file, or its text is no formula.
        FileError
            If the file is damaged or of another kind.
        """
        if not path.exists():
            raise InputError(f"expected a file that kanlens saved, got {path}, which does not exist. Check the path.")
        return cls._of_text(path) if path.suffix == ".txt" else cls._of_network(path)

    @classmethod
    def _of_text(cls, path: Path) -> "Law":
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"expected a formula in UTF-8, got other bytes in {path.name}. Save the text as UTF-8."
            ) from error
        name, _, right = text.rpartition("=")
        expression = parse(right)
        names = sorted(map(str, expression.free_symbols))
        if not names:
            raise InputError(f"expected a formula with a variable, got {expression}. Name at least one column in it.")
        model = compile_formula(expression, names, dtype=torch.float64)
        return cls(model, tuple(names), tuple(names), (name.strip() or "y",))

    @classmethod
    def _of_network(cls, path: Path) -> "Law":
        model, notes = load(path), header(path).notes
        inputs, outputs = model.spec.widths[0].size, model.spec.widths[-1].size
        symbols = _names(notes.get("inputs"), inputs, "x")
        columns = _names(notes.get("columns"), inputs, "x") if "columns" in notes else symbols
        return cls(model, symbols, columns, _names(notes.get("outputs"), outputs, "y"))

    @property
    def is_formula(self) -> bool:
        """Tell whether every edge is a symbol."""
        return all(self.model.symbol(edge) is not None for edge in self.model.live())

    def formulas(self, names: Sequence[str] | None = None) -> "dict[str, Expr]":
        """Return the formula of each output, in the inputs' symbols or in other names.

        Raises
        ------
        InputError
            If an edge is still a spline.
        """
        used = self.inputs if names is None else names
        return {name: formula(self.model, names=used, output=k) for k, name in enumerate(self.outputs)}

    def points(self, table: Table) -> Tensor:
        """Return the inputs `(rows, in)` among the columns of a table.

        Raises
        ------
        InputError
            If one is missing, or holds text.
        """
        return torch.stack([table.column(name) for name in self.columns], 1)

    @torch.no_grad()
    def predict(self, table: Table) -> dict[str, Tensor]:
        """Return each output's column `(rows,)`."""
        found = self.model(self.points(table).to(self.model.dtype)).double()
        return dict(zip(self.outputs, found.unbind(1), strict=True))


def _names(noted: object, count: int, letter: str) -> tuple[str, ...]:
    """Return the names in the notes of a file if they fit its network, else `x_1, x_2, ...`."""
    if isinstance(noted, list) and len(noted) == count == len(set(map(str, noted))):
        return tuple(map(str, noted))
    return (letter,) if count == 1 and letter == "y" else tuple(f"{letter}_{k}" for k in range(1, count + 1))
