"""Give a network more room: layers, nodes and edges that leave its function as it is, or nearly."""

import copy
from collections.abc import Collection, Iterable
from dataclasses import replace

import torch

from kanlens.candidates import Candidate
from kanlens.errors import InputError
from kanlens.functions import LIBRARY
from kanlens.layer import KANLayer
from kanlens.network import KAN, Edge, SymbolicEdges, Width
from kanlens.surgery import cut, with_symbols


def deepen(model: KAN) -> KAN:
    """Return a network with one more layer at its end, which passes the outputs on; all else is as it was.

    Examples
    --------
    >>> model, x = KAN([2, 3, 2]), torch.rand(5, 2)
    >>> deeper = deepen(model)
    >>> [width.size for width in deeper.spec.widths], torch.equal(deeper(x), model(x))
    ([2, 3, 2, 2], True)
    """
    last = Width(model.spec.widths[-1].size)
    spec = replace(model.spec, widths=(*model.spec.widths, last))
    layer = _blank(model, len(model.layers) - 1, last.size, last.size)
    layers, symbols = list(copy.deepcopy(model).layers), list(copy.deepcopy(model).symbols)
    result = KAN.assemble(spec, [*layers, layer], [*symbols, SymbolicEdges(last.size).to(layer.coef)])
    identity = Candidate(LIBRARY["x"], (1.0, 0.0, 1.0, 0.0), 1.0)
    return with_symbols(result, {Edge(model.depth, node, node): identity for node in range(last.size)})


def widen(model: KAN, layer: int, *, sums: int = 0, products: Iterable[int] = ()) -> KAN:
    """Return a network with more nodes in a hidden layer; no edge leads to them or leaves them yet.

    The sums come after the sums that are there, the products (by their arities) after the products.

    Raises
    ------
    InputError
        If `layer` is not the number of a hidden layer, counted from 1.

    Examples
    --------
    >>> model, x = KAN([2, 3, 1]), torch.rand(5, 2)
    >>> wider = widen(model, 1, sums=1, products=[2])
    >>> wider.spec.widths[1], torch.equal(wider(x), model(x))
    (Width(sums=4, products=(2,)), True)
    """
    if not 1 <= layer < model.depth:
        raise InputError(f"expected a hidden layer from 1 to {model.depth - 1}, got {layer}. Use deepen for a new one.")
    old = model.spec.widths[layer]
    new = Width(old.sums + sums, (*old.products, *products))
    nodes = [node if node < old.sums else node + sums for node in range(old.size)]
    subnodes = [sub for node in nodes for sub in new.groups()[node]]
    widths = (*model.spec.widths[:layer], new, *model.spec.widths[layer + 1 :])
    layers, symbols = list(copy.deepcopy(model).layers), list(copy.deepcopy(model).symbols)
    before, after = layers[layer - 1], layers[layer]
    layers[layer - 1] = _placed(model, layer - 1, subnodes, range(before.in_features), new.subnodes, before.in_features)
    layers[layer] = _placed(model, layer, range(after.out_features), nodes, after.out_features, new.size)
    symbols[layer - 1] = _moved(symbols[layer - 1], new.subnodes, subnodes, range(before.in_features))
    symbols[layer] = _moved(symbols[layer], after.out_features, range(after.out_features), nodes)
    return KAN.assemble(replace(model.spec, widths=widths), layers, symbols)


def _blank(model: KAN, number: int, out_features: int, in_features: int) -> KANLayer:
    """Return a layer like one of a network's, without a live edge."""
    like = model.layers[number]
    layer = KANLayer(
        in_features,
        out_features,
        basis=like.basis,
        residual=like.residual,
        generator=torch.Generator(),  # torch's own draws would be used up
        dtype=like.coef.dtype,
        device=like.coef.device,
    )
    layer.mask = torch.zeros_like(layer.mask)
    with torch.no_grad():
        layer.coef.zero_()
        layer.weight.zero_()
    return layer


@torch.no_grad()
def _placed(
    model: KAN, number: int, out: Iterable[int], in_: Iterable[int], out_features: int, in_features: int
) -> KANLayer:
    """Return a larger layer that holds the edges of an old one at given places."""
    old, result = model.layers[number], _blank(model, number, out_features, in_features)
    rows, columns = torch.tensor([*out], device=old.coef.device), torch.tensor([*in_], device=old.coef.device)
    for name in ("coef", "weight", "mask"):
        getattr(result, name)[rows[:, None], columns] = getattr(old, name)
    grid = result.grid.clone()
    grid[columns] = old.grid
    result.grid = grid
    return result


