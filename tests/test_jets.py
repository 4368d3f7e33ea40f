"""Derivatives by the inputs that are carried through the layers are those that autograd finds."""

import copy
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from kan import MultKAN
from kan.utils import batch_hessian, batch_jacobian
from kanlens import KAN, LIBRARY, BSpline, Candidate, Function, InputError, jets
from kanlens.network import Edge
from kanlens.regrid import regrid
from kanlens.structure import gradients, hessians
from kanlens.surgery import with_symbols


def points(rows: int = 30, inputs: int = 2, reach: float = 0.9) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return reach * (2 * torch.rand(rows, inputs, generator=generator, dtype=torch.float64) - 1)


def network(widths: list[Any], residual: str = "silu", degree: int = 3, intervals: int = 4) -> KAN:
    return KAN(widths, basis=BSpline(degree, intervals), residual=residual, seed=1, noise=0.5).double()


def uneven(model: KAN, x: Tensor) -> KAN:
    """Return the network on grids that follow the data."""
    return regrid(model, x**3, uniformity=0.1)


def cut(model: KAN) -> KAN:
    model.layers[0].mask[0, 1] = 0
    return model


def named(model: KAN, *edges: tuple[Edge, str]) -> KAN:
    """Return the network with symbols of the given names, each with constants of its own, on some edges."""
    affine = [(0.7 + 0.1 * n, 0.3, 1.2 - 0.3 * n, 0.1 * n) for n in range(len(edges))]
    return with_symbols(model, {e: Candidate(LIBRARY[f], a, 1.0) for (e, f), a in zip(edges, affine, strict=True)})


WAVES = [(Edge(0, o, i), "x") for o in range(2) for i in range(2)] + [(Edge(1, 0, i), "sin") for i in range(2)]
MIXED = [(Edge(0, 1, 0), "exp"), (Edge(0, 0, 1), "tanh"), (Edge(0, 2, 1), "x"), (Edge(1, 0, 0), "x^2")]
MIXED += [(Edge(0, 0, 0), "exp"), (Edge(1, 0, 2), "J0"), (Edge(1, 0, 1), "0")]

MODELS = {
    "one layer": lambda: network([2, 1]),
    "two layers": lambda: network([2, 3, 1]),
    "three layers": lambda: network([2, 3, 2, 1], "identity"),
    "products": lambda: network([2, (1, (2, 2, 3)), 1], "zero"),
    "products alone": lambda: network([2, (0, (2,)), 1]),
    "quadratic splines": lambda: network([2, 2, 1], degree=2),
    "straight lines": lambda: network([2, 2, 1], degree=1),
    "one interval": lambda: network([2, 2, 1], intervals=1),
    "uneven grids": lambda: uneven(network([2, 2, 1]), points()),
    "an edge cut": lambda: cut(network([2, 2, 1])),
    "symbols alone": lambda: named(network([2, 2, 1]), *WAVES),
    "symbols beside splines": lambda: named(network([2, 3, 1]), *MIXED),
    "symbols multiplied": lambda: named(network([2, (1, (2, 2)), 1]), *MIXED),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> KAN:
    found: KAN = MODELS[request.param]()
    return found


class Plain(torch.nn.Module):
    """Derive a network as autograd does."""

    def __init__(self, core: KAN) -> None:
        super().__init__()
        self.core = core

    def forward(self, x: Tensor) -> Tensor:
        for layer, symbols, width in self.core.parts():
            nodes = layer(x) + symbols(x)
            x = nodes[:, : width.sums]
            for group in width.groups()[width.sums :]:
                x = torch.cat([x, nodes[:, list(group)].prod(1, keepdim=True)], 1)
        return x


def orders(model: torch.nn.Module, x: Tensor) -> Iterator[Tensor]:
    """Yield what losses are made of: values, slopes, curvatures, and their derivatives by inputs and parameters."""
    at = x.clone().requires_grad_()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad and parameter.numel()]
    values = model(at)
    yield values
    (slopes,) = torch.autograd.grad(values.sum(), at, create_graph=True)
    yield slopes
    curvatures = [torch.autograd.grad(column.sum(), at, create_graph=True)[0] for column in slopes.unbind(1)]
    yield from curvatures
    yield torch.autograd.grad((curvatures[0] ** 2).sum(), at, retain_graph=True, materialize_grads=True)[0]
    for loss in (values**2, slopes**3, curvatures[0] ** 2, curvatures[-1] * slopes * values):
        yield from torch.autograd.grad(
            loss.sum(), parameters, retain_graph=True, allow_unused=True, materialize_grads=True
        )
    for loss in (values**2, slopes**2):  # what a gradient by the parameters owes to the inputs
        steps = torch.autograd.grad(loss.sum(), parameters, create_graph=True, materialize_grads=True)
        yield torch.autograd.grad(sum((step**2).sum() for step in steps), at, retain_graph=True)[0]


@pytest.mark.parametrize("reach", [0.9, 1.6], ids=["inside", "beyond the grid"])
def test_every_derivative_is_the_one_that_autograd_finds(model: KAN, reach: float) -> None:
    x = points(reach=reach)
    assert model.jet(x, 1) is not None
    for mine, theirs in zip(orders(model, x), orders(Plain(model), x), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)


