"""Formulas as trees: small values that are quick to evaluate, differentiate by their constants, and rebuild.

sympy's expressions are exact and slow: making one takes as long as fitting one of these. A tree turns into sympy
once, when it has won.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from kanlens.constants import Constant, nearby
from kanlens.functions import LIBRARY, Function, power

if TYPE_CHECKING:
    from sympy import Expr


@dataclass(frozen=True)
class Variable:
    """Stand for a column of the data."""

    index: int


@dataclass(frozen=True)
class Number:
    """Hold a constant: free to be fitted, or an exact one."""

    value: float
    exact: Constant | None = None


@dataclass(frozen=True)
class Sum:
    """Add terms."""

    terms: "tuple[Tree, ...]"


@dataclass(frozen=True)
class Product:
    """Multiply factors."""

    factors: "tuple[Tree, ...]"


@dataclass(frozen=True)
class Power:
    """Raise a base to a rational exponent."""

    base: "Tree"
    exponent: Fraction


@dataclass(frozen=True)
class Call:
    """Apply a function of the library."""

    function: Function
    argument: "Tree"


Tree = Variable | Number | Sum | Product | Power | Call


def whole(value: int) -> Number:
    """Return an exact whole number."""
    return Number(float(value), Constant(Fraction(value), "1"))


def recognised(value: float, error: float) -> Number:
    """Return the simplest exact constant within an error of a number, else the number.

    Examples
    --------
    >>> recognised(0.5000001, 1e-6).exact.symbolic(), recognised(0.7654321, 1e-6).exact
    (1/2, None)
    """
    names = nearby(value, error)
    return Number(names[0].value, names[0]) if names else Number(value)


ONE = whole(1)


def add(*terms: Tree) -> Tree:
    """Return the sum of trees, sums among them merged and zeros left out."""
    flat = [t for term in terms for t in (term.terms if isinstance(term, Sum) else (term,))]
    kept = [t for t in flat if not (isinstance(t, Number) and t.value == 0)]
    return kept[0] if len(kept) == 1 else Sum(tuple(kept)) if kept else whole(0)


def multiply(*factors: Tree) -> Tree:
    """Return the product of trees, products among them merged and ones left out."""
    flat = [f for factor in factors for f in (factor.factors if isinstance(factor, Product) else (factor,))]
    kept = [f for f in flat if f != ONE]
    return kept[0] if len(kept) == 1 else Product(tuple(kept)) if kept else ONE


def raise_to(base: Tree, exponent: Fraction | int) -> Tree:
    """Return a power, whole powers of powers merged."""
    exponent = Fraction(exponent)
    if exponent == 0:
        return ONE
    if exponent == 1:
        return base
    if isinstance(base, Power) and base.exponent.denominator == exponent.denominator == 1:
        return raise_to(base.base, base.exponent * exponent)
    return Power(base, exponent)


_EXPONENTS = {power(p).name: p for n in range(-12, 13) for p in (Fraction(n, 2), Fraction(n, 3)) if p not in (0, 1)}


def apply(function: Function, argument: Tree) -> Tree:
    """Return a library function of a tree; powers become :class:`Power`, so that there is one form of them."""
    if function.name == "x":
        return argument
    exponent = _EXPONENTS.get(function.name)
    return Call(function, argument) if exponent is None else raise_to(argument, exponent)


def monomial(exponents: Sequence[Fraction | int], of: Sequence[Tree] | None = None) -> Tree:
    """Return the product of powers of the variables, or of other trees in their places.

    Examples
    --------
    >>> monomial([1, -2])
    Product(factors=(Variable(index=0), Power(base=Variable(index=1), exponent=Fraction(-2, 1))))
    """
    bases = of if of is not None else [Variable(k) for k in range(len(exponents))]
    return multiply(*(raise_to(base, p) for base, p in zip(bases, exponents, strict=True) if p))


def children(tree: Tree) -> "tuple[Tree, ...]":
    """Return the trees directly below."""
    match tree:
        case Sum(terms):
            return terms
        case Product(factors):
            return factors
        case Power(base, _):
            return (base,)
        case Call(_, argument):
            return (argument,)
    return ()


def rebuild(tree: Tree, below: "Sequence[Tree]") -> Tree:
    """Return the tree with other trees directly below."""
    match tree:
        case Sum():
            return add(*below)
        case Product():
            return multiply(*below)
        case Power(_, exponent):
            return raise_to(below[0], exponent)
        case Call(function, _):
            return Call(function, below[0])
    return tree


def transform(tree: Tree, change: "Callable[[Tree], Tree]") -> Tree:
    """Return the tree with every leaf changed, from left to right."""
    below = children(tree)
    return rebuild(tree, [transform(child, change) for child in below]) if below else change(tree)


def substitute(tree: Tree, columns: "Sequence[Tree] | Mapping[int, Tree]") -> Tree:
    """Return the tree with other trees in place of its variables."""
    return transform(tree, lambda leaf: columns[leaf.index] if isinstance(leaf, Variable) else leaf)


def numbers(tree: Tree) -> list[Number]:
    """Return the constants from left to right."""
    if isinstance(tree, Number):
        return [tree]
    return [number for child in children(tree) for number in numbers(child)]


def with_numbers(tree: Tree, values: "Iterable[Number]") -> Tree:
    """Return the tree with other constants, from left to right, its shape kept."""
    queue = iter(values)

    def visit(node: Tree) -> Tree:
        if isinstance(node, Number):
            return next(queue)
        below = tuple(visit(child) for child in children(node))
        match node:  # the shape stays, also where a constant has become 0 or 1
            case Sum():
                return Sum(below)
            case Product():
                return Product(below)
            case Power():
                return replace(node, base=below[0])
            case Call():
                return replace(node, argument=below[0])
        return node

    return visit(tree)


def tidy(tree: Tree) -> Tree:
    """Return the tree without zeros in sums and ones in products."""
    below = children(tree)
    return rebuild(tree, [tidy(child) for child in below]) if below else tree


def complexity(tree: Tree) -> int:
    """Count the symbols: operators, functions, variables, constants and exponents.

    Examples
    --------
    >>> complexity(add(Variable(0), multiply(Number(2.0), Variable(1))))
    5
    """
    below = children(tree)
    inside = sum(map(complexity, below))
    match tree:
        case Sum() | Product():
            return inside + len(below) - 1
        case Power():
            return inside + 2
        case Call(function, _):
            return inside + max(1, function.complexity - 1)
    return 1


def shape(tree: Tree) -> str:
    """Return what two formulas share that differ in fitted constants and in the order of terms only.

    Examples
    --------
    >>> shape(add(multiply(Number(2.0), Variable(1)), Variable(0)))
    '(+ (* c x1) x0)'
    """
    inside = sorted(map(shape, children(tree)))
    match tree:
        case Sum():
            return f"(+ {' '.join(inside)})"
        case Product():
            return f"(* {' '.join(inside)})"
        case Power(_, exponent):
            return f"(^ {inside[0]} {exponent})"
        case Call(function, _):
            return f"({function.name} {inside[0]})"
        case Variable(index):
            return f"x{index}"
        case Number(value, exact):
            return "c" if exact is None else f"{value:.12g}"


def variables(tree: Tree) -> set[int]:
    """Return the columns that a tree uses."""
    if isinstance(tree, Variable):
        return {tree.index}
    return {index for child in children(tree) for index in variables(child)}


def reads_once(tree: Tree) -> bool:
    """Tell whether no column occurs twice, so that there is hardly a shorter form.

    Examples
    --------
    >>> reads_once(multiply(Variable(0), Variable(1))), reads_once(add(raise_to(Variable(0), 2), Variable(0)))
    (True, False)
    """
    queue, seen = [tree], set[int]()
    while queue:
        node = queue.pop()
        if isinstance(node, Variable):
            if node.index in seen:
                return False
            seen.add(node.index)
        queue += children(node)
    return True


def calls(tree: Tree) -> set[str]:
    """Return the names of the library functions in a tree.

    Examples
    --------
    >>> calls(multiply(Variable(0), Call(LIBRARY["sin"], Call(LIBRARY["exp"], Variable(0))))) == {"exp", "sin"}
    True
    """
    own = {tree.function.name} if isinstance(tree, Call) else set()
    return own.union(*map(calls, children(tree)))


@torch.no_grad()
def values(tree: Tree, x: Tensor) -> Tensor:
    """Return the tree's values `(rows,)` at points `(rows, in)`; NaN or infinity outside its domain."""
    return _evaluate(tree, x)[0]


