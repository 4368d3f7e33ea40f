r"""Values, slopes and curvatures of a small network by its inputs, carried through its layers in one pass.

A loss of slopes or curvatures derives a network two or three times. Autograd does so by deriving its own graph, which
grows with each time; here each layer adds its part of the chain rule to all orders at once,

.. math:: \partial_i \partial_j z_o = \sum_k \phi'_{ok}\,\partial_i \partial_j n_k
          + \phi''_{ok}\,\partial_i n_k\,\partial_j n_k,

with the edges' functions evaluated as polynomials of the interval that holds a point: one more derivative is a sum of
one term less, and nothing is spread out over the grid.

References
----------
A. Griewank and A. Walther, *Evaluating Derivatives* (2008), chapter 13, on Taylor coefficients carried forward.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from kanlens.bases import BSpline
from kanlens.functions import Function

INPUTS = 4
"""Inputs up to which all second derivatives are carried, whose number is their square."""

DEGREE = 5
"""Degree up to which single precision bears sums of powers of the way through an interval."""

WORK = 2**20
"""Numbers that the second derivatives take at most: few enough for starting operations to be what costs."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """Hold the polynomials that splines consist of: the basis functions' derivatives in the middle of each interval.

    `ends (in, 2)` are the grid's, `knots (in, intervals - 1)` are inside it, `middles` is `(in, intervals)` and
    `derivatives (in, size, orders x intervals)`.
    """

    ends: Tensor
    knots: Tensor
    middles: Tensor
    derivatives: Tensor
    orders: int
    latest: "list[_Repeated]" = field(default_factory=list, repr=False)

    def repeated(self, x: Tensor, residual: str) -> "_Repeated | None":
        """Return what is known of points `(in, batch)` if they are those of the last time, as they are in a loop."""
        if self.latest and self.latest[0].is_of(x, residual):
            return self.latest[0]
        few = x.numel() * self.derivatives.shape[1] <= WORK
        self.latest[:] = [_Repeated(x.clone(), residual)] if few else []
        return None

    @classmethod
    @torch.no_grad()
    def of(cls, basis: BSpline, grid: Tensor) -> "Pieces":
        """Take the splines of a grid to pieces."""
        fine = grid.double()
        inner = basis.inner(fine)
        middles = (inner[:, 1:] + inner[:, :-1]) / 2
        orders = [basis.derivatives(middles.T, fine, order) for order in range(basis.degree + 1)]
        table = torch.stack(orders).permute(2, 3, 0, 1).flatten(2)  # (orders, intervals, in, size) before
        ends, knots, middles, table = (
            part.to(grid.dtype) for part in (inner[:, [0, -1]], inner[:, 1:-1].contiguous(), middles, table)
        )
        return cls(ends, knots, middles, table, len(orders))


class Symbols(NamedTuple):
    """Hold edges that are symbols: constants `(edges, 4)`, their functions, and where they lead to and come from."""

    affine: Tensor
    functions: tuple[Function, ...]
    out: list[int]
    in_: list[int]


class Stage(NamedTuple):
    """Hold a layer: coefficients `(out, in, size)`, weights `(out, in)` of its residual, and its sub-nodes' use.

    The first `sums` of them are nodes, the others are multiplied in groups of `products`. `pieces` is None where no
    edge is a spline, `symbols` where none is a symbol.
    """

    coef: Tensor
    weight: Tensor | None
    pieces: Pieces | None
    residual: str
    symbols: Symbols | None
    sums: int
    products: tuple[int, ...]

    def freed(self) -> "Stage":
        """Return the same layer with parameters that nothing else is derived by."""
        coef, weight, affine = (None if each is None else each.detach().requires_grad_() for each in self._learnt)
        assert coef is not None
        symbols = None if self.symbols is None or affine is None else self.symbols._replace(affine=affine)
        return self._replace(coef=coef, weight=weight, symbols=symbols)

    @property
    def parameters(self) -> list[Tensor]:
        """Return the coefficients, the weights and the constants of symbols."""
        return [each for each in self._learnt if each is not None]

    @property
    def _learnt(self) -> tuple[Tensor, Tensor | None, Tensor | None]:
        return self.coef, self.weight, None if self.symbols is None else self.symbols.affine


def parameters(stages: Sequence[Stage]) -> list[Tensor]:
    """Return the coefficients and weights of all layers."""
    return [each for stage in stages for each in stage.parameters]


class Jet(NamedTuple):
    """Hold values `(n, batch)` and their derivatives by the inputs, `(in, n, batch)` and `(in, in, n, batch)`."""

    values: Tensor
    slopes: Tensor | None = None
    curvatures: Tensor | None = None

    def times(self, other: "Jet") -> "Jet":
        """Return the jet of the products."""
        u, v, slopes, curvatures = self.values, other.values, None, None
        if self.slopes is not None and other.slopes is not None:
            slopes = self.slopes * v + u * other.slopes
            if self.curvatures is not None and other.curvatures is not None:
                cross = self.slopes[:, None] * other.slopes
                curvatures = self.curvatures * v + u * other.curvatures + cross + cross.transpose(0, 1)
        return Jet(u * v, slopes, curvatures)

    def split(self, counts: Sequence[int]) -> "list[Jet]":
        """Return the jets of so many nodes each, in one go: autograd fills a tensor of all for each part of its own."""
        return self._apart(lambda each: torch.split(each, list(counts), -2)) if len(counts) > 1 else [self]

    def factors(self, arity: int) -> "list[Jet]":
        """Return the jets of the first factors of all products of an arity, of the second ones and so on."""
        return self._apart(lambda each: torch.unflatten(each, -2, (-1, arity)).unbind(-2))

    def _apart(self, cut: Callable[[Tensor], Sequence[Tensor]]) -> "list[Jet]":
        known = [cut(each) for each in self if each is not None]  # lower orders come first
        return [Jet(*parts) for parts in zip(*known, strict=True)]


def serves(x: Tensor, layers: Sequence[Any], symbols: Sequence[Any]) -> bool:
    """Tell whether jets are carried for such points `(batch, in)` and modules: else autograd derives these."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return False
    if x.dim() != 2 or x.shape[1] > INPUTS or x.device.type != "cpu":
        return False
    widest = max(layer.in_features * layer.out_features for layer in layers)
    return (
        not torch.is_autocast_enabled("cpu")
        and x.shape[1] ** 2 * widest * len(x) <= WORK
        and all(
            isinstance(layer.basis, BSpline)
            and layer.basis.degree <= DEGREE
            and layer.coef.dtype == layer.grid.dtype == x.dtype
            for layer in layers
        )
        and not any(module._forward_hooks or module._forward_pre_hooks for module in [*layers, *symbols])
    )


