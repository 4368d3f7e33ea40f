r"""Find out by derivatives how a function is put together: from sums, products and hidden scalars.

Every test here is a differential identity. A function is a sum of parts that share no variable where its mixed
second derivatives vanish, a product where those of its logarithm do. It knows a group *A* of variables only by one
scalar, :math:`f = h(g(x_A), x_B)`, where the direction of its gradient in *A* does not depend on *B*.
Derivatives are exact, by automatic differentiation; they are made free of units by the deviations of the inputs, and
their medians over the data are compared to a tolerance. So functions may be trained networks as well as formulas.

References
----------
Z. Liu et al., *KAN 2.0* (2024), section 4.4, for the use on trained networks; W. M. Gorman, *The Structure of Utility
Functions* (1968), for the theorem that groups known by a scalar form a tree.
"""

import copy
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from kanlens.errors import InputError

Map = Callable[[Tensor], Tensor]
"""From inputs `(rows, in)` to values `(rows,)` or `(rows, 1)`, each row by itself."""

Kind = Literal["sum", "product", "function of a sum"]
Group = tuple[int, ...]

TOLERANCE = 1e-2
LARGEST_SEARCH = 8
"""Parts among which all groups are tried; among more, pairs and triples."""


def gradients(f: Map, x: Tensor, *, create_graph: bool = False) -> Tensor:
    """Return the gradient of a function at each row, `(rows, in)`.

    Examples
    --------
    >>> gradients(lambda x: x[:, 0] * x[:, 1], torch.tensor([[2.0, 3.0]]))
    tensor([[3., 2.]])
    """
    with torch.enable_grad():
        at = x if x.requires_grad else x.detach().requires_grad_()
        return _slope(_column(f(at), len(x)), at, create_graph)


def _slope(values: Tensor, at: Tensor, create_graph: bool = True) -> Tensor:
    """Return the derivatives `(rows, in)` of values `(rows,)`, each of its own row."""
    if not values.requires_grad:  # a constant
        return torch.zeros_like(at)
    found = torch.autograd.grad(values.sum(), at, create_graph=create_graph, retain_graph=True, materialize_grads=True)
    return found[0]


def hessians(f: Map, x: Tensor, *, create_graph: bool = False) -> Tensor:
    """Return the second derivatives of a function at each row, `(rows, in, in)`.

    Examples
    --------
    >>> hessians(lambda x: x[:, 0] * x[:, 1], torch.tensor([[2.0, 3.0]]))
    tensor([[[0., 1.],
             [1., 0.]]])
    """
    at = x if x.requires_grad else x.detach().requires_grad_()
    first = gradients(f, at, create_graph=True)
    return torch.stack([_slope(column, at, create_graph) for column in first.unbind(1)], 1)


def mixed(f: Map, x: Tensor, kind: Literal["sum", "product"] = "sum") -> Tensor:
    r"""Return how strongly each pair of inputs acts together, `(in, in)`.

    The entries are medians over the rows of :math:`|\partial_i \partial_j g|\, \sigma_i \sigma_j / \sigma(g)`,
    where *g* is the function for sums and its logarithm for products. Of a logarithm no deviation above 1 counts:
    it has no units, and deviates by more only where the function is close to 0.

    Parameters
    ----------
    f : callable
        A function or a network.
    x : Tensor
        Inputs `(rows, in)`.

    Examples
    --------
    >>> x = torch.rand(100, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> (mixed(lambda x: x[:, 0] * x[:, 1] + x[:, 2] ** 2, x) > 0.01).int()
    tensor([[0, 1, 0],
            [1, 0, 0],
            [0, 0, 1]], dtype=torch.int32)
    """
    f, x = _precise(f, x)
    g = f if kind == "sum" else _logarithm(f)
    spread = x.std(0, correction=0)
    with torch.no_grad():
        whole = _deviation(_column(g(x), len(x)))
        if kind == "product":
            whole = whole.clamp(max=1)
    return _median(hessians(g, x).abs()) * spread[:, None] * spread / whole


def separate(
    f: Map, x: Tensor, kind: Literal["sum", "product"] = "sum", *, tolerance: float = TOLERANCE
) -> list[Group]:
    """Return the finest groups of inputs into which a function falls apart as a sum or a product.

    Examples
    --------
    >>> x = torch.rand(100, 3, dtype=torch.float64)
    >>> separate(lambda x: torch.exp(x[:, 0] * x[:, 1] + x[:, 2]), x, "product")
    [(0, 1), (2,)]
    """
    together = mixed(f, x, kind) > tolerance
    groups: list[set[int]] = []
    for new in range(x.shape[1]):
        joined = [group for group in groups if any(bool(together[new, old]) for old in group)]
        groups = [group for group in groups if group not in joined] + [{new}.union(*joined)]
    return sorted(tuple(sorted(group)) for group in groups)


