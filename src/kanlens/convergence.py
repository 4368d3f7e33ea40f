"""Refine the grids of a network and train it in turn, as long as that helps."""

import copy
import math
import time
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from kanlens.data import Array, pair, split_inside
from kanlens.errors import InputError
from kanlens.grading import densities
from kanlens.jacobian import Parameters
from kanlens.network import KAN
from kanlens.objective import NetworkObjective
from kanlens.regrid import regrid
from kanlens.solvers import LevenbergMarquardt, Stop
from kanlens.training import fit

ROUND_OFF = 1e-14
"""Error, as a share of the largest target, below which float64 leaves nothing to gain."""


GAIN = 0.9
"""Share of the validation error that a finer grid must at least get down to, or it is not worth its price."""


class Limit(Enum):
    """Say why refinement ended; the values are sentences for people."""

    VALIDATION = "A finer grid no longer lowers the validation error."
    PARAMETERS = "A finer grid would have more parameters than allowed."
    ROUND_OFF = "The error is round-off."
    INTERRUPTED = "It was interrupted; the best network so far is kept."


@dataclass(frozen=True)
class Round:
    """Record the training on one grid: root mean square errors in units of the targets."""

    intervals: int
    parameters: int
    rmse: float
    validation_rmse: float
    seconds: float


@dataclass(frozen=True)
class Convergence:
    """Hold the network with the lowest validation error, the rounds that led to it, and why they ended."""

    model: KAN
    rounds: tuple[Round, ...]
    limit: Limit


def converge(
    model: KAN,
    x: Array,
    y: Array,
    *,
    validation: float | tuple[Array, Array] = 0.15,
    steps: int = 30,
    smoothness: float = 1e-6,
    largest: int = 1500,
    seed: int = 0,
    progress: bool = False,
) -> Convergence:
    r"""Return a copy trained on finer and finer grids until the validation error no longer falls.

    Each round trains by Levenberg-Marquardt, then the number of intervals doubles. The error of a
    spline of degree *k* falls as :math:`G^{-(k+1)}` with the number *G* of intervals, down to round-off, as
    long as there are data to determine it; with few or noisy data the validation error says when
    to stop, so that a finer grid never makes the result worse.

    Parameters
    ----------
    model : KAN
        The network to start from, trained or not; it stays as it is. A degree of 5 or 7 and few
        intervals reach a given precision with the fewest parameters.
    x, y : Tensor or array
        Inputs `(rows, in)` and targets `(rows, out)`.
    validation : float or pair of arrays
        A share of the rows to hold out, or data of its own.
    steps : int
        Step budget of each round.
    smoothness : float
        See :func:`kanlens.fit`.
    largest : int
        Parameters that the network may have at most. A step costs rows times parameters squared.
    seed : int
        Seed of the validation split.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    InputError
        If the data have the wrong shape, no rows, a NaN or an infinity, or none are held out.

    Examples
    --------
    >>> from kanlens import BSpline
    >>> x = torch.rand(1000, 1, dtype=torch.float64)
    >>> found = converge(KAN([1, 1], basis=BSpline(degree=5, intervals=5), dtype=torch.float64), x, torch.sin(6 * x))
    >>> bool((found.model(x) - torch.sin(6 * x)).abs().max() < 1e-10)
    True

    References
    ----------
    Z. Liu et al., *KAN* (2024), section 2.4, for grid extension, whose error rises again on fine grids.
    """
    inputs, targets, held = shares(model, x, y, validation, seed)
    best = copy.deepcopy(model).double()
    solver = LevenbergMarquardt(steps)
    stop = fit(best, inputs, targets, solver=solver, smoothness=smoothness).stop
    judge = Judge(inputs, targets, *held, smoothness)
    rounds = list[Round]()
    lowest: Verdict | None = None
    limit: Limit | None = None
    with tqdm(desc="converge", disable=not progress, leave=False, unit=" rounds") as bar:
        while limit is None:
            started = time.perf_counter()
            intervals = model.spec.basis.intervals * 2 ** len(rounds)
            density = densities(best, inputs) if rounds else None
            work = regrid(best, inputs, intervals=intervals, density=density)
            count = len(Parameters(work).get())
            if rounds and count > largest:
                limit = Limit.PARAMETERS
                break
            if stop is not Stop.INTERRUPTED:
                stop = fit(work, inputs, targets, solver=solver, regrid=False, smoothness=smoothness).stop
            errors = rmse(work, inputs, targets), rmse(work, *held)
            rounds.append(Round(intervals, count, *errors, time.perf_counter() - started))
            bar.update()
            bar.set_postfix(intervals=intervals, validation_rmse=f"{errors[1]:.1e}")
            verdict = judge(work)
            limit = _limit(stop, verdict, lowest, targets)
            if limit is not Limit.VALIDATION:
                best, lowest = work, verdict
    return Convergence(best.to(model.dtype), tuple(rounds), limit)


