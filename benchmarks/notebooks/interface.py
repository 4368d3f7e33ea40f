"""What the notebooks API_1 to API_12 do, but for API_10, which compares a processor to a GPU."""

from pathlib import Path
from typing import Any

import torch
from looks import last, show
from torch import Tensor, nn

from kan import KAN, create_dataset, create_dataset_from_data
from kan.spline import B_batch, extend_grid

Result = dict[str, Any]

LIB = ["x", "x^2", "x^3", "x^4", "exp", "log", "sqrt", "tanh", "sin", "abs"]


def law(x: Tensor) -> Tensor:
    return torch.exp(torch.sin(torch.pi * x[:, [0]]) + x[:, [1]] ** 2)


def trained(**options: Any) -> tuple[Any, dict[str, Tensor], float]:
    data = create_dataset(law, n_var=2)
    model = KAN(width=[2, 5, 1], grid=3, k=3, seed=1)
    return model, data, last(model.fit(data, opt="LBFGS", steps=20, **options))


def hello() -> Result:
    torch.set_default_dtype(torch.float64)
    model = KAN(width=[2, 5, 1], grid=3, k=3, seed=42)
    data = create_dataset(law, n_var=2)
    model(data["train_input"])
    show(model)
    model.fit(data, opt="LBFGS", steps=50, lamb=0.001)
    show(model)
    model = model.prune()
    show(model)
    model.fit(data, opt="LBFGS", steps=50)
    model = model.refine(10)
    model.fit(data, opt="LBFGS", steps=50)
    model.auto_symbolic(lib=LIB)
    error = last(model.fit(data, opt="LBFGS", steps=50))
    return {"rmse": error, "formula": str(model.symbolic_formula()[0][0])}


def indexing() -> Result:
    model = KAN(width=[2, 3, 2, 1])
    model(torch.normal(0, 1, size=(100, 2)))
    show(model, beta=100)
    for layer, i, j in [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 2, 1), (2, 1, 0)]:
        model.fix_symbolic(layer, i, j, "sin")
        show(model, beta=100)
        model.unfix_symbolic(layer, i, j)
    model.remove_node(1, 0)
    show(model, beta=100)
    return {"edges cut": int((model.act_fun[0].mask == 0).sum())}


def plotting() -> Result:
    model, data, error = trained(lamb=0.01)
    for options in (
        {},
        {"beta": 100000},
        {"beta": 0.1},
        {"in_vars": [r"$\alpha$", "x"]},
        {"out_vars": ["y"]},
        {"title": "a KAN"},
        {"metric": "forward_n"},
        {"metric": "forward_u"},
        {"metric": "backward"},
        {"scale": 0.2},
        {"scale": 2.0},
    ):
        show(model, **options)
    model = model.prune()
    model.get_act(data["train_input"])
    show(model)
    model.get_act(data["train_input"][:20])
    show(model, sample=True)
    model.get_act(data["train_input"])
    model.fix_symbolic(0, 1, 0, "x^2")
    show(model)
    model.set_mode(0, 1, 0, mode="ns")
    show(model, beta=100)
    return {"rmse": error}


def activations() -> Result:
    model, _, _ = trained(lamb=0.01)
    x, _ = model.get_fun(0, 0, 3)
    return {"low": float(x[0]), "range": [float(end) for end in model.get_range(0, 0, 3)]}


def initialisation() -> Result:
    for options in (
        {},
        {"base_fun": "identity"},
        {"noise_scale": 0.3},
        {"noise_scale": 10.0},
        {"scale_base_mu": 5, "scale_base_sigma": 0},
        {"sparse_init": True},
    ):
        model = KAN(width=[2, 5, 1], grid=5, k=3, seed=0, **options)
        model.get_act(torch.rand(100, 2) * 2 - 1)
        show(model)
    return {"edges": int((model.act_fun[0].mask != 0).sum())}


