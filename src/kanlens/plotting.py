"""Draw a network as a diagram: each edge is a line through a little picture of its curve.

Lengths are inches and font sizes are points at `scale=1`; one unit of the axes is one inch.
"""

import cmath
import io
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser
from matplotlib.patches import Circle
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray
from torch import Tensor

from kanlens.data import Array, table
from kanlens.errors import InputError
from kanlens.layer import KANLayer
from kanlens.network import KAN, Edge, SymbolicEdges, Trace, Width
from kanlens.scores import attribute

Points = NDArray[np.float64]
Color = tuple[float, float, float, float]
Bounds = tuple[float, float, float, float]

BLACK = (0.0, 0.0, 0.0)
ACCENT = (0.835, 0.369, 0.0)
"""Vermilion of M. Okabe and K. Ito's palette (2008), told from black by colour-blind readers too."""
DATA = (0.0, 0.447, 0.698)  # blue of the same palette
GREY: Color = (0.82, 0.82, 0.82, 1.0)
TICK: Color = (0.35, 0.35, 0.35, 1.0)
FAINTEST = 0.07
"""Opacity of an edge that carries nothing: hardly seen, but not absent as a cut one is."""

ROWS = 5000  # of the data that are looked at: every edge is evaluated at each
CURVE_POINTS = 121
SAMPLES = 50

PITCH, FRAME = 0.62, 0.46  # widest distance between frames' centres, largest side of a frame
NARROWEST, WIDEST = 2.6, 9.0  # of the diagram
COLUMNS = 48  # most frames in a row; more edges take several rows
UNEVEN = 2.2  # largest ratio of the frames' sizes in two layers
JOIN = 0.38  # from the factors of a product up to the product
RADIUS = 0.075  # of a node
MARGIN = 0.12  # around everything
NAME_SIZE, SMALLEST_NAME, TITLE_SIZE = 12.0, 8.0, 13.0
SYMBOL_SIZE = 0.33  # of the side of a frame, as the next three
TICK_SIZE = 0.19
GAP = 0.3
PADDING = 0.1


def plot(
    model: KAN,
    x: Array,
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    title: str | None = None,
    beta: float = 3.0,
    ticks: bool = False,
    samples: bool = False,
    labels: bool = True,
    scale: float = 1.0,
    fade: Collection[Edge] = (),
    ax: Axes | None = None,
) -> Figure:
    r"""Draw the network, from the inputs at the bottom to the outputs at the top.

    Each edge passes through a frame with its curve over the range of the data, scaled to the
    frame. Splines are black and symbols vermilion, with their names; edges that are cut off are
    absent. An edge of score :math:`s` (see :func:`kanlens.scores.scores`) has the opacity
    :math:`\tanh(\beta s)`. Nodes with a + add and nodes with a × multiply what leads into them.

    Parameters
    ----------
    model : KAN
    x : Tensor or array
        Inputs `(rows, in)`: they give the ranges of the curves and the scores. Of very many rows,
        some from all over are taken.
    names, outputs : sequence of str, optional
        Names of the inputs and outputs. `x_1`, `theta` or `$\dot\theta$` are set as mathematics.
    title : str, optional
    beta : float
        Contrast: the larger, the more of the weak edges is seen.
    ticks : bool
        Whether to write the ranges of each curve beside its frame.
    samples : bool
        Whether to show some of the data on each curve.
    labels : bool
        Whether to write the names of symbols beside their frames.
    scale : float
        Size of everything, fonts included; without effect in given axes, which are filled.
    fade : collection of Edge
        Edges to draw in light grey, such as those that are to be pruned.
    ax : Axes, optional
        Where to draw; without it in a new figure, which pyplot does not know.

    Returns
    -------
    Figure
        It shows itself in notebooks and has `savefig`. Nothing is written or shown by `plot`.

    Raises
    ------
    InputError
        If the data do not fit, or there is not one name for each input or output.

    Examples
    --------
    >>> model = KAN([2, 5, 1])
    >>> figure = plot(model, torch.rand(100, 2), names=["theta", "x_1"], title="untrained")
    >>> len(figure.axes)
    1
    """
    widths = model.spec.widths
    below = _named(names, widths[0].size, "x", "inputs")
    above = _named(outputs, widths[-1].size, "y", "outputs")
    if not scale > 0:
        raise InputError(f"expected scale > 0, got {scale}. Use 1 for the size that suits most pages.")
    points = _some(table(x, widths[0].size, "inputs"), ROWS).to(model.layers[0].grid)
    portraits = _portraits(model, points, beta, fade)
    room = _room(portraits, model.depth, labels, ticks)
    layout = Layout.of(widths, [portrait.edge for portrait in portraits], room)
    captions = [*_names(layout, below, 0), *_names(layout, above, -1)]
    if title:
        top = max(caption.box()[3] for caption in captions)
        captions.append(Caption(layout.width / 2, top + 0.12, title, TITLE_SIZE, va="bottom"))
    captions += _symbols(layout, portraits) if labels else []
    captions += _ticks(layout, portraits) if ticks else []
    bounds = _bounds(layout, captions)
    pen = _Pen.new(bounds, scale) if ax is None else _Pen.on(ax, bounds)
    _draw_edges(pen, layout, portraits)
    _draw_nodes(pen, layout, portraits, widths)
    if samples:
        _draw_samples(pen, layout, portraits)
    for caption in captions:
        pen.text(caption)
    return pen.figure


