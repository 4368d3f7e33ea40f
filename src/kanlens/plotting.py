"""The network diagram: every edge's curve in its place, from the inputs at the bottom to the outputs."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from torch import Tensor

from kanlens.errors import InputError
from kanlens.network import KAN, Edge, Trace
from kanlens.scores import scores

INK, FADED, SYMBOL = "#1a1a1a", "#c9c9c9", "#c1440e"
"""Colours of splines, of what is greyed out, and of symbols (told apart in every colour vision)."""

POINTS = 200
"""Points of each curve."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Hold where everything stands, in units of the width of one frame.

    `nodes[l]` are the nodes' places, `subnodes[l]` the sums' places that layer `l` leads to, and
    `frames` the centres of the edges' frames, which have sides of one.
    """

    nodes: list[list[Point]]
    subnodes: list[list[Point]]
    frames: dict[Edge, Point]
    width: float
    height: float


def arrange(model: KAN) -> Layout:
    """Return the places of nodes, sums and frames; frames never overlap.

    The frames of a layer stand in one row, ordered by the input that they come from and then by
    the sum that they lead to, so that lines from an input fan out without crossing each other.
    """
    widths = model.spec.widths
    by_layer = [[edge for edge in model.live() if edge.layer == number] for number in range(model.depth)]
    breadth = 1.35 * max(2.0, *(len(row) for row in by_layer), *(1.2 * width.subnodes for width in widths))
    nodes, subnodes, frames = [_row(widths[0].size, breadth, 0.0)], [], {}
    level = 0.0
    for width, row in zip(widths[1:], by_layer, strict=True):
        ordered = sorted(row, key=lambda edge: (edge.in_, edge.out))
        rise = 1.0 + 0.06 * breadth
        for edge, place in zip(ordered, _row(len(ordered), breadth, level + rise), strict=True):
            frames[edge] = place
        level += 2 * rise + (0.6 if width.products else 0.0)
        below = level - (0.6 if width.products else 0.0)
        subnodes.append(_row(width.subnodes, breadth, below))
        centres = [float(np.mean([subnodes[-1][k][0] for k in group])) for group in width.groups()]
        nodes.append([(centre, level) for centre in centres])
    return Layout(nodes, subnodes, frames, breadth, level)


def _row(count: int, breadth: float, y: float) -> list[Point]:
    return [(breadth * (k + 0.5) / count, y) for k in range(count)]


def plot(
    model: KAN,
    x: Tensor,
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    title: str | None = None,
    beta: float = 3.0,
    ticks: bool = False,
    samples: bool = False,
    fade: Collection[Edge] = (),
    scale: float = 1.0,
    ax: Axes | None = None,
) -> Figure:
    r"""Draw a network: inputs at the bottom, outputs at the top, each edge with its curve.

    An edge is the more opaque the more it matters: its opacity is :math:`\tanh(\beta s)` with its
    score `s` (see :func:`kanlens.scores`). Splines are black; symbols are coloured and named.

    Parameters
    ----------
    model : KAN
    x : Tensor
        Inputs `(rows, in)`; the curves are drawn where the data are.
    names, outputs : sequence of str, optional
        Names of inputs and outputs.
    title : str, optional
    beta : float
        How fast opacity rises with importance; large values show every edge.
    ticks : bool
        Whether to write the ranges of each curve at its frame.
    samples : bool
        Whether to draw the data's points on the curves.
    fade : collection of Edge
        Edges to draw in grey.
    scale : float
        Size of the drawing.
    ax : Axes, optional
        Axes to draw into; without it a new figure is made, which belongs to no window.

    Raises
    ------
    InputError
        If the number of names is not that of the inputs or outputs.

    Examples
    --------
    >>> figure = plot(KAN([2, 5, 1]), torch.rand(100, 2) * 2 - 1, names=["a", "b"])
    >>> type(figure).__name__
    'Figure'
    """
    first, last = model.spec.widths[0].size, model.spec.widths[-1].size
    below = _names(names, [f"x_{k}" for k in range(1, first + 1)], "inputs")
    above = _names(outputs, [], "outputs", last)
    layout = arrange(model)
    axes = ax if ax is not None else _axes(layout, scale)
    points = x.detach().to(model.layers[0].coef)
    strengths = _opacities(model, points, beta, fade)
    size = _font_size(axes, layout)
    _draw_lines(axes, model, layout, strengths, fade)
    _draw_curves(axes, model, layout, points, strengths, fade, samples)
    _draw_nodes(axes, model, layout, size)
    _draw_labels(axes, model, layout, strengths, size)
    if ticks:
        _draw_ticks(axes, layout, _curves(model, points), size)
    for place, name in zip(layout.nodes[0], below, strict=True):
        axes.text(place[0], place[1] - 0.22, name, ha="center", va="top", fontsize=1.3 * size)
    for place, name in zip(layout.nodes[-1], above, strict=False):
        axes.text(place[0], place[1] + 0.22, name, ha="center", va="bottom", fontsize=1.3 * size)
    if title is not None:
        axes.text(layout.width / 2, layout.height + 0.9, _plain(title), ha="center", fontsize=1.5 * size)
    figure = axes.get_figure(root=True)
    if figure is None:
        raise InputError("expected axes of a figure, got axes that belong to none. Make them with subplots().")
    return figure


def _names(given: Sequence[str] | None, default: list[str], what: str, count: int | None = None) -> list[str]:
    if given is None:
        return [_math(name) for name in default]
    wanted = len(default) if count is None else count
    if len(given) != wanted:
        raise InputError(f"expected {wanted} names of {what}, got {len(given)}. Give one for each.")
    return [_math(str(name)) for name in given]


def _math(name: str) -> str:
    """Return a name for matplotlib: `x_1` and `theta` as mathematics, everything else as it stands."""
    written = re.fullmatch(r"([A-Za-z]+)(?:_([A-Za-z0-9]+))?", name)
    if written is None or not (len(written[1]) == 1 or written[1] in _GREEK):
        return _plain(name)
    letter = f"\\{written[1]}" if written[1] in _GREEK else written[1]
    return f"${letter}_{{{written[2]}}}$" if written[2] else f"${letter}$"


_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega".split()
)


def _plain(text: str) -> str:
    return text.replace("\\", "\\\\").replace("$", r"\$") if "$" in text else text


def _axes(layout: Layout, scale: float) -> Axes:
    """Return the axes of a new figure that no window manager knows of."""
    inches = 0.62 * scale
    breadth, height = layout.width + 0.6, layout.height + 2.2
    shrink = min(1.0, 16 / (inches * breadth))  # wide networks are drawn smaller, not on posters
    figure = Figure(figsize=(inches * breadth * shrink, inches * height * shrink), dpi=130)
    FigureCanvasAgg(figure)
    axes: Axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    return axes


def _font_size(axes: Axes, layout: Layout) -> float:
    """Set the view and return the size in points that makes a letter a fifth of a frame high."""
    axes.set_xlim(-0.3, layout.width + 0.3)
    axes.set_ylim(-0.9, layout.height + 1.3)
    axes.set_aspect("equal")
    axes.axis("off")
    pixels = axes.transData.transform([(0, 0), (1, 0)])
    unit = 72 * float(pixels[1, 0] - pixels[0, 0]) / axes.figure.dpi
    return float(max(2.0, 0.24 * unit))


def _opacities(model: KAN, x: Tensor, beta: float, fade: Collection[Edge]) -> dict[Edge, float]:
    strength = scores(model, x).edges
    found = {edge: float(np.tanh(beta * float(strength[edge.layer][edge.out, edge.in_]))) for edge in model.live()}
    return {edge: 1.0 if edge in fade else value for edge, value in found.items()}


def _colour(model: KAN, edge: Edge, fade: Collection[Edge]) -> str:
    if edge in fade:
        return FADED
    return INK if model.symbol(edge) is None else SYMBOL


def _draw_lines(
    axes: Axes, model: KAN, layout: Layout, strengths: dict[Edge, float], fade: Collection[Edge]
) -> None:
    """Draw the lines from nodes through frames to sums, and from the factors of products."""
    lines, colours, opacity = [], [], []
    for edge, (x, y) in layout.frames.items():
        source, target = layout.nodes[edge.layer][edge.in_], layout.subnodes[edge.layer][edge.out]
        lines += [[source, (x, y - 0.5)], [(x, y + 0.5), target]]
        colours += 2 * [FADED if edge in fade else INK]
        opacity += 2 * [strengths[edge]]
    for width, sums, nodes in zip(model.spec.widths[1:], layout.subnodes, layout.nodes[1:], strict=True):
        for group, node in zip(width.groups(), nodes, strict=True):
            lines += [[sums[k], node] for k in group]
            colours += [INK for _ in group]
            opacity += [0.8 for _ in group]
    axes.add_collection(LineCollection(lines, colors=colours, alpha=np.array(opacity), linewidths=0.9, zorder=1))


def _curves(model: KAN, x: Tensor) -> dict[Edge, tuple[np.ndarray, np.ndarray]]:
    """Return each edge's curve at up to `POINTS` of its sorted inputs."""
    with torch.no_grad():
        trace: Trace = model.trace(x)
    found = {}
    for edge in model.live():
        at = trace.nodes[edge.layer][:, edge.in_]
        order = at.argsort()
        order = order[torch.linspace(0, len(order) - 1, min(POINTS, len(order))).long()]
        found[edge] = (
            at[order].double().cpu().numpy(),
            trace.edges[edge.layer][order, edge.out, edge.in_].double().cpu().numpy(),
        )
    return found


