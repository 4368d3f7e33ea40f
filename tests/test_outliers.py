"""Rows that disagree with the others are found, however many rows there are."""

import pytest
import torch

from kanlens.outliers import trusted
from kanlens.surrogate import FEW


@pytest.mark.parametrize("rows", [1, 2, 5, 40, 4 * FEW + 1])
def test_rows_of_a_smooth_function_are_trusted_whatever_their_number(rows: int) -> None:
    x = torch.rand(rows, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert bool(trusted(x, x[:, 0] * x[:, 1]).all())
