"""Columns that a function joins are derived each by itself, and as what they are."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from kan import batch_jacobian


def side_by_side(x: Tensor) -> Tensor:
    return torch.cat([(x[:, [0]] * x[:, [1]]).sin(), x[:, 1:]], dim=1)


def as_columns(x: Tensor) -> Tensor:
    return torch.stack([x[:, 0] ** 2, x[:, 1] * x[:, 2], x.exp().sum(1)], dim=-1)


def written_to_afterwards(x: Tensor) -> Tensor:
    joined = torch.cat([x[:, :2], x[:, :1] * x[:, 2:]], dim=1)
    joined[:, 0] = 2 * x[:, 2]
    return joined


def with_a_part_written_to_afterwards(x: Tensor) -> Tensor:
    part = x.sin()
    joined = torch.cat([part, x], dim=1)
    part.mul_(x)
    return joined


def rows_below_rows(x: Tensor) -> Tensor:
    return torch.stack(list(x.cos().unbind(0)), dim=0)


def joined_inside(x: Tensor) -> Tensor:
    return torch.cat(tensors=[x[:, :1], x.square()], dim=1)[:, 1:]


@pytest.mark.parametrize(
    "func",
    [
        side_by_side,
        as_columns,
        written_to_afterwards,
        with_a_part_written_to_afterwards,
        rows_below_rows,
        joined_inside,
    ],
)
def test_the_jacobian_is_that_of_the_outputs(func: Callable[[Tensor], Tensor]) -> None:
    x = torch.rand(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted = torch.autograd.functional.jacobian(lambda x: func(x).sum(0), x).permute(1, 0, 2)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(batch_jacobian(func, x, mode="vector"), wanted)


def test_a_part_is_gone_through_for_its_own_columns_only() -> None:
    passes = []

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            passes.append(grad)
            return grad

    batch_jacobian(lambda x: torch.cat([Counted.apply(x[:, :1]), x, x], dim=1), torch.rand(5, 2), mode="vector")
    assert len(passes) == 1
