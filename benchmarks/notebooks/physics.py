"""What the notebooks Physics_1 to Physics_3 and Community_1 and 2 do."""

from typing import Any

import sympy
import torch
from looks import last, show
from torch import Tensor, nn

from kan import KAN, LBFGS, MultKAN, ex_round
from kan.compiler import kanpiler
from kan.MLP import MLP
from kan.utils import batch_hessian, batch_jacobian

Result = dict[str, Any]


def descend(model: nn.Module, loss: Any, steps: int) -> float:
    """Run the notebooks' own loop and return the last loss."""
    tolerances = {"tolerance_grad": 1e-32, "tolerance_change": 1e-32, "tolerance_ys": 1e-32}
    optimizer = LBFGS(model.parameters(), lr=1, history_size=10, line_search_fn="strong_wolfe", **tolerances)

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    for _ in range(steps):
        optimizer.step(closure)
    return float(loss())


def lagrangian() -> Result:
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    place, speed = sympy.symbols("x v_x")
    model = kanpiler([place, speed], speed**2, grid=20)
    q, qd = 4 * torch.rand(10000, 1) - 2, 2 * torch.rand(10000, 1) - 1
    x, wanted = torch.cat([q, qd], dim=1), (1 - qd**2) ** 1.5
    model.get_act(x)
    show(model)
    model.perturb(mag=0.1)
    model.get_act(x)

    def loss() -> Tensor:
        hessian = batch_hessian(model, x, create_graph=True)
        force = batch_jacobian(model, x, create_graph=True)[:, :1] + 1
        acceleration = (force - hessian[:, :1, 1] * qd) / hessian[:, 1:, 1]
        return (acceleration - wanted).square().mean()

    error = descend(model, loss, steps=20)
    show(model)
    return {"loss": error}


def conserved() -> Result:
    torch.manual_seed(0)
    x = 2 * torch.rand(1000, 2) - 1
    model = KAN(width=[2, 1], seed=42)

    def pred_fn(model: nn.Module, x: Tensor) -> Tensor:
        slope = batch_jacobian(model, x, create_graph=True)
        slope = slope / torch.linalg.norm(slope, dim=1, keepdim=True)
        return (slope * torch.stack([x[:, 1], -x[:, 0]], dim=1)).sum(dim=1, keepdim=True)

    error = descend(model, lambda: pred_fn(model, x).square().mean(), steps=20)
    model.get_act(x)
    model.auto_symbolic(lib=["x", "x^2", "exp", "log", "sqrt", "sin"])
    show(model)
    return {"loss": error, "formula": str(ex_round(model.symbolic_formula()[0][0], 3))}


def conserved_in_two_dimensions() -> Result:
    torch.manual_seed(0)
    x = 4 * torch.rand(1000, 4) - 2
    flow = torch.stack([x[:, 2], x[:, 3], -x[:, 0], -x[:, 1]], dim=1)
    found, losses = [], []
    for seed in (0, 1, 2):
        model = MultKAN(width=[4, [0, 2], 1], grid=3, k=3, seed=seed, base_fun="identity")
        model.get_act(x)

        def loss(model: nn.Module = model) -> Tensor:
            slope = batch_jacobian(model, x, create_graph=True)
            slope = slope / torch.linalg.norm(slope, dim=1, keepdim=True)
            return (slope * flow).sum(dim=1).square().mean()

        losses.append(descend(model, loss, steps=20))
        show(model)
        found.append([round(float(s), 3) for s in model.feature_score])
    return {"losses": losses, "scores": found}


