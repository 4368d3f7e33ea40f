"""One search of another library for a formula: `python rivals.py NAME DATA SECONDS SEED`, JSON out.

The interpreter of the peers' environment runs this file, in which kanlens is not installed; so it imports nothing of
it, and each peer only where it runs. Each is set up as its documentation does for regression, with the functions that
occur in textbooks, on one thread. Formulas come out as text in Python's syntax, all of a front where there is one.
"""

import contextlib
import json
import random
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

NAMES = "x_{}"


class TimeIsUpError(Exception):
    """End a peer that has no limit of its own."""


def gplearn(x: np.ndarray, y: np.ndarray, seconds: float, seed: int) -> list[str]:
    """Let generations go by until time is up."""
    from gplearn.functions import make_function
    from gplearn.genetic import SymbolicRegressor

    def exponential(u: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.where(u < 100, np.exp(u), 0.0)

    began = time.monotonic()
    names = [NAMES.format(k) for k in range(x.shape[1])]
    functions = ("add", "sub", "mul", "div", "sqrt", "log", "neg", "inv", "sin", "cos")
    model = SymbolicRegressor(
        population_size=1000,
        generations=1,
        function_set=(*functions, make_function(function=exponential, name="exp", arity=1)),
        parsimony_coefficient=0.001,
        feature_names=names,
        warm_start=True,
        random_state=seed,
    )
    generation = 0.0
    while time.monotonic() - began + generation < seconds:  # a generation that would end too late is not begun
        before = time.monotonic()
        model.fit(x, y)
        model.set_params(generations=model.generations + 1)
        generation = time.monotonic() - before
    return [str(model._program)]


def pyoperon(x: np.ndarray, y: np.ndarray, seconds: float, seed: int) -> list[str]:
    """Evolve with constants fitted by least squares, for error and length."""
    from pyoperon.sklearn import SymbolicRegressor

    model = SymbolicRegressor(
        allowed_symbols="add,sub,mul,div,square,sqrt,exp,log,sin,cos,tanh,asin,constant,variable",
        objectives=["r2", "length"],
        optimizer_iterations=10,
        max_length=50,
        population_size=1000,
        pool_size=1000,
        generations=10**6,
        max_evaluations=10**9,
        max_time=int(seconds),
        n_threads=1,
        random_state=seed,
    )
    model.fit(x, y)
    names = [NAMES.format(k) for k in range(x.shape[1])]
    trees = [model.model_, *(entry["tree"] for entry in model.pareto_front_)]
    return [model.get_model_string(tree, 17, names) for tree in trees]


def rils_rols(x: np.ndarray, y: np.ndarray, seconds: float, seed: int) -> list[str]:
    """Search locally, with linear constants by least squares."""
    from rils_rols.rils_rols import RILSROLSRegressor

    model = RILSROLSRegressor(max_fit_calls=10**8, max_time=int(seconds), random_state=seed)
    model.fit(x, y)
    return [re.sub(r"\bx(\d+)", r"x_\1", str(model.model_string()))]


def physo(x: np.ndarray, y: np.ndarray, seconds: float, seed: int) -> list[str]:
    """Learn to write formulas, by the faster of its configurations and without units."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    import physo as library

    log = library.learn.monitoring.RunLogger(save_path=None, do_save=False)
    _alarm(seconds)
    with contextlib.suppress(TimeIsUpError):
        library.SR(
            x.T,
            y,
            X_names=[NAMES.format(k) for k in range(x.shape[1])],
            fixed_consts=[1.0],
            free_consts_names=["c1", "c2"],
            op_names=["mul", "add", "sub", "div", "inv", "n2", "sqrt", "neg", "exp", "log", "sin", "cos"],
            get_run_logger=lambda: log,
            get_run_visualiser=lambda: library.learn.monitoring.RunVisualiser(
                epoch_refresh_rate=10**9, save_path=None, do_show=False, do_prints=False, do_save=False
            ),
            run_config=library.config.config0.config0,
            stop_reward=1 - 1e-9,
            parallel_mode=False,
        )
    signal.alarm(0)
    if not hasattr(log, "pareto_rewards"):
        return []
    _, programs, _, _ = log.get_pareto_front()
    return [str(p.get_infix_sympy(evaluate_consts=True)[0]) for p in reversed(programs)]


def pykan(x: np.ndarray, y: np.ndarray, _seconds: float, seed: int) -> list[str]:
    """Follow the tutorial, however long it takes: train, prune, train, set symbols, train again, read the formula."""
    import torch

    from kan import KAN

    torch.set_num_threads(1)
    inputs, targets = torch.from_numpy(x).float(), torch.from_numpy(y).float()[:, None]
    data = {"train_input": inputs, "train_label": targets, "test_input": inputs, "test_label": targets}
    library = ["x", "x^2", "x^3", "1/x", "1/x^2", "sqrt", "exp", "log", "sin", "cos", "tanh"]
    model = KAN(width=[x.shape[1], 5, 1], grid=5, k=3, seed=seed, auto_save=False)
    model.fit(data, opt="LBFGS", steps=20, lamb=0.01, lamb_entropy=10.0)
    model = model.prune()
    model.fit(data, opt="LBFGS", steps=50)
    model.auto_symbolic(lib=library, verbose=0)
    model.fit(data, opt="LBFGS", steps=50)
    formula = str(model.symbolic_formula()[0][0])
    return [re.sub(r"\bx_(\d+)", lambda found: NAMES.format(int(found[1]) - 1), formula)]  # pykan counts from one


def _alarm(seconds: float) -> None:
    def ring(*_: object) -> None:
        raise TimeIsUpError

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(int(seconds))


RIVALS: dict[str, Callable[[np.ndarray, np.ndarray, float, int], list[str]]] = {
    "pyoperon": pyoperon,
    "rils-rols": rils_rols,
    "gplearn": gplearn,
    "physo": physo,
    "pykan": pykan,
}


def main(name: str, data: str, seconds: str, seed: str) -> None:
    """Search, and print the formulas and the time as the last line."""
    warnings.simplefilter("ignore")
    random.seed(int(seed))
    np.random.seed(int(seed))  # noqa: NPY002  # where the peers draw from
    rows = np.load(data)
    began = time.perf_counter()
    answer: dict[str, Any] = {"formulas": RIVALS[name](rows[:, :-1], rows[:, -1], float(seconds), int(seed))}
    print(json.dumps(answer | {"seconds": round(time.perf_counter() - began, 1)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
