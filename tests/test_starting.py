"""A network with one hidden node starts where a linear calculation says, and no seed leaves it in a fold."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kanlens import KAN, BSpline, LevenbergMarquardt, cut, fit
from kanlens.starting import aligned

OUTER: dict[str, Callable[[Tensor], Tensor]] = {
    "exp": torch.exp,
    "sqrt": lambda s: (s + 1.1).sqrt(),
    "reciprocal": lambda s: 1 / (s + 1.5),
    "tanh": torch.tanh,
}


def sample(outer: Callable[[Tensor], Tensor], rows: int = 500) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.rand(rows, 2, generator=generator, dtype=torch.float64) - 1
    return x, outer(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)


def network(seed: int = 0) -> KAN:
    return KAN([2, 1, 1], basis=BSpline(3, 10), seed=seed, dtype=torch.float64)


@pytest.mark.parametrize("name", OUTER)
def test_the_start_is_nearly_right_where_the_outer_function_is_monotone(name: str) -> None:
    x, y = sample(OUTER[name])
    start = aligned(network(), x, y)
    assert start is not None
    assert (start(x) - y).std() < 0.1 * y.std()


def test_the_start_does_not_depend_on_the_units() -> None:
    x, y = sample(torch.exp)
    start, other = aligned(network(), x, y), aligned(network(), 1e4 * x - 3, 1e-6 * y + 7)
    assert start is not None
    assert other is not None
    torch.testing.assert_close((other(1e4 * x - 3) - 7) / 1e-6, start(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("widths", [[2, 2, 1], [2, 1, 1, 1], [2, 1], [2, (0, 1), 1], [2, 1, (0, 1)]])
def test_other_forms_have_no_such_start(widths: list[int]) -> None:
    assert aligned(KAN(widths, dtype=torch.float64), *sample(torch.exp)) is None


def test_a_network_with_an_edge_cut_has_none() -> None:
    model = network()
    assert aligned(cut(model, [model.live()[0]]), *sample(torch.exp)) is None


def test_no_seed_ends_in_a_fold() -> None:
    x, _ = sample(torch.exp)
    y = (x.square().sum(1, keepdim=True) + 0.1).sqrt()  # about half of the seeds did
    for seed in range(8):
        loss = fit(network(seed), x, y, solver=LevenbergMarquardt(steps=40)).loss
        assert min(loss) < 1e-5 * y.var()


def test_a_network_that_does_well_already_goes_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = sample(torch.exp)
    model = network(2)
    fit(model, x, y, solver=LevenbergMarquardt(steps=12))
    monkeypatch.setattr("kanlens.training.aligned", lambda *_: pytest.fail("asked for another start"))
    fit(model, x, y, solver=LevenbergMarquardt(steps=12))
