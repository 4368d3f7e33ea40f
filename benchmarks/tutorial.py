"""The tutorial's calls on pykan's door, as a function of seed, formula and settings."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import sympy
import torch
from torch import Tensor

from kanlens import KanlensError

mpl.use("Agg")

TUTORIAL_LIBRARY = ["x", "x^2", "x^3", "x^4", "exp", "log", "sqrt", "tanh", "sin", "abs"]


@dataclass(frozen=True)
class Problem:
    """Hold a formula as text, and how a person would set the tutorial up for it."""

    formula: str
    variables: int
    width: tuple[int, ...]
    low: float = -1.0
    high: float = 1.0
    library: Sequence[str] | None = tuple(TUTORIAL_LIBRARY)

    def truth(self) -> sympy.Expr:
        """Return the formula as an expression in `x_1, x_2, ...`."""
        return sympy.sympify(self.formula, locals={f"x_{k}": sympy.Symbol(f"x_{k}") for k in range(1, 9)})

    def function(self) -> Callable[[Tensor], Tensor]:
        """Return the formula as a function of a tensor `(rows, variables)`."""
        symbols = [sympy.Symbol(f"x_{k}") for k in range(1, self.variables + 1)]
        # sympy's own printer writes torch code; the text is this file's, not a user's
        compiled = sympy.lambdify(symbols, self.truth(), modules=[{"Abs": torch.abs, "pi": torch.pi}, torch])
        return lambda x: compiled(*x.T)[:, None]


TUTORIAL = Problem("exp(sin(pi*x_1) + x_2**2)", 2, (2, 5, 1))


@dataclass(frozen=True)
class Run:
    """Hold the outcome of one run of the tutorial."""

    formula: str
    exact: bool
    same_shape: bool
    seconds: float


def run(
    problem: Problem,
    seed: int,
    *,
    manual: bool = False,
    noise: float = 0.0,
    grid: int = 5,
    k: int = 3,
) -> Run:
    """Make the tutorial's calls, plots included, and judge the formula at the end."""
    from kan import KAN, create_dataset

    started = time.perf_counter()
    model = KAN(width=list(problem.width), grid=grid, k=k, seed=seed)
    dataset = create_dataset(problem.function(), n_var=problem.variables, ranges=[problem.low, problem.high], seed=seed)
    if noise:
        labels = dataset["train_label"]
        generator = torch.Generator().manual_seed(10_000 + seed)  # independent of the inputs
        dataset["train_label"] = labels + noise * labels.std() * torch.randn(
            labels.shape, generator=generator, dtype=labels.dtype
        )
    model(dataset["train_input"])
    model.plot(beta=100)
    model.train(dataset, opt="LBFGS", steps=20, lamb=0.01, lamb_entropy=10.0)
    model.plot()
    model.prune()
    model.plot(mask=True)
    model = model.prune()
    model(dataset["train_input"])
    model.plot()
    model.train(dataset, opt="LBFGS", steps=50)
    model.plot()
    _name(model, problem, manual)
    try:
        found = model.symbolic_formula()[0][0]
    except KanlensError:  # edges are left that the three fixed by hand are not
        found = sympy.nan
    seconds = time.perf_counter() - started
    truth = problem.truth()
    return Run(str(found), is_same(found, truth), shape_of(found) == shape_of(truth), seconds)


def _name(model: Any, problem: Problem, manual: bool) -> None:
    if manual:
        model.fix_symbolic(0, 0, 0, "sin", verbose=False)
        model.fix_symbolic(0, 1, 0, "x^2", verbose=False)
        model.fix_symbolic(1, 0, 0, "exp", verbose=False)
    else:
        model.auto_symbolic(lib=problem.library, verbose=0)


def is_same(found: sympy.Expr, truth: sympy.Expr) -> bool:
    """Tell whether two expressions are equal, exactly: no decimal constant may be left."""
    if found.atoms(sympy.Float):
        return False
    return bool(found == truth or sympy.simplify(found - truth) == 0)


def shape_of(expression: sympy.Expr) -> sympy.Expr:
    """Return an expression with decimals replaced by the simple constants within 3 % of them."""
    decimals = expression.atoms(sympy.Float)
    rounded = {number: sympy.nsimplify(number, [sympy.pi], tolerance=0.03) for number in decimals}
    return sympy.simplify(expression.subs(rounded))
