"""Make new networks from old ones: keep some nodes, cut edges, refine grids."""

import copy
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from kanlens.candidates import Candidate
from kanlens.data import Array, table
from kanlens.errors import InputError
from kanlens.functions import LIBRARY
from kanlens.layer import KANLayer
from kanlens.network import KAN, Edge, SymbolicEdges
from kanlens.regrid import regrid


def refine(model: KAN, x: Array, intervals: int) -> KAN:
    """Return a copy on grids of another number of intervals, with the same curves.

    If `intervals` is a multiple of the present number, the curves stay the same to round-off
    (knots are inserted); else they are projected by least squares on the range of the data.

    Parameters
    ----------
    model : KAN
    x : Tensor or array
        Inputs `(rows, in)` whose range the new grids span.
    intervals : int
        Number of intervals of the new grids.

    Examples
    --------
    >>> model = KAN([2, 5, 1])
    >>> finer = refine(model, torch.rand(100, 2) * 2 - 1, intervals=20)
    >>> finer.layers[0].coef.shape
    torch.Size([5, 2, 23])
    """
    if any(intervals % layer.basis.intervals for layer in model.layers):
        points = table(x, model.spec.widths[0].size, "inputs").to(model.layers[0].grid)
        return regrid(model, points, intervals=intervals)
    result = copy.deepcopy(model)
    with torch.no_grad():
        for layer in result.layers:
            coef, layer.grid = layer.basis.refine(layer.coef.double(), layer.grid.double(), intervals)
            layer.coef = torch.nn.Parameter(coef.to(model.dtype))
            layer.grid = layer.grid.to(model.dtype)
            layer.basis = layer.basis.resized(intervals)
    result.spec = replace(result.spec, basis=result.spec.basis.resized(intervals))
    return result


def keep(model: KAN, nodes: Sequence[Sequence[int]], *, inputs: Sequence[int] | None = None) -> KAN:
    """Return the network of some of the hidden nodes, and of some of the inputs.

    Parameters
    ----------
    model : KAN
    nodes : sequence of sequences
        For each hidden layer the numbers of the nodes to keep, in the order that they shall have;
        sums come before products.
    inputs : sequence of int, optional
        The inputs to keep, in their new order; all by default.

    Raises
    ------
    InputError
        If there is not one list for each hidden layer, or a list is empty or names no node.

    Examples
    --------
    >>> [width.size for width in keep(KAN([2, 5, 1]), [[3, 0]]).spec.widths]
    [2, 2, 1]
    """
    hidden = model.spec.widths[1:-1]
    if len(nodes) != len(hidden):
        raise InputError(
            f"expected one list of nodes for each of {len(hidden)} hidden layers, got {len(nodes)}. "
            "List the nodes to keep of every one."
        )
    columns = range(model.spec.widths[0].size) if inputs is None else inputs
    for number, (chosen, width) in enumerate(zip([columns, *nodes], model.spec.widths[:-1], strict=True)):
        if not chosen or len(set(chosen)) != len(chosen) or not set(chosen) <= set(range(width.size)):
            raise InputError(
                f"expected distinct nodes among 0 to {width.size - 1} for layer {number}, got {list(chosen)}. "
                "Name each node once."
            )
    ordered = [
        sorted(chosen, key=width.sums.__le__)  # sums, then products
        for chosen, width in zip([columns, *nodes], model.spec.widths[:-1], strict=True)
    ]
    return _subnetwork(model, [*ordered, list(range(model.spec.widths[-1].size))])


def _subnetwork(model: KAN, kept: Sequence[Sequence[int]]) -> KAN:
    """Return the network of the kept nodes of every layer, inputs and outputs included."""
    widths = [width.some(nodes) for width, nodes in zip(model.spec.widths, kept, strict=True)]
    layers, symbols = [], []
    for (layer, old, width), before, after in zip(model.parts(), kept, kept[1:], strict=False):
        groups = width.groups()
        subnodes = [subnode for node in after for subnode in groups[node]]
        layers.append(_sublayer(layer, subnodes, before))
        symbols.append(_subsymbols(old, subnodes, before))
    return KAN.assemble(replace(model.spec, widths=tuple(widths)), layers, symbols)


@torch.no_grad()
def _sublayer(layer: KANLayer, out: Sequence[int], in_: Sequence[int]) -> KANLayer:
    result = KANLayer(
        len(in_),
        len(out),
        basis=layer.basis,
        residual=layer.residual,
        generator=torch.Generator(),  # its draws are overwritten; torch's own would be used up
        dtype=layer.coef.dtype,
        device=layer.coef.device,
    )
    result.grid = layer.grid[in_].clone()
    result.mask = layer.mask[out][:, in_].clone()
    result.coef.copy_(layer.coef[out][:, in_])
    result.weight.copy_(layer.weight[out][:, in_])
    return result


def _subsymbols(symbols: SymbolicEdges, out: Sequence[int], in_: Sequence[int]) -> SymbolicEdges:
    chosen = [e for e, (o, i) in enumerate(zip(symbols.out, symbols.in_, strict=True)) if o in out and i in in_]
    return SymbolicEdges(
        len(out),
        [symbols.functions[e] for e in chosen],
        [list(out).index(symbols.out[e]) for e in chosen],
        [list(in_).index(symbols.in_[e]) for e in chosen],
        symbols.affine.detach()[chosen],
        symbols.fixed[chosen],
    )


