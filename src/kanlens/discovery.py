"""From data to a formula: try network shapes, from simple to rich, until one becomes a formula."""

import copy
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from kanlens.bases import Basis, BSpline
from kanlens.candidates import Library
from kanlens.data import Array, on_cpu, table
from kanlens.network import KAN, Edge, Width
from kanlens.pruning import prune
from kanlens.rounding import exact_constants
from kanlens.snapping import Named, Task
from kanlens.solvers import LevenbergMarquardt
from kanlens.surgery import cut
from kanlens.symbolic import task_for
from kanlens.training import fit
from kanlens.views import Viewable

STARTS = 4
"""Random starts that a shape gets; each takes a fraction of a second."""

GOOD = 0.03
"""Held-out error, as a share of the targets' deviation, from which a start needs no further ones."""

MOST_SPLIT = 4
"""Inputs up to which all ways to share them out among the factors of a product are tried."""


@dataclass(frozen=True)
class Discovery(Viewable):
    """Hold a network of symbols and how well it does on rows that were held out.

    `rmse` is the root mean square error, `r2` the coefficient of determination, and `exact` says
    whether what is left is round-off of the data.
    """

    model: KAN
    rmse: float
    r2: float
    exact: bool


@on_cpu
def discover(x: Array, y: Array, *, library: Library = None, seed: int = 0, progress: bool = False) -> Discovery:
    """Return the simplest network of symbols found that explains the data.

    Shapes are tried in the order of their complexity: sums of one-variable functions, a function
    of such a sum, products, several terms. Each is fitted with splines, stripped of what it does
    not need, and named; the first that loses nothing against its splines wins. If none does, the
    one with the shortest description (error, constants and complexity together) is returned.

    Parameters
    ----------
    x, y : Tensor or array
        Inputs `(rows, in)` and targets `(rows,)` or `(rows, 1)`.
    library : names or mapping, optional
        The functions to choose from; all by default.
    seed : int
        Seed of the random starts.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    InputError
        If the data have the wrong shape, no rows, a NaN or an infinity.

    Examples
    --------
    >>> from kanlens.symbolic import formula
    >>> x = torch.rand(200, 2, dtype=torch.float64) + 1
    >>> found = discover(x, x[:, 0] * x[:, 1], library=["x", "x^2", "exp", "log"])
    >>> formula(found.model), found.exact
    (x_1*x_2, True)
    """
    inputs = x.shape[-1] if len(getattr(x, "shape", ())) > 1 else 1
    points, targets = table(x, inputs, "inputs").cpu(), table(y, 1, "targets").cpu()
    basis = BSpline(intervals=max(2, min(5, len(points) // (8 * inputs))))
    task = task_for(KAN([inputs, 1]), x, y, library)
    shapes = tqdm(list(_shapes(inputs, hidden=1)), disable=not progress, desc="shapes", leave=False)
    rich = _best_start(task, [inputs, 3, 1], basis, seed).model
    found = _Exploration(task, points, targets, basis, seed).explain(shapes, rich)
    judged = task.judge(exact_constants(task, found))
    spread = float(task.held_y.var(correction=0)) or 1.0
    return Discovery(judged.model, judged.held**0.5, 1 - judged.held / spread, task.exact(judged))


@on_cpu
def symbolise(model: KAN, x: Array, y: Array | None = None, *, library: Library = None) -> KAN:
    """Return the network of symbols that a trained network stands for, of its shape if that is possible.

    If the network's own shape has no formula without loss, the shapes of :func:`discover` are
    tried on the same data: products that the network had to imitate by sums become product nodes.

    Parameters
    ----------
    model : KAN
    x, y : Tensor or array
        Inputs `(rows, in)` and targets `(rows, out)`; without `y` the network's own outputs.
    library : names or mapping, optional
        The functions to choose from; all by default.

    Examples
    --------
    >>> x = torch.rand(200, 1, dtype=torch.float64)
    >>> model = KAN([1, 1], dtype=torch.float64)
    >>> history = fit(model, x, x**2)
    >>> symbolise(model, x, x**2).symbols[0].functions[0].name
    'x^2'
    """
    work = copy.deepcopy(model).double().cpu()  # trials are small networks, which a GPU takes ten times as long for
    task = task_for(work, x, y, library)
    if model.spec.widths[-1].size > 1 or any(len(symbols) for symbols in model.symbols):
        named: Named | None = task.name(work)  # other shapes are for one output and splines
    else:
        named = task.name_strictly(work)
    if named is None:
        inputs = model.spec.widths[0].size
        points = table(x, inputs, "inputs").cpu()
        with torch.no_grad():
            targets = work(points) if y is None else table(y, 1, "targets").cpu()
        basis = model.spec.basis.resized(min(model.spec.basis.intervals, 10))
        exploration = _Exploration(task, points, targets, basis, seed=0)
        named = exploration.explain(_shapes(inputs, hidden=model.depth - 1), work)
    return exact_constants(task, named).to(model.device, model.dtype)


def _shapes(inputs: int, hidden: int) -> Iterator[list[Any]]:
    """Yield widths from simple to rich, those with a function around several terms last."""
    middles: list[Any] = [1, (0, 1), (1, 1), 2]
    if inputs > 2:
        middles.append((0, (3,)))
    yield [inputs, 1]
    if inputs > 1:
        yield [inputs, (0, 1)]
    yield from ([inputs, middle, 1] for middle in middles)
    yield from ([inputs, middle, 1, 1] for middle in ((0, 1), (1, 1)))
    yield from ([inputs, middle, 1] for middle in ((0, 2), (1, 2), 3))
    if hidden > 1:
        yield [inputs, 2, 1, 1]


@dataclass(frozen=True)
class _Exploration:
    """Hold what the trial of shapes needs: the search for symbols, all rows, the basis and the seed."""

    task: Task
    x: Tensor
    y: Tensor
    basis: Basis
    seed: int

    def explain(self, shapes: Iterable[list[Any]], rich: KAN) -> Named:
        """Return the first shape named that does as well as a rich network on fine grids, else the shortest."""
        reference = self.task.sharpen(self.task.refit(rich, 20)).held
        found: list[Named] = []
        for widths in shapes:
            best = _best_start(self.task, widths, self.basis, self.seed)
            if self.task.telling and best.held > max(GOOD**2 * self.task.spread, 4 * reference):
                continue
            named = self.task.name_strictly(prune(best.model, self.x, self.y, nodes=False))
            if named is None:
                continue
            if self.task.explained(named, reference):
                return named
            found.append(named)
        return min([*found, self.task.name_anyhow(rich)], key=self.task.length)


def _best_start(task: Task, widths: list[Any], basis: Basis, seed: int) -> Named:
    """Return the best of a few starts of a shape, the first that is good enough.

    Where a shape has one product, starts in which its factors share no input come first: they
    have fewer parameters and fewer false minima, and most products in formulas are of that kind.
    """
    tried: list[Named] = []
    disjoint = _disjoint_factors(widths)
    again = 1 + 2 * STARTS // (1 + len(disjoint))
    for number, absent in enumerate([*disjoint * again, *[frozenset[Edge]()] * STARTS]):
        model = cut(KAN(widths, basis=basis, seed=seed + number, dtype=torch.float64), absent)
        fit(model, task.x, task.y, solver=LevenbergMarquardt(steps=40))
        tried.append(task.judge(model))
        if tried[-1].held < GOOD**2 * task.spread:
            break
    return min(tried, key=lambda named: named.held)


def _disjoint_factors(widths: list[Any]) -> list[frozenset[Edge]]:
    """Return the edges to leave out so that the factors of a shape's one product share no input."""
    inputs, first = widths[0], Width.of(widths[1])
    if len(first.products) != 1 or not 2 <= inputs <= MOST_SPLIT:
        return []
    factors = range(first.sums, first.subnodes)
    # an input goes to one of the factors, or to none of them where a sum can take it
    places = [*factors, *([-1] if first.sums else [])]
    found = []
    for homes in itertools.product(places, repeat=inputs):
        in_order = [factor for factor in dict.fromkeys(homes) if factor >= 0]
        if in_order == list(factors):  # every factor has an input, and permutations count once
            absent = ((f, i) for f in factors for i, home in enumerate(homes) if home != f)
            found.append(frozenset(Edge(0, f, i) for f, i in absent))
    return found
