"""torch's optimisers without torch's compiler, which theirs load at the first step of a process."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from scipy.linalg import blas
from torch import Tensor

# private, but the steps are to be torch's: a copy of its 150 lines would drift, and a test compares steps with torch's
from torch.optim.lbfgs import _strong_wolfe


class Light(torch.optim.Optimizer):
    """Leave out what keeps compilers away from an optimiser: it takes longer to load than a small fit takes."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    _cleared = inspect.unwrap(torch.optim.Optimizer.zero_grad)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, without noting it for a profiler, which takes longer."""
        if not set_to_none:
            self._cleared(set_to_none=False)
            return
        for group in self.param_groups:
            for point in group["params"]:
                point.grad = None


LEAST = 1e-10
"""Curvature along a step up to which it is taken for round-off, as in torch."""


class LBFGS(Light, torch.optim.LBFGS):
    """Take the steps of torch's L-BFGS, up to round-off; what it has learnt is kept as rows of two tensors.

    torch goes through the updates one by one, twice, which for a hundred of them takes as long as the loss of a small
    network. Here BLAS does, in a tenth of that time. Points of a line search are made as one vector, and each parameter
    is written once for each of them. Solving for all updates at once takes less still, but in single precision it found
    a poor minimum or none more often, and in double precision lengths along which a loss does not change grew without
    bound.

    References
    ----------
    J. Nocedal and S. Wright, *Numerical Optimization* (2006), algorithms 7.4 and 7.5.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Take a step of up to `max_iter` iterations and return the loss before it."""
        closure, group, state = torch.enable_grad()(closure), self.param_groups[0], self.state[self._params[0]]
        self._filled = [each for each in self._params if each.numel()] or self._params
        before = closure()
        here = _Point(float(before), self._slope())
        calls = 1
        for iteration in range(1, group["max_iter"] + 1):
            if bool(here.slope.abs().max() <= group["tolerance_grad"]):
                break
            length = float(group["lr"])
            if not state:
                length /= max(1.0, float(here.slope.abs().sum()))
            way = _direction(state, here.slope, group["history_size"])
            fall = here.slope.dot(way)
            state.update(slope=here.slope.clone(), step=torch.zeros_like(way))
            if bool(fall > -group["tolerance_change"]):
                break
            last, start = here, _row(self._filled)
            if group["line_search_fn"] is not None:
                look = partial(self._look, closure)
                here, length, more = _searched(look, start, here, way, length, fall, group["max_eval"] - calls)
                calls += more
            self._write(torch.add(start, way, alpha=length))
            if group["line_search_fn"] is None and iteration < group["max_iter"]:
                here, calls = _Point(float(closure()), self._slope()), calls + 1
            state["step"] = length * way
            moved = float(state["step"].abs().max())
            still = moved <= group["tolerance_change"] or abs(here.loss - last.loss) < group["tolerance_change"]
            if still or calls >= group["max_eval"]:
                break
        return before

    def _slope(self) -> Tensor:
        """Return the gradient as one vector; parameters and gradients may have any layout in memory."""
        return _row([torch.zeros_like(each) if each.grad is None else each.grad for each in self._filled])

    def _write(self, point: Tensor) -> None:
        """Write a point into the parameters."""
        start = 0
        for each in map(_numbers, self._filled):
            end = start + each.numel()
            each.copy_(point[start:end].view_as(each))
            start = end

    def _look(self, closure: Callable[[], Any], start: Tensor, length: float, way: Tensor) -> tuple[float, Tensor]:
        """Return the loss and its slope at a point along a way."""
        self._write(torch.add(start, way, alpha=length))
        return float(closure()), self._slope()


def _row(tensors: Sequence[Tensor]) -> Tensor:
    """Return all numbers of tensors as one vector."""
    return torch.cat([_numbers(each).reshape(-1) for each in tensors])


def _numbers(tensor: Tensor) -> Tensor:
    """See a tensor as one of real numbers that are all there."""
    dense = tensor.to_dense() if tensor.is_sparse else tensor
    return torch.view_as_real(dense) if dense.is_complex() else dense


