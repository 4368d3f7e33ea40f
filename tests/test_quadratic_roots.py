"""Roots of quadratic equations with polynomials in them are found by one linear fit, and nothing else is."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kanlens.problems import Problem
from kanlens.quadratic_roots import quadratic_roots
from kanlens.refit import Rows
from kanlens.trees import values

SLOPES = st.floats(-2, 2)


def problem(law: Tensor, x: Tensor) -> Problem:
    return Problem.of(Rows(x, law))


def points(columns: int) -> Tensor:
    return torch.rand(300, columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


@given(a=SLOPES, b=SLOPES, c=st.floats(0.5, 3), d=st.floats(0.1, 3), sign=st.sampled_from((-1, 1)))
def test_a_line_and_the_root_of_a_polynomial_are_found(a: float, b: float, c: float, d: float, sign: int) -> None:
    x = points(2)
    law = a * x[:, 0] + b * x[:, 1] + sign * (3 + c * x[:, 0] ** 2 + d * x[:, 1] ** 2 + x[:, 0] * x[:, 1]).sqrt()
    found = next(quadratic_roots(problem(law, x)))
    assert float((values(found[0].tree, x) - law).abs().max()) < 1e-8


def test_a_root_inside_a_logarithm_is_found() -> None:
    x = points(1)
    law = (2 * x[:, 0]).asinh()  # log(2 x + sqrt(1 + 4 x^2))
    found = [guess.tree for some in quadratic_roots(problem(law, x)) for guess in some]
    assert min(float((values(tree, x) - law).abs().max()) for tree in found) < 1e-9


@pytest.mark.parametrize(
    "law", [lambda s: s.sin() + s.exp(), torch.exp, lambda s: s.abs() * s.sin(), lambda s: (2 + s).sqrt() + s.cos()]
)
def test_other_laws_are_none(law: object) -> None:
    x = points(1)
    assert callable(law)
    assert list(quadratic_roots(problem(law(x[:, 0]), x))) == []


def test_few_rows_say_nothing() -> None:
    x = points(2)[:20]
    assert list(quadratic_roots(problem((2 + x[:, 0]).sqrt() + x[:, 1], x))) == []


def test_a_root_inside_a_wave_is_found() -> None:
    x = points(2)
    law = (2 * (1 + x[:, 0] ** 2 + x[:, 1] ** 2 / 2).sqrt()).cos()
    found = next(quadratic_roots(problem(law, x)))
    assert min(float((values(guess.tree, x) - law).abs().max()) for guess in found) < 1e-9
