"""What there is to draw of each edge: its curve, its data, their ranges, its symbol and its strength."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kanlens.errors import InputError
from kanlens.layer import KANLayer
from kanlens.network import KAN, Edge, SymbolicEdges, Trace, Width
from kanlens.scores import attribute, deviation

Points = NDArray[np.float64]

FAINTEST = 0.07
"""Opacity of an edge that carries nothing: hardly seen, but not absent as a cut one is."""

ROWS = 5000
"""Rows of the data that are looked at, because every edge is evaluated at each."""

CURVE_POINTS = 121
SAMPLES = 50

Importance = Literal["attribution", "deviation"] | Sequence[Tensor]
"""What makes an edge important: its score (:func:`kanlens.scores.scores`), its own deviation as a share of
the largest in its layer, or values of one's own, `(out, in)` of each layer."""


@dataclass(frozen=True)
class Portrait:
    """Hold how an edge looks.

    `curve (points, 2)` and `data (rows, 2)` are scaled to the unit square; `ranges` has the least
    and greatest x in its first row, and y in its second.
    """

    edge: Edge
    curve: Points
    data: Points
    ranges: Points
    symbol: str | None
    score: float
    strength: float
    faded: bool


@torch.no_grad()
def portray(
    model: KAN,
    x: Tensor,
    *,
    beta: float = 3.0,
    fade: Collection[Edge] = (),
    importance: Importance = "attribution",
    relative: bool = False,
    most: int | None = None,
    points: int = CURVE_POINTS,
    samples: int = SAMPLES,
) -> list[Portrait]:
    """Return the portraits of all live edges, for each layer ordered by input, then by output.

    `relative` measures the strength of edges by the largest score, as large networks have only small ones. With `most`
    there are at most so many, those of the largest scores.
    """
    trace = model.trace(x)
    found = measure(trace, model.spec.widths, importance)
    strengths = _strengths(found, beta, relative)
    views = [
        _View.of(layer, symbols, at, values, points, samples)
        for (layer, symbols, _), at, values in zip(model.parts(), trace.nodes, trace.edges, strict=False)
    ]
    names = {
        Edge(number, out, in_): function.name
        for number, symbols in enumerate(model.symbols)
        for function, out, in_ in zip(symbols.functions, symbols.out, symbols.in_, strict=True)
    }
    faded = {tuple(edge) for edge in fade}
    edges = model.live()
    if most is not None and len(edges) > most:
        weights = [each.tolist() for each in found]
        edges = sorted(edges, key=lambda edge: (-weights[edge.layer][edge.out][edge.in_], edge))[:most]
    return [
        Portrait(
            edge,
            curve=views[edge.layer].curve(edge),
            data=views[edge.layer].data(edge),
            ranges=views[edge.layer].ranges(edge),
            symbol=names.get(edge),
            score=float(found[edge.layer][edge.out, edge.in_]),
            strength=float(strengths[edge.layer][edge.out, edge.in_]),
            faded=edge in faded,
        )
        for edge in sorted(edges, key=lambda edge: (edge.layer, edge.in_, edge.out))
    ]


def anywhere(model: KAN, rows: int = 500) -> Tensor:
    """Return inputs `(rows, in)` spread evenly at random over the range of the first layer's grids."""
    first = model.layers[0]
    inner = first.basis.inner(first.grid.double())
    draw = torch.Generator().manual_seed(0)
    share = torch.rand(rows, len(inner), generator=draw, dtype=torch.float64, device="cpu").to(inner)
    return inner[:, 0] + (inner[:, -1] - inner[:, 0]) * share


def strongest(portraits: Sequence[Portrait], most: int) -> list[Portrait]:
    """Return at most so many portraits, those of the largest scores, in their order."""
    kept = {portrait.edge for portrait in sorted(portraits, key=lambda p: (-p.score, p.edge))[:most]}
    return [portrait for portrait in portraits if portrait.edge in kept]


