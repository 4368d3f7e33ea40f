"""A column is seen to stand apart from two that are entangled, with its curve, and no other column is."""

import math
from collections.abc import Callable

import pytest
import sympy
import torch
from torch import Tensor

from kanlens.groups import groups
from kanlens.problems import Problem
from kanlens.refit import Rows
from kanlens.separations import Part

NAMES = sympy.symbols("x y z")
ROUGH = 0.05


def problem(law: str, rows: int = 800) -> Problem:
    x = torch.rand(rows, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4 - 2
    return Problem.of(Rows(x, torch.as_tensor(sympy.lambdify(NAMES, sympy.sympify(law), "numpy")(*x.numpy().T))))


def off(part: Part, truth: Tensor) -> float:
    """Return how far a curve is from a function, but for a factor and, of a term, a constant."""
    curve = part.curves[0]
    columns = truth[:, None] if part.factor else torch.stack([truth, torch.ones_like(truth)], 1)
    left = curve - columns @ torch.linalg.lstsq(columns, curve[:, None]).solution[:, 0]
    return float(left.std() / curve.std())


@pytest.mark.parametrize(
    ("law", "place", "kind", "own"),
    [
        ("sin(x*y)/(1 + z**2)", 2, (True, "t"), lambda s: 1 / (1 + s**2)),
        ("z*cos(x*y + x)", 2, (True, "t"), lambda s: s),
        ("cos(x*exp(z/2)) + tanh(2*y)", 1, (False, "t"), lambda s: torch.tanh(2 * s)),
        ("exp(sin(2*y*z)/2 + x**2/4)", 0, (False, "inverse exp"), lambda s: s**2),
        ("sqrt(log(2 + x**2*y**2) + sin(2*z)**2)", 2, (False, "t^2"), lambda s: torch.sin(2 * s) ** 2),
    ],
)
def test_what_stands_apart_is_seen_with_its_curve(
    law: str, place: int, kind: tuple[bool, str], own: Callable[[Tensor], Tensor]
) -> None:
    posed = problem(law)
    found = [part for part in groups(posed, ROUGH) if (part.factor, part.outer.name) == kind]
    assert {part.features for part in found} == {(place,)}
    assert all(off(part, own(posed.z[:, place])) < max(part.misfit, 1e-6) < 0.05 for part in found)


def test_three_entangled_columns_have_no_such_part() -> None:
    assert not groups(problem("sin(x*y*z)"), math.inf)
    assert not groups(problem("tanh(x + y*z)"), math.inf)


def test_nothing_is_said_where_the_stand_in_is_closer_or_rows_are_few() -> None:
    law = "sin(x*y)/(1 + z**2)"
    assert groups(problem(law), ROUGH)
    assert not groups(problem(law), 1e-9)
    assert not groups(problem(law, rows=300), ROUGH)
