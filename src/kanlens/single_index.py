r"""Fit what stands inside an unknown function: the constants of a formula, or the curves of a node.

A law :math:`t = g(v(z; \theta))` with a smooth *g* of which nothing is known is a single-index model (Ichimura,
*Journal of Econometrics* 58, 1993). Here *g* is a spline, whose coefficients are linear and are projected out at each
step (Golub & Pereyra 1973, with Kaufman's derivative of 1975), so that only :math:`\theta` takes Gauss-Newton steps.
Networks of the same form that are trained as a whole take ten times as long, and stop at a hundred times the error.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.bases import BSpline, closest
from kanlens.budget import look
from kanlens.refit import free_values, gauss_newton, with_free
from kanlens.spreading import UNIFORMITY, evenly
from kanlens.trees import Tree, values_and_jacobian

Inner = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Returns values `(rows,)` for constants, and their derivatives by these, `(rows, constants)`."""

OUTER = BSpline(degree=5, intervals=24)
"""The function around a formula."""

RIDGE = 1e-7
"""Smallest singular value of the splines, as they have unit size, that is solved for."""

LIGHT = 1e-6
"""By how much coefficients of curves and sums are kept small."""

ALMOST = 1e-9
"""Share of the curves by which a product moves once it is found, and by which its coefficients are kept small."""

PAUSE, GAIN = 6, 0.1
"""Steps in which the error has to fall by this share, or they end."""

STEPS = 15
"""Steps that the constants of a formula get: they are nearly right."""


class Fit(NamedTuple):
    """Hold constants, and the root mean square error with the best function around them."""

    constants: Tensor
    error: float


class _Point(NamedTuple):
    """Hold what is left of the target, and its projected derivatives by the constants."""

    residual: Tensor
    jacobian: Tensor

    @classmethod
    def of(cls, inner: Inner, constants: Tensor, t: Tensor, outer: BSpline, beside: Inner | None) -> "_Point | None":
        """Return the point at some constants, None where the values are not finite or do not change."""
        v, slopes = inner(constants)
        term, steps = beside(constants) if beside is not None else (torch.zeros_like(t), torch.zeros_like(slopes))
        if not (torch.isfinite(v).all() and float(v.std()) > 1e-12 * float(v.abs().amax())):
            return None
        t = t - term
        columns, steep = outer.values_and_slopes(v[:, None], outer.adapted(v[:, None], UNIFORMITY))
        ridge = RIDGE * torch.eye(outer.size, dtype=v.dtype)
        basis, upper = torch.linalg.qr(torch.cat([columns[:, 0], ridge]))
        basis = basis[: len(v)]
        coef = torch.linalg.solve_triangular(upper, (basis.mT @ t)[:, None], upper=True)[:, 0]
        raw = (steep[:, 0] @ coef)[:, None] * slopes + steps
        raw = torch.nan_to_num(raw, nan=0.0, posinf=0.0, neginf=0.0)
        return cls(t - columns[:, 0] @ coef, raw - basis @ (basis.mT @ raw))

    @property
    def error(self) -> float:
        """Return the root mean square of what is left."""
        return float(self.residual.square().mean().sqrt())


def fitted(
    inner: Inner,
    constants: Tensor,
    t: Tensor,
    outer: BSpline = OUTER,
    steps: int = STEPS,
    beside: Inner | None = None,
) -> Fit:
    """Return the constants after damped Gauss-Newton steps; they end where the error hardly falls any more.

    What is `beside` the unknown function is a term of the law.
    """
    at = _Point.of(inner, constants, t, outer, beside)
    if at is None:
        return Fit(constants, math.inf)
    damping, before = 1e-2, math.inf
    for step in range(steps if len(constants) else 0):
        look()
        if step % PAUSE == 0:
            if at.error > (1 - GAIN) * before:
                break
            before = at.error
        moved = constants + gauss_newton(at.jacobian, at.residual, None, damping)[0]
        there = _Point.of(inner, moved, t, outer, beside)
        if there is not None and there.error < at.error:
            constants, at, damping = moved, there, max(damping / 8, 1e-12)
        else:
            damping *= 8
    return Fit(constants, at.error)


