"""Combine basis functions by coefficients, the heart of the layer: fast, in little memory, differentiable twice."""

from typing import Any

import torch
from torch import Tensor
from torch._functorch.utils import unwrap_dead_wrappers
from torch.autograd import forward_ad

from kanlens import arrays, kernels, native, operators
from kanlens.bases import Evaluator
from kanlens.cardinal import Cardinal
from kanlens.kernels import rows, unrows


def combine(x: Tensor, coef: Tensor, grid: Tensor, basis: Evaluator) -> Tensor:
    r"""Return :math:`y_{bj} = \sum_{im} c_{jim} B_m(x_{bi})`, `(batch, out)`.

    `x` is `(batch, in)`, `coef (out, in, size)`, `grid (in, knots)`. Under autograd the hand-written
    backward runs. Compilers call it as an operator where :func:`kanlens.operators.serves` says so. Else they get the
    plain formula, and so does autocast: they fuse and cast it themselves.
    """
    compiles, autocasts = torch.compiler.is_compiling(), _autocasts(x.device.type)
    transforms = torch._C._are_functorch_transforms_active()
    if compiles and not (autocasts or transforms) and operators.serves(basis, x, coef, grid):
        return operators.combine(x, coef, grid, basis)
    if compiles or autocasts:
        return _plain(x, coef, grid, basis)
    transforms = transforms or forward_ad._current_level >= 0
    if not (torch.is_grad_enabled() or transforms):
        return kernels.forward(x, coef, grid, basis)
    if not (transforms or kernels.in_c(x, coef, grid, basis)) and x.requires_grad and kernels.small(x, basis):
        # whose derivatives by x may be derived again, as losses of slopes do: autograd then leaves out those by
        # coefficients, which a function of both would calculate each time
        return rows(_derivatives(x, grid, _Table(basis), 0)).T @ rows(coef)
    y: Tensor = _Combine.apply(x, coef, grid, basis)
    return y


@torch.no_grad()
def tabulate(x: Tensor, grid: Tensor, basis: Evaluator) -> tuple[Tensor, Tensor]:
    """Return the basis functions and their slopes, each `(batch, in, size)`, where no derivative of them is wanted."""
    if native.serves(x, grid, basis):
        return native.tabulate(x, grid, basis.size - 3)
    if isinstance(basis, Cardinal) and arrays.serves(x, grid, basis):
        return arrays.tabulate(x, grid, basis)
    return basis.values_and_slopes(x, grid)


def _autocasts(device: str) -> bool:
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def _plain(x: Tensor, coef: Tensor, grid: Tensor, basis: Evaluator) -> Tensor:
    return rows(basis.values(x, grid)).T @ rows(coef)


class _Function(torch.autograd.Function):
    """Apply a function without reading its signature anew at each call, which takes longer than small layers do."""

    @classmethod
    def apply(cls, *args: Any) -> Any:
        if torch._C._are_functorch_transforms_active():
            return super().apply(*args)  # type: ignore[no-untyped-call]
        return super(torch.autograd.Function, cls).apply(*unwrap_dead_wrappers(args))  # type: ignore[misc]


class _Combine(_Function):
    """Keep the inputs alone for the backward pass, which evaluates the basis functions once more."""

    @staticmethod
    def forward(x: Tensor, coef: Tensor, grid: Tensor, basis: Evaluator) -> Tensor:
        return kernels.forward(x, coef, grid, basis)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], _: Tensor) -> None:
        x, coef, grid, ctx.basis = inputs
        ctx.table = _Table(ctx.basis)
        ctx.save_for_backward(x, coef, grid)
        ctx.save_for_forward(x, coef, grid)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, coef, grid = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled():  # a derivative of this derivative is wanted
            by_x, by_coef = _pull(grad, x, coef, grid, ctx.table, *wanted)
        elif torch._C._are_functorch_transforms_active():
            by_x, by_coef = _Gradients.apply(grad, x, coef, grid, ctx.basis, *wanted)
        else:
            by_x, by_coef = kernels.backward(x, coef, grid, grad, ctx.basis, *wanted)
        return by_x, by_coef, None, None

    @staticmethod
    def jvp(ctx: Any, by_x: Tensor | None, by_coef: Tensor | None, *_: None) -> Tensor:
        x, coef, grid = ctx.saved_tensors
        values, slopes = ctx.basis.values_and_slopes(x, grid)
        tangent: Tensor = x.new_zeros(len(x), len(coef))
        if by_x is not None:
            tangent = tangent + rows(slopes * by_x[..., None]).T @ rows(coef)
        if by_coef is not None:
            tangent = tangent + rows(values).T @ rows(by_coef)
        return tangent

    @staticmethod
    def vmap(
        _: Any, in_dims: tuple[int | None, ...], x: Tensor, coef: Tensor, grid: Tensor, basis: Evaluator
    ) -> tuple[Tensor, int]:
        return torch.vmap(lambda x, coef, grid: _plain(x, coef, grid, basis), in_dims[:3])(x, coef, grid), 0


