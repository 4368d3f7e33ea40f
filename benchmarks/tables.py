"""Ordinary tables: the estimators that choose their own settings beside others as they come, on the same folds."""

import contextlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks import Table
from kanlens import KANClassifier, KANRegressor

FOLDS = 5

Data = tuple[Any, np.ndarray]


@dataclass(frozen=True)
class Problem:
    """Hold where a table comes from, and whether its target is a number or a class."""

    make: Callable[[], Data]
    classes: bool = False


def _steps() -> Data:
    """Return a sum of steps in three of six columns."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (600, 6))
    return X, 2.0 * (X[:, 0] > 0.2) - (X[:, 1] < -0.4) + (X[:, 2] > 0) * (X[:, 0] > 0.2) + rng.normal(0, 0.3, 600)


def _mixed() -> Data:
    """Return a frame with a column of words, numbers far from normal, and gaps."""
    import pandas as pd

    rng = np.random.default_rng(0)
    size, age, town = rng.lognormal(3, 0.6, 800), rng.uniform(0, 100, 800), rng.choice(list("abcdef"), 800)
    price = size * (1 + 0.2 * (town == "a") - 0.3 * (town == "f")) * (1 - 0.006 * np.minimum(age, 60))
    table = pd.DataFrame({"size": size, "age": np.where(rng.random(800) < 0.2, np.nan, age), "town": town})
    return table, price + rng.normal(0, 2, 800)


def _waves() -> Data:
    """Return a sum of smooth functions of four of eight columns."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 8))
    y = np.sin(2 * X[:, 0]) + np.abs(X[:, 1]) + np.exp(-(X[:, 2] ** 2)) + 0.5 * X[:, 3]
    return X, y + rng.normal(0, 0.3, 500)


def _sparse() -> Data:
    return datasets.make_regression(200, 60, n_informative=5, noise=20.0, random_state=0)  # type: ignore[no-any-return]


def _digits() -> Data:
    X, y = datasets.load_digits(return_X_y=True)
    return X[:900], y[:900]


PROBLEMS = {
    "diabetes": Problem(lambda: datasets.load_diabetes(return_X_y=True)),
    "friedman1": Problem(lambda: datasets.make_friedman1(500, 10, noise=1.0, random_state=0)),
    "friedman2": Problem(lambda: datasets.make_friedman2(500, noise=125.0, random_state=0)),
    "friedman3": Problem(lambda: datasets.make_friedman3(500, noise=0.1, random_state=0)),
    "steps": Problem(_steps),
    "waves": Problem(_waves),
    "sparse linear": Problem(_sparse),
    "words and gaps": Problem(_mixed),
    "breast cancer": Problem(lambda: datasets.load_breast_cancer(return_X_y=True), classes=True),
    "wine": Problem(lambda: datasets.load_wine(return_X_y=True), classes=True),
    "iris": Problem(lambda: datasets.load_iris(return_X_y=True), classes=True),
    "digits": Problem(_digits, classes=True),
    "moons": Problem(lambda: datasets.make_moons(400, noise=0.25, random_state=0), classes=True),
    "quantiles": Problem(
        lambda: datasets.make_gaussian_quantiles(n_samples=500, n_features=6, n_classes=3, random_state=0), classes=True
    ),
    "clusters": Problem(
        lambda: datasets.make_classification(600, 20, n_informative=6, n_redundant=4, random_state=0), classes=True
    ),
}


def tables() -> Table:
    """Yield for each table the mean score, its error and the seconds of a fit, by model."""
    for name, problem in PROBLEMS.items():
        X, y = problem.make()
        for title, model in models(problem.classes, hasattr(X, "iloc")).items():
            yield f"{name}, {title}", _measured(model, X, y, problem.classes)


def models(classes: bool, framed: bool) -> dict[str, Any]:
    """Return what is compared, each as it comes from its library; the explainable boosting machine if installed."""
    if classes:
        others = {
            "boosting": HistGradientBoostingClassifier(random_state=0),
            "MLP": MLPClassifier(max_iter=2000, random_state=0),
            "linear": LogisticRegressionCV(scoring="neg_log_loss", max_iter=5000),
        }
    else:
        others = {
            "boosting": HistGradientBoostingRegressor(random_state=0),
            "MLP": MLPRegressor(max_iter=2000, random_state=0),
            "linear": RidgeCV(np.logspace(-3, 3, 13)),
        }
    found = {"KAN": KANClassifier() if classes else KANRegressor()}
    found |= {name: make_pipeline(_numbers(framed), model) for name, model in others.items()}
    with contextlib.suppress(ImportError):
        from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor

        found["EBM"] = (ExplainableBoostingClassifier if classes else ExplainableBoostingRegressor)(n_jobs=1)
    return found


def _numbers(framed: bool) -> Any:
    """Return what other models need before them: numbers without gaps, of one scale."""
    if not framed:
        return StandardScaler()
    numeric = make_column_selector(dtype_include="number")
    return make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numeric),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), make_column_selector(dtype_exclude="number")),
    )


def _measured(model: Any, X: Any, y: np.ndarray, classes: bool) -> dict[str, float]:
    folds = (StratifiedKFold if classes else KFold)(FOLDS, shuffle=True, random_state=0)
    right = accuracy_score if classes else r2_score
    scores, losses, seconds = [], [], []
    for learn, judge in folds.split(X, y):
        one, started = clone(model), time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one.fit(_rows(X, learn), y[learn])
        seconds.append(time.process_time() - started)
        scores.append(right(y[judge], one.predict(_rows(X, judge))))
        if classes:
            losses.append(log_loss(y[judge], one.predict_proba(_rows(X, judge)), labels=np.unique(y)))
    figures = {"score": float(np.mean(scores)), "deviation": float(np.std(scores)), "seconds": float(np.mean(seconds))}
    return figures | ({"log_loss": float(np.mean(losses))} if classes else {})


def _rows(X: Any, rows: np.ndarray) -> Any:
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]
