"""How pykan's model grows and is put in order."""

import re
from collections.abc import Sequence

from kan.held import Held
from kanlens.arrangement import arrange, swap, wiring
from kanlens.errors import InputError
from kanlens.growth import deepen, perturb, widen
from kanlens.network import KAN as Core
from kanlens.network import Edge
from kanlens.surgery import cut


class Growing(Held):
    """Add layers, nodes and edges, and move nodes."""

    def expand_depth(self) -> None:
        """Add a layer at the end that passes the outputs on."""
        self.core = deepen(self.core)

    def expand_width(
        self, layer_id: int, n_added_nodes: int, sum_bool: bool = True, mult_arity: int | Sequence[int] = 2
    ) -> None:
        """Add sum nodes, or products of one arity or of one for each, to a hidden layer; `perturb` connects them."""
        arities = [mult_arity] * n_added_nodes if isinstance(mult_arity, int) else [*mult_arity]
        if not sum_bool and len(arities) != n_added_nodes:
            raise InputError(
                f"expected {n_added_nodes} arities, got {arities}. Pass one arity for each node that is added."
            )
        sums, products = (n_added_nodes, ()) if sum_bool else (0, arities)
        self.core = widen(self.core, layer_id, sums=sums, products=products)

    def perturb(self, mag: float = 1.0, mode: str = "non-intrusive") -> None:
        """Let edges become splines: symbols keep their curves, and what was cut starts small.

        With `"minimal"` these are the symbols, with `"all"` every place of an edge. With `"non-intrusive"`
        nodes without edges are connected and the last layer is set free so that the function stays what it was.
        `"best"`, an older name, means both of these.
        """
        if mode not in ("non-intrusive", "best", "minimal", "all"):
            raise InputError(f"expected mode 'non-intrusive', 'minimal' or 'all', got {mode!r}.")
        live = set(self.core.live())
        if mode in ("minimal", "best"):
            self.core = perturb(self.core, live, noise=0.1 * mag)
        if mode == "all":
            self.core = perturb(self.core, _places(self.core), noise=0.1 * mag)
        if mode in ("non-intrusive", "best"):
            idle = _idle(self.core)
            entering = {e for e in _places(self.core) if _above(self.core, e) in idle}
            last = self.core.depth - 1
            leaving = {e for e in _places(self.core) - entering if (e.layer, e.in_) in idle or e.layer == last}
            self.core = perturb(perturb(self.core, entering, noise=0.1 * mag), leaving, noise=0.0)

    def module(self, start_layer: int, chain: str) -> None:
        """Cut the edges between some nodes, such as `"[0,1]->[2]->[0]"` from a layer on, and all others."""
        groups = [{int(n) for n in re.findall(r"\d+", part)} for part in chain.split("->")]
        if len(groups) < 2 or not 0 <= start_layer <= self.core.depth + 1 - len(groups):
            raise InputError(f"expected a chain such as '[0,1]->[2]' inside the network, got {chain!r}.")
        crossing = [
            edge
            for edge in self.core.live()
            if 0 <= (step := edge.layer - start_layer) < len(groups) - 1
            and (edge.in_ in groups[step]) != (_above(self.core, edge)[1] in groups[step + 1])
        ]
        self._take(cut(self.core, crossing))

    def swap(self, l: int, i1: int, i2: int, log_history: bool = True) -> None:
        """Put two nodes of a hidden layer in each other's places."""
        self._take(swap(self.core, l, i1, i2))
        if log_history:
            self.log_history("swap")

    def auto_swap(self) -> None:
        """Order the nodes of all hidden layers so that strong edges are short."""
        self._take(arrange(self.core, self.points()))
        self.log_history("auto_swap")

    def auto_swap_l(self, l: int) -> None:
        """Order the nodes, as `auto_swap` does: the best order of a layer depends on that of the others."""
        self.auto_swap()

    @property
    def connection_cost(self) -> float:
        """Return how long the edges are, weighted by their scores."""
        return wiring(self.core, self.points())


def _places(core: Core) -> set[Edge]:
    """Return where edges are or could be."""
    return {
        Edge(number, out, in_)
        for number, layer in enumerate(core.layers)
        for out in range(layer.out_features)
        for in_ in range(layer.in_features)
    }


def _above(core: Core, edge: Edge) -> tuple[int, int]:
    """Return the layer and number of the node that an edge leads to."""
    groups = core.spec.widths[edge.layer + 1].groups()
    return edge.layer + 1, next(node for node, group in enumerate(groups) if edge.out in group)


def _idle(core: Core) -> set[tuple[int, int]]:
    """Return the hidden nodes that no edge leaves."""
    used = {(edge.layer, edge.in_) for edge in core.live()}
    hidden = range(1, core.depth)
    return {(layer, node) for layer in hidden for node in range(core.spec.widths[layer].size)} - used
