"""Judge a formula against the law that made the data: exact, or recovered from noise."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sympy
from scipy.optimize import least_squares

from kanlens import parse

ROWS = 1000
"""Rows of training, unless a table says otherwise, and of the judgement."""

CLOSE = 1e-6
"""Relative error up to which a formula is the law."""

Ranges = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Law:
    """Hold a law, the ranges of its variables, and how many rows it is to be found from."""

    name: str
    text: str
    ranges: Ranges
    rows: int = ROWS

    @property
    def expression(self) -> sympy.Expr:
        """Return the law."""
        return parse(self.text, names=list(self.ranges))

    def values(self, points: np.ndarray, expression: sympy.Expr | None = None) -> np.ndarray:
        """Return the law's values, or another expression's, NaN where it is not real."""
        symbols = [sympy.Symbol(name) for name in self.ranges]
        function = sympy.lambdify(symbols, self.expression if expression is None else expression, ["scipy", "numpy"])
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            found = np.asarray(function(*points.T))
        real = np.where(np.abs(found.imag) > 0, np.nan, found.real) if np.iscomplexobj(found) else found
        return np.broadcast_to(real.astype(float), len(points))

    def sample(self, seed: int, wider: float = 0.0, rows: int = ROWS) -> np.ndarray:
        """Return points from the ranges, each made wider by a share."""
        low, high = np.array(list(self.ranges.values()), dtype=float).T
        more = wider * (high - low) / 2
        return np.random.default_rng(seed).uniform(low - more, high + more, (rows, len(low)))


def read(path: Path) -> list[Law]:
    """Read a table of laws: name, law, ranges of the variables and, if it is not the usual number, rows."""
    laws = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, text, variables, *rows = (part.strip() for part in line.split("|"))
            ranges: dict[str, tuple[float, float]] = {}
            for group in variables.split(";"):
                symbols, bounds = group.split(" in ")
                low, high = map(float, bounds.split())
                ranges |= dict.fromkeys(symbols.split(), (low, high))
            laws.append(Law(name, text, ranges, *map(int, rows)))
    return laws


def error(law: Law, found: sympy.Expr) -> float:
    """Return the relative error at points from ranges a quarter wider than those of training."""
    points = law.sample(seed=10**6, wider=0.25)
    truth, values = law.values(points), law.values(points, found)
    finite = np.isfinite(truth)
    off = float(np.linalg.norm((values - truth)[finite]) / np.linalg.norm(truth[finite]))
    return off if np.isfinite(off) else float("inf")


def is_exact(law: Law, found: sympy.Expr) -> bool:
    """Tell whether a formula is the law, in at most twice its operations."""
    short = sympy.count_ops(found) <= 2 * max(1, sympy.count_ops(law.expression))
    return bool(short and error(law, found) < CLOSE)


def is_recovered(law: Law, found: sympy.Expr) -> bool:
    """Tell whether a formula becomes the law when its own constants are fitted to exact data."""
    numbers = sorted((n for n in found.atoms(sympy.Float, sympy.Rational, sympy.NumberSymbol)), key=str)
    exponents = {p.exp for p in found.atoms(sympy.Pow)}
    free = [n for n in numbers if n not in exponents and n not in (0, 1, -1)]
    if not free:
        return is_exact(law, found)
    places = sympy.symbols(f"k_0:{len(free)}")
    pattern = found.xreplace(dict(zip(free, places, strict=True)))
    points = law.sample(seed=10**6 + 1)
    truth = law.values(points)
    symbols = [sympy.Symbol(name) for name in law.ranges]
    function = sympy.lambdify([*symbols, *places], pattern, ["scipy", "numpy"])

    def residuals(constants: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            values = np.broadcast_to(np.asarray(function(*points.T, *constants), dtype=float), truth.shape)
        return np.nan_to_num((values - truth) / np.linalg.norm(truth), nan=1.0, posinf=1.0, neginf=-1.0)

    fitted: Any = least_squares(residuals, [float(n) for n in free], xtol=1e-15, ftol=1e-15, gtol=1e-15, x_scale="jac")
    return is_exact(law, pattern.xreplace(dict(zip(places, map(sympy.Float, fitted.x), strict=True))))
