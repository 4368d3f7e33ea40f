"""Each row of the library tells torch and sympy the same, and its slope and absorbed letters are true."""

import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
import sympy
import torch
from torch import Tensor

from kanlens.errors import InputError, UnknownNameError
from kanlens.functions import LIBRARY, Function, choose, lookup, power

PYKAN = "x x^2 x^3 x^4 x^5 1/x 1/x^2 1/x^3 1/x^4 1/x^5 sqrt x^0.5 x^1.5 1/sqrt(x) 1/x^0.5 exp log abs sin cos tan tanh"
PYKAN += " sgn arcsin arccos arctan arctanh 0 gaussian"
MORE = "sinh cosh erf sigmoid softplus relu J0 J1 Y0"
ROWS = [*LIBRARY.values(), power(7), power(3.5), power(Fraction(2, 7)), power(Fraction(-1, 3))]

every = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def inside(row: Function, count: int = 25) -> Tensor:
    """Return points of the domain away from its ends, from zero and from poles."""
    low, high = max(row.domain[0], -1.4), min(row.domain[1], 3.1)
    x = torch.linspace(low + 0.04, high - 0.04, count, dtype=torch.float64)
    return x[(x.abs() > 0.01) & ((row.name != "tan") | ((x - math.pi / 2).abs() > 0.1))]


def test_the_library_has_pykans_names_and_more() -> None:
    for name in f"{PYKAN} {MORE}".split():
        assert lookup(name).torch(torch.tensor([0.5])).isfinite().all(), name


@every
def test_torch_and_sympy_agree(row: Function) -> None:
    t = sympy.Symbol("t", real=True)
    expression, x = row.symbolic(t), inside(row)
    expected = [float(expression.subs(t, sympy.Float(value, 30))) for value in x.tolist()]
    tolerance = 1e-10 if row.name[0] in "JY" else 1e-12  # torch's own Bessel functions are no better
    np.testing.assert_allclose(row.torch(x), expected, rtol=tolerance, atol=tolerance)


@every
def test_the_slope_is_the_derivative(row: Function) -> None:
    x, step = inside(row), 1e-5
    numeric = (row.torch(x + step) - row.torch(x - step)) / (2 * step)
    torch.testing.assert_close(row.slope(x), numeric, rtol=1e-6, atol=1e-6)
    leaf = x.clone().requires_grad_()
    (found,) = torch.autograd.grad(row.torch(leaf).sum() + 0 * leaf.sum(), leaf)
    torch.testing.assert_close(row.slope(x), found)


@every
def test_values_are_elementwise_and_keep_the_dtype(row: Function) -> None:
    x = inside(row)
    assert row.torch(x.float()).dtype == row.slope(x.float()).dtype == torch.float32
    torch.testing.assert_close(row.torch(x.view(-1, 1)).flatten(), row.torch(x), rtol=0, atol=0)


@every
def test_outside_the_domain_a_value_is_no_number(row: Function) -> None:
    low, high = row.domain
    beyond = [end for end in (low - 0.5, high + 0.5) if math.isfinite(end)]
    assert not bool(row.torch(torch.tensor(beyond, dtype=torch.float64)).isfinite().any())


@pytest.mark.parametrize("name", ["J0", "J1", "Y0"])
def test_bessel_functions_differentiate_twice(name: str) -> None:
    x = torch.tensor([0.4, 1.7, 6.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lookup(name).torch, x)
    assert torch.autograd.gradgradcheck(lookup(name).torch, x)


def test_the_slope_of_j1_at_zero_is_a_half() -> None:
    assert lookup("J1").slope(torch.zeros(1)).item() == pytest.approx(0.5)


def unexplained(row: Function, x: Tensor, moved: Tensor) -> float:
    """Return what `c f(x) + d` leaves of given values at best, as a share of their deviation."""
    design = np.stack([row.torch(x).numpy(), np.ones(len(x))], 1)
    y = moved.numpy()
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(np.abs(rest).max() / max(np.abs(y - y.mean()).max(), 1e-12))


@every
def test_letters_are_absorbed_exactly_where_the_row_says(row: Function) -> None:
    x = inside(row) * 0.4 + (0.3 if row.domain[0] < 0 else 0.0)  # so that 1.3 x + 0.2 stays in the domain
    tries = {"a": row.torch(1.3 * x), "b": row.torch(x + 0.2)}
    if row.name in {"sgn", "relu", "abs"}:  # across the kink, else these are straight lines
        x = torch.linspace(-1, 1.1, 30, dtype=torch.float64)
        tries = {"a": row.torch(1.3 * x), "b": row.torch(x + 0.2)}
    for letter, moved in tries.items():
        rest = unexplained(row, x, moved)
        assert rest < 1e-9 if letter in row.absorbed else rest > 1e-6, (letter, rest)


@every
def test_a_minus_sign_is_absorbed_with_a_unless_the_row_denies_it(row: Function) -> None:
    if "a" not in row.absorbed or row.name == "0":
        return
    x = torch.linspace(-1, 1.1, 30, dtype=torch.float64)
    rest = unexplained(row, x, row.torch(-x)) if row.domain[0] < 0 else math.inf
    assert (rest > 1e-6) == row.odd_sign


@every
def test_a_row_survives_pickling(row: Function) -> None:
    again = pickle.loads(pickle.dumps(row))
    assert again.name == row.name
    assert (again is row) == (row.name in LIBRARY)
    x = inside(row)
    torch.testing.assert_close(again.torch(x), row.torch(x))
    torch.testing.assert_close(again.slope(x), row.slope(x))


def test_powers_are_found_by_any_name() -> None:
    assert lookup("x^0.5") is lookup("sqrt") is LIBRARY["sqrt"]
    assert lookup("1/x^0.5") is LIBRARY["1/sqrt(x)"]
    assert lookup("x^1") is LIBRARY["x"]
    assert lookup("x^2.50").name == "x^2.5"
    assert lookup("1/x^7").torch(torch.tensor(2.0)).item() == 2**-7
    for row in ROWS:
        assert lookup(row.name).name == row.name
        assert lookup(row.name).symbolic(sympy.Symbol("t")) == row.symbolic(sympy.Symbol("t"))


@pytest.mark.parametrize("name", ["sine", "x^", "x^0", "x^-2", "x^(1/0)", "__import__('os')", ""])
def test_an_unknown_name_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownNameError, match="Use one of: 0, x, x\\^2") as caught:
        lookup(name)
    assert str(caught.value).startswith("expected the name of a function")


def test_a_library_is_extended_by_a_mapping_and_narrowed_by_names() -> None:
    mine = Function("square wave", lambda x: x.sin().sign(), "sign", 3)
    longer = {**LIBRARY, mine.name: mine}
    assert lookup("square wave", longer) is mine
    assert [*choose(["sin", "x^2"])] == ["sin", "x^2"]
    assert choose(None) == dict(LIBRARY)
    with pytest.raises(InputError, match="expected at least one function name"):
        choose([])
    with pytest.raises(TypeError):
        LIBRARY["mine"] = mine  # type: ignore[index]


def test_without_a_derivative_it_is_found() -> None:
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)
    torch.testing.assert_close(Function("cube", lambda x: x**3, "Abs", 3).slope(x), 3 * x**2)