def fitted_formula(tree: Tree, z: Tensor, t: Tensor) -> tuple[Tree, float]:
    """Return a formula with its free constants fitted to a target that is any function of it, and the error.

    Examples
    --------
    >>> from kanlens.trees import Number, Variable, add, multiply
    >>> z = torch.rand(200, 2, dtype=torch.float64)
    >>> roughly = add(Variable(0), multiply(Number(1.9), Variable(1)))
    >>> found, error = fitted_formula(roughly, z, torch.exp(z[:, 0] + 2 * z[:, 1]))
    >>> error < 1e-6
    True
    """
    fit = fitted(lambda constants: values_and_jacobian(with_free(tree, constants), z), free_values(tree), t)
    return with_free(tree, fit.constants), fit.error


class Splines(NamedTuple):
    """Hold splines at the rows `(rows, features, size)`, one for each feature of a node, and whether it multiplies."""

    columns: Tensor
    product: bool

    @classmethod
    def of(cls, z: Tensor, intervals: int, product: bool) -> "Splines":
        """Return splines of degree 5 on the features, or on their logarithms where those lie more evenly."""
        basis, at = BSpline(degree=5, intervals=intervals), evenly(z).at
        return cls(basis.values(at, basis.grid(at.amin(0), at.amax(0))), product)

    def curves(self, coef: Tensor) -> Tensor:
        """Return the curves of coefficients `(features * size)`, `(rows, features)`."""
        return torch.einsum("rks,ks->rk", self.columns, coef.view(self.columns.shape[1:]))

    def closest(self, curves: Tensor) -> Tensor:
        """Return the coefficients closest to curves `(rows, features)`."""
        return closest(self.columns, curves[:, None], LIGHT * _unit(self.columns)).flatten()

    def additive(self, t: Tensor) -> Tensor:
        """Return the coefficients of the sum closest to a target."""
        columns = self.columns.flatten(1)
        return closest(columns[:, None], t[:, None, None], LIGHT * _unit(columns)).flatten()

    def rank_one(self, t: Tensor, coef: Tensor, sweeps: int) -> Tensor:
        """Return the coefficients of the product closest to a target, by alternating least squares from some others."""
        parts = list(coef.view(self.columns.shape[1:]).unbind(0))
        curves = self.curves(coef)
        for _ in range(sweeps):
            before = curves.clone()
            for k in reversed(range(len(parts))):  # the first one has the scale of all
                columns = self.columns[:, k] * _others(curves, k)[:, None]
                ridge = ALMOST * float(columns.norm()) * _unit(columns)
                part = closest(columns[:, None], t[:, None, None], ridge).flatten()
                curve = self.columns[:, k] @ part
                size = float(curve.abs().amax()) or 1.0
                parts[k], curves[:, k] = (part / size, curve / size) if k else (part, curve)
            if float((curves - before).norm()) < ALMOST * float(curves.norm()):
                break
        return torch.cat(parts)

    def node(self, coef: Tensor) -> tuple[Tensor, Tensor]:
        """Return the node `(rows,)`, and its derivatives by the coefficients."""
        curves = self.curves(coef)
        if not self.product:
            return curves.sum(1), self.columns.flatten(1)
        others = torch.stack([_others(curves, k) for k in range(curves.shape[1])], 1)
        return curves.prod(1), (self.columns * others[..., None]).flatten(1)


def _others(curves: Tensor, k: int) -> Tensor:
    """Return the product of all curves but one, `(rows,)`."""
    return torch.cat([curves[:, :k], curves[:, k + 1 :]], 1).prod(1)


def _unit(columns: Tensor) -> Tensor:
    return torch.eye(columns.shape[-1], dtype=columns.dtype)
