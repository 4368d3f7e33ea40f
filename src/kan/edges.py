"""pykan's addresses of edges and nodes, and what its methods do to single ones."""

import torch
from torch import Tensor

from kanlens.errors import InputError
from kanlens.network import KAN as Core
from kanlens.network import Edge, Trace
from kanlens.scores import scores


def edge(core: Core, l: int, i: int, j: int) -> Edge:
    """Return the edge that pykan addresses as layer, input node, output sub-node.

    Raises
    ------
    InputError
        If the network has no such place.

    Examples
    --------
    >>> edge(Core([2, 5, 1]), 0, 1, 4)
    Edge(layer=0, out=4, in_=1)
    """
    if not 0 <= l < core.depth:
        raise InputError(f"expected a layer from 0 to {core.depth - 1}, got {l} in ({l}, {i}, {j}).")
    layer = [*core.parts()][l][0]
    if not (0 <= i < layer.in_features and 0 <= j < layer.out_features):
        raise InputError(
            f"expected an edge (layer, input, output) below ({core.depth}, {layer.in_features}, {layer.out_features}), "
            f"got ({l}, {i}, {j}). The input comes before the output."
        )
    return Edge(l, j, i)


def of_node(core: Core, l: int, i: int, mode: str) -> list[Edge]:
    """Return the edges that lead to a node (`"down"`), leave it (`"up"`), or both (`"all"`)."""
    if not (0 <= l <= core.depth and 0 <= i < core.spec.widths[l].size) or mode not in ("all", "up", "down"):
        raise InputError(f"expected a node and one of 'all', 'up', 'down', got ({l}, {i}) and {mode!r}.")
    subnodes = core.spec.widths[l].groups()[i]
    leads = [e for e in core.live() if e.layer == l - 1 and e.out in subnodes and mode != "up"]
    leaves = [e for e in core.live() if e.layer == l and e.in_ == i and mode != "down"]
    return leads + leaves


@torch.no_grad()
def curve(trace: Trace, at: Edge) -> tuple[Tensor, Tensor]:
    """Return an edge's inputs and values at the data, each `(rows,)`."""
    return trace.nodes[at.layer][:, at.in_], trace.edges[at.layer][:, at.out, at.in_]


def vanishing(core: Core, pruned: Core, x: Tensor) -> frozenset[Edge]:
    """Return the edges of a network that its pruned version lacks.

    A pruned network may have been found from a fresh start. Its nodes are then taken for the
    strongest ones of the whole network, which do the same work.
    """
    strength = scores(core, x).nodes
    kept = [list(range(core.spec.widths[0].size))]
    for width, narrow, score in zip(core.spec.widths[1:], pruned.spec.widths[1:], strength[1:], strict=True):
        sums = score[: width.sums].argsort(descending=True)[: narrow.sums]
        products = score[width.sums :].argsort(descending=True)[: len(narrow.products)] + width.sums
        kept.append([*sorted(sums.tolist()), *sorted(products.tolist())])
    stay = set()
    for layer, out, in_ in pruned.live():
        groups = core.spec.widths[layer + 1].groups()
        subnodes = [subnode for node in kept[layer + 1] for subnode in groups[node]]
        stay.add(Edge(layer, subnodes[out], kept[layer][in_]))
    return frozenset(set(core.live()) - stay)
