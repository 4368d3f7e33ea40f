"""Kolmogorov-Arnold networks as ordinary torch modules.

Tensors are `(batch, in)` at nodes and `(batch, out, in)` at edges. A layer's outputs are its
*sub-nodes*; the first of them are sum nodes, the rest are multiplied in groups to product nodes.
"""

from collections.abc import Iterable, MutableSequence, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from kanlens import jets
from kanlens.bases import Basis, BSpline
from kanlens.copying import Quick
from kanlens.errors import InputError, UnknownNameError
from kanlens.functions import Function
from kanlens.layer import RESIDUALS, KANLayer
from kanlens.views import Viewable


class Edge(NamedTuple):
    """Address one edge: its layer, the sub-node it leads to and the node it leaves."""

    layer: int
    out: int
    in_: int


class Trace(NamedTuple):
    """Hold what one forward pass saw.

    `nodes[l]` is `(batch, width)`, from the inputs to the outputs; `subnodes[l]` is `(batch, out)`
    before products; `edges[l]` is `(batch, out, in)`.
    """

    nodes: list[Tensor]
    subnodes: list[Tensor]
    edges: list[Tensor]


@dataclass(frozen=True)
class Width:
    """Count the nodes of one layer: sums, then products with their arities.

    Examples
    --------
    >>> Width.of(3), Width.of((1, 2)).subnodes, Width.of((1, (3,))).size
    (Width(sums=3, products=()), 5, 2)
    """

    sums: int
    products: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        counts = (self.sums, *self.products)
        if not all(isinstance(n, int) for n in counts) or self.sums < 0 or any(n < 2 for n in self.products):
            raise InputError(
                f"expected sums >= 0 and arities >= 2, got {self.sums} and {self.products}. "
                "A product of one factor is a sum."
            )
        if self.size == 0:
            raise InputError("expected at least one node in a layer, got none. Leave the layer out, or give it a node.")

    @classmethod
    def of(cls, item: "int | Sequence[Any] | Width") -> "Width":
        """Read a width as people write it: `3`, `(3, 1)` for one binary product, `(3, (2, 3))`."""
        if isinstance(item, Width):
            return item
        if isinstance(item, int):
            return cls(item)
        if len(item) != 2:
            raise InputError(f"expected a width as n or (sums, products), got {item!r}.")
        sums, products = item
        return cls(int(sums), (2,) * products if isinstance(products, int) else tuple(products))

    @property
    def size(self) -> int:
        """Return the number of nodes."""
        return self.sums + len(self.products)

    @property
    def subnodes(self) -> int:
        """Return the number of sums that the edges lead to."""
        return self.sums + sum(self.products)

    def groups(self) -> list[range]:
        """Return the sub-nodes of each node, in order."""
        result = [range(i, i + 1) for i in range(self.sums)]
        for arity in self.products:
            start = result[-1].stop if result else 0
            result.append(range(start, start + arity))
        return result

    def some(self, nodes: Sequence[int]) -> "Width":
        """Return the width of some of the nodes.

        Examples
        --------
        >>> Width(2, (2, 3)).some([0, 3])
        Width(sums=1, products=(3,))
        """
        sums = sum(node < self.sums for node in nodes)
        return Width(sums, tuple(self.products[node - self.sums] for node in nodes if node >= self.sums))


@dataclass(frozen=True)
class Spec:
    """Hold everything that is chosen about a network and nothing that is learnt.

    Examples
    --------
    >>> spec = Spec.of([2, (3, 1), 1])
    >>> [width.size for width in spec.widths]
    [2, 4, 1]
    """

    widths: tuple[Width, ...]
    basis: Basis = field(default_factory=BSpline)
    residual: str = "silu"

    def __post_init__(self) -> None:
        if len(self.widths) < 2:
            raise InputError(f"expected widths of inputs and outputs at least, got {len(self.widths)}. Use [2, 5, 1].")
        if self.widths[0].products:
            raise InputError(
                "expected plain inputs, got product nodes in the first width. Put them into a hidden width."
            )
        if self.residual not in RESIDUALS:
            raise UnknownNameError(f"expected residual to be one of {sorted(RESIDUALS)}, got {self.residual!r}.")

    @classmethod
    def of(cls, widths: Iterable[Any], basis: Basis | None = None, residual: str = "silu") -> "Spec":
        """Build a spec from widths as people write them."""
        return cls(tuple(Width.of(item) for item in widths), basis or BSpline(), residual)


