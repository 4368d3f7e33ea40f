"""One contestant's part in the comparison with pykan: `python contest.py CONTESTANT TASK ARGUMENTS`.

The interpreters of both environments run this file, with JSON in and out. So it imports neither library before it
knows its contestant: in one `kan` is pykan, in the other the package of that name that comes with kanlens.

Time is that of the processor, on one thread: wall clock where a process has a core to itself, and hardly longer where
it has not.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

LIBRARY = ["x", "x^2", "x^3", "x^4", "exp", "log", "sqrt", "tanh", "sin", "abs"]


class ReachedError(Exception):
    """End pykan's training from within."""


class Watch:
    """Measure the test error after each step, until it is low enough or time is up; the clock stands meanwhile."""

    def __init__(self, target: float, limit: float, x: Tensor, y: Tensor) -> None:
        self.target, self.limit, self.x, self.y = target, limit, x, y
        self.best, self.steps, self.seconds = float("inf"), 0, 0.0
        self.started = time.process_time()
        self.looking = 0.0

    @torch.no_grad()
    def look(self, model: Callable[[Tensor], Tensor]) -> bool:
        """Note the error and tell whether to stop."""
        now = time.process_time()
        self.seconds = now - self.started - self.looking
        self.steps += 1
        self.best = min(self.best, float((model(self.x) - self.y).square().mean().sqrt()))
        self.looking += time.process_time() - now
        return self.best < self.target or self.seconds > self.limit

    def result(self) -> dict[str, object]:
        return {"reached": self.best < self.target, "seconds": self.seconds, "steps": self.steps, "rmse": self.best}


def data(seed: int, rows: int = 1000) -> tuple[Tensor, Tensor]:
    """Return rows of the tutorial's function, in float64."""
    x = 2 * torch.rand(rows, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1
    return x, torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)


def precision_of_pykan(
    seed: int, grids: list[int], coarse: int, update_grid: bool, target: float, limit: float
) -> dict[str, object]:
    """Train with L-BFGS and no penalty: `coarse` steps on each grid but the last, and there until the end."""
    from kan import KAN

    # float32 is pykan's default, and reached the target sooner than float64 in trials
    (x, y), (test_x, test_y) = ([part.float() for part in data(s)] for s in (seed, seed + 1000))
    dataset = {"train_input": x, "train_label": y, "test_input": test_x, "test_label": test_y}
    watch = Watch(target, limit, test_x, test_y)
    model = KAN(width=[2, 5, 1], grid=grids[0], k=3, seed=seed)

    def look() -> Tensor:  # pykan calls a metric after each step
        if watch.look(model):
            raise ReachedError
        return torch.zeros(())

    try:
        for number, grid in enumerate(grids):
            model = model.refine(grid) if number else model
            steps = coarse if number < len(grids) - 1 else 10_000
            model.fit(dataset, opt="LBFGS", steps=steps, lamb=0.0, update_grid=update_grid, metrics=[look])
    except ReachedError:
        pass
    return watch.result()


def precision_of_kanlens(seed: int, intervals: int, target: float, limit: float) -> dict[str, object]:
    """Train by the defaults."""
    from kanlens import KAN, BSpline, fit

    (x, y), (test_x, test_y) = data(seed), data(seed + 1000)
    watch = Watch(target, limit, test_x, test_y)
    model = KAN([2, 5, 1], basis=BSpline(3, intervals), seed=seed)
    fit(model, x, y, callback=lambda _step, _objective, work: watch.look(work))
    return watch.result()


def layer_of_pykan() -> float:
    """Time pykan's layer without its symbolic half."""
    from kan.KANLayer import KANLayer

    layer = KANLayer(64, 64, num=5, k=3)
    return _milliseconds(layer, lambda x: layer(x)[0])


def layer_of_kanlens() -> float:
    """Time the layer by torch's operations, with the same residual function as pykan's."""
    from kanlens import BSpline, KANLayer

    layer = KANLayer(64, 64, basis=BSpline(3, 5), residual="silu")
    return _milliseconds(layer, layer)


def _milliseconds(layer: nn.Module, forward: Callable[[Tensor], Tensor]) -> float:
    """Return the median time of a forward and a backward pass over 1,024 rows in float32."""
    x = 2 * torch.rand(1024, 64, generator=torch.Generator().manual_seed(0)) - 1
    taken = []
    for _ in range(22):
        started = time.process_time()
        forward(x).square().mean().backward()
        taken.append(1e3 * (time.process_time() - started))
        layer.zero_grad()
    return statistics.median(taken[2:])


def workflow(seed: int, grid: int, penalty: dict[str, float], steps: list[int]) -> dict[str, object]:
    """Make pykan's calls, on pykan or on the package of its name."""
    from kan import KAN, create_dataset

    started = time.process_time()
    model = KAN(width=[2, 5, 1], grid=grid, k=3, seed=seed)
    dataset = create_dataset(lambda x: torch.exp(torch.sin(torch.pi * x[:, [0]]) + x[:, [1]] ** 2), n_var=2, seed=seed)
    model.fit(dataset, opt="LBFGS", steps=steps[0], **penalty)
    model = model.prune()
    model.fit(dataset, opt="LBFGS", steps=steps[1])
    model.auto_symbolic(lib=LIBRARY, verbose=0)
    formula = model.symbolic_formula()[0][0]
    return {"formula": str(formula), "seconds": time.process_time() - started}


TASKS: dict[tuple[str, str], Callable[..., object]] = {
    ("pykan", "precision"): precision_of_pykan,
    ("kanlens", "precision"): precision_of_kanlens,
    ("pykan", "layer"): layer_of_pykan,
    ("kanlens", "layer"): layer_of_kanlens,
    ("pykan", "workflow"): workflow,
    ("kanlens", "workflow"): workflow,
}


def main(contestant: str, task: str, arguments: str) -> None:
    """Run a task and print its result as the last line."""
    torch.set_num_threads(1)
    options: dict[str, Any] = json.loads(arguments)
    print(json.dumps(TASKS[contestant, task](**options)))


if __name__ == "__main__":
    main(*sys.argv[1:])
