"""Curves of a node that a stand-in's slopes show roughly are trained on the target itself."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kanlens.conditions import interior
from kanlens.joins import Node, nodes
from kanlens.problems import Problem
from kanlens.refit import Rows
from kanlens.sharpening import ROUGH, sharpened
from kanlens.surrogate import Surrogate, surrogate

Curves = tuple[Callable[[Tensor], Tensor], ...]

SUM: Curves = (lambda s: 1.5 * s**2, lambda s: 6 * torch.exp(0.5 * torch.tanh(1.5 * s)))
PRODUCT: Curves = (lambda s: torch.tanh(1.5 * s), lambda s: torch.sin(2 * s))


def node_of(curves: Curves, product: bool, columns: int = 2) -> tuple[Node, Problem, Surrogate]:
    """Return a rough node of the first two columns, and where it came from."""
    x = 4 * torch.rand(900, columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 2
    parts = [curve(x[:, k]) for k, curve in enumerate(curves)]
    inside = parts[0] * parts[1] if product else parts[0] + parts[1]
    problem = Problem.of(Rows(x, torch.sin(inside) + x[:, 2:].sum(1)))
    smooth = surrogate(problem.z, problem.t)
    z = problem.z[smooth.rows][interior(problem.z[smooth.rows])]
    noise = 2e-3 * torch.randn(z.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    smeared = [curve(z[:, k]) + noise[:, k] * float(curve(z[:, k]).std()) for k, curve in enumerate(curves)]
    return Node((0, 1), tuple(smeared), 2e-3, product), problem, smooth


def unlike(node: Node, curves: Curves, problem: Problem, smooth: Surrogate) -> float:
    """Return how far the curves are from the right ones, but for what a node leaves open, as a share of these."""
    z = problem.z[smooth.rows][interior(problem.z[smooth.rows])]
    found = torch.stack(node.curves, 1)
    truth = torch.stack([curve(z[:, k]) for k, curve in enumerate(curves)], 1)
    if not node.product:
        found, truth = found - found.mean(0), truth - truth.mean(0)
    each = (found * truth).sum(0) / found.square().sum(0)
    scale = each if node.product else (found * truth).sum() / found.square().sum()
    return float(((truth - scale * found).norm(dim=0) / truth.norm(dim=0)).amax())


@pytest.mark.parametrize(("curves", "product"), [(SUM, False), (PRODUCT, True)])
def test_rough_curves_become_twenty_times_as_exact(curves: Curves, product: bool) -> None:
    rough, problem, smooth = node_of(curves, product)
    sharp = sharpened(rough, problem, smooth)
    before, after = (unlike(node, curves, problem, smooth) for node in (rough, sharp))
    assert before > 1e-3
    assert after < before / 20
    assert sharp.misfit < rough.misfit


def test_a_product_of_factors_of_one_sign_keeps_its_power() -> None:
    curves: Curves = (lambda s: torch.exp(torch.sin(2 * s)), lambda s: 1.2 + torch.tanh(s))
    rough, problem, smooth = node_of(curves, True)
    sharp = sharpened(rough, problem, smooth)
    assert sharp is not rough
    assert unlike(sharp, curves, problem, smooth) < 1e-3


def test_the_terms_of_a_sum_keep_one_scale() -> None:
    node = sharpened(*node_of(SUM, False))
    assert max(float(curve.std()) for curve in node.curves) == pytest.approx(1)
    assert min(float(curve.std()) for curve in node.curves) < 0.9


def test_exact_curves_and_parts_of_a_law_are_left_alone() -> None:
    rough, problem, smooth = node_of(SUM, False)
    exact = rough._replace(misfit=ROUGH / 2)
    assert sharpened(exact, problem, smooth) is exact
    part, problem, smooth = node_of(SUM, False, columns=3)
    assert sharpened(part, problem, smooth) is part


def test_the_nodes_that_derivatives_show_gain_too() -> None:
    _, problem, smooth = node_of(SUM, False)
    inside = interior(problem.z[smooth.rows])
    found = nodes(problem.z[smooth.rows][inside], smooth.slopes[inside])[0]
    before, after = (unlike(n, SUM, problem, smooth) for n in (found, sharpened(found, problem, smooth)))
    assert after < before / 5