def _applied(function: type[torch.autograd.Function], *arguments: Any) -> Any:
    return function.apply(*arguments)  # type: ignore[no-untyped-call]


def outputs(x: Tensor, stages: Sequence[Stage]) -> Tensor:
    """Return the outputs `(batch, out)` at the points `x (batch, in)`, whose derivatives are carried when asked for."""
    return _Jets(x, stages).order(0).T.contiguous()


def carry(x: Tensor, stages: Sequence[Stage], order: int, places: "list[_Place | None] | None" = None) -> Jet:
    """Return the outputs at the points `x (in, batch)` with their derivatives up to an order; all can be derived.

    `places` are where the points and what becomes of them lie, layer by layer; what is missing is added.
    """
    places = [] if places is None else places
    jet = Jet(x)
    for number, stage in enumerate(stages):
        known = None if number or x.requires_grad or stage.pieces is None else stage.pieces.repeated(x, stage.residual)
        if number == len(places):
            places.append(None)
        if known is not None:
            jet = known.sums(stage, order)
        else:
            if places[number] is None and stage.pieces is not None:
                places[number] = _Place(jet.values.detach(), stage.pieces, stage.residual)
            jet = _summed(jet, curves(jet.values, stage, order + 1, places[number]), first=not number)
        if stage.products:
            jet = _multiplied(jet, stage)
    return jet


