"""The public surface changes on purpose only, explains itself, and is light to import."""

import inspect
import subprocess
import sys

import pytest

import kanlens

SURFACE = [
    "BSpline",
    "KAN",
    "KANLayer",
    "LevenbergMarquardt",
    "Sparsity",
    "fit",
    "formula",
    "plot",
    "prune",
    "refine",
    "snap",
]


def test_the_surface_is_the_one_agreed_on() -> None:
    assert sorted(kanlens.__all__) == sorted(SURFACE)


@pytest.mark.parametrize("name", SURFACE)
def test_a_public_name_says_what_it_does(name: str) -> None:
    thing = getattr(kanlens, name)
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        pytest.skip("a value has no docstring of its own")
    own = thing.__dict__.get("__doc__") if inspect.isclass(thing) else thing.__doc__
    assert own, f"{name} has no docstring."
    first = own.strip().splitlines()[0]
    verb = first.split()[0]
    assert first.endswith("."), f"expected the first line about {name} to end in a period, got {first!r}."
    imperative = verb[0].isupper() and verb not in {"A", "An", "The", "This"} and (verb[-1] != "s" or verb[-2:] == "ss")
    assert imperative, f"expected the first line about {name} to be an order, got {first!r}."


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = kanlens.no_such_name


def test_every_public_name_is_found_by_dir() -> None:
    assert set(SURFACE) <= set(dir(kanlens))


def test_importing_kanlens_loads_nothing_heavy_besides_torch() -> None:
    # torch itself may load sympy, so what counts is what kanlens adds
    code = "import torch, sys; before = set(sys.modules); import kanlens; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"sympy", "matplotlib", "sklearn", "pandas"} & {name.split(".")[0] for name in run.stdout.split()}
    assert not heavy, f"import kanlens loads {', '.join(sorted(heavy))}."
