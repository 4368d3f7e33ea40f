"""What the notebooks Interp_1 to Interp_11 do."""

import itertools
from typing import Any

import matplotlib.pyplot as plt
import sympy
import torch
from looks import last, show
from torch import Tensor

from kan import KAN, MultKAN, create_dataset
from kan.compiler import kanpiler
from kan.feynman import get_feynman_dataset
from kan.hypothesis import detect_separability, plot_tree
from kan.hypothesis import test_general_separability as is_generally_separable
from kan.hypothesis import test_separability as is_separable
from kan.hypothesis import test_symmetry as is_symmetric
from kan.hypothesis import test_symmetry_var as is_symmetry
from kan.MLP import MLP
from kan.utils import augment_input, ex_round, get_derivative

Result = dict[str, Any]


def products() -> Result:
    torch.set_default_dtype(torch.float64)
    data = create_dataset(lambda x: x[:, [0]] * x[:, [1]], n_var=2)
    plain = KAN(width=[2, 5, 1], grid=3, k=3, seed=1)
    plain.fit(data, steps=20, lamb=0.01)
    plain = plain.prune()
    one = last(plain.fit(data, steps=20))
    show(plain)
    model = KAN(width=[2, [5, 2], 1], base_fun="identity", seed=1)
    model.fit(data, steps=20, lamb=0.01, lamb_coef=1.0)
    model = model.prune()
    model.fit(data, steps=20)
    model.auto_symbolic(lib=["x", "x^2", "x^3", "exp", "log", "sqrt", "sin"])
    two = last(model.fit(data, steps=20))
    formula = sympy.nsimplify(ex_round(ex_round(model.symbolic_formula()[0][0], 3), 3))
    return {"rmse": [one, two], "formula": str(formula)}


def kinds_of_products() -> Result:
    arities: list[tuple[list[Any], Any]] = [([2, [5, 2], 1], arity) for arity in (2, 3, 4, [[], [2, 3], []])]
    for width, arity in [*arities, ([2, [2, 2], [1, 3], [3, 2], [1, 1]], 2)]:
        model = MultKAN(width=width, mult_arity=arity, base_fun="identity")
        model(torch.randn(100, 2))
        show(model)
    return {"drawn": 5}


def compiled() -> Result:
    torch.manual_seed(0)
    x, y = sympy.symbols("x y")
    small = kanpiler([x, y], sympy.exp(sympy.sin(sympy.pi * x) + y**2))
    small.get_act(2 * torch.rand(100, 2) - 1)
    show(small)
    variables, expression, f, ranges = get_feynman_dataset(36)
    model = kanpiler(variables, expression)
    low, high = torch.tensor(ranges).T
    points = low + (high - low) * torch.rand(1000, len(variables))
    error = float((model(points) - f(points).reshape(-1, 1)).detach().square().mean())
    show(model)
    model.expand_depth()
    model.expand_width(1, 2)
    model.expand_width(2, 2, sum_bool=False, mult_arity=[2, 3])
    model.get_act(points)
    model.perturb(mag=0.1, mode="all")
    model.get_act(points)
    show(model)
    return {"mean square": error}


def attribution() -> Result:
    f = lambda x: x[:, [0]] ** 2 + 0.3 * x[:, [1]] + 0.1 * x[:, [2]] ** 3 + 0.0 * x[:, [3]]
    data = create_dataset(f, n_var=4)
    model = KAN(width=[4, 5, 1], grid=3, k=3, seed=1)
    model.fit(data, opt="LBFGS", steps=20, lamb=0.001)
    show(model)
    scores = model.feature_score.tolist()
    model.attribute(1, 2)
    model = model.prune_input()
    show(model)
    wide = create_dataset(lambda x: (x**2 * 0.5 ** torch.arange(100)).sum(dim=1, keepdim=True), n_var=100)
    hundred = KAN(width=[100, 10, 10, 1], grid=3, k=3, seed=2)
    error = last(hundred.fit(wide, opt="LBFGS", steps=50, lamb=0.001))
    small = hundred.prune()
    small.fit(wide, opt="LBFGS", steps=50)
    small = small.prune_input(threshold=3e-2)
    show(small)
    return {"rmse": error, "scores": scores, "kept": model.input_id.tolist()}


def structure_of_functions() -> Result:
    torch.manual_seed(0)
    x = torch.rand(100, 6) * 2 - 1
    sums = lambda x: x[:, [0]] * x[:, [1]] + x[:, [2]] * x[:, [3]] + x[:, [4]] * x[:, [5]]
    product = lambda x: (x[:, [0]] + x[:, [1]]) * (x[:, [2]] + x[:, [3]]) * (x[:, [4]] + x[:, [5]])
    wave = lambda x: torch.sin(product(x))
    pairs, others = [[0, 1], [2, 3], [4, 5]], [[0, 1], [2, 4], [3, 5]]
    groups = [sorted(detect_separability(f, x, how)["groups"]) for f, how in ((sums, "add"), (product, "mul"))]
    answers = [bool(is_separable(f, x, g, "mul")) for f, g in ((product, pairs), (product, others), (wave, pairs))]
    answers += [bool(is_generally_separable(wave, x, pairs))]
    answers += [bool(is_symmetric(product, x, group)) for group in ([0, 1], [0, 2], [2, 3])]
    _, b, c = variables = sympy.symbols("a b c")
    root = lambda x: x[:, [0]] * torch.sqrt(1 + (x[:, [1]] / x[:, [2]]) ** 2)
    for variable in (b / c, b * c):
        is_symmetry(root, torch.rand(100, 3) * 2 - 1, variables, variable)
    tree(wave, x)
    return {"groups": groups == [pairs, pairs], "answers": answers}


