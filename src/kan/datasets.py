"""Datasets as pykan's notebooks pass them: a dictionary of train and test inputs and labels."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanlens.data import Array
from kanlens.errors import InputError

Dataset = dict[str, Tensor]


def create_dataset(
    f: Callable[[Tensor], Tensor],
    n_var: int = 2,
    f_mode: str = "col",
    ranges: Sequence[Any] | np.ndarray = (-1, 1),
    train_num: int = 1000,
    test_num: int = 1000,
    normalize_input: bool = False,
    normalize_label: bool = False,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> Dataset:
    """Draw uniform inputs and label them by a function.

    A seed gives the numbers that it gives in pykan; the global random state stays as it is.

    Parameters
    ----------
    f : callable
        From inputs `(rows, n_var)` to labels, or from `(n_var, rows)` if `f_mode` is `"row"`.
    ranges : pair, or one pair for each variable
    normalize_input, normalize_label : bool
        Whether to bring each column of the training data to mean 0 and deviation 1.

    Examples
    --------
    >>> dataset = create_dataset(lambda x: x[:, 0] * x[:, 1], n_var=2)
    >>> dataset["train_input"].shape, dataset["test_label"].shape
    (torch.Size([1000, 2]), torch.Size([1000, 1]))
    """
    low, high = _ends(ranges, n_var)
    generator = torch.Generator().manual_seed(seed)
    draw = functools.partial(torch.rand, generator=generator, device="cpu")
    columns = [[draw(rows) for rows in (train_num, test_num)] for _ in range(n_var)]
    train, test = (torch.stack(part, 1) * (high - low) + low for part in zip(*columns, strict=True))
    labels = [_label(f, x, f_mode) for x in (train, test)]
    inputs = _standardise(train, test) if normalize_input else [train, test]
    labels = _standardise(*labels) if normalize_label else labels
    return _dataset(inputs, labels, device)


def create_dataset_from_data(
    inputs: Array, labels: Array, train_ratio: float = 0.8, device: torch.device | str = "cpu", seed: int = 0
) -> Dataset:
    """Split data at random into a training and a test part.

    Examples
    --------
    >>> create_dataset_from_data(torch.zeros(10, 2), torch.zeros(10, 1))["test_input"].shape
    torch.Size([2, 2])
    """
    x, y = torch.as_tensor(inputs), torch.as_tensor(labels)
    if len(x) != len(y):
        raise InputError(f"expected as many labels as inputs, got {len(y)} and {len(x)}. Match their rows.")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed), device="cpu")
    train, test = order[: int(len(x) * train_ratio)], order[int(len(x) * train_ratio) :]
    return _dataset([x[train], x[test]], [y[train], y[test]], device)


def part(dataset: Mapping[str, Array], name: str) -> tuple[Array, Array]:
    """Return inputs and labels of the `"train"` or the `"test"` part.

    Raises
    ------
    InputError
        If the dataset lacks one of them.
    """
    keys = [f"{name}_input", f"{name}_label"]
    if not isinstance(dataset, Mapping) or not set(keys) <= set(dataset):
        got = list(dataset) if isinstance(dataset, Mapping) else type(dataset).__name__
        raise InputError(f"expected a dataset with {keys[0]!r} and {keys[1]!r}, got {got}. Use create_dataset.")
    return dataset[keys[0]], dataset[keys[1]]


def _ends(ranges: Sequence[Any] | np.ndarray, n_var: int) -> tuple[Tensor, Tensor]:
    """Return the lower and upper ends of the variables, each `(n_var,)`."""
    ends = torch.as_tensor(np.asarray(ranges, dtype=float), dtype=torch.get_default_dtype(), device="cpu")
    if ends.shape not in ((2,), (n_var, 2)):
        raise InputError(
            f"expected ranges as a pair or {n_var} pairs, got the shape {tuple(ends.shape)}. "
            "Write [low, high], or one such pair for each variable."
        )
    low, high = ends.expand(n_var, 2).unbind(1)
    return low, high


def _label(f: Callable[[Tensor], Tensor], x: Tensor, f_mode: str) -> Tensor:
    """Return the labels `(rows, outputs)` of inputs."""
    if f_mode not in ("col", "row"):
        raise InputError(f"expected f_mode 'col' or 'row', got {f_mode!r}. Use 'col' for x[:, 0] and 'row' for x[0].")
    y = f(x if f_mode == "col" else x.T)
    return y[:, None] if y.dim() == 1 else y


def _standardise(train: Tensor, test: Tensor) -> list[Tensor]:
    mean, deviation = train.mean(0), train.std(0)
    return [(train - mean) / deviation, (test - mean) / deviation]


def _dataset(inputs: Sequence[Tensor], labels: Sequence[Tensor], device: torch.device | str) -> Dataset:
    keys = ("train_input", "test_input", "train_label", "test_label")
    return {key: values.to(device) for key, values in zip(keys, [*inputs, *labels], strict=True)}
