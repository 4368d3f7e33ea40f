"""Memory that is used again: the first touch of new memory takes longer than most arithmetic on it."""

import math
import threading
from collections.abc import Sequence

import torch
from torch import Tensor

LIMIT = 2**24
"""Bytes that a thread keeps for each purpose at most."""


class _Kept(threading.local):
    """Hold the memory of a thread, by purpose and type of numbers."""

    def __init__(self) -> None:
        self.flat: dict[tuple[str, torch.dtype], Tensor] = {}


_kept = _Kept()


def plain(tensor: Tensor) -> bool:
    """Tell whether a tensor is one of numbers, not a subclass that stands for others."""
    return type(tensor) in {Tensor, torch.nn.Parameter}


def scratch(purpose: str, shape: Sequence[int], like: Tensor) -> Tensor:
    """Return a tensor with anything in it, in memory that the next call for the same purpose gives out again.

    Each thread has its own. Where that would not pay or be safe, on other devices, for large tensors and for those
    without values, it is new memory.
    """
    count = math.prod(shape)
    if like.device.type != "cpu" or count * like.element_size() > LIMIT or not plain(like):
        return like.new_empty(tuple(shape))
    flat = _kept.flat.get((purpose, like.dtype))
    if flat is None or len(flat) < count:
        with torch.inference_mode(False):  # what is made in that mode cannot be written to outside of it
            flat = torch.empty(count, dtype=like.dtype)
        _kept.flat[purpose, like.dtype] = flat
    return flat[:count].view(tuple(shape))