def test_autograd_is_not_asked_where_derivatives_are_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = network([2, 2, 1]), points()
    wanted = gradients(model, x), hessians(model, x)

    def refuse(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("kanlens.layer.combine", refuse)
    torch.testing.assert_close(gradients(model, x), wanted[0])
    torch.testing.assert_close(hessians(model, x), wanted[1])


def test_points_that_come_again_are_looked_up_and_others_noticed(model: KAN) -> None:
    x, other = points(), points(40, reach=1.3)
    for at, factor in ((x, 1.0), (x, 1.0), (x, 0.7), (other, 1.0), (x, 1.0), (x, 1.0)):
        at.mul_(factor)
        for mine, theirs in zip(orders(model, at), orders(Plain(model), at), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)


def test_a_single_layer_is_a_product_of_matrices_at_points_that_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = network([2, 1]), points()
    wanted = [gradients(model, x) for _ in range(2)]

    def refuse(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("kanlens.jets._Place", refuse)
    torch.testing.assert_close(gradients(model, x), wanted[0])
    with pytest.raises(AssertionError):
        gradients(model, x + 0.01)


def test_a_jet_holds_values_slopes_and_curvatures(model: KAN) -> None:
    x = points()
    found = model.jet(x, 2)
    assert found is not None
    assert found.slopes is not None
    assert found.curvatures is not None
    torch.testing.assert_close(found.values.T, Plain(model)(x))
    torch.testing.assert_close(found.slopes[:, 0].T, gradients(Plain(model), x))
    torch.testing.assert_close(found.curvatures[:, :, 0].permute(2, 0, 1), hessians(Plain(model), x))


def test_single_precision_costs_no_digit_that_training_feels() -> None:
    model, x = network([2, 3, 1], intervals=20), points(300)
    for mine, exact in zip(orders(copy.deepcopy(model).float(), x.float()), orders(model, x), strict=True):
        assert float((mine - exact).detach().norm() / exact.detach().norm()) < 1e-3


def test_grids_that_move_are_noticed() -> None:
    model, x = network([2, 2, 1]), points()
    gradients(model, x)
    with torch.no_grad():
        for layer in model.layers:
            layer.grid.mul_(1.5)
    torch.testing.assert_close(gradients(model, x), gradients(Plain(model), x))


def test_networks_that_are_no_small_ones_of_splines_and_symbols_have_no_jet() -> None:
    x = points()
    assert network([2, 2, 1], degree=jets.DEGREE + 1).jet(x, 1) is None
    assert network([jets.INPUTS + 1, 1]).jet(points(inputs=jets.INPUTS + 1), 1) is None
    assert network([2, 400, 400, 1]).jet(x, 1) is None


def test_functions_of_ones_own_are_derived_by_autograd() -> None:
    own, x = Function("cubed", lambda u: u * u * u, "cubed", 3), points()
    model = with_symbols(network([2, 1]), {Edge(0, 0, i): Candidate(own, (1.0, 0.5, 2.0, 0.0), 1.0) for i in range(2)})
    jet = model.jet(x, 2)
    assert jet is not None
    assert jet.curvatures is not None
    torch.testing.assert_close(jet.curvatures[:, :, 0].permute(2, 0, 1), torch.diag_embed(12 * (x + 0.5)))


@pytest.mark.parametrize("part", ["layers", "symbols"])
def test_hooks_of_layers_are_called(part: str) -> None:
    model, called = named(network([2, 2, 1]), *WAVES), []
    getattr(model, part)[1].register_forward_hook(lambda *_: called.append(True))
    gradients(model, points())
    assert called


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's own call
def test_transforms_of_functions_and_forward_derivatives_take_the_layers() -> None:
    model, x = network([2, 2, 1]), points()
    wanted = gradients(Plain(model), x)
    torch.testing.assert_close(torch.func.vmap(torch.func.jacrev(lambda row: model(row)[0]))(x), wanted)
    at = x.clone().requires_grad_()
    tangent = torch.func.jvp(model, (at,), (torch.ones_like(x),))[1]
    torch.testing.assert_close(tangent, wanted.sum(1, keepdim=True))


def test_nothing_is_kept_of_a_pass() -> None:
    model, x = network([2, 2, 1]), points().requires_grad_()
    gc.disable()
    try:
        values = model(x)
        slopes = torch.autograd.grad(values.sum(), x, create_graph=True)[0]
        curvatures = torch.autograd.grad(slopes.sum(), x, create_graph=True)[0]
        known = weakref.ref(_known(values))
        del values, slopes, curvatures
        assert known() is None
    finally:
        gc.enable()


def _known(values: Tensor) -> Any:
    """Return what a pass knows, from the graph of its outputs."""
    node: Any = values.grad_fn
    while not hasattr(node, "jets"):
        node = node.next_functions[0][0]
    return node.jets


@pytest.mark.parametrize("graph", [False, True])
def test_the_door_hands_out_the_same_derivatives_of_models_as_of_functions(graph: bool) -> None:
    model = MultKAN(width=[2, [1, 1], 1], grid=4, seed=1)
    x = points().float()
    function = model.forward  # no model, so that it is derived as any function is
    for derive in (batch_jacobian, batch_hessian):
        mine, theirs = derive(model, x, create_graph=graph), derive(function, x, create_graph=graph)
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
        assert mine.requires_grad == theirs.requires_grad == graph
    wide = MultKAN(width=[2, 3], seed=1)
    torch.testing.assert_close(batch_jacobian(wide, x, mode="vector"), batch_jacobian(wide.forward, x, mode="vector"))


def test_the_door_asks_for_one_output_where_there_are_more() -> None:
    model = MultKAN(width=[2, 3], seed=1)
    for derive in (batch_jacobian, batch_hessian):
        with pytest.raises(InputError, match="one output"):
            derive(model, points().float())
