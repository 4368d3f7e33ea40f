"""Set a letter and its index in place of matplotlib's mathematics, which takes a tenth of a second to load."""

import cmath
import math
import re
from functools import lru_cache
from typing import Literal, NamedTuple

import matplotlib as mpl
from matplotlib.backend_bases import RendererBase
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox, ScaledTranslation

from kanlens.lettering import GREEK, runs

FONT = "DejaVu Sans"
"""What mathematics is set in, unless matplotlib was told otherwise."""

SMALL, LOWERED, RAISED, KERN, SPACE = 0.7, 0.164, 0.383, 0.05, 0.027
"""Size of an index, how far it is lowered or raised, and the space before a raised one and behind: as in mathtext."""

ASCENT, DESCENT = 0.76, 0.208
"""How far letters reach above and below what they stand on at most, as matplotlib places texts."""

MEASURED = 100.0
"""Size at which letters are measured, matplotlib's own for paths."""

PLAIN = re.compile(
    rf"\$(?:[A-Za-z]|\\(?:{GREEK}))(?:[_^]\{{(?:\d[\d./]*|[A-Za-z]|\\mathrm\{{[A-Za-z\d]+\}})\}})?\$", re.ASCII
)
"""A letter, perhaps with an index or a power, as :mod:`kanlens.lettering` writes it."""


Style = Literal["normal", "italic"]


class Letters(NamedTuple):
    """Hold letters, their size, where they begin and how high they stand, as shares of a font's size."""

    text: str
    size: float
    across: float
    up: float
    style: Style


def letters(text: str) -> tuple[tuple[Letters, ...], float]:
    r"""Return the parts of a name and its width, as shares of the font's size; no parts if it is not so plain.

    Examples
    --------
    >>> [(part.text, part.size, part.up) for part in letters("$x_{12}$")[0]], letters(r"$\dot x$")
    ([('x', 1.0, 0.0), ('12', 0.7, -0.164)], ((), 0.0))
    """
    return _letters(text) if mpl.rcParams["mathtext.fontset"] == "dejavusans" else ((), 0.0)


@lru_cache(512)
def _letters(text: str) -> tuple[tuple[Letters, ...], float]:
    if not PLAIN.fullmatch(text):
        return (), 0.0
    found, width = [], 0.0
    for run in runs(text):
        size, up = (SMALL, RAISED if run.shift > 0 else -LOWERED) if run.shift else (1.0, 0.0)
        # capital Greek letters are upright, as in mathtext
        style: Style = "italic" if run.slanted and not (run.text.isupper() and not run.text.isascii()) else "normal"
        width += KERN * (run.shift > 0)
        found.append(Letters(run.text, size, width, up, style))
        font = FontProperties(family=FONT, style=style, size=MEASURED)
        wide = text_to_path.get_text_width_height_descent(run.text, font, ismath=False)[0]
        width += size * wide / MEASURED + SPACE * (run.shift != 0)
    return tuple(found), width


class Name(Text):
    """Write what :func:`letters` can set, as texts of their own; colour, size, place and turn are as in any text."""

    def draw(self, renderer: RendererBase) -> None:
        """Draw the parts."""
        if self.get_visible():
            for part in self._parts():
                part.draw(renderer)
        self.stale = False

    def get_window_extent(self, renderer: RendererBase | None = None, dpi: float | None = None) -> Bbox:
        """Return the box around the parts, in pixels."""
        return Bbox.union([part.get_window_extent(renderer, dpi) for part in self._parts()])

    def _parts(self) -> list[Text]:
        (found, width), size, turn = letters(self.get_text()), float(self.get_fontsize()), self.get_rotation()
        left = -{"left": 0.0, "center": 0.5, "right": 1.0}[self.get_horizontalalignment()] * width
        top = max((part.up + ASCENT * part.size for part in found), default=ASCENT)
        line = {"bottom": DESCENT, "center": (DESCENT - top) / 2, "top": -top}[self.get_verticalalignment()]
        inches = cmath.rect(size / 72, math.radians(turn))
        return [self._part(part, inches * complex(left + part.across, line + part.up)) for part in found]

    def _part(self, letters: Letters, away: complex) -> Text:
        figure = self.get_figure(root=True)
        assert figure is not None, "texts are drawn and measured in a figure only"
        part = Text(
            *self.get_unitless_position(),
            letters.text,
            color=self.get_color(),
            fontfamily=FONT,
            fontsize=float(self.get_fontsize()) * letters.size,
            fontstyle=letters.style,
            rotation=self.get_rotation(),
            rotation_mode="anchor",
            parse_math=False,
            transform=self.get_transform() + ScaledTranslation(away.real, away.imag, figure.dpi_scale_trans),
        )
        part.set_figure(figure)
        return part
