r"""Splines of degree 2 to 5 on few uniform intervals in single precision, as sums of powers.

With the point :math:`w` measured from the middle of the grid, in intervals, a spline of degree :math:`d` is a sum of a
constant, of :math:`w, \dots, w^d`, and of one power for each inner knot :math:`k`: of :math:`\max(w - k, 0)^d` where
the knot is right of the middle, of :math:`\min(w - k, 0)^d` where it is left of it. These take a third of the passes
that B-splines take, each as large as all basis functions at all points, and the constant leaves the product.

Powers grow with the distance from the middle, and their sums lose the digits by which they exceed the result: hence
few intervals, and single precision, in which one digit less is felt by no training.

The layout counts as much as the arithmetic. An elementwise operation shares a tensor among the cores by its slowest
axis, a matrix product by the rows of its left factor. Where the two differ, the product waits until one core's cache
hands its part to the other, and takes twice as long. So the powers are laid out as `(batch, power, in)` for the sums
and the derivatives by inputs, and as `(in, power, batch)` for those by coefficients, in memory that is used again: new
memory comes with page faults.
"""

import functools
from collections.abc import Iterator
from typing import TypeGuard

import torch
from torch import Tensor

from kanlens.cardinal import Cardinal
from kanlens.scratch import plain, scratch

TILE = 2**20
"""Numbers of powers that are evaluated at once, which the caches hold."""

MANY = 512
"""Rows from which it pays to turn the coefficients of B-splines into those of powers."""

FEW = 5
"""Intervals up to which the terms that make up a B-spline are at most 24 times as large as it may be."""


def serves(basis: object, x: Tensor, coef: Tensor) -> TypeGuard[Cardinal]:
    """Tell whether the functions of this module take such a basis, points and coefficients."""
    return (
        isinstance(basis, Cardinal)
        and 1 < basis.degree <= 5
        and basis.intervals <= FEW
        and len(x) >= MANY
        and coef.numel() > 0
        and x.dtype == coef.dtype == torch.float32
        and x.device.type == "cpu"
        and plain(x)
    )


def forward(x: Tensor, coef: Tensor, grid: Tensor, basis: Cardinal) -> Tensor:
    """Return the sums `(batch, out)` for `x (batch, in)` and `coef (out, in, size)`."""
    factors, y = _factors(coef, _change(basis.degree, basis.intervals)), x.new_empty(len(x), len(coef))
    constant, factors = factors[0].sum(0), factors[1:].flatten(0, 1)
    for part in _tiles(len(x), len(factors)):
        w, past, _ = _steps(basis, x[part], grid, inputs=1)
        torch.addmm(constant, _continued(basis, w, past).flatten(1), factors, out=y[part])
    return y


