"""A network with one hidden node starts where a linear calculation says, and no seed leaves it in a fold."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from kanlens import KAN, BSpline, LevenbergMarquardt, cut, fit
from kanlens import surrogate as surrogates
from kanlens.nested import nested
from kanlens.starting import aligned
from samples import points

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


# --- from the slopes of a stand-in -----------------------------------------------------------

NESTED: dict[str, tuple[list[int], Callable[[Tensor], Tensor]]] = {
    "a sine of a sum": ([2, 1, 1], lambda x: torch.sin(2 * torch.pi * (x[:, 0] / 2 + x[:, 1] ** 2))),
    "an input that does not count": ([3, 1, 1], lambda x: torch.sin(4 * x[:, 0] * x[:, 0].abs() + 3 * x[:, 2])),
    "two sums": ([4, 2, 1, 1], lambda x: torch.exp(torch.sin(3 * x[:, 0] + x[:, 2] ** 2) - (x[:, 1] + x[:, 3]) ** 2)),
    "two sums at the end": ([4, 2, 1], lambda x: torch.sin(3 * x[:, 0] + x[:, 2]) + (x[:, 1].exp() + x[:, 3]) ** 2),
}


def nested_sample(name: str) -> tuple[list[int], Tensor, Tensor]:
    widths, function = NESTED[name]
    x = 2 * torch.rand(1000, widths[0], generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1
    return widths, x, function(x)[:, None]


@pytest.mark.parametrize("name", NESTED)
def test_slopes_give_a_start_that_is_nearly_right_whatever_turns(name: str) -> None:
    widths, x, y = nested_sample(name)
    start = nested(KAN(widths, basis=BSpline(3, 10), dtype=torch.float64), x, y)
    assert start is not None
    assert (start(x) - y).std() < 0.15 * y.std()


@pytest.mark.parametrize("name", NESTED)
def test_no_seed_stays_away_from_it(name: str) -> None:
    widths, x, y = nested_sample(name)
    for seed in range(3):
        model = KAN(widths, basis=BSpline(3, 10), seed=seed, dtype=torch.float64)
        assert fit(model, x, y, solver=LevenbergMarquardt(steps=40)).loss[-1] < 1e-3 * y.var()


def test_the_start_by_slopes_does_not_depend_on_the_units() -> None:
    widths, x, y = nested_sample("two sums")
    model, units = KAN(widths, dtype=torch.float64), torch.tensor([1e4, 1e-5, 1.0, 100.0], dtype=torch.float64)
    start, other = nested(model, x, y), nested(model, units * x - 3 * units, 1e-6 * (y + 7))
    assert start is not None
    assert other is not None
    difference = other(units * x - 3 * units) / 1e-6 - 7 - start(x)
    assert difference.std() < 1e-2 * y.std()


def test_a_start_by_slopes_fits_one_process_to_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, fitted = [], surrogates._fitted

    def noted(z: Tensor, t: Tensor, rows: Tensor, *rest: Any) -> Any:
        sizes.append(len(rows))
        return fitted(z, t, rows, *rest)

    monkeypatch.setattr(surrogates, "_fitted", noted)
    x = points(400, 2).abs() + 0.5
    y = (x[:, :1] + x[:, 1:]).sin() + 20  # its logarithm has nearly its form
    surrogates.surrogate(x, y[:, 0])
    assert sizes.count(400) > 1  # one that is used as it is is the best of several
    sizes.clear()
    assert nested(KAN([2, 1, 1], dtype=torch.float64), x, y) is not None
    assert sizes.count(400) == 1


@pytest.mark.parametrize("widths", [[2, 2, 1], [2, 1], [2, (0, 1), 1], [2, 1, 2], [13, 1, 1]])
def test_other_forms_have_no_start_by_slopes(widths: list[int]) -> None:
    x = points(50, widths[0])
    assert nested(KAN(widths, dtype=torch.float64), x, x[:, : widths[-1]]) is None


def test_where_there_are_no_slopes_there_is_no_such_start() -> None:
    x = points(200, 2)
    assert nested(KAN([2, 1, 1], dtype=torch.float64), x, torch.ones_like(x[:, :1])) is None
    noise = torch.randn(200, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert nested(KAN([2, 1, 1], dtype=torch.float64), x, noise) is None
