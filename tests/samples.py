"""Networks and data that several tests use."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.candidates import Candidate
from kanlens.functions import lookup
from kanlens.jacobian import Parameters
from kanlens.network import KAN, Trace
from kanlens.surgery import cut, with_symbols


def points(rows: int, columns: int, seed: int = 0, low: float = -1.0, high: float = 1.0) -> Tensor:
    """Return uniform random float64 points `(rows, columns)`."""
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(rows, columns, generator=generator, dtype=torch.float64)


def tutorial(x: Tensor) -> Tensor:
    """Return exp(sin(pi x) + y^2), the function that introduces KANs."""
    return torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:2] ** 2)


def rich(seed: int = 0, widths: Sequence[Any] = (3, (2, (2, 3)), (1, 1), 2), **options: Any) -> KAN:
    """Return a random float64 network that has all there is: products, cut edges, symbols on any layer."""
    options = {"basis": BSpline(3, 4), "noise": 0.5} | options
    model = KAN(widths, seed=seed, dtype=torch.float64, **options)
    edges = model.live()
    order = torch.randperm(len(edges), generator=torch.Generator().manual_seed(seed)).tolist()
    share = len(edges) // 5
    gone, named = [edges[k] for k in order[:share]], [edges[k] for k in order[share : 2 * share]]
    names = ["sin", "x^2", "exp", "tanh", "sin", "x"]
    symbols = {
        edge: Candidate(lookup(names[k % len(names)]), (0.9 - 0.1 * k, 0.2 + 0.1 * k, 0.5 - 0.3 * k, 0.1), 1.0)
        for k, edge in enumerate(named)
    }
    return with_symbols(cut(model, gone), symbols)


def as_function(parameters: Parameters, x: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the network's outputs at `x` as a function of the parameters, which autograd can follow."""
    trace = as_trace(parameters, x)
    return lambda theta: trace(theta).nodes[-1]


def as_trace(parameters: Parameters, x: Tensor) -> Callable[[Tensor], Trace]:
    """Return all that a forward pass at `x` sees as a function of the parameters, which autograd can follow."""

    def trace(theta: Tensor) -> Trace:
        model, start = parameters.model, 0
        tensors: dict[str, Tensor] = {}
        for number, layer in enumerate(model.layers):
            out, in_ = parameters.live[number].unbind(1)
            places = {
                f"layers.{number}.coef": (out, in_),
                f"layers.{number}.weight": (out, in_) if layer.has_residual else (out[:0], in_[:0]),
                f"symbols.{number}.affine": parameters.free[number].nonzero(as_tuple=True),
            }
            for name, place in places.items():
                old = model.get_parameter(name).detach()
                shape = old[place].shape
                tensors[f"model.{name}"] = old.index_put(place, theta[start : start + shape.numel()].view(shape))
                start += shape.numel()
        found: Trace = torch.func.functional_call(_Traced(model), tensors, (x,))
        return found

    return trace


class _Traced(torch.nn.Module):
    def __init__(self, model: KAN) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Trace:
        return self.model.trace(x)
