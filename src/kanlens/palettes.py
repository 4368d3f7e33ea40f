"""Colours of pictures: for the screen, for print without colour, for dark slides."""

from collections.abc import Mapping
from dataclasses import dataclass

from kanlens.errors import UnknownNameError

Color = tuple[float, float, float, float]
RGB = tuple[float, float, float]

BLACK: RGB = (0.0, 0.0, 0.0)
ACCENT: RGB = (0.835, 0.369, 0.0)
"""Vermilion of M. Okabe and K. Ito's palette (2008), told from black by colour-blind readers too."""
DATA: RGB = (0.0, 0.447, 0.698)  # blue of the same palette
GREY: Color = (0.82, 0.82, 0.82, 1.0)


@dataclass(frozen=True)
class Palette:
    """Hold the colours of a picture.

    Attributes
    ----------
    spline, symbol, data : tuple of 3 floats
        Of edges that are splines, of those that are symbols, and of data.
    faded, quiet : tuple of 4 floats
        Of edges that are to go, and of numbers beside frames.
    paper : tuple of 3 floats
        What it is drawn on.
    dashed : bool
        Whether symbols have dashed frames, so that they are told from splines without colours.
    """

    spline: RGB = BLACK
    symbol: RGB = ACCENT
    data: RGB = DATA
    faded: Color = GREY
    quiet: Color = (0.35, 0.35, 0.35, 1.0)
    paper: RGB = (1.0, 1.0, 1.0)
    dashed: bool = False

    @property
    def text(self) -> Color:
        """Return the colour of words, that of splines."""
        return (*self.spline, 1.0)


PALETTES: Mapping[str, Palette] = {
    "colour": Palette(),
    "print": Palette(symbol=BLACK, data=(0.45, 0.45, 0.45), dashed=True),
    "dark": Palette(
        spline=(0.92, 0.93, 0.94),
        symbol=(0.902, 0.624, 0.0),  # orange and sky blue of the same palette, which are light enough
        data=(0.337, 0.706, 0.914),
        faded=(0.3, 0.33, 0.37, 1.0),
        quiet=(0.65, 0.68, 0.72, 1.0),
        paper=(0.11, 0.125, 0.15),
    ),
}
"""Palettes by name; all are told apart by colour-blind readers."""


def as_palette(palette: str | Palette) -> Palette:
    """Return a palette by its name, or as it is.

    Raises
    ------
    UnknownNameError
        If there is none of this name.

    Examples
    --------
    >>> as_palette("print").dashed
    True
    """
    if isinstance(palette, Palette):
        return palette
    if palette not in PALETTES:
        raise UnknownNameError(f"expected a palette out of {', '.join(PALETTES)}, got {palette!r}. Or pass a Palette.")
    return PALETTES[palette]
