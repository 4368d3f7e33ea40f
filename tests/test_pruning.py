"""Pruning finds the smallest network that does as well, and loses nothing."""

import copy

import pytest
import torch
from torch import Tensor

from kanlens.errors import InputError
from kanlens.network import KAN
from kanlens.pruning import _Judge, prune
from kanlens.solvers import LBFGS
from kanlens.training import fit
from samples import points, tutorial

HELD = points(300, 3, seed=9, low=-0.9, high=0.9)


def trained(widths: list, y: Tensor, x: Tensor) -> KAN:
    model = KAN(widths, seed=0, dtype=torch.float64)
    fit(model, x, y)
    return model


def sizes(model: KAN) -> list[int]:
    return [width.size for width in model.spec.widths]


@torch.no_grad()
def rmse(model: KAN, x: Tensor, y: Tensor) -> float:
    return float((model(x) - y).square().mean().sqrt())


def test_the_tutorials_network_shrinks_to_the_laws_own_shape_and_loses_nothing() -> None:
    x = points(400, 2)
    model = trained([2, 5, 1], tutorial(x), x)
    small = prune(model, x, tutorial(x))
    assert sizes(small) == [2, 1, 1]
    assert len(small.live()) == 3
    held = HELD[:, :2]
    assert rmse(small, held, tutorial(held)) < 2 * rmse(model, held, tutorial(held)) + 1e-4


def test_an_input_that_does_not_matter_loses_its_edges() -> None:
    x = points(400, 3)
    model = trained([3, 2, 1], tutorial(x), x)
    small = prune(model, x, tutorial(x))
    assert all(edge.in_ != 2 for edge in small.live() if edge.layer == 0)
    assert {edge.in_ for edge in small.live() if edge.layer == 0} == {0, 1}
    changed = HELD.clone()
    changed[:, 2] = 0
    torch.testing.assert_close(small(changed), small(HELD), rtol=0, atol=0)


def test_noise_on_the_targets_is_not_a_reason_to_keep_a_noise_column() -> None:
    x = points(400, 3)
    y = torch.sin(3 * x[:, :1]) + x[:, 1:2] ** 2
    y = y + 0.1 * torch.randn(400, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    small = prune(trained([3, 1], y, x), x, y)
    assert {edge.in_ for edge in small.live()} == {0, 1}


def test_a_product_keeps_two_nodes() -> None:
    x = points(400, 2)
    y = x[:, :1] * x[:, 1:]
    model = trained([2, 4, 1], y, x)
    small = prune(model, x, y)
    assert sizes(small) == [2, 2, 1]
    held = HELD[:, :2]
    assert rmse(small, held, held[:, :1] * held[:, 1:]) < 1e-3


def test_a_sum_of_functions_needs_one_node_only() -> None:
    x = points(400, 2)
    y = torch.sin(2 * x[:, :1]) + torch.exp(x[:, 1:])
    assert sizes(prune(trained([2, 3, 1], y, x), x, y)) == [2, 1, 1]


def test_the_network_is_untouched_and_the_result_has_its_dtype() -> None:
    x = points(200, 2)
    model = KAN([2, 3, 1])
    fit(model, x, tutorial(x))
    before, spec = copy.deepcopy(model.state_dict()), model.spec
    small = prune(model, x)
    assert small.dtype == model.dtype == torch.float32
    assert model.spec == spec
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_nodes_and_edges_are_pruned_as_asked() -> None:
    x = points(200, 3)
    model = trained([3, 2, 1], tutorial(x), x)
    assert sizes(prune(model, x, tutorial(x), nodes=False)) == [3, 2, 1]
    only_nodes = prune(model, x, tutorial(x), edges=False)
    assert len(only_nodes.live()) == 4 * sizes(only_nodes)[1]


def test_every_output_keeps_an_edge() -> None:
    x = points(100, 2)
    y = torch.cat([torch.sin(3 * x[:, :1]), torch.full((100, 1), 2.0)], 1)
    small = prune(trained([2, 2], y, x), x, y)
    assert {edge.out for edge in small.live()} == {0, 1}
    assert small(x).isfinite().all()


def test_few_rows_are_enough() -> None:
    x = points(8, 2)
    assert prune(trained([2, 2, 1], tutorial(x), x), x, tutorial(x))(x).isfinite().all()


def test_bad_data_are_refused() -> None:
    model = KAN([2, 1])
    with pytest.raises(InputError, match=r"shape \(rows, 2\)"):
        prune(model, points(5, 3))
    with pytest.raises(InputError, match="as many targets as inputs"):
        prune(model, points(5, 2), points(4, 1))


def test_trials_that_are_lost_end_early(monkeypatch: pytest.MonkeyPatch) -> None:
    x = points(300, 3)
    y = torch.exp(torch.sin(2 * x[:, :1]) + x[:, 1:2] ** 2)
    model = trained([3, 1, 1], y, x)
    steps = {}

    def note(network: KAN, *args: object, **options: object) -> None:
        history = fit(network, *args, **options)
        steps.setdefault(len(network.live()), []).append(len(history.loss))

    monkeypatch.setattr("kanlens.pruning.fit", note)
    small = prune(model, x, y, nodes=False)
    assert [(edge.layer, edge.in_) for edge in small.live()] == [(0, 0), (0, 1), (1, 0)]
    assert max(steps[2]) == 3 < max(steps[3])  # the law's own edges are missed at once


def test_a_trial_that_knows_its_rows_by_heart_ends_when_other_rows_say_that_it_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = points(60, 4)
    y = torch.sin(3 * x[:, :1]) * x[:, 1:2]
    judge, steps = _Judge.of(x, y, 0.0), []
    monkeypatch.setattr("kanlens.pruning.fit", lambda *args, **options: steps.append(len(fit(*args, **options).loss)))
    monkeypatch.setattr(_Judge, "solver", lambda self, model, steps: LBFGS(steps))
    model = KAN([4, 6, 1], seed=0, dtype=torch.float64)
    whole = judge.refit(model, 8)
    tried = judge.refit(model, 8, wanted=0.1 * whole.error)
    assert judge._mean_square(tried.model) ** 0.5 < 0.1 * whole.error < 0.1 * tried.error
    assert steps == [8, 3]


def test_dozens_of_inputs_that_do_not_matter_go_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    x = points(300, 30)
    y = torch.sin(2 * x[:, :1]) + x[:, 1:2] ** 2
    y = y + 0.1 * torch.randn(300, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = trained([30, 1], y, x)
    fits = []
    monkeypatch.setattr("kanlens.pruning.fit", lambda *args, **options: fits.append(fit(*args, **options)))
    small = prune(model, x, y)
    assert {edge.in_ for edge in small.live()} == {0, 1}
    assert len(fits) < 25


@pytest.mark.slow
def test_a_network_that_knows_its_rows_by_heart_is_pruned_by_what_it_predicts() -> None:
    x = points(300, 30)
    y = x[:, :1] ** 2 + torch.sin(2 * x[:, 1:2])
    noisy = y + 0.05 * torch.randn(300, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = KAN([30, 5, 1], seed=0, dtype=torch.float64)
    fit(model, x, noisy, solver=LBFGS(20))
    assert rmse(model, x, noisy) < 0.01
    small = prune(model, x, noisy)
    assert sizes(small) == [30, 1, 1]
    assert {edge.in_ for edge in small.live() if edge.layer == 0} == {0, 1}
