"""B-splines on equally spaced knots, in closed form: all are one function, shifted."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.answers import holds
from kanlens.scratch import plain

Rows = tuple[tuple[float, ...], ...]


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
    pieces: Rows = field(init=False, repr=False, compare=False)  # no cache of functions, which compilers warn of
    rises: Rows = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        pieces, rises = _tables(self.degree)
        object.__setattr__(self, "pieces", pieces)
        object.__setattr__(self, "rises", rises)

    @property
    def size(self) -> int:
        """Return the number of basis functions of one edge."""
        return self.intervals + self.degree

    def values(self, x: Tensor, grid: Tensor) -> Tensor:
        """Return the basis functions `(batch, in, size)` at the points `x (batch, in)`."""
        once = torch.compiler.is_compiling() and self.degree > 1  # compilers derive no derivatives
        if once or not torch.is_grad_enabled():
            return self.derivatives(x, grid, 0) if self._fused(x, grid) else self._bumps(x, grid)
        place = self._place(x, grid)
        return self._spread(self._slots(place), self._live(place)[0])

    def values_and_slopes(self, x: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Return the basis functions and their first derivatives, each `(batch, in, size)`."""
        if self._fused(x, grid):
            return self.derivatives(x, grid, 0), self.derivatives(x, grid, 1)
        place = self._place(x, grid)
        live, rises = self._live(place)
        slots = self._slots(place)
        return self._spread(slots, live), self._spread(slots, rises / place.step)

    def derivatives(self, x: Tensor, grid: Tensor, order: int = 1) -> Tensor:
        """Return the derivatives of an order `>= 0` of the basis functions, `(batch, in, size)`."""
        if order <= 3 and (fused := self._fused(x, grid)):
            found: Tensor = fused.derivatives(x, grid, self.intervals, order)
            return found
        place = self._place(x, grid)
        if order == 0:
            live = self._live(place)[0]
        else:
            live = self._polynomials(place.fraction, _rises(self.degree, order)) / place.step**order
        if order > 1:  # beyond the grid are tangents
            live = torch.where(place.past == 0, live, 0)
        return self._spread(self._slots(place), live)

    def pull_back(self, x: Tensor, grid: Tensor, grad: Tensor) -> Tensor:
        """Return the derivative `(batch, in)` by `x` of the sum of the values times `grad (batch, in, size)`."""
        if fused := self._fused(x, grid):
            found: Tensor = fused.pull_back(x, grid, grad, self.intervals)
            return found
        place = self._place(x, grid)
        rises = self._polynomials(place.fraction, self.rises)  # (degree + 1, in, batch)
        picked = grad.permute(1, 2, 0).reshape(-1).index_select(0, self._slots(place)).view_as(rises)
        return ((picked * rises).sum(0) / place.step).T

    def _fused(self, x: Tensor, grid: Tensor) -> ModuleType | None:
        """Return the functions that take one pass on a GPU, where they serve."""
        if self.degree != 3 or not x.is_cuda:
            return None
        from kanlens import fused  # it loads a compiler

        return fused if fused.serves(x, grid) else None

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

    def _live(self, place: Place) -> tuple[Tensor, Tensor]:
        """Return the functions alive, continued by their tangents, and their rises, each `(degree + 1, in, batch)`.

        A rise is the derivative by the fraction of the interval.
        """
        both = self._polynomials(place.fraction, self.pieces + self.rises)
        live, rises = both.tensor_split(2)
        return torch.addcmul(live, place.past, rises), rises

    def _polynomials(self, t: Tensor, rows: Rows) -> Tensor:
        """Return polynomials in Bernstein form at `t (in, batch)`, `(rows, in, batch)`, by one small product."""
        up, down = [t], [1 - t]
        for _ in range(self.degree - 1):
            up.append(up[-1] * t)
            down.append(down[-1] * down[0])
        mixed = (high * low for high, low in zip(reversed(up[:-1]), down, strict=False))
        terms = torch.stack([up[-1], *mixed, down[-1]])
        known = t.is_cuda and plain(t) and not torch.compiler.is_compiling()
        factors = _on_device(rows, t.dtype, t.device) if known else t.new_tensor(rows)
        return (factors @ terms.flatten(1)).view(len(rows), *t.shape)

    def _slots(self, place: Place) -> Tensor:
        """Return where the live functions are among all numbers of `(in, size, batch)`, flat.

        One flat index is three times as fast as one along an axis.
        """
        width, batch = place.interval.shape
        count = functools.partial(torch.arange, device=place.interval.device)
        corner = (count(width) * (self.size * batch))[:, None] + count(batch)
        steps = (count(self.degree + 1) * batch)[:, None, None]
        return (torch.add(corner, place.interval, alpha=batch) + steps).flatten()

    def _spread(self, slots: Tensor, live: Tensor) -> Tensor:
        """Put the live functions' values at their places among all functions, `(batch, in, size)`."""
        _, width, batch = live.shape
        full = live.new_zeros(width * self.size * batch).scatter(0, slots, live.flatten())
        return full.view(width, self.size, batch).permute(2, 0, 1)

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
        self._go_on(full, u - inside)
        return full.permute(2, 0, 1)

    def _go_on(self, full: Tensor, past: Tensor) -> None:
        """Add the tangents beyond the grid to values `(in, size, batch)` at its border."""
        # reading it costs time on a GPU, and compilers cannot
        if not torch.compiler.is_compiling() and past.device.type == "cpu" and holds((past == 0).all()):
            return
        below, above = past.clamp(max=0), past.clamp(min=0)
        for border, first, beyond in ((-1, 0, below), (0, self.intervals - 1, above)):
            for j, row in enumerate(self.rises):
                if row[border]:
                    full[:, first + j].add_(beyond, alpha=row[border])


