"""Fit a network to data: the only place where a network that you hold is written into."""

import copy
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Never

import torch
from torch import Tensor
from tqdm import tqdm

from kanlens import shards
from kanlens.checkpoints import Checkpoint, State, fingerprint, restore, snapshot
from kanlens.choice import choose
from kanlens.data import Array, precision, split, table
from kanlens.errors import InputError
from kanlens.jacobian import Parameters
from kanlens.losses import Curved, Custom, Loss, SquaredError, measure
from kanlens.nested import nested
from kanlens.network import KAN
from kanlens.objective import NetworkObjective
from kanlens.regrid import measured, stretch
from kanlens.regrid import regrid as move_grids
from kanlens.smoothness import Smoothness
from kanlens.solvers import Adam, LevenbergMarquardt, Memory, Solver, Stop
from kanlens.sparsity import Sparsity
from kanlens.starting import aligned
from kanlens.views import Viewable

Callback = Callable[[int, float, KAN], bool | None]

logger = logging.getLogger(__name__)

GRID_ROWS = 10_000
"""Rows that grids are moved by: more would cost memory, and a curve of few pieces is known from fewer."""

TRIAL = 3
"""Segments, of 1, 2 and 4 steps, that a random start is given before it has to be better than a calculated one."""

FEWEST_TAUGHT = 4
"""Steps between the first moves of the grids of a network that is trained already: its nodes stay where they are."""

UNTAUGHT = 0.5
"""Share of the targets' variance that a network has to leave open to be taken for untrained."""

STUCK = 0.01
"""Share of the targets' variance that a start has to leave open for the slopes of a stand-in to be worth their time."""

STANDSTILL = 1e-4
"""Share of the objective that four or more steps have to save, or else training ends."""


@dataclass(frozen=True)
class History(Viewable):
    """Record a fit: mean squared error (or the given loss), validation error and penalty by step.

    `stop` says why it ended, `solver` which method ran, `reason` why that one, `seconds` how long
    it took.
    """

    loss: tuple[float, ...]
    validation: tuple[float, ...]
    penalty: tuple[float, ...]
    seconds: float
    stop: Stop
    solver: Solver
    reason: str


