"""What a fit minimises: the loss of a network on data, plus a pull towards few edges.

Rows are taken in chunks, so that memory does not grow with their number, and sums go over all
processes (see :mod:`kanlens.shards`).
"""

import math
from collections.abc import Iterator, Sequence
from functools import cached_property

import torch
from torch import Tensor

from kanlens import shards
from kanlens.combination import tabulate
from kanlens.jacobian import Parameters, Pass, forward, gradient, linearise
from kanlens.losses import Curved, Custom, SquaredError
from kanlens.moments import Moments
from kanlens.network import KAN
from kanlens.products import column_products
from kanlens.quadratic import NormalEquations, Quadratic, Rows, gram
from kanlens.smoothness import Smoothing, Smoothness, smoothing
from kanlens.sparsity import Covariances, Force, Sparsity, Spread

CHUNK = 2**22
"""Numbers that a chunk's Jacobian, or its forward pass, may hold (32 MiB)."""

DETERMINED = 1e-10
"""Share of a parameter's curvature below which round-off hides whether the data determine it."""

SPREAD = 256
"""Parameters up to which one product with a matrix that is mostly zeros takes less time than one for each layer."""

SEVERAL = 3
"""Outputs from which products of a Jacobian's columns take less time without the Jacobian."""

FEW = 4
"""Chunks up to which their forward passes are kept until the next point."""