@functools.cache
@torch.inference_mode(False)
def _on_device(rows: Rows, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return rows as a tensor that stays on a GPU: copying them there waits for all work before."""
    return torch.tensor(rows, dtype=dtype, device=device)


@functools.cache
def _tables(degree: int) -> tuple[Rows, Rows]:
    """Return the pieces and their rises, which whoever compiles a layer has asked for before."""
    return _pieces(degree), _rises(degree)


def _pieces(degree: int) -> Rows:
    """Return the `degree + 1` polynomials that a B-spline consists of, as rows of Bernstein form.

    A row holds the coefficients of :math:`t^{d-m} (1-t)^m`, of which none is negative: nor are the values then.
    """
    pieces = [[1.0]]
    for order in range(1, degree + 1):
        padded = [[0.0] * order, *pieces, [0.0] * order]
        pieces = [
            [
                (a + b) / order
                for a, b in zip(_times(before, order - j + 1, order - j), _times(here, j, j + 1), strict=True)
            ]
            for j, (before, here) in enumerate(pairwise(padded))
        ]
    return tuple(map(tuple, pieces))


def _rises(degree: int, order: int = 1) -> Rows:
    """Return their derivatives: differences of the pieces of a lower degree, as rows of the same form."""
    if order > degree:
        return ((0.0,) * (degree + 1),) * (degree + 1)
    rows: Sequence[Sequence[float]] = _pieces(degree - order)
    for _ in range(order):
        padded = [[0.0] * len(rows[0]), *rows, [0.0] * len(rows[0])]
        rows = [_times([a - b for a, b in zip(*pair, strict=True)], 1, 1) for pair in pairwise(padded)]
    return tuple(map(tuple, rows))


def _times(row: Sequence[float], up: float, down: float) -> list[float]:
    """Return the product of a polynomial in Bernstein form and `up t + down (1 - t)`."""
    return [up * a + down * b for a, b in zip([*row, 0.0], [0.0, *row], strict=True)]