def fit(
    model: KAN,
    x: Array,
    y: Array,
    *,
    solver: Solver | None = None,
    penalty: Sparsity | None = None,
    loss: str | Loss | None = None,
    weights: Array | None = None,
    smoothness: float | Smoothness = 1e-6,
    validation: float | tuple[Array, Array] | tuple[Array, Array, Array] | None = None,
    patience: int | None = None,
    regrid: bool = True,
    callback: Callback | None = None,
    checkpoint: Checkpoint | None = None,
    progress: bool = False,
    seed: int = 0,
) -> History:
    r"""Train a network in place and return how it went.

    The objective is the mean squared error in units of the targets' variance (or `loss`), plus
    the penalty. The work is done in float64 whatever the network's dtype, and the best point is
    written back: by validation error where there is validation, else by the objective.

    Under `torchrun`, with `torch.distributed` initialised, every process passes its own shard of the
    rows; all get the same network, that of one process with all rows.

    Parameters
    ----------
    model : KAN
        The network; its parameters and grids are changed.
    x, y : Tensor or array
        Inputs `(rows, in)` and targets `(rows, out)`; `(rows,)` where there is one column. For
        cross-entropy class numbers `(rows,)` or probabilities `(rows, classes)`.
    solver : Solver, optional
        `LevenbergMarquardt`, `LBFGS` or `Adam`. By default :func:`kanlens.choice.choose` takes one
        by size; the log and the history say which and why.
    penalty : Sparsity, optional
        A pull towards few edges.
    loss : str or callable, optional
        `"squared_error"` (the default), `"cross_entropy"` of the outputs' softmax or `"logistic"` of each
        output, or a function of all `(outputs, y)` to a scalar tensor. The first three suit second order.
    weights : Tensor or array, optional
        Weights `(rows,)` of the rows in the loss, at least 0, relative to each other.
    smoothness : float or Smoothness
        How much splines keep to one polynomial where the data leave them open; see
        :func:`kanlens.smoothness.smoothing`. 0 turns it off. A :class:`kanlens.smoothness.Smoothness`
        smooths noise away.
    validation : float or arrays, optional
        A share of the rows to hold out, or data of its own: inputs, targets and perhaps weights.
    patience : int, optional
        Stop after so many steps without a lower validation error.
    regrid : bool
        Whether the grids follow the data while training; a move that makes the fit worse is undone.
    callback : callable, optional
        Called with step, objective and the float64 network at work after each step; True stops the fit.
    checkpoint : Checkpoint, optional
        A file that keeps the state, so that a fit that was killed, called again with the same arguments,
        goes on to the same bits.
    progress : bool
        Whether to show a progress bar.
    seed : int
        Seed of the validation split.

    Raises
    ------
    InputError
        If the data have the wrong shape, no rows, a NaN or an infinity, or the checkpoint is that of another fit.
    FileError
        If the checkpoint is damaged.

    Examples
    --------
    >>> from kanlens import LevenbergMarquardt
    >>> x = torch.rand(200, 2) * 2 - 1
    >>> y = torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)
    >>> model = KAN([2, 1, 1])
    >>> fit(model, x, y, solver=LevenbergMarquardt(steps=30)).loss[-1] < 1e-2
    True
    """
    started = time.perf_counter()
    kind = measure(loss)
    if isinstance(kind, Custom) and shards.count() > 1:
        raise InputError("expected a loss by name, which adds up over processes, got a function. Use one process.")
    if checkpoint is not None and shards.count() > 1:
        raise InputError("expected one process where there is a checkpoint, got several. Leave the checkpoint out.")
    rows = Sample.read(model, x, y, kind, weights)
    held = None
    if isinstance(validation, tuple):
        held = Sample.read(model, validation[0], validation[1], kind, *validation[2:])
    elif validation is not None:
        rows, held = rows.divided(validation, seed)
    work = copy.deepcopy(model).double()
    _agree(work)
    chosen, reason = (solver, "It was asked for.") if solver else choose(work, rows.count, kind)
    if not solver:
        logger.info(reason)
    with tqdm(total=chosen.steps, disable=not progress, desc="fit", leave=False) as bar:
        run = _Run(rows, penalty, kind, smoothness, held, patience, callback, bar, checkpoint)
        if penalty is None and isinstance(kind, SquaredError) and isinstance(chosen, Adam):
            run.round_off = _round_off(rows.y, precision(y))
        work, stop = run.train(work, chosen, regrid)
    _agree(work)
    _write_back(model, work)
    records = tuple(run.losses), tuple(run.validations), tuple(run.penalties)
    return History(*records, time.perf_counter() - started, stop, chosen, reason)


@dataclass(frozen=True)
class Sample:
    """Hold rows to learn from or to judge by, as float64 tensors; of this process, where there are several."""

    x: Tensor
    y: Tensor
    weights: Tensor | None

    @classmethod
    def read(cls, model: KAN, x: Array, y: Array, loss: Curved | Custom, weights: Array | None = None) -> "Sample":
        """Read rows as people pass them."""
        inputs, outputs = model.spec.widths[0].size, model.spec.widths[-1].size
        left = table(x, inputs, "inputs").to(model.device)
        right = (table(y, outputs, "targets") if isinstance(loss, Custom) else loss.targets(y, outputs)).to(left.device)
        heavy = None if weights is None else table(weights, 1, "weights")[:, 0].to(left.device)
        for what, found in (("targets", right), ("weights", heavy)):
            if found is not None and len(found) != len(left):
                raise InputError(
                    f"expected as many {what} as inputs, got {len(found)} and {len(left)}. Match their rows."
                )
        if heavy is not None and not (float(heavy.amin()) >= 0 and float(heavy.sum()) > 0):
            raise InputError("expected weights of at least 0 and not all 0. Leave out rows that do not count.")
        return cls(left, right, heavy)

    def divided(self, share: float, seed: int) -> "tuple[Sample, Sample]":
        """Return the rows to train on and a share of rows that are held out."""
        rows, held = split(len(self.x), share, seed)
        if not len(held):
            raise InputError(
                f"expected a validation share that holds out a row, got {share} of {len(self.x)} rows. "
                "Choose a larger share."
            )
        first, second = (
            Sample(self.x[part], self.y[part], None if self.weights is None else self.weights[part])
            for part in (rows, held)
        )
        return first, second

    @property
    def count(self) -> int:
        """Return the number of rows over all processes."""
        return int(shards.total(torch.tensor(len(self.x))))

    def objective(
        self,
        model: KAN,
        penalty: Sparsity | None = None,
        loss: Curved | Custom | None = None,
        smoothness: float | Smoothness = 0.0,
    ) -> NetworkObjective:
        """Return what a fit to these rows minimises."""
        return NetworkObjective(model, self.x, self.y, penalty, loss, self.weights, smoothness=smoothness)


