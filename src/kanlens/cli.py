"""The command `kanlens`: from a CSV file to a formula, without code."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Toml
from torch import Tensor

from kanlens import commands
from kanlens.compiler import compile_formula
from kanlens.console import say, say_json, tell
from kanlens.errors import InputError, KanlensError
from kanlens.front import Equation, Front
from kanlens.network import KAN
from kanlens.outliers import Loss, counted
from kanlens.persistence import save
from kanlens.pool import HELD_FROM
from kanlens.search import search
from kanlens.settings import SearchSettings
from kanlens.tables import Table, read_table, symbol_name
from kanlens.version import __version__

if TYPE_CHECKING:
    from sympy import Expr

RESERVED = frozenset({"E", "pi", "numpy", "scipy", "functools"})
"""Words that mean something else in a formula or in the module that is written."""


app = App(
    name="kanlens",
    help="From a table of numbers to a formula, by Kolmogorov-Arnold networks.",
    help_epilogue="Exit codes: 0 done, 1 failed, 2 wrong input, 130 interrupted. "
    "Options may also stand in kanlens.toml in the present folder, under the name of their command.",
    version=__version__,
    config=Toml("kanlens.toml"),
    suppress_keyboard_interrupt=False,  # `run` gives the exit code
)
app.register_install_completion_command(add_to_startup=False)
for command in (commands.predict, commands.formula, commands.export, commands.info, commands.plot, commands.report):
    app.command(command)


@app.command
def fit(
    file: Path,
    /,
    *,
    target: str,
    out: Path | None = None,
    functions: Annotated[str | None, Parameter(show_default=False)] = None,
    drop: Annotated[str, Parameter(show_default=False)] = "",
    seed: int = 0,
    seconds: float = 60.0,
    complexity: int = 80,
    loss: Loss = "squared",
    json: commands.Json = False,
) -> None:
    """Find a formula for one column of a table by the others.

    Example: kanlens fit planets.csv --target period --out results

    Parameters
    ----------
    file
        The CSV file, with a header row, or the Parquet file. Columns of text are left out.
    target
        The column to explain.
    out
        A folder for the formula (text, LaTeX, Python), a page about it (HTML), the diagram (PNG, SVG) and the network
        (safetensors).
    functions
        The functions to choose from, such as x,x^2,sin,exp; all by default.
    drop
        Columns to leave out, separated by commas.
    seed
        Seed of the search.
    seconds
        Time limit; the best formula so far is taken.
    complexity
        The most symbols of a formula.
    loss
        How errors count: squared, relative (as shares of the target), or robust (rows that disagree with the others
        do not count).
    json
        Print JSON: the formula, its error, the columns that it needs, and the front.
    """
    table = read_table(file, leave_out=_listed(drop))
    names, x, y = table.split(target)
    if out is not None:
        _make(out)
    _note(table, names)
    *symbols, result = _symbols((*names, target))
    library = None if functions is None else _listed(functions)
    settings = SearchSettings(functions=library, complexity=complexity, seconds=seconds, seed=seed)
    weight = counted(loss, x, y[:, 0], seed=seed)
    front = search(x, y, names=symbols, weight=weight, settings=settings)
    if json:
        say_json(_record(result, symbols, front))
    else:
        say(_report(result, symbols, front, len(x) if weight is None else int(weight.count_nonzero())))
    if out is not None:
        model = compile_formula(front.choose().expression, symbols, dtype=torch.float64)
        _write(out, result, symbols, front, model, x, y)
        notes = {"inputs": symbols, "columns": list(names), "outputs": [result]}
        save(model, out / "model.safetensors", notes=notes)
        (tell if json else say)(
            f"written: formula (txt, tex, py), front.csv, diagram (png, svg), report.html, model.safetensors in {out}"
        )


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _make(folder: Path) -> None:
    """Make the folder before the search, because afterwards is late to hear that it cannot be made."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"expected a folder, got the file {folder}. Choose another --out.")
    folder.mkdir(parents=True, exist_ok=True)


