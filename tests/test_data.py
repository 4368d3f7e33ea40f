"""Data are read as people pass them, and what cannot be meant is refused."""

from typing import Any

import numpy as np
import pytest
import torch

from kanlens.data import pair, precision, split, split_inside, table
from kanlens.errors import InputError

PLAIN = np.arange(6.0).reshape(3, 2)


@pytest.mark.parametrize(
    "values",
    [
        PLAIN,
        PLAIN.astype(np.float32),
        PLAIN.astype(np.int16),
        PLAIN.astype(">f8"),
        PLAIN.astype(np.longdouble),
        PLAIN[::-1][::-1],
        np.asfortranarray(PLAIN),
        torch.tensor(PLAIN),
        torch.tensor(PLAIN, dtype=torch.float16),
        torch.tensor(PLAIN, requires_grad=True),
    ],
)
def test_every_real_array_becomes_a_float64_table(values: Any) -> None:
    found = table(values, 2, "inputs")
    assert found.dtype == torch.float64
    assert not found.requires_grad
    np.testing.assert_array_equal(found, PLAIN)


def test_reversed_and_read_only_arrays_are_read() -> None:
    np.testing.assert_array_equal(table(PLAIN[::-1], 2, "inputs"), PLAIN[::-1])
    np.testing.assert_array_equal(table(np.broadcast_to(1.0, (3, 2)), 2, "inputs"), np.ones((3, 2)))


def test_a_vector_is_one_column_only() -> None:
    assert table(torch.zeros(5), 1, "targets").shape == (5, 1)
    with pytest.raises(InputError, match=r"expected inputs of shape \(rows, 2\), got \(5,\)"):
        table(torch.zeros(5), 2, "inputs")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 3)), r"shape \(rows, 2\), got \(3, 3\)"),
        (np.zeros((3, 2, 1)), r"got \(3, 2, 1\)"),
        (np.zeros((0, 2)), "at least one row"),
        (torch.zeros(()), r"got \(\)"),
        (np.array([[0.0, 1], [np.nan, 2]]), "finite inputs, got nan in row 1, column 0"),
        (np.array([[0.0, np.inf]]), "got inf in row 0, column 1"),
        (torch.zeros(3, 2, dtype=torch.complex64), "real numbers, got torch.complex64"),
        (np.array([["a", "b"]]), "real numbers, got <U1"),
        (PLAIN.astype(object), "real numbers, got object"),
        ([[1.0, 2.0]], "real numbers, got list"),
        (None, "real numbers, got NoneType"),
    ],
)
def test_what_is_no_table_is_refused(values: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        table(values, 2, "inputs")


def test_inputs_and_targets_must_match() -> None:
    with pytest.raises(InputError, match="expected as many targets as inputs, got 4 and 3"):
        pair(PLAIN, np.zeros((4, 1)), 2, 1)


def test_a_split_is_a_partition_that_a_seed_decides() -> None:
    state = torch.get_rng_state()
    rows, held = split(100, 0.2, seed=3)
    assert len(held) == 20
    assert sorted([*rows.tolist(), *held.tolist()]) == list(range(100))
    assert torch.equal(split(100, 0.2, seed=3)[1], held)
    assert not torch.equal(split(100, 0.2, seed=4)[1], held)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("rows", "share"), [(10, 1.0), (10, -0.1), (1, 0.9), (10, 0.99)])
def test_a_split_leaves_rows_to_train_on(rows: int, share: float) -> None:
    with pytest.raises(InputError, match="expected a validation share"):
        split(rows, share)


def test_precision_is_that_of_the_numbers() -> None:
    double = np.finfo(float).eps
    assert precision(torch.zeros(1)) == precision(np.zeros(1, np.float32)) == np.finfo(np.float32).eps
    assert precision(np.zeros(1)) == precision(np.zeros(1, int)) == precision(np.zeros(1, np.longdouble)) == double


def test_rows_at_the_border_are_for_training() -> None:
    x = torch.rand(300, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    rows, held = split_inside(x, 0.5)
    assert sorted([*rows.tolist(), *held.tolist()]) == list(range(300))
    assert bool((x[held] > x[rows].amin(0)).all())
    assert bool((x[held] < x[rows].amax(0)).all())
    assert len(held) >= 150 - 6
    assert [part.tolist() for part in split_inside(x[:50], 0.2)] == [part.tolist() for part in split(50, 0.2)]