def _summed(jet: Jet, f: Sequence[Tensor], first: bool) -> Jet:
    """Return the jet of a layer's sub-nodes from that of its inputs and from its edges' functions."""
    if first:
        return _from_inputs(f[0].sum(0), f[1:])
    slopes = curvatures = None
    if jet.slopes is not None:
        slopes = (jet.slopes[:, :, None] * f[1]).sum(1)
        if jet.curvatures is not None:
            bent = jet.slopes[:, None, :, None] * (jet.slopes[:, :, None] * f[2])
            curvatures = torch.addcmul(bent, jet.curvatures[:, :, :, None], f[1]).sum(2)
    return Jet(f[0].sum(0), slopes, curvatures)


def _from_inputs(values: Tensor, f: Sequence[Tensor]) -> Jet:
    """Return the jet of sums over inputs, whose own slopes are ones and zeros, from the edges' derivatives."""
    curvatures = torch.eye(len(f[1]), dtype=values.dtype)[:, :, None, None] * f[1][:, None] if len(f) > 1 else None
    return Jet(values, f[0] if f else None, curvatures)


def _multiplied(jet: Jet, stage: Stage) -> Jet:
    """Return the jet of the nodes from that of their factors."""
    alike = [(arity, len(list(group)) * arity) for arity, group in groupby(stage.products)]
    sums = [stage.sums] if stage.sums else []
    parts = jet.split([*sums, *(count for _, count in alike)])
    products = zip(alike, parts[len(sums) :], strict=True)
    nodes = [*parts[: len(sums)], *(functools.reduce(Jet.times, part.factors(arity)) for (arity, _), part in products)]
    if len(nodes) == 1:
        return nodes[0]
    values, *rest = (None if part[0] is None else torch.cat(part, -2) for part in zip(*nodes, strict=True))
    assert values is not None
    return Jet(values, *rest)


def curves(x: Tensor, stage: Stage, count: int, place: "_Place | None") -> Sequence[Tensor]:
    """Return the edges' functions and derivatives at `x (in, batch)`, `count` in all, each `(in, out, batch)`."""
    named = [] if stage.symbols is None else _named(x, stage.symbols, stage.coef, count)
    if place is None:
        return named
    local = torch.bmm(stage.coef.transpose(0, 1), place.pieces.derivatives)  # (in, out, orders x intervals)
    found: Sequence[Tensor] = _applied(_Curves, x, local, stage.weight, count, place)
    return [spline + symbol for spline, symbol in zip(found, named, strict=True)] if named else found


def _named(x: Tensor, symbols: Symbols, coef: Tensor, count: int) -> list[Tensor]:
    r"""Return the functions and derivatives of the symbols, :math:`c\,a^k f^{(k)}(a x + b)`, zeros for other edges."""
    names = [function.name for function in symbols.functions]
    alike = [[edge for edge, other in enumerate(names) if other == name] for name in dict.fromkeys(names)]
    order = [edge for edges in alike for edge in edges]
    out, inputs, _ = coef.shape
    # where all edges are symbols, the coefficients have derivatives as well, which are 0
    a, b, c, d = (symbols.affine[order] + coef[:0].sum()).T[..., None]
    u = torch.addcmul(b, a, x[[symbols.in_[edge] for edge in order]])
    parts = u.tensor_split(list(accumulate(map(len, alike)))[:-1])
    found = [symbols.functions[edges[0]].orders(part, count) for edges, part in zip(alike, parts, strict=True)]
    place = torch.tensor([symbols.in_[edge] * out + symbols.out[edge] for edge in order])
    curves = []
    for number, each in enumerate(zip(*found, strict=True)):
        values = torch.cat(each) if len(each) > 1 else each[0]
        values = torch.addcmul(d, c, values) if number == 0 else c * a**number * values
        curves.append(x.new_zeros(inputs * out, x.shape[1]).index_copy(0, place, values).view(inputs, out, -1))
    return curves


