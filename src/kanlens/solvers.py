"""Methods that find the minimum of an objective: frozen objects that hold only their own settings.

A solver knows nothing of networks. It asks an :class:`Objective` for values at a vector of
parameters, and it never returns a point worse than the one it was given: a step to a NaN or to a
higher value is not taken, and Ctrl-C gives back the best point so far.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from kanlens import descent, threads
from kanlens.quadratic import Quadratic


class Stop(Enum):
    """Say why a method stopped; the values are sentences for people."""

    STEPS = "The step budget is spent."
    CONVERGED = "The steps no longer change the result."
    PATIENCE = "The validation error has stopped falling."
    EXACT = "The targets are met to half of their last digit."
    CALLBACK = "A callback asked to stop."
    INTERRUPTED = "It was interrupted; the best result so far is kept."


class Squares(Protocol):
    """Offer what a method of second order asks for at a vector of parameters `(p,)`."""

    def value(self, theta: Tensor) -> float:
        """Return the objective; NaN or infinity where it is undefined."""

    def quadratic(self, theta: Tensor) -> Quadratic:
        """Return the Gauss-Newton model of the objective."""


class Objective(Squares, Protocol):
    """Offer what any solver asks for."""

    def gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        """Return the objective and its gradient `(p,)`."""

    def batches(self, size: int, generator: torch.Generator) -> "Iterable[Objective]":
        """Go once through all rows in random order, `size` at a time, as objectives of their own."""


class Solution(NamedTuple):
    """Hold where a method arrived."""

    theta: Tensor
    value: float
    steps: int
    stop: Stop


Watch = Callable[[int, float, Tensor], Stop | None]
"""Called after each step with its number, the value and the point; a `Stop` ends the method."""


Memory = dict[str, Any]
"""What a method knows between two steps: tensors and numbers, in dictionaries and lists.

