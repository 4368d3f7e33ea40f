"""The sums of a layer and their derivatives by plain numbers: what runs where nothing is to be derived further."""

from collections.abc import Iterator

import torch
from torch import Tensor

from kanlens import native, powers
from kanlens.bases import Evaluator

TILE = 2**19
"""Numbers of basis functions that are evaluated at once, which the caches hold."""

SMALL = 2**16
"""Numbers of basis functions that are so few that starting an operation is what costs."""


def small(x: Tensor, basis: Evaluator) -> bool:
    """Tell whether the basis functions at such points are few: they may be kept, and operations should be joined."""
    return x.numel() * basis.size <= SMALL


def forward(x: Tensor, coef: Tensor, grid: Tensor, basis: Evaluator) -> Tensor:
    """Return the sums `(batch, out)` for `x (batch, in)` and `coef (out, in, size)`."""
    if in_c(x, coef, grid, basis):
        return native.forward(x, coef, grid, basis.size - 3)
    if powers.serves(basis, x, coef):
        return powers.forward(x, coef, grid, basis)
    if x.device.type != "cpu":
        return rows(basis.values(x, grid)).T @ rows(coef)
    batch, out = len(x), len(coef)
    # by columns, where they are few, the product is up to a third faster, which pays for turning its result
    columns = batch > out
    y = coef.new_zeros(out, batch).T if columns else coef.new_zeros(batch, out)
    for part in _tiles(x, basis.size):
        y.addmm_(rows(basis.values(x[:, part], grid[part])).T, rows(coef[:, part]))
    return y.contiguous()


def backward(
    x: Tensor, coef: Tensor, grid: Tensor, grad: Tensor, basis: Evaluator, for_x: bool, for_coef: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Return the derivatives by `x` and by `coef`, where they are wanted."""
    if in_c(x, coef, grid, basis):
        return native.backward(x, coef, grid, grad, basis.size - 3, for_x, for_coef)
    if powers.serves(basis, x, coef):
        return powers.backward(x, coef, grid, grad, basis, for_x, for_coef)
    if x.device.type != "cpu":  # where starting operations costs most
        return (
            basis.pull_back(x, grid, unrows(rows(coef) @ grad.T, basis.size)) if for_x else None,
            unrows(rows(basis.values(x, grid)) @ grad, basis.size) if for_coef else None,
        )
    lines = rows(coef)
    by_x = x.new_empty(x.shape) if for_x else None
    by_coef = coef.new_empty(lines.shape) if for_coef else None
    for part in _tiles(x, basis.size):
        place = slice(part.start * basis.size, part.stop * basis.size)
        if by_coef is not None:
            torch.mm(rows(basis.values(x[:, part], grid[part])), grad, out=by_coef[place])
        if by_x is not None:
            by_values = unrows(lines[place] @ grad.T, basis.size)
            by_x[:, part] = basis.pull_back(x[:, part], grid[part], by_values)
    return by_x, None if by_coef is None else unrows(by_coef, basis.size)


def in_c(x: Tensor, coef: Tensor, grid: Tensor, basis: Evaluator) -> bool:
    """Tell whether the loops in C are loaded and made for such points, coefficients, grid and basis."""
    return native.serves(x, grid, basis) and coef.dtype == x.dtype


def _tiles(x: Tensor, size: int) -> Iterator[slice]:
    """Cut the inputs so that their basis functions fit the cache."""
    step = max(1, TILE // max(1, len(x) * size))
    for start in range(0, x.shape[1], step):
        yield slice(start, start + step)


def rows(tensor: Tensor) -> Tensor:
    """See values `(batch, in, size)` or coefficients `(out, in, size)` as rows, one a basis function."""
    return tensor.permute(1, 2, 0).flatten(0, 1)


def unrows(lines: Tensor, size: int) -> Tensor:
    """Undo :func:`rows`."""
    return lines.view(-1, size, lines.shape[1]).permute(2, 0, 1)
