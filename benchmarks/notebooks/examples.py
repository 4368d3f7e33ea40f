"""What the notebooks Example_1 to Example_13 do."""

import copy
from typing import Any

import numpy as np
import sympy
import torch
from looks import last, show
from sklearn.datasets import make_moons
from torch import Tensor, nn

from kan import KAN, LBFGS, add_symbolic, create_dataset, ex_round

Result = dict[str, Any]


def law(x: Tensor) -> Tensor:
    return torch.exp(torch.sin(torch.pi * x[:, [0]]) + x[:, [1]] ** 2)


def function_fitting() -> Result:
    torch.set_default_dtype(torch.float64)
    data = create_dataset(law, n_var=2)
    return {"rmse": staircase([2, 1, 1], data, [3, 10, 20, 50, 100], steps=200)}


def staircase(width: list[int], data: dict[str, Tensor], grids: list[int], steps: int) -> list[float]:
    model, errors = KAN(width=width, grid=grids[0], k=3, seed=1), []
    for grid in grids:
        model = model if grid == grids[0] else model.refine(grid)
        errors.append(last(model.fit(data, opt="LBFGS", steps=steps, stop_grid_update_step=30)))
    return errors


def deep_formula() -> Result:
    torch.set_default_dtype(torch.float64)
    f = lambda x: torch.exp(
        (
            torch.sin(torch.pi * (x[:, [0]] ** 2 + x[:, [1]] ** 2))
            + torch.sin(torch.pi * (x[:, [2]] ** 2 + x[:, [3]] ** 2))
        )
        / 2
    )
    data = create_dataset(f, n_var=4, train_num=3000)
    model = KAN(width=[4, 2, 1, 1], grid=3, k=3, seed=1)
    model.fit(data, opt="LBFGS", steps=20, lamb=0.002, lamb_entropy=2.0)
    model = model.prune(edge_th=1e-2)
    show(model)
    errors = []
    for grid in (3, 5, 10, 20, 50):
        model = model if grid == 3 else model.refine(grid)
        errors.append(last(model.fit(data, opt="LBFGS", steps=50, stop_grid_update_step=20)))
    return {"rmse": errors, "of two layers": staircase([4, 9, 1], data, [3, 5, 10, 20, 50], steps=50)}


def moons(seed: int) -> tuple[Tensor, Tensor]:
    x, y = make_moons(n_samples=1000, noise=0.1, random_state=seed)
    return torch.from_numpy(x).float(), torch.from_numpy(y)


def classification() -> Result:
    (x, y), (u, v) = moons(0), moons(1)
    squares = {"train_input": x, "train_label": y[:, None].float(), "test_input": u, "test_label": v[:, None].float()}
    model = KAN(width=[2, 1], grid=3, k=3)

    def train_acc() -> Tensor:
        return torch.mean((torch.round(model(x)[:, 0]) == y).float())

    def test_acc() -> Tensor:
        return torch.mean((torch.round(model(u)[:, 0]) == v).float())

    one = last(model.fit(squares, opt="LBFGS", steps=20, metrics=(train_acc, test_acc)), "test_acc")
    model.auto_symbolic(lib=["x", "x^2", "x^3", "x^4", "exp", "log", "sqrt", "tanh", "sin", "abs"])
    formula = model.symbolic_formula()[0][0]
    read = values(formula, u)
    entropy = {"train_input": x, "train_label": y, "test_input": u, "test_label": v}
    wide = KAN(width=[2, 2], grid=3, k=3)
    wide.fit(entropy, opt="LBFGS", steps=20, loss_fn=nn.CrossEntropyLoss())
    two = float((wide(u).argmax(1) == v).float().mean())
    wide.auto_symbolic(lib=["x", "x^2", "x^3", "x^4", "exp", "log", "sqrt", "tanh", "sin", "abs"])
    a, b = (values(part, u) for part in wide.symbolic_formula()[0])
    return {
        "accuracy": [one, two],
        "of formulas": [float(np.mean(np.round(read) == v.numpy())), float(np.mean((b > a) == v.numpy()))],
    }


def values(formula: sympy.Expr, x: Tensor) -> np.ndarray:
    symbols = sympy.symbols(f"x_1:{x.shape[1] + 1}")
    return np.broadcast_to(np.real(sympy.lambdify(symbols, formula, "numpy")(*x.double().T.numpy())), len(x))


def special_functions() -> Result:
    data = create_dataset(lambda x: torch.exp(torch.special.bessel_j0(20 * x[:, [0]]) + x[:, [1]] ** 2), n_var=2)
    model = KAN(width=[2, 1, 1], grid=3, k=3, seed=1)
    model.fit(data, opt="LBFGS", steps=20)
    model = model.refine(20)
    error = last(model.fit(data, opt="LBFGS", steps=20))
    show(model)
    model.suggest_symbolic(0, 0, 0)
    add_symbolic("J0", torch.special.bessel_j0, c=1)
    name, _, r2, _ = model.suggest_symbolic(0, 0, 0, a_range=(-40, 40))
    return {"rmse": error, "symbol": name, "r2": float(r2)}


