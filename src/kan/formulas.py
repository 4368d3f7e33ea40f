"""pykan's way of reading a formula: a list of expressions and their variables."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sympy

from kan.inputs import Columns
from kanlens.data import Array
from kanlens.errors import InputError
from kanlens.network import KAN as Core
from kanlens.network import Width
from kanlens.symbolic import formula, snap

Scale = Sequence[Sequence[float]]
"""Means and deviations, one of each for each variable."""


def symbolic_formula(
    settled: Core,
    columns: Columns,
    var: Sequence[Any] | None,
    normalizer: Scale | None,
    output_normalizer: Scale | None,
) -> tuple[list[sympy.Expr], list[sympy.Expr]]:
    """Return an expression for each output of a network that is settled, and the input variables."""
    plain = [sympy.Symbol(f"x_{number}") for number in range(1, settled.spec.widths[0].size + 1)]
    variables = _variables(columns, var)
    inputs = variables if normalizer is None else [(v - m) / s for v, m, s in _scaled(variables, normalizer)]
    replaced = dict(zip(plain, inputs, strict=True))
    outputs = [formula(settled, output=j).xreplace(replaced) for j in range(settled.spec.widths[-1].size)]
    if output_normalizer is not None:
        outputs = [output * s + m for output, m, s in _scaled(outputs, output_normalizer)]
    return outputs, variables


def _variables(columns: Columns, var: Sequence[Any] | None) -> list[sympy.Expr]:
    """Return the variables of the columns that are read, by their own numbers or as they are named."""
    if var is None:
        return [sympy.Symbol(f"x_{number + 1}") for number in columns.chosen]
    named = [_variable(item) for item in var]
    if len(named) == columns.total:
        return [named[number] for number in columns.chosen]
    if len(named) != len(columns.chosen):
        raise InputError(f"expected {len(columns.chosen)} variables, one for each input, got {len(named)}.")
    return named


def expressions(core: Core, names: Sequence[str], premult: bool = False) -> list[list[sympy.Expr]]:
    """Return an expression for each node of each layer, or for each sub-node before products."""
    found = [[sympy.Symbol(name) for name in names]]
    for depth in range(1, core.depth + 1):
        spans = [*core.spec.widths[: depth + 1]]
        if premult:
            spans[-1] = Width(spans[-1].subnodes)
        spec = replace(core.spec, widths=tuple(spans))
        part = Core.assemble(spec, list(core.layers)[:depth], list(core.symbols)[:depth])
        found.append([formula(part, names=names, output=node) for node in range(spans[-1].size)])
    return found


def settle(core: Core, x: Array, y: Array | None) -> Core:
    """Return a network of symbols with its free constants refitted and recognised.

    Symbols may have been fixed one by one, each fitted to its edge alone; a formula shall show
    the constants that they have together.
    """
    splines = [edge for edge in core.live() if core.symbol(edge) is None]
    if splines:
        layer, out, in_ = splines[0]
        raise InputError(
            f"expected symbols on all edges, got splines on {len(splines)} of them, the first ({layer},{in_},{out}). "
            "Call auto_symbolic(), or fix_symbolic for each."
        )
    exact = all(bool(symbols.fixed.all()) for _, symbols, _ in core.parts())
    return core if exact else snap(core, x, y, library={})  # no functions to choose from: those that are there stay


def ex_round(ex1: sympy.Expr, n_digit: int) -> sympy.Expr:
    """Round the decimal numbers in an expression; exact numbers stay.

    Examples
    --------
    >>> ex_round(1.00004 * sympy.sin(3.14159 * sympy.Symbol("x")), 3)
    1.0*sin(3.142*x)
    """
    return ex1.xreplace({number: _rounded(number, n_digit) for number in ex1.atoms(sympy.Float)})


def _rounded(number: sympy.Float, n_digit: int) -> sympy.Expr:
    rounded = round(number, n_digit)
    return rounded if rounded else sympy.Integer(0)


def _variable(item: object) -> sympy.Expr:
    """Return a variable that was passed as a name or as an expression."""
    return item if isinstance(item, sympy.Expr) else sympy.Symbol(str(item))


def _scaled(values: Sequence[sympy.Expr], scale: Scale) -> list[tuple[sympy.Expr, float, float]]:
    """Pair values with their means and deviations."""
    means, deviations = ([float(number) for number in row] for row in scale)
    if not len(values) == len(means) == len(deviations):
        raise InputError(
            f"expected {len(values)} means and deviations, got {len(means)} and {len(deviations)}. "
            "Pass one of each for every variable."
        )
    return list(zip(values, means, deviations, strict=True))
