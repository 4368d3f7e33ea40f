"""Find the smallest network that does what a network does."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from kanlens.choice import SMALL_WORK, for_refit, second_order_work
from kanlens.data import Array, pair, precision, split_inside, table
from kanlens.jacobian import Parameters
from kanlens.network import KAN, Edge
from kanlens.pace import Pace
from kanlens.removal import take_away
from kanlens.scores import scores
from kanlens.solvers import LBFGS, LevenbergMarquardt
from kanlens.surgery import cut, keep, refine, spared
from kanlens.training import fit

FAIR = 1.05
"""Errors within this factor count as the same: held-out errors of equally good fits differ by more."""

NEAR = 3.0
"""Factor up to which a larger error may be one of too few steps."""

HOPELESS = 0.1
"""Error, a share of the targets' deviation, at which the trial of an edge ends after its first steps."""

GAIN = 1e-2
"""Share of the error that five steps of a refit have to save: less, and it would not change which network is kept."""

RESTARTS = 3
"""Fresh starts that a smaller network gets when the nodes kept from the larger one do not do."""


def prune(model: KAN, x: Array, y: Array | None = None, *, nodes: bool = True, edges: bool = True) -> KAN:
    """Return the smallest network found that does as well on held-out rows; `model` is untouched.

    Redundant nodes (two that do one node's work) are recognised by trying: for one node, two, and
    so on, the strongest nodes are kept and everything is refitted, on a finer grid if that is what
    the smaller network lacks. If this does not reach the error of the whole network, a few fresh
    starts are tried. Then edges are cut, weakest first and in growing groups, with refits, as long as
    nothing is lost. So thresholds on scores are not needed, and no unit of the data matters.
    A network that takes long to refit loses edges first.

    Parameters
    ----------
    model : KAN
    x, y : Tensor or array
        Inputs `(rows, in)` and targets `(rows, out)`; without `y` the network's own outputs.
    nodes, edges : bool
        What may be removed.

    Raises
    ------
    InputError
        If the data have the wrong shape, no rows, a NaN or an infinity.

    Examples
    --------
    >>> x = torch.rand(300, 2) * 2 - 1
    >>> y = torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)
    >>> model = KAN([2, 3, 1])
    >>> history = fit(model, x, y)
    >>> [width.size for width in prune(model, x, y).spec.widths]
    [2, 1, 1]
    """
    best, judge = _refitted(model, x, y)
    if nodes and edges and second_order_work(best.model, len(judge.x)) > SMALL_WORK:
        best = _fewer_edges(best, judge)
    if nodes:
        best = _fewest_nodes(best, judge)
    if edges:
        best = _fewest_edges(best, judge)
    return best.model.to(model.dtype)


def prune_inputs(model: KAN, x: Array, y: Array | None = None) -> tuple[KAN, list[int]]:
    """Return a network of the inputs that are needed, and their numbers; `model` is untouched.

    Inputs are taken away, weakest first and in growing groups, with refits, as long as the network does as
    well on held-out rows.

    Parameters
    ----------
    model : KAN
    x, y : Tensor or array
        As for :func:`prune`.

    Examples
    --------
    >>> x = torch.rand(300, 3) * 2 - 1
    >>> model, y = KAN([3, 1]), x[:, :1] ** 2 + torch.sin(3 * x[:, 2:])
    >>> history = fit(model, x, y)
    >>> prune_inputs(model, x, y)[1]
    [0, 2]
    """
    best, judge = _refitted(model, x, y)
    weakest = scores(best.model, judge.x).nodes[0].argsort().tolist()

    def without(state: tuple[_Tried, frozenset[int]], inputs: list[int]) -> tuple[_Tried, frozenset[int]] | None:
        whole, needed = state
        gone = [edge for edge in whole.model.live() if edge.layer == 0 and edge.in_ in inputs]
        tried = judge.catch_up(judge.refit(cut(whole.model, gone), steps=20), whole.error)
        return (tried, needed - {*inputs}) if judge.good_enough(tried, whole.error) else None

    best, left = take_away((best, frozenset(weakest)), weakest[:-1], without)
    needed = sorted(left)
    hidden = [range(width.size) for width in model.spec.widths[1:-1]]
    return keep(best.model, hidden, inputs=needed).to(model.dtype), needed


