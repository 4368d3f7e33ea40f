"""A pull towards few edges, with its slope and its curvature from moments of the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from kanlens import shards
from kanlens.jacobian import Parameters, Pass, Pull
from kanlens.moments import Moments
from kanlens.network import KAN
from kanlens.scores import hand_down, share


@dataclass(frozen=True)
class Sparsity:
    r"""Pull a network towards few edges, by how much they are used.

    The activity :math:`a_e` of an edge is its score (see :func:`kanlens.scores`): the share of the
    outputs' variation that goes through it. The penalty is

    .. math:: \lambda \sum_{\text{layers}} \Big( l_1 \sum_e a_e - h \sum_e p_e \log p_e \Big),
              \quad p_e = a_e / \textstyle\sum_e a_e .

    Parameters
    ----------
    strength : float
        :math:`\lambda`, relative to the variance of the targets.
    l1 : float
        Weight of the sum of activities.
    entropy : float
        Weight :math:`h` of the entropy, which favours few strong edges over many weak ones.

    Notes
    -----
    Weights or raw deviations as activities were rejected: a network lowers both for free, by
    shrinking a hidden node and stretching the function behind it.

    References
    ----------
    Z. Liu et al., *KAN* (2024), section 2.5.1, for the two terms.
    """

    strength: float = 1e-3
    l1: float = 1.0
    entropy: float = 2.0

    def value(self, activity: Tensor) -> Tensor:
        """Return the penalty of one layer's activities `(edges,)`."""
        portion = activity / activity.sum().clamp_min(1e-300)
        entropy = -(portion * portion.clamp_min(1e-12).log()).sum()
        return self.strength * (self.l1 * activity.sum() + self.entropy * entropy)

    def slope(self, activity: Tensor) -> Tensor:
        """Return the derivative of :meth:`value` by each activity."""
        whole = activity.sum().clamp_min(1e-300)
        portion = activity / whole
        by_portion = -portion.clamp_min(1e-12).log() - (portion > 1e-12).to(portion)
        by_activity = (by_portion - (portion * by_portion).sum()) / whole
        return self.strength * (self.l1 + self.entropy * by_activity)


@dataclass(frozen=True)
class Spread:
    """Hold the moments of one layer's sub-nodes `(out,)` and edges `(out, in)`."""

    subnodes: Moments
    edges: Moments

    @classmethod
    def of(cls, step: Pass) -> "Spread":
        """Measure one layer of a forward pass."""
        return cls(Moments.of(step.subnodes), Moments.of(step.edges))

    def __add__(self, other: "Spread") -> "Spread":
        return Spread(self.subnodes + other.subnodes, self.edges + other.edges)

    def gathered(self) -> "Spread":
        """Return the moments over the rows of all processes."""
        return Spread(self.subnodes.gathered(), self.edges.gathered())


