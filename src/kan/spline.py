"""pykan's spline functions, on the core's basis; arrays are `(in, ...)` and `(rows, in, out)`.

Outside the grid a spline goes on as its tangent, where pykan's falls to zero.
"""

import torch
from torch import Tensor

from kanlens.bases import Basis, BSpline
from kanlens.errors import InputError


def extend_grid(grid: Tensor, k_extend: int = 0) -> Tensor:
    """Add knots at both sides of `grid (in, n)`, spaced by the mean interval.

    Examples
    --------
    >>> extend_grid(torch.tensor([[0.0, 1.0, 2.0]]), k_extend=1)
    tensor([[-1.,  0.,  1.,  2.,  3.]])
    """
    step = (grid[:, -1:] - grid[:, :1]) / (grid.shape[1] - 1)
    outside = step * torch.arange(1, k_extend + 1, dtype=grid.dtype, device=grid.device)
    return torch.cat([grid[:, :1] - outside.flip(1), grid, grid[:, -1:] + outside], dim=1)


def B_batch(x: Tensor, grid: Tensor, k: int = 0, extend: bool | None = None, device: str = "cpu") -> Tensor:
    """Return the basis functions `(rows, in, n)` of degree `k` at `x (rows, in)` on extended knots.

    With `extend=True`, as in 0.0.x, the knots given are the inner ones.

    Examples
    --------
    >>> grid = extend_grid(torch.linspace(-1, 1, 6)[None], k_extend=3)
    >>> B_batch(torch.tensor([[0.1]]), grid, k=3).sum()
    tensor(1.)
    """
    knots = extend_grid(grid, k) if extend else grid
    return _basis(knots, k).values(x, knots)


def coef2curve(x_eval: Tensor, grid: Tensor, coef: Tensor, k: int, device: str = "cpu") -> Tensor:
    """Return splines' values `(rows, in, out)` from their coefficients `(in, out, n)`."""
    return torch.einsum("bik,iok->bio", _basis(grid, k).values(x_eval, grid), coef)


def curve2coef(x_eval: Tensor, y_eval: Tensor, grid: Tensor, k: int, device: str = "cpu") -> Tensor:
    """Return the coefficients `(in, out, n)` of the splines closest to curves `(rows, in, out)`.

    Examples
    --------
    >>> grid = extend_grid(torch.linspace(-1, 1, 6)[None], k_extend=3)
    >>> x = torch.linspace(-1, 1, 50)[:, None]
    >>> coef = curve2coef(x, (x**3)[..., None], grid, k=3)
    >>> torch.allclose(coef2curve(x, grid, coef, k=3)[..., 0], x**3, atol=1e-4)
    True
    """
    x, y, knots = x_eval.double(), y_eval.double().transpose(1, 2), grid.double()
    return _basis(grid, k).project(x, y, knots).transpose(0, 1).to(y_eval.dtype)


def _basis(grid: Tensor, k: int) -> BSpline:
    return BSpline(degree=k, intervals=grid.shape[1] - 1 - 2 * k)


def degree(basis: Basis) -> int:
    """Return the degree of splines, the only basis that pykan knows."""
    if not isinstance(basis, BSpline):
        raise InputError(f"expected splines, got {basis}. Use kanlens.KAN for other bases.")
    return basis.degree
