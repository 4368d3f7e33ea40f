"""Formulas are found from data alone, products included, and noise is not taken for a law."""

from collections.abc import Callable

import pytest
import sympy
import torch
from torch import Tensor

from kanlens import KAN, discover, fit, formula, prune, symbolise
from kanlens.discovery import _disjoint_factors

LIBRARY = ["x", "x^2", "sin", "exp", "log", "sqrt"]


def points(rows: int, columns: int, seed: int = 0) -> Tensor:
    return 2 * torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


def x(number: int) -> sympy.Symbol:
    return sympy.Symbol(f"x_{number}")


@pytest.mark.parametrize(
    ("function", "columns", "truth"),
    [
        (lambda x: x[:, 0] * torch.sin(torch.pi * x[:, 1]), 2, x(1) * sympy.sin(sympy.pi * x(2))),
        (lambda x: x[:, 0] * x[:, 1] + x[:, 2] ** 2, 3, x(1) * x(2) + x(3) ** 2),
        (lambda x: torch.sqrt(1 + x[:, 0] ** 2 + x[:, 1] ** 2), 2, sympy.sqrt(1 + x(1) ** 2 + x(2) ** 2)),
    ],
)
def test_laws_are_found_exactly(function: Callable[[Tensor], Tensor], columns: int, truth: sympy.Expr) -> None:
    data = points(600, columns)
    found = discover(data, function(data), library=LIBRARY)
    assert found.exact
    assert sympy.simplify(formula(found.model) - truth) == 0


def test_an_input_that_does_not_matter_is_left_out() -> None:
    data = points(500, 3)
    found = discover(data, torch.exp(2 * data[:, 1]), library=LIBRARY)
    assert formula(found.model) == sympy.exp(2 * x(2))


def test_a_constant_target_is_a_constant() -> None:
    found = discover(points(100, 2), torch.full((100, 1), 3.0, dtype=torch.float64), library=["x", "exp"])
    assert formula(found.model) == 3


def test_a_trained_network_that_imitates_a_product_becomes_the_product() -> None:
    data = points(500, 2)
    target = data[:, :1] * torch.exp(data[:, 1:])
    model = KAN([2, 3, 1], seed=0)
    fit(model, data, target)
    named = symbolise(prune(model, data, target), data, target, library=LIBRARY)
    assert sympy.simplify(formula(named) - x(1) * sympy.exp(x(2))) == 0


def test_factors_share_no_input() -> None:
    for absent in _disjoint_factors([3, (0, 1), 1]):
        kept = {(factor, i) for factor in range(2) for i in range(3)} - {(e.out, e.in_) for e in absent}
        homes = [{factor for factor, i in kept if i == column} for column in range(3)]
        assert all(len(home) == 1 for home in homes)
        assert set.union(*homes) == {0, 1}
    assert len(_disjoint_factors([3, (0, 1), 1])) == 3
    assert len(_disjoint_factors([2, (0, 1), 1])) == 1
