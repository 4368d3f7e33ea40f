"""Choose width, grid and smoothness of a network by rows that are held out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.jacobian import Parameters
from kanlens.network import KAN
from kanlens.smoothness import Smoothness
from kanlens.solvers import LBFGS, Adam, LevenbergMarquardt, Solver
from kanlens.training import fit

MANY = 600
"""Rows from which one held-out quarter tells enough; below, several folds are averaged."""

FEW = 150
"""Rows below which there are five folds instead of three."""

TRIALS = 4000
"""Rows that settings are chosen by."""

SECOND_ORDER_WORK = 1e10
"""Products a step up to which Levenberg-Marquardt trains a candidate: a fraction of a second."""

FULL_BATCH_WORK = 2e9
"""Products a gradient of all rows up to which L-BFGS does."""

PATIENCE = 4
"""Steps without a lower error on the held-out rows after which a candidate's training ends."""

STARTS = 2
"""Random starts of the last training, where there are hidden nodes."""

HOPELESS = 1.05
"""Error on the first fold, as a multiple of the best plan's there, from which the other folds are not tried."""

GAIN = 0.998
"""Share of the held-out error that another smoothness or grid has to fall below: less is chance, and costs trials."""

WORTH = 0.995
"""Share of the held-out error that a richer network has to fall below to be preferred."""

BENDS = (1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
SLOPES = (0.0, 0.03, 0.1, 0.3, 1.0)
HIDDEN: tuple[tuple[int, ...], ...] = ((), (2,), (5,))
INTERVALS = (5, 10, 20)
FREE = 0.03
"""What is tried; more intervals only where splines may bend freely."""


@dataclass(frozen=True)
class Plan:
    """Hold what is chosen about a network: hidden widths, intervals, and pulls on bends and slopes."""

    hidden: tuple[int, ...] = ()
    intervals: int = 5
    bends: float = 1.0
    slopes: float = 0.1

    def network(self, inputs: int, outputs: int, seed: int) -> KAN:
        """Return an untrained network."""
        basis = BSpline(3, self.intervals)
        # without a residual function every edge is a spline, and every pull acts on all of it
        return KAN([inputs, *self.hidden, outputs], basis=basis, residual="zero", seed=seed, dtype=torch.float64)

    @property
    def smoothness(self) -> Smoothness:
        """Return the pulls as `fit` takes them."""
        return Smoothness(bends=self.bends, slopes=self.slopes)


@dataclass(frozen=True)
class Rows:
    """Hold inputs `(rows, in)`, targets `(rows, out)` or class numbers `(rows,)`, and weights `(rows,)`."""

    x: Tensor
    y: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: NDArray[np.intp]) -> "Rows":
        """Return some of the rows."""
        index = torch.from_numpy(rows)
        return Rows(self.x[index], self.y[index], self.weight[index])


