"""A longer formula costs more bits; so do rarer exponents and constants without a name."""

from fractions import Fraction

import pytest

from kanlens.constants import Constant
from kanlens.description import length, spare
from kanlens.trees import Number, Variable, add, multiply, raise_to, whole

X, Y = Variable(0), Variable(1)


def test_every_part_costs_bits() -> None:
    product = multiply(Number(2.5), X, Y)
    assert length(X, 100) < length(multiply(X, Y), 100) < length(product, 100) < length(add(product, X), 100)


@pytest.mark.parametrize(("common", "rare"), [("2", "3"), ("1/2", "1/3"), ("-1", "-2"), ("3", "7/6"), ("2", "-2")])
def test_rare_exponents_cost_more(common: str, rare: str) -> None:
    assert length(raise_to(X, Fraction(common)), 100) < length(raise_to(X, Fraction(rare)), 100)


def test_a_constant_with_a_short_name_costs_less_than_a_fitted_one() -> None:
    half = Number(0.5, Constant(Fraction(1, 2), "1"))
    assert length(multiply(half, X), 1000) < length(multiply(Number(0.5), X), 1000)


def test_a_fitted_constant_costs_half_a_bit_for_each_doubling_of_the_rows() -> None:
    assert length(Number(0.3), 400) - length(Number(0.3), 200) == pytest.approx(0.5)


def test_a_sign_costs_a_bit() -> None:
    assert length(multiply(whole(-1), X, Y), 100) == length(multiply(X, Y), 100) + 1


def test_a_product_or_sum_of_columns_has_no_bits_to_spare() -> None:
    assert spare(multiply(X, Y), 100) == spare(add(X, Y), 100) == 0
    assert 0 < spare(multiply(X, raise_to(Y, 2)), 100) < spare(multiply(X, add(X, Y)), 100)
