"""The commands that work on a file of `kanlens fit`: predict, formula, export, info, plot and report."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from cyclopts import Parameter

from kanlens.console import deliver, say, say_json, tell
from kanlens.errors import InputError
from kanlens.export import export_onnx, export_program, source
from kanlens.languages import column
from kanlens.law import Law
from kanlens.portraits import anywhere
from kanlens.tables import column_names, read_table, symbol_name, write_table

if TYPE_CHECKING:
    from sympy import Expr

Json = Annotated[bool, Parameter(name="--json", negative="")]

Target = Literal["python", "numpy", "c", "julia", "javascript", "rust", "excel", "sql", "latex", "onnx", "program"]


def predict(law: Path, table: Path, /, *, out: Path | None = None, json: Json = False) -> None:
    """Compute a law's outputs for the rows of a table.

    Example: kanlens predict results/model.safetensors new.csv --out predicted.csv

    Parameters
    ----------
    law
        A file of kanlens: model.safetensors, its folder, or formula.txt.
    table
        A CSV or Parquet file with the law's input columns; others are ignored.
    out
        The CSV or Parquet file to write, the screen by default.
    json
        Print JSON: a list for each output.
    """
    found = Law.read(law)
    columns = found.predict(read_table(table, only=found.columns))
    broken = sum(int((~column.isfinite()).sum()) for column in columns.values())
    if broken:
        tell(f"{broken} values are not finite: the law is not defined at those rows")
    if json:
        say_json({name: column.tolist() for name, column in columns.items()})
    elif out is None:
        say(write_table(None, columns).rstrip("\n"))
    else:
        write_table(out, columns)
        tell(f"written: {out}")


def formula(law: Path, /, *, language: Target = "python", json: Json = False) -> None:
    """Print the formula of a law.

    Example: kanlens formula results/model.safetensors --language latex

    Parameters
    ----------
    law
        A file of kanlens: model.safetensors, its folder, or formula.txt.
    language
        The language of the formula; `kanlens export` writes whole functions.
    json
        Print JSON: each output with its formula, LaTeX and variables.
    """
    formulas = Law.read(law).formulas()
    if json:
        say_json({name: _described(name, expression) for name, expression in formulas.items()})
        return
    for name, expression in formulas.items():
        say(f"{name} = {expression}" if language == "python" else source(expression, language, name=name).rstrip("\n"))


def export(law: Path, /, *, to: Target, out: Path | None = None, name: str | None = None) -> None:
    """Write a law as a function in another language, as ONNX or as a program of torch.

    Splines become tables of polynomials; how far they are from the network is written on top.

    Example: kanlens export results/model.safetensors --to c --out period.c

    Parameters
    ----------
    law
        A file of kanlens: model.safetensors, its folder, or formula.txt.
    to
        The language or format.
    out
        The file to write, the screen by default. ONNX and programs need one.
    name
        The name of the function, that of the output by default.
    """
    found = Law.read(law)
    if to in ("onnx", "program"):
        if out is None:
            raise InputError(f"expected a file for {to}, got none. Pass --out.")
        if to == "onnx":
            export_onnx(found.model, out)
        else:
            torch.export.save(export_program(found.model), out)
        tell(f"written: {out}")
        return
    one = len(found.outputs) == 1
    names = found.columns if to == "sql" else found.inputs  # a query knows the columns of the table
    what: Any = found.formulas(names)[found.outputs[0]] if found.is_formula and one else found.model
    deliver(source(what, to, name=name or (found.outputs[0] if one else "f"), names=names), out)
    if to == "excel":
        tell(f"inputs: {', '.join(f'{column(k)}2 is {each}' for k, each in enumerate(found.columns))}")


def info(law: Path, /, *, json: Json = False) -> None:
    """Tell what a file of kanlens holds.

    Parameters
    ----------
    law
        A file of kanlens: model.safetensors, its folder, or formula.txt.
    json
        Print JSON.
    """
    found = Law.read(law)
    model, live = found.model, found.model.live()
    names = [symbol.name for edge in live if (symbol := model.symbol(edge)) is not None]
    record = {
        "inputs": list(found.columns),
        "outputs": list(found.outputs),
        "nodes": [width.size for width in model.spec.widths],
        "basis": str(model.spec.basis),
        "dtype": str(model.dtype).removeprefix("torch."),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "splines": len(live) - len(names),
        "symbols": names,
    }
    if found.is_formula:
        record["formulas"] = {name: str(expression) for name, expression in found.formulas().items()}
    if json:
        say_json(record)
        return
    for key, value in record.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        if isinstance(value, dict):
            shown = "; ".join(f"{name} = {expression}" for name, expression in value.items())
        say(f"{key + ':':<12}{shown if shown != '' else 'none'}")


def plot(
    law: Path,
    table: Path | None = None,
    /,
    *,
    out: Path,
    fold: int | None = None,
    palette: Literal["colour", "print", "dark"] = "colour",
    ticks: bool = False,
    samples: bool = False,
    scale: float = 1.0,
) -> None:
    """Draw the diagram of a law.

    Example: kanlens plot results/model.safetensors planets.csv --out diagram.svg

    Parameters
    ----------
    law
        A file of kanlens: model.safetensors, its folder, or formula.txt.
    table
        Data that say where the curves matter; without them, points in the range of the network's grids.
    out
        The picture: PNG, SVG or PDF by its ending.
    fold
        Draw only so many edges, the most important ones.
    palette
        The colours; print has none.
    ticks
        Write the ranges of the curves.
    samples
        Show some of the data on the curves.
    scale
        Size of everything.
    """
    from kanlens import plotting

    found = Law.read(law)
    x = anywhere(found.model) if table is None else found.points(read_table(table, only=found.columns))
    figure = plotting.plot(
        found.model,
        x.to(found.model.dtype),
        names=found.inputs,
        outputs=found.outputs,
        fold=fold,
        palette=palette,
        ticks=ticks,
        samples=samples,
        scale=scale,
    )
    picture = io.BytesIO()
    try:
        figure.savefig(picture, format=out.suffix.lstrip(".") or "png", bbox_inches="tight", dpi=200)
    except ValueError as error:
        raise InputError(f"expected a picture such as out.png, out.svg or out.pdf, got {out.name}. {error}") from error
    out.write_bytes(picture.getvalue())
    tell(f"written: {out}")


def report(law: Path, table: Path, /, *, out: Path, target: str | None = None) -> None:
    """Write a page about a law on data: diagram, curves, formula, errors and effects in one file of HTML.

    Example: kanlens report results/model.safetensors planets.csv --out report.html

    Parameters
    ----------
    law
        A file of kanlens: model.safetensors, its folder, or formula.txt.
    table
        A CSV or Parquet file with the law's input columns.
    out
        The HTML file to write.
    target
        The column that the law is to explain, by default the one of its output's name; without one the page
        shows no errors.
    """
    from kanlens.pages import report as page

    found, present = Law.read(law), column_names(table)
    targets = [target] if target else [name for name in present if symbol_name(name) in found.outputs]
    if len(targets) != len(found.outputs):
        targets = []
    rows = read_table(table, only=[*found.columns, *targets])
    y = torch.stack([rows.column(name) for name in targets], 1) if targets else None
    page(found.model, found.points(rows), y, names=found.inputs, outputs=found.outputs, path=out)
    tell(f"written: {out}")


def _described(name: str, expression: "Expr") -> dict[str, Any]:
    return {
        "formula": str(expression),
        "latex": source(expression, "latex", name=name).strip(),
        "variables": sorted(map(str, expression.free_symbols)),
    }
