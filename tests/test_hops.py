"""Steps of the door's L-BFGS that look for lower minima."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from kan import KAN, LBFGS, batch_jacobian
from kan.hops import Hops
from kanlens import descent


def searching(parameters: list[Tensor]) -> LBFGS:
    return LBFGS(parameters, line_search_fn="strong_wolfe", tolerance_grad=-1.0, tolerance_change=0.0)


def wells(point: Tensor) -> Tensor:
    """Return a loss with a minimum near each corner of a square; that of 0 is at (1, 1)."""
    return ((point.square() - 1) ** 2 + 0.2 * (1 - point).square()).sum()


def closure_of(optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor], seen: list[float]) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        seen.append(float(value.detach()))
        return value

    return closure


def test_a_lower_minimum_is_found_and_no_step_makes_it_worse() -> None:
    point, seen = torch.tensor([-0.5, -0.4], requires_grad=True), list[float]()
    optimizer, kept = searching([point]), list[float]()
    closure = closure_of(optimizer, lambda: wells(point), seen)
    for _ in range(20):
        optimizer.step(closure)
        kept.append(float(wells(point.detach())))
        assert seen[-1] == kept[-1]  # what people read after a step is of the parameters that they hold
        slope = torch.autograd.grad(wells(point), point)[0]
        assert torch.allclose(point.grad, slope, atol=1e-6)
    assert kept == sorted(kept, reverse=True)
    assert kept[0] > 0.3
    assert kept[-1] < 1e-6


def test_another_loss_is_taken_up_from_where_the_parameters_are() -> None:
    point, target, seen = torch.tensor([2.0], requires_grad=True), [1.0], list[float]()
    optimizer = searching([point])
    closure = closure_of(optimizer, lambda: torch.sum((point - target[0]) ** 2 + 1), seen)
    for _ in range(6):
        optimizer.step(closure)
    assert point.item() == pytest.approx(1.0)
    target[0] = 3.0
    for _ in range(2):
        optimizer.step(closure)
    assert point.item() == pytest.approx(3.0)


def test_parameters_that_were_written_to_are_searched_from_there() -> None:
    point, seen = torch.tensor([2.0], requires_grad=True), list[float]()
    optimizer = searching([point])
    closure = closure_of(optimizer, lambda: torch.sum((point.square() - 1).square() + 1), seen)
    for _ in range(6):
        optimizer.step(closure)
    with torch.no_grad():
        point.fill_(-0.7)
    optimizer.step(closure)
    assert point.item() == pytest.approx(-1.0, abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_curves_that_start_bent_the_wrong_way_are_turned_over(seed: int) -> None:
    """Find what the flow out of a saddle keeps; without another start half of these seeds end at 0.1."""
    x = 2 * torch.rand(400, 2, generator=torch.Generator().manual_seed(seed)) - 1
    flow = x.flip(1) / x.norm(dim=1, keepdim=True)
    model = KAN(width=[2, 1], seed=seed)
    optimizer = searching(list(model.parameters()))

    def loss() -> Tensor:
        slope = batch_jacobian(model, x, create_graph=True)
        slope = slope / slope.norm(dim=1, keepdim=True)
        return (slope * flow).sum(1).square().mean()

    for _ in range(20):
        optimizer.step(closure_of(optimizer, loss, []))
    assert float(loss().detach()) < 1e-3


def test_near_a_minimum_more_updates_are_kept_than_were_asked_for() -> None:
    sizes = torch.logspace(0, 4, 60, dtype=torch.float64)
    left = []
    for method in (LBFGS, descent.LBFGS):
        point = torch.ones(60, dtype=torch.float64, requires_grad=True)
        options: dict[str, Any] = {"tolerance_grad": 0.0, "tolerance_change": 0.0, "line_search_fn": "strong_wolfe"}
        optimizer = method([point], history_size=3, **options)
        for _ in range(8):
            optimizer.step(closure_of(optimizer, lambda point=point: (sizes * point**2).sum(), []))  # type: ignore[misc]
        left.append(float((sizes * point**2).sum().detach()))
    assert left[0] < 1e-3 * left[1]


def test_another_start_is_as_large_as_the_parameters_unless_they_ran_away() -> None:
    values = [torch.tensor([[3.0, -50.0]]), torch.empty(0)]
    near, far = (Hops().start([factor * each for each in values]).values for factor in (1.0, 1e6))
    torch.testing.assert_close(near[0].abs(), values[0].abs())
    torch.testing.assert_close(far[0].abs(), values[0].abs() * 2)