def black_hole() -> Result:
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    model = MLP(width=[1, 20, 20, 1])
    radii = (1.2 + 1.8 * torch.linspace(0, 1, 10000))[:, None]
    way = torch.randn(10000, 3)
    place = radii * way / way.norm(dim=1, keepdim=True)
    x = torch.cat([torch.rand(10000, 1), place], dim=1)
    outer = place[:, :, None] * place[:, None, :] / ((radii - 1) * radii**2)[:, :, None]
    metric = torch.zeros(10000, 4, 4)
    metric[:, 0, 0], metric[:, 1:, 1:] = 1 - 1 / radii[:, 0], -(torch.eye(3) + outer)

    def transform(x: Tensor) -> Tensor:
        radius = torch.linalg.norm(x[:, 1:], dim=1, keepdim=True)
        return torch.cat([x[:, [0]] + model(radius), x[:, 1:]], dim=1)

    def loss() -> Tensor:
        inverse = torch.inverse(batch_jacobian(transform, x, create_graph=True, mode="vector"))
        changed = inverse.permute(0, 2, 1) @ metric @ inverse
        return (changed[:, 1:, 1:] + torch.eye(3)).square().mean()

    return {"loss": descend(model, loss, steps=5)}


def navier_stokes() -> Result:
    """Follow the notebook for two of its 200 steps, each of which takes pykan most of a minute."""
    torch.manual_seed(0)
    model = KAN(width=[2, 3, 3, 3], grid=5, k=10, grid_eps=1.0, seed=42)
    x = torch.rand(400, 2) * torch.tensor([2.0, 1.0])
    wall = torch.rand(100, 2) * torch.tensor([2.0, 0.0])

    def loss() -> Tensor:
        slope = batch_jacobian(model, x, create_graph=True, mode="vector")
        u, v, p = (slope[:, n] for n in range(3))
        second = batch_jacobian(
            lambda x: batch_jacobian(model, x, create_graph=True, mode="vector").flatten(1),
            x,
            create_graph=True,
            mode="vector",
        )
        laplace = second.reshape(-1, 3, 2, 2).diagonal(dim1=2, dim2=3).sum(dim=2)
        fields = model(x)
        momentum = [
            fields[:, 0] * part[:, 0] + fields[:, 1] * part[:, 1] + p[:, n] - 0.01 * laplace[:, n]
            for n, part in enumerate((u, v))
        ]
        border = model(wall)[:, :2].square().mean() + (model(wall + torch.tensor([0.0, 1.0]))[:, 0] - 1).square().mean()
        return sum(m.square().mean() for m in momentum) + (u[:, 0] + v[:, 1]).square().mean() + border

    return {"loss": descend(model, loss, steps=2)}


def proteins() -> Result:
    generator = torch.Generator().manual_seed(0)
    letters = torch.randint(21, (40, 5), generator=generator)
    label = torch.arange(40) % 2
    letters[:, 2] = torch.where(label == 1, 11, 15)
    x = nn.functional.one_hot(letters, 21).flatten(1).float()
    y = label[:, None].float()
    data = {"train_input": x[:20], "train_label": y[:20], "test_input": x[20:], "test_label": y[20:]}
    model = KAN(width=[105, 3, 2], grid=3, k=2)

    def loss_fn(prediction: Tensor, wanted: Tensor) -> Tensor:  # the notebook's labels are broadcast to two outputs
        return (prediction - wanted).square().mean()

    def test_acc() -> Tensor:
        return torch.mean((torch.round(model(x[20:])[:, 0]) == y[20:, 0]).float())

    results = model.fit(data, opt="LBFGS", steps=5, metrics=(test_acc,), loss_fn=loss_fn)
    accuracy = last(results, "test_acc")
    model.auto_symbolic(lib=["x", "x^2", "x^3", "x^4", "exp", "log", "sqrt", "tanh", "sin", "tan", "abs"])
    return {"accuracy": accuracy, "of formulas": float(test_acc())}


SCRIPTS = {
    "Physics_1": lagrangian,
    "Physics_2A": conserved,
    "Physics_2B": conserved_in_two_dimensions,
    "Physics_3": black_hole,
    "Community_1": navier_stokes,
    "Community_2": proteins,
}