def _agree(work: KAN) -> None:
    """Give all processes the network of the first."""
    with torch.no_grad():
        for tensor in work.state_dict().values():
            tensor.copy_(shards.shared(tensor))


def _write_back(model: KAN, work: KAN) -> None:
    """Give `model` the parameters and grids of the float64 network, in its own dtype."""
    for own, other in zip(model.layers, work.layers, strict=True):
        own.grid = other.grid.to(own.grid)
    with torch.no_grad():
        for mine, theirs in zip(model.parameters(), work.parameters(), strict=True):
            mine.copy_(theirs)


def _round_off(y: Tensor, digits: float) -> float:
    """Return the mean square of what half a last digit of the targets is: the most that rounding has changed them.

    Only methods of first order end there. One of second order gets there and to the bottom in the same few steps,
    and constants of formulas want the bottom.
    """
    return float(shards.total(y.square().sum()) / shards.total(y.new_tensor(y.numel()))) * (0.5 * digits) ** 2


def _segments(steps: int, first: int) -> list[int]:
    """Divide a step budget into 1, 2, 4, ... times a first number: the grids move often at first, when nodes do.

    What is left is no segment of its own if it is shorter than the first: a move costs as much as some steps.
    """
    lengths: list[int] = []
    left = steps
    while left > 0:
        length = first * 2 ** len(lengths)
        lengths.append(left if left < length + first else length)
        left -= lengths[-1]
    return lengths


def _trusting(solver: Solver, memory: Memory) -> Solver:
    """Return the solver for the next segment, whose first step is damped no more than the last one was.

    A move of the grids leaves the network what it is, and so how far its quadratic model can be trusted. The damping
    may fall anew: the first grids are far off, and it stands high after them.
    """
    if not isinstance(solver, LevenbergMarquardt):
        return solver
    return replace(solver, damping=min(solver.damping, memory.get("damping", solver.damping)))


RECORDS = (
    "losses",
    "validations",
    "penalties",
    "lowest",
    "since_lowest",
    "segment",
    "reached",
    "moving",
    "untaught",
)
"""What a run has written down so far, as numbers."""


