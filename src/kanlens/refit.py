"""Fit the constants of a formula to data, and name those that are exact."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.constants import Constant, Named, nearby, within
from kanlens.trees import (
    Call,
    Number,
    Product,
    Sum,
    Tree,
    add,
    children,
    multiply,
    numbers,
    rebuild,
    tidy,
    values_and_jacobian,
    whole,
    with_numbers,
)
from kanlens.trees import values as values_of

STEPS = 100
"""Levenberg-Marquardt steps that a formula gets; from a good start half a dozen do."""

PAUSE = 10
"""Steps in which the error has to fall by a hundredth, or they end."""

OWN = 0.9
"""Leverage from which a row is described by a constant of its own."""

LIKELY = 2.0
"""Deviations from its fitted value up to which a constant may have a name by its length alone."""

DOUBTFUL = 5.0
"""Deviations from 0 up to which a constant term may be none; what a description says of it decides."""

TRACE = 1e-8
"""Size of a term, as a share of the largest one beside it, up to which it is what a fit has left of nothing."""


@dataclass(frozen=True)
class Rows:
    """Hold inputs `(rows, in)`, targets `(rows,)` and, if they differ, the rows' weights `(rows,)` of mean 1."""

    x: Tensor
    y: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: Tensor) -> "Rows":
        """Return some of the rows."""
        return Rows(self.x[rows], self.y[rows], None if self.weight is None else self.weight[rows])

    def first(self, count: int) -> "Rows":
        """Return the first rows, at most `count`."""
        return self if len(self) <= count else self.take(torch.arange(count))

    def variance(self) -> float:
        """Return the variance of the targets."""
        return float(self.mean((self.y - self.mean(self.y)) ** 2))

    def mean(self, errors: Tensor) -> Tensor:
        """Return the weighted mean of a value for each row."""
        return errors.mean() if self.weight is None else (errors * self.weight).mean()


def mean_square(tree: Tree, rows: Rows) -> float:
    """Return a formula's mean square error, infinity where it is undefined at a row."""
    error = float(rows.mean((values_of(tree, rows.x) - rows.y) ** 2))
    return error if error == error else float("inf")


def refit(tree: Tree, rows: Rows, steps: int = STEPS) -> tuple[Tree, float]:
    """Return the formula with its free constants fitted by Levenberg-Marquardt, and its mean square error.

    The damping follows Nielsen (1999): it falls with the ratio of won to promised decrease. Columns are scaled
    to unit length, so that constants of all sizes are treated alike.
    """
    free = free_values(tree)
    scale = float(rows.mean(rows.y**2)) or 1.0
    best, (value, jacobian) = tree, values_and_jacobian(tree, rows.x)
    error = _mean_square(value, rows)
    damping, growth, before = 1e-3, 2.0, float("inf")
    for step in range(steps if len(free) else 0):
        if not error < float("inf") or error <= 1e-31 * scale or damping > 1e12:
            break
        if step % PAUSE == 0:
            if error > 0.99 * before:
                break
            before = error
        move, promised = gauss_newton(jacobian, rows.y - value, rows.weight, damping)
        trial = with_free(best, free + move)
        value_there, jacobian_there = values_and_jacobian(trial, rows.x)
        there = _mean_square(value_there, rows)
        if there < error:
            small = error - there < 1e-9 * error and damping < 1e-6
            ratio = (error - there) / max(promised, 1e-300)
            damping, growth = damping * max(1e-2, 1 - (2 * min(ratio, 1.0) - 1) ** 3), 2.0
            best, free, value, jacobian, error = trial, free + move, value_there, jacobian_there, there
            if small:
                break
        else:
            damping, growth = damping * growth, growth * 2
    return best, error


def _mean_square(value: Tensor, rows: Rows) -> float:
    error = float(rows.mean((value - rows.y) ** 2))
    return error if error == error else float("inf")


def gauss_newton(jacobian: Tensor, residual: Tensor, weight: Tensor | None, damping: float) -> tuple[Tensor, float]:
    """Return the damped Gauss-Newton step, and how much it promises to lower the mean square."""
    if weight is not None:
        jacobian, residual = jacobian * weight.sqrt()[:, None], residual * weight.sqrt()
    jacobian = torch.nan_to_num(jacobian, nan=0.0, posinf=0.0, neginf=0.0)
    length = jacobian.norm(dim=0).clamp_min(1e-150)
    unit = jacobian / length
    eye = torch.eye(unit.shape[1], dtype=unit.dtype)
    # QR of the damped system: normal equations would lose half the digits, and formulas want them all
    tall = torch.cat([unit, damping**0.5 * eye])
    right = torch.cat([residual, residual.new_zeros(unit.shape[1])])
    orthogonal, upper = torch.linalg.qr(tall)
    diagonal = upper.diagonal()
    upper = upper + torch.diag_embed(torch.where(diagonal.abs() < 1e-14, 1e-14, 0.0))
    move = torch.linalg.solve_triangular(upper, (orthogonal.mT @ right)[:, None], upper=True)[:, 0]
    left = residual - unit @ move
    return move / length, float((residual.square().mean() - left.square().mean()).clamp_min(0))