def grids() -> Result:
    model = KAN(width=[1, 1], grid=5, k=3)
    layer, x = model.act_fun[0], torch.linspace(-1, 1, 101)[:, None]
    basis = B_batch(x, extend_grid(torch.linspace(-1, 1, 6)[None], 3), k=3)
    spline = torch.einsum("rib,iob->ro", basis, layer.coef)
    phi = layer.scale_base * nn.functional.silu(x) + layer.scale_sp * spline
    error = float((phi - model(x)).detach().square().mean())
    for reach in (10, 0.5):
        model.update_grid_from_samples(torch.linspace(-reach, reach, 1001)[:, None])
    adaptive = KAN(width=[1, 1], grid=5, k=3, grid_eps=0.0)
    adaptive.update_grid_from_samples(torch.normal(0, 1, size=(1000, 1)))
    return {"error": error, "first knot": float(model.act_fun[0].grid[0, 0])}


def hyperparameters() -> Result:
    settings: list[dict[str, float]] = [{"lamb": 0.01}, {"lamb": 0.0}, {"lamb": 1.0}]
    settings += [{"lamb": 0.01, "lamb_entropy": 0.0}, {"lamb": 0.01, "lamb_entropy": 10.0}]
    errors = []
    for options in settings:
        model, _, error = trained(**options)
        show(model)
        errors.append(error)
    return {"rmse": errors}


def pruning() -> Result:
    model, data, error = trained(lamb=0.01)
    show(model)
    nodes = model.prune_node(threshold=1e-2)
    show(nodes)
    show(model.prune_node(active_neurons_id=[[0]]))
    nodes.get_act(data["train_input"])
    nodes.attribute()
    nodes.prune_edge()
    show(nodes)
    return {"rmse": error, "width": str(model.prune().width_in)}


def regularisation() -> Result:
    metrics = ["edge_forward_spline_n", "edge_forward_spline_u", "edge_forward_sum", "edge_backward", "node_backward"]
    errors = []
    for metric in metrics:
        model, _, error = trained(lamb=0.01, reg_metric=metric)
        show(model)
        errors.append(error)
    return {"rmse": errors}


def video() -> Result:
    model = KAN(width=[4, 2, 1, 1], grid=3, k=3, seed=1)
    f = lambda x: torch.exp(
        (
            torch.sin(torch.pi * (x[:, [0]] ** 2 + x[:, [1]] ** 2))
            + torch.sin(torch.pi * (x[:, [2]] ** 2 + x[:, [3]] ** 2))
        )
        / 2
    )
    data = create_dataset(f, n_var=4, train_num=3000)
    names = {"in_vars": ["a", "b", "c", "d"], "out_vars": ["y"]}
    results = model.fit(
        data, opt="LBFGS", steps=5, lamb=0.001, lamb_entropy=2.0, save_fig=True, beta=10, img_folder="./video", **names
    )
    return {"rmse": last(results, "train_loss"), "pictures": len(list(Path("video").glob("*.jpg")))}


def datasets() -> Result:
    shapes = [
        list(create_dataset(f, n_var=2, f_mode=mode)["train_label"].shape)
        for f, mode in ((lambda x: x[:, [0]], "col"), (lambda x: x[:, 0], "col"), (lambda x: x[0], "row"))
    ]
    x = torch.rand(100, 2)
    create_dataset_from_data(x, torch.sin(x[:, [0]]))
    return {"shapes": shapes}


def checkpoints() -> Result:
    data = create_dataset(law, n_var=2)
    model = KAN(width=[2, 5, 1], grid=3, k=3, seed=1, auto_save=True, ckpt_path="./model")
    model.fit(data, opt="LBFGS", steps=20, lamb=0.01)
    model = model.prune()
    show(model)
    model = model.rewind("0.1")
    show(model)
    model.fit(data, opt="LBFGS", steps=2)
    again = KAN.loadckpt("./model/0.1")
    again.get_act(data["test_input"])
    return {"rmse": float((model(data["test_input"]) - data["test_label"]).detach().square().mean().sqrt())}


SCRIPTS = {
    "hellokan": hello,
    "API_1": indexing,
    "API_2": plotting,
    "API_3": activations,
    "API_4": initialisation,
    "API_5": grids,
    "API_6": hyperparameters,
    "API_7": pruning,
    "API_8": regularisation,
    "API_9": video,
    "API_11": datasets,
    "API_12": checkpoints,
}
