"""A network grows without a change of its function, and loosened symbols keep their curves."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanlens.arrangement import arrange, swap, wiring
from kanlens.candidates import Candidate
from kanlens.errors import InputError
from kanlens.functions import lookup
from kanlens.growth import deepen, loosen, perturb, widen
from kanlens.network import KAN, Edge, Width
from kanlens.surgery import cut, keep, with_symbols
from samples import points, rich

SINE = Candidate(lookup("sin"), (2.0, 0.5, -3.0, 0.25), 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_deeper_network_is_the_same_function(seed: int) -> None:
    model, x = rich(seed), points(20, 3)
    deeper = deepen(deepen(model))
    torch.testing.assert_close(deeper(x), model(x), rtol=0, atol=0)
    assert deeper.depth == model.depth + 2
    assert {deeper.symbol(edge).name for edge in deeper.live() if edge.layer >= model.depth} == {"x"}  # type: ignore[union-attr]


@pytest.mark.parametrize(("layer", "sums", "products"), [(1, 2, ()), (1, 0, (2, 3)), (2, 1, (2,))])
def test_a_wider_network_is_the_same_function(layer: int, sums: int, products: tuple[int, ...]) -> None:
    model, x = rich(1), points(20, 3)
    wider = widen(model, layer, sums=sums, products=products)
    torch.testing.assert_close(wider(x), model(x))
    assert len(wider.live()) == len(model.live())
    old = model.spec.widths[layer]
    assert wider.spec.widths[layer] == Width(old.sums + sums, (*old.products, *products))
    back = [n if n < old.sums else n + sums for n in range(old.size)]
    nodes = [[*range(w.size)] for w in model.spec.widths[1:-1]]
    again = keep(wider, [*nodes[: layer - 1], back, *nodes[layer:]])
    assert (again.spec, again.live()) == (model.spec, model.live())


def test_growth_leaves_the_network_and_the_random_state_alone() -> None:
    model = rich(1)
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    for grown in (deepen(model), widen(model, 1, sums=1), perturb(model, model.live())):
        with torch.no_grad():
            for value in grown.state_dict().values():
                value.zero_()
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_only_hidden_layers_grow() -> None:
    for layer in (0, 2, -1):
        with pytest.raises(InputError, match="expected a hidden layer from 1 to 1"):
            widen(KAN([2, 3, 1]), layer, sums=1)


def test_a_loosened_symbol_is_a_spline_of_the_same_curve() -> None:
    model, x = with_symbols(KAN([2, 1], dtype=torch.float64), {Edge(0, 0, 1): SINE}), points(50, 2, low=-1, high=1)
    free = loosen(model, [Edge(0, 0, 1)])
    assert free.live() == model.live()
    assert free.symbol(Edge(0, 0, 1)) is None
    assert float((free(x) - model(x)).detach().abs().max()) < 0.02
    assert loosen(free, free.live()).live() == free.live()
    with pytest.raises(InputError, match="not cut"):
        loosen(cut(model, [Edge(0, 0, 0)]), [Edge(0, 0, 0)])


def test_noise_wakes_edges_and_its_absence_keeps_the_function() -> None:
    model, x = cut(rich(2), rich(2).live()[:3]), points(20, 3)
    dead = sorted(set(rich(2).live()) - set(model.live()))
    quiet = perturb(model, dead, noise=0.0)
    torch.testing.assert_close(quiet(x), model(x))
    assert set(dead) <= set(quiet.live())
    loud = perturb(model, dead, noise=0.1)
    assert not torch.allclose(loud(x), model(x))
    assert torch.equal(loud(x), perturb(model, dead, noise=0.1)(x))
    assert not torch.equal(loud(x), perturb(model, dead, noise=0.1, seed=1)(x))


def test_a_network_that_grew_learns() -> None:
    grown = perturb(deepen(widen(KAN([2, 1, 1], dtype=torch.float64), 1, sums=1)), [Edge(0, 1, 0), Edge(1, 0, 1)])
    grown(points(20, 2)).sum().backward()
    assert float(grown.layers[0].coef.grad[1, 0].abs().max()) > 0  # type: ignore[index]


# --- order -------------------------------------------------------------------------------


def test_a_swap_moves_nodes_and_not_the_function() -> None:
    model, x = with_symbols(rich(1), {Edge(0, 0, 1): SINE}), points(20, 3)
    turned = swap(model, 1, 0, 1)
    torch.testing.assert_close(turned(x), model(x))
    torch.testing.assert_close(turned.trace(x).nodes[1][:, [1, 0]], model.trace(x).nodes[1][:, [0, 1]])
    assert turned.symbol(Edge(0, 1, 1)).name == "sin"  # type: ignore[union-attr]
    assert swap(turned, 1, 1, 0).live() == model.live()


@pytest.mark.parametrize(("layer", "nodes"), [(0, (0, 1)), (3, (0, 1)), (1, (0, 9)), (1, (0, 3))])
def test_nodes_of_different_kinds_or_places_are_not_swapped(layer: int, nodes: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="expected"):
        swap(rich(1), layer, *nodes)


def test_scattered_pairs_come_to_lie_side_by_side() -> None:
    order = [3, 0, 4, 1, 2]
    pairs = {(order.index(i), j) for i in range(5) for j in (2 * i, 2 * i + 1)}
    model = KAN([10, 5, 5], dtype=torch.float64)
    keep_ = {Edge(0, out, in_) for out, in_ in pairs} | {Edge(1, i, order.index(i)) for i in range(5)}
    model, x = cut(model, set(model.live()) - keep_), points(60, 10)
    best = arrange(model, x)
    torch.testing.assert_close(best(x), model(x))
    assert {(e.out, e.in_) for e in best.live() if e.layer == 1} == {(i, i) for i in range(5)}
    assert wiring(best, x) < 0.5 * wiring(model, x)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_one_layer_gets_its_best_order_of_all(seed: int) -> None:
    model = KAN([3, 4, 2], seed=seed, dtype=torch.float64)
    x = points(40, 3)
    least = min(wiring(keep(model, [list(order)]), x) for order in itertools.permutations(range(4)))
    assert wiring(arrange(model, x), x) == pytest.approx(least)


def test_sums_and_products_keep_apart() -> None:
    model, x = KAN([3, (2, 2), 2], dtype=torch.float64), points(40, 3)
    best = arrange(model, x)
    assert best.spec == model.spec
    torch.testing.assert_close(best(x), model(x))
