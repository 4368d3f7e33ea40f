"""Formulas near a formula: one term, factor, exponent, function or variable changed."""

from collections.abc import Iterator, Mapping
from fractions import Fraction

from kanlens.functions import Function
from kanlens.trees import (
    Call,
    Number,
    Power,
    Product,
    Sum,
    Tree,
    Variable,
    add,
    apply,
    children,
    multiply,
    raise_to,
    rebuild,
)

WRAPS = ("sin", "cos", "exp", "log", "tanh")
"""Functions that a part of a formula may be put into."""

LITTLE = 1e-6
"""Value of a new constant that changes little."""

STEPS = tuple(Fraction(p) for p in ("1", "-1", "1/2", "-1/2"))
"""Changes of an exponent."""

POWERS = tuple(Fraction(p) for p in ("2", "-1", "1/2"))
"""Powers that a part may be raised to."""


def neighbours(tree: Tree, size: int, functions: Mapping[str, Function]) -> Iterator[Tree]:
    """Yield the formulas one change away, new constants at values that change little.

    `size` is the number of variables. Local search over formulas is what remains when the structure does not show in
    derivatives, under noise first of all.

    Examples
    --------
    >>> raise_to(Variable(0), 3) in list(neighbours(raise_to(Variable(0), 2), 1, {}))
    True
    """
    wraps = [functions[name] for name in WRAPS if name in functions]
    yield from _variants(tree, size, wraps)


def shorter(tree: Tree) -> Iterator[Tree]:
    """Yield the formulas without one of the terms of a sum.

    Examples
    --------
    >>> from kanlens.trees import shape
    >>> [shape(tree) for tree in shorter(add(Variable(0), raise_to(Variable(1), 2)))]
    ['(^ x1 2)', 'x0']
    """
    below = children(tree)
    if isinstance(tree, Sum) and len(below) > 1:
        yield from (add(*below[:k], *below[k + 1 :]) for k in range(len(below)))
    for k, child in enumerate(below):
        yield from (rebuild(tree, [*below[:k], less, *below[k + 1 :]]) for less in shorter(child))


def _variants(tree: Tree, size: int, wraps: list[Function]) -> Iterator[Tree]:
    yield from _changed(tree, size, wraps)
    below = children(tree)
    for k, child in enumerate(below):
        for variant in _variants(child, size, wraps):
            yield rebuild(tree, [*below[:k], variant, *below[k + 1 :]])


def _changed(node: Tree, size: int, wraps: list[Function]) -> Iterator[Tree]:
    """Yield what may stand in a node's place."""
    variables = [Variable(k) for k in range(size)]
    match node:
        case Number():
            yield from (multiply(node, v) for v in variables)
            return
        case Variable():
            yield from (v for v in variables if v != node)
        case Power(base, exponent):
            yield base
            yield from (raise_to(base, exponent + step) for step in STEPS if exponent + step)
            yield raise_to(base, -exponent)
        case Call(function, argument):
            yield argument
            yield from (Call(other, argument) for other in wraps if other is not function)
        case Sum(terms):
            yield from (add(*terms[:k], *terms[k + 1 :]) for k in range(len(terms)) if len(terms) > 1)
        case Product(factors):
            yield from (multiply(*factors[:k], *factors[k + 1 :]) for k in range(len(factors)) if len(factors) > 1)
    yield from (multiply(node, raise_to(v, p)) for v in variables for p in (1, -1))
    yield from (add(node, multiply(Number(LITTLE), v)) for v in variables)
    yield add(node, Number(LITTLE))
    yield from (multiply(node, add(Number(1.0), multiply(Number(LITTLE), v))) for v in variables)
    if not isinstance(node, Power):
        yield from (raise_to(node, power) for power in POWERS)
    if not isinstance(node, Call):
        yield from (apply(function, multiply(Number(1.0), node)) for function in wraps)
