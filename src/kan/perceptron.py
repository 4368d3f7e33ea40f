r"""Fit multilayer perceptrons by second order: their mean squared error as an objective of the core's solvers.

The derivative of an output by a weight is the value that enters it times the output's derivative by the sum that it
enters, so that all rows of the Jacobian take one pass back.

References
----------
M. Hagan and M. Menhaj, *Training Feedforward Networks with the Marquardt Algorithm* (1994).
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from kanlens.choice import REFIT_WORK
from kanlens.quadratic import Rows
from kanlens.solvers import LevenbergMarquardt, Stop

FIRST = 10
"""Steps by first order before those by second order, which from a fresh start saturate nodes for good: four of eight
networks for a law stayed near the targets' deviation. After three none did, and after ten they follow noise less."""

Layer = tuple[Tensor, Tensor]
"""Weights `(out, in)` and biases `(out,)`."""


class MeanSquare:
    """Measure a perceptron on rows, in double precision.

    Parameters
    ----------
    shapes : sequence of torch.Size
        Those of the weights and biases, in the order of the parameters.
    act : callable
        What is between the layers, value by value.
    x, y : Tensor
        Inputs `(rows, in)` and targets `(rows, out)`.
    """

    def __init__(self, shapes: Sequence[torch.Size], act: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> None:
        self.shapes, self.act = shapes, act
        self.x, self.y = x.double(), y.double()

    def value(self, theta: Tensor) -> float:
        """Return the mean squared error."""
        with torch.no_grad():
            return float((self._passed(theta)[1][-1] - self.y).square().mean())

    def quadratic(self, theta: Tensor) -> Rows:
        """Return the Gauss-Newton model."""
        nodes, sums, layers = *self._passed(theta), self._layers(theta)
        out = self.y.shape[1]
        back = torch.eye(out, dtype=theta.dtype, device=theta.device).expand(len(self.y), out, out)
        blocks: list[Tensor] = []
        for number in reversed(range(len(layers))):
            weights = back[..., None] * nodes[number][:, None, None]  # (rows, outputs, out, in)
            blocks = [weights.flatten(2), back, *blocks]
            if number:
                back = (back @ layers[number][0]) * _slope(self.act, sums[number - 1])[:, None]
        unit = self.y.numel() ** -0.5
        return Rows(torch.cat(blocks, 2).flatten(0, 1) * unit, (sums[-1] - self.y).flatten() * unit)

    @property
    def suits(self) -> bool:
        """Tell whether the rows determine the parameters, and steps are short: else held-out rows are met worse."""
        count = sum(shape.numel() for shape in self.shapes)
        return count <= self.y.numel() and (self.y.numel() + count) * count**2 <= REFIT_WORK

    def _layers(self, theta: Tensor) -> list[Layer]:
        parts = torch.split(theta, [shape.numel() for shape in self.shapes])
        shaped = [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return list(zip(shaped[::2], shaped[1::2], strict=True))

    def _passed(self, theta: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return what enters each layer and what it makes of it."""
        nodes, sums = [self.x], list[Tensor]()
        for weight, bias in self._layers(theta):
            sums.append(nn.functional.linear(nodes[-1], weight, bias))
            nodes.append(self.act(sums[-1]))
        return nodes, sums


def _slope(act: Callable[[Tensor], Tensor], sums: Tensor) -> Tensor:
    at = sums.detach().requires_grad_()
    with torch.enable_grad():
        found: Tensor = torch.autograd.grad(act(at).sum(), at)[0]
    return found


def minimise(parameters: Iterable[nn.Parameter], objective: MeanSquare, steps: int, record: Callable[[], None]) -> None:
    """Lower an objective of parameters step by step, recording after each, until rounding is all that is left."""
    point = list(parameters)
    met = float(objective.y.square().mean()) * (torch.finfo(point[0].dtype).eps / 2) ** 2

    def watch(_step: int, value: float, theta: Tensor) -> Stop | None:
        vector_to_parameters(theta.to(point[0]), point)
        record()
        return Stop.EXACT if value < met else None

    LevenbergMarquardt(steps).minimise(objective, parameters_to_vector(point).detach().double(), watch)
