"""The Jacobian by hand is the Jacobian: against autograd and against finite differences."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.jacobian import Parameters, Pull, forward, gradient, linearise
from kanlens.network import KAN
from samples import as_function, as_trace, points, rich

WIDTHS = ((3, 2), (3, 4, 2), (3, (2, (2, 3)), (1, 1), 2), (3, (0, 2), (0, (2,))), (3, 2, 2, 1))


@given(st.integers(0, 60), st.sampled_from(WIDTHS), st.sampled_from(["silu", "identity", "zero"]), st.integers(1, 4))
def test_it_agrees_with_automatic_differentiation(seed: int, widths: tuple, residual: str, degree: int) -> None:
    model = rich(seed, widths, residual=residual, basis=BSpline(degree, 3))
    x, parameters = points(5, 3, seed, -1.5, 1.5), Parameters(model)
    passes = forward(model, x)
    jacobian = linearise(parameters, passes)
    torch.testing.assert_close(passes[-1].nodes, model(x))
    expected = torch.func.jacrev(as_function(parameters, x))(parameters.get())
    torch.testing.assert_close(jacobian, expected, rtol=1e-9, atol=1e-11)


@given(st.integers(0, 60), st.sampled_from(WIDTHS), st.sampled_from(["silu", "identity", "zero"]))
def test_a_pass_back_gives_the_gradient_of_any_function_of_outputs_and_edges(
    seed: int, widths: tuple, residual: str
) -> None:
    model = rich(seed, widths, residual=residual)
    x, parameters = points(5, 3, seed), Parameters(model)
    generator = torch.Generator().manual_seed(seed)
    trace = model.trace(x)
    outer, *inner = (
        [torch.randn(value.shape, generator=generator, dtype=torch.float64) for value in values]
        for values in ([trace.nodes[-1]], trace.subnodes, trace.edges)
    )

    def weighed(theta: Tensor) -> Tensor:
        seen = as_trace(parameters, x)(theta)
        pairs = zip([seen.nodes[-1], *seen.subnodes, *seen.edges], [*outer, *inner[0], *inner[1]], strict=True)
        return torch.stack([(value * weight).sum() for value, weight in pairs]).sum()

    pulls = [Pull(*weights) for weights in zip(*inner, strict=True)]
    found = gradient(parameters, forward(model, x), outer[0], pulls)
    expected = torch.func.grad(weighed)(parameters.get())
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)


def test_a_vector_is_written_again_after_either_was_written_to() -> None:
    model = rich(3)
    parameters = Parameters(model)
    theta = parameters.get()
    parameters.set(theta)
    for change in (
        lambda: model.layers[0].coef.detach().mul_(2),
        lambda: parameters.set(theta + 1),
        lambda: theta.mul_(3),
    ):
        change()
        parameters.set(theta)
        torch.testing.assert_close(parameters.get(), theta)


def test_it_agrees_with_finite_differences() -> None:
    model = rich(7)
    x, parameters = points(6, 3), Parameters(model)
    theta = parameters.get()
    jacobian = linearise(parameters, forward(model, x))
    assert jacobian.shape == (6, 2, len(theta))
    step = 1e-6
    for k in range(len(theta)):
        there, back = (theta.index_add(0, torch.tensor([k]), torch.tensor([s]).double()) for s in (step, -step))
        parameters.set(there)
        ahead = model(x).detach()
        parameters.set(back)
        torch.testing.assert_close(jacobian[..., k], (ahead - model(x).detach()) / (2 * step), rtol=1e-5, atol=1e-7)


@given(st.integers(0, 30))
def test_what_is_written_is_read_back(seed: int) -> None:
    model = rich(seed)
    parameters = Parameters(model)
    theta = parameters.get()
    fresh = torch.arange(len(theta)).double()
    parameters.set(fresh)
    torch.testing.assert_close(parameters.get(), fresh)
    live = sum(int(layer.mask.sum()) for layer in model.layers)
    free = sum(int((~symbols.fixed).sum()) for symbols in model.symbols)
    assert len(theta) == live * (model.spec.basis.size + 1) + free


def test_blocks_and_places_find_the_parameters() -> None:
    model = rich(3)
    parameters = Parameters(model)
    parameters.set(torch.arange(len(parameters.get())).double())
    for layer, live, block in zip(model.layers, parameters.live, parameters.blocks(), strict=True):
        for (out, in_), places in zip(live.tolist(), block.tolist(), strict=True):
            assert [*layer.coef[out, in_].tolist(), layer.weight[out, in_].item()] == places
    for number, symbols in enumerate(model.symbols):
        for edge, letter in (~symbols.fixed).nonzero().tolist():
            assert symbols.affine[edge, letter].item() == parameters.place(number, edge, letter)


def test_constants_that_are_fixed_stay() -> None:
    model = rich(3)
    symbols = next(symbols for symbols in model.symbols if len(symbols))
    symbols.fixed[0] = True
    before = symbols.affine[0].tolist()
    parameters = Parameters(model)
    parameters.set(parameters.get() + 1)
    assert symbols.affine[0].tolist() == before


def test_the_result_is_that_of_a_network_without_the_edges_that_are_cut() -> None:
    model, x = KAN([2, 2, 1], dtype=torch.float64), points(4, 2)
    model.layers[0].mask[1] = 0
    theta = Parameters(model).get()
    assert len(theta) == (2 + 2) * 9
    assert linearise(Parameters(model), forward(model, x)).shape == (4, 1, len(theta))
