"""torch's optimisers without torch's compiler, which theirs load at the first step of a process."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class Light(torch.optim.Optimizer):
    """Leave out what keeps compilers away from an optimiser: it takes longer to load than a small fit takes."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)


class LBFGS(Light, torch.optim.LBFGS):
    """Take torch's steps."""


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
