"""A formula that is compiled is computed exactly, however it is put together."""

import math
from typing import Any

import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanlens import KAN, LIBRARY, Function, InputError, formula
from kanlens.compiler import compile_formula

x, y, z = VARIABLES = sympy.symbols("x y z")
NAMES = ["x", "y", "z"]


def points(rows: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(rows, 3, generator=generator, dtype=torch.float64) * 0.8 + 0.1


def oracle(expression: sympy.Expr, at: torch.Tensor) -> torch.Tensor:
    """Return an expression's values by sympy's own numbers."""
    f = sympy.lambdify(VARIABLES, expression, "mpmath")
    return torch.tensor([float(f(*row)) for row in at.tolist()], dtype=torch.float64)


def compiled(expression: Any) -> KAN:
    return compile_formula(expression, NAMES, dtype=torch.float64)


SAFE = [sympy.sin, sympy.cos, sympy.tanh, sympy.exp, sympy.atan, lambda e: sympy.sqrt(1 + e**2), sympy.Abs]


def expressions() -> st.SearchStrategy[sympy.Expr]:
    numbers = st.sampled_from([1, 2, -1, sympy.Rational(1, 3), sympy.pi, 0.7])
    leaves = st.sampled_from(VARIABLES) | numbers.map(sympy.sympify)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
            st.tuples(st.sampled_from(SAFE), inner).map(lambda pair: pair[0](sympy.tanh(pair[1]))),
            st.tuples(inner, st.sampled_from([2, 3])).map(lambda pair: sympy.tanh(pair[0]) ** pair[1]),
        ),
        max_leaves=8,
    )


@settings(max_examples=40, deadline=None)
@given(expressions())
def test_any_composition_is_exact(expression: sympy.Expr) -> None:
    at = points(8)
    wanted = oracle(expression, at)
    assert torch.allclose(compiled(expression)(at)[:, 0], wanted, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    "text",
    [
        "3",
        "x",
        "sin(5*x) + cos(3*x)",
        "pi*(x + 1)",
        "sin(2*(log(x) + log(y)))",
        "x**2.5 + x**-1.5 + x**7 + x**(2/7)",
        "x**pi + 2**y + x**y",
        "x*y*z*sin(x)/(1 + z**2)",
        "x*y + (x*y)**2 + sin(x*y)",
        "asin(x) + acos(y) + atanh(z) + sinh(x) + cosh(y) + erf(z)",
        "Abs(x - y) + sign(x - y) + Max(0, y - z)",
        "1/(1 + exp(-x)) + exp(-y**2)",
        "log(x + y, 10)",
        "sqrt(1 - (x/2)**2)",
    ],
)
def test_library_powers_and_repeated_variables(text: str) -> None:
    expression = sympy.sympify(text)
    assert torch.allclose(compiled(expression)(points())[:, 0], oracle(expression, points()), rtol=1e-12, atol=1e-12)


def test_bessel_functions_are_known() -> None:
    found = compiled(sympy.besselj(0, 3 * x) * sympy.bessely(0, y))(points())[:, 0]
    assert torch.allclose(found, oracle(sympy.besselj(0, 3 * x) * sympy.bessely(0, y), points()), atol=1e-6)


def test_shapes_are_the_smallest_that_one_would_draw() -> None:
    assert [w.size for w in compiled(sympy.exp(sympy.sin(sympy.pi * x) + y**2)).spec.widths] == [3, 1, 1]
    product = compiled(x * y).spec.widths
    assert [(w.sums, w.products) for w in product] == [(3, ()), (0, (2,)), (1, ())]
    assert [(w.sums, w.products) for w in compiled(x * y * z).spec.widths][1] == (0, (3,))


def test_what_occurs_twice_is_computed_once() -> None:
    widths = compiled(sympy.sin(x * y) + sympy.cos(x * y) ** 2).spec.widths
    assert widths[1].products == (2,)
    deep = x
    for _ in range(7):
        deep = sympy.sin(deep) + deep * sympy.cos(deep)
    assert max(width.size for width in compiled(deep).spec.widths) <= 4


def test_several_outputs_share_a_network() -> None:
    model = compile_formula([x * y, sympy.sin(x), z + 1], NAMES, dtype=torch.float64)
    wanted = torch.stack([oracle(e, points()) for e in (x * y, sympy.sin(x), z + 1)], 1)
    assert torch.allclose(model(points()), wanted)


@pytest.mark.parametrize("expression", [sympy.exp(sympy.sin(sympy.pi * x) + y**2), x * y + z, sympy.sqrt(x**2 + y**2)])
def test_a_formula_comes_back(expression: sympy.Expr) -> None:
    assert formula(compiled(expression), names=NAMES) == expression


def test_constants_can_be_trained() -> None:
    from kanlens import fit

    model = compiled(sympy.sin(3 * x) + y)
    target = 1.2 * torch.sin(3.1 * points()[:, [0]]) + points()[:, [1]]
    assert fit(model, points(), target).loss[-1] < 1e-20


def test_functions_of_ones_own_go_by_name() -> None:
    own = Function("bump", lambda u: 1 / (1 + u**2), sympy.Function("bump"), 3)
    model = compile_formula(
        sympy.Function("bump")(2 * x), NAMES, functions={**LIBRARY, "bump": own}, dtype=torch.float64
    )
    assert torch.allclose(model(points())[:, 0], 1 / (1 + 4 * points()[:, 0] ** 2))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (sympy.Function("unknown")(x), "got 'unknown'"),
        (sympy.Symbol("w") + x, "got 'w'"),
        (sympy.atan2(x, y), "functions of one argument"),
        (x + sympy.I, "real and finite"),
        (x * sympy.oo, "real and finite"),
        (sympy.Integer(-2) ** x, "positive base"),
    ],
)
def test_what_cannot_be_written_is_refused(expression: sympy.Expr, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compiled(expression)


def test_names_must_differ() -> None:
    with pytest.raises(InputError, match="different names"):
        compile_formula(x, ["x", "x"])


def test_float32_is_exact_to_its_precision() -> None:
    model = compile_formula(sympy.exp(sympy.sin(sympy.pi * x)), NAMES)
    assert model.dtype == torch.get_default_dtype()
    wanted = oracle(sympy.exp(sympy.sin(sympy.pi * x)), points())
    assert (
        float((model(points().float()).detach()[:, 0] - wanted).abs().max())
        < 4 * math.e * torch.finfo(torch.float32).eps
    )
