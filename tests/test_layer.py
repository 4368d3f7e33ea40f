"""The layer is the sum it says it is, to second order, however torch runs it."""

import copy
import functools
import io
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from kanlens import arrays, kernels, native, powers
from kanlens.bases import Basis, BSpline, LinearSpline
from kanlens.cardinal import Cardinal
from kanlens.combination import tabulate
from kanlens.expansions import Chebyshev, Fourier, Gaussian, Wavelet
from kanlens.layer import RESIDUALS, KANLayer
from samples import points

EXPANSIONS: list[Basis] = [Chebyshev(4), Chebyshev(1), Fourier(2), Gaussian(3), Wavelet(2)]
FORWARD_MODE = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's own call

BASES: list[Basis] = [LinearSpline(4), BSpline(2, 3), BSpline(3, 5), BSpline(4, 2), BSpline(3, 1), *EXPANSIONS]
SMOOTH = [basis for basis in BASES if basis not in {LinearSpline(4), BSpline(2, 3)}]


@pytest.fixture(params=["torch", "C"], autouse=True)
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test by torch's operations, and again by the compiled loops."""
    libraries: dict[torch.dtype, Any] = {}
    if request.param == "C":
        if shutil.which(os.environ.get("CC", "cc")) is None:
            pytest.skip("there is no C compiler")
        libraries = compiled()
    monkeypatch.setattr(native, "_libraries", libraries)


@functools.cache
def compiled() -> dict[torch.dtype, Any]:
    native.accelerate()
    return dict(native._libraries)


def layer_of(basis: Basis | None = None, residual: str = "silu", in_: int = 3, out: int = 4) -> KANLayer:
    generator = torch.Generator().manual_seed(0)
    return KANLayer(in_, out, basis=basis, residual=residual, noise=1.0, generator=generator, dtype=torch.float64)


def naive(layer: KANLayer, x: Tensor) -> Tensor:
    """Return the layer's sum as its formula says it, from the general basis."""
    y = torch.einsum("...ik,oik,oi->...o", layer.basis.values(x, layer.grid), layer.coef, layer.mask)
    residual = RESIDUALS[layer.residual]
    return y if residual is None else y + residual(x) @ (layer.weight * layer.mask).T


def gradients(function: Callable[[Tensor], Tensor], x: Tensor, layer: KANLayer) -> list[Tensor]:
    """Return value, gradients, and the gradients of a gradient."""
    x = x.clone().requires_grad_()
    leaves = [x, layer.coef, *([layer.weight] if layer.has_residual else [])]
    y = function(x)
    first = torch.autograd.grad((y * torch.linspace(1, 2, y.numel()).view_as(y)).sum(), leaves, create_graph=True)
    second = torch.autograd.grad((first[0] ** 2).sum() + first[1].sin().sum(), leaves)
    return [y, *first, *second]


@pytest.mark.parametrize("residual", RESIDUALS)
@pytest.mark.parametrize("basis", BASES, ids=str)
def test_forward_and_both_derivatives_are_the_formulas(basis: Basis, residual: str) -> None:
    layer, x = layer_of(basis, residual), points(40, 3, low=-1.5, high=1.5)
    for got, expected in zip(gradients(layer, x, layer), gradients(lambda x: naive(layer, x), x, layer), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("basis", BASES[1:], ids=str)
def test_derivatives_pass_torchs_own_check(basis: Basis) -> None:
    layer, x = layer_of(basis), points(4, 3, low=-1.4, high=1.4).requires_grad_()
    coef = layer.coef.detach().clone().requires_grad_()

    def function(x: Tensor, coef: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"coef": coef}, x)

    assert torch.autograd.gradcheck(function, (x, coef))
    if basis in SMOOTH:  # the second derivative of others jumps
        assert torch.autograd.gradgradcheck(function, (x, coef))


def test_the_second_derivative_by_x_is_exact_at_a_knot() -> None:
    basis = BSpline(3, 4)  # with a knot at 0
    layer, x = layer_of(basis, "zero", 1, 1), torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    first = torch.autograd.grad(layer(x), x, create_graph=True)[0]
    expected = basis.derivatives(x, layer.grid, 2)[0, 0] @ layer.coef[0, 0]
    torch.testing.assert_close(torch.autograd.grad(first, x)[0][0, 0], expected)


