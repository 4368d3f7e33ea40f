"""pykan's compiler from formulas to models, by the core's."""

from collections.abc import Callable, Sequence
from typing import Any

import sympy

from kan.design import Design, residual
from kan.model import KAN
from kan.symbolic import SYMBOLIC_LIB
from kanlens.bases import BSpline
from kanlens.compiler import compile_formula


def expr2kan(
    input_variables: Sequence[Any],
    expr: sympy.Expr | Sequence[sympy.Expr],
    grid: int = 5,
    k: int = 3,
    auto_save: bool = False,
    *,
    base_fun: str | Callable[..., Any] = "silu",
) -> KAN:
    """Return a model that computes a formula, or one for each output.

    Examples
    --------
    >>> x, y = sympy.symbols("x y")
    >>> expr2kan([x, y], sympy.sin(5 * x) + sympy.cos(3 * x)).symbolic_formula(var=[x, y])[0]
    [sin(5*x) + cos(3*x)]
    """
    names = [str(variable) for variable in input_variables]
    core = compile_formula(expr, names, functions=SYMBOLIC_LIB, basis=BSpline(degree=k, intervals=grid))
    core.spec = core.spec.__class__(core.spec.widths, core.spec.basis, residual(base_fun))
    for layer in core.layers:
        layer.residual = core.spec.residual
    return KAN.holding(core, Design(grid=grid, k=k, base_fun=residual(base_fun), auto_save=auto_save))


sf2kan = kanpiler = expr2kan


def next_nontrivial_operation(
    expr: sympy.Expr, scale: float = 1, bias: float = 0
) -> tuple[sympy.Expr, sympy.Expr, sympy.Expr]:
    """Return an expression without its constant factor and term: `scale * expr + bias` stays the same.

    Examples
    --------
    >>> x = sympy.Symbol("x")
    >>> next_nontrivial_operation(sympy.pi * (x + 1))
    (x, pi, pi)
    """
    variables = expr.free_symbols
    term, rest = expr.as_independent(*variables, as_Add=True)
    factor, core = rest.as_independent(*variables, as_Add=False)
    scale, bias = scale * factor, bias + scale * term
    return (core, scale, bias) if core == expr else next_nontrivial_operation(core, scale, bias)
