"""Combine basis functions by coefficients, the heart of the layer: fast, in little memory, differentiable twice."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from kanlens import native
from kanlens.bases import Evaluator

TILE = 2**18
"""Numbers of basis functions that are evaluated at once, which a core's cache holds."""


def combine(x: Tensor, coef: Tensor, grid: Tensor, basis: Evaluator) -> Tensor:
    r"""Return :math:`y_{bj} = \sum_{im} c_{jim} B_m(x_{bi})`, `(batch, out)`.

    `x` is `(batch, in)`, `coef (out, in, size)`, `grid (in, knots)`. Under autograd the hand-written
    backward runs. Compilers and autocast get the plain formula, which they fuse and cast themselves.
    """
    if torch.compiler.is_compiling() or _autocasts(x.device.type):
        return _plain(x, coef, grid, basis)
    y: Tensor = _Combine.apply(x, coef, grid, basis, torch.is_grad_enabled())[0]  # type: ignore[no-untyped-call]
    return y


@torch.no_grad()
def tabulate(x: Tensor, grid: Tensor, basis: Evaluator) -> tuple[Tensor, Tensor]:
    """Return the basis functions and their slopes, each `(batch, in, size)`, where no derivative of them is wanted."""
    if native.serves(x, grid, basis):
        return native.tabulate(x, grid, basis.size - 3)
    return basis.values_and_slopes(x, grid)


def _autocasts(device: str) -> bool:
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def _plain(x: Tensor, coef: Tensor, grid: Tensor, basis: Evaluator) -> Tensor:
    return _rows(basis.values(x, grid)).T @ _rows(coef)


def _rows(tensor: Tensor) -> Tensor:
    """See values `(batch, in, size)` or coefficients `(out, in, size)` as rows, one a basis function."""
    return tensor.permute(1, 2, 0).flatten(0, 1)


def _tiles(x: Tensor, size: int) -> Iterator[slice]:
    """Cut the inputs so that their basis functions fit the cache."""
    step = max(1, TILE // max(1, len(x) * size)) if x.device.type == "cpu" else x.shape[1]
    for start in range(0, x.shape[1], step):
        yield slice(start, start + step)


class _Combine(torch.autograd.Function):
    """Keep the basis functions of the forward pass for the backward one, and none of the steps to them."""

    @staticmethod
    def forward(x: Tensor, coef: Tensor, grid: Tensor, basis: Evaluator, keep: bool) -> tuple[Tensor, Tensor]:
        if _native(x, coef, grid, basis):
            return native.forward(x, coef, grid, basis.size - 3), x.new_empty(0)
        if not keep:
            return _plain(x, coef, grid, basis), x.new_empty(0)
        values = x.new_empty(x.shape[1], basis.size, len(x))
        for part in _tiles(x, basis.size):
            values[part] = basis.values(x[:, part], grid[part]).permute(1, 2, 0)
        rows = values.flatten(0, 1)
        return rows.T @ _rows(coef), rows

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, coef, grid, ctx.basis, _ = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, coef, grid, output[1])
        ctx.save_for_forward(x, coef, grid)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return None, None, None, None, None
        x, coef, grid, values = ctx.saved_tensors
        basis: Evaluator = ctx.basis
        if torch.is_grad_enabled():  # a derivative of this derivative is wanted
            pull = torch.func.vjp(lambda x, coef: _plain(x, coef, grid, basis), x, coef)[1]
            by_x, by_coef = pull(grad)
            return by_x, by_coef, None, None, None
        if _native(x, coef, grid, basis):
            by_x, by_coef = _Native.apply(grad, x, coef, grid, basis, *ctx.needs_input_grad[:2])  # type: ignore[no-untyped-call]
            return by_x, by_coef, None, None, None
        by_coef = _unrows(values @ grad, basis.size) if ctx.needs_input_grad[1] else None
        if not ctx.needs_input_grad[0]:
            return None, by_coef, None, None, None
        by_values = _unrows(_rows(coef) @ grad.T, basis.size)
        parts = [basis.pull_back(x[:, p], grid[p], by_values[:, p]) for p in _tiles(x, basis.size)]
        return torch.cat(parts, 1), by_coef, None, None, None

    @staticmethod
    def jvp(ctx: Any, by_x: Tensor | None, by_coef: Tensor | None, *_: None) -> tuple[Tensor, None]:
        x, coef, grid = ctx.saved_tensors
        values, slopes = ctx.basis.values_and_slopes(x, grid)
        tangent = x.new_zeros(len(x), len(coef))
        if by_x is not None:
            tangent = tangent + _rows(slopes * by_x[..., None]).T @ _rows(coef)
        if by_coef is not None:
            tangent = tangent + _rows(values).T @ _rows(by_coef)
        return tangent, None

    @staticmethod
    def vmap(_: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[tuple[Tensor, Tensor], tuple[int, None]]:
        return (torch.vmap(_plain, in_dims[:4])(*args[:4]), args[0].new_empty(0)), (0, None)


class _Native(torch.autograd.Function):
    """Let vmap past the compiled loops, which know no tensors but real ones."""

    @staticmethod
    def forward(
        grad: Tensor, x: Tensor, coef: Tensor, grid: Tensor, basis: Evaluator, by_x: bool, by_coef: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        return native.backward(x, coef, grid, grad, basis.size - 3, by_x, by_coef)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor | None, Tensor | None]) -> None:
        pass

    @staticmethod
    def vmap(_: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        def pull(grad: Tensor, x: Tensor, coef: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
            by_x, by_coef = torch.func.vjp(lambda x, coef: _plain(x, coef, grid, args[4]), x, coef)[1](grad)
            return by_x, by_coef

        return torch.vmap(pull, in_dims[:4])(*args[:4]), (0, 0)


def _native(x: Tensor, coef: Tensor, grid: Tensor, basis: Evaluator) -> bool:
    return native.serves(x, grid, basis) and coef.dtype == x.dtype


def _unrows(rows: Tensor, size: int) -> Tensor:
    """Undo :func:`_rows`."""
    return rows.view(-1, size, rows.shape[1]).permute(2, 0, 1)


def evaluate(x: Tensor, grid: Tensor, basis: Evaluator) -> Tensor:
    """Return the basis functions `(batch, in, size)` in little memory: autograd keeps the points alone."""
    if torch.compiler.is_compiling():
        return basis.values(x, grid)
    values: Tensor = _Evaluate.apply(x, grid, basis)  # type: ignore[no-untyped-call]
    return values


class _Evaluate(torch.autograd.Function):
    """Evaluate once more in the backward pass what is needed there."""

    @staticmethod
    def forward(x: Tensor, grid: Tensor, basis: Evaluator) -> Tensor:
        return basis.values(x, grid)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], _: Tensor) -> None:
        x, grid, ctx.basis = inputs
        ctx.save_for_backward(x, grid)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None]:
        x, grid = ctx.saved_tensors
        basis: Evaluator = ctx.basis
        if torch.is_grad_enabled():  # a derivative of this derivative is wanted
            return torch.func.vjp(lambda x: basis.values(x, grid), x)[1](grad)[0], None, None
        return basis.pull_back(x, grid, grad), None, None

    @staticmethod
    def vmap(_: Any, in_dims: tuple[int | None, ...], x: Tensor, grid: Tensor, basis: Evaluator) -> tuple[Tensor, int]:
        return torch.vmap(basis.values, in_dims[:2])(x, grid), 0
