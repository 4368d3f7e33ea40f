r"""What a network's outputs cost: losses with their slopes, and a root of their curvature.

A loss is a weighted sum over rows. With outputs *z* and their Jacobian *J*, the generalised
Gauss-Newton Hessian is :math:`\sum J^T C J` with the loss's own curvature *C* by the outputs. It is
positive semi-definite where *C* is, and then second-order training needs only a root of it,
:math:`C = 2 S S^T`.

References
----------
N. Schraudolph, *Fast Curvature Matrix-Vector Products for Second-Order Gradient Descent* (2002).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax, one_hot, softplus

from kanlens.data import Array, table
from kanlens.errors import InputError, UnknownNameError

Loss = Callable[[Tensor, Tensor], Tensor]


class Measure(Protocol):
    """Measure outputs `(rows, out)` against targets; `share` holds the rows' weights `(rows, 1)` or one for all."""

    def value(self, outputs: Tensor, y: Tensor, share: Tensor) -> Tensor:
        """Return the weighted sum, a scalar."""

    def slopes(self, outputs: Tensor, y: Tensor, share: Tensor) -> Tensor:
        """Return its derivatives by the outputs, `(rows, out)`."""


@runtime_checkable
class Curved(Measure, Protocol):
    """Measure with a curvature that is known and nowhere negative."""

    def root(self, outputs: Tensor, jacobian: Tensor, share: Tensor) -> Tensor:
        """Return the rows `S^T J`, `(rows, out, p)`, of a Jacobian of the outputs."""

    def targets(self, y: Array, outputs: int) -> Tensor:
        """Read targets as people pass them, as float64 `(rows, out)`."""


class SquaredError:
    """Take the mean of the squared errors over the outputs."""

    def value(self, outputs: Tensor, y: Tensor, share: Tensor) -> Tensor:
        """Return the weighted sum, a scalar."""
        return ((outputs - y).square().mean(1, keepdim=True) * share).sum()

    def slopes(self, outputs: Tensor, y: Tensor, share: Tensor) -> Tensor:
        """Return its derivatives by the outputs, `(rows, out)`."""
        return (outputs - y) * (share * (2 / y.shape[1]))

    def root(self, outputs: Tensor, jacobian: Tensor, share: Tensor) -> Tensor:
        """Return the rows `S^T J`, `(rows, out, p)`, of a Jacobian of the outputs."""
        return jacobian * (share[..., None] / outputs.shape[1]).sqrt()

    def targets(self, y: Array, outputs: int) -> Tensor:
        """Read targets as people pass them, as float64 `(rows, out)`."""
        return table(y, outputs, "targets")


class CrossEntropy:
    r"""Take :math:`-\sum_c y_c \log p_c` with the softmax *p* of the outputs.

    Examples
    --------
    >>> y = CrossEntropy().targets(torch.tensor([0, 2]), 3)
    >>> y.tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    >>> CrossEntropy().value(torch.zeros(2, 3).double(), y, torch.tensor(0.5)).exp().item().__round__(6)
    3.0
    """

    def value(self, outputs: Tensor, y: Tensor, share: Tensor) -> Tensor:
        """Return the weighted sum, a scalar."""
        return -((y * log_softmax(outputs, 1)).sum(1, keepdim=True) * share).sum()

    def slopes(self, outputs: Tensor, y: Tensor, share: Tensor) -> Tensor:
        """Return its derivatives by the outputs, `(rows, out)`."""
        return (outputs.softmax(1) - y) * share

    def root(self, outputs: Tensor, jacobian: Tensor, share: Tensor) -> Tensor:
        r"""Return the rows `S^T J`, `(rows, out, p)`, of a Jacobian of the outputs.

        The curvature :math:`\operatorname{diag} p - p p^T` has the root
        :math:`\operatorname{diag} \sqrt p - p \sqrt p^T`.
        """
        p = outputs.softmax(1)[..., None]
        return (jacobian - (p * jacobian).sum(1, keepdim=True)) * (p * share[..., None] / 2).sqrt()

    def targets(self, y: Array, outputs: int) -> Tensor:
        """Read class numbers `(rows,)`, or probabilities `(rows, classes)` that sum to one."""
        if outputs < 2:
            raise InputError(f"expected a network with an output for each class, got {outputs}. Use loss='logistic'.")
        if y.ndim == 2 and y.shape[1] == outputs:
            return _probabilities(y, outputs, sums=True)
        classes = table(y, 1, "classes")[:, 0]
        if not bool(((classes == classes.round()) & (classes >= 0) & (classes < outputs)).all()):
            raise InputError(
                f"expected class numbers from 0 to {outputs - 1}, got values from {classes.amin():g} to "
                f"{classes.amax():g}. Number the classes, or pass probabilities (rows, {outputs})."
            )
        return one_hot(classes.long(), outputs).double()