def free_values(tree: Tree) -> Tensor:
    """Return the constants that are fitted, from left to right."""
    return torch.tensor([n.value for n in numbers(tree) if n.exact is None], dtype=torch.float64)


def with_free(tree: Tree, free: Tensor) -> Tree:
    """Return the formula with other constants in the place of those that are fitted."""
    queue = iter(free.tolist())
    return with_numbers(tree, [n if n.exact is not None else Number(next(queue)) for n in numbers(tree)])


def without_traces(tree: Tree, x: Tensor) -> Tree:
    """Return the formula without what is nothing at points: small terms, factors 1, absolute values of one sign."""
    below = [without_traces(child, x) for child in children(tree)]
    if isinstance(tree, Call) and tree.function.name == "abs":
        inside = values_of(below[0], x)
        if (inside > 0).all() or (inside < 0).all():
            return below[0] if inside[0] > 0 else multiply(whole(-1), below[0])
    if isinstance(tree, Product):
        below = [f for f in below if not (isinstance(f, Number) and f.exact is None and abs(f.value - 1) < TRACE)]
        return multiply(*below)
    tree = rebuild(tree, below) if below else tree
    if not isinstance(tree, Sum):
        return tree
    sizes = [float(values_of(term, x).abs().amax()) for term in tree.terms]
    return add(*(term for term, size in zip(tree.terms, sizes, strict=True) if size > TRACE * max(sizes)))


def deviations(tree: Tree, rows: Rows, floor: float) -> Tensor:
    """Return the standard deviations of the free constants, given a noise of at least `floor` on the targets."""
    value, jacobian = values_and_jacobian(tree, rows.x)
    noise = max(float(rows.mean((value - rows.y) ** 2)) ** 0.5, floor)
    jacobian = torch.nan_to_num(jacobian, nan=0.0, posinf=0.0, neginf=0.0)
    length = jacobian.norm(dim=0).clamp_min(1e-150)
    inverse = torch.linalg.pinv(jacobian / length, rcond=1e-12)
    found: Tensor = noise * inverse.norm(dim=1) / length
    return found


def without_shifts(
    tree: Tree, error: float, rows: Rows, bits: Callable[[Tree, float], float], steps: int
) -> tuple[Tree, float]:
    """Return a fitted formula without the constant terms that make a description longer, and its mean square error.

    Curves are fitted with a shift inside and outside their function, which under noise is never quite zero. Each costs
    more bits than it saves, and together they hide a law such as `sqrt(tanh(x))` among dozens of other curves.
    """
    least = bits(tree, error)
    tried: set[int] = set()
    while True:
        found, free = numbers(tree), [k for k, n in enumerate(numbers(tree)) if n.exact is None]
        spread = deviations(tree, rows, 0.0).tolist() if free else []
        sure = {k: abs(found[k].value) / max(d, 1e-300) for k, d in zip(free, spread, strict=True)}
        waiting = [k for k in sorted(_shifts(tree), key=lambda k: sure[k]) if k not in tried and sure[k] < DOUBTFUL]
        if not waiting:
            return tree, error
        zero = [Number(0.0) if k == waiting[0] else n for k, n in enumerate(found)]
        less, there = refit(tidy(with_numbers(tree, zero)), rows, steps)
        if (shorter := bits(less, there)) < least:
            tree, error, least, tried = less, there, shorter, set()
        else:
            tried.add(waiting[0])


def _shifts(tree: Tree) -> list[int]:
    """Return the places of the free constants that are terms of sums, among all constants."""
    places, count = list[int](), 0
    queue = [(tree, False)]
    while queue:
        node, term = queue.pop()
        if isinstance(node, Number):
            places += [count] if term and node.exact is None else []
            count += 1
        queue += [(child, isinstance(node, Sum)) for child in reversed(children(node))]
    return places


class LeftOut(NamedTuple):
    """Hold the mean square error at rows left out, and how many rows are described by a constant of their own."""

    error: float
    own: int


def left_out(tree: Tree, rows: Rows) -> LeftOut:
    r"""Return the mean square error at rows left out one by one, to first order in the constants.

    It is the mean of :math:`(r_i / (1 - h_i))^2` with the leverages :math:`h` of the rows (Allen's PRESS, 1974). A
    formula that bends to single rows, by a pole beside them, gives them a leverage near 1: a constant of their own
    describes them, and not the law. A pole between rows or a narrow peak leaves such rows next to no error, left out
    or not, which is why they are counted as well.
    """
    value, leverage = _leverages(tree, rows)
    error = float(rows.mean(((rows.y - value) / (1 - leverage)) ** 2))
    return LeftOut(error if error == error else float("inf"), int((leverage > OWN).sum()))


