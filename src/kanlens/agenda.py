"""Steps of a search that wait for their turn."""

import heapq
import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

from kanlens.budget import Budget

logger = logging.getLogger(__name__)


@dataclass(order=True)
class _Task:
    """Hold steps that wait: the lowest rank comes first, then what was put there first."""

    rank: tuple[float, int]
    steps: Iterator[None] = field(compare=False)


class Agenda:
    """Hold tasks, each a few steps, and take them in the order of their ranks.

    Examples
    --------
    >>> done = []
    >>> def task(name):
    ...     done.append(name)
    ...     yield
    >>> agenda = Agenda(Budget())
    >>> agenda.push(2, task("slow"))
    >>> agenda.push(1, task("quick"))
    >>> steps = list(agenda.steps())
    >>> done
    ['quick', 'slow']
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._queue: list[_Task] = []
        self._count = itertools.count()

    def push(self, rank: float, steps: Iterator[None]) -> None:
        """Let a task wait until those of lower rank are done."""
        heapq.heappush(self._queue, _Task((rank, next(self._count)), steps))

    def steps(self) -> Iterator[None]:
        """Take the steps of all tasks, and yield after each; what they push joins the queue."""
        while self._queue:
            task = heapq.heappop(self._queue).steps
            while self._step(task):
                yield

    def _step(self, task: Iterator[None]) -> bool:
        """Take the next step of a task; return whether there was one.

        A reduction that was none can make numbers of any size, on which linear algebra fails. Then the task is over and
        the search is not.
        """
        self.budget.spend()
        try:
            next(task)
        except StopIteration:
            return False
        except (ArithmeticError, ValueError, RuntimeError) as error:
            logger.debug("a step of the search failed: %s", error)
            return False
        return True
