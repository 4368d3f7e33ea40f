"""How much of the outputs' variation each edge and node of a network carries."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

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


def attribute(trace: Trace, widths: Sequence[Width]) -> Scores:
    """Return the scores of a forward pass that has been traced; differentiable."""
    outputs = trace.nodes[-1].shape[1]
    at = trace.nodes[-1].new_full((outputs,), 1 / outputs)
    edges: list[Tensor] = []
    nodes = [at]
    for width, z, phi in zip(reversed(widths), reversed(trace.subnodes), reversed(trace.edges), strict=False):
        spread = deviation(z)
        at_sub = torch.stack([at[node] for node, group in enumerate(width.groups()) for _ in group])
        share = torch.where(spread > 0, at_sub / spread.where(spread > 0, torch.ones_like(spread)), 0.0)
        edges.insert(0, share[:, None] * deviation(phi))
        at = edges[0].sum(0)
        nodes.insert(0, at)
    return Scores(edges, nodes)


def deviation(values: Tensor) -> Tensor:
    """Return the standard deviation over the batch, 0 where it is only round-off of a constant."""
    noise = 10 * torch.finfo(values.dtype).eps * values.detach().abs().amax(0)
    variance = values.var(0, correction=0)
    varies = variance.detach() > noise**2
    return torch.where(varies, variance.where(varies, torch.ones_like(variance)).sqrt(), 0.0)
