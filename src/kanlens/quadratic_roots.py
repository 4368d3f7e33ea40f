r"""Laws that solve a quadratic equation with polynomials in it, `sqrt(1 + x^4) - x`, `(sqrt(x^2 + 4 y) - x) / 2`.

If :math:`t = Q \pm \sqrt{P}`, then :math:`t^2 = 2 Q t + (P - Q^2)`, which is linear in the coefficients of both
polynomials: one linear fit says whether it holds at every row. An algebraic function of degree two, that is; the
quotients of polynomials are those of degree one.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import torch
from torch import Tensor

from kanlens.multivariate import exponents_up_to
from kanlens.problems import WAVES, Problem, outers
from kanlens.trees import Number, Tree, add, monomial, multiply, raise_to, values, whole
from kanlens.univariate import Guess

ROWS, EACH = 400, 3
"""Rows that are looked at, and how many there must be for each coefficient."""

DEGREES = {1: ((1, 2), (1, 4), (2, 4)), 2: ((1, 2), (1, 4)), 3: ((1, 2), (1, 3))}
"""Degrees of the polynomial beside the root and of that below it, by how many features there are."""

EXACT, IDLE = 1e-10, 1e-8
"""What the equation may leave as a share of the squared target's deviation, and a term that counts of the largest."""


def quadratic_roots(problem: Problem) -> Iterator[list[Guess]]:
    """Yield `Q + sqrt(P)` or `Q - sqrt(P)`, inside an outer function, with the polynomials of lowest degree that hold.

    Examples
    --------
    >>> from kanlens.refit import Rows
    >>> from kanlens.trees import shape
    >>> x = torch.linspace(-2, 2, 100, dtype=torch.float64)
    >>> found = next(quadratic_roots(Problem.of(Rows(x[:, None], (1 + x**4).sqrt() - x))))
    >>> shape(found[0].tree)
    '(+ (* c x0) (^ (+ (* (^ x0 4) c) c) 1/2))'
    """
    z, t = problem.z[:ROWS], problem.t[:ROWS]
    around = [(outer, outer.forward(t)) for outer in (*outers(t), *(wave for wave in WAVES if wave.fits(t)))]
    for degrees in DEGREES.get(problem.size, ()):
        beside, below = ([monomial(row) for row in exponents_up_to(problem.size, degree)] for degree in degrees)
        if len(t) < EACH * (len(beside) + len(below)):
            return
        roots = [(outer, _root(beside, below, z, tau)) for outer, tau in around]
        found = [Guess(problem.formula(outer.inverse(tree)), 0.0) for outer, tree in roots if tree is not None]
        if found:
            yield found
            return


def _root(beside: Sequence[Tree], below: Sequence[Tree], z: Tensor, t: Tensor) -> Tree | None:
    """Return the root that a target is, with these monomials beside and below it, None if it is none."""
    linear, free = (torch.stack([values(tree, z) for tree in trees], 1) for trees in (beside, below))
    columns = torch.cat([linear * t[:, None], free], 1)
    coef, left = _closest(columns, t.square())
    if not left < EXACT:
        return None
    half = linear @ coef[: len(beside)] / 2
    sign = torch.sign((t - half).sum())
    inside, left = _closest(free, free @ coef[len(beside) :] + half.square())
    if not (left < EXACT and bool((sign * (t - half) >= 0).all())):
        return None
    root = raise_to(_polynomial(inside, below, free), Fraction(1, 2))
    return add(_polynomial(coef[: len(beside)] / 2, beside, linear), multiply(whole(int(sign)), root))


def _closest(columns: Tensor, target: Tensor) -> tuple[Tensor, float]:
    """Return the coefficients closest to a target, and what they leave as a share of its deviation."""
    size = columns.norm(dim=0).clamp_min(1e-300)
    coef = torch.linalg.lstsq(columns / size, target[:, None], driver="gelsd").solution[:, 0] / size
    return coef, float((target - columns @ coef).norm() / (target - target.mean()).norm().clamp_min(1e-300))


def _polynomial(coef: Tensor, trees: Sequence[Tree], columns: Tensor) -> Tree:
    """Return the polynomial without the terms that are round-off."""
    size = (columns * coef).norm(dim=0)
    kept = (size > IDLE * size.amax()).tolist()
    return add(*(multiply(Number(c), tree) for c, tree, there in zip(coef.tolist(), trees, kept, strict=True) if there))
