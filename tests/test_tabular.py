"""Networks of splines for tables keep scikit-learn's contract, respect weights, and read what people have."""

import json
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris, make_friedman1
from sklearn.linear_model import RidgeCV
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from kanlens import InputError, KANClassifier, KANRegressor

FIXED = {"hidden": (), "intervals": 3, "bends": 1.0, "slopes": 0.1}
"""Settings that leave nothing to be tried."""


@parametrize_with_checks([KANRegressor(**FIXED), KANClassifier(**FIXED)])
def test_the_contract_of_scikit_learn(estimator, check) -> None:  # type: ignore[no-untyped-def]
    check(estimator)


def test_a_network_beats_a_line_where_inputs_act_together() -> None:
    X, y = make_friedman1(240, 5, noise=1.0, random_state=0)
    found = KANRegressor().fit(X[:160], y[:160])
    assert found.score(X[160:], y[160:]) > RidgeCV().fit(X[:160], y[:160]).score(X[160:], y[160:]) + 0.05
    assert found.model_(torch.from_numpy(found.prepare(X)))[:, 0].detach().numpy() == pytest.approx(found.predict(X))


def test_probabilities_are_calibrated() -> None:
    X, y = load_iris(return_X_y=True)
    found = KANClassifier(hidden=(), intervals=5, slopes=0.1).fit(X[::2], y[::2])
    assert found.score(X[1::2], y[1::2]) > 0.9
    assert log_loss(y[1::2], found.predict_proba(X[1::2])) < 0.3


@pytest.mark.parametrize("hidden", [(), (2,)])
def test_a_repeated_row_has_twice_the_weight(hidden: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
    y = np.column_stack([X[:, 0] * X[:, 1], X[:, 0] ** 2]) + rng.normal(0, 0.1, (60, 2))
    settings = FIXED | {"hidden": hidden}
    one = KANRegressor(**settings).fit(X, y, sample_weight=weight)
    again = rng.permutation(np.repeat(np.arange(60), weight))
    other = KANRegressor(**settings).fit(X[again], y[again])
    assert one.predict(X) == pytest.approx(other.predict(X), rel=1e-9)


def test_a_pickle_holds_arrays_and_json_and_predicts_the_same() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    found = KANClassifier(**FIXED).fit(X[:100, :3], y[:100])
    state = found.__getstate__()
    assert json.loads(state["model_"]["spec"])["residual"] == "zero"
    assert all(isinstance(array, np.ndarray) for array in state["model_"]["arrays"].values())
    json.dumps(state["_preparation"])
    again = pickle.loads(pickle.dumps(found))
    assert (again.predict_proba(X[:, :3]) == found.predict_proba(X[:, :3])).all()
    assert again.plan_ == found.plan_


def test_text_and_gaps_become_inputs() -> None:
    rng = np.random.default_rng(0)
    X = np.empty((120, 2), dtype=object)
    X[:, 0], X[:, 1] = rng.choice(["red", "green"], 120), rng.normal(size=120)
    gap = rng.random(120) < 0.3
    y = np.where(X[:, 0] == "red", 2.0, -1.0) + np.where(gap, 3.0, 0.0)
    X[gap, 1] = None
    found = KANRegressor(**FIXED).fit(X, y)
    assert found.inputs_ == ["x_1=green", "x_1=red", "x_2", "x_2 is missing"]
    assert found.predict(np.array([["red", None]], dtype=object)) == pytest.approx([5.0], abs=1.0)
    assert np.isfinite(found.predict(np.array([["blue", 0.1]], dtype=object))).all()
    with pytest.raises(InputError, match="expected numbers in column 1"):
        found.predict(np.array([["red", "much"]], dtype=object))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_tables(library: str) -> None:
    frames = pytest.importorskip(library)
    rng = np.random.default_rng(0)
    numbers, colours = rng.normal(size=80), rng.choice(["red", "green"], 80)
    y = numbers + (colours == "red")
    found = KANRegressor(**FIXED).fit(frames.DataFrame({"size": numbers, "colour": colours}), y)
    assert list(found.feature_names_in_) == ["size", "colour"]
    assert found.inputs_ == ["size", "colour=green", "colour=red"]
    assert found.score(frames.DataFrame({"size": numbers, "colour": colours}), y) > 0.95


def test_declared_categories_may_be_numbers() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"kind": pd.Categorical([3, 7, 9] * 20)})
    y = np.array([0.0, 5.0, 1.0] * 20)
    found = KANRegressor(**FIXED).fit(frame, y)
    assert found.inputs_ == ["kind=3", "kind=7", "kind=9"]


def test_it_works_in_pipelines_and_grid_searches() -> None:
    X, y = make_friedman1(90, 5, random_state=0)
    model = make_pipeline(StandardScaler(), KANRegressor(**FIXED))
    assert min(cross_val_score(clone(model), X, y, cv=3)) > 0.3
    search = GridSearchCV(KANRegressor(**FIXED), {"bends": [1.0, 10.0]}, cv=2).fit(X, y)
    assert set(search.best_params_) == {"bends"}


def test_extremes_have_right_answers() -> None:
    X = np.random.default_rng(0).normal(size=(40, 2))
    assert KANRegressor().fit(X, np.full(40, 3.0)).predict(X) == pytest.approx(np.full(40, 3.0))
    assert KANRegressor().fit(np.ones((40, 2)), X[:, 0]).predict(X) == pytest.approx(
        np.full(40, X[:, 0].mean()), abs=1e-3
    )
    assert np.isfinite(KANRegressor().fit(X[:3], X[:3, 0]).predict(1e9 * X)).all()
    with pytest.raises(InputError, match="at least two classes, got one class"):
        KANClassifier().fit(X, np.zeros(40))


@pytest.mark.parametrize(
    "options", [{"hidden": (0,)}, {"intervals": 0}, {"bends": -1.0}, {"slopes": np.inf}, {"hidden": "many"}]
)
def test_senseless_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match="expected"):
        KANRegressor(**options).fit([[0.0], [1.0]], [0.0, 1.0])
