"""Whether finer grids help, at any number of rows: errors at new rows on the first grid and on the one that is kept."""

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks import Table
from kanlens import KAN, BSpline, converge
from kanlens.convergence import rmse
from kanlens.jacobian import Parameters

ROWS = (100, 300, 1000, 3000)
FIRST = 5
WORSE = 1.05
"""Factor of the error from which a network counts as worse."""


@dataclass(frozen=True)
class Case:
    """Hold a function of columns in [-1, 1] and the network for it."""

    name: str
    width: list[int]
    function: Callable[..., Tensor]

    def data(self, rows: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        x = 2 * torch.rand(rows, self.width[0], generator=generator, dtype=torch.float64) - 1
        return x, self.function(*x.split(1, 1))


CASES = (
    Case("exp(sin(pi a) + b^2)", [2, 5, 1], lambda a, b: torch.exp(torch.sin(math.pi * a) + b**2)),
    Case("a b", [2, 4, 1], lambda a, b: a * b),
    Case("tanh(2 a + b^2 - c)", [3, 3, 1], lambda a, b, c: torch.tanh(2 * a + b**2 - c)),
    Case("log(2.2 + a + b^3)", [2, 3, 1], lambda a, b: torch.log(2.2 + a + b**3)),
    Case("exp(cos(2 a) b)", [2, 3, 2, 1], lambda a, b: torch.exp(torch.cos(2 * a) * b)),
    Case("sqrt(1 + a^2 + b^2 + c^2)", [3, 4, 1], lambda a, b, c: torch.sqrt(1 + a**2 + b**2 + c**2)),
)


def refinement(seeds: int = 3) -> Table:
    """Refine by :func:`kanlens.converge`, which takes a finer grid only if rows held out say so."""
    factors: list[float] = []
    for case in CASES:
        for rows in ROWS:
            runs = [_run(case, rows, seed) for seed in range(seeds)]
            factors += [run["last"] / run["first"] for run in runs]
            median = {key: statistics.median(run[key] for run in runs) for key in ("first", "last")}
            yield f"{case.name}, {rows} rows", median | {"intervals": [run["intervals"] for run in runs]}
    yield (
        "all",
        {
            "runs": len(factors),
            "refined": sum(factor != 1 for factor in factors),
            "worse": sum(factor > WORSE for factor in factors),
            "largest factor": max(factors),
            "geometric mean": math.exp(statistics.fmean(map(math.log, factors))),
        },
    )


def _run(case: Case, rows: int, seed: int) -> dict[str, float]:
    """Return the error at 3,000 new rows, by the targets' deviation, on the first grid and on the last one."""
    x, y = case.data(rows, seed)
    new_x, new_y = case.data(3000, seed + 1000)
    model = KAN(case.width, basis=BSpline(3, FIRST), seed=seed, dtype=torch.float64)
    first = converge(model, x, y, seed=seed, largest=Parameters(model).size).model
    last = converge(model, x, y, seed=seed).model
    unit = float(new_y.std())
    return {
        "first": rmse(first, new_x, new_y) / unit,
        "last": rmse(last, new_x, new_y) / unit,
        "intervals": last.spec.basis.intervals,
    }
