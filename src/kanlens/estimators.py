"""Kolmogorov-Arnold networks as scikit-learn estimators."""

import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from kanlens.compiler import compile_formula
from kanlens.dimensions import Dimensions
from kanlens.errors import InputError
from kanlens.front import Equation, Front, Rule
from kanlens.functions import Function
from kanlens.network import KAN
from kanlens.outliers import Loss, counted, is_far
from kanlens.search import INTERRUPTED, search
from kanlens.settings import SearchSettings

if TYPE_CHECKING:
    from sympy import Expr


class SymbolicRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Find the formula behind a table.

    Names of columns become the symbols of the formula. All formulas that no shorter one beats are in `equations_`; the
    one chosen among them predicts.

    Parameters
    ----------
    functions : names or mapping, optional
        Library functions that a formula may have, such as `["sin", "exp"]`, or `LIBRARY | {...}` with functions of
        your own; all of the library by default. Sums, products and powers are always there.
    max_complexity : int
        The most symbols of a formula: operators, functions, variables and constants.
    time_limit : float, optional
        Seconds after which the best formulas so far are taken, None for no limit. An exact law is known as such and
        ends the search.
    max_steps : int, optional
        Steps after which the same happens; one takes some tenths of a second. A search that ends before its seconds
        are over gives the same formulas on every machine.
    selection : {"best", "accurate", "simple"}
        Which formula predicts: the one with the shortest description of the data (constants, symbols and what it
        leaves unexplained), the most accurate one, or the simplest that is nearly as accurate.
    loss : {"squared", "relative", "robust"}
        Whether errors count as they are, or as shares of the target (as where instruments are exact to so many per
        cent), or outliers are put aside before the search: rows that disagree with a smooth function through others.
    constants : mapping, optional
        Names and values of constants to recognise besides fractions of 1, pi, e and roots, such as `{"g": 9.80665}`;
        they stand in formulas by name.
    units : mapping or sequence, optional
        Units of the columns, by name or in order, such as `"kg*m/s**2"`, and `"1"` for a pure number. Formulas that
        add metres to seconds, or take a sine of kilograms, are then ruled out. Needs pint, which only reads them;
        numbers are not converted.
    target_unit : str
        The target's unit.
    pure_constants : bool
        Whether constants of a formula are pure numbers, which rules out far more: units then show products of the
        columns on which alone the law can depend. By default a constant can have any unit.
    warm_start : bool
        Whether to begin with the formulas of the fit before.
    n_jobs : int, optional
        Searches to run side by side, each with a seed of its own; joblib's backends spread them over machines.
    random_state : int, RandomState or None
        Seed of what is drawn.
    verbose : int
        Whether to show the front as it grows.

    Attributes
    ----------
    equations_ : Front
        Complexity, error, R2 and formula of each.
    equation_ : Equation
        The one that predicts.
    outliers_ : array of bool
        The rows that it leaves far more unexplained than the others.
    n_features_in_, feature_names_in_ :
        As in every estimator.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(1, 5, (300, 2))
    >>> law = SymbolicRegressor(random_state=0).fit(X, 3 * X[:, 0] / X[:, 1] ** 2)
    >>> law.sympy(), law.equations_.exact
    (3*x_1/x_2**2, True)
    """

    def __init__(
        self,
        *,
        functions: Iterable[str] | Mapping[str, Function] | None = None,
        max_complexity: int = 80,
        time_limit: float | None = 60.0,
        max_steps: int | None = None,
        selection: Rule = "best",
        loss: Loss = "squared",
        constants: Mapping[str, float] | None = None,
        units: Mapping[str, Any] | Sequence[Any] | None = None,
        target_unit: Any = "1",
        pure_constants: bool = False,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.functions = functions
        self.max_complexity = max_complexity
        self.time_limit = time_limit
        self.max_steps = max_steps
        self.selection = selection
        self.loss = loss
        self.constants = constants
        self.units = units
        self.target_unit = target_unit
        self.pure_constants = pure_constants
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "SymbolicRegressor":
        """Search for formulas of the columns of `X (rows, in)` that give `y (rows,)`.

        Raises
        ------
        InputError
            If an option makes no sense.
        ValueError
            If the data have the wrong shape, fewer than two rows, text, a NaN or an infinity.
        """
        X, y = validate_data(self, X, y, y_numeric=True, dtype=np.float64, ensure_min_samples=2)
        y = np.asarray(y, dtype=np.float64)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        if self.selection not in get_args(Rule):  # better said before the search than after it
            raise InputError(
                f"expected the selection 'best', 'accurate' or 'simple', got {self.selection!r}. Choose one."
            )
        generator = check_random_state(self.random_state)
        self._constants = dict(self.constants or {})
        settings = [self._settings(int(generator.randint(2**31))) for _ in range(_searches(self.n_jobs))]
        self.equations_ = Front.joined(self._run(X, y, self._counted(X, y, weight, settings[0].seed), settings))
        self.equation_ = self.equations_.choose(self.selection)
        self._mean = float(np.average(y, weights=weight))
        self.outliers_ = self._far(X, y)
        return self

    def _settings(self, seed: int) -> SearchSettings:
        start: Front | None = getattr(self, "equations_", None) if self.warm_start else None
        return SearchSettings(
            functions=self.functions,
            complexity=self.max_complexity,
            seconds=self.time_limit,
            steps=self.max_steps,
            seed=seed,
            start=start,
            constants=self._constants,
            dimensions=self._dimensions(),
        )

    def _dimensions(self) -> Dimensions | None:
        """Return the units of columns and target."""
        if self.units is None:
            return None
        names = self._names()
        if isinstance(self.units, Mapping):
            if self.units.keys() != set(names):
                raise InputError(f"expected a unit for each of {names}, got {sorted(self.units)}. Use '1' for numbers.")
            return Dimensions.of([self.units[name] for name in names], self.target_unit, self.pure_constants)
        if isinstance(self.units, str) or len(self.units) != len(names):
            raise InputError(
                f"expected {len(names)} units, one for each column, got {self.units!r}. Use '1' for numbers."
            )
        return Dimensions.of(self.units, self.target_unit, self.pure_constants)

    def _counted(self, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, seed: int) -> np.ndarray | None:
        """Return the weights of the rows, as the loss has them."""
        own = None if weight is None else torch.tensor(weight)
        found = counted(self.loss, torch.tensor(X), torch.tensor(y), own, seed)
        return None if found is None else found.numpy()

    def _far(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        errors = evaluate(self._numeric(), self._names(), X) - y
        far: np.ndarray = is_far(torch.tensor(np.nan_to_num(errors, nan=np.inf)), torch.tensor(y)).numpy()
        return far

    def _run(
        self, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, settings: list[SearchSettings]
    ) -> list[Front]:
        """Run the first search here, with its front shown, and the others elsewhere; Ctrl-C ends them all."""
        names = self._names()
        tasks = (delayed(search)(X, y, names=names, weight=weight, settings=chosen) for chosen in settings[1:])
        parallel = Parallel(n_jobs=self.n_jobs, return_as="generator")
        elsewhere: Generator[Front] = parallel(tasks) if settings[1:] else (front for front in list[Front]())
        with _Display(bool(self.verbose)) as watch:
            found = [search(X, y, names=names, weight=weight, settings=settings[0], watch=watch)]
        try:
            if found[0].stop != INTERRUPTED:
                found.extend(elsewhere)
        except KeyboardInterrupt:  # those that have ended count
            pass
        finally:
            elsewhere.close()
        return found

    def _names(self) -> list[str]:
        if hasattr(self, "feature_names_in_"):
            return [str(name) for name in self.feature_names_in_]
        return [f"x_{k + 1}" for k in range(self.n_features_in_)]

    def predict(self, X: Any) -> np.ndarray:
        """Return the chosen formula's values `(rows,)`.

        Where it is undefined (a root of a negative number, say) the mean of the targets stands in, with a warning.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        found = evaluate(self._numeric(), self._names(), X)
        undefined = ~np.isfinite(found)
        if undefined.any():
            warnings.warn(
                f"The formula is undefined at {int(undefined.sum())} of {len(found)} rows; the mean stands in there.",
                RuntimeWarning,
                stacklevel=2,
            )
            found = np.where(undefined, self._mean, found)
        return found

    def sympy(self) -> "Expr":
        """Return the chosen formula."""
        check_is_fitted(self)
        return self.equation_.expression

    def latex(self) -> str:
        """Return the chosen formula in LaTeX."""
        import sympy

        return str(sympy.latex(self.sympy()))

    @property
    def model_(self) -> KAN:
        """Return the chosen formula as a network of symbols, in float64."""
        check_is_fitted(self)
        return compile_formula(self._numeric(), self._names(), dtype=torch.float64)

    def _numeric(self) -> "Expr":
        """Return the chosen formula with numbers in place of the user's constants."""
        return self.equation_.expression.subs(self._constants)

    def report(self, X: Any, y: Any) -> Any:
        """Return a page that shows the formula's network with the data; see :func:`kanlens.report`."""
        from kanlens.pages import report

        X = validate_data(self, X, dtype=np.float64, reset=False)
        return report(self.model_, X, np.asarray(y, dtype=np.float64), names=self._names(), front=self.equations_)


