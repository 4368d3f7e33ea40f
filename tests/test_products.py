"""Products of a Jacobian's columns without the Jacobian are those with it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kanlens.jacobian import Parameters, forward, linearise
from kanlens.losses import LOSSES
from kanlens.network import KAN
from kanlens.objective import NetworkObjective
from kanlens.products import column_products
from kanlens.sparsity import Sparsity
from samples import points, rich

WIDTHS = ((3, 2), (3, 4, 2), (3, (2, (2, 3)), (1, 1), 2), (3, (0, 2), (0, (2,))), (3, 2, 2, 1), (3, 2, 5))


@given(st.integers(0, 60), st.sampled_from(WIDTHS), st.sampled_from(["silu", "zero"]), st.sampled_from(sorted(LOSSES)))
def test_they_are_those_of_the_jacobian(seed: int, widths: tuple, residual: str, name: str) -> None:
    loss, model = LOSSES[name], rich(seed, widths, residual=residual)
    parameters, passes = Parameters(model), forward(model, points(7, 3, seed, -1.5, 1.5))
    outputs, share = passes[-1].nodes, points(7, 1, seed, low=0.0)
    rows = loss.root(outputs, linearise(parameters, passes), share).flatten(0, 1)
    found = column_products(parameters, passes, lambda slopes: loss.root(outputs, slopes, share))
    torch.testing.assert_close(found, rows.T @ rows, rtol=1e-9, atol=1e-12)
    assert torch.equal(found, found.T)


@pytest.mark.parametrize("penalty", [None, Sparsity(strength=0.3)])
@pytest.mark.parametrize("chunk", [300, 3_000, 10**6])
def test_objectives_of_many_outputs_step_as_one_by_the_jacobian(penalty: Sparsity | None, chunk: int) -> None:
    model, x, y = KAN([3, 2, 4], dtype=torch.float64, noise=0.5), points(40, 3), points(40, 4, seed=4)
    objective = NetworkObjective(model, x, y, penalty, chunk=chunk)
    theta = objective.parameters.get()
    model_there = objective.quadratic(theta)
    rows = linearise(objective.parameters, forward(model, x)).flatten(0, 1)
    curvature = 2 * rows.T @ rows / len(rows) / objective.unit
    if penalty is None:
        torch.testing.assert_close(model_there.hessian, curvature, rtol=1e-9, atol=1e-12)
    else:  # the penalty is curved as well
        assert float(torch.linalg.eigvalsh(model_there.hessian - curvature).amin()) > -1e-9
