"""Draw a network as a diagram: each edge is a line through a little picture of its curve.

Lengths are inches and font sizes are points at `scale=1`; one unit of the axes is one inch.
"""

import io
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.text import Text

from kanlens.canvas import Canvas
from kanlens.captions import Bounds, Caption, Hand, bounds_of, ink, is_mathematics
from kanlens.data import Array, table
from kanlens.errors import InputError
from kanlens.layout import Layout
from kanlens.lettering import named
from kanlens.network import KAN, Edge, Width
from kanlens.palettes import Color, Palette, as_palette
from kanlens.portraits import ROWS, Importance, Points, Portrait, portray, some, strongest
from kanlens.typesetting import Name, letters


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
    importance: Importance = "attribution",
    fold: int | None = None,
    palette: str | Palette = "colour",
    font: str | None = None,
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
    importance : str or sequence of Tensor
        What opacity and `fold` follow: `"attribution"`, the score; `"deviation"`, how much an edge varies beside
        the others of its layer; or values of your own, `(out, in)` of each layer.
    fold : int, optional
        Draw only so many edges, the most important ones, and the nodes that they touch. Opacity is then relative to
        the largest score.
    palette : str or Palette
        `"colour"`, `"print"` (no colour; symbols have dashed frames) or `"dark"`; all suit colour-blind readers.
    font : str, optional
        Family of the words, such as `"DejaVu Serif"`; mathematics keeps matplotlib's own.
    ax : Axes, optional
        Where to draw; without it in a new figure, which pyplot does not know.

    Returns
    -------
    Figure
        It shows itself in notebooks and has `savefig`. Nothing is written or shown by `plot`.

    Raises
    ------
    InputError
        If the data do not fit, there is not one name for each input or output, or an option makes no sense.
    UnknownNameError
        If there is no such palette.

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
    if fold is not None and fold < 1:
        raise InputError(f"expected to fold to at least 1 edge, got {fold}. Leave it out to see all.")
    if not scale > 0:
        raise InputError(f"expected scale > 0, got {scale}. Use 1 for the size that suits most pages.")
    points = some(table(x, widths[0].size, "inputs"), ROWS).to(model.layers[0].grid)
    everything = portray(model, points, beta=beta, fade=fade, importance=importance, relative=fold is not None)
    portraits = everything if fold is None else strongest(everything, fold)
    hand = Hand(as_palette(palette), font)
    place = Layout.of if portraits is everything else Layout.folded
    layout = place(widths, [portrait.edge for portrait in portraits], hand.room(portraits, model.depth, labels, ticks))
    captions = [*hand.names(layout, below, 0), *hand.names(layout, above, -1)]
    if title:
        captions.append(hand.above(layout, captions, title))
    if len(portraits) < len(everything):
        captions.append(hand.below(layout, captions, f"{len(everything) - len(portraits)} weaker edges are not drawn"))
    captions += hand.symbols(layout, portraits) if labels else []
    captions += hand.ticks(layout, portraits) if ticks else []
    bounds = bounds_of(layout, captions)
    pen = _Pen.new(bounds, scale, hand.palette) if ax is None else _Pen.on(ax, bounds, hand.palette)
    _draw_edges(pen, layout, portraits)
    _draw_nodes(pen, layout, portraits, everything, widths)
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