def _leverages(tree: Tree, rows: Rows) -> tuple[Tensor, Tensor]:
    """Return the values at the rows, and how much of each is its own target's doing."""
    value, jacobian = values_and_jacobian(tree, rows.x)
    weight = torch.ones_like(value) if rows.weight is None else rows.weight
    columns = torch.nan_to_num(jacobian, nan=0.0, posinf=0.0, neginf=0.0) * weight.sqrt()[:, None]
    columns = columns / columns.norm(dim=0).clamp_min(1e-150)
    basis, singular, _ = torch.linalg.svd(columns, full_matrices=False)
    felt = singular > 1e-12 * singular.amax() if len(singular) else singular > 0
    return value, basis[:, felt].square().sum(1).clamp_max(1 - 1e-6)


def name_constants(tree: Tree, rows: Rows, allowed: float = 1.02, named: Named = ()) -> Tree:
    """Return the formula with its constants named, one at a time, wherever the evidence allows it.

    A constant is replaced by an exact one (a fraction of 1, pi, e, a square root, a product of `named` ones) that lies
    within a few standard deviations and whose name is short against the precision of the constant; the others are
    fitted again, and the change stays if the mean square error does not grow by more than round-off or what one
    parameter is worth.
    """
    floor = 1e-14 * float(rows.y.abs().amax())
    tree, error = refit(tree, rows)
    limit = allowed * error * (1 + 4.0 / len(rows)) + (20 * floor) ** 2

    def names(value: float, deviation: float) -> list[Constant]:
        return nearby(value, max(3 * deviation, 1e-12 * abs(value)), named)

    return _named_in_turn(tree, rows, names, lambda _, there: there <= limit)


def shortened(tree: Tree, rows: Rows, bits: Callable[[Tree], float], named: Named = ()) -> Tree:
    """Return the formula with those constants named for which that makes a description shorter.

    Under noise a constant of 0.97 +- 0.06 is no evidence of a 1, but a 1 takes fewer bits than the digits. What a
    formula takes is `bits`. Only names within a deviation or two are tried, and those shorter than the digits.
    """
    least, digits = bits(tree), 1 + 0.5 * math.log2(len(rows))

    def names(value: float, deviation: float) -> list[Constant]:
        return within(value, LIKELY * deviation, digits, named)

    def is_shorter(trial: Tree, _: float) -> bool:
        nonlocal least
        before, least = least, min(least, bits(trial))
        return least < before

    return _named_in_turn(tree, rows, names, is_shorter)


def _named_in_turn(
    tree: Tree,
    rows: Rows,
    names: Callable[[float, float], list[Constant]],
    allows: Callable[[Tree, float], bool],
) -> Tree:
    """Return the formula with the first name of each constant that is allowed for the fit with it and its error.

    No more than three names of a value and its deviation are tried, the likeliest ones.
    """
    floor = 1e-14 * float(rows.y.abs().amax())
    tried: set[int] = set()
    while True:
        places = [k for k, n in enumerate(numbers(tree)) if n.exact is None]
        waiting = [(k, place) for k, place in enumerate(places) if place not in tried]
        if not waiting:
            return tidy(tree)
        spread = deviations(tree, rows, floor)
        found = numbers(tree)
        # the one known best in proportion comes first: the others become more precise by it
        k, place = min(waiting, key=lambda w: float(spread[w[0]]) / max(abs(found[w[1]].value), 1e-300))
        tried.add(place)
        for constant in names(found[place].value, float(spread[k]))[:3]:
            with_name = [Number(constant.value, constant) if j == place else n for j, n in enumerate(found)]
            changed, there = refit(with_numbers(tree, with_name), rows)
            if allows(changed, there):
                tree = changed
                break


def free_constants(tree: Tree) -> int:
    """Count the constants that are fitted."""
    return sum(number.exact is None for number in numbers(tree))


def merged(tree: Tree) -> Tree:
    """Return the tree with the free constants of each product made one, shifts inside exponentials among them.

    Two constants that make up for each other have no values of their own, and could not be named.
    """
    below = [merged(child) for child in children(tree)]
    tree = rebuild(tree, below) if below else tree
    if isinstance(tree, Call):
        tree = _unshifted(tree)
    factors = tree.factors if isinstance(tree, Product) else ()
    flat = [part for f in factors for part in (f.factors if isinstance(f, Product) else (f,))]
    free = [f for f in flat if isinstance(f, Number)]
    if not any(n.exact is None for n in free):
        return tree
    return multiply(Number(math.prod(n.value for n in free)), *(f for f in flat if not isinstance(f, Number)))


def _unshifted(tree: Call) -> Tree:
    """Return `exp(u + d)` with a free `d` as a constant times `exp(u)`."""
    if tree.function.name != "exp" or not isinstance(tree.argument, Sum):
        return tree
    terms = tree.argument.terms
    shift = math.fsum(t.value for t in terms if isinstance(t, Number) and t.exact is None)
    rest = [t for t in terms if not (isinstance(t, Number) and t.exact is None)]
    if len(rest) == len(terms) or not rest or abs(shift) > 300:
        return tree
    return multiply(Number(math.exp(shift)), Call(tree.function, add(*rest)))
