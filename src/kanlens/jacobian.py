"""The Jacobian of a network by its parameters, written by hand.

A layer is linear in its parameters given its inputs, so a row of the Jacobian is the sensitivity
of the output to a node times the basis functions there. It costs about one backward pass; asking
automatic differentiation for the same rows costs one pass a row.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.combination import tabulate
from kanlens.layer import RESIDUALS, KANLayer
from kanlens.network import KAN, SymbolicEdges, Width, multiply


class Parameters:
    """Flatten the free parameters of a network into one vector, and write one back.

    Free are the coefficients and residual weights of live splines, and the constants of symbols
    that are not fixed. The order is by layer: coefficients, weights, constants.
    """

    def __init__(self, model: KAN) -> None:
        self.model = model
        self.live = [layer.mask.nonzero() for layer in model.layers]  # (edges, 2): out, in
        self.free = [~symbols.fixed for symbols in model.symbols]
        self._set: tuple[Tensor, list[int]] | None = None

    @cached_property
    def counts(self) -> list[int]:
        """Return the number of parameters of each layer."""
        return [
            len(live) * (layer.basis.size + layer.has_residual) + int(free.sum())
            for live, layer, free in zip(self.live, self.model.layers, self.free, strict=True)
        ]

    @cached_property
    def size(self) -> int:
        """Return the number of parameters."""
        return sum(self.counts)

    def get(self) -> Tensor:
        """Return the vector `(parameters,)`."""
        pieces = []
        for (layer, symbols, _), live, free in zip(self.model.parts(), self.live, self.free, strict=True):
            pieces.append(_taken(layer.coef.detach(), live).flatten())
            if layer.has_residual:
                pieces.append(_taken(layer.weight.detach(), live))
            pieces.append(symbols.affine.detach()[free])
        return torch.cat(pieces)

    @torch.no_grad()
    def set(self, theta: Tensor) -> None:
        """Write a vector `(parameters,)` into the network, unless nothing was written since this one was."""
        if self._set is not None and self._set[0] is theta and self._set[1] == self._versions(theta):
            return
        pieces = torch.split(theta, self.counts)
        for (layer, symbols, _), live, free, piece in zip(
            self.model.parts(), self.live, self.free, pieces, strict=True
        ):
            edges, size = len(live), layer.basis.size
            if edges:
                _put(layer.coef, live, piece[: edges * size].view(edges, size))
            if edges and layer.has_residual:
                _put(layer.weight, live, piece[edges * size : edges * (size + 1)])
            if len(symbols):
                _put_free(symbols.affine, free, piece[edges * (size + layer.has_residual) :])
        self._set = theta, self._versions(theta)

    def _versions(self, theta: Tensor) -> list[int]:
        """Return how often the vector and the network's tensors were written to."""
        return [theta._version, *(tensor._version for tensor in self._tensors)]

    @cached_property
    def _tensors(self) -> list[Tensor]:
        found: list[Tensor] = []
        for layer, symbols, _ in self.model.parts():
            found += [layer.coef, layer.weight, symbols.affine]
        return found

    def blocks(self) -> list[Tensor]:
        """Return for each layer the places of its live splines' parameters, `(edges, size [+ 1])`."""
        found, start = [], 0
        for layer, live, free in zip(self.model.layers, self.live, self.free, strict=True):
            count, size = len(live), layer.basis.size
            block = start + torch.arange(count * size).view(count, size)
            start += count * size
            if layer.has_residual:
                block = torch.cat([block, start + torch.arange(count)[:, None]], 1)
                start += count
            found.append(block)
            start += int(free.sum())
        return found

    def place(self, layer: int, edge: int, letter: int) -> int:
        """Return the place of one constant of a symbolic edge, which must be free."""
        start = 0
        for number, (splines, live, free) in enumerate(zip(self.model.layers, self.live, self.free, strict=True)):
            start += len(live) * (splines.basis.size + splines.has_residual)
            if number == layer:
                return start + int(free.flatten()[: 4 * edge + letter].sum())
            start += int(free.sum())
        raise IndexError(layer)


