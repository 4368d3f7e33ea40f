"""What is written in another language computes there what it computes here."""

import json
import math
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kanlens import (
    KAN,
    Basis,
    BSpline,
    Chebyshev,
    Fourier,
    Gaussian,
    InputError,
    UnknownNameError,
    Wavelet,
    parse,
)
from kanlens.languages import LANGUAGES, write
from kanlens.networks import LOOPS, write_network
from kanlens.pieces import pieces
from samples import points, rich

Rows = Sequence[Sequence[float]]


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def ran(*command: str) -> Any:
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


# Each runner writes the source to a folder, calls `f` with each row, and returns the values. A formula takes its
# arguments one by one and gives a number; a network takes and gives arrays.


def in_python(source: str, rows: Rows, folder: Path, whole: bool) -> Any:
    (folder / "f.py").write_text(source)
    call = "f(row)" if whole else "f(*row)"
    code = f"import json; from f import f; print(json.dumps([{call} for row in {list(rows)}]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    return json.loads(done.stdout)


def in_numpy(source: str, rows: Rows, folder: Path, whole: bool) -> Any:
    (folder / "f.py").write_text(source)
    call = "f(rows)" if whole else "f(*rows.T) + 0 * rows[:, 0]"
    code = (
        f"import json, numpy; from f import f; rows = numpy.array({list(rows)}); print(json.dumps(({call}).tolist()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    return json.loads(done.stdout)


def in_javascript(source: str, rows: Rows, folder: Path, whole: bool) -> Any:
    (folder / "f.js").write_text(source)
    call = "f(row)" if whole else "f(...row)"
    code = f"const {{ f }} = require('{folder}/f.js'); console.log(JSON.stringify({list(rows)}.map(row => {call})))"
    return ran(tool("node"), "-e", code)


def in_c(source: str, rows: Rows, folder: Path, whole: bool) -> Any:
    width, outputs = (
        len(rows[0]),
        len(re.findall(r"y\[j\] = ", source)) and int(source.rsplit("j < ", 1)[1].split(";", maxsplit=1)[0]),
    )
    call = "f(x[r], y);" if whole else f"y[0] = f({', '.join(f'x[r][{k}]' for k in range(width))});"
    literal = ", ".join("{" + ", ".join(map(repr, row)) + "}" for row in rows)
    main = f"""
#include <stdio.h>
int main(void) {{
    double x[][{width}] = {{{literal}}}, y[16];
    for (int r = 0; r < {len(rows)}; r++) {{
        {call}
        for (int j = 0; j < {outputs or 1}; j++) printf("%.17g ", y[j]);
        printf("\\n");
    }}
}}
"""
    (folder / "f.c").write_text(source + main)
    warnings = ["-std=c99", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([tool("gcc"), *warnings, "-o", folder / "f", folder / "f.c", "-lm"], check=True)
    lines = subprocess.run([folder / "f"], capture_output=True, text=True, check=True).stdout.splitlines()
    values = [[float(value) for value in line.split()] for line in lines]
    return values if whole else [row[0] for row in values]


def in_rust(source: str, rows: Rows, folder: Path, whole: bool) -> Any:
    literal = ", ".join("[" + ", ".join(f"{value!r}_f64" for value in row) + "]" for row in rows)
    call = "f(row)" if whole else f"f({', '.join(f'row[{k}]' for k in range(len(rows[0])))})"
    (folder / "f.rs").write_text(f'{source}\nfn main() {{ for row in [{literal}] {{ println!("{{:?}}", {call}); }} }}')
    subprocess.run([tool("rustc"), "-A", "unused_parens", "-o", folder / "f", folder / "f.rs"], check=True)
    lines = subprocess.run([folder / "f"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [json.loads(line.replace("NaN", "null")) for line in lines]


def in_sql(source: str, rows: Rows, _: Path, whole: bool) -> Any:
    base = sqlite3.connect(":memory:")
    names = sorted(set(re.findall(r'"([a-z]\w*)"', source)) - set(re.findall(r'AS "(\w+)"', source)))
    base.execute(f"CREATE TABLE data ({', '.join(names)})")
    base.executemany(f"INSERT INTO data VALUES ({', '.join('?' * len(names))})", [row[: len(names)] for row in rows])
    if not has_mathematics(base):
        pytest.skip("this SQLite has no mathematical functions")
    found = base.execute(source).fetchall()
    return [list(row[len(names) :]) if whole else row[-1] for row in found]


def has_mathematics(base: sqlite3.Connection) -> bool:
    try:
        base.execute("SELECT TANH(1.0)")
    except sqlite3.OperationalError:
        return False
    return True


def in_excel(source: str, rows: Rows, _: Path, whole: bool) -> Any:
    formulas = pytest.importorskip("formulas", reason="formulas, which computes cells, is not installed")
    lines = [line.split("\t") for line in source.splitlines() if "\t=" in line] if whole else [["Z2", source.strip()]]
    found = []
    for row in rows:
        cells: dict[str, Any] = {f"{chr(ord('A') + k)}2": value for k, value in enumerate(row)}
        for cell, text in lines:
            compiled = formulas.Parser().ast(text)[1].compile()
            cells[cell] = float(np.asarray(compiled(*[cells[name] for name in compiled.inputs])).ravel()[0])
        found.append(cells)
    if not whole:
        return [cells["Z2"] for cells in found]
    fed = {name for _, text in lines for name in re.findall(r"\b[A-Z]+2\b", text)}
    return [[cells[cell] for cell, _ in lines if cell not in fed] for cells in found]


RUNNERS: dict[str, Callable[[str, Rows, Path, bool], Any]] = {
    "python": in_python,
    "numpy": in_numpy,
    "c": in_c,
    "javascript": in_javascript,
    "rust": in_rust,
    "sql": in_sql,
    "excel": in_excel,
}

FORMULAS = [
    "2.1234567890123457*x**2 + sqrt(y)*pi/3 + Max(0, x, y - 1) - Min(x, 2) + 3*E",
    "-x**2/3 - (x + 1)**(-3/2) + 2/(3*y) + y**(1/3) - 1/y + x**2.5",
    "sin(x) - cos(y)*tan(x) + exp(-x*y) + log(x + y) + Abs(x - y) + sign(x - y) + 5",
    "asin(x/3) + acos(x/4) - atan(y) + sinh(x) + cosh(y) + tanh(x*y) + atanh(x/3) + asinh(y) + acosh(2 + x)",
]


@pytest.mark.parametrize("language", RUNNERS)
def test_formulas_compute_the_same_everywhere(language: str, tmp_path: Path) -> None:
    rows = (points(8, 2, low=0.1, high=2.5)).tolist()
    for number, text in enumerate(FORMULAS):
        expression, folder = parse(text), tmp_path / str(number)
        folder.mkdir()
        found = RUNNERS[language](write(expression, language, names=["x", "y"]), rows, folder, False)
        wanted = [float(expression.evalf(20, subs={"x": a, "y": b})) for a, b in rows]
        np.testing.assert_allclose(found, wanted, rtol=1e-13 if language == "excel" else 2e-15 * 10, atol=1e-14)


@pytest.mark.parametrize("language", [name for name in RUNNERS if name not in ("sql", "javascript", "rust", "python")])
def test_special_functions_are_written_where_a_language_has_them(language: str, tmp_path: Path) -> None:
    expression = parse("besselj(0, x) + bessely(1, y) + erf(x)")
    rows = points(5, 2, low=0.5, high=2).tolist()
    found = RUNNERS[language](write(expression, language), rows, tmp_path, False)
    wanted = [float(expression.evalf(20, subs={"x": a, "y": b})) for a, b in rows]
    np.testing.assert_allclose(found, wanted, rtol=1e-7 if language == "excel" else 1e-12)  # sheets have 1e-8


@pytest.mark.parametrize("language", ["sql", "javascript", "rust", "python"])
def test_a_function_that_a_language_lacks_is_an_error(language: str) -> None:
    with pytest.raises(InputError, match=f"expected functions that {language} has, got besselj"):
        write(parse("besselj(0, x)"), language)


@pytest.mark.parametrize(
    ("expression", "imports"),
    [
        ("Max(0, x - 1) + sign(y)", ["functools", "numpy"]),
        ("besselj(0, x) + erf(y)", ["scipy.special"]),
        ("pi*exp(x) + E*sqrt(2)*y**(1/3)", ["numpy"]),
        ("x**(3/2)/y**2", []),
        ("7/2", []),
    ],
)
def test_numpy_sources_import_only_what_they_need(expression: str, imports: list[str]) -> None:
    source = write(parse(expression), "numpy")
    assert [line for line in source.splitlines() if line.startswith("import")] == [f"import {name}" for name in imports]


def test_julia_and_latex_are_written() -> None:
    source = write(parse("erf(x) + E*x"), "julia")
    assert "using SpecialFunctions" in source
    assert "using Base.MathConstants: e" in source
    written = write(parse("x_1*semi_major_axis + theta"), "latex", name="period")
    assert written == "\\mathrm{period} = \\mathrm{semi\\_major\\_axis} x_{1} + \\theta\n"


def test_words_that_a_language_keeps_for_itself_are_changed() -> None:
    assert "double f(double double_, double x)" in write(parse("double + x"), "c")
    with pytest.raises(InputError, match="names that stay different"):
        write(parse("double + double_"), "c")


def test_arguments_are_checked() -> None:
    with pytest.raises(UnknownNameError, match="expected a language among python, numpy"):
        write(parse("x"), "cobol")
    with pytest.raises(InputError, match="variables among"):
        write(parse("x + y"), "c", names=["x"])
    assert set(RUNNERS) | {"julia", "latex"} == set(LANGUAGES)


# --- networks ----------------------------------------------------------------------------


@pytest.mark.parametrize("language", RUNNERS)
@pytest.mark.parametrize("kind", ["rich", "silu"])
def test_networks_compute_the_same_everywhere(language: str, kind: str, tmp_path: Path) -> None:
    model = rich(2, residual="identity") if kind == "rich" else KAN([2, 3, 1], basis=BSpline(2, 3), noise=0.5).double()
    x = points(
        3 if language == "excel" else 12, model.spec.widths[0].size, low=-1.6, high=1.6
    )  # beyond the grids, and on a knot
    x[0] = 1
    names = "abc"[: x.shape[1]]
    source = write_network(model, language, names=list(names))
    found = RUNNERS[language](source, x.tolist(), tmp_path, True)
    np.testing.assert_allclose(found, model(x).detach().numpy(), rtol=1e-12, atol=1e-12)
    stated = float(re.search(r"differs from it by (\S+) at most", source)[1])  # type: ignore[index]
    assert 0 <= stated < 1e-13


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_pieces_are_the_splines(degree: int) -> None:
    layer = KAN([3, 2], basis=BSpline(degree, 6), noise=1.0, dtype=torch.float64).layers[0]
    x = points(400, 3, low=-1.5, high=1.5)
    layer.grid = layer.basis.adapted(x**3)
    torch.testing.assert_close(pieces(layer)(x), layer(x), rtol=0, atol=1e-13)


@pytest.mark.parametrize("basis", [Chebyshev(), Fourier(), Gaussian(), Wavelet()], ids=lambda b: type(b).__name__)
def test_curves_of_other_bases_are_close_to_their_pieces(basis: Basis) -> None:
    layer = KAN([3, 2], basis=basis, noise=1.0, dtype=torch.float64).layers[0]
    x = points(400, 3, low=-1.5, high=1.5)
    torch.testing.assert_close(pieces(layer)(x), layer(x), rtol=1e-6, atol=1e-6)


def test_a_float32_network_is_written_to_the_last_digit() -> None:
    model = KAN([2, 2, 1])
    assert "differs from it by" in write_network(model, "c")
    assert model.dtype == torch.float32


def test_julia_networks_look_right() -> None:
    source = write_network(rich(2), "julia")
    assert "h0[3]" in source
    assert "h0[0]" not in source
    assert source.count("end") >= source.count("function") + source.count("for ")
    assert set(LOOPS) == set(RUNNERS) - {"sql", "excel"} | {"julia"}


def test_what_cannot_be_written_is_said() -> None:
    with pytest.raises(UnknownNameError, match="for a network, got 'latex'"):
        write_network(KAN([1, 1]), "latex")
    with pytest.raises(InputError, match="2 different names"):
        write_network(KAN([2, 1]), "c", names=["a", "a"])
    with pytest.raises(InputError, match="characters for a cell"):
        write_network(KAN([30, 1], basis=BSpline(3, 50)), "excel")
    assert math.isfinite(len(write_network(KAN([30, 1]), "sql")))
