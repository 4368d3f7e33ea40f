"""Functions of a range so narrow that they are lines or parabolas there, `sin(0.001 x)`, written as these."""

import torch
from torch import Tensor

from kanlens.refit import merged
from kanlens.trees import Call, Number, Product, Sum, Tree, add, children, multiply, raise_to, rebuild, values

STRAIGHT = 1e-4
"""Share of a function's change that a parabola may leave for it to be one, and of a parabola's that its bend or its
slope may be for the other one to be left."""


def flattened(tree: Tree, x: Tensor) -> Tree:
    """Return a formula with functions that are a line or a parabola at all points `x (rows, d)` written as one.

    Fits begin with few scales, and steps can make one so small that a cosine is a square: `1e6 cos(0.001 x) - 1e6`.
    Constants of what was a function are to be fitted again.

    Examples
    --------
    >>> from kanlens.functions import LIBRARY
    >>> from kanlens.trees import Variable, shape
    >>> x = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    >>> wide, narrow = (Call(LIBRARY["cos"], multiply(Number(k), Variable(0))) for k in (2.0, 1e-3))
    >>> shape(flattened(wide, x)), shape(flattened(narrow, x))
    ('(cos (* c x0))', '(+ (* (^ x0 2) c) c)')
    """
    below = [flattened(child, x) for child in children(tree)]
    flat = rebuild(tree, below) if below else tree
    if isinstance(flat, Product) and flat != tree:
        return _spread(flat)
    if isinstance(flat, Sum) and flat != tree:
        constant = sum(term.value for term in flat.terms if isinstance(term, Number))
        return add(*(term for term in flat.terms if not isinstance(term, Number)), Number(constant))
    return (_as_parabola(flat, x) or flat) if isinstance(flat, Call) else flat


def _spread(tree: Product) -> Tree:
    """Return a multiple of a sum as the sum of the multiples of its terms."""
    sums = [factor for factor in tree.factors if isinstance(factor, Sum)]
    numbers = [factor for factor in tree.factors if isinstance(factor, Number)]
    if len(sums) != 1 or len(numbers) + 1 < len(tree.factors):
        return tree
    return merged(add(*(multiply(*numbers, term) for term in sums[0].terms)))


def _as_parabola(tree: Call, x: Tensor) -> Tree | None:
    """Return the parabola that a function is, in its argument without its constants; None if it is none."""
    shift, scale, core = _parts(tree.argument)
    along = values(core, x)
    low, high = float(along.amin()), float(along.amax())
    middle = 0.0 if low * high < 0 else (low + high) / 2  # a square without a line is a likelier form
    reach = max(high - middle, middle - low)
    at = torch.tensor([shift + scale * middle], dtype=torch.float64)
    step = torch.tensor(scale * reach, dtype=torch.float64)  # powers of a float that are too large raise
    value, *slopes = (float(each * step**k) for k, each in enumerate(tree.function.orders(at, 5)))
    line, bend, *beyond = (slope / order for slope, order in zip(slopes, (1, 2, 6, 24), strict=True))
    change = abs(line) + abs(bend)
    if not sum(map(abs, beyond)) < STRAIGHT * change:
        return None
    moved = add(core, Number(-middle)) if middle else core
    terms = [
        multiply(Number(part / reach**power), raise_to(moved, power))
        for power, part in ((1, line), (2, bend))
        if abs(part) > STRAIGHT * change
    ]
    return add(Number(value), *terms)


def _parts(argument: Tree) -> tuple[float, float, Tree]:
    """Return the constants that are added to an argument and multiply it, and the rest."""
    shift, scale = 0.0, 1.0
    if isinstance(argument, Sum):
        shift = sum(term.value for term in argument.terms if isinstance(term, Number))
        argument = add(*(term for term in argument.terms if not isinstance(term, Number)))
    if isinstance(argument, Product):
        for factor in argument.factors:
            scale *= factor.value if isinstance(factor, Number) else 1.0
        argument = multiply(*(factor for factor in argument.factors if not isinstance(factor, Number)))
    return shift, scale, argument