def test_a_layer_of_which_all_is_masked_is_zero_and_its_parameters_have_gradients() -> None:
    layer, x = layer_of(BSpline(3, 5)), points(20, 3)
    layer.mask.zero_()
    y = layer(x)
    assert y.shape == (20, layer.out_features)
    assert not bool(y.any())
    y.sum().backward()
    assert layer.coef.grad is not None
    assert not bool(layer.coef.grad.any())
    slope = x.requires_grad_()
    for _ in range(3):
        slope = torch.autograd.grad(layer(x).sum() if slope is x else slope.sum(), x, create_graph=True)[0]
        assert slope.shape == x.shape
        assert not bool(slope.any())
    layer.mask[0, 0] = 1
    assert bool(layer(x)[:, 0].any())


@pytest.mark.parametrize("bend", [0.0, 0.5], ids=["equal knots", "other knots"])
def test_derivatives_of_every_order_are_those_of_the_basis(bend: float) -> None:
    basis = BSpline(6, 4)
    layer, x = layer_of(basis, "zero", 1, 1), points(30, 1, low=-0.9, high=0.9).requires_grad_()
    layer.grid = layer.grid + bend * layer.grid**2 / 4
    found = layer(x)
    for order in range(1, 7):
        found = torch.autograd.grad(found.sum(), x, create_graph=True)[0]
        expected = basis.derivatives(x.detach(), layer.grid, order)[:, 0] @ layer.coef[0, 0]
        torch.testing.assert_close(found[:, 0], expected)


@given(st.integers(1, 5), st.integers(1, 30), st.floats(-1e3, 1e3), st.floats(1e-2, 1e3), st.integers(0, 9))
def test_the_closed_form_is_the_general_one(degree: int, intervals: int, low: float, width: float, seed: int) -> None:
    basis = BSpline(degree, intervals)
    ends = torch.tensor([low, low], dtype=torch.float64)
    grid = basis.grid(ends, ends + width)
    fast = basis.on(grid)
    assert fast == Cardinal(degree, intervals)
    x = low + width * points(50, 2, seed=seed, low=-0.5, high=1.5)
    for order in range(degree + 2):
        expected = basis.derivatives(x, grid, order)
        size = 1 + float(expected.abs().amax())
        torch.testing.assert_close(fast.derivatives(x, grid, order), expected, rtol=0, atol=1e-8 * size)
    for got, expected in zip(fast.values_and_slopes(x, grid), basis.values_and_slopes(x, grid), strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-9 * float(1 + expected.abs().max()))
    weights = points(100, basis.size, seed=seed).view(50, 2, basis.size)
    expected = (basis.values_and_slopes(x, grid)[1] * weights).sum(2)
    torch.testing.assert_close(fast.pull_back(x, grid, weights), expected, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (1500, 3, 70, 9), (7, 21, 129, 40), (50, 6, 300, 5)], ids=str)
def test_sizes_of_all_kinds_give_the_formula(sizes: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    rows, in_, out, intervals = sizes
    layer = layer_of(BSpline(3, intervals), "zero", in_, out).to(dtype)
    x, grad = points(rows, in_, low=-1.3, high=1.3).to(dtype), points(rows, out, seed=1).to(dtype)
    results = []
    for function in (layer, functools.partial(naive, layer)):
        at = x.clone().requires_grad_()
        y = function(at)
        results.append([y.detach(), *torch.autograd.grad(y, (at, layer.coef), grad)])
    with torch.no_grad():
        torch.testing.assert_close(layer(x), results[0][0])
    results[0] += tabulate(x, layer.grid, layer.evaluator)
    results[1] += layer.basis.values_and_slopes(x, layer.grid)
    close = {torch.float32: 2e-4, torch.float64: 1e-12}[dtype]
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=close * float(1 + expected.abs().max()))


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_tables_by_numpy_are_those_by_torch_for_nan_and_points_beyond_the_grid_too(degree: int) -> None:
    basis = BSpline(degree, 4)
    grid = basis.grid(torch.tensor([-1.0, 0.0]).double(), torch.tensor([1.0, 7.0]).double())
    evaluator = basis.on(grid)
    assert isinstance(evaluator, Cardinal)
    x = torch.cat([points(50, 2, low=-2, high=9), torch.tensor([[-1.0, 7.0], [torch.nan, 1e300]]).double()])
    assert arrays.serves(x, grid, evaluator)
    for found, wanted in zip(tabulate(x, grid, evaluator), evaluator.values_and_slopes(x, grid), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14, equal_nan=True)
    refused = [(x.float(), grid.float()), (x, grid.float()), (x.repeat(10_000, 1), grid)]
    assert not any(arrays.serves(*pair, evaluator) for pair in refused)


