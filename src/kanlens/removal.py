"""Take away what is not needed, many parts at a time."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Part = TypeVar("Part")
State = TypeVar("State")

PATIENCE = 24
"""Trials that may fail; what is left then is taken to be needed."""


def take_away(state: State, parts: Sequence[Part], without: Callable[[State, list[Part]], State | None]) -> State:
    """Return what is left when the parts that can go are gone.

    Parts are tried from the first, which should be the weakest, to the last. Groups of them double in size as
    long as they can go, and a group that cannot is halved down to the part that must stay: so a thousand useless parts
    take a dozen trials, and a few parts as many trials as there are. It ends after :data:`PATIENCE` trials that failed.

    Parameters
    ----------
    state : object
        What the parts belong to.
    parts : sequence
    without : callable
        Returns a state without some of the parts, None where that loses too much.

    Examples
    --------
    >>> trials = []
    >>> def without(left, group):
    ...     trials.append(group)
    ...     return None if 90 in group else left - set(group)
    >>> take_away(set(range(100)), range(100), without), len(trials)
    ({90}, 16)
    """
    start, size, failed = 0, 1, 0
    suspect: int | None = None  # before it lies a part that must stay
    while start < len(parts) and failed < PATIENCE:
        group = list(parts[start : start + size])
        left = without(state, group)
        if left is not None:
            state, start = left, start + len(group)
            if suspect is not None and start >= suspect:  # the parts of a group that could not go went one by one
                suspect = None
            size = 2 * size if suspect is None else max(1, (suspect - start) // 2)
            continue
        failed += 1
        if len(group) > 1:
            suspect, size = start + len(group), len(group) // 2
        else:
            start, size, suspect = start + 1, 1, None
    return state
