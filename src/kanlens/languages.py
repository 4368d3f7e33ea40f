"""Write formulas in other languages: sympy's printers, and one of our own for cells and queries.

Each language is a row of :data:`LANGUAGES`. Constants are written to the last digit.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import sympy
from sympy.printing.c import C99CodePrinter
from sympy.printing.codeprinter import CodePrinter, PrintMethodNotImplementedError
from sympy.printing.jscode import JavascriptCodePrinter
from sympy.printing.julia import JuliaCodePrinter
from sympy.printing.numpy import NumPyPrinter, SciPyPrinter
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.pycode import PythonCodePrinter
from sympy.printing.rust import RustCodePrinter

from kanlens.errors import InputError, UnknownNameError


@dataclass(frozen=True)
class Language:
    """Describe how a formula becomes a module: the file's ending, the printer, and what stands around the formula."""

    ending: str
    printer: Callable[[sympy.Expr], CodePrinter]
    module: Callable[[str, Sequence[str], str, CodePrinter], str]


def write(expression: sympy.Expr, language: str, *, name: str = "f", names: Sequence[str] | None = None) -> str:
    """Return a formula as source text in a language.

    Parameters
    ----------
    expression : sympy expression
    language : str
        `"python"`, `"numpy"`, `"c"`, `"julia"`, `"javascript"`, `"rust"`, `"excel"`, `"sql"` or `"latex"`.
    name : str
        The name of the function, or of the column in a query.
    names : sequence of str, optional
        The arguments in order; the variables of the formula, sorted, by default. For `"excel"` they are the
        columns A, B, ... of which row 2 is taken.

    Raises
    ------
    InputError
        If a variable of the formula is missing in `names`, or the language lacks a function of it.
    UnknownNameError
        If there is no such language.
    """
    names = sorted(map(str, expression.free_symbols)) if names is None else list(names)
    if missing := {str(symbol) for symbol in expression.free_symbols} - set(names):
        raise InputError(f"expected the formula's variables among {names}, got also {min(missing)}. Add it to names.")
    row = lookup(language)
    if language == "excel":
        cells = {sympy.Symbol(old): sympy.Symbol(f"{column(number)}2") for number, old in enumerate(names)}
        expression, names = expression.xreplace(cells), [str(cell) for cell in cells.values()]
    printer = row.printer(expression)
    body = print_with(printer, expression, language)
    arguments = [printer.doprint(sympy.Symbol(each)) for each in names]
    if len(set(arguments)) < len(arguments):
        raise InputError(f"expected names that stay different in {language}, got {arguments}. Rename one of them.")
    return row.module(name, arguments, body, printer)


def lookup(language: str) -> Language:
    """Return the row of a language."""
    if language not in LANGUAGES:
        raise UnknownNameError(f"expected a language among {', '.join(LANGUAGES)}, got {language!r}.")
    return LANGUAGES[language]


def print_with(printer: CodePrinter, expression: sympy.Expr, language: str) -> str:
    """Return an expression as a printer writes it."""
    try:
        text: str = printer.doprint(expression)
    except PrintMethodNotImplementedError as error:
        lacking = str(error).splitlines()[0].rpartition(": ")[2]
        raise InputError(f"expected functions that {language} has, got {lacking}. Choose another language.") from error
    return text


