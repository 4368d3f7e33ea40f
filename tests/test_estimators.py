"""The estimators keep scikit-learn's contract and give laws."""

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import sympy
import torch
from benchmarks.no_law import TABLES, run
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from kanlens import LIBRARY, Front, Function, InputError, SymbolicRegressor

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


def test_ctrl_c_while_other_searches_go_on_keeps_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> Callable[[object], Iterator[Front]]:
        def run(_: object) -> Iterator[Front]:
            raise KeyboardInterrupt
            yield

        return run

    monkeypatch.setattr("kanlens.estimators.Parallel", interrupted)
    X = table(100, 2)
    law = SymbolicRegressor(random_state=0, n_jobs=2).fit(X, X[:, 0] / X[:, 1])
    assert str(law.sympy()) == "x_1/x_2"


def test_undefined_predictions_are_said() -> None:
    X = table(100, 1)
    law = SymbolicRegressor(random_state=0).fit(X, np.sqrt(X[:, 0]))
    with pytest.warns(RuntimeWarning, match="undefined at 1 of 2"):
        found = law.predict(np.array([[4.0], [-1.0]]))
    assert found == pytest.approx([2.0, np.sqrt(X[:, 0]).mean()])


SENSELESS: list[dict[str, object]] = [
    {"time_limit": 0},
    {"max_steps": 0},
    {"max_complexity": 0},
    {"n_jobs": 0},
    {"functions": []},
    {"selection": "nicest"},
    {"loss": "cubed"},
    {"constants": {"g": 0.0}},
    {"constants": {"g": "9.8"}},
    {"constants": {"x_1": 2.0}},
    {"units": "m"},
]


@pytest.mark.parametrize("options", SENSELESS)
def test_senseless_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match="expected"):
        SymbolicRegressor(**options).fit(table(20, 1), np.arange(20.0))


# --- options -----------------------------------------------------------------------------


def test_constants_of_ones_own_stand_in_the_formula_by_name() -> None:
    length = table(60, 1)
    seconds = 2 * np.pi * np.sqrt(length[:, 0] / 9.80665)
    law = SymbolicRegressor(constants={"g": 9.80665}, random_state=0, warm_start=True).fit(length, seconds)
    x, g = sympy.symbols("x_1 g", positive=True)
    assert sympy.simplify(law.sympy().subs({"x_1": x, "g": g}) / (2 * sympy.pi * sympy.sqrt(x / g))) == 1
    assert law.predict(length) == pytest.approx(seconds)
    assert law.model_(torch.from_numpy(length))[:, 0].detach().numpy() == pytest.approx(seconds)
    assert law.fit(length, seconds).equations_.exact  # also when it begins with its own formula
    law.set_params(constants=None)  # what was fitted stays as it is
    assert law.predict(length) == pytest.approx(seconds)


def test_functions_of_ones_own_are_found() -> None:
    sinc = Function("sinc", lambda x: torch.sin(x) / x, lambda x: sympy.sin(x) / x, complexity=3)
    X = table(150, 1)
    law = SymbolicRegressor(functions={"sinc": sinc, "x": LIBRARY["x"]}, random_state=0)
    law.fit(X, 2 * np.sin(3 * X[:, 0]) / X[:, 0])
    x = sympy.Symbol("x_1")
    assert sympy.simplify(law.sympy() - 2 * sympy.sin(3 * x) / x) == 0


def test_a_robust_loss_puts_outliers_aside() -> None:
    rng = np.random.default_rng(0)
    X = table(300, 2)
    y = X[:, 0] * np.exp(-X[:, 1])
    wrong = rng.random(300) < 0.1
    y[wrong] += rng.choice([-5.0, 5.0], wrong.sum())
    law = SymbolicRegressor(loss="robust", random_state=0).fit(X, y)
    assert str(law.sympy()) == "x_1*exp(-x_2)"
    assert (law.outliers_ == wrong).all()


def energy() -> tuple[object, np.ndarray]:
    X = table(200, 4)
    return pd.DataFrame(X, columns=["m", "v", "h", "g"]), X[:, 0] * (X[:, 1] ** 2 / 2 + X[:, 2] * X[:, 3])


UNITS = {"m": "kg", "v": "m/s", "h": "m", "g": "m/s**2"}