@dataclass(frozen=True)
class Trial:
    """Hold how a plan did: the errors on all held-out rows and on the first fold, steps to it, and outputs by fold."""

    plan: Plan
    error: float
    first: float
    steps: int
    held: tuple[Rows, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Tuning:
    """Try plans on folds of the rows.

    `labels` are the classes by which the folds are stratified, all the same where there are none.
    """

    rows: Rows
    labels: NDArray[np.intp]
    outputs: int
    loss: str
    seed: int

    def best(self, start: Plan, axes: dict[str, Sequence[object]]) -> Trial:
        """Return the best plan on a walk along the axes, from poor to rich, that goes on while it pays."""
        best = self._settled(self.trial(start), axes)
        for hidden in axes["hidden"]:
            if hidden == best.plan.hidden:
                continue
            # judged after its own smoothness is found: a rich network at a poor one's says little
            richer = self._settled(self.trial(replace(best.plan, hidden=hidden), best), axes)  # type: ignore[arg-type]
            if richer.error > WORTH * best.error:
                break
            best = richer
        return self._walk(best, "slopes", axes)

    def _settled(self, trial: Trial, axes: dict[str, Sequence[object]]) -> Trial:
        """Return the best plan of a trial's width: its bends, and finer grids where curves may bend freely."""
        best = self._walk(trial, "bends", axes)
        return self._walk(best, "intervals", axes) if best.plan.bends <= FREE else best

    def _walk(self, best: Trial, axis: str, axes: dict[str, Sequence[object]]) -> Trial:
        """Step up or down an axis from a plan as long as it pays."""
        values = list(axes[axis])
        here = getattr(best.plan, axis)
        if here not in values:
            return best
        for direction in (1, -1):
            place, moved = values.index(here) + direction, False
            while 0 <= place < len(values):
                trial = self.trial(replace(best.plan, **{axis: values[place]}), best)  # type: ignore[arg-type]
                if trial.error > GAIN * best.error:
                    break
                best, moved, place = trial, True, place + direction
            if moved:
                break
        return best

    def trial(self, plan: Plan, best: Trial | None = None) -> Trial:
        """Train on each fold's rows until the others' error rises; give up early where another plan does far better."""
        errors, steps, held, outputs = [], [], [], []
        for learn, judge in self._folds():
            model = plan.network(self.rows.x.shape[1], self.outputs, self.seed)
            history = fit(
                model,
                learn.x,
                learn.y,
                weights=learn.weight,
                loss=self.loss,
                smoothness=plan.smoothness,
                solver=solver(model, len(learn)),
                validation=(judge.x, judge.y, judge.weight),
                patience=PATIENCE,
            )
            errors.append(min(history.validation, default=float("inf")))
            steps.append(int(np.argmin(history.validation)) + 1 if history.validation else 1)
            held.append(judge)
            with torch.no_grad():
                outputs.append(model(judge.x))
            if best is not None and errors[0] > HOPELESS * best.first:
                # compared on that fold: folds differ in difficulty
                error = best.error * errors[0] / best.first
                return Trial(plan, error, errors[0], steps[0], tuple(held), tuple(outputs))
        return Trial(plan, float(np.mean(errors)), errors[0], round(float(np.mean(steps))), tuple(held), tuple(outputs))

    def _folds(self) -> Iterator[tuple[Rows, Rows]]:
        """Yield rows to learn from and rows to judge by, stratified by the labels."""
        count = len(self.rows)
        generator = np.random.default_rng(self.seed)
        order = generator.permutation(count)
        if count > TRIALS:
            order = order[:TRIALS]
        order = order[np.argsort(self.labels[order], kind="stable")]
        folds = 5 if count < FEW else 3 if count < MANY else 4
        place = np.arange(len(order)) % folds
        for fold in range(folds if count < MANY else 1):
            yield self.rows.take(np.sort(order[place != fold])), self.rows.take(np.sort(order[place == fold]))

    def final(self, trial: Trial) -> KAN:
        """Return a network of the trial's plan, trained on all rows for as many steps as did best.

        Where there are hidden nodes, the better of a few starts: there is no held-out row left to notice a poor one.
        """
        starts = [self._trained(trial, self.seed + k) for k in range(STARTS if trial.plan.hidden else 1)]
        return min(starts, key=lambda start: start[0])[1]

    def _trained(self, trial: Trial, seed: int) -> tuple[float, KAN]:
        model = trial.plan.network(self.rows.x.shape[1], self.outputs, seed)
        method = solver(model, len(self.rows))
        history = fit(
            model,
            self.rows.x,
            self.rows.y,
            weights=self.rows.weight,
            loss=self.loss,
            smoothness=trial.plan.smoothness,
            solver=replace(method, steps=trial.steps),  # type: ignore[type-var]
        )
        return min(history.loss, default=float("inf")), model


def solver(model: KAN, rows: int) -> Solver:
    """Return a method for many short trainings: second order only where a step takes a fraction of a second."""
    size, outputs = Parameters(model).size, model.spec.widths[-1].size
    if rows * outputs * size**2 + size**3 <= SECOND_ORDER_WORK:
        return LevenbergMarquardt(steps=20)
    if 10 * rows * size <= FULL_BATCH_WORK:
        return LBFGS(steps=60, inner=4)
    return Adam(steps=20, batch=1024)
