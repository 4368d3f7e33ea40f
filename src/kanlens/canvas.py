"""The canvas that figures are drawn on, in less than matplotlib's time for the same picture."""

from typing import Any, ClassVar

from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg

SETTLED = {"dpi", "facecolor", "edgecolor", "orientation", "bbox_inches_restore"}
"""What matplotlib has seen to when it tells a canvas to write, and tells canvases that are not its own once more."""

LEVEL = 2
"""Compression that makes diagrams as small as the usual level 6, in half its time."""


class Canvas(FigureCanvasAgg):
    """Set mathematics once for all figures, and pack pictures quickly.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> Canvas(Figure()).get_renderer().mathtext_parser is Canvas(Figure()).get_renderer().mathtext_parser
    True
    """

    parser: ClassVar[Any] = None
    """The first figure's, which remembers what it has set; matplotlib makes a new one for each figure."""

    def get_renderer(self) -> RendererAgg:
        """Return the renderer, which knows the parser of all."""
        renderer: RendererAgg = super().get_renderer()  # type: ignore[no-untyped-call]
        Canvas.parser = renderer.mathtext_parser = Canvas.parser or renderer.mathtext_parser
        return renderer

    def print_png(self, filename_or_obj: Any, *, metadata: Any = None, pil_kwargs: Any = None, **options: Any) -> None:
        """Write a file."""
        asked = {name: value for name, value in options.items() if name not in SETTLED}
        asked |= {"metadata": metadata, "pil_kwargs": {"compress_level": LEVEL} | (pil_kwargs or {})}
        super().print_png(filename_or_obj, **asked)  # type: ignore[no-untyped-call]
