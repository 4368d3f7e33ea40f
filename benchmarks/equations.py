"""How often laws are found from tables: 60 equations of the Feynman database, without and with noise.

`python -m benchmarks equations` takes half an hour; `equations_noise` as long for each level. Both run in pieces, side
by side, if the environment says which:

    EQUATIONS_PART=0/2 BENCHMARKS_TAG=-a python -m benchmarks equations        # every other law, to equations-a.json
    EQUATIONS_SEEDS=1,2 EQUATIONS_LEVELS=0.1 BENCHMARKS_TAG=-b python -m benchmarks equations_noise

`python -m benchmarks equations_by_class` then counts what all these files say.
"""

import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import FOLDER, Table
from benchmarks.judge import Law, is_exact, is_recovered, read
from benchmarks.structure import shape
from kanlens import SymbolicRegressor

LAWS = Path(__file__).with_name("equations.txt")
SECONDS = 60.0


def equations() -> Table:
    """Search for each law without noise, default arguments but the time limit, with three seeds."""
    yield from _table(0.0, _listed("EQUATIONS_SEEDS", "0,1,2"))


def equations_noise() -> Table:
    """Search for each law with Gaussian noise of a share of the target's deviation, with one seed."""
    for level in map(float, os.environ.get("EQUATIONS_LEVELS", "0.01,0.1,0.001").split(",")):
        yield from _table(level, _listed("EQUATIONS_SEEDS", "0"))


def equations_by_class() -> Table:
    """Count the laws found in all pieces so far, by the shape of network that they need."""
    classes: dict[str, str] = {law.name: shape(law) for law in read(LAWS)}
    found: dict[tuple[str, str], list[bool]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    for (name, noise), row in _measured():
        for kind in (classes[name], "all"):
            found[noise, kind].append(row["found"])
        seconds[noise].append(row["seconds"])
    for (noise, kind), hits in sorted(found.items()):
        yield f"noise {noise}, {kind}", {"found": sum(hits), "of": len(hits), "share": round(sum(hits) / len(hits), 3)}
    for noise, times in sorted(seconds.items()):
        yield f"noise {noise}, median s", round(statistics.median(times), 2)


def _measured() -> Iterator[tuple[tuple[str, str], dict[str, object]]]:
    """Yield name and level of each row of all pieces, and what was measured; a row measured twice counts once."""
    rows: dict[str, dict[str, object]] = {}
    for file in sorted(FOLDER.glob("equations*.json")):
        if "by_class" not in file.name:
            rows |= json.loads(file.read_text(encoding="utf-8"))
    for row, figures in rows.items():
        name, _, noise = row.split(", ")
        yield (name, noise.removeprefix("noise ")), figures


def _listed(variable: str, otherwise: str) -> list[int]:
    return [int(number) for number in os.environ.get(variable, otherwise).split(",")]


def _table(noise: float, seeds: list[int]) -> Table:
    part, parts = map(int, os.environ.get("EQUATIONS_PART", "0/1").split("/"))
    for seed in seeds:
        for law in read(LAWS)[part::parts]:
            yield f"{law.name}, seed {seed}, noise {noise:g}", run(law, noise, seed)


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
