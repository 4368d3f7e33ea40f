r"""Bases besides splines: Chebyshev polynomials, waves, bumps and wavelets on the range of each input.

Their grid is `(in, 2)`, the ends of the range. The range is mapped to :math:`u \in [-1, 1]`. As splines do,
all but waves go on as their tangents outside it.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from kanlens.bases import closest, widen
from kanlens.errors import InputError


@dataclass(frozen=True)
class Expansion:
    """Do what is common to the bases of this module; each says what its functions and their derivatives are."""

    periodic: ClassVar[bool] = False
    measure: ClassVar[str]
    """The field that says how finely the basis resolves its range."""

    def __post_init__(self) -> None:
        if not isinstance(self.intervals, int) or self.intervals < 1:
            raise InputError(
                f"expected {self.measure} to be an integer of at least 1, got {self.intervals!r}. Choose 5."
            )

    @property
    def size(self) -> int:
        """Return the number of basis functions of one edge."""
        return self.intervals + 1

    @property
    def intervals(self) -> int:
        """Return how finely the basis resolves its range."""
        found: int = vars(self)[self.measure]
        return found

    def resized(self, intervals: int) -> Self:
        """Return the basis of another resolution."""
        return replace(self, **{self.measure: intervals})

    def _terms(self, u: Tensor, order: int) -> list[Tensor]:
        """Return the derivatives of an order of all functions, each like `u (in, batch)`."""
        raise NotImplementedError

    # --- grids ---------------------------------------------------------------------------

    def grid(self, low: Tensor, high: Tensor) -> Tensor:
        """Return the grid `(in, 2)` of the range `[low, high]`, each `(in,)`; a range of no width is widened."""
        return torch.stack(widen(low, high), 1)

    def adapted(self, x: Tensor, uniformity: float = 0.02) -> Tensor:
        """Return the grid `(in, 2)` of the data `x (batch, in)`. There are no knots between, to follow them."""
        if not 0 < uniformity <= 1:
            raise InputError(f"expected uniformity in (0, 1], got {uniformity}. Use 1 for a uniform grid.")
        return self.grid(x.amin(0), x.amax(0))

    def inner(self, grid: Tensor) -> Tensor:
        """Return the ends of the range, `(in, 2)`."""
        return grid

    def on(self, grid: Tensor) -> Self:  # noqa: ARG002 - one way does for all grids
        """Return the basis itself."""
        return self

    # --- values --------------------------------------------------------------------------

    def values(self, x: Tensor, grid: Tensor) -> Tensor:
        """Return the basis functions `(batch, in, size)` at the points `x (batch, in)`."""
        return self.derivatives(x, grid, 0)

    def values_and_slopes(self, x: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Return the basis functions and their first derivatives, each `(batch, in, size)`."""
        return self.derivatives(x, grid, 0), self.derivatives(x, grid, 1)

    def derivatives(self, x: Tensor, grid: Tensor, order: int = 1) -> Tensor:
        """Return the derivatives of an order `>= 0` of the basis functions, `(batch, in, size)`."""
        if order < 0:
            raise InputError(f"expected order >= 0, got {order}. Order 0 gives the values, 1 the slopes.")
        low, high = grid[:, :1], grid[:, 1:]
        scale = 2 / (high - low)
        u = (x.T - low) * scale - 1
        inside = u if self.periodic else u.clamp(-1, 1)
        terms = torch.stack(self._terms(inside, order), 1) * scale[:, None] ** order  # (in, size, batch)
        if order == 0 and not self.periodic:
            terms = terms + torch.stack(self._terms(inside, 1), 1) * (u - inside)[:, None]
        if order > 1 and not self.periodic:
            terms = torch.where((u == inside)[:, None], terms, torch.zeros_like(terms))
        return terms.permute(2, 0, 1)

    def pull_back(self, x: Tensor, grid: Tensor, grad: Tensor) -> Tensor:
        """Return the derivative `(batch, in)` by `x` of the sum of the values times `grad (batch, in, size)`."""
        return (self.derivatives(x, grid, 1) * grad).sum(2)

    # --- least squares -------------------------------------------------------------------

    def project(self, x: Tensor, y: Tensor, grid: Tensor) -> Tensor:
        """Return the coefficients `(out, in, size)` closest to the curves `y (batch, out, in)` at `x (batch, in)`.

        Where the points do not determine the coefficients, small ones are taken.
        """
        eye = torch.eye(self.size, dtype=x.dtype, device=x.device)
        return closest(self.values(x, grid), y, eye * torch.finfo(x.dtype).eps ** 0.5)

    def refine(self, coef: Tensor, grid: Tensor, intervals: int) -> tuple[Tensor, Tensor]:
        """Return coefficients and grid of the closest curves of another resolution.

        They are the same curves if the basis of the finer resolution holds that of the coarser one.
        """
        finer = self.resized(intervals)
        steps = torch.linspace(0, 1, 8 * max(self.size, finer.size), dtype=grid.dtype, device=grid.device)
        points = grid[:, :1].T + (grid[:, 1:] - grid[:, :1]).T * steps[:, None]
        curves = torch.einsum("bik,oik->boi", self.values(points, grid), coef)
        return finer.project(points, curves, grid), grid