def poisson(model: Any, side: int, steps: int, moving: int) -> float:
    """Solve Poisson's equation by a loop with two Jacobians, and return the mean square error."""
    line = torch.linspace(-1, 1, side)
    inside, ones = torch.cartesian_prod(line, line), torch.ones(side)
    pairs = [(-ones, line), (ones, line), (line, -ones), (line, ones)]
    border = torch.cat([torch.stack(pair, 1) for pair in pairs])
    solution = lambda x: torch.sin(torch.pi * x[:, [0]]) * torch.sin(torch.pi * x[:, [1]])

    def jacobian(f: Any, x: Tensor) -> Tensor:
        summed = lambda x: f(x).sum(dim=0)
        return torch.autograd.functional.jacobian(summed, x, create_graph=True).permute(1, 0, 2)

    tolerances = {"tolerance_grad": 1e-32, "tolerance_change": 1e-32, "tolerance_ys": 1e-32}
    optimizer = LBFGS(model.parameters(), lr=1, history_size=10, line_search_fn="strong_wolfe", **tolerances)

    def closure() -> Tensor:
        optimizer.zero_grad()
        second = jacobian(lambda x: jacobian(model, x)[:, 0, :], inside)
        laplace = second.diagonal(dim1=1, dim2=2).sum(dim=1, keepdim=True)
        residual = (laplace + 2 * torch.pi**2 * solution(inside)).square().mean()
        loss = 0.01 * residual + (model(border) - solution(border)).square().mean()
        loss.backward()
        return loss

    for step in range(steps):
        if step % 5 == 0 and step < moving:
            model.update_grid_from_samples(inside)
        optimizer.step(closure)
    return float((model(inside) - solution(inside)).detach().square().mean())


def pde_interpretation() -> Result:
    model = KAN(width=[2, 2, 1], grid=5, k=3, seed=1)
    error = poisson(model, side=21, steps=20, moving=50)
    show(model, beta=10)
    for edge in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]:
        model.fix_symbolic(*edge, "x")
    for edge in [(1, 0, 0), (1, 1, 0)]:
        model.fix_symbolic(*edge, "sin")
    again = poisson(model, side=21, steps=20, moving=0)
    return {"mean square": [error, again], "formula": str(ex_round(model.symbolic_formula()[0][0], 4))}


def pde_accuracy() -> Result:
    line = torch.linspace(-1, 1, 51)
    inside, errors = torch.cartesian_prod(line, line), []
    model = KAN(width=[2, 2, 1], grid=5, k=3, seed=1)
    for grid in (5, 10, 20):
        if grid > 5:
            model.save_act = True
            model.get_act(inside)
            model = model.refine(grid)
        model = model.speed()
        errors.append(poisson(model, side=51, steps=50, moving=20))
    return {"mean square": errors}


def continual_learning() -> Result:
    centres = torch.linspace(-0.8, 0.8, 5)
    x = torch.linspace(-1, 1, 500)[:, None]
    y = torch.exp(-((x - centres) ** 2) * 300).sum(dim=1, keepdim=True)
    still: dict[str, Any] = {"base_fun": "zero", "sp_trainable": False, "sb_trainable": False}
    model = KAN(width=[1, 1], grid=200, k=3, noise_scale=0.1, **still)
    for number in range(5):
        part = slice(100 * number, 100 * (number + 1))
        data = {"train_input": x[part], "train_label": y[part], "test_input": x[part], "test_label": y[part]}
        model.fit(data, opt="LBFGS", steps=100, update_grid=False)
    return {"rmse of all": float((model(x) - y).detach().square().mean().sqrt())}


def singularity() -> Result:
    data = create_dataset(
        lambda x: torch.sin(2 * (torch.log(x[:, [0]]) + torch.log(x[:, [1]]))), n_var=2, ranges=[0.2, 5]
    )
    model = KAN(width=[2, 1, 1], grid=20, k=3, seed=0)
    model.fit(data, opt="LBFGS", steps=20)
    for edge, name in {(0, 0, 0): "log", (0, 1, 0): "log", (1, 0, 0): "sin"}.items():
        model.fix_symbolic(*edge, name)
    one = last(model.fit(data, opt="LBFGS", steps=20))
    formula = str(ex_round(model.symbolic_formula()[0][0], 4))
    data = create_dataset(lambda x: torch.sqrt(x[:, [0]] ** 2 + x[:, [1]] ** 2), n_var=2)
    model = KAN(width=[2, 1, 1], grid=5, k=3, seed=0)
    model.fit(data, opt="LBFGS", steps=20)
    for edge, name in {(0, 0, 0): "x^2", (0, 1, 0): "x^2", (1, 0, 0): "sqrt"}.items():
        model.fix_symbolic(*edge, name)
    model = model.rewind(f"{model.round}.{model.state_id}")
    options: dict[str, Any] = {"update_grid": False, "singularity_avoiding": True, "y_th": 1000.0}
    two = last(model.fit(data, opt="Adam", lr=1e-3, steps=1000, **options))
    return {"rmse": [one, two], "formula": formula}


