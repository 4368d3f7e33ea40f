r"""Quadratic models of an objective around a point, and the damped steps that they give.

Around a point an objective is :math:`v + g^T p + \tfrac12 p^T H p`. A damped step minimises
this plus :math:`\tfrac{\mu}{2} \sum_k D_k p_k^2`, where *D* is the diagonal of *H*, so that no
parameter's units matter. Two classes hold such a model in two ways and offer the same names.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import torch
from scipy.linalg import lapack
from torch import Tensor

PRECISE = 1e-10
"""Damping from which normal equations are precise: their error is about float64's over the damping."""


def gram(rows: Tensor) -> Tensor:
    """Return the products `(p, p)` of the columns of `rows (n, p)` with each other.

    Only those on one side of the diagonal are computed: by numpy, whose product of a matrix with itself does so, or
    on a GPU strip by strip, either of which takes 0.5 to 0.75 times as long as a product of two matrices.

    Examples
    --------
    >>> gram(torch.tensor([[1.0, 2.0], [0.0, 3.0]]))
    tensor([[ 1.,  2.],
            [ 2., 13.]])
    """
    if rows.device.type == "cpu":
        values = rows.detach().numpy()
        with np.errstate(all="ignore"):  # as in torch, what is not finite passes through without a warning
            return torch.from_numpy(values.T @ values)
    size = rows.shape[1]
    strip = min(max(size // 4, 64), 128)
    found = rows.new_empty(size, size)
    for start in range(0, size, strip):
        part, rest = slice(start, start + strip), slice(start + strip, None)
        torch.mm(rows[:, part].T, rows[:, start:], out=found[part, start:])
        mirror(found, part, rest)
    return found


def mirror(products: Tensor, part: slice, rest: slice) -> None:
    """Copy the rows of a part above the diagonal, and those of the rest beside them, to the other side."""
    block = products[part, part]
    block.copy_(block.triu() + block.triu(1).T)  # the same to the last digit on both sides
    products[rest, part] = products[part, rest].T


class Move(NamedTuple):
    """Hold a step `(p,)` and by how much the model says that it lowers the value."""

    step: Tensor
    promised: float


class Quadratic(Protocol):
    """Model an objective around a point."""

    @property
    def value(self) -> float:
        """Return the objective at the point."""

    @property
    def gradient(self) -> Tensor:
        """Return its gradient `(p,)`."""

    @property
    def hessian(self) -> Tensor:
        """Return its positive semi-definite (Gauss-Newton) Hessian `(p, p)`."""

    def move(self, damping: float) -> Move | None:
        """Return the step of a damping, None where round-off leaves none."""

    def plus(self, further: "Rows") -> "Quadratic":
        """Return the model with further squares added."""


@dataclass(frozen=True)
class NormalEquations:
    r"""Hold a model by its gradient and Hessian; a step costs one Cholesky factorisation.

    Memory is that of the Hessian whatever the number of rows it was summed over. No explicit
    scaling is needed: the round-off of a Cholesky solution does not depend on the units of the
    parameters, and with a damping it is about :math:`p\,\epsilon / \mu`.

    Parameters
    ----------
    value : float
    gradient : Tensor
        `(p,)`
    hessian : Tensor
        `(p, p)`

    Examples
    --------
    >>> model = NormalEquations(1.0, torch.tensor([2.0]), torch.tensor([[2.0]]))
    >>> model.move(0.0)
    Move(step=tensor([-1.]), promised=1.0)

    References
    ----------
    N. Higham, *Accuracy and Stability of Numerical Algorithms* (2002), section 10.1.1.
    """

    value: float
    gradient: Tensor
    hessian: Tensor

    @cached_property
    def scale(self) -> Tensor:
        """Return the diagonal of the Hessian, kept above zero."""
        return _kept(self.hessian.diagonal())

    def move(self, damping: float) -> Move | None:
        """Return the step of a damping, None where round-off leaves none."""
        damped = self.hessian.clone()
        damped.diagonal().add_(self.scale, alpha=damping)
        if (solved := _solved(damped, self.gradient)) is None:
            return None
        step = -solved
        return Move(step, 0.5 * float(step @ (damping * self.scale * step - self.gradient)))

    def plus(self, further: "Rows") -> "NormalEquations":
        """Return the model with further squares added."""
        return NormalEquations(
            self.value + further.value, self.gradient + further.gradient, self.hessian + further.hessian
        )


@dataclass(frozen=True)
class Rows:
    r"""Hold the model of a sum of squares :math:`|r + J p|^2` by its rows.

    Normal equations square the condition number, so that directions whose singular values are
    below :math:`10^{-8}` of the largest are lost in round-off. They matter only where the
    damping is small too. There a step is taken from the QR factorisation of *J*, made once,
    and that of :math:`[R; \sqrt{\mu} D^{1/2}]` for each damping. Above a damping of 1e-10 the
    normal equations are as good and cost half.

    Parameters
    ----------
    jacobian : Tensor
        *J* `(rows, p)`
    residual : Tensor
        *r* `(rows,)`
    beside : Rows, optional
        Further rows. They are few, and putting them below the others would copy all.
    products : Tensor, optional
        :math:`2 J^T J` `(p, p)`, where it is known.

    Examples
    --------
    >>> model = Rows(torch.tensor([[1.0], [1.0]]), torch.tensor([2.0, 4.0]))
    >>> model.value, round(model.move(0.0).step.item(), 5)
    (20.0, -3.0)

    References
    ----------
    J. More, *The Levenberg-Marquardt Algorithm* (1978), section 3.
    """

    jacobian: Tensor
    residual: Tensor
    beside: "Rows | None" = None
    products: Tensor | None = None

    @cached_property
    def value(self) -> float:
        """Return the sum of squares."""
        return float(self.residual @ self.residual) + (0 if self.beside is None else self.beside.value)

    @cached_property
    def gradient(self) -> Tensor:
        """Return the gradient `(p,)`."""
        return 2 * (self.residual @ self.jacobian) + (0 if self.beside is None else self.beside.gradient)

    @cached_property
    def hessian(self) -> Tensor:
        """Return the Gauss-Newton Hessian `(p, p)`."""
        own = 2 * gram(self.jacobian) if self.products is None else self.products
        return own if self.beside is None else own + self.beside.hessian

    def move(self, damping: float) -> Move | None:
        """Return the step of a damping, None where round-off leaves none."""
        return self._normal.move(damping) if damping >= PRECISE else self._orthogonal(damping)

    def plus(self, further: "Rows") -> "Rows":
        """Return the model with further squares added."""
        return replace(self, beside=further if self.beside is None else self.beside.plus(further))

    def stacked(self) -> tuple[Tensor, Tensor]:
        """Return *J* and *r* with the rows beside them."""
        if self.beside is None:
            return self.jacobian, self.residual
        jacobian, residual = self.beside.stacked()
        return torch.cat([self.jacobian, jacobian]), torch.cat([self.residual, residual])

    @cached_property
    def _normal(self) -> NormalEquations:
        return NormalEquations(self.value, self.gradient, self.hessian)

    @cached_property
    def _factors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return lengths of the columns, R of the columns of length one, and `Q^T r`."""
        jacobian, residual = self.stacked()
        lengths = _kept(jacobian.square().sum(0)).sqrt()
        q, r = torch.linalg.qr(jacobian / lengths)
        return lengths, r, q.T @ residual

    def _orthogonal(self, damping: float) -> Move | None:
        lengths, r, target = self._factors
        size = len(lengths)
        damped = torch.cat([r, damping**0.5 * torch.eye(size, dtype=r.dtype, device=r.device)])
        q, small = torch.linalg.qr(damped)
        scaled = -torch.linalg.solve_triangular(small, (q[: len(r)].T @ target)[:, None], upper=True)[:, 0]
        if not bool(scaled.isfinite().all()):
            return None
        along = r @ scaled
        return Move(scaled / lengths, -float(along @ (2 * target + along)))


def _solved(matrix: Tensor, right: Tensor) -> Tensor | None:
    """Return the solution `(p,)` for a symmetric matrix, None if it is not positive definite; the matrix is spent.

    scipy's LAPACK takes a third of torch's time at a hundred parameters, and half of it at a thousand.
    """
    if matrix.device.type == "cpu" and matrix.dtype == torch.float64:
        _, found, failed = lapack.dposv(matrix.numpy().T, right.numpy(), overwrite_a=True)
        return None if failed or not np.isfinite(found).all() else torch.from_numpy(found)  # it lets a NaN pass
    factor, failed = torch.linalg.cholesky_ex(matrix)
    return None if failed else torch.cholesky_solve(right[:, None], factor)[:, 0]


def _kept(squares: Tensor) -> Tensor:
    """Keep squared lengths above zero, low enough that a parameter of large units does not freeze the others."""
    return squares.clamp_min(1e-30 * float(squares.amax()) + torch.finfo(squares.dtype).tiny)
