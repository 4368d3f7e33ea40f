"""Write formulas as MathML, which browsers set by themselves, with a link from each term to its edge."""

import html
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from xml.dom.minidom import Element

import sympy
import torch
from sympy.printing.mathml import MathMLPresentationPrinter
from sympy.printing.precedence import precedence_traditional

from kanlens.constants import recognise
from kanlens.lettering import Run, hidden_name, mathematics, runs
from kanlens.network import KAN, Edge

if TYPE_CHECKING:
    from sympy import Expr

DIGITS = 4
"""Digits that decimals are shown with."""

NESTED, UNNAMED = 40, 12
"""Terms up to which outputs are written as one formula each, and of splines; richer networks go node by node."""

LINES = 24
"""Nodes whose sums are written."""


def mathml(expression: "Expr") -> str:
    """Return an expression as a MathML element, decimals rounded to a few digits.

    Examples
    --------
    >>> print(mathml(sympy.Symbol("x_1") ** 2 * 1.0000001))
    <msup><msub><mi>x</mi><mi>1</mi></msub><mn>2</mn></msup>
    """
    return str(_Printer().doprint(_rounded(expression)))


def terms(expression: "Expr") -> list[str]:
    """Return the terms of a sum as MathML, each with its sign; of another expression the whole.

    Examples
    --------
    >>> x = sympy.Symbol("x")
    >>> terms(x**2 - 1)[1]
    '<mrow><mo form="infix" lspace="0">−</mo><mn>1</mn></mrow>'
    """
    short = _rounded(expression)
    return _signed(short.as_ordered_terms() if short.is_Add else [short])


def _signed(values: "Sequence[Expr]") -> list[str]:
    printer, parts = _Printer(), list[str]()
    for value in values:
        minus = value.could_extract_minus_sign()
        written = printer.doprint(-value if minus else value)
        parts.append(_led("−" if minus else "+", written, first=not parts) if minus or parts else written)
    return parts


def _led(sign: str, written: str, *, first: bool = False) -> str:
    """Return a term after its sign, which stands between two terms even where it begins an element."""
    form = "" if first else ' form="infix" lspace="0"'
    return f"<mrow><mo{form}>{sign}</mo>{written}</mrow>"


def equation(name: str, parts: Sequence[str]) -> str:
    """Return `name = parts` as HTML that a browser breaks between the parts, where a line of mathematics never breaks.

    Examples
    --------
    >>> print(equation("y", ["<mn>2</mn>"]))
    <div class="equation"><math><mi>y</mi><mo>=</mo><mn>2</mn></math></div>
    """
    first = f"{mathml(sympy.Symbol(name))}<mo>=</mo>{parts[0]}"
    return f'<div class="equation">{" ".join(f"<math>{part}</math>" for part in [first, *parts[1:]])}</div>'


class Line(NamedTuple):
    """Hold what one node computes: its name, its terms as MathML, and as an expression if it is an output by inputs."""

    name: str
    parts: list[str]
    expression: "Expr | None" = None


def lines(
    model: KAN, names: Sequence[str], outputs: Sequence[str], *, shown: Collection[Edge] | None = None
) -> list[Line]:
    """Return what a network computes, line by line; each edge's term has a `data-edge`.

    A small network gives a line for each output; a larger one a line for each node, from the last layer to the
    first. Edges that are splines are written as functions of a name.

    Parameters
    ----------
    model : KAN
    names, outputs : sequence of str
        Names of the inputs and outputs.
    shown : collection of Edge, optional
        The edges that are written where the network is large; others become dots.

    Examples
    --------
    >>> ["".join(line.parts).count("data-edge") for line in lines(KAN([2, 1, 1]), ["a", "b"], ["y"])]
    [3]
    """
    writer = _Writer(model, 16 * torch.finfo(model.dtype).eps, set(model.live() if shown is None else shown))
    ends = [[sympy.Symbol(name) for name in group] for group in (names, outputs)]
    if _is_short(model):
        nodes = ends[0]
        for number in range(model.depth):
            above = writer.layer(number, nodes)
            nodes = [node.expression for node in above]
        return [
            Line(name, node.written(), _unmarked(node.expression)) for name, node in zip(outputs, above, strict=True)
        ]
    hidden = [
        [sympy.Symbol(hidden_name(model.depth, level, k)) for k in range(width.size)]
        for level, width in enumerate(model.spec.widths[1:-1], 1)
    ]
    found, levels = [], [ends[0], *hidden, ends[1]]
    for number in reversed(range(model.depth)):
        above = writer.layer(number, levels[number])
        last = number == model.depth - 1
        found += [
            Line(str(name), node.written())
            for name, node in zip(levels[number + 1], above, strict=True)
            if last or node
        ]
    return found[:LINES]


