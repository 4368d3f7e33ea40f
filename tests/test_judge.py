"""The judge of the equation benchmark accepts the law in any form, and nothing else."""

import sympy
from benchmarks.equations import LAWS
from benchmarks.judge import Law, is_exact, is_recovered, read
from benchmarks.structure import shape
from benchmarks.suites import CLASSICS, FOLDER

LAW = Law("test", "a*exp(-b**2)/2", {"a": (1.0, 3.0), "b": (0.5, 1.5)})
a, b = sympy.symbols("a b")


def test_the_law_is_exact_in_any_short_form() -> None:
    assert is_exact(LAW, a * sympy.exp(-(b**2)) / 2)
    assert is_exact(LAW, a / (2 * sympy.exp(b**2)))


def test_what_is_near_is_not_exact() -> None:
    assert not is_exact(LAW, 0.50001 * a * sympy.exp(-(b**2)))
    assert not is_exact(LAW, a * sympy.cos(b) / 2)


def test_a_long_form_is_not_exact() -> None:
    long = sympy.Add(*(a * sympy.exp(-(b**2)) * sympy.Rational(k, 42) for k in range(1, 7)), evaluate=False)
    assert not is_exact(LAW, long)


def test_what_is_undefined_is_not_exact() -> None:
    assert not is_exact(LAW, sympy.log(-a))


def test_noisy_constants_are_fitted_again() -> None:
    assert is_recovered(LAW, 0.507 * a * sympy.exp(-0.98 * b**2))
    assert not is_recovered(LAW, 0.507 * a * sympy.cos(0.98 * b))


def test_the_laws_are_readable_and_finite() -> None:
    laws = read(LAWS)
    assert len(laws) == 60
    assert all(set(map(str, law.expression.free_symbols)) == set(law.ranges) for law in laws)


def test_laws_are_sorted_by_the_network_that_they_need() -> None:
    ranges = dict.fromkeys("abcd", (1.0, 2.0))

    def sort(text: str) -> str:
        return shape(Law("test", text, {name: ranges[name] for name in "abcd" if name in text.replace("sqrt", "")}))

    assert sort("sqrt(b)*c/d**3") == "one neuron"
    assert sort("(b + c**2)*d") == "read-once tree"
    assert sort("b/(1 - (c/d)**2)") == "read-once tree"
    assert sort("b*c/(b + d)") == "read-once tree"  # c / (1 + d/b)
    assert sort("b*c + d/b") == "shared"


def test_the_suites_say_how_many_rows_they_take() -> None:
    laws = {law.name: law for name in CLASSICS for law in read(FOLDER / f"{name}.txt")}
    assert len(laws) == 48
    assert laws["Nguyen-1"].rows == 20
    assert laws["Jin-1"].sample(0, rows=laws["Jin-1"].rows).shape == (100, 2)
    assert all(law.rows == 1000 for name in ("compositions", "drawn") for law in read(FOLDER / f"{name}.txt"))
