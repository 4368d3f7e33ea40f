"""pykan's tests of how a function is put together, by the core's exact derivatives.

`model` is any function of inputs `(rows, in)` with one output: a network or a formula.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import sympy
import torch
from matplotlib.figure import Figure
from torch import Tensor

from kanlens import structure, treeplot
from kanlens.compiler import compile_formula
from kanlens.errors import InputError
from kanlens.functions import LIBRARY
from kanlens.structure import Part

Map = Callable[[Tensor], Tensor]
KINDS: dict[str, Any] = {"add": "sum", "mul": "product"}
PROPERTIES = {"sum": "Add", "product": "Mul", "function of a sum": "GS", "function": "Id", "input": ""}
"""pykan's names of the kinds of nodes: GS is a generalised sum, Id anything else."""


def _kind(mode: str) -> Any:
    if mode not in KINDS:
        raise InputError(f"expected mode 'add' or 'mul', got {mode!r}.")
    return KINDS[mode]


def _shifted(model: Map, bias: float) -> Map:
    return model if bias == 0 else lambda x: model(x) + bias


def detect_separability(
    model: Map,
    x: Tensor,
    mode: str = "add",
    score_th: float = 1e-2,
    res_th: float = 1e-2,
    n_clusters: int | None = None,
    bias: float = 0.0,
    verbose: bool = False,
) -> dict[str, Any]:
    """Return into how many groups of inputs a function falls apart as a sum or a product, and which.

    Two inputs are of one group if their mixed derivative is above `score_th` (see
    :func:`kanlens.structure.mixed`), or if a chain of such pairs joins them. With `n_clusters` the
    threshold is raised until there are as many groups. `res_th` is not needed: no group is approximate.

    Examples
    --------
    >>> found = detect_separability(lambda x: x[:, [0]] ** 2 + torch.exp(x[:, [1]] + x[:, [2]]), torch.rand(50, 3))
    >>> found["n_groups"], found["groups"]
    (2, [[0], [1, 2]])
    """
    kind = _kind(mode)
    hessian = structure.mixed(_shifted(model, bias), x, kind)
    levels = [score_th, *sorted(hessian.flatten().tolist())] if n_clusters else [score_th]
    found = [structure.separate(_shifted(model, bias), x, kind, tolerance=level) for level in levels]
    groups = next((each for each in found if len(each) == n_clusters), found[0])
    labels = [next(number for number, group in enumerate(groups) if i in group) for i in range(x.shape[1])]
    if verbose:
        print(f"{len(groups)} groups: {groups}")
    listed = [list(group) for group in groups]
    return {"hessian": hessian, "n_groups": len(groups), "labels": labels, "groups": listed}


def test_separability(
    model: Map, x: Tensor, groups: Sequence[Sequence[int]], mode: str = "add", threshold: float = 1e-2, bias: float = 0
) -> bool:
    """Tell whether a function is a sum or a product of functions of given groups."""
    return structure.is_separable(_shifted(model, bias), x, groups, _kind(mode), tolerance=threshold)


def test_general_separability(model: Map, x: Tensor, groups: Sequence[Sequence[int]], threshold: float = 1e-2) -> bool:
    """Tell whether a function is a function of a sum of functions of given groups."""
    return structure.is_separable(model, x, groups, "function of a sum", tolerance=threshold)


def batch_grad_normgrad(model: Map, x: Tensor, group: Sequence[int], create_graph: bool = False) -> Tensor:
    """Return how the direction of the gradient in a group changes with the inputs, `(rows, group, in)`."""
    at = x.detach().requires_grad_()
    steep = structure.gradients(model, at, create_graph=True)[:, list(group)]
    direction = steep / steep.norm(dim=1, keepdim=True)
    columns = [
        torch.autograd.grad(column.sum(), at, create_graph=create_graph, retain_graph=True, materialize_grads=True)[0]
        for column in direction.unbind(1)
    ]
    return torch.stack(columns, 1)


def get_dependence(model: Map, x: Tensor, group: Sequence[int]) -> Tensor:
    """Return how much the direction of the gradient in a group depends on the other inputs."""
    return torch.tensor(structure.dependence(model, x, group))