# --- how it is drawn ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Pen:
    """Draw into axes whose unit is an inch, times a scale."""

    figure: Figure
    axes: Axes
    scale: float
    palette: Palette

    @classmethod
    def new(cls, bounds: Bounds, scale: float, palette: Palette) -> "_Pen":
        """Make a figure of the size that is needed."""
        left, bottom, right, top = bounds
        figure = Diagram(figsize=(scale * (right - left), scale * (top - bottom)), facecolor=palette.paper)
        Canvas(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        return cls._frame(figure, axes, bounds, scale, palette)

    @classmethod
    def on(cls, axes: Axes, bounds: Bounds, palette: Palette) -> "_Pen":
        """Fill axes that exist."""
        left, bottom, right, top = bounds
        figure, box = axes.figure.figure, axes.get_window_extent()
        scale = min(box.width / (right - left), box.height / (top - bottom)) / figure.dpi
        return cls._frame(figure, axes, bounds, scale, palette)

    @classmethod
    def _frame(cls, figure: Figure, axes: Axes, bounds: Bounds, scale: float, palette: Palette) -> "_Pen":
        axes.set_xlim(bounds[0], bounds[2])
        axes.set_ylim(bounds[1], bounds[3])
        axes.set_aspect("equal")
        axes.set_axis_off()
        return cls(figure, axes, scale, palette)

    def lines(
        self,
        lines: Sequence[Points],
        colors: Sequence[Color],
        points: Sequence[float],
        order: int,
        *,
        filled: bool = False,
        dashed: Sequence[bool] = (False,),
    ) -> None:
        """Draw lines of a width in points, some dashed, perhaps with the paper inside."""
        collection = LineCollection(
            lines,
            colors=colors,
            linewidths=[self.scale * width for width in points],
            linestyles=[(0, (3, 2)) if each else "solid" for each in dashed],
            facecolors=self.palette.paper if filled else "none",
            zorder=order,
            capstyle="butt" if any(dashed) else "round",
            joinstyle="round",
        )
        self.axes.add_collection(collection, autolim=False)

    def circles(self, places: Sequence[Points], radius: float, colors: Sequence[Color], *, filled: bool) -> None:
        """Draw circles, empty ones with the paper inside."""
        circles = PatchCollection([Circle((float(x), float(y)), radius) for x, y in places], zorder=4)
        circles.set(
            facecolor=colors if filled else self.palette.paper,
            edgecolor=colors,
            linewidth=0 if filled else 0.9 * self.scale,
        )
        self.axes.add_collection(circles, autolim=False)

    def text(self, caption: Caption) -> None:
        """Write a caption."""
        plain = bool(letters(caption.text)[0])
        text = (Name if plain else Text)(
            caption.x,
            caption.y,
            caption.text,
            fontsize=caption.size * self.scale,
            ha=caption.ha,
            va=caption.va,
            rotation=caption.rotation,
            rotation_mode="anchor" if caption.rotation else "default",
            color=caption.color,
            fontfamily=caption.font,
            parse_math=not plain and is_mathematics(caption.text),
            usetex=False,
            zorder=6,
            transform=self.axes.transData,
        )
        self.axes.add_artist(text)


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
            [ink(pen.palette, portrait) for _, portrait in strokes],
            [width * thin[portrait.edge] for _, portrait in strokes],
            order,
            filled=strokes is squares,
            dashed=[pen.palette.dashed and strokes is squares and p.symbol is not None for _, p in strokes] or [False],
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


def _draw_nodes(
    pen: _Pen,
    layout: Layout,
    portraits: Sequence[Portrait],
    everything: Sequence[Portrait],
    widths: Sequence[Width],
) -> None:
    """Draw a dot where a value passes, a circle with its sign where values are added or multiplied."""
    reached = Counter((portrait.edge.layer, portrait.edge.out) for portrait in everything)
    marks, joins = _marks(layout, _inks(portraits, widths, pen.palette), reached, widths)
    pen.lines([line for line, _ in joins], [color for _, color in joins], [0.9] * len(joins), 1)
    signed, dots = [mark for mark in marks if mark.sign], [mark for mark in marks if not mark.sign]
    pen.circles([mark.place for mark in dots], 0.5 * layout.radius, [mark.color for mark in dots], filled=True)
    pen.circles([mark.place for mark in signed], layout.radius, [mark.color for mark in signed], filled=False)
    lines = [mark.place + layout.radius * stroke for mark in signed for stroke in STROKES[mark.sign]]
    pen.lines(lines, [mark.color for mark in signed for _ in "||"], [0.9] * len(lines), 5)


def _marks(
    layout: Layout, inks: Sequence[Sequence[Color]], reached: Counter[tuple[int, int]], widths: Sequence[Width]
) -> tuple[list[Mark], list[tuple[Points, Color]]]:
    """Return the marks of all nodes and factors that have a place, and the lines from factors to their products."""
    marks = [Mark(place, "", color) for place, color in zip(layout.nodes[0], inks[0], strict=True)]
    joins = []
    for number, (ends, width) in enumerate(zip(layout.ends, widths[1:], strict=True)):
        for place, color, group in zip(layout.nodes[number + 1], inks[number + 1], width.groups(), strict=True):
            marks += [Mark(ends[out], "+" if reached[number, out] > 1 else "", color) for out in group]
            if len(group) > 1:
                marks.append(Mark(place, "x", color))
                joins += [(np.array([ends[out], place]), color) for out in group if np.isfinite(place).all()]
    return [mark for mark in marks if np.isfinite(mark.place).all()], joins


def _inks(portraits: Sequence[Portrait], widths: Sequence[Width], palette: Palette) -> list[list[Color]]:
    """Return the colours of all nodes: as strong as their strongest edge, grey if they have none."""
    owners = [[node for node, group in enumerate(width.groups()) for _ in group] for width in widths]
    most = [[0.0] * width.size for width in widths]
    for portrait in portraits:
        layer, out, in_ = portrait.edge
        if not portrait.faded:
            for level, node in ((layer, in_), (layer + 1, owners[layer + 1][out])):
                most[level][node] = max(most[level][node], portrait.strength)
    return [[(*palette.spline, strength) if strength else palette.faded for strength in level] for level in most]


def _draw_samples(pen: _Pen, layout: Layout, portraits: Sequence[Portrait]) -> None:
    """Put the data on the curves as dots."""
    places = [layout.frames[portrait.edge].inside(portrait.data) for portrait in portraits]
    counts = [len(place) for place in places]
    areas = [(7 * layout.frames[portrait.edge].side * pen.scale) ** 2 for portrait in portraits]
    colors = [(*pen.palette.data, 0.6 * ink(pen.palette, portrait)[3]) for portrait in portraits]
    x, y = np.concatenate([np.empty((0, 2)), *places]).T
    pen.axes.scatter(
        x,
        y,
        s=np.repeat(areas, counts),
        c=np.repeat(np.reshape(colors, (-1, 4)), counts, axis=0),
        linewidths=0,
        zorder=4,
    )