def _unit(values: np.ndarray) -> np.ndarray:
    """Return values scaled to [-1/2, 1/2] by their finite range, 0 for a constant."""
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        return np.where(np.isfinite(values), 0.0, np.nan)
    return (values - low) / (high - low) - 0.5


def _draw_curves(
    axes: Axes,
    model: KAN,
    layout: Layout,
    x: Tensor,
    strengths: dict[Edge, float],
    fade: Collection[Edge],
    samples: bool,
) -> None:
    """Draw the frames and the curves in them."""
    frames, curves, colours, opacity = [], [], [], []
    for edge, (at, values) in _curves(model, x).items():
        cx, cy = layout.frames[edge]
        frames.append([(cx - 0.5, cy - 0.5), (cx + 0.5, cy - 0.5), (cx + 0.5, cy + 0.5), (cx - 0.5, cy + 0.5)])
        curves.append(np.column_stack([cx + 0.8 * _unit(at), cy + 0.8 * _unit(values)]))
        colours.append(_colour(model, edge, fade))
        opacity.append(strengths[edge])
    alpha = np.array(opacity)
    axes.add_collection(PolyCollection(frames, facecolors="white", edgecolors="none", zorder=2))
    outlines = LineCollection([[*f, f[0]] for f in frames], colors=colours, alpha=alpha, linewidths=0.8, zorder=3)
    axes.add_collection(outlines)
    axes.add_collection(LineCollection(curves, colors=colours, alpha=alpha, linewidths=1.6, zorder=4))
    if samples and curves:
        for curve, colour, strength in zip(curves, colours, opacity, strict=True):
            axes.scatter(*curve.T, s=3, color=colour, alpha=strength, zorder=5, linewidths=0)


