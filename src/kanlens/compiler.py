"""Write a formula as a network of symbols that computes it exactly.

A formula is read from its outermost operation inwards. Functions of one argument go on edges, sums
and products become nodes, and what is used in several places is computed once. A value that is needed
further up than in the next layer is passed on by identities.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import torch

from kanlens.bases import BSpline
from kanlens.candidates import Candidate
from kanlens.errors import InputError
from kanlens.functions import LIBRARY, Function, power
from kanlens.network import KAN, Edge, Width
from kanlens.surgery import cut, with_symbols

if TYPE_CHECKING:
    from sympy import Expr

NAMES = {
    "Abs": "abs",
    "sign": "sgn",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "atanh": "arctanh",
}
"""Names of the library's functions where sympy's class is called otherwise."""

LARGEST_DENOMINATOR = 1000
"""Exponents that are no fraction of this kind, such as pi, go through exp and log."""


@dataclass(frozen=True, eq=False)  # two nodes are the same only if they are one: comparing trees takes too long
class Node:
    """Hold a value in the network: an input (without sums), a sum, or a product of several sums."""

    level: int
    sums: tuple["Sum", ...] = ()


@dataclass(frozen=True)
class Term:
    """Hold one edge: `c f(a x + b)` of a node's value x."""

    function: Function
    a: float
    b: float
    c: float
    source: Node


@dataclass(frozen=True)
class Sum:
    """Hold a sum of edges and a constant."""

    terms: tuple[Term, ...]
    constant: float = 0.0

    @property
    def level(self) -> int:
        """Return the level that its value can have: one above the highest source."""
        return 1 + max((term.source.level for term in self.terms), default=0)

    @classmethod
    def of(cls, node: Node, factor: float = 1.0) -> "Sum":
        """Return a multiple of a node's value."""
        return cls((Term(LIBRARY["x"], 1.0, 0.0, factor, node),))

    def scaled(self, factor: float) -> "Sum":
        """Return a multiple."""
        return Sum(tuple(replace(term, c=factor * term.c) for term in self.terms), factor * self.constant)


def compile_formula(
    expressions: "Expr | Sequence[Expr]",
    names: Sequence[str],
    *,
    functions: Mapping[str, Function] = LIBRARY,
    basis: BSpline | None = None,
    dtype: torch.dtype | None = None,
) -> KAN:
    r"""Return a network of symbols that computes formulas exactly.

    Any composition of sums, products, powers and the library's functions can be written. Constants stay
    free, so that training goes on from the formula. Edges that the formula does not use are cut;
    :func:`kanlens.growth.perturb` brings some to life.

    Parameters
    ----------
    expressions : Expr or sequence of Expr
        A sympy expression for each output. Text is read by :func:`kanlens.parse` first.
    names : sequence of str
        The variables, in the order of the network's inputs.
    functions : mapping, optional
        The library: a function that sympy does not know is looked up here by its name.
    basis : BSpline, optional
        Basis of the splines that edges may become later.

    Raises
    ------
    InputError
        If a variable is not among the names, a function is not in the library, or a number is not real.

    Notes
    -----
    An exponent that is no ratio of small integers is written by :math:`x^p = e^{p \log x}`, and so is a
    variable exponent; both need :math:`x > 0`, as in sympy.

    Examples
    --------
    >>> import sympy
    >>> x, y = sympy.symbols("x y")
    >>> model = compile_formula(sympy.exp(sympy.sin(sympy.pi * x) + y**2), ["x", "y"])
    >>> [width.size for width in model.spec.widths]
    [2, 1, 1]
    >>> model(torch.tensor([[0.5, 1.0]])).log().item()
    2.0

    References
    ----------
    Z. Liu et al., *KAN 2.0* (2024), section 3.2 (kanpiler); there a variable occurs once in a sum.
    """
    import sympy

    listed = list(expressions) if isinstance(expressions, Sequence) else [expressions]
    if any(isinstance(each, str) for each in listed):  # which sympify would run
        raise InputError("expected sympy expressions, got text. Read it with kanlens.parse.")
    if not names or len(set(names)) != len(names):
        raise InputError(f"expected different names for the inputs, got {list(names)}. Rename those that occur twice.")
    reader = _Reader({name: Node(0) for name in names}, functions)
    outputs = [reader.settled(reader.read(sympy.sympify(expression))) for expression in listed]
    return _Builder([*reader.inputs.values()], outputs).build(basis, dtype)


