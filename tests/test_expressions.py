"""Formulas as text: what they say is read, and nothing in them is run."""

import random
import string

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from kanlens import LIBRARY, InputError
from kanlens.expressions import DEEPEST, FUNCTIONS, LONGEST, parse

x, y, t = sympy.symbols("x y t")

NUMBERS = st.one_of(
    st.integers(-99, 99).map(sympy.Integer),
    st.fractions(-5, 5, max_denominator=20).map(lambda f: sympy.Rational(f.numerator, f.denominator)),
    st.floats(0.01, 100).map(lambda value: sympy.Float(value, 17)),
    st.just(sympy.pi),
)


def grown(parts: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
    unary = st.sampled_from([sympy.sin, sympy.exp, sympy.tanh, sympy.Abs, sympy.atan, sympy.erf])
    return st.one_of(
        st.builds(lambda a, b: a + b, parts, parts),
        st.builds(lambda a, b: a * b, parts, parts),
        st.builds(lambda f, a: f(a), unary, parts),
        st.builds(lambda a, n: (a**2 + 1) ** sympy.Rational(n, 2), parts, st.integers(-3, 3)),
        st.builds(sympy.Max, parts, parts),
    )


EXPRESSIONS = st.recursive(st.one_of(NUMBERS, st.sampled_from([x, y])), grown, max_leaves=8)


@given(expression=EXPRESSIONS)
def test_what_sympy_prints_is_read_back(expression: sympy.Expr) -> None:
    printed = sympy.sstr(expression, full_prec=True)
    if "zoo" in printed or len(printed) > 2000 or sympy.N(expression.subs({x: 0.3, y: 0.7})).has(sympy.oo):
        return
    try:
        again = parse(printed, ["x", "y"])
    except InputError as error:
        assert "1e300" in str(error) or "moderate" in str(error)  # noqa: PT017 - sympy may print e**(huge)
        return
    at = {x: 0.3, y: 0.7}
    assert float(sympy.N(again.subs(at)) - sympy.N(expression.subs(at))) == pytest.approx(
        0, abs=1e-9 * (1 + abs(float(sympy.N(expression.subs(at)))))
    )


@pytest.mark.parametrize("name", LIBRARY)
def test_every_function_of_the_library_can_be_read(name: str) -> None:
    expression = 3 * LIBRARY[name].symbolic(2 * x + y) + sympy.Rational(1, 3)
    assert parse(str(expression)) == expression


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x^2 + 1", x**2 + 1),
        ("  -x**2", -(x**2)),
        ("2 - -x", 2 + x),
        ("1/3*x", x / 3),
        ("arcsin(x) + ln(y)", sympy.asin(x) + sympy.log(y)),
        ("x - y - t", x - y - t),
        ("x/(y/t)", x * t / y),
        ("2**-1", sympy.Rational(1, 2)),
        ("1e-3*x", sympy.Float(0.001) * x),
    ],
)
def test_people_write_formulas_in_these_ways(text: str, expected: sympy.Expr) -> None:
    assert parse(text) == expected


def test_names_come_before_constants_and_after_nothing_else() -> None:
    assert parse("E + pi", ["E"]) == sympy.Symbol("E") + sympy.pi
    assert parse("μ", ["µ"]) == sympy.Symbol("μ")  # the micro sign is a Greek letter in Python
    with pytest.raises(InputError, match="expected one of a, b, got 'c'"):
        parse("a + c", ["a", "b"])


def test_long_sums_are_flat() -> None:
    terms = [f"{k}*x**{k}" for k in range(1, 1000)]
    assert sympy.Poly(parse(" + ".join(terms)), x).degree() == 999


HOSTILE = [
    "__import__('os').system('true')",
    "x.__class__",
    "().__class__",
    "lambda: 1",
    "[x for x in y]",
    "f'{x}'",
    "exec('1')",
    "x if y else 1",
    "x; y",
    "x = 1",
    "(x := 1)",
    "sin",
    "sin()",
    "sin(x, y)",
    "sin(*x)",
    "sin(x=1)",
    "x(1)",
    "getattr(x, 'y')",
    "x[0]",
    "x < y",
    "x and y",
    "not x",
    "~x",
    "x // 2",
    "x % 2",
    "x @ y",
    "1j",
    "True",
    "None",
    "...",
    "'x'",
    "",
    " ",
    "#",
    "x +",
    "\x00",
    "\ud800",
    "1/0",
    "0**-1",
    "log(0)",
    "sqrt(-1)",
    "acos(2)",
    "1e999",
    "9" * 5000,
    "9**9**9",
    "2**99999999",
    "(1/3)**1000000000",
    "(3*x)**1000000000",
    "((((3*x)**999)**999)**999)**999",
    "0.5**(-10**9)",
    "exp(exp(exp(1000)))",
    "exp(exp(exp(9.5)))",
    "besselj(x, x)",
    "besselj(10**9, x)",
    "(" * 500 + "x" + ")" * 500,
    "-" * 5000 + "x",
    "sin(" * (DEEPEST + 1) + "x" + ")" * (DEEPEST + 1),
    "x**" * 100 + "x",
    "x" * (LONGEST + 1),
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text)[:30])
def test_everything_else_is_refused_by_one_kind_of_error(text: str) -> None:
    with pytest.raises(InputError, match=r"^expected "):
        parse(text)


WORDS = [
    *FUNCTIONS,
    *LIBRARY,
    "x",
    "y",
    "pi",
    "E",
    "Max",
    "besselj",
    "lambda",
    "__class__",
    "1e308",
    "9999",
    "0.1",
    "_",
]
SIGNS = [
    "+",
    "-",
    "*",
    "/",
    "**",
    "^",
    "(",
    ")",
    ",",
    ".",
    " ",
    "=",
    "[",
    "]",
    "'",
    ":",
    "\n",
    "\\",
    "@",
    "%",
    "#",
    "µ",
]


def scribbled(draw: random.Random) -> str:
    """Return a text: words and signs, or a formula with characters changed, or characters alone."""
    kind = draw.randrange(3)
    if kind == 0:
        return "".join(draw.choice([*WORDS, *SIGNS, *"+-*/()()()"]) for _ in range(draw.randrange(1, 25)))
    if kind == 1:
        return "".join(draw.choice(string.printable) for _ in range(draw.randrange(1, 25)))
    text = list("2.5*sin(pi*x)**2 + sqrt(y**3 + 1)/exp(-x) - Max(0, x)")
    for _ in range(draw.randrange(1, 6)):
        text[draw.randrange(len(text))] = draw.choice([*WORDS, *SIGNS, *string.digits, ""])
    return "".join(text)


def scribble_many(count: int) -> None:
    draw, read = random.Random(0), 0
    for _ in range(count):
        text = scribbled(draw)
        try:
            expression = parse(text)
        except InputError as error:
            assert str(error).startswith("expected ")  # noqa: PT017 - most texts are refused, some are not
        else:
            read += 1
            assert isinstance(expression, sympy.Expr)
    assert read > 0.02 * count


def test_scribbled_texts_are_formulas_or_refused() -> None:
    scribble_many(500)


@pytest.mark.slow
def test_ten_thousand_scribbled_texts_are_formulas_or_refused() -> None:
    scribble_many(10_000)