class _Place:
    """Say where points lie: the number of the interval, powers of the way from its middle, and the way past the end.

    `powers[j]` is the power j + 1 over its factorial, `past` is None where no point is past the grid's ends. All are
    `(in, 1, batch)` but the interval.
    """

    def __init__(self, x: Tensor, pieces: Pieces, residual: str) -> None:
        inside = torch.minimum(torch.maximum(x, pieces.ends[:, :1]), pieces.ends[:, 1:])
        self.interval = torch.searchsorted(pieces.knots, inside.detach().contiguous(), right=True)
        self.x, self.pieces, self.residual = x, pieces, residual
        self.powers = [(inside - pieces.middles.gather(1, self.interval))[:, None]]
        for order in range(2, pieces.orders):
            self.powers.append(self.powers[-1] * self.powers[0] / order)
        past = x - inside
        self.past = past[:, None] if bool(past.detach().any()) else None
        self._rises: list[Tensor] = []

    def rises(self, count: int) -> list[Tensor]:
        """Return the residual function and its derivatives, each `(in, 1, batch)`."""
        if len(self._rises) < count:
            self._rises = RISES[self.residual](self.x[:, None], count)
        return self._rises[:count]

    def taken(self, local: Tensor, orders: int) -> tuple[Tensor, ...]:
        """Return the polynomials' coefficients at each point, `(in, out, batch)` of each order."""
        inputs, out, _ = local.shape
        index = self.interval[:, None].expand(-1, out * orders, -1)
        found = local.view(inputs, out * orders, -1).gather(2, index)
        return found.view(inputs, out, orders, -1).unbind(2)


class _Repeated:
    """Hold points `(in, batch)` that are asked for again and again, and what the basis functions are there.

    A loop of one's own derives the same network at the same points thousands of times: curves are then a product of
    matrices, and so are their derivatives by the coefficients.
    """

    def __init__(self, x: Tensor, residual: str) -> None:
        self.x, self.residual = x, residual
        self._tables: list[Tensor] = []

    def is_of(self, x: Tensor, residual: str) -> bool:
        """Tell whether these are the points and the residual function."""
        return self.residual == residual and self.x.shape == x.shape and torch.equal(self.x, x)

    def sums(self, stage: Stage, order: int) -> Jet:
        """Return the jet of the layer's sub-nodes: the residual function is one more basis function."""
        coef = stage.coef if stage.weight is None else torch.cat([stage.coef, stage.weight[..., None]], 2)
        tables = self._tabulated(stage, order + 1)
        values = coef.flatten(1) @ tables[0].flatten(0, 1)
        found = [torch.bmm(coef.transpose(0, 1), table) for table in tables[1:]]
        if stage.symbols is not None:
            first, *rest = _named(self.x, stage.symbols, stage.coef, order + 1)
            values, found = values + first.sum(0), [a + b for a, b in zip(found, rest, strict=True)]
        return _from_inputs(values, found)

    @torch.no_grad()
    def _tabulated(self, stage: Stage, count: int) -> list[Tensor]:
        """Return the basis functions and their derivatives, each `(in, size [+ 1], batch)`."""
        assert stage.pieces is not None
        if len(self._tables) < count:
            place = _Place(self.x, stage.pieces, self.residual)
            tables = _evaluated(stage.pieces.derivatives.contiguous(), None, place, stage.pieces.orders, count)
            if stage.weight is not None:
                tables = [torch.cat(both, 1) for both in zip(tables, place.rises(count), strict=True)]
            self._tables = tables
        return self._tables[:count]


