"""Grids, as pykan's model moves and refines them."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from kan.design import FINEST_UNIFORMITY, LEAST_MARGIN, whole
from kan.held import Held
from kanlens.data import Array
from kanlens.errors import InputError
from kanlens.network import KAN as Core
from kanlens.regrid import regrid
from kanlens.surgery import refine


class Grids(Held):
    """Change grids."""

    def refine(self, new_grid: int | Sequence[int] | None = None, *, grid: int | Sequence[int] | None = None) -> Self:
        """Return a new model on a grid of another number of intervals; `grid` is the argument's older name."""
        wanted = grid if new_grid is None else new_grid
        if wanted is None:
            raise InputError("expected the new number of grid intervals, got none. Call refine(10).")
        finer = self._with(self._refined(wanted))
        finer.log_history("refine")
        return finer

    def _refined(self, wanted: int | Sequence[int]) -> Core:
        if not isinstance(wanted, list | tuple):
            return refine(self.core, self.points(), whole("new_grid", wanted))
        if len(wanted) != self.core.depth:
            raise InputError(f"expected a number for each of {self.core.depth} layers, got {len(wanted)}.")
        by_count = {number: refine(self.core, self.points(), whole("new_grid", number)) for number in {*wanted}}
        layers = [by_count[number].layers[layer] for layer, number in enumerate(wanted)]
        spec = replace(self.core.spec, basis=layers[0].basis)
        return Core.assemble(spec, layers, list(copy.deepcopy(self.core).symbols))

    def initialize_from_another_model(self, another_model: Held, x: Array) -> Self:
        """Take over the curves of a model of the same widths on this model's number of intervals."""
        if another_model.core.spec.widths != self.core.spec.widths:
            raise InputError(
                f"expected a model of widths {self.width}, got {another_model.width}. "
                "Make the new model with the same width."
            )
        self.core = refine(another_model.core, another_model.points(x), self.core.spec.basis.intervals)
        return self

    def initialize_grid_from_another_model(self, model: Held, x: Array) -> None:
        """Move the grids to where another model's are for the same inputs."""
        self.update_grid_from_samples(x)

    def update_grid_from_samples(self, x: Array) -> None:
        """Move the grids to where inputs are; `grid_eps` of 1 makes them uniform, 0 follows quantiles.

        The parameters stay the objects that they are, as optimizers of one's own hold them.
        """
        uniformity = max(self.design.grid_eps, FINEST_UNIFORMITY)
        moved = regrid(
            copy.deepcopy(self.core).double(), self.points(x).double(), uniformity=uniformity, margin=LEAST_MARGIN
        )
        self._take(moved.to(self.core.dtype))

    def update_grid(self, x: Array) -> None:
        """Move the grids, as `update_grid_from_samples` does."""
        self.update_grid_from_samples(x)
