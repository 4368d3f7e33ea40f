"""How precise splines get without any symbol: the accuracy tables of the KAN paper.

For each function 3,000 points are drawn, 15 % of them to choose by, and 3,000 others to report on. The network and its
shape are what :func:`kanlens.approximate` gives; where the paper gives the shape, only that one is trained, from
several starts. An MLP with as many parameters is trained on the same rows by the same method (Levenberg-Marquardt in
float64).
"""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import Table
from benchmarks.targets import FEYNMAN, KNOWN, KNOWN_SHAPE, SPECIAL, Target
from kanlens import KAN, LevenbergMarquardt
from kanlens.quadratic import Quadratic, Rows
from kanlens.selection import approximate

ROWS = 3000
STEPS = 30
LARGEST = 700
STARTS, STARTS_KNOWN = 2, 20


def known(seeds: int = 3) -> Table:
    """Measure the functions whose shape the paper gives."""
    return _table(KNOWN, seeds, with_mlp=False)


def special(seeds: int = 3) -> Table:
    """Measure the special functions."""
    return _table(SPECIAL, seeds)


def feynman_splines(seeds: int = 3) -> Table:
    """Measure Feynman's equations without units."""
    return _table(FEYNMAN, seeds)


def _table(targets: Sequence[Target], seeds: int, with_mlp: bool = True) -> Table:
    """Yield the median over the seeds for each function, then the geometric means."""
    found: list[dict[str, float]] = []
    for target in targets:
        runs = [_measure(target, seed, with_mlp) for seed in range(seeds)]
        row = {key: statistics.median(run[key] for run in runs) for key in runs[0] if key != "shape"}
        row["best_of"] = min(run["kan"] for run in runs)
        found.append(row)
        yield target.name, row | {"shapes": [run["shape"] for run in runs]}
    for key in {"kan", "best_of", "mlp"} & set(found[0]):
        yield f"geometric mean, {key}", math.exp(statistics.fmean(math.log(row[key]) for row in found))


def _measure(target: Target, seed: int, with_mlp: bool) -> dict[str, Any]:
    """Return the test RMSE of the network chosen by validation, and an MLP's."""
    x, y = target.sample(ROWS, seed)
    test = target.sample(ROWS, seed + 1000)
    held = ROWS * 15 // 100
    train, validation = (x[held:], y[held:]), (x[:held], y[:held])
    started = time.perf_counter()
    chosen = _best_kan(target, train, validation, seed)
    result = {
        "kan": _rmse(chosen, *test),
        "intervals": chosen.spec.basis.intervals,
        "parameters": _size(chosen),
        "seconds": time.perf_counter() - started,
        "shape": _shape(chosen),
    }
    if with_mlp:
        result["mlp"] = _rmse(_best_mlp(len(target.box), _size(chosen), train, validation, seed), *test)
    return result


Pair = tuple[Tensor, Tensor]


def _best_kan(target: Target, train: Pair, validation: Pair, seed: int) -> KAN:
    known = KNOWN_SHAPE.get(target.name)
    widths, starts = (None, STARTS) if known is None else ([known], STARTS_KNOWN)
    return approximate(*train, widths=widths, starts=starts, validation=validation, largest=LARGEST, seed=seed).model


def _shape(model: KAN) -> str:
    return str([(w.sums, len(w.products)) if w.products else w.sums for w in model.spec.widths])


def _size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@torch.no_grad()
def _rmse(model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> float:
    # below 1e-17 of 1 an error is an accident
    return max(float((model(x) - y).square().mean().sqrt()), 1e-17)


# --- the MLP beside it ---------------------------------------------------------------------


def _best_mlp(inputs: int, parameters: int, train: Pair, validation: Pair, seed: int) -> "_Standardised":
    """Return the better of two depths, each as large as the KAN and trained by the same method."""
    trained = []
    for depth in (2, 3):
        b, c = inputs + 1 + depth, 1 - parameters
        width = round((-b + math.sqrt(b * b - 4 * (depth - 1) * c)) / (2 * (depth - 1)))
        trained.append(_fit_mlp([inputs, *[max(2, width)] * depth, 1], train, seed))
    return min(trained, key=lambda model: _rmse(model, *validation))


class _Standardised(nn.Module):
    """Wrap an MLP so that it sees inputs and outputs of mean 0 and deviation 1."""

    def __init__(self, widths: Sequence[int], x: Tensor, y: Tensor) -> None:
        super().__init__()
        self.centre, self.scale, self.mean, self.unit = x.mean(0), x.std(0), y.mean(), y.std()
        steps: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            steps += [nn.Linear(before, after, dtype=torch.float64), nn.Tanh()]
        self.body = nn.Sequential(*steps[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return self.mean + self.unit * self.body((x - self.centre) / self.scale)


class _LeastSquares:
    """Offer any module's squared error to the library's solvers; the Jacobian by torch.func."""

    def __init__(self, model: nn.Module, x: Tensor, y: Tensor) -> None:
        self.model, self.x, self.y, self.root = model, x, y, 1 / (len(x) ** 0.5 * float(y.std()))
        self.names = {name: parameter.shape for name, parameter in model.named_parameters()}

    def _one(self, theta: Tensor, x: Tensor) -> Tensor:
        pieces = theta.split([shape.numel() for shape in self.names.values()])
        named = {name: piece.view(shape) for (name, shape), piece in zip(self.names.items(), pieces, strict=True)}
        return torch.func.functional_call(self.model, named, (x[None],))[0] * self.root

    def value(self, theta: Tensor) -> float:
        with torch.no_grad():
            return float((torch.func.vmap(self._one, (None, 0))(theta, self.x) - self.y * self.root).square().sum())

    def gradient(self, theta: Tensor) -> tuple[float, Tensor]:
        model = self.quadratic(theta)
        return model.value, model.gradient

    def quadratic(self, theta: Tensor) -> Quadratic:
        with torch.no_grad():
            rows = torch.func.vmap(torch.func.jacrev(self._one), (None, 0))(theta, self.x).flatten(0, 1)
            outputs = torch.func.vmap(self._one, (None, 0))(theta, self.x)
        return Rows(rows, (outputs - self.y * self.root).flatten())


def _fit_mlp(widths: Sequence[int], train: Pair, seed: int) -> _Standardised:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _Standardised(widths, *train)
    theta = nn.utils.parameters_to_vector(model.parameters()).detach()
    solution = LevenbergMarquardt(steps=4 * STEPS).minimise(_LeastSquares(model, *train), theta)
    nn.utils.vector_to_parameters(solution.theta, model.parameters())
    return model
