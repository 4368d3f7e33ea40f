"""What a formula is made of shows in its derivatives."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kanlens import KAN, fit
from kanlens.errors import InputError
from kanlens.structure import (
    Part,
    alignment,
    dependence,
    gradients,
    hessians,
    is_separable,
    mixed,
    separate,
    tree,
)


def points(columns: int, rows: int = 200) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(rows, columns, generator=generator, dtype=torch.float64) * 1.6 + 0.2


def shape(part: Part) -> object:
    return part.inputs[0] if not part.parts else (part.kind, *map(shape, part.parts))


def test_derivatives_are_those_of_the_formula() -> None:
    x = points(3)
    f = lambda x: (x[:, [0]] * x[:, [1]] ** 2).sin() + x[:, [2]]  # noqa: E731
    a, b, _ = x.unbind(1)
    slope = (a * b**2).cos()
    assert torch.allclose(gradients(f, x), torch.stack([b**2 * slope, 2 * a * b * slope, torch.ones_like(a)], 1))
    assert torch.allclose(hessians(f, x)[:, 0, 0], -(b**4) * (a * b**2).sin())
    assert not hessians(f, x)[:, 2].any()
    assert not gradients(lambda x: torch.ones(len(x)), x).any()


def test_derivatives_of_networks_can_be_trained_on() -> None:
    model, x = KAN([2, 3, 1], dtype=torch.float64), points(2)
    hessians(model, x, create_graph=True).square().sum().backward()
    assert model.layers[0].coef.grad is not None
    difference = (model(x + torch.tensor([1e-6, 0.0])) - model(x - torch.tensor([1e-6, 0.0]))) / 2e-6
    assert torch.allclose(gradients(model, x)[:, 0], difference.detach()[:, 0], atol=1e-6)


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e9])
def test_the_measure_has_no_units(unit: float) -> None:
    x = points(2)
    here = mixed(lambda x: x[:, 0] * x[:, 1], x)
    there = mixed(lambda x: 1e-5 * x[:, 0] * x[:, 1], unit * x)
    assert torch.allclose(here, there)


@given(st.permutations(range(5)), st.integers(1, 4))
@settings(max_examples=10, deadline=None)
def test_any_division_into_sums_and_products_is_found(order: list[int], cut: int) -> None:
    left, right = order[:cut], order[cut:]
    p = lambda x: x[:, left].sum(1) + x[:, left].prod(1)  # noqa: E731
    q = lambda x: x[:, right].sum(1) + x[:, right].square().prod(1)  # noqa: E731
    wanted = sorted([tuple(sorted(left)), tuple(sorted(right))])
    x = points(5)
    assert separate(lambda x: p(x) + q(x), x) == wanted
    assert is_separable(lambda x: p(x) + q(x), x, wanted)
    assert not is_separable(lambda x: p(x) * q(x), x, wanted, tolerance=1e-4)
    assert is_separable(lambda x: p(x) * q(x), x, wanted, "product")
    assert is_separable(lambda x: (p(x) + q(x)).sin(), x, wanted, "function of a sum", tolerance=1e-4)
    assert not is_separable(lambda x: p(x) + q(x) * (1 + p(x) ** 2), x, wanted, "function of a sum", tolerance=1e-4)


def test_three_groups_are_a_sum_only_if_no_pair_depends_on_the_third() -> None:
    x = points(3)
    mixture = lambda x: x[:, 0] * x[:, 2] + x[:, 1]  # noqa: E731
    assert not is_separable(mixture, x, [[0], [1], [2]], "function of a sum")
    assert is_separable(mixture, x, [[0, 2], [1]], "function of a sum")


def test_groups_must_hold_each_input_once() -> None:
    for groups in ([[0], [1]], [[0, 1], [1, 2]], [[0], [1], [3]]):
        with pytest.raises(InputError, match="each of 3 inputs once"):
            is_separable(lambda x: x.sum(1), points(3), groups)


def test_a_function_of_several_outputs_is_refused() -> None:
    with pytest.raises(InputError, match="Pick one output"):
        mixed(lambda x: x, points(3))


def test_a_group_is_known_by_one_scalar_or_not() -> None:
    x = points(3)
    assert dependence(lambda x: (x[:, 0] ** 2 + x[:, 1] ** 2).sqrt() * x[:, 2], x, [0, 1]) < 1e-12
    assert dependence(lambda x: x[:, 0] ** x[:, 2] + x[:, 1], x, [0, 1]) > 0.1
    assert dependence(lambda x: x.sum(1), x, [0]) == dependence(lambda x: x.sum(1), x, [0, 1, 2]) == 0


def test_gradients_align_with_the_right_scalar_only() -> None:
    x = points(3)
    f = lambda x: (x[:, 0] / x[:, 1]).tanh() * x[:, 2]  # noqa: E731
    assert float(alignment(f, lambda x: x[:, 0] / x[:, 1], x, [0, 1]).abs().min()) > 1 - 1e-9
    assert float(alignment(f, lambda x: x[:, 0] * x[:, 1], x, [0, 1]).abs().median()) < 0.9


def test_a_sine_of_a_product_is_no_product_though_it_is_nearly_one_where_it_is_small() -> None:
    x = torch.rand(300, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
    pairs = [[0, 1], [2, 3], [4, 5]]
    inner = lambda x: (x[:, 0] + x[:, 1]) * (x[:, 2] + x[:, 3]) * (x[:, 4] + x[:, 5])  # noqa: E731
    assert is_separable(inner, x, pairs, "product")
    assert not is_separable(lambda x: inner(x).sin(), x, pairs, "product")
    assert is_separable(lambda x: inner(x).sin(), x, pairs, "function of a sum")


TREES: list[tuple[Callable[[Tensor], Tensor], int, object]] = [
    (
        lambda x: ((x[:, 0] ** 2 + x[:, 1] ** 2) ** 2 + (x[:, 2] ** 2 + x[:, 3] ** 2) ** 2) ** 2,
        4,
        ("function of a sum", ("function of a sum", 0, 1), ("function of a sum", 2, 3)),
    ),
    (lambda x: x[:, 0] + x[:, 1].sin() + x[:, 2] ** 2, 3, ("sum", 0, 1, 2)),
    (lambda x: x[:, 0] * x[:, 1].sin() * x[:, 2] ** 2, 3, ("product", 0, 1, 2)),
    (lambda x: (x[:, 0] * x[:, 2]).sin() + x[:, 1], 3, ("sum", ("function of a sum", 0, 2), 1)),
    (
        lambda x: (x[:, 0] + x[:, 1] ** 2 * x[:, 2] + x[:, 1] * (3 * x[:, 2]).sin()).tanh() * x[:, 3],
        4,
        ("product", ("function of a sum", 0, ("function", 1, 2)), 3),
    ),
]


@pytest.mark.parametrize(("f", "columns", "wanted"), TREES)
def test_a_formula_has_its_tree(f: Callable[[Tensor], Tensor], columns: int, wanted: object) -> None:
    assert shape(tree(f, points(columns))) == wanted


def test_a_trained_network_shows_the_tree_of_its_law() -> None:
    x = points(3, rows=500) - 1
    y = (x[:, [0]] ** 2 + x[:, [1]]).sin() + x[:, [2]]
    model = KAN([3, 2, 1], dtype=torch.float64)
    assert fit(model, x, y).loss[-1] < 1e-5
    found = tree(model, x, tolerance=0.01)
    assert [part.inputs for part in found.parts] == [(0, 1), (2,)]
    assert found.kind == "sum"
    assert found.height == 2
