"""Plain charts: one edge, the course of a fit, what matters, formulas by length and error."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kanlens.candidates import Candidate
from kanlens.canvas import Canvas
from kanlens.captions import is_mathematics
from kanlens.data import Array, table
from kanlens.errors import InputError
from kanlens.front import Front
from kanlens.lettering import hidden_name, named, symbol
from kanlens.network import KAN, Edge
from kanlens.palettes import Palette, as_palette
from kanlens.plotting import Diagram
from kanlens.portraits import ROWS, portray, some
from kanlens.scores import scores
from kanlens.training import History

if TYPE_CHECKING:
    from matplotlib.legend import Legend

Scale = Literal["", "x", "y", "xy"]
"""Which axes are logarithmic."""

SIZE = (4.6, 3.2)  # inches
BAR = 0.28  # inches that a bar takes
LINES = ("solid", "dashed", "dashdot", "dotted")


def plot_edge(
    model: KAN,
    x: Array,
    edge: Edge | tuple[int, int, int],
    *,
    candidate: Candidate | None = None,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    log: Scale = "",
    palette: str | Palette = "colour",
    ax: Axes | None = None,
) -> Figure:
    """Draw the curve of one edge over the range of the data, with the data on it.

    Parameters
    ----------
    model : KAN
    x : Tensor or array
        Inputs `(rows, in)`.
    edge : Edge
        `(layer, out, in)`.
    candidate : Candidate, optional
        A symbol to draw beside it, such as the first of :func:`kanlens.suggest`.
    names, outputs : sequence of str, optional
        Names of the inputs and outputs.
    log : str
        `"x"`, `"y"` or `"xy"` for logarithmic axes.
    palette : str or Palette
        As for :func:`kanlens.plot`.
    ax : Axes, optional
        Where to draw, by default in a new figure.

    Raises
    ------
    InputError
        If the network has no such edge, or the data or names do not fit.

    Examples
    --------
    >>> figure = plot_edge(KAN([2, 3, 1]), torch.rand(50, 2), (0, 1, 0))
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_title()
    ('$x_{1}$', '$x_{1}$ → $h_{2}$')
    """
    points = some(table(x, model.spec.widths[0].size, "inputs"), ROWS).to(model.layers[0].grid)
    if tuple(edge) not in set(model.live()):
        raise InputError(f"expected an edge (layer, out, in) of the network, got {tuple(edge)}. See model.live().")
    portrait = next(each for each in portray(model, points, points=241, samples=400) if each.edge == tuple(edge))
    start, end = _ends(model, portrait.edge, names, outputs)
    colors = as_palette(palette)
    figure, axes = _axes(ax, SIZE, colors)
    (left, right), (low, high) = portrait.ranges
    at = left + (right - left) * portrait.curve[:, 0], low + (high - low) * portrait.curve[:, 1]
    data = left + (right - left) * portrait.data[:, 0], low + (high - low) * portrait.data[:, 1]
    axes.scatter(*data, s=42, color=colors.data, alpha=0.12, linewidths=0, zorder=2)
    label = "spline" if portrait.symbol is None else symbol(portrait.symbol)
    axes.plot(*at, color=colors.spline if portrait.symbol is None else colors.symbol, lw=1.8, label=label, zorder=3)
    if candidate is not None:
        a, b, c, d = candidate.affine
        curve = c * candidate.function.torch(a * torch.from_numpy(at[0]) + b) + d
        label = f"{symbol(candidate.function.name)}, $R^2$ = {candidate.r2:.6g}"
        axes.plot(at[0], curve.numpy(), color=colors.symbol, lw=1.6, ls=(0, (4, 2)), label=label, zorder=4)
        _colour(axes.legend(frameon=False), colors)
    _scale(axes, log)
    axes.set(xlabel=start, ylabel=r"$\varphi$")
    if "x" not in log:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_title(f"{start} → {end}", color=colors.text)
    return figure


def plot_history(
    history: History | Mapping[str, History],
    *,
    penalty: bool = False,
    log: Scale = "y",
    palette: str | Palette = "colour",
    ax: Axes | None = None,
) -> Figure:
    """Draw the loss by step, the validation error beside it; of several fits in one picture.

    Parameters
    ----------
    history : History or mapping of names to them
        What :func:`kanlens.fit` returned.
    penalty : bool
        Whether to draw the penalty, too.
    log : str
        `"x"`, `"y"`, `"xy"` or `""`.
    palette, ax
        As for :func:`plot_edge`.

    Raises
    ------
    InputError
        If there is no history, or none took a step.

    Examples
    --------
    >>> from kanlens import fit
    >>> x = torch.rand(50, 1)
    >>> figure = plot_history(fit(KAN([1, 1]), x, x**2, validation=0.2))
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['training', 'validation']
    """
    several = history if isinstance(history, Mapping) else {"": history}
    if not any(each.loss for each in several.values()):
        raise InputError("expected the history of a fit that took a step, got none. Fit first.")
    colors = as_palette(palette)
    figure, axes = _axes(ax, SIZE, colors)
    for number, (name, each) in enumerate(several.items()):
        lines = [("training", each.loss, colors.spline, 1.8), ("validation", each.validation, colors.symbol, 1.4)]
        lines += [("penalty", each.penalty, colors.data, 1.2)] if penalty else []
        for what, values, color, width in lines:
            if values:
                label = f"{name}, {what}" if name else what
                style = LINES[number % len(LINES)]
                steps = range(1, len(values) + 1)
                axes.plot(steps, values, color=color, lw=width, ls=style, label=label)
    _colour(axes.legend(frameon=False), colors)
    _scale(axes, log)
    axes.set(xlabel="step", ylabel="loss")
    return figure


def plot_scores(
    model: KAN,
    x: Array,
    *,
    of: Literal["inputs", "edges"] = "inputs",
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    most: int = 20,
    log: bool = False,
    palette: str | Palette = "colour",
    ax: Axes | None = None,
) -> Figure:
    """Draw how much of the outputs' variation goes through each input, or each edge, the most important on top.

    Parameters
    ----------
    model : KAN
    x : Tensor or array
        Inputs `(rows, in)`.
    of : str
        `"inputs"` or `"edges"`.
    names, outputs : sequence of str, optional
        Names of the inputs and outputs.
    most : int
        How many bars at most.
    log : bool
        Whether the scores are on a logarithmic axis.
    palette, ax
        As for :func:`plot_edge`.

    Raises
    ------
    InputError
        If the data or names do not fit, or `of` is something else.

    Examples
    --------
    >>> figure = plot_scores(KAN([3, 1]), torch.rand(50, 3), names=["a", "b", "c"])
    >>> sorted(label.get_text() for label in figure.axes[0].get_yticklabels())
    ['$a$', '$b$', '$c$']
    """
    if of not in ("inputs", "edges"):
        raise InputError(
            f"expected scores of 'inputs' or 'edges', got {of!r}. Inputs give a bar each, edges one for every curve."
        )
    points = some(table(x, model.spec.widths[0].size, "inputs"), ROWS).to(model.layers[0].grid)
    found = scores(model, points)
    if of == "inputs":
        labels = named(names, model.spec.widths[0].size, "x", "inputs")
        bars = list(zip(labels, found.nodes[0].nan_to_num().tolist(), strict=True))
    else:
        ends = ((edge, _ends(model, edge, names, outputs)) for edge in model.live())
        bars = [(f"{start} → {end}", float(found.edges[e.layer][e.out, e.in_])) for e, (start, end) in ends]
    shown = sorted(bars, key=lambda bar: bar[1])[-most:]
    colors = as_palette(palette)
    figure, axes = _axes(ax, (SIZE[0], 0.7 + BAR * len(shown)), colors)
    axes.barh(range(len(shown)), [value for _, value in shown], color=colors.data, height=0.68)
    axes.set_yticks(range(len(shown)), [label for label, _ in shown])
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(
        "importance" if len(bars) == len(shown) else f"importance; {len(bars) - len(shown)} weaker ones left out"
    )
    _scale(axes, "x" if log else "")
    return figure


def plot_front(front: Front, *, log: Scale = "y", palette: str | Palette = "colour", ax: Axes | None = None) -> Figure:
    """Draw the formulas of a search by complexity and error, with the shortest description marked.

    Parameters
    ----------
    front : Front
    log : str
        `"x"`, `"y"`, `"xy"` or `""`.
    palette, ax
        As for :func:`plot_edge`.

    Raises
    ------
    InputError
        If there is no formula.

    Examples
    --------
    >>> import sympy
    >>> from kanlens.front import Equation
    >>> figure = plot_front(Front((Equation(sympy.Symbol("x"), 1, 0.5, 0.7, 90.0),)))
    >>> figure.axes[0].get_title()
    '$x$'
    """
    import sympy

    best, colors = front.choose(), as_palette(palette)
    figure, axes = _axes(ax, SIZE, colors)
    floor = min((equation.rmse for equation in front if equation.rmse > 0), default=1.0)
    at = [equation.complexity for equation in front], [max(equation.rmse, floor) for equation in front]
    axes.plot(*at, color=colors.spline, lw=1.2, marker="o", mfc=colors.paper, ms=6, zorder=2)
    axes.plot(best.complexity, max(best.rmse, floor), "o", color=colors.symbol, ms=8, zorder=3)
    short = best.expression.xreplace({n: sympy.Float(n, 4) for n in best.expression.atoms(sympy.Float)})
    text = f"${sympy.latex(short)}$"
    axes.set_title(text if is_mathematics(text) and len(text) < 90 else "", color=colors.symbol)
    axes.set(xlabel="complexity", ylabel="root mean square error")
    _scale(axes, log)
    return figure


def _ends(model: KAN, edge: Edge, names: Sequence[str] | None, outputs: Sequence[str] | None) -> tuple[str, str]:
    """Return how the nodes are written that an edge leads from and to."""
    widths = model.spec.widths
    levels = {
        0: named(names, widths[0].size, "x", "inputs"),
        model.depth: named(outputs, widths[-1].size, "y", "outputs"),
    }
    owner = next(node for node, group in enumerate(widths[edge.layer + 1].groups()) if edge.out in group)
    start, end = (
        levels[level][node] if level in levels else f"$h_{{{hidden_name(model.depth, level, node)[2:]}}}$"
        for level, node in ((edge.layer, edge.in_), (edge.layer + 1, owner))
    )
    return start, end


def _axes(ax: Axes | None, size: tuple[float, float], colors: Palette) -> tuple[Figure, Axes]:
    """Return axes without a box, those that are given or new ones."""
    if ax is None:
        figure: Figure = Diagram(figsize=size, layout="constrained", facecolor=colors.paper)
        Canvas(figure)
        ax = figure.add_subplot()
    bare(ax, colors)
    return ax.figure.figure, ax


def bare(ax: Axes, colors: Palette) -> None:
    """Take the box off axes, and give them a palette's colours."""
    ax.set_facecolor(colors.paper)
    ax.spines[["top", "right"]].set_visible(False)
    for spine in ax.spines.values():
        spine.set_color(colors.quiet)
    ax.tick_params(which="both", color=colors.quiet, labelcolor=colors.quiet)
    ax.xaxis.label.set_color(colors.text)
    ax.yaxis.label.set_color(colors.text)


def _colour(legend: "Legend", colors: Palette) -> None:
    for text in legend.get_texts():
        text.set_color(colors.text)


def _scale(axes: Axes, log: str) -> None:
    """Make axes logarithmic."""
    if log not in ("", "x", "y", "xy"):
        raise InputError(f"expected log as 'x', 'y', 'xy' or '', got {log!r}.")
    if "x" in log:
        axes.set_xscale("log")
    if "y" in log:
        axes.set_yscale("log")
