"""An objective is the same however its rows are cut up, and its derivatives are right."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kanlens.losses import LOSSES, Custom
from kanlens.objective import NetworkObjective
from kanlens.quadratic import NormalEquations, Rows
from kanlens.scores import scores
from kanlens.sparsity import Sparsity
from samples import points, rich

X = points(40, 3)
TARGETS = {
    "squared_error": points(40, 2, seed=4),
    "cross_entropy": points(40, 2, seed=4).softmax(1),
    "logistic": points(40, 2, seed=4).sigmoid(),
}
losses = st.sampled_from(sorted(LOSSES))
penalties = st.sampled_from([None, Sparsity(strength=0.3)])


def objective(
    seed: int, loss: str, penalty: Sparsity | None, weighted: bool = False, **options: int
) -> NetworkObjective:
    weights = points(40, 1, seed=6, low=0.0)[:, 0] if weighted else None
    return NetworkObjective(rich(seed), X, TARGETS[loss], penalty, LOSSES[loss], weights, **options)


@given(st.integers(0, 30), losses, penalties, st.booleans(), st.integers(300, 20_000))
def test_chunks_of_any_size_give_the_same(
    seed: int, loss: str, penalty: Sparsity | None, weighted: bool, chunk: int
) -> None:
    whole, cut = objective(seed, loss, penalty, weighted), objective(seed, loss, penalty, weighted, chunk=chunk)
    theta = whole.parameters.get()
    assert cut.value(theta) == pytest.approx(whole.value(theta), rel=1e-12)
    torch.testing.assert_close(cut.gradient(theta)[1], whole.gradient(theta)[1], rtol=1e-9, atol=1e-13)
    one, other = whole.quadratic(theta), cut.quadratic(theta)
    assert one.value == pytest.approx(other.value, rel=1e-12)
    torch.testing.assert_close(one.gradient, other.gradient, rtol=1e-9, atol=1e-13)
    torch.testing.assert_close(one.hessian, other.hessian, rtol=1e-9, atol=1e-13)


@given(st.integers(0, 30), losses, penalties, st.booleans())
def test_the_gradient_is_that_of_the_value(seed: int, loss: str, penalty: Sparsity | None, weighted: bool) -> None:
    own = objective(seed, loss, penalty, weighted)
    theta = own.parameters.get()
    value, gradient = own.gradient(theta)
    model = own.quadratic(theta)
    assert value == pytest.approx(own.value(theta.clone())) == pytest.approx(model.value)
    torch.testing.assert_close(model.gradient, gradient, rtol=1e-8, atol=1e-10)
    way = torch.randn(len(theta), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rise = (own.value(theta + 1e-6 * way) - own.value(theta - 1e-6 * way)) / 2e-6
    assert rise == pytest.approx(float(gradient @ way), rel=1e-5, abs=1e-8)
    assert float(torch.linalg.eigvalsh(model.hessian).amin()) > -1e-10 * float(model.hessian.abs().amax())


@given(st.integers(0, 30), st.floats(0.01, 10), st.floats(0, 5), st.floats(0, 5))
def test_the_penalty_is_that_of_the_scores(seed: int, strength: float, l1: float, entropy: float) -> None:
    penalty = Sparsity(strength, l1, entropy)
    own = objective(seed, "squared_error", penalty)
    activities = scores(own.model, X).edges
    expected = sum(
        float(penalty.value(a[layer.mask > 0])) for a, layer in zip(activities, own.model.layers, strict=True)
    )
    assert own.parts(own.parameters.get())[1] == pytest.approx(expected)


@given(st.integers(0, 99), st.floats(0, 2), st.floats(0, 5))
def test_the_slope_of_sparsity_is_its_derivative(seed: int, l1: float, entropy: float) -> None:
    activity = points(6, 1, seed, 0.0, 1.0)[:, 0].requires_grad_()
    penalty = Sparsity(0.7, l1, entropy)
    (expected,) = torch.autograd.grad(penalty.value(activity), activity)
    torch.testing.assert_close(penalty.slope(activity.detach()), expected)


def test_rows_are_kept_while_they_are_few() -> None:
    whole, cut = objective(0, "squared_error", None), objective(0, "squared_error", None, chunk=5_000)
    theta = whole.parameters.get()
    assert isinstance(whole.quadratic(theta), Rows)
    assert isinstance(cut.quadratic(theta), NormalEquations)


def test_weights_count_rows_several_times() -> None:
    model, y = rich(2), TARGETS["squared_error"]
    times = torch.arange(40) % 3
    heavy = NetworkObjective(model, X, y, weights=times.double(), unit=1.0)
    repeated = NetworkObjective(model, X.repeat_interleave(times, 0), y.repeat_interleave(times, 0), unit=1.0)
    theta = heavy.parameters.get()
    assert heavy.value(theta) == pytest.approx(repeated.value(theta))
    torch.testing.assert_close(heavy.quadratic(theta).hessian, repeated.quadratic(theta).hessian)


def test_batches_see_each_row_once_and_average_to_the_whole() -> None:
    own = objective(3, "squared_error", None)
    theta = own.parameters.get()
    batches = list(own.batches(8, torch.Generator().manual_seed(0)))
    assert [len(batch.x) for batch in batches] == [8] * 5
    assert torch.equal(torch.cat([batch.x for batch in batches]).sort(0).values, X.sort(0).values)
    slopes = torch.stack([batch.gradient(theta)[1] for batch in batches]).mean(0)
    torch.testing.assert_close(slopes, own.gradient(theta)[1])


def test_a_function_as_loss_has_a_gradient_and_no_second_order() -> None:
    own = NetworkObjective(rich(1), X, TARGETS["squared_error"], loss=Custom(lambda z, y: (z - y).abs().mean().sqrt()))
    theta = own.parameters.get()
    value, gradient = own.gradient(theta)
    way = torch.randn(len(theta), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rise = (own.value(theta + 1e-6 * way) - own.value(theta - 1e-6 * way)) / 2e-6
    assert math.isfinite(value)
    assert rise == pytest.approx(float(gradient @ way), rel=1e-5)
    with pytest.raises(TypeError, match="known curvature"):
        own.quadratic(theta)


@pytest.mark.parametrize("ask", ["parts", "gradient", "quadratic"])
def test_a_point_that_its_owner_writes_into_is_a_new_point(ask: str) -> None:
    own, fresh = objective(1, "squared_error", None), objective(1, "squared_error", None)
    theta = own.parameters.get()
    own.value(theta)
    theta.mul_(1.1)
    there = theta.detach()  # another tensor over the same numbers, as optimisers hand them out
    getattr(own, ask)(there)
    assert own.value(there) == pytest.approx(fresh.value(theta), rel=1e-12)