def test_slopes_and_what_is_derived_from_them_are_the_same_with_values_kept_and_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer, x = layer_of(BSpline(4, 4), "silu", 3, 2), points(40, 3, low=-1.3, high=1.3)
    results = []
    for small in (0, kernels.SMALL):
        monkeypatch.setattr(kernels, "SMALL", small)
        at = x.clone().requires_grad_()
        y = layer(at)
        slopes = torch.autograd.grad(y.square().sum(), at, create_graph=True)[0]
        second = torch.autograd.grad(slopes[:, 0].sum(), at, create_graph=True)[0]
        ends = torch.autograd.grad(second.square().sum(), (at, *layer.parameters()))
        results.append([y, slopes, second, *ends])
        kept = "_DerivativesBackward" in {type(node).__name__ for node, _ in _graph(y)}
        assert kept == bool(small)
    for without, kept in zip(*results, strict=True):
        torch.testing.assert_close(kept, without)
        assert kept.any()


def _graph(y: Tensor) -> set[tuple[Any, int]]:
    """Return the nodes from which a result was made."""
    found, waiting = set(), [(y.grad_fn, 0)]
    while waiting:
        node = waiting.pop()
        if node[0] is not None and node not in found:
            found.add(node)
            waiting += node[0].next_functions
    return found


@pytest.mark.parametrize("far", [1.0, 1.5])
@pytest.mark.parametrize("basis", [BSpline(3, 5), BSpline(3, 4), BSpline(3, 1), BSpline(2, 3), BSpline(5, 2)], ids=str)
def test_sums_of_powers_are_the_splines(basis: BSpline, far: float) -> None:
    layer = KANLayer(20, 7, basis=basis, residual="zero", low=2.0, high=3.0, noise=1.0).double()
    x = 2.5 + far * points(powers.MANY + 5, 20, low=-0.5, high=0.5)
    grad = points(len(x), 7, seed=1)
    results = []
    for dtype in (torch.float32, torch.float64):
        assert powers.serves(layer.to(dtype).evaluator, x.to(dtype), layer.coef) == (dtype == torch.float32)
        at = x.to(dtype).requires_grad_()
        y = layer(at)
        results.append([y, *torch.autograd.grad(y, (at, layer.coef), grad.to(dtype))])
    with torch.no_grad():
        torch.testing.assert_close(layer.float()(x.float()), results[0][0])
    for got, expected in zip(*results, strict=True):
        assert float((got - expected).detach().abs().max()) < 3e-5 * float(expected.detach().abs().max())


@pytest.mark.parametrize("degree", [2, 3, 4, 5])
def test_powers_are_used_where_their_sums_lose_little_more_than_a_digit(degree: int) -> None:
    for intervals in range(1, 8):
        terms, values = powers.table(degree, intervals)
        loss = (terms.abs() @ torch.linalg.lstsq(terms, values).solution.abs()).max()
        assert (loss <= 24) == (intervals <= powers.FEW)


def assert_same_with_gradients(compiled: Callable[[Tensor], Tensor], layer: KANLayer, x: Tensor) -> None:
    results = []
    for call in (compiled, layer):
        at = x.clone().requires_grad_()
        y = call(at)
        results.append([y, *torch.autograd.grad(y.square().sum(), (at, layer.coef))])
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's own, many and various
def test_compiled_and_in_single_precision_it_is_a_sum_of_powers() -> None:
    layer, x = KANLayer(4, 3), points(powers.MANY, 4).float()
    torch.compiler.reset()
    compiled = torch.compile(layer, fullgraph=True)
    assert_same_with_gradients(compiled, layer, x)


def test_sums_of_powers_do_without_what_is_not_wanted_and_keep_what_is_no_number() -> None:
    layer, x = KANLayer(3, 4, residual="zero"), points(powers.MANY, 3).float()
    layer(x).sum().backward()
    assert layer.coef.grad is not None
    at = x.clone().requires_grad_()
    layer.requires_grad_(False)(at).sum().backward()
    assert at.grad is not None
    x[5, 1] = torch.nan
    y = layer(x)
    assert y[5].isnan().all()
    assert y.isfinite().all(1).sum() == len(x) - 1


