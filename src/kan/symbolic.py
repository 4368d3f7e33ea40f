"""pykan's ways of turning edges into symbols, by the core's functions."""

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import sympy
import torch
from torch import Tensor

from kan.edges import curve
from kanlens.candidates import Candidate, Curve, match, suggest
from kanlens.data import Array, table
from kanlens.errors import InputError
from kanlens.functions import LIBRARY, Function, lookup
from kanlens.network import KAN as Core
from kanlens.network import Edge
from kanlens.surgery import with_symbols

SYMBOLIC_LIB: dict[str, Function] = dict(LIBRARY)
"""The functions that edges may become, by name; `add_symbolic` adds to it."""

BESSEL = {torch.special.bessel_j0: "J0", torch.special.bessel_j1: "J1", torch.special.bessel_y0: "Y0"}
"""Functions that torch cannot differentiate, by their names in the library."""


def add_symbolic(name: str, fun: Callable[[Tensor], Tensor], c: int = 1, fun_singularity: object = None) -> None:
    """Add a function under a name, with a complexity of `c`.

    In formulas it is an undefined sympy function of this name, or sympy's own for torch's Bessel functions,
    of which torch has no derivatives but the core has. `fun_singularity` has no effect: a solver never takes
    a step to where a function is undefined.

    Raises
    ------
    InputError
        If torch cannot differentiate the function.
    """
    if fun in BESSEL:
        SYMBOLIC_LIB[name] = replace(LIBRARY[BESSEL[fun]], name=name, complexity=c)
        return
    if not fun(torch.ones(1, requires_grad=True)).requires_grad:
        raise InputError(f"expected a function that torch can differentiate, got {name!r}. Compose it of torch's own.")
    SYMBOLIC_LIB[name] = Function(name, fun, sympy.Function(name), c)


def as_function(fun_name: str | Callable[[Tensor], Tensor]) -> Function:
    """Return the function of a name, or a nameless one of a callable."""
    if isinstance(fun_name, str):
        return lookup(fun_name, SYMBOLIC_LIB)
    return Function("anonymous", fun_name, sympy.Function("anonymous"), 1)


def library(lib: Iterable[str] | None) -> dict[str, Function]:
    """Return the named functions, or all."""
    return dict(SYMBOLIC_LIB) if lib is None else {name: as_function(name) for name in lib}


def as_it_stands(core: Core, at: Edge, function: Function) -> Core:
    """Return a copy in which an edge is `f(x)`, not fitted to anything."""
    return with_symbols(core, {at: Candidate(function, (1.0, 0.0, 1.0, 0.0), math.nan)})


def ranking(core: Core, x: Array, at: Edge, lib: Iterable[str] | None, topk: int) -> list[Candidate]:
    """Return the functions that fit an edge best."""
    found = suggest(core, x, at, library=library(lib), top=topk)
    if not found:
        raise InputError(f"expected topk of at least 1, got {topk}.")
    return found


def print_ranking(found: Iterable[Candidate]) -> None:
    """Print candidates as a small table."""
    print(f"{'function':>12}  {'fitting r2':>12}  {'complexity':>10}")
    for candidate in found:
        print(f"{candidate.function.name:>12}  {candidate.r2:>12.8f}  {candidate.complexity:>10}")


def print_symbols(before: Core, after: Core, x: Array) -> None:
    """Print a line for each edge that became a symbol; of a network of another shape, what its edges are."""
    if before.spec.widths != after.spec.widths:
        print("another shape needs fewer symbols: its widths are", [width.size for width in after.spec.widths])
        for at in after.live():
            print(f"({at.layer},{at.in_},{at.out}) is {after.symbol(at).name}")  # type: ignore[union-attr]
        return
    points = table(x, before.spec.widths[0].size, "inputs").to(before.device)
    with torch.no_grad():
        old, new = (copy.deepcopy(core).double().trace(points) for core in (before, after))
    for at in before.live():
        symbol = after.symbol(at)
        name = "0" if symbol is None else symbol.name
        r2 = similarity(curve(old, at)[1], curve(new, at)[1])
        print(f"fixing ({at.layer},{at.in_},{at.out}) with {name}, r2={r2:.10g}")


def similarity(old: Tensor, new: Tensor) -> float:
    """Return the squared correlation of an edge's values in two networks.

    Symbols are refitted together, by which shifts and scales move between edges; a correlation
    does not see them.
    """
    old, new = old - old.mean(), new - new.mean()
    spread = float(old.square().sum() * new.square().sum())
    return float((old * new).sum()) ** 2 / spread if spread > 0 else 0.0


def fit_params(
    x: Tensor,
    y: Tensor,
    fun: Callable[[Tensor], Tensor],
    a_range: Iterable[float] = (-10, 10),
    b_range: Iterable[float] = (-10, 10),
    grid_number: int = 101,
    iteration: int = 3,
    verbose: bool = True,
    device: str = "cpu",
) -> tuple[Tensor, float]:
    r"""Return `(a, b, c, d)` of the best :math:`c\,f(a x + b) + d` for a curve, and its r2.

    The ranges are not needed: starts are spread over all scales of the curve, and the best are polished.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 100)
    >>> round(fit_params(x, 2 * torch.sin(20 * x + 1) - 3, torch.sin, verbose=False)[1], 9)
    1.0
    """
    curve_ = Curve(x.detach().double(), y.detach().double(), torch.ones_like(x, dtype=torch.float64))
    found = match(as_function(fun), curve_)
    if verbose:
        print(f"r2 is {found.r2:.10g}")
    return torch.tensor(found.affine).to(y), found.r2