def forward(model: KAN, x: Tensor, first: Tensor | None = None) -> "list[Pass]":
    """Return what one forward pass leaves at each layer; `first` is the first layer's basis at `x`, if known."""
    passes: list[Pass] = []
    nodes = x
    for layer, symbols, width in model.parts():
        if layer.blank:
            values = rises = nodes.new_zeros(1, 1, 1).expand(*nodes.shape, layer.basis.size)
        elif passes or first is None:
            values, rises = tabulate(nodes, layer.grid, layer.evaluator)
        else:
            values, rises = first, None
        passes.append(Pass(layer, symbols, width, nodes, values, rises))
        nodes = passes[-1].nodes
    return passes


def _taken(tensor: Tensor, live: Tensor) -> Tensor:
    """Return the live edges of a tensor `(out, in, ...)`, `(edges, ...)`."""
    return tensor.flatten(0, 1) if _all(live, tensor) else tensor[live[:, 0], live[:, 1]]


def _put(tensor: Tensor, live: Tensor, rows: Tensor) -> None:
    """Write the live edges `(edges, ...)` into a tensor `(out, in, ...)`."""
    if _all(live, tensor):
        tensor.copy_(rows.view_as(tensor))
    else:
        tensor[live[:, 0], live[:, 1]] = rows.to(tensor)


def _put_free(affine: Tensor, free: Tensor, constants: Tensor) -> None:
    """Write the free constants into those of symbols `(edges, 4)`."""
    if len(constants) == affine.numel():
        affine.copy_(constants.view_as(affine))
    else:
        affine[free] = constants.to(affine)


def _all(live: Tensor, tensor: Tensor) -> bool:
    """Tell whether all edges live; then they are in the order in which they lie, and need no index."""
    return len(live) == tensor.shape[0] * tensor.shape[1]


def sensitivities(passes: "Sequence[Pass]", start: Tensor | None = None) -> "Iterator[tuple[int, Tensor]]":
    """Go back through the layers; give the number of each and the sensitivities of the outputs to its sub-nodes.

    They are `(outputs, subnodes, batch)`: all that follows then runs along the batch. `start (batch, 1)` scales them.
    """
    batch, outputs = passes[-1].nodes.shape
    delta = torch.eye(outputs, dtype=passes[-1].x.dtype, device=passes[-1].x.device)[..., None]
    delta = delta.expand(outputs, outputs, batch) if start is None else delta * start.T
    for number in reversed(range(len(passes))):
        step = passes[number]
        delta = step.through_products(delta.permute(2, 0, 1)).permute(1, 2, 0)
        yield number, delta
        if number:
            slopes = step.slopes()
            delta = torch.stack([(slopes * each).sum(1) for each in delta])  # (outputs, in, batch)


@torch.no_grad()
def linearise(parameters: Parameters, passes: "Sequence[Pass]", scale: Tensor | None = None) -> Tensor:
    """Return the Jacobian `(batch, out, parameters)` of the outputs by the parameters.

    `scale (batch, 1)` multiplies its rows. It lies in memory as `(parameters, out, batch)`, so that every
    parameter's column is written in one go.
    """
    batch, outputs = passes[-1].nodes.shape
    jacobian = passes[-1].nodes.new_empty(parameters.size, outputs, batch)
    blocks = torch.split(jacobian, parameters.counts)
    for number, delta in sensitivities(passes, scale):
        passes[number].fill(blocks[number], delta, parameters.live[number], parameters.free[number])
    return jacobian.permute(2, 1, 0)


@torch.no_grad()
def gradient(
    parameters: Parameters, passes: "Sequence[Pass]", delta: Tensor, pulls: "Sequence[Pull] | None" = None
) -> Tensor:
    """Return the derivative `(parameters,)` of a scalar, from its derivatives `(batch, out)` by the outputs.

    `pulls` adds, for each layer, its derivatives by the sub-nodes and by the edges themselves.
    """
    pieces: list[Tensor] = []
    for number in reversed(range(len(passes))):
        step, pull = passes[number], None
        delta = step.through_products(delta[:, None])[:, 0]
        if pulls is not None:
            delta, pull = delta + pulls[number].subnodes, pulls[number].edges
        pieces = step.gradient(delta, pull, parameters.live[number], parameters.free[number]) + pieces
        if number:
            delta = step.back(delta, pull)
    return torch.cat(pieces)


