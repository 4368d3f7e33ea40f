"""torch's L-BFGS with the one argument more that pykan's own has, for losses of any unit."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch

from kan.hops import Hops, Place
from kanlens import descent

HISTORY = 100
"""Updates that are kept near a minimum if fewer were asked for."""

MEMORY = 2**20
"""Numbers that these may take."""

NEAR = 0.01
"""Share of the first loss below which a minimum is near. Above it, many updates tell of a curvature that has changed,
and led into poor minima more often."""


class LBFGS(descent.LBFGS):
    """Take pykan's arguments.

    torch skips an update whose curvature is below 1e-10 in units of the loss, so that a loss of 1e-6 is hardly lowered
    any further. With a line search the loss is divided by what it was when there was nothing learnt of the curvature
    yet: less than 1e-10 is round-off then, and `tolerance_ys` has no effect; the other tolerances hold in this unit. A
    step that lowers nothing leaves the parameters where they were; it is not tried again until the loss there is
    another. What was learnt is forgotten then, and if parameters were written to between two steps, as moving grids
    do. Steps that would gain next to nothing are spent on other starts instead (see :class:`kan.hops.Hops`): a lower
    minimum takes the place of the first, and until one is found the parameters stay. Near a minimum more updates are
    kept than `history_size` says. No global generator is used.
    """

    _left: list[int] | None = None
    """How often each parameter had been written to when the last step ended."""

    _unit = 1.0
    """What the loss is divided by, a power of two."""

    _floor: float | None = None
    """The loss that the last step could not lower, though it had nothing to forget."""

    _hops = Hops()
    """What is known of other minima."""

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
            self._forget()
        closure = torch.enable_grad()(closure)
        if self.param_groups[0]["line_search_fn"] is None:
            loss = self._followed(closure, in_units=False)[0]
        else:
            loss = self._elsewhere(closure) if self._hops.stuck else self._onward(closure)
        self._left = self._written()
        return loss

    def _forget(self) -> None:
        self.state.clear()
        self._floor = None
        self._hops = self._hops.afresh()

    def _onward(self, closure: Callable[[], Any]) -> Any:
        """Take a step from where the parameters are and return the loss before it."""
        if self._floor is not None:
            loss = closure()
            if _number(loss) == self._floor:
                return loss
        seen = self._searched(closure)
        self._hops = self._hops.after(_number(seen[0]), lowest := min(map(_number, seen)))
        if self._hops.first is not None and lowest <= NEAR * self._hops.first:
            self._widen()
        return seen[0]

    def _widen(self) -> None:
        """Keep more of what is learnt of the curvature."""
        numbers = sum(parameter.numel() for parameter in self._parameters())
        group = self.param_groups[0]
        group["history_size"] = max(group["history_size"], min(HISTORY, MEMORY // max(numbers, 1)))

    def _elsewhere(self, closure: Callable[[], Any]) -> Any:
        """Take a step from another start, stay there if the loss is lower, and return the loss before the step."""
        hops, before = self._hops, closure()
        if not hops.holds(_number(before)):  # another loss than that of the last step
            self._forget()
            return self._onward(closure)
        home = self._place()
        self._go(hops.trial or hops.start(self._parameters()))
        self._followed(closure, in_units=True)
        lower, self._hops = hops.compare(_number(before), _number(closure()), self._place())
        if not lower:
            self._go(home)
            closure()  # people read the gradients, and what their loss was made of, after the step
        return before

    def _place(self) -> Place:
        return Place([parameter.detach().clone() for parameter in self._parameters()], self.state, self._unit)

    @torch.no_grad()
    def _go(self, place: Place) -> None:
        self.state, self._unit = place.learnt, place.unit
        for parameter, values in zip(self._parameters(), place.values, strict=True):
            parameter.copy_(values)

    def _searched(self, closure: Callable[[], Any]) -> list[Any]:
        """Take a step by a line search and return the losses that it saw."""
        before, fresh = self._place(), not self.state
        seen = self._followed(closure, in_units=True)
        self._floor = None
        if not min(map(_number, seen)) < _number(seen[0]):
            self._go(before)
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
            return loss / self._unit

        super().step(scaled)
        return seen

    def _slope(self) -> torch.Tensor:
        return super()._slope() / self._unit

    def _parameters(self) -> list[torch.Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def _written(self) -> list[int]:
        return [parameter._version for parameter in self._parameters()]


def _number(loss: Any) -> float:
    return float(torch.as_tensor(loss).detach())


def _power(loss: float) -> float:
    """Return the power of two below a loss, by which it is divided without rounding; 1 where there is none."""
    return 2.0 ** math.floor(math.log2(abs(loss))) if loss and math.isfinite(loss) else 1.0
