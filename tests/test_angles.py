"""Products of waves are waves of sums and differences, and one wave of any shift is known from its two sides."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanlens.angles import Wave, folded, paired, wave_of
from kanlens.functions import LIBRARY
from kanlens.trees import Call, Number, Tree, Variable, add, multiply, raise_to, values

X, Y = Variable(0), Variable(1)
POINTS = torch.rand(300, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4 - 2
SIZES = st.floats(-3, 3).filter(lambda size: abs(size) > 0.1)


def sides(entries: list[Tree | Wave]) -> list[Tree]:
    return list(itertools.chain(*(entry.sides if isinstance(entry, Wave) else (entry,) for entry in entries)))


@settings(deadline=None)
@given(sine=SIZES, cosine=SIZES)
def test_a_mixture_of_sine_and_cosine_is_one_shifted_wave(sine: float, cosine: float) -> None:
    wave = Wave(Y, multiply(Number(2.0), X))
    first, second = (values(side, POINTS) for side in wave.sides)
    assert torch.allclose(values(wave.mixed(sine, cosine), POINTS), sine * first + cosine * second, atol=1e-12)
    assert wave_of(wave.mixed(sine, cosine)) == Wave(multiply(Number(math.hypot(sine, cosine)), Y), wave.argument)


def test_what_holds_no_wave_or_two_is_none() -> None:
    sine = Call(LIBRARY["sin"], X)
    assert wave_of(raise_to(X, 2)) is wave_of(multiply(sine, Call(LIBRARY["cos"], X))) is None


def test_only_the_sine_and_the_cosine_of_one_argument_are_paired() -> None:
    wave = Wave(X, X)
    names = [X, wave.sides[0], Call(LIBRARY["sin"], X), wave.sides[1]]
    assert paired(names) == [X, Call(LIBRARY["sin"], X), wave]


@pytest.mark.parametrize("factor", [Number(1.0), Y])
def test_folded_waves_have_the_span_of_the_products(factor: Tree) -> None:
    first, second = Wave(X, raise_to(X, 2)), Wave(factor, add(Y, raise_to(Y, 3)))
    products = [multiply(one, other) for one, other in itertools.product((X, *first.sides), (Y, *second.sides))]
    whole, other = (
        torch.stack([values(tree, POINTS) for tree in trees], 1)
        for trees in (products, sides(folded([[X, first], [Y, second]])))
    )
    assert whole.shape == other.shape
    both = torch.linalg.matrix_rank(torch.cat([whole, other], 1))
    assert both == torch.linalg.matrix_rank(whole) == torch.linalg.matrix_rank(other) == whole.shape[1]
