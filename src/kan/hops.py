"""Look for lower minima of a loss that an optimiser no longer lowers."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

STALLED = 0.1
"""Share of a loss that a step has to gain, or it is spent elsewhere. At a hundredth, 3 of 80 searches for what the flow
out of a saddle keeps ended in a poor minimum, which they approached slowly; at a tenth none."""

SOLVED = 1e-5
"""Share of the first loss below which nothing better is looked for."""

PROMISING = 0.1
"""Share of its loss that each step from another start has to gain, or a new one is tried."""


RUNAWAY = 100.0
"""Size that no parameter of another start exceeds: losses of ratios leave the size open, and then it may have grown to
millions, from where no step leads anywhere."""


@dataclass(frozen=True)
class Place:
    """Hold parameters, what an optimiser has learnt of the curvature there, and its unit of the loss."""

    values: list[Tensor]
    learnt: Any
    unit: float = 1.0


@dataclass(frozen=True)
class Hops:
    """Try other starts, one after the other, from where a loss no longer falls.

    A curve that is bent the wrong way is a minimum that no small step leaves: of losses of derivatives, which know
    nothing of the sign, half of all starts end there. So the functions of edges are turned over, each with even odds:
    the blocks of a parameter by its first two dimensions, which are the edges' ends. Other starts than those,
    as fresh ones or noise as large as the parameters, found as good a minimum less often or as often.

    References
    ----------
    R. Leary, *Global Optimization on Funneling Landscapes* (2000): monotonic basin hopping.
    """

    first: float | None = None
    stuck: bool = False
    home: float | None = None
    trial: Place | None = None
    reached: float = math.inf
    starts: int = 0

    def after(self, before: float, lowest: float) -> "Hops":
        """Return what is known after a step from a loss to another one."""
        first = before if self.first is None else self.first
        stuck = before - lowest <= STALLED * before and lowest > SOLVED * first
        return Hops(first, stuck, starts=self.starts)

    def afresh(self) -> "Hops":
        """Return what is known when parameters or the loss are others."""
        return Hops(self.first, starts=self.starts)

    def holds(self, loss: float) -> bool:
        """Tell whether the loss at the parameters kept is what it was."""
        return self.home in (None, loss)

    @torch.no_grad()
    def start(self, parameters: Sequence[Tensor]) -> Place:
        """Return another start."""
        generator, turned = torch.Generator().manual_seed(self.starts), []
        largest = max((float(values.abs().amax()) for values in parameters if values.numel()), default=0.0)
        shrunk = min(1.0, RUNAWAY / max(largest, RUNAWAY))
        for values in parameters:
            shape = (*values.shape[:2], *(1 for _ in values.shape[2:]))
            signs = torch.randint(2, shape, generator=generator, device="cpu") * 2 - 1
            turned.append(values * signs.to(values) * shrunk)
        return Place(turned, defaultdict(dict))

    def compare(self, home: float, there: float, place: Place) -> tuple[bool, "Hops"]:
        """Tell whether a step elsewhere led to a lower loss, and return what is known then."""
        if there < home:
            return True, replace(self.afresh(), starts=self.starts + 1)
        if there < (1 - PROMISING) * self.reached:
            return False, replace(self, home=home, trial=place, reached=there)
        return False, replace(self, home=home, trial=None, reached=math.inf, starts=self.starts + 1)
