"""Tables without a short law: what the front promises, and how formulas compare with boosting on other rows."""

import statistics
from collections.abc import Callable

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from benchmarks import Table
from kanlens import SymbolicRegressor
from kanlens.estimators import evaluate

SECONDS = 60.0

Rows = tuple[np.ndarray, np.ndarray]


def diabetes(_seed: int) -> Rows:
    """Return scikit-learn's 442 patients."""
    X, y = load_diabetes(return_X_y=True)
    return X, y


def houses(seed: int) -> Rows:
    """Return a table with the columns of California's houses, made up: the real one has to be downloaded.

    Prices rise with income and less and less so, fall with the distance from two towns and from the coast, and are cut
    at 5 as the real ones are.
    """
    rng = np.random.default_rng(seed)
    n = 2000
    latitude, inland = rng.uniform(32.5, 42, n), rng.gamma(1.5, 1.0, n)
    longitude = -124 + (42 - latitude) * 0.9 + inland
    income = rng.lognormal(1.25, 0.45, n)
    age = rng.integers(1, 53, n).astype(float)
    rooms = np.clip(1.5 + 0.9 * np.sqrt(income) * rng.lognormal(0.4, 0.2, n), 1, None)
    bedrooms = rooms / 5 * rng.lognormal(0, 0.1, n)
    occupancy = rng.lognormal(1.05, 0.25, n)
    population = rng.lognormal(7.0, 0.7, n)
    town = np.exp(-np.hypot(latitude - 37.8, longitude + 122.3)) + 0.8 * np.exp(
        -np.hypot(latitude - 34, longitude + 118)
    )
    price = 1.1 * np.log1p(income) + 1.6 * town + 0.6 * np.exp(-inland) + 0.01 * (age > 35) * (age - 35)
    price *= (3 / occupancy) ** 0.4 * rng.lognormal(0, 0.18, n)
    columns = [income, age, rooms, bedrooms, population, occupancy, latitude, longitude]
    return np.column_stack(columns), np.minimum(price, 5.0)


def step(seed: int) -> Rows:
    """Return a step of height 2 in one of three columns, with noise of a third of it."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (500, 3))
    return X, np.where(X[:, 1] > 0.23, 1.0, -1.0) + rng.normal(0, 0.6, 500)


TABLES: dict[str, Callable[[int], Rows]] = {"diabetes": diabetes, "houses": houses, "step": step}


def no_law(splits: int = 5) -> Table:
    """Yield the test R2 of the formulas and of gradient boosting over random splits into 3/4 and 1/4."""
    for name, make in TABLES.items():
        rows = [run(make, seed) for seed in range(splits)]
        yield name, {key: statistics.mean(row[key] for row in rows) for key in rows[0]}


def run(make: Callable[[int], Rows], seed: int) -> dict[str, float]:
    """Return the test R2 of the most accurate and of the preferred formula, and what the front promises."""
    X, X_test, y, y_test = train_test_split(*make(seed), random_state=seed)
    boosted = GradientBoostingRegressor(random_state=seed).fit(X, y)
    law = SymbolicRegressor(random_state=seed, time_limit=SECONDS, selection="accurate").fit(X, y)
    names = [f"x_{k + 1}" for k in range(X.shape[1])]
    best, front = law.equations_.choose("best"), law.equations_
    return {
        "accurate": r2_score(y_test, law.predict(X_test)),
        "promised": law.equation_.r2,
        "best": r2_score(y_test, evaluate(best.expression, names, X_test)),
        "boosting": r2_score(y_test, boosted.predict(X_test)),
        "symbols": law.equation_.complexity,
        "called exact": float(front.exact),
        "seconds": round(front.seconds, 1),
    }