def test_memory_that_is_used_again_stays_apart_by_thread_and_outlives_inference_mode() -> None:
    layer, x = KANLayer(3, 4), points(powers.MANY, 3).float()

    def result(_: int) -> Tensor:
        with torch.inference_mode():
            inferred = layer(x)
        with torch.no_grad():
            torch.testing.assert_close(layer(x), inferred.clone())
        return inferred.clone()

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(result, range(40)))
    assert all(torch.equal(each, results[0]) for each in results)


def test_values_that_are_no_numbers_stay_visible() -> None:
    layer = layer_of()
    x = torch.tensor([[0.0, float("nan"), 0.0], [0.0, 0.0, 0.0], [1e300, 0.0, 0.0]], dtype=torch.float64)
    y = layer(x)
    assert bool(y[0].isnan().all())
    assert bool(y[1].isfinite().all())


# --- what the buffers hold ---------------------------------------------------------------


def test_the_closed_form_is_used_on_uniform_grids_only() -> None:
    layer, x = layer_of(), points(30, 3)
    assert isinstance(layer.evaluator, Cardinal)
    layer.grid = layer.basis.adapted(points(50, 3) ** 3, 0.1)
    assert isinstance(layer.evaluator, BSpline)
    torch.testing.assert_close(layer(x), naive(layer, x))
    layer.grid.copy_(layer.basis.grid(-torch.ones(3).double(), torch.ones(3).double()))
    assert isinstance(layer.evaluator, Cardinal)
    layer.grid[:, 4] += 0.1
    torch.testing.assert_close(layer(x), naive(layer, x))


def test_a_mask_counts_however_it_is_written() -> None:
    layer, x = layer_of(), points(30, 3)
    layer.mask[1, 2] = 0
    torch.testing.assert_close(layer(x), naive(layer, x))
    layer.mask = torch.tensor([[1.0, 0, 1]] * 4, dtype=torch.float64)
    torch.testing.assert_close(layer(x), naive(layer, x))
    layer(x).sum().backward()
    assert layer.coef.grad is not None
    assert not bool(layer.coef.grad[:, 1].any())
    layer.mask.data.fill_(1)
    layer.mask.mul_(1)
    torch.testing.assert_close(layer(x), naive(layer, x))


def test_copies_and_stored_layers_are_equal_and_apart() -> None:
    layer, x = layer_of(), points(30, 3)
    layer.grid = layer.basis.adapted(points(50, 3) ** 3, 0.1)
    layer.mask[0, 0] = 0
    copied, filled, loaded = copy.deepcopy(layer), layer_of(), io.BytesIO()
    state = layer.state_dict()
    filled.load_state_dict(state)
    torch.save(layer, loaded)
    loaded.seek(0)
    for other in (copied, filled, torch.load(loaded, weights_only=False)):
        torch.testing.assert_close(other(x), naive(layer, x))
        assert other.coef.stride() == layer.coef.stride()
    layer.mask.zero_()
    assert bool(copied(x).any())


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 3), (4, 0, 2)])
def test_any_leading_shape_goes(shape: tuple[int, ...]) -> None:
    layer, x = layer_of(), torch.full((*shape, 3), 0.3, dtype=torch.float64)
    y = layer(x)
    assert y.shape == (*shape, 4)
    y.sum().backward()
    assert layer.coef.grad is not None


@pytest.mark.parametrize("strides", ["out first", "in first"])
def test_coefficients_may_lie_in_memory_as_they_like(strides: str) -> None:
    layer, x = layer_of(), points(30, 3)
    coef = layer.coef.detach()
    layer.coef = nn.Parameter(coef.contiguous() if strides == "out first" else coef.mT.contiguous().mT)
    for got, expected in zip(gradients(layer, x, layer), gradients(lambda x: naive(layer, x), x, layer), strict=True):
        torch.testing.assert_close(got, expected)


def test_contiguous_coefficients_serve_torchs_flat_views() -> None:
    layer, x = layer_of(), points(30, 3)
    layer.coef = nn.Parameter(layer.coef.detach().contiguous())
    assert len(nn.utils.parameters_to_vector(layer.parameters())) == layer.coef.numel() + layer.weight.numel()
    optimiser = torch.optim.LBFGS(layer.parameters())

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = (layer(x) - 1).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    before = float(closure())
    optimiser.step(closure)  # type: ignore[no-untyped-call]
    assert float(closure()) < before / 10


