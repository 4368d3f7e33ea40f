"""One page about a network: its diagram, curves, formula, errors and effects, in a single file of HTML."""

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from kanlens import exhibits
from kanlens.container import write_atomically
from kanlens.data import Array
from kanlens.discovery import Discovery
from kanlens.exhibits import Json, View, letters
from kanlens.front import Front
from kanlens.lettering import Run
from kanlens.mathml import equation, lines, terms
from kanlens.network import KAN
from kanlens.portraits import Portrait, anywhere, strongest
from kanlens.recording import Snapshot
from kanlens.training import History

if TYPE_CHECKING:
    from sympy import Expr


@dataclass(frozen=True)
class Page:
    """Hold a page as HTML. It shows itself in notebooks; nothing is written until `save`."""

    html: str = field(repr=False)
    height: int = 900

    def save(self, path: str | Path) -> None:
        """Write the page into a file, which any browser opens."""
        write_atomically(Path(path), self.html.encode())

    def _repr_html_(self) -> str:
        """Return a frame that holds the page and keeps its scripts and styles from the notebook's."""
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" sandbox="allow-scripts allow-downloads allow-modals" '
            f'title="kanlens" style="width:100%;height:{self.height}px;border:0;border-radius:8px"></iframe>'
        )


def report(
    model: KAN,
    x: Array,
    y: Array | None = None,
    *,
    names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    title: str | None = None,
    front: Front | None = None,
    history: History | None = None,
    snapshots: Sequence[Snapshot] = (),
    candidates: int = 12,
    path: str | Path | None = None,
) -> Page:
    """Return a page about a network on data: one file of HTML that needs nothing else.

    It has the diagram, in which each edge can be looked at with its data and the symbols that fit it; what pruning by
    importance costs; the formula, each term linked with its edge; errors, partial dependences and
    how the fit went.

    Parameters
    ----------
    model : KAN
    x : Tensor or array
        Inputs `(rows, in)`.
    y : Tensor or array, optional
        Targets `(rows, out)`; without them errors are those against the network's own outputs.
    names, outputs : sequence of str, optional
        Names of the inputs and outputs.
    title : str, optional
    front : Front, optional
        The formulas of a search, from short to long.
    history : History, optional
        What :func:`kanlens.fit` returned.
    snapshots : sequence of Snapshot
        What a :class:`kanlens.Recorder` kept, so that the reader can go back in the training.
    candidates : int
        Splines, the most important ones, that symbols are looked for; each takes about a third of a second.
    path : str or Path, optional
        A file to write the page to.

    Raises
    ------
    InputError
        If the data do not fit, or there is not one name for each input and output.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(100, 2, dtype=torch.float64)
    >>> page = report(KAN([2, 1]), x, x[:, :1] * x[:, 1:], names=["a", "b"])
    >>> page.html[:15], "https://" in page.html
    ('<!doctype html>', False)
    """
    view = View.of(model, x, y, names, outputs)
    portraits, expressions = exhibits.portraits_of(view), exhibits.formulas(view, front)
    payload = {
        "inputs": [letters(name) for name in view.names],
        "outputs": [letters(name) for name in view.outputs],
        **exhibits.diagram(view, portraits, candidates),
        "formula": exhibits.texts(expressions),
        "pruning": exhibits.pruning_costs(view, portraits),
        "effects": exhibits.effects(view),
        "fit": exhibits.errors(view),
        "history": None if history is None else exhibits.course(history),
        "front": None if front is None else exhibits.tradeoffs(front, view.outputs[0]),
        "film": exhibits.film(portraits, snapshots, view.few()),
    }
    parts = {
        **_written(view, expressions, portraits),
        "summary": html.escape(f"{_summary(model)}, {len(view.x)} rows"),
        "edges": _edge_table(payload["edges"]),
    }
    heading = _heading(view) if title is None else html.escape(title)
    page = _page("real", payload, title or _title(view), heading, parts, 900)
    if path is not None:
        page.save(path)
    return page


def sketch(model: KAN, note: str = "drawn over the range of its grids") -> str:
    """Return a network's diagram, and its formula if it is short, as HTML for a notebook.

    Examples
    --------
    >>> sketch(KAN([2, 1]))[:7]
    '<iframe'
    """
    view = View.of(model, anywhere(model, 200), None, None, None, real=False)
    portraits = exhibits.portraits_of(view)
    payload = {
        "inputs": [letters(name) for name in view.names],
        "outputs": [letters(name) for name in view.outputs],
        **exhibits.diagram(view, portraits),
    }
    note += f"; the {len(portraits)} most important edges" if payload["omitted"] else ""
    parts = {**_written(view, {}, portraits), "summary": html.escape(f"{_summary(model)}, {note}")}
    height = 530 + (60 + 50 * parts["linked"].count("<div") if parts["linked"] else 0)
    return _page(
        "sketch", payload, "A Kolmogorov-Arnold network", "Kolmogorov-Arnold network", parts, height
    )._repr_html_()


