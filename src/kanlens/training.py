"""Fit a network to data: the only place where a network that you hold is written into."""

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Never

import torch
from torch import Tensor
from tqdm import tqdm

from kanlens.data import Array, pair, split
from kanlens.errors import InputError
from kanlens.jacobian import Parameters
from kanlens.network import KAN
from kanlens.objective import Loss, NetworkObjective, Sparsity
from kanlens.regrid import regrid as move_grids
from kanlens.regrid import stretch
from kanlens.solvers import LBFGS, LevenbergMarquardt, Solver, Stop

Callback = Callable[[int, float, KAN], bool | None]

logger = logging.getLogger(__name__)

LARGEST_SECOND_ORDER = 3_000
"""Parameters up to which a step of Levenberg-Marquardt costs less than what it saves."""

STANDSTILL = 1e-4
"""Share of the objective that four or more steps have to save, or else training ends."""


@dataclass(frozen=True)
class History:
    """Record a fit: mean squared error (or the given loss), validation error and penalty by step.

    `stop` says why it ended, `solver` which method ran, `seconds` how long it took.
    """

    loss: tuple[float, ...]
    validation: tuple[float, ...]
    penalty: tuple[float, ...]
    seconds: float
    stop: Stop
    solver: Solver


def fit(
    model: KAN,
    x: Array,
    y: Array,
    *,
    solver: Solver | None = None,
    penalty: Sparsity | None = None,
    loss: Loss | None = None,
    validation: float | tuple[Array, Array] | None = None,
    patience: int | None = None,
    regrid: bool = True,
    callback: Callback | None = None,
    progress: bool = False,
    seed: int = 0,
) -> History:
    r"""Train a network in place and return how it went.

    The objective is the mean squared error in units of the targets' variance (or `loss`), plus
    the penalty. The work is done in float64 whatever the network's dtype, and the best point is
    written back: by validation error where there is validation, else by the objective.

    Parameters
    ----------
    model : KAN
        The network; its parameters and grids are changed.
    x, y : Tensor or array
        Inputs `(rows, in)` and targets `(rows, out)`; `(rows,)` where there is one column.
    solver : Solver, optional
        `LevenbergMarquardt`, `LBFGS` or `Adam`. By default the first for mean squared error and
        up to 3,000 parameters, else the second; the log says which.
    penalty : Sparsity, optional
        A pull towards few edges.
    loss : callable, optional
        A function of `(outputs, y)` to a scalar tensor, in place of the mean squared error.
    validation : float or pair of arrays, optional
        A share of the rows to hold out, or data of its own.
    patience : int, optional
        Stop after so many steps without a lower validation error.
    regrid : bool
        Whether the grids follow the data while training; a move that makes the fit worse is undone.
    callback : callable, optional
        Called with step, objective and the float64 network at work after each step; True stops the fit.
    progress : bool
        Whether to show a progress bar.
    seed : int
        Seed of the validation split.

    Raises
    ------
    InputError
        If the data have the wrong shape, no rows, a NaN or an infinity.

    Examples
    --------
    >>> x = torch.rand(200, 2) * 2 - 1
    >>> y = torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)
    >>> model = KAN([2, 1, 1])
    >>> fit(model, x, y, solver=LevenbergMarquardt(steps=30)).loss[-1] < 1e-2
    True
    """
    started = time.perf_counter()
    inputs, targets, held = _data(model, x, y, validation, seed)
    work = copy.deepcopy(model).double()
    chosen = solver or _choose(work, loss)
    with tqdm(total=chosen.steps, disable=not progress, desc="fit", leave=False) as bar:
        run = _Run(inputs, targets, penalty, loss, held, patience, callback, bar)
        work, stop = run.train(work, chosen, regrid)
    _write_back(model, work)
    return History(
        tuple(run.losses), tuple(run.validations), tuple(run.penalties), time.perf_counter() - started, stop, chosen
    )


def _data(
    model: KAN, x: Array, y: Array, validation: float | tuple[Array, Array] | None, seed: int
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor] | None]:
    widths = model.spec.widths
    inputs, targets = (part.to(model.device) for part in pair(x, y, widths[0].size, widths[-1].size))
    if validation is None:
        return inputs, targets, None
    if isinstance(validation, tuple):
        a, b = (part.to(model.device) for part in pair(*validation, widths[0].size, widths[-1].size))
        return inputs, targets, (a, b)
    rows, held = split(len(inputs), validation, seed)
    if not len(held):
        raise InputError(f"expected a validation share that holds out a row, got {validation} of {len(inputs)} rows.")
    return inputs[rows], targets[rows], (inputs[held], targets[held])


