"""A function of a node beside a product of curves is found, its constants exact, and nothing else taken for one."""

from collections.abc import Callable

import pytest
import torch
from tests.test_search import points
from torch import Tensor

from kanlens.functions import LIBRARY
from kanlens.node_sums import node_sums
from kanlens.problems import Problem
from kanlens.refit import Rows
from kanlens.trees import numbers, shape

Law = Callable[[Tensor, Tensor], Tensor]

PLAIN: dict[str, tuple[Law, Law, Law]] = {
    "a sum": (lambda x, y: torch.tanh(x + 2 * y), lambda x, y: x * torch.exp(-y), lambda x, y: x + 2 * y),
    "a product": (lambda x, y: torch.exp(x * y / 2), lambda x, y: x * torch.sin(y), lambda x, y: x * y),
    "squares": (
        lambda x, y: 1 / (1 + x**2 + y**2),
        lambda x, y: x * torch.cos(2 * y),
        lambda x, y: x**2 + y**2,
    ),
}
"""What is a function of a node, what stands beside it, and the node."""


def posed(law: Tensor, x: Tensor) -> Problem:
    return Problem.of(Rows(x, law))


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_left_beside_the_product_is_a_function_of_the_node_alone(name: str) -> None:
    around, beside, node = PLAIN[name]
    x = points(600, 2, -1, 1)
    first, second = x.unbind(1)
    found = next(node_sums(posed(around(first, second) + beside(first, second), x), LIBRARY, lambda: False))
    assert len(found) == 1
    ratio = found[0].z[:, 0] / node(first, second)
    assert float(ratio.std() / ratio.mean().abs()) < 1e-5
    left = found[0].t - around(first, second)  # but for what is itself a function of the node
    ordered = left[found[0].z[:, 0].argsort()]
    assert float((ordered[1:] - ordered[:-1]).abs().mean()) < 0.05 * float(found[0].t.std())


def test_a_cone_is_seen_beside_a_product() -> None:
    x = points(600, 3, -1.5, 1.5)
    law = torch.sin(2 * x[:, :2].norm(dim=1)) + x[:, 1] * x[:, 2]
    found = next(node_sums(posed(law, x), LIBRARY, lambda: False))
    assert "(^ x0 2)" in shape(found[0].columns[0])
    assert "(^ x1 2)" in shape(found[0].columns[0])
    assert [number.value for number in numbers(found[0].columns[0])] == pytest.approx([1], abs=1e-3)


def test_a_node_of_curves_is_found_after_plain_ones() -> None:
    x = points(600, 2, -1.5, 1.5)
    law = torch.log(2 + torch.sin(2 * x[:, 0]) * torch.cos(x[:, 1])) + x.prod(1) / 3
    plain, curved = node_sums(posed(law, x), LIBRARY, lambda: False)
    assert not plain
    node = torch.sin(2 * x[:, 0]) * torch.cos(x[:, 1])
    ratio = curved[0].z[:, 0] / node
    assert float(ratio.std() / ratio.mean().abs()) < 1e-3


@pytest.mark.parametrize(
    "law",
    [lambda x: torch.sin(3 * x.prod(1)) + torch.exp(x.sum(1)) + x[:, 0] ** 2, lambda x: torch.sin(20 * x[:, 0] ** 2)],
)
def test_other_laws_are_taken_for_none(law: Callable[[Tensor], Tensor]) -> None:
    x = points(600, 2, -1, 1)
    assert not next(node_sums(posed(law(x), x), LIBRARY, lambda: False))


def test_noise_is_taken_for_none() -> None:
    x = points(600, 2, -1, 1)
    noise = torch.randn(600, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    law = torch.tanh(x[:, 0] + 2 * x[:, 1]) + x[:, 0] * torch.exp(-x[:, 1]) + 0.1 * noise
    assert not any(node_sums(posed(law, x), LIBRARY, lambda: False))


def test_nothing_begins_once_it_is_late_or_on_few_rows() -> None:
    x = points(600, 2, -1, 1)
    law = torch.tanh(x.sum(1)) + x.prod(1)
    assert not any(node_sums(posed(law, x), LIBRARY, lambda: True))
    assert not list(node_sums(posed(law[:100], x[:100]), LIBRARY, lambda: False))
