"""The command `kanlens`: from a CSV file to a formula, without code."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from kanlens.errors import KanlensError
from kanlens.search import Discovery, discover
from kanlens.symbolic import formula
from kanlens.tables import Table, read_csv, symbol_name

if TYPE_CHECKING:
    from sympy import Expr
    from torch import Tensor

app = App(name="kanlens", help="Kolmogorov-Arnold networks: from a table to a law.")


@app.command
def fit(
    file: Path,
    *,
    target: str,
    out: Path | None = None,
    functions: Annotated[str | None, Parameter(help="names such as x,x^2,sin,exp; all by default")] = None,
    drop: Annotated[str, Parameter(help="columns to leave out, separated by commas")] = "",
    seed: int = 0,
) -> None:
    """Find a formula for one column of a CSV file by the others.

    Parameters
    ----------
    file
        The CSV file, with a header row.
    target
        The column to explain.
    out
        A folder for the diagram (PNG and SVG) and the formula (text, LaTeX, Python).
    seed
        Seed of the search.
    """
    table = read_csv(file)
    names, x, y = table.split(target, [name for name in drop.split(",") if name])
    _note(table, names)
    library = None if functions is None else functions.split(",")
    found = discover(x, y, library=library, seed=seed, progress=sys.stderr.isatty())
    symbols = _symbols(names)
    expression = formula(found.model, names=symbols)
    _say(_report(symbol_name(target), symbols, expression, found))
    if out is not None:
        _write(out, symbol_name(target), symbols, expression, found, x)
        _say(f"formula (txt, tex, py) and diagram (png, svg): {out}")


def _symbols(names: tuple[str, ...]) -> list[str]:
    """Return names for a formula, all different, and tell which columns got another one."""
    symbols: list[str] = []
    for name in names:
        word = symbol_name(name)
        while word in symbols:
            word += "_"
        symbols.append(word)
        if word != name:
            _tell(f"column {name!r} is {word} in the formula")
    return symbols


def _note(table: Table, names: tuple[str, ...]) -> None:
    if table.text:
        _tell(f"left out, as they hold text: {', '.join(table.text)}")
    _tell(f"{len(table.values)} rows; inputs: {', '.join(names)}")


def _report(target: str, symbols: list[str], expression: "Expr", found: Discovery) -> str:
    used = {str(symbol) for symbol in expression.free_symbols}
    unused = [symbol for symbol in symbols if symbol not in used]
    quality = "exact to round-off" if found.exact else "held-out rows"
    lines = [
        f"{target} = {_rounded(expression)}",
        f"error: {found.rmse:.3g} (root mean square, {quality}), R2 = {found.r2:.6g}",
    ]
    return "\n".join([*lines, *([f"not needed: {', '.join(unused)}"] if unused else [])])


def _rounded(expression: "Expr", digits: int = 6) -> "Expr":
    """Return an expression whose decimals have as many digits as a reader wants to see."""
    import sympy

    return expression.xreplace({number: sympy.Float(number, digits) for number in expression.atoms(sympy.Float)})


def _write(folder: Path, target: str, symbols: list[str], expression: "Expr", found: Discovery, x: "Tensor") -> None:
    """Write the formula and the diagram into a folder, which is made if need be."""
    import sympy

    from kanlens.plotting import plot

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "formula.txt").write_text(f"{target} = {expression}\n", encoding="utf-8")
    (folder / "formula.tex").write_text(f"{target} = {sympy.latex(expression)}\n", encoding="utf-8")
    (folder / "formula.py").write_text(_source(target, symbols, expression), encoding="utf-8")
    figure = plot(found.model, x, names=symbols, outputs=[target])
    for ending in ("png", "svg"):
        figure.savefig(folder / f"diagram.{ending}", bbox_inches="tight", dpi=200)


def _source(target: str, symbols: list[str], expression: "Expr") -> str:
    """Return a Python module with the formula as a function."""
    from sympy.printing.numpy import SciPyPrinter

    printer = SciPyPrinter({"fully_qualified_modules": True})
    code = printer.doprint(expression)
    imports = "\n".join(f"import {module}" for module in sorted(printer.module_imports)) or "import numpy"
    return (
        f'"""A formula found by kanlens."""\n\n{imports}\n\n\n'
        f'def {target}({", ".join(symbols)}):\n    """Return {target}, elementwise for arrays."""\n    return {code}\n'
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _tell(text: str) -> None:
    sys.stderr.write(f"kanlens: {text}\n")


def run(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 2 for wrong input, 130 when interrupted."""
    try:
        app(arguments, result_action="return_value")
    except KanlensError as error:
        _tell(str(error))
        return 2
    except KeyboardInterrupt:
        _tell("interrupted")
        return 130
    return 0


def main() -> None:
    """Run the command line."""
    sys.exit(run())
