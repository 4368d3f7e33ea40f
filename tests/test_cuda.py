"""Devices: what only a GPU shows, skipped where there is none, and what a CPU can show of it."""

import contextlib
import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

import kan
from kan.MLP import MLP
from kanlens import KAN, BSpline, Chebyshev, KANLayer, LevenbergMarquardt, fit, fused, prune, search, symbolise
from kanlens.bases import Basis
from kanlens.cardinal import Cardinal
from kanlens.settings import SearchSettings

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Return points beyond the range from -1 to 1, too."""
    return 2.6 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1.3


@contextlib.contextmanager
def no_waiting() -> Iterator[None]:
    """Let every operation fail that waits for the GPU."""
    try:
        torch.cuda.set_sync_debug_mode("error")
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def step(layer: KANLayer, x: Tensor) -> tuple[Tensor, ...]:
    """Return outputs, derivatives, and derivatives of the derivatives by inputs."""
    x = x.clone().requires_grad_()
    y = layer(x)
    first = torch.autograd.grad(y.square().sum(), [x, layer.coef, layer.weight], create_graph=True)
    second = torch.autograd.grad(first[0].square().sum(), [x, layer.coef])
    with torch.no_grad():
        return y, layer(x), *first, *second


@needs_gpu
@pytest.mark.parametrize("rows", [7, 2000])
@pytest.mark.parametrize("basis", [BSpline(), BSpline(3, 40), BSpline(2, 4), Chebyshev(5)], ids=str)
def test_a_gpu_gives_what_a_cpu_gives(basis: Basis, rows: int) -> None:
    layer, x = KANLayer(20, 6, basis=basis, dtype=torch.float64), drawn(rows, 20)
    for here, there in zip(step(layer, x), step(copy.deepcopy(layer).cuda(), x.cuda()), strict=True):
        assert there.is_cuda
        torch.testing.assert_close(there.cpu(), here, rtol=1e-9, atol=1e-9 * float(here.detach().abs().amax()))


@needs_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("intervals", [1, 5, 60])
def test_the_kernels_are_the_splines(intervals: int, dtype: torch.dtype) -> None:
    basis = Cardinal(3, intervals)
    grid = BSpline(3, intervals).grid(torch.tensor([-1.0, -0.5, 0.0]), torch.tensor([1.0, 0.7, 0.9])).cuda().to(dtype)
    x, tolerance = drawn(1000, 3).cuda().to(dtype), 4 * (intervals + 5) * torch.finfo(dtype).eps
    assert fused.works(x.device)
    for points in (x, x.T.contiguous().T, x[::3]):
        for order in range(4):  # with derivatives on, torch's operations run
            found, wanted = fused.derivatives(points, grid, intervals, order), basis.derivatives(points, grid, order)
            wrong = (found - wanted).abs() > tolerance * wanted.abs().amax()
            assert wrong.double().mean() <= 0.001 * (order == 3)  # it jumps at knots
        grad = torch.randn_like(basis.values(points, grid))
        wanted = (basis.derivatives(points, grid) * grad).sum(2)
        found = fused.pull_back(points, grid, grad, intervals)
        torch.testing.assert_close(found, wanted, rtol=0, atol=20 * tolerance * float(wanted.abs().amax()))


@needs_gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode", "ignore:The AccumulateGrad node")
@pytest.mark.parametrize("kernels", [True, False])
def test_a_step_never_waits_and_can_be_captured(kernels: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kernels:
        monkeypatch.setattr(fused, "serves", lambda *_: False)
    layer, x = KANLayer(20, 10, device="cuda"), drawn(64, 20).float().cuda()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        wanted = step(layer, x)
        with no_waiting():
            step(layer, x)
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = step(layer, x)
    graph.replay()
    torch.testing.assert_close(found, wanted)


@needs_gpu
def test_a_network_is_trained_pruned_and_named_on_a_gpu() -> None:
    x = drawn(300, 2) / 1.3
    y = torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)
    here, there = KAN([2, 3, 1]), KAN([2, 3, 1], device="cuda")
    solver = LevenbergMarquardt(30)
    losses = fit(here, x, y, solver=solver).loss, fit(there, x.cuda(), y.cuda(), solver=solver).loss
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)
    pruned = prune(there, x.cuda(), y.cuda())
    assert [width.size for width in pruned.spec.widths] == [2, 1, 1]
    assert pruned.device.type == "cuda"
    named = symbolise(pruned, x.cuda(), y.cuda(), library=["x", "x^2", "exp", "sin"])
    assert named.device.type == "cuda"
    assert [function.name for function in named.symbols[0].functions] == ["sin", "x^2"]


@needs_gpu
def test_a_law_is_found_in_data_on_a_gpu() -> None:
    x = drawn(100, 2).cuda() + 3
    assert search(x, x[:, 0] * x[:, 1], settings=SearchSettings(seconds=10)).exact


@needs_gpu
def test_the_door_passes_a_device_on() -> None:
    model = kan.KAN(width=[2, 2, 1], grid=3, k=3, device="cuda")
    dataset = kan.create_dataset(lambda x: x[:, [0]] + x[:, [1]] ** 2, n_var=2, train_num=100, device="cuda")
    assert model.fit(dataset, steps=5)["test_loss"][-1] < 0.1
    assert model.node_bias[0].is_cuda
    assert kan.fit_params(dataset["train_input"][:, 0], dataset["train_input"][:, 0] ** 2, torch.square)[1] > 0.999


def test_random_numbers_do_not_depend_on_the_default_device() -> None:
    def made() -> list[Tensor]:
        dataset = kan.create_dataset(lambda x: x[:, 0], train_num=9, test_num=9, device="cpu")
        parts = KAN([2, 1], device="cpu"), kan.KAN(width=[2, 1], device="cpu"), MLP([2, 1], device="cpu")
        return [*dataset.values(), *(p.detach() for part in parts for p in part.parameters())]

    wanted = made()
    with torch.device("meta"):  # what is made there has no values
        found = made()
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("rows", [7, 20_000])  # the few are derived another way
def test_where_nothing_has_values_gradients_have_their_shapes(rows: int) -> None:
    layer, x = KANLayer(3, 4, device="meta"), torch.zeros(rows, 3, device="meta", requires_grad=True)
    by_x, by_coef = torch.autograd.grad(layer(x).sum(), [x, layer.coef])
    assert by_x.shape == x.shape
    assert by_coef.shape == layer.coef.shape


def test_what_a_model_shows_is_where_it_is() -> None:
    model = kan.KAN(width=[2, 1], device="meta")
    for name in ("node_bias", "subnode_scale", "mask_up", "mask_down"):
        assert {each.device.type for each in getattr(model, name)} == {"meta"}


def test_without_triton_torchs_operations_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fused.works.cache_clear()
    monkeypatch.setattr(fused, "triton", None)
    assert not fused.works(torch.device("cuda:7"))
    fused.works.cache_clear()
    monkeypatch.setattr(fused, "triton", object())
    assert not fused.works(torch.device("cpu"))  # the kernels do not run there
    assert "torch's own operations run instead" in caplog.text
    fused.works.cache_clear()
    assert not fused.serves(torch.zeros(3, 1), torch.zeros(1, 8))


def test_searches_do_not_depend_on_the_default_device() -> None:
    x = drawn(60, 2) + 3
    with torch.device("meta"):
        front = search(x, x[:, 0] * x[:, 1], settings=SearchSettings(seconds=10))
    assert front.exact
