r"""Look inside a sine or a square around a curve, which both turn where what is inside them goes straight on.

Neither has an inverse, but along a curve there is one: where :math:`t = A \sin g + D` touches :math:`D \pm A`, or
:math:`t = g^2` touches zero, the branch of the inverse changes and :math:`g` goes on. What is left to find is :math:`g`
itself, whatever it is; a law that has it inside more functions is peeled one by one.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.functions import LIBRARY
from kanlens.problems import IDENTITY, TARGET, Problem, outers
from kanlens.surrogate import SMOOTH, curve
from kanlens.trees import Call, Power, Tree, add, complexity, multiply, raise_to, recognised

NEAR = 3e-4
"""Share of the target's range within which two turning points are at one level."""

UNIT = 1e-5
"""How far off 1 the amplitude of a sine may be that touches it once, and how well amplitude and middle are known."""

TRIED = 4
"""Problems that one curve is unfolded to."""

FEWEST, MOST = 40, 40
"""Rows that a curve has at least, and turning points at most."""

AROUND, DEGREE, STEPS = 4, 4, 20
"""Rows on either side of a turning point within the data, the degree of a polynomial there, and Newton steps."""


class Turn(NamedTuple):
    """Hold a turning point: where it is, the level that it reaches, whether it is a top, and whether that is flat."""

    place: float
    level: float
    top: bool
    flat: bool


class Fold(NamedTuple):
    """Hold a sine or square around a curve: its inverse near the middle, the branches' ends, and the law around it."""

    inside: Tensor
    touches: Sequence[tuple[float, float]]  # where, and the inverse there
    law: Tree
    simple: bool  # numbers in the law


def unfolded(problem: Problem) -> Iterator[tuple[bool, Problem]]:
    """Yield problems of what is inside a sine or a square where turning points speak for it, likely ones first.

    Either may be inside an outer function, which leaves turning points where they are. Amplitude and middle tell which
    one it is: for the right one they are mostly simple numbers, which comes with each problem. A square inside an outer
    function speaks for less: many curves have zero for a lowest value.
    """
    if len(problem.t) < FEWEST:
        return
    order = problem.z[:, 0].argsort()
    found: list[tuple[bool, Problem]] = []
    for outer in outers(problem.t):
        inside = problem.inside(outer)
        turns = _turns(inside.z[order, 0], inside.t[order])
        for fold in (*_sines(turns, inside.t), *_squares(turns, inside.t)):
            straight = inside.under(fold.law, _straight(inside.z[:, 0], fold))
            smooth = curve(straight.z, straight.t, order)
            if smooth is not None and smooth.error < SMOOTH * float(straight.t.std()):
                found.append((fold.simple and (outer is IDENTITY or not isinstance(fold.law, Power)), straight))
    yield from sorted(found, key=lambda pair: (not pair[0], complexity(pair[1].law)))[:TRIED]


def _straight(z: Tensor, fold: Fold) -> Tensor:
    """Return the inverse along the curve, on another branch after each touch."""
    sign, shift = torch.ones_like(z), torch.zeros_like(z)
    for place, end in fold.touches:
        after = z > place
        shift, sign = torch.where(after, shift + 2 * end * sign, shift), torch.where(after, -sign, sign)
    return sign * fold.inside + shift


def _sines(turns: Sequence[Turn], t: Tensor) -> Iterator[Fold]:
    """Yield sines of the amplitude that turning points show, about their middle or zero."""
    near = NEAR * float(t.amax() - t.amin())
    top = max((turn.level for turn in turns if turn.top), default=-math.inf)
    bottom = min((turn.level for turn in turns if not turn.top), default=math.inf)
    one = max(top, -bottom)
    for size, middle, certain in (((top - bottom) / 2, (top + bottom) / 2, 3), (one, 0.0, 2)):
        if not 0 < size < math.inf or float((t - middle).abs().amax()) > size + near:
            continue
        touching = [turn for turn in turns if abs(turn.level - middle) > size - near]
        if len(touching) >= certain or abs(size - 1) < UNIT:
            numbers = [recognised(number, UNIT * size) for number in (size, middle)]
            law = add(multiply(numbers[0], Call(LIBRARY["sin"], TARGET)), numbers[1])
            ends = [(turn.place, math.copysign(math.pi / 2, turn.level - middle)) for turn in touching if not turn.flat]
            yield Fold(((t - middle) / size).clamp(-1, 1).asin(), ends, law, all(n.exact is not None for n in numbers))
            if abs(middle) < near or len(touching) > certain or abs(one - 1) > UNIT:
                return  # else two turns of what is inside may be at one level, as in `cos(x + 2 sin(2 x))`


def _squares(turns: Sequence[Turn], t: Tensor) -> Iterator[Fold]:
    """Yield the square of a curve that passes zero."""
    near = NEAR * float(t.amax() - t.amin())
    if float(t.amin()) > -near:
        ends = [(turn.place, 0.0) for turn in turns if not turn.top and not turn.flat and abs(turn.level) < near]
        if ends:
            yield Fold(t.clamp_min(0).sqrt(), ends, raise_to(TARGET, 2), True)


def _turns(z: Tensor, t: Tensor) -> list[Turn]:
    """Return where sorted rows turn, none if that is too often for a curve."""
    steps = t.diff()
    rows = ((steps[1:] * steps[:-1] < 0).nonzero()[:, 0] + 1).tolist()
    return [_turn(z, t, row) for row in rows] if len(rows) <= MOST else []


def _turn(z: Tensor, t: Tensor, row: int) -> Turn:
    """Return the turning point near a row, by a polynomial through the rows around it."""
    top = bool(t[row] > t[row - 1])
    first = min(max(row - AROUND, 0), len(t) - 2 * AROUND - 1)
    near = slice(first, first + 2 * AROUND + 1)
    middle, half = z[row], (z[near][-1] - z[near][0]) / 2
    u, t = (z[near] - middle) / half, t[near]
    powers = torch.arange(DEGREE + 1, dtype=z.dtype)
    coef = torch.linalg.lstsq(u[:, None] ** powers, t[:, None]).solution[:, 0]
    steep, bend = coef[1:] * powers[1:], coef[2:] * powers[2:] * powers[1:-1]
    at = torch.zeros((), dtype=z.dtype)
    for _ in range(STEPS):
        move = (steep @ at ** powers[:-1]) / (bend @ at ** powers[:-2])
        at = torch.nan_to_num(at - move).clamp(-1, 1)
    flat = abs(float(bend @ at ** powers[:-2])) < 2 * abs(float(coef[-1]))  # as where what is inside turns there, too
    return Turn(float(middle + half * at), float(coef @ at**powers), top, flat)
