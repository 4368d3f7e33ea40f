"""How much rows count: all alike, by their target's size, or not at all if they disagree with their neighbours."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from kanlens.errors import InputError
from kanlens.surrogate import FEW, surrogate

ROWS = 5000
"""Rows that are looked at; a search fits its formulas to four thousand."""

FAR = 5.0
"""Standard deviations from which a row is an outlier: of normal errors, one in two millions is so far off."""

SMALLEST = 1e-2
"""Error, as a share of the target's deviation, up to which a row is none: a smooth stand-in is not the law."""

MOST = 0.4
"""Share of the rows that may be outliers."""

ROUNDS = 6
"""Times that a stand-in is fitted to the rows that are left."""


Loss = Literal["squared", "relative", "robust"]
"""Errors count by their squares, by those of their shares of the target, or only in rows that agree with others."""


def counted(loss: Loss, x: Tensor, y: Tensor, weight: Tensor | None = None, seed: int = 0) -> Tensor | None:
    """Return the weights `(rows,)` that a loss gives to rows, None if all count alike.

    Raises
    ------
    InputError
        If there is no such loss, or it is relative and a target is zero.

    Examples
    --------
    >>> x = torch.tensor([[1.0], [2.0]])
    >>> counted("relative", x, torch.tensor([1.0, 2.0]))
    tensor([1.0000, 0.2500])
    """
    if loss not in get_args(Loss):
        raise InputError(f"expected the loss 'squared', 'relative' or 'robust', got {loss!r}. Choose one of them.")
    if loss == "squared":
        return weight
    if loss == "relative" and not (y != 0).all():
        raise InputError("expected targets other than 0 for a relative loss, got 0. Use 'squared', or drop the rows.")
    own = (y / y.abs().amin()) ** -2 if loss == "relative" else trusted(x, y, seed).to(y.dtype)
    return own if weight is None else own * weight


def trusted(x: Tensor, y: Tensor, seed: int = 0) -> Tensor:
    """Return which rows `(rows,)` agree with a smooth function of the inputs `(rows, in)`.

    A stand-in is fitted, rows far from it by the errors at rows left out are put aside, and so on with the others.
    How far errors reach is measured by their median, which outliers hardly move (Hampel 1974). Of very many rows,
    only some are looked at, and only those are trusted.

    Examples
    --------
    >>> x = torch.linspace(0, 1, 30, dtype=torch.float64)[:, None]
    >>> y = x[:, 0] ** 2
    >>> y[7] = 5
    >>> trusted(x, y).logical_not().nonzero().tolist()
    [[7]]
    """
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))[:ROWS]
    kept = torch.zeros(len(y), dtype=torch.bool)
    for block in torch.tensor_split(order, math.ceil(len(order) / (4 * FEW))):  # of like size: none of a row or two
        kept[_agreeing(x, y, block)] = True
    return kept


def _agreeing(x: Tensor, y: Tensor, block: Tensor) -> Tensor:
    left = block
    for number in range(ROUNDS if len(block) > 1 else 0):  # a row by itself disagrees with none
        smooth = surrogate(x[left], y[left], number)
        far = left[smooth.rows][is_far(smooth.left_out, y[left])]
        fewer = left[~torch.isin(left, far)]
        if len(fewer) == len(left) or len(fewer) < (1 - MOST) * len(block):
            break
        left = fewer
    return left


def is_far(errors: Tensor, y: Tensor) -> Tensor:
    """Return which errors `(rows,)` are too large to be of the same kind as the others."""
    size = errors.abs()
    middle = (y - y.median()).abs().median()
    return size > torch.maximum(FAR * 1.4826 * size.median(), SMALLEST * 1.4826 * middle)
