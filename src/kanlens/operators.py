"""The sums of uniform splines on the CPU as operators of torch, which `torch.compile` calls without looking into them.

The code that it would generate from the formula takes up to twice as long for large layers, and half as long for
small ones, where calling an operator is what costs. They take the coefficients' rows `(in, size, out)`, as they lie
in memory, and give no views.
"""

import functools
from typing import Any, TypeGuard

import torch
from torch import Tensor

from kanlens import kernels
from kanlens.cardinal import Cardinal


def serves(basis: object, x: Tensor, coef: Tensor, grid: Tensor) -> TypeGuard[Cardinal]:
    """Tell whether a compiler should call the operators for such a basis, points, coefficients and grid."""
    return (
        isinstance(basis, Cardinal)
        and not torch.compiler.is_exporting()
        and x.device.type == "cpu"
        and x.dtype == coef.dtype == grid.dtype
        and not kernels.small(x, basis)
    )


def combine(x: Tensor, coef: Tensor, grid: Tensor, basis: Cardinal) -> Tensor:
    """Return the sums `(batch, out)` for `x (batch, in)` and `coef (out, in, size)`."""
    y: Tensor = _combine(x, coef.permute(1, 2, 0), grid, basis.degree, basis.intervals)
    return y


_cardinal = functools.cache(Cardinal)  # operators take numbers, and a basis works out its polynomials when it is made


@torch.library.custom_op("kanlens::combine", mutates_args=())
def _combine(x: Tensor, rows: Tensor, grid: Tensor, degree: int, intervals: int) -> Tensor:
    return kernels.forward(x, rows.permute(2, 0, 1), grid, _cardinal(degree, intervals))


@_combine.register_fake
def _(x: Tensor, rows: Tensor, _grid: Tensor, _degree: int, _intervals: int) -> Tensor:
    return x.new_empty(x.shape[0], rows.shape[2])


@torch.library.custom_op("kanlens::gradients", mutates_args=())
def _gradients(
    grad: Tensor, x: Tensor, rows: Tensor, grid: Tensor, degree: int, intervals: int, for_x: bool, for_rows: bool
) -> tuple[Tensor, Tensor]:
    basis, coef = _cardinal(degree, intervals), rows.permute(2, 0, 1)
    by_x, by_coef = kernels.backward(x, coef, grid, grad, basis, for_x, for_rows)
    nothing = x.new_empty(0), x.new_empty(0)
    return nothing[0] if by_x is None else by_x, nothing[1] if by_coef is None else by_coef.permute(1, 2, 0)


@_gradients.register_fake
def _(
    _grad: Tensor, x: Tensor, rows: Tensor, _grid: Tensor, _degree: int, _intervals: int, for_x: bool, for_rows: bool
) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape if for_x else (0,)), x.new_empty(rows.shape if for_rows else (0,))


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001 - torch passes it by name
    *tensors, ctx.degree, ctx.intervals = inputs
    ctx.save_for_backward(*tensors)


def _derive(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    wanted = ctx.needs_input_grad[:2]
    found = _gradients(grad, *ctx.saved_tensors, ctx.degree, ctx.intervals, *wanted)
    by_x, by_rows = (each if want else None for each, want in zip(found, wanted, strict=True))
    return by_x, by_rows, None, None, None


_combine.register_autograd(_derive, setup_context=_remember)
