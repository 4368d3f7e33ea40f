"""Surgery gives back a new network and leaves the one it was given as it was."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from kanlens.candidates import Candidate
from kanlens.errors import InputError
from kanlens.functions import lookup
from kanlens.network import KAN, Edge, Width
from kanlens.regrid import MARGIN, regrid
from kanlens.scores import scores
from kanlens.surgery import collect_constants, cut, keep, refine, with_symbols
from samples import points, rich

SINE = Candidate(lookup("sin"), (2.0, 0.5, -3.0, 0.25), 1.0)

OPERATIONS: dict[str, Callable[[KAN], KAN]] = {
    "refine": lambda model: refine(model, points(50, 3), 8),
    "refine by a fraction": lambda model: refine(model, points(50, 3), 7),
    "keep": lambda model: keep(model, [[0, 3], [0, 1]]),
    "cut": lambda model: cut(model, model.live()[:4]),
    "with_symbols": lambda model: with_symbols(model, {model.live()[3]: SINE}),
    "collect_constants": lambda model: collect_constants(with_symbols(model, {model.live()[3]: SINE})),
    "regrid": lambda model: regrid(model, points(50, 3, low=-3)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_network_is_untouched_and_shares_nothing(name: str) -> None:
    model = rich(2)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    spec, live = model.spec, model.live()
    result = OPERATIONS[name](model)
    with torch.no_grad():
        for value in result.state_dict().values():
            value.zero_()
    assert (model.spec, model.live()) == (spec, live)
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)
    assert result is not model


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_comes_back_computes_and_learns(name: str) -> None:
    result = OPERATIONS[name](rich(2))
    x = points(20, 3)
    assert result(x).isfinite().all()
    assert result.dtype == torch.float64
    torch.testing.assert_close(result.trace(x).nodes[-1], result(x))
    result(x).sum().backward()
    assert result.layers[0].coef.grad is not None


@pytest.mark.parametrize("seed", range(5))
def test_a_network_without_an_edge_lacks_its_curve(seed: int) -> None:
    model, x = rich(seed), points(20, 3)
    edges = [edge for edge in model.live() if edge.layer == 0][:3]
    smaller = cut(model, edges)
    assert set(smaller.live()) == set(model.live()) - set(edges)
    expected = model.trace(x).edges[0].clone()
    for _, out, in_ in edges:
        expected[:, out, in_] = 0
    torch.testing.assert_close(smaller.trace(x).edges[0], expected)
    assert cut(smaller, edges).live() == smaller.live()


def test_kept_nodes_are_those_that_remain_when_all_their_neighbours_are_cut() -> None:
    model, x = rich(3), points(20, 3)
    kept = [[0, 2], [1]]  # a sum and a product; a product
    smaller = keep(model, kept)
    assert smaller.spec.widths == (Width(3), Width(1, (2,)), Width(0, (2,)), Width(2))
    trace = model.trace(x)
    torch.testing.assert_close(smaller.trace(x).nodes[1], trace.nodes[1][:, kept[0]])
    lost = [e for e in model.live() if e.layer == 1 and e.in_ not in kept[0]]
    lost += [e for e in model.live() if e.layer == 2 and e.in_ not in kept[1]]
    torch.testing.assert_close(smaller(x), cut(model, lost)(x))


def test_kept_nodes_and_inputs_come_in_the_order_asked_for() -> None:
    model, x = rich(3), points(20, 3)
    turned = keep(model, [[3, 1, 2, 0], [1, 0]])  # a product is moved behind the sums
    order = sorted([3, 1, 2, 0], key=lambda node: node >= model.spec.widths[1].sums)
    torch.testing.assert_close(turned.trace(x).nodes[1], model.trace(x).nodes[1][:, order])
    torch.testing.assert_close(turned(x), model(x))
    fewer = keep(model, [range(4), range(2)], inputs=[2, 0])
    without = cut(model, [edge for edge in model.live() if edge.layer == 0 and edge.in_ == 1])
    torch.testing.assert_close(fewer(x[:, [2, 0]]), without(x))
    with pytest.raises(InputError, match="among 0 to 2 for layer 0"):
        keep(model, [range(4), range(2)], inputs=[3])


def test_to_keep_all_is_to_copy() -> None:
    model, x = rich(1), points(20, 3)
    same = keep(model, [range(4), range(2)])
    assert (same.spec, same.live()) == (model.spec, model.live())
    torch.testing.assert_close(same(x), model(x))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([[0]], "one list of nodes for each of 2 hidden layers, got 1"),
        ([[], [0]], "expected distinct nodes among 0 to 3 for layer 1"),
        ([[0, 4], [0]], "expected distinct nodes"),
        ([[0, 0], [0]], "expected distinct nodes"),
        ([[0], [-1]], "expected distinct nodes among 0 to 1 for layer 2"),
    ],
)
def test_nodes_that_are_not_there_cannot_be_kept(nodes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        keep(rich(), nodes)


@pytest.mark.parametrize("times", [1, 2, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_refining_by_a_multiple_is_the_same_function(times: int, dtype: torch.dtype) -> None:
    model = rich(4).to(dtype)
    x = points(50, 3, low=-1.5, high=1.5).to(dtype)
    finer = refine(model, x, 4 * times)
    assert finer.spec.basis.intervals == finer.layers[0].basis.intervals == 4 * times
    assert finer.dtype == dtype
    tolerance = 1e-4 if dtype == torch.float32 else 1e-10
    torch.testing.assert_close(finer(x), model(x), rtol=tolerance, atol=tolerance)


def test_refining_to_another_number_is_close_on_the_data() -> None:
    model, x = KAN([3, 2, 1], noise=0.3, dtype=torch.float64), points(200, 3)
    finer = refine(model, x, 33)
    assert float((finer(x) - model(x)).abs().max().detach()) < 0.02 * float(model(x).std().detach())


def test_a_symbol_is_set_with_its_constants_and_replaces_another() -> None:
    model, edge = rich(5), Edge(1, 0, 2)
    named = with_symbols(model, {edge: SINE})
    assert named.symbol(edge) is lookup("sin")
    assert not named.layers[1].mask[0, 2]
    again = with_symbols(named, {edge: Candidate(lookup("exp"), (1.0, 0.0, 2.0, 0.0), 1.0)})
    assert again.symbol(edge) is lookup("exp")
    assert len(again.symbols[1]) == len(named.symbols[1])
    place = next(k for k, at in enumerate(zip(again.symbols[1].out, again.symbols[1].in_, strict=True)) if at == (0, 2))
    assert again.symbols[1].affine[place].tolist() == [1.0, 0.0, 2.0, 0.0]
    assert again.symbols[1].fixed[place].tolist() == [False, True, False, False]  # exp absorbs b


def test_constants_become_part_of_another_symbol_of_their_node_or_of_one_constant() -> None:
    constant = Candidate(lookup("0"), (1.0, 0.0, 1.0, 0.75), 1.0)
    line = Candidate(lookup("x"), (1.0, 0.0, -2.0, 0.5), 1.0)
    symbols = {Edge(0, 0, 0): constant, Edge(0, 0, 1): line, Edge(0, 0, 2): constant}
    symbols |= {Edge(0, 1, 0): constant, Edge(0, 1, 2): constant}
    model, x = with_symbols(rich(1), symbols), points(30, 3)
    collected = collect_constants(model)
    torch.testing.assert_close(collected(x), model(x))
    gone = {Edge(0, 0, 0), Edge(0, 0, 2), Edge(0, 1, 2)}
    assert set(model.live()) - set(collected.live()) == gone


def test_moved_grids_span_the_data_and_keep_the_curves() -> None:
    model, x = rich(2), points(400, 3)
    moved = regrid(model, x)
    inner = moved.layers[0].basis.inner(moved.layers[0].grid)
    beyond = MARGIN * (x.amax(0) - x.amin(0))
    torch.testing.assert_close(inner[:, 0], x.amin(0) - beyond)
    torch.testing.assert_close(inner[:, -1], x.amax(0) + beyond)
    adapted = regrid(model, x, uniformity=0.05)
    assert bool((adapted.layers[1].grid.diff(dim=1) > 0).all())
    for result in (moved, adapted, regrid(model, x, intervals=40)):
        assert float((result(x) - model(x)).detach().std()) < 0.1 * float(model(x).detach().std())


# --- scores ------------------------------------------------------------------------------


def test_scores_do_not_depend_on_units() -> None:
    model, x = rich(2, (3, 4, 2)), points(100, 3)
    stretched = copy.deepcopy(model)
    with torch.no_grad():
        for part in (stretched.layers[1].coef, stretched.layers[1].weight):
            part.mul_(1000)
        stretched.symbols[1].affine[:, 2:].mul_(1000)
    for one, other in zip(scores(model, x).edges, scores(stretched, x).edges, strict=True):
        torch.testing.assert_close(one, other)


def test_edges_score_nothing_when_cut_or_constant_and_the_nodes_are_their_sums() -> None:
    model, x = KAN([3, 4, 1], dtype=torch.float64), points(100, 3)
    x[:, 1] = 0.5
    found = scores(cut(model, [Edge(0, 2, 0)]), x)
    assert float(found.edges[0][2, 0]) == 0
    assert not bool(found.edges[0][:, 1].any())
    torch.testing.assert_close(found.edges[0].sum(0), found.nodes[0])
    assert float(found.nodes[-1].sum()) == 1
