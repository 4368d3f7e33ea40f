"""torch's L-BFGS, with the one argument more that pykan's own has."""

from collections.abc import Callable, Iterable
from typing import Any

import torch


class LBFGS(torch.optim.LBFGS):
    """Take pykan's arguments.

    `tolerance_ys` has no effect: torch skips an update whose curvature is below 1e-10, which is what
    keeps the method from dividing by round-off. Nothing is seeded.
    """

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

        return super().step(flat)  # type: ignore[no-untyped-call]
