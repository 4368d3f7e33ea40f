"""Which columns of the data a pruned model reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kan.datasets import part
from kanlens.data import Array
from kanlens.errors import InputError


@dataclass(frozen=True)
class Columns:
    """Hold the numbers of the columns that a network reads, and how many the data have.

    Examples
    --------
    >>> Columns((2, 0), 3).pick(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 1.]])
    """

    chosen: tuple[int, ...]
    total: int

    @classmethod
    def all(cls, total: int) -> "Columns":
        """Read every column."""
        return cls(tuple(range(total)), total)

    @property
    def whole(self) -> bool:
        """Tell whether every column is read, in order."""
        return self.chosen == tuple(range(self.total))

    def keep(self, numbers: Sequence[int]) -> "Columns":
        """Return the columns of some of the network's inputs."""
        return Columns(tuple(self.chosen[number] for number in numbers), self.total)

    def pick(self, x: Tensor) -> Tensor:
        """Return the network's inputs `(..., in)` of data `(..., total)`."""
        if self.whole:
            return x
        self._check(x.shape)
        return x[..., list(self.chosen)]

    def of(self, x: Array) -> Array:
        """Return the network's inputs of data as people pass them."""
        if self.whole:
            return x
        self._check(x.shape)
        return x[..., list(self.chosen)]

    def dataset(self, dataset: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return a dataset with the network's inputs alone."""
        if self.whole:
            return dataset
        part(dataset, "train")
        return {key: self.of(values) if key.endswith("_input") else values for key, values in dataset.items()}

    def _check(self, shape: "torch.Size | tuple[int, ...]") -> None:
        if not shape or shape[-1] != self.total:
            raise InputError(
                f"expected data of {self.total} columns, got the shape {tuple(shape)}. "
                f"The model picks the columns {list(self.chosen)} itself."
            )


def chosen(active: Sequence[int] | Tensor | np.ndarray) -> list[int]:
    """Return the numbers in a list of inputs."""
    return [int(number) for number in active]
