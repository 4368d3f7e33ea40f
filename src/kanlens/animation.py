"""Film a network while it is trained."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from PIL import Image

from kanlens.canvas import Canvas
from kanlens.charts import bare
from kanlens.container import write_atomically
from kanlens.data import Array
from kanlens.errors import InputError
from kanlens.palettes import Palette, as_palette
from kanlens.plotting import Diagram, plot
from kanlens.recording import Snapshot

STRIP = 1.5  # inches that the loss takes below the diagram
PAUSE = 4  # frames for which the last one stands


@dataclass(frozen=True)
class Film:
    """Hold a moving picture as the bytes of a GIF. It shows itself in notebooks; nothing is written until `save`."""

    gif: bytes = field(repr=False)
    frames: int

    def save(self, path: str | Path) -> None:
        """Write the GIF into a file."""
        write_atomically(Path(path), self.gif)

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.gif).decode()
        return f'<img alt="A network while it is trained, {self.frames} pictures" src="data:image/gif;base64,{data}">'


def animate(snapshots: Sequence[Snapshot], x: Array, *, seconds: float = 6.0, dpi: int = 100, **options: Any) -> Film:
    """Return the diagrams of a network while it was trained, and its loss, as a moving picture.

    Parameters
    ----------
    snapshots : sequence of Snapshot
        What a :class:`kanlens.Recorder` has kept.
    x : Tensor or array
        Inputs `(rows, in)`.
    seconds : float
        How long it takes.
    dpi : int
        Pixels of an inch.
    options
        As for :func:`kanlens.plot`: names, palette, beta and so on.

    Raises
    ------
    InputError
        If there is no snapshot, or an option of `plot` makes no sense.

    Examples
    --------
    >>> import torch
    >>> from kanlens import KAN
    >>> film = animate([Snapshot(1, 0.1, KAN([1, 1])), Snapshot(2, 0.01, KAN([1, 1], seed=1))], torch.rand(20, 1))
    >>> film.gif[:6], film.frames
    (b'GIF89a', 2)
    """
    if not snapshots:
        raise InputError("expected snapshots, got none. Pass a Recorder as callback to fit.")
    pictures = [_picture(snapshots, number, x, dpi, options) for number in range(len(snapshots))]
    # one table of colours for all, so that nothing flickers
    table = pictures[-1].quantize(128)
    _clean(table, pictures[-1].getpixel((0, 0)))
    frames = [picture.quantize(palette=table, dither=Image.Dither.NONE) for picture in pictures]
    pace = max(20, round(1000 * seconds / len(frames)))
    file = io.BytesIO()
    frames[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[pace] * (len(frames) - 1) + [PAUSE * pace],
        loop=0,
    )
    return Film(file.getvalue(), len(frames))


def _clean(table: Image.Image, paper: Any) -> None:
    """Make all that is nearly the paper's colour in a table that colour, as rounding makes white grey."""
    entries = table.getpalette() or []
    colors = [entries[k : k + 3] for k in range(0, len(entries), 3)]
    near = [sum(abs(a - b) for a, b in zip(color, paper, strict=True)) <= 15 for color in colors]
    table.putpalette([v for color, close in zip(colors, near, strict=True) for v in (paper if close else color)])


def _picture(snapshots: Sequence[Snapshot], number: int, x: Array, dpi: int, options: dict[str, Any]) -> Image.Image:
    """Return the diagram of one snapshot above the loss so far, all of the same size."""
    colors = as_palette(options.get("palette", "colour"))
    wide, high = plot(snapshots[-1].model, x, **options).get_size_inches()
    figure = Diagram(figsize=(wide, high + STRIP), facecolor=colors.paper, dpi=dpi)
    canvas = Canvas(figure)
    share = STRIP / (high + STRIP)
    plot(snapshots[number].model, x, ax=figure.add_axes((0, share, 1, 1 - share)), **options)
    below = figure.add_axes((0.16, 0.34 * share, 0.78, 0.56 * share))
    _draw_loss(below, snapshots, number, colors)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = bytes(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return Image.frombuffer("RGBA", canvas.get_width_height(), pixels).convert("RGB")


def _draw_loss(axes: Axes, snapshots: Sequence[Snapshot], number: int, colors: Palette) -> None:
    """Draw the loss of all snapshots faintly and up to one of them in full."""
    bare(axes, colors)
    steps, losses = [each.step for each in snapshots], [each.loss for each in snapshots]
    axes.plot(steps, losses, color=colors.faded, lw=1.2)
    axes.plot(steps[: number + 1], losses[: number + 1], color=colors.spline, lw=1.6)
    axes.plot(steps[number], losses[number], "o", color=colors.symbol, ms=5)
    axes.set(xlabel=f"step {steps[number]}", ylabel="loss")
    if min(losses) > 0:
        axes.set_yscale("log")
