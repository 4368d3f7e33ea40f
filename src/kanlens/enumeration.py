"""Columns of functions inside each other, thousands at a time: where fits of chains begin.

A function around others is taken at a grid of scales and shifts. The grid is the same for all columns inside it, once
each of these runs from -1 to 1, so that one operation makes all of them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.chains import Chain, Link
from kanlens.functions import Function

AROUND = ("sin", "exp", "tanh", "arctan", "log", "sqrt", "1/x", "x^2", "x^3")
"""Functions that stand around others."""

SHIFTED = ("sqrt", "log", "abs", "x^2")
"""Functions that are taken of the variable itself and of that and a constant, which is fitted."""

TURNS = 4
"""Turns of a wave from 0 to the end of the variable's range, up to which waves are begun with."""

CENTRES = 9
"""Centres of bells over the variable's range, with which they are begun."""

KINKS = 16
"""Parts of the range between which kinks are begun with."""

STEEP = 1.4
"""Arguments up to which tangents are begun with, whose poles are at 1.57."""

LARGEST = 1e8
"""Values up to which a column is of use."""

FLAT = 1e-6
"""Deviation of a column, as a share of its largest value, up to which it is constant."""


class Columns(NamedTuple):
    """Hold columns `(n, points)`, each a function of `a u + b` with a column `u` of another set, or the variable."""

    matrix: Tensor
    kind: Tensor  # which functions in which order, (n,)
    functions: tuple[Function, ...]
    place: Tensor  # of the function in those, (n,)
    letters: Tensor  # a and b, (n, 2)
    parent: Tensor  # row of the column inside, (n,)
    inside: "Columns | None"

    def take(self, rows: Tensor) -> "Columns":
        """Return some of the columns."""
        return self._replace(
            matrix=self.matrix[rows],
            kind=self.kind[rows],
            place=self.place[rows],
            letters=self.letters[rows],
            parent=self.parent[rows],
        )

    def of(self, *names: str) -> "Columns":
        """Return the columns of some functions."""
        return self.take(torch.tensor([self.functions[k].name in names for k in self.place.tolist()]).nonzero()[:, 0])

    def chain(self, row: int) -> Chain:
        """Return the functions that make a column."""
        function = self.functions[int(self.place[row])]
        a, b = self.letters[row].tolist()
        if self.inside is None:
            itself = function.name in SHIFTED and b == 0
            return (Link(function, a, b, "" if itself else _FREE.get(function.name, "")),)
        free = "".join(letter for letter in "ab" if letter not in function.absorbed)
        return (*self.inside.chain(int(self.parent[row])), Link(function, a, b, free))


_FREE = dict.fromkeys(("sin", "cos", "exp", "tanh", "arctan", "tan"), "a") | dict.fromkeys(SHIFTED, "b")
"""Letters that are fitted in functions of the variable itself."""


def of_the_variable(s: Tensor, functions: Mapping[str, Function], coarse: bool = False) -> Columns:
    """Return functions of the variable, sines and the like at several scales and without a shift."""
    size, low = float(s.abs().amax()) or 1.0, float(s.amin())
    scales = torch.logspace(-0.5, 1, 7 if coarse else 12, dtype=s.dtype) / size
    shifts = size * torch.logspace(-1.5, 0.5, 6, dtype=s.dtype) - low
    shifts = torch.cat([shifts, shifts.new_zeros(1)]) if low >= 0 else shifts  # of the variable itself
    one, none = torch.ones(1, dtype=s.dtype), torch.zeros(1, dtype=s.dtype)
    # half a turn too many or too few at the end of the range, and a wave is lost
    waves = scales if coarse else torch.linspace(0.4, TURNS * 2 * math.pi, 32, dtype=s.dtype) / size
    grids = {"sin": (waves, none), "cos": (waves, none), "tanh": (scales, none), "arctan": (scales, none)}
    grids |= {"exp": (torch.cat([scales, -scales]), none)}
    kinks = -torch.linspace(low, float(s.amax()), KINKS + 1, dtype=s.dtype)[1:-1]
    kinks = torch.cat([kinks[kinks != 0], none])
    grids |= dict.fromkeys(("x", "x^2", "x^3", "1/x"), (one, none)) | dict.fromkeys(("sqrt", "log"), (one, shifts))
    grids |= {"abs": (one, none if coarse else kinks), "tan": (scales[scales * size < STEEP], none)}
    chosen = tuple(functions[name] for name in grids if name in functions)
    letters = [torch.cartesian_prod(*grids[function.name]).view(-1, 2) for function in chosen]
    values = [function.torch(ab[:, :1] * s + ab[:, 1:]) for function, ab in zip(chosen, letters, strict=True)]
    place = torch.arange(len(chosen)).repeat_interleave(torch.tensor([len(ab) for ab in letters]))
    return _sound(Columns(torch.cat(values), place, chosen, place, torch.cat(letters), 0 * place, None))