class _Point(NamedTuple):
    """Hold a loss and its slope."""

    loss: float
    slope: Tensor


def _searched(
    look: Callable[[Tensor, float, Tensor], tuple[float, Tensor]],
    start: Tensor,
    here: _Point,
    way: Tensor,
    length: float,
    fall: Tensor,
    most: int,
) -> tuple[_Point, float, int]:
    """Return the point of strong Wolfe conditions along a way, how far it is, and how many losses that took."""
    found = _strong_wolfe(look, start, length, way, here.loss, here.slope, fall, max_ls=most)  # type: ignore[no-untyped-call]
    loss, slope, length, calls = found
    return _Point(float(loss), slope), float(length), int(calls)


def _direction(state: dict[str, Any], slope: Tensor, history: int) -> Tensor:
    """Return where to go from a point of this slope, after learning from the last step."""
    if "slope" in state:
        _learn(state, slope - state["slope"], history)
    if "scale" not in state:
        return -slope
    way: Any = -slope
    steps, changes, dot, add = state["steps"], state["changes"], torch.dot, _add
    if slope.device.type == "cpu" and slope.dtype in BLAS:
        way, steps, changes = way.numpy(), steps.numpy(), changes.numpy()
        dot, add = BLAS[slope.dtype]
    updates, shares = list(zip(steps, changes, state["bends"], strict=True)), []
    for step, change, bend in reversed(updates):
        shares.append(float(dot(step, way)) / bend)
        add(change, way, a=-shares[-1])
    way *= state["scale"]
    for (step, change, bend), share in zip(updates, reversed(shares), strict=True):
        add(step, way, a=share - float(dot(change, way)) / bend)
    return torch.as_tensor(way)


def _add(x: Tensor, y: Tensor, *, a: float) -> None:
    """Add a multiple of a vector to another one in place, as BLAS does."""
    y.add_(x, alpha=a)


BLAS = {torch.float32: (blas.sdot, blas.saxpy), torch.float64: (blas.ddot, blas.daxpy)}
"""How vectors are multiplied and added, by their type: calls that take a microsecond."""


def _learn(state: dict[str, Any], change: Tensor, history: int) -> None:
    """Add the last step and the change of the slope along it to what is kept, if it was bent upwards."""
    step = state["step"]
    bend = float(step.dot(change))
    if not bend > LEAST:
        return
    state["scale"] = bend / max(float(change.dot(change)), 1e-300)  # in single precision it may have become 0
    kept = slice(max(len(state.get("bends", ())) + 1 - history, 0), None)
    state["bends"] = [*state.get("bends", ())[kept], bend]
    for name, row in (("steps", step), ("changes", change)):
        state[name] = torch.cat([state[name][kept], row[None]]) if name in state else row[None]


class Adam(Light):
    """Take the steps of torch's Adam, to the last bit, whose own function cannot be called without a compiler.

    Examples
    --------
    >>> point = torch.tensor([3.0], requires_grad=True)
    >>> point.grad = torch.tensor([2.0])
    >>> Adam([point], lr=0.1).step()
    >>> point
    tensor([2.9000], requires_grad=True)

    References
    ----------
    D. Kingma and J. Ba, *Adam: A Method for Stochastic Optimization* (2015), algorithm 1.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step, and return the loss before it if there is a closure."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for point in group["params"]:
                if point.grad is not None:
                    _step(point, point.grad, self.state[point], group)
        return loss


def _step(point: Tensor, slope: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if not state:
        state.update(step=0, mean=torch.zeros_like(point), square=torch.zeros_like(point))
    state["step"] += 1
    first, second = group["betas"]
    state["mean"].lerp_(slope, 1 - first)
    state["square"].mul_(second).addcmul_(slope, slope, value=1 - second)
    count = state["step"]
    size = (state["square"].sqrt() / (1 - second**count) ** 0.5).add_(group["eps"])
    point.addcdiv_(state["mean"], size, value=-group["lr"] / (1 - first**count))