class _Gradients(_Function):
    """Write the derivatives in place; a function of its own, so that vmap takes the plain way instead."""

    @staticmethod
    def forward(
        grad: Tensor, x: Tensor, coef: Tensor, grid: Tensor, basis: Evaluator, for_x: bool, for_coef: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        return kernels.backward(x, coef, grid, grad, basis, for_x, for_coef)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], _: tuple[Tensor | None, Tensor | None]) -> None:
        pass

    @staticmethod
    def vmap(
        _: Any, in_dims: tuple[int | None, ...], *args: Any
    ) -> tuple[tuple[Tensor | None, Tensor | None], tuple[int, int]]:
        def pull(grad: Tensor, x: Tensor, coef: Tensor, grid: Tensor) -> tuple[Tensor | None, Tensor | None]:
            return _pull(grad, x, coef, grid, _Table(args[4]), True, True)

        return torch.vmap(pull, in_dims[:4])(*args[:4]), (0, 0)


def _pull(
    grad: Tensor, x: Tensor, coef: Tensor, grid: Tensor, table: "_Table", for_x: bool, for_coef: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Return the derivatives by `x` and `coef`, which may be derived further."""
    by_x = by_coef = None
    if for_x:
        by_x = (_derivatives(x, grid, table, 1) * unrows(rows(coef) @ grad.T, table.basis.size)).sum(2)
    if for_coef:
        by_coef = unrows(rows(_derivatives(x, grid, table, 0)) @ grad, table.basis.size)
    return by_x, by_coef


class _Table:
    """Evaluate the derivatives of a basis at one set of points, each order once."""

    def __init__(self, basis: Evaluator) -> None:
        self.basis = basis
        self._known: dict[int, Tensor] = {}

    def derivatives(self, x: Tensor, grid: Tensor, order: int) -> Tensor:
        """Return the derivatives of an order, always at the same points."""
        if torch._C._are_functorch_transforms_active():  # what is wrapped there must not outlive the call
            return self.basis.derivatives(x, grid, order)
        if order not in self._known:
            self._known[order] = self.basis.derivatives(x, grid, order)
        return self._known[order].detach()  # a tensor of its own, to which autograd ties the call


def _derivatives(x: Tensor, grid: Tensor, table: _Table, order: int) -> Tensor:
    found: Tensor = _Derivatives.apply(x, grid, table, order)
    return found


class _Derivatives(_Function):
    """Give the derivatives of the basis functions, whose own derivatives are those of the next order.

    Deriving the recursion that evaluates splines was rejected: its graph doubles with each order, and takes
    seconds for the third derivatives of splines of degree 10.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, grid: Tensor, table: _Table, order: int) -> Tensor:
        return table.derivatives(x, grid, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], _: Tensor) -> None:
        x, grid, ctx.table, ctx.order = inputs
        ctx.save_for_backward(x, grid)
        ctx.save_for_forward(x, grid)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None, None]:
        x, grid = ctx.saved_tensors
        return (grad * _derivatives(x, grid, ctx.table, ctx.order + 1)).sum(2), None, None, None

    @staticmethod
    def jvp(ctx: Any, by_x: Tensor, *_: None) -> Tensor:
        x, grid = ctx.saved_tensors
        return by_x[..., None] * _derivatives(x, grid, ctx.table, ctx.order + 1)


def evaluate(x: Tensor, grid: Tensor, basis: Evaluator) -> Tensor:
    """Return the basis functions `(batch, in, size)` in little memory: autograd keeps the points alone."""
    if torch.compiler.is_compiling():
        return basis.values(x, grid)
    values: Tensor = _Evaluate.apply(x, grid, basis)
    return values


class _Evaluate(_Function):
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
            return (grad * _derivatives(x, grid, _Table(basis), 1)).sum(2), None, None
        return basis.pull_back(x, grid, grad), None, None

    @staticmethod
    def vmap(_: Any, in_dims: tuple[int | None, ...], x: Tensor, grid: Tensor, basis: Evaluator) -> tuple[Tensor, int]:
        return torch.vmap(basis.values, in_dims[:2])(x, grid), 0
