"""pykan's penalty as a function of a network and data: it has gradients by every metric."""

from collections.abc import Mapping

import torch
from torch import Tensor

from kanlens.errors import InputError
from kanlens.network import KAN as Core
from kanlens.network import Trace

METRICS = ("edge_forward_spline_n", "edge_forward_sum", "edge_forward_spline_u", "edge_backward", "node_backward")


def penalty(core: Core, x: Tensor, metric: str, weights: Mapping[str, float], offset: float = 1e-4) -> Tensor:
    r"""Return :math:`\sum_l (l_1 \sum V + h (H_{row} + H_{col})) + \sum_l (c |coef| + d |\Delta coef|)`.

    *V* `(out, in)` is a layer's strengths by the metric, *H* the entropies of its rows and columns. The
    coefficients' terms are means over the basis functions, summed over the edges.
    """
    if metric not in METRICS:
        raise InputError(f"expected reg_metric to be one of {', '.join(METRICS)}, got {metric!r}.")
    trace = core.trace(x)
    total = x.new_zeros(())
    for values in strengths(core, trace, metric):
        total = total + weights["l1"] * values.sum() + weights["entropy"] * entropy(values, offset)
    for layer in core.layers:
        live = layer.coef * layer.mask[..., None]
        total = total + weights["coef"] * live.abs().mean(2).sum()
        total = total + weights["coefdiff"] * live.diff(dim=2).abs().mean(2).sum()
    return total


def strengths(core: Core, trace: Trace, metric: str) -> list[Tensor]:
    """Return how strong edges `(out, in)` or nodes `(1, nodes)` are, layer by layer, with gradients."""
    if metric.endswith("_backward"):
        edges, nodes = _attributed(core, trace)
        return edges if metric == "edge_backward" else [each[None] for each in nodes]
    found = []
    for values, at in zip(trace.edges, trace.nodes, strict=False):
        spread = _deviation(values)
        found.append(spread if metric.endswith("_u") else spread / (_deviation(at) + 0.1))
    return found


def _attributed(core: Core, trace: Trace) -> tuple[list[Tensor], list[Tensor]]:
    """Return pykan's attribution scores, which differ from the core's in that they keep their graph."""
    widths = core.spec.widths
    at = trace.nodes[0].new_full((widths[-1].size,), 1 / widths[-1].size)
    edges: list[Tensor] = []
    nodes = [at]
    for width, subnodes, values in zip(reversed(widths), reversed(trace.subnodes), reversed(trace.edges), strict=False):
        spread = torch.stack([at[node] for node, group in enumerate(width.groups()) for _ in group])
        edges.insert(0, _deviation(values) * (spread / (_deviation(subnodes) + 1e-4))[:, None])
        at = edges[0].sum(0)
        nodes.insert(0, at)
    return edges, nodes


def _deviation(values: Tensor) -> Tensor:
    """Return standard deviations over the rows; where nothing varies the slope is 0 and not infinite."""
    variance = values.var(0, correction=0)
    return torch.where(variance > 0, variance.where(variance > 0, 1.0).sqrt(), 0.0)


def entropy(values: Tensor, offset: float = 1e-4) -> Tensor:
    """Return how evenly strengths `(out, in)` are spread over rows and over columns."""
    rows, columns = values / (values.sum(1, keepdim=True) + 1), values / (values.sum(0, keepdim=True) + 1)
    by_row = -(rows * (rows + offset).log2()).sum(1).mean()
    by_column = -(columns * (columns + offset).log2()).sum(0).mean()
    return by_row + by_column
