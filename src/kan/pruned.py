"""Pruning, as pykan's model offers it."""

import copy
from collections.abc import Sequence
from typing import Self

from kan.edges import edge, of_node, vanishing
from kan.held import Held, Pruning, State
from kan.inputs import chosen
from kanlens.errors import InputError
from kanlens.network import KAN as Core
from kanlens.pruning import prune, prune_inputs
from kanlens.surgery import cut, keep

REMEMBERED = 3
"""Results of pruning that are kept: of nodes, then of edges, and one more."""


class Pruned(Held):
    """Remove what is not needed."""

    def prune(
        self,
        threshold: float = 1e-2,
        node_th: float = 1e-2,
        edge_th: float = 3e-2,
        mode: str = "auto",
        active_neurons_id: Sequence[Sequence[int]] | None = None,
    ) -> Self:
        """Return the smallest model that does as well; what went is grey in `plot(mask=True)`.

        No threshold is needed: a node or edge goes if the error on held-out rows allows it.
        """
        return self._pruned(mode, active_neurons_id, edges=True, log="prune")

    def prune_node(
        self,
        threshold: float = 1e-2,
        mode: str = "auto",
        active_neurons_id: Sequence[Sequence[int]] | None = None,
        log_history: bool = True,
    ) -> Self:
        """Return the model with the fewest hidden nodes that does as well, or with the nodes given."""
        return self._pruned(mode, active_neurons_id, edges=False, log="prune_node" if log_history else None)

    def prune_edge(self, threshold: float = 3e-2, log_history: bool = True) -> Self:
        """Cut the edges that are not needed, in place, and return the model."""
        self._take(self._without(self.core, nodes=False, edges=True))
        if log_history:
            self.log_history("prune_edge")
        return self

    def prune_input(
        self, threshold: float = 1e-2, active_inputs: Sequence[int] | None = None, log_history: bool = True
    ) -> Self:
        """Return a model that reads some columns of the data only: those given, or those that are needed.

        No threshold is needed: an input goes if the error on held-out rows allows it. The new model takes the
        same data as the old one and picks the columns, `input_id`, by itself.
        """
        if active_inputs is None:
            core, kept = prune_inputs(self.core, *self._data())
        else:
            kept = chosen(active_inputs)
            core = keep(self.core, [range(width.size) for width in self.core.spec.widths[1:-1]], inputs=kept)
        model = self._with(core, self.columns.keep(kept))
        if log_history:
            model.log_history("prune_input")
        return model

    def remove_edge(self, l: int, i: int, j: int, log_history: bool = True) -> None:
        """Cut an edge."""
        self._take(cut(self.core, [edge(self.core, l, i, j)]))
        if log_history:
            self.log_history("remove_edge")

    def remove_node(self, l: int, i: int, mode: str = "all", log_history: bool = True) -> None:
        """Cut the edges that lead to a node (`"down"`), leave it (`"up"`), or both."""
        self._take(cut(self.core, of_node(self.core, l, i, mode)))
        if log_history:
            self.log_history("remove_node")

    def _pruned(self, mode: str, nodes: Sequence[Sequence[int]] | None, edges: bool, log: str | None) -> Self:
        if mode not in ("auto", "manual"):
            raise InputError(f"expected mode 'auto' or 'manual', got {mode!r}.")
        by_hand = mode == "manual" or nodes is not None
        core = keep(self.core, self._hidden(nodes)) if by_hand else self._smallest(edges)
        self.faded = vanishing(self.core, core, self.points())
        model = self._with(core)
        if log:
            model.log_history(log)
        return model

    def _smallest(self, edges: bool) -> Core:
        """Take away nodes, and edges after them."""
        if not edges:
            return self._without(self.core, nodes=True, edges=False)
        known = self._known(self.core, nodes=True, edges=True)
        if known is not None:
            return known
        fewer = self._known(self.core, nodes=True, edges=False)
        if fewer is not None:
            return self._without(fewer, nodes=False, edges=True)
        return self._without(self.core, nodes=True, edges=True)

    def _without(self, core: Core, *, nodes: bool, edges: bool) -> Core:
        """Prune, or give the result of before again: notebooks prune to look and once more to assign."""
        known = self._known(core, nodes=nodes, edges=edges)
        if known is not None:
            return known
        found = prune(core, *self._data(), nodes=nodes, edges=edges)
        latest = Pruning(State(copy.deepcopy(core), self.seen), nodes, edges, found)
        self.prunings[:] = [*self.prunings, latest][-REMEMBERED:]  # shared by the models that were made from this one
        return copy.deepcopy(found)

    def _known(self, core: Core, *, nodes: bool, edges: bool) -> Core | None:
        """Return what was left of a network when it was pruned before, None if it was not."""
        for before, *parts, after in self.prunings:
            if parts == [nodes, edges] and before.holds(core, self.seen):
                return copy.deepcopy(after)
        return None

    def _hidden(self, nodes: Sequence[Sequence[int]] | None) -> list[list[int]]:
        """Return the nodes to keep for each hidden layer; 0.0.x lists the inputs, too."""
        if nodes is None:
            raise InputError("expected active_neurons_id in mode 'manual', got none. Pass a list for each layer.")
        listed = [list(layer) for layer in nodes]
        return listed[1:] if len(listed) == self.core.depth else listed
