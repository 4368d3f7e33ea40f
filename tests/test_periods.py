"""The periodic part of a law of one column is what is left, in the wave that it is a function of."""

import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.test_two_nodes import NAMES, problem

from kanlens.periods import periodic
from kanlens.problems import Problem
from kanlens.refit import Rows
from kanlens.trees import shape, symbolic

X = NAMES[0]


@pytest.mark.parametrize(
    ("law", "wave", "inside"),
    [
        ("log(2 + cos(pi*x))**2 + x/2", "cos(pi*x)", "(+ (* 0.5 x0) x-1)"),
        ("exp(-tanh(2*sin(4*x))) + 3*x**2/10", "sin(4*x)", "(+ (* (^ x0 2) 0.3) x-1)"),
        ("x*exp(sin(5*x))", "sin(5*x)", "(* x-1 x0)"),
        ("exp(-x)*atan(2*cos(4*x))", "cos(4*x)", "(* (exp (* c x0)) x-1)"),
        ("log(2 + cos(4*x + 1))", "cos(4*x + 1)", "x-1"),
    ],
)
def test_what_is_left_is_a_function_of_a_wave(law: str, wave: str, inside: str) -> None:
    (found,) = periodic(problem(law, 1, low=-1.5))
    assert symbolic(found.columns[0], NAMES) == sympy.sympify(wave)
    assert shape(found.law) == inside
    order = found.z[:, 0].argsort()  # and a smooth one
    assert float(found.t[order].diff().abs().max()) < 0.2 * float(found.t.std())


@settings(max_examples=20)
@given(frequency=st.floats(3.5, 12), phase=st.floats(-3, 3), slope=st.floats(0.1, 2))
def test_any_period_is_found(frequency: float, phase: float, slope: float) -> None:
    x = torch.rand(400, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3 - 1.5
    wave = (frequency * x[:, 0] + phase).cos()
    (found,) = periodic(Problem.of(Rows(x, (wave - 0.5).exp() + slope * x[:, 0])))
    assert min(float((found.z[:, 0] - sign * wave).abs().max()) for sign in (1, -1)) < 1e-6
    left = found.t - (found.z[:, 0] * torch.sign((found.z[:, 0] * wave).sum()) - 0.5).exp()
    assert float(left.std()) < 1e-5


def test_a_periodic_part_that_is_even_nowhere_stays_in_the_column() -> None:
    (found,) = periodic(problem("exp(cos(4*x)) + sin(8*x) + x", 1, low=-1.5))
    assert symbolic(found.columns[0], NAMES) == X
    assert shape(found.law) == "(+ x-1 x0)"


@pytest.mark.parametrize(
    "law", ["exp(x)", "sin(3*x**2) + x", "tanh(3*x) - x/3", "1/(1 + 4*x**2)", "exp(-x**2)*cos(5*x)"]
)
def test_other_laws_have_none(law: str) -> None:
    assert list(periodic(problem(law, 1, low=-1.5))) == []


def test_few_rows_and_two_columns_are_left_alone() -> None:
    assert list(periodic(problem("x*exp(sin(5*x))", 1, rows=80))) == []
    assert list(periodic(problem("sin(5*x) + y", 2))) == []
