"""Draw the tree of scalars through which a function knows its inputs."""

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from kanlens.canvas import Canvas
from kanlens.errors import InputError
from kanlens.plotting import Diagram
from kanlens.structure import Part

SIGNS = {"sum": "+", "product": "×", "function of a sum": "f(+)", "function": "f"}
"""What is written at a node."""

LEVEL, STEP = 0.8, 0.9
"""Inches from one level to the next, and from one input to the next."""


def plot_tree(part: Part, *, names: Sequence[str] | None = None, style: Literal["tree", "box"] = "tree") -> Diagram:
    """Draw a tree of parts, with the inputs at the bottom, or as boxes inside each other.

    Parameters
    ----------
    part : Part
        See :func:`kanlens.structure.tree`.
    names : sequence of str, optional
        Names of the inputs, `x_1, x_2, ...` by default.
    style : str
        `"tree"` or `"box"`.

    Returns
    -------
    Figure
        It shows itself in notebooks and has `savefig`; nothing is written or shown.

    Raises
    ------
    InputError
        If there is not one name for each input, or no such style.

    Examples
    --------
    >>> leaves = (Part((0,), "input"), Part((1,), "input"))
    >>> figure = plot_tree(Part((0, 1), "sum", leaves), names=["a", "b"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['$a$', '$b$', '+']
    """
    count = len(part.inputs)
    labels = [f"x_{number + 1}" for number in range(count)] if names is None else list(names)
    if len(labels) != count:
        raise InputError(
            f"expected {count} names, one for each input, got {len(labels)}. Pass as many as the tree has inputs."
        )
    if style not in ("tree", "box"):
        raise InputError(f"expected style 'tree' or 'box', got {style!r}.")
    figure = Diagram(figsize=(STEP * count + 0.4, LEVEL * part.height + 0.6))
    Canvas(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(-0.7, count - 0.3), ylim=(-0.5, part.height + 0.4))
    ax.axis("off")
    places = {number: float(place) for place, number in enumerate(_leaves(part))}
    texts = [f"${label}$" if not label.startswith("$") else label for label in labels]
    (_branch if style == "tree" else _box)(ax, part, places, texts)
    return figure


def _leaves(part: Part) -> list[int]:
    """Return the inputs in the order in which no branches cross."""
    return [number for child in part.parts for number in _leaves(child)] if part.parts else [part.inputs[0]]


def _centre(part: Part, places: dict[int, float]) -> float:
    inputs = [places[number] for number in part.inputs]
    return (min(inputs) + max(inputs)) / 2


def _branch(ax: Axes, part: Part, places: dict[int, float], names: Sequence[str]) -> None:
    x, y = _centre(part, places), part.height
    if not part.parts:
        ax.text(x, y, names[part.inputs[0]], ha="center", va="center", fontsize=12)
        return
    for child in part.parts:
        ax.plot([_centre(child, places), x], [child.height + 0.18, y - 0.15], color="black", lw=1)
        _branch(ax, child, places, names)
    ax.text(x, y, SIGNS[part.kind], ha="center", va="center", fontsize=12)


def _box(ax: Axes, part: Part, places: dict[int, float], names: Sequence[str]) -> None:
    x = _centre(part, places)
    if not part.parts:
        ax.text(x, 0, names[part.inputs[0]], ha="center", va="center", fontsize=12)
        return
    inputs = [places[number] for number in part.inputs]
    margin, top = 0.2 + 0.08 * part.height, part.height - 0.35
    corner = (min(inputs) - margin, -0.2 - 0.06 * part.height)
    ax.add_patch(
        FancyBboxPatch(corner, max(inputs) - min(inputs) + 2 * margin, top - corner[1], "round,pad=0.02", fill=False)
    )
    ax.text(x, top - 0.2, SIGNS[part.kind], ha="center", va="center", fontsize=12)
    for child in part.parts:
        _box(ax, child, places, names)
