"""A damped step minimises its model, by rows as by normal equations, and by rows with all of float64's digits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kanlens.quadratic import PRECISE, NormalEquations, Rows, gram


def problem(seed: int, condition: float, columns: int = 6) -> tuple[Tensor, Tensor]:
    """Return a Jacobian of a given condition number, in units of all sizes, and a residual it can remove."""
    generator = np.random.default_rng(seed)
    left, _ = np.linalg.qr(generator.normal(size=(20, columns)))
    right, _ = np.linalg.qr(generator.normal(size=(columns, columns)))
    jacobian = left * np.geomspace(1, 1 / condition, columns) @ right
    residual = jacobian @ generator.normal(size=columns)
    return torch.tensor(jacobian * 10 ** generator.uniform(-3, 3, columns)), torch.tensor(residual)


def normal(rows: Rows) -> NormalEquations:
    return NormalEquations(rows.value, rows.gradient, rows.hessian)


@given(st.integers(0, 200), st.sampled_from([1e-2, 1e-6, PRECISE, 0.9 * PRECISE, 0.0]))
def test_both_give_the_same_step_where_the_problem_is_well_conditioned(seed: int, damping: float) -> None:
    rows = Rows(*problem(seed, 10))
    one, other = rows.move(damping), normal(rows).move(damping)
    assert one is not None
    assert other is not None
    lengths = rows.jacobian.norm(dim=0)
    torch.testing.assert_close(one.step * lengths, other.step * lengths, rtol=1e-9, atol=1e-12)
    assert one.promised == pytest.approx(other.promised, rel=1e-9)


@given(st.integers(0, 200), st.floats(0, 10), st.booleans())
def test_a_step_minimises_the_damped_model_and_promises_what_the_model_says(
    seed: int, damping: float, by_rows: bool
) -> None:
    rows = Rows(*problem(seed, 100))
    model = rows if by_rows else normal(rows)
    move = model.move(damping)
    assert move is not None
    slope = model.gradient + model.hessian @ move.step + damping * model.hessian.diagonal() * move.step
    lengths = rows.jacobian.norm(dim=0)
    assert float((slope / lengths).abs().max()) < 1e-9 * float((model.gradient / lengths).abs().max())
    after = rows.residual + rows.jacobian @ move.step
    assert move.promised == pytest.approx(rows.value - float(after @ after), rel=1e-6, abs=1e-12 * rows.value)


@pytest.mark.parametrize("seed", range(5))
def test_rows_remove_what_normal_equations_cannot_see(seed: int) -> None:
    rows = Rows(*problem(seed, 1e11))

    def left(model: Rows | NormalEquations) -> float:
        """Return what is left of the residual after one step of the smallest damping that gives one."""
        moves = (model.move(damping) for damping in (1e-26, 1e-20, 1e-18, 1e-16, 1e-14, 1e-12))
        step = next(move.step for move in moves if move is not None)
        return float((rows.residual + rows.jacobian @ step).norm() / rows.residual.norm())

    assert left(rows) < 1e-13
    assert left(normal(rows)) > 1e3 * left(rows)


@pytest.mark.filterwarnings("error")
def test_what_is_not_finite_passes_through_products() -> None:
    found = gram(torch.tensor([[math.inf, 0.0, 1.0], [-math.inf, math.nan, 2.0], [math.inf, 1.0, 0.0]]).double())
    assert found.isnan().any()
    assert float(found[2, 2]) == 5.0


@pytest.mark.parametrize("entry", [-1.0, math.nan])
def test_a_matrix_that_is_not_positive_gives_no_step(entry: float) -> None:
    hessian = torch.diag(torch.tensor([1.0, entry])).double()
    assert NormalEquations(1.0, torch.ones(2).double(), hessian).move(0.0) is None


def test_directions_without_effect_stay_where_they_are() -> None:
    rows = Rows(torch.tensor([[1.0, 0.0], [1.0, 0.0]]).double(), torch.ones(2).double())
    for damping in (1.0, 1e-11):
        move = rows.move(damping)
        assert move is not None
        assert move.step[1] == 0


@given(st.integers(0, 300), st.integers(0, 200), st.booleans())
def test_the_gram_matrix_is_the_product_and_symmetric(columns: int, rows: int, by_columns: bool) -> None:
    tensor = torch.randn(columns, rows, generator=torch.Generator().manual_seed(columns), dtype=torch.float64).T
    found = gram(tensor if by_columns else tensor.contiguous())
    torch.testing.assert_close(found, tensor.T @ tensor)
    assert torch.equal(found, found.T)


@given(st.integers(0, 50), st.sampled_from([1e-2, 0.0]))
def test_rows_beside_are_rows_below(seed: int, damping: float) -> None:
    jacobian, residual = problem(seed, 10)
    parts = [Rows(jacobian[part], residual[part]) for part in (slice(9), slice(9, 15), slice(15, None))]
    cut = parts[0].plus(parts[1]).plus(parts[2])
    whole, lengths = Rows(jacobian, residual), jacobian.norm(dim=0)
    assert cut.value == pytest.approx(whole.value)
    torch.testing.assert_close(cut.gradient / lengths, whole.gradient / lengths)
    one, other = cut.move(damping), whole.move(damping)
    assert one is not None
    assert other is not None
    torch.testing.assert_close(one.step * lengths, other.step * lengths, rtol=1e-9, atol=1e-12)
