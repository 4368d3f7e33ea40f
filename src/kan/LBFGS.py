"""torch's L-BFGS with the one argument more that pykan's own has, for losses of any unit."""

from collections.abc import Callable, Iterable
from typing import Any

import torch

UNIT = 2.0**33
"""What a loss is multiplied by, about 1e10: an exact step in any precision."""


class LBFGS(torch.optim.LBFGS):
    """Take pykan's arguments.

    torch skips an update whose curvature is below 1e-10 in units of the loss, so that a loss of 1e-6 is hardly lowered
    any further. With a line search the loss is taken in units in which this is round-off, for which `tolerance_ys` has
    no effect. A step that lowers nothing leaves the parameters where they were; it is not tried again until the
    loss there is another. What was learnt of the curvature is forgotten then, and if parameters were written to
    between two steps, as moving grids do. Nothing is seeded.
    """

    _left: list[int] | None = None
    """How often each parameter had been written to when the last step ended."""

    _floor: float | None = None
    """The loss that the last step could not lower, though it had nothing to forget."""

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        tolerance_ys: float = 1e-32,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        options: dict[str, Any] = {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        super().__init__(
            params, lr, max_iter, max_eval, history_size=history_size, line_search_fn=line_search_fn, **options
        )

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Take a step and return the loss before it; parameters may have any layout in memory."""
        if self._left not in (None, self._written()):
            self.state.clear()
            self._floor = None
        searches = self.param_groups[0]["line_search_fn"] is not None
        if searches and self._floor is not None:
            loss = torch.enable_grad()(closure)()
            if _number(loss) == self._floor:
                return loss
        seen = self._searched(closure) if searches else self._followed(closure, 1.0)
        self._left = self._written()
        return seen[0]

    def _searched(self, closure: Callable[[], Any]) -> list[Any]:
        """Take a step by a line search and return the losses that it saw."""
        parameters, fresh = self._parameters(), not self.state
        before = [parameter.detach().clone() for parameter in parameters]
        seen = self._followed(closure, UNIT)
        self._floor = None
        if not min(map(_number, seen)) < _number(seen[0]):
            with torch.no_grad():
                for parameter, values in zip(parameters, before, strict=True):
                    parameter.copy_(values)
            self.state.clear()
            self._floor = _number(seen[0]) if fresh else None
        return seen

    def _followed(self, closure: Callable[[], Any], unit: float) -> list[Any]:
        """Take torch's step on the loss times `unit` and return the losses that it saw."""
        group, seen = self.param_groups[0], []

        def scaled() -> Any:
            seen.append(loss := closure())
            for parameter in self._parameters():
                if parameter.grad is not None:  # of any layout; torch's own asks for one that is contiguous
                    parameter.grad = (parameter.grad * unit).contiguous()
            return loss * unit

        tolerance = group["tolerance_grad"]
        group["tolerance_grad"] = tolerance * unit
        super().step(scaled)  # type: ignore[no-untyped-call]
        group["tolerance_grad"] = tolerance
        for parameter in self._parameters():
            if parameter.grad is not None:
                parameter.grad /= unit
        return seen

    def _parameters(self) -> list[torch.Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def _written(self) -> list[int]:
        return [parameter._version for parameter in self._parameters()]


def _number(loss: Any) -> float:
    return float(torch.as_tensor(loss).detach())
