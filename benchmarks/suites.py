"""How often laws are found in the small classic suites, on trajectories, and among columns that do not matter.

`python -m benchmarks classics strogatz compositions drawn dummies` takes some minutes each.
"""

import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sympy
from scipy.integrate import solve_ivp

from benchmarks import Table
from benchmarks.equations import LAWS
from benchmarks.judge import Law, is_exact, read
from kanlens import SymbolicRegressor

FOLDER = Path(__file__).with_name("suites")
CLASSICS = ("nguyen", "constant", "jin", "livermore")
SECONDS = 60.0
TIMES = ("seconds", "processor s")

DUMMIES = 5
"""Columns that do not matter, drawn like the law's own first variable."""

TRAJECTORIES, END = 4, 10.0
"""Trajectories of a system, and the time that each takes."""


def classics(seeds: int = 3) -> Table:
    """Search for the laws of Nguyen, Constant, Jin and Livermore from the rows that they come with."""
    for name in CLASSICS:
        yield from _drawn_from(name, seeds)


def strogatz(seeds: int = 3) -> Table:
    """Search for both derivatives of seven systems from 400 points on four trajectories."""
    laws = read(FOLDER / "strogatz.txt")
    systems = [pair for pair in zip(laws[::2], laws[1::2], strict=True) for _ in range(seeds)]
    cases = []
    for number, pair in enumerate(systems):
        points = trajectories(pair, number % seeds)
        low, high = points.min(0), points.max(0)
        ranges = dict(zip(pair[0].ranges, zip(low, high, strict=True), strict=True))
        cases += [(replace(law, ranges=ranges), points, number % seeds) for law in pair]
    yield from _table("strogatz", cases)


def compositions(seeds: int = 3) -> Table:
    """Search for compositions of library functions of one to three variables."""
    yield from _drawn_from("compositions", seeds)


def drawn(seeds: int = 3) -> Table:
    """Search for more of them, drawn once the methods were known."""
    yield from _drawn_from("drawn", seeds)


def dummies(seeds: int = 1) -> Table:
    """Search for Feynman equations of up to three variables among five columns more, from 1000 rows."""
    laws = [law for law in read(LAWS) if len(law.ranges) <= 3]
    cases = []
    for law in laws:
        bounds = next(iter(law.ranges.values()))
        wide = replace(law, ranges=dict(law.ranges) | {f"dummy{k + 1}": bounds for k in range(DUMMIES)})
        cases += [(wide, wide.sample(seed), seed) for seed in range(seeds)]
    yield from _table("dummies", cases)


def trajectories(system: tuple[Law, Law], seed: int) -> np.ndarray:
    """Return points `(rows, 2)` at even times on trajectories that start in the laws' ranges."""
    rows = system[0].rows // TRAJECTORIES
    slopes = sympy.lambdify(sympy.symbols(list(system[0].ranges)), [law.expression for law in system])

    def slope(_: float, point: np.ndarray) -> list[float]:
        found: list[float] = slopes(*point)
        return found

    found, draw = [], seed * 1000
    while len(found) < TRAJECTORIES:
        start = system[0].sample(draw, rows=1)[0]
        path = solve_ivp(slope, (0, END), start, "LSODA", np.linspace(0, END, rows), rtol=1e-9, atol=1e-10)
        if path.success and path.y.shape[1] == rows:  # a trajectory that runs into a pole is drawn anew
            found.append(path.y.T)
        draw += 1
    return np.concatenate(found)


def run(law: Law, points: np.ndarray, seed: int) -> dict[str, Any]:
    """Return whether a law was found, in what form and time: by the clock, and of the processor."""
    started, busy = time.perf_counter(), time.process_time()
    frame = pd.DataFrame(points, columns=list(law.ranges))
    found = SymbolicRegressor(random_state=seed, time_limit=SECONDS).fit(frame, law.values(points)).sympy()
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    times = {"seconds": round(seconds, 2), "processor s": round(busy, 2)}
    return {"found": is_exact(law, found), **times, "formula": str(found)}


def _drawn_from(name: str, seeds: int) -> Table:
    """Search for the laws of a file from rows in their ranges."""
    yield from _table(name, [(law, law.sample(seed, rows=law.rows), seed) for law, seed in _cases(name, seeds)])


def _cases(name: str, seeds: int) -> list[tuple[Law, int]]:
    return [(law, seed) for law in read(FOLDER / f"{name}.txt") for seed in range(seeds)]


def _table(name: str, cases: list[tuple[Law, np.ndarray, int]]) -> Table:
    rows = []
    for law, points, seed in cases:
        rows.append(run(law, points, seed))
        yield f"{law.name}, seed {seed}", rows[-1]
    medians = {f"median {key}": round(statistics.median(row[key] for row in rows), 2) for key in TIMES}
    yield f"all of {name}", {"found": sum(row["found"] for row in rows), "of": len(rows), **medians}
