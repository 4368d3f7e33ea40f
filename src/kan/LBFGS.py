"""torch's L-BFGS, with the one argument more that pykan's own has."""

from collections.abc import Callable, Iterable
from typing import Any

import torch


class LBFGS(torch.optim.LBFGS):
    """Take pykan's arguments.

    `tolerance_ys` has no effect: torch skips an update whose curvature is below 1e-10, which is what
    keeps the method from dividing by round-off. Nothing is seeded. If parameters were written to between
    two steps, as moving grids do, what was learnt of their curvature is forgotten.
    """

    _left: list[int] | None = None
    """How often each parameter had been written to when the last step ended."""

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
        """Take a step, for parameters of any layout in memory; torch's own asks for contiguous gradients."""

        def flat() -> Any:
            value = closure()
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        parameter.grad = parameter.grad.contiguous()
            return value

        if self._left not in (None, self._written()):
            self.state.clear()
        loss = super().step(flat)  # type: ignore[no-untyped-call]
        self._left = self._written()
        return loss

    def _written(self) -> list[int]:
        return [parameter._version for group in self.param_groups for parameter in group["params"]]
