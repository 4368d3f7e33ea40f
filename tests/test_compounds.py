"""Functions inside and beside each other: derivatives against autograd, laws found to round-off."""

import itertools
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from kanlens.chains import (
    Chain,
    Combination,
    Interaction,
    Link,
    Links,
    ShiftedSquare,
    SquaredProduct,
    SquaredSum,
    chain_tree,
    project,
)
from kanlens.compounds import compounds, covered_pairs, nested, pairs
from kanlens.enumeration import of_the_square, of_the_variable
from kanlens.functions import LIBRARY
from kanlens.problems import Problem
from kanlens.refit import Rows, refit
from kanlens.trees import values
from kanlens.univariate import Guess

S = torch.linspace(-1, 1, 300, dtype=torch.float64)

INNER = Link(LIBRARY["sin"], 1.3, 0.0, "a")
CHAIN: Chain = (INNER, Link(LIBRARY["x^2"], 1.0, 0.0, ""), Link(LIBRARY["tanh"], 0.7, -0.2, "ab"))


def problem(law: Callable[[Tensor], Tensor]) -> Problem:
    return Problem.of(Rows(S[:, None], law(S)))


def least(kinds: Iterator[list[Guess]]) -> float:
    """Return the smallest error, looking no further than to an exact one."""
    best = math.inf
    for guesses in kinds:
        best = min([best, *(guess.error for guess in guesses)])
        if best < 1e-20:
            break
    return best


def test_a_chain_is_its_formula() -> None:
    value = Links.of([Combination((CHAIN,))]).at(S)[0][0, 0]
    torch.testing.assert_close(value, values(chain_tree(CHAIN), S[:, None]))
    torch.testing.assert_close(value, torch.tanh(0.7 * torch.sin(1.3 * S) ** 2 - 0.2))


def test_slopes_of_a_chain_are_autograds() -> None:
    letters = torch.tensor([[1.3, 0.0], [1.0, 0.0], [0.7, -0.2]], dtype=torch.float64)

    def value(ab: Tensor) -> Tensor:
        return torch.tanh(ab[2, 0] * (ab[1, 0] * torch.sin(ab[0, 0] * S + ab[0, 1]) + ab[1, 1]) ** 2 + ab[2, 1])

    truth = torch.autograd.functional.jacobian(value, letters)
    _, slopes = Links.of([Combination((CHAIN,))]).at(S)
    held = torch.tensor([True, False, False, False, True, True])
    torch.testing.assert_close(slopes[0, 0], truth.flatten(1).mT * held[:, None])


@pytest.mark.parametrize(
    ("kind", "coefficients"),
    [
        (Combination, [1.5, -0.4, 0.3]),
        (Interaction, [1.5, -0.4, 0.3]),
        (SquaredSum, [2.25, -1.2, 0.16, 0.3]),  # (1.5 p - 0.4 q)^2 + 0.3
        (ShiftedSquare, [-2.25, 1.2, -0.16, 0.3, -0.6, 0.16]),  # 0.34 - (1.5 p - 0.4 q + 0.2)^2
        (SquaredProduct, [1.5, 0.3]),
    ],
)
def test_projection_reaches_round_off_from_nearby(kind: type[Combination], coefficients: list[float]) -> None:
    exact = kind(((Link(LIBRARY["exp"], 0.8, 0.0, "a"),), CHAIN))
    t = values(exact.formula(coefficients), S[:, None])
    p, q = (values(chain_tree(chain), S[:, None]) for chain in exact.chains)
    torch.testing.assert_close(t, exact.columns(torch.stack([p, q])[None])[0] @ torch.tensor(coefficients).double())
    near = kind(((Link(LIBRARY["exp"], 0.6, 0.0, "a"),), (INNER._replace(a=1.5), *CHAIN[1:])))
    error, model, coef = project([near], S, t, torch.ones_like(S), 30, 0.0)[0]
    assert error < 1e-24
    torch.testing.assert_close(values(model.formula(coef), S[:, None]), t)


def test_a_model_that_is_undefined_is_last() -> None:
    root = Combination(((Link(LIBRARY["sqrt"], 1.0, 0.0, "b"),),))
    sine = Combination(((INNER,),))
    found = project([root, sine], S, torch.sin(1.4 * S), torch.ones_like(S), 20, 0.0)
    assert found[0][0] < 1e-24
    assert found[1][0] == math.inf


@pytest.mark.parametrize(
    "law",
    [
        lambda s: torch.cos(math.pi / 2 * torch.arctan(s**3)),
        lambda s: torch.arctan(1.3 * torch.log(s.abs() + 1)),
        lambda s: torch.log(1.5 + torch.sin(2.4 * torch.tanh(1.3 * s))),
    ],
    ids=["a power inside", "at the end of a valley", "inside a logarithm"],
)
def test_three_functions_inside_each_other_are_found(law: Callable[[Tensor], Tensor]) -> None:
    assert least(nested(problem(law), LIBRARY)) < 1e-20


def test_few_rows_are_no_evidence_for_three_functions() -> None:
    x = torch.linspace(-1, 1, 39, dtype=torch.float64)[:, None]
    assert len(list(nested(Problem.of(Rows(x, torch.sin(3 * x[:, 0]))), LIBRARY))) == 1