def column(number: int) -> str:
    """Return the letters of a column of a sheet.

    Examples
    --------
    >>> column(0), column(25), column(26)
    ('A', 'Z', 'AA')
    """
    return (column(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


# --- printers ----------------------------------------------------------------------------


class _LastDigit:
    """Print floats so that they are read back to the same bits; sympy's printers keep 15 digits."""

    def _print_Float(self, number: sympy.Float) -> str:
        return repr(float(number))


class Python(_LastDigit, PythonCodePrinter):  # type: ignore[misc]
    """Print for Python's own `math`."""


class Numpy(_LastDigit, NumPyPrinter):  # type: ignore[misc]
    """Print for arrays."""


class Scipy(_LastDigit, SciPyPrinter):  # type: ignore[misc]
    """Print for arrays, with special functions."""


class C(_LastDigit, C99CodePrinter):  # type: ignore[misc]
    """Print for C99 and POSIX's Bessel functions."""

    def _print_Integer(self, number: sympy.Integer) -> str:
        return str(number) if abs(number) < 2**31 else f"{number}.0"

    def _print_besselj(self, expression: sympy.Expr) -> str:
        return f"j{expression.args[0]}({self._print(expression.args[1])})"

    def _print_bessely(self, expression: sympy.Expr) -> str:
        return f"y{expression.args[0]}({self._print(expression.args[1])})"


class Julia(_LastDigit, JuliaCodePrinter):  # type: ignore[misc]
    """Print for Julia."""


class Javascript(_LastDigit, JavascriptCodePrinter):  # type: ignore[misc]
    """Print for JavaScript."""


class Rust(RustCodePrinter):  # type: ignore[misc]
    """Print for Rust, whose whole numbers do not mix with others."""

    def _print_Float(self, number: sympy.Float) -> str:
        return f"{float(number)!r}_f64"

    def _print_Integer(self, number: sympy.Integer, *_: Any) -> str:
        return f"{int(number)}_f64"

    def _print_Rational(self, number: sympy.Rational) -> str:
        return f"({int(number.p)}_f64/{int(number.q)}_f64)"

    def _print_Pow(self, power: sympy.Pow) -> str:
        base = self.parenthesize(power.base, PRECEDENCE["Atom"], strict=True)
        if power.exp == sympy.Rational(1, 2):
            return f"{base}.sqrt()"
        if power.exp.is_Integer:
            return f"{base}.powi({int(power.exp)})"
        return f"{base}.powf({self._print(power.exp)})"

    def _print_sign(self, expression: sympy.Expr) -> str:
        argument = self._print(expression.args[0])
        return f"(if ({argument}) == 0_f64 {{ 0_f64 }} else {{ ({argument}).signum() }})"

    def _print_Max(self, expression: sympy.Expr) -> str:
        first, *rest = (f"({self._print(argument)})" for argument in expression.args)
        return first + "".join(f".max({argument})" for argument in rest)

    def _print_Min(self, expression: sympy.Expr) -> str:
        first, *rest = (f"({self._print(argument)})" for argument in expression.args)
        return first + "".join(f".min({argument})" for argument in rest)


_SAME = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "asinh", "acosh", "atanh", "exp", "sign")
_UPPER = {**{name: name.upper() for name in _SAME}, "log": "LN", "Abs": "ABS"}


class _Upper(CodePrinter):  # type: ignore[misc]
    """Print for languages that write functions in capitals and powers as `POWER`."""

    language = "capitals"
    _default_settings = CodePrinter._default_settings | {"precision": 17, "user_functions": {}}

    def __init__(self) -> None:
        super().__init__({})
        self.known_functions = _UPPER

    def _format_code(self, lines: list[str]) -> list[str]:
        return lines

    def _call(self, name: str, *arguments: object) -> str:
        return f"{name}({', '.join(self._print(argument) for argument in arguments)})"

    def _print_Pow(self, power: sympy.Pow, **_: Any) -> str:
        # never the sign ^: in a sheet -x^2 is (-x)^2
        if power.exp == sympy.Rational(1, 2):
            return self._call("SQRT", power.base)
        return self._call("POWER", power.base, power.exp)

    def _print_Exp1(self, _: sympy.Expr) -> str:
        return "EXP(1)"

    def _print_Pi(self, _: sympy.Expr) -> str:
        return "PI()"


class Excel(_Upper):
    """Print for the cells of a sheet."""

    language = "excel"

    def _print_Float(self, number: sympy.Float) -> str:
        return f"{float(number):.15g}".upper()  # a sheet reads no more digits

    def _print_erf(self, expression: sympy.Expr) -> str:
        return self._call("ERF", *expression.args)

    def _print_besselj(self, expression: sympy.Expr) -> str:
        return self._call("BESSELJ", expression.args[1], expression.args[0])

    def _print_bessely(self, expression: sympy.Expr) -> str:
        return self._call("BESSELY", expression.args[1], expression.args[0])

    def _print_Max(self, expression: sympy.Expr) -> str:
        return self._call("MAX", *expression.args)

    def _print_Min(self, expression: sympy.Expr) -> str:
        return self._call("MIN", *expression.args)


class Sql(_Upper):
    """Print for a query, by the functions that SQLite, PostgreSQL and DuckDB share."""

    language = "sql"

    def _print_Float(self, number: sympy.Float) -> str:
        return repr(float(number))

    def _print_Integer(self, number: sympy.Integer) -> str:
        return f"{int(number)}.0"  # 1/2 is 0 in a query

    def _print_Rational(self, number: sympy.Rational) -> str:
        return f"{int(number.p)}.0/{int(number.q)}.0"

    def _print_Symbol(self, symbol: sympy.Symbol) -> str:
        return quoted(symbol.name)

    def _extreme(self, sign: str, arguments: Sequence[sympy.Expr]) -> str:
        first: str = self._print(arguments[0])
        if len(arguments) == 1:
            return first
        rest = self._extreme(sign, arguments[1:])
        return f"CASE WHEN {first} {sign} {rest} THEN {first} ELSE {rest} END"

    def _print_Max(self, expression: sympy.Expr) -> str:
        return f"({self._extreme('>', expression.args)})"

    def _print_Min(self, expression: sympy.Expr) -> str:
        return f"({self._extreme('<', expression.args)})"


def quoted(name: str) -> str:
    """Return a column's name as a query names it."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


# --- modules -----------------------------------------------------------------------------

ABOUT = "A formula that kanlens found."


def _imported(printer: CodePrinter) -> str:
    lines = [f"import {module}" for module in sorted(printer.module_imports)]
    return "\n".join([f'"""{ABOUT}"""', "", *lines, *([""] if lines else []), ""])


def _python(name: str, arguments: Sequence[str], body: str, printer: CodePrinter) -> str:
    return "\n".join(
        [
            _imported(printer),
            f"def {name}({', '.join(arguments)}):",
            f'    """Return {name}."""',
            f"    return {body}",
            "",
        ]
    )


def _numpy(name: str, arguments: Sequence[str], body: str, printer: CodePrinter) -> str:
    about = f'    """Return {name}, elementwise for arrays."""'
    return "\n".join([_imported(printer), f"def {name}({', '.join(arguments)}):", about, f"    return {body}", ""])


C_HEAD = f"""\
/* {ABOUT} Link with -lm. */
#define _DEFAULT_SOURCE /* for M_PI and the Bessel functions */
#include <math.h>
"""


def _c(name: str, arguments: Sequence[str], body: str, _: CodePrinter) -> str:
    return f"{C_HEAD}\ndouble {name}({_typed('double {}', arguments) or 'void'})\n{{\n    return {body};\n}}\n"


def _typed(pattern: str, arguments: Sequence[str]) -> str:
    return ", ".join(pattern.format(argument) for argument in arguments)


def _julia(name: str, arguments: Sequence[str], body: str, _: CodePrinter) -> str:
    needs = "using SpecialFunctions\n" if re.search(r"\b(erf|bessel[jy])\(", body) else ""
    e = "using Base.MathConstants: e\n" if re.search(r"\be\b", body) and "e" not in arguments else ""
    return f"# {ABOUT}\n{needs}{e}\nfunction {name}({', '.join(arguments)})\n    return {body}\nend\n"


def _javascript(name: str, arguments: Sequence[str], body: str, _: CodePrinter) -> str:
    exported = f'if (typeof module !== "undefined") module.exports = {{ {name} }};\n'
    return f"// {ABOUT}\nfunction {name}({', '.join(arguments)}) {{\n  return {body};\n}}\n\n{exported}"


def _rust(name: str, arguments: Sequence[str], body: str, _: CodePrinter) -> str:
    used = [word for word in ("E", "PI") if re.search(rf"\b{word}\b", body)]
    uses = f"use std::f64::consts::{{{', '.join(used)}}};\n\n" if used else "\n"
    return f"// {ABOUT}\n{uses}pub fn {name}({_typed('{}: f64', arguments)}) -> f64 {{\n    {body}\n}}\n"


def _excel(_name: str, _arguments: Sequence[str], body: str, _: CodePrinter) -> str:
    return f"={body}\n"


def _sql(name: str, _arguments: Sequence[str], body: str, _: CodePrinter) -> str:
    return f"-- {ABOUT} Put your table for data.\nSELECT *, {body} AS {quoted(name)}\nFROM data;\n"


class Latex:
    """Print for LaTeX: words stand upright and keep their underscores, letters are letters."""

    def doprint(self, expression: sympy.Expr) -> str:
        """Return an expression for a mathematical environment."""
        names = {symbol: upright(symbol.name) for symbol in expression.free_symbols}
        text: str = sympy.latex(expression, symbol_names=names)
        return text


def upright(name: str) -> str:
    r"""Return a name for LaTeX.

    Examples
    --------
    >>> print(upright("x_1"), upright("alpha"), upright("semi_major_axis"))
    x_{1} \alpha \mathrm{semi\_major\_axis}
    """
    usual: str = sympy.latex(sympy.Symbol(name))
    if re.fullmatch(r"[^\W\d_](_?\d+)?", name) or usual.startswith("\\"):  # x, x_1, alpha
        return usual
    word = name.replace("_", r"\_")
    return rf"\mathrm{{{word}}}"


def _latex(name: str, _arguments: Sequence[str], body: str, _: Any) -> str:
    return f"{upright(name)} = {body}\n"


def _needs_scipy(expression: sympy.Expr) -> bool:
    return bool(expression.has(sympy.besselj, sympy.bessely, sympy.erf))


QUALIFIED = {"fully_qualified_modules": True}

LANGUAGES: Mapping[str, Language] = MappingProxyType(
    {
        "python": Language("py", lambda _: Python(QUALIFIED), _python),
        "numpy": Language("py", lambda e: (Scipy if _needs_scipy(e) else Numpy)(QUALIFIED), _numpy),
        "c": Language("c", lambda _: C({"math_macros": {sympy.pi: "M_PI", sympy.E: "M_E"}}), _c),
        "julia": Language("jl", lambda _: Julia({}), _julia),
        "javascript": Language("js", lambda _: Javascript({}), _javascript),
        "rust": Language("rs", lambda _: Rust({}), _rust),
        "excel": Language("txt", lambda _: Excel(), _excel),
        "sql": Language("sql", lambda _: Sql(), _sql),
        "latex": Language("tex", lambda _: Latex(), _latex),
    }
)
"""Every language that a formula can be written in."""
