"""Networks of splines for ordinary tables, as scikit-learn estimators that choose their own settings."""

from collections.abc import Iterable
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from kanlens.data import table
from kanlens.errors import InputError
from kanlens.losses import LOSSES
from kanlens.network import KAN
from kanlens.preparation import Floats, Preparation, categorical, read
from kanlens.specs import spec_from_json, spec_to_json
from kanlens.tuning import BENDS, HIDDEN, INTERVALS, SLOPES, Plan, Rows, Trial, Tuning

Auto = Literal["auto"]

FEWEST = 10
"""Different rows from which some are held out; below, the smoothest sum of one-variable functions is taken."""


class _KANEstimator(BaseEstimator):  # type: ignore[misc]
    """Prepare tables, choose a network, and keep it; what it is for is the subclass's matter."""

    def __init__(
        self,
        *,
        hidden: Iterable[int] | Auto = "auto",
        intervals: int | Auto = "auto",
        bends: float | Auto = "auto",
        slopes: float | Auto = "auto",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.hidden = hidden
        self.intervals = intervals
        self.bends = bends
        self.slopes = slopes
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    # --- fitting ---------------------------------------------------------------------------

    def _fit(self, raw: Floats, y: Floats, weight: Floats, labels: NDArray[np.intp], outputs: int, loss: str) -> Trial:
        """Choose and train the network `model_` for rows with targets or class numbers `(rows, columns)`."""
        rows = Rows(torch.from_numpy(self._preparation.apply(raw)), torch.from_numpy(y), torch.from_numpy(weight))
        seed = int(check_random_state(self.random_state).randint(2**31))
        tuning = Tuning(rows, labels, outputs, loss, seed)
        start, axes = self._choices()
        untried = Trial(start, float("nan"), float("nan"), 10, (), ())
        trial = tuning.best(start, axes) if len(rows) >= FEWEST else untried
        self.model_ = tuning.final(trial)
        self.plan_ = trial.plan
        self.validation_error_ = trial.error
        return trial

    def _choices(self) -> tuple[Plan, dict[str, Any]]:
        """Return the plan to start from, and what is tried of each setting that is left open."""
        start, axes = Plan(), {"hidden": HIDDEN, "intervals": INTERVALS, "bends": BENDS, "slopes": SLOPES}
        given: dict[str, Any] = {}
        for name in axes:
            value = getattr(self, name)
            if isinstance(value, str):
                if value != "auto":
                    raise InputError(
                        f"expected {name} as 'auto' or a value, got {value!r}. Leave it at 'auto' if in doubt."
                    )
                continue
            given[name] = _checked(name, value)
            axes[name] = (given[name],)
        return Plan(**{**vars(start), **given}), axes

    def _table(self, X: Any, y: Any = None, *, reset: bool, **options: Any) -> Any:
        """Return the columns as scikit-learn checks them, and the targets where there are any."""
        targets = {} if y is None and not reset else {"y": y}
        options |= {"dtype": None, "ensure_all_finite": "allow-nan", "reset": reset}
        return validate_data(self, X, **targets, **options)

    def _begin(self, X: Any, checked: NDArray[Any], y: Floats, sample_weight: Any) -> tuple[Floats, Floats, Floats]:
        """Measure the columns; return different rows in order, their targets, and the weights that add up in them.

        So a row of weight 2 is the same as that row twice, the order of the rows does not matter, and no row is both
        learnt from and held out.
        """
        weight = _check_sample_weight(sample_weight, checked, dtype=np.float64, ensure_non_negative=True)
        heavy = weight > 0
        if not heavy.any():
            raise InputError("expected weights that are not all 0. Leave out rows that do not count.")
        raw, levels = read(checked, categorical(X))
        if np.isinf(raw).any():
            raise InputError("expected finite numbers, got infinity. Drop or fill those rows.")
        both, place = np.unique(np.column_stack([raw, y])[heavy], axis=0, return_inverse=True, equal_nan=True)
        total = np.bincount(place.ravel(), weights=weight[heavy]).astype(np.float64)
        raw, y = both[:, : raw.shape[1]], both[:, raw.shape[1] :]
        self._preparation = Preparation.of(raw, levels, total)
        return raw, y, total

    # --- using -----------------------------------------------------------------------------

    def prepare(self, X: Any) -> Floats:
        """Return the inputs `(rows, in)` that `model_` gets for a table, as `plot` wants them."""
        check_is_fitted(self, "model_")
        checked = self._table(X, reset=False)
        raw, _ = read(checked, known=self._preparation.levels)
        if np.isinf(raw).any():
            raise InputError("expected finite numbers, got infinity. Drop or fill those rows.")
        return self._preparation.apply(raw)

    @property
    def inputs_(self) -> list[str]:
        """Return the names of the inputs of `model_`."""
        names = getattr(self, "feature_names_in_", [f"x_{k + 1}" for k in range(self.n_features_in_)])
        return self._preparation.names(list(map(str, names))) or ["nothing"]

    def _outputs(self, X: Any) -> Floats:
        with torch.no_grad():
            found: Floats = self.model_(table(self.prepare(X), len(self.inputs_), "inputs")).numpy()
        return found

    # --- pickling: arrays and JSON ---------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "model_" in state:
            model: KAN = state["model_"]
            arrays = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
            state["model_"] = {"spec": spec_to_json(model.spec), "arrays": arrays}
            state["plan_"] = vars(self.plan_).copy()
        if "_preparation" in state:
            state["_preparation"] = self._preparation.record()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if "model_" in state:
            spec = spec_from_json(state["model_"]["spec"])
            model = KAN(spec.widths, basis=spec.basis, residual=spec.residual, dtype=torch.float64)
            model.load_state_dict({name: torch.tensor(array) for name, array in state["model_"]["arrays"].items()})
            state["model_"], state["plan_"] = model, Plan(**state["plan_"])
        if "_preparation" in state:
            state["_preparation"] = Preparation.read(state["_preparation"])
        super().__setstate__(state)


class KANRegressor(MultiOutputMixin, RegressorMixin, _KANEstimator):  # type: ignore[misc]
    r"""Predict numbers from a table by a network of splines that chooses its own width, grid and smoothness.

    Columns are scaled by their quartiles; categories (text, or declared as such in a frame) get an input each; missing
    numbers are filled by the median and flagged. Splines are pulled towards straight lines, and how strongly is chosen
    by rows that are held out, beginning with a sum of one-variable functions,
    :math:`y = \sum_i \varphi_i(x_i)`. A network with hidden nodes is taken where it does better. In the end the network
    is trained on all rows.

    Parameters
    ----------
    hidden : sequence of int or "auto"
        Widths of the hidden layers, `()` for none.
    intervals : int or "auto"
        Pieces of each spline.
    bends, slopes : float or "auto"
        How strongly splines are pulled towards straight lines, and towards constants; see
        :class:`kanlens.smoothness.Smoothness`.
    random_state : int, RandomState or None
        Seed of the starting point and of what is held out.

    Attributes
    ----------
    model_ : KAN
        The network, from the columns as :meth:`prepare` gives them to targets in their own units.
    inputs_ : list of str
        Names of its inputs.
    plan_ : Plan
        What was chosen.
    validation_error_ : float
        Mean squared error on held-out rows, in variances of the targets; NaN where there were too few.
    n_features_in_, feature_names_in_ :
        As in every estimator.

    Notes
    -----
    A row of weight 2 is the same as that row twice, in the scaling and in what is held out, too. Values beyond a
    column's range by more than a tenth of it are taken as if they were there.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, (200, 3))
    >>> model = KANRegressor().fit(X, np.sin(3 * X[:, 0]) + X[:, 1] ** 2)
    >>> model.score(X, np.sin(3 * X[:, 0]) + X[:, 1] ** 2) > 0.99
    True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from `X (rows, in)` and `y (rows,)` or `(rows, targets)`.

        Raises
        ------
        ValueError
            If the data have the wrong shape, or an infinity, or there are targets missing.
        """
        checked, y = self._table(X, y, reset=True, multi_output=True, y_numeric=True)
        targets = np.asarray(y, dtype=np.float64)
        self._flat = targets.ndim == 1
        raw, targets, weight = self._begin(X, checked, targets.reshape(len(targets), -1), sample_weight)
        centre = np.average(targets, axis=0, weights=weight)
        spread = np.sqrt(np.average((targets - centre) ** 2, axis=0, weights=weight))
        unit = np.where(spread > 1e-12 * np.abs(centre), spread, 1.0)
        labels = np.zeros(len(raw), dtype=np.intp)
        self._fit(raw, (targets - centre) / unit, weight, labels, targets.shape[1], "squared_error")
        _rescale(self.model_, unit * (spread > 1e-12 * np.abs(centre)), centre)
        return self

    def predict(self, X: Any) -> Floats:
        """Return the targets of `X (rows, in)`, of the shape that they had in `fit`."""
        check_is_fitted(self, "model_")
        found = self._outputs(X)
        return found[:, 0] if self._flat else found


class KANClassifier(ClassifierMixin, _KANEstimator):  # type: ignore[misc]
    """Predict classes and their probabilities from a table by a network of splines that chooses its own settings.

    The network gives the logarithm of the odds of two classes, or an output for each of several. Probabilities are
    calibrated: the outputs are divided by the temperature that makes them most likely on rows that were held out.
    All else is as in :class:`KANRegressor`, and so are the parameters.

    Attributes
    ----------
    model_ : KAN
        The network, from the columns as :meth:`prepare` gives them to log-odds.
    classes_ : array
        The classes, in the order of the probabilities.
    temperature_ : float
        What the outputs were divided by.
    inputs_, plan_, validation_error_, n_features_in_, feature_names_in_ :
        As in :class:`KANRegressor`; the error is the cross-entropy.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, (200, 2))
    >>> model = KANClassifier().fit(X, np.where(np.hypot(*X.T) < 0.7, "in", "out"))
    >>> str(model.predict([[0.0, 0.0]])[0]), model.predict_proba([[0.0, 0.0]]).shape
    ('in', (1, 2))

    References
    ----------
    C. Guo et al., *On Calibration of Modern Neural Networks* (2017), for the temperature.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from `X (rows, in)` and classes `y (rows,)`.

        Raises
        ------
        ValueError
            If the data have the wrong shape, or an infinity, or there are fewer than two classes.
        """
        checked, y = self._table(X, y, reset=True)
        check_classification_targets(y)
        if sample_weight is not None:  # a class without weight is none
            sample_weight = _check_sample_weight(sample_weight, checked, dtype=np.float64, ensure_non_negative=True)
            kept = sample_weight > 0
            self.classes_ = np.unique(y[kept]) if kept.any() else np.unique(y)
        else:
            self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise InputError(f"expected at least two classes, got one class: {self.classes_[0]!r}. Add rows of others.")
        numbers = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1).astype(np.float64)
        raw, found, weight = self._begin(X, checked, numbers[:, None], sample_weight)
        several = len(self.classes_) > 2
        outputs, loss = (len(self.classes_), "cross_entropy") if several else (1, "logistic")
        trial = self._fit(raw, found, weight, found[:, 0].astype(np.intp), outputs, loss)
        self.temperature_ = _temperature(trial, loss)
        _rescale(self.model_, np.full(outputs, 1 / self.temperature_), np.zeros(outputs))
        return self

    def decision_function(self, X: Any) -> Floats:
        """Return the log-odds `(rows,)` of the second of two classes, or the outputs `(rows, classes)` of several."""
        check_is_fitted(self, "model_")
        found = self._outputs(X)
        return found[:, 0] if len(self.classes_) == 2 else found

    def predict_proba(self, X: Any) -> Floats:
        """Return the probabilities `(rows, classes)`."""
        found = torch.from_numpy(self.decision_function(X))
        if len(self.classes_) == 2:
            found = torch.stack([torch.zeros_like(found), found], 1)
        probabilities: Floats = found.softmax(1).numpy()
        return probabilities

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most likely classes `(rows,)`."""
        found = self.decision_function(X)
        chosen = (found > 0).astype(np.intp) if found.ndim == 1 else found.argmax(1)
        classes: NDArray[Any] = self.classes_[chosen]
        return classes


def _checked(name: str, value: Any) -> Any:
    """Return the value of a setting, or say what is wrong with it."""
    if name == "hidden":
        widths = tuple(value) if isinstance(value, Iterable) else (value,)
        if not all(isinstance(width, int | np.integer) and width > 0 for width in widths):
            raise InputError(f"expected hidden as widths of at least 1, got {value!r}. Use (4,), or () for none.")
        return tuple(int(width) for width in widths)
    if name == "intervals":
        if not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"expected intervals as an integer of at least 1, got {value!r}. Use 5.")
        return int(value)
    if not np.isreal(value) or not 0 <= value < np.inf:
        raise InputError(f"expected {name} as a number of at least 0, got {value!r}. Use 1.0.")
    return float(value)


@torch.no_grad()
def _rescale(model: KAN, unit: Floats, centre: Floats) -> None:
    """Multiply the outputs by units and add centres, which splines can take in: their basis sums to one."""
    last = model.layers[-1]
    last.coef.mul_(torch.from_numpy(unit)[:, None, None])
    last.coef.add_(torch.from_numpy(centre)[:, None, None] / last.in_features)


def _temperature(trial: Trial, loss: str) -> float:
    """Return what to divide outputs by, so that held-out rows are most likely; 1 where there were none."""
    if not trial.held:
        return 1.0
    outputs = torch.cat(list(trial.outputs))
    measure = LOSSES[loss]
    y = measure.targets(torch.cat([rows.y for rows in trial.held]), outputs.shape[1])
    weight = torch.cat([rows.weight for rows in trial.held])[:, None]
    share = weight / weight.sum()
    found = minimize_scalar(
        lambda logarithm: float(measure.value(outputs * float(np.exp(-logarithm)), y, share)),
        bounds=(-1.0, 3.0),
        method="bounded",
    )
    return float(np.exp(found.x))
