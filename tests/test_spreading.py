"""Coordinates in which features lie evenly."""

import itertools

import torch
from hypothesis import given
from hypothesis import strategies as st

from kanlens import LIBRARY, SearchSettings
from kanlens.agenda import Agenda
from kanlens.budget import Budget
from kanlens.nodes import products
from kanlens.pool import Pool
from kanlens.problems import Problem
from kanlens.refit import Rows, mean_square
from kanlens.spreading import evenly
from kanlens.tactics import Tactics
from kanlens.trees import Number, Variable, add, multiply

RANGES = ((1, 5, (4, 5)), (1, 5, (6, 7)))
"""Of two angles and of two sides, with the seeds of each."""


def uniform(low: float, high: float, count: int = 400, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(count, generator=generator, dtype=torch.float64)


@given(st.integers(0, 10**6), st.floats(-3, 3), st.floats(0.1, 5))
def test_coordinates_keep_the_order_and_know_their_slopes(seed: int, low: float, size: float) -> None:
    z = (uniform(low, low + size, seed=seed) ** 3)[:, None]
    at, slope = evenly(z)
    order = z[:, 0].argsort()
    assert (at[order, 0].diff() >= 0).all()
    step = 1e-6 * z.abs().clamp_min(1e-9)
    there = evenly(z + step).at
    if (there - at).abs().amax() < 0.1:  # else the step has changed which coordinate is the more even one
        assert torch.allclose((there - at) * slope, step, rtol=1e-3, atol=1e-12)


def test_logarithms_are_taken_of_quotients_and_of_nothing_else() -> None:
    even, quotient, negative = uniform(1, 5), uniform(3, 20) / uniform(1, 2, seed=1) ** 3, -uniform(0, 1).exp()
    z = torch.stack([even, quotient, negative], 1)
    assert torch.equal(evenly(z).at, torch.stack([even, quotient.log(), negative], 1))


def test_a_product_of_curves_is_found_where_features_crowd_at_one_end() -> None:
    time, speed, light = uniform(5, 10) / uniform(1, 2, seed=1), uniform(1, 2, seed=2), uniform(3, 20, seed=3)
    z = torch.stack([speed / time, light / speed], 1)
    rows = Rows(z, (1 - z[:, 0]) / (1 - z[:, 1] ** -2).sqrt())
    guesses = [guess for kind in products(Problem.of(rows), LIBRARY, close=1e-4) for guess in kind]
    assert min(mean_square(guess.tree, rows) for guess in guesses) < 1e-12


def test_a_reduction_to_huge_numbers_is_none() -> None:
    x = uniform(1, 2)[:, None]
    problem = Problem.of(Rows(x, x[:, 0]))
    assert problem.reduced([Variable(0)], Number(1e-74)) is not None
    assert problem.reduced([Variable(0)], Number(1e-76)) is None


def test_the_difference_of_two_angles_is_tried_as_a_wave() -> None:
    angles, sides = (torch.stack([uniform(low, high, seed=k) for k in seeds], 1) for low, high, seeds in RANGES)
    x = torch.cat([angles, sides], 1)
    rows = Rows(x, (sides.square().sum(1) - 2 * sides.prod(1) * (angles[:, 0] - angles[:, 1]).cos()).sqrt())
    difference = add(Variable(0), multiply(Number(-1.0), Variable(1)))
    problem = Problem.of(rows).reduced([difference, Variable(2), Variable(3)])
    assert problem is not None
    budget = Budget()
    pool, agenda = Pool(rows, 1e-16, SearchSettings(), budget), Agenda(budget)
    tactics = Tactics(pool, agenda, lambda guesses: pool.consider(guesses, noisy=False))
    list(tactics._by_exponents(problem, whole=False))
    found = (pool.shortest_exact() for _ in agenda.steps())
    assert next(filter(None, itertools.islice(found, 12)), None) is not None