def relativistic_addition() -> Result:
    data = create_dataset(lambda x: (x[:, [0]] + x[:, [1]]) / (1 + x[:, [0]] * x[:, [1]]), n_var=2, ranges=[-0.9, 0.9])
    model = KAN(width=[2, 1, 1], grid=10, k=3)
    model.fit(data, opt="LBFGS", steps=20)
    show(model, beta=10)
    edges = {(0, 0, 0): "arctanh", (0, 1, 0): "arctanh", (1, 0, 0): "tanh"}
    found = [model.suggest_symbolic(*edge, weight_simple=0.0)[0] for edge in edges]
    for edge, name in edges.items():
        model.fix_symbolic(*edge, name)
    error = last(model.fit(data, opt="Adam", lr=1e-3, steps=2000, update_grid=False, singularity_avoiding=True))
    return {"rmse": error, "suggested": found, "formula": str(ex_round(model.symbolic_formula()[0][0], 4))}


def encouraging_linear() -> Result:
    data = create_dataset(lambda x: torch.sin(torch.pi * x[:, [0]]), n_var=1)
    plain = KAN(width=[1, 1, 1, 1], grid=5, k=3, seed=0)
    one = last(plain.fit(data, opt="LBFGS", steps=20))
    show(plain)
    straight = KAN(width=[1, 1, 1, 1], grid=5, k=3, seed=0, base_fun="identity")
    two = last(straight.fit(data, opt="LBFGS", steps=20, lamb=1e-4, lamb_coef=10.0))
    show(straight)
    return {"rmse": [one, two]}


def unsupervised() -> Result:
    generator = torch.Generator().manual_seed(0)

    def contrast(rows: int) -> tuple[Tensor, Tensor]:
        x = 2 * torch.rand(rows, 6, generator=generator) - 1
        x[:, 2] = torch.exp(torch.sin(torch.pi * x[:, 0]) + x[:, 1] ** 2)
        x[:, 3] = x[:, 4] ** 3
        mixed = copy.deepcopy(x)
        for column in range(6):
            mixed[:, column] = x[torch.randperm(rows, generator=generator), column]
        return torch.cat([x, mixed]), torch.cat([torch.ones(rows, 1), torch.zeros(rows, 1)])

    (x, y), (u, v) = contrast(500), contrast(500)
    data = {"train_input": x, "train_label": y, "test_input": u, "test_label": v}
    model = KAN(width=[6, 1, 1], grid=3, k=3, seed=1)
    model.fix_symbolic(1, 0, 0, "gaussian", fit_params_bool=False)
    error = last(model.fit(data, opt="LBFGS", steps=50, lamb=0.002, lamb_entropy=10.0, lamb_coef=1.0))
    show(model, in_vars=[f"$x_{n}$" for n in range(1, 7)])
    model.attribute(plot=False)
    return {"rmse": error, "of most weight": sorted((model.feature_score.argsort(descending=True)[:2] + 1).tolist())}


def phase_transition() -> Result:
    f = lambda x: (
        torch.sin(torch.pi * x[:, [0]]) + torch.cos(torch.pi * x[:, [1]]) + torch.tan(torch.pi / 2 * x[:, [2]])
    )
    data = create_dataset(lambda x: (f(x) > 0).float() - (f(x) <= 0).float(), n_var=3)
    model = KAN(width=[3, 1, 1], grid=3, k=3, seed=1)
    model.fix_symbolic(1, 0, 0, "tanh", fit_params_bool=False)
    first = last(model.fit(data, opt="LBFGS", steps=20, lamb=1e-3))
    show(model)
    model = model.refine(10)
    error = last(model.fit(data, opt="LBFGS", steps=50))
    return {"rmse": [first, error]}


SCRIPTS = {
    "Example_1": function_fitting,
    "Example_3": deep_formula,
    "Example_4": classification,
    "Example_5": special_functions,
    "Example_6": pde_interpretation,
    "Example_7": pde_accuracy,
    "Example_8": continual_learning,
    "Example_9": singularity,
    "Example_10": relativistic_addition,
    "Example_11": encouraging_linear,
    "Example_12": unsupervised,
    "Example_13": phase_transition,
}
