"""Perceptrons whose rows determine them are fitted by second order."""

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parameters_to_vector

from kan.MLP import MLP
from kan.perceptron import MeanSquare


def measured(model: MLP, x: Tensor, y: Tensor) -> MeanSquare:
    return MeanSquare([each.shape for each in model.parameters()], model.act_fun, x, y)


@pytest.mark.parametrize("act", [nn.SiLU(), nn.Tanh(), nn.Identity()])
def test_the_model_is_that_of_gauss_and_newton(act: nn.Module) -> None:
    model = MLP([3, 4, 5, 2], seed=1).double()
    model.act_fun = act  # type: ignore[assignment]
    x, y = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = y[:, :2]
    named = dict(model.named_parameters())
    jacobians = torch.func.jacrev(lambda parameters: functional_call(model, parameters, (x,)))(named)
    jacobian = torch.cat([each.detach().reshape(14, -1) for each in jacobians.values()], 1)
    loss = (model(x) - y).square().mean()
    loss.backward()  # type: ignore[no-untyped-call]
    slope = torch.cat([each.grad.flatten() for each in model.parameters() if each.grad is not None])
    objective, theta = measured(model, x, y), parameters_to_vector(model.parameters()).detach()
    found = objective.quadratic(theta)
    assert objective.value(theta) == pytest.approx(loss.item())
    assert found.value == pytest.approx(loss.item())
    torch.testing.assert_close(found.gradient, slope)
    torch.testing.assert_close(found.hessian, 2 / 14 * jacobian.T @ jacobian)


def majority() -> tuple[Tensor, Tensor]:
    x = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=6)))
    return x, x[:, :3].sum(1, keepdim=True).sign() * x[:, 3:].sum(1, keepdim=True).sign()


def test_what_the_rows_determine_is_met_to_the_last_digit() -> None:
    x, y = majority()
    results = MLP([6, 6, 1], seed=1).fit({"train_input": x, "train_label": y, "test_input": x, "test_label": y})
    assert results["train_loss"][-1] < 1e-6
    assert len(results["train_loss"]) == len(results["test_loss"]) == len(results["reg"]) < 100


def test_only_parameters_that_rows_determine_are_fitted_so() -> None:
    x, y = majority()
    assert measured(MLP([6, 4, 1]), x, y).suits  # 33 parameters
    assert not measured(MLP([6, 10, 1]), x, y).suits  # 81 of 64 rows
    assert not measured(MLP([6, 200, 1]), x.repeat(100, 1), y.repeat(100, 1)).suits  # too much work


def test_parameters_that_are_frozen_stay() -> None:
    x, y = majority()
    model = MLP([6, 4, 1])
    frozen = model.w[0].requires_grad_(False).clone()
    model.fit({"train_input": x, "train_label": y}, steps=15)
    assert torch.equal(model.w[0], frozen)
