"""B-splines on equally spaced knots, in closed form: all are one function, shifted."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Place(NamedTuple):
    """Say where points lie on a uniform grid, each `(in, batch)`.

    `interval` is the number of the piece, `fraction` the way through it, `past` how many
    intervals the point is beyond the grid (negative below, zero inside), `step` `(in, 1)` is the width of a piece.
    """

    interval: Tensor
    fraction: Tensor
    past: Tensor
    step: Tensor


@dataclass(frozen=True)
class Cardinal:
    r"""Evaluate the B-splines of one degree on uniform grids.

    On the interval that holds a point, `degree + 1` functions are alive, and each is a polynomial
    of the fraction :math:`t` of the interval that has been passed. From degree to degree

    .. math:: P^r_j(t) = \frac{(t + r - j)\,P^{r-1}_{j-1}(t) + (j + 1 - t)\,P^{r-1}_j(t)}{r}.

    Tensors are laid out as `(in, size, batch)` in memory and seen as `(batch, in, size)`: every
    step then runs along the batch, and the coefficients of one function are one row.

    References
    ----------
    C. de Boor, *A Practical Guide to Splines* (1978), chapter X, on equally spaced knots.
    """

    degree: int
    intervals: int

    @property
    def size(self) -> int:
        """Return the number of basis functions of one edge."""
        return self.intervals + self.degree

    def values(self, x: Tensor, grid: Tensor) -> Tensor:
        """Return the basis functions `(batch, in, size)` at the points `x (batch, in)`."""
        once = torch.compiler.is_compiling() and self.degree > 1  # compilers derive no derivatives
        if once or not torch.is_grad_enabled():
            return self._bumps(x, grid)
        place = self._place(x, grid)
        return self._spread(place.interval, self._live(place))

    def values_and_slopes(self, x: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Return the basis functions and their first derivatives, each `(batch, in, size)`."""
        place = self._place(x, grid)
        slopes = [slope / place.step for slope in self._rises(place.fraction)]
        return self._spread(place.interval, self._live(place)), self._spread(place.interval, slopes)

    def derivatives(self, x: Tensor, grid: Tensor, order: int = 1) -> Tensor:
        """Return the derivatives of an order `>= 0` of the basis functions, `(batch, in, size)`."""
        place = self._place(x, grid)
        if order == 0:
            return self._spread(place.interval, self._live(place))
        if order == 1:
            live = self._rises(place.fraction)
        else:  # beyond the grid are tangents
            live = [torch.where(place.past == 0, rise, 0) for rise in self._rises(place.fraction, order)]
        return self._spread(place.interval, [rise / place.step**order for rise in live])

    def pull_back(self, x: Tensor, grid: Tensor, grad: Tensor) -> Tensor:
        """Return the derivative `(batch, in)` by `x` of the sum of the values times `grad (batch, in, size)`."""
        place = self._place(x, grid)
        rows, index = grad.permute(1, 2, 0), place.interval[:, None]
        rises = enumerate(self._rises(place.fraction))
        picked = [rows.gather(1, index + j)[:, 0] * rise for j, rise in rises]
        total: Tensor = sum(picked[1:], picked[0])
        return (total / place.step).T

    def _steps(self, x: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Return the points in intervals from the grid's start, `(in, batch)`, and the intervals' width `(in, 1)`."""
        low, high = grid[:, self.degree, None], grid[:, self.intervals + self.degree, None]
        step = (high - low) / self.intervals
        return (x.T.contiguous() - low) / step, step

    def _place(self, x: Tensor, grid: Tensor) -> Place:
        u, step = self._steps(x, grid)
        inside = u.clamp(0, self.intervals)
        # whole numbers first, then the clamp: a NaN falls into some piece, and its fraction stays NaN
        interval = inside.detach().long().clamp(0, self.intervals - 1)
        return Place(interval, inside - interval, u - inside, step)

    def _live(self, place: Place) -> list[Tensor]:
        """Return the values `(in, batch)` of the functions alive, continued by their tangents."""
        live = _pieces(place.fraction, self.degree)
        return [value + place.past * rise for value, rise in zip(live, self._rises(place.fraction), strict=True)]

    def _rises(self, t: Any, order: int = 1) -> list[Any]:
        """Return the derivatives by `t` of the functions alive: differences of a degree lower by their order."""
        if order > self.degree:
            return [t * 0] * (self.degree + 1)
        rises = _pieces(t, self.degree - order)
        for _ in range(order):
            rises = [-rises[0], *(a - b for a, b in pairwise(rises)), rises[-1]]
        return rises

    def _spread(self, interval: Tensor, live: list[Tensor]) -> Tensor:
        """Put the live functions' values at their places among all functions."""
        full = live[0].new_zeros(len(interval), self.size, interval.shape[1])
        index = interval[:, None] + torch.arange(len(live), device=interval.device)[:, None]
        return full.scatter(1, index, torch.stack(live, 1)).permute(2, 0, 1)

    def _bumps(self, x: Tensor, grid: Tensor) -> Tensor:
        r"""Return all functions from their distance to the point, in few passes that write in place.

        They are :math:`\sum_j (-1)^j \binom{d+1}{j} \max(\tfrac{d+1}{2} - j - |v|, 0)^d / d!` at the distance
        :math:`v`. Autograd would take wrong second derivatives of it where :math:`v = 0`, and a wrong first
        one in degree 1. Comparing every function's number with the point's interval instead takes a compiler
        ten times longer to run, or minutes to compile.
        """
        u, _ = self._steps(x, grid)
        inside, degree = u.clamp(0, self.intervals), self.degree
        centres = torch.arange(self.size, dtype=u.dtype, device=u.device) + (1 - degree) / 2
        away = (inside[:, None] - centres[:, None]).abs_()  # (in, size, batch)
        outer, *inner = [(-1) ** (j + degree) * math.comb(degree + 1, j) for j in range((degree + 2) // 2)]
        terms = [(away - ((degree - 1) / 2 - j)).clamp_(max=0).pow_(degree) for j in range(len(inner))]
        full = away.sub_((degree + 1) / 2).clamp_(max=0).pow_(degree).mul_(outer / math.factorial(degree))
        for factor, term in zip(inner, terms, strict=True):
            full.add_(term, alpha=factor / math.factorial(degree))
        below, above = (u - inside).clamp(max=0), (u - inside).clamp(min=0)
        for border, first, past in ((0.0, 0, below), (1.0, self.intervals - 1, above)):
            for j, rise in enumerate(self._rises(border)):
                if rise:
                    full[:, first + j].add_(past, alpha=rise)
        return full.permute(2, 0, 1)


def _pieces(t: Any, degree: int) -> list[Any]:
    """Return the `degree + 1` polynomials at the fraction `t` of an interval, a tensor or a number; they sum to one."""
    if degree == 0:
        return [t * 0 + 1]
    rest = 1 - t
    pieces = [rest, t]
    for order in range(2, degree + 1):
        inner = [((t + (order - j)) * pieces[j - 1] + ((j + 1) - t) * pieces[j]) / order for j in range(1, order - 1)]
        ends = pieces[0] * rest / order, pieces[-1] * t / order
        pieces = [ends[0], *inner, 1 - sum(inner, ends[0]) - ends[1], ends[1]]
    return pieces
