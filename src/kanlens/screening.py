"""Which columns of a wide table a law can depend on."""

import torch
from torch import Tensor

from kanlens.problems import Problem
from kanlens.surrogate import surrogate
from kanlens.trees import Variable

WIDE = 8
"""Features from which the few that matter are looked for first."""

COUNTS = (1, 2, 3, 4, 5, 6, 8, 10)
"""Numbers of features that are compared."""

ROWS = 2000
"""Rows that the trees see."""


def distinct(x: Tensor) -> list[int]:
    """Return the columns of a table `(rows, in)` that vary and are no copies of earlier ones.

    Examples
    --------
    >>> distinct(torch.tensor([[1.0, 5.0, 1.0, 2.0], [2.0, 5.0, 2.0, 1.0]]))
    [0, 3]
    """
    kept: list[int] = []
    for k, column in enumerate(x.unbind(1)):
        if bool((column != column[0]).any()) and not any(torch.equal(column, x[:, j]) for j in kept):
            kept.append(k)
    return kept


def screened(problem: Problem, seed: int) -> Problem | None:
    """Return the problem of those features that a smooth stand-in does best with, None if the problem is not wide.

    Randomised trees (Geurts et al. 2006) say which features matter most, whatever the law; a stand-in for each number
    of the first ones says how many it takes. A stand-in for all of them would have too many lengths to fit.
    """
    if problem.size < WIDE:
        return None
    from sklearn.ensemble import ExtraTreesRegressor

    trees = ExtraTreesRegressor(100, min_samples_leaf=3, max_features=0.5, random_state=seed)
    trees.fit(problem.z[:ROWS].numpy(), problem.t[:ROWS].numpy())
    order = trees.feature_importances_.argsort()[::-1].tolist()
    counts = [count for count in COUNTS if count < problem.size]
    errors = [surrogate(problem.z[:, order[:count]], problem.t, seed).error for count in counts]
    least = min(errors)
    count = next(count for count, error in zip(counts, errors, strict=True) if error <= 1.05 * least)
    return problem.reduced([Variable(k) for k in sorted(order[:count])])