class NetworkObjective:
    r"""Measure a float64 network on data: mean loss, relative to the targets' variance if squared, plus penalty.

    It is an :class:`kanlens.solvers.Objective`; evaluating it sets the network's parameters.

    Parameters
    ----------
    model : KAN
    x, y : Tensor
        Inputs `(rows, in)` and targets `(rows, out)`; of this process, where there are several.
    penalty : Sparsity, optional
    loss : Curved or Custom, optional
        By default the squared error.
    weights : Tensor, optional
        Weights `(rows,)` of the rows, relative to each other.
    smoothness : float or Smoothness
        Strength of the :func:`kanlens.smoothness.smoothing`.
    unit : float, optional
        What the loss is measured in: by default the targets' variance for the squared error, else 1.
    chunk : int
        Numbers that the largest tensor may hold.
    """

    def __init__(
        self,
        model: KAN,
        x: Tensor,
        y: Tensor,
        penalty: Sparsity | None = None,
        loss: Curved | Custom | None = None,
        weights: Tensor | None = None,
        *,
        smoothness: float | Smoothness = 0.0,
        unit: float | None = None,
        chunk: int = CHUNK,
    ) -> None:
        self.model, self.x, self.y, self.penalty, self.chunk = model, x, y, penalty, chunk
        self.loss, self.weights = loss or SquaredError(), weights
        self.parameters = Parameters(model)
        self.unit = _unit(self.loss, y) if unit is None else unit
        each = x.new_ones(len(x), 1) if weights is None else weights[:, None]
        self.share = each / (float(shards.total(each.sum())) * self.unit)  # (rows, 1)
        first = model.layers[0]
        # the grid stays, and with it the basis at the inputs, if any spline reads it
        known = x.numel() * first.basis.size <= chunk and not first.blank
        self.first = tabulate(x, first.grid, first.evaluator)[0] if known else None
        self.smoothing: Smoothing | None = None
        self._latest: tuple[Tensor, tuple[float, float]] | None = None
        self._kept: tuple[Tensor, list[tuple[slice, list[Pass]]]] | None = None
        self._pulled: tuple[Tensor, Force] | None = None
        pull = smoothness if isinstance(smoothness, Smoothness) else Smoothness(smoothness)
        if pull != Smoothness(0.0):
            known_error = self.parts(self.parameters.get())[0] if isinstance(self.loss, SquaredError) else 0.0
            error = min(1.0, known_error) ** 0.5  # in this order a NaN is 1
            kept: list[tuple[slice, list[Pass]]] = [] if self._kept is None else self._kept[1]
            passes = kept[0][1] if len(kept) == 1 else None
            self.smoothing = smoothing(self.parameters, x, pull, error, self.unit**0.5, passes)

    # --- what solvers ask for --------------------------------------------------------------

    @torch.no_grad()
    def parts(self, theta: Tensor) -> tuple[float, float]:
        """Return the error and the penalty."""
        if self._latest is None or self._latest[0] is not theta:
            self.parameters.set(theta)
            force, sweep = self._prepare(theta, self._chunks(self._width))
            error = sum((self._error(rows, passes) for rows, passes in sweep), torch.zeros_like(self.share[0, 0]))
            return self._remember(theta, error, force)
        return self._latest[1]

    def value(self, theta: Tensor) -> float:
        """Return the objective."""
        if self.smoothing is None:
            return sum(self.parts(theta))
        rough = self._roughness(self.smoothing, theta)
        return sum(self.parts(theta)) + float(rough @ rough)

    @torch.no_grad()
    def gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        """Return the objective and its gradient."""
        self.parameters.set(theta)
        force, sweep = self._prepare(theta, self._chunks(self._width))
        error, slope = torch.zeros_like(theta[0]), torch.zeros_like(theta)
        for rows, passes in sweep:
            error += self._error(rows, passes)
            slope += self._slope(rows, passes, force)
        value, slope = sum(self._remember(theta, error, force)), shards.total(slope)
        if self.smoothing is not None:
            rough = self._roughness(self.smoothing, theta)
            value, slope = value + float(rough @ rough), slope + 2 * self.smoothing.back(rough)
        return value, slope

    def quadratic(self, theta: Tensor) -> Quadratic:
        """Return the Gauss-Newton model, with the penalty's curvature by reweighting.

        Raises
        ------
        TypeError
            If the loss is a function whose curvature is not known.
        """
        if isinstance(self.loss, Custom):
            raise TypeError("expected a loss with a known curvature, got a function. Take L-BFGS or Adam.")
        model = self._quadratic(theta, self.loss)
        if self.smoothing is None:
            return model
        return model.plus(Rows(self._dense, self._roughness(self.smoothing, theta), products=self._products))

    def _roughness(self, smoothing: Smoothing, theta: Tensor) -> Tensor:
        """Return the rows of the smoothing; of a small network by the one matrix that its steps need anyway."""
        return self._dense @ theta if smoothing.size <= SPREAD else smoothing.of(theta)

    @torch.no_grad()
    def _quadratic(self, theta: Tensor, loss: Curved) -> Quadratic:
        self.parameters.set(theta)
        chunks = self._chunks(max(self._width, len(theta) * (1 if self._several else self.y.shape[1])))
        force, sweep = self._prepare(theta, chunks)
        alone = len(self._chunks(max(self._width, len(theta) * self.y.shape[1]))) == 1
        if force is None and alone and shards.count() == 1 and isinstance(loss, SquaredError):
            return self._rows(theta, next(sweep)[1])
        error, slope = torch.zeros_like(theta[0]), torch.zeros_like(theta)
        hessian = theta.new_zeros(len(theta), len(theta))
        covariances = Covariances()
        for rows, passes in sweep:
            hessian.add_(self._products_of(rows, passes, loss), alpha=2)
            error += self._error(rows, passes)
            slope += self._slope(rows, passes, force)
            if force is not None:
                covariances.add(passes)
        value, slope, hessian = sum(self._remember(theta, error, force)), shards.total(slope), shards.total(hessian)
        if force is not None:
            force.bend(hessian, self.parameters, covariances.over_all())
        return NormalEquations(value, slope, hessian)

    @torch.no_grad()
    def left_out(self, theta: Tensor) -> Tensor:
        r"""Return the errors `(rows, out)` at each row of a network fitted to all the others, nearly.

        They are :math:`r / (1 - h)`, where *h* is the diagonal of :math:`J (J^T J + S^T S)^{-1} J^T` and *r* what is
        left after a last step without damping: short of the minimum, a row with *h* near 1 has an error of its own
        that would be blown up. A row that alone determines some parameter has *h* near 1: the network
        meets it whatever it is, and a small error there says nothing. Such rows are those with
        the extreme values of hidden nodes, and *h* tells what other extremes would meet.

        References
        ----------
        D. Allen, *Relationship between Variable Selection and Data Augmentation* (1974); R. Cook and S. Weisberg,
        *Residuals and Influence in Regression* (1982), section 2.2, for what is not linear.
        """
        model = self.quadratic(theta)
        hessian = model.hessian
        lengths = hessian.diagonal().clamp_min(torch.finfo(theta.dtype).tiny).sqrt()
        scaled = hessian / lengths / lengths[:, None]
        scaled.diagonal().add_(DETERMINED)
        factor, failed = torch.linalg.cholesky_ex(scaled)
        if failed:
            return torch.full_like(self.y, math.inf)
        step = -torch.cholesky_solve((model.gradient / lengths)[:, None], factor)[:, 0] / lengths
        found = [self.y[:0]]
        for rows, passes in self._sweep(theta, self._chunks(max(self._width, len(theta) * self.y.shape[1]))):
            scale = (2 * self.share[rows] / self.y.shape[1]).sqrt()
            jacobian = linearise(self.parameters, passes, scale)
            half = torch.linalg.solve_triangular(factor, (jacobian.flatten(0, 1) / lengths).T, upper=False)
            bound = half.square().sum(0).view_as(self.y[rows])
            left = passes[-1].nodes - self.y[rows] + jacobian @ step / scale
            found.append(left / (1 - bound).clamp_min(DETERMINED))
        return torch.cat(found)

    def batches(self, size: int, generator: torch.Generator) -> "Iterator[NetworkObjective]":
        """Go once through all rows in random order, `size` of them at a time over all processes."""
        count = math.ceil(float(shards.total(self.share.new_tensor(len(self.x)))) / size)
        order = torch.randperm(len(self.x), generator=generator, device="cpu").to(self.x.device)
        for rows in order.tensor_split(count):
            weights = None if self.weights is None else self.weights[rows]
            yield NetworkObjective(
                self.model, self.x[rows], self.y[rows], self.penalty, self.loss, weights, unit=self.unit
            )

    @cached_property
    def _dense(self) -> Tensor:
        assert self.smoothing is not None
        return self.smoothing.dense(self.share)

    @cached_property
    def _products(self) -> Tensor:
        """Return the Hessian of the smoothing, which is the same at all points."""
        assert self.smoothing is not None
        return 2 * self.smoothing.products(self.share)

    # --- chunks ----------------------------------------------------------------------------

    @cached_property
    def _width(self) -> int:
        """Return about how many numbers a row takes in a forward pass."""
        return 8 * max(
            layer.in_features * max(layer.basis.size, layer.out_features if self.penalty else 1)
            for layer in self.model.layers
        )

    def _chunks(self, width: int) -> list[slice]:
        """Return slices of the rows in which a tensor of `width` numbers a row keeps to its limit."""
        rows = len(self.x) if isinstance(self.loss, Custom) else max(1, self.chunk // width)
        # none goes beyond the last row, so that a single chunk is the same whatever the width
        return [slice(start, min(start + rows, len(self.x))) for start in range(0, len(self.x), rows)]

    def _sweep(self, theta: Tensor, chunks: Sequence[slice]) -> Iterator[tuple[slice, list[Pass]]]:
        """Give the forward pass of each chunk at a point that is set; a few are kept for who asks again."""
        if (
            self._kept is not None
            and [rows for rows, _ in self._kept[1]] == chunks
            and torch.equal(self._kept[0], theta)
        ):
            yield from self._kept[1]
            return
        found: list[tuple[slice, list[Pass]]] = []
        self._kept = (theta.clone(), found) if len(chunks) <= FEW else None  # solvers write into their points
        for rows in chunks:
            passes = forward(self.model, self.x[rows], None if self.first is None else self.first[rows])
            if len(chunks) <= FEW:
                found.append((rows, passes))
            yield rows, passes

    def _prepare(
        self, theta: Tensor, chunks: Sequence[slice]
    ) -> tuple[Force | None, Iterator[tuple[slice, list[Pass]]]]:
        """Return the penalty's force, which needs moments of all rows first, and the forward passes to come."""
        if self.penalty is None:
            return None, self._sweep(theta, chunks)
        if self._pulled is not None and torch.equal(self._pulled[0], theta):
            return self._pulled[1], self._sweep(theta, chunks)
        spreads: list[Spread] = []
        for _, passes in self._sweep(theta, chunks):
            found = [Spread.of(step) for step in passes]
            spreads = [a + b for a, b in zip(spreads, found, strict=True)] if spreads else found
        force = Force(self.penalty, self.model, [spread.gathered() for spread in spreads])
        self._pulled = theta.clone(), force
        return force, self._sweep(theta, chunks)

    def _error(self, rows: slice, passes: Sequence[Pass]) -> Tensor:
        return self.loss.value(passes[-1].nodes, self.y[rows], self.share[rows])

    @property
    def _several(self) -> bool:
        return self.y.shape[1] >= SEVERAL

    def _products_of(self, rows: slice, passes: Sequence[Pass], loss: Curved) -> Tensor:
        """Return half of the Hessian `(p, p)` of the loss at some rows."""
        if not self._several:
            return gram(self._root(rows, passes, loss).transpose(0, 1).flatten(0, 1))
        outputs, share = passes[-1].nodes, self.share[rows]
        return column_products(self.parameters, passes, lambda slopes: loss.root(outputs, slopes, share))

    def _root(self, rows: slice, passes: Sequence[Pass], loss: Curved) -> Tensor:
        """Return the rows `(rows, out, p)` of which the Hessian of the loss is twice the products."""
        if isinstance(loss, SquaredError):  # a factor for each row, which costs a copy of the Jacobian if it comes last
            return linearise(self.parameters, passes, (self.share[rows] / self.y.shape[1]).sqrt())
        return loss.root(passes[-1].nodes, linearise(self.parameters, passes), self.share[rows])

    def _slope(self, rows: slice, passes: Sequence[Pass], force: Force | None) -> Tensor:
        delta = self.loss.slopes(passes[-1].nodes, self.y[rows], self.share[rows])
        return gradient(self.parameters, passes, delta, None if force is None else force.pulls(passes))

    def _rows(self, theta: Tensor, passes: Sequence[Pass]) -> Rows:
        scale = (self.share / self.y.shape[1]).sqrt()
        jacobian = linearise(self.parameters, passes, scale).transpose(0, 1)  # (out, batch, parameters)
        products = 2 * self._products_of(slice(None), passes, SquaredError()) if self._several else None
        residual = ((passes[-1].nodes - self.y) * scale).T.flatten()
        model = Rows(jacobian.flatten(0, 1), residual, products=products)
        self._latest = theta, (model.value, 0.0)
        return model

    def _remember(self, theta: Tensor, error: Tensor, force: Force | None) -> tuple[float, float]:
        """Keep the parts at the latest point, which whoever watches a solver asks for next."""
        self._latest = theta, (float(shards.total(error)), 0.0 if force is None else force.value)
        return self._latest[1]


def _unit(loss: Curved | Custom, y: Tensor) -> float:
    if not isinstance(loss, SquaredError):
        return 1.0
    variance = float(Moments.of(y).gathered().variance.mean())
    return variance if variance > 0 else 1.0
