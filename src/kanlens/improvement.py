"""Local search: what is one change away from the likeliest formulas."""

from collections.abc import Iterator

from kanlens.agenda import Agenda
from kanlens.budget import look
from kanlens.neighbours import neighbours, shorter
from kanlens.pool import FINALISTS, Pool
from kanlens.refit import merged
from kanlens.trees import Tree, shape

LAST = 30.0
"""Rank of formulas one change away from another: thousands of fits, of which few are better."""


class Improvement:
    """Try what is near a formula, once for each, the likeliest one of the moment first."""

    def __init__(self, pool: Pool, agenda: Agenda) -> None:
        self.pool, self.agenda = pool, agenda
        self._changed: set[str] = set()
        self._tried: set[str] = set()

    def push(self, turn: int = 0) -> None:
        """Let the next formula wait until little else is left to be tried, the longer the more there were."""
        self.agenda.push(LAST + turn, self._next(turn))

    def _next(self, turn: int) -> Iterator[None]:
        """Try what is one change away from the likeliest formula that this was not done with yet; come back later.

        Not where no rows are held out: of thousands of formulas, one fits few rows by chance.
        """
        likeliest = self.pool.likeliest
        waiting = [key for key in likeliest if key not in self._changed]
        if not waiting or not self.pool.holds_out:
            return
        key = min(waiting, key=lambda k: likeliest[k].bits)
        self._changed.add(key)
        fitted: list[tuple[float, Tree]] = []
        for near in neighbours(likeliest[key].tree, self.pool.rows.x.shape[1], self.pool.functions):
            tree = merged(near)
            if self.pool.allowed(tree) and shape(tree) not in self._tried:
                self._tried.add(shape(tree))
                fitted.append(self.pool.quick_fit(tree))
            look()
        for _, tree in sorted(fitted, key=lambda f: f[0])[: 2 * FINALISTS]:
            for form in (tree, *shorter(tree)):
                self.pool.fit(form)
                look()
        self.push(turn + 1)
        yield
