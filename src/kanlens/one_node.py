r"""Laws that are a sum of curves of all columns and of one plain node, `sin(3 x y) + exp(x) + cos(2 y)`.

Inside an outer function, what is left of the target beside functions of the columns is one of `x - y`, `x y` or the
like. For each node that is linear in the coefficients of fine splines; the columns are projected out once for
all of them. The curves are known but for what is both a function of the node and a sum of functions of the columns:
multiples of the variable and of its square, beside which they are named.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.conditions import least_squares
from kanlens.functions import Function
from kanlens.plain_nodes import plain_nodes
from kanlens.problems import Outer, Problem, outers
from kanlens.spans import span_names
from kanlens.trees import Number, Tree, Variable, add, complexity, multiply, raise_to, substitute, values, whole
from kanlens.two_nodes import ALIKE, APART, COARSE, CURVE, EACH, SHARPENED, curves, left_by_sum
from kanlens.univariate import Guess

ROWS = 1000
"""Rows that are looked at, at most."""

FOLLOWED = 5e-3
"""What the curves may leave, as a share of the target's deviation."""

DOUBT, LEAST, FAR = 10.0, 1e-6, 30.0
"""How far off curves are, in units of what is left, how far at least, and what their names may leave, in this."""

BESIDE = 3
"""Powers of the features at most that stand beside the named curves."""


class _Sum(NamedTuple):
    """Hold an outer function, the features, splines of each `(features, rows, size)`, and what these leave."""

    outer: Outer
    features: tuple[Tree, ...]
    splines: Tensor
    left: float

    def sharpens(self, z: Tensor, t: Tensor) -> bool:
        """Tell whether coarser splines leave more, or next to nothing is left."""
        rough = curves(torch.stack([values(feature, z) for feature in self.features], 1), COARSE[0])
        return self.left < LEAST or self.left < SHARPENED * left_by_sum(*rough, t=t, outer=self.outer)


def one_node(problem: Problem, functions: Mapping[str, Function]) -> Iterator[list[Guess]]:
    """Yield the sum of named curves of the columns and of the plain node beside which they leave least."""
    z, t = problem.z[:ROWS], problem.t[:ROWS]
    if not 2 <= problem.size <= 3 or len(t) < EACH * (problem.size + 1) * CURVE.size // 2:
        return
    found = _likeliest(z, t)
    if found is not None:
        sums = _named(found, z, found.outer.forward(t), functions)
        yield [Guess(problem.formula(found.outer.inverse(tree)), 0.0) for tree in sums]


def _likeliest(z: Tensor, t: Tensor) -> _Sum | None:
    """Return the node, and the outer function, that leave least in proportion to its length, if that is little."""
    nodes, size = plain_nodes(z), z.shape[1]
    if not len(nodes) > size:
        return None
    splines = curves(torch.stack([values(node, z) for node in nodes], 1), CURVE)
    centred = splines - splines.mean(1, keepdim=True)
    base = torch.linalg.qr(torch.cat(list(centred[:size]), 1))[0]
    new = torch.linalg.qr(centred[size:] - base @ (base.mT @ centred[size:]))[0]
    long = z.new_tensor([complexity(node) for node in nodes[size:]])
    found = []
    for outer in outers(t):
        tau = outer.forward(t)
        tau = (tau - tau.mean()) / (tau - tau.mean()).norm()
        beside = tau - base @ (base.mT @ tau)
        left = (beside - (new @ (new.mT @ beside[:, None]))[..., 0]).norm(dim=1)
        k = int((left.clamp_min(ALIKE) * long).argmin())
        if float(left[k]) < min(FOLLOWED, APART * float(beside.norm())):
            chosen = torch.cat([splines[:size], splines[size + k : size + k + 1]])
            features = (*nodes[:size], nodes[size + k])
            found.append(_Sum(outer, features, chosen, left_by_sum(*chosen, t=t, outer=outer)))
    sharp = [one for one in found if one.left < FOLLOWED and one.sharpens(z, t)]
    return min(sharp, key=lambda one: one.left, default=None)


def _named(found: _Sum, z: Tensor, tau: Tensor, functions: Mapping[str, Function]) -> list[Tree]:
    """Return sums of named curves, with ever more powers beside these; none if a curve has no name."""
    coef = least_squares(found.splines.transpose(0, 1).flatten(1), tau).view(len(found.features), -1, 1)
    names: list[Tree] = []
    doubt = LEAST
    for feature, curve in zip(found.features, (found.splines @ coef)[..., 0], strict=True):
        off = max(DOUBT * found.left * float(tau.std() / curve.std()), LEAST)
        known = _names(values(feature, z), curve, off, functions)
        if known is None:
            return []
        names, doubt = [*names, *(substitute(name, [feature]) for name in known)], max(doubt, off)
    powers = [raise_to(feature, power) for feature in found.features for power in (1, 2)]
    fits = (_closest(names, powers, count, z, tau) for count in range(BESIDE + 1))
    return [tree for tree, left in fits if left < FAR * doubt]


def _closest(names: Sequence[Tree], powers: Sequence[Tree], count: int, z: Tensor, tau: Tensor) -> tuple[Tree, float]:
    """Return the sum of multiples of names, of so many powers and of 1 that is closest to a target, and what it leaves.

    Multiples of all of them are not known: powers of the node are sums of powers of the columns.
    """
    columns = {tree: values(tree, z) for tree in (*names, *powers)}
    best: tuple[Tree, float] = (whole(0), math.inf)
    for chosen in itertools.combinations(powers, count):
        trees = [*names, *chosen]
        matrix = torch.stack([*(columns[tree] for tree in trees), torch.ones_like(tau)], 1)
        coef = least_squares(matrix, tau)
        left = float((matrix @ coef - tau).std() / tau.std())
        if left < best[1]:
            *scales, shift = coef.tolist()
            terms = [multiply(Number(c), tree) for c, tree in zip(scales, trees, strict=True)]
            best = add(*terms, Number(shift)), left
    return best


def _names(s: Tensor, curve: Tensor, doubt: float, functions: Mapping[str, Function]) -> list[Tree] | None:
    """Return functions that span a curve with the variable and its square, without these; None if one is not known."""
    powers = torch.stack([torch.ones_like(s), s, s**2], 1)
    bent = curve - powers @ least_squares(powers, curve)
    if float(bent.std()) < doubt * float(curve.std()):
        return []
    span = torch.stack([curve, s, s**2], 1)
    found = span_names(s, span / span.std(0), doubt, functions)
    return None if found is None else [name for name in found if name not in (Variable(0), raise_to(Variable(0), 2))]
