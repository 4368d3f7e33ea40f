"""Run the benchmarks: `python -m benchmarks [names]`; JSON goes to `build/benchmarks/`."""

import json
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks import layer
from benchmarks.accuracy import second_order
from benchmarks.scale import scale
from benchmarks.splines import feynman_splines, known, special
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


Table = Iterator[tuple[str, object]]
"""A table: names and figures of its rows, one by one."""


def notebook(seeds: int = 100) -> Table:
    """Run the tutorial in both modes and both dtypes."""
    before = torch.get_default_dtype()
    for dtype in (torch.float32, torch.float64):
        for manual in (False, True):
            torch.set_default_dtype(dtype)
            runs = [run(TUTORIAL, seed, manual=manual) for seed in range(seeds)]
            torch.set_default_dtype(before)
            yield f"{dtype}, {'fix_symbolic' if manual else 'auto_symbolic'}", _summary(runs)


def functions(seeds: int = 10) -> Table:
    """Run the tutorial's workflow on other formulas."""
    for problem in PROBLEMS:
        yield f"{problem.formula} on {list(problem.width)}", _summary([run(problem, seed) for seed in range(seeds)])


def noise(seeds: int = 20) -> Table:
    """Run the tutorial with 1 % noise on the training labels."""
    yield "1 % noise", _summary([run(TUTORIAL, seed, noise=0.01) for seed in range(seeds)])


def grids(seeds: int = 5) -> Table:
    """Run the tutorial on other grids, degrees and widths."""
    for grid in (3, 5, 10, 20):
        for k in (2, 3, 4):
            yield f"grid={grid}, k={k}", _summary([run(TUTORIAL, seed, grid=grid, k=k) for seed in range(seeds)])
    for hidden in (1, 2, 8, 10):
        problem = Problem(TUTORIAL.formula, 2, (2, hidden, 1))
        yield f"width=[2, {hidden}, 1]", _summary([run(problem, seed) for seed in range(seeds)])


def _summary(runs: list[Run]) -> dict[str, object]:
    wrong = sorted({r.formula for r in runs if not r.exact})
    return {
        "runs": len(runs),
        "exact": sum(r.exact for r in runs),
        "shape": sum(r.same_shape for r in runs),
        "median_seconds": round(statistics.median(r.seconds for r in runs), 2),
        "slowest_seconds": round(max(r.seconds for r in runs), 2),
        "others": wrong[:5],
    }


TABLES: dict[str, Callable[[], Table]] = {
    "notebook": notebook,
    "functions": functions,
    "noise": noise,
    "grids": grids,
    "second_order": second_order,
    "known": known,
    "special": special,
    "feynman_splines": feynman_splines,
    "scale": scale,
    "layer": layer.layers,
    "memory": layer.memory,
}


def main(names: list[str]) -> None:
    """Run the named benchmarks, all of them without names."""
    unknown = set(names) - set(TABLES)
    if unknown:
        sys.exit(f"expected benchmarks among {sorted(TABLES)}, got {sorted(unknown)}.")
    folder = Path("build/benchmarks")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or TABLES:
        table: dict[str, object] = {}
        for row, figures in TABLES[name]():
            table[row] = figures
            (folder / f"{name}.json").write_text(json.dumps(table, indent=2))  # after each row: some take minutes
            sys.stdout.write(f"{name}: {row}: {json.dumps(figures)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