def test_symmetry(model: Map, x: Tensor, group: Sequence[int], dependence_th: float = 1e-3) -> bool:
    """Tell whether a function knows a group of inputs only by one scalar."""
    return structure.dependence(model, x, group) < dependence_th


def test_symmetry_var(model: Map, x: Tensor, input_vars: Sequence[sympy.Symbol], symmetry_var: sympy.Expr) -> Tensor:
    """Return the cosines between the gradients of a function and of an expression, and print how many are above 0.9."""
    names = [str(variable) for variable in input_vars]
    group = [names.index(str(variable)) for variable in sorted(symmetry_var.free_symbols, key=str)]
    scalar = compile_formula(symmetry_var, names, functions=LIBRARY, dtype=x.dtype)
    cosines = structure.alignment(model, scalar, x, group).abs()
    share = float((cosines > 0.9).double().mean())
    print(f"{100 * share:.1f}% of the data have a cosine above 0.9: {'a' if share > 0.9 else 'no'} symmetry")
    return cosines


def _levels(part: Part) -> list[list[Part]]:
    """Return the parts level by level; a part stays on the levels above until it becomes one of another's."""
    below = [level for child in part.parts for level in [_levels(child)]]
    height = part.height
    found = [[piece for child in below for piece in child[min(level, len(child) - 1)]] for level in range(height)]
    return [*found, [part]]


def get_molecule(model: Map, x: Tensor, sym_th: float = 1e-3, verbose: bool = True) -> list[list[list[int]]]:
    """Return the groups of inputs known by one scalar, level by level from single inputs to all.

    Examples
    --------
    >>> get_molecule(lambda x: torch.sin(x[:, [0]] * x[:, [1]]) + x[:, [2]], torch.rand(50, 3), verbose=False)
    [[[0], [1], [2]], [[0, 1], [2]], [[0, 1, 2]]]
    """
    found = [[list(part.inputs) for part in level] for level in _levels(structure.tree(model, x, tolerance=sym_th))]
    if verbose:
        print("\n".join(str(level) for level in found))
    return found


def get_tree_node(
    model: Map, x: Tensor, moleculess: Sequence[Sequence[Sequence[int]]], sep_th: float = 1e-2, skip_test: bool = True
) -> tuple[list[list[int]], list[list[str]]]:
    """Return for each group above the inputs of how many parts it is made, and how: Add, Mul, GS, or Id."""
    arities, properties = [], []
    for below, groups in pairwise(moleculess):
        parts = [[tuple(part) for part in below if set(part) <= set(group)] for group in groups]
        arities.append([len(each) for each in parts])
        properties.append(["" if skip_test else _property(model, x, each, sep_th) for each in parts])
    return arities, properties


def _property(model: Map, x: Tensor, parts: list[tuple[int, ...]], tolerance: float) -> str:
    return "Id" if len(parts) == 1 else PROPERTIES[structure.kind_of(model, x, parts, tolerance=tolerance)]


def plot_tree(
    model: Map,
    x: Tensor,
    in_var: Sequence[Any] | None = None,
    style: str = "tree",
    sym_th: float = 1e-3,
    sep_th: float = 1e-1,
    skip_sep_test: bool = False,
    verbose: bool = False,
) -> Figure:
    """Return a picture of the tree of scalars through which a function knows its inputs."""
    found = structure.tree(model, x, tolerance=sym_th, separable=sep_th)
    if verbose:
        print("\n".join(str([list(part.inputs) for part in level]) for level in _levels(found)))
    names = None if in_var is None else [sympy.latex(v) if isinstance(v, sympy.Expr) else str(v) for v in in_var]
    drawn: Any = style
    return treeplot.plot_tree(_unnamed(found) if skip_sep_test else found, names=names, style=drawn)


def _unnamed(part: Part) -> Part:
    """Return a tree that says nothing of how parts are combined."""
    return Part(part.inputs, "function" if part.parts else "input", tuple(map(_unnamed, part.parts)))


for _test in (test_separability, test_general_separability, test_symmetry, test_symmetry_var):
    setattr(_test, "__test__", False)  # noqa: B010  # pytest takes functions of such names for its own
