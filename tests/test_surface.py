"""The public surface changes on purpose only, explains itself, and is light to import."""

import importlib
import inspect
import re
import subprocess
import sys

import pytest

import kanlens

SURFACE = [
    "search",
    "SymbolicRegressor",
    "SearchSettings",
    "Front",
    "Equation",
    "Adam",
    "BSpline",
    "Basis",
    "Candidate",
    "Chebyshev",
    "Checkpoint",
    "Convergence",
    "Discovery",
    "Edge",
    "FileError",
    "Film",
    "Fourier",
    "Function",
    "Gaussian",
    "History",
    "InputError",
    "KAN",
    "KANConv1d",
    "KANConv2d",
    "KANClassifier",
    "KANLayer",
    "KANRegressor",
    "KanlensError",
    "LBFGS",
    "LIBRARY",
    "LevenbergMarquardt",
    "Limit",
    "LinearSpline",
    "MissingPackageError",
    "PALETTES",
    "Page",
    "Palette",
    "Recorder",
    "Snapshot",
    "Sparsity",
    "Spec",
    "Stop",
    "Trace",
    "UnknownNameError",
    "Wavelet",
    "Width",
    "__version__",
    "accelerate",
    "animate",
    "approximate",
    "arrange",
    "compile_formula",
    "converge",
    "cut",
    "deepen",
    "discover",
    "export_onnx",
    "export_program",
    "fit",
    "fix",
    "formula",
    "header",
    "keep",
    "load",
    "loosen",
    "parse",
    "perturb",
    "plot",
    "plot_edge",
    "plot_front",
    "plot_history",
    "plot_scores",
    "plot_tree",
    "power",
    "prune",
    "prune_inputs",
    "refine",
    "regrid",
    "report",
    "save",
    "scores",
    "snap",
    "source",
    "suggest",
    "swap",
    "symbolise",
    "widen",
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


def test_what_is_loaded_on_use_is_what_its_module_holds() -> None:
    assert kanlens.plot is importlib.import_module("kanlens.plotting").plot
    assert set(kanlens._LAZY) <= set(kanlens.__all__)


@pytest.mark.parametrize("name", ["regrid", "scores", "search"])
def test_a_function_is_not_hidden_by_the_module_of_its_name(name: str) -> None:
    module = importlib.import_module(f"kanlens.{name}")  # this import binds the module to the package's attribute
    assert inspect.isfunction(getattr(kanlens, name))
    assert getattr(kanlens, name) is getattr(module, name)


@pytest.mark.parametrize("first", ["kanlens.regrid", "kanlens.scores", "kanlens.plotting", "kanlens.search"])
def test_a_module_imported_first_hides_no_function(first: str) -> None:
    code = f"import {first}, kanlens; print(callable(kanlens.regrid), callable(kanlens.scores), callable(kanlens.plot))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True"] * 3


def test_the_version_is_that_of_the_distribution() -> None:
    assert re.fullmatch(r"\d+(\.\w+)*(\+\w+)?", kanlens.__version__)


def test_importing_kanlens_loads_nothing_heavy_besides_torch() -> None:
    # torch itself may load sympy, so what counts is what kanlens adds
    code = "import torch, sys; before = set(sys.modules); import kanlens; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"sympy", "matplotlib", "sklearn", "pandas"} & {name.split(".")[0] for name in run.stdout.split()}
    assert not heavy, f"import kanlens loads {', '.join(sorted(heavy))}."
