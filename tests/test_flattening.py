"""What is a line or a parabola at all points is written as one, and nothing else changes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kanlens.flattening import flattened
from kanlens.functions import LIBRARY
from kanlens.trees import Call, Number, Tree, Variable, add, calls, multiply, raise_to, shape, values

X = Variable(0)
POINTS = torch.linspace(-1, 2, 80, dtype=torch.float64)[:, None]
SMOOTH = ("sin", "cos", "exp", "tanh", "arctan", "log", "sqrt")


def call(name: str, argument: Tree) -> Tree:
    return Call(LIBRARY[name], argument)


def inside(scale: float, shift: float) -> Tree:
    return add(multiply(Number(scale), X), Number(shift))


@given(
    name=st.sampled_from(SMOOTH),
    scale=st.floats(1e-4, 1e-2),
    sign=st.sampled_from((-1, 1)),
    shift=st.floats(0.5, 1.2),
    factor=st.floats(0.1, 1e3),
)
def test_a_function_of_little_range_is_a_parabola_there(
    name: str, scale: float, sign: int, shift: float, factor: float
) -> None:
    narrow = multiply(Number(factor), call(name, inside(sign * scale, shift)))
    flat = flattened(narrow, POINTS)
    assert not calls(flat)
    before, after = values(narrow, POINTS), values(flat, POINTS)
    assert float((after - before).abs().max()) <= 3e-4 * float(before.amax() - before.amin())


@pytest.mark.parametrize("scale", [1e70, 1e200, 1e300])
def test_a_function_of_a_huge_range_stays(scale: float) -> None:
    huge = add(call("sin", multiply(Number(scale), X)), X)
    assert flattened(huge, POINTS) == huge


@given(name=st.sampled_from(("sin", "cos", "exp", "tanh", "arctan")), scale=st.floats(0.5, 5))
def test_a_function_of_a_wide_range_stays(name: str, scale: float) -> None:
    wide = add(call(name, multiply(Number(scale), X)), X)
    assert flattened(wide, POINTS) == wide


@pytest.mark.parametrize(
    ("tree", "as_it_is"),
    [
        (call("cos", multiply(Number(1e-3), X)), "(+ (* (^ x0 2) c) c)"),
        (call("sin", multiply(Number(1e-3), X)), "(* c x0)"),
        (add(multiply(Number(1e6), call("cos", multiply(Number(1e-3), X))), Number(-9e5)), "(+ (* (^ x0 2) c) c)"),
        (call("sin", add(X, call("sin", multiply(Number(1e-3), X)))), "(sin (+ (* c x0) x0))"),
        (multiply(X, call("exp", multiply(Number(1e-3), X))), "(* (+ (* (^ x0 2) c) (* c x0) c) x0)"),
    ],
)
def test_the_shortest_form_is_taken(tree: Tree, as_it_is: str) -> None:
    assert shape(flattened(tree, POINTS)) == as_it_is


def test_kinks_and_constants_stay() -> None:
    for tree in (call("abs", multiply(Number(1e-3), X)), call("sin", Number(0.3)), raise_to(X, 2)):
        assert flattened(tree, POINTS) == tree


def test_what_is_not_finite_stays() -> None:
    tree = call("log", multiply(Number(1e-3), X))  # of both signs
    assert flattened(tree, POINTS) == tree
    assert math.isnan(float(values(tree, POINTS)[0]))