def _refitted(model: KAN, x: Array, y: Array | None) -> "tuple[_Tried, _Judge]":
    """Return the network fitted to some of the rows, and what judges it by the others."""
    work = copy.deepcopy(model).double()
    widths = model.spec.widths
    points = table(x, widths[0].size, "inputs").to(model.device)
    with torch.no_grad():
        targets = work(points) if y is None else pair(x, y, widths[0].size, widths[-1].size)[1].to(model.device)
    judge = _Judge.of(points, targets, precision(x) if y is None else max(precision(x), precision(y)))
    if Parameters(work).size > points.shape[0]:  # it may know the held-out rows by heart: only a fresh one is judged
        return judge.refit(next(_fresh(work, 1)), steps=30), judge
    best = judge.refit(work, steps=20)
    if best.error > 0.02:  # poor, or noisy: see whether the same network can do better from another start
        best = min(best, *(judge.refit(start, steps=30) for start in _fresh(work, 1)), key=lambda t: t.error)
    return best, judge


@dataclass(frozen=True)
class _Tried:
    """Pair a refitted network with its held-out error, a share of the targets' deviation."""

    model: KAN
    error: float


@dataclass(frozen=True)
class _Judge:
    """Refit networks on some rows and judge them by the others; errors up to `floor` are round-off."""

    x: Tensor
    y: Tensor
    held_x: Tensor
    held_y: Tensor
    floor: float

    @classmethod
    def of(cls, x: Tensor, y: Tensor, digits: float) -> "_Judge":
        """Split rows that are known to `digits`, relative to the largest."""
        floor = max(1e-10, digits * float(y.abs().amax()) / (float(y.std(correction=0)) or 1.0))
        rows, held = split_inside(torch.cat([x, y], 1), 0.2)
        if len(held) < 5:  # too few rows to hold any out
            return cls(x, y, x, y, floor)
        return cls(x[rows], y[rows], x[held], y[held], floor)

    def solver(self, model: KAN, steps: int) -> LevenbergMarquardt | LBFGS:
        """Return the method of a refit."""
        return for_refit(model, len(self.x), steps, GAIN)

    def refit(self, model: KAN, steps: int, *, wanted: float = math.inf, hopeless: float = math.inf) -> _Tried:
        """Return a copy of a network, fitted without penalty; less far if it will not get to a wanted error."""
        result, unit = copy.deepcopy(model), float(self.y.var(0, correction=0).mean()) or 1.0
        pace = Pace((wanted * self.scale) ** 2 / unit, steps, (hopeless * self.scale) ** 2 / unit)
        solver = self.solver(model, steps)

        def lost(step: int, value: float, network: KAN) -> bool:
            if isinstance(solver, LBFGS):  # it knows its rows by heart, and those held out say how far it is
                return pace.falls_short(step, (self.error(network) * self.scale) ** 2 / unit)
            return pace.falls_short(step, value, lambda: self._mean_square(network) / unit)

        fit(result, self.x, self.y, solver=solver, callback=lost)
        return _Tried(result, self.error(result))

    @torch.no_grad()
    def _mean_square(self, model: KAN) -> float:
        return float((model(self.x) - self.y).square().mean())

    @property
    def scale(self) -> float:
        """Return the targets' deviation, 1 for a constant."""
        return float(self.y.std(correction=0)) or 1.0

    @torch.no_grad()
    def error(self, model: KAN) -> float:
        """Return the root mean square error on held-out rows over the targets' deviation."""
        return float((model(self.held_x) - self.held_y).square().mean().sqrt()) / self.scale

    def catch_up(self, tried: _Tried, than: float) -> _Tried:
        """Return a network that is a little worse, fitted further: without noise errors fall as long as it goes on."""
        near = not self.good_enough(tried, than) and tried.error < NEAR * than
        return min(tried, self.refit(tried.model, steps=40), key=lambda t: t.error) if near else tried

    def good_enough(self, tried: _Tried, than: float) -> bool:
        """Tell whether an error is as low as another one, up to the digits of the data."""
        return tried.error <= self.enough(than)

    def enough(self, than: float) -> float:
        """Return the error that is as low as another one."""
        return max(FAIR * than, self.floor)


