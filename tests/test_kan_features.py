"""What pykan's second generation added, through the door: inputs, versions, growth, structure, and torch's own ways."""

import copy
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
import torch
import torch.distributed as dist
from torch import nn

import kan.experiment
import kan.hypothesis
import kan.samples
from kan import KAN, LBFGS, augment_input, batch_hessian, batch_jacobian, create_dataset, get_derivative, model2param
from kan.compiler import expr2kan, kanpiler, next_nontrivial_operation
from kan.feynman import PROBLEMS, get_feynman_dataset
from kan.KANLayer import KANLayer
from kan.MLP import MLP
from kan.Symbolic_KANLayer import Symbolic_KANLayer
from kanlens.errors import FileError, InputError, UnknownNameError

Dataset = dict[str, torch.Tensor]
x_1, x_2, x_3 = sympy.symbols("x_1 x_2 x_3")


def third_column(x: torch.Tensor) -> torch.Tensor:
    return torch.sin(3 * x[:, [2]]) + x[:, [0]] ** 2


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return create_dataset(third_column, n_var=3, train_num=200, test_num=60)


@pytest.fixture(scope="module")
def trained(dataset: Dataset) -> KAN:
    model = KAN(width=[3, 2, 1], seed=0)
    model.fit(dataset, steps=15)
    return model


# --- inputs ------------------------------------------------------------------------------


def test_a_pruned_input_stays_pruned_through_everything(trained: KAN, dataset: Dataset) -> None:
    fewer = trained.prune_input()
    assert fewer.input_id.tolist() == [0, 2]
    again = fewer.prune_node().refine(6)
    again.fit(dataset, steps=10)
    assert again.input_id.tolist() == [0, 2]
    assert again.evaluate(dataset)["test_loss"] < 0.02
    assert again.rewind("0.0").width_in[0] == 3
    assert again.get_act(dataset).nodes[0].shape == (200, 2)
    last = again.prune_input(active_inputs=[1])
    assert last.input_id.tolist() == [2]
    assert last(dataset["test_input"]).shape == (60, 1)


def test_formulas_and_plots_keep_the_columns_names(trained: KAN, dataset: Dataset) -> None:
    model = trained.prune_input(active_inputs=[0, 2])
    model.fit(dataset, steps=15)
    model.auto_symbolic(lib=["x", "x^2", "sin"], verbose=0)
    assert model.symbolic_formula()[0][0] == x_1**2 + sympy.sin(3 * x_3)
    a, b, c = sympy.symbols("a b c")
    assert model.symbolic_formula(var=[a, b, c])[0][0] == a**2 + sympy.sin(3 * c)
    assert model.symbolic_formula(var=[a, c])[0][0] == a**2 + sympy.sin(3 * c)
    texts = {text.get_text() for text in model.plot(in_vars=["p", "q", "r"]).axes[0].texts}
    assert "$q$" not in texts


@pytest.mark.parametrize("columns", [2, 4])
def test_data_of_another_width_are_refused(columns: int, trained: KAN) -> None:
    for model in (trained, trained.prune_input(active_inputs=[0, 2])):
        with pytest.raises(InputError, match="expected"):
            model(torch.zeros(5, columns))


# --- versions ----------------------------------------------------------------------------


def test_versions_are_numbered_as_in_pykan(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = KAN(width=[3, 1, 1])
    model.fit(dataset, steps=2)
    before = model(dataset["test_input"])
    model.fix_symbolic(0, 0, 0, "x^2", verbose=False)
    assert (model.round, model.state_id) == (0, 2)
    old = model.rewind("0.1")
    assert torch.equal(old(dataset["test_input"]), before)
    assert (old.round, old.state_id) == (1, 1)
    old.fit(dataset, steps=1)
    assert old.state_id == 2
    again = model.rewind("0.0")
    assert again.round == 2
    assert model.checkout("0.1").round == 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"expected one of the versions 0\.0, 0\.1"):
        model.rewind("7.7")


