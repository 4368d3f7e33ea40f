"""A model's history: versions `round.state`, in memory, or in a folder if one is named."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kan.inputs import Columns
from kan.symbolic import SYMBOLIC_LIB
from kanlens.container import write_atomically
from kanlens.errors import FileError, InputError
from kanlens.network import KAN as Core
from kanlens.persistence import header, load, save

if TYPE_CHECKING:
    from kan.design import Design

MOST_NUMBERS = 2**24
"""Parameters of all versions that are kept in memory; beyond that the oldest are forgotten."""

HISTORY = "history.json"


@dataclass(frozen=True)
class Snapshot:
    """Hold a version of a model: its network and the columns that it reads."""

    core: Core
    columns: Columns

    @classmethod
    def of(cls, core: Core) -> "Snapshot":
        """Return a version that reads every column."""
        return cls(core, Columns.all(core.spec.widths[0].size))

    def write(self, path: Path, notes: dict[str, Any]) -> None:
        """Write the version to one file, without code and completely or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        save(self.core, path, notes={**notes, "columns": list(self.columns.chosen), "total": self.columns.total})

    @classmethod
    def read(cls, path: Path) -> tuple["Snapshot", dict[str, Any]]:
        """Return a version and its notes."""
        notes = dict(header(path).notes)
        core = load(path, functions=SYMBOLIC_LIB)
        total = core.spec.widths[0].size
        columns = Columns(tuple(notes.get("columns", range(total))), notes.get("total", total))
        return cls(core, columns), notes


@dataclass
class Store:
    """Hold the versions of one model and of all that came from it."""

    folder: Path | None
    kept: dict[str, Snapshot] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def __deepcopy__(self, memo: object) -> "Store":
        return Store(self.folder, dict(self.kept), list(self.lines))  # versions never change

    def put(self, name: str, snapshot: Snapshot, line: str) -> None:
        """Keep a version under its name."""
        self.lines.append(line)
        if self.folder is not None:
            snapshot.write(self.folder / f"{name}.safetensors", {"version": name})
            write_atomically(self.folder / HISTORY, json.dumps(self.lines).encode())
            return
        self.kept[name] = snapshot
        while len(self.kept) > 1 and sum(map(_size, self.kept.values())) > MOST_NUMBERS:
            del self.kept[next(iter(self.kept))]

    def names(self) -> list[str]:
        """Return the names of all versions that can be had."""
        if self.folder is None:
            return list(self.kept)
        return [path.stem for path in self.folder.glob("*.*.safetensors")]

    def get(self, name: str) -> Snapshot:
        """Return a version."""
        if name not in self.names():
            raise InputError(
                f"expected one of the versions {', '.join(self.names()) or '(none)'}, got {name!r}. "
                "With auto_save=False none are kept."
            )
        return self.kept[name] if self.folder is None else Snapshot.read(self.folder / f"{name}.safetensors")[0]


@dataclass
class Versions:
    """Say where in the history a model stands."""

    store: Store
    round: int = 0
    state: int = 0

    @classmethod
    def start(cls, design: "Design", snapshot: Callable[[], Snapshot]) -> "Versions":
        """Begin a history; a folder that holds another one is moved aside."""
        folder = None if design.ckpt_path is None or not design.auto_save else Path(design.ckpt_path)
        versions = cls(Store(folder), design.round, design.state_id)
        if design.auto_save:
            if folder is not None and design.first_init:
                _move_aside(folder)
            versions.store.put(versions.name, snapshot(), f"init => {versions.name}")
        return versions

    @property
    def name(self) -> str:
        """Return the version's name, such as `0.2`."""
        return f"{self.round}.{self.state}"

    def fork(self) -> "Versions":
        """Return the place of another model of the same history."""
        return replace(self)

    def add(self, method: str, snapshot: Snapshot) -> None:
        """Keep the next version; one that a model of the same history has taken is left as it is."""
        before, taken = self.name, [int(n.split(".")[1]) for n in self.store.names() if n.startswith(f"{self.round}.")]
        self.state = max([self.state, *taken]) + 1
        self.store.put(self.name, snapshot, f"{before} => {method} => {self.name}")

    def rewound(self, name: str) -> "Versions":
        """Return a new round that begins with an old version, kept under its new name."""
        snapshot = self.store.get(name)
        rounds = [int(each.split(".")[0]) for each in self.store.names()]
        again = Versions(self.store, max(rounds) + 1, int(name.split(".")[1]))
        self.store.put(again.name, snapshot, f"{name} => rewind => {again.name}")
        return again


def _size(snapshot: Snapshot) -> int:
    return sum(parameter.numel() for parameter in snapshot.core.parameters())


def _move_aside(folder: Path) -> None:
    if (folder / HISTORY).exists():
        number = 1
        while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
            number += 1
        folder.rename(aside)


def file_of(path: str | Path) -> Path:
    """Return the file of a checkpoint that is named as pykan does, without an ending."""
    place = Path(path)
    return place if place.suffix == ".safetensors" else place.with_name(f"{place.name}.safetensors")


def found(path: str | Path) -> Path:
    """Return the file of a checkpoint that must exist."""
    place = file_of(path)
    if not place.exists():
        raise FileError(
            f"expected a checkpoint at {place}, got no such file. Write it with saveckpt, or name a folder: "
            "KAN(..., ckpt_path='./model')."
        )
    return place
