"""End a trial early that will not get where it has to."""

import math
from collections.abc import Callable
from dataclasses import dataclass

FIRST = 3
"""Steps that are taken in any case: what can stand for a part that is gone does so in the first of them."""


@dataclass
class Pace:
    """Tell whether the steps left, at the pace of the last two, lead from an error above the wanted one to it.

    Of two paces the faster counts: a step right after the grids have moved gains little. Steps towards
    a minimum gain less and less, so that a trial is seldom given up that would have done.

    Parameters
    ----------
    wanted : float
    steps : int
        How many steps the trial has.
    hopeless : float
        An error that no pace makes up for.

    Examples
    --------
    >>> pace = Pace(wanted=0.1, steps=20)
    >>> [pace.falls_short(step, value) for step, value in enumerate([9.0, 4.0, 2.0, 1.9, 1.88, 1.87], 1)]
    [False, False, False, False, True, True]
    """

    wanted: float
    steps: int
    hopeless: float = math.inf
    before: float = math.inf
    last: float = math.inf

    def falls_short(self, step: int, value: float, error: Callable[[], float] | None = None) -> bool:
        """Tell it of the value after a step, the first of which has the number 1.

        What keeps splines smooth is a part of the value: `error` gives the rest of it, and is asked when it matters.
        """
        gain = max(0.0, self.before - self.last, self.last - value)
        self.before, self.last = self.last, value
        if step < FIRST or not self._too_high(value, (self.steps - step) * gain):
            return False
        return error is None or self._too_high(error(), (self.steps - step) * gain)

    def _too_high(self, error: float, gain: float) -> bool:
        return error > self.hopeless or error - gain > self.wanted
