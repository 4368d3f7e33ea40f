"""What a network does without some of its edges, and on average along one input."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.network import KAN, Edge, multiply
from kanlens.surgery import cut


class Effect(NamedTuple):
    """Hold how the outputs follow one input: `at (points,)`, and `mean`, `low` and `high (points, out)`."""

    at: Tensor
    mean: Tensor
    low: Tensor
    high: Tensor


@torch.no_grad()
def partial_dependence(model: KAN, x: Tensor, column: int, *, points: int = 33, rows: int = 100) -> Effect:
    r"""Return the mean of the outputs over the data while one input is set, and the middle 80 % of them.

    .. math:: \bar f_i(t) = \frac 1 n \sum_r f(x_{r1}, \dots, x_{ri} = t, \dots)

    Parameters
    ----------
    model : KAN
    x : Tensor
        Inputs `(batch, in)`.
    column : int
        Which input.
    points, rows : int
        Values of the input between its least and its greatest, and rows to take the mean over, from all over `x`.

    Examples
    --------
    >>> effect = partial_dependence(KAN([2, 1]), torch.rand(50, 2), 0)
    >>> effect.at.shape, effect.mean.shape
    (torch.Size([33]), torch.Size([33, 1]))

    References
    ----------
    J. Friedman, *Greedy function approximation* (2001), section 8.2.
    """
    some = x[torch.linspace(0, len(x) - 1, min(rows, len(x))).long()]
    share = torch.linspace(0, 1, points, dtype=x.dtype, device=x.device)
    at = x[:, column].amin() + share * (x[:, column].amax() - x[:, column].amin())
    many = some.repeat(points, 1)  # (points * rows, in)
    many[:, column] = at.repeat_interleave(len(some))
    y = model(many).reshape(points, len(some), -1)
    ends = y.new_tensor([0.1, 0.9])
    low, high = y.nan_to_num().quantile(ends, dim=1)
    return Effect(at, y.mean(1), low, high)


@torch.no_grad()
def without(model: KAN, x: Tensor, edges: Collection[Edge]) -> Tensor:
    """Return the outputs `(batch, out)` with some edges replaced by their means over the data, nothing refitted.

    A constant is what a refit would find at once, so that what is lost is what the edges *do*.

    Examples
    --------
    >>> model, x = KAN([2, 1]), torch.rand(50, 2)
    >>> bool(without(model, x, model.live()).std() < 1e-6)
    True
    """
    return _constant(model, x, edges, _means(model, x))


def _means(model: KAN, x: Tensor) -> list[Tensor]:
    """Return the mean of each edge over the data, `(out, in)` of each layer."""
    return [edges.mean(0) for edges in model.trace(x).edges]


def _constant(model: KAN, x: Tensor, edges: Collection[Edge], means: Sequence[Tensor]) -> Tensor:
    """Return the outputs `(batch, out)` with some edges replaced by constants."""
    bare, flat = cut(model, edges), x
    for number, (layer, symbols, width) in enumerate(bare.parts()):
        constant = torch.zeros_like(means[number])
        for edge in edges:
            if edge.layer == number:
                constant[edge.out, edge.in_] = means[number][edge.out, edge.in_]
        flat = multiply(layer(flat) + symbols(flat) + constant.sum(1), width)
    return flat


class Pruned(NamedTuple):
    """Hold the edges that are left, and the root mean square error of each output without the others."""

    kept: int
    rmse: tuple[float, ...]


@torch.no_grad()
def pruning(model: KAN, x: Tensor, y: Tensor, order: Sequence[Edge], *, levels: int = 25) -> list[Pruned]:
    """Return what the weakest edges are worth: the errors when only the first of `order` are left.

    Parameters
    ----------
    model : KAN
    x, y : Tensor
        Inputs `(batch, in)` and targets `(batch, out)`.
    order : sequence of Edge
        All live edges, the most important first.
    levels : int
        How many numbers of edges to try, at most; small ones lie closer together.

    Examples
    --------
    >>> model, x = KAN([2, 1]), torch.rand(50, 2)
    >>> [level.kept for level in pruning(model, x, model(x), model.live())]
    [0, 1, 2]
    """
    share, means = torch.linspace(0, 1, levels) ** 1.5, _means(model, x)
    kept = sorted({round(len(order) * float(s)) for s in share})
    found = []
    for count in kept:
        errors = (_constant(model, x, order[count:], means) - y).square().mean(0).sqrt()
        found.append(Pruned(count, tuple(errors.tolist())))
    return found