def test_the_history_can_be_printed_and_switched_off(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    model = KAN(width=[3, 1])
    model.fit(dataset, steps=1)
    model.refine(6).history()
    assert capsys.readouterr().out.splitlines() == ["init => 0.0", "0.0 => fit => 0.1", "0.1 => refine => 0.2"]
    model.history(1)
    assert capsys.readouterr().out == "0.1 => refine => 0.2\n"
    silent = KAN(width=[3, 1], auto_save=False)
    silent.fit(dataset, steps=1)
    with pytest.raises(InputError, match="auto_save=False"):
        silent.rewind("0.1")


def test_two_models_of_one_origin_do_not_overwrite_each_other(dataset: Dataset) -> None:
    model = KAN(width=[3, 1])
    finer, finest = model.refine(6), model.refine(12)
    assert (finer.state_id, finest.state_id) == (1, 2)
    assert model.checkout("0.1").grid == 6


def test_a_named_folder_holds_the_versions(tmp_path: Path, dataset: Dataset) -> None:
    folder = tmp_path / "model"
    model = KAN(width=[3, 1, 1], ckpt_path=str(folder))
    model.fit(dataset, steps=2)
    assert sorted(path.name for path in folder.iterdir()) == ["0.0.safetensors", "0.1.safetensors", "history.json"]
    loaded = KAN.loadckpt(str(folder / "0.1"))
    assert torch.equal(loaded(dataset["test_input"]), model(dataset["test_input"]))
    assert torch.equal(model.rewind("0.1")(dataset["test_input"]), model(dataset["test_input"]))
    KAN(width=[2, 1], ckpt_path=str(folder))
    assert (tmp_path / "model.1" / "0.1.safetensors").exists()
    assert not (folder / "0.1.safetensors").exists()


def test_a_checkpoint_is_one_file_without_data_or_code(tmp_path: Path, trained: KAN, dataset: Dataset) -> None:
    model = trained.prune_input(active_inputs=[0, 2])
    model.fix_symbolic(0, 0, 0, "x^2", verbose=False)
    model.saveckpt(str(tmp_path / "law"))
    assert [path.name for path in tmp_path.iterdir()] == ["law.safetensors"]
    assert (tmp_path / "law.safetensors").stat().st_size < 20_000
    loaded = KAN.loadckpt(str(tmp_path / "law"))
    assert torch.equal(loaded(dataset["test_input"]), model(dataset["test_input"]))
    assert loaded.input_id.tolist() == [0, 2]
    assert loaded.symbolic_fun[0].funs_name[0][0] == "x^2"
    assert (loaded.grid, loaded.k, loaded.width) == (model.grid, model.k, model.width)
    loaded.fit(dataset, steps=1)
    with pytest.raises(FileError, match="no such file"):
        KAN.loadckpt(str(tmp_path / "absent"))


def test_own_functions_are_asked_for_by_name(tmp_path: Path) -> None:
    model = KAN(width=[1, 1])
    model.fix_symbolic(0, 0, 0, lambda x: x.sin(), fit_params_bool=False)
    model.saveckpt(str(tmp_path / "own"))
    with pytest.raises(UnknownNameError, match="anonymous"):
        KAN.loadckpt(str(tmp_path / "own"))


def test_checkpoints_of_0_0_are_loaded_into_a_model_and_cleared(tmp_path: Path, trained: KAN) -> None:
    folder = str(tmp_path / "ckpt")
    trained.save_ckpt("first", folder)
    other = KAN(width=[3, 2, 1], seed=5)
    other.load_ckpt("first", folder)
    x = torch.rand(5, 3)
    assert torch.equal(other(x), trained(x))
    (tmp_path / "ckpt" / "notes.txt").write_text("mine")
    other.clear_ckpts(folder)
    assert [path.name for path in (tmp_path / "ckpt").iterdir()] == ["notes.txt"]
    trained.save_ckpt("second", folder)
    with pytest.raises(InputError, match="expected a model of widths"):
        KAN(width=[2, 1]).load_ckpt("second", folder)


def pykans_files(path: Path, **changes: Any) -> torch.Tensor:
    """Write a checkpoint in pykan's form by hand, a model [2, [1, 1], 1], and return its values on `inputs()`."""
    generator = torch.Generator().manual_seed(0)
    k, count, state = 3, 4, {}
    for number, (before, after, nodes) in enumerate([(2, 3, 2), (2, 1, 1)]):
        knots = torch.linspace(-2.5, 2.5, count + 2 * k + 1) * (1 if number == 0 else 8)
        state |= {
            f"act_fun.{number}.grid": knots.expand(before, -1).clone(),
            f"act_fun.{number}.coef": torch.randn(before, after, count + k, generator=generator),
            f"act_fun.{number}.scale_base": torch.randn(before, after, generator=generator),
            f"act_fun.{number}.scale_sp": torch.rand(before, after, generator=generator) + 0.5,
            f"act_fun.{number}.mask": torch.ones(before, after),
            f"symbolic_fun.{number}.mask": torch.zeros(after, before),
            f"symbolic_fun.{number}.affine": torch.zeros(after, before, 4),
            f"subnode_scale_{number}": torch.rand(after, generator=generator) + 0.5,
            f"subnode_bias_{number}": torch.randn(after, generator=generator),
            f"node_scale_{number}": torch.rand(nodes, generator=generator) + 0.5,
            f"node_bias_{number}": torch.zeros(nodes),
        }
    state["act_fun.0.mask"][1, 0] = 0
    state["symbolic_fun.0.mask"][0, 1] = 1
    state["symbolic_fun.0.affine"][0, 1] = torch.tensor([2.0, 0.5, -1.0, 0.25])
    state["node_bias_0"][0] = 0.3
    names = {
        "symbolic.funs_name.0": [["0", "sin"], ["0", "0"], ["0", "0"]],
        "symbolic.funs_name.1": [["0", "0"]],
    }
    config = {"width": [[2, 0], [1, 1], [1, 0]], "grid": count, "k": k, "mult_arity": 2, "base_fun_name": "silu"}
    config |= {"grid_eps": 0.02, "grid_range": [-1, 1], "device": "cpu", **names}
    Path(f"{path}_config.yml").write_text(changes.get("config", json.dumps(config)))  # JSON is YAML
    torch.save({**state, **changes.get("state", {})}, f"{path}_state")
    return by_hand(state, inputs())


def inputs() -> torch.Tensor:
    return torch.rand(30, 2, generator=torch.Generator().manual_seed(1)) * 0.8 - 0.4


def by_hand(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Compute a checkpoint's function from its definition, by SciPy's splines."""
    from scipy.interpolate import BSpline

    nodes = x.double()
    for number in (0, 1):
        part = {
            name: state[f"act_fun.{number}.{name}"].double()
            for name in ("grid", "coef", "scale_base", "scale_sp", "mask")
        }
        total = []
        for out in range(part["coef"].shape[1]):
            value = torch.zeros(len(x), dtype=torch.float64)
            for in_ in range(part["coef"].shape[0]):
                spline = BSpline(part["grid"][in_].numpy(), part["coef"][in_, out].numpy(), 3)
                at = nodes[:, in_]
                numeric = part["scale_base"][in_, out] * nn.functional.silu(at)
                numeric = numeric + part["scale_sp"][in_, out] * torch.from_numpy(spline(at.numpy()))
                a, b, c, d = state[f"symbolic_fun.{number}.affine"][out, in_].double()
                symbolic = c * torch.sin(a * at + b) + d
                value = (
                    value + part["mask"][in_, out] * numeric + state[f"symbolic_fun.{number}.mask"][out, in_] * symbolic
                )
            total.append(state[f"subnode_scale_{number}"][out] * value + state[f"subnode_bias_{number}"][out])
        z = torch.stack(total, 1)
        z = torch.cat([z[:, :1], z[:, 1:2] * z[:, 2:3]], 1) if number == 0 else z
        nodes = state[f"node_scale_{number}"] * z + state[f"node_bias_{number}"]
    return nodes


def test_pykans_own_checkpoints_are_the_same_function(tmp_path: Path) -> None:
    wanted = pykans_files(tmp_path / "old")
    model = KAN.loadckpt(str(tmp_path / "old"))
    hidden = model.double().get_act(inputs().double()).nodes[1]
    assert bool((hidden.abs() < 8).all()), "the test leaves the grid, where pykan's splines fall to zero"
    assert torch.allclose(model(inputs().double()), wanted, atol=1e-5)
    assert (model.grid, model.k, model.width) == (4, 3, [[2, 0], [1, 1], [1, 0]])


@pytest.mark.parametrize(
    "changes",
    [
        {"config": "- a list"},
        {"config": "grid: !!python/object/apply:os.system ['true']"},
        {"state": {"act_fun.0.coef": torch.zeros(2, 3, 5)}},
        {"state": {"node_bias_0": torch.ones(2)}},
        {"state": {"symbolic_fun.0.mask": torch.ones(3, 2)}},
    ],
)
def test_strange_checkpoints_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    pykans_files(tmp_path / "old", **changes)
    with pytest.raises(FileError, match="expected"):
        KAN.loadckpt(str(tmp_path / "old"))


def test_pickles_are_not_run(tmp_path: Path) -> None:
    pykans_files(tmp_path / "old")
    torch.save({"evil": print}, tmp_path / "old_state")
    with pytest.raises(Exception, match=r"[Ww]eights"):
        KAN.loadckpt(str(tmp_path / "old"))


# --- growth and order --------------------------------------------------------------------


def test_a_compiled_model_grows_is_set_free_and_learns() -> None:
    x, y = sympy.symbols("x y")
    model = kanpiler([x, y], sympy.exp(sympy.sin(sympy.pi * x) + y**2))
    points = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    before = model(points)
    model.expand_depth()
    model.expand_width(1, 2)
    model.expand_width(2, 2, sum_bool=False, mult_arity=[2, 3])
    assert model.width == [[2, 0], [3, 0], [1, 2], [1, 0]]
    assert torch.allclose(model(points), before)
    model.perturb(mag=0.5)
    assert torch.allclose(model(points), before, atol=1e-5)
    assert model.n_edge > 4
    model.perturb(mag=0.1, mode="all")
    assert not torch.allclose(model(points), before, atol=1e-3)
    target = before.detach() + 0.3 * points[:, [0]] * points[:, [1]]
    results = model.fit({"train_input": points, "train_label": target}, steps=30)
    assert results["train_loss"][-1] < 0.01
    with pytest.raises(InputError, match="expected mode"):
        model.perturb(mode="loud")


def test_the_last_layer_is_set_free_with_the_same_curves() -> None:
    x, y = sympy.symbols("x y")
    model = expr2kan([x, y], x**2, grid=10).double()
    points = 2 * torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    model.perturb(mag=0.1)
    assert model.n_edge == 2
    assert all(model.core.symbol(edge) is None for edge in model.core.live())
    assert torch.allclose(model(points), points[:, :1] ** 2, atol=1e-6)


def test_minimal_perturbation_frees_the_symbols_alone() -> None:
    x, y = sympy.symbols("x y")
    model = expr2kan([x, y], sympy.sin(x) + y, grid=10)
    edges = model.n_edge
    model.perturb(mag=0.0, mode="minimal")
    assert model.n_edge == edges
    assert all(model.core.symbol(edge) is None for edge in model.core.live())


def test_modules_keep_to_themselves() -> None:
    model = KAN(width=[4, 4, 2])
    model.module(0, "[0,1]->[0,1]->[0]")
    inside = {(e.layer, e.in_ < 2, e.out < (2 if e.layer == 0 else 1)) for e in model.core.live()}
    assert inside == {(0, True, True), (0, False, False), (1, True, True), (1, False, False)}
    with pytest.raises(InputError, match="expected a chain"):
        model.module(1, "[0]->[1]->[0]")


def test_nodes_are_swapped_and_put_in_order(trained: KAN, dataset: Dataset) -> None:
    model = copy.deepcopy(trained)
    before = model(dataset["test_input"])
    model.swap(1, 0, 1)
    assert torch.allclose(model(dataset["test_input"]), before, atol=1e-5)
    cost = model.connection_cost
    model.auto_swap()
    model.auto_swap_l(1)
    assert model.connection_cost <= cost
    assert torch.allclose(model(dataset["test_input"]), before, atol=1e-5)


def test_inputs_that_act_together_are_counted() -> None:
    data = create_dataset(lambda x: torch.sin(x[:, [0]] * 3) * (x[:, [1]] + 2), n_var=3, train_num=200)
    model = KAN(width=[3, [0, 1], 1])
    model.fit(data, steps=30)
    assert model.feature_interaction(1, feature_th=0.05) == {(0, 1): 1}


# --- formulas ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["sin(5*a) + cos(3*a)", "a**2.5", "a**-1.5", "a**7", "pi*(a + 1)", "Abs(a) + sinh(b)"])
def test_what_pykans_compiler_gets_wrong_is_right_here(text: str) -> None:
    a, b = sympy.symbols("a b")
    expression = sympy.sympify(text)
    points = torch.rand(20, 2) + 0.2
    wanted = sympy.lambdify([a, b], expression, "numpy")(*points.double().T.numpy())
    assert np.allclose(expr2kan([a, b], expression)(points).detach().numpy()[:, 0], wanted, atol=1e-4)


def test_the_outer_constants_of_an_expression() -> None:
    x = sympy.Symbol("x")
    assert next_nontrivial_operation(3 * sympy.sin(x) + 2) == (sympy.sin(x), 3, 2)
    assert next_nontrivial_operation(sympy.pi * (x + 1)) == (x, sympy.pi, sympy.pi)
    assert next_nontrivial_operation(2 * x, 3, 1) == (x, 6, 1)


@pytest.mark.parametrize("number", [1, 20, 36, 60, 106, 113, 114, 120])
def test_a_feynman_function_is_its_formula(number: int) -> None:
    variables, expression, f, ranges = get_feynman_dataset(number)
    low, high = torch.tensor(ranges, dtype=torch.float64).T
    x = low + (high - low) * torch.rand(
        50, len(variables), generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    wanted = sympy.lambdify(variables, expression, "numpy")(*x.T.numpy())
    assert np.allclose(f(x)[:, 0].numpy(), wanted, rtol=1e-9)


def test_feynman_problems_go_by_number_and_name() -> None:
    assert len(PROBLEMS) == 120
    assert len({problem.name for problem in PROBLEMS}) == 120
    assert get_feynman_dataset("I.18.4")[1] == get_feynman_dataset(21)[1]
    assert get_feynman_dataset("I.10.9")[1] == get_feynman_dataset(60)[1] == get_feynman_dataset("II.10.9")[1]
    assert get_feynman_dataset("Jackson 11.38")[1] == get_feynman_dataset(117)[1]
    assert str(get_feynman_dataset("test")[1]) == "(x + y)*sin(exp(2*y))"
    assert all(problem.expression().free_symbols == set(sympy.symbols(problem.names)) for problem in PROBLEMS)
    with pytest.raises(InputError, match="from 1 to 120"):
        get_feynman_dataset(121)


def test_auxiliary_variables_come_first() -> None:
    m, v, c = sympy.symbols("m v c")
    data = {"train_input": torch.tensor([[1.0, 3.0, 5.0]]), "train_label": torch.zeros(1, 1)}
    more = augment_input([m, v, c], [v / c, 1 / sympy.sqrt(1 - v**2 / c**2)], data)
    assert torch.allclose(more["train_input"], torch.tensor([[0.6, 1.25, 1.0, 3.0, 5.0]]))
    assert more["train_label"] is data["train_label"]


# --- structure ---------------------------------------------------------------------------


def nested(x: torch.Tensor) -> torch.Tensor:
    return ((x[:, [0]] ** 2 + x[:, [1]] ** 2) ** 2 + (x[:, [2]] ** 2 + x[:, [3]] ** 2) ** 2) ** 2


def test_structure_under_pykans_names(capsys: pytest.CaptureFixture[str]) -> None:
    x = torch.rand(200, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
    molecule = kan.hypothesis.get_molecule(nested, x, verbose=False)
    assert molecule == [[[0], [1], [2], [3]], [[0, 1], [2, 3]], [[0, 1, 2, 3]]]
    nodes = kan.hypothesis.get_tree_node(nested, x, molecule, skip_test=False)
    assert nodes == ([[2, 2], [2]], [["GS", "GS"], ["GS"]])
    f = lambda x: x[:, [0]] ** 2 + torch.exp(x[:, [1]] + x[:, [2]])  # noqa: E731
    found = kan.hypothesis.detect_separability(f, x[:, :3])
    assert (found["n_groups"], found["groups"], found["labels"]) == (2, [[0], [1, 2]], [0, 1, 1])
    assert kan.hypothesis.detect_separability(f, x[:, :3], n_clusters=3)["n_groups"] == 3
    assert kan.hypothesis.detect_separability(lambda x: f(x) - 5, x[:, :3], mode="add", bias=5.0)["n_groups"] == 2
    assert kan.hypothesis.test_separability(f, x[:, :3], [[0], [1, 2]])
    assert not kan.hypothesis.test_separability(f, x[:, :3], [[0], [1, 2]], mode="mul")
    assert kan.hypothesis.test_general_separability(lambda x: f(x).sqrt(), x[:, :3], [[0], [1, 2]])
    assert kan.hypothesis.test_symmetry(nested, x, [0, 1])
    assert not kan.hypothesis.test_symmetry(nested, x, [0, 2])
    assert float(kan.hypothesis.get_dependence(nested, x, [0, 1])) < 1e-9
    assert kan.hypothesis.batch_grad_normgrad(nested, x, [0, 1]).shape == (200, 2, 4)
    a, b, c, d = sympy.symbols("a b c d")
    cosines = kan.hypothesis.test_symmetry_var(nested, x, [a, b, c, d], a**2 + b**2)
    assert float(cosines.min()) > 0.999
    assert capsys.readouterr().out == "100.0% of the data have a cosine above 0.9: a symmetry\n"


@pytest.mark.parametrize("style", ["tree", "box"])
def test_trees_are_figures(style: str, trained: KAN) -> None:
    from matplotlib.figure import Figure

    x = torch.rand(100, 4, dtype=torch.float64)
    figure = kan.hypothesis.plot_tree(nested, x, in_var=sympy.symbols("a b c d"), style=style)
    assert isinstance(figure, Figure)
    assert {text.get_text() for text in figure.axes[0].texts} >= {"$a$", "$d$", "f(+)"}
    assert isinstance(trained.tree(sym_th=0.1, style=style), Figure)
    assert isinstance(MLP([4, 3, 1]).tree(x.float(), style=style, skip_sep_test=True), Figure)


# --- derivatives -------------------------------------------------------------------------


def test_derivatives_by_inputs() -> None:
    x = torch.rand(7, 2, dtype=torch.float64)
    f = lambda x: (x[:, [0]] ** 2 * x[:, [1]]).sin()  # noqa: E731
    both = lambda x: torch.cat([f(x), x.sum(1, keepdim=True)], 1)  # noqa: E731
    jacobian = batch_jacobian(f, x)
    assert torch.allclose(batch_jacobian(both, x, mode="vector")[:, 0], jacobian)
    assert torch.allclose(batch_jacobian(both, x, mode="vector")[:, 1], torch.ones(7, 2, dtype=torch.float64))
    moved = batch_jacobian(f, x + torch.tensor([1e-6, 0.0])) - batch_jacobian(f, x - torch.tensor([1e-6, 0.0]))
    assert torch.allclose(batch_hessian(f, x)[:, 0], moved / 2e-6, atol=1e-6)


@pytest.mark.parametrize("make", [lambda: KAN(width=[1, 2, 1]), lambda: MLP([1, 3, 1])], ids=["KAN", "MLP"])
def test_derivatives_by_parameters(make: Any) -> None:
    model = make().double()
    x, y = torch.rand(20, 1, dtype=torch.float64), torch.rand(20, 1, dtype=torch.float64)
    model(x)
    hessian = get_derivative(model, x, y)
    theta = model2param(model)
    assert hessian.shape == (len(theta), len(theta))
    assert torch.allclose(hessian, hessian.T, atol=1e-10)
    jacobian = get_derivative(model, x, y, derivative="jacobian")[0]
    (model(x) - y).square().mean().backward()
    assert torch.allclose(jacobian, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    metric = "edge_forward_spline_n" if isinstance(model, KAN) else "w"
    assert get_derivative(model, x, y, "jacobian", "all", metric, lamb=0.1).isfinite().all()


@pytest.mark.parametrize("metric", kan.penalties.METRICS)
def test_every_penalty_has_a_gradient(metric: str) -> None:
    model = KAN(width=[2, 3, 1], auto_save=False)
    model(torch.rand(50, 2))
    model.reg(metric, 1.0, 2.0, 0.0, 0.0).backward()
    for layer in model.core.layers:
        assert layer.coef.grad is not None
        assert bool(layer.coef.grad.isfinite().all())
    assert float(model.core.layers[0].coef.grad.abs().max()) > 0  # type: ignore[union-attr]
    assert float(model.get_reg(metric, 0.0, 0.0, 1.0, 1.0).detach()) > 0


# --- training of one's own ---------------------------------------------------------------


def test_a_loop_with_its_own_optimizer_follows_moving_grids() -> None:
    x = torch.rand(200, 1, generator=torch.Generator().manual_seed(0)) * 4 - 1
    model = KAN(width=[1, 1], grid=10)
    optimizer = LBFGS(model.parameters(), lr=1, history_size=10, line_search_fn="strong_wolfe", tolerance_ys=1e-32)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (model(x) - torch.sin(2 * x)).square().mean()
        loss.backward()
        return loss

    for step in range(8):
        if step < 2:
            model.update_grid_from_samples(x)
        loss = optimizer.step(closure)
    assert float(loss.detach()) < 1e-5
    assert model.act_fun[0].grid[0].amax() > 3


def test_curvature_of_other_parameters_is_forgotten() -> None:
    def loss_of(parameter: torch.nn.Parameter, optimizer: LBFGS) -> Callable[[], torch.Tensor]:
        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = (parameter.square() * torch.tensor([1.0, 10.0])).sum().cosh()
            loss.backward()
            return loss

        return closure

    moved, fresh = (torch.nn.Parameter(torch.tensor([1.0, 1.0])) for _ in range(2))
    optimizers = [LBFGS([parameter], max_iter=4, line_search_fn="strong_wolfe") for parameter in (moved, fresh)]
    optimizers[0].step(loss_of(moved, optimizers[0]))
    for parameter, optimizer in zip((moved, fresh), optimizers, strict=True):
        with torch.no_grad():
            parameter.copy_(torch.tensor([-0.5, 0.7]))
        optimizer.step(loss_of(parameter, optimizer))
    assert torch.equal(moved, fresh)


def quartic(
    parameter: torch.nn.Parameter, optimizer: LBFGS, unit: float, calls: list[int]
) -> Callable[[], torch.Tensor]:
    def closure() -> torch.Tensor:
        calls.append(1)
        optimizer.zero_grad()
        loss = unit * ((parameter - torch.tensor([1.0, 2.0])) ** 4 * torch.tensor([1.0, 30.0])).sum()
        loss.backward()
        return loss

    return closure


def test_the_unit_of_a_loss_does_not_matter_to_its_minimum() -> None:
    found = []
    for unit in (1.0, 2.0**-40):
        parameter = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
        optimizer = LBFGS([parameter], line_search_fn="strong_wolfe", tolerance_grad=0.0, tolerance_change=0.0)
        for _ in range(3):
            optimizer.step(quartic(parameter, optimizer, unit, []))
        found.append(parameter.detach())
    for each in found:
        assert torch.allclose(each, torch.tensor([1.0, 2.0], dtype=torch.float64), atol=1e-2)


def test_steps_from_a_minimum_cost_one_call_and_move_nothing() -> None:
    parameter, calls = torch.nn.Parameter(torch.tensor([1.5, 2.0])), list[int]()
    optimizer = LBFGS([parameter], line_search_fn="strong_wolfe", tolerance_grad=-1.0, tolerance_change=0.0)
    for _ in range(40):
        optimizer.step(quartic(parameter, optimizer, 1.0, calls))
    there, before = parameter.detach().clone(), len(calls)
    for _ in range(5):
        optimizer.step(quartic(parameter, optimizer, 1.0, calls))
    assert torch.equal(parameter, there)
    assert len(calls) == before + 5
    lower = optimizer.step(quartic(parameter, optimizer, 0.5, calls))  # another loss is taken up
    assert float(lower.detach()) >= 0
    with torch.no_grad():
        parameter.add_(1.0)
    for _ in range(20):
        optimizer.step(quartic(parameter, optimizer, 1.0, calls))
    assert torch.allclose(parameter, torch.tensor([1.0, 2.0]), atol=0.05)


def test_an_input_goes_where_the_fit_without_it_only_needs_more_steps() -> None:
    f = lambda x: x[:, [0]] ** 2 + 0.3 * x[:, [1]] + 0.1 * x[:, [2]] ** 3 + 0.0 * x[:, [3]]  # noqa: E731
    model = KAN(width=[4, 5, 1], grid=3, k=3, seed=1)
    model.fit(create_dataset(f, n_var=4), steps=20, lamb=0.001)
    assert model.prune_input().input_id.tolist() == [0, 1, 2]


def test_a_prediction_may_be_a_derivative() -> None:
    x = torch.rand(100, 1, generator=torch.Generator().manual_seed(0))
    data = {"train_input": x, "train_label": 2 * x, "test_input": x, "test_label": 2 * x}
    model = KAN(width=[1, 1], base_fun="zero")
    results = model.fit(data, steps=10, pred_fn=lambda model, x: batch_jacobian(model, x, create_graph=True))
    assert results["train_loss"][-1] < 1e-6
    again = KAN(width=[1, 1], base_fun="zero")
    again.fit(
        data, steps=5, pred_fn=lambda x: batch_jacobian(again, x, create_graph=True), opt="Adam", lr=0.1, lamb=1e-4
    )
    assert (again(torch.ones(1, 1)) - again(torch.zeros(1, 1))).item() > 0


def test_steps_that_stay_at_the_best_point_are_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    measured, error = [], kan.samples.Sample.error
    monkeypatch.setattr(kan.samples.Sample, "error", lambda self, core: measured.append(core) or error(self, core))
    x = torch.linspace(-1, 1, 50)[:, None]
    model = KAN(width=[1, 1])
    data = {"train_input": x, "train_label": model(x).detach()}  # the start is the best point
    results = model.fit(data, opt="Adam", steps=30, update_grid=False)
    assert len(results["train_loss"]) == 30
    assert len(measured) < 15
    assert results["train_loss"] == pytest.approx([0.0] * 30, abs=1e-6)


def test_grids_may_differ_by_layer(dataset: Dataset) -> None:
    model = KAN(width=[3, 2, 1], grid=[3, 6], k=[3, 2])
    assert (model.grid, model.k) == ([3, 6], [3, 2])
    model.fit(dataset, steps=10)
    assert model.evaluate(dataset)["test_loss"] < 0.2
    assert model.refine([6, 12]).grid == [6, 12]
    assert model.refine(grid=12).grid == 12
    assert copy.deepcopy(model).prune_input(active_inputs=[0, 2]).grid == [3, 6]


def test_the_perceptron_to_compare_with(dataset: Dataset) -> None:
    model = MLP([3, 8, 1], seed=0)
    state = torch.get_rng_state()
    results = model.fit(dataset, steps=30)
    assert torch.equal(torch.get_rng_state(), state)
    assert results["test_loss"][-1] < 0.3
    assert len(results["train_loss"]) <= 30
    before, cost = model(dataset["test_input"]), model.connection_cost
    model.swap(1, 0, 3)
    model.auto_swap()
    assert torch.allclose(model(dataset["test_input"]), before, atol=1e-5)
    assert model.connection_cost <= cost + 1e-9
    assert [score.shape for score in model.attribute().nodes] == [(3,), (8,), (1,)]
    assert len(model.plot(metric="act").axes) == 1
    for metric in ("w", "act", "fa"):
        assert float(model.reg(metric, 1.0, 1.0).detach()) > 0


def test_the_experiment_reports_every_model(dataset: Dataset) -> None:
    found = kan.experiment.runner1([3, 2, 1], dataset, grids=[3, 6], steps=5, prune_round=2, refine_round=1)
    assert set(found) == {"test_loss", "c", "G", "id"}
    assert found["G"][-1] == 6
    front = kan.experiment.pareto_frontier(found["c"], found["test_loss"])
    assert len(front[0]) >= 1


# --- layers ------------------------------------------------------------------------------


def test_a_layer_can_be_cut_and_turned() -> None:
    layer, x = KANLayer(4, 3, num=4), torch.rand(9, 4)
    part = layer.get_subset([2, 0], [1])
    assert torch.allclose(part(x[:, [2, 0]])[2], layer(x)[2][:, [1]][:, :, [2, 0]], atol=1e-6)
    edges = layer(x)[2]
    layer.swap(0, 3)
    layer.swap(0, 2, mode="out")
    assert torch.allclose(layer(x[:, [3, 1, 2, 0]])[2], edges[:, [2, 1, 0]][:, :, [3, 1, 2, 0]], atol=1e-6)
    finer = KANLayer(4, 3, num=8)
    finer.initialize_grid_from_parent(layer, x)
    assert torch.allclose(finer(x)[0], layer(x)[0], atol=1e-5)
    layer.update_grid_from_samples(10 * x)
    assert layer.grid.amax() > 9


def test_a_layer_of_symbols_is_computed_as_it_is_written() -> None:
    layer = Symbolic_KANLayer(3, 2)
    x = torch.linspace(-1, 1, 50)
    r2 = layer.fix_symbolic(0, 1, "sin", x, 2 * torch.sin(3 * x + 1), verbose=False)
    assert r2 == pytest.approx(1)
    layer.fix_symbolic(2, 0, lambda x: x**2)
    assert layer.funs_name == [["0", "0", "anonymous"], ["sin", "0", "0"]]
    points = torch.rand(6, 3)
    y, _ = layer(points)
    assert torch.allclose(y[:, 1], 2 * torch.sin(3 * points[:, 0] + 1), atol=1e-4)
    layer.swap(0, 2)
    assert layer.funs_name[1] == ["0", "0", "sin"]
    assert torch.allclose(layer(points[:, [2, 1, 0]])[0], y, atol=1e-6)
    layer.swap(0, 1, mode="out")
    part = layer.get_subset([2], [0])
    assert torch.allclose(part(points[:, [0]])[0][:, 0], y[:, 1], atol=1e-6)
    layer.fix_symbolic(1, 1, "1/x")
    assert layer(torch.zeros(1, 3), singularity_avoiding=True)[0].isfinite().all()


# --- an ordinary module ------------------------------------------------------------------


def test_a_model_is_copied_pickled_and_moved(trained: KAN) -> None:
    model = copy.deepcopy(trained)
    model.fix_symbolic(0, 0, 0, "sin", verbose=False)
    x = torch.rand(5, 3)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model.copy()):
        assert torch.equal(again(x), model(x))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = copy.deepcopy(trained)
    other.fix_symbolic(0, 0, 0, "sin", verbose=False)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(x), model(x))
    assert model.double().device == torch.device("cpu")
    assert model.to("cpu", torch.float32)(x).dtype == torch.float32


def test_a_model_is_one_layer_of_many_and_can_be_compiled() -> None:
    network = nn.Sequential(nn.Linear(3, 2), KAN(width=[2, 3, 2], auto_save=False), nn.Tanh(), nn.Linear(2, 1))
    x = torch.rand(8, 3)
    network.eval()
    network.train()
    assert torch.allclose(torch.compile(network, backend="eager")(x), network(x), atol=1e-6)


def test_a_compiled_model_has_the_same_gradients() -> None:
    model, x = KAN(width=[2, 3, 1]), torch.rand(8, 2)
    model.fix_symbolic(0, 0, 0, "sin", fit_params_bool=False)
    model(x).sum().backward()
    wanted = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    torch.compile(model, backend="aot_eager")(x).sum().backward()
    for parameter, gradient in zip(model.parameters(), wanted, strict=True):
        assert (parameter.grad is None) == (gradient is None)
        assert gradient is None or torch.allclose(parameter.grad, gradient, atol=1e-6)  # type: ignore[arg-type]


def test_a_model_learns_beside_other_layers_by_any_optimizer() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(200, 3, generator=generator)
    y = torch.sin(3 * x[:, :1]) * x[:, 1:2]
    network = nn.Sequential(nn.Linear(3, 4), KAN(width=[4, 4, 2]), nn.Linear(2, 1))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = (network(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_a_model_can_be_wrapped_for_several_processes(tmp_path: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        model = nn.parallel.DistributedDataParallel(KAN(width=[2, 3, 2]))
        model(torch.rand(8, 2)).sum().backward()
        assert model.module.core.layers[0].coef.grad is not None
    finally:
        dist.destroy_process_group()