def _draw_nodes(axes: Axes, model: KAN, layout: Layout, size: float) -> None:
    """Draw nodes as dots, and write + at sums of several edges and x at products."""
    into = {(edge.layer, edge.out) for edge in layout.frames}
    several = {key for key in into if sum((e.layer, e.out) == key for e in layout.frames) > 1}
    dots = [*layout.nodes[0]]
    for number, (width, sums) in enumerate(zip(model.spec.widths[1:], layout.subnodes, strict=True)):
        dots += sums
        for k, (px, py) in enumerate(sums):
            if (number, k) in several:
                axes.text(px + 0.16, py - 0.02, "+", fontsize=size, va="center", color=INK, zorder=6)
        for place in layout.nodes[number + 1][width.sums :]:
            dots.append(place)
            axes.text(place[0] + 0.16, place[1], "\u00d7", fontsize=size, va="center", color=INK, zorder=6)
    points = np.array(dots)
    axes.scatter(points[:, 0], points[:, 1], s=(0.55 * size) ** 2, color=INK, zorder=6, linewidths=0)


_SHOWN = {
    "sqrt": r"$\sqrt{x}$",
    "1/sqrt(x)": r"$1/\!\sqrt{x}$",
    "abs": r"$|x|$",
    "exp": r"$e^x$",
    "x": r"$x$",
    "gaussian": r"$e^{-x^2}$",
    "J0": r"$J_0$",
    "J1": r"$J_1$",
    "Y0": r"$Y_0$",
}


def _shown(name: str) -> str:
    """Return a function's name as mathematics."""
    if name in _SHOWN:
        return _SHOWN[name]
    powered = re.fullmatch(r"(1/)?x(?:\^\(?([0-9./]+)\)?)?", name)
    if powered:
        raised = f"x^{{{powered[2]}}}" if powered[2] else "x"
        return f"$1/{raised}$" if powered[1] else f"${raised}$"
    return _plain(name)


def _draw_labels(axes: Axes, model: KAN, layout: Layout, strengths: dict[Edge, float], size: float) -> None:
    """Write the names of symbols in the upper left corners of their frames, on a white ground."""
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.75}
    for edge, (px, py) in layout.frames.items():
        function = model.symbol(edge)
        if function is not None:
            axes.text(
                px - 0.46,
                py + 0.44,
                _shown(function.name),
                ha="left",
                va="top",
                fontsize=0.8 * size,
                color=SYMBOL,
                alpha=max(strengths[edge], 0.3),
                bbox=ground,
                zorder=7,
            )


def _draw_ticks(
    axes: Axes, layout: Layout, curves: dict[Edge, tuple[np.ndarray, np.ndarray]], size: float
) -> None:
    """Write the range of each curve's argument below its frame and of its values at its left side."""
    small = {"fontsize": 0.5 * size, "color": "#555555", "zorder": 7}
    for edge, (at, values) in curves.items():
        px, py = layout.frames[edge]
        low, high = np.nanmin(at), np.nanmax(at)
        axes.text(px - 0.48, py - 0.54, f"{low:.2g}", ha="left", va="top", **small)
        axes.text(px + 0.48, py - 0.54, f"{high:.2g}", ha="right", va="top", **small)
        low, high = np.nanmin(values), np.nanmax(values)
        axes.text(px - 0.53, py - 0.48, f"{low:.2g}", ha="right", va="bottom", rotation=90, **small)
        axes.text(px - 0.53, py + 0.48, f"{high:.2g}", ha="right", va="top", rotation=90, **small)
