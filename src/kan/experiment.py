"""pykan's experiment: how small and how precise a network gets by pruning and refining in turn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kan.model import KAN
from kanlens.data import Array


def runner1(
    width: Sequence[Any],
    dataset: Mapping[str, Array],
    grids: Sequence[int] = (5, 10, 20),
    steps: int = 20,
    lamb: float = 0.001,
    prune_round: int = 3,
    refine_round: int = 3,
    edge_th: float = 1e-2,
    node_th: float = 1e-2,
    metrics: Sequence[Callable[[KAN, Mapping[str, Array]], Any]] | None = None,
    seed: int = 1,
) -> dict[str, np.ndarray]:
    """Train, prune and refine, and return what each model reached.

    Returns
    -------
    dict
        `test_loss`, `c` (edges), `G` (grid intervals), `id` (versions) and the metrics, one value for each model.
    """
    found: dict[str, list[Any]] = {"test_loss": [], "c": [], "G": [], "id": []}

    def record(model: KAN) -> None:
        measured = model.evaluate(dataset)
        row = {"test_loss": measured["test_loss"], "c": measured["n_edge"], "G": measured["n_grid"]}
        row |= {"id": f"{model.round}.{model.state_id}"}
        row |= {getattr(metric, "__name__", "metric"): metric(model, dataset) for metric in metrics or ()}
        for name, value in row.items():
            found.setdefault(name, []).append(value)

    model = KAN(width=width, grid=grids[0], k=3, seed=seed)
    for number in range(prune_round):
        model.fit(dataset, steps=steps, lamb=lamb)
        record(model)
        if number < prune_round - 1:
            model = model.prune(node_th=node_th, edge_th=edge_th)
    for number, grid in enumerate(grids[: refine_round + 1]):
        model = model if number == 0 else model.refine(grid)
        model.fit(dataset, steps=steps)
        record(model)
    return {name: np.array(values) for name, values in found.items()}


def pareto_frontier(x: Array, y: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the points that no other point beats in both coordinates, by rising x, and their numbers.

    Examples
    --------
    >>> pareto_frontier(np.array([1.0, 2.0, 3.0]), np.array([3.0, 1.0, 2.0]))[2]
    array([0, 1])
    """
    first, second = np.asarray(x), np.asarray(y)
    order = np.lexsort((second, first))
    best = np.minimum.accumulate(np.concatenate([[np.inf], second[order][:-1]]))
    front = order[second[order] < best]
    return first[front], second[front], front
