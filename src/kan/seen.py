"""What a door model remembers of the data it was shown, for calls that pass no data."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kan.inputs import Columns
from kanlens.data import Array, table
from kanlens.network import KAN as Core

POINTS = 512
"""Points spread over the grid when no data have been shown."""


@dataclass(frozen=True)
class Seen:
    """Hold inputs `(rows, in)` and, if they are targets of the squared error, labels `(rows, out)`.

    `fitted` tells the training part of a dataset from the inputs of a mere forward pass, which
    never replace it: otherwise a look at other data would change what prune and auto_symbolic do.
    """

    x: Array
    y: Array | None = None
    fitted: bool = False


def points(core: Core, seen: Seen | None, columns: Columns) -> Tensor:
    """Return inputs `(rows, in)` to look at a network with, on its device and in its dtype."""
    if seen is None:
        return spread(core)
    return table(columns.of(seen.x), core.spec.widths[0].size, "inputs").to(core.device, core.dtype)


def spread(core: Core) -> Tensor:
    """Return points spread evenly over the first layer's grid (a Sobol sequence)."""
    layer, *_ = next(iter(core.parts()))
    inner = layer.basis.inner(layer.grid)
    low, high = inner[:, 0], inner[:, -1]
    unit: Tensor = torch.quasirandom.SobolEngine(len(low)).draw(POINTS)  # type: ignore[no-untyped-call]
    return low + (high - low) * unit.to(inner)
