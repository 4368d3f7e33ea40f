"""Approximate a function by a network whose shape is chosen, too: many start, and the best go on."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from kanlens.bases import Basis, BSpline
from kanlens.convergence import Convergence, Judge, Limit, converge, rmse, shares
from kanlens.data import Array
from kanlens.errors import InputError
from kanlens.jacobian import Parameters
from kanlens.network import KAN, Width
from kanlens.solvers import LevenbergMarquardt, Stop
from kanlens.training import fit


@dataclass(frozen=True)
class Heat:
    """Say how many networks enter a round at most, for how many steps it trains them, and on how many rows."""

    entrants: int
    steps: int
    rows: int | None = None


HEATS = (Heat(1000, 20, 1000), Heat(12, 30), Heat(6, 40))
"""Rounds before the grids are refined. The first only has to tell good starts from hopeless ones."""

FINALISTS = 3
"""Networks whose grids are refined to a third of the parameters allowed; the best of them goes on."""

STEPS = 60
"""Steps on each grid: deep networks still gain after the 30 that suffice for others."""


class Entrant(NamedTuple):
    """Hold a network with the error to expect of it and its number, in the order that decides."""

    error: float
    number: int
    model: KAN


def shapes(inputs: int, outputs: int = 1) -> list[list[Any]]:
    """Return widths to try where nothing is known, from a single layer to three hidden ones.

    They get narrower towards the output, as functions made of functions of few variables do.
    Some have products, which sums alone express at a price.

    Examples
    --------
    >>> shapes(2)[:4]
    [[2, 1], [2, (0, 1)], [2, 1, 1], [2, 2, 1]]
    """
    n = inputs
    hidden: list[list[Any]] = [[], [1], [2], [n], [8], [(1, 1)], [(0, 2)], [(2, 2)]]
    hidden += [[2, 1], [n, 1], [n + 1, 1], [2, 2], [n, 2], [n + 1, 2], [4, 4]]
    hidden += [[2, (1, 1)], [n, (1, 1)], [(2, 2), 1], [(2, 2), (2, 2)]]
    hidden += [[n, 2, 1], [n + 1, 2, 1], [n, 2, 2], [n, (1, 1), 1]]
    factors: list[list[Any]] = [[], [2], [n], [2, 2], [n, 2], [n + 1, 2]]
    found = [[n, *inner, outputs] for inner in hidden] + [[n, *inner, (0, outputs)] for inner in factors]
    return [list(shape) for shape in sorted(dict.fromkeys(map(tuple, found)), key=len)]


def approximate(
    x: Array,
    y: Array,
    *,
    widths: Iterable[Sequence[Any]] | None = None,
    basis: Basis | None = None,
    starts: int = 2,
    validation: float | tuple[Array, Array] = 0.15,
    largest: int = 700,
    seed: int = 0,
    progress: bool = False,
) -> Convergence:
    r"""Return the network that approximates a function best, its shape chosen by validation.

    Every shape starts from several random points, because a network with few nodes often ends in a local
    minimum. They are trained in rounds: each trains the networks that are left for longer than the one before,
    and only those go on that do best at rows that they have not seen (successive halving). Of the last ones the
    grids of a few are refined by :func:`kanlens.converge`: those whose error times number of parameters is the
    lowest, as of two that are equally precise the smaller has more to gain from finer grids.

    Parameters
    ----------
    x, y : Tensor or array
        Inputs `(rows, in)` and targets `(rows, out)`, with no noise or little.
    widths : iterable, optional
        Shapes to try, by default :func:`kanlens.selection.shapes`.
    basis : Basis, optional
        The first one, with few intervals; by default splines of degree 5 on 3 intervals.
    starts : int
        Random starts of each shape.
    validation : float or pair of arrays
        A share of the rows to hold out, or data of its own.
    largest : int
        Parameters that the network may have at most.
    seed : int
        Seed of the starts and of the validation split.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    InputError
        If the data have the wrong shape, no rows, a NaN or an infinity, none are held out, or nothing is to be tried.

    Examples
    --------
    >>> x = torch.rand(400, 2, dtype=torch.float64)
    >>> found = approximate(x, x[:, :1] * x[:, 1:], widths=[[2, 1], [2, (0, 1)]])
    >>> bool((found.model(x) - x[:, :1] * x[:, 1:]).abs().max() < 1e-8)
    True

    References
    ----------
    K. Jamieson and A. Talwalkar, *Non-stochastic Best Arm Identification* (2016), for successive halving.
    """
    inputs, outputs = (part.shape[-1] if getattr(part, "ndim", 1) > 1 else 1 for part in (x, y))
    family = list(shapes(inputs, outputs) if widths is None else widths)
    if not family or starts < 1:
        raise InputError(f"expected a shape and a start at least, got {len(family)} and {starts}. Add one.")
    first = basis or BSpline(degree=5, intervals=3)
    field = [
        Entrant(math.inf, number, KAN(shape, basis=first, seed=number, dtype=torch.float64))
        for number, shape in enumerate(family * starts, seed * starts * len(family))
    ]
    inner, targets, held = shares(field[0].model, x, y, validation, seed)
    order = torch.randperm(len(inner), generator=torch.Generator().manual_seed(seed), device="cpu").to(inner.device)
    judge = Judge(inner[order], targets[order], *held)
    with tqdm(desc="approximate", disable=not progress, leave=False, unit=" networks") as bar:
        for heat in HEATS:
            field, stop = _run(heat, field, judge, bar)
            if stop is Stop.INTERRUPTED:
                return Convergence(field[0].model, (), Limit.INTERRUPTED)
        return _refined(field[: HEATS[-1].entrants], judge, largest, bar)


def _run(heat: Heat, field: Iterable[Entrant], judge: Judge, bar: "tqdm[Any]") -> tuple[list[Entrant], Stop]:
    """Train the first of a field in place; return them with the best first, and why the last one stopped.

    Before the second start of any shape comes the best one of every other, which has more to offer.
    """
    some = slice(heat.rows)  # the rows are in random order
    trained, stop = list[Entrant](), Stop.STEPS
    for entrant in list(field)[: heat.entrants]:
        solver = LevenbergMarquardt(heat.steps)
        stop = fit(entrant.model, judge.x[some], judge.y[some], solver=solver).stop
        error = rmse(entrant.model, judge.held_x, judge.held_y)
        trained.append(entrant._replace(error=error if math.isfinite(error) else math.inf))
        bar.update()
        if stop is Stop.INTERRUPTED:
            break
    place: Counter[tuple[Width, ...]] = Counter()
    ranked = list[tuple[int, Entrant]]()
    for entrant in sorted(trained):
        ranked.append((place[entrant.model.spec.widths], entrant))
        place[entrant.model.spec.widths] += 1
    return [entrant for _, entrant in sorted(ranked)], stop


def _refined(field: Sequence[Entrant], judge: Judge, largest: int, bar: "tqdm[Any]") -> Convergence:
    """Refine the grids of the best few of a field, and further those of the best."""
    found: list[tuple[float, int, Convergence]] = []
    judged = [(judge(entrant.model).rmse * Parameters(entrant.model).size, entrant) for entrant in field]
    for _, entrant in sorted(judged)[:FINALISTS]:
        result = _converged(entrant.model, judge, largest // 3)
        found.append((judge(result.model).rmse, entrant.number, result))
        bar.update()
        if result.limit is Limit.INTERRUPTED:
            break
    best = min(found)[-1]
    if best.limit is not Limit.PARAMETERS or result.limit is Limit.INTERRUPTED:
        return best
    more = _converged(best.model, judge, largest)
    return Convergence(more.model, (*best.rounds, *more.rounds[1:]), more.limit)


def _converged(model: KAN, judge: Judge, largest: int) -> Convergence:
    held = judge.held_x, judge.held_y
    return converge(model, judge.x, judge.y, validation=held, largest=largest, steps=STEPS)