@pytest.mark.parametrize("pure", [False, True])
def test_units_rule_formulas_out(pure: bool) -> None:
    pytest.importorskip("pint")
    frame, y = energy()
    law = SymbolicRegressor(units=UNITS, target_unit="J", pure_constants=pure, random_state=0).fit(frame, y)
    assert law.equations_.exact
    assert sympy.simplify(law.sympy() - sympy.sympify("m*(v**2/2 + h*g)")) == 0
    if pure:  # no constant, and no sum of two different things, is an energy
        known = {"m": {"kg": 1}, "v": {"m": 1, "s": -1}, "h": {"m": 1}, "g": {"m": 1, "s": -2}}
        for equation in law.equations_:
            for term in sympy.Add.make_args(sympy.expand(equation.expression)):
                powers = term.as_powers_dict()
                size = {
                    u: sum(p * known.get(str(b), {}).get(u, 0) for b, p in powers.items()) for u in ("kg", "m", "s")
                }
                assert size == {"kg": 1, "m": 2, "s": -2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": {"m": "kg"}}, "a unit for each of"),
        ({"units": ["kg"]}, "expected 4 units"),
        ({"units": ["kg", "m/s", "m", "furlongs per flight"]}, "expected a unit such as"),
        ({"units": UNITS, "target_unit": "ampere", "pure_constants": True}, "make up the target's, ampere"),
    ],
)
def test_units_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    pytest.importorskip("pint")
    with pytest.raises(InputError, match=message):
        SymbolicRegressor(**options).fit(*energy())


@pytest.mark.parametrize("selection", ["accurate", "simple"])
def test_the_rule_chooses_on_the_front(selection: str) -> None:
    X = table(80, 2)
    y = X[:, 0] + 0.05 * np.sin(9 * X[:, 1])
    law = SymbolicRegressor(selection=selection, max_steps=5, time_limit=None, random_state=0).fit(X, y)
    assert law.equation_ == law.equations_.choose(selection)


SCRIPT = """
import numpy as np
from kanlens import SymbolicRegressor

rng = np.random.default_rng(0)
law = SymbolicRegressor(time_limit=None, verbose=1, n_jobs={jobs}, random_state=0)
law.fit(rng.uniform(1, 4, (400, 4)), rng.normal(size=400))
print(law.equations_.stop, len(law.equations_), law.predict(np.ones((1, 4))).shape)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("jobs", [1, 2])
def test_the_front_is_shown_and_ctrl_c_keeps_the_best_so_far(jobs: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(jobs=jobs)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    shown = ""
    while "on the front, R2" not in shown:
        shown += process.stderr.read(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.startswith("It was interrupted.")


@pytest.mark.slow
def test_searches_spread_over_a_dask_cluster() -> None:
    distributed = pytest.importorskip("distributed")
    from joblib import parallel_config

    X = table(100, 2)
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        parallel_config(backend="dask"),
    ):
        law = SymbolicRegressor(random_state=0, n_jobs=2).fit(X, X[:, 0] / X[:, 1])
    assert str(law.sympy()) == "x_1/x_2"


# --- tables that are hard to take --------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_without_a_law_the_front_is_honest(name: str) -> None:
    row = run(TABLES[name], seed=11)
    assert row["accurate"] > row["boosting"] - 0.05
    assert not row["called exact"]


def test_one_row_and_gaps_are_refused() -> None:
    with pytest.raises(ValueError, match="minimum of 2"):
        SymbolicRegressor().fit([[1.0]], [1.0])
    with pytest.raises(ValueError, match="NaN"):
        SymbolicRegressor().fit([[1.0], [np.nan]], [1.0, 2.0])


def test_text_and_infinities_are_refused() -> None:
    with pytest.raises(ValueError, match="could not convert string to float"):
        SymbolicRegressor().fit(pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}), [1.0, 2.0])
    with pytest.raises(ValueError, match="infinity"):
        SymbolicRegressor().fit([[1.0], [np.inf]], [1.0, 2.0])
    with pytest.raises(ValueError, match="NaN"):
        SymbolicRegressor().fit([[1.0], [2.0]], [1.0, np.nan])


@pytest.mark.parametrize(("size", "target"), [(1e-30, 1e-40), (1e20, 1e60)])
def test_units_of_any_size_do_no_harm(size: float, target: float) -> None:
    X = table(120, 2)
    y = X[:, 0] * X[:, 1] ** 2 * target
    law = SymbolicRegressor(random_state=0).fit(size * X, y)
    assert law.equations_.exact
    assert law.predict(size * X) == pytest.approx(y, rel=1e-10)


def test_a_hundred_thousand_rows_are_no_burden() -> None:
    X = table(100_000, 3)
    law = SymbolicRegressor(random_state=0).fit(X, X[:, 0] * X[:, 1] ** 2 / np.sqrt(X[:, 2]))
    assert str(law.sympy()) == "x_1*x_2**2/sqrt(x_3)"


def test_copies_of_a_column_and_constant_columns_are_left_out() -> None:
    X = table(150, 2)
    wide = np.column_stack([X, X[:, 0], X[:, 0], np.ones(150)])
    law = SymbolicRegressor(random_state=0).fit(wide, X[:, 0] * np.exp(-X[:, 1]))
    assert str(law.sympy()) == "x_1*exp(-x_2)"


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_very_few_rows_give_a_formula(rows: int) -> None:
    X = table(rows, 2)
    law = SymbolicRegressor(random_state=0, time_limit=None, max_steps=3).fit(X, X[:, 0])
    assert np.isfinite(law.predict(X)).all()