# --- however torch runs it ---------------------------------------------------------------


@FORWARD_MODE
def test_function_transforms_see_the_same_layer() -> None:
    layer, x = layer_of(), points(6, 3, low=-1.4, high=1.4)
    parameters = {name: value.detach() for name, value in layer.named_parameters()}

    def call(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(layer, parameters, (x,))

    torch.testing.assert_close(torch.vmap(layer)(x), layer(x))
    torch.testing.assert_close(
        torch.vmap(torch.func.jacrev(layer))(x),
        torch.autograd.functional.jacobian(layer, x).diagonal(0, 0, 2).mT.mT.movedim(-1, 0),
    )
    by_forward = torch.vmap(torch.func.hessian(lambda x: call(parameters, x).sum()))(x)
    by_reverse = torch.vmap(torch.func.jacrev(torch.func.jacrev(lambda x: call(parameters, x).sum())))(x)
    torch.testing.assert_close(by_forward, by_reverse)
    many = {name: torch.stack([value, 2 * value]) for name, value in parameters.items()}
    each = torch.vmap(call, (0, None))(many, x)
    torch.testing.assert_close(each[1], 2 * each[0])
    rows = torch.vmap(torch.func.grad(lambda p, x: call(p, x).sum()), (None, 0))(parameters, x)
    layer(x).sum().backward()
    torch.testing.assert_close(rows["coef"].sum(0), layer.coef.grad)


@FORWARD_MODE
def test_forward_mode_is_the_transpose_of_backward_mode() -> None:
    layer, x = layer_of(), points(6, 3)
    tangent = points(6, 3, seed=1)
    y, forward = torch.func.jvp(layer, (x,), (tangent,))
    by_x = torch.func.vjp(layer, x)[1](torch.ones_like(y))[0]
    torch.testing.assert_close((by_x * tangent).sum(), forward.sum())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's own, many and various
@pytest.mark.parametrize("degree", [1, 3])
def test_compiled_it_gives_the_same(degree: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = layer_of(BSpline(degree, 5)), points(40, 3, low=-1.5, high=1.5)
    torch.compiler.reset()
    compiled = torch.compile(layer, fullgraph=True)
    for mask in (torch.ones(4, 3), torch.ones(4, 3).tril()):
        layer.mask = mask.double()
        assert_same_with_gradients(compiled, layer, x)
    calls: list[Tensor] = []
    forward = kernels.forward
    monkeypatch.setattr(kernels, "SMALL", 0)
    monkeypatch.setattr(kernels, "forward", lambda *args: calls.append(args[0]) or forward(*args))
    assert_same_with_gradients(compiled, layer, points(50, 3))
    assert len(calls) == 2  # the compiled layer runs the same loops as the layer itself, at any number of rows
    layer.grid = layer.basis.adapted(x)
    layer.mask = torch.ones_like(layer.mask)
    torch.testing.assert_close(compiled(x), naive(layer, x))


def test_it_exports() -> None:
    layer, x = layer_of(), points(5, 3)
    batch = torch.export.Dim("batch", min=2, max=1000)
    program = torch.export.export(layer, (x,), dynamic_shapes=({0: batch},))
    other = points(9, 3, low=-2, high=2)
    torch.testing.assert_close(program.module()(other), layer(other))


def test_it_runs_without_values_and_in_half_precision() -> None:
    layer = KANLayer(3, 4, device="meta")
    assert layer(torch.zeros(7, 3, device="meta")).shape == (7, 4)
    layer = layer_of().float()
    x = points(20, 3).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), layer(x), rtol=0.05, atol=0.05)
    y.float().sum().backward()
    assert layer.coef.grad is not None
    torch.testing.assert_close(layer.bfloat16()(x.bfloat16()).float(), y.float(), rtol=0.2, atol=0.2)


def test_no_tensor_of_all_edges_is_made() -> None:
    layer, x, largest = KANLayer(20, 30), points(40, 20).float().requires_grad_(), 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            result = func(*args, **(kwargs or {}))
            found = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
            largest = max(largest, *found, 0)
            return result

    with Watch():
        layer(x).sum().backward()
    assert 0 < largest < 40 * 20 * 30