class _Reader:
    """Turn expressions into sums of edges, each value once."""

    def __init__(self, inputs: Mapping[str, Node], functions: Mapping[str, Function]) -> None:
        self.inputs, self.functions = inputs, functions
        self.nodes: dict[Any, Node] = {}  # by expression, or by function, constants and source
        self.known: dict[Expr, Sum] = {}

    def read(self, expression: "Expr") -> Sum:
        """Return an expression as a sum of edges; a part that occurs again is read once."""
        if expression not in self.known:
            self.known[expression] = self._read(expression)
        return self.known[expression]

    def _read(self, expression: "Expr") -> Sum:
        if not expression.free_symbols:
            return Sum((), _number(expression))
        if expression.is_Symbol:
            return Sum.of(self._input(str(expression)))
        if expression.is_Add:
            return _add([self.read(part) for part in expression.args])
        if expression.is_Mul:
            return self._product(expression)
        return self._applied(expression)

    def _input(self, name: str) -> Node:
        if name not in self.inputs:
            raise InputError(f"expected variables among {list(self.inputs)}, got {name!r}. Add it to the names.")
        return self.inputs[name]

    def _product(self, expression: "Expr") -> Sum:
        coefficient, rest = expression.as_independent(*expression.free_symbols, as_Add=False)
        factors = rest.args if rest.is_Mul else (rest,)
        if len(factors) == 1:
            return self.read(factors[0]).scaled(_number(coefficient))
        node = self.nodes.get(rest)
        if node is None:
            sums = tuple(self.settled(self.read(factor)) for factor in factors)
            node = self.nodes[rest] = Node(max(each.level for each in sums), sums)
        return Sum.of(node, _number(coefficient))

    def _applied(self, expression: "Expr") -> Sum:
        """Return a function of one argument as one edge."""
        function, argument, inner = self._function(expression)
        a, b, source = self._source(argument)
        return Sum((Term(function, inner * a, inner * b, 1.0, source),))

    def _function(self, expression: "Expr") -> "tuple[Function, Expr, float]":
        """Return function, argument and a factor of the argument."""
        import sympy

        if expression.is_Pow or isinstance(expression, sympy.exp):
            base, exponent = expression.as_base_exp()
            return self._power(base, exponent)
        name = type(expression).__name__
        if name in ("besselj", "bessely") and expression.args[0] in (0, 1):
            return self._named(f"{name[-1].upper()}{expression.args[0]}"), expression.args[1], 1.0
        if name == "Max" and len(expression.args) == 2 and 0 in expression.args:
            return self._named("relu"), next(arg for arg in expression.args if arg != 0), 1.0
        if len(expression.args) != 1:
            raise InputError(f"expected functions of one argument, got {expression}. Write it by sums and products.")
        return self._named(NAMES.get(name, name)), expression.args[0], 1.0

    def _power(self, base: "Expr", exponent: "Expr") -> "tuple[Function, Expr, float]":
        import sympy

        if not base.free_symbols:  # a^x = exp(x log a)
            number = _number(base)
            if number <= 0:
                raise InputError(
                    f"expected a positive base of a variable exponent, got {base}. "
                    "Between whole powers a negative number has no real value."
                )
            return self._named("exp"), exponent, math.log(number)
        if not exponent.free_symbols:
            number = _number(exponent)
            fraction = Fraction(number).limit_denominator(LARGEST_DENOMINATOR)
            if abs(float(fraction) - number) <= 4 * math.ulp(number):
                made = power(fraction)
                return self.functions.get(made.name, made), base, 1.0
        return self._named("exp"), exponent * sympy.log(base), 1.0

    def _named(self, name: str) -> Function:
        if name not in self.functions:
            more = f"functions=LIBRARY | {{{name!r}: Function(...)}}"
            raise InputError(f"expected functions of the library, got {name!r}. Pass {more}.")
        return self.functions[name]

    def _source(self, argument: "Expr") -> tuple[float, float, Node]:
        """Return an argument as `a x + b` of a node."""
        found = self.read(argument)
        if len(found.terms) == 1 and found.terms[0].function.name == "x":
            term = found.terms[0]
            return term.c * term.a, term.c * term.b + found.constant, term.source
        if argument not in self.nodes:
            settled = self.settled(found)
            self.nodes[argument] = Node(settled.level, (settled,))
        return 1.0, 0.0, self.nodes[argument]

    def settled(self, found: Sum) -> Sum:
        """Return a sum in which no two edges leave the same node: such edges get nodes of their own."""
        sources = [term.source for term in found.terms]
        terms = []
        for term in found.terms:
            if sources.count(term.source) == 1:
                terms.append(term)
                continue
            key = term.function.name, term.a, term.b, term.source
            if key not in self.nodes:
                self.nodes[key] = Node(term.source.level + 1, (Sum((replace(term, c=1.0),)),))
            terms += Sum.of(self.nodes[key], term.c).terms
        return Sum(tuple(terms), found.constant)


