"""How training grows: a million rows, several processes, and the time of a step by rows and parameters."""

import resource
import statistics
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from benchmarks import Table
from kanlens import KAN, LevenbergMarquardt, fit
from kanlens.objective import NetworkObjective

MIB = 2**20


def scale(rows: int = 1_000_000) -> Table:
    """Train on a million rows, on two processes against one, and time steps of all sizes."""
    yield "million", _alone(_million, rows)
    yield "processes", two_processes()
    yield "step", steps()


def _alone(function: object, *arguments: object) -> object:
    """Run a function in a process of its own, whose peak of memory is then the function's."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_call, (function, arguments, folder), nprocs=1)
        return torch.load(Path(folder) / "result.pt", weights_only=False)


def _call(_rank: int, function: object, arguments: tuple[object, ...], folder: str) -> None:
    assert callable(function)
    torch.save(function(*arguments), Path(folder) / "result.pt")


def _million(rows: int) -> dict[str, object]:
    x, y = _data(rows, seed=0)
    test_x, test_y = _data(10_000, seed=1)
    before = _peak()
    model = KAN([10, 20, 1], seed=0, dtype=torch.float64)
    history = fit(model, x, y, progress=True)
    error = _rmse(model, test_x, test_y)
    return {
        "function": "sin(pi*x_1)*x_2 + x_3**2 + exp(-x_4) + x_5*x_6 of 10 inputs, uniform in [-1, 1]",
        "shape": [10, 20, 1],
        "rows": rows,
        "reason": history.reason,
        "passes": len(history.loss),
        "seconds": history.seconds,
        "peak_mib_before": before,
        "peak_mib": _peak(),
        "data_mib": (x.numel() + y.numel()) * 8 / MIB,
        "train_rmse": min(history.loss) ** 0.5,
        "test_rmse": error,
        "deviation_of_targets": float(test_y.std()),
    }


def _data(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    x = 2 * torch.rand(rows, 10, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1
    a, b, c, d, e, f = x[:, :6].T
    return x, (torch.sin(torch.pi * a) * b + c**2 + torch.exp(-d) + e * f)[:, None]


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@torch.no_grad()
def _rmse(model: KAN, x: Tensor, y: Tensor) -> float:
    return float((model(x) - y).square().mean().sqrt())


# --- processes -----------------------------------------------------------------------------


def two_processes(rows: int = 50_000, steps: int = 15) -> dict[str, object]:
    """Fit the same rows on one process and on two, each with half of them."""
    alone, seconds = _trained(slice(None), rows, steps)
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_shard, (folder, rows, steps), nprocs=2)
        parts = [torch.load(Path(folder) / f"{rank}.pt") for rank in (0, 1)]
    return {
        "rows": rows,
        "shape": [10, 5, 1],
        "steps": steps,
        "largest_weight": float(alone.abs().max()),
        "largest_difference_of_weights": max(float((part["weights"] - alone).abs().max()) for part in parts),
        "seconds_on_one": seconds,
        "seconds_on_two": max(part["seconds"] for part in parts),
    }


def _shard(rank: int, folder: str, rows: int, steps: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    half = slice(0, rows // 2) if rank == 0 else slice(rows // 2, None)
    weights, seconds = _trained(half, rows, steps)
    torch.save({"weights": weights, "seconds": seconds}, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def _trained(part: slice, rows: int, steps: int) -> tuple[Tensor, float]:
    x, y = _data(rows, seed=0)
    model = KAN([10, 5, 1], seed=0, dtype=torch.float64)
    history = fit(model, x[part], y[part], solver=LevenbergMarquardt(steps=steps))
    return torch.cat([p.detach().flatten() for p in model.parameters()]), history.seconds


# --- the time of a step ----------------------------------------------------------------------


def steps() -> dict[str, float]:
    """Time one second-order step by rows and by parameters, in milliseconds (median of five)."""
    sizes = [(1_000, 5), (10_000, 5), (100_000, 5), (10_000, 10), (10_000, 20), (10_000, 40)]
    return {f"{rows} rows, {54 * hidden} parameters": _step(rows, hidden) for rows, hidden in sizes}


def _step(rows: int, hidden: int) -> float:
    x, y = _data(rows, seed=0)
    objective = NetworkObjective(KAN([5, hidden, 1], dtype=torch.float64), x[:, :5].contiguous(), y)
    theta = objective.parameters.get()
    taken = []
    for _ in range(6):
        started = time.perf_counter()
        objective.quadratic(theta).move(1e-2)
        taken.append(1e3 * (time.perf_counter() - started))
    return round(statistics.median(taken[1:]), 1)
