"""Make the constants of a network of symbols exact, as far as the data allow."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from kanlens.candidates import Candidate, absorb
from kanlens.constants import nearby
from kanlens.functions import LIBRARY
from kanlens.network import KAN, Edge, SymbolicEdges
from kanlens.objective import NetworkObjective
from kanlens.snapping import Named, Task
from kanlens.surgery import with_symbols


@dataclass(frozen=True)
class Slot:
    """Address one constant of a symbolic edge; `letter` 0 to 3 is a to d."""

    layer: int
    edge: int
    letter: int


def exact_constants(task: Task, named: Named) -> KAN:
    """Set constants to exact values one by one, each with a refit of the others; none if there are more than data."""
    named = task.refit(_gather(_unfold(named.model, task.x)), 60)
    if len(_slots(named.model)) > task.y.numel():
        return named.model
    for slot in _slots(named.model):
        named = _try(task, named, slot, [_neutral(named.model, slot)])
    for slot in _slots(named.model):
        error = _uncertainty(task, named.model, slot)
        value = float(named.model.symbols[slot.layer].affine[slot.edge, slot.letter].detach())
        named = _try(task, named, slot, [constant.value for constant in nearby(value, error)[:3]])
    return task.refit(named.model, 60).model


def _try(task: Task, named: Named, slot: Slot, values: list[float]) -> Named:
    for value in values:
        model = copy.deepcopy(named.model)
        symbols = model.symbols[slot.layer]
        with torch.no_grad():
            symbols.affine[slot.edge, slot.letter] = value
        symbols.fixed[slot.edge, slot.letter] = True
        tried = task.refit(model, 15, _limit(task, named.error, len(task.x)))
        if _allowed(task, tried, named):
            return tried
    return named


def _allowed(task: Task, tried: Named, named: Named) -> bool:
    """Tell whether the error forbids a constant.

    An exact constant saves a free one (half of log(rows) nats) and the digits to write it
    (as much again), so that a true constant is refused once in some thousand times.
    """
    if tried.error <= task.floor:
        return True
    return tried.error <= _limit(task, named.error, len(task.x)) and tried.held <= _limit(
        task, named.held, len(task.held_x)
    )


def _limit(task: Task, error: float, rows: int) -> float:
    """Return up to which mean square a constant is allowed that leaves `error` when it is free."""
    saved = math.log(len(task.x))
    return (error + task.floor) * math.exp(2 * saved / rows) - task.floor


def _uncertainty(task: Task, model: KAN, slot: Slot) -> float:
    """Return three standard errors of a free constant, from the Gauss-Newton Hessian."""
    objective = NetworkObjective(model, task.x, task.y)
    parameters = objective.parameters
    quadratic = objective.quadratic(parameters.get())
    covariance = torch.linalg.pinv(quadratic.hessian * objective.unit / 2, hermitian=True, rtol=1e-12)
    place = parameters.place(slot.layer, slot.edge, slot.letter)
    # noise averages out over the rows, round-off of the data does not
    variance = quadratic.value * objective.unit / len(task.x) + task.floor
    deviation = math.sqrt(max(float(covariance[place, place]), 0.0) * variance)
    value = abs(float(parameters.get()[place]))
    return 3 * deviation + 1e-9 * value


def _slots(model: KAN) -> list[Slot]:
    """Return the free constants in the order in which to fix them.

    Shifts come before scales, and outer arguments before inner ones, so that what the network
    can express in several ways ends in the way that people write: `exp(2 u)` with `u = x`
    becomes `exp(u)` with `u = 2 x`.
    """
    found = [
        Slot(layer, edge, letter)
        for layer, symbols in enumerate(model.symbols)
        for edge, letter in (~symbols.fixed).nonzero().tolist()
    ]
    rank = {3: 0, 1: 1, 0: 2, 2: 3}
    return sorted(found, key=lambda s: (rank[s.letter], -s.layer if s.letter != 3 else s.layer, s.edge))


def _neutral(model: KAN, slot: Slot) -> float:
    """Return 0 for a shift, and 1 with the present sign for a scale."""
    if slot.letter in (1, 3):
        return 0.0
    return math.copysign(1.0, float(model.symbols[slot.layer].affine[slot.edge, slot.letter].detach()))


@torch.no_grad()
def _gather(model: KAN) -> KAN:
    """Return the same network with one shift for each node, where several edges share it.

    The sum of the shifts `d` that arrive at a hidden node goes to the shift `b` of the edges that
    leave it. Trying `d = 0` with a refit instead was rejected: below a root or a logarithm the
    first step would leave the domain.
    """
    result = copy.deepcopy(model)
    for number, (symbols, width) in enumerate(zip(result.symbols, result.spec.widths[1:], strict=True)):
        for subnode in range(width.subnodes):
            arriving = [e for e, out in enumerate(symbols.out) if out == subnode]
            shift = float(symbols.affine[arriving, 3].sum())
            symbols.affine[arriving, 3] = 0
            symbols.fixed[arriving, 3] = True
            if number + 1 < result.depth and subnode < width.sums:
                _shift_inputs(result.symbols[number + 1], subnode, shift)
            else:
                symbols.affine[arriving[:1], 3] = shift
                symbols.fixed[arriving[:1], 3] = False
    return result


def _shift_inputs(symbols: SymbolicEdges, node: int, shift: float) -> None:
    """Add a shift to the argument of the edges that leave a node."""
    for edge, (function, in_) in enumerate(zip(symbols.functions, symbols.in_, strict=True)):
        if in_ == node:
            a, b, c, d = symbols.affine[edge].tolist()
            moved = a, b + a * shift, c, d
            absorbs = "b" in function.absorbed
            symbols.affine[edge] = symbols.affine.new_tensor(absorb(function, moved) if absorbs else moved)
            symbols.fixed[edge, 1] = absorbs


@torch.no_grad()
def _unfold(model: KAN, x: Tensor) -> KAN:
    """Return a network in which `|u|` and `relu(u)` of a `u` that keeps its sign on the data are `u` or 0."""
    nodes, plain = model.trace(x).nodes, {}
    for layer, symbols in enumerate(model.symbols):
        places = zip(symbols.functions, symbols.out, symbols.in_, symbols.affine.tolist(), strict=True)
        for function, out, in_, (a, b, c, d) in places:
            argument = a * nodes[layer][:, in_] + b
            low, high = float(argument.amin()), float(argument.amax())
            if function.name in ("abs", "relu") and (low >= 0 or high <= 0):
                sign = 1.0 if low >= 0 else -1.0 if function.name == "abs" else 0.0
                plain[Edge(layer, out, in_)] = Candidate(LIBRARY["x"], (1.0, 0.0, c * sign * a, d + c * sign * b), 1.0)
    return with_symbols(model, plain)
