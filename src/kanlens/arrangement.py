"""Put hidden nodes where the edges of a diagram are short and cross little."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kanlens.data import Array, table
from kanlens.errors import InputError
from kanlens.network import KAN, Width
from kanlens.scores import scores
from kanlens.surgery import keep

Order = list[int]


def swap(model: KAN, layer: int, first: int, second: int) -> KAN:
    """Return the same function with two nodes of a hidden layer in each other's places.

    Raises
    ------
    InputError
        If they are no two sums or two products of a hidden layer, counted from 1.

    Examples
    --------
    >>> model, x = KAN([2, 3, 1]), torch.rand(5, 2)
    >>> torch.allclose(swap(model, 1, 0, 2)(x), model(x), atol=1e-6)
    True
    """
    if not 1 <= layer < model.depth:
        raise InputError(f"expected a hidden layer from 1 to {model.depth - 1}, got {layer}.")
    width = model.spec.widths[layer]
    if not (0 <= first < width.size and 0 <= second < width.size):
        raise InputError(f"expected nodes from 0 to {width.size - 1}, got {first} and {second}.")
    if (first < width.sums) != (second < width.sums):
        raise InputError(
            f"expected two sums or two products, got {first} and {second} of {width.sums} sums. Swap nodes of one kind."
        )
    nodes = [list(range(each.size)) for each in model.spec.widths[1:-1]]
    nodes[layer - 1][first], nodes[layer - 1][second] = second, first
    return keep(model, nodes)


def wiring(model: KAN, x: Array) -> float:
    r"""Return how long the edges are, :math:`\sum_e s_e |p_{in} - p_{out}|`, weighted by their scores.

    The nodes of a layer are spread evenly over [0, 1].

    Parameters
    ----------
    model : KAN
    x : Tensor or array
        Inputs `(rows, in)`, for the scores.

    Examples
    --------
    >>> wiring(KAN([1, 1]), torch.rand(50, 1))
    0.0

    References
    ----------
    Z. Liu, E. Gan and M. Tegmark, *Seeing is Believing: Brain-Inspired Modular Training* (2023).
    """
    return length(_strengths(model, x), [list(range(width.size)) for width in model.spec.widths])


def arrange(model: KAN, x: Array) -> KAN:
    """Return the same function with its hidden nodes ordered so that the edges are short.

    Where the neighbouring layers stand still, what a node's edges cost depends on its own place alone.
    So the best order of a layer is an assignment problem, which is solved exactly; the layers take
    turns until nothing moves. This is done from the present order and from one that follows the
    inputs, and the better of both is taken. Swapping pairs, as is common, ends in the first order
    that no single swap improves.

    Parameters
    ----------
    model : KAN
    x : Tensor or array
        Inputs `(rows, in)`, for the scores.

    Examples
    --------
    >>> model, x = KAN([4, 8, 2]), torch.rand(50, 4)
    >>> wiring(arrange(model, x), x) <= wiring(model, x)
    True
    """
    return keep(model, best_orders(_strengths(model, x), model.spec.widths)[1:-1])


def best_orders(strengths: Sequence[Tensor], widths: Sequence[Width]) -> list[Order]:
    """Return the order of the nodes of each layer for strengths `(nodes above, nodes below)` between them."""
    present = [list(range(width.size)) for width in widths]
    following = present
    for layer in range(1, len(widths) - 1):  # each layer by the one below it
        following = _replaced(following, layer, _best(strengths, following, widths, layer, above=False))
    return min(
        (_settled(strengths, start, widths) for start in (present, following)), key=lambda o: length(strengths, o)
    )


def _strengths(model: KAN, x: Array) -> list[Tensor]:
    """Return the scores between nodes, `(nodes above, nodes below)` for each layer."""
    points = table(x, model.spec.widths[0].size, "inputs").to(model.layers[0].coef)
    found = []
    for edges, width in zip(scores(model, points).edges, model.spec.widths[1:], strict=True):
        found.append(torch.stack([edges[list(group)].sum(0) for group in width.groups()]).double().cpu())
    return found


def _places(order: Sequence[int]) -> Tensor:
    """Return each node's place in [0, 1]."""
    places = torch.empty(len(order), dtype=torch.float64)
    places[list(order)] = (torch.arange(len(order), dtype=torch.float64) + 0.5) / len(order)
    return places


def length(strengths: Sequence[Tensor], orders: Sequence[Order]) -> float:
    """Return the sum of strengths times distances, the nodes of a layer spread evenly over [0, 1]."""
    places = [_places(order) for order in orders]
    return sum(
        float((strength * (above[:, None] - below).abs()).sum())
        for strength, below, above in zip(strengths, places, places[1:], strict=False)
    )


def _best(
    strengths: Sequence[Tensor], orders: Sequence[Order], widths: Sequence[Width], layer: int, above: bool
) -> Order:
    """Return the order of a layer that costs least with its neighbours as they are."""
    from scipy.optimize import linear_sum_assignment  # it takes a while to import

    width = widths[layer]
    spots = (torch.arange(width.size, dtype=torch.float64) + 0.5) / width.size
    cost = strengths[layer - 1] @ (spots - _places(orders[layer - 1])[:, None]).abs()  # (nodes, spots)
    if above:
        cost = cost + strengths[layer].T @ (spots - _places(orders[layer + 1])[:, None]).abs()
    order: Order = []
    for low, high in ((0, width.sums), (width.sums, width.size)):  # sums stay before products
        nodes, places = linear_sum_assignment(cost[low:high, low:high].numpy())
        order += [low + int(node) for _, node in sorted(zip(places, nodes, strict=True))]
    return order


def _settled(strengths: Sequence[Tensor], orders: list[Order], widths: Sequence[Width]) -> list[Order]:
    """Return orders that no reordering of a single layer improves."""
    shortest = length(strengths, orders)
    while True:
        for layer in range(1, len(widths) - 1):
            orders = _replaced(orders, layer, _best(strengths, orders, widths, layer, above=True))
        if (shorter := length(strengths, orders)) >= shortest - 1e-12:
            return orders
        shortest = shorter


def _replaced(orders: Sequence[Order], layer: int, order: Order) -> list[Order]:
    return [*orders[:layer], order, *orders[layer + 1 :]]