class SymbolicEdges(Quick):
    r"""Hold the edges of a layer that are symbols, :math:`c\,f(a x + b) + d`.

    The edges are flat lists. They are evaluated by groups of the same function, so that the cost
    follows the number of distinct functions. An edge that is a symbol here is masked in the
    layer of splines beside it.

    `out` and `in_` hold the addresses `(edges,)`, `affine (edges, 4)` the constants `a, b, c, d`,
    and `fixed (edges, 4)` says which of them are exact and not to be fitted any more.
    """

    affine: nn.Parameter
    fixed: Tensor

    def __init__(
        self,
        out_features: int,
        functions: Sequence[Function] = (),
        out: Sequence[int] = (),
        in_: Sequence[int] = (),
        affine: Tensor | None = None,
        fixed: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.out_features = out_features
        self.functions, self.out, self.in_ = tuple(functions), list(out), list(in_)
        neutral = torch.tensor([[1.0, 0.0, 1.0, 0.0]], device="cpu").expand(len(self.functions), 4).clone()
        self.affine = nn.Parameter(neutral if affine is None else affine.clone())
        free = torch.zeros(len(self.functions), 4, dtype=torch.bool, device=self.affine.device)
        self.register_buffer("fixed", free if fixed is None else fixed.clone())
        names = [function.name for function in self.functions]
        self.groups = {name: [e for e, other in enumerate(names) if other == name] for name in names}

    def __len__(self) -> int:
        return len(self.functions)

    def _apply_functions(self, u: Tensor, slope: bool = False) -> Tensor:
        """Return `f(u)` or `f'(u)` of the edges' arguments `u (batch, edges)`."""
        if len(self.groups) == 1:
            return self._one(self.functions[0], u, slope)
        result = torch.empty_like(u)
        for members in self.groups.values():
            index = torch.tensor(members, device=u.device)
            result = result.index_copy(1, index, self._one(self.functions[members[0]], u[:, members], slope))
        return result

    @staticmethod
    def _one(function: Function, u: Tensor, slope: bool) -> Tensor:
        return function.slope(u) if slope else function.torch(u)

    def values(self, x: Tensor) -> Tensor:
        """Return the edges' functions `(batch, edges)` at the inputs `x (batch, in)`."""
        a, b, c, d = self.affine.unbind(1)
        return c * self._apply_functions(a * x[:, self.in_] + b) + d

    def jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the derivatives by `(a, b, c, d)`, `(batch, edges, 4)`, and by x, `(batch, edges)`."""
        a, b, c, _ = self.affine.unbind(1)
        at = x[:, self.in_]
        u = a * at + b
        steep = c * self._apply_functions(u, slope=True)
        return torch.stack([steep * at, steep, self._apply_functions(u), torch.ones_like(u)], 2), steep * a

    def held(self) -> jets.Symbols | None:
        """Return the symbols for what carries jets through them, None where there are none."""
        return jets.Symbols(self.affine, self.functions, self.out, self.in_) if len(self) else None

    def spread(self, values: Tensor, in_features: int) -> Tensor:
        """Put flat values `(batch, edges)` at their places, `(batch, out, in)`."""
        place = [out * in_features + in_ for out, in_ in zip(self.out, self.in_, strict=True)]
        full = values.new_zeros(values.shape[0], self.out_features * in_features)
        full = full.index_copy(1, torch.tensor(place, device=values.device), values)
        return full.view(-1, self.out_features, in_features)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sums over the symbolic edges, `(batch, out)`."""
        total = x.new_zeros(x.shape[0], self.out_features)  # len(x) would tie `torch.export` to one batch size
        return total.index_add(1, torch.tensor(self.out, device=x.device), self.values(x)) if len(self) else total

    def extra_repr(self) -> str:
        """List the symbols."""
        return ", ".join(f"({o}, {i}): {f.name}" for f, o, i in zip(self.functions, self.out, self.in_, strict=True))


class KAN(Viewable, Quick):
    r"""Compose layers of learnable one-variable functions.

    Parameters
    ----------
    widths : sequence
        Nodes per layer, from inputs to outputs; an item is a number of sum nodes or a pair
        `(sums, products)`, where `products` counts binary products or lists arities.
    basis, residual
        As in :class:`KANLayer`.
    seed : int
        Seed of the starting point. The global random state is neither read nor changed.
    low, high : float
        Range of the first grids. `fit` moves them to the data.
    noise : float
        Size of the random splines at the start.

    Examples
    --------
    >>> model = KAN([2, 5, 1], basis=BSpline(degree=3, intervals=5), seed=0)
    >>> model(torch.zeros(4, 2)).shape
    torch.Size([4, 1])

    References
    ----------
    Z. Liu et al., *KAN: Kolmogorov-Arnold Networks* (2024) and *KAN 2.0* (2024, product nodes).
    """

    # lists of modules, which torch leaves without the type of their items
    layers: MutableSequence[KANLayer]
    symbols: MutableSequence[SymbolicEdges]

    def __init__(
        self,
        widths: Iterable[Any],
        *,
        basis: Basis | None = None,
        residual: str = "silu",
        seed: int = 0,
        low: float = -1.0,
        high: float = 1.0,
        noise: float = 0.1,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.spec = Spec.of(widths, basis, residual)
        generator = torch.Generator().manual_seed(seed)
        layers = [
            KANLayer(
                before.size,
                after.subnodes,
                basis=self.spec.basis,
                residual=residual,
                low=low,
                high=high,
                noise=noise,
                generator=generator,
                dtype=dtype,
                device=device,
            )
            for before, after in pairwise(self.spec.widths)
        ]
        self._hold(layers, [SymbolicEdges(width.subnodes).to(layers[0].coef) for width in self.spec.widths[1:]])

    @classmethod
    def assemble(cls, spec: Spec, layers: Sequence[KANLayer], symbols: Sequence[SymbolicEdges]) -> "KAN":
        """Build a network from parts that exist, as surgery does."""
        model = cls.__new__(cls)
        nn.Module.__init__(model)
        model.spec = spec
        model._hold(layers, symbols)
        return model

    def _hold(self, layers: Sequence[KANLayer], symbols: Sequence[SymbolicEdges]) -> None:
        self.layers = cast("MutableSequence[KANLayer]", nn.ModuleList(layers))
        self.symbols = cast("MutableSequence[SymbolicEdges]", nn.ModuleList(symbols))

    @property
    def depth(self) -> int:
        """Return the number of layers of edges."""
        return len(self.layers)

    @property
    def dtype(self) -> torch.dtype:
        """Return the dtype of the parameters."""
        return self.layers[0].coef.dtype

    @property
    def device(self) -> torch.device:
        """Return the device of the parameters."""
        return self.layers[0].coef.device

    def parts(self) -> "Iterable[tuple[KANLayer, SymbolicEdges, Width]]":
        """Return for each layer its splines, its symbols and the width that it leads to."""
        return zip(self.layers, self.symbols, self.spec.widths[1:], strict=True)

    def live(self) -> list[Edge]:
        """Return the edges that are not cut off: splines with mask 1, and symbols."""
        found = []
        for number, (layer, symbols, _) in enumerate(self.parts()):
            found += [Edge(number, out, in_) for out, in_ in layer.mask.nonzero().tolist()]
            found += [Edge(number, o, i) for o, i in zip(symbols.out, symbols.in_, strict=True)]
        return sorted(found)

    def symbol(self, edge: Edge) -> Function | None:
        """Return the function of a symbolic edge, None for a spline or an edge that is cut off."""
        symbols = self.symbols[edge.layer]
        for function, out, in_ in zip(symbols.functions, symbols.out, symbols.in_, strict=True):
            if (out, in_) == (edge.out, edge.in_):
                return function
        return None

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs `(..., out)` of the inputs `(..., in)`.

        Raises
        ------
        InputError
            If the last axis of `x` is not as wide as the first layer.
        """
        self._check(x)
        flat = x.reshape(-1, x.shape[-1])
        if flat.requires_grad and torch.is_grad_enabled() and self._bears_jets(flat):
            flat = jets.outputs(flat, self._stages())
            return flat.reshape(*x.shape[:-1], flat.shape[-1])
        for layer, symbols, width in self.parts():
            z = layer(flat)
            flat = multiply(z + symbols(flat) if len(symbols) else z, width)
        return flat.reshape(*x.shape[:-1], flat.shape[-1])

    def jet(self, x: Tensor, order: int) -> jets.Jet | None:
        """Return the outputs with their derivatives by the inputs `x (batch, in)` up to an order, 1 or 2.

        They can be derived by parameters and inputs. Networks that are not small, or not of splines and symbols,
        have none; autograd derives these.
        """
        self._check(x)
        if not self._bears_jets(x):
            return None
        return jets.carry(x.T.contiguous(), self._stages(), order)

    def _bears_jets(self, x: Tensor) -> bool:
        return jets.serves(x, self.layers, [symbols for symbols in self.symbols if len(symbols)])

    def _stages(self) -> list[jets.Stage]:
        return [layer.stage(symbols.held(), width.sums, width.products) for layer, symbols, width in self.parts()]

    def trace(self, x: Tensor) -> Trace:
        """Return the values at all nodes and edges for the inputs `x (batch, in)`."""
        self._check(x)
        nodes, subnodes, edges = [x], [], []
        for layer, symbols, width in self.parts():
            at_edges = layer.edges(nodes[-1])
            if len(symbols):
                at_edges = at_edges + symbols.spread(symbols.values(nodes[-1]), layer.in_features)
            edges.append(at_edges)
            subnodes.append(at_edges.sum(2))
            nodes.append(multiply(subnodes[-1], width))
        return Trace(nodes, subnodes, edges)

    def _check(self, x: Tensor) -> None:
        wanted = self.spec.widths[0].size
        if x.dim() == 0 or x.shape[-1] != wanted:
            raise InputError(
                f"expected inputs of shape (batch, {wanted}), got {tuple(x.shape)}. "
                f"Pass one column for each of the {wanted} inputs."
            )


def multiply(subnodes: Tensor, width: Width) -> Tensor:
    """Return the nodes `(batch, size)`: the sums as they are, and the products of their groups."""
    if not width.products:
        return subnodes
    products = [subnodes[:, list(group)].prod(1, keepdim=True) for group in width.groups()[width.sums :]]
    return torch.cat([subnodes[:, : width.sums], *products], 1)