def tree(f: Any, x: Tensor) -> None:
    for style in ("tree", "box"):
        plot_tree(f, x, style=style)
        plt.close("all")


def structure_of_a_network() -> Result:
    f = lambda x: (x[:, [0]] ** 2 + x[:, [1]] ** 2) ** 2 + (x[:, [2]] ** 2 + x[:, [3]] ** 2) ** 2
    data = create_dataset(f, n_var=4)
    model = KAN(width=[4, 5, 5, 1], grid=3, k=3, seed=0)
    error = last(model.fit(data, opt="LBFGS", steps=100))
    x = data["train_input"]
    found = detect_separability(model, x, mode="add", score_th=0.1)
    model.tree(x=x[:300], in_var=None, style="tree", sym_th=1e-2, sep_th=5e-1)
    plt.close("all")
    return {
        "rmse": error,
        "groups": str(sorted(sorted(map(int, group)) for group in found.get("groups", []))),
        "symmetric": bool(is_symmetric(model, x, [0, 1], 1e-2)),
    }


def auxiliary_variables() -> Result:
    m, v, c = variables = sympy.symbols("m0 v c")
    f = lambda x: x[:, [0]] / torch.sqrt(1 - (x[:, [1]] / x[:, [2]]) ** 2)
    data = create_dataset(f, n_var=3, ranges=[[0, 1], [0, 0.9], [1.1, 2]])
    beta = v / c
    gamma = 1 / sympy.sqrt(1 - beta**2)
    data = augment_input(variables, [beta, gamma], data)
    model = MultKAN(width=[5, [0, 1]], grid=3, k=3)
    error = last(model.fit(data, steps=50, lamb=0.0001, lamb_coef=0.1, lamb_entropy=2.0))
    show(model)
    model = model.prune_input()
    model.auto_symbolic(lib=["x"])
    error = last(model.fit(data, steps=50))
    formula = model.symbolic_formula(var=[beta, gamma, m, v, c])[0][0]
    return {"rmse": error, "formula": str(sympy.nsimplify(ex_round(formula, 3)))}


def metrics_of_plots() -> Result:
    f = lambda x: 0.6 * x[:, [0]] + 0.1 * torch.sin(5 * x[:, [1]])
    data = create_dataset(f, n_var=3)
    model = KAN(width=[3, 3, 1], grid=3, k=3, seed=1)
    error = last(model.fit(data, steps=20, lamb=0.001))
    for metric in ("forward_u", "forward_n", "backward"):
        show(model, metric=metric)
    return {"rmse": error}


def hessian() -> Result:
    data = create_dataset(lambda x: torch.sin(2 * torch.pi * x[:, [0]]), n_var=1, train_num=100)
    largest = []
    for model in (KAN(width=[1, 5, 1], grid=5, k=3, seed=0), MLP(width=[1, 20, 20, 1])):
        model.fit(data, steps=20)
        found = get_derivative(model, data["train_input"], data["train_label"])
        found = torch.as_tensor(found).squeeze()
        largest.append(float(torch.linalg.eigvalsh((found + found.T).detach() / 2)[-1]))
    return {"largest eigenvalues": largest}


def majority() -> Result:
    x = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=9)))
    y = x.reshape(-1, 3, 3).sum(dim=2).sign().sum(dim=1, keepdim=True).sign()
    data = {"train_input": x, "train_label": y, "test_input": x, "test_label": y}
    model = KAN(width=[9, 10, 10, 1], grid=3, k=3, seed=5)

    def accuracy() -> Tensor:
        return torch.mean((model(x).sign() == y).float())

    results = model.fit(data, steps=50, lamb=1e-3, metrics=[accuracy], display_metrics=["train_loss", "accuracy"])
    model.auto_swap()
    show(model, beta=3)
    model.prune(node_th=5e-2)
    reached = [last(results), float(accuracy())]
    model = MLP(width=[9, 10, 10, 1])
    model.fit(data, steps=1000)
    model.auto_swap()
    return {"rmse": reached[0], "accuracies": [reached[1], float(accuracy())]}


def sums_of_pairs() -> Result:
    data = create_dataset(lambda x: x[:, 0::2] + x[:, 1::2], n_var=10)
    model = KAN(width=[10, 10, 5], grid=3, k=3, seed=1)
    error = last(model.fit(data, steps=20, lamb=1e-3))
    show(model)
    before = float(model.connection_cost)
    model.auto_swap()
    show(model)
    return {"rmse": error, "cost": [before, float(model.connection_cost)]}


def sparse() -> Result:
    for init in (False, True):
        model = KAN(width=[5, 5, 5, 1], grid=3, k=3, sparse_init=init)
        model(torch.rand(100, 5))
        show(model)
    return {"edges": int((model.act_fun[0].mask != 0).sum())}


SCRIPTS = {
    "Interp_1": products,
    "Interp_2": kinds_of_products,
    "Interp_3": compiled,
    "Interp_4": attribution,
    "Interp_5": structure_of_functions,
    "Interp_6": structure_of_a_network,
    "Interp_8": auxiliary_variables,
    "Interp_9": metrics_of_plots,
    "Interp_10": hessian,
    "Interp_10A": majority,
    "Interp_10B": sums_of_pairs,
    "Interp_11": sparse,
}