def evaluate(expression: "Expr", names: list[str], X: np.ndarray) -> np.ndarray:
    """Return an expression's values `(rows,)` at points `(rows, in)`, NaN where it is not real."""
    import sympy

    function = sympy.lambdify([sympy.Symbol(name) for name in names], expression, ["scipy", "numpy"])
    with np.errstate(all="ignore"):
        values = np.asarray(function(*X.T))
    if np.iscomplexobj(values):
        values = np.where(np.abs(values.imag) > 1e-9 * np.abs(values.real), np.nan, values.real)
    return np.broadcast_to(values.astype(np.float64), len(X)).copy()


def _searches(n_jobs: int | None) -> int:
    """Return how many searches run side by side."""
    from joblib import effective_n_jobs

    if n_jobs == 0:
        raise InputError("expected n_jobs other than 0, got 0. Use 1, or -1 for all processors.")
    return 1 if n_jobs is None else int(effective_n_jobs(n_jobs))


class _Display:
    """Show a front in one line while it grows."""

    def __init__(self, shown: bool) -> None:
        self.shown = shown

    def __enter__(self) -> Callable[[Front], None] | None:
        from tqdm import tqdm

        self.bar = tqdm(disable=not self.shown, desc="formulas", bar_format="{desc}: {postfix} [{elapsed}]")
        return self._watch if self.shown else None

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def _watch(self, front: Front) -> None:
        best: Equation = front.choose()
        text = str(best.expression)
        self.bar.set_postfix_str(f"{len(front)} on the front, R2 {best.r2:.6f}: {text[:80]}")
        self.bar.update()