def found(discovery: Discovery) -> str:
    """Return what a search has found as HTML for a notebook."""
    how = "exact to round-off" if discovery.exact else f"error {discovery.rmse:.3g}"
    return sketch(discovery.model, f"{how}, R² {discovery.r2:.6g} on rows held out")


def tradeoff(front: Front) -> str:
    """Return the formulas of a search, by length and error, as HTML for a notebook.

    Examples
    --------
    >>> tradeoff(Front(()))[:7]
    '<iframe'
    """
    payload = {"outputs": [letters("y")], "inputs": [], "edges": [], "front": exhibits.tradeoffs(front, "y")}
    parts = {"summary": html.escape(f"{len(front)} formulas, {front.seconds:.2g} s. {front.stop}")}
    return _page("result", payload, "Formulas", "Formulas", parts, 520)._repr_html_()


def course(history: History) -> str:
    """Return how a fit went as HTML for a notebook."""
    payload = {"outputs": [letters("y")], "inputs": [], "edges": [], "history": exhibits.course(history)}
    return _page("result", payload, "Training", "A fit", {"summary": html.escape(history.reason)}, 480)._repr_html_()


SLOTS = ("summary", "simple", "linked", "size", "edges")
"""What a page may leave empty."""


def _page(
    kind: str, payload: Mapping[str, Any], title: str, heading: str, parts: Mapping[str, str], height: int
) -> Page:
    """Fill the template. All texts among the parts are escaped already; the title is not."""
    script = _part("page.js")
    # a browser ends the element at "</script", wherever that stands
    data = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    fixed = {
        "kind": kind,
        "title": html.escape(title),
        "heading": heading,
        "style": _part("page.css"),
        "script": script,
        "digest": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "payload": data,
    }
    return Page(Template(_part("page.html")).substitute(dict.fromkeys(SLOTS, "") | dict(parts) | fixed), height)


def _part(name: str) -> str:
    return (files("kanlens") / "page" / name).read_text(encoding="utf-8")


def _title(view: View) -> str:
    ins, outs = (f"{len(names)} {what}" for names, what in ((view.names, "inputs"), (view.outputs, "outputs")))
    whole = f"{', '.join(view.outputs)} from {', '.join(view.names)}"
    return whole if len(whole) <= 60 else f"{view.outputs[0] if len(view.outputs) == 1 else outs} from {ins}"


def _heading(view: View) -> str:
    """Return the title with its names set as mathematics."""
    words = _title(view).replace(",", " ,").split(" ")
    known = {name: _markup(letters(name)) for name in (*view.names, *view.outputs)}
    return " ".join(known.get(word, html.escape(word)) for word in words).replace(" ,", ",")


def _markup(letters: Sequence[Run]) -> str:
    tags = {-1: "sub", 1: "sup"}
    return "".join(
        f"<{tag}>{html.escape(run.text)}</{tag}>"
        for run in letters
        for tag in [tags.get(run.shift, "i" if run.slanted else "span")]
    )


def _summary(model: KAN) -> str:
    live, widths = model.live(), [width.size for width in model.spec.widths]
    symbols = sum(model.symbol(edge) is not None for edge in live)
    words = [f"{' → '.join(map(str, widths))} nodes", f"{len(live)} edge{'' if len(live) == 1 else 's'}"]
    words += [f"{symbols} symbolic"] if symbols else []
    return ", ".join(words)


# --- formulas and the table ---------------------------------------------------------------


def _written(view: View, expressions: "dict[str, Expr]", portraits: Sequence[Portrait]) -> dict[str, str]:
    """Return the formulas and, where they are others, the lines in which each term is an edge's."""
    found = lines(
        view.own, view.names, view.outputs, shown={portrait.edge for portrait in strongest(portraits, exhibits.SHOWN)}
    )
    if not view.real and found[0].expression is None:
        found = []  # too long for a notebook
    same = bool(found) and {line.name: line.expression for line in found} == expressions
    return {
        "simple": "" if same else "".join(equation(name, terms(value)) for name, value in expressions.items()),
        "linked": "".join(equation(line.name, line.parts) for line in found),
        "size": "large" if same else "",
    }


def _edge_table(edges: Sequence[Json]) -> str:
    """Return the edges as rows of a table, the most important first, for those who cannot see the diagram."""
    rows = []
    for edge in sorted(edges, key=lambda e: -e["score"])[:200]:
        left, right, low, high = edge["words"]
        best = edge["name"] or next(
            (f"spline, like {c['name']} (R² {c['r2']:.4f})" for c in edge["candidates"]), "spline"
        )
        cells = [
            _plain(edge["from"]),
            _plain(edge["to"]),
            f"{edge['score']:.3f}",
            best,
            f"{left} … {right}",
            f"{low} … {high}",
        ]
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    return "".join(rows)


def _plain(letters: Sequence[Sequence[Any]]) -> str:
    return "".join(("_" if shift < 0 else "^" if shift > 0 else "") + text for text, shift, _ in letters)