@torch.no_grad()
def values_and_jacobian(tree: Tree, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return values `(rows,)` and derivatives by the free constants, from left to right, `(rows, free)`."""
    value, inner = _evaluate(tree, x)
    columns: list[Tensor] = []
    _pull(tree, torch.ones_like(value), inner, x, columns)
    return value, torch.stack(columns, 1) if columns else value.new_zeros(len(value), 0)


Inner = "list[tuple[Tensor, Inner]]"


def _evaluate(tree: Tree, x: Tensor) -> "tuple[Tensor, list]":  # type: ignore[type-arg]
    """Return a node's values, and those of all nodes below it in the tree's own shape."""
    match tree:
        case Variable(index):
            return x[:, index], []
        case Number(number):
            return x.new_full((len(x),), number), []
    below = [_evaluate(child, x) for child in children(tree)]
    first = below[0][0]
    match tree:
        case Sum():
            for value, _ in below[1:]:
                first = first + value
            return first, below
        case Product():
            for value, _ in below[1:]:
                first = first * value
            return first, below
        case Power(_, exponent):
            return _power(first, exponent), below
        case Call(function, _):
            return function.torch(first), below
    raise AssertionError(tree)


def _power(base: Tensor, exponent: Fraction) -> Tensor:
    return base ** (int(exponent) if exponent.denominator == 1 else float(exponent))


def _pull(tree: Tree, adjoint: Tensor, below: "list", x: Tensor, columns: list[Tensor]) -> None:  # type: ignore[type-arg]
    """Carry the derivative of the root by a node down to the constants."""
    match tree:
        case Number(_, None):
            columns.append(adjoint)
        case Sum(terms):
            for child, (_, inner) in zip(terms, below, strict=True):
                _pull(child, adjoint, inner, x, columns)
        case Product(factors):
            for k, child in enumerate(factors):
                if _has_free(child):
                    rest = [value for j, (value, _) in enumerate(below) if j != k]
                    _pull(child, math.prod(rest, start=adjoint), below[k][1], x, columns)
        case Power(base, exponent) if _has_free(base):
            at, inner = below[0]
            _pull(base, adjoint * float(exponent) * _power(at, exponent - 1), inner, x, columns)
        case Call(function, argument) if _has_free(argument):
            at, inner = below[0]
            _pull(argument, adjoint * function.slope(at), inner, x, columns)


def _has_free(tree: Tree) -> bool:
    return any(number.exact is None for number in numbers(tree))


def symbolic(tree: Tree, symbols: "Sequence[Expr]") -> "Expr":
    """Return the tree as a sympy expression in the given symbols."""
    import sympy

    match tree:
        case Variable(index):
            return symbols[index]
        case Number(value, exact):
            return sympy.Float(value) if exact is None else exact.symbolic()
        case Power(base, exponent):
            return sympy.Pow(symbolic(base, symbols), sympy.Rational(exponent.numerator, exponent.denominator))
        case Call(function, argument):
            return function.symbolic(symbolic(argument, symbols))
        case Sum(terms):
            return sympy.Add(*(symbolic(term, symbols) for term in terms))
        case Product(factors):
            return sympy.Mul(*(symbolic(factor, symbols) for factor in factors))


def planted(expression: "Expr", symbols: "Sequence[Expr]", library: Mapping[str, Function] = LIBRARY) -> Tree | None:
    """Return a sympy expression as a tree with all its constants free, None if it holds what no tree can."""
    import sympy

    def grow(node: "Expr") -> Tree:
        if node in places:
            return Variable(places[node])
        if not node.free_symbols:
            return Number(float(node))
        if node.is_Add:
            return add(*map(grow, node.args))
        if node.is_Mul:
            return multiply(*map(grow, node.args))
        if node.is_Pow and node.exp.is_Rational:
            return raise_to(grow(node.base), Fraction(node.exp.p, node.exp.q))
        if len(node.args) == 1 and type(node) in named:
            return Call(named[type(node)], grow(node.args[0]))
        raise LookupError(node)

    places = {symbol: k for k, symbol in enumerate(symbols)}
    probe = sympy.Symbol("u", real=True)
    functions = ((f, f.symbolic(probe)) for f in library.values())
    named = {type(form): f for f, form in functions if form.args == (probe,)}
    try:
        return grow(expression)
    except (LookupError, TypeError):
        return None
