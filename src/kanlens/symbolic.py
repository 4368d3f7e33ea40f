"""Turn the edges of a network into symbols, and read a network of symbols as a formula."""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from kanlens.candidates import Candidate, Library, as_library, curves, match
from kanlens.constants import recognise
from kanlens.data import Array, pair, precision, table
from kanlens.errors import InputError
from kanlens.functions import Function, lookup
from kanlens.network import KAN, Edge
from kanlens.rounding import exact_constants
from kanlens.simplify import simplest
from kanlens.snapping import Task
from kanlens.surgery import with_symbols

if TYPE_CHECKING:
    from sympy import Expr


def fix(model: KAN, x: Array, edge: Edge, name: str | Function) -> tuple[KAN, Candidate]:
    """Return a copy in which an edge is a symbol fitted to the curve that it had, and the fit.

    Parameters
    ----------
    model : KAN
    x : Tensor or array
        Inputs `(rows, in)` that say where the curve matters.
    edge : Edge
        `(layer, out, in)`.
    name : str or Function
        The function.

    Raises
    ------
    InputError
        If the network has no such edge, or the function is undefined on its whole range.
    UnknownNameError
        If the library has no function of this name.

    Examples
    --------
    >>> model, found = fix(KAN([2, 1]), torch.rand(100, 2), Edge(0, 0, 1), "sin")
    >>> model.symbol(Edge(0, 0, 1)).name
    'sin'
    """
    function = lookup(name) if isinstance(name, str) else name
    work = copy.deepcopy(model).double()
    if edge not in set(work.live()):
        raise InputError(f"expected an edge (layer, out, in) of the network, got {tuple(edge)}. See model.live().")
    points = table(x, model.spec.widths[0].size, "inputs").to(model.device)
    found = match(function, curves(work, points)[edge])
    if found.r2 == -math.inf and function.name != "0":
        raise InputError(
            f"expected a function that is defined where edge {tuple(edge)} is used, got {function.name!r}. "
            "Choose another one, or leave the edge a spline."
        )
    return with_symbols(model, {edge: found}), found


def snap(model: KAN, x: Array, y: Array | None = None, *, library: Library = None) -> KAN:
    """Return a network whose edges are all symbols, chosen together, with constants recognised.

    A symbol is judged by what the whole network loses when it is set and everything else is
    refitted, simplest symbols first. When all edges are named, single symbols are exchanged as
    long as that shortens the description (error, complexity and number of constants together).
    Then constants are set to integers, rationals and multiples of pi, e and square roots one
    by one, each with a refit, and kept if the error allows it. Constants that are set stay fixed
    in later training. Edges that are symbols already keep their functions.

    Parameters
    ----------
    model : KAN
    x, y : Tensor or array
        Inputs `(rows, in)` and targets `(rows, out)`; without `y` the network's own outputs.
    library : names or mapping, optional
        The functions to choose from; all by default.

    Raises
    ------
    InputError
        If the data have the wrong shape, no rows, a NaN or an infinity.

    Examples
    --------
    >>> x = torch.rand(300, 1) * 2 - 1
    >>> model = KAN([1, 1])
    >>> from kanlens.training import fit
    >>> history = fit(model, x, torch.sin(torch.pi * x))
    >>> formula(snap(model, x, torch.sin(torch.pi * x), library=["x", "x^2", "sin"]))
    sin(pi*x_1)
    """
    task = task_for(model, x, y, library)
    work = copy.deepcopy(model).double()
    return exact_constants(task, task.name(work)).to(model.dtype)


def task_for(model: KAN, x: Array, y: Array | None, library: Library) -> Task:
    """Return the search for symbols on given data, or on the network's own outputs without `y`."""
    inputs, outputs = model.spec.widths[0].size, model.spec.widths[-1].size
    points = table(x, inputs, "inputs").to(model.device)
    with torch.no_grad():
        targets = copy.deepcopy(model).double()(points) if y is None else pair(x, y, inputs, outputs)[1]
    return Task.of(points, targets.to(model.device), as_library(library), precision(x if y is None else y))


def formula(model: KAN, *, names: Sequence[str] | None = None, output: int = 0) -> "Expr":
    """Return an output of a network of symbols as a sympy expression.

    Constants that are exact numbers in the network's dtype come out exact. The expression is the
    simplest of several equal forms; each rewrite is checked numerically before it is offered.

    Parameters
    ----------
    model : KAN
        A network whose live edges are all symbols (see :func:`snap`).
    names : sequence of str, optional
        Names of the inputs, `x_1, x_2, ...` by default.
    output : int
        Which output.

    Raises
    ------
    InputError
        If an edge is still a spline, or names or output do not fit the network.

    Examples
    --------
    >>> model, _ = fix(KAN([1, 1]), torch.rand(50, 1), Edge(0, 0, 0), "exp")
    >>> formula(model, names=["t"]).free_symbols
    {t}
    """
    import sympy

    inputs, outputs = model.spec.widths[0].size, model.spec.widths[-1].size
    names = [f"x_{number}" for number in range(1, inputs + 1)] if names is None else list(names)
    if len(names) != inputs or len(set(names)) != inputs:
        raise InputError(
            f"expected {inputs} different names, one for each input, got {names}. Rename those that occur twice."
        )
    if not 0 <= output < outputs:
        raise InputError(f"expected an output from 0 to {outputs - 1}, got {output}. Outputs are counted from 0.")
    splines = [edge for edge in model.live() if model.symbol(edge) is None]
    if splines:
        raise InputError(
            f"expected symbols on all edges, got splines on {len(splines)} of them, the first {tuple(splines[0])}. "
            "Call snap first, or fix them one by one."
        )
    nodes: list[Expr] = [sympy.Symbol(name) for name in names]
    tolerance = 16 * torch.finfo(model.dtype).eps
    for _, symbols, width in model.parts():
        subnodes: list[Expr] = [sympy.Integer(0)] * symbols.out_features
        for function, out, in_, affine in zip(
            symbols.functions, symbols.out, symbols.in_, symbols.affine.tolist(), strict=True
        ):
            a, b, c, d = (recognise(value, tolerance) for value in affine)
            subnodes[out] += c * function.symbolic(a * nodes[in_] + b) + d
        nodes = [sympy.Mul(*(subnodes[k] for k in group)) for group in width.groups()]
    ranges = model.spec.basis.inner(model.layers[0].grid.detach().double()).abs().amax(1).tolist()
    sizes = {sympy.Symbol(name): size for name, size in zip(names, ranges, strict=True)}
    return _without_round_off(simplest(nodes[output]), sizes, tolerance)


def _without_round_off(expression: "Expr", sizes: "Mapping[Expr, float]", tolerance: float) -> "Expr":
    """Return a sum without the terms that are round-off of the others on the inputs' range, if there are such.

    Squares of sums that cancel, as in `(x + y)^2 - (x - y)^2`, leave them where a constant is not exact.
    """
    import sympy

    if not (expression.is_Add and expression.atoms(sympy.Float) and expression.is_polynomial(*sizes)):
        return expression
    terms = sympy.expand(expression).as_ordered_terms()
    weights = [abs(float(term.subs(sizes))) for term in terms]
    kept = [term for term, weight in zip(terms, weights, strict=True) if weight > tolerance * max(weights)]
    if len(kept) == len(terms):
        return expression
    return sympy.Add(*(recognise(float(c), tolerance) * rest for c, rest in (t.as_coeff_Mul() for t in kept)))
