"""Features that a law feels only together are joined, whatever the functions of them."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kanlens.conditions import interior
from kanlens.functions import LIBRARY
from kanlens.joins import Node, creased, folded, joins, nodes, plainer
from kanlens.problems import Problem
from kanlens.refit import Rows, refit, without_traces
from kanlens.surrogate import surrogate
from kanlens.trees import Call, Number, Variable, add, calls, multiply
from kanlens.trees import values as tree_values

Law = Callable[[Tensor], Tensor]


def points(rows: int, columns: int, low: float = -1, high: float = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(rows, columns, generator=generator, dtype=torch.float64)


def slopes(law: Law, x: Tensor) -> Tensor:
    """Return a law's exact derivatives `(rows, columns)`."""
    point = x.clone().requires_grad_()
    return torch.autograd.grad(law(point).sum(), point)[0]


def unlike(curve: Tensor, truth: Tensor, constant: bool) -> float:
    """Return how far a curve is from a multiple of another one, plus a constant, as a share of its deviation."""
    columns = torch.stack([truth, torch.full_like(truth, float(constant))], 1)
    fit = columns @ torch.linalg.pinv(columns) @ curve
    return float((curve - fit).norm() / (curve - curve.mean()).norm())


@pytest.mark.parametrize("outer", [torch.exp, torch.sin, torch.square])
def test_the_curves_of_a_sum_are_read_off_the_derivatives(outer: Callable[[Tensor], Tensor]) -> None:
    x = points(400, 3)
    parts = [torch.sin(2 * x[:, 0]), x[:, 1] ** 2, torch.tanh(x[:, 2])]

    def law(x: Tensor) -> Tensor:
        return outer(torch.sin(2 * x[:, 0]) + x[:, 1] ** 2 + torch.tanh(x[:, 2]))

    node = nodes(x, slopes(law, x))[0]
    assert node.features == (0, 1, 2)
    assert not node.product
    assert all(unlike(curve, part, True) < 1e-4 for curve, part in zip(node.curves, parts, strict=True))
    ratios = [float(curve.std() / part.std()) for curve, part in zip(node.curves, parts, strict=True)]
    assert ratios == pytest.approx([ratios[0]] * 3, rel=1e-4)


def test_the_factors_of_a_product_are_found_through_their_zeros() -> None:
    x = points(400, 2)

    def law(x: Tensor) -> Tensor:
        return torch.log(2 + torch.tanh(x[:, 0]) * torch.exp(x[:, 1]))

    node = next(node for node in nodes(x, slopes(law, x)) if node.product)
    assert unlike(node.curves[0], torch.tanh(x[:, 0]), False) < 1e-3
    assert unlike(node.curves[1], torch.exp(x[:, 1]), False) < 1e-3


def test_features_that_do_not_belong_together_are_left_apart() -> None:
    x = points(400, 2)
    assert nodes(x, slopes(lambda x: torch.sin(3 * x[:, 0]) + x[:, 0] * x[:, 1] ** 2, x)) == []


def test_a_joined_problem_has_a_feature_less_and_loses_nothing() -> None:
    x = points(600, 3)
    t = x[:, 1] + torch.sin(x[:, 0] ** 2 + torch.tanh(2 * x[:, 2]))
    problem = Problem.of(Rows(x, t))
    smooth = surrogate(problem.z, problem.t)
    inside = interior(problem.z[smooth.rows])
    together = nodes(problem.z[smooth.rows][inside], smooth.slopes[inside])
    misfit, smaller = next(joins(problem, smooth, together, LIBRARY))
    assert misfit < 1e-3
    assert smaller.size == 2
    u = x[:, 0] ** 2 + torch.tanh(2 * x[:, 2])
    assert min(unlike(smaller.z[:, k], u, True) for k in range(2)) < 1e-3