class Diagram(Figure):
    """Show itself in a notebook, also where pyplot was never loaded."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Return a picture of twice the resolution that it is shown at."""
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=192)
        wide, high = self.get_size_inches()
        return file.getvalue(), {"width": round(96 * wide), "height": round(96 * high)}


# --- what there is to draw ---------------------------------------------------------------


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
    strength: float
    faded: bool

    @property
    def color(self) -> Color:
        """Return the colour, with the strength as opacity."""
        return GREY if self.faded else (*(BLACK if self.symbol is None else ACCENT), self.strength)


@torch.no_grad()
def _portraits(model: KAN, x: Tensor, beta: float, fade: Collection[Edge]) -> list[Portrait]:
    """Return the portraits of all live edges, for each layer ordered by input, then by output."""
    trace = model.trace(x)
    strengths = _strengths(trace, model.spec.widths, beta)
    views = [
        _View.of(layer, symbols, at, values)
        for (layer, symbols, _), at, values in zip(model.parts(), trace.nodes, trace.edges, strict=False)
    ]
    names = {
        Edge(number, out, in_): function.name
        for number, symbols in enumerate(model.symbols)
        for function, out, in_ in zip(symbols.functions, symbols.out, symbols.in_, strict=True)
    }
    faded = {tuple(edge) for edge in fade}
    return [
        Portrait(
            edge,
            curve=views[edge.layer].curve(edge),
            data=views[edge.layer].data(edge),
            ranges=views[edge.layer].ranges(edge),
            symbol=names.get(edge),
            strength=float(strengths[edge.layer][edge.out, edge.in_]),
            faded=edge in faded,
        )
        for edge in sorted(model.live(), key=lambda edge: (edge.layer, edge.in_, edge.out))
    ]


def _strengths(trace: Trace, widths: Sequence[Width], beta: float) -> list[Points]:
    """Return opacities `(out, in)` of each layer; full ones if nothing varies, as in a single row."""
    scores = [edges.nan_to_num(nan=1.0) for edges in attribute(trace, widths).edges]
    if not any(bool(edges.any()) for edges in scores):
        return [np.ones(edges.shape) for edges in scores]
    return [(beta * edges).tanh().clamp(FAINTEST, 1).double().cpu().numpy() for edges in scores]


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
    def of(cls, layer: KANLayer, symbols: SymbolicEdges, at: Tensor, values: Tensor) -> "_View":
        """Evaluate a layer's edges over the range of their inputs `at (batch, in)`."""
        low, high = _range(at)
        along = torch.linspace(0, 1, CURVE_POINTS, dtype=at.dtype, device=at.device)
        grid = low + along[:, None] * (high - low)
        curves = layer.edges(grid)
        if len(symbols):
            curves = curves + symbols.spread(symbols.values(grid), layer.in_features)
        bottom, top = _range(torch.cat([curves, values]))
        return cls(
            _numpy(along),
            _unit(curves, bottom, top),
            _unit(_some(at, SAMPLES), low, high),
            _unit(_some(values, SAMPLES), bottom, top),
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


def _some(rows: Tensor, most: int) -> Tensor:
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


# --- where it goes -----------------------------------------------------------------------


class Frame(NamedTuple):
    """Hold a frame's left, bottom and side, where its stack begins and ends, and the top of the highest stack."""

    x: float
    y: float
    side: float
    foot: float
    head: float
    top: float

    def inside(self, points: Points) -> Points:
        """Return points of the unit square moved into the frame."""
        return np.array([self.x, self.y]) + self.side * (PADDING + (1 - 2 * PADDING) * points)

    def outline(self) -> Points:
        """Return the corners."""
        return np.array([self.x, self.y]) + self.side * np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])


