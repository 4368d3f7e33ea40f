"""The products of a Jacobian's columns with each other, without the Jacobian."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.jacobian import Parameters, Pass, sensitivities
from kanlens.quadratic import mirror

Root = Callable[[Tensor], Tensor]
"""Weigh derivatives of the outputs `(batch, outputs, ...)`, row by row."""


class Group(NamedTuple):
    """Hold what the Jacobian by some parameters, which follow each other and act through one sub-node, is made of.

    An entry is a sensitivity `(outputs, batch)` of the outputs to the sub-node times a function `(functions, batch)`.
    """

    sensitivity: Tensor
    functions: Tensor


@torch.no_grad()
def column_products(parameters: Parameters, passes: Sequence[Pass], root: Root) -> Tensor:
    r"""Return :math:`\sum_{r,o} J_{rop} J_{roq}`, `(p, p)`, of the Jacobian of the outputs weighed by `root`.

    All parameters of the edges into a sub-node *s* act through it, :math:`J_{rop} = d_{ros} f_{rp}`, so that

    .. math:: \sum_{r,o} J_{rop} J_{roq} = \sum_r \Big( \sum_o d_{ros} d_{rot} \Big) f_{rp} f_{rq} .

    The sum over outputs is of one number for each row and pair of sub-nodes, and the rest costs what it does for one
    output. Sub-nodes that no output sees together, as those of the last layer, are left out. `root` must be linear
    in its argument.
    """
    groups = list(_groups(parameters, passes, root))
    sensitivity = torch.stack([group.sensitivity for group in groups])  # (groups, outputs, batch)
    ends = [0, *itertools.accumulate(len(group.functions) for group in groups)]
    found = sensitivity.new_zeros(parameters.size, parameters.size)
    weighed = sensitivity.new_empty(parameters.size, sensitivity.shape[2])
    for first, group in enumerate(groups):
        here = slice(ends[first], ends[first + 1])
        shared = (sensitivity[first:] * group.sensitivity).sum(1)  # (groups from here, batch)
        seen = [number for number, some in enumerate(shared.any(1).tolist(), first) if some]
        for start, end in _runs(seen):
            for number in range(start, end):
                rows = slice(ends[number], ends[number + 1])
                torch.mul(shared[number - first], groups[number].functions, out=weighed[rows])
            there = slice(ends[start], ends[end])
            torch.mm(group.functions, weighed[there].T, out=found[here, there])
        mirror(found, here, slice(ends[first + 1], None))
    return found


def _groups(parameters: Parameters, passes: Sequence[Pass], root: Root) -> Iterator[Group]:
    """Give the parameters' groups in the order of the parameters."""
    weighed = {number: root(delta.permute(2, 0, 1)) for number, delta in sensitivities(passes)}
    for number, step in enumerate(passes):
        at = weighed[number].permute(2, 1, 0).contiguous()  # (subnodes, outputs, batch)
        for out, functions in _functions(step, parameters.live[number], parameters.free[number]):
            yield Group(at[out], functions)


def _functions(step: Pass, live: Tensor, free: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Give for each sub-node what its coefficients multiply, then its weights; and for each symbol its constants."""
    inputs = [live[live[:, 0] == out, 1] for out in range(step.layer.out_features)]
    values = step.values.permute(1, 2, 0)  # (in, size, batch)
    for out, read in enumerate(inputs):
        yield out, values[read].flatten(0, 1)
    for out, read in enumerate(inputs if step.residual is not None else ()):
        assert step.residual is not None
        yield out, step.residual.T[read]
    if step.named is not None:
        for out, constants, own in zip(step.symbols.out, step.named[0].permute(1, 2, 0), free, strict=True):
            yield out, constants[own]


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Give the first number of each run of consecutive ones, and the one after its last."""
    start = 0
    for end in range(1, len(numbers) + 1):
        if end == len(numbers) or numbers[end] != numbers[end - 1] + 1:
            yield numbers[start], numbers[end - 1] + 1
            start = end