def _number(expression: "Expr") -> float:
    """Return a real and finite number."""
    import sympy

    value = sympy.N(expression, 20)
    if (not value.is_Float and not value.is_Integer) or not math.isfinite(float(value)):
        raise InputError(f"expected real and finite numbers, got {expression}. Check the formula.")
    return float(value)


def _add(parts: Sequence[Sum]) -> Sum:
    """Return the sum of sums; identities of the same node become one."""
    terms: dict[Any, Term] = {}
    for term in (term for part in parts for term in part.terms):
        key = (term.function.name, term.a, term.b, term.source)
        known = terms.get(key)
        terms[key] = term if known is None else replace(known, c=known.c + term.c)
    return Sum(tuple(terms.values()), sum(part.constant for part in parts))


class _Builder:
    """Give nodes their places, layer by layer, and edges to the network."""

    def __init__(self, inputs: list[Node], outputs: Sequence[Sum]) -> None:
        depth = max(output.level for output in outputs)
        self.levels: list[list[Node]] = [inputs, *([] for _ in range(depth - 1))]
        self.passed: dict[tuple[Node, int], Node] = {}
        for output in outputs:
            self._need(output, depth)
        for level in self.levels[1:]:
            level.sort(key=lambda node: len(node.sums) > 1)  # sums before products
        self.levels.append([Node(depth, (output,)) for output in outputs])

    def _need(self, found: Sum, level: int) -> None:
        """Place what a sum on a level needs below it."""
        for term in found.terms:
            node = self._at(term.source, level - 1)
            if node not in self.levels[level - 1]:
                self.levels[level - 1].append(node)
                for each in node.sums:
                    self._need(each, level - 1)

    def _at(self, source: Node, level: int) -> Node:
        """Return a node, or the one that passes its value on to a higher level."""
        if level == source.level:
            return source
        if (source, level) not in self.passed:
            self.passed[source, level] = Node(level, (Sum.of(source),))
        return self.passed[source, level]

    def build(self, basis: BSpline | None, dtype: torch.dtype | None) -> KAN:
        """Return the network."""
        widths = [Width(len(self.levels[0]))]
        for level in self.levels[1:]:
            arities = [len(node.sums) for node in level]
            widths.append(Width(arities.count(1), tuple(n for n in arities if n > 1)))
        model = KAN(widths, basis=basis, dtype=dtype)
        symbols: dict[Edge, Candidate] = {}
        for number, level in enumerate(self.levels[1:]):
            for out, found in enumerate(each for node in level for each in node.sums):
                symbols |= self._edges(number, out, found)
        return with_symbols(cut(model, model.live()), symbols)

    def _edges(self, number: int, out: int, found: Sum) -> dict[Edge, Candidate]:
        """Return the edges of one sum; the first of them takes the constant."""
        edges, constant = {}, found.constant
        for term in found.terms:
            edge = Edge(number, out, self.levels[number].index(self._at(term.source, number)))
            edges[edge] = Candidate(term.function, (term.a, term.b, term.c, constant), 1.0)
            constant = 0.0
        if not found.terms and constant:
            edges[Edge(number, out, 0)] = Candidate(LIBRARY["0"], (1.0, 0.0, 0.0, constant), 1.0)
        return edges
