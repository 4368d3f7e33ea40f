"""How often the tutorial's calls end in the exact formula: unchanged, on other formulas, grids, and with noise."""

import statistics

import torch

from benchmarks import Table
from benchmarks.tutorial import TUTORIAL, Problem, Run, run

FULL = None
PROBLEMS = [
    Problem("sin(pi*x_1) + x_2**2", 2, (2, 5, 1)),
    Problem("log(1 + x_1**2 + x_2**2)", 2, (2, 5, 1)),
    Problem("sqrt(x_1**2 + x_2**2)", 2, (2, 5, 1)),
    Problem("tanh(2*x_1 + x_2**2)", 2, (2, 5, 1)),
    Problem("exp(x_2 + Abs(x_1))", 2, (2, 5, 1)),
    Problem("x_1*x_2", 2, (2, 5, 1)),
    Problem("x_1/(x_2 + 2)", 2, (2, 5, 1), library=FULL),
    Problem("exp(x_2)*cos(3*x_1)", 2, (2, 5, 1), library=FULL),
    Problem("x_1*sin(pi*x_2)", 2, (2, 5, 1)),
    Problem("(x_1 + x_2**2 + 2)**(3/2)", 2, (2, 5, 1), library=FULL),
    Problem("x_1*x_2 + x_3**2", 3, (3, 5, 1)),
    Problem("sqrt(1 + x_1**2 + x_2**2 + x_3**2)", 3, (3, 5, 1)),
    Problem("x_2*exp(x_1) + sin(pi*x_3)", 3, (3, 5, 1)),
    Problem("sin(pi*x_1*x_2)", 2, (2, 5, 1, 1)),
    Problem("exp(x_1**2 + x_2)", 2, (2, 5, 1, 1)),
    Problem("log(x_1*x_2 + 1)", 2, (2, 5, 1, 1), low=0.0),
]


def notebook(seeds: int = 100) -> Table:
    """Run the tutorial in both modes and both dtypes."""
    modes = [(dtype, manual) for dtype in (torch.float32, torch.float64) for manual in (False, True)]
    before = torch.get_default_dtype()
    rows = _Rows()
    for seed in range(seeds):
        for dtype, manual in modes:
            torch.set_default_dtype(dtype)
            result = run(TUTORIAL, seed, manual=manual)
            torch.set_default_dtype(before)
            yield rows.add(f"{dtype}, {'fix_symbolic' if manual else 'auto_symbolic'}", seed, result)


def functions(seeds: int = 10) -> Table:
    """Run the tutorial's workflow on other formulas."""
    rows = _Rows()
    for seed in range(seeds):
        for problem in PROBLEMS:
            yield rows.add(f"{problem.formula} on {list(problem.width)}", seed, run(problem, seed))


def noise(seeds: int = 20) -> Table:
    """Run the tutorial with 1 % noise on the training labels."""
    rows = _Rows()
    for seed in range(seeds):
        yield rows.add("1 % noise", seed, run(TUTORIAL, seed, noise=0.01))


def grids(seeds: int = 5) -> Table:
    """Run the tutorial on other grids, degrees and widths."""
    rows = _Rows()
    for seed in range(seeds):
        for grid in (3, 5, 10, 20):
            for k in (2, 3, 4):
                yield rows.add(f"grid={grid}, k={k}", seed, run(TUTORIAL, seed, grid=grid, k=k))
        for hidden in (1, 2, 8, 10):
            problem = Problem(TUTORIAL.formula, 2, (2, hidden, 1))
            yield rows.add(f"width=[2, {hidden}, 1]", seed, run(problem, seed))


class _Rows:
    """Collect runs by row; seeds come in the outer loop, so that a table cut short has as many in each row."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[int, Run]] = {}

    def add(self, row: str, seed: int, result: Run) -> tuple[str, dict[str, object]]:
        """Return the row's name and its figures so far."""
        runs = self.runs.setdefault(row, {})
        runs[seed] = result
        seconds = [r.seconds for r in runs.values()]
        return row, {
            "runs": len(runs),
            "exact": sum(r.exact for r in runs.values()),
            "shape": sum(r.same_shape for r in runs.values()),
            "median_seconds": round(statistics.median(seconds), 2),
            "slowest_seconds": round(max(seconds), 2),
            "wrong": {seed: r.formula for seed, r in runs.items() if not r.exact},
        }
