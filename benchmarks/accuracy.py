"""How precise the second-order method gets on the tutorial's function, and how fast."""

import statistics
import time

import torch

from benchmarks import Table
from kanlens import KAN, LevenbergMarquardt, fit, refine


def second_order(seeds: int = 10) -> Table:
    """Fit KAN([2, 5, 1]) to 1,000 points, then refine it to 20 intervals; test error and seconds."""
    coarse, fine, seconds = [], [], []
    for seed in range(seeds):
        x, y = _data(seed)
        test_x, test_y = _data(seed + 1000)
        model = KAN([2, 5, 1], seed=seed, dtype=torch.float64)
        started = time.perf_counter()
        fit(model, x, y, solver=LevenbergMarquardt(steps=50))
        seconds.append(time.perf_counter() - started)
        coarse.append(_error(model, test_x, test_y))
        model = refine(model, x, intervals=20)
        fit(model, x, y, solver=LevenbergMarquardt(steps=200))
        fine.append(_error(model, test_x, test_y))
    yield "test RMSE, 5 intervals", {"median": statistics.median(coarse), "worst": max(coarse)}
    yield "seconds, 5 intervals", {"median": statistics.median(seconds), "worst": max(seconds)}
    yield "test RMSE, 20 intervals", {"median": statistics.median(fine), "worst": max(fine)}


def _data(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = 2 * torch.rand(1000, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1
    return x, torch.exp(torch.sin(torch.pi * x[:, :1]) + x[:, 1:] ** 2)


@torch.no_grad()
def _error(model: KAN, x: torch.Tensor, y: torch.Tensor) -> float:
    return float((model(x) - y).square().mean().sqrt())
