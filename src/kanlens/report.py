"""One page about a network: its diagram, curves, formula, errors and effects, in a single file of HTML."""

import base64
import copy
import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kanlens.candidates import Curve, as_library, curves, match
from kanlens.container import write_atomically
from kanlens.data import Array, pair, table
from kanlens.effects import partial_dependence, pruning
from kanlens.errors import InputError
from kanlens.layout import Layout
from kanlens.lettering import Run, named, numbers, runs, symbol
from kanlens.mathml import hidden_name, lines, mathml
from kanlens.network import KAN, Edge, Width
from kanlens.portraits import Points, Portrait, anywhere, portray, some, strongest
from kanlens.scores import scores
from kanlens.symbolic import formula

if TYPE_CHECKING:
    from sympy import Expr

    from kanlens.front import Front
    from kanlens.training import History

Json = dict[str, Any]

SHOWN = 48
"""Edges that are drawn before the reader asks for all."""

LARGEST = 2000
"""Edges that are drawn at all: more would make the file and the browser slow."""

NUMBERS = 60_000
"""Numbers that all curves may take together, and all data points; fewer for each edge of a large network."""

ROWS = 1000
"""Rows that pruning and effects are measured on."""

DOTS = 400
"""Points in a picture."""

NAMED = 24
"""Edges that candidate symbols are looked for, the most important ones: each takes a third of a second."""

INPUTS, OUTPUTS = 12, 8
"""Inputs, the most important ones, whose effects are shown, and the outputs that they are shown on."""

STEPS = 40
"""Most edges of a network of symbols whose formula is simplified, because that takes time."""


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
    front: "Front | None" = None,
    history: "History | None" = None,
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
    path : str or Path, optional
        A file to write the page to.

    Raises
    ------
    InputError
        If the data do not fit, or there is not one name for each input and output.

    Examples
    --------
    >>> x = torch.rand(100, 2, dtype=torch.float64)
    >>> page = report(KAN([2, 1]), x, x[:, :1] * x[:, 1:], names=["a", "b"])
    >>> page.html[:15], "https://" in page.html
    ('<!doctype html>', False)
    """
    view = _View.of(model, x, y, names, outputs)
    page = _page(view, title, front=front, history=history)
    if path is not None:
        page.save(path)
    return page


def sketch(model: KAN) -> str:
    """Return a network's diagram over the range of its grids, as HTML for a notebook.

    Examples
    --------
    >>> sketch(KAN([2, 1]))[:7]
    '<iframe'
    """
    view = _View.of(model, anywhere(model, 200), None, None, None, real=False)
    return _page(view, None)._repr_html_()


@dataclass(frozen=True)
class _View:
    """Hold a network, its float64 copy, names and data; `real` says that the data are the user's."""

    own: KAN
    model: KAN
    x: Tensor
    y: Tensor
    predicted: Tensor
    targets: bool
    names: list[str]
    outputs: list[str]
    real: bool

    @classmethod
    def of(
        cls,
        model: KAN,
        x: Array,
        y: Array | None,
        names: Sequence[str] | None,
        outputs: Sequence[str] | None,
        real: bool = True,
    ) -> "_View":
        widths = [width.size for width in model.spec.widths]
        work = copy.deepcopy(model).double().cpu()
        ends = _unique(names, widths[0], "x", "inputs"), _unique(outputs, widths[-1], "y", "outputs")
        if y is None:
            points = table(x, widths[0], "inputs").cpu()
        else:
            points, given = (part.cpu() for part in pair(x, y, widths[0], widths[-1]))
        with torch.no_grad():
            predicted = work(points)
        return cls(model, work, points, predicted if y is None else given, predicted, y is not None, *ends, real)


def _unique(names: Sequence[str] | None, count: int, letter: str, what: str) -> list[str]:
    """Return names, all different, as the formula needs them."""
    named(names, count, letter, what)
    if names is None:
        return [letter] if count == 1 and letter == "y" else [f"{letter}_{k}" for k in range(1, count + 1)]
    if len(set(names)) != count:
        raise InputError(f"expected different names of the {what}, got {list(names)}. Rename one.")
    return [str(name) for name in names]


