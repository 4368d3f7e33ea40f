"""Bases of one-variable functions: frozen objects of pure mathematics, without any network.

A basis turns points `x (batch, in)` and a `grid (in, knots)` into values `(batch, in, size)`;
an edge's function is the sum of these values times its coefficients.
"""

from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import torch
from torch import Tensor

from kanlens.cardinal import Cardinal
from kanlens.errors import InputError


class Evaluator(Protocol):
    """Evaluate basis functions on grids."""

    @property
    def size(self) -> int:
        """Return the number of basis functions of one edge."""
        ...

    def values(self, x: Tensor, grid: Tensor) -> Tensor:
        """Return the basis functions `(batch, in, size)` at the points `x (batch, in)`."""
        ...

    def values_and_slopes(self, x: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Return the basis functions and their first derivatives, each `(batch, in, size)`."""
        ...

    def derivatives(self, x: Tensor, grid: Tensor, order: int = 1) -> Tensor:
        """Return the derivatives of an order `>= 0` of the basis functions, `(batch, in, size)`."""
        ...

    def pull_back(self, x: Tensor, grid: Tensor, grad: Tensor) -> Tensor:
        """Return the derivative `(batch, in)` by `x` of the sum of the values times `grad (batch, in, size)`."""
        ...


class Basis(Evaluator, Protocol):
    """Describe the functions that edges are made of: what a layer, `regrid` and `fit` ask of a basis.

    A basis is a frozen object without tensors. Its grid `(in, knots)` is a buffer of the layer.
    """

    @property
    def intervals(self) -> int:
        """Return the number of pieces, or what stands for it: how finely the basis resolves its range."""
        ...

    def resized(self, intervals: int) -> Self:
        """Return the basis of another number of intervals."""
        ...

    def refine(self, coef: Tensor, grid: Tensor, intervals: int) -> tuple[Tensor, Tensor]:
        """Return coefficients and grid of the same curves on another number of intervals."""
        ...

    def grid(self, low: Tensor, high: Tensor) -> Tensor:
        """Return a grid `(in, knots)` whose range is `[low, high]`, each `(in,)`."""
        ...

    def adapted(self, x: Tensor, uniformity: float = 0.02) -> Tensor:
        """Return a grid `(in, knots)` that follows the data `x (batch, in)`."""
        ...

    def inner(self, grid: Tensor) -> Tensor:
        """Return the knots `(in, n)` of the range; the first and the last are its ends."""
        ...

    def on(self, grid: Tensor) -> Evaluator:
        """Return what evaluates the basis fastest on a grid: itself, or an equal."""
        ...

    def project(self, x: Tensor, y: Tensor, grid: Tensor) -> Tensor:
        """Return the coefficients `(out, in, size)` closest to the curves `y (batch, out, in)` at `x (batch, in)`."""
        ...


@dataclass(frozen=True)
class BSpline:
    r"""Describe the B-splines of one degree on a number of intervals.

    A spline is :math:`s(x) = \sum_m c_m B_m(x)` with :math:`m < \text{size} = \text{intervals} +
    \text{degree}`. On the grid's range `[low, high]` the values are non-negative and sum to one.
    Outside it every spline goes on as its tangent at the border, so that a network
    extrapolates linearly and never collapses to zero.

    Parameters
    ----------
    degree : int
        Degree of the polynomial pieces, at least 1 (3 is a cubic spline).
    intervals : int
        Number of pieces, at least 1.

    Examples
    --------
    >>> import torch
    >>> basis = BSpline(degree=3, intervals=5)
    >>> grid = basis.grid(torch.tensor([-1.0]), torch.tensor([1.0]))
    >>> values = basis.values(torch.tensor([[0.3]]), grid)
    >>> values.shape, round(values.sum().item(), 6)
    (torch.Size([1, 1, 8]), 1.0)

    References
    ----------
    L. Piegl and W. Tiller, *The NURBS Book* (1997), section 2.5, algorithm A2.2;
    C. de Boor, *A Practical Guide to Splines* (1978), chapters IX to XI.
    """

    degree: int = 3
    intervals: int = 5

    def __post_init__(self) -> None:
        for name, value in (("degree", self.degree), ("intervals", self.intervals)):
            if not isinstance(value, int) or value < 1:
                raise InputError(f"expected {name} to be an integer of at least 1, got {value!r}. Choose 3 or 5.")

    @property
    def size(self) -> int:
        """Return the number of basis functions of one edge."""
        return self.intervals + self.degree

    def resized(self, intervals: int) -> Self:
        """Return the splines of the same degree on another number of intervals."""
        return replace(self, intervals=intervals)

    # --- grids ---------------------------------------------------------------------------

    def grid(self, low: Tensor, high: Tensor) -> Tensor:
        """Return uniform knots `(in, intervals + 2 degree + 1)` whose inner part spans `[low, high]`.

        `low` and `high` have shape `(in,)`. A range without width (a constant column) is widened
        around its value, so that knots are always distinct.
        """
        low, high = widen(low, high)
        return self._extend(low[:, None] + (high - low)[:, None] * self._steps(low))

    def adapted(self, x: Tensor, uniformity: float = 0.02) -> Tensor:
        """Return knots that follow the data: quantiles of `x (batch, in)` blended with a uniform grid.

        `uniformity` is the weight of the uniform part, in (0, 1]: 1 gives :meth:`grid` on the
        data's range. It must be positive, because quantiles of repeated values coincide.
        """
        if not 0 < uniformity <= 1:
            raise InputError(f"expected uniformity in (0, 1], got {uniformity}. Use 1 for a uniform grid.")
        low, high = widen(x.amin(0), x.amax(0))
        order = torch.linspace(0, len(x) - 1, self.intervals + 1, device=x.device).long()
        quantiles = x.sort(dim=0).values[order].T  # (in, intervals + 1)
        uniform = low[:, None] + (high - low)[:, None] * self._steps(x)
        inner = uniformity * uniform + (1 - uniformity) * quantiles
        inner[:, 0], inner[:, -1] = low, high
        return self._extend(inner)

    def inner(self, grid: Tensor) -> Tensor:
        """Return the knots `(in, intervals + 1)` between which the pieces lie."""
        return grid[:, self.degree : grid.shape[1] - self.degree]

    def _extend(self, inner: Tensor) -> Tensor:
        """Add `degree` knots at each side of `inner`, spaced by the mean interval."""
        step = (inner[:, -1:] - inner[:, :1]) / self.intervals
        outside = step * torch.arange(1, self.degree + 1, dtype=inner.dtype, device=inner.device)
        return torch.cat([inner[:, :1] - outside.flip(-1), inner, inner[:, -1:] + outside], dim=1)

    def on(self, grid: Tensor) -> Evaluator:
        """Return what evaluates the splines fastest on a grid: a closed form if its knots are equally spaced."""
        return Cardinal(self.degree, self.intervals) if self._is_uniform(grid) else self

    def _is_uniform(self, grid: Tensor) -> bool:
        """Tell whether knots are equally spaced, to round-off. It is no where tensors have no values."""
        if grid.shape[1] != self.size + self.degree + 1:
            return False
        inner = self.inner(grid)
        knots = self._extend(torch.lerp(inner[:, :1], inner[:, -1:], self._steps(grid)))
        scale = inner.abs().amax(1, keepdim=True)
        try:
            return bool(((grid - knots).abs() <= 16 * torch.finfo(grid.dtype).eps * scale).all())
        except RuntimeError:  # meta and fake tensors, and those mapped by vmap
            return False

    def _steps(self, like: Tensor) -> Tensor:
        return torch.linspace(0, 1, self.intervals + 1, dtype=like.dtype, device=like.device)

    # --- values --------------------------------------------------------------------------

    def values(self, x: Tensor, grid: Tensor) -> Tensor:
        """Return the basis functions `(batch, in, size)` at the points `x (batch, in)`."""
        return self.values_and_slopes(x, grid)[0]

    def values_and_slopes(self, x: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Return the basis functions and their first derivatives, each `(batch, in, size)`."""
        inside = self._inside(x, grid)
        index, live, slopes = self._live(inside, grid, self.degree)
        live = live + slopes * (x - inside)[..., None]  # the tangent, zero inside the grid
        return self._dense(index, live, self.size), self._dense(index, slopes, self.size)

    def derivatives(self, x: Tensor, grid: Tensor, order: int = 1) -> Tensor:
        """Return the derivatives of an order `>= 0` of the basis functions, `(batch, in, size)`.

        Outside the grid the first derivative is constant and higher ones vanish.
        """
        if order < 0:
            raise InputError(f"expected order >= 0, got {order}. Order 0 gives the values, 1 the slopes.")
        if order <= 1:
            return self.values_and_slopes(x, grid)[order]
        if order > self.degree:
            return torch.zeros(*x.shape, self.size, dtype=x.dtype, device=x.device)
        inside = self._inside(x, grid)
        index, live, _ = self._live(inside, grid, self.degree - order)
        result = self._dense(index, live, self.size + order)
        for degree in range(self.degree - order + 1, self.degree + 1):
            scaled = degree * result / (grid[:, degree:] - grid[:, :-degree])
            result = scaled[..., :-1] - scaled[..., 1:]
        return torch.where((x == inside)[..., None], result, torch.zeros_like(result))

    def pull_back(self, x: Tensor, grid: Tensor, grad: Tensor) -> Tensor:
        """Return the derivative `(batch, in)` by `x` of the sum of the values times `grad (batch, in, size)`."""
        return (self.values_and_slopes(x, grid)[1] * grad).sum(2)

    @staticmethod
    def _dense(index: Tensor, live: Tensor, size: int) -> Tensor:
        """Spread live values over all `size` functions of an edge."""
        return torch.zeros(*live.shape[:-1], size, dtype=live.dtype, device=live.device).scatter(-1, index, live)

    def _inside(self, x: Tensor, grid: Tensor) -> Tensor:
        inner = self.inner(grid)
        return torch.maximum(torch.minimum(x, inner[:, -1]), inner[:, 0])

    def _interval(self, x: Tensor, grid: Tensor) -> Tensor:
        """Return the index of the last knot `<= x`, kept to the inner intervals, `(batch, in)`."""
        inner = self.inner(grid).contiguous()
        found = torch.searchsorted(inner, x.detach().T.contiguous(), right=True).T - 1
        return found.clamp(0, self.intervals - 1) + self.degree

    def _live(self, x: Tensor, grid: Tensor, degree: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return index, value and slope `(batch, in, degree + 1)` of the functions alive at `x`.

        The triangular scheme of Piegl and Tiller's A2.2: from degree to degree, only the live
        functions, no division by zero. The full Cox-de Boor recursion, which evaluates every
        function of the grid, was rejected: its cost grows with the number of intervals.
        """
        interval = self._interval(x, grid)
        around = interval[..., None] + torch.arange(1 - degree, degree + 1, device=x.device)
        knots = grid.expand(x.shape[0], *grid.shape).gather(2, around)  # (batch, in, 2 degree)
        past = x[..., None] - knots
        live, slopes = torch.ones_like(x[..., None]), torch.zeros_like(x[..., None])
        for order in range(1, degree + 1):
            left, right = past[..., degree - order : degree], -past[..., degree : degree + order]
            share = live / (left + right)
            rising = torch.nn.functional.pad(left * share, (1, 0))
            live = rising + torch.nn.functional.pad(right * share, (0, 1))
            if order == degree:
                pad = torch.nn.functional.pad(share, (1, 1))
                slopes = degree * (pad[..., :-1] - pad[..., 1:])
        index = interval[..., None] + torch.arange(-degree, 1, device=x.device)
        return index, live, slopes

    # --- least squares -------------------------------------------------------------------

    def project(self, x: Tensor, y: Tensor, grid: Tensor) -> Tensor:
        """Return the coefficients `(out, in, size)` of the splines closest to given curves.

        `x (batch, in)` are points and `y (batch, out, in)` the curves' values there. Where the
        points do not determine a coefficient, it continues its neighbours (a second-difference
        ridge of relative size 1e-7), on CPU and GPU alike, and never a NaN.
        """
        return closest(self.on(grid).values(x, grid), y, self._ridge(x) * max(len(x) / self.size, 1.0) ** 0.5)

    def _ridge(self, like: Tensor) -> Tensor:
        eye = torch.eye(self.size, dtype=like.dtype, device=like.device)
        small = torch.finfo(like.dtype).eps ** 0.5
        return torch.cat([eye.diff(n=2, dim=0) * small * 10, eye * small * 0.1])

    def refine(self, coef: Tensor, grid: Tensor, intervals: int) -> tuple[Tensor, Tensor]:
        """Return coefficients and grid of the same curves on another number of intervals.

        The new knots divide the old ones in proportion. If `intervals` is a multiple of the
        present number, the new space holds the old one and the curves stay the same to
        round-off (knot insertion); else they are the least-squares projection.
        """
        finer = self.resized(intervals)
        inner = self.inner(grid)
        steps = torch.linspace(0, self.intervals, intervals + 1, dtype=grid.dtype, device=grid.device)
        piece = steps.floor().long().clamp(max=self.intervals - 1)
        knots = inner[:, piece] + (steps - piece) * (inner[:, piece + 1] - inner[:, piece])
        new_grid = finer._extend(knots)
        points = _between(torch.cat([inner, knots], 1).sort(1).values, 2 * self.degree + 2)
        curves = torch.einsum("bik,oik->boi", self.values(points.T, grid), coef)
        return finer.project(points.T, curves, new_grid), new_grid


@dataclass(frozen=True)
class LinearSpline(BSpline):
    """Describe the B-splines of degree 1: straight lines between knots.

    Examples
    --------
    >>> LinearSpline(intervals=4).size
    5
    """

    degree: int = field(default=1, init=False)


def widen(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Give a range of no width one around its value, in proportion to its size."""
    scale = torch.maximum(low.abs(), high.abs())
    flat = (high - low) <= 1e3 * torch.finfo(low.dtype).eps * scale
    pad = torch.where(flat, torch.where(scale > 0, scale, torch.ones_like(scale)), torch.zeros_like(scale))
    return low - pad, high + pad


def closest(values: Tensor, y: Tensor, ridge: Tensor) -> Tensor:
    """Return the coefficients `(out, in, size)` whose sums with `values (batch, in, size)` are closest to `y`.

    `y` is `(batch, out, in)`; `ridge (rows, size)` are further equations, whose right sides are zero.
    """
    values = values.transpose(0, 1)  # (in, batch, size)
    rows = torch.cat([values, ridge.expand(len(values), -1, -1)], dim=1)
    target = torch.nn.functional.pad(y.permute(2, 0, 1), (0, 0, 0, len(ridge)))  # (in, batch + rows, out)
    q, r = torch.linalg.qr(rows)
    coef: Tensor = torch.linalg.solve_triangular(r, q.mT @ target, upper=True)  # (in, size, out)
    return coef.permute(2, 0, 1)


def _between(knots: Tensor, count: int) -> Tensor:
    """Return `count` points in each gap of `knots (in, n)`, ends included, `(in, points)`."""
    steps = torch.linspace(0, 1, count, dtype=knots.dtype, device=knots.device)
    low, high = knots[:, :-1, None], knots[:, 1:, None]
    return (low + (high - low) * steps).flatten(1)
