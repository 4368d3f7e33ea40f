"""How objects show themselves in notebooks: the core declares that they do, the top floor brings the pictures."""

from collections.abc import Callable
from typing import Any

VIEWS: dict[type, Callable[[Any], str]] = {}
"""What returns the HTML of objects of a type; the package fills it, and a program may put its own there."""


class Viewable:
    """Show itself in a notebook by what :data:`VIEWS` has for its type or the next above.

    Examples
    --------
    >>> class Thing(Viewable): ...
    >>> VIEWS[Thing] = lambda thing: "<b>thing</b>"
    >>> Thing()._repr_html_()
    '<b>thing</b>'
    """

    def _repr_html_(self) -> str | None:
        view = next((VIEWS[kind] for kind in type(self).__mro__ if kind in VIEWS), None)
        try:
            return view(self) if view else None
        except Exception:  # noqa: BLE001  # looking at a broken network must not fail; the notebook falls back to text
            return None
