"""The same tables for kanlens and for other searches: every fifth equation, the same rows, seconds and judge.

`python -m benchmarks peers` makes an environment with the peers on first use and takes two hours. Each search has a
process and a thread of its own. Of a peer's front any formula may be the right one; of kanlens only the one that it
prefers. *Exact* is the judge's rule for data without noise; *recovered* its rule with noise, which is kinder to those
that compute in float32, also of the formula with three decimals.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import sympy
import torch

from benchmarks import Table
from benchmarks.environments import interpreter
from benchmarks.equations import LAWS
from benchmarks.judge import Law, is_exact, is_recovered, read
from benchmarks.rivals import NAMES, RIVALS
from kanlens import SymbolicRegressor

HOME = Path(os.environ.get("PEERS", "build/peers")).absolute()
PACKAGES = ["pyoperon==0.6.2", "gplearn==0.4.3", "physo==1.1.11", "pykan==0.2.8", "pandas", "pyyaml", "tqdm"]
BUILT = ["rils-rols==1.6.7"]
"""Packages that are compiled here, by what `TOOLS` brings."""
TOOLS = ["pybind11", "setuptools", "wheel", "numpy"]

SECONDS = 20.0
EVERY = 5
LAST = 150.0
"""Seconds after which a process is stopped: pykan has no limit of its own."""

CALLS = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "inv": lambda a: 1 / a,
    "square": lambda a: a**2,
    "ln": sympy.log,
}
"""What peers write for operators."""


def peers(levels: tuple[float, ...] = (0.0, 0.01), names: tuple[str, ...] = ("kanlens", *RIVALS)) -> Table:
    """Yield what each found of each law, and the counts."""
    laws = read(LAWS)[::EVERY]
    for level in levels:
        for name in names:
            rows = []
            for law in laws:
                rows.append(_run(name, law, level))
                yield f"noise {level:g}, {name}, {law.name}", rows[-1]
            yield f"noise {level:g}, {name}, all", _counts(rows)


def _counts(rows: list[dict[str, Any]]) -> dict[str, Any]:
    seconds = statistics.median(row["seconds"] for row in rows)
    return {key: sum(row[key] for row in rows) for key in ("exact", "recovered")} | {
        "of": len(rows),
        "median s": round(seconds, 1),
    }


def _run(name: str, law: Law, noise: float) -> dict[str, Any]:
    points = law.sample(0)
    clean = law.values(points)
    target = clean + noise * clean.std() * np.random.default_rng(10**3).normal(size=len(clean))
    found, seconds = _of_kanlens(points, target) if name == "kanlens" else _of_rival(name, points, target)
    places = {NAMES.format(k): sympy.Symbol(symbol) for k, symbol in enumerate(law.ranges)}
    formulas = [formula for text in found if (formula := _read(text, places)) is not None]
    exact = next((f for f in formulas if is_exact(law, f)), None)
    variants = [variant for f in formulas for variant in dict.fromkeys((f, _rounded(f)))]
    recovered = exact or next((f for f in variants if is_recovered(law, f)), None)
    shown = recovered if recovered is not None else formulas[0] if formulas else None
    return {
        "exact": exact is not None,
        "recovered": recovered is not None,
        "seconds": seconds,
        "formula": str(shown)[:200],
    }


def _of_kanlens(points: np.ndarray, target: np.ndarray) -> tuple[list[str], float]:
    torch.set_num_threads(1)
    began = time.perf_counter()
    model = SymbolicRegressor(random_state=0, time_limit=SECONDS).fit(points, target)
    seconds = round(time.perf_counter() - began, 1)
    zero_based = {sympy.Symbol(f"x_{k + 1}"): sympy.Symbol(NAMES.format(k)) for k in range(points.shape[1])}
    return [str(model.sympy().xreplace(zero_based))], seconds


def _of_rival(name: str, points: np.ndarray, target: np.ndarray) -> tuple[list[str], float]:
    """Run a peer in a folder that is thrown away; one that fails or takes too long has found nothing."""
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "rows.npy", np.column_stack([points, target]))
        script = Path(__file__).with_name("rivals.py").absolute()
        python = interpreter(HOME, [*PACKAGES, *TOOLS], ["--no-build-isolation", *BUILT])
        command = [str(python), str(script), name, "rows.npy", str(SECONDS), "0"]
        try:
            done = subprocess.run(
                command, cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=LAST
            )
        except subprocess.TimeoutExpired:
            return [], LAST
    if done.returncode:
        print(f"{name}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return [], 0.0
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["formulas"], answer["seconds"]


def _read(text: str, places: dict[str, sympy.Symbol]) -> sympy.Expr | None:
    """Return a formula that a library printed, None if it cannot be read."""
    try:
        found = sympy.sympify(text.replace("^", "**"), locals=CALLS | places)
    except (SyntaxError, TypeError, ValueError, AttributeError):
        return None
    return found if isinstance(found, sympy.Expr) else None


def _rounded(formula: sympy.Expr) -> sympy.Expr:
    """Return a formula with three decimals, as SRBench does: some libraries add a shift of 1e-9 to all they find."""
    return formula.xreplace({number: sympy.Float(round(number, 3)) for number in formula.atoms(sympy.Float)})