@dataclass(frozen=True)
class Chebyshev(Expansion):
    r"""Describe the Chebyshev polynomials :math:`T_0, \dots, T_n` on the range.

    .. math:: T_{k+1}(u) = 2 u\,T_k(u) - T_{k-1}(u)

    Every function resolves the whole range, so smooth curves need few coefficients.

    Parameters
    ----------
    degree : int
        The highest degree, at least 1.

    Examples
    --------
    >>> Chebyshev(degree=2).values(torch.tensor([[0.5]]), torch.tensor([[-1.0, 1.0]]))
    tensor([[[ 1.0000,  0.5000, -0.5000]]])

    References
    ----------
    L. N. Trefethen, *Approximation Theory and Approximation Practice* (2013), chapter 3.
    """

    degree: int = 8
    measure: ClassVar[str] = "degree"

    def _terms(self, u: Tensor, order: int) -> list[Tensor]:
        lower = [torch.zeros_like(u)] * self.size
        for rank in range(order + 1):
            first = (
                [torch.ones_like(u), u] if rank == 0 else [torch.zeros_like(u), torch.full_like(u, float(rank == 1))]
            )
            for k in range(1, self.degree):
                first.append(2 * rank * lower[k] + 2 * u * first[k] - first[k - 1])
            lower = first
        return lower


@dataclass(frozen=True)
class Fourier(Expansion):
    r"""Describe the waves :math:`1, \cos(\pi k u), \sin(\pi k u)` with :math:`k \le n`, whose period is the range.

    Parameters
    ----------
    frequencies : int
        The number of frequencies, at least 1.

    Examples
    --------
    >>> Fourier(frequencies=2).size
    5

    References
    ----------
    L. N. Trefethen, *Approximation Theory and Approximation Practice* (2013), on periodic analogues.
    """

    frequencies: int = 4
    measure: ClassVar[str] = "frequencies"
    periodic: ClassVar[bool] = True

    @property
    def size(self) -> int:
        """Return the number of basis functions of one edge."""
        return 2 * self.frequencies + 1

    def _terms(self, u: Tensor, order: int) -> list[Tensor]:
        found = [torch.full_like(u, float(order == 0))]
        for k in range(1, self.frequencies + 1):
            speed, phase = math.pi * k, math.pi / 2 * order
            found += [speed**order * torch.cos(speed * u + phase), speed**order * torch.sin(speed * u + phase)]
        return found


@dataclass(frozen=True)
class Gaussian(Expansion):
    r"""Describe bumps :math:`\exp(-z^2)`, with :math:`z = (u - c) / h` and centres :math:`c` that are :math:`h` apart.

    Parameters
    ----------
    intervals : int
        Gaps between centres, at least 1. The outer centres are the ends of the range.

    Examples
    --------
    >>> Gaussian(intervals=2).values(torch.tensor([[1.0]]), torch.tensor([[-1.0, 1.0]]))
    tensor([[[0.0183, 0.3679, 1.0000]]])

    References
    ----------
    M. D. Buhmann, *Radial Basis Functions* (2003), chapter 1.
    """

    intervals: int = 8
    measure: ClassVar[str] = "intervals"

    def _terms(self, u: Tensor, order: int) -> list[Tensor]:
        return _bumps(u, self.intervals, order)


@dataclass(frozen=True)
class Wavelet(Expansion):
    r"""Describe a constant and Mexican hats :math:`(1 - s^2) \exp(-s^2 / 2)`, with :math:`s = \sqrt 2\,(u - c) / h`.

    The centres :math:`c` are :math:`h` apart. A hat has no mean and is the second derivative of a bump.

    Parameters
    ----------
    intervals : int
        Gaps between centres, at least 1. The outer centres are the ends of the range.

    Examples
    --------
    >>> Wavelet(intervals=2).values(torch.tensor([[1.0]]), torch.tensor([[-1.0, 1.0]])).shape
    torch.Size([1, 1, 4])

    References
    ----------
    I. Daubechies, *Ten Lectures on Wavelets* (1992), section 3.3.5 B.
    """

    intervals: int = 8
    measure: ClassVar[str] = "intervals"

    @property
    def size(self) -> int:
        """Return the number of basis functions of one edge."""
        return self.intervals + 2

    def _terms(self, u: Tensor, order: int) -> list[Tensor]:
        scale = self.intervals**2 / 2
        hats = [-bump / scale for bump in _bumps(u, self.intervals, order + 2)]
        return [torch.full_like(u, float(order == 0)), *hats]


def _bumps(u: Tensor, intervals: int, order: int) -> list[Tensor]:
    r"""Return the derivatives of :math:`\exp(-s^2 / 2)` by `u` at equally spaced centres, by Hermite polynomials."""
    speed = intervals / math.sqrt(2)
    found = []
    for number in range(intervals + 1):
        s = (u - (2 * number / intervals - 1)) * speed
        before, hermite = torch.zeros_like(s), torch.ones_like(s)
        for rank in range(order):
            before, hermite = hermite, s * hermite - rank * before
        found.append((-speed) ** order * hermite * torch.exp(-s * s / 2))
    return found