def _fewest_nodes(whole: _Tried, judge: _Judge) -> _Tried:
    best = whole
    for number in range(len(whole.model.spec.widths) - 2):
        best = _fewest_in_layer(best, judge, number)
    return best


def _fewest_in_layer(whole: _Tried, judge: _Judge, hidden: int) -> _Tried:
    """Try one node, two, four, and so on until a number does; then look between it and the last that did not."""
    size, best = whole.model.spec.widths[hidden + 1].size, whole
    few, enough = 0, size  # nodes that do not do, and nodes that do
    while enough - few > 1:
        count = min(max(2 * few, 1), size - 1) if best is whole else (few + enough) // 2
        smaller = _with_nodes(best, judge, hidden, count)
        if smaller is None:
            few = count
        else:
            best, enough = smaller, count
    return best


def _with_nodes(whole: _Tried, judge: _Judge, hidden: int, count: int) -> _Tried | None:
    """Return a network with `count` nodes in a hidden layer that does as well, if one is found."""
    strongest = scores(whole.model, judge.x).nodes[hidden + 1].argsort(descending=True)[:count].tolist()
    chosen = [list(range(width.size)) for width in whole.model.spec.widths[1:-1]]
    chosen[hidden] = strongest
    smaller = keep(whole.model, chosen)
    for start in _starts(smaller):
        tried = _sharpen(judge.refit(start, steps=30), judge, whole.error)
        if judge.good_enough(tried, whole.error):
            return tried
    return None


def _starts(model: KAN) -> Iterator[KAN]:
    yield model
    if not any(len(symbols) for symbols in model.symbols):
        yield from _fresh(model, RESTARTS)


def _fresh(model: KAN, count: int) -> Iterator[KAN]:
    """Yield untrained networks of the same kind, with the same edges cut."""
    for seed in range(count):
        start = KAN(model.spec.widths, basis=model.spec.basis, residual=model.spec.residual, seed=seed)
        start = start.double().to(model.device)
        for layer, old in zip(start.layers, model.layers, strict=True):
            layer.mask.copy_(old.mask)
        yield start


def _sharpen(tried: _Tried, judge: _Judge, wanted: float) -> _Tried:
    """Refine the grids up to three times, as long as that is what keeps the network from the wanted error.

    A network with too few nodes gains little from finer grids; the right one gains a factor of
    two to the power of degree plus one each time.
    """
    for _ in range(3):
        if judge.good_enough(tried, wanted) or tried.error > 100 * wanted + 0.1:
            break
        intervals = 2 * tried.model.spec.basis.intervals
        if len(judge.x) < 4 * intervals:
            break
        finer = judge.refit(refine(tried.model, judge.x, intervals), steps=15)
        if finer.error > 0.7 * tried.error:
            break
        tried = finer
    return tried


def _fewest_edges(best: _Tried, judge: _Judge) -> _Tried:
    """Cut edges; what had to stay among useless ones may go when those are gone, so that a second turn follows."""
    for _ in range(2):
        before, best = best, _fewer_edges(best, judge)
        if best is before:
            break
    return best


def _fewer_edges(best: _Tried, judge: _Judge) -> _Tried:
    strength = scores(best.model, judge.x).edges
    order = sorted(best.model.live(), key=lambda edge: float(strength[edge.layer][edge.out, edge.in_]))

    def without(whole: _Tried, edges: list[Edge]) -> _Tried | None:
        going = spared(whole.model, edges)
        if not going:
            return whole
        hopeless = max(HOPELESS, 10 * whole.error)
        tried = judge.refit(cut(whole.model, going), steps=8, wanted=judge.enough(whole.error), hopeless=hopeless)
        return tried if judge.good_enough(tried, whole.error) else None

    return take_away(best, order, without)
