"""Failures of pykan that users met or its code shows must not happen here; numbers in brackets are its issues."""

import ast
import copy
import math
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from torch import nn

import kan
import kan.hypothesis
from kan import KAN, KANLayer, create_dataset
from kan.experiment import runner1
from kan.MLP import MLP
from kan.spline import curve2coef
from kanlens.errors import InputError
from kanlens.network import Edge

Dataset = dict[str, torch.Tensor]
x_1, x_2 = sympy.symbols("x_1 x_2")


def law(x: torch.Tensor) -> torch.Tensor:
    return torch.exp(torch.sin(torch.pi * x[:, [0]]) + x[:, [1]] ** 2)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return create_dataset(law, train_num=200, test_num=50)


@pytest.fixture(scope="module")
def trained(dataset: Dataset) -> KAN:
    model = KAN(width=[2, 1, 1], grid=10, seed=0)
    model.fit(dataset, steps=40)
    return model


@pytest.fixture
def model(trained: KAN) -> KAN:
    return copy.deepcopy(trained)


# --- silently wrong numbers --------------------------------------------------------------


def test_a_formula_never_leaves_a_spline_out(model: KAN) -> None:
    model.fix_symbolic(0, 0, 0, "sin", verbose=False)
    with pytest.raises(InputError, match="got splines on 2 of them"):
        model.symbolic_formula()


def test_an_edge_that_was_cut_is_in_no_formula(model: KAN) -> None:
    model.auto_symbolic(lib=["x", "x^2", "exp", "sin"], verbose=0)
    model.remove_edge(0, 1, 0)
    assert model.symbolic_formula()[0][0].free_symbols == {x_1}
    model.unfix_symbolic(0, 0, 0)
    with pytest.raises(InputError, match="got splines"):
        model.symbolic_formula()


@pytest.mark.parametrize("arity", [2, 3, 4])
def test_products_of_any_arity_are_in_the_formula(arity: int) -> None:
    """Multiply all factors (#404)."""
    model = KAN(width=[arity, [0, 1], 1], mult_arity=arity)
    for at in model.core.live():
        model.fix_symbolic(at.layer, at.in_, at.out, "x", fit_params_bool=False)
        if at.layer == 0 and at.in_ != at.out:
            model.remove_edge(at.layer, at.in_, at.out)
    variables = sympy.symbols(f"x_1:{arity + 1}")
    assert model.symbolic_formula()[0][0] == sympy.Mul(*variables)


def test_inputs_of_the_wrong_width_are_refused(model: KAN) -> None:
    """Never take the first columns silently (#551)."""
    with pytest.raises(InputError, match=r"expected inputs of shape \(batch, 2\)"):
        model(torch.zeros(5, 3))


def test_what_a_model_does_next_depends_on_training_data_alone(model: KAN, dataset: Dataset) -> None:
    """Neither test data nor a look at others change a formula (#508)."""
    assert torch.equal(model.points(), dataset["train_input"])
    model(100 * torch.ones(3, 2))
    model.plot()
    assert torch.equal(model.points(), dataset["train_input"])


def test_penalties_on_coefficients_do_not_grow_with_the_grid() -> None:
    values = []
    for grid in (5, 50):
        model = KAN(width=[2, 3], grid=grid, base_fun="zero")
        model(torch.rand(20, 2))
        with torch.no_grad():
            model.act_fun[0].coef.fill_(1.0)
        values.append(model.reg("edge_forward_sum", 0.0, 0.0, 1.0, 0.0).item())
    assert values == pytest.approx([6, 6])


def test_a_suggestion_changes_nothing(model: KAN, dataset: Dataset) -> None:
    model.fix_symbolic(0, 1, 0, "x^2", verbose=False)
    model.set_mode(0, 0, 0, "n")
    before, state = model(dataset["test_input"]), copy.deepcopy(model.state_dict())
    for edge in model.core.live():
        model.suggest_symbolic(edge.layer, edge.in_, edge.out, verbose=False)
    assert torch.equal(model(dataset["test_input"]), before)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert model.symbolic_fun[0].funs_name == [["0", "x^2"]]