def _is_short(model: KAN) -> bool:
    """Tell whether outputs are written as one formula each."""
    live = model.live()
    if len(live) > NESTED:
        return False
    named = all(model.symbol(edge) is not None for edge in live)
    return _paths(model, live) <= (NESTED if named else UNNAMED)


def _paths(model: KAN, live: Sequence[Edge]) -> int:
    """Return the number of terms when everything is put into everything."""
    counts, total = [1] * model.spec.widths[0].size, 0
    for number, width in enumerate(model.spec.widths[1:]):
        sums = [0] * width.subnodes
        for edge in live:
            if edge.layer == number:
                sums[edge.out] += counts[edge.in_]
        counts = [sum(sums[sub] for sub in group) for group in width.groups()]
        total += sum(counts)
    return total


@dataclass
class _Sum:
    """Hold the terms of a sub-node in the order of its edges, their constants' sum, and whether some are left out."""

    terms: "list[Expr]"
    constant: "Expr"
    whole: bool = True

    @property
    def expression(self) -> "Expr":
        return sympy.Add(*self.terms, self.constant)

    def written(self) -> list[str]:
        """Return the terms as MathML, in their order, which sympy would not keep."""
        parts = _signed([*self.terms, *([] if self.constant == 0 else [self.constant])])
        dots = [_led("+", "<mo>⋯</mo>") if parts else "<mo>⋯</mo>"]
        return (parts if self.whole else parts + dots) or ["<mn>0</mn>"]


class _Node(NamedTuple):
    """Hold the sums that a node multiplies; mostly one."""

    sums: list[_Sum]

    def __bool__(self) -> bool:
        return any(each.terms for each in self.sums)

    @property
    def expression(self) -> "Expr":
        return sympy.Mul(*(each.expression for each in self.sums), evaluate=len(self.sums) == 1)

    def written(self) -> list[str]:
        if len(self.sums) == 1:
            return self.sums[0].written()
        return [f"<mrow><mo>(</mo>{''.join(each.written())}<mo>)</mo></mrow>" for each in self.sums]


@dataclass(frozen=True)
class _Writer:
    """Build the sums of layers, each term marked with its edge."""

    model: KAN
    tolerance: float
    shown: set[Edge]

    def layer(self, number: int, nodes: "Sequence[Expr]") -> list[_Node]:
        """Return the nodes above a layer from those below it."""
        width, symbols = self.model.spec.widths[number + 1], self.model.symbols[number]
        affine = dict(zip(zip(symbols.out, symbols.in_, strict=True), symbols.affine.tolist(), strict=True))
        sums = [_Sum([], sympy.Integer(0)) for _ in range(width.subnodes)]
        for edge in self.model.live():
            if edge.layer == number:
                at = sums[edge.out]
                if edge in self.shown:
                    term, constant = self.term(edge, nodes[edge.in_], affine.get((edge.out, edge.in_)))
                    at.terms.append(term)
                    at.constant += constant
                at.whole &= edge in self.shown
        return [_Node([sums[k] for k in group]) for group in width.groups()]

    def term(self, edge: Edge, at: "Expr", affine: Sequence[float] | None) -> "tuple[Expr, Expr]":
        """Return an edge's function of what it starts at, and the constant that is added."""
        address = [sympy.Integer(k) for k in edge]
        if affine is None:
            return _Marked(_Spline(at, *address), *address), sympy.Integer(0)
        a, b, c, d = (_rounded(recognise(value, self.tolerance)) for value in affine)
        value = c * cast("Any", self.model.symbol(edge)).symbolic(a * at + b)
        # the sign stands outside, so that a sum is not written as "+ -"
        minus = value.could_extract_minus_sign()
        return -_Marked(-value, *address) if minus else _Marked(value, *address), d