class Pull(NamedTuple):
    """Hold derivatives of a scalar by sub-nodes `(batch, out)` and by edges `(batch, out, in)`."""

    subnodes: Tensor
    edges: Tensor


class Pass:
    """Hold what the forward pass of one layer leaves for the backward one."""

    def __init__(
        self, layer: KANLayer, symbols: SymbolicEdges, width: Width, x: Tensor, values: Tensor, rises: Tensor | None
    ) -> None:
        self.layer, self.symbols, self.width, self.x = layer, symbols, width, x
        self.values, self._rises = values, rises
        residual = None if layer.blank else RESIDUALS[layer.residual]
        self.residual = None if residual is None else residual(x)
        self.coef, self.weight = layer.masked_coef, layer.masked_weight
        self.subnodes = symbols(x) if layer.blank else self._sums()
        self.nodes = multiply(self.subnodes, width)

    def _sums(self) -> Tensor:
        z = (self.coef.flatten(1) @ _rows(self.values).flatten(0, 1)).T
        if self.residual is not None:
            z = torch.addmm(z, self.residual, self.weight.T)
        return z + self.symbols(self.x) if len(self.symbols) else z

    @cached_property
    def rises(self) -> Tensor:
        """Return the slopes of the basis functions, `(batch, in, size)`."""
        if self._rises is None:
            return tabulate(self.x, self.layer.grid, self.layer.evaluator)[1]
        return self._rises

    @cached_property
    def named(self) -> tuple[Tensor, Tensor] | None:
        """Return the derivatives of the symbolic edges by their constants and by their inputs."""
        return self.symbols.jacobian(self.x) if len(self.symbols) else None

    def through_products(self, delta: Tensor) -> Tensor:
        """Turn sensitivities to nodes into sensitivities to sub-nodes, `(batch, outputs, out)`."""
        if not self.width.products:
            return delta
        pieces = [delta[..., : self.width.sums]]
        for node, group in enumerate(self.width.groups()[self.width.sums :], self.width.sums):
            factors = self.subnodes[:, list(group)]
            for k in range(len(group)):
                others = torch.cat([factors[:, :k], factors[:, k + 1 :]], 1).prod(1)
                pieces.append((delta[..., node] * others[:, None])[..., None])
        return torch.cat(pieces, 2)

    def fill(self, block: Tensor, delta: Tensor, live: Tensor, free: Tensor) -> None:
        """Write the Jacobian by coefficients, weights and constants, `(parameters, outputs, batch)`."""
        edges, size = len(live), self.layer.basis.size
        coefs, weights, constants = block.tensor_split([edges * size, edges * (size + self.layer.has_residual)])
        at = delta.transpose(0, 1)  # (out, outputs, batch)
        if edges:
            _outer(at, _rows(self.values), live, coefs)
        if self.residual is not None:
            _outer(at, self.residual.T[:, None], live, weights)
        if self.named is not None:  # (edges, 4, outputs, batch)
            by_constants = self.named[0].permute(1, 2, 0)[:, :, None] * at[self.symbols.out][:, None]
            constants.copy_(by_constants[free])

    def gradient(self, delta: Tensor, pull: Tensor | None, live: Tensor, free: Tensor) -> list[Tensor]:
        """Return the derivatives by coefficients, weights and constants from those by sub-nodes and edges."""
        pieces: list[Tensor] = []
        if len(live):
            coef = (delta.T @ self.values.flatten(1)).view_as(self.layer.coef)
            if pull is not None:
                coef = coef + torch.einsum("boi,bik->oik", pull, self.values)
            pieces.append(_taken(coef, live).flatten())
        if len(live) and self.residual is not None:
            weight = delta.T @ self.residual
            if pull is not None:
                weight = weight + torch.einsum("boi,bi->oi", pull, self.residual)
            pieces.append(_taken(weight, live).flatten())
        if self.named is not None:
            pieces.append((self._at_symbols(delta, pull)[..., None] * self.named[0]).sum(0)[free])
        return pieces

    def back(self, delta: Tensor, pull: Tensor | None) -> Tensor:
        """Return the derivatives by the inputs `(batch, in)` from those by sub-nodes and edges."""
        result = torch.zeros_like(self.x) if self.layer.blank else self._back_through_splines(delta, pull)
        if self.named is not None:
            at = torch.tensor(self.symbols.in_, device=delta.device)
            result = result.index_add(1, at, self._at_symbols(delta, pull) * self.named[1])
        return result

    def _back_through_splines(self, delta: Tensor, pull: Tensor | None) -> Tensor:
        rises = _rows(self.rises)
        result = ((self.coef.flatten(1).T @ delta.T).view_as(rises) * rises).sum(1).T
        if self.residual is not None:
            result = result + delta @ self.weight * _slope(self.layer.residual, self.x)
        return result if pull is None else result + (pull * self._spline_slopes().permute(2, 1, 0)).sum(1)

    def _at_symbols(self, delta: Tensor, pull: Tensor | None) -> Tensor:
        """Return the derivatives by the symbolic edges, `(batch, edges)`."""
        found = delta[:, self.symbols.out]
        return found if pull is None else found + pull[:, self.symbols.out, self.symbols.in_]

    @cached_property
    def edges(self) -> Tensor:
        """Return each edge's function by itself, `(batch, out, in)`."""
        edges = self._curves(self.values)
        if self.residual is not None:
            edges = torch.addcmul(edges, self.residual.T[:, None], self.weight.T[..., None])
        edges = edges.permute(2, 1, 0)
        if len(self.symbols):
            edges = edges + self.symbols.spread(self.symbols.values(self.x), self.layer.in_features)
        return edges

    def features(self) -> Tensor:
        """Return what the parameters of an input's splines multiply, `(batch, in, size [+ 1])`."""
        if self.layer.blank:
            return self.values[..., :1].expand(-1, -1, self.layer.basis.size + self.layer.has_residual)
        return self.values if self.residual is None else torch.cat([self.values, self.residual[..., None]], 2)

    def slopes(self) -> Tensor:
        """Return the derivatives of the edges, `(in, out, batch)`."""
        if self.named is None:
            return self._spline_slopes()
        named = self.symbols.spread(self.named[1], self.layer.in_features).permute(2, 1, 0)
        return named if self.layer.blank else named + self._spline_slopes()

    def _spline_slopes(self) -> Tensor:
        slopes = self._curves(self.rises)
        if self.residual is not None:
            slope = _slope(self.layer.residual, self.x)
            slopes = torch.addcmul(slopes, slope.T[:, None], self.weight.T[..., None])
        return slopes

    def _curves(self, functions: Tensor) -> Tensor:
        """Return the edges' sums `(in, out, batch)` of functions `(batch, in, size)`."""
        return self.coef.transpose(0, 1) @ _rows(functions)


def _outer(delta: Tensor, values: Tensor, live: Tensor, block: Tensor) -> None:
    """Write the products of `(out, outputs, batch)` and `(in, size, batch)` into `(edges * size, outputs, batch)`."""
    left, right, edges = delta[:, None], values[:, :, None], live.shape[:1]
    if len(live) == len(delta) * len(values):  # no copy for each edge
        left, right, edges = left[:, None], right[None], torch.Size((len(delta), len(values)))
    else:
        left, right = left[live[:, 0]], right[live[:, 1]]
    torch.mul(left, right, out=block.view(*edges, values.shape[1], *block.shape[1:]))


def _rows(functions: Tensor) -> Tensor:
    """See functions `(batch, in, size)` as rows `(in, size, batch)`, along the batch in memory."""
    rows = functions.permute(1, 2, 0)
    return rows if rows.stride(2) <= 1 else rows.contiguous()


def _slope(residual: str, x: Tensor) -> Tensor:
    if residual == "identity":
        return torch.ones_like(x)
    gate = torch.sigmoid(x)
    return gate * (1 + x * (1 - gate))