def _symbols(names: Sequence[str]) -> list[str]:
    """Return names for a formula, all different, and tell which columns got another one."""
    symbols: list[str] = []
    for name in names:
        word = symbol_name(name)
        while word in symbols or word in RESERVED:
            word += "_"
        symbols.append(word)
        if word != name:
            tell(f"column {name!r} is {word} in the formula")
    return symbols


def _note(table: Table, names: Sequence[str]) -> None:
    rows = len(table.values)
    if table.text:
        tell(f"left out, as they hold text: {', '.join(table.text)}")
    tell(f"{rows} rows; inputs: {', '.join(names)}")
    if rows < HELD_FROM:
        tell(f"fewer than {HELD_FROM} rows: none is held out for a check, and a coincidence can look like a law")


def _report(target: str, symbols: Sequence[str], front: Front, rows: int) -> str:
    found = front.choose()
    used = _used(symbols, found.expression)
    unused = [symbol for symbol in symbols if symbol not in used]
    where = "rows held out" if rows >= HELD_FROM else "rows left out one by one"
    exact = ", exact to round-off" if front.exact else ""
    lines = [
        f"{target} = {_rounded(found.expression)}",
        f"error: {found.rmse:.3g} (root mean square on {where}), R2 = {found.r2:.10g}{exact}",
    ]
    if not front.exact:
        lines.append(front.verdict)
    return "\n".join([*lines, *([f"not needed: {', '.join(unused)}"] if unused else [])])


def _record(target: str, symbols: Sequence[str], front: Front) -> dict[str, Any]:
    found = front.choose()
    return {
        "target": target,
        **_row(found),
        "exact": front.exact,
        "variables": _used(symbols, found.expression),
        "front": [_row(equation) for equation in front],
    }


def _row(equation: Equation) -> dict[str, Any]:
    return {
        "formula": str(equation.expression),
        "complexity": equation.complexity,
        "rmse": equation.rmse,
        "r2": equation.r2,
    }


def _used(symbols: Sequence[str], expression: "Expr") -> list[str]:
    present = {str(symbol) for symbol in expression.free_symbols}
    return [symbol for symbol in symbols if symbol in present]


def _rounded(expression: "Expr", digits: int = 6) -> "Expr":
    """Return an expression whose decimals have as many digits as a reader wants to see."""
    import sympy

    return expression.xreplace({number: sympy.Float(number, digits) for number in expression.atoms(sympy.Float)})


def _write(folder: Path, target: str, symbols: Sequence[str], front: Front, model: KAN, x: Tensor, y: Tensor) -> None:
    """Write the formula, the front, the page and the diagram into a folder."""
    from kanlens.export import source
    from kanlens.pages import report
    from kanlens.plotting import plot

    expression = front.choose().expression
    rows = [f'{e.complexity},{e.rmse:.9g},{e.r2:.9g},"{e.expression}"' for e in front]
    texts = {
        "formula.txt": f"{target} = {expression}\n",
        "formula.tex": source(expression, "latex", name=target),
        "formula.py": source(expression, "numpy", name=target, names=_used(symbols, expression)),
        "front.csv": "\n".join(["complexity,rmse,r2,formula", *rows, ""]),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    report(model, x, y, names=symbols, outputs=[target], front=front, path=folder / "report.html")
    figure = plot(model, x, names=symbols, outputs=[target])
    for ending in ("png", "svg"):
        figure.savefig(folder / f"diagram.{ending}", bbox_inches="tight", dpi=200)


def run(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code: 0, 1 for a failure, 2 for wrong input, 130 when interrupted."""
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        tell(f"{error} Try: kanlens --help")
        return 2
    except KanlensError as error:
        tell(str(error))
        return 2
    except OSError as error:
        tell(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
        return 1
    except KeyboardInterrupt:
        tell("interrupted")
        return 130
    return 0


def main() -> None:
    """Run the command line."""
    torch.set_num_threads(1)  # on matrices of this size threads wait for each other, much longer on a busy machine
    sys.exit(run(sys.argv[1:]))
