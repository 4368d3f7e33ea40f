"""torch's L-BFGS with the one argument more that pykan's own has, for losses of any unit."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch

from kanlens import descent


class LBFGS(descent.LBFGS):
    """Take pykan's arguments.

    torch skips an update whose curvature is below 1e-10 in units of the loss, so that a loss of 1e-6 is hardly lowered
    any further. With a line search the loss is divided by what it was when there was nothing learnt of the curvature
    yet: less than 1e-10 is round-off then, and `tolerance_ys` has no effect; the other tolerances hold in this unit. A
    step that lowers nothing leaves the parameters where they were; it is not tried again until the loss there is
    another. What was learnt is forgotten then, and if parameters were written to between two steps, as moving grids
    do. Nothing is seeded.
    """

    _left: list[int] | None = None
    """How often each parameter had been written to when the last step ended."""

    _unit = 1.0
    """What the loss is divided by, a power of two."""

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
        seen = self._searched(closure) if searches else self._followed(closure, in_units=False)
        self._left = self._written()
        return seen[0]

    def _searched(self, closure: Callable[[], Any]) -> list[Any]:
        """Take a step by a line search and return the losses that it saw."""
        parameters, fresh = self._parameters(), not self.state
        before = [parameter.detach().clone() for parameter in parameters]
        seen = self._followed(closure, in_units=True)
        self._floor = None
        if not min(map(_number, seen)) < _number(seen[0]):
            with torch.no_grad():
                for parameter, values in zip(parameters, before, strict=True):
                    parameter.copy_(values)
            self.state.clear()
            self._floor = _number(seen[0]) if fresh else None
        return seen

    def _followed(self, closure: Callable[[], Any], in_units: bool) -> list[Any]:
        """Take torch's step, on the loss as it is or in units of its own, and return the losses that it saw."""
        seen, fresh = list[Any](), not self.state

        def scaled() -> Any:
            seen.append(loss := closure())
            if len(seen) == 1:
                self._unit = _power(_number(loss)) if in_units and fresh else self._unit
            for parameter in self._parameters():
                if parameter.grad is not None:  # of any layout; torch's own asks for one that is contiguous
                    parameter.grad = (parameter.grad / self._unit).contiguous()
            return loss / self._unit

        super().step(scaled)  # type: ignore[no-untyped-call]
        for parameter in self._parameters():
            if parameter.grad is not None:
                parameter.grad *= self._unit
        return seen

    def _parameters(self) -> list[torch.Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def _written(self) -> list[int]:
        return [parameter._version for parameter in self._parameters()]


def _number(loss: Any) -> float:
    return float(torch.as_tensor(loss).detach())


def _power(loss: float) -> float:
    """Return the power of two below a loss, by which it is divided without rounding; 1 where there is none."""
    return 2.0 ** math.floor(math.log2(abs(loss))) if loss and math.isfinite(loss) else 1.0