class Force:
    """Hold what a penalty says of a network: its value, and its derivatives by the deviations of all rows.

    The derivatives are first by the deviations of edges and sub-nodes, small tensors over which
    scores are handed down; then :meth:`pulls` turns them into derivatives by the rows of any
    chunk. So the penalty is that of all rows, however they are cut up.
    """

    @torch.no_grad()
    def __init__(self, penalty: Sparsity, model: KAN, spreads: Sequence[Spread]) -> None:
        self.penalty, self.model, self.spreads = penalty, model, spreads
        self.at_edges = [spread.edges.deviation for spread in spreads]
        self.at_subnodes = [spread.subnodes.deviation for spread in spreads]
        self.scores = hand_down(self.at_subnodes, self.at_edges, model.spec.widths)
        self.live = [(layer.mask > 0).to(layer.mask) for layer in model.layers]
        # of live splines, 0 elsewhere: a product with the mask costs less than taking them out and putting them back
        self.activities = [edges * live for edges, live in zip(self.scores.edges, self.live, strict=True)]
        self.value = float(sum(penalty.value(activity) for activity in self.activities))

    @cached_property
    def slopes(self) -> list[Tensor]:
        """Return the derivatives `(out, in)` of the penalty by the activities, 0 where there is no live spline."""
        return [self.penalty.slope(a) * live for a, live in zip(self.activities, self.live, strict=True)]

    @cached_property
    def by_deviation(self) -> list[tuple[Tensor, Tensor]]:
        """Return, layer by layer, derivatives by the deviations of sub-nodes `(out,)` and edges, over them.

        A value alone, as of a step that is refused, does without them.
        """
        found = []
        handed = torch.zeros_like(self.scores.nodes[0])  # derivative by the scores of the nodes below
        for number, width in enumerate(self.model.spec.widths[1:]):
            by_activity = handed + self.slopes[number]
            own = share(self.scores.nodes[number + 1], self.at_subnodes[number], width)
            inverse = _inverse(self.at_subnodes[number])
            by_edge = by_activity * own[:, None] * _inverse(self.at_edges[number])
            by_subnode = -(by_activity * self.scores.edges[number]).sum(1) * inverse.square()
            found.append((by_subnode, by_edge))
            handed = (by_activity * self.at_edges[number]).sum(1) * inverse
            if width.products:
                handed = torch.stack([handed[list(group)].sum() for group in width.groups()])
        return found

    def pulls(self, passes: Sequence[Pass]) -> list[Pull]:
        """Return the penalty's derivatives by the sub-nodes and edges of a chunk of rows."""
        found = []
        for step, spread, (by_subnode, by_edge) in zip(passes, self.spreads, self.by_deviation, strict=True):
            subnodes = (step.subnodes - spread.subnodes.mean) * (by_subnode / spread.subnodes.count)
            weight = by_edge / spread.edges.count
            edges = torch.addcmul(-spread.edges.mean * weight, step.edges, weight)
            found.append(Pull(subnodes, edges))
        return found

    def bend(self, hessian: Tensor, parameters: Parameters, covariances: Sequence[Tensor]) -> None:
        """Add to a Hessian `(p, p)` that of the parabola that touches the penalty at the present activities.

        An activity is the root of a quadratic form in its edge's parameters, so that the parabola
        has this form's matrix (iteratively reweighted least squares).
        """
        for number, block in enumerate(parameters.blocks()):
            out, in_ = parameters.live[number].unbind(1)
            own = self.at_edges[number][out, in_]
            floor = 1e-3 * own.amax() if len(own) else 0.0
            slope = self.slopes[number][out, in_].clamp_min(0)
            weight = slope * self.activities[number][out, in_] / (own + floor + 1e-150) ** 2
            place = (len(hessian) * block[:, :, None] + block[:, None, :]).flatten().to(hessian.device)
            added = weight[:, None, None] * covariances[number][in_]
            hessian.view(-1).index_add_(0, place, added.flatten())  # two thirds of the time of two indices


class Covariances:
    """Gather, layer by layer, the covariances of what the parameters of an input's splines multiply.

    Products are summed around the means of the first rows, which keeps their digits, and moved to
    the means of all rows at the end.
    """

    def __init__(self) -> None:
        self.origins: list[Tensor] = []
        self.sums: list[Tensor] = []
        self.products: list[Tensor] = []
        self.count = 0.0

    def add(self, passes: Sequence[Pass]) -> None:
        """Add a chunk of rows."""
        features = [step.features() for step in passes]
        if not self.origins:
            self.origins = [shards.shared(f.mean(0)) for f in features]
            self.sums = [torch.zeros_like(origin) for origin in self.origins]
            self.products = [o.new_zeros(*o.shape, o.shape[1]) for o in self.origins]
        self.count += len(features[0])
        for number, (found, origin) in enumerate(zip(features, self.origins, strict=True)):
            centred = (found - origin).transpose(0, 1)  # (in, batch, size)
            self.sums[number] += centred.sum(1)
            self.products[number] += centred.mT @ centred

    def over_all(self) -> list[Tensor]:
        """Return the covariances `(in, size, size)` over all rows of all processes."""
        count = shards.total(self.sums[0].new_tensor(self.count))
        means = [shards.total(found) / count for found in self.sums]
        second = [shards.total(found) / count for found in self.products]
        return [s - m[:, :, None] * m[:, None, :] for s, m in zip(second, means, strict=True)]


def _inverse(values: Tensor) -> Tensor:
    return torch.where(values > 0, 1 / values.where(values > 0, 1.0), 0.0)