def test_a_sine_is_no_zero() -> None:
    """Complexity never outweighs what a function explains (PR 415)."""
    noisy = torch.Generator().manual_seed(0)
    data = create_dataset(lambda x: torch.sin(3 * x) + 0.05 * torch.randn(x.shape, generator=noisy), n_var=1)
    model = KAN(width=[1, 1])
    model.fit(data, steps=20)
    model.auto_symbolic(verbose=0)
    assert model.symbolic_fun[0].funs_name in ([["sin"]], [["cos"]])  # one with a phase is the other


def test_a_complex_function_can_be_the_best() -> None:
    model = KAN(width=[1, 1], grid=20)
    x = torch.linspace(0.5, 2, 300)[:, None]
    model.fit({"train_input": x, "train_label": x**-5}, steps=30)
    assert model.suggest_symbolic(0, 0, 0, verbose=False)[0] == "1/x^5"
    model.auto_symbolic(verbose=0)
    assert model.symbolic_formula()[0][0] == x_1**-5


def test_singular_functions_treat_rows_one_by_one() -> None:
    model, x = KAN(width=[1, 1]), torch.tensor([[1.0], [4.0], [9.0]])
    model.fix_symbolic(0, 0, 0, "x^1.5", fit_params_bool=False)
    assert torch.allclose(model(x, singularity_avoiding=True), x**1.5)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_small_values_are_judged_like_large_ones(unit: float) -> None:
    # one layer: a linear problem, so that no start decides
    data = create_dataset(lambda x: unit * x[:, [0]] ** 2, train_num=200, test_num=50)
    model = KAN(width=[2, 1], grid=8, seed=0)
    model.fit(data, steps=25)
    name, _, r2, _ = model.suggest_symbolic(0, 0, 0, lib=["x", "x^2", "sin"], verbose=False)
    assert (name, r2) == ("x^2", pytest.approx(1, abs=1e-4))
    assert model.prune().core.live() == [Edge(0, 0, 0)]


def test_edges_have_the_same_names_in_small_units() -> None:
    named = []
    for unit in (1.0, 2.0**-20):
        data = create_dataset(lambda x: unit * torch.exp(x[:, [0]] ** 2 - x[:, [1]]), train_num=200, test_num=50)  # noqa: B023
        model = KAN(width=[2, 2, 1], seed=0)
        model.fit(data, steps=25)
        named.append([model.suggest_symbolic(e.layer, e.in_, e.out, verbose=False)[0] for e in model.core.live()])
    assert named[0] == named[1]


def test_a_fast_sine_is_found_without_ranges() -> None:
    x = torch.linspace(-1, 1, 400)
    (a, _, _, _), r2 = kan.fit_params(x, torch.sin(20 * x), torch.sin, verbose=False)
    assert (abs(float(a)), r2) == (pytest.approx(20, rel=1e-4), pytest.approx(1))


def test_reported_errors_are_those_of_the_model_that_is_kept(model: KAN, dataset: Dataset) -> None:
    results = model.fit(dataset, steps=3, lamb=0.01)
    error = (model(dataset["train_input"]) - dataset["train_label"]).square().mean().sqrt().item()
    assert results["train_loss"][-1] == pytest.approx(error, rel=1e-3)


def test_other_losses_are_shown_as_they_are() -> None:
    x = torch.rand(100, 1, generator=torch.Generator().manual_seed(0))
    data = {"train_input": x, "train_label": x}
    negative = lambda outputs, labels: (outputs - labels).square().mean() - 5  # noqa: E731
    model = KAN(width=[1, 1])
    assert model.fit(data, steps=5, loss_fn=negative)["train_loss"][-1] == pytest.approx(-5, abs=1e-3)


def test_singular_functions_have_finite_gradients_in_training() -> None:
    data = create_dataset(lambda x: (x[:, [0]] ** 2 + x[:, [1]] ** 2).sqrt(), train_num=200)
    data["train_input"][0] = 0
    data["train_label"][0] = 0
    model = KAN(width=[2, 1, 1])
    for address, name in {(0, 0, 0): "x^2", (0, 1, 0): "x^2", (1, 0, 0): "sqrt"}.items():
        model.fix_symbolic(*address, name, fit_params_bool=False)
    for opt in ("LBFGS", "Adam"):
        assert math.isfinite(model.fit(data, opt=opt, steps=5, singularity_avoiding=True)["train_loss"][-1])
    assert model(data["train_input"]).isfinite().all()