def backward(
    x: Tensor, coef: Tensor, grid: Tensor, grad: Tensor, basis: Cardinal, for_x: bool, for_coef: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Return the derivatives by `x` and by `coef`, where they are wanted."""
    return (
        _by_x(x, coef, grid, grad, basis) if for_x else None,
        _by_coef(x, grid, grad, basis).permute(2, 0, 1) if for_coef else None,
    )


def _by_x(x: Tensor, coef: Tensor, grid: Tensor, grad: Tensor, basis: Cardinal) -> Tensor:
    factors = _factors(coef, _derived_change(basis.degree, basis.intervals)).flatten(0, 1)
    by_x = torch.empty_like(x, memory_format=torch.contiguous_format)
    for part in _tiles(len(x), len(factors)):
        w, _, step = _steps(basis, x[part], grid, inputs=1)
        weights = scratch("weights", (len(w), basis.size - 1, x.shape[1]), x)
        torch.mm(grad[part], factors.T, out=weights.flatten(1))
        weights[:, 1:].mul_(_powers(basis.degree - 1, basis.intervals, w))
        torch.sum(weights, 1, out=by_x[part]).div_(step)
    return by_x


def _by_coef(x: Tensor, grid: Tensor, grad: Tensor, basis: Cardinal) -> Tensor:
    """Return the derivatives by the coefficients, `(in, size, out)`."""
    change, total = _change(basis.degree, basis.intervals), grad.sum(0)
    constant = torch.outer(change[0], total)  # (size, out)
    by_coef = x.new_empty(x.shape[1], basis.size, len(total))
    for part in _tiles(x.shape[1], len(x) * (basis.size - 1)):
        w, past, _ = _steps(basis, x.T[part], grid[part], inputs=0)
        by_powers = torch.mm(_continued(basis, w, past).flatten(0, 1), grad).view(len(w), -1, len(total))
        torch.baddbmm(constant, change[1:].T.expand(len(w), -1, -1), by_powers, out=by_coef[part])
    return by_coef


def _factors(coef: Tensor, change: Tensor) -> Tensor:
    """Return the coefficients of powers, `(power, in, out)`."""
    by_input = torch.bmm(change.expand(coef.shape[1], -1, -1), coef.permute(1, 2, 0))  # (in, power, out)
    return scratch("factors", (len(change), *coef.shape[1::-1]), coef).copy_(by_input.transpose(0, 1))


def _tiles(count: int, each: int) -> Iterator[slice]:
    step = max(1, TILE // max(1, each))
    for start in range(0, count, step):
        yield slice(start, start + step)


def _steps(basis: Cardinal, x: Tensor, grid: Tensor, inputs: int) -> tuple[Tensor, Tensor | None, Tensor]:
    """Return points in intervals from the middle, by how much they are beyond the grid, if any is, and a step's width.

    `inputs` is the axis of the inputs.
    """
    ends = grid.narrow(1, basis.degree, 1), grid.narrow(1, basis.size, 1)
    low, high = (end.T for end in ends) if inputs else ends
    half, step, middle = basis.intervals / 2, (high - low) / basis.intervals, torch.lerp(low, high, 0.5)
    w = torch.sub(x, middle, out=scratch("points", x.shape, x)).div_(step)
    least, most = w.aminmax()
    if -half <= least.item() and most.item() <= half:
        return w, None, step
    inside = w.clamp(-half, half)
    return inside, w - inside, step


def _powers(degree: int, intervals: int, w: Tensor) -> Tensor:
    """Return :math:`w, ..., w^d` and the powers from the knots at points `w (n, k)`, `(n, power, k)`."""
    full = scratch("powers", (len(w), degree + intervals - 1, w.shape[1]), w)
    whole, left, right = full.tensor_split([degree, degree + intervals // 2], 1)
    first, *others = whole.unbind(1)
    below = first.copy_(w)
    for here in others:
        below = torch.mul(below, w, out=here)
    torch.sub(w.unsqueeze(1), _knots(intervals, w.dtype), out=full.narrow(1, degree, intervals - 1))
    left.clamp_(max=0)
    right.clamp_(min=0)
    full.narrow(1, degree, intervals - 1).pow_(degree)
    return full


@functools.cache
@torch.inference_mode(False)
def _knots(intervals: int, dtype: torch.dtype) -> Tensor:
    """Return the inner knots, in intervals from the middle, `(knots, 1)`."""
    return torch.arange(1, intervals, dtype=dtype)[:, None] - intervals / 2


def _slopes(degree: int, intervals: int) -> Tensor:
    """Return the factors that powers get when they are derived, `(power, 1)`."""
    return torch.arange(1, degree + intervals).clamp(max=degree)[:, None]


def _continued(basis: Cardinal, w: Tensor, past: Tensor | None) -> Tensor:
    """Return the powers at points inside the grid, and by how much they are beyond it times the slopes there."""
    full = _powers(basis.degree, basis.intervals, w)
    if past is not None:
        full = full.clone()
        full[:, :1] += past[:, None]
        full[:, 1:] += (
            past[:, None] * _slopes(basis.degree, basis.intervals)[1:] * _powers(basis.degree - 1, basis.intervals, w)
        )
    return full


@functools.cache
@torch.inference_mode(False)
def _change(degree: int, intervals: int) -> Tensor:
    """Return the matrix `(power, size)`, the constant first, whose product with powers gives the B-splines."""
    powers, values = table(degree, intervals)
    change: Tensor = torch.linalg.lstsq(powers, values).solution
    return change.float()


@functools.cache
@torch.inference_mode(False)
def _derived_change(degree: int, intervals: int) -> Tensor:
    """Return the same `(power, size)`, without the constant, for the powers' derivatives without their factors."""
    return _slopes(degree, intervals) * _change(degree, intervals)[1:]


def table(degree: int, intervals: int) -> tuple[Tensor, Tensor]:
    """Return powers and B-splines at points in each interval, each `(points, size)`, in double precision."""
    w = torch.linspace(-intervals / 2, intervals / 2, 8 * (degree + 1) * intervals, dtype=torch.float64)
    powers = torch.nn.functional.pad(_powers(degree, intervals, w[:, None])[..., 0], (1, 0), value=1.0)
    knots = torch.arange(-degree, intervals + degree + 1, dtype=torch.float64) - intervals / 2
    return powers, Cardinal(degree, intervals).values(w[:, None], knots[None])[:, 0]