class Logistic:
    r"""Take :math:`\log(1 + e^z) - y z` for each output: independent yes-or-no targets.

    Examples
    --------
    >>> Logistic().value(torch.zeros(1, 1), torch.ones(1, 1), torch.tensor(1.0)).exp().item().__round__(6)
    2.0
    """

    def value(self, outputs: Tensor, y: Tensor, share: Tensor) -> Tensor:
        """Return the weighted sum, a scalar."""
        each = binary_cross_entropy_with_logits(outputs, y, reduction="none")
        return (each.mean(1, keepdim=True) * share).sum()

    def slopes(self, outputs: Tensor, y: Tensor, share: Tensor) -> Tensor:
        """Return its derivatives by the outputs, `(rows, out)`."""
        return (outputs.sigmoid() - y) * (share / y.shape[1])

    def root(self, outputs: Tensor, jacobian: Tensor, share: Tensor) -> Tensor:
        """Return the rows `S^T J`, `(rows, out, p)`, of a Jacobian of the outputs."""
        # sigmoid' is exp of this, without the underflow of 1 - sigmoid
        logarithm = -softplus(outputs) - softplus(-outputs)
        return jacobian * (logarithm.exp() * share / (2 * outputs.shape[1])).sqrt()[..., None]

    def targets(self, y: Array, outputs: int) -> Tensor:
        """Read 0 and 1, or probabilities, `(rows, out)`."""
        return _probabilities(y, outputs, sums=False)


@dataclass(frozen=True)
class Custom:
    """Take a function of all outputs and targets to a scalar; nothing is known of its curvature."""

    function: Loss

    def value(self, outputs: Tensor, y: Tensor, share: Tensor) -> Tensor:  # noqa: ARG002
        """Return the function's value."""
        return self.function(outputs, y)

    def slopes(self, outputs: Tensor, y: Tensor, share: Tensor) -> Tensor:  # noqa: ARG002
        """Return its derivatives by the outputs, `(rows, out)`."""
        with torch.enable_grad():
            point = outputs.detach().requires_grad_()
            return torch.autograd.grad(self.function(point, y), point)[0]


LOSSES: dict[str, Curved] = {
    "squared_error": SquaredError(),
    "cross_entropy": CrossEntropy(),
    "logistic": Logistic(),
}
"""Losses by name, all fit for second order."""


def measure(loss: str | Loss | None) -> Curved | Custom:
    """Return the loss of a name, of a function, or by default the squared error."""
    if loss is None or isinstance(loss, str):
        name = loss or "squared_error"
        if name not in LOSSES:
            raise UnknownNameError(f"expected loss to be one of {sorted(LOSSES)} or a function, got {loss!r}.")
        return LOSSES[name]
    return Custom(loss)


def _probabilities(y: Array, outputs: int, *, sums: bool) -> Tensor:
    found = table(y, outputs, "probabilities")
    if bool((found < 0).any() | (found > 1).any()):
        raise InputError(
            f"expected probabilities from 0 to 1, got {found.amin():g} to {found.amax():g}. Divide counts by their sum."
        )
    if sums and float((found.sum(1) - 1).abs().amax()) > 1e-4:
        raise InputError("expected the probabilities of a row to sum to 1. Divide each row by its sum.")
    return found
