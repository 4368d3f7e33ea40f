"""Sums of power products: exponents are found by least squares from many starts."""

from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kanlens import exponents
from kanlens.exponents import Columns, Data, Exponents, fitted
from kanlens.functions import LIBRARY
from kanlens.problems import Problem
from kanlens.refit import Rows, refit
from kanlens.signomials import FORMS, STAGES, Form, _Batch, _Trial, signomials, waves
from kanlens.trees import Call, Tree, Variable, monomial, shape, values


def positive(rows: int, columns: int, seed: int = 0) -> Tensor:
    return 1 + 2 * torch.rand(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def found(z: Tensor, t: Tensor, form: Form, noisy: bool = False, wave: Tree | None = None) -> list[Tree]:
    problem = Problem.of(Rows(z, t))
    return [guess.tree for guesses in signomials(problem, (form,), 0, noisy, wave) for guess in guesses]


def models(count: int, form: Form, features: int) -> tuple[Data, Columns, Exponents]:
    generator = torch.Generator().manual_seed(3)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    terms, factors, inside = form
    z = positive(40, features)
    start = Exponents(
        drawn(count, terms, features),
        drawn(count, factors, inside, features),
        0.1 * drawn(count, factors, inside),
        drawn(count, factors),
    )
    columns = Columns(drawn(count, 40, terms), drawn(count, 40, factors, inside).abs())
    return Data(z.log(), drawn(40), torch.ones(40, dtype=torch.float64)), columns, start


@pytest.mark.parametrize("form", [Form(2), Form(1, 1, 2), Form(2, 2, 1)])
def test_the_jacobian_by_hand_is_that_of_autograd(form: Form) -> None:
    data, columns, start = models(1, form, 3)
    fit = exponents._evaluated(data, columns, start)
    coef = (fit.coef / fit.length)[0]

    def model(*parts: Tensor) -> Tensor:
        terms, inside, scale, power = parts
        sums = 1 + (columns.inside[0] * torch.einsum("rf,ljf->rlj", data.logs, inside).exp() * scale).sum(2)
        products = columns.terms[0] * torch.einsum("rf,kf->rk", data.logs, terms).exp()
        return (products @ coef) * (sums.log() * power).sum(1).exp()

    parts = tuple(part[0] for part in start)
    expected = torch.autograd.functional.jacobian(model, parts)
    whole = torch.cat([part.flatten(1) for part in expected], 1)
    torch.testing.assert_close(exponents._jacobian(data, fit)[0], whole, atol=1e-9, rtol=1e-9)


def test_coefficients_are_those_of_least_squares_and_steps_never_make_it_worse() -> None:
    data, columns, start = models(5, Form(3, 1, 1), 2)
    before = fitted(data, columns, start, 0, start.held(False))
    _, _, after = fitted(data, columns, start, 10, start.held(False))
    assert (after <= before[2]).all()
    for k in range(5):
        fit = exponents._evaluated(data, columns, start)
        terms = fit.unit[k] * fit.length[k]
        expected = torch.linalg.lstsq(terms, data.t[:, None]).solution[:, 0]
        torch.testing.assert_close(before[1][k], expected, atol=1e-8, rtol=1e-6)


def test_steps_end_where_they_gain_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []
    monkeypatch.setattr(exponents, "look", lambda: looks.append(None))
    data, columns, start = models(5, Form(2), 2)
    *_, settled = fitted(data, columns, start, 200, start.held(False))
    assert len(looks) == 200
    *_, idle = fitted(data, columns, start, 200, start.held(False), idle=1e-4)
    assert len(looks) < 300
    assert (idle < 1.1 * settled).all()


def test_what_is_held_does_not_move() -> None:
    data, columns, start = models(4, Form(2, 1, 1), 2)
    held = start.held(False)._replace(power=torch.ones_like(start.power, dtype=torch.bool))
    moved, _, _ = fitted(data, columns, start, 5, held)
    assert torch.equal(moved.power, start.power)
    assert not torch.equal(moved.terms, start.terms)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.integers(-3, 3), min_size=3, max_size=3), min_size=2, max_size=2, unique_by=tuple))
def test_two_power_products_are_found_whatever_their_exponents(rows: list[list[int]]) -> None:
    z = positive(300, 3)
    t = 2 * values(monomial(rows[0]), z) - 0.7 * values(monomial(rows[1]), z)
    trees = found(z, t, Form(2))
    best = min((refit(tree, Rows(z, t)) for tree in trees), key=lambda pair: pair[1])
    assert best[1] < 1e-22 * float(t.var())


@pytest.mark.parametrize("noisy", [False, True])
def test_a_sum_under_a_root_in_the_denominator_is_found(noisy: bool) -> None:
    z = positive(800, 4)
    x, u, time, c = z.unbind(1)
    c = c + 2.5
    t = (x - u * time) / (1 - u**2 / c**2).sqrt()
    if noisy:
        t = t + 0.01 * t.std() * torch.randn(len(t), generator=torch.Generator().manual_seed(1), dtype=t.dtype)
    rows = Rows(torch.stack([x, u, time, c], 1), t)
    trees = [guess.tree for guesses in signomials(Problem.of(rows), (Form(2, 1, 1),), 3, noisy) for guess in guesses]
    law = "(* (+ (* c x0) (* c x1 x2)) (^ (+ (* (^ x1 2) (^ x3 -2) c) 1) -1/2))"
    error = min(refit(tree, rows)[1] for tree in trees)
    assert law in {shape(tree) for tree in trees} if noisy else error < 1e-22


