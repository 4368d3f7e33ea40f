"""Curves that were read off data get short names that fit as well as the curve is known."""

import itertools

import torch
from torch import Tensor

from kanlens.functions import LIBRARY
from kanlens.naming import curve_choices, curve_names
from kanlens.trees import Tree, complexity, shape, values

S = torch.linspace(0.5, 3, 300, dtype=torch.float64)


def off(tree: Tree, truth: Tensor) -> float:
    return float((values(tree, S[:, None]) - truth).norm() / (truth - truth.mean()).norm())


def test_an_exact_curve_gets_its_own_name() -> None:
    for curve in (S.sqrt(), torch.exp(0.5 * torch.tanh(1.5 * S)), torch.sin(S) / S):
        assert off(curve_names(S, curve, LIBRARY).likely[0], curve) < 1e-7


def test_a_curve_less_exact_than_it_seems_gets_a_short_name_too() -> None:
    bend = 1e-4 * torch.sin(2 * S) * S.sqrt()
    names = curve_names(S, S.sqrt() + bend, LIBRARY, doubt=3e-5)
    assert shape(names.short[0]) in ("(^ x0 1/2)", "(* (^ x0 1/2) c)")
    assert complexity(names.short[0]) < complexity(names.likely[0])


def test_choices_take_the_likeliest_and_the_shortest_names_in_turn() -> None:
    bent = S.sqrt() + 1e-4 * torch.sin(2 * S) * S.sqrt()
    curves = [(S, bent), (S, torch.tanh(1.3 * S))]
    one, other = (curve_names(*curve, LIBRARY) for curve in curves)
    choices = list(itertools.islice(curve_choices(curves, LIBRARY, [3e-5, 3e-5]), 6))
    assert choices[0] == (one.likely[0], other.likely[0])
    assert choices[1] == (one.short[0], other.short[0])
    assert len(set(choices)) == len(choices)
