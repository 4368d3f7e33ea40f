"""Derivatives of a loss by all parameters of any torch model, as one vector and one matrix."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

Objective = Callable[[nn.Module], Tensor]
"""From a model to a scalar, such as its squared error on some rows."""


def flatten(model: nn.Module) -> Tensor:
    """Return the parameters that are trained as one vector `(p,)`, in the order of `model.parameters()`.

    Examples
    --------
    >>> flatten(nn.Linear(2, 1)).shape
    torch.Size([3])
    """
    return torch.cat([parameter.flatten() for parameter in model.parameters() if parameter.requires_grad])


def gradient(model: nn.Module, objective: Objective) -> Tensor:
    """Return the derivatives of an objective by the parameters that are trained, `(p,)`.

    Examples
    --------
    >>> model = nn.Linear(1, 1)
    >>> gradient(model, lambda m: m(torch.ones(1, 1)).sum())
    tensor([1., 1.])
    """
    found: Tensor = torch.func.grad(_of_vector(model, objective))(flatten(model).detach())
    return found


def hessian(model: nn.Module, objective: Objective) -> Tensor:
    """Return the second derivatives of an objective by the parameters that are trained, `(p, p)`.

    Examples
    --------
    >>> model = nn.Linear(1, 1)
    >>> hessian(model, lambda m: m(torch.ones(1, 1)).square().sum())
    tensor([[2., 2.],
            [2., 2.]])
    """
    theta = flatten(model).detach().requires_grad_()
    first = torch.autograd.grad(_of_vector(model, objective)(theta), theta, create_graph=True)[0]
    rows = [torch.autograd.grad(each, theta, retain_graph=True, materialize_grads=True)[0] for each in first]
    return torch.stack(rows)


def _of_vector(model: nn.Module, objective: Objective) -> Callable[[Tensor], Tensor]:
    """Return an objective as a function of the flat parameters."""
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}

    def value(theta: Tensor) -> Tensor:
        pieces = torch.split(theta, [parameter.numel() for parameter in trained.values()])
        named = {n: piece.view(p.shape) for (n, p), piece in zip(trained.items(), pieces, strict=True)}
        wrapped = _Asked(model, objective)
        result: Tensor = functional_call(wrapped, {f"model.{name}": tensor for name, tensor in named.items()}, ())
        return result

    return value


class _Asked(nn.Module):
    """Make an objective's value the output of a module, so that its parameters can be replaced."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self) -> Tensor:
        """Return the objective of the model."""
        return self.objective(self.model)