def test_nodes_at_the_border_have_no_neighbours_on_the_other_side() -> None:
    model = KAN(width=[2, 3, 2])
    model.remove_node(0, 1)
    assert {edge for edge in model.core.live() if edge.layer == 1} == {Edge(1, o, i) for o in (0, 1) for i in (0, 1, 2)}
    for layer in (0, 2):
        with pytest.raises(InputError, match="expected a hidden layer"):
            model.expand_width(layer, 1)


def test_swapped_symbols_compute_what_they_show(model: KAN) -> None:
    wide = KAN(width=[1, 2, 1])
    for at, name in {(0, 0, 0): "sin", (0, 0, 1): "x^2", (1, 0, 0): "x", (1, 1, 0): "exp"}.items():
        wide.fix_symbolic(*at, name, fit_params_bool=False)
    x = torch.rand(9, 1)
    before, formula = wide(x), wide.symbolic_formula()[0]
    wide.swap(1, 0, 1)
    assert torch.allclose(wide(x), before)
    assert wide.symbolic_fun[0].funs_name == [["x^2"], ["sin"]]
    assert wide.symbolic_formula()[0] == formula


def test_growth_keeps_trained_splines(model: KAN, dataset: Dataset) -> None:
    before = model(dataset["test_input"])
    model.expand_width(1, 2)
    model.expand_depth()
    assert torch.allclose(model(dataset["test_input"]), before, atol=1e-6)


def test_labels_without_a_second_axis_do_not_broadcast(dataset: Dataset) -> None:
    """Compare rows to rows (#243, #488)."""
    flat = {key: value[:, 0] if "label" in key else value for key, value in dataset.items()}
    losses = [KAN(width=[2, 3, 1], grid=5, seed=0).fit(data, steps=3)["train_loss"] for data in (flat, dataset)]
    assert losses[0] == losses[1]
    assert losses[0][-1] < dataset["train_label"].std() / 2


def test_cost_and_order_work_for_any_widths() -> None:
    model = KAN(width=[6, 2, 5, 3])
    model(torch.rand(30, 6))
    cost = model.connection_cost
    model.auto_swap()
    assert 0 < model.connection_cost <= cost


def test_symbols_are_edges_too(model: KAN) -> None:
    model.fix_symbolic(0, 0, 0, "sin", verbose=False)
    assert model.n_edge == 3
    model.remove_edge(0, 0, 0)
    assert model.n_edge == 2


# --- NaN and crashes ---------------------------------------------------------------------

HARD: dict[str, torch.Tensor] = {
    "a constant column": torch.cat([torch.ones(50, 1), torch.linspace(-1, 1, 50)[:, None]], 1),
    "one-hot columns": nn.functional.one_hot(torch.arange(50) % 2, 2).float(),
    "fewer rows than intervals": torch.tensor([[0.1, 0.2], [0.5, 0.9]]),
    "repeated values": torch.tensor([[0.0, 1.0]] * 25 + [[1.0, 0.0]] * 25),
    "one row": torch.tensor([[0.3, 0.4]]),
    "far from the grid": torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) * 1e4,
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("opt", ["LBFGS", "Adam"])
def test_hard_data_give_no_nan(name: str, opt: str) -> None:
    """Train on constant, discrete and few inputs (#230, #396, #416, #457, #539)."""
    x = HARD[name]
    model = KAN(width=[2, 3, 1], grid=20, seed=0, auto_save=False)
    results = model.fit({"train_input": x, "train_label": x.sum(1, keepdim=True)}, opt=opt, steps=6, lamb=1e-3)
    assert all(map(math.isfinite, results["train_loss"]))
    model.update_grid_from_samples(x)
    point = x.clone().requires_grad_()
    model(point).sum().backward()
    assert point.grad is not None
    assert point.grad.isfinite().all()
    assert model.refine(40)(x).isfinite().all()


def test_training_goes_on_after_nodes_lost_all_their_edges(dataset: Dataset) -> None:
    model = KAN(width=[2, 3, 1], seed=0)
    model.remove_node(1, 0, mode="down")
    model.remove_node(1, 1)
    results = model.fit(dataset, steps=5)
    assert math.isfinite(results["train_loss"][-1])
    model(dataset["train_input"]).sum().backward()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())


