"""The pykan door: pykan's calls do what its users mean by them, without its surprises."""

import copy
import importlib.metadata
import inspect
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from torch import nn

import kan
from kan import KAN, create_dataset, create_dataset_from_data, ex_round
from kan.conflict import warn_of_pykan
from kanlens.errors import InputError, KanlensError
from kanlens.network import Edge
from kanlens.pruning import prune

x_1, x_2 = sympy.symbols("x_1 x_2")


def law(x: torch.Tensor) -> torch.Tensor:
    return torch.exp(torch.sin(torch.pi * x[:, [0]]) + x[:, [1]] ** 2)


@pytest.fixture(scope="module")
def dataset() -> dict[str, torch.Tensor]:
    return create_dataset(law, train_num=300, test_num=100)


@pytest.fixture
def model() -> KAN:
    return KAN(width=[2, 3, 1], grid=5, k=3, seed=0)


@pytest.fixture(scope="module")
def small(dataset: dict[str, torch.Tensor]) -> KAN:
    """Return a trained model of the law's own shape; tests that change it copy it."""
    model = KAN(width=[2, 1, 1], grid=10, k=3, seed=0)
    model.fit(dataset, steps=60)
    return model


# --- names -------------------------------------------------------------------------------


def test_a_star_import_gives_what_notebooks_lean_on() -> None:
    names: dict[str, Any] = {}
    exec("from kan import *", names)
    wanted = "KAN MultKAN KANLayer create_dataset create_dataset_from_data ex_round add_symbolic SYMBOLIC_LIB LBFGS"
    wanted += " torch nn np plt sympy tqdm os copy math nsimplify expand simplify symbols Symbol sin"
    assert set(wanted.split()) <= set(names)
    assert issubclass(names["LBFGS"], torch.optim.LBFGS)
    assert names["symbols"] is sympy.symbols


def test_a_star_import_leaves_most_of_sympy_out() -> None:
    assert not {"E", "I", "N", "S", "test", "plot", "beta"} & set(kan.__all__)


def test_every_exported_name_exists_and_is_no_module_of_the_door() -> None:
    for name in kan.__all__:
        assert not getattr(getattr(kan, name), "__name__", "").startswith("kan."), name


def test_the_modules_that_notebooks_import_exist() -> None:
    from kan.KAN import KAN
    from kan.KANLayer import KANLayer
    from kan.LBFGS import LBFGS
    from kan.MultKAN import MultKAN
    from kan.spline import B_batch
    from kan.utils import SYMBOLIC_LIB

    assert callable(B_batch)
    assert KAN is MultKAN is kan.KAN
    assert KANLayer is kan.KANLayer
    assert LBFGS is kan.LBFGS
    assert SYMBOLIC_LIB is kan.SYMBOLIC_LIB


def test_pykan_beside_it_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: SimpleNamespace(name=name))
    with pytest.warns(UserWarning, match="pip uninstall pykan"):
        warn_of_pykan()


# --- construction ------------------------------------------------------------------------

OLD = {
    "grid": 4,
    "k": 2,
    "noise_scale": 0.1,
    "noise_scale_base": 0.1,
    "base_fun": nn.SiLU(),
    "symbolic_enabled": True,
    "bias_trainable": True,
    "grid_eps": 1.0,
    "grid_range": [-2, 2],
    "sp_trainable": True,
    "sb_trainable": True,
    "device": "cpu",
    "seed": 0,
}
NEW = {
    "grid": 4,
    "k": 2,
    "mult_arity": 2,
    "noise_scale": 0.3,
    "scale_base_mu": 0.0,
    "scale_base_sigma": 1.0,
    "base_fun": "silu",
    "symbolic_enabled": True,
    "affine_trainable": False,
    "grid_eps": 0.02,
    "grid_range": [-2, 2],
    "sp_trainable": True,
    "sb_trainable": True,
    "seed": 1,
    "save_act": True,
    "sparse_init": False,
    "auto_save": True,
    "first_init": True,
    "ckpt_path": None,
    "state_id": 0,
    "round": 0,
    "device": "cpu",
}


@pytest.mark.parametrize("options", [OLD, NEW], ids=["0.0.x", "0.2.x"])
def test_both_generations_of_arguments_are_known(options: dict[str, Any]) -> None:
    model = KAN(width=[2, 3, 1], **options)
    assert (model.grid, model.k, model.depth) == (4, 2, 2)
    assert model.act_fun[0].grid[0, 2] == -2
    assert model(torch.zeros(5, 2)).shape == (5, 1)


def test_an_unknown_argument_is_named_with_the_likely_one() -> None:
    with pytest.raises(TypeError, match=r"got 'gird'. Did you mean 'grid'\?"):
        KAN(width=[2, 1], gird=5)


def test_arguments_show_in_the_signature() -> None:
    assert {"width", "grid", "mult_arity", "bias_trainable"} <= set(inspect.signature(KAN).parameters)
    assert [*inspect.signature(KAN.fit).parameters][:4] == ["self", "dataset", "opt", "steps"]


def test_positional_arguments_come_in_pykans_order() -> None:
    model = KAN([2, 1], 7, 2)
    assert (model.grid, model.k) == (7, 2)


