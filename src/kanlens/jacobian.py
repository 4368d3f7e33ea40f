"""The Jacobian of a network by its parameters, written by hand.

A layer is linear in its parameters given its inputs, so a row of the Jacobian is the sensitivity
of the output to a node times the basis functions there. It costs about one backward pass; asking
automatic differentiation for the same rows costs one pass a row.
"""

from collections.abc import Sequence
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

    @property
    def size(self) -> int:
        """Return the number of parameters."""
        splines = sum(
            len(live) * (layer.basis.size + layer.has_residual)
            for live, layer in zip(self.live, self.model.layers, strict=True)
        )
        return splines + sum(int(free.sum()) for free in self.free)

    def get(self) -> Tensor:
        """Return the vector `(parameters,)`."""
        pieces = []
        for (layer, symbols, _), live, free in zip(self.model.parts(), self.live, self.free, strict=True):
            pieces.append(layer.coef.detach()[live[:, 0], live[:, 1]].flatten())
            if layer.has_residual:
                pieces.append(layer.weight.detach()[live[:, 0], live[:, 1]])
            pieces.append(symbols.affine.detach()[free])
        return torch.cat(pieces)

    @torch.no_grad()
    def set(self, theta: Tensor) -> None:
        """Write a vector `(parameters,)` into the network."""
        start = 0
        for (layer, symbols, _), live, free in zip(self.model.parts(), self.live, self.free, strict=True):
            if len(live):
                out, in_ = live.unbind(1)
                count = len(live) * layer.basis.size
                layer.coef[out, in_] = theta[start : start + count].view(len(live), layer.basis.size).to(layer.coef)
                start += count
                if layer.has_residual:
                    layer.weight[out, in_] = theta[start : start + len(live)].to(layer.weight)
                    start += len(live)
            if len(symbols):
                count = int(free.sum())
                symbols.affine[free] = theta[start : start + count].to(symbols.affine)
                start += count

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


@torch.no_grad()
def linearise(parameters: Parameters, passes: "Sequence[Pass]") -> Tensor:
    """Return the Jacobian `(batch, out, parameters)` of the outputs by the parameters."""
    nodes = passes[-1].nodes
    outputs = nodes.shape[1]
    delta = torch.eye(outputs, dtype=nodes.dtype, device=nodes.device).expand(len(nodes), outputs, outputs)
    blocks: list[Tensor] = []
    for number in reversed(range(len(passes))):
        step = passes[number]
        delta = step.through_products(delta)
        blocks = step.rows(delta, parameters.live[number], parameters.free[number]) + blocks
        if number:
            delta = delta @ step.slopes()  # (batch, outputs, in)
    return torch.cat(blocks, dim=2)


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
        residual = RESIDUALS[layer.residual]
        self.residual = None if residual is None else residual(x)
        self.masked = layer.coef * layer.mask[..., None]
        z = self.values.flatten(1) @ self.masked.flatten(1).T
        if self.residual is not None:
            self.weight = layer.weight * layer.mask
            z = z + self.residual @ self.weight.T
        self.subnodes = z + symbols(x) if len(symbols) else z
        self.nodes = multiply(self.subnodes, width)

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

    def rows(self, delta: Tensor, live: Tensor, free: Tensor) -> list[Tensor]:
        """Return the blocks of the Jacobian: coefficients, weights, constants."""
        out, in_ = live.unbind(1)
        at = delta[..., out]  # (batch, outputs, edges)
        blocks = [(at[..., None] * self.values[:, None, in_]).flatten(2)]
        if self.residual is not None:
            blocks.append(at * self.residual[:, None, in_])
        if self.named is not None:
            blocks.append((delta[..., self.symbols.out][..., None] * self.named[0][:, None])[..., free])
        return blocks

    def gradient(self, delta: Tensor, pull: Tensor | None, live: Tensor, free: Tensor) -> list[Tensor]:
        """Return the derivatives by coefficients, weights and constants from those by sub-nodes and edges."""
        out, in_ = live.unbind(1)
        coef = (delta.T @ self.values.flatten(1)).view_as(self.layer.coef)
        if pull is not None:
            coef = coef + torch.einsum("boi,bik->oik", pull, self.values)
        pieces = [coef[out, in_].flatten()]
        if self.residual is not None:
            weight = delta.T @ self.residual
            if pull is not None:
                weight = weight + (pull * self.residual[:, None]).sum(0)
            pieces.append(weight[out, in_])
        if self.named is not None:
            pieces.append((self._at_symbols(delta, pull)[..., None] * self.named[0]).sum(0)[free])
        return pieces

    def back(self, delta: Tensor, pull: Tensor | None) -> Tensor:
        """Return the derivatives by the inputs `(batch, in)` from those by sub-nodes and edges."""
        result = ((delta @ self.masked.flatten(1)).view_as(self.rises) * self.rises).sum(2)
        if self.residual is not None:
            result = result + delta @ self.weight * _slope(self.layer.residual, self.x)
        if pull is not None:
            result = result + (pull * self._spline_slopes()).sum(1)
        if self.named is not None:
            at = torch.tensor(self.symbols.in_, device=delta.device)
            result = result.index_add(1, at, self._at_symbols(delta, pull) * self.named[1])
        return result

    def _at_symbols(self, delta: Tensor, pull: Tensor | None) -> Tensor:
        """Return the derivatives by the symbolic edges, `(batch, edges)`."""
        found = delta[:, self.symbols.out]
        return found if pull is None else found + pull[:, self.symbols.out, self.symbols.in_]

    @cached_property
    def edges(self) -> Tensor:
        """Return each edge's function by itself, `(batch, out, in)`."""
        edges = torch.einsum("bik,oik->boi", self.values, self.masked)
        if self.residual is not None:
            edges = edges + self.residual[:, None] * self.weight
        if len(self.symbols):
            edges = edges + self.symbols.spread(self.symbols.values(self.x), self.layer.in_features)
        return edges

    def features(self) -> Tensor:
        """Return what the parameters of an input's splines multiply, `(batch, in, size [+ 1])`."""
        return self.values if self.residual is None else torch.cat([self.values, self.residual[..., None]], 2)

    def slopes(self) -> Tensor:
        """Return the derivatives of the edges, `(batch, out, in)`."""
        slopes = self._spline_slopes()
        if self.named is not None:
            slopes = slopes + self.symbols.spread(self.named[1], self.layer.in_features)
        return slopes

    def _spline_slopes(self) -> Tensor:
        slopes = torch.einsum("bik,oik->boi", self.rises, self.masked)
        if self.residual is not None:
            slopes = slopes + _slope(self.layer.residual, self.x)[:, None] * self.weight
        return slopes


def _slope(residual: str, x: Tensor) -> Tensor:
    if residual == "identity":
        return torch.ones_like(x)
    gate = torch.sigmoid(x)
    return gate * (1 + x * (1 - gate))