def test_a_crease_is_one_feature_more_where_it_has_both_signs() -> None:
    x = torch.rand(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + torch.tensor([0.0, 0.5])
    problem = Problem.of(Rows(x, x.sum(1)))
    (wider,) = creased(problem, LIBRARY)
    torch.testing.assert_close(wider.z, torch.cat([x, (x[:, :1] - x[:, 1:]).abs()], 1))
    assert not list(creased(problem, {"sin": LIBRARY["sin"]}))
    assert not list(creased(Problem.of(Rows(x.repeat(1, 2), x.sum(1))), LIBRARY))


def test_a_kink_is_folded_away_where_a_feature_has_both_signs() -> None:
    x = torch.stack([points(50, 1)[:, 0], points(50, 1, 1, 2)[:, 0]], 1)
    problem = Problem.of(Rows(x, x[:, 0].abs()))
    (smaller,) = folded(problem, LIBRARY)
    assert torch.equal(smaller.z, torch.stack([x[:, 0].abs(), x[:, 1]], 1))
    assert not list(folded(problem, {"sin": LIBRARY["sin"]}))


def test_the_derivatives_of_the_stand_in_are_exact() -> None:
    x = points(700, 2)
    law: Law = lambda x: torch.exp(-torch.cos(2 * x[:, 0]) - x[:, 1] ** 2)  # noqa: E731
    smooth = surrogate(x, law(x))
    off = (smooth.slopes - slopes(law, x)[smooth.rows]).abs().median()
    assert float(off) < 1e-5
    assert float((smooth.values - law(x)[smooth.rows]).square().mean().sqrt()) <= smooth.error


def test_a_function_of_one_feature_needs_no_process() -> None:
    x = points(300, 1)
    smooth = surrogate(x, torch.sin(4 * x[:, 0]))
    assert smooth.error < 1e-7
    assert float((smooth.slopes[:, 0] - 4 * torch.cos(4 * x[smooth.rows, 0])).abs().median()) < 1e-5


def test_terms_that_are_nothing_are_left_out() -> None:
    x = points(100, 1)
    rows = Rows(x, 2 * torch.sin(1.3 * x[:, 0]))
    sine = multiply(Number(1.5), Call(LIBRARY["sin"], add(multiply(Number(1.0), Variable(0)), Number(0.1))))
    fitted, error = refit(add(sine, multiply(Number(0.2), Variable(0)), Number(0.1)), rows)
    assert error < 1e-24
    (number, call) = without_traces(fitted, x).factors  # type: ignore[union-attr]
    assert number.value == pytest.approx(2, abs=1e-6)
    assert call == Call(LIBRARY["sin"], call.argument)
    assert not math.isnan(error)


@pytest.mark.parametrize("outer", [torch.exp, torch.cos])
@pytest.mark.parametrize(
    ("f", "g", "off"),
    [
        (lambda s: torch.sin(2 * s), lambda s: torch.cos(3 * s), 1e-3),
        (lambda s: s, lambda s: torch.sin(3 * s), 1e-3),
        (lambda s: torch.sin(1.3 * torch.arctan(s**2)), lambda s: torch.sin(3 * s), 3e-3),
    ],
    ids=["both turn", "one passes zero", "one stays even"],
)
def test_factors_that_pass_zero_and_turn_are_read_off_the_derivatives(
    outer: Callable[[Tensor], Tensor], f: Law, g: Law, off: float
) -> None:
    x = points(400, 2)
    (node,) = nodes(x, slopes(lambda x: outer(f(x[:, 0]) * g(x[:, 1])), x))
    assert node.product
    assert unlike(node.curves[0], f(x[:, 0]), constant=False) < off
    assert unlike(node.curves[1], g(x[:, 1]), constant=False) < off


def test_a_power_in_a_node_becomes_the_feature_itself() -> None:
    x = torch.cat([points(200, 1), points(200, 1, 0.1, 2, seed=1)], 1)
    turns, feature = torch.cos(1.5 * x[:, 0]), x[:, 1]
    total = Node((0, 1), (0.7 * turns.log(), 0.7 * feature.log()), 1e-4, False)
    roots = Node((0, 1), (turns, feature.sqrt()), 1e-4, True)
    for node, factor in ((total, turns), (roots, turns.square())):
        (plain,) = plainer(node, x)
        assert plain.product
        assert unlike(plain.curves[0], factor, constant=False) < 1e-9
        assert unlike(plain.curves[1], feature, constant=False) < 1e-9
    assert not list(plainer(Node((0, 1), (turns, feature), 1e-4, True), x))


@pytest.mark.parametrize(("shift", "kept"), [(2.0, False), (-2.0, False), (0.5, True)])
def test_an_absolute_value_of_one_sign_is_left_out(shift: float, kept: bool) -> None:
    x = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    tree = multiply(Number(3.0), Call(LIBRARY["abs"], add(Variable(0), Number(shift))))
    plain = without_traces(tree, x)
    assert ("abs" in calls(plain)) is kept
    torch.testing.assert_close(tree_values(plain, x), tree_values(tree, x))
