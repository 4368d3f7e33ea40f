"""Under noise, reductions that are right are among the first, and wrong ones are left out."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kanlens.hypotheses import reductions
from kanlens.problems import Problem
from kanlens.refit import Rows
from kanlens.surrogate import surrogate
from kanlens.trees import shape


@pytest.mark.parametrize(
    ("law", "features"),
    [
        (lambda a, b, c: (a - b) ** 2 * c, "(+ (* -1 x1) x0)"),
        (lambda a, b, c: a / (1 + b * c), "(* x1 x2)"),
        (lambda a, b, c: (a**2 + b**2) ** 0.5 + c**2, "(+ (^ x0 2) (^ x1 2))"),
    ],
)
def test_features_that_matter_together_are_found(law: Callable[..., Tensor], features: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x = 1 + 3 * torch.rand(600, 3, generator=generator, dtype=torch.float64)
    y = law(*x.unbind(1))
    y = y + 0.05 * y.std() * torch.randn(600, generator=generator, dtype=torch.float64)
    problem = Problem.of(Rows(x, y))
    smooth = surrogate(problem.z, problem.t, 0, problem.felt())
    found = [one for kind in reductions(problem, smooth, 0) for one in kind]
    assert any(features in {shape(column) for column in smaller.columns} for _, smaller in found)
    assert all(share < 1.1 for share, _ in found)
    assert all(smaller.size < problem.size for _, smaller in found)


def test_features_with_whole_powers_are_taken_out_at_once() -> None:
    generator = torch.Generator().manual_seed(0)
    x = 1 + torch.rand(600, 5, generator=generator, dtype=torch.float64)
    a, b, c, d, angle = x.unbind(1)
    y = a * b * d**2 / (c * (1 - (2 * angle).cos()))
    y = y + 0.1 * y.std() * torch.randn(600, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    problem = Problem.of(Rows(x, y))
    first = next(reductions(problem, surrogate(problem.z, problem.t, 0, problem.felt()), 0))
    assert [shape(column) for column in first[0][1].columns] == ["x4"]
