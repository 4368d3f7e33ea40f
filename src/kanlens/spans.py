"""Names for curves that are known but for how they are mixed: short functions in the span that they have."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.angles import wave_of
from kanlens.budget import look
from kanlens.chains import chain_tree
from kanlens.enumeration import Columns, around, of_the_square, of_the_variable, shifted_squares
from kanlens.functions import Function
from kanlens.naming import curve_names
from kanlens.refit import free_values, gauss_newton, with_free
from kanlens.trees import Tree, Variable, complexity, multiply, raise_to, values, values_and_jacobian

POINTS = 150
"""Points, spread over the variable, at which functions are compared."""

RIM = 100
"""Of so many rows, one is left out at either end."""

POWERS = (1, 2, 3, -1, -2)
"""Powers of the variable that are tried themselves."""

BEFORE = (0, 1, -1)
"""Powers of the variable before a function."""

SAME = 1e-3
"""Share of a function outside what is named already, up to which it says nothing new."""

EACH, STEPS = 1, 8
"""Functions of each kind that are fitted, and the Gauss-Newton steps that each gets."""

PATIENCE, LOST, ROUND_OFF = 3, 0.05, 1e-10
"""Steps, and share of a function outside the span after them from which it is given up; that from which it is there."""

FITTED = 12
"""Functions that are fitted at most."""

OUTSIDE = 0.3
"""Share of a function of a grid outside the span up to which it is worth fitting."""

TAKEN = 10.0
"""How far outside the span, in units of the doubt, a function may be that is taken."""


class Span(NamedTuple):
    """Hold points of a variable `(points,)`, an orthonormal basis of what is to be named, and of what is so already.

    Both contain the constants.
    """

    s: Tensor
    whole: Tensor
    named: Tensor

    @classmethod
    def of(cls, s: Tensor, curves: Tensor, doubt: float) -> "Span":
        """Return the span of curves `(rows, count)` and the constants, at points spread over the variable."""
        ends = len(s) // RIM  # where splines are least exact
        rows = s.argsort()[torch.linspace(ends, len(s) - 1 - ends, min(POINTS, len(s))).long()]
        one = torch.full((len(rows), 1), len(rows) ** -0.5, dtype=s.dtype)
        unit = torch.linalg.qr(curves[rows])[0]
        beyond = one - unit @ (unit.mT @ one)
        within = float(beyond.norm()) < TAKEN * doubt
        return cls(s[rows], unit if within else torch.cat([unit, beyond / beyond.norm()], 1), one)

    @property
    def left(self) -> int:
        """Return how many functions are still to be named."""
        return self.whole.shape[1] - self.named.shape[1]

    def ahead(self) -> Tensor:
        """Return the curve `(points,)` that has most of what is still to be named."""
        new = self.whole - self.named @ (self.named.mT @ self.whole)
        curve: Tensor = torch.linalg.svd(new, full_matrices=False)[0][:, 0]
        return curve

    def with_name(self, values: Tensor) -> "Span":
        """Return the span with one more function named."""
        new = values - self.named @ (self.named.mT @ values)
        return self._replace(named=torch.cat([self.named, (new / new.norm())[:, None]], 1))

    def outside(self, columns: Tensor) -> Tensor:
        """Return how far outside the span functions `(n, points)` are, as a share of what is new in them."""
        new = columns - columns @ self.named @ self.named.mT
        size = new.norm(dim=1)
        share = (new - new @ self.whole @ self.whole.mT).norm(dim=1) / size
        known = ~(size > SAME * columns.norm(dim=1))
        return torch.where(known, math.inf, torch.nan_to_num(share, nan=math.inf))


def span_names(s: Tensor, curves: Tensor, doubt: float, functions: Mapping[str, Function]) -> list[Tree] | None:
    r"""Return functions of a variable that span some curves, with the constants; None if not all are found.

    A sum of products :math:`\sum_r f_r(x)\,g_r(y)` tells its curves but for how they are mixed. Each function that is
    a mixture of them can be recognised alone, by the share of it that lies outside the span (variable projection,
    Golub & Pereyra 1973): the others need not be known.

    Parameters
    ----------
    s : Tensor
        Values of the variable, `(rows,)`.
    curves : Tensor
        Curves at these, `(rows, count)`.
    doubt : float
        How far off the span is, as a share of a curve.
    functions : mapping of str to Function
    """
    span = Span.of(s, curves, doubt)
    alone = span.left == 1
    found: list[Tree] = []
    while span.left:
        inside = _likely(span, functions, doubt)
        if not inside and alone:  # all but a factor and a term is known of the curve
            return curve_names(span.s, span.ahead(), functions, doubt).likely[:1]
        if not inside:
            return None
        new = _unshifted(inside[0], span, doubt)
        found += new
        for name in new:
            span = span.with_name(values(name, span.s[:, None]))
    return found


def first_name(s: Tensor, curves: Tensor, doubt: float, functions: Mapping[str, Function]) -> Tree | None:
    """Return the likeliest function in the span of some curves, with the constants, if one is known."""
    return next(iter(_likely(Span.of(s, curves, doubt), functions, doubt)), None)


def _unshifted(name: Tree, span: Span, doubt: float) -> list[Tree]:
    """Return the sine and the cosine in place of a wave if both lie in the span: so do all waves between them."""
    wave = wave_of(name)
    if wave is None:
        return [name]
    off = span.outside(torch.stack([values(side, span.s[:, None]) for side in wave.sides]))
    return list(wave.sides) if bool((off < TAKEN * doubt).all()) else [name]


def _likely(span: Span, functions: Mapping[str, Function], doubt: float) -> list[Tree]:
    """Return functions that lie in the span, the likeliest first; plain ones are tried before others."""
    for trees in _kinds(span, functions):
        look()
        taken = _taken([_fitted(tree, span) for tree in trees], span, doubt)
        if taken:
            return taken
    return []


def _taken(trees: Sequence[Tree], span: Span, doubt: float) -> list[Tree]:
    """Return those functions that lie in the span and are not named already, the likeliest first."""
    if not trees:
        return []
    off = span.outside(torch.stack([values(tree, span.s[:, None]) for tree in trees])).tolist()
    priced = [
        (20 * math.log2(share + doubt) + 4 * complexity(tree), place)
        for place, (share, tree) in enumerate(zip(off, trees, strict=True))
        if share < TAKEN * doubt
    ]
    return [trees[place] for _, place in sorted(priced)]


def _kinds(span: Span, functions: Mapping[str, Function]) -> Iterator[list[Tree]]:
    """Yield functions that are nearly in the span: powers and plain ones, then those inside each other."""
    plain, nowhere_zero = of_the_variable(span.s, functions), bool((span.s != 0).all())
    powers = [raise_to(Variable(0), p) for p in POWERS if nowhere_zero or p > 0]
    before = [p for p in BEFORE if nowhere_zero or p >= 0]
    yield powers  # which need no fit
    yield _best([(plain, p) for p in before] + [(of_the_square(plain, functions), 0)], span)
    for inside in (shifted_squares(span.s, functions), plain):
        yield _best([(part, 0) for part in around(inside, functions)], span)


def _best(kinds: Sequence[tuple[Columns, int]], span: Span) -> list[Tree]:
    """Return the functions of each kind, times a power of the variable, that are least outside the span."""
    near: list[tuple[float, int, int, int]] = []
    for number, (columns, power) in enumerate(kinds):
        off = span.outside(columns.matrix * span.s**power)
        rows = (off < OUTSIDE).nonzero()[:, 0]
        near += zip(off[rows].tolist(), [number] * len(rows), columns.kind[rows].tolist(), rows.tolist(), strict=True)
    count: Counter[tuple[int, int]] = Counter()
    chosen: list[Tree] = []
    for _, number, kind, row in sorted(near):
        count[number, kind] += 1
        if count[number, kind] <= EACH:
            columns, power = kinds[number]
            chosen.append(multiply(raise_to(Variable(0), power), chain_tree(columns.chain(row))))
    return chosen[:FITTED]


def _fitted(tree: Tree, span: Span) -> Tree:
    """Return a function with the constants by which the least of what is new in it is outside the span.

    What is outside is not enough: `cos(a s)` becomes a parabola as *a* goes to 0, which may be in the span as well.
    """
    points = span.s[:, None]
    best, damping = float(span.outside(values(tree, points)[None])[0]), 1e-3
    for step in range(STEPS if len(free_values(tree)) else 0):
        if best < ROUND_OFF or best > (LOST if step >= PATIENCE else OUTSIDE):
            break
        value, jacobian = values_and_jacobian(tree, points)
        new, newer = (part - span.named @ (span.named.mT @ part) for part in (value, jacobian))
        left, steep = (part - span.whole @ (span.whole.mT @ part) for part in (new, newer))
        size = new.norm()
        steep = steep / size - torch.outer(left, new @ newer) / size**3
        trial = with_free(tree, free_values(tree) + gauss_newton(steep, -left / size, None, damping)[0])
        there = float(span.outside(values(trial, points)[None])[0])
        if there < best:
            tree, best, damping = trial, there, damping / 8
        else:
            damping *= 8
    return tree