def _evaluated(local: Tensor, weight: Tensor | None, place: _Place, orders: int, count: int) -> list[Tensor]:
    """Return the edges' functions and their derivatives by operations that autograd knows."""
    terms = place.taken(local, orders)
    found = [_polynomial(terms, place, order) for order in range(count)]
    if place.past is not None:  # beyond the grid are tangents
        steep = found[1] if count > 1 else _polynomial(terms, place, 1)
        inside = (place.past == 0).to(local.dtype)
        found = [torch.addcmul(found[0], steep, place.past), *found[1:2], *(each * inside for each in found[2:])]
    if weight is not None:
        column = weight.T[..., None]
        found = [torch.addcmul(each, column, rise) for each, rise in zip(found, place.rises(count), strict=True)]
    return found


def _polynomial(terms: Sequence[Tensor], place: _Place, order: int) -> Tensor:
    """Return the derivatives of an order."""
    if order >= len(terms):
        return torch.zeros_like(terms[0])
    total = terms[order]
    for term, power in zip(terms[order + 1 :], place.powers, strict=False):
        total = torch.addcmul(total, term, power)
    return total


class _Curves(torch.autograd.Function):
    """Keep what the derivatives need, of which one order more is known from the start."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, local: Tensor, weight: Tensor | None, count: int, place: _Place
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.place = place
        ctx.save_for_backward(x, local, weight)
        found = _evaluated(local, weight, place, place.pieces.orders, count + ctx.needs_input_grad[0])
        ctx.further = found[1:]
        return tuple(found[:count])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        x, local, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():  # a derivative of this derivative is wanted
            place = _Place(x, ctx.place.pieces, ctx.place.residual)
            values = _evaluated(local, weight, place, place.pieces.orders, len(grads))
            return *_derived(values, grads, (x, local, weight), wanted), None, None
        by_x = by_local = by_weight = None
        known = {order: grad for order, grad in enumerate(grads) if grad is not None}
        if wanted[0]:
            by_x = sum((grad * ctx.further[order]).sum(1) for order, grad in known.items())
        if wanted[1]:
            by_local = _by_local(local, ctx.place, ctx.place.pieces.orders, known)
        if weight is not None and wanted[2]:
            rises = ctx.place.rises(len(grads))
            by_weight = sum((grad * rises[order]).sum(2) for order, grad in known.items()).T
        return by_x, by_local, by_weight, None, None


def _by_local(local: Tensor, place: _Place, orders: int, grads: dict[int, Tensor]) -> Tensor:
    """Return the derivatives by the polynomials' coefficients, `(in, out, orders x intervals)`."""
    if place.past is not None:
        inside = (place.past == 0).to(local.dtype)
        steep = {1: grads[0] * place.past} if 0 in grads else {}
        grads = {order: grad * inside if order > 1 else grad for order, grad in grads.items()}
        grads |= {1: grads[1] + steep[1]} if steep and 1 in grads else steep
    inputs, out, width = local.shape
    terms = local.new_zeros(inputs, out, orders, place.interval.shape[1])
    for order, grad in grads.items():
        terms[:, :, order : order + 1] += grad[:, :, None]
        for number, power in zip(range(order + 1, orders), place.powers, strict=False):
            terms[:, :, number].addcmul_(grad, power)
    index = place.interval[:, None].expand(-1, out * orders, -1)
    full = local.new_zeros(inputs, out * orders, width // orders)
    return full.scatter_add_(2, index, terms.view(inputs, out * orders, -1)).view_as(local)


def _derived(
    values: Sequence[Tensor], grads: Sequence[Tensor | None], sources: Sequence[Tensor | None], wanted: Sequence[bool]
) -> list[Tensor | None]:
    """Return the derivatives of values by those sources that are wanted, which can be derived further."""
    pairs = [
        (value, grad) for value, grad in zip(values, grads, strict=True) if grad is not None and value.requires_grad
    ]
    asked = [each for each, want in zip(sources, wanted, strict=True) if want and each is not None]
    found = iter(
        torch.autograd.grad(
            [value for value, _ in pairs], asked, [grad for _, grad in pairs], create_graph=True, materialize_grads=True
        )
    )
    return [next(found) if want and each is not None else None for each, want in zip(sources, wanted, strict=True)]


# --- the orders, tied to each other ------------------------------------------------------------


class _Jets:
    """Know the orders of one forward pass: values and slopes from the start, curvatures when they are asked for.

    Values and slopes are functions of the parameters alone (:class:`_Known`); a derivative by the inputs is the next
    order (:class:`_Bridge`). So autograd, asked for slopes, has nothing to go back through.
    """

    def __init__(self, x: Tensor, stages: Sequence[Stage]) -> None:
        self.x, self.stages = x, stages
        self.freed = [stage.freed() for stage in stages]
        self.places: list[_Place | None] = []
        self.jet = carry(x.detach().T.contiguous(), self.freed, 1, self.places)
        self._curvatures: Tensor | None = None

    def order(self, order: int) -> Tensor:
        """Return the values `(out, batch)` or the slopes `(in, out, batch)`."""
        known = _applied(_Known, self, order, *parameters(self.stages))
        found: Tensor = _applied(_Bridge, self.x, known, self, order)
        return found

    def slopes(self) -> Tensor:
        """Return the slopes `(in, out, batch)`."""
        # those that can be derived are not kept: they hold this object, and no collector would find the circle
        return self.order(1) if torch.is_grad_enabled() else self.known(1)

    def known(self, order: int) -> Tensor:
        """Return the numbers of an order alone."""
        found = self.jet[order]
        assert found is not None
        return found.detach()

    def curvatures(self) -> Tensor:
        """Return the curvatures `(in, in, out, batch)`."""
        if torch.is_grad_enabled() and self._curvatures is not None:
            return self._curvatures
        found = carry(self.x.T, self.stages, 2, self.places).curvatures
        assert found is not None
        self._curvatures = found if torch.is_grad_enabled() else None
        return found


class _Known(torch.autograd.Function):
    """Give an order as a function of the parameters alone."""

    @staticmethod
    def forward(ctx: Any, jets: _Jets, order: int, *_parameters: Tensor) -> Tensor:
        ctx.jets, ctx.order = jets, order
        return jets.known(order)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        jets, order, wanted = ctx.jets, ctx.order, ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():  # where a derivative of this derivative is wanted, it may be one by the inputs
            found = carry(jets.x.T, jets.stages, order, jets.places)[order]
            assert found is not None
            return None, None, *_derived([found], [grad], parameters(jets.stages), wanted)
        by_free = torch.autograd.grad(
            jets.jet[order], parameters(jets.freed), grad, retain_graph=True, materialize_grads=True
        )
        return None, None, *(each if want else None for each, want in zip(by_free, wanted, strict=True))


class _Bridge(torch.autograd.Function):
    """Give an order as it is; its derivative by the inputs is the next one."""

    @staticmethod
    def forward(ctx: Any, _x: Tensor, known: Tensor, jets: _Jets, order: int) -> Tensor:
        ctx.jets, ctx.order = jets, order
        return known.view_as(known)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        by_nodes = (ctx.jets.curvatures() if ctx.order else ctx.jets.slopes()) * grad
        return by_nodes.flatten(1, -2).sum(1).T, grad, None, None


# --- residual functions -------------------------------------------------------------------------


def _silu(x: Tensor, count: int) -> list[Tensor]:
    """Return x s(x) and its derivatives, which are k s^(k-1) + x s^(k) of the logistic function s."""
    s = torch.sigmoid(x)
    orders = [s]
    if count > 1:
        orders.append(s - s * s)
    if count > 2:
        orders.append(orders[1] * (1 - 2 * s))
    if count > 3:
        orders.append(orders[1] * (1 - 6 * orders[1]))
    return [x * s, *(torch.addcmul(k * orders[k - 1], x, orders[k]) for k in range(1, count))]


def _identity(x: Tensor, count: int) -> list[Tensor]:
    return [x, torch.ones_like(x), *(torch.zeros_like(x) for _ in range(count - 2))][:count]


RISES: dict[str, Callable[[Tensor, int], list[Tensor]]] = {"silu": _silu, "identity": _identity}
"""Residual functions with their derivatives, up to the third."""
