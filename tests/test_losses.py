"""Losses have the slopes and curvatures that automatic differentiation finds, and read targets with care."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kanlens.errors import InputError, UnknownNameError
from kanlens.jacobian import Parameters, forward, linearise
from kanlens.losses import LOSSES, measure
from kanlens.network import KAN
from kanlens.objective import NetworkObjective
from samples import as_function, points

every = pytest.mark.parametrize("name", sorted(LOSSES))
ONE = torch.tensor([[1.0]], dtype=torch.float64)


@every
@given(st.integers(0, 99), st.sampled_from([1.0, 30.0]))
def test_slopes_and_curvature_are_the_derivatives(name: str, seed: int, size: float) -> None:
    loss = LOSSES[name]
    outputs, y = size * points(1, 3, seed), points(1, 3, seed + 1).softmax(1)

    def value(z: Tensor) -> Tensor:
        return loss.value(z[None], y, 0.3 * ONE)

    slopes = torch.func.grad(value)(outputs[0])
    torch.testing.assert_close(loss.slopes(outputs, y, 0.3 * ONE)[0], slopes, rtol=1e-9, atol=1e-12)
    root = loss.root(outputs, torch.eye(3, dtype=torch.float64)[None], 0.3 * ONE)[0]
    curvature = torch.func.jacrev(torch.func.grad(value))(outputs[0])
    torch.testing.assert_close(2 * root.T @ root, curvature, rtol=1e-7, atol=1e-12)


@every
def test_gauss_newton_is_the_hessian_of_a_network_that_is_linear_in_its_parameters(name: str) -> None:
    model, x, y = KAN([2, 3], dtype=torch.float64), points(20, 2), points(20, 3, seed=2).softmax(1)
    objective = NetworkObjective(model, x, y, loss=LOSSES[name], unit=1.0)
    outputs, theta = as_function(objective.parameters, x), objective.parameters.get()
    share = torch.full((20, 1), 1 / 20, dtype=torch.float64)
    slope = torch.func.grad(lambda t: LOSSES[name].value(outputs(t), y, share))
    expected = torch.func.jacrev(slope)(theta)
    torch.testing.assert_close(objective.quadratic(theta).hessian, expected, rtol=1e-8, atol=1e-12)


def test_huge_outputs_cost_what_they_should_and_give_no_nan() -> None:
    outputs, y = torch.tensor([[800.0, -800.0]]).double(), torch.tensor([[0.0, 1.0]]).double()
    assert float(LOSSES["cross_entropy"].value(outputs, y, ONE)) == 1600
    assert float(LOSSES["logistic"].value(outputs, y, ONE)) == 800
    for loss in LOSSES.values():
        assert bool(loss.root(outputs, torch.ones(1, 2, 4).double(), ONE).isfinite().all())


def test_class_numbers_are_read_as_probabilities() -> None:
    read = LOSSES["cross_entropy"].targets
    expected = torch.tensor([[0.0, 0, 1], [1, 0, 0]]).double()
    for y in (np.array([2, 0]), torch.tensor([2, 0]), np.array([[2], [0]]), np.array([2.0, 0.0]), expected):
        assert torch.equal(read(y, 3), expected)


BAD: list[tuple[str, Any, int, str]] = [
    ("cross_entropy", np.array([0, 3]), 3, "class numbers from 0 to 2, got values from 0 to 3"),
    ("cross_entropy", np.array([0.5]), 3, "class numbers from 0 to 2"),
    ("cross_entropy", np.array([[0.5, 0.4]]), 2, "sum to 1"),
    ("cross_entropy", np.array([[1.5, -0.5]]), 2, "from 0 to 1, got -0.5 to 1.5"),
    ("cross_entropy", np.array([0, 1]), 1, "output for each class, got 1"),
    ("logistic", np.array([0.0, 2.0]), 1, "from 0 to 1, got 0 to 2"),
]


@pytest.mark.parametrize(("name", "y", "outputs", "message"), BAD)
def test_targets_that_cannot_be_meant_are_refused(name: str, y: Any, outputs: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LOSSES[name].targets(y, outputs)


def test_an_unknown_name_is_answered_with_the_names() -> None:
    with pytest.raises(UnknownNameError, match=r"one of .*logistic.* got 'hinge'"):
        measure("hinge")


def test_the_jacobian_of_the_outputs_is_what_roots_are_taken_of() -> None:
    model, x = KAN([2, 2, 2], dtype=torch.float64), points(4, 2)
    passes = forward(model, x)
    jacobian = linearise(Parameters(model), passes)
    root = LOSSES["squared_error"].root(passes[-1].nodes, jacobian, ONE.expand(4, 1))
    torch.testing.assert_close(root * 2**0.5, jacobian)
