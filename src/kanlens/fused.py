"""Cubic splines on a GPU in one pass each way, where torch's operations take a dozen and more.

There every operation of torch reads and writes numbers of basis functions at the speed of memory, and in small layers
starting it is what costs: together several times the product with the coefficients. The kernels are written in
Triton, which comes with torch for GPUs. Where it is missing or fails, torch's operations run.
"""

import functools
import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kanlens.scratch import plain

try:
    import triton
    from triton import language as tl
except ImportError:  # of a torch for CPUs
    triton = tl = None

logger = logging.getLogger(__name__)

ROWS = 256
"""Points of one input that a program of the kernels takes."""

_ROWS = None if tl is None else tl.constexpr(ROWS)  # as kernels read it


def serves(x: Tensor, grid: Tensor) -> bool:
    """Tell whether the kernels take such points and such a grid: where nothing is derived through them."""
    return (
        x.is_cuda
        and x.dtype == grid.dtype
        and x.dtype in (torch.float32, torch.float64)
        and plain(x)
        and x.numel() > 0
        and not (torch.is_grad_enabled() or torch.compiler.is_compiling())
        and not torch._C._are_functorch_transforms_active()
        and works(x.device)
    )


@functools.cache
def works(device: torch.device) -> bool:
    """Tell whether Triton can compile for a device and run there: it needs a C compiler and a GPU that is not old."""
    if triton is None:
        return False
    try:
        derivatives(torch.zeros(1, 1, device=device), torch.arange(8.0, device=device)[None], 1, 0)
    except Exception as error:  # noqa: BLE001 - whatever Triton stumbles over, there is another way
        logger.warning("Triton failed on %s, and torch's own operations run instead: %s", device, error)
        return False
    return True


def derivatives(x: Tensor, grid: Tensor, intervals: int, order: int) -> Tensor:
    """Return the derivatives of an order from 0 to 3 of the basis functions, `(batch, in, size)`."""
    batch, inputs = x.shape
    found = x.new_empty(inputs, intervals + 3, batch)
    with torch.cuda.device(x.device):
        _derivatives[_programs(x)](found, x, grid.contiguous(), batch, *x.stride(), intervals, order)
    return found.permute(2, 0, 1)


def pull_back(x: Tensor, grid: Tensor, grad: Tensor, intervals: int) -> Tensor:
    """Return the derivative `(batch, in)` by `x` of the sum of the values times `grad (batch, in, size)`."""
    batch, inputs = x.shape
    found = x.new_empty(inputs, batch)
    with torch.cuda.device(x.device):
        _pull[_programs(x)](found, x, grid.contiguous(), grad, batch, *x.stride(), *grad.stride(), intervals)
    return found.T


def _programs(x: Tensor) -> tuple[int, int]:
    return x.shape[1], -(-len(x) // ROWS)


# Kernels read annotations, too, and know no names but their own: hence the texts.


def _jit(function: Callable[..., Any]) -> Any:
    return function if triton is None else triton.jit(function)


@_jit
def _place(x: "Any", grid: "Any", batch: "int", by_row: "int", by_input: "int", intervals: "int") -> "Any":
    """Return number and mask of a program's points, piece, fraction, distance beyond the grid and width of a piece."""
    at, input_ = tl.program_id(1) * _ROWS + tl.arange(0, _ROWS), tl.program_id(0).to(tl.int64)
    there = at < batch
    point = tl.load(x + at.to(tl.int64) * by_row + input_ * by_input, there, 0.0)
    knots = grid + input_ * (intervals + 7) + 3
    low = tl.load(knots)
    step = (tl.load(knots + intervals) - low) / intervals
    u = (point - low) / step
    inside = tl.where(u < 0, 0.0, tl.where(u > intervals, intervals, u))  # a NaN stays one
    piece = tl.minimum(tl.maximum(inside.to(tl.int32), 0), intervals - 1)
    return at, there, piece, inside - piece, u - inside, step


@_jit
def _derivatives(
    found: "Any",
    x: "Any",
    grid: "Any",
    batch: "int",
    by_row: "int",
    by_input: "int",
    intervals: "int",
    order: "tl.constexpr",
) -> "None":
    at, there, piece, t, past, step = _place(x, grid, batch, by_row, by_input, intervals)
    s = 1 - t
    if order == 0:  # beyond the grid with the tangents
        first = s * s * (s / 6 - past / 2)
        second = (t * t * (3 * t - 6) + 4) / 6 + past * t * (1.5 * t - 2)
        third = (s * s * (3 * s - 6) + 4) / 6 - past * s * (1.5 * s - 2)
        fourth = t * t * (t / 6 + past / 2)
    elif order == 1:
        first, second = -s * s / (2 * step), t * (1.5 * t - 2) / step
        third, fourth = -s * (1.5 * s - 2) / step, t * t / (2 * step)
    elif order == 2:
        size = tl.where(past == 0, 1 / (step * step), 0.0)
        first, second, third, fourth = s * size, (3 * t - 2) * size, (3 * s - 2) * size, t * size
    else:
        size = tl.where(past == 0, 1 / (step * step * step), 0.0)
        first, second, third, fourth = -size, 3 * size, -3 * size, size
    line = found + tl.program_id(0).to(tl.int64) * (intervals + 3) * batch + at
    for number in range(intervals + 3):
        live = number - piece
        value = tl.where(live == 0, first, tl.where(live == 1, second, 0.0))
        value = tl.where(live == 2, third, tl.where(live == 3, fourth, value))
        tl.store(line, value, there)
        line += batch


@_jit
def _pull(
    found: "Any",
    x: "Any",
    grid: "Any",
    grad: "Any",
    batch: "int",
    by_row: "int",
    by_input: "int",
    grad_row: "int",
    grad_input: "int",
    grad_function: "int",
    intervals: "int",
) -> "None":
    at, there, piece, t, _, step = _place(x, grid, batch, by_row, by_input, intervals)
    s, input_ = 1 - t, tl.program_id(0).to(tl.int64)
    line = grad + input_ * grad_input + at.to(tl.int64) * grad_row + piece.to(tl.int64) * grad_function
    total = -s * s / 2 * tl.load(line, there, 0.0)
    total += t * (1.5 * t - 2) * tl.load(line + grad_function, there, 0.0)
    total -= s * (1.5 * s - 2) * tl.load(line + 2 * grad_function, there, 0.0)
    total += t * t / 2 * tl.load(line + 3 * grad_function, there, 0.0)
    tl.store(found + input_ * batch + at, total / step, there)
