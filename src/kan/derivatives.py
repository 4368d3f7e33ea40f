"""pykan's derivatives: of functions by their inputs, and of losses by parameters."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy
import torch
from torch import Tensor, nn

from kan.symbolic import SYMBOLIC_LIB
from kanlens import curvature, structure
from kanlens.compiler import compile_formula
from kanlens.errors import InputError


def batch_jacobian(
    func: Callable[[Tensor], Tensor], x: Tensor, create_graph: bool = False, mode: str = "scalar"
) -> Tensor:
    """Return the derivatives of each row: `(rows, in)` of one output, `(rows, out, in)` with mode `"vector"`."""
    at = x if x.requires_grad else x.detach().requires_grad_()
    with torch.enable_grad():
        outputs = func(at)
    if mode == "scalar":
        return structure.gradients(lambda _: outputs, at, create_graph=create_graph)
    if mode != "vector":
        raise InputError(f"expected mode 'scalar' or 'vector', got {mode!r}.")
    columns = [structure.gradients(_constant(column), at, create_graph=True) for column in outputs.unbind(1)]
    found = torch.stack(columns, 1)
    return found if create_graph else found.detach()


def _constant(values: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda _: values


def batch_hessian(model: Callable[[Tensor], Tensor], x: Tensor, create_graph: bool = False) -> Tensor:
    """Return the second derivatives of one output at each row, `(rows, in, in)`."""
    return structure.hessians(model, x, create_graph=create_graph)


def get_derivative(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    derivative: str = "hessian",
    loss_mode: str = "pred",
    reg_metric: str = "w",
    lamb: float = 0.0,
    lamb_l1: float = 1.0,
    lamb_entropy: float = 0.0,
) -> Tensor:
    """Return the derivatives of a loss by the parameters: the Hessian `(p, p)` or the Jacobian `(1, p)`.

    `loss_mode` is `"pred"` for the mean squared error, `"reg"` for the penalty, or `"all"` for both.
    """
    if loss_mode not in ("pred", "reg", "all") or derivative not in ("hessian", "jacobian"):
        raise InputError(
            f"expected loss_mode 'pred', 'reg' or 'all' and derivative 'hessian' or 'jacobian', "
            f"got {loss_mode!r} and {derivative!r}."
        )

    def objective(current: Any) -> Tensor:
        error: Tensor = (current(inputs) - labels).square().mean()
        if loss_mode == "pred":
            return error
        penalty: Tensor = current.get_reg(reg_metric, lamb_l1, lamb_entropy)
        return penalty if loss_mode == "reg" else error + lamb * penalty

    if derivative == "jacobian":
        return curvature.gradient(model, objective)[None]
    return curvature.hessian(model, objective)


def model2param(model: nn.Module) -> Tensor:
    """Return the parameters as one vector."""
    return curvature.flatten(model)


def augment_input(orig_vars: Sequence[Any], aux_vars: Sequence[sympy.Expr], x: Tensor | Mapping[str, Tensor]) -> Any:
    """Return inputs, or a dataset, with auxiliary variables before the original ones.

    Examples
    --------
    >>> a, b = sympy.symbols("a b")
    >>> augment_input([a, b], [a * b], torch.tensor([[2.0, 3.0]]))
    tensor([[6., 2., 3.]])
    """
    if isinstance(x, Mapping):
        return {k: augment_input(orig_vars, aux_vars, v) if k.endswith("_input") else v for k, v in x.items()}
    names = [str(variable) for variable in orig_vars]
    formulas = compile_formula(list(aux_vars), names, functions=SYMBOLIC_LIB, dtype=torch.float64).to(x.device)
    return torch.cat([formulas(x.double()).detach().to(x.dtype), x], dim=1)