def _page(view: _View, title: str | None, *, front: "Front | None" = None, history: "History | None" = None) -> Page:
    budget = max(1, len(view.model.live()))
    points, samples = (min(most, max(least, NUMBERS // budget)) for most, least in ((121, 25), (300, 30)))
    portraits = strongest(portray(view.model, some(view.x, 5000), points=points, samples=samples), LARGEST)
    expressions = _formulas(view, front)
    payload: Json = {
        "title": title or _title(view),
        "inputs": [_runs(name) for name in view.names],
        "outputs": [_runs(name) for name in view.outputs],
        **_diagram(view, portraits),
        "formula": _texts(expressions),
    }
    if view.real:
        payload |= {
            "pruning": _pruning(view, portraits),
            "effects": _effects(view),
            "fit": _fit(view),
            "history": None if history is None else _history(history),
            "front": None if front is None else _front(front, view.outputs[0]),
        }
    script = _part("page.js")
    parts = {
        "title": html.escape(payload["title"]),
        "heading": _heading(view) if title is None else html.escape(title),
        "summary": html.escape(_summary(view)),
        "style": _part("page.css"),
        "script": script,
        "digest": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "payload": json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace(
            "<", "\\u003c"
        ),
        **_written(view, expressions, strongest(portraits, SHOWN)),
        "edges": _edge_table(payload["edges"]),
        "real": "real" if view.real else "sketch",
    }
    return Page(Template(_part("page.html")).substitute(parts), 900 if view.real else 560)


def _part(name: str) -> str:
    return (files("kanlens") / "page" / name).read_text(encoding="utf-8")


def _line(name: str, value: str) -> str:
    return f'<math display="block"><mrow>{mathml(_word(name))}<mo>=</mo>{value}</mrow></math>'


def _word(name: str) -> "Expr":
    import sympy

    return sympy.Symbol(name)


def _title(view: _View) -> str:
    ins, outs = (f"{len(names)} {what}" for names, what in ((view.names, "inputs"), (view.outputs, "outputs")))
    whole = f"{', '.join(view.outputs)} from {', '.join(view.names)}"
    return whole if len(whole) <= 60 else f"{view.outputs[0] if len(view.outputs) == 1 else outs} from {ins}"


def _heading(view: _View) -> str:
    """Return the title with its names set as mathematics."""
    words = _title(view).replace(",", " ,").split(" ")
    known = {name: _markup(_runs(name)) for name in (*view.names, *view.outputs)}
    return " ".join(known.get(word, html.escape(word)) for word in words).replace(" ,", ",")


def _markup(letters: Sequence[Run]) -> str:
    tags = {-1: "sub", 1: "sup"}
    return "".join(
        f"<{tag}>{html.escape(run.text)}</{tag}>"
        for run in letters
        for tag in [tags.get(run.shift, "i" if run.slanted else "span")]
    )


def _summary(view: _View) -> str:
    live, widths = view.model.live(), [width.size for width in view.model.spec.widths]
    symbols = sum(view.model.symbol(edge) is not None for edge in live)
    words = [f"{' → '.join(map(str, widths))} nodes", f"{len(live)} edges"]
    words += [f"{symbols} of them symbols"] if symbols else []
    words += [f"{len(view.x)} rows"] if view.real else ["drawn over the range of its grids"]
    return ", ".join(words)


# --- the diagram -------------------------------------------------------------------------


def _diagram(view: _View, portraits: Sequence[Portrait]) -> Json:
    """Return all edges with their curves, and where they go: the strongest alone, and all."""
    widths, place = view.model.spec.widths, {portrait.edge: k for k, portrait in enumerate(portraits)}
    known = _candidates(view, strongest([p for p in portraits if p.symbol is None], NAMED)) if view.real else {}
    few = strongest(portraits, SHOWN)
    layouts = [_layout(widths, few, place)] + ([_layout(widths, portraits, place)] if len(few) < len(portraits) else [])
    shared = {
        f"{portrait.edge.layer}-{portrait.edge.in_}": _whole(portrait.data[:, 0]) for portrait in portraits if view.real
    }
    return {
        "edges": [_edge(view, portrait, known.get(portrait.edge, [])) for portrait in portraits],
        "omitted": len(view.model.live()) - len(portraits),
        "layouts": layouts,
        "data": shared,
        "products": [[len(group) for group in width.groups()] for width in widths[1:]],
    }


def _edge(view: _View, portrait: Portrait, known: list[Json]) -> Json:
    layer, out, in_ = portrait.edge
    (left, right), (low, high) = (numbers(ends) for ends in portrait.ranges)
    return {
        "id": f"{layer}-{out}-{in_}",
        "edge": [layer, out, in_],
        "from": _node(view, layer, in_),
        "to": _node(view, layer + 1, _owner(view.model.spec.widths[layer + 1], out)),
        "score": _short(portrait.score),
        "symbol": None if portrait.symbol is None else _letters(symbol(portrait.symbol)),
        "name": portrait.symbol,
        "x": [_short(float(end)) for end in portrait.ranges[0]],
        "y": [_short(float(end)) for end in portrait.ranges[1]],
        "words": [left, right, low, high],
        "curve": _whole(portrait.curve[:, 1]),
        "data": _whole(portrait.data[:, 1]) if view.real else [],
        "candidates": known,
    }


def _owner(width: Width, subnode: int) -> int:
    return next(node for node, group in enumerate(width.groups()) if subnode in group)


def _node(view: _View, level: int, node: int) -> list[Run]:
    if level == 0:
        return _runs(view.names[node])
    if level == view.model.depth:
        return _runs(view.outputs[node])
    return [Run("h", 0, True), Run(hidden_name(view.model, level, node)[2:], -1)]


def _layout(widths: Sequence[Width], portraits: Sequence[Portrait], place: dict[Edge, int]) -> Json:
    """Return the places of nodes and frames, in hundredths of an inch, with y upwards."""
    room = [0.0] * (len(widths) - 1)
    for portrait in portraits:
        if portrait.symbol is not None:
            letters = sum(len(run.text) * (0.7 if run.shift else 1.0) for run in runs(symbol(portrait.symbol)))
            room[portrait.edge.layer] = max(room[portrait.edge.layer], 0.2 * letters + 0.1)
    layout = Layout.folded(widths, [portrait.edge for portrait in portraits], room)
    return {
        "width": _cents(layout.width),
        "radius": _cents(layout.radius),
        "nodes": [_places(level) for level in layout.nodes],
        "ends": [_places(level) for level in layout.ends],
        "frames": {place[edge]: [_cents(value) for value in frame] for edge, frame in layout.frames.items()},
    }


def _places(points: Points) -> list[list[float] | None]:
    return [None if x != x else [_cents(x), _cents(y)] for x, y in points.tolist()]


def _cents(inches: float) -> float:
    return round(100 * float(inches), 1)


def _candidates(view: _View, portraits: Sequence[Portrait]) -> dict[Edge, list[Json]]:
    """Return the symbols that fit the strongest splines best, with their curves in the edge's frame."""
    seen, found = curves(view.model, some(view.x, ROWS)), {}
    for portrait in portraits:
        curve = seen[portrait.edge]
        order = curve.x.argsort()
        few = order[torch.linspace(0, len(order) - 1, min(100, len(order))).long()]
        thin = Curve(curve.x[few], curve.y[few], curve.weight[few])
        tried = [match(function, thin) for function in as_library(None).values() if function.name != "0"]
        best = sorted((c for c in tried if c.r2 > 0), key=lambda c: (-round(c.r2, 6), c.complexity))[:5]
        (left, right), (low, high) = portrait.ranges.tolist()
        at = torch.linspace(left, right, 61, dtype=torch.float64)
        rows = []
        for candidate in best:
            a, b, c, d = candidate.affine
            height = (c * candidate.function.torch(a * at + b) + d - low) / ((high - low) or 1.0)
            rows.append(
                {
                    "name": candidate.function.name,
                    "r2": round(candidate.r2, 6),
                    "formula": _line("phi", mathml(c * candidate.function.symbolic(a * _word("t") + b) + d)),
                    "curve": _whole(height.where(height.abs() < 3, torch.nan).numpy()),
                }
            )
        found[portrait.edge] = rows
    return found


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


# --- numbers -----------------------------------------------------------------------------


def _pruning(view: _View, portraits: Sequence[Portrait]) -> list[Json]:
    """Return for some numbers of edges the least score that they have, and the errors without the others."""
    order = sorted(portraits, key=lambda p: -p.score)
    x, y = some(view.x, ROWS), some(view.y, ROWS)
    spread = y.std(0, correction=0).clamp_min(1e-300).tolist()
    return [
        {
            "kept": level.kept,
            "least": _short(order[level.kept - 1].score) if level.kept else 1.0,
            "rmse": [_short(error) for error in level.rmse],
            "r2": [_short(1 - (error / own) ** 2, 6) for error, own in zip(level.rmse, spread, strict=True)],
        }
        for level in pruning(view.model, x, y, [portrait.edge for portrait in order])
    ]


def _effects(view: _View) -> list[Json]:
    importance = scores(view.model, view.x).nodes[0].nan_to_num()
    found = []
    for column in importance.argsort(descending=True)[:INPUTS].tolist():
        effect = partial_dependence(view.model, view.x, column)
        found.append(
            {
                "input": _runs(view.names[column]),
                "score": _short(float(importance[column])),
                "at": _shorts(effect.at),
                **{
                    key: [_shorts(line) for line in getattr(effect, key).T[:OUTPUTS]] for key in ("mean", "low", "high")
                },
            }
        )
    return found


def _fit(view: _View) -> list[Json]:
    """Return what is predicted and what is true, for each output; nothing without targets."""
    if not view.targets:
        return []
    found = []
    for name, truth, predicted in zip(view.outputs, view.y.T, view.predicted.T, strict=True):
        error, spread = (predicted - truth).square().mean().sqrt(), truth.std(correction=0)
        found.append(
            {
                "output": _runs(name),
                "rmse": _short(float(error)),
                "r2": _short(float(1 - (error / spread) ** 2), 10) if float(spread) else None,
                "rows": len(truth),
                "true": _shorts(some(truth, DOTS)),
                "predicted": _shorts(some(predicted, DOTS)),
                "residual": _shorts(some(predicted - truth, DOTS)),
            }
        )
    return found


def _history(history: "History") -> Json:
    step = max(1, -(-len(history.loss) // DOTS))
    return {
        "step": step,
        "loss": [_short(value) for value in history.loss[::step]],
        "validation": [_short(value) for value in history.validation[::step]],
        "penalty": [_short(value) for value in history.penalty[::step]],
        "words": f"{type(history.solver).__name__}, {len(history.loss)} steps, {history.seconds:.2g} s. "
        + history.stop.value,
    }


def _front(front: "Front", output: str) -> list[Json]:
    best = front.choose() if len(front) else None
    return [
        {
            "complexity": equation.complexity,
            "rmse": _short(equation.rmse),
            "r2": _short(equation.r2, 8),
            "bits": _short(equation.bits),
            "best": equation is best,
            "text": f"{output} = {equation.expression}",
            "formula": _line(output, mathml(equation.expression)),
        }
        for equation in front
    ]


# --- formulas ----------------------------------------------------------------------------


def _formulas(view: _View, front: "Front | None") -> "dict[str, Expr]":
    """Return the formula of each output: the network's own, else the search's, else none."""
    live = view.model.live()
    if live and len(live) <= STEPS and all(view.model.symbol(edge) is not None for edge in live):
        return {name: formula(view.own, names=view.names, output=k) for k, name in enumerate(view.outputs[:OUTPUTS])}
    if front is not None and len(front) and len(view.outputs) == 1:
        return {view.outputs[0]: front.choose().expression}
    return {}


def _written(view: _View, expressions: "dict[str, Expr]", shown: Sequence[Portrait]) -> dict[str, str]:
    """Return the formulas and, where they are others, the lines in which each term is an edge's."""
    found = lines(view.own, view.names, view.outputs, shown={portrait.edge for portrait in shown})
    same = {line.name: line.expression for line in found} == expressions
    return {
        "simple": "" if same else "".join(_line(name, mathml(value)) for name, value in expressions.items()),
        "linked": "".join(_line(line.name, line.value) for line in found),
        "size": "large" if same else "",
    }


def _texts(expressions: "dict[str, Expr]") -> Json | None:
    from sympy import latex

    if not expressions:
        return None
    return {
        "text": "\n".join(f"{name} = {value}" for name, value in expressions.items()),
        "latex": "\n".join(f"{latex(_word(name))} = {latex(value)}" for name, value in expressions.items()),
    }


# --- how values are written ---------------------------------------------------------------


def _runs(name: str) -> list[Run]:
    return _letters(named([name], 1, "x", "inputs")[0])


def _letters(text: str) -> list[Run]:
    return runs(text)


def _whole(unit: Points) -> list[int | None]:
    """Return shares of a frame as whole numbers up to 999."""
    return [None if value != value else round(999 * value) for value in unit.tolist()]


def _short(value: float, digits: int = 4) -> float | None:
    """Return a number in a few digits, None where it is not finite."""
    return float(f"{value:.{digits}g}") if abs(value) < float("inf") else None


def _shorts(values: Tensor) -> list[float | None]:
    return [_short(value) for value in values.tolist()]