def _choose(model: KAN, loss: Loss | None) -> Solver:
    count = len(Parameters(model).get())
    if loss is not None:
        logger.info("L-BFGS trains this network: the loss is not a sum of squares.")
        return LBFGS()
    if count > LARGEST_SECOND_ORDER:
        logger.info("L-BFGS trains this network: its %d parameters are too many for second order.", count)
        return LBFGS()
    return LevenbergMarquardt()


def _write_back(model: KAN, work: KAN) -> None:
    """Give `model` the parameters and grids of the float64 network, in its own dtype."""
    for own, other in zip(model.layers, work.layers, strict=True):
        own.grid = other.grid.to(own.grid)
    with torch.no_grad():
        for mine, theirs in zip(model.parameters(), work.parameters(), strict=True):
            mine.copy_(theirs)


def _segments(steps: int) -> list[int]:
    """Divide a step budget into 1, 2, 4, ... steps: the grids move often at first, when nodes do."""
    lengths: list[int] = []
    left = steps
    while left > 0:
        lengths.append(min(2 ** len(lengths), left))
        left -= lengths[-1]
    return lengths


@dataclass
class _Run:
    """Hold the state of one fit: the data, the best point so far, and the records."""

    x: Tensor
    y: Tensor
    penalty: Sparsity | None
    loss: Loss | None
    held: tuple[Tensor, Tensor] | None
    patience: int | None
    callback: Callback | None
    bar: "tqdm[Never]"
    losses: list[float] = field(default_factory=list)
    validations: list[float] = field(default_factory=list)
    penalties: list[float] = field(default_factory=list)
    lowest: float = math.inf
    since_lowest: int = 0

    def train(self, work: KAN, solver: Solver, regrid: bool) -> tuple[KAN, Stop]:
        """Spend the solver's steps in segments, between which the grids follow the data."""
        reached, stop = math.inf, Stop.STEPS
        self.objective = NetworkObjective(work, self.x, self.y, self.penalty, self.loss)
        theta = self.objective.parameters.get()
        start = self.objective.value(theta) if self.held is None else self._validate(theta, *self.held)
        self._keep(theta, start if math.isfinite(start) else math.inf)
        if regrid and self.loss is None and not self.objective.parts(theta)[0] < 1:
            work = stretch(work, self.x, self.y)  # it does no better than a constant: nothing is lost
        for length in _segments(solver.steps) if regrid else [solver.steps]:
            if regrid:
                work = move_grids(work, self.x)
            self.objective = NetworkObjective(work, self.x, self.y, self.penalty, self.loss)
            solution = replace(solver, steps=length).minimise(  # type: ignore[type-var]
                self.objective, self.objective.parameters.get(), self._watch
            )
            self.objective.parameters.set(solution.theta)
            stop = solution.stop
            if stop not in (Stop.STEPS, Stop.CONVERGED):
                break
            if solution.value > reached:  # the last move of the grids did harm: back, and leave them
                work, regrid = self._best_network(), False
            if length >= 4 and 0 <= reached - solution.value <= STANDSTILL * reached:
                return self._best_network(), Stop.CONVERGED
            reached = min(reached, solution.value)
        return self._best_network(), stop

    def _keep(self, theta: Tensor, value: float) -> None:
        self.lowest, self.since_lowest, self.best = value, 0, (self.objective, theta)

    def _best_network(self) -> KAN:
        objective, theta = self.best
        objective.parameters.set(theta)
        return objective.model

    def _watch(self, _step: int, value: float, theta: Tensor) -> Stop | None:
        """Record a step; stop for the callback's sake or when validation no longer improves."""
        error, pull = self.objective.parts(theta) if self.penalty else (value, 0.0)
        self.losses.append(error * self.objective.unit)
        self.penalties.append(pull)
        self.bar.update()
        self.bar.set_postfix(loss=f"{self.losses[-1]:.2e}", refresh=False)
        measure = value
        if self.held is not None:
            measure = self._validate(theta, *self.held)
            self.validations.append(measure)
        self.since_lowest += 1
        if measure < self.lowest:
            self._keep(theta, measure)
        if self.patience is not None and self.since_lowest >= self.patience:
            return Stop.PATIENCE
        if self.callback is not None:
            self.objective.parameters.set(theta)
            if self.callback(len(self.losses), value, self.objective.model):
                return Stop.CALLBACK
        return None

    def _validate(self, theta: Tensor, x: Tensor, y: Tensor) -> float:
        held = NetworkObjective(self.objective.model, x, y, loss=self.loss)
        return held.value(theta) * held.unit