def cut(model: KAN, edges: Collection[Edge]) -> KAN:
    """Return a copy without some edges, splines or symbols.

    Examples
    --------
    >>> len(cut(KAN([2, 5, 1]), [Edge(0, 3, 1)]).live())
    14
    """
    result = copy.deepcopy(model)
    for number, (layer, symbols, _) in enumerate(model.parts()):
        gone = {(edge.out, edge.in_) for edge in edges if edge.layer == number}
        for out, in_ in gone:
            result.layers[number].mask[out, in_] = 0
        result.layers[number].look()
        stay = [e for e, place in enumerate(zip(symbols.out, symbols.in_, strict=True)) if place not in gone]
        result.symbols[number] = SymbolicEdges(
            layer.out_features,
            [symbols.functions[e] for e in stay],
            [symbols.out[e] for e in stay],
            [symbols.in_[e] for e in stay],
            symbols.affine.detach()[stay],
            symbols.fixed[stay],
        )
    return result


def with_symbols(model: KAN, symbols: Mapping[Edge, Candidate]) -> KAN:
    """Return a copy in which some edges are the given symbols, constants included."""
    result = copy.deepcopy(model)
    for number, (layer, old, _) in enumerate(model.parts()):
        table_ = {
            (o, i): (f, a, e)
            for f, o, i, a, e in zip(old.functions, old.out, old.in_, old.affine.detach(), old.fixed, strict=True)
        }
        for edge, found in symbols.items():
            if edge.layer == number:
                affine = layer.coef.new_tensor(found.affine)
                absorbed = [letter in found.function.absorbed for letter in "abcd"]
                table_[edge.out, edge.in_] = found.function, affine, torch.tensor(absorbed, device=affine.device)
                result.layers[number].mask[edge.out, edge.in_] = 0
        result.layers[number].look()
        if table_:
            places = sorted(table_)
            functions, affines, fixed = zip(*(table_[place] for place in places), strict=True)
            out, in_ = zip(*places, strict=True)
            result.symbols[number] = SymbolicEdges(
                layer.out_features, functions, out, in_, torch.stack(affines), torch.stack(fixed)
            )
    return result


def collect_constants(model: KAN) -> KAN:
    """Return the same function, in which constant symbols are part of another symbol of their sub-node.

    Only a sub-node whose symbols are all constants keeps one. A table of categories can have a hundred columns that
    are constant at its rows, and to take them away by trials would take a fit for each group of them.

    Examples
    --------
    >>> constant = Candidate(LIBRARY["0"], (1.0, 0.0, 1.0, 2.0), 1.0)
    >>> line = Candidate(LIBRARY["x"], (1.0, 0.0, 1.0, 3.0), 1.0)
    >>> model = with_symbols(KAN([2, 1]), {Edge(0, 0, 0): constant, Edge(0, 0, 1): line})
    >>> float(collect_constants(model).symbols[0].affine[0, 3].detach())
    5.0
    """
    result, gone = copy.deepcopy(model), list[Edge]()
    for number, symbols in enumerate(result.symbols):
        for node in set(symbols.out):
            own = [e for e, out in enumerate(symbols.out) if out == node]
            keeper = next((e for e in own if symbols.functions[e].name != "0"), own[0])
            constants = [e for e in own if symbols.functions[e].name == "0" and e != keeper]
            symbols.affine.data[keeper, 3] += symbols.affine.data[constants, 3].sum()
            gone += [Edge(number, node, symbols.in_[e]) for e in constants]
    return cut(result, gone)


def spare(model: KAN, edge: Edge) -> bool:
    """Tell whether a sub-node keeps an edge when this one is cut."""
    return bool(spared(model, [edge]))


def spared(model: KAN, edges: Iterable[Edge]) -> list[Edge]:
    """Return those of the edges that can be cut together: every sub-node keeps one, the last that is listed.

    Examples
    --------
    >>> spared(KAN([2, 1]), [Edge(0, 0, 1), Edge(0, 0, 0)])
    [Edge(layer=0, out=0, in_=1)]
    """
    left = Counter((edge.layer, edge.out) for edge in model.live())
    going = []
    for edge in edges:
        if left[edge.layer, edge.out] > 1:
            left[edge.layer, edge.out] -= 1
            going.append(edge)
    return going


@torch.no_grad()
def straighten(model: KAN, x: Tensor) -> KAN:
    """Return a copy in which no spline feeds a single spline: their composition goes to the first.

    Two functions in a row, with no sum between them, can share their curvature in any way. So the
    second becomes the identity, and the first is projected on what the two were together.

    Parameters
    ----------
    model : KAN
    x : Tensor
        Inputs `(rows, in)`.

    Examples
    --------
    >>> straighten(KAN([2, 1, 1, 1]), torch.rand(50, 2)).symbol(Edge(2, 0, 0)).name
    'x'
    """
    result = copy.deepcopy(model)
    for number in range(result.depth - 1):
        live, width = result.live(), result.spec.widths[number + 1]
        for node in range(width.sums):
            before = [e for e in live if e.layer == number and e.out == node]
            after = [e for e in live if e.layer == number + 1 and e.in_ == node]
            if len(before) == len(after) == 1 and not any(result.symbol(e) for e in (before[0], after[0])):
                result = _compose(result, before[0], after[0], x)
    return result


def _compose(model: KAN, first: Edge, second: Edge, x: Tensor) -> KAN:
    """Give one spline the composition of two, and make the other the identity."""
    trace, layer = model.trace(x), model.layers[first.layer]
    composed = trace.edges[second.layer][:, second.out, second.in_]
    points = trace.nodes[first.layer][:, [first.in_]]
    coef = layer.basis.project(points, composed[:, None, None], layer.grid[[first.in_]])
    identity = Candidate(LIBRARY["x"], (1.0, 0.0, 1.0, 0.0), 1.0)
    result = with_symbols(model, {second: identity})
    result.layers[first.layer].coef[first.out, first.in_] = coef[0, 0]
    result.layers[first.layer].weight[first.out, first.in_] = 0
    return result
