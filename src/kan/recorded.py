"""Versions and checkpoints, as pykan's model offers them."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from kan import foreign
from kan.design import Design
from kan.held import Held
from kan.versions import Snapshot, file_of, found
from kanlens.errors import InputError
from kanlens.persistence import header

KEPT = ["grid_eps", "grid_range", "seed", "mult_arity", "sp_trainable", "sb_trainable", "affine_trainable"]
"""Arguments of a model that its network does not hold."""


class Recorded(Held):
    """Go back to earlier versions, and write and read checkpoints."""

    def rewind(self, model_id: str) -> Self:
        """Return a model that begins a new round with an old version: `0.1` becomes `1.1`."""
        model = self._at(model_id)
        model.versions = self.versions.rewound(model_id)
        return model

    def checkout(self, model_id: str) -> Self:
        """Return a model of an old version."""
        model = self._at(model_id)
        model.versions.round, model.versions.state = (int(n) for n in model_id.split("."))
        return model

    def _at(self, model_id: str) -> Self:
        snapshot = self.versions.store.get(model_id)
        return self._with(copy.deepcopy(snapshot.core).to(self.core.device), snapshot.columns)

    def history(self, k: int | str = "all") -> None:
        """Print the lines of the history, or the last few."""
        lines = self.versions.store.lines
        print("\n".join(lines if k == "all" else lines[-int(k) :]))

    def saveckpt(self, path: str = "model") -> None:
        """Write the model to the file `path.safetensors`, which holds no code and no data."""
        self._snapshot().write(file_of(path), self._notes())

    def _notes(self) -> dict[str, Any]:
        kept = {name: getattr(self.design, name) for name in KEPT}
        return {"version": self.versions.name, "design": {k: _plain(v) for k, v in kept.items()}}

    @classmethod
    def loadckpt(cls, path: str = "model") -> Self:
        """Return the model in a file that `saveckpt`, a named folder of versions, or pykan itself wrote."""
        if not file_of(path).exists() and foreign.exists(path):
            core, design = foreign.load(path)
            snapshot, version = Snapshot.of(core), "0.0"
        else:
            snapshot, notes = Snapshot.read(found(path))
            design, version = Design(**notes.get("design", {})), str(notes.get("version", "0.0"))
        number, state = (int(n) for n in version.split("."))
        return cls.holding(
            snapshot.core, replace(design, round=number, state_id=state, ckpt_path=None), snapshot.columns
        )

    # --- 0.0.x ---------------------------------------------------------------------------

    def save_ckpt(self, name: str, folder: str = "./model_ckpt") -> None:
        """Write the model to a file in a folder."""
        self.saveckpt(str(Path(folder) / name))

    def load_ckpt(self, name: str, folder: str = "./model_ckpt") -> None:
        """Become the model in a file in a folder."""
        snapshot, _ = Snapshot.read(found(Path(folder) / name))
        if snapshot.core.spec.widths[-1] != self.core.spec.widths[-1] or snapshot.columns.total != self.columns.total:
            raise InputError(f"expected a model of widths {self.width}, got other inputs or outputs in {name!r}.")
        self._take(snapshot.core)
        self.columns = snapshot.columns

    def clear_ckpts(self, folder: str = "./model_ckpt") -> None:
        """Delete the checkpoints in a folder, and no other file."""
        for path in Path(folder).glob("*.safetensors"):
            if "design" in header(path).notes:
                path.unlink()


def _plain(value: Any) -> Any:
    """Return sequences as lists, as JSON holds them."""
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
