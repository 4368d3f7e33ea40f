"""Laws that are one node of a network, a function of a sum or product of curves, from random starts.

Where derivatives are exact enough to show the node, :mod:`kanlens.joins` finds it without a start.
"""

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.functions import Function
from kanlens.joins import DOUBT, Node, named, variants
from kanlens.problems import Problem
from kanlens.single_index import Splines, fitted

ROWS = 600
"""Rows that the splines are fitted to."""

INNER, OUTER = (6, 16), (8, 16)
"""Intervals of the splines inside the node and around it, before and after it follows the target."""

RANDOM, SWEEPS, STEPS = 5, 12, 60
"""Random starts of a node, turns of a start at a product, and the steps that follow at most: a tenth of a second."""

FOLLOWS, CLOSE, WELL = 5e-2, 1e-2, 1e-5
"""Error, as a share of the target's deviation, from which finer splines are fitted, their curves named, and no other
start is tried."""


def single_nodes(
    problem: Problem, functions: Mapping[str, Function], seed: int, late: Callable[[], bool]
) -> Iterator[Problem]:
    """Yield problems of one feature, `f_1(z_1) + f_2(z_2) + ...` or `f_1(z_1) f_2(z_2) ...`.

    The kind of node that the target shows better comes first: logarithms of factors that pass zero are no curves.
    No start begins once `late` says so.
    """
    if not 2 <= problem.size <= 5 or len(problem.t) < 20 * problem.size:
        return
    z, t = problem.z[:ROWS], problem.t[:ROWS]
    found = (_found(z, t, product, seed, late) for product in (False, True))
    for node in sorted((node for node in found if node is not None), key=lambda node: node.misfit):
        for form in variants([node], z) if node.product else [node]:
            yield from named(problem, form, z, functions)


def _found(z: Tensor, t: Tensor, product: bool, seed: int, late: Callable[[], bool]) -> Node | None:
    """Return the node that follows the target best, or the first that follows it well. None: no start does."""
    coarse, fine = (Splines.of(z, intervals, product) for intervals in INNER)
    around, finer = (BSpline(degree=5, intervals=intervals) for intervals in OUTER)
    spread, best = float(t.std()), None
    for start in _starts(coarse, t, seed):
        if late():
            break
        fit = fitted(coarse.node, start, t, around, STEPS)
        if fit.error > FOLLOWS * spread:
            continue
        fit = fitted(fine.node, fine.closest(coarse.curves(fit.constants)), t, finer, STEPS)
        curves = fine.curves(fit.constants)
        sizes = curves.std(0)
        misfit = fit.error / spread / DOUBT
        if fit.error < CLOSE * spread and float(sizes.amin()) > 0 and (best is None or misfit < best.misfit):
            units = sizes if product else sizes.amax()  # the terms of a sum have one scale
            best = Node(tuple(range(z.shape[1])), (curves / units).unbind(1), misfit, product)
            if fit.error < WELL * spread:
                break
    return best


def _starts(splines: Splines, t: Tensor, seed: int) -> Iterator[Tensor]:
    """Yield coefficients to begin with: of the sum or the products closest to the target, then random ones.

    A function around a product mostly keeps its sign, or that of its distance from the middle, and with it the zeros
    of the factors. Of random starts one in twenty leads to a product. Random factors are far from zero: where all are
    small, so are all slopes.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(RANDOM, math.prod(splines.columns.shape[1:]), generator=generator, dtype=torch.float64)
    if not splines.product:
        yield splines.additive(t)
        yield from noise
        return
    for number, middle in enumerate((float(t.mean()), 0.0, float(t.median()))):
        yield splines.rank_one(t - middle, noise[number], SWEEPS)
    yield from 0.5 + 0.6 * noise