def test_a_cosine_comes_in_by_whole_powers() -> None:
    z = positive(600, 3) * torch.tensor([1.0, 1.0, 2.0])
    r, d, angle = z.unbind(1)
    t = d / (1 + 0.2 * r * angle.cos())
    wave = next(waves(Problem.of(Rows(z, t)), LIBRARY, range(z.shape[1])))
    assert wave == Call(LIBRARY["cos"], Variable(0))
    trees = found(z, t, Form(1, 1, 1), wave=Call(LIBRARY["cos"], Variable(2)))
    assert min(refit(tree, Rows(z, t))[1] for tree in trees) < 1e-22


def test_a_sum_of_powers_of_a_cosine_is_found_under_noise() -> None:
    z = positive(800, 2) * torch.tensor([1.0, 2.0])
    cosine = z[:, 1].cos()
    t = z[:, 0] * cosine**2 + 1.5 * cosine
    t = t + 0.1 * t.std() * torch.randn(len(t), generator=torch.Generator().manual_seed(1), dtype=t.dtype)
    trees = found(z, t, Form(2), noisy=True, wave=Call(LIBRARY["cos"], Variable(1)))
    assert "(+ (* (^ (cos x1) 2) c x0) (* (cos x1) c))" in {shape(tree) for tree in trees}


def test_a_feature_of_both_signs_is_a_factor() -> None:
    z = positive(300, 2)
    z[:, 1] -= 2
    t = 3 * z[:, 0] ** 1.5 * z[:, 1] ** 2 - z[:, 1] / z[:, 0]
    assert min(refit(tree, Rows(z, t))[1] for tree in found(z, t, Form(2))) < 1e-22


def test_under_noise_the_shortest_exponents_are_found() -> None:
    z = positive(1000, 4)
    t = z[:, 0] ** 2 * z[:, 1] / z[:, 2] - 0.5 * z[:, 3] ** 3
    t = t + 0.1 * t.std() * torch.randn(1000, generator=torch.Generator().manual_seed(0), dtype=t.dtype)
    assert "(+ (* (^ x0 2) (^ x2 -1) c x1) (* (^ x3 3) c))" in {
        shape(tree) for tree in found(z, t, Form(2), noisy=True)
    }


def test_a_form_that_is_far_from_the_law_is_given_up_after_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []

    def noted(data: Data, *rest: Any) -> tuple[Exponents, Tensor, Tensor]:
        rows.append(len(data.t))
        return fitted(data, *rest)

    monkeypatch.setattr("kanlens.signomials.fitted", noted)
    z = positive(1000, 2)
    assert not found(z, torch.sin(3 * z.prod(1)), Form(2))
    assert rows == [STAGES[0][0]]


def test_a_term_that_few_rows_carry_is_no_law_under_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    z = (0.5 * torch.randn(1000, 2, generator=generator, dtype=torch.float64)).exp()
    trial = _Trial.of(Problem.of(Rows(z, z.sum(1))), 0, True, None, 2)
    assert trial is not None
    for terms, kept in ((2, 1), (1, 2)):
        powers = torch.tensor([[[0, 2], [1, 0]], [[0, 2], [12, 0]]])[:, 2 - terms :].double()
        none = torch.zeros(2, 0, dtype=torch.float64)
        models = Exponents(powers, none[..., None, None], none[..., None], none)
        whole = torch.zeros(2, terms, 0)
        batch = _Batch(models, whole, torch.zeros(2, 0, 0, 0), torch.ones(2, terms), torch.zeros(2))
        assert len(trial._carried(batch).error) == kept


def test_few_rows_and_signs_alone_are_left_to_others() -> None:
    z = positive(300, 2)
    assert not list(signomials(Problem.of(Rows(z[:10], z[:10, 0])), FORMS, 0))
    assert not list(signomials(Problem.of(Rows(z - 2, z[:, 0])), FORMS, 0))


def test_exponents_are_fractions_of_small_denominators() -> None:
    z = positive(300, 2)
    tree = found(z, z[:, 0] ** (2 / 3) + z[:, 1], Form(2))[0]
    assert Fraction(2, 3) in {p.exponent for p in _powers(tree)}


def _powers(tree: Tree) -> list:
    from kanlens.trees import Power, children

    below = [power for child in children(tree) for power in _powers(child)]
    return [tree, *below] if isinstance(tree, Power) else below


def test_models_that_end_where_another_one_did_go_no_further_under_noise() -> None:
    z = positive(600, 2)
    noise = torch.randn(600, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    clean = z[:, 0] ** 2 + z[:, 1]
    problem = Problem.of(Rows(z, clean + 0.1 * clean.std() * noise))
    trial = _Trial.of(problem, 0, True, None, 64)
    assert trial is not None
    error = trial._best(Form(2)).error
    assert len(error) > 1
    assert bool((error[1:] / error[:-1] > 1 + 1e-6).all())


def test_starts_under_noise_have_the_wave_in_one_place_or_two() -> None:
    z = positive(600, 2)
    trial = _Trial.of(Problem.of(Rows(z, z[:, 0])), 0, True, Call(LIBRARY["cos"], Variable(1)), 64)
    assert trial is not None
    terms, inside = trial._powers(Form(2, 1, 2), 400)
    places = (torch.cat([terms.flatten(1), inside.flatten(1)], 1) > 0).sum(1)
    assert places.amin() == 1
    assert places.amax() == 2
    assert bool(((terms == 0).flatten(1).all(1) & (inside.sum((1, 2, 3)) == 1)).float().mean() > 0.2)