def _moved(symbols: SymbolicEdges, out_features: int, out: Iterable[int], in_: Iterable[int]) -> SymbolicEdges:
    rows, columns = [*out], [*in_]
    return SymbolicEdges(
        out_features,
        symbols.functions,
        [rows[o] for o in symbols.out],
        [columns[i] for i in symbols.in_],
        symbols.affine.detach(),
        symbols.fixed,
    )


@torch.no_grad()
def loosen(model: KAN, edges: Collection[Edge]) -> KAN:
    """Return a copy in which some symbols are splines again, with the curves that they had on their grids.

    Edges that are splines already stay as they are.

    Raises
    ------
    InputError
        If one of the edges is cut.

    Examples
    --------
    >>> from kanlens.symbolic import fix
    >>> model, _ = fix(KAN([1, 1]), torch.rand(50, 1), Edge(0, 0, 0), "exp")
    >>> loosen(model, [Edge(0, 0, 0)]).symbol(Edge(0, 0, 0)) is None
    True
    """
    if dead := set(edges) - set(model.live()):
        raise InputError(f"expected edges that are not cut, got {tuple(min(dead))}. See model.live().")
    named = [edge for edge in edges if model.symbol(edge) is not None]
    result = cut(model, named)
    for edge in named:
        layer, symbols = result.layers[edge.layer], model.symbols[edge.layer]
        grid = layer.grid[edge.in_ : edge.in_ + 1].double()
        inner = layer.basis.inner(grid)[0]
        points = inner[0] + (inner[-1] - inner[0]) * torch.linspace(0, 1, 8 * layer.basis.size).to(grid)
        place = list(zip(symbols.out, symbols.in_, strict=True)).index((edge.out, edge.in_))
        values = symbols.values(points[:, None].expand(-1, layer.in_features).to(model.dtype))[:, place].double()
        coef = layer.basis.project(points[:, None], values.nan_to_num()[:, None, None], grid)  # (1, 1, size)
        _revive(layer, edge, coef[0, 0])
    return result


@torch.no_grad()
def perturb(model: KAN, edges: Collection[Edge], *, noise: float = 0.1, seed: int = 0) -> KAN:
    r"""Return a copy in which some edges are splines with noise on top of the curves that they had.

    An edge that was cut becomes the noise alone, one that was a symbol a spline of its curve. So a
    formula that is nearly right gets the freedom to become right. With a noise of 0 the function stays
    as it was, and edges come to life that training can bend.

    Parameters
    ----------
    model : KAN
    edges : collection of Edge
    noise : float
        Size of the random coefficients, as in a fresh network.
    seed : int
        Seed of the noise. The global random state is neither read nor changed.

    Examples
    --------
    >>> model = cut(KAN([2, 1]), [Edge(0, 0, 1)])
    >>> len(perturb(model, [Edge(0, 0, 1)]).live())
    2

    References
    ----------
    Z. Liu et al., *KAN 2.0* (2024), section 3.2 (networks from formulas, set free).
    """
    result = loosen(model, set(edges) & set(model.live()))
    generator = torch.Generator().manual_seed(seed)
    for edge in sorted(edges):
        layer = result.layers[edge.layer]
        bumps = torch.randn(layer.basis.size, generator=generator, dtype=torch.float64, device="cpu").to(layer.coef)
        alive = bool(layer.mask[edge.out, edge.in_])
        old = layer.coef[edge.out, edge.in_].double() if alive else torch.zeros_like(bumps)
        weight = float(layer.weight[edge.out, edge.in_]) if alive else 0.0
        _revive(layer, edge, old + noise * layer.in_features**-0.5 * bumps, weight)
    return result


def _revive(layer: KANLayer, edge: Edge, coef: torch.Tensor, weight: float = 0.0) -> None:
    layer.coef[edge.out, edge.in_] = coef.to(layer.coef)
    layer.weight[edge.out, edge.in_] = weight
    layer.mask[edge.out, edge.in_] = 1
