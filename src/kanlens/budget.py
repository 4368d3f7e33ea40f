"""How long a search may go on: in seconds, and in steps, which are the same on every machine."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

FIRST = 3
"""Steps that no limit of seconds takes away: lines and power products, some milliseconds."""

SEARCHING = 0.9
"""Share of the seconds that the search itself may take; the rest is for naming the constants of what it found."""


class TimeIsUpError(Exception):
    """Ends a search at its limit; the message says which."""


_CHECK: ContextVar[Callable[[], None] | None] = ContextVar("check", default=None)


@contextmanager
def watched(check: Callable[[], None]) -> Iterator[None]:
    """Let `check` be called for a while by whatever takes long, between its parts; it may raise to end that.

    What takes long lies deep below the search, and is also used by itself. A clock as an argument would go through a
    dozen functions that have nothing to do with it.

    Examples
    --------
    >>> with watched(lambda: print("still in time")):
    ...     look()
    still in time
    """
    before = _CHECK.set(check)
    try:
        yield
    finally:
        _CHECK.reset(before)


def look() -> None:
    """Look at the clock of the search that this is a part of, if there is one."""
    check = _CHECK.get()
    if check is not None:
        check()


class Budget:
    """Count the steps of a search, and end it at a limit.

    Parameters
    ----------
    seconds, steps : float and int, optional
        The limits; None for no limit.

    Examples
    --------
    >>> budget = Budget(steps=1)
    >>> budget.spend()
    >>> budget.check()
    Traceback (most recent call last):
    kanlens.budget.TimeIsUpError: The limit of 1 steps was reached.
    """

    def __init__(self, seconds: float | None = None, steps: int | None = None) -> None:
        self.seconds, self.steps = seconds, steps
        self.begin = time.monotonic()
        self.spent = 0

    @property
    def elapsed(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self.begin

    def spend(self) -> None:
        """Count a step."""
        self.spent += 1

    def late(self) -> bool:
        """Tell whether the search has used up its share of the seconds."""
        return self.spent >= FIRST and self._over(SEARCHING)

    def over(self) -> bool:
        """Tell whether all seconds are used up."""
        return self._over(1.0)

    def _over(self, share: float) -> bool:
        return self.elapsed > (math.inf if self.seconds is None else share * self.seconds)

    def check(self) -> None:
        """End the search if a limit is reached.

        Raises
        ------
        TimeIsUpError
            If it is.
        """
        if self.steps is not None and self.spent >= self.steps:
            raise TimeIsUpError(f"The limit of {self.steps} steps was reached.")
        if self.spent >= FIRST:
            self.check_time()

    def check_time(self) -> None:
        """End the search, also amid a step, if it has used up its share of the seconds.

        Raises
        ------
        TimeIsUpError
            If it has.
        """
        if self._over(SEARCHING):
            raise TimeIsUpError(f"The time limit of {self.seconds:g} s was reached.")
