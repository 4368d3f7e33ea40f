"""A network is the composition of its edges, and an ordinary torch module."""

import copy
import io
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kanlens.bases import BSpline
from kanlens.candidates import Candidate
from kanlens.errors import InputError, UnknownNameError
from kanlens.functions import lookup
from kanlens.layer import KANLayer
from kanlens.network import KAN, Edge, Spec, SymbolicEdges, Width, multiply
from kanlens.surgery import with_symbols
from samples import points, rich

# --- layers ------------------------------------------------------------------------------


@pytest.mark.parametrize("residual", ["silu", "identity", "zero"])
def test_the_edges_of_a_layer_sum_to_its_output(residual: str) -> None:
    layer = KANLayer(4, 3, basis=BSpline(3, 6), residual=residual, noise=1.0, dtype=torch.float64)
    layer.mask[1, 2] = layer.mask[0, 0] = 0
    x = points(20, 4, low=-2, high=2)
    edges = layer.edges(x)
    assert edges.shape == (20, 3, 4)
    assert not bool(edges[:, [1, 0], [2, 0]].any())
    torch.testing.assert_close(edges.sum(2), layer(x))


def test_an_edge_is_its_residual_and_its_spline() -> None:
    layer = KANLayer(2, 3, dtype=torch.float64)
    x = points(10, 2)
    spline = (layer.basis.values(x, layer.grid)[:, 1] * layer.coef[2, 1]).sum(-1)
    expected = spline + layer.weight[2, 1] * nn.functional.silu(x[:, 1])
    torch.testing.assert_close(layer.edges(x)[:, 2, 1], expected)


def test_a_layer_is_used_like_linear() -> None:
    layer = KANLayer(3, 2)
    x = torch.rand(4, 5, 3)
    assert layer(x).shape == (4, 5, 2)
    torch.testing.assert_close(layer(x)[2, 3], layer(x[2, 3]))
    assert nn.Sequential(nn.Linear(7, 3), layer)(torch.rand(2, 7)).shape == (2, 2)


# --- networks ----------------------------------------------------------------------------


@given(st.integers(0, 30), st.sampled_from(["silu", "identity", "zero"]), st.integers(1, 4))
def test_a_trace_is_consistent_with_forward(seed: int, residual: str, degree: int) -> None:
    model, x = rich(seed, residual=residual, basis=BSpline(degree, 3)), points(7, 3, seed, -2, 2)
    trace = model.trace(x)
    torch.testing.assert_close(trace.nodes[0], x)
    torch.testing.assert_close(trace.nodes[-1], model(x))
    for level, width in enumerate(model.spec.widths[1:]):
        assert trace.edges[level].shape == (7, width.subnodes, model.spec.widths[level].size)
        torch.testing.assert_close(trace.edges[level].sum(2), trace.subnodes[level])
        torch.testing.assert_close(multiply(trace.subnodes[level], width), trace.nodes[level + 1])


def test_product_nodes_multiply_their_sub_nodes() -> None:
    z = torch.tensor([[2.0, 3.0, 5.0, 7.0, 11.0, 13.0]])
    assert multiply(z, Width(1, (2, 3))).tolist() == [[2.0, 15.0, 1001.0]]
    assert multiply(z, Width(6)) is z
    model = KAN([2, (1, (2,)), 1], seed=3, dtype=torch.float64)
    x = points(5, 2)
    a, b, c = model.layers[0](x).unbind(1)
    torch.testing.assert_close(model(x), model.layers[1](torch.stack([a, b * c], 1)))


def test_a_symbol_takes_the_place_of_its_spline() -> None:
    model, x = KAN([2, 3, 1], seed=1, dtype=torch.float64), points(9, 2)
    edge = Edge(0, 1, 0)
    named = with_symbols(model, {edge: Candidate(lookup("sin"), (2.0, 0.5, -3.0, 0.25), 1.0)})
    assert named.symbol(edge) is lookup("sin")
    assert named.symbol(Edge(0, 1, 1)) is None
    before, after = model.trace(x).edges[0].clone(), named.trace(x).edges[0]
    before[:, 1, 0] = -3 * torch.sin(2 * x[:, 0] + 0.5) + 0.25
    torch.testing.assert_close(after, before)
    torch.testing.assert_close(named(x), named.layers[1](before.sum(2)))
    assert edge in named.live()
    assert len(named.live()) == len(model.live()) == 9


def test_symbols_of_several_functions_are_evaluated_each_by_its_own() -> None:
    names = ["sin", "x^2", "sin", "exp", "x^2"]
    affine = torch.tensor(np.random.default_rng(0).uniform(-1, 1, (5, 4)))
    symbols = SymbolicEdges(2, [lookup(n) for n in names], [0, 1, 1, 0, 1], [0, 0, 1, 2, 2], affine)
    x = points(6, 3)
    one_by_one = [
        c * lookup(name).torch(a * x[:, i] + b) + d
        for name, i, (a, b, c, d) in zip(names, symbols.in_, affine.tolist(), strict=True)
    ]
    torch.testing.assert_close(symbols.values(x), torch.stack(one_by_one, 1))
    torch.testing.assert_close(symbols(x)[:, 0], one_by_one[0] + one_by_one[3])
    torch.testing.assert_close(symbols.spread(symbols.values(x), 3)[:, 1, 2], one_by_one[4])


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3), (0, 3), (2, 0, 3)])
def test_leading_axes_are_the_batch(shape: tuple[int, ...]) -> None:
    model = rich(2)
    x = points(10, 3)[: max(int(np.prod(shape[:-1])), 0)].reshape(shape)
    assert model(x).shape == (*shape[:-1], 2)
    torch.testing.assert_close(model(x).reshape(-1, 2), model(x.reshape(-1, 3)))


