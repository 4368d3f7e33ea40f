"""Optimisers without torch's compiler: the same steps."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from kanlens import descent

PROGRAM = """
import sys, torch
from kan import KAN, LBFGS, create_dataset
from kan.hypothesis import detect_separability, test_general_separability
from kanlens import KAN as Core, Adam, LBFGS as CoreLBFGS, fit
x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
for solver in (Adam(steps=2), CoreLBFGS(steps=1)):
    fit(Core([2, 1, 1]), x, x[:, :1] ** 2, solver=solver)
detect_separability(lambda x: x[:, :1] * x[:, 1:], x, mode="mul")
test_general_separability(lambda x: torch.sin(x[:, :1] * x[:, 1:]), x, [[0], [1]])
model = KAN(width=[2, 1, 1])
optimizer = LBFGS(model.parameters(), line_search_fn="strong_wolfe")
def closure():
    optimizer.zero_grad()
    loss = model(x).square().mean()
    loss.backward()
    return loss
optimizer.step(closure)
assert "torch._dynamo" not in sys.modules
"""


def run(optimizer: torch.optim.Optimizer, point: Tensor) -> Tensor:
    a = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (a @ point).pow(4).sum() + point.sin().sum()
        loss.backward()
        return loss

    for _ in range(20):
        optimizer.step(closure)
    return point.detach()


@pytest.mark.parametrize(
    ("mine", "torchs", "options"),
    [(descent.Adam, torch.optim.Adam, {"lr": 0.05, "betas": (0.8, 0.99), "eps": 0.1})],
)
def test_steps_are_those_of_torch(mine: type, torchs: type, options: dict[str, object]) -> None:
    found, wanted = (run(kind([point], **options), point) for kind in (mine, torchs) for point in [_start()])
    assert torch.equal(found, wanted)
    assert not torch.equal(found, torch.ones(5))


@pytest.mark.parametrize("history", [1, 3, 100])
@pytest.mark.parametrize(
    "options",
    [
        {"line_search_fn": "strong_wolfe", "max_iter": 4},
        {"line_search_fn": "strong_wolfe", "max_eval": 7},
        {"line_search_fn": "strong_wolfe", "lr": 0.3, "max_iter": 3},
        {"lr": 0.02, "max_iter": 5},
        {"lr": 0.02, "max_iter": 20, "tolerance_change": 1e-3},
        {"line_search_fn": "strong_wolfe", "tolerance_grad": 1.0},
    ],
    ids=str,
)
def test_quasi_newton_steps_are_those_of_torch(history: int, options: dict[str, Any]) -> None:
    """Compare points, losses and the numbers of losses asked for, step by step, before round-off has grown."""
    runs = []
    for kind in (descent.LBFGS, torch.optim.LBFGS):
        point = torch.linspace(-1, 1, 12, dtype=torch.float64).requires_grad_()
        optimizer, calls, seen = kind([point], history_size=history, **options), 0, []

        def closure(point: Tensor = point, optimizer: torch.optim.Optimizer = optimizer) -> Tensor:
            nonlocal calls
            calls += 1
            optimizer.zero_grad()
            loss = (1 - point).square().sum() + 10 * (point[1:] - point[:-1] ** 2).square().sum()
            loss.backward()
            return loss

        for _ in range(4):
            loss = optimizer.step(closure)
            seen += [torch.tensor([float(loss.detach()), calls]), point.detach().clone()]
        runs.append(torch.cat(seen))
    torch.testing.assert_close(runs[0], runs[1], rtol=1e-6, atol=1e-6)


def test_no_more_updates_are_kept_than_asked_for() -> None:
    point = _start()
    optimizer = descent.LBFGS([point], history_size=3, line_search_fn="strong_wolfe", max_iter=6)
    run(optimizer, point)
    state = optimizer.state[point]
    assert len(state["bends"]) == len(state["steps"]) == len(state["changes"]) == 3


def _start() -> Tensor:
    return torch.ones(5, requires_grad=True)


def test_gradients_are_forgotten_or_set_to_zero() -> None:
    point = _start()
    for kept in (None, torch.zeros(5)):
        point.grad = torch.ones(5)
        descent.Adam([point]).zero_grad(set_to_none=kept is None)
        assert (point.grad is None) if kept is None else torch.equal(point.grad, kept)


def test_parameters_of_any_layout_are_stepped_as_one_vector() -> None:
    start = torch.linspace(-1, 1, 12, dtype=torch.float64)
    found = []
    for shape in (lambda flat: flat, lambda flat: flat.view(4, 3).T.contiguous().T):
        parameters = [shape(start.clone()).requires_grad_(), torch.zeros(0, requires_grad=True)]
        optimizer = descent.LBFGS(parameters, line_search_fn="strong_wolfe")

        def closure(point: Tensor = parameters[0], optimizer: torch.optim.Optimizer = optimizer) -> Tensor:
            optimizer.zero_grad()
            loss = (point.flatten() - torch.arange(12)).pow(4).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        found.append(parameters[0].detach().flatten())
    assert torch.equal(*found)
    assert not torch.equal(found[0], start)


def test_a_parameter_without_a_gradient_stays() -> None:
    point = _start()
    descent.Adam([point]).step()
    assert torch.equal(point, torch.ones(5))


def test_no_fit_loads_the_compiler() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
