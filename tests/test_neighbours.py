"""Every formula has those near it that differ in one exponent, term, factor, function or variable."""

from fractions import Fraction

import torch

from kanlens.functions import LIBRARY
from kanlens.neighbours import neighbours, shorter
from kanlens.trees import Call, Number, Variable, add, multiply, raise_to, shape, values

X, Y = Variable(0), Variable(1)
C = Number(1.0)


def near(tree: object) -> set[str]:
    return {shape(found) for found in neighbours(tree, 2, LIBRARY)}  # type: ignore[arg-type]


def test_one_change_reaches_what_it_should() -> None:
    start = add(multiply(C, X), multiply(C, raise_to(Y, 3)))
    reached = near(start)
    for other in (
        multiply(C, X),
        add(multiply(C, X), multiply(C, raise_to(Y, 2))),
        add(multiply(C, X, Y), multiply(C, raise_to(Y, 3))),
        add(multiply(C, Call(LIBRARY["exp"], multiply(C, X))), multiply(C, raise_to(Y, 3))),
        raise_to(start, Fraction(1, 2)),
        add(multiply(C, Y), multiply(C, raise_to(Y, 3))),
    ):
        assert shape(other) in reached


def test_added_terms_and_factors_begin_where_they_change_little() -> None:
    points = torch.rand(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 1
    start = multiply(Number(2.0), X, Y)
    same = [tree for tree in neighbours(start, 2, LIBRARY) if len(shape(tree)) > len(shape(start))]
    off = [float((values(tree, points) - values(start, points)).abs().max()) for tree in same]
    assert sum(o < 1e-4 for o in off) >= 4


def test_shorter_formulas_leave_out_one_term() -> None:
    start = multiply(X, add(C, multiply(C, Y)))
    assert {shape(tree) for tree in shorter(start)} == {shape(multiply(X, C)), shape(multiply(X, multiply(C, Y)))}