@dataclass(frozen=True)
class Layout:
    """Hold the places of everything, in inches, with the inputs at height 0.

    `nodes[l] (width, 2)`; `ends[l] (out, 2)`, where the edges of layer `l` lead to; the `frames` by edge.
    """

    width: float
    nodes: list[Points]
    ends: list[Points]
    frames: dict[Edge, Frame]
    radius: float

    @classmethod
    def of(cls, widths: Sequence[Width], edges: Sequence[Edge], room: Sequence[float]) -> "Layout":
        """Place the nodes and frames of a network with the given live edges.

        `room[l]` is the space that frames in layer `l` need beside them, as a share of a side.
        """
        layers = [[edge for edge in edges if edge.layer == number] for number in range(len(widths) - 1)]
        grids = [_Grid.of(layer, before.size) for layer, before in zip(layers, widths, strict=False)]
        most = max(width.subnodes for width in widths)
        wish = max(PITCH * grid.columns * (1 + 0.3 * extra) for grid, extra in zip(grids, room, strict=True))
        width = min(max(wish, PITCH * most, NARROWEST), WIDEST)
        fits = [width / grid.columns / (1 + GAP + extra) for grid, extra in zip(grids, room, strict=True)]
        sides = [min(side, UNEVEN * min(fits), FRAME) for side in fits]
        fan = min(0.3 + 0.1 * width, 1.0)
        height, frames = 0.0, {}
        nodes, ends = [_spread(widths[0], width, height)[0]], []
        for grid, side, extra, after in zip(grids, sides, room, widths[1:], strict=True):
            step = side * (1 + GAP + extra)
            bottom = height + 0.75 * fan
            top = bottom + (grid.rows - 1) * step + side
            for edge, (column, row, last) in grid.places.items():
                x, head = (column + 0.5) * width / grid.columns, bottom + last * step + side
                frames[edge] = Frame(x - side / 2, bottom + row * step, side, bottom, head, top)
            at_nodes, at_ends = _spread(after, width, top + fan)
            height = float(at_nodes[0, 1])
            nodes.append(at_nodes)
            ends.append(at_ends)
        return cls(width, nodes, ends, frames, min(RADIUS, 0.3 * width / most))

    def lines(self, edge: Edge) -> tuple[Points, Points]:
        """Return the lines that lead to an edge's frame, or to the stack it is in, and on from there."""
        frame = self.frames[edge]
        x = frame.x + frame.side / 2
        start, end = self.nodes[edge.layer][edge.in_], self.ends[edge.layer][edge.out]
        return np.array([start, (x, frame.foot)]), np.array([(x, frame.head), (x, frame.top), end])


