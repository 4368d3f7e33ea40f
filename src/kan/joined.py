"""Find the columns from which a function puts its outputs together, so that each is derived by itself."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

JOINS = (torch.cat, torch.stack)
"""Calls that put columns side by side."""


class Joins(TorchFunctionMode):
    """Remember what was put side by side last, and from which parts."""

    made: Tensor | None = None
    parts: Sequence[Tensor] = ()
    written: Sequence[int] = ()

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call what was asked for."""
        made = func(*args, **(kwargs or {}))
        if func in JOINS and made.dim() == 2:
            tensors, dim = _read(*args, **(kwargs or {}))
            if dim in (1, -1):
                self.made, self.parts = made, list(tensors)
                self.written = self._versions()
        return made

    def _versions(self) -> list[int]:
        """Return how often each tensor was written to."""
        return [tensor._version for tensor in (self.made, *self.parts) if tensor is not None]

    def columns(self, outputs: Tensor) -> Sequence[Tensor]:
        """Return the columns `(rows,)` of outputs, those of the parts if nothing was written to since."""
        if outputs is not self.made or self.written != self._versions():
            return outputs.unbind(1)
        return [column for part in self.parts for column in (part.unbind(1) if part.dim() == 2 else [part])]


def _read(tensors: Sequence[Tensor], dim: int = 0, **_others: Any) -> tuple[Sequence[Tensor], int]:
    return tensors, dim


def columns(func: Callable[[Tensor], Tensor], x: Tensor) -> Sequence[Tensor]:
    """Return the columns `(rows,)` of a function's outputs `(rows, out)`, as they were before they were joined.

    From a column of a joined tensor autograd goes back through all of its parts, with zeros: the derivatives of
    *n* columns take *n* passes through each of them, where one does.

    Examples
    --------
    >>> x = torch.ones(2, 2, requires_grad=True)
    >>> values = columns(lambda x: torch.cat([x.sin(), x[:, :1]], dim=1), x)
    >>> torch.autograd.grad(values[2].sum(), x)[0]
    tensor([[1., 0.],
            [1., 0.]])
    """
    joins = Joins()
    with joins:
        outputs = func(x)
    return joins.columns(outputs)