def test_the_callers_width_stays_as_it_was() -> None:
    width = [2, [3, 1], 1]
    model = KAN(width=width)
    model.refine(6)
    assert width == [2, [3, 1], 1]
    assert model.width == [[2, 0], [3, 1], [1, 0]]


@pytest.mark.parametrize("width", [(2, 3, 1), [np.int64(2), np.int64(3), 1], [2, (3, 0), [1, 0]]])
def test_widths_may_be_tuples_and_numpy_numbers(width: Any) -> None:
    assert KAN(width=width).width == [[2, 0], [3, 0], [1, 0]]


def test_products_multiply_as_many_factors_as_asked() -> None:
    assert KAN(width=[2, [1, 2], 1], mult_arity=3).width_out == [2, 7, 1]
    mixed = KAN(width=[2, [1, 2], 1], mult_arity=[[], [2, 3], []])
    assert (mixed.width_in, mixed.width_out) == ([2, 3, 1], [2, 6, 1])
    with pytest.raises(InputError, match="expected 2 arities"):
        KAN(width=[2, [1, 2], 1], mult_arity=[[], [2], []])


@pytest.mark.parametrize(("base_fun", "name"), [("zero", "zero"), (nn.SiLU(), "silu"), (nn.functional.silu, "silu")])
def test_base_functions_go_by_name_or_callable(base_fun: Any, name: str) -> None:
    assert KAN(width=[2, 1], base_fun=base_fun).base_fun_name == name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_fun": torch.relu}, "expected base_fun"),
        ({"grid": [3, 5]}, "expected grid for each of 1 layers, got 2"),
        ({"grid": 2.5}, "expected grid to be an integer"),
        ({"width": None}, "expected width"),
    ],
)
def test_what_cannot_be_built_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        KAN(**{"width": [2, 1], **options})


def test_base_scales_and_sparse_starts() -> None:
    level = KAN(width=[4, 3], scale_base_mu=5.0, scale_base_sigma=0.0).act_fun[0]
    assert torch.allclose(level.scale_base, torch.full((4, 3), 2.5))
    sparse = KAN(width=[4, 4, 2], sparse_init=True)
    assert torch.equal(sparse.act_fun[0].mask, torch.eye(4))
    assert sparse.n_edge == 4 + 4


def test_a_seed_means_a_model() -> None:
    x = torch.rand(5, 2)
    assert torch.equal(KAN(width=[2, 3, 1], seed=3)(x), KAN(width=[2, 3, 1], seed=3)(x))
    assert not torch.equal(KAN(width=[2, 3, 1], seed=3)(x), KAN(width=[2, 3, 1], seed=4)(x))


