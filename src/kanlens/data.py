"""Read data as people pass them, and refuse what cannot be meant."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor

from kanlens.errors import InputError

Array = Tensor | np.ndarray

Given = ParamSpec("Given")
Found = TypeVar("Found")


def on_cpu(function: Callable[Given, Found]) -> Callable[Given, Found]:
    """Let a function make its tensors on the CPU, whatever the default device is."""

    @functools.wraps(function)
    def on_it(*args: Given.args, **kwargs: Given.kwargs) -> Found:
        if torch.get_default_device().type == "cpu":  # saying so would make each operation slower
            return function(*args, **kwargs)
        with torch.device("cpu"):
            return function(*args, **kwargs)

    return on_it


def table(values: Array, columns: int, what: str) -> Tensor:
    """Return values as a float64 tensor `(batch, columns)`, or say what is wrong with them.

    A vector `(batch,)` is taken as one column where one is wanted, and never broadcast.

    Raises
    ------
    InputError
        If the shape does not fit, there is no row, or a value is NaN or infinite.
    """
    tensor = _real(values, what)
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


def _real(values: Array, what: str) -> Tensor:
    if isinstance(values, Tensor) and not values.is_complex():
        return values.detach().to(torch.float64)
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        return torch.from_numpy(np.array(values, dtype=np.float64))  # a copy, because torch takes no reversed array
    kind = getattr(values, "dtype", type(values).__name__)
    raise InputError(
        f"expected {what} as a tensor or array of real numbers, got {kind}. Convert them: numpy.asarray(values, float)."
    )


def precision(values: Array) -> float:
    """Return the relative precision that values were stored in, float64's for whole numbers."""
    if isinstance(values, Tensor):
        own = torch.finfo(values.dtype).eps if values.is_floating_point() else 0.0
    else:
        own = float(np.finfo(values.dtype).eps) if values.dtype.kind == "f" else 0.0
    return max(own, torch.finfo(torch.float64).eps)


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
        raise InputError(
            f"expected a validation share in [0, 1) that leaves rows to train on, got {share}. Choose a smaller share."
        )
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed), device="cpu")
    return order[held:].sort().values, order[:held].sort().values


ENOUGH = 100
"""Rows from which there are enough to keep those at the border for training."""


def split_inside(x: Tensor, share: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return the indices of training and held-out rows of a table, none of the latter at its border.

    A row with the smallest or largest value of a column would measure extrapolation, which says
    more about the row than about the fit. In tables of fewer than 100 rows none can be spared.
    """
    rows, held = split(len(x), share, seed)
    if len(x) < ENOUGH:
        return rows, held
    border = torch.cat([x.argmin(0), x.argmax(0)]).cpu()
    outside = torch.isin(held, border)
    return torch.cat([rows, held[outside]]).sort().values, held[~outside]