def _limit(stop: Stop, verdict: "Verdict", lowest: "Verdict | None", targets: Tensor) -> Limit | None:
    """Return why no finer grid is tried, None if one is."""
    if stop is Stop.INTERRUPTED:
        return Limit.INTERRUPTED
    if lowest is not None and not verdict.better(lowest):
        return Limit.VALIDATION
    return Limit.ROUND_OFF if verdict.rmse <= ROUND_OFF * float(targets.abs().amax()) else None


class Verdict(NamedTuple):
    """Hold the squared errors of a network, `(rows,)`, at rows held out and at those it learnt from, each left out."""

    held: Tensor
    left_out: Tensor

    @property
    def rmse(self) -> float:
        """Return what error to expect at new rows: the larger of that at the held-out rows and that at all."""
        return math.sqrt(max(float(self.held.mean()), float(torch.cat(self).mean())))

    def better(self, other: "Verdict") -> bool:
        """Tell whether the errors are lower than another network's by more than chance gives.

        The mean of the differences has to exceed its standard error. Where few rows hold most of the error, as at a
        kink, a finer grid can meet those by chance and be worse elsewhere. A gain at every row always passes.

        References
        ----------
        L. Breiman et al., *Classification and Regression Trees* (1984), section 3.4.3, for the rule.
        """
        if not float(self.held.mean()) < GAIN**2 * float(other.held.mean()):
            return False
        gains = torch.cat(other) - torch.cat(self)
        return float(gains.mean()) > float(gains.std(correction=0)) / math.sqrt(len(gains))


@dataclass(frozen=True)
class Judge:
    """Measure networks at held-out rows, and at those that they learnt from as if each had been left out.

    A few hundred held-out rows seldom hold the extremes, where a network errs most.
    """

    x: Tensor
    y: Tensor
    held_x: Tensor
    held_y: Tensor
    smoothness: float = 1e-6

    @torch.no_grad()
    def __call__(self, model: KAN) -> Verdict:
        """Return the errors of a network that was fitted to `x` and `y`."""
        objective = NetworkObjective(model, self.x, self.y, smoothness=self.smoothness)
        left_out = objective.left_out(objective.parameters.get())
        return Verdict((model(self.held_x) - self.held_y).square().mean(1), left_out.square().mean(1))


def shares(
    model: KAN, x: Array, y: Array, validation: float | tuple[Array, Array], seed: int
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Return the rows to train on and those to judge by."""
    widths = model.spec.widths[0].size, model.spec.widths[-1].size
    inputs, targets = (part.to(model.device) for part in pair(x, y, *widths))
    if isinstance(validation, tuple):
        own_x, own_y = (part.to(model.device) for part in pair(*validation, *widths))
        return inputs, targets, (own_x, own_y)
    rows, held = split_inside(inputs, validation, seed)
    if not len(held):
        raise InputError(
            f"expected a validation share that holds out a row, got {validation} of {len(inputs)} rows. "
            "Pass a larger share or validation data."
        )
    return inputs[rows], targets[rows], (inputs[held], targets[held])


@torch.no_grad()
def rmse(model: KAN, x: Tensor, y: Tensor) -> float:
    """Return the root mean square error."""
    return float((model(x) - y).square().mean().sqrt())