def is_separable(
    f: Map, x: Tensor, groups: Sequence[Sequence[int]], kind: Kind = "sum", *, tolerance: float = TOLERANCE
) -> bool:
    r"""Tell whether a function is a sum or a product of functions of the groups, or a function of such a sum.

    A function of a sum, :math:`f = h(\sum_k p_k(x_{A_k}))`, is one in which for inputs *i* and *j* of two groups
    :math:`\log|\partial_i f| - \log|\partial_j f|` is a sum over their groups and independent of the others.

    Raises
    ------
    InputError
        If the groups are not disjoint, or leave an input out.

    Examples
    --------
    >>> x = torch.rand(100, 2, dtype=torch.float64)
    >>> is_separable(lambda x: torch.sin(x[:, 0] + x[:, 1] ** 2), x, [[0], [1]], "function of a sum")
    True
    """
    listed = [tuple(group) for group in groups]
    if sorted(itertools.chain(*listed)) != list(range(x.shape[1])):
        raise InputError(
            f"expected groups that hold each of {x.shape[1]} inputs once, got {listed}. Put each input into one group."
        )
    if kind == "function of a sum":
        return _sum_inside(f, x, listed, tolerance)
    matrix = mixed(f, x, kind)
    return all(bool((matrix[list(a)][:, list(b)] <= tolerance).all()) for a, b in itertools.combinations(listed, 2))


def dependence(f: Map, x: Tensor, group: Sequence[int]) -> float:
    r"""Return how much the direction of the gradient in a group depends on the other inputs.

    It is 0 where the function knows the group only by one scalar, :math:`f = h(g(x_A), x_B)`: then
    :math:`\nabla_A f` is a multiple of :math:`\nabla g`, which does not depend on :math:`x_B`.

    Examples
    --------
    >>> x = torch.rand(100, 3, dtype=torch.float64)
    >>> f = lambda x: torch.sin(x[:, 0] * x[:, 1]) * x[:, 2]
    >>> dependence(f, x, [0, 1]) < 1e-12 < dependence(lambda x: f(x) + x[:, 0], x, [0, 1])
    True
    """
    f, x = _precise(f, x)
    inside = list(group)
    outside = [number for number in range(x.shape[1]) if number not in inside]
    if not outside or len(inside) < 2:
        return 0.0
    spread = x.std(0, correction=0)
    at = x.detach().requires_grad_()
    steep = gradients(f, at, create_graph=True)[:, inside] * spread[inside]
    direction = steep / steep.norm(dim=1, keepdim=True)
    turns = [_slope(column, at) for column in direction.unbind(1)]
    return float(_median((torch.stack(turns, 1)[:, :, outside] * spread[outside]).norm(dim=(1, 2))))


def alignment(f: Map, g: Map, x: Tensor, group: Sequence[int]) -> Tensor:
    """Return at each row the cosine between the gradients of two functions in a group of inputs, `(rows,)`.

    Where it is 1 or -1 throughout, `f` depends on the group only through `g`.

    Examples
    --------
    >>> x = torch.rand(100, 2)
    >>> product = lambda x: x[:, 0] * x[:, 1]
    >>> bool(alignment(lambda x: torch.sin(product(x)), product, x, [0, 1]).abs().min() > 0.999)
    True
    """
    spread = x.std(0, correction=0)
    one, other = (((gradients(h, x) * spread)[:, list(group)]).detach() for h in (f, g))
    return nn.functional.cosine_similarity(one, other.to(one), dim=1)


@dataclass(frozen=True)
class Part:
    """Hold a scalar that a function knows of some inputs, and the parts that it is made of.

    `kind` is `"input"`, `"sum"`, `"product"`, `"function of a sum"` or `"function"` of the parts. A scalar inside a
    function is known up to a function of itself, and so is never plainly a sum or a product.
    """

    inputs: Group
    kind: str
    parts: tuple["Part", ...] = ()

    @property
    def height(self) -> int:
        """Return the number of levels below."""
        return 1 + max(part.height for part in self.parts) if self.parts else 0