@dataclass(frozen=True)
class _Grid:
    """Hold for each edge of a layer the column and row of its frame, and the last row of that column."""

    rows: int
    columns: int
    places: dict[Edge, tuple[int, int, int]]

    @classmethod
    def of(cls, edges: Sequence[Edge], inputs: int) -> "_Grid":
        """Put frames in a row in their order; too many of them in stacks, some for each input."""
        if len(edges) <= COLUMNS:
            return cls(1, max(1, len(edges)), {edge: (column, 0, 0) for column, edge in enumerate(edges)})
        fans = [[edge for edge in edges if edge.in_ == node] for node in range(inputs)]
        longest = max(map(len, fans))
        rows = math.ceil(longest / max(1, COLUMNS // inputs))
        stacks = math.ceil(longest / rows)
        places = {}
        for node, fan in enumerate(fans):
            for number, edge in enumerate(fan):
                stack, row = divmod(number, rows)
                places[edge] = node * stacks + stack, row, min(rows, len(fan) - stack * rows) - 1
        return cls(rows, inputs * stacks, places)


def _spread(width: Width, total: float, height: float) -> tuple[Points, Points]:
    """Return the places of nodes and of the sub-nodes, with factors below their product."""
    cell = total / width.subnodes
    level = height + (JOIN if width.products else 0.0)
    nodes, ends = np.empty((width.size, 2)), np.empty((width.subnodes, 2))
    for node, group in enumerate(width.groups()):
        middle = (group[0] + group[-1] + 1) / 2 * cell
        nodes[node] = middle, level
        for subnode in group:
            offset = (subnode - (group[0] + group[-1]) / 2) * min(cell, JOIN)
            ends[subnode] = middle + offset, height if len(group) > 1 else level
    return nodes, ends


def _room(portraits: Iterable[Portrait], depth: int, labels: bool, ticks: bool) -> list[float]:
    """Return the room that symbols and ticks take beside the frames of each layer, in sides."""
    room = [0.0] * depth
    for portrait in portraits:
        if labels and portrait.symbol is not None:
            wide = SYMBOL_SIZE * _size(_symbol(portrait.symbol))[0]
            room[portrait.edge.layer] = max(room[portrait.edge.layer], wide)
    return [wide + 1.6 * TICK_SIZE * ticks for wide in room]


@dataclass(frozen=True)
class Caption:
    """Hold a text, its place and its size."""

    x: float
    y: float
    text: str
    size: float
    ha: str = "center"
    va: str = "center"
    rotation: float = 0.0
    color: Color = (*BLACK, 1.0)

    def box(self) -> Bounds:
        """Return left, bottom, right and top."""
        wide, high = (length * self.size / 72 for length in _size(self.text))
        left = -{"left": 0.0, "center": 0.5, "right": 1.0}[self.ha] * wide
        bottom = -{"bottom": 0.0, "center": 0.5, "top": 1.0}[self.va] * high
        turn = cmath.rect(1.0, math.radians(self.rotation))
        corners = [turn * complex(u, v) for u in (left, left + wide) for v in (bottom, bottom + high)]
        across, up = [self.x + corner.real for corner in corners], [self.y + corner.imag for corner in corners]
        return min(across), min(up), max(across), max(up)


def _names(layout: Layout, names: Sequence[str], level: int) -> list[Caption]:
    """Place the names below the inputs (level 0) or above the outputs (level -1), aslant if they are long."""
    cell = layout.width / len(names)
    size = min(NAME_SIZE, 72 * 0.9 * cell / max(1.0, *(_size(name)[0] for name in names)))
    ha, va, angle = "center", "bottom" if level else "top", 0.0
    if size < SMALLEST_NAME and len(names) > 1:
        ha, angle = "left" if level else "right", 45.0
        size = min(NAME_SIZE, 72 * cell / 1.8)
    away = layout.radius + 0.05 if level else -layout.radius - 0.05
    return [
        Caption(float(x), float(y) + away, name, size, ha, va, angle)
        for (x, y), name in zip(layout.nodes[level], names, strict=True)
    ]


def _symbols(layout: Layout, portraits: Sequence[Portrait]) -> list[Caption]:
    """Place the names of symbols on the right of their frames."""
    captions = []
    for portrait in portraits:
        if portrait.symbol is not None:
            x, y, side, *_ = layout.frames[portrait.edge]
            place = x + (1 + 0.3 * GAP) * side, y + side / 2
            color = (*portrait.color[:3], max(portrait.color[3], 0.4))
            captions.append(Caption(*place, _symbol(portrait.symbol), 72 * SYMBOL_SIZE * side, ha="left", color=color))
    return captions


def _ticks(layout: Layout, portraits: Sequence[Portrait]) -> list[Caption]:
    """Place the ends of each curve's ranges below its frame and, upright, on its left."""
    numbers = [[_numbers(ends) for ends in portrait.ranges] for portrait in portraits]
    longest = max((sum(_size(number)[0] for number in pair) for row in numbers for pair in row), default=1.0)
    captions, share = [], min(TICK_SIZE, 0.92 / longest)
    for portrait, ((left, right), (low, high)) in zip(portraits, numbers, strict=True):
        x, y, side, *_ = layout.frames[portrait.edge]
        away, size = 0.05 * side, 72 * share * side
        captions += [
            Caption(x, y - away, left, size, "left", "top", color=TICK),
            Caption(x + side, y - away, right, size, "right", "top", color=TICK),
            Caption(x - away, y, low, size, "left", "bottom", 90.0, TICK),
            Caption(x - away, y + side, high, size, "right", "bottom", 90.0, TICK),
        ]
    return captions


def _bounds(layout: Layout, captions: Sequence[Caption]) -> Bounds:
    """Return left, bottom, right and top of everything, with a margin."""
    boxes = [(0.0, 0.0, layout.width, 0.0), *(caption.box() for caption in captions)]
    left, bottom, right, top = zip(*boxes, strict=True)
    return min(left) - MARGIN, min(bottom) - MARGIN, max(right) + MARGIN, max(top) + MARGIN


# --- words -------------------------------------------------------------------------------

GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|upsilon|phi|chi|psi|omega"
    "|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega"
)

SYMBOLS: Mapping[str, str] = {
    "sqrt": r"$\sqrt{x}$",
    "1/sqrt(x)": r"$1/\sqrt{x}$",
    "abs": "$|x|$",
    "exp": "$e^{x}$",
    "gaussian": "$e^{-x^2}$",
    "x": "$x$",
    "1/x": "$1/x$",
}
"""How symbols are written, where it is not by their names."""


def _symbol(name: str) -> str:
    """Return how a symbol is written.

    Examples
    --------
    >>> _symbol("x^2"), _symbol("1/x^(2/3)"), _symbol("J0"), _symbol("sin")
    ('$x^{2}$', '$1/x^{2/3}$', '$J_{0}$', 'sin')
    """
    if power := re.fullmatch(r"(1/)?x\^\(?([\d./]+)\)?", name):
        return f"${power[1] or ''}x^{{{power[2]}}}$"
    return SYMBOLS.get(name) or _mathematics(name)


def _named(names: Sequence[str] | None, count: int, letter: str, what: str) -> list[str]:
    """Return the names as they are written, by default the letter with numbers."""
    if names is None:
        names = [letter] if count == 1 and letter == "y" else [f"{letter}_{k}" for k in range(1, count + 1)]
    if len(names) != count:
        raise InputError(
            f"expected a name for each of the {count} {what}, got {len(names)}. List them in the order of the columns."
        )
    return [_mathematics(str(name)) for name in names]


def _mathematics(name: str) -> str:
    r"""Return a name set as mathematics if it is a letter, perhaps with an index; else as it is.

    Examples
    --------
    >>> print(_mathematics("x_12"), _mathematics("theta"), _mathematics("v_max"), _mathematics("50 %"))
    $x_{12}$ $\theta$ $v_{\mathrm{max}}$ 50 %
    """
    found = re.fullmatch(rf"(?:([A-Za-z])|({GREEK}))(?:_?(\d+)|_([A-Za-z\d]+))?", name, re.ASCII)
    if not found:
        return name
    latin, greek, number, word = found.groups()
    if word and len(word) > 1:
        word = rf"\mathrm{{{word}}}"
    index = number or word
    return f"${latin or chr(92) + greek}" + (f"_{{{index}}}$" if index else "$")


@lru_cache(512)
def _is_mathematics(text: str) -> bool:
    """Tell whether matplotlib can read the text as mathematics; what it cannot is written as it stands."""
    if "$" not in text:
        return False
    try:
        for line in text.splitlines():
            MathTextParser("path").parse(line)
    except ValueError:
        return False
    return True


@lru_cache(512)
def _size(text: str) -> tuple[float, float]:
    """Return width and height of a text in units of the font's size."""
    lines = text.splitlines() or [""]
    math_ = _is_mathematics(text)
    wide = [text_to_path.get_text_width_height_descent(line, FontProperties(size=100), math_)[0] for line in lines]
    return max(wide) / 100, 1.2 * len(lines)


def _numbers(ends: Points) -> tuple[str, str]:
    """Return the ends of a range, in as many digits as tell them apart well.

    Examples
    --------
    >>> _numbers(np.array([-0.9876, 1e-5])), _numbers(np.array([123.4, 1.2e6]))
    (('−0.99', '0'), ('1.2e2', '1.2e6'))
    """
    span, largest = float(np.ptp(ends)), float(np.abs(ends).max())
    digits = 1 - math.floor(math.log10(span or largest or 1.0))
    low, high = (_number(float(end), digits, plain=(span or largest or 1.0) >= 1e-3 and largest < 1e4) for end in ends)
    return low, high


def _number(value: float, digits: int, *, plain: bool) -> str:
    if plain:
        text = f"{round(value, digits) + 0.0:.{max(0, digits)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        mantissa, exponent = f"{value:.1e}".split("e")
        text = "0" if value == 0 else f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return text.replace("-", "−")


# --- how it is drawn ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Pen:
    """Draw into axes whose unit is an inch, times a scale."""

    figure: Figure
    axes: Axes
    scale: float

    @classmethod
    def new(cls, bounds: Bounds, scale: float) -> "_Pen":
        """Make a figure of the size that is needed."""
        left, bottom, right, top = bounds
        figure = Diagram(figsize=(scale * (right - left), scale * (top - bottom)), facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        return cls._frame(figure, axes, bounds, scale)

    @classmethod
    def on(cls, axes: Axes, bounds: Bounds) -> "_Pen":
        """Fill axes that exist."""
        left, bottom, right, top = bounds
        figure, box = axes.figure.figure, axes.get_window_extent()
        scale = min(box.width / (right - left), box.height / (top - bottom)) / figure.dpi
        return cls._frame(figure, axes, bounds, scale)

    @classmethod
    def _frame(cls, figure: Figure, axes: Axes, bounds: Bounds, scale: float) -> "_Pen":
        axes.set_xlim(bounds[0], bounds[2])
        axes.set_ylim(bounds[1], bounds[3])
        axes.set_aspect("equal")
        axes.set_axis_off()
        return cls(figure, axes, scale)

    def lines(
        self, lines: Sequence[Points], colors: Sequence[Color], points: Sequence[float], order: int, fill: str = "none"
    ) -> None:
        """Draw lines of a width in points, perhaps with their insides filled."""
        widths = [self.scale * width for width in points]
        collection = LineCollection(
            lines, colors=colors, linewidths=widths, facecolors=fill, zorder=order, capstyle="round", joinstyle="round"
        )
        self.axes.add_collection(collection, autolim=False)

    def circles(self, places: Sequence[Points], radius: float, colors: Sequence[Color], *, filled: bool) -> None:
        """Draw circles, empty ones with a white inside."""
        circles = PatchCollection([Circle((float(x), float(y)), radius) for x, y in places], zorder=4)
        circles.set(
            facecolor=colors if filled else "white", edgecolor=colors, linewidth=0 if filled else 0.9 * self.scale
        )
        self.axes.add_collection(circles, autolim=False)

    def text(self, caption: Caption) -> None:
        """Write a caption."""
        self.axes.text(
            caption.x,
            caption.y,
            caption.text,
            fontsize=caption.size * self.scale,
            ha=caption.ha,
            va=caption.va,
            rotation=caption.rotation,
            rotation_mode="anchor" if caption.rotation else "default",
            color=caption.color,
            parse_math=_is_mathematics(caption.text),
            usetex=False,
            zorder=6,
        )


def _draw_edges(pen: _Pen, layout: Layout, portraits: Sequence[Portrait]) -> None:
    """Draw lines, frames and curves, the weak ones first."""
    ordered = sorted(portraits, key=lambda portrait: (not portrait.faded, portrait.strength))
    thin = {edge: min(1.0, max(0.4, frame.side / 0.4)) for edge, frame in layout.frames.items()}
    lines, squares, curves = [], [], []
    for portrait in ordered:
        frame = layout.frames[portrait.edge]
        lines += [(line, portrait) for line in layout.lines(portrait.edge)]
        squares.append((frame.outline(), portrait))
        curves += [(frame.inside(piece), portrait) for piece in _pieces(portrait.curve)]
    for order, (strokes, width) in enumerate([(lines, 0.9), (squares, 0.7), (curves, 1.5)], 1):
        pen.lines(
            [stroke for stroke, _ in strokes],
            [portrait.color for _, portrait in strokes],
            [width * thin[portrait.edge] for _, portrait in strokes],
            order,
            fill="white" if strokes is squares else "none",
        )


def _pieces(curve: Points) -> Iterator[Points]:
    """Yield the stretches of a curve on which it is finite."""
    finite = np.isfinite(curve[:, 1])
    for piece in np.split(curve, np.flatnonzero(finite[1:] != finite[:-1]) + 1):
        if np.isfinite(piece).all():
            yield piece


STROKES = {
    "+": 0.6 * np.array([[(-1, 0), (1, 0)], [(0, -1), (0, 1)]]),
    "x": 0.42 * np.array([[(-1, -1), (1, 1)], [(-1, 1), (1, -1)]]),
}
"""Two lines for each sign, in a circle of radius 1."""


class Mark(NamedTuple):
    """Say what a node does: pass a value on (an empty sign), add (+) or multiply (x)."""

    place: Points
    sign: str
    color: Color


def _draw_nodes(pen: _Pen, layout: Layout, portraits: Sequence[Portrait], widths: Sequence[Width]) -> None:
    """Draw a dot where a value passes, a circle with its sign where values are added or multiplied."""
    marks, joins = _marks(layout, portraits, widths)
    pen.lines([line for line, _ in joins], [color for _, color in joins], [0.9] * len(joins), 1)
    signed, dots = [mark for mark in marks if mark.sign], [mark for mark in marks if not mark.sign]
    pen.circles([mark.place for mark in dots], 0.5 * layout.radius, [mark.color for mark in dots], filled=True)
    pen.circles([mark.place for mark in signed], layout.radius, [mark.color for mark in signed], filled=False)
    lines = [mark.place + layout.radius * stroke for mark in signed for stroke in STROKES[mark.sign]]
    pen.lines(lines, [mark.color for mark in signed for _ in "||"], [0.9] * len(lines), 5)


def _marks(
    layout: Layout, portraits: Sequence[Portrait], widths: Sequence[Width]
) -> tuple[list[Mark], list[tuple[Points, Color]]]:
    """Return the marks of all nodes and factors, and the lines from factors to their products."""
    reached = Counter((portrait.edge.layer, portrait.edge.out) for portrait in portraits)
    inks = _inks(portraits, widths)
    marks = [Mark(place, "", ink) for place, ink in zip(layout.nodes[0], inks[0], strict=True)]
    joins = []
    for number, (ends, width) in enumerate(zip(layout.ends, widths[1:], strict=True)):
        sums = [Mark(place, "+" if reached[number, out] > 1 else "", GREY) for out, place in enumerate(ends)]
        for place, ink, group in zip(layout.nodes[number + 1], inks[number + 1], width.groups(), strict=True):
            marks += [sums[out]._replace(color=ink) for out in group]
            if len(group) > 1:
                marks.append(Mark(place, "x", ink))
                joins += [(np.array([ends[out], place]), ink) for out in group]
    return marks, joins


def _inks(portraits: Sequence[Portrait], widths: Sequence[Width]) -> list[list[Color]]:
    """Return the colours of all nodes: as strong as their strongest edge, grey if they have none."""
    owners = [[node for node, group in enumerate(width.groups()) for _ in group] for width in widths]
    strongest = [[0.0] * width.size for width in widths]
    for portrait in portraits:
        layer, out, in_ = portrait.edge
        if not portrait.faded:
            for level, node in ((layer, in_), (layer + 1, owners[layer + 1][out])):
                strongest[level][node] = max(strongest[level][node], portrait.strength)
    return [[(*BLACK, strength) if strength else GREY for strength in level] for level in strongest]


def _draw_samples(pen: _Pen, layout: Layout, portraits: Sequence[Portrait]) -> None:
    """Put the data on the curves as dots."""
    places = [layout.frames[portrait.edge].inside(portrait.data) for portrait in portraits]
    counts = [len(place) for place in places]
    areas = [(7 * layout.frames[portrait.edge].side * pen.scale) ** 2 for portrait in portraits]
    colors = [(*DATA, 0.6 * portrait.color[3]) for portrait in portraits]
    x, y = np.concatenate([np.empty((0, 2)), *places]).T
    pen.axes.scatter(
        x,
        y,
        s=np.repeat(areas, counts),
        c=np.repeat(np.reshape(colors, (-1, 4)), counts, axis=0),
        linewidths=0,
        zorder=4,
    )
