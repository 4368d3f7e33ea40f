"""How often laws are found from tables: 60 equations of the Feynman database, without and with noise.

`python -m benchmarks equations` takes half an hour; `equations_noise` as long for each level.
"""

import statistics
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import Table
from benchmarks.judge import Law, is_exact, is_recovered, read
from kanlens import SymbolicRegressor

LAWS = Path(__file__).with_name("equations.txt")
SECONDS = 60.0


def equations(seeds: int = 3) -> Table:
    """Search for each law without noise, default arguments but the time limit."""
    yield from _table(read(LAWS), 0.0, range(seeds))


def equations_noise(levels: tuple[float, ...] = (0.01, 0.1, 0.001), seeds: int = 1) -> Table:
    """Search for each law with Gaussian noise of a share of the target's deviation."""
    for level in levels:
        for row, figures in _table(read(LAWS), level, range(seeds)):
            yield f"noise {level:g}, {row}", figures


def _table(laws: list[Law], noise: float, seeds: range) -> Table:
    hits, seconds = [], []
    for seed in seeds:
        for law in laws:
            row = run(law, noise, seed)
            hits.append(row["found"])
            seconds.append(row["seconds"])
            yield f"{law.name}, seed {seed}", row
    yield "all", {"found": sum(hits), "of": len(hits), "median s": round(statistics.median(seconds), 2)}


def run(law: Law, noise: float, seed: int) -> dict[str, object]:
    """Return whether the law was found from a thousand rows, in what form and time."""
    points = law.sample(seed)
    clean = law.values(points)
    target = clean + noise * clean.std() * np.random.default_rng(seed + 10**3).normal(size=len(clean))
    started = time.perf_counter()
    frame = pd.DataFrame(points, columns=list(law.ranges))
    found = SymbolicRegressor(random_state=seed, time_limit=SECONDS).fit(frame, target).sympy()
    seconds = time.perf_counter() - started
    hit = is_recovered(law, found) if noise else is_exact(law, found)
    return {"found": hit, "seconds": round(seconds, 2), "formula": str(found)}
