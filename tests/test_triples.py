"""A product of two functions of a column beside a third, and a sum of three, are found whatever their scales."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kanlens.functions import LIBRARY
from kanlens.problems import Problem
from kanlens.refit import Rows
from kanlens.triples import triples

S = torch.linspace(-1, 1, 300, dtype=torch.float64)


def least(law: Callable[[Tensor], Tensor], names: tuple[str, ...] = tuple(LIBRARY)) -> float:
    """Return the smallest error, looking no further than to an exact one."""
    best = math.inf
    for guesses in triples(Problem.of(Rows(S[:, None], law(S))), {name: LIBRARY[name] for name in names}):
        best = min([best, *(guess.error for guess in guesses)])
        if best < 1e-20:
            break
    return best


@pytest.mark.parametrize(
    "law",
    [
        lambda s: torch.exp(-s) * torch.sin(5 * s) + torch.tanh(2 * s),
        lambda s: s * torch.exp(-2 * s) + torch.cos(6 * s),
        lambda s: torch.exp(-(s**2)) * torch.cos(7 * s) + s**3,
        lambda s: torch.cos(4 * s**2) + s * torch.exp(-s),
        lambda s: torch.exp(-2 * s) + torch.sin(6 * s) / 2 + torch.tanh(3 * s),
        lambda s: torch.exp(-3 * s**2) + torch.sin(6 * s) / 2 + s / 3,
    ],
)
def test_three_functions_of_a_column_are_found(law: Callable[[Tensor], Tensor]) -> None:
    assert least(law) < 1e-20


def test_they_are_found_of_a_library_without_squares() -> None:
    assert least(lambda s: torch.sin(5 * s) * torch.exp(-s) + torch.exp(s / 2), ("sin", "exp")) < 1e-20


def test_few_points_tell_nothing_of_three_functions() -> None:
    assert not list(triples(Problem.of(Rows(S[:5, None], S[:5])), LIBRARY))
