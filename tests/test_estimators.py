"""The estimators keep scikit-learn's contract and give laws."""

import pickle

import numpy as np
import pytest
import sympy
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from kanlens import InputError, SymbolicRegressor

pd = pytest.importorskip("pandas", reason="frames need pandas")


@parametrize_with_checks([SymbolicRegressor(time_limit=None, max_steps=3, functions=["sin", "exp"], random_state=0)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_contract_of_scikit_learn(estimator: SymbolicRegressor, check) -> None:  # type: ignore[no-untyped-def]
    check(estimator)


def table(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1, 4, (rows, columns))


def test_columns_become_symbols() -> None:
    frame = pd.DataFrame(table(200, 2), columns=["mass", "my radius"])
    law = SymbolicRegressor(random_state=0).fit(frame, 2 * frame["mass"] / frame["my radius"] ** 2)
    mass, radius = sympy.Symbol("mass"), sympy.Symbol("my radius")
    assert law.sympy() == 2 * mass / radius**2
    assert law.equations_.exact
    assert law.predict(frame) == pytest.approx(2 * frame["mass"] / frame["my radius"] ** 2)
    assert "radius" in law.latex()


def test_polars_frames_are_tables() -> None:
    pl = pytest.importorskip("polars")
    X = table(100, 2)
    law = SymbolicRegressor(random_state=0).fit(pl.DataFrame({"a": X[:, 0], "b": X[:, 1]}), X[:, 0] * X[:, 1])
    assert str(law.sympy()) == "a*b"


def test_the_model_is_the_formula() -> None:
    X = table(150, 2)
    law = SymbolicRegressor(random_state=0).fit(X, np.exp(X[:, 0]) / X[:, 1])
    assert law.model_(torch.from_numpy(X))[:, 0].detach().numpy() == pytest.approx(law.predict(X), rel=1e-12)


def test_a_pickle_predicts_the_same() -> None:
    X = table(100, 2)
    law = SymbolicRegressor(random_state=0).fit(X, X[:, 0] ** 2 * X[:, 1])
    again = pickle.loads(pickle.dumps(law))
    assert again.sympy() == law.sympy()
    assert again.predict(X) == pytest.approx(law.predict(X), rel=0)


def test_it_works_in_a_pipeline_and_in_cross_validation() -> None:
    X = table(120, 2)
    model = make_pipeline(StandardScaler(), SymbolicRegressor(random_state=0, time_limit=5))
    assert min(cross_val_score(clone(model), X, X[:, 0] + 2 * X[:, 1], cv=3)) > 0.999999


def test_a_repeated_row_has_twice_the_weight() -> None:
    rng = np.random.default_rng(0)
    X = table(60, 1)
    y = 2 * X[:, 0] + rng.normal(0, 0.3, 60)
    weight = rng.integers(1, 3, 60)
    one = SymbolicRegressor(functions=["exp"], random_state=0, time_limit=20).fit(X, y, sample_weight=weight)
    other = SymbolicRegressor(functions=["exp"], random_state=0, time_limit=20)
    other.fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert one.predict(X) == pytest.approx(other.predict(X), rel=1e-6)


def test_a_constant_target_is_a_constant() -> None:
    law = SymbolicRegressor(random_state=0).fit(table(50, 2), np.full(50, 3.0))
    assert law.sympy() == 3


def test_warm_start_keeps_what_was_found() -> None:
    X = table(150, 2)
    y = X[:, 0] * np.sin(X[:, 1])
    law = SymbolicRegressor(random_state=0, warm_start=True, time_limit=20).fit(X, y)
    law.set_params(time_limit=0.001).fit(X, y)
    assert law.equations_.exact


def test_searches_side_by_side_agree_on_a_law() -> None:
    X = table(100, 2)
    law = SymbolicRegressor(random_state=0, n_jobs=2).fit(X, X[:, 0] / X[:, 1])
    assert str(law.sympy()) == "x_1/x_2"


def test_undefined_predictions_are_said() -> None:
    X = table(100, 1)
    law = SymbolicRegressor(random_state=0).fit(X, np.sqrt(X[:, 0]))
    with pytest.warns(RuntimeWarning, match="undefined at 1 of 2"):
        found = law.predict(np.array([[4.0], [-1.0]]))
    assert found == pytest.approx([2.0, np.sqrt(X[:, 0]).mean()])


@pytest.mark.parametrize("options", [{"time_limit": 0}, {"max_complexity": 0}, {"n_jobs": 0}, {"functions": []}])
def test_senseless_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match="expected"):
        SymbolicRegressor(**options).fit(table(20, 1), np.arange(20.0))


def test_one_row_and_gaps_are_refused() -> None:
    with pytest.raises(ValueError, match="minimum of 2"):
        SymbolicRegressor().fit([[1.0]], [1.0])
    with pytest.raises(ValueError, match="NaN"):
        SymbolicRegressor().fit([[1.0], [np.nan]], [1.0, 2.0])
