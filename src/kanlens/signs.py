r"""Laws that are the size of a sum of curves, `|sin(2 x) - y|`, `sqrt|x^2 - cos(y)|`, `log|x y - exp(z)|`.

Once the sign of the sum is known at each row, the sum itself is the target, which has no kink. What has lost its signs
is retrieved as phases are: the difference map (Elser, *J. Opt. Soc. Am. A* 20, 2003) moves towards both the sums of
curves and whatever has the target's size. It begins where the squared target is largest (Candes, Li & Soltanolkotabi,
*IEEE Trans. Inf. Theory* 61, 2015) and arrives from nearly every such start; projections in turns do from half of them.
"""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.functions import LIBRARY
from kanlens.problems import TARGET, Problem, outers
from kanlens.spreading import evenly, splines
from kanlens.trees import Call

FEATURES, ROWS, EACH = 4, 1000, 5
"""Features up to which such laws are looked for, rows by which, and rows for each coefficient at least."""

CURVES, FINER = BSpline(degree=5, intervals=8), BSpline(degree=5, intervals=20)
"""Splines by which signs are found, and those by which they are told more closely."""

TOUCHES = 0.02
"""Lowest value, as a share of the highest, up to which a target may pass zero."""

DIRECTIONS, STEPS, ARRIVED = 2, 200, 3e-3
"""Starts, steps from each, and how far from both sets a step may be, as a share of the target's size, to end."""

FOLLOWED, BETTER = 0.01, 0.2
"""What the sum may leave, as a share of the target's deviation, and as a share of what a sum without signs leaves."""


def signed(problem: Problem) -> list[Problem]:
    """Return the problem of the sum of which the target is the size, inside an outer function, if there is one.

    The sum is one of curves of the features and of the product of two of them.

    Examples
    --------
    >>> from kanlens.refit import Rows
    >>> x = 2 * torch.rand(400, 2, dtype=torch.float64) - 1
    >>> y = (2 * x[:, 0]).sin() - x[:, 1]
    >>> found = signed(Problem.of(Rows(x, y.abs())))[0]
    >>> abs(float(torch.corrcoef(torch.stack([found.t, y]))[0, 1])) > 0.999
    True
    """
    passing = [(outer, size) for outer in outers(problem.t) if _passes(size := outer.forward(problem.t))]
    if not passing or problem.size > FEATURES:
        return []
    for features in _features(problem.z):
        few = _columns(features[:ROWS], CURVES)
        if len(few) < EACH * few.shape[1]:
            break
        for outer, size in passing:
            if _signs(few, size[:ROWS]) is not None:
                sign = _signs(_columns(features, CURVES), size)
                if sign is not None:
                    outside = outer.inverse(Call(LIBRARY["abs"], TARGET))
                    return [problem.under(outside, _turned(_columns(features, FINER), size, sign) * size)]
    return []


def _passes(size: Tensor) -> bool:
    """Tell whether a target may be the size of what passes zero."""
    return 0 <= float(size.amin()) < TOUCHES * float(size.amax())


def _features(z: Tensor) -> Iterator[Tensor]:
    """Yield the features, and these with the product of two of them."""
    yield z
    for i, j in itertools.combinations(range(z.shape[1]), 2):
        yield torch.cat([z, (z[:, i] * z[:, j])[:, None]], 1)


def _columns(z: Tensor, curves: BSpline) -> Tensor:
    """Return an orthonormal basis of the sums of splines at the rows, `(rows, size)`."""
    at = evenly(z).at
    dense = splines(at, curves)
    one, centred = torch.ones_like(z[:, :1]), (dense - dense.mean(0))[..., 1:]
    basis: Tensor = torch.linalg.qr(torch.cat([one, centred.flatten(1)], 1))[0]
    return basis


def _signs(columns: Tensor, size: Tensor) -> Tensor | None:
    """Return the signs with which a target is a sum of curves; None if it is none, or has only one."""
    most = min(FOLLOWED * float(size.std()), BETTER * float(_left(columns, size).std()))
    felt = columns * size[:, None]
    for direction in torch.linalg.eigh(felt.mT @ felt)[1].flip(1)[:, :DIRECTIONS].unbind(1):
        sign = _turned(columns, size, _retrieved(columns, size, torch.sign(columns @ direction)))
        if bool((sign != sign[0]).any()) and float(_left(columns, sign * size).std()) < most:
            return sign
    return None


def _left(columns: Tensor, t: Tensor) -> Tensor:
    """Return what the closest sum leaves of a target."""
    left: Tensor = t - columns @ (columns.mT @ t)
    return left


def _retrieved(columns: Tensor, size: Tensor, sign: Tensor) -> Tensor:
    """Return the signs where the difference map ends."""
    at = sign * size
    for _ in range(STEPS):
        sized = torch.sign(at) * size
        mirrored = 2 * sized - at
        move = mirrored - _left(columns, mirrored) - sized
        at = at + move
        if float(move.norm()) < ARRIVED * float(size.norm()):
            break
    return torch.sign(at)


def _turned(columns: Tensor, size: Tensor, sign: Tensor) -> Tensor:
    """Return the signs of the sum closest to the target with these, and so on until they stay."""
    for _ in range(STEPS):
        again = torch.sign(sign * size - _left(columns, sign * size))
        if torch.equal(again, sign):
            break
        sign = again
    return torch.where(sign == 0, 1.0, sign)