def test_underdetermined_curves_are_fitted() -> None:
    """Fit more coefficients than there are points (#300, #356, #364)."""
    grid = kan.extend_grid(torch.linspace(-1, 1, 101)[None], 3)
    x = torch.linspace(-1, 1, 20)[:, None]
    coef = curve2coef(x, torch.sin(x)[..., None], grid, 3)
    assert coef.isfinite().all()
    assert torch.allclose(kan.coef2curve(x, grid, coef, 3)[..., 0], torch.sin(x), atol=1e-4)


def test_an_exact_start_stays_exact_in_float32() -> None:
    x = torch.linspace(-1, 1, 100)[:, None]
    model = KAN(width=[1, 1])
    model.fix_symbolic(0, 0, 0, "sin", fit_params_bool=False)
    data = {"train_input": x, "train_label": torch.sin(x)}
    for _ in range(3):
        assert model.fit(data, steps=20)["train_loss"][-1] < 1e-6


def test_grid_updates_need_no_arithmetic_from_the_user(dataset: Dataset) -> None:
    model = KAN(width=[2, 1, 1])
    model.fit(dataset, steps=2, stop_grid_update_step=3, grid_update_num=10, update_grid=False)
    model.fit(dataset, steps=2, batch=100_000)
    model.fit(dataset, steps=2, batch=1)