def test_fits_end_where_none_gets_further(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []
    monkeypatch.setattr("kanlens.chains.look", lambda: looks.append(None))
    noise = torch.rand(len(S), generator=torch.Generator().manual_seed(0), dtype=S.dtype)
    project([Combination((CHAIN,))], S, noise, torch.ones_like(S), 1000, 0.0)
    assert len(looks) < 200


def test_a_function_inside_another_one_is_found() -> None:
    assert least(nested(problem(lambda s: 2 * torch.sin(1.3 * torch.tanh(3 * s)) - 1), LIBRARY)) < 1e-20


@pytest.mark.parametrize(
    "law",
    [
        lambda s: torch.exp(1.1 * s) + 0.7 * torch.log(torch.sin(1.7 * s) + 1.9),
        lambda s: torch.exp(1.1 * s) * (s**2 + 1.6).sqrt(),
        lambda s: torch.exp(torch.tanh(1.7 * s**2 + 0.4) + torch.sin(2.2 * s)),
        lambda s: torch.exp(torch.cos(6 * s)) * (0.8 - s),
    ],
    ids=["sum", "product", "sum inside exp", "product with a line"],
)
def test_a_function_beside_two_inside_each_other_is_found(law: Callable[[Tensor], Tensor]) -> None:
    assert least(compounds(problem(law), LIBRARY)) < 1e-20


@pytest.mark.parametrize(
    "law",
    [
        lambda s: torch.exp(1.1 * s) + 0.7 * torch.tanh(1.9 * s),
        lambda s: torch.exp(1.1 * s) * (torch.sin(1.7 * s) + 1.6),
        lambda s: torch.exp(s**2 + torch.sin(2.2 * s)),
        lambda s: torch.tanh(0.9 * s**2 + torch.arctan(1.4 * s)),
        lambda s: (s**2 + torch.exp(0.7 * s)) ** 2,
        lambda s: torch.tanh(1.3 * s * torch.tanh(0.7 * s)),
        lambda s: torch.exp(-5 * (s - 0.4) ** 2) + 0.6 * torch.exp(-3 * (s + 0.3) ** 2),
        lambda s: torch.sin(3 * s) / (0.3 + (s - 0.4) ** 2),
        lambda s: (s - 0.37).abs() * torch.cos(2 * s),
        lambda s: torch.tan(1.1 * s) + torch.cos(3 * s),
    ],
    ids=[
        "sum",
        "product",
        "sum inside exp",
        "sum inside tanh",
        "square of a sum",
        "product inside tanh",
        "two bells",
        "a bell and a wave",
        "a kink that is not at 0",
        "a tangent",
    ],
)
def test_two_functions_beside_each_other_are_found(law: Callable[[Tensor], Tensor]) -> None:
    assert least(pairs(problem(law), LIBRARY)) < 1e-20


def test_two_functions_beside_each_other_inside_a_wave_are_found() -> None:
    assert least(covered_pairs(problem(lambda s: torch.cos(torch.exp(0.5 * s) - torch.tanh(1.5 * s))), LIBRARY)) < 1e-20


@pytest.mark.parametrize(
    "law",
    [
        lambda s: torch.log((torch.sin(2 * s) - torch.exp(s)) ** 2 + 1),
        lambda s: 1 / ((s**2 + torch.exp(s)) ** 2 + 2),
        lambda s: 3 - (s**3 - torch.exp(-s)) ** 2,
        lambda s: torch.sqrt((s**3 * torch.sin(3 * s)) ** 2 + 1.5),
        lambda s: torch.log((torch.sin(2 * s) - torch.exp(s) - 1) ** 2 + 1),
        lambda s: 5 - (torch.sin(2 * s) + torch.exp(s) - 1) ** 2,
    ],
)
def test_a_constant_beside_their_square_is_found(law: Callable[[Tensor], Tensor]) -> None:
    whole = problem(law)
    likeliest = (min(kind, key=lambda guess: guess.error) for kind in covered_pairs(whole, LIBRARY) if kind)
    assert any(guess.error < 1e-20 and refit(guess.tree, whole.rows)[1] < 1e-20 for guess in likeliest)


def test_few_points_and_few_functions_do_no_harm() -> None:
    few = Problem.of(Rows(S[:5, None], S[:5]))
    assert list(nested(few, LIBRARY)) == list(pairs(few, LIBRARY)) == list(compounds(few, LIBRARY)) == []
    assert list(compounds(problem(torch.sin), {})) == list(pairs(problem(torch.sin), {})) == []


def test_a_wave_of_a_root_of_the_variable_itself_is_found() -> None:
    s = 4 * S.abs()
    assert least(nested(Problem.of(Rows(s[:, None], torch.sin(3 * s.sqrt()))), LIBRARY)) < 1e-18


def test_a_fast_wave_in_a_bell_curve_is_found_among_the_first() -> None:
    assert (
        least(itertools.islice(pairs(problem(lambda s: torch.exp(-(s**2)) * torch.cos(9.4 * s)), LIBRARY), 3)) < 1e-20
    )


def test_pairs_are_found_of_a_library_without_squares() -> None:
    library = {name: LIBRARY[name] for name in ("sin", "exp")}
    assert least(pairs(problem(lambda s: torch.sin(2 * s) * torch.exp(-s)), library)) < 1e-20
    assert not len(of_the_square(of_the_variable(S, library), library).place)
