"""Which columns of a wide table a law can depend on."""

import torch
from torch import Tensor

from kanlens.problems import Problem
from kanlens.surrogate import surrogate
from kanlens.trees import Variable

WIDE = 8
"""Features from which the few that matter are looked for first."""

COUNTS = (10, 8, 6, 5, 4, 3, 2, 1)
"""Numbers of features that are compared. A stand-in for more has too many lengths to fit."""

AS_GOOD, HOPELESS = 1.05, 1.5
"""Error, as a multiple of the least, up to which fewer features are enough, and from which none fewer are tried."""

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
    """Return the problem of those features that a smooth stand-in does best with, None if it is narrow or takes all.

    Randomised trees (Geurts et al. 2006) say which features matter most, whatever the law; a stand-in for each number
    of the first ones says how many it takes.
    """
    if problem.size < WIDE:
        return None
    from sklearn.ensemble import ExtraTreesRegressor

    trees = ExtraTreesRegressor(100, min_samples_leaf=3, max_features=0.5, random_state=seed)
    trees.fit(problem.z[:ROWS].numpy(), problem.t[:ROWS].numpy())
    order = trees.feature_importances_.argsort()[::-1].tolist()
    errors: dict[int, float] = {}
    for count in dict.fromkeys(min(count, problem.size) for count in COUNTS):
        errors[count] = surrogate(problem.z[:, order[:count]], problem.t, seed).error
        if errors[count] > HOPELESS * min(errors.values()):
            break
    count = min(count for count, error in errors.items() if error <= AS_GOOD * min(errors.values()))
    return problem.reduced([Variable(k) for k in sorted(order[:count])]) if count < problem.size else None