def shifted_squares(s: Tensor, functions: Mapping[str, Function]) -> Columns:
    """Return squares of the variable and a constant, for bells: `exp(-(s - c)^2)`, `1/((s - c)^2 + k)`."""
    centres = torch.linspace(float(s.amin()), float(s.amax()), CENTRES, dtype=s.dtype)
    chosen = tuple(functions[name] for name in ("x^2",) if name in functions)
    letters = torch.stack([torch.ones_like(centres), -centres], 1)[: CENTRES * len(chosen)]
    values = [function.torch(s - centres[:, None]) for function in chosen]
    place = torch.zeros(len(letters), dtype=torch.long)
    return _sound(Columns(torch.cat([s[None, :][:0], *values]), place, chosen, place, letters, place, None))


def of_the_square(columns: Columns, functions: Mapping[str, Function]) -> Columns:
    """Return functions of the variable's square, which is more often inside others than anything else."""
    square = columns.of("x^2")
    return joined(list(around(square, functions))) if len(square.place) else square


def around(inside: Columns, functions: Mapping[str, Function], coarse: bool = False) -> Iterator[Columns]:
    """Yield the columns of each function around all columns."""
    u = inside.matrix
    low, high = u.amin(1), u.amax(1)
    centre, half = (low + high) / 2, ((high - low) / 2).clamp_min(1e-300)
    chosen = tuple(functions[name] for name in AROUND if name in functions)
    for place, function in enumerate(chosen):
        scales, pairs = _grid(function.name, coarse, u)
        a, b = pairs[:, 0] / half[:, None], pairs[:, 1] - pairs[:, 0] * (centre / half)[:, None]  # (n, grid)
        a, b = torch.cat([a, scales / half[:, None]], 1), torch.cat([b, u.new_zeros(len(u), len(scales))], 1)
        if "a" in function.absorbed:
            a, b = a.sign(), b / a.abs()
        values = function.torch(a[..., None] * u[:, None] + b[..., None]).flatten(0, 1)
        parent = torch.arange(len(u)).repeat_interleave(a.shape[1])
        kind, letters = inside.kind[parent] * len(AROUND) + place, torch.stack([a, b], 2).flatten(0, 1)
        yield _sound(Columns(values, kind, chosen, torch.full_like(parent, place), letters, parent, inside))


def joined(parts: Sequence[Columns]) -> Columns:
    """Return the columns of all parts, which are functions around the same ones."""
    whole = (
        torch.cat(field)
        for field in zip(*((p.matrix, p.kind, p.place, p.letters, p.parent) for p in parts), strict=True)
    )
    matrix, kind, place, letters, parent = whole
    return Columns(matrix, kind, parts[0].functions, place, letters, parent, parts[0].inside)


def _grid(name: str, coarse: bool, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return scales of `v` in [-1, 1] where it keeps its zero, and pairs `(a, b)` of `a v + b`."""

    def logs(low: float, high: float, fine: int, rough: int) -> Tensor:
        return torch.logspace(low, high, rough if coarse else fine, dtype=like.dtype)

    none = like.new_zeros(0)
    if name == "sin":
        return none, torch.cartesian_prod(logs(-0.5, 0.8, 9, 5), math.pi * like.new_tensor([0.0, 0.25, 0.5, 0.75]))
    if name == "exp":
        a = logs(-0.5, 0.8, 9, 4)
        return torch.cat([a, -a]), like.new_zeros(0, 2)
    if name in ("tanh", "arctan"):
        a, zero = torch.cartesian_prod(scales := logs(-0.3, 0.8, 7, 3), like.new_tensor([-0.6, 0.0, 0.6])).unbind(1)
        return scales, torch.stack([a, -a * zero], 1)
    if name in ("x^2", "x^3"):
        b = torch.linspace(-1.5, 1.5, 3 if coarse else 7, dtype=like.dtype)
        return like.new_ones(1), torch.stack([torch.ones_like(b), b], 1)
    far = 1 + logs(-1.5, 1, 9, 5)
    return none, torch.cat([torch.stack([sign * torch.ones_like(far), far], 1) for sign in (1, -1)])


def _sound(columns: Columns) -> Columns:
    """Return the columns that are finite and not constant."""
    largest = columns.matrix.abs().amax(1)
    flat = columns.matrix.std(1) <= FLAT * largest
    return columns.take((torch.isfinite(largest) & (largest < LARGEST) & ~flat).nonzero()[:, 0])