def measure(trace: Trace, widths: Sequence[Width], importance: Importance) -> list[Tensor]:
    """Return how important each edge is, `(out, in)` of each layer; NaN counts as 1.

    Raises
    ------
    InputError
        If there is no such measure, or one's own has not the layers' shapes.
    """
    shapes = [edges.shape[1:] for edges in trace.edges]
    if isinstance(importance, str):
        if importance not in ("attribution", "deviation"):
            raise InputError(f"expected importance 'attribution' or 'deviation', got {importance!r}. Or pass tensors.")
        if importance == "attribution":
            found = attribute(trace, widths).edges
        else:
            spreads = [deviation(edges) for edges in trace.edges]
            found = [spread / spread.amax().clamp_min(torch.finfo(spread.dtype).tiny) for spread in spreads]
    else:
        found = list(importance)
        if [tuple(each.shape) for each in found] != [tuple(shape) for shape in shapes]:
            raise InputError(
                f"expected importance of shapes {[tuple(shape) for shape in shapes]}, (out, in) of each layer, "
                f"got {[tuple(each.shape) for each in found]}. "
                "Pass what scores(...) gives for the same network."
            )
    return [each.nan_to_num(nan=1.0) for each in found]


def _strengths(scores: Sequence[Tensor], beta: float, relative: bool) -> list[Points]:
    """Return opacities `(out, in)` of each layer; full ones if nothing varies, as in a single row."""
    if not any(bool(edges.any()) for edges in scores):
        return [np.ones(edges.shape) for edges in scores]
    unit = max(float(edges.amax()) for edges in scores) if relative else 1.0
    return [(beta / unit * edges).tanh().clamp(FAINTEST, 1).double().cpu().numpy() for edges in scores]


@dataclass(frozen=True)
class _View:
    """Hold a layer's curves and data, scaled to 0 ... 1, and their ranges (least, greatest).

    `along (points,)`, `heights (points, out, in)`, `x (rows, in)`, `y (rows, out, in)`,
    `x_ends (2, in)`, `y_ends (2, out, in)`.
    """

    along: Points
    heights: Points
    x: Points
    y: Points
    x_ends: Points
    y_ends: Points

    @classmethod
    def of(
        cls, layer: KANLayer, symbols: SymbolicEdges, at: Tensor, values: Tensor, points: int, samples: int
    ) -> "_View":
        """Evaluate a layer's edges over the range of their inputs `at (batch, in)`."""
        low, high = _range(at)
        along = torch.linspace(0, 1, points, dtype=at.dtype, device=at.device)
        grid = low + along[:, None] * (high - low)
        curves = layer.edges(grid)
        if len(symbols):
            curves = curves + symbols.spread(symbols.values(grid), layer.in_features)
        bottom, top = _range(torch.cat([curves, values]))
        return cls(
            _numpy(along),
            _unit(curves, bottom, top),
            _unit(some(at, samples), low, high),
            _unit(some(values, samples), bottom, top),
            _numpy(torch.stack([low, high])),
            _numpy(torch.stack([bottom, top])),
        )

    def curve(self, edge: Edge) -> Points:
        """Return an edge's curve `(points, 2)`."""
        return np.stack([self.along, self.heights[:, edge.out, edge.in_]], 1)

    def data(self, edge: Edge) -> Points:
        """Return the data that an edge sees `(rows, 2)`."""
        return np.stack([self.x[:, edge.in_], self.y[:, edge.out, edge.in_]], 1)

    def ranges(self, edge: Edge) -> Points:
        """Return the ranges of an edge's inputs and values, a row each."""
        return np.stack([self.x_ends[:, edge.in_], self.y_ends[:, edge.out, edge.in_]])


def some(rows: Tensor, most: int) -> Tensor:
    """Return at most so many rows, from all over."""
    return rows[:: math.ceil(len(rows) / most)]


def _range(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the least and greatest finite values over the rows, zeros where there are none."""
    finite = values.isfinite()
    low = values.where(finite, math.inf).amin(0)
    high = values.where(finite, -math.inf).amax(0)
    return low.where(low <= high, 0.0), high.where(low <= high, 0.0)


def _unit(values: Tensor, low: Tensor, high: Tensor) -> Points:
    """Return values scaled to 0 ... 1, one half where they vary by no more than round-off."""
    noise = 100 * torch.finfo(values.dtype).eps * torch.maximum(low.abs(), high.abs())
    varies = high - low > noise
    scaled = (values - low) / (high - low).where(varies, 1.0)
    return _numpy(scaled.where(varies | ~values.isfinite(), 0.5))


def _numpy(values: Tensor) -> Points:
    result: Points = values.double().cpu().numpy()
    return result