@pytest.mark.parametrize("shape", [(5, 2), (5, 4), (2,), ()])
def test_inputs_of_a_wrong_width_are_refused(shape: tuple[int, ...]) -> None:
    for call in (rich(), rich().trace):
        with pytest.raises(InputError, match=r"expected inputs of shape \(batch, 3\)"):
            call(torch.zeros(shape, dtype=torch.float64))


def test_first_and_second_derivatives_are_right() -> None:
    model = rich(4)
    x = points(3, 3, seed=5).requires_grad_()
    assert torch.autograd.gradcheck(model, x)
    assert torch.autograd.gradgradcheck(model, x)
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    start = [model.get_parameter(name).detach().clone().requires_grad_() for name in names]
    at = x.detach()[:2]
    assert torch.autograd.gradcheck(
        lambda *leaves: torch.func.functional_call(model, dict(zip(names, leaves, strict=True)), at), start
    )


def test_a_seed_means_a_network_on_every_dtype_and_leaves_the_global_state_alone() -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, same, other = KAN([2, 3, 1], seed=5), KAN([2, 3, 1], seed=5), KAN([2, 3, 1], seed=6)
    double = KAN([2, 3, 1], seed=5, dtype=torch.float64)
    x = points(4, 2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])  # noqa: NPY002
    assert torch.equal(one(x.float()), same(x.float()))
    assert not torch.allclose(one(x.float()), other(x.float()))
    torch.testing.assert_close(double(x).float(), one(x.float()))


def test_copies_and_states_are_the_same_function() -> None:
    model, x = rich(1), points(6, 3)
    expected = model(x)
    torch.testing.assert_close(copy.deepcopy(model)(x), expected, rtol=0, atol=0)
    other = rich(1)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    assert not torch.allclose(other(x), expected)
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other(x), expected, rtol=0, atol=0)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    torch.testing.assert_close(torch.load(file, weights_only=False)(x), expected, rtol=0, atol=0)


def test_dtypes_come_and_go() -> None:
    model = rich(1).float()
    assert model.dtype == torch.float32
    assert model(points(6, 3).float()).dtype == torch.float32
    assert model.double()(points(6, 3)).dtype == torch.float64
    assert all(symbols.fixed.dtype == torch.bool for symbols in model.symbols)
    assert KAN([2, 1], dtype=torch.float64).symbols[0].affine.dtype == torch.float64


def test_a_forward_pass_leaves_nothing_behind() -> None:
    model = rich()
    before = {name: set(vars(module)) for name, module in model.named_modules()}
    model(points(5, 3))
    model.trace(points(5, 3))
    assert {name: set(vars(module)) for name, module in model.named_modules()} == before


def test_the_residual_weight_of_none_is_not_trained() -> None:
    assert not KANLayer(2, 2, residual="zero").weight.requires_grad
    assert KANLayer(2, 2).weight.requires_grad


# --- specs -------------------------------------------------------------------------------


@given(st.integers(0, 5), st.lists(st.integers(2, 4), max_size=4))
def test_widths_count_nodes_and_sub_nodes(sums: int, products: list[int]) -> None:
    if not sums + len(products):
        return
    width = Width.of((sums, products))
    assert Width.of(width) is width
    assert (width.size, width.subnodes) == (sums + len(products), sums + sum(products))
    assert [k for group in width.groups() for k in group] == list(range(width.subnodes))
    assert [len(group) for group in width.groups()] == [1] * sums + products


@pytest.mark.parametrize(
    ("item", "width"), [(3, Width(3)), ((3, 2), Width(3, (2, 2))), ([3, 0], Width(3)), ((0, [3]), Width(0, (3,)))]
)
def test_widths_are_read_as_people_write_them(item: Any, width: Width) -> None:
    assert Width.of(item) == width


@pytest.mark.parametrize("item", [0, -1, (0, 0), (1, 2, 3), (2, (1,)), (-1, 2)])
def test_widths_that_are_none_are_refused(item: Any) -> None:
    with pytest.raises(InputError, match="expected"):
        KAN([2, item, 1])


def test_specs_are_checked() -> None:
    assert Spec.of([2, 1]) == Spec((Width(2), Width(1)))
    for widths, message in (([2], "at least"), ([(2, 1), 1], "plain inputs")):
        with pytest.raises(InputError, match=message):
            Spec.of(widths)
    with pytest.raises(UnknownNameError, match="expected residual to be one of"):
        KAN([2, 1], residual="relu")
