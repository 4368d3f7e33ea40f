"""How much of the outputs' variation each edge and node of a network carries."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.errors import InputError
from kanlens.moments import Moments
from kanlens.network import KAN, Trace, Width


class Scores(NamedTuple):
    """Hold scores between 0 and about 1: `edges[l] (out, in)` and `nodes[l] (width,)`."""

    edges: list[Tensor]
    nodes: list[Tensor]


@torch.no_grad()
def scores(model: KAN, x: Tensor) -> Scores:
    r"""Return the share of the outputs' variation that goes through each edge and node.

    From the outputs backwards, a node hands its score to its edges in proportion to their
    standard deviations over the data, and a node's score is the sum over the edges that leave it:

    .. math:: s_{ji} = s_j \, \sigma(\varphi_{ji}) / \sigma(z_j), \qquad s_i = \sum_j s_{ji} .

    Every output starts with one over the number of outputs, so that scores do not depend on the
    units of the data. A factor of a product inherits the score of the product.

    Parameters
    ----------
    model : KAN
    x : Tensor
        Inputs `(batch, in)`.

    Examples
    --------
    >>> model = KAN([2, 1])
    >>> result = scores(model, torch.rand(50, 2))
    >>> result.edges[0].shape, result.nodes[0].shape
    (torch.Size([1, 2]), torch.Size([2]))

    References
    ----------
    Z. Liu et al., *KAN 2.0* (2024), section 4.1 (attribution scores); there with an offset in
    the denominator, which makes them depend on units.
    """
    return attribute(model.trace(x), model.spec.widths)


@torch.no_grad()
def node_scores(model: KAN, x: Tensor, layer: int, node: int) -> Scores:
    """Return the share of one node's variation that goes through each edge and node below it.

    Examples
    --------
    >>> model, x = KAN([2, 3, 1]), torch.rand(50, 2)
    >>> [score.shape for score in node_scores(model, x, 1, 2).edges]
    [torch.Size([1, 2])]
    """
    whole, widths = model.trace(x), model.spec.widths
    if not (1 <= layer < len(widths) and 0 <= node < widths[layer].size):
        raise InputError(
            f"expected a node of a layer from 1 to {len(widths) - 1}, got node {node} of layer {layer}. "
            "Layer 0 is the inputs, which have nothing below them."
        )
    group = list(widths[layer].groups()[node])
    below = Trace(
        [*whole.nodes[:layer], whole.nodes[layer][:, [node]]],
        [*whole.subnodes[: layer - 1], whole.subnodes[layer - 1][:, group]],
        [*whole.edges[: layer - 1], whole.edges[layer - 1][:, group]],
    )
    last = Width(1) if len(group) == 1 else Width(0, (len(group),))
    return attribute(below, [*widths[:layer], last])


def contributions(model: KAN, x: Tensor, layer: int) -> Tensor:
    """Return the share of each node's variation that comes from each input, `(nodes, in)`.

    Inputs that contribute to one node act together there.

    Examples
    --------
    >>> contributions(KAN([2, 3, 1]), torch.rand(50, 2), 1).shape
    torch.Size([3, 2])
    """
    return torch.stack([node_scores(model, x, layer, n).nodes[0] for n in range(model.spec.widths[layer].size)])


def attribute(trace: Trace, widths: Sequence[Width]) -> Scores:
    """Return the scores of a forward pass that has been traced."""
    return hand_down([deviation(z) for z in trace.subnodes], [deviation(phi) for phi in trace.edges], widths)


def hand_down(subnodes: Sequence[Tensor], edges: Sequence[Tensor], widths: Sequence[Width]) -> Scores:
    """Return the scores from the deviations of sub-nodes `(out,)` and edges `(out, in)` by layer."""
    at = subnodes[-1].new_full((widths[-1].size,), 1 / widths[-1].size)
    found: list[Tensor] = []
    nodes = [at]
    for width, z, phi in zip(reversed(widths), reversed(subnodes), reversed(edges), strict=False):
        found.insert(0, share(at, z, width)[:, None] * phi)
        at = found[0].sum(0)
        nodes.insert(0, at)
    return Scores(found, nodes)


def share(at: Tensor, deviations: Tensor, width: Width) -> Tensor:
    """Return the score of each sub-node over its deviation, from the scores of the nodes."""
    if width.products:
        at = torch.stack([at[node] for node, group in enumerate(width.groups()) for _ in group])
    return torch.where(deviations > 0, at / deviations.where(deviations > 0, 1.0), 0.0)


def deviation(values: Tensor) -> Tensor:
    """Return the standard deviation over the batch, 0 where it is only round-off of a constant."""
    return Moments.of(values).deviation
