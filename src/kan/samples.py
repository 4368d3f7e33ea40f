"""The training and test parts of a dataset, in the form in which a fit is measured on them."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from kan.datasets import part
from kanlens.data import Array, pair, table
from kanlens.losses import Loss
from kanlens.network import KAN as Core


@dataclass(frozen=True)
class Sample:
    """Hold inputs `(rows, in)`, labels, and the loss that compares them; None is the squared error.

    Labels of another loss may be anything, such as class numbers `(rows,)`.
    """

    x: Tensor
    labels: Tensor
    loss_fn: Loss | None

    @classmethod
    def of(cls, core: Core, dataset: Mapping[str, Array], name: str, loss_fn: Loss | None) -> "Sample":
        """Read the `"train"` or the `"test"` part of a dataset for a network."""
        x, y = part(dataset, name)
        inputs, outputs = core.spec.widths[0].size, core.spec.widths[-1].size
        if loss_fn is None:
            x, y = pair(x, y, inputs, outputs)
        else:
            x, y = table(x, inputs, "inputs"), torch.as_tensor(y)
            y = y.double() if y.is_floating_point() else y
            if y.dim() == 1 and outputs == 1:
                y = y[:, None]  # (rows,) against (rows, 1) would broadcast to (rows, rows)
        return cls(x.to(core.device), y.to(core.device), loss_fn)

    def targets(self, outputs: int) -> Tensor:
        """Return targets `(rows, outputs)` for the core; zeros for another loss, which holds its labels."""
        return self.labels if self.loss_fn is None else torch.zeros(len(self.x), outputs)

    def loss(self) -> Loss | None:
        """Return the loss for the core, which ignores the targets passed to it."""
        loss_fn = self.loss_fn
        return None if loss_fn is None else lambda outputs, _: loss_fn(outputs, self.labels)

    @torch.no_grad()
    def error(self, network: Core) -> float:
        """Return the root mean square error, or the value of another loss as it is."""
        outputs = network(self.x.to(network.dtype)).double()
        if self.loss_fn is None:
            return float((outputs - self.labels).square().mean().sqrt())
        return float(self.loss_fn(outputs, self.labels))