def tree(f: Map, x: Tensor, *, tolerance: float = 1e-3, separable: float = TOLERANCE) -> Part:
    """Return the tree of scalars through which a function knows its inputs.

    Groups that are known by one scalar are either disjoint, inside each other, or overlap where several parts are
    combined alike, as in a sum of three. So they form a tree, which is found from the leaves up.

    Parameters
    ----------
    f : callable
        A function or a network.
    x : Tensor
        Inputs `(rows, in)`.
    tolerance : float
        For :func:`dependence`: exact functions give round-off, trained networks their errors.
    separable : float
        For :func:`is_separable`.

    Examples
    --------
    >>> x = torch.rand(200, 3, dtype=torch.float64)
    >>> found = tree(lambda x: torch.sqrt(x[:, 0] * x[:, 1]) + x[:, 2], x)
    >>> found.kind, [part.inputs for part in found.parts]
    ('sum', [(0, 1), (2,)])
    """
    f, x = _precise(f, x)
    parts = [Part((number,), "input") for number in range(x.shape[1])]
    while len(parts) > 1:
        chosen = _group(f, x, parts, tolerance)
        rest = [part for part in parts if part not in chosen]
        inputs = tuple(sorted(itertools.chain(*(part.inputs for part in chosen))))
        kind = kind_of(f, x, [part.inputs for part in chosen], tolerance=separable)
        parts = sorted([*rest, Part(inputs, kind, tuple(chosen))], key=lambda part: part.inputs)
    return parts[0]


def _group(f: Map, x: Tensor, parts: list[Part], tolerance: float) -> list[Part]:
    """Return the smallest group of parts known by one scalar, with all that combine alike; else all parts."""

    def known(group: Sequence[Part]) -> bool:
        return dependence(f, x, list(itertools.chain(*(part.inputs for part in group)))) < tolerance

    most = len(parts) if len(parts) <= LARGEST_SEARCH else 4
    for size in range(2, most):
        for group in itertools.combinations(parts, size):
            if known(group):
                alike = [part for part in parts if part not in group and size == 2 and known((group[0], part))]
                return [*group, *alike]
    return parts


def kind_of(f: Map, x: Tensor, groups: Sequence[Sequence[int]], *, tolerance: float = TOLERANCE) -> str:
    """Return how a function combines groups of inputs: one of the kinds of :class:`Part`.

    Examples
    --------
    >>> kind_of(lambda x: x[:, 0] * x[:, 1], torch.rand(100, 2, dtype=torch.float64), [[0], [1]])
    'product'
    """
    f, x = _precise(f, x)
    if sum(len(group) for group in groups) == x.shape[1]:
        for kind in ("sum", "product"):
            if is_separable(f, x, groups, kind, tolerance=tolerance):
                return kind
    return "function of a sum" if _sum_inside(f, x, groups, tolerance) else "function"


def _sum_inside(f: Map, x: Tensor, groups: Sequence[Sequence[int]], tolerance: float) -> bool:
    """Tell whether a function knows some groups by a sum of functions of each, whatever the other inputs are."""
    f, x = _precise(f, x)
    spread = x.std(0, correction=0)
    leading = [group[int(_median((gradients(f, x) * spread).abs())[list(group)].argmax())] for group in groups]
    at = x.detach().requires_grad_()
    steep = gradients(f, at, create_graph=True)
    for (a, i), (b, j) in itertools.combinations(zip(groups, leading, strict=True), 2):
        ratio = _log(steep[:, i]) - _log(steep[:, j])
        first = _slope(ratio, at) * spread
        others = [number for number in range(x.shape[1]) if number not in (*a, *b)]
        if others and bool((_median(first[:, others].abs()) > tolerance).any()):
            return False
        for number in a:
            second = _slope(first[:, number], at) * spread
            if bool((_median(second[:, list(b)].abs()) > tolerance).any()):
                return False
    return True


def _precise(f: Map, x: Tensor) -> tuple[Map, Tensor]:
    """Return a network in float64 with its inputs; other callables may hold tensors of their own dtype."""
    if isinstance(f, nn.Module) and x.dtype != torch.float64:
        return copy.deepcopy(f).double(), x.detach().double()
    return f, x.detach()


def _column(values: Tensor, rows: int) -> Tensor:
    if values.numel() != rows:
        raise InputError(
            f"expected one value for each of {rows} rows, got the shape {tuple(values.shape)}. Pick one output."
        )
    return values.reshape(rows)


def _logarithm(f: Map) -> Map:
    return lambda x: _log(f(x))


def _log(values: Tensor) -> Tensor:
    """Return the logarithms of sizes; torch loads its compiler for second derivatives of `abs`."""
    return values.square().log() / 2


def _deviation(values: Tensor) -> Tensor:
    """Return the deviation of the middle half, which a few large values do not blow up, or of all."""
    finite = values[values.isfinite()]
    if not len(finite):
        return values.new_tensor(1.0)
    ordered = finite.sort().values
    middle = (ordered[3 * len(ordered) // 4] - ordered[len(ordered) // 4]) / 1.349  # of the normal distribution
    spread = middle if bool(middle > 0) else finite.std(correction=0)
    return spread.clamp_min(torch.finfo(values.dtype).tiny)


def _median(values: Tensor) -> Tensor:
    """Return medians over the rows; rows where a derivative does not exist do not count."""
    found = torch.where(values.isfinite(), values, torch.nan).detach().nanmedian(0).values
    return found.nan_to_num(nan=torch.inf)
