"""The Jacobian of a network by its parameters, written by hand.

A layer is linear in its parameters given its inputs, so a row of the Jacobian is the sensitivity
of the output to a node times the basis functions there. It costs about one backward pass; asking
automatic differentiation for the same rows costs one pass a row.
"""

import torch
from torch import Tensor

from kanlens.network import KAN, RESIDUALS, KANLayer, SymbolicEdges, Width, multiply


class Parameters:
    """Flatten the free parameters of a network into one vector, and write one back.

    Free are the coefficients and residual weights of live splines, and the constants of symbols
    that are not fixed. The order is by layer: coefficients, weights, constants.
    """

    def __init__(self, model: KAN) -> None:
        self.model = model
        self.live = [layer.mask.nonzero() for layer in model.layers]  # (edges, 2): out, in
        self.free = [~symbols.fixed for symbols in model.symbols]

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
            out, in_ = live.unbind(1)
            count = len(live) * layer.basis.size
            layer.coef[out, in_] = theta[start : start + count].view(len(live), layer.basis.size).to(layer.coef)
            start += count
            if layer.has_residual:
                layer.weight[out, in_] = theta[start : start + len(live)].to(layer.weight)
                start += len(live)
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

    def gradient(self, value: Tensor) -> Tensor:
        """Return the derivative `(parameters,)` of a scalar that the network computed."""
        leaves = [leaf for l, s, _ in self.model.parts() for leaf in (l.coef, l.weight, s.affine)]
        wanted = [leaf if leaf.requires_grad else None for leaf in leaves]
        found = iter(torch.autograd.grad(value, [w for w in wanted if w is not None], allow_unused=True))
        grads = [torch.zeros_like(leaf) if w is None else next(found) for leaf, w in zip(leaves, wanted, strict=True)]
        grads = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, grads, strict=True)]
        pieces = []
        for number, (layer, live, free) in enumerate(zip(self.model.layers, self.live, self.free, strict=True)):
            coef, weight, affine = grads[3 * number : 3 * number + 3]
            out, in_ = live.unbind(1)
            pieces += [coef[out, in_].flatten(), *([weight[out, in_]] if layer.has_residual else []), affine[free]]
        return torch.cat(pieces)


@torch.no_grad()
def linearise(parameters: Parameters, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the outputs `(batch, out)` and their Jacobian `(batch, out, parameters)`."""
    model = parameters.model
    passes: list[_Pass] = []
    nodes = x
    for layer, symbols, width in model.parts():
        passes.append(_Pass(layer, symbols, width, nodes, inner=bool(passes)))
        nodes = passes[-1].nodes
    outputs = nodes.shape[1]
    delta = torch.eye(outputs, dtype=x.dtype, device=x.device).expand(len(x), outputs, outputs)
    blocks: list[Tensor] = []
    for step, live, free in zip(reversed(passes), reversed(parameters.live), reversed(parameters.free), strict=True):
        delta = step.through_products(delta)
        blocks = step.rows(delta, live, free) + blocks
        if step.inner:
            delta = delta @ step.slopes()  # (batch, outputs, in)
    return nodes, torch.cat(blocks, dim=2)


class _Pass:
    """Hold what the forward pass of one layer leaves for the backward one."""

    def __init__(self, layer: KANLayer, symbols: SymbolicEdges, width: Width, x: Tensor, inner: bool) -> None:
        self.layer, self.symbols, self.width, self.x, self.inner = layer, symbols, width, x, inner
        self.values, self.rises = layer.basis.values_and_slopes(x, layer.grid)
        residual = RESIDUALS[layer.residual]
        self.residual = None if residual is None else residual(x)
        self.masked = layer.coef * layer.mask[..., None]
        z = self.values.flatten(1) @ self.masked.flatten(1).T
        if self.residual is not None:
            z = z + self.residual @ (layer.weight * layer.mask).T
        self.by_affine: Tensor | None = None
        self.by_x: Tensor | None = None
        if len(symbols):
            self.by_affine, self.by_x = symbols.jacobian(x)
        self.subnodes = z + symbols(x) if len(symbols) else z
        self.nodes = multiply(self.subnodes, width)

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
        if self.by_affine is not None:
            blocks.append((delta[..., self.symbols.out][..., None] * self.by_affine[:, None])[..., free])
        return blocks

    def slopes(self) -> Tensor:
        """Return the derivatives of the edges, `(batch, out, in)`."""
        slopes = torch.einsum("bik,oik->boi", self.rises, self.masked)
        if self.residual is not None:
            slopes = slopes + _slope(self.layer.residual, self.x)[:, None] * (self.layer.weight * self.layer.mask)
        if self.by_x is not None:
            slopes = slopes + self.symbols.spread(self.by_x, self.layer.in_features)
        return slopes


def _slope(residual: str, x: Tensor) -> Tensor:
    if residual == "identity":
        return torch.ones_like(x)
    gate = torch.sigmoid(x)
    return gate * (1 + x * (1 - gate))
