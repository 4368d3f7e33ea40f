"""Choose the symbols of all edges of a network together, and then its constants."""

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from kanlens.candidates import Candidate, Curve, curves, match
from kanlens.choice import for_refit
from kanlens.data import split_inside
from kanlens.functions import LIBRARY, Function
from kanlens.jacobian import Parameters
from kanlens.network import KAN, Edge
from kanlens.objective import NetworkObjective
from kanlens.pace import Pace
from kanlens.removal import take_away
from kanlens.scores import scores
from kanlens.solvers import LevenbergMarquardt, Stop
from kanlens.surgery import collect_constants, cut, refine, spare, spared, straighten, with_symbols
from kanlens.training import fit

COMPLEXITY_NATS = 1.5
"""What a unit of complexity costs in the description, in nats; a constant costs half of log(rows)."""

TRIALS = 8
"""Symbols that are tried on an edge by refitting the network: the simplest plausible ones and the closest."""

FEWEST_HELD = 5
"""Rows to hold out at least; with fewer, all rows serve for fitting and judging."""

WEAK = 0.05
"""Score below which an edge may be one that only the splines needed, and cutting it is tried."""

STRAIGHT = 1e-12
"""Share of a curve's variance that a straight line may leave if it is one to round-off."""

MIMIC = 1e-6
"""Share of a curve's variance that a simpler symbol may leave if the two look the same."""

PLAIN = 2.0
"""Factor by which the error may grow with it."""

HARMLESS = 1.1
"""Held-out errors (mean squares) within this factor count as the same."""


def _splines(model: KAN) -> list[Edge]:
    return [edge for edge in model.live() if model.symbol(edge) is None]


@dataclass(frozen=True)
class Named:
    """Hold a network with its mean squared errors on the training and the held-out rows."""

    model: KAN
    error: float
    held: float