def test_nothing_needs_a_folder(model: KAN, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work without files (#362)."""
    monkeypatch.chdir(tmp_path)
    for auto_save in (True, False):
        fresh = KAN(width=[2, 2, 1], auto_save=auto_save)
        fresh.fit(dataset, steps=3)
        fresh.prune_input(active_inputs=[0, 1]).prune_node().refine(6)
    assert list(tmp_path.iterdir()) == []


def test_arities_in_lists_are_scored_and_pruned() -> None:
    """Attribute with products of several arities and outputs (#472)."""
    model = KAN(width=[3, [1, 2], 2], mult_arity=[[], [2, 3], []])
    model(torch.rand(40, 3))
    assert [score.shape for score in model.attribute().nodes] == [(3,), (3,), (2,)]
    assert len(model.plot().axes) == 1
    deeper = copy.deepcopy(model)
    deeper.expand_depth()
    assert deeper(torch.rand(4, 3)).shape == (4, 2)


def test_edges_are_pruned_in_any_order_of_calls(dataset: Dataset) -> None:
    model = KAN(width=[2, 2, 1])
    model(dataset["train_input"])
    model.attribute(1, 0)
    model.feature_interaction(1)
    assert model.prune_edge() is model
    assert model.prune().width_in[-1] == 1


def test_nothing_is_left_where_there_is_nothing_to_find() -> None:
    """Prune all hidden nodes."""
    x = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    model = KAN(width=[2, 3, 1])
    model.fit({"train_input": x, "train_label": torch.ones(100, 1)}, steps=5)
    assert torch.allclose(model.prune()(x), torch.ones(100, 1), atol=1e-4)


def test_where_no_groups_are_separate_there_is_one() -> None:
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    whole = kan.hypothesis.detect_separability(lambda x: torch.exp((x[:, [0]] * x[:, [1]]) ** 2), x, mode="add")
    assert whole["groups"] == [[0, 1]]
    assert kan.hypothesis.detect_separability(lambda x: 0 * x[:, [0]], x, mode="mul")["n_groups"] >= 1


def test_a_perceptron_has_a_tree() -> None:
    model = MLP([2, 4, 1])
    assert model.tree(torch.rand(30, 2)).axes


@pytest.mark.parametrize("style", ["tree", "box"])
def test_trees_take_names(style: str, trained: KAN) -> None:
    assert trained.tree(in_var=sympy.symbols("a b"), style=style, sym_th=0.1).axes


def test_own_functions_need_no_safe_version() -> None:
    kan.add_symbolic("mine", torch.sinc)
    try:
        model = KAN(width=[1, 1])
        model.fix_symbolic(0, 0, 0, "mine", fit_params_bool=False)
        assert model(torch.zeros(2, 1), singularity_avoiding=True).isfinite().all()
    finally:
        del kan.SYMBOLIC_LIB["mine"]


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_degrees_from_lines_up(k: int, dataset: Dataset) -> None:
    model = KAN(width=(2, np.int64(1), 1), grid=np.int64(6), k=k)
    assert math.isfinite(model.fit(dataset, steps=3)["train_loss"][-1])


@pytest.mark.parametrize("options", [{"k": 0}, {"width": [1, [0, 1], 1], "mult_arity": 1}])
def test_what_makes_no_sense_is_refused_with_a_reason(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected"):
        KAN(**{"width": [1, 1], **options})


def test_masks_between_none_and_all_can_be_drawn(model: KAN) -> None:
    model.act_fun[0].mask[0][0] = 0.5
    assert model.plot(tick=True).axes


@pytest.mark.parametrize("f_mode", ["col", "row"])
def test_ranges_may_be_arrays(f_mode: str) -> None:
    data = create_dataset(lambda x: x[:, 0] if f_mode == "col" else x[0], f_mode=f_mode, ranges=np.array([-2, 2]))
    assert 1.9 < float(data["train_input"].amax()) <= 2
    with pytest.raises(InputError, match="expected f_mode"):
        create_dataset(law, f_mode="columns")


# --- state, files, reproducibility -------------------------------------------------------


def test_no_call_touches_the_global_random_states(dataset: Dataset, tmp_path: Path) -> None:
    """Leave the generators alone (#424)."""
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    model = KAN(width=[2, 2, 1], seed=3)
    model.fit(dataset, steps=3)
    model.saveckpt(str(tmp_path / "a"))
    KAN.loadckpt(str(tmp_path / "a")).prune().refine(6).perturb()
    MLP([2, 3, 1]).fit(dataset, steps=2)
    KANLayer(2, 3)
    runner1([2, 1, 1], dataset, grids=[3], steps=1, prune_round=1, refine_round=0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])  # noqa: NPY002


def test_a_new_model_shares_nothing_with_its_origin(model: KAN, dataset: Dataset) -> None:
    model.fix_symbolic(0, 0, 0, "sin", verbose=False)
    before = model(dataset["test_input"])
    for make in (lambda: model.refine(20), model.prune, model.copy, lambda: model.rewind("0.1")):
        other = make()
        other.fit(dataset, steps=2)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.zero_()
        assert torch.equal(model(dataset["test_input"]), before)


def test_settings_survive_surgery(dataset: Dataset) -> None:
    model = KAN(width=[2, 3, 1], grid=7, k=2, grid_eps=0.5, base_fun="identity", seed=9)
    model(dataset["train_input"])
    for other in (
        model.prune_node(active_neurons_id=[[0, 1]]),
        model.refine(14),
        model.prune_input(active_inputs=[0, 1]),
    ):
        assert (other.k, other.grid_eps, other.base_fun_name, other.seed) == (2, 0.5, "identity", 9)
        assert other.act_fun[0].grid_eps == 0.5


def test_symbols_can_be_pickled(model: KAN) -> None:
    """Hold no lambdas and no graph (#285, #433)."""
    model.auto_symbolic(lib=["x", "x^2", "exp", "sin"], verbose=0)
    model(torch.rand(4, 2, requires_grad=True))
    again = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    assert again.symbolic_formula() == model.symbolic_formula()


def test_the_state_holds_every_parameter(model: KAN) -> None:
    model.expand_depth()
    assert {id(p) for p in model.parameters()} == {id(p) for p in model.core.parameters()}
    assert all(name.startswith("core.") for name in model.state_dict())


def test_an_interrupted_fit_leaves_a_working_model(model: KAN, dataset: Dataset) -> None:
    model.fix_symbolic(0, 0, 0, "sin", verbose=False)
    calls: list[int] = []

    def interrupt() -> float:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return 0.0

    results = model.fit(dataset, steps=6, metrics=[interrupt])
    assert len(results["train_loss"]) < 6
    assert model.symbolic_fun[0].funs_name[0][0] == "sin"
    assert model.save_act
    assert math.isfinite(results["train_loss"][-1])


def test_one_call_is_one_version(model: KAN) -> None:
    first = model.state_id
    model.unfix_symbolic_all()
    model.remove_node(0, 1)
    assert model.state_id == first + 2


def test_a_network_of_numpy_numbers_can_be_saved(model: KAN, dataset: Dataset, tmp_path: Path) -> None:
    model = model.refine(np.int64(12))
    model.saveckpt(str(tmp_path / "a"))
    assert torch.equal(KAN.loadckpt(str(tmp_path / "a"))(dataset["test_input"]), model(dataset["test_input"]))


def test_nothing_is_run_that_was_put_together_as_text() -> None:
    for file in Path(kan.__file__).parent.glob("*.py"):
        called = {node.func.id for node in ast.walk(ast.parse(file.read_text())) if _is_call_by_name(node)}
        assert not called & {"exec", "eval", "globals", "locals"}, file


def _is_call_by_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def test_speed_keeps_symbols(model: KAN, dataset: Dataset) -> None:
    model.fix_symbolic(0, 0, 0, "sin", verbose=False)
    before = model(dataset["test_input"])
    assert torch.equal(model.speed()(dataset["test_input"]), before)


def test_looks_draw_and_print_nothing_by_themselves(model: KAN, capsys: pytest.CaptureFixture[str]) -> None:
    import matplotlib.pyplot as plt

    figures = plt.get_fignums()
    model.attribute(1, 0)
    model.get_fun(0, 0, 0)
    model.plot()
    model.feature_interaction(1)
    assert plt.get_fignums() == figures
    assert capsys.readouterr() == ("", "")


def test_a_star_import_brings_no_tests_and_no_single_letters() -> None:
    assert not [name for name in kan.__all__ if name.startswith("test") or len(name) == 1]


# --- 0.0.x -------------------------------------------------------------------------------


def test_a_model_can_be_looked_at_before_a_forward_pass() -> None:
    """Plot, prune and suggest without data (#144)."""
    model = KAN(width=[2, 2, 1])
    assert model.plot(mask=True).axes
    assert model.suggest_symbolic(0, 0, 0, verbose=False)[0]
    assert model.prune().width_in[0] == 2
    line = KAN(width=[1, 1])
    line.auto_symbolic(lib=["x", "x^2"], verbose=0)
    assert line.symbolic_formula()[0]


def test_a_model_inside_another_can_be_switched() -> None:
    """Keep torch's train and eval (#42, PR 205)."""
    inner = KAN(width=[2, 1])
    outer = nn.Sequential(nn.Linear(2, 2), inner)
    outer.eval()
    assert not inner.training
    outer.train()
    assert inner.training


@pytest.mark.parametrize("name", ["arcsin", "sigmoid"])
def test_every_function_has_a_formula(name: str) -> None:
    model = KAN(width=[1, 1])
    model.fix_symbolic(0, 0, 0, name, fit_params_bool=False)
    formula = model.symbolic_formula()[0][0]
    wanted = {"arcsin": sympy.asin(x_1), "sigmoid": 1 / (1 + sympy.exp(-x_1))}[name]
    assert abs(float((formula - wanted).subs(x_1, 0.3))) < 1e-9
    assert not formula.atoms(sympy.core.function.AppliedUndef)


@pytest.mark.parametrize("kept", [[[0]], [[0, 1], [0]]])
def test_kept_nodes_are_those_that_were_named(kept: list[list[int]], dataset: Dataset) -> None:
    model = KAN(width=[2, 3, 1], seed=0)
    model(dataset["train_input"])
    slim = model.prune(mode="manual", active_neurons_id=kept)
    assert torch.equal(slim.act_fun[0].coef[:, 0], model.act_fun[0].coef[:, 0])


def test_a_fresh_model_is_the_equation_of_the_paper() -> None:
    """Have no node biases beside the edges (#197)."""
    model, x = KAN(width=[2, 2, 1]), torch.rand(9, 2)
    trace = model.get_act(x)
    assert torch.allclose(trace.edges[1].sum(2), model(x), atol=1e-6)


def test_checkpoints_are_cleared_and_nothing_else(tmp_path: Path, model: KAN) -> None:
    model.save_ckpt("a", str(tmp_path))
    (tmp_path / "thesis.tex").write_text("years of work")
    model.clear_ckpts(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def forward_of(**options: Any) -> torch.Tensor:
    outputs: torch.Tensor = KAN(width=[2, 2, 1], seed=4, **options)(torch.full((3, 2), 0.3))
    return outputs


def test_the_same_seed_is_the_same_model_whatever_came_before() -> None:
    """Depend on the seed alone (#62, #188, #236, #454)."""
    first = forward_of()
    torch.rand(7)
    assert torch.equal(first, forward_of(auto_save=False))
