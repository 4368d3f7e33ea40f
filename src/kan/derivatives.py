"""pykan's derivatives: of functions by their inputs, and of losses by parameters."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy
import torch
from torch import Tensor, nn

from kan.held import Held
from kan.joined import columns
from kan.symbolic import SYMBOLIC_LIB
from kanlens import curvature, structure
from kanlens.compiler import compile_formula
from kanlens.errors import InputError
from kanlens.jets import Jet


def batch_jacobian(
    func: Callable[[Tensor], Tensor], x: Tensor, create_graph: bool = False, mode: str = "scalar"
) -> Tensor:
    """Return the derivatives of each row: `(rows, in)` of one output, `(rows, out, in)` with mode `"vector"`."""
    if mode not in ("scalar", "vector"):
        raise InputError(f"expected mode 'scalar' or 'vector', got {mode!r}.")
    if (jet := _jet(func, x, 1, create_graph)) is not None and jet.slopes is not None:
        return jet.slopes.permute(2, 1, 0) if mode == "vector" else _of_one(jet.slopes.permute(2, 1, 0))
    if mode == "scalar":
        return structure.gradients(func, x, create_graph=create_graph)
    at = x if x.requires_grad else x.detach().requires_grad_()
    with torch.enable_grad():
        parts = columns(func, at)
    found = torch.stack([structure.gradients(_constant(part), at, create_graph=True) for part in parts], 1)
    return found if create_graph else found.detach()


def _constant(values: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda _: values


def batch_hessian(model: Callable[[Tensor], Tensor], x: Tensor, create_graph: bool = False) -> Tensor:
    """Return the second derivatives of one output at each row, `(rows, in, in)`."""
    if (jet := _jet(model, x, 2, create_graph)) is not None and jet.curvatures is not None:
        return _of_one(jet.curvatures.permute(3, 2, 0, 1))
    return structure.hessians(model, x, create_graph=create_graph)


def _jet(func: object, x: Tensor, order: int, create_graph: bool) -> Jet | None:
    """Return the derivatives that a model carries through its layers, if it is a model that does."""
    if not isinstance(func, Held):
        return None
    with torch.set_grad_enabled(create_graph):
        return func.jet(x, order)


def _of_one(derivatives: Tensor) -> Tensor:
    """Return the derivatives of the only output from those `(rows, out, ...)` of all."""
    if derivatives.shape[1] != 1:
        raise InputError(f"expected one output, got {derivatives.shape[1]}. Use mode='vector'.")
    return derivatives.squeeze(1)


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