@dataclass(frozen=True)
class Task:
    """Hold the data of a search for symbols, the library, and the error below which all is round-off."""

    x: Tensor
    y: Tensor
    held_x: Tensor
    held_y: Tensor
    library: Mapping[str, Function]
    floor: float

    @classmethod
    def of(cls, x: Tensor, y: Tensor, library: Mapping[str, Function], precision: float) -> "Task":
        """Set up a search on float64 data that were measured or computed to a relative `precision`."""
        rows, held = split_inside(torch.cat([x, y], 1), 0.2)
        if len(held) < FEWEST_HELD:
            rows, held = torch.arange(len(x)), torch.arange(len(x))
        floor = float(y.square().mean()) * max(8 * precision, 1e-12) ** 2
        return cls(x[rows], y[rows], x[held], y[held], library, floor + 1e-300)

    @property
    def spread(self) -> float:
        """Return the variance of the targets, 1 for a constant."""
        return float(self.y.var(correction=0)) or 1.0

    @property
    def telling(self) -> bool:
        """Tell whether enough rows are held out to rule out a shape by the error of its splines."""
        return len(self.held_x) >= 30

    # --- fitting -------------------------------------------------------------------------

    def refit(self, model: KAN, steps: int, wanted: float = math.inf) -> Named:
        """Return a copy of a network, fitted to the training rows; less far if it will not get to a wanted error."""
        work, unit = copy.deepcopy(model), float(self.y.var(0, correction=0).mean()) or 1.0
        pace = Pace(wanted / unit, steps)

        def lost(step: int, value: float, network: KAN) -> bool:
            return pace.falls_short(step, value, lambda: self.judge(network).error / unit)

        def watch(step: int, value: float, _: Tensor) -> Stop | None:
            return Stop.CALLBACK if pace.falls_short(step, value) else None

        if any(bool(layer.mask.any()) for layer in work.layers):
            fit(work, self.x, self.y, solver=for_refit(work, len(self.x), steps), callback=lost)
        else:
            objective = NetworkObjective(work, self.x, self.y)
            solver = LevenbergMarquardt(steps=steps, damping=1e-3, tolerance=1e-6)
            objective.parameters.set(solver.minimise(objective, objective.parameters.get(), watch).theta)
        return self.judge(work)

    @torch.no_grad()
    def judge(self, model: KAN) -> Named:
        """Measure a network as it is; undefined values count as an infinite error."""
        errors = [
            float(torch.nan_to_num((model(x) - y).square(), nan=math.inf).mean())
            for x, y in ((self.x, self.y), (self.held_x, self.held_y))
        ]
        return Named(model, *errors)

    def exact(self, named: Named) -> bool:
        """Tell whether what is left is round-off of the data."""
        return named.error <= self.floor

    # --- symbols -------------------------------------------------------------------------

    def sharpen(self, best: Named) -> Named:
        """Refine the splines as long as that lowers the held-out error a good deal."""
        while any(bool(layer.mask.any()) for layer in best.model.layers) and not self.exact(best):
            intervals = 2 * best.model.spec.basis.intervals
            if intervals > 40 or 5 * intervals > len(self.x):
                break
            finer = self.refit(refine(best.model, self.x, intervals), 20)
            if not finer.held < 0.3 * best.held:
                break
            best = finer
        return best

    def name(self, model: KAN) -> Named:
        """Return a network of symbols that does as well as the splines did, or else of those that fit best."""
        coarse = self.simplified(straighten(model, self.x))
        return self.name_strictly(model, coarse) or self.name_anyhow(model, coarse)

    def name_strictly(self, model: KAN, coarse: Named | None = None) -> Named | None:
        """Return a network of symbols that does as well as the splines did, or None.

        Coarse splines, which may be known, are tried first, because they are quick; if a symbol then seems to do harm,
        or something better than what was found is in the data, fine ones are.
        """
        coarse = coarse or self.simplified(straighten(model, self.x))
        named = self._name_edges(coarse)
        if named is not None and self.exact(named):
            return named
        fine = self.sharpen(coarse)
        if fine is not coarse and (named is None or fine.held < 0.8 * named.held):
            named = self._name_edges(fine)
        if named is None:
            return None
        named = self._exchange(named, _splines(model))
        return named if self.explained(named, fine.held) else None

    def explained(self, named: Named, reference: float) -> bool:
        """Tell whether a network leaves only round-off, or noise and no more of it than a reference does."""
        return self.exact(named) or (named.held <= HARMLESS * reference and not self._structured(named.model))

    @torch.no_grad()
    def _structured(self, model: KAN) -> bool:
        """Tell whether neighbouring rows have similar residuals, as noise has not.

        A formula that is only close leaves a smooth residual. The correlation of each residual
        with its nearest neighbour's is compared with four standard errors of that of noise.
        """
        scaled = (self.x - self.x.mean(0)) / self.x.std(0).clamp_min(1e-300)
        residual = (model(self.x) - self.y).mean(1)
        residual = residual - residual.mean()
        rows = torch.arange(min(len(scaled), 1000))
        distance = torch.cdist(scaled[rows], scaled[rows]).fill_diagonal_(math.inf)
        products = residual[rows] * residual[rows][distance.argmin(1)]
        return float(products.mean()) > 4 * float(residual[rows].square().mean()) / math.sqrt(len(rows))

    def name_anyhow(self, model: KAN, simple: Named | None = None) -> Named:
        """Return a network of the symbols that fit best, whatever is lost; the model simplified may be known."""
        named = simple or self.simplified(model)
        edges = [edge for edge in _splines(model) if edge in named.model.live()]
        for edge in _splines(named.model):
            curve = curves(named.model, self.x)[edge]
            best = max((match(f, curve) for f in self.library.values()), key=lambda c: c.r2)
            named = self.refit(with_symbols(named.model, {edge: best}), 12)
        return self._exchange(self.refit(named.model, 40), edges)

    def simplified(self, model: KAN) -> Named:
        """Refit a network, name the edges that are straight anyway, and cut those that only the splines needed.

        A wide network has hundreds of both, which one by one would take a refit each.
        """
        named = self._straight(self.refit(model, 20))
        strength = scores(named.model, self.x).edges
        left = named.model.live()
        weight = {e: float(strength[e.layer][e.out, e.in_]) for e in _splines(model) if e in left}
        weak = sorted((edge for edge in weight if weight[edge] < WEAK), key=weight.__getitem__)

        def without(whole: Named, edges: list[Edge]) -> Named | None:
            going = spared(whole.model, edges)
            if not going:
                return whole
            limit = max(HARMLESS * whole.held, self.floor)
            tried = self.refit(cut(whole.model, going), 12, limit)
            return tried if tried.held <= limit else None

        return take_away(named, weak, without)

    def _straight(self, named: Named) -> Named:
        """Name the edges that are straight lines to round-off, as all of a column of two values are."""
        found = {}
        for edge, curve in curves(named.model, self.x, _splines(named.model)).items():
            if curve.is_constant():
                found[edge] = _constant(curve)
            elif "x" in self.library and (line := match(self.library["x"], curve)).r2 > 1 - STRAIGHT:
                found[edge] = line
        return self.judge(collect_constants(with_symbols(named.model, found))) if found else named

    def _name_edges(self, named: Named) -> Named | None:
        """Set a symbol on one edge after the other, with a refit of the rest each time.

        Return None as soon as no symbol fits an edge without loss.
        """
        while waiting := _splines(named.model):
            seen = curves(named.model, self.x, waiting)
            edge = min(waiting, key=lambda e: self._bend(seen[e]))
            found = self._first_harmless(named, edge)
            if found is None:
                return None
            named = found
        return self.refit(named.model, 40)

    def _bend(self, curve: Curve) -> float:
        """Return how far an edge is from a straight line: straight edges are named first."""
        return 1 - match(self.library.get("x", _IDENTITY), curve).r2

    def _first_harmless(self, named: Named, edge: Edge) -> Named | None:
        limit = max(HARMLESS * named.held, self.floor)
        if spare(named.model, edge) and float(scores(named.model, self.x).edges[edge.layer][edge.out, edge.in_]) < WEAK:
            tried = self.refit(cut(named.model, [edge]), 12, limit)
            if tried.held <= limit:
                return tried
        near = max(30 * limit, 1e-3 * self.spread)
        for candidate in self.ranked(named, edge):
            tried = self.refit(with_symbols(named.model, {edge: candidate}), 12, near)
            if limit < tried.held <= near:  # not there yet: a change of symbols takes its way
                tried = self.refit(tried.model, 30 if _splines(tried.model) else 150)
            if tried.held <= limit:
                return tried
        return None

    def ranked(self, named: Named, edge: Edge) -> list[Candidate]:
        """Return the simplest candidates for an edge that are not absurd and the closest, simplest first.

        Taking the best fit first was rejected: where the data leave the curve some freedom (two
        squares that make a product), a flexible symbol fits the present curve best, while the
        right one is the simplest that does no harm once the rest is refitted.
        """
        curve = curves(named.model, self.x)[edge]
        if curve.is_constant():
            return [_constant(curve)]
        found = [match(function, curve) for function in self.library.values()]
        likely = sorted((c for c in found if c.r2 > 0.95), key=_by_complexity)
        closest = sorted(likely, key=lambda c: -c.r2)[: TRIALS // 2]
        chosen = {c.function.name: c for c in [*likely[: TRIALS - len(closest)], *closest]}
        return sorted(chosen.values(), key=_by_complexity)

    def length(self, named: Named) -> float:
        """Return the description length in nats: misfit, constants and complexity."""
        return 0.5 * len(self.x) * math.log(named.error + self.floor) + self._plain_length(named.model)

    def _plain_length(self, model: KAN) -> float:
        """Return the length without the misfit."""
        complexity = sum(f.complexity for symbols in model.symbols for f in symbols.functions)
        return 0.5 * math.log(len(self.x)) * Parameters(model).size + COMPLEXITY_NATS * complexity

    def _exchange(self, named: Named, edges: list[Edge]) -> Named:
        """Exchange or cut single edges as long as that shortens the description."""
        for _ in range(2):
            before = named
            for edge in [] if self.exact(named) else edges:
                for other in self._alternatives(named.model, edge):
                    most = self.length(named) - 0.5
                    wanted = math.exp(2 * (most - self._plain_length(other)) / len(self.x)) - self.floor
                    if wanted <= 0:  # its constants and symbols alone are too long
                        continue
                    tried = self.refit(other, 15, wanted)
                    if self.length(tried) < most:
                        named = tried
            if named is before:
                break
        return self.plainer(named, edges)

    def plainer(self, named: Named, edges: Iterable[Edge]) -> Named:
        """Exchange symbols whose curves a simpler one follows, as a parabola does a cosine near its top.

        What is left is then of the splines or of the data rather than of the symbol, whose further constants
        follow it: a higher likelihood says nothing there. Where the error tells them apart, the symbol stays.
        """
        for edge in edges:
            if self.exact(named) or edge not in named.model.live():
                continue
            curve, present = curves(named.model, self.x, [edge])[edge], named.model.symbol(edge)
            simpler = [f for f in self.library.values() if present and _plainness(f) < _plainness(present)]
            alike = [found for f in simpler if (found := match(f, curve)).r2 > 1 - MIMIC]
            for candidate in sorted(alike, key=_by_complexity):
                tried = self.refit(with_symbols(named.model, {edge: candidate}), 15)
                if tried.error <= PLAIN * named.error and tried.held <= PLAIN * named.held:
                    named = tried
                    break
        return named

    def _alternatives(self, model: KAN, edge: Edge) -> list[KAN]:
        """Return the network without the edge, if it can go, and with other symbols on it."""
        if edge not in model.live():
            return []
        less = [cut(model, [edge])] if spare(model, edge) else []
        present = model.symbol(edge)
        if edge.layer == 0 and present is self.library.get("x") and self._is_pair(edge.in_):
            return less
        curve = curves(model, self.x, [edge])[edge]
        found = [match(function, curve) for function in self.library.values() if function is not present]
        likely = sorted((c for c in found if math.isfinite(c.r2)), key=lambda c: -c.r2)[:TRIALS]
        return [*less, *(with_symbols(model, {edge: c}) for c in likely)]

    def _is_pair(self, column: int) -> bool:
        """Tell whether a column has two values, through which every function is a line and no line is longer."""
        return len(set(self.x[:, column].tolist())) <= 2


def _constant(curve: Curve) -> Candidate:
    return Candidate(LIBRARY["0"], (1.0, 0.0, 1.0, float(curve.y.mean())), 1.0)


def _by_complexity(candidate: Candidate) -> tuple[int, float]:
    return candidate.complexity, -candidate.r2


def _plainness(function: Function) -> tuple[int, int]:
    """Order functions by what a reader has to take in, and by the constants that they have."""
    return function.complexity, -len(function.absorbed)


_IDENTITY = LIBRARY["x"]
