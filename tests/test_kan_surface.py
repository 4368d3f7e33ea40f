"""Every name, argument and default of pykan's is there, and every difference is one that was chosen."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import kanlens
from kan import KAN
from pykan_facts import (
    CLASSES_0_0,
    CLASSES_0_2,
    FUNCTIONS_0_2,
    LAYER_ATTRIBUTES,
    PROPERTIES,
    SYMBOLIC_ATTRIBUTES,
)

OTHER_DEFAULTS = {
    ("__init__", "ckpt_path"): "nothing is written unless a folder is named",
    ("B_batch", "extend"): "0.2.x ignores it and 0.0.x extends: without it the knots are taken as they are",
    ("suggest_symbolic", "r2_loss_fun"): "without effect",
    ("suggest_symbolic", "c_loss_fun"): "without effect",
}
"""Defaults of 0.2.8 that differ on purpose, and why."""

SUPERSEDED = {
    "noise_scale": "0.3 in 0.2.8",
    "grid_eps": "0.02 in 0.2.8",
    "seed": "1 in 0.2.8",
    "base_fun": "a name in 0.2.8",
    "floating_digit": "numbers are recognised; the argument rounds",
    "scale_base": "scale_base_mu in 0.2.8",
}
"""Defaults of 0.0.5 that its successor changed; the later one holds."""


def listed(table: dict[str, str]) -> Iterator[tuple[str, str, ast.arguments]]:
    """Yield owner, name and arguments of each signature in a table."""
    for owner, text in table.items():
        for line in filter(None, map(str.strip, text.splitlines())):
            function = ast.parse(f"def {line}: ...").body[0]
            assert isinstance(function, ast.FunctionDef)
            yield owner, function.name, function.args


def holder(owner: str) -> Any:
    module, _, name = owner.partition(":")
    found = importlib.import_module(module)
    return getattr(found, name) if name else found


def signature(thing: Any) -> dict[str, inspect.Parameter]:
    found = dict(inspect.signature(thing).parameters)
    found.pop("self", None)
    return found


def defaults(arguments: ast.arguments) -> dict[str, Any]:
    """Return the defaults that are plain values; `...` stands for any other."""
    names = [argument.arg for argument in arguments.args]
    values = [ast.literal_eval(value) for value in arguments.defaults]
    return dict(zip(names[len(names) - len(values) :], values, strict=True))


def as_plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


@pytest.mark.parametrize(("owner", "name", "arguments"), [*listed(CLASSES_0_2), *listed(FUNCTIONS_0_2)])
def test_a_call_of_0_2_is_understood(owner: str, name: str, arguments: ast.arguments) -> None:
    ours = signature(getattr(holder(owner), name))
    theirs = [argument.arg for argument in arguments.args]
    missing = [argument for argument in theirs if argument not in ours]
    assert not missing, f"{owner}.{name} lacks {missing}"
    positions = [argument for argument in ours if argument in theirs]
    assert positions == theirs or name in ("plot", "prune"), f"{owner}.{name} has {positions}, pykan {theirs}"
    for argument, value in defaults(arguments).items():
        if value is not ... and (name, argument) not in OTHER_DEFAULTS:
            assert as_plain(ours[argument].default) == as_plain(value), f"{owner}.{name}({argument}=)"


@pytest.mark.parametrize(("owner", "name", "arguments"), [*listed(CLASSES_0_0)])
def test_a_call_of_0_0_is_understood(owner: str, name: str, arguments: ast.arguments) -> None:
    ours = signature(getattr(holder(owner), name)) if name != "train" else signature(KAN.fit)
    missing = [argument.arg for argument in arguments.args if argument.arg not in ours]
    assert not missing, f"{owner}.{name} lacks {missing}"
    for argument, value in defaults(arguments).items():
        if value is not ... and argument not in SUPERSEDED:
            assert as_plain(ours[argument].default) == as_plain(value), f"{owner}.{name}({argument}=)"


@pytest.mark.parametrize("generation", ["0.0.x: (threshold,)", "0.2.x: (node_th, edge_th)"])
def test_prune_takes_its_numbers_by_position(generation: str) -> None:
    model = KAN(width=[1, 1])
    model(torch.linspace(-1, 1, 50)[:, None])
    arguments = (1e-2,) if generation.startswith("0.0") else (1e-2, 3e-2)
    assert model.prune(*arguments).width_in == [1, 1]


@pytest.mark.parametrize("name", PROPERTIES)
def test_an_attribute_can_be_read(name: str) -> None:
    model = KAN(width=[2, [1, 1], 2], grid=3, base_fun="identity")
    x = torch.rand(30, 2)
    model(x)
    for _, at in enumerate(model.core.live()):
        model.fix_symbolic(at.layer, at.in_, at.out, "x", verbose=False) if name.startswith("symbolic_acts") else None
    value = getattr(model, name)
    assert value is not None or name == "ckpt_path"


def test_attributes_have_the_shapes_of_pykans() -> None:
    model = KAN(width=[2, [1, 1], 2], grid=3)
    x = torch.rand(30, 2)
    model(x)
    assert [v.shape for v in model.spline_preacts] == [v.shape for v in model.spline_postacts]
    assert [v.shape for v in model.spline_postsplines] == [(30, 3, 2), (30, 2, 2)]
    assert [v.shape for v in model.node_bias] == [(2,), (2,)]
    assert [v.shape for v in model.subnode_scale] == [(3,), (2,)]
    assert [v.shape for v in model.node_scores_all] == [(2, 2), (2, 2)]
    assert [v.shape for v in model.edge_scores_all] == [(2, 3, 2), (2, 2, 2)] or model.edge_scores_all[-1].shape[0] == 2
    assert model.input_id.tolist() == [0, 1]
    assert [v.shape for v in model.edge_actscale] == [(3, 2), (2, 2)]
    assert model.mult_arity == 2
    assert model.mult_homo


@pytest.mark.parametrize("name", LAYER_ATTRIBUTES)
def test_a_layer_has_pykans_attributes(name: str) -> None:
    assert getattr(KAN(width=[2, 1]).act_fun[0], name) is not None


@pytest.mark.parametrize("name", SYMBOLIC_ATTRIBUTES)
def test_symbols_have_pykans_attributes(name: str) -> None:
    assert getattr(KAN(width=[2, 1]).symbolic_fun[0], name) is not None


def test_the_library_has_every_function_of_both_generations() -> None:
    names = (
        "0 x x^2 x^3 x^4 x^5 1/x 1/x^2 1/x^3 1/x^4 1/x^5 sqrt x^0.5 x^1.5 1/sqrt(x) 1/x^0.5 exp log abs sin cos tan "
    )
    names += "tanh sgn arcsin arccos arctan arctanh gaussian sigmoid cosh"
    model = KAN(width=[1, 1])
    for name in names.split():
        model.fix_symbolic(0, 0, 0, name, fit_params_bool=False)
        assert model.symbolic_fun[0].funs_name[0][0] is not None


@pytest.mark.parametrize("name", ["lock", "unlock"])
def test_what_is_gone_says_what_to_use(name: str) -> None:
    with pytest.raises(AttributeError, match="fix both edges to the same symbol"):
        getattr(KAN(width=[2, 1]), name)(0, [[0, 0], [1, 0]])


def test_safe_functions_say_what_to_use() -> None:
    with pytest.raises(ImportError, match="Take SYMBOLIC_LIB's"):
        from kan.utils import f_inv  # type: ignore[attr-defined]  # noqa: F401
    with pytest.raises(ImportError, match="cannot import name"):
        from kan.utils import nothing  # type: ignore[attr-defined]  # noqa: F401


def test_failures_on_the_migration_page_have_tests() -> None:
    page = (Path(__file__).parents[1] / "docs" / "migration.md").read_text(encoding="utf-8")
    rows = [line.split("|")[2] for line in page.split("## Failures of pykan")[1].splitlines() if line.startswith("| ")][
        1:
    ]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    defined = {
        name
        for file in Path(__file__).parent.glob("test_*.py")
        for name in re.findall(r"def test_(\w+)", file.read_text())
    }
    assert len(named) > 60
    assert not named - defined


def test_the_migration_page_names_what_exists() -> None:
    page = (Path(__file__).parents[1] / "docs" / "migration.md").read_text(encoding="utf-8")
    table = page.split("## Calls")[1].split("\n## ")[0]
    rows = [line.replace(r"\|", "").split("|") for line in table.splitlines() if line.startswith("| `")]
    assert len(rows) > 25
    for row in rows:
        for code in re.findall(r"`([^`]+)`", row[2]):
            for name in re.findall(r"(?<![\w.\"])([A-Za-z][\w.]*)\(", code):
                if name.startswith("kanlens."):
                    module, _, last = name.rpartition(".")
                    assert hasattr(importlib.import_module(module), last), name
                else:
                    beside = [module.rpartition(".")[0] for module in re.findall(r"kanlens\.[\w.]+", row[2])]
                    known = name in kanlens.__all__ or any(hasattr(importlib.import_module(m), name) for m in beside)
                    assert known, name