# --- nothing surprising ------------------------------------------------------------------


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Run a test in an empty folder, and check that it writes nothing and leaves the random states alone."""
    monkeypatch.chdir(tmp_path)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    yield tmp_path
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])  # noqa: NPY002
    assert list(tmp_path.iterdir()) == []


def test_a_whole_session_writes_nothing_and_seeds_nothing(
    watched: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", sys)  # loaded where notebooks are run, too, and nobody watches
    data = create_dataset(law, train_num=200, test_num=50)
    model = KAN(width=[2, 2, 1], grid=5)
    model(data["train_input"])
    model.plot()
    model.train(data, opt="LBFGS", steps=8, lamb=0.01)
    model = model.prune().refine(10)
    model.fit(data, steps=4)
    assert capsys.readouterr() == ("", "")


def test_figures_of_a_fit_go_where_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: KAN, dataset: dict[str, torch.Tensor]
) -> None:
    monkeypatch.chdir(tmp_path)
    model.fit(dataset, steps=3, save_fig=True, save_fig_freq=2, img_folder="film", in_vars=["a", "b"])
    assert sorted(path.name for path in (tmp_path / "film").iterdir()) == ["0.jpg", "2.jpg"]


# --- training ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["train", "fit"])
def test_train_and_fit_return_the_errors_of_each_step(
    method: str, model: KAN, dataset: dict[str, torch.Tensor]
) -> None:
    results = getattr(model, method)(dataset, opt="LBFGS", steps=10, lamb=0.01, lamb_entropy=10.0)
    assert set(results) == {"train_loss", "test_loss", "reg"}
    assert len(results["train_loss"]) == len(results["test_loss"]) == len(results["reg"]) == 10
    for part in ("train", "test"):
        error = (model(dataset[f"{part}_input"]) - dataset[f"{part}_label"]).square().mean().sqrt().item()
        assert results[f"{part}_loss"][-1] == pytest.approx(error, rel=1e-3)
    assert results["train_loss"][-1] < 0.2 * dataset["train_label"].std()


def test_train_is_still_the_modules_switch(model: KAN, dataset: dict[str, torch.Tensor]) -> None:
    assert model.eval() is model
    assert not model.training
    assert not model.core.training
    assert model.train() is model
    assert model.training
    assert not model.train(mode=False).training
    outer = nn.Sequential(model, nn.Linear(1, 1)).train()
    assert model.training
    outer.eval()
    assert not model.training
    assert "train_loss" in model.train(dataset=dataset, steps=1)


def test_labels_of_one_axis_mean_the_same(dataset: dict[str, torch.Tensor]) -> None:
    flat = {key: values[:, 0] if "label" in key else values for key, values in dataset.items()}
    wide, narrow = (KAN(width=[2, 2, 1], seed=0).fit(data, steps=5) for data in (dataset, flat))
    assert wide == narrow


def test_labels_that_do_not_fit_are_refused(model: KAN, dataset: dict[str, torch.Tensor]) -> None:
    with pytest.raises(InputError, match=r"expected targets of shape \(rows, 1\)"):
        model.fit({**dataset, "train_label": torch.zeros(300, 3)}, steps=1)


def test_a_dataset_without_labels_is_refused(model: KAN) -> None:
    with pytest.raises(InputError, match="expected a dataset with 'train_input' and 'train_label'"):
        model.fit({"train_input": torch.zeros(3, 2)})


def test_a_dataset_may_lack_a_test_part(model: KAN, dataset: dict[str, torch.Tensor]) -> None:
    results = model.fit({key: values for key, values in dataset.items() if "train" in key}, steps=2)
    assert set(results) == {"train_loss", "reg"}


def test_an_unknown_method_or_argument_is_refused(model: KAN, dataset: dict[str, torch.Tensor]) -> None:
    with pytest.raises(InputError, match="expected opt 'LBFGS' or 'Adam', got 'SGD'"):
        model.fit(dataset, opt="SGD")
    with pytest.raises(TypeError, match=r"got 'step'. Did you mean 'steps'\?"):
        model.train(dataset, step=5)


def test_penalties_without_a_counterpart_are_named(model: KAN, dataset: dict[str, torch.Tensor]) -> None:
    with pytest.warns(UserWarning, match="lamb_coef"):
        model.fit(dataset, steps=1, lamb_coef=1.0)


def test_adam_with_pykans_rate_does_not_diverge(model: KAN, dataset: dict[str, torch.Tensor]) -> None:
    results = model.fit(dataset, opt="Adam", steps=60)
    assert results["train_loss"][-1] < 0.5 * results["train_loss"][0]


def test_a_longer_budget_may_end_early_and_an_exact_model_still_reports(dataset: dict[str, torch.Tensor]) -> None:
    line = create_dataset(lambda x: 2 * x[:, [0]], n_var=1, train_num=50, test_num=20)
    model = KAN(width=[1, 1])
    model.fit(line, steps=50)
    again = model.fit(line, steps=50)
    assert 1 <= len(again["train_loss"]) <= 50
    assert again["train_loss"][-1] < 1e-5


def test_another_loss_gets_the_labels_as_they_are() -> None:
    x = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    classes = (x[:, 0] * x[:, 1] > 0).long()
    data = {"train_input": x, "train_label": classes, "test_input": x, "test_label": classes}
    model = KAN(width=[2, 3, 2], grid=5)

    def train_acc() -> torch.Tensor:
        return (model(x).argmax(1) == classes).float().mean()

    results = model.fit(data, steps=10, loss_fn=nn.CrossEntropyLoss(), metrics=(train_acc,))
    assert results["train_loss"] == results["test_loss"]
    assert results["train_loss"][-1] == pytest.approx(nn.CrossEntropyLoss()(model(x), classes).item(), abs=1e-4)
    assert results["train_acc"][-1] == train_acc() > 0.95
    assert model.prune().width[0] == [2, 0]


def test_metrics_see_the_model_as_it_is_at_each_step(model: KAN, dataset: dict[str, torch.Tensor]) -> None:
    def rmse() -> torch.Tensor:
        return (model(dataset["test_input"]) - dataset["test_label"]).square().mean().sqrt()

    results = model.fit(dataset, steps=6, metrics=[rmse])
    # one is of the network in float32, the other of that in float64 in which it is trained
    assert results["rmse"] == pytest.approx(results["test_loss"], rel=1e-2)
    assert len(set(results["rmse"])) > 1


def test_the_grids_stay_when_asked_to(model: KAN, dataset: dict[str, torch.Tensor]) -> None:
    before = model.act_fun[1].grid.clone()
    model.fit(dataset, steps=3, update_grid=False)
    assert torch.equal(model.act_fun[1].grid, before)
    model.fit(dataset, steps=3)
    assert not torch.equal(model.act_fun[1].grid, before)


def test_evaluate(small: KAN, dataset: dict[str, torch.Tensor]) -> None:
    found = small.evaluate(dataset)
    assert (found["n_edge"], found["n_grid"]) == (3, 10)
    assert found["test_loss"] < 0.02


# --- memory of data ----------------------------------------------------------------------


def test_a_forward_pass_is_remembered_until_a_dataset_is_seen(model: KAN, dataset: dict[str, torch.Tensor]) -> None:
    model(torch.ones(3, 2))
    assert len(model.points()) == 3
    model.fit(dataset, steps=1)
    model(torch.ones(3, 2))
    assert torch.equal(model.points(), dataset["train_input"])
    assert torch.equal(model.prune().points(), dataset["train_input"])


def test_a_forward_pass_changes_no_result(small: KAN, dataset: dict[str, torch.Tensor]) -> None:
    calm, busy = copy.deepcopy(small), copy.deepcopy(small)
    busy(torch.zeros(7, 2))
    for one in (calm, busy):
        one.auto_symbolic(lib=["x", "x^2", "exp", "sin"], verbose=0)
    assert calm.symbolic_formula() == busy.symbolic_formula()


# --- plots -------------------------------------------------------------------------------


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Record what plots are asked of the core."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr("kan.looks.plot", lambda core, x, **options: calls.append({"x": x, **options}))
    return calls


def test_a_plot_is_a_figure_before_anything_else_happened(model: KAN, watched: Path) -> None:
    from matplotlib.figure import Figure

    assert isinstance(model.plot(beta=100), Figure)
    assert isinstance(model.plot(mask=True, in_vars=[r"$\alpha$", x_2], out_vars=["y"], title="t", tick=True), Figure)


def test_without_data_a_plot_takes_points_all_over_the_grid(drawn: list[dict[str, Any]]) -> None:
    KAN(width=[3, 1], grid_range=[-2, 4]).plot()
    x = drawn[0]["x"]
    assert x.amin() == -2
    assert x.amax() == pytest.approx(4, abs=0.05)
    assert x.std(0).min() > 1.5
    assert torch.corrcoef(x.T).triu(1).abs().max() < 0.1


def test_expressions_are_set_as_mathematics(model: KAN, drawn: list[dict[str, Any]]) -> None:
    model.plot(in_vars=[x_1, x_2**2], out_vars=["y"])
    assert (drawn[0]["names"], drawn[0]["outputs"], drawn[0]["scale"]) == (["x_1", "$x_{2}^{2}$"], ["y"], 1.0)


def test_a_masked_plot_greys_what_prune_takes_away(
    model: KAN, dataset: dict[str, torch.Tensor], drawn: list[dict[str, Any]]
) -> None:
    model.fit(dataset, steps=15, lamb=0.01)
    model.plot(mask=True)
    pruned = model.prune()
    model.plot(mask=True)
    model.plot()
    nothing, grey, normal = (call["fade"] for call in drawn)
    assert not nothing
    assert not normal
    assert len(grey) == model.n_edge - pruned.n_edge > 0
    assert set(grey) < set(model.core.live())


# --- pruning and grids -------------------------------------------------------------------


def test_prune_returns_a_new_model_and_leaves_the_old(model: KAN, dataset: dict[str, torch.Tensor]) -> None:
    model.fit(dataset, steps=15)
    before = {name: values.clone() for name, values in model.state_dict().items()}
    pruned = model.prune(node_th=1e-2, edge_th=3e-2)
    assert pruned.width == [[2, 0], [1, 0], [1, 0]]
    assert all(torch.equal(values, before[name]) for name, values in model.state_dict().items())


@pytest.mark.parametrize("chosen", [[[0, 2]], [[0, 1], [0, 2]]], ids=["0.2.x", "0.0.x"])
def test_nodes_can_be_kept_by_hand(chosen: list[list[int]], model: KAN) -> None:
    for kept in (model.prune(mode="manual", active_neurons_id=chosen), model.prune_node(active_neurons_id=chosen)):
        assert kept.width_in == [2, 2, 1]
    with pytest.raises(InputError, match="expected active_neurons_id"):
        model.prune(mode="manual")
    with pytest.raises(InputError, match="expected mode"):
        model.prune(mode="off")


def test_prune_goes_on_where_prune_node_ended(
    dataset: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, calls = KAN(width=[2, 5, 1], grid=3, k=3, seed=1), []
    model.fit(dataset, opt="LBFGS", steps=20)

    def note(core: object, *data: object, **options: bool) -> object:
        calls.append(options)
        return prune(core, *data, **options)

    monkeypatch.setattr("kan.pruned.prune", note)
    slim = model.prune_node()
    both = model.prune()
    assert model.prune_node().width == slim.width == both.width == [[2, 0], [1, 0], [1, 0]]
    assert both.n_edge == 3
    assert model.prune().n_edge == slim.prune_edge().n_edge == 3
    assert calls == [{"nodes": True, "edges": False}, {"nodes": False, "edges": True}]  # once each, for both models
    model.fit(dataset, opt="LBFGS", steps=1)
    model.prune()
    assert calls[2:] == [{"nodes": True, "edges": True}]


def test_prune_node_keeps_edges_and_prune_edge_works_in_place(dataset: dict[str, torch.Tensor]) -> None:
    useless = create_dataset(lambda x: torch.sin(3 * x[:, [0]]), n_var=2, train_num=200, test_num=50)
    model = KAN(width=[2, 2, 1])
    model.fit(useless, steps=15)
    slim = model.prune_node()
    assert slim.n_edge == 3
    assert slim.prune_edge() is slim
    assert slim.n_edge == 2


def test_single_edges_and_nodes_can_be_cut(model: KAN) -> None:
    model.remove_edge(0, 1, 2)
    assert Edge(0, 2, 1) not in model.core.live()
    assert model.act_fun[0].mask[1][2] == 0
    model.remove_node(1, 0, mode="down")
    assert model.act_fun[0].mask[:, 0].sum() == 0
    assert model.act_fun[1].mask.sum() == 3
    model.remove_node(1, 1)
    assert model.act_fun[1].mask[1].sum() == 0
    model.remove_node(0, 0)
    assert model.act_fun[0].mask[0].sum() == 0
    assert model.act_fun[1].mask.sum() == 2
    with pytest.raises(InputError, match="expected a node"):
        model.remove_node(9, 0)


def test_refine_keeps_the_curves(small: KAN, dataset: dict[str, torch.Tensor]) -> None:
    finer = small.refine(np.int64(20))
    assert (finer.grid, small.grid) == (20, 10)
    assert torch.allclose(finer(dataset["test_input"]), small(dataset["test_input"]), atol=1e-4)


def test_a_finer_model_can_start_from_another_one(small: KAN, dataset: dict[str, torch.Tensor]) -> None:
    finer = KAN(width=[2, 1, 1], grid=20).initialize_from_another_model(small, dataset["train_input"])
    assert finer.grid == 20
    assert torch.allclose(finer(dataset["test_input"]), small(dataset["test_input"]), atol=1e-4)
    with pytest.raises(InputError, match="expected a model of widths"):
        KAN(width=[2, 2, 1]).initialize_from_another_model(small, dataset["train_input"])


@pytest.mark.parametrize("grid_eps", [0.0, 0.02, 1.0])
def test_grids_move_to_samples(grid_eps: float) -> None:
    model = KAN(width=[1, 1], grid=5, k=3, grid_eps=grid_eps)
    model.update_grid_from_samples(torch.linspace(-10, 10, 1001)[:, None])
    assert torch.allclose(model.act_fun[0].grid[0], torch.linspace(-22, 22, 12), atol=0.05)


# --- symbols -----------------------------------------------------------------------------


def test_an_edge_is_layer_input_output(model: KAN, capsys: pytest.CaptureFixture[str]) -> None:
    r2 = model.fix_symbolic(0, 1, 2, "x^2")
    assert capsys.readouterr().out == f"r2 is {r2:.10g}\n"
    assert model.core.symbol(Edge(0, 2, 1)).name == "x^2"  # type: ignore[union-attr]
    assert model.symbolic_fun[0].funs_name[2][1] == "x^2"
    assert model.symbolic_fun[0].funs_name[1][1] == "0"
    assert model.symbolic_fun[0].mask[2, 1] == 1
    assert model.act_fun[0].mask[1][2] == 0
    with pytest.raises(InputError, match="The input comes before the output"):
        model.fix_symbolic(0, 2, 1, "x^2")
    with pytest.raises(InputError, match="expected a layer from 0 to 1"):
        model.fix_symbolic(2, 0, 0, "x^2")


def test_get_fun_and_get_range_read_one_edge(
    model: KAN, dataset: dict[str, torch.Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    model(dataset["train_input"])
    x, y = model.get_fun(0, 1, 2)
    assert np.array_equal(x, np.sort(dataset["train_input"][:, 1].numpy()))
    single = copy.deepcopy(model)
    single.fix_symbolic(0, 1, 2, "0", fit_params_bool=False, verbose=False)
    change = model.spline_postacts[0][:, 2] - single.spline_postacts[0][:, 2]
    assert np.allclose(np.sort(y), np.sort(change.sum(1).detach().numpy()), atol=1e-6)
    assert model.get_range(0, 1, 2) == (x.min(), x.max(), y.min(), y.max())
    assert capsys.readouterr().out == f"x range: [{x[0]:.2f}, {x[-1]:.2f}]\ny range: [{y.min():.2f}, {y.max():.2f}]\n"
    model.get_range(0, 1, 2, verbose=False)
    assert capsys.readouterr().out == ""


def test_a_symbol_becomes_a_spline_of_the_same_curve(small: KAN, dataset: dict[str, torch.Tensor]) -> None:
    model = copy.deepcopy(small)
    model.fix_symbolic(0, 0, 0, "sin", verbose=False)
    model.fix_symbolic(0, 1, 0, "x^2", verbose=False)
    before = model(dataset["test_input"])
    model.unfix_symbolic(0, 0, 0)
    assert model.symbolic_fun[0].funs_name == [["0", "x^2"]]
    model.unfix_symbolic_all()
    model.unfix_symbolic(0, 0, 0)
    assert torch.equal(model.act_fun[0].mask, torch.ones(2, 1))
    assert torch.allclose(model(dataset["test_input"]), before, atol=1e-2)


def test_modes(model: KAN) -> None:
    model.fix_symbolic(0, 0, 0, "sin", verbose=False)
    model.set_mode(0, 0, 0, "s")
    assert model.symbolic_fun[0].funs_name[0][0] == "sin"
    model.set_mode(0, 0, 0, "n")
    assert model.n_edge == 9
    assert model.act_fun[0].mask.sum() == 6
    model.set_mode(0, 0, 1, "none")
    assert model.n_edge == 8
    model.set_mode(0, 0, 1, "n")
    assert model.n_edge == 9
    model.fix_symbolic(0, 0, 1, "sin", verbose=False)
    curve = model.get_fun(0, 0, 1)[1]
    model.set_mode(0, 0, 1, "ns")
    assert model.core.symbol(Edge(0, 1, 0)) is None
    assert np.allclose(model.get_fun(0, 0, 1)[1], curve, atol=1e-2)


def test_symbols_fixed_by_hand_give_the_exact_law(small: KAN) -> None:
    model = copy.deepcopy(small)
    for address, name in {(0, 0, 0): "sin", (0, 1, 0): "x^2", (1, 0, 0): "exp"}.items():
        assert (model.fix_symbolic(*address, name, verbose=False) or 0) > 0.99
    assert model.symbolic_formula()[0][0] == sympy.exp(x_2**2 + sympy.sin(sympy.pi * x_1))


def test_a_formula_shows_the_functions_that_were_fixed(dataset: dict[str, torch.Tensor]) -> None:
    model = KAN(width=[2, 1, 1])
    model.fit(dataset, steps=5)
    for address, name in {(0, 0, 0): "tanh", (0, 1, 0): "x^2", (1, 0, 0): "x"}.items():
        model.fix_symbolic(*address, name, verbose=False)
    formula = model.symbolic_formula()[0][0]
    assert {type(part) for part in formula.atoms(sympy.Function)} == {sympy.tanh}
    assert model.symbolic_fun[0].funs_name == [["tanh", "x^2"]]


def test_symbols_fixed_first_are_trained(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        return torch.sin(2 * (torch.log(x[:, [0]]) + torch.log(x[:, [1]])))

    model = KAN(width=[2, 1, 1])
    for address, name in {(0, 0, 0): "log", (0, 1, 0): "log", (1, 0, 0): "sin"}.items():
        model.fix_symbolic(*address, name, fit_params_bool=False)
    model.fit(create_dataset(f, ranges=[0.2, 5]), steps=20)
    assert model.symbolic_formula()[0] == [sympy.sin(2 * sympy.log(x_1) + 2 * sympy.log(x_2))]
    assert capsys.readouterr().out == ""


def test_a_callable_can_be_fixed_as_it_stands(small: KAN) -> None:
    model = copy.deepcopy(small)
    assert model.fix_symbolic(0, 0, 0, lambda x: torch.sin(3 * x), fit_params_bool=False) is None
    assert model.symbolic_fun[0].affine[0, 0].tolist() == [1, 0, 1, 0]
    x, y = model.get_fun(0, 0, 0)
    assert np.allclose(y, np.sin(3 * x), atol=1e-5)


def test_suggestions_are_returned_and_printed(small: KAN, capsys: pytest.CaptureFixture[str]) -> None:
    name, function, r2, complexity = small.suggest_symbolic(0, 1, 0, lib=["x", "x^2", "sin"], topk=2)
    assert (name, function, complexity) == ("x^2", kan.SYMBOLIC_LIB["x^2"], 2)
    assert r2 > 0.999
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 3
    assert printed[1].split()[0] == "x^2"
    small.suggest_symbolic(0, 1, 0, lib=["x"], verbose=False)
    assert capsys.readouterr().out == ""
    assert small.core.symbol(Edge(0, 0, 1)) is None


@pytest.fixture(scope="module")
def exact(small: KAN) -> KAN:
    model = copy.deepcopy(small)
    model.auto_symbolic(lib=["x", "x^2", "exp", "sin"], verbose=0)
    return model


def test_auto_symbolic_prints_a_line_for_each_edge(small: KAN, capsys: pytest.CaptureFixture[str]) -> None:
    model = copy.deepcopy(small)
    assert model.auto_symbolic(lib=["x", "x^2", "exp", "sin"]) is None
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(", r2=")[0] for line in printed] == [
        "fixing (0,0,0) with sin",
        "fixing (0,1,0) with x^2",
        "fixing (1,0,0) with exp",
    ]
    assert all(float(line.split("r2=")[1]) > 0.99 for line in printed)


def test_training_goes_on_with_symbols(exact: KAN, dataset: dict[str, torch.Tensor]) -> None:
    model = copy.deepcopy(exact)
    results = model.fit(dataset, steps=5)
    assert results["train_loss"][-1] < 1e-5
    assert model.symbolic_formula() == exact.symbolic_formula()


def test_constants_are_recognised_once_until_something_changes(exact: KAN, monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = copy.deepcopy(exact), []

    def settle(core: Any, *_: Any) -> Any:
        asked.append(core)
        return core

    monkeypatch.setattr("kan.named.settle", settle)
    first = model.symbolic_formula()
    assert not asked  # auto_symbolic has done so
    model.fix_symbolic(1, 0, 0, "x^2", verbose=False)
    other = model.symbolic_formula()
    assert len(asked) == 1
    assert model.symbolic_formula() == other != first
    with torch.no_grad():
        model.core.symbols[0].affine.mul_(1.5)
    assert model.symbolic_formula() != other
    assert len(asked) == 2


def test_formulas_in_other_variables(exact: KAN) -> None:
    outputs, variables = exact.symbolic_formula(var=["a", "b"])
    a, b = variables
    assert (a, b) == sympy.symbols("a b")
    assert outputs == [sympy.exp(b**2 + sympy.sin(sympy.pi * a))]
    swapped = exact.symbolic_formula(var=[x_2, x_1**2])[0][0]
    assert swapped == sympy.exp(x_1**4 + sympy.sin(sympy.pi * x_2))
    with pytest.raises(InputError, match="expected 2 variables"):
        exact.symbolic_formula(var=["a"])


def test_formulas_of_scaled_data(exact: KAN) -> None:
    scaled = exact.symbolic_formula(normalizer=[[1.0, 0.0], [2.0, 1.0]], output_normalizer=[torch.ones(1), [3.0]])[0][0]
    plain = exact.symbolic_formula()[0][0]
    at = {x_1: 0.3, x_2: -0.4}
    wanted = 3 * plain.subs({x_1: (0.3 - 1) / 2, x_2: -0.4}) + 1
    assert float(scaled.subs(at)) == pytest.approx(float(wanted))
    with pytest.raises(InputError, match="expected 2 means and deviations"):
        exact.symbolic_formula(normalizer=[[1.0], [2.0]])


def test_formulas_can_be_rounded_and_simplified(exact: KAN) -> None:
    expected = sympy.exp(x_2**2 + sympy.sin(sympy.pi * x_1))
    assert exact.symbolic_formula(floating_digit=2, simplify=True)[0] == [expected]


def test_a_formula_with_splines_is_refused(small: KAN) -> None:
    with pytest.raises(InputError, match=r"got splines on 3 of them, the first \(0,0,0\). Call auto_symbolic\(\)"):
        small.symbolic_formula()


def test_own_functions_join_the_library(dataset: dict[str, torch.Tensor]) -> None:
    data = create_dataset(lambda x: torch.sinc(2 * x[:, [0]]), n_var=1, train_num=200, test_num=50)
    kan.add_symbolic("peak", torch.sinc, c=2)
    try:
        model = KAN(width=[1, 1], grid=20)
        model.fit(data, steps=20)
        assert model.suggest_symbolic(0, 0, 0, verbose=False)[0] == "peak"
        assert (model.fix_symbolic(0, 0, 0, "peak", verbose=False) or 0) > 0.99999
        assert copy.deepcopy(model).symbolic_fun[0].funs_name == [["peak"]]
        assert model.symbolic_formula()[0][0].atoms(sympy.Function)
    finally:
        del kan.SYMBOLIC_LIB["peak"]


def test_ex_round() -> None:
    expr = 1.00004 * sympy.exp(3.14159 * x_1) + 0.0001 * x_2 + sympy.Rational(1, 3)
    assert str(ex_round(expr, 3)) == "1.0*exp(3.142*x_1) + 1/3"


# --- attributes --------------------------------------------------------------------------


def test_attributes_are_read_from_the_network() -> None:
    model = KAN(width=[2, [2, 1], 1], grid=4, k=2)
    assert (model.depth, model.grid, model.k, model.mult_arity) == (2, 4, 2, 2)
    assert (model.width_in, model.width_out) == ([2, 3, 1], [2, 4, 1])
    assert (model.n_sum, model.n_mult, model.n_edge) == ([2], [1], 11)
    layer = model.act_fun[0]
    assert (layer.in_dim, layer.out_dim, layer.num, layer.k) == (2, 4, 4, 2)
    assert layer.coef.shape == (2, 4, 6)
    assert layer.grid.shape == (2, 9)
    assert [acts.shape[1] for acts in model.acts] == [2, 3, 1]
    assert {"act_fun", "width", "fit"} <= set(dir(model))


def test_a_mask_can_be_written_through_its_view(model: KAN) -> None:
    model.act_fun[0].mask[1][2] = 0.0
    assert Edge(0, 2, 1) not in model.core.live()


def test_attribution(small: KAN) -> None:
    scores = small.attribute()
    assert [score.shape for score in scores.edges] == [(1, 2), (1, 1)]
    assert torch.equal(small.feature_score, scores.nodes[0])
    assert torch.allclose(small.attribute(2, 0), scores.nodes[0])
    assert torch.allclose(small.attribute(2), scores.nodes[0][None])
    products = KAN(width=[2, [1, 1], 1])
    assert products.attribute(1).shape == (2, 2)


def test_activations(model: KAN, dataset: dict[str, torch.Tensor]) -> None:
    trace = model.get_act(dataset["train_input"][:20])
    assert trace.edges[0].shape == (20, 3, 2)
    assert model.get_act(dataset).nodes[0].shape == (300, 2)
    assert model.get_act().nodes[0].shape == (300, 2)


def test_what_is_gone_says_what_to_use(model: KAN) -> None:
    with pytest.raises(AttributeError, match="fix both edges to the same symbol with fix_symbolic"):
        model.lock(0, [[0, 0], [1, 0]])
    with pytest.raises(KanlensError, match="cannot be shared"):
        model.unlock(0, [[0, 0]])
    assert not hasattr(model, "lock")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        model.nonsense  # noqa: B018


# --- an ordinary module ------------------------------------------------------------------


def test_copies_share_nothing(exact: KAN, dataset: dict[str, torch.Tensor]) -> None:
    for copied in (copy.deepcopy(exact), exact.copy()):
        assert torch.equal(copied(dataset["test_input"]), exact(dataset["test_input"]))
        assert not {p.data_ptr() for p in copied.parameters()} & {p.data_ptr() for p in exact.parameters()}


def test_states_can_be_loaded(model: KAN, dataset: dict[str, torch.Tensor]) -> None:
    other = KAN(width=[2, 3, 1], grid=5, k=3, seed=7)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(dataset["test_input"]), model(dataset["test_input"]))


def test_dtypes(model: KAN, dataset: dict[str, torch.Tensor]) -> None:
    assert model(torch.zeros(3, 2)).dtype == torch.float32
    model.plot()
    model.double()
    assert model(torch.zeros(3, 2, dtype=torch.float64)).dtype == torch.float64
    model.plot()
    model.fit({key: values.double() for key, values in dataset.items()}, steps=2)
    model.plot()
    assert model.prune().core.dtype == torch.float64
    assert model.to(torch.float32).core.dtype == torch.float32


def test_a_part_of_a_larger_network_trains_with_it() -> None:
    network = nn.Sequential(nn.Linear(3, 2), KAN(width=[2, 3, 2]), nn.Linear(2, 1))
    network(torch.rand(8, 3)).sum().backward()
    assert all(p.grad is not None for module in network for layer in [module] for p in layer.parameters() if p.numel())


def test_more_axes_than_two() -> None:
    model = KAN(width=[2, 1])
    assert model(torch.zeros(4, 5, 2)).shape == (4, 5, 1)
    assert model.points().shape == (20, 2)


def test_speed_has_nothing_to_switch_off(model: KAN) -> None:
    assert model.speed() is model


# --- datasets ----------------------------------------------------------------------------


def test_a_seed_gives_pykans_numbers(watched: Path) -> None:
    data = create_dataset(law, n_var=2, train_num=5, test_num=3, seed=4)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        columns = [(torch.rand(5) * 2 - 1, torch.rand(3) * 2 - 1) for _ in range(2)]
    assert torch.equal(data["train_input"], torch.stack([train for train, _ in columns], 1))
    assert torch.equal(data["test_input"], torch.stack([test for _, test in columns], 1))
    assert torch.equal(data["train_label"], law(data["train_input"]))


@pytest.mark.parametrize("ranges", [np.array([[0, 1], [5, 9]]), [[0, 1], [5, 9]]])
def test_each_variable_has_its_range(ranges: Any) -> None:
    x = create_dataset(law, ranges=ranges)["train_input"]
    assert x[:, 0].aminmax() == pytest.approx((0, 1), abs=0.02)
    assert x[:, 1].aminmax() == pytest.approx((5, 9), abs=0.05)
    assert create_dataset(law, ranges=np.array([0, 3]))["train_input"].amax() > 2.9
    with pytest.raises(InputError, match="expected ranges as a pair or 2 pairs"):
        create_dataset(law, ranges=[[0, 1]] * 3)


def test_labels_have_two_axes() -> None:
    for f, mode in [(lambda x: x[:, 0], "col"), (lambda x: x[:, [0]], "col"), (lambda x: x[0], "row")]:
        data = create_dataset(f, n_var=2, f_mode=mode)
        assert torch.equal(data["train_label"], data["train_input"][:, [0]])
    with pytest.raises(InputError, match="expected f_mode 'col' or 'row'"):
        create_dataset(law, f_mode="column")


def test_data_can_be_brought_to_one_scale() -> None:
    data = create_dataset(law, ranges=[3, 9], normalize_input=True, normalize_label=True)
    for part in ("input", "label"):
        assert torch.allclose(data[f"train_{part}"].mean(0), torch.zeros(1), atol=1e-4)
        assert torch.allclose(data[f"train_{part}"].std(0), torch.ones(1), atol=1e-4)


def test_data_can_be_split(watched: Path) -> None:
    x, y = torch.arange(20.0)[:, None], torch.arange(20)
    data = create_dataset_from_data(x, y, train_ratio=0.75)
    assert len(data["train_input"]) == 15
    assert torch.equal(data["test_input"][:, 0].long(), data["test_label"])
    assert sorted(torch.cat([data["train_label"], data["test_label"]]).tolist()) == y.tolist()
    with pytest.raises(InputError, match="expected as many labels as inputs"):
        create_dataset_from_data(x, y[:5])


# --- layers ------------------------------------------------------------------------------


def test_a_layer_returns_what_happens_on_its_edges() -> None:
    layer = kan.KANLayer(in_dim=3, out_dim=5, num=4, k=2)
    x = torch.rand(7, 3)
    y, preacts, postacts, postspline = layer(x)
    assert torch.allclose(postacts.sum(2), y, atol=1e-6)
    assert torch.equal(preacts[:, 2], x)
    base = nn.functional.silu(x)[:, None] * layer.scale_base.T
    assert torch.allclose(postacts, base + postspline, atol=1e-6)


def test_spline_functions_are_those_of_the_model() -> None:
    from kan.spline import B_batch, coef2curve, curve2coef, extend_grid

    layer = KAN(width=[2, 3], grid=4, k=2, base_fun="zero").act_fun[0]
    assert torch.allclose(extend_grid(torch.linspace(-1, 1, 5).expand(2, -1), 2), layer.grid)
    x = torch.rand(40, 2) * 2 - 1
    curves = coef2curve(x, layer.grid, layer.coef, layer.k)
    assert torch.allclose(curves.transpose(1, 2), layer(x)[2], atol=1e-6)
    assert torch.allclose(coef2curve(x, layer.grid, curve2coef(x, curves, layer.grid, 2), 2), curves, atol=1e-4)
    assert torch.allclose(B_batch(x, torch.linspace(-1, 1, 5).expand(2, -1), 2, extend=True).sum(2), torch.ones(40, 2))