@dataclass
class _Run:
    """Hold the state of one fit: the data, the best point so far, and the records."""

    rows: Sample
    penalty: Sparsity | None
    loss: Curved | Custom
    smoothness: float | Smoothness
    held: Sample | None
    patience: int | None
    callback: Callback | None
    bar: "tqdm[Never]"
    checkpoint: Checkpoint | None = None
    round_off: float = 0.0
    losses: list[float] = field(default_factory=list)
    validations: list[float] = field(default_factory=list)
    penalties: list[float] = field(default_factory=list)
    lowest: float = math.inf
    since_lowest: int = 0
    segment: int = 0
    reached: float = math.inf
    moving: bool = False
    untaught: bool = False
    memory: Memory = field(default_factory=dict)
    judge: NetworkObjective | None = None
    watched: Tensor | None = None
    parts: tuple[float, float] = (0.0, 0.0)

    def train(self, work: KAN, solver: Solver, regrid: bool) -> tuple[KAN, Stop]:
        """Spend the solver's steps in segments, between which the grids follow the data."""
        self.moving = regrid
        inputs = work.spec.widths[0].size
        x, y = shards.sample(torch.cat([self.rows.x, self.rows.y], 1), GRID_ROWS).tensor_split([inputs], 1)
        if (kept := self._kept(work, solver)) is not None:
            work, stop = self._resume(work, kept)
            if stop is not None:
                return work, stop
        else:
            work = self._begin(work, x, y)
        try:
            lengths = _segments(solver.steps, FEWEST_TAUGHT if self._taught else 1) if regrid else [solver.steps]
            work, stop = self._spend(work, solver, lengths, x, y)
        except KeyboardInterrupt:  # between two segments, where grids move and other starts are tried
            work, stop = self._best_network(), Stop.INTERRUPTED
        if stop is not Stop.INTERRUPTED:
            self._write(stop)
        return work, stop

    def _begin(self, work: KAN, x: Tensor, y: Tensor) -> KAN:
        """Judge the network as it comes, and give its curves the data's units if they are foreign to it."""
        self.objective = self.rows.objective(work, self.penalty, self.loss, self.smoothness)
        theta = self.objective.parameters.get()
        start = self.objective.value(theta) if self.held is None else self._validate(theta, self.held)
        self._keep(theta, start if math.isfinite(start) else math.inf)
        error = self.objective.parts(theta)[0]
        self.untaught = isinstance(self.loss, SquaredError) and not error < UNTAUGHT
        if self.moving and not isinstance(self.loss, Custom) and not error < 1:
            work = stretch(work, x)  # it does no better than a constant: nothing is lost
        if self.moving and self.untaught:
            work = measured(work, x, y)
        return work

    @property
    def _taught(self) -> bool:
        """Tell whether the network was trained already; weights may leave out what the targets' variance is of."""
        return isinstance(self.loss, SquaredError) and self.rows.weights is None and not self.untaught

    def _spend(self, work: KAN, solver: Solver, lengths: Sequence[int], x: Tensor, y: Tensor) -> tuple[KAN, Stop]:
        stop, going = Stop.STEPS, solver
        for number in range(self.segment, len(lengths)):
            self.segment = number
            if not self.memory:  # else this segment is under way
                if number == TRIAL and self.untaught:
                    work = self._better_start(work, x, y)
                work = move_grids(work, x) if self.moving else work
                self.start = snapshot(work) if self.checkpoint else {}
            self.objective = self.rows.objective(work, self.penalty, self.loss, self.smoothness)
            length = lengths[number]
            solution = replace(going, steps=length).minimise(  # type: ignore[type-var]
                self.objective, self.objective.parameters.get(), self._watch, self.memory
            )
            going = _trusting(solver, self.memory)
            self.memory = {}
            self.objective.parameters.set(solution.theta)
            stop = solution.stop
            if stop not in (Stop.STEPS, Stop.CONVERGED):
                break
            if solution.value > self.reached:  # the last move of the grids did harm: back, and leave them
                work, self.moving = self._best_network(), False
            waits = self.untaught and number < TRIAL  # for the other start
            stands = 0 <= self.reached - solution.value <= STANDSTILL * self.reached < math.inf
            if length >= 4 and not waits and stands:
                return self._best_network(), Stop.CONVERGED
            self.reached = min(self.reached, solution.value)
        return self._best_network(), stop

    def _better_start(self, work: KAN, x: Tensor, y: Tensor) -> KAN:
        """Return the network that starts where a calculation says, if it has one and that is better by now."""
        work = self._better(work, aligned(work, x, y))
        if self.reached > STUCK:
            work = self._better(work, nested(work, x, y))
        return work

    def _better(self, work: KAN, other: KAN | None) -> KAN:
        if other is None:
            return work
        objective = self.rows.objective(other, self.penalty, self.loss, self.smoothness)
        theta = objective.parameters.get()
        if not (value := objective.value(theta)) < self.reached:
            return work
        self.objective, self.reached = objective, value
        measured = value if self.held is None else self._validate(theta, self.held)
        if measured < self.lowest:
            self._keep(theta, measured)
        return other

    def _keep(self, theta: Tensor, value: float) -> None:
        self.lowest, self.since_lowest, self.best = value, 0, (self.objective.parameters, theta)

    def _best_network(self) -> KAN:
        parameters, theta = self.best
        parameters.set(theta)
        return parameters.model

    def _watch(self, _step: int, value: float, theta: Tensor) -> Stop | None:
        """Record a step; stop for the callback's sake or when validation no longer improves."""
        if theta is not self.watched:  # methods of first order often stay at their best point for many steps
            self.watched, self.parts = theta, self.objective.parts(theta)
        self.losses.append(self.parts[0] * self.objective.unit)
        self.penalties.append(self.parts[1])
        self.bar.update()
        self.bar.set_postfix(loss=f"{self.losses[-1]:.2e}", refresh=False)
        measured = value
        if self.held is not None:
            measured = self._validate(theta, self.held)
            self.validations.append(measured)
        self.since_lowest += 1
        if measured < self.lowest:
            self._keep(theta, measured)
        if self.patience is not None and self.since_lowest >= self.patience:
            return Stop.PATIENCE
        if self.callback is not None:
            self.objective.parameters.set(theta)
            asked = bool(self.callback(len(self.losses), value, self.objective.model))
            if bool(shards.highest(torch.tensor(int(asked)))):
                return Stop.CALLBACK
        if self.losses[-1] < self.round_off:
            return Stop.EXACT
        if self.memory and self.checkpoint and time.monotonic() - self.written >= self.checkpoint.seconds:
            self._write(None)
        return None

    # --- checkpoints ---------------------------------------------------------------------

    def _kept(self, work: KAN, solver: Solver) -> State | None:
        """Return the state in this fit's checkpoint, if there is one."""
        self.written = time.monotonic()
        if self.checkpoint is None:
            return None
        name = getattr(self.loss.function, "__qualname__", "") if isinstance(self.loss, Custom) else ""
        settings = (solver, self.penalty, type(self.loss), name, self.smoothness, self.patience, self.moving)
        samples = [tensor for sample in (self.rows, self.held) if sample for tensor in vars(sample).values()]
        self.fingerprint = fingerprint(repr(work), *settings, *samples, *snapshot(work).values())
        return self.checkpoint.read(self.fingerprint)

    def _write(self, stop: Stop | None) -> None:
        """Write all that the rest of the fit depends on besides its arguments; `stop` if nothing is left to do."""
        if self.checkpoint is None:
            return
        parameters, theta = self.best
        records = {name: getattr(self, name) for name in RECORDS}
        state = {"best": {"network": snapshot(parameters.model), "theta": theta}, "stop": stop and stop.name}
        self.checkpoint.write(self.fingerprint, {**records, **state, "start": self.start, "memory": self.memory})
        self.written = time.monotonic()

    def _resume(self, work: KAN, kept: State) -> tuple[KAN, Stop | None]:
        """Take a state up; return the network at the start of its segment, or the best one and why the fit stopped."""
        for name in RECORDS:
            setattr(self, name, kept[name])
        self.bar.update(len(self.losses))
        best = copy.deepcopy(work)
        restore(best, kept["best"]["network"])
        self.best = Parameters(best), kept["best"]["theta"]
        if kept["stop"] is not None:
            return self._best_network(), Stop[kept["stop"]]
        self.start, self.memory = kept["start"], kept["memory"]
        restore(work, self.start)
        return work, None

    def _validate(self, theta: Tensor, held: Sample) -> float:
        if self.judge is None or self.judge.model is not self.objective.model:
            self.judge = held.objective(self.objective.model, loss=self.loss)
        return self.judge.value(theta) * self.judge.unit
