"""Draw a network as a diagram: each edge is a line through a little picture of its curve.

Lengths are inches and font sizes are points at `scale=1`; one unit of the axes is one inch.
"""

import cmath
import io
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser
from matplotlib.patches import Circle
from matplotlib.textpath import text_to_path

from kanlens.data import Array, table
from kanlens.errors import InputError
from kanlens.layout import GAP, Layout
from kanlens.lettering import named, numbers, symbol
from kanlens.network import KAN, Edge, Width
from kanlens.portraits import ROWS, Points, Portrait, portray, some

Color = tuple[float, float, float, float]
Bounds = tuple[float, float, float, float]

BLACK = (0.0, 0.0, 0.0)
ACCENT = (0.835, 0.369, 0.0)
"""Vermilion of M. Okabe and K. Ito's palette (2008), told from black by colour-blind readers too."""
DATA = (0.0, 0.447, 0.698)  # blue of the same palette
GREY: Color = (0.82, 0.82, 0.82, 1.0)
TICK: Color = (0.35, 0.35, 0.35, 1.0)

MARGIN = 0.12  # around everything
NAME_SIZE, SMALLEST_NAME, TITLE_SIZE = 12.0, 8.0, 13.0
SYMBOL_SIZE = 0.33  # of the side of a frame
TICK_SIZE = 0.19  # likewise


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
    >>> import torch
    >>> model = KAN([2, 5, 1])
    >>> figure = plot(model, torch.rand(100, 2), names=["theta", "x_1"], title="untrained")
    >>> len(figure.axes)
    1
    """
    widths = model.spec.widths
    below = named(names, widths[0].size, "x", "inputs")
    above = named(outputs, widths[-1].size, "y", "outputs")
    if not scale > 0:
        raise InputError(f"expected scale > 0, got {scale}. Use 1 for the size that suits most pages.")
    points = some(table(x, widths[0].size, "inputs"), ROWS).to(model.layers[0].grid)
    portraits = portray(model, points, beta=beta, fade=fade)
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


def _ink(portrait: Portrait) -> Color:
    """Return the colour of an edge, with its strength as opacity."""
    return GREY if portrait.faded else (*(BLACK if portrait.symbol is None else ACCENT), portrait.strength)


# --- what is written ----------------------------------------------------------------------


def _room(portraits: Iterable[Portrait], depth: int, labels: bool, ticks: bool) -> list[float]:
    """Return the room that symbols and ticks take beside the frames of each layer, in sides."""
    room = [0.0] * depth
    for portrait in portraits:
        if labels and portrait.symbol is not None:
            wide = SYMBOL_SIZE * _size(symbol(portrait.symbol))[0]
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
            color = (*_ink(portrait)[:3], max(_ink(portrait)[3], 0.4))
            captions.append(Caption(*place, symbol(portrait.symbol), 72 * SYMBOL_SIZE * side, ha="left", color=color))
    return captions


def _ticks(layout: Layout, portraits: Sequence[Portrait]) -> list[Caption]:
    """Place the ends of each curve's ranges below its frame and, upright, on its left."""
    written = [[numbers(ends) for ends in portrait.ranges] for portrait in portraits]
    longest = max((sum(_size(number)[0] for number in pair) for row in written for pair in row), default=1.0)
    captions, share = [], min(TICK_SIZE, 0.92 / longest)
    for portrait, ((left, right), (low, high)) in zip(portraits, written, strict=True):
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
            [_ink(portrait) for _, portrait in strokes],
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
    colors = [(*DATA, 0.6 * _ink(portrait)[3]) for portrait in portraits]
    x, y = np.concatenate([np.empty((0, 2)), *places]).T
    pen.axes.scatter(
        x,
        y,
        s=np.repeat(areas, counts),
        c=np.repeat(np.reshape(colors, (-1, 4)), counts, axis=0),
        linewidths=0,
        zorder=4,
    )