A method fills it before each call of `watch`. Given back such a memory, it goes on to the same bits.
"""


def ignore(step: int, value: float, theta: Tensor) -> Stop | None:
    """Watch nothing."""


class Solver(Protocol):
    """Find a minimum."""

    @property
    def steps(self) -> int:
        """Return the step budget."""

    def minimise(
        self, objective: Objective, theta: Tensor, watch: Watch = ignore, memory: Memory | None = None
    ) -> Solution:
        """Return the best point found from `theta`, or from where the method was when it filled `memory`."""


@dataclass(frozen=True)
class LevenbergMarquardt:
    r"""Solve nonlinear least squares by damped Gauss-Newton steps.

    A step solves :math:`(H + \mu D)\, p = -g` (see :mod:`kanlens.quadratic`). The damping :math:`\mu` falls
    when the step does what the quadratic model promised and rises when it does not.

    Parameters
    ----------
    steps : int
        Largest number of accepted steps.
    damping : float
        First :math:`\mu`.
    tolerance : float
        Stop when five steps together lower the value by less than this share.

    References
    ----------
    D. Marquardt (1963); H. B. Nielsen, *Damping Parameter in Marquardt's Method* (1999), for the
    update of the damping.
    """

    steps: int = 50
    damping: float = 1e-2
    tolerance: float = 1e-6

    def minimise(
        self, objective: Squares, theta: Tensor, watch: Watch = ignore, memory: Memory | None = None
    ) -> Solution:
        """Return the best point found from `theta`, of the same shape `(p,)`; see :data:`Memory`."""
        with threads.shared():
            return self._minimise(objective, theta, watch, {} if memory is None else memory)

    def _minimise(self, objective: Squares, theta: Tensor, watch: Watch, memory: Memory) -> Solution:
        theta = memory.get("theta", theta)
        damping, step = memory.get("damping", self.damping), memory.get("step", 0)
        try:
            model = objective.quadratic(theta)
        except KeyboardInterrupt:
            return Solution(theta, objective.value(theta), step, Stop.INTERRUPTED)
        recent = memory.get("recent", [model.value])
        if not theta.numel():
            return Solution(theta, model.value, 0, Stop.CONVERGED)
        try:
            while True:
                if len(recent) == 6 and recent[0] - model.value <= self.tolerance * recent[0]:
                    stop = Stop.CONVERGED
                    break
                if step == self.steps:
                    stop = Stop.STEPS
                    break
                step += 1
                moved = _damped_step(objective, theta, model, damping)
                if moved is None:
                    stop = Stop.CONVERGED
                    break
                theta, model, damping = moved
                recent = [*recent[-5:], model.value]
                memory.update(theta=theta, damping=damping, step=step, recent=recent)
                if (asked := watch(step, model.value, theta)) is not None:
                    stop = asked
                    break
        except KeyboardInterrupt:
            stop = Stop.INTERRUPTED
        return Solution(theta, model.value, step, stop)


def _damped_step(
    objective: Squares, theta: Tensor, model: Quadratic, damping: float
) -> tuple[Tensor, Quadratic, float] | None:
    """Return the next point, the model there and the damping; None if no step lowers the value.

    The value comes first: every third step is refused, and an objective that knows its value at a point need not
    go through the rows again to linearise there.
    """
    growth = 2.0
    while damping < 1e12:
        if (move := model.move(damping)) is not None:
            if not move.promised > 1e-14 * model.value:
                return None
            there = theta + move.step
            if objective.value(there) < model.value:
                trial = objective.quadratic(there)
                if trial.value < model.value and bool(trial.gradient.isfinite().all()):
                    gain = (model.value - trial.value) / move.promised
                    return there, trial, damping * max(0.1, 1 - (2 * gain - 1) ** 3)
        damping, growth = max(damping, 1e-12) * growth, growth * 2
    return None


@dataclass(frozen=True)
class LBFGS:
    """Follow the limited-memory quasi-Newton direction with a line search (torch's own method).

    Parameters
    ----------
    steps : int
        Number of outer steps.
    inner : int
        Iterations in each of them.
    memory : int
        Number of updates kept.

    References
    ----------
    J. Nocedal and S. Wright, *Numerical Optimization* (2006), chapters 3 and 7.
    """

    steps: int = 50
    inner: int = 20
    memory: int = 20

    def minimise(
        self, objective: Objective, theta: Tensor, watch: Watch = ignore, memory: Memory | None = None
    ) -> Solution:
        """Return the best point found from `theta`, of the same shape `(p,)`; see :data:`Memory`."""
        point = theta.clone().requires_grad_()
        method = descent.LBFGS([point], max_iter=self.inner, history_size=self.memory, line_search_fn="strong_wolfe")
        return _follow(method, point, objective, self.steps, watch, memory)


@dataclass(frozen=True)
class Adam:
    """Take first-order steps scaled by running moments of the gradient (torch's own method).

    Parameters
    ----------
    steps : int
        Number of steps, or of passes through the rows where there are batches.
    rate : float
        Learning rate.
    batch : int, optional
        Rows for each step, drawn at random. The rate then falls to 0 along half a cosine, because
        the noise of batches keeps a constant rate from settling; the value is that of all rows,
        taken after each pass.
    seed : int
        Seed of the batches.

    References
    ----------
    D. Kingma and J. Ba, *Adam* (2015); I. Loshchilov and F. Hutter, *SGDR* (2017), for the cosine.
    """

    steps: int = 1000
    rate: float = 1e-2
    batch: int | None = None
    seed: int = 0

    def minimise(
        self, objective: Objective, theta: Tensor, watch: Watch = ignore, memory: Memory | None = None
    ) -> Solution:
        """Return the best point found from `theta`, of the same shape `(p,)`; see :data:`Memory`."""
        point = theta.clone().requires_grad_()
        method = descent.Adam([point], lr=self.rate)
        if self.batch is None:
            return _follow(method, point, objective, self.steps, watch, memory)
        return self._by_batches(self.batch, method, point, objective, watch, {} if memory is None else memory)

    def _by_batches(
        self, size: int, method: descent.Adam, point: Tensor, objective: Objective, watch: Watch, memory: Memory
    ) -> Solution:
        generator = torch.Generator().manual_seed(self.seed)
        if memory:
            best, lowest, step = _recall(method, point, memory)
            generator.set_state(memory["generator"])
        else:
            best, step = point.detach().clone(), 0
            lowest = objective.value(best)
            lowest = lowest if math.isfinite(lowest) else math.inf
        first, stop = step + 1, Stop.STEPS
        try:
            for step in range(first, self.steps + 1):
                batches = list(objective.batches(size, generator))
                for number, batch in enumerate(batches):
                    done = (step - 1 + number / len(batches)) / self.steps
                    method.param_groups[0]["lr"] = self.rate * (1 + math.cos(math.pi * done)) / 2
                    point.grad = torch.nan_to_num(batch.gradient(point.detach())[1])
                    method.step()
                here = point.detach().clone()
                value = objective.value(here)
                if value < lowest:
                    best, lowest = here, value
                elif not math.isfinite(value):  # back to the best point; the method's memory is worthless there
                    point.data.copy_(best)
                    method.state.clear()
                _memorise(memory, method, point, best, lowest, step)
                memory["generator"] = generator.get_state()
                if (asked := watch(step, lowest, best)) is not None:
                    stop = asked
                    break
        except KeyboardInterrupt:
            stop = Stop.INTERRUPTED
        return Solution(best, lowest, step, stop)


def _memorise(
    memory: Memory, method: torch.optim.Optimizer, point: Tensor, best: Tensor, lowest: float, step: int
) -> None:
    state = method.state.get(point, {})
    memory.update(point=point.detach(), best=best, lowest=lowest, step=step, state=state)


def _recall(method: torch.optim.Optimizer, point: Tensor, memory: Memory) -> tuple[Tensor, float, int]:
    """Put a method where it was; return the best point, its value and the number of the step."""
    point.data.copy_(memory["point"])
    if memory["state"]:
        method.state[point] = memory["state"]
    return memory["best"], memory["lowest"], memory["step"]


def _follow(
    method: torch.optim.Optimizer,
    point: Tensor,
    objective: Objective,
    steps: int,
    watch: Watch,
    memory: Memory | None,
) -> Solution:
    """Run a torch optimiser on the objective and keep the best point that it visits."""
    memory = {} if memory is None else memory
    best, lowest, step = _recall(method, point, memory) if memory else (point.detach().clone(), math.inf, 0)
    stalled = memory.get("stalled", False)
    searches = isinstance(method, torch.optim.LBFGS)

    def closure() -> float:
        nonlocal best, lowest
        here = point.detach().clone()
        value, gradient = objective.gradient(here)
        point.grad = torch.nan_to_num(gradient)
        if value < lowest:  # the very tensor, for which an objective may know more
            best, lowest = here, value
        if math.isfinite(value):
            return value
        # a line search interpolates, which it can with a high wall but not with an infinity
        return lowest + 1e3 * (1 + abs(lowest)) if searches else math.inf

    try:
        while True:
            if stalled or step == steps:
                stop = Stop.CONVERGED if stalled else Stop.STEPS
                break
            step, before = step + 1, lowest
            value = float(method.step(closure))
            if not math.isfinite(value):  # back to the best point; the method's memory is worthless there
                point.data.copy_(best)
                method.state.clear()
            stalled = searches and lowest == before
            _memorise(memory, method, point, best, lowest, step)
            memory["stalled"] = stalled
            if (asked := watch(step, lowest, best)) is not None:
                stop = asked
                break
    except KeyboardInterrupt:
        stop = Stop.INTERRUPTED
    return Solution(best, lowest, step, stop)
