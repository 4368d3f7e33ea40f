"""What is written into a diagram, where, and how large it is."""

import cmath
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from kanlens.layout import GAP, Layout
from kanlens.lettering import numbers, symbol
from kanlens.palettes import BLACK, Color, Palette
from kanlens.portraits import Portrait
from kanlens.typesetting import MEASURED, letters

Bounds = tuple[float, float, float, float]

MARGIN = 0.12  # around everything
NAME_SIZE, SMALLEST_NAME, TITLE_SIZE, NOTE_SIZE = 12.0, 8.0, 13.0, 8.5
SYMBOL_SIZE = 0.33  # of the side of a frame
TICK_SIZE = 0.19  # likewise


@dataclass(frozen=True)
class Caption:
    """Hold a text, its place, its size and its colour; `font` is a family, None for matplotlib's own."""

    x: float
    y: float
    text: str
    size: float
    ha: str = "center"
    va: str = "center"
    rotation: float = 0.0
    color: Color = (*BLACK, 1.0)
    font: str | None = None

    def box(self) -> Bounds:
        """Return left, bottom, right and top."""
        wide, high = (length * self.size / 72 for length in extent(self.text, self.font))
        left = -{"left": 0.0, "center": 0.5, "right": 1.0}[self.ha] * wide
        bottom = -{"bottom": 0.0, "center": 0.5, "top": 1.0}[self.va] * high
        turn = cmath.rect(1.0, math.radians(self.rotation))
        corners = [turn * complex(u, v) for u in (left, left + wide) for v in (bottom, bottom + high)]
        across, up = [self.x + corner.real for corner in corners], [self.y + corner.imag for corner in corners]
        return min(across), min(up), max(across), max(up)


@dataclass(frozen=True)
class Hand:
    """Write captions in colours and a font."""

    palette: Palette
    font: str | None = None

    def room(self, portraits: Iterable[Portrait], depth: int, labels: bool, ticks: bool) -> list[float]:
        """Return the room that symbols and ticks take beside the frames of each layer, in sides."""
        found = [0.0] * depth
        for portrait in portraits:
            if labels and portrait.symbol is not None:
                wide = SYMBOL_SIZE * extent(symbol(portrait.symbol), self.font)[0]
                found[portrait.edge.layer] = max(found[portrait.edge.layer], wide)
        return [wide + 1.6 * TICK_SIZE * ticks for wide in found]

    def names(self, layout: Layout, names: Sequence[str], level: int) -> list[Caption]:
        """Place the names below the inputs (level 0) or above the outputs (level -1), aslant if they are long."""
        shown = [(place, name) for place, name in zip(layout.nodes[level], names, strict=True) if place[0] == place[0]]
        cell = layout.width / len(shown)
        size = min(NAME_SIZE, 72 * 0.9 * cell / max(1.0, *(extent(name, self.font)[0] for _, name in shown)))
        ha, va, angle = "center", "bottom" if level else "top", 0.0
        if size < SMALLEST_NAME and len(shown) > 1:
            ha, angle = "left" if level else "right", 45.0
            size = min(NAME_SIZE, 72 * cell / 1.8)
        away = layout.radius + 0.05 if level else -layout.radius - 0.05
        return [
            Caption(float(x), float(y) + away, name, size, ha, va, angle, self.palette.text, self.font)
            for (x, y), name in shown
        ]

    def symbols(self, layout: Layout, portraits: Sequence[Portrait]) -> list[Caption]:
        """Place the names of symbols on the right of their frames."""
        captions = []
        for portrait in portraits:
            if portrait.symbol is not None:
                x, y, side, *_ = layout.frames[portrait.edge]
                *colour, opacity = ink(self.palette, portrait)
                captions.append(
                    Caption(
                        x + (1 + 0.3 * GAP) * side,
                        y + side / 2,
                        symbol(portrait.symbol),
                        72 * SYMBOL_SIZE * side,
                        ha="left",
                        color=(colour[0], colour[1], colour[2], max(opacity, 0.4)),
                        font=self.font,
                    )
                )
        return captions

    def ticks(self, layout: Layout, portraits: Sequence[Portrait]) -> list[Caption]:
        """Place the ends of each curve's ranges below its frame and, upright, on its left."""
        written = [[numbers(ends) for ends in portrait.ranges] for portrait in portraits]
        wide = [sum(extent(number, self.font)[0] for number in pair) for row in written for pair in row]
        captions, share = [], min(TICK_SIZE, 0.92 / max(wide, default=1.0))
        for portrait, ((left, right), (low, high)) in zip(portraits, written, strict=True):
            x, y, side, *_ = layout.frames[portrait.edge]
            away, size = 0.05 * side, 72 * share * side
            style = self.palette.quiet, self.font
            captions += [
                Caption(x, y - away, left, size, "left", "top", 0.0, *style),
                Caption(x + side, y - away, right, size, "right", "top", 0.0, *style),
                Caption(x - away, y, low, size, "left", "bottom", 90.0, *style),
                Caption(x - away, y + side, high, size, "right", "bottom", 90.0, *style),
            ]
        return captions

    def above(self, layout: Layout, captions: Sequence[Caption], title: str) -> Caption:
        """Place a title above everything."""
        top = max(caption.box()[3] for caption in captions)
        style = self.palette.text, self.font
        return Caption(layout.width / 2, top + 0.12, title, TITLE_SIZE, "center", "bottom", 0.0, *style)

    def below(self, layout: Layout, captions: Sequence[Caption], note: str) -> Caption:
        """Place a note below everything."""
        bottom = min(caption.box()[1] for caption in captions)
        style = self.palette.quiet, self.font
        return Caption(layout.width / 2, bottom - 0.08, note, NOTE_SIZE, "center", "top", 0.0, *style)


def ink(palette: Palette, portrait: Portrait) -> Color:
    """Return the colour of an edge, with its strength as opacity."""
    if portrait.faded:
        return palette.faded
    return (*(palette.spline if portrait.symbol is None else palette.symbol), portrait.strength)


def bounds_of(layout: Layout, captions: Sequence[Caption]) -> Bounds:
    """Return left, bottom, right and top of everything, with a margin."""
    boxes = [(0.0, 0.0, layout.width, 0.0), *(caption.box() for caption in captions)]
    left, bottom, right, top = zip(*boxes, strict=True)
    return min(left) - MARGIN, min(bottom) - MARGIN, max(right) + MARGIN, max(top) + MARGIN


@lru_cache(512)
def is_mathematics(text: str) -> bool:
    """Tell whether matplotlib can read the text as mathematics; what it cannot is written as it stands."""
    if "$" not in text:
        return False
    try:
        for line in text.splitlines():
            text_to_path.mathtext_parser.parse(line, 72, FontProperties(size=MEASURED))  # found again when measured
    except ValueError:
        return False
    return True


@lru_cache(512)
def extent(text: str, font: str | None = None) -> tuple[float, float]:
    """Return width and height of a text in units of the font's size."""
    if width := letters(text)[1]:
        return width, 1.2
    lines = text.splitlines() or [""]
    math_ = is_mathematics(text)
    wide = [
        text_to_path.get_text_width_height_descent(line, FontProperties(family=font, size=MEASURED), math_)[0]
        for line in lines
    ]
    return max(wide) / MEASURED, 1.2 * len(lines)
