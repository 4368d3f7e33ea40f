"""Start a network with one hidden node where a linear calculation says."""

import copy

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.network import KAN

RIDGE = 1e-6
"""Share of the largest variance that is added to all, for splines that no datum touches."""

TARGET = BSpline(degree=3, intervals=5)
"""Splines of the targets' ranks."""


@torch.no_grad()
def aligned(model: KAN, x: Tensor, y: Tensor) -> KAN | None:
    r"""Return a copy whose one hidden node follows the targets as closely as a sum of curves can; None if it has more.

    The network is :math:`y = g(s(x))` with :math:`s(x) = \sum_i \phi_i(x_i)`. Of all such sums and all curves
    :math:`\theta` of the targets, this finds those that are correlated most, the first pair of
    canonical variates, and then *g* by least squares. Where *g* is monotone, as in exp, log, sqrt and powers,
    :math:`\theta = g^{-1}` makes them equal, so that the start is right up to the resolution of the splines.
    A random start often folds the range of *s* where it should not be, which no small step undoes.

    Parameters
    ----------
    model : KAN
        Only its form counts.
    x, y : Tensor
        Inputs `(rows, in)` and targets `(rows, out)`.

    Examples
    --------
    >>> x = 2 * torch.rand(500, 2, dtype=torch.float64) - 1
    >>> y = torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)
    >>> start = aligned(KAN([2, 1, 1], dtype=torch.float64), x, y)
    >>> bool((start(x) - y).std() < 0.1 * y.std())
    True

    References
    ----------
    L. Breiman and J. Friedman, *Estimating Optimal Transformations* (1985); H. Hotelling (1936), for the variates.
    """
    if not _fits(model):
        return None
    result = copy.deepcopy(model)
    first, last = result.layers
    first.grid = first.basis.grid(x.amin(0), x.amax(0))
    curves = first.basis.values(x, first.grid).flatten(1)
    ranks = (y.argsort(0).argsort(0) + 0.5) / len(y)
    targets = TARGET.values(ranks, TARGET.grid(torch.zeros_like(y[0]), torch.ones_like(y[0]))).flatten(1)
    first.coef = torch.nn.Parameter(_variate(curves, targets).view_as(first.coef))
    first.weight.zero_()
    node = first(x)
    last.grid = last.basis.grid(node.amin(0), node.amax(0))
    last.coef = torch.nn.Parameter(last.basis.project(node, y[..., None], last.grid))
    last.weight.zero_()
    return result


def _fits(model: KAN) -> bool:
    """Tell whether a network is of two whole layers of splines with one sum between them."""
    hidden, *more = model.spec.widths[1:]
    plain = len(more) == 1 and not hidden.products and not more[0].products and hidden.sums == 1
    return (
        plain
        and all(len(symbols) == 0 for symbols in model.symbols)
        and all(bool(part.mask.all()) for part in model.layers)
    )


def _variate(a: Tensor, b: Tensor) -> Tensor:
    """Return the weights of columns `a (rows, p)` whose sum, of variance one, is most correlated with any of `b`'s."""
    root = len(a) ** 0.5
    a, b = (a - a.mean(0)) / root, (b - b.mean(0)) / root
    left, right = _root(a), _root(b)
    middle = torch.linalg.solve_triangular(left, a.T @ b, upper=False)
    middle = torch.linalg.solve_triangular(right, middle.T, upper=False).T
    direction = torch.linalg.svd(middle).U[:, :1]
    weights: Tensor = torch.linalg.solve_triangular(left.T, direction, upper=True)
    return weights[:, 0]


def _root(columns: Tensor) -> Tensor:
    """Return the Cholesky factor of the columns' covariance."""
    covariance = columns.T @ columns
    covariance.diagonal().add_(RIDGE * covariance.diagonal().amax() + torch.finfo(covariance.dtype).tiny)
    factor: Tensor = torch.linalg.cholesky(covariance)
    return factor
