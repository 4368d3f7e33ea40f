"""What the page of a network shows, as JSON: its diagram, errors, effects and formulas."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy
import torch
from torch import Tensor

from kanlens.candidates import Curve, as_library, curves, match
from kanlens.data import Array, pair, table
from kanlens.effects import partial_dependence, pruning
from kanlens.errors import InputError
from kanlens.layout import Layout
from kanlens.lettering import Run, hidden_name, named, numbers, runs, symbol
from kanlens.mathml import equation, terms
from kanlens.network import KAN, Edge, Width
from kanlens.portraits import Points, Portrait, portray, some, strongest
from kanlens.recording import Snapshot
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

TRACED = 20_000_000
"""Values of edges that are held at once, 8 bytes each."""

ROWS = 1000
"""Rows that pruning and effects are measured on."""

DOTS = 400
"""Points in a picture."""

INPUTS, OUTPUTS = 12, 8
"""Inputs, the most important ones, whose effects are shown, and the outputs that they are shown on."""

FRAMES = 40
"""Moments of a training that can be gone back to."""

STEPS = 40
"""Most edges of a network of symbols whose formula is simplified, because that takes time."""


@dataclass(frozen=True)
class View:
    """Hold a network, its float64 copy, names and data; `real` says that the data are the user's."""

    own: KAN
    model: KAN
    live: list[Edge]
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
    ) -> "View":
        """Check data and names as people pass them."""
        widths = [width.size for width in model.spec.widths]
        work = copy.deepcopy(model).double().cpu()
        ends = _unique(names, widths[0], "x", "inputs"), _unique(outputs, widths[-1], "y", "outputs")
        if y is None:
            points = table(x, widths[0], "inputs").cpu()
        else:
            points, given = (part.cpu() for part in pair(x, y, widths[0], widths[-1]))
        with torch.no_grad():
            predicted = work(points)
        return cls(
            model, work, work.live(), points, predicted if y is None else given, predicted, y is not None, *ends, real
        )

    def few(self, most: int = ROWS) -> Tensor:
        """Return at most so many rows, fewer of a large network, as tracing takes rows times edges numbers."""
        return some(self.x, max(50, min(most, TRACED // max(1, len(self.live)))))


def _unique(names: Sequence[str] | None, count: int, letter: str, what: str) -> list[str]:
    """Return names, all different, as the formula needs them."""
    named(names, count, letter, what)
    if names is None:
        return [letter] if count == 1 and letter == "y" else [f"{letter}_{k}" for k in range(1, count + 1)]
    if len(set(names)) != count:
        raise InputError(f"expected different names of the {what}, got {list(names)}. Rename one.")
    return [str(name) for name in names]


# --- the diagram -------------------------------------------------------------------------


def portraits_of(view: View) -> list[Portrait]:
    """Return the portraits of the edges, with fewer points the more there are."""
    edges = max(1, len(view.live))
    points, samples = (min(most, max(least, NUMBERS // edges)) for most, least in ((121, 25), (300, 30)))
    most = LARGEST if view.real else SHOWN
    return portray(view.model, view.few(5 * ROWS), most=most, points=points, samples=samples)


def diagram(view: View, portraits: Sequence[Portrait], candidates: int = 0) -> Json:
    """Return all edges with their curves, and where they go: the strongest alone, and all.

    `candidates` is the number of splines, the most important ones, that symbols are looked for.
    """
    widths, place = view.model.spec.widths, {portrait.edge: k for k, portrait in enumerate(portraits)}
    known = _candidates(view, strongest([p for p in portraits if p.symbol is None], candidates))
    few = strongest(portraits, SHOWN)
    layouts = [_layout(widths, few, place)] + ([_layout(widths, portraits, place)] if len(few) < len(portraits) else [])
    shared = {
        f"{portrait.edge.layer}-{portrait.edge.in_}": _whole(portrait.data[:, 0]) for portrait in portraits if view.real
    }
    return {
        "edges": [_edge(view, portrait, known.get(portrait.edge, [])) for portrait in portraits],
        "omitted": len(view.live) - len(portraits),
        "layouts": layouts,
        "data": shared,
        "products": [[len(group) for group in width.groups()] for width in widths[1:]],
    }


def _edge(view: View, portrait: Portrait, known: list[Json]) -> Json:
    layer, out, in_ = portrait.edge
    (left, right), (low, high) = (numbers(ends) for ends in portrait.ranges)
    return {
        "id": f"{layer}-{out}-{in_}",
        "edge": [layer, out, in_],
        "from": _node(view, layer, in_),
        "to": _node(view, layer + 1, _owner(view.model.spec.widths[layer + 1], out)),
        "score": _short(portrait.score),
        "symbol": None if portrait.symbol is None else runs(symbol(portrait.symbol)),
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


def _node(view: View, level: int, node: int) -> list[Run]:
    if level == 0:
        return letters(view.names[node])
    if level == view.model.depth:
        return letters(view.outputs[node])
    return [Run("h", 0, True), Run(hidden_name(view.model.depth, level, node)[2:], -1)]


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


def _candidates(view: View, portraits: Sequence[Portrait]) -> dict[Edge, list[Json]]:
    """Return the symbols that fit the strongest splines best, with their curves in the edge's frame."""
    if not portraits:
        return {}
    seen, found = curves(view.model, view.few(), [portrait.edge for portrait in portraits]), {}
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
                    "formula": equation("φ", terms(c * candidate.function.symbolic(a * sympy.Symbol("t") + b) + d)),
                    "curve": _whole(height.where(height.abs() < 3, torch.nan).numpy()),
                }
            )
        found[portrait.edge] = rows
    return found


# --- numbers -----------------------------------------------------------------------------


def pruning_costs(view: View, portraits: Sequence[Portrait]) -> list[Json]:
    """Return for some numbers of edges the least score that they have, and the errors without the others."""
    order = sorted(portraits, key=lambda p: -p.score)
    x = view.few()
    y = some(view.y, len(x))  # the same rows
    spread = y.std(0, correction=0).tolist()
    return [
        {
            "kept": level.kept,
            "least": _short(order[level.kept - 1].score) if level.kept else 1.0,
            "rmse": [_short(error) for error in level.rmse],
            "r2": [_r2(error, own) for error, own in zip(level.rmse, spread, strict=True)],
        }
        for level in pruning(view.model, x, y, [portrait.edge for portrait in order])
    ]


def effects(view: View) -> list[Json]:
    """Return the partial dependences on the most important inputs."""
    importance = scores(view.model, view.few()).nodes[0].nan_to_num()
    rows = max(10, min(100, TRACED // (2 * len(view.live) + 1)))  # each is computed at every point of the picture
    found = []
    for column in importance.argsort(descending=True)[:INPUTS].tolist():
        effect = partial_dependence(view.model, view.x, column, rows=rows)
        found.append(
            {
                "input": letters(view.names[column]),
                "score": _short(float(importance[column])),
                "at": _shorts(effect.at),
                **{
                    key: [_shorts(line) for line in getattr(effect, key).T[:OUTPUTS]] for key in ("mean", "low", "high")
                },
            }
        )
    return found


def errors(view: View) -> list[Json]:
    """Return what is predicted and what is true, for each output; nothing without targets."""
    if not view.targets:
        return []
    found = []
    for name, truth, predicted in zip(view.outputs, view.y.T, view.predicted.T, strict=True):
        error, spread = (predicted - truth).square().mean().sqrt(), truth.std(correction=0)
        found.append(
            {
                "output": letters(name),
                "rmse": _short(float(error)),
                "r2": _r2(float(error), float(spread)),
                "rows": len(truth),
                "true": _shorts(some(truth, DOTS)),
                "predicted": _shorts(some(predicted, DOTS)),
                "residual": _shorts(some(predicted - truth, DOTS)),
            }
        )
    return found


def course(history: "History") -> Json:
    """Return how a fit went, step by step."""
    step = max(1, -(-len(history.loss) // DOTS))
    return {
        "step": step,
        "loss": [_short(value) for value in history.loss[::step]],
        "validation": [_short(value) for value in history.validation[::step]],
        "penalty": [_short(value) for value in history.penalty[::step]],
        "words": f"{type(history.solver).__name__}, {len(history.loss)} steps, {history.seconds:.2g} s. "
        + history.stop.value,
    }


def film(portraits: Sequence[Portrait], snapshots: Sequence[Snapshot], x: Tensor) -> list[Json]:
    """Return the curves and scores of the edges shown as they were while the network was trained."""
    shown = {portrait.edge for portrait in strongest(portraits, SHOWN)}
    few = snapshots[:: max(1, -(-len(snapshots) // FRAMES))]
    return [{"step": each.step, "loss": _short(each.loss), "edges": _moment(each.model, shown, x)} for each in few]


def _moment(model: KAN, shown: set[Edge], x: Tensor) -> Json:
    portraits = portray(copy.deepcopy(model).double().cpu(), x, points=31, samples=1)
    return {
        "-".join(map(str, portrait.edge)): [_short(portrait.score), _whole(portrait.curve[:, 1])]
        for portrait in portraits
        if portrait.edge in shown
    }


def tradeoffs(front: "Front", output: str) -> list[Json]:
    """Return the formulas of a search with their lengths and errors."""
    best = front.choose() if len(front) else None
    return [
        {
            "complexity": one.complexity,
            "rmse": _short(one.rmse),
            "r2": _short(one.r2, 8),
            "bits": _short(one.bits),
            "best": one is best,
            "text": f"{output} = {one.expression}",
            "formula": equation(output, terms(one.expression)),
        }
        for one in front
    ]


# --- formulas ----------------------------------------------------------------------------


def formulas(view: View, front: "Front | None") -> "dict[str, Expr]":
    """Return the formula of each output: the network's own, else the search's, else none."""
    live = view.live
    if live and len(live) <= STEPS and all(view.model.symbol(edge) is not None for edge in live):
        return {name: formula(view.own, names=view.names, output=k) for k, name in enumerate(view.outputs[:OUTPUTS])}
    if front is not None and len(front) and len(view.outputs) == 1:
        return {view.outputs[0]: front.choose().expression}
    return {}


def texts(expressions: "dict[str, Expr]") -> Json | None:
    """Return formulas in the words of Python and of LaTeX, None without one."""
    if not expressions:
        return None
    return {
        "text": "\n".join(f"{name} = {value}" for name, value in expressions.items()),
        "latex": "\n".join(
            f"{sympy.latex(sympy.Symbol(name))} = {sympy.latex(value)}" for name, value in expressions.items()
        ),
    }


# --- how values are written ---------------------------------------------------------------


def letters(name: str) -> list[Run]:
    """Return a name as it is written, set as mathematics where it is a letter."""
    return runs(named([name], 1, "x", "inputs")[0])


def _whole(unit: Points) -> list[int | None]:
    """Return shares of a frame as whole numbers up to 999."""
    return [None if value != value else round(999 * value) for value in unit.tolist()]


def _short(value: float, digits: int = 4) -> float | None:
    """Return a number in a few digits, None where it is not finite."""
    return float(f"{value:.{digits}g}") if abs(value) < float("inf") else None


def _r2(error: float, spread: float) -> float | None:
    """Return the coefficient of determination, None for a constant, which has nothing to explain."""
    return _short(1 - error / spread * (error / spread), 10) if spread > 0 and error < 1e100 * spread else None


def _shorts(values: Tensor) -> list[float | None]:
    return [_short(value) for value in values.tolist()]