class _Marked(sympy.Function):  # type: ignore[misc]
    """Hold an expression and the edge `(layer, out, in)` that it comes from."""

    @property
    def precedence(self) -> int:
        """Return how tightly what is inside binds, so that it gets the brackets that it needs."""
        return int(precedence_traditional(self.args[0]))


class _Spline(sympy.Function):  # type: ignore[misc]
    """Hold what a spline is taken of, and its edge."""


def _unmarked(expression: "Expr") -> "Expr":
    return expression.replace(_Marked, lambda value, *_: value)


class _Printer(MathMLPresentationPrinter):  # type: ignore[misc]
    """Print marks as attributes, splines as functions of a name, and every text escaped."""

    def __init__(self) -> None:
        super().__init__({"ln_notation": True, "fold_frac_powers": True})
        plain = type(self.dom).createTextNode.__get__(self.dom)
        # sympy's own writes texts raw, so that a variable called <script> would be one
        self.dom.createTextNode = lambda data: plain(_plain(html.unescape(data)))

    def _print_Symbol(self, symbol: sympy.Symbol, style: str = "plain") -> Element:  # noqa: ARG002
        """Write a name as pictures do; sympy's own takes every underscore for the beginning of an index."""
        own = re.fullmatch(r"(h|φ|J|Y)_([\d,]+)", symbol.name)
        written = [Run(own[1]), Run(own[2], -1)] if own else runs(mathematics(symbol.name))
        parts = [self._element("mi", run.text) for run in written]
        if len(written) == 2 and written[1].shift:
            return self._element("msub", *parts)
        return parts[0] if len(parts) == 1 else self._element("mrow", *parts)

    def _get_printed_Rational(self, number: sympy.Rational, folded: bool | None = None) -> Element:  # noqa: ARG002
        """Write the fraction of a power in one line, because one above the other is too small to read."""
        top = self._element("mn", str(abs(number.p)))
        parts = [top, self._element("mo", "/"), self._element("mn", str(number.q))]
        return self._element("mrow", *([self._element("mo", "-")] if number.p < 0 else []), *parts)

    def _element(self, tag: str, *children: Element | str) -> Element:
        made: Element = self.dom.createElement(tag)
        for child in children:
            made.appendChild(self.dom.createTextNode(child) if isinstance(child, str) else child)
        return made

    def _print__Marked(self, expression: _Marked) -> Element:
        row: Element = self.dom.createElement("mrow")
        row.setAttribute("data-edge", "-".join(str(k) for k in expression.args[1:]))
        row.appendChild(self._print(expression.args[0]))
        return row

    def _print__Spline(self, expression: _Spline) -> Element:
        at, layer, out, in_ = expression.args
        return self._applied(sympy.Symbol(f"φ_{int(layer) + 1},{int(out) + 1},{int(in_) + 1}"), at)

    def _print_besselj(self, expression: "Expr") -> Element:
        return self._applied(sympy.Symbol(f"J_{expression.args[0]}"), expression.args[1])

    def _print_bessely(self, expression: "Expr") -> Element:
        return self._applied(sympy.Symbol(f"Y_{expression.args[0]}"), expression.args[1])

    def _applied(self, name: "Expr", at: "Expr") -> Element:
        row: Element = self.dom.createElement("mrow")
        row.appendChild(self._print(name))
        row.appendChild(self._paren_comma_separated(at))
        return row


def _plain(text: str) -> str:
    """Return a text with a true minus sign before nothing or a number, and e and i as letters, not double-struck."""
    minus = text.startswith("-") and text[1:].replace(".", "").isdecimal()
    return "−" + text[1:] if minus or text == "-" else {"ⅇ": "e", "ⅈ": "i"}.get(text, text)


def _rounded(expression: "Expr") -> "Expr":
    """Return an expression whose decimals are as long as a reader wants to see; 1.0 is 1."""
    short = {number: f"{float(number):.{DIGITS}g}" for number in expression.atoms(sympy.Float)}
    whole = {number: float(text).is_integer() for number, text in short.items()}
    return expression.xreplace(
        {n: sympy.Integer(int(float(text))) if whole[n] else sympy.Float(text, DIGITS) for n, text in short.items()}
    )
