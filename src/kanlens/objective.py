"""What a fit minimises: the error of a network on data, plus a pull towards few edges."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from kanlens.jacobian import Parameters, linearise
from kanlens.network import KAN, RESIDUALS, KANLayer, Trace
from kanlens.quadratic import NormalEquations, Quadratic, Rows
from kanlens.scores import attribute, deviation

Loss = Callable[[Tensor, Tensor], Tensor]


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
        share = activity / activity.sum().clamp_min(1e-300)
        entropy = -(share * share.clamp_min(1e-12).log()).sum()
        return self.strength * (self.l1 * activity.sum() + self.entropy * entropy)

    def slope(self, activity: Tensor) -> Tensor:
        """Return the derivative of :meth:`value` by each activity."""
        with torch.enable_grad():
            point = activity.detach().requires_grad_()
            return torch.autograd.grad(self.value(point), point)[0]


class NetworkObjective:
    """Measure a float64 network on data: mean squared error over the targets' variance, plus penalty.

    It is an :class:`kanlens.solvers.Objective`; evaluating it sets the network's parameters.
    """

    def __init__(
        self, model: KAN, x: Tensor, y: Tensor, penalty: Sparsity | None = None, loss: Loss | None = None
    ) -> None:
        self.model, self.x, self.y, self.penalty, self.loss = model, x, y, penalty, loss
        self.parameters = Parameters(model)
        variance = float(y.double().var(0, correction=0).mean())
        self.unit = variance if loss is None and variance > 0 else 1.0

    def parts(self, theta: Tensor) -> tuple[float, float]:
        """Return the error and the penalty."""
        self.parameters.set(theta)
        with torch.no_grad():
            if self.penalty is None:
                return float(self._error(self.model(self.x))), 0.0
            error, pull = self._terms(self.penalty)
            return float(error), float(pull)

    def value(self, theta: Tensor) -> float:
        """Return the objective."""
        return sum(self.parts(theta))

    def gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        """Return the objective and its gradient, by automatic differentiation."""
        self.parameters.set(theta)
        with torch.enable_grad():
            if self.penalty is None:
                total = self._error(self.model(self.x))
            else:
                total = torch.stack(self._terms(self.penalty)).sum()
            return float(total.detach()), self.parameters.gradient(total)

    def quadratic(self, theta: Tensor) -> Quadratic:
        """Return the Gauss-Newton model, with the penalty's curvature by reweighting."""
        self.parameters.set(theta)
        outputs, jacobian = linearise(self.parameters, self.x)
        scale = 1 / math.sqrt(self.y.numel() * self.unit)
        rows = Rows(jacobian.flatten(0, 1).mul_(scale), (outputs - self.y).flatten() * scale)
        if self.penalty is None:
            return rows
        with torch.enable_grad():
            trace, activity = self._activity()
            pull = self._pull(self.penalty, activity)
            gradient = rows.gradient + self.parameters.gradient(pull)
        hessian = rows.hessian + self._curvature(self.penalty, trace, activity)
        return NormalEquations(rows.value + float(pull.detach()), gradient, hessian)

    def _error(self, outputs: Tensor) -> Tensor:
        if self.loss is not None:
            return self.loss(outputs, self.y)
        return ((outputs - self.y) ** 2).mean() / self.unit

    def _terms(self, penalty: Sparsity) -> tuple[Tensor, Tensor]:
        trace, activity = self._activity()
        return self._error(trace.nodes[-1]), self._pull(penalty, activity)

    def _activity(self) -> tuple[Trace, list[Tensor]]:
        trace = self.model.trace(self.x)
        return trace, attribute(trace, self.model.spec.widths).edges

    def _pull(self, penalty: Sparsity, activity: list[Tensor]) -> Tensor:
        """Return the penalty of the edges that are splines, summed over the layers."""
        pulls = [penalty.value(a[layer.mask > 0]) for a, layer in zip(activity, self.model.layers, strict=True)]
        return torch.stack(pulls).sum()

    @torch.no_grad()
    def _curvature(self, penalty: Sparsity, trace: Trace, activity: list[Tensor]) -> Tensor:
        """Return the Hessian of the parabola that touches the penalty at the present activities.

        An activity is the root of a quadratic form in its edge's parameters, so that the parabola
        has this form's matrix (iteratively reweighted least squares).
        """
        size = len(self.parameters.get())
        hessian = self.x.new_zeros(size, size)
        for number, (layer, block) in enumerate(zip(self.model.layers, self.parameters.blocks(), strict=True)):
            out, in_ = self.parameters.live[number].unbind(1)
            used, own = activity[number][out, in_], deviation(trace.edges[number])[out, in_]
            floor = 1e-3 * own.amax() if len(own) else 0.0
            weight = penalty.slope(used).clamp_min(0) * used / (own + floor + 1e-150) ** 2
            covariance = _covariances(layer, trace.nodes[number])[in_]
            hessian[block[:, :, None], block[:, None, :]] += weight[:, None, None] * covariance
        return hessian


def _covariances(layer: KANLayer, nodes: Tensor) -> Tensor:
    """Return for each input the covariance `(in, p, p)` of what its edges' parameters multiply."""
    features = layer.basis.values(nodes, layer.grid)
    if (residual := RESIDUALS[layer.residual]) is not None:
        features = torch.cat([features, residual(nodes)[..., None]], 2)
    centred = features - features.mean(0)
    return torch.einsum("bip,biq->ipq", centred, centred) / len(nodes)
