"""Read data as people pass them, and refuse what cannot be meant."""

import numpy as np
import torch
from torch import Tensor

from kanlens.errors import InputError

Array = Tensor | np.ndarray


def table(values: Array, columns: int, what: str) -> Tensor:
    """Return values as a float64 tensor `(batch, columns)`, or say what is wrong with them.

    A vector `(batch,)` is taken as one column where one is wanted, and never broadcast.

    Raises
    ------
    InputError
        If the shape does not fit, there is no row, or a value is NaN or infinite.
    """
    tensor = torch.as_tensor(values)
    if tensor.is_complex() or not isinstance(values, Tensor | np.ndarray):
        raise InputError(f"expected {what} as a real tensor or array, got {type(values).__name__}.")
    tensor = tensor.detach().to(torch.float64)
    if tensor.dim() == 1 and columns == 1:
        tensor = tensor[:, None]
    if tensor.dim() != 2 or tensor.shape[1] != columns:
        raise InputError(
            f"expected {what} of shape (rows, {columns}), got {tuple(tensor.shape)}. "
            f"Pass one row for each sample and one column for each of the {columns} variables."
        )
    if not len(tensor):
        raise InputError(f"expected {what} with at least one row, got none. Check how the data were selected.")
    broken = ~torch.isfinite(tensor)
    if broken.any():
        row, column = broken.nonzero()[0].tolist()
        raise InputError(
            f"expected finite {what}, got {tensor[row, column].item()} in row {row}, column {column} "
            f"({int(broken.sum())} such values). Drop or fill those rows."
        )
    return tensor


def pair(x: Array, y: Array, inputs: int, outputs: int) -> tuple[Tensor, Tensor]:
    """Return inputs and targets as float64 tables of the same number of rows."""
    left, right = table(x, inputs, "inputs"), table(y, outputs, "targets")
    if len(left) != len(right):
        raise InputError(f"expected as many targets as inputs, got {len(right)} and {len(left)}. Match their rows.")
    return left, right.to(left.device)


def split(rows: int, share: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return the indices of training and held-out rows, drawn without touching global state.

    Raises
    ------
    InputError
        If `share` is not in [0, 1) or leaves no row for training.
    """
    held = round(rows * share)
    if not 0 <= share < 1 or held >= rows:
        raise InputError(f"expected a validation share in [0, 1) that leaves rows to train on, got {share}.")
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    return order[held:].sort().values, order[:held].sort().values
