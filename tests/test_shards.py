"""Two processes with a part of the rows each end where one process with all rows does."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from kanlens import shards
from kanlens.moments import Moments
from kanlens.network import KAN
from kanlens.solvers import LBFGS, Adam, LevenbergMarquardt
from kanlens.sparsity import Sparsity
from kanlens.training import fit
from samples import points, tutorial

X = points(301, 2)
Y = tutorial(X)
CUT = 120  # unequal shards

FITS: dict[str, dict[str, Any]] = {
    "plain": {"solver": LevenbergMarquardt(steps=12)},
    "penalty": {"solver": LevenbergMarquardt(steps=8), "penalty": Sparsity()},
    "logistic": {"solver": LevenbergMarquardt(steps=5), "loss": "logistic"},
    "weights": {"solver": LevenbergMarquardt(steps=5), "weights": X[:, 0].abs() + 0.1},
    "validation": {"solver": LevenbergMarquardt(steps=5), "validation": (X[:100], Y[:100])},
    "lbfgs": {"solver": LBFGS(steps=1, inner=3), "penalty": Sparsity()},
    "adam": {"solver": Adam(steps=10)},
}


def trained(name: str, rows: slice, seed: int = 0) -> list[Tensor]:
    """Return all numbers of a network after one of the fits."""
    options = dict(FITS[name])
    y = (Y > 1).double() if options.get("loss") == "logistic" else Y
    if "weights" in options:
        options["weights"] = options["weights"][rows]
    if "validation" in options:
        held_x, held_y = options["validation"]
        half = slice(0, 30) if rows.start == 0 else slice(30, None)
        options["validation"] = (held_x[half], held_y[half]) if rows.stop or rows.start else (held_x, held_y)
    model = KAN([2, 3, 1], dtype=torch.float64, seed=seed)
    fit(model, X[rows], y[rows], **options)
    return [*model.state_dict().values()]


def numbers() -> dict[str, Any]:
    """Return what the functions of the module say of values that differ by process."""
    mine = torch.tensor([1.0, 5.0]) if dist.get_rank() == 0 else torch.tensor([3.0, 2.0])
    part = X[:CUT] if dist.get_rank() == 0 else X[CUT:]
    return {
        "count": shards.count(),
        "total": shards.total(mine).tolist(),
        "lowest": shards.lowest(mine).tolist(),
        "highest": shards.highest(mine).tolist(),
        "shared": shards.shared(mine).tolist(),
        "mine": mine.tolist(),
        "variance": Moments.of(part).gathered().variance,
        "sample": shards.sample(part, 50),
        "all": shards.sample(part, 400),
    }


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    try:
        rows = slice(0, CUT) if rank == 0 else slice(CUT, None)
        found: dict[str, Any] = {name: trained(name, rows, seed=rank) for name in FITS}
        torch.save(found | {"numbers": numbers()}, f"{folder}/{rank}.pt")
    except Exception:
        Path(folder, f"{rank}.txt").write_text(traceback.format_exc())
        raise
    finally:
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("shards")
    mp.spawn(work, (str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


@pytest.mark.parametrize("name", FITS)
def test_two_processes_end_where_one_does(name: str, found: list[dict[str, Any]]) -> None:
    alone = trained(name, slice(None))
    for one, other, single in zip(found[0][name], found[1][name], alone, strict=True):
        assert torch.equal(one, other)
        torch.testing.assert_close(one, single, rtol=1e-10, atol=1e-10)


def test_numbers_go_over_all_processes(found: list[dict[str, Any]]) -> None:
    for part in found:
        said = part["numbers"]
        assert said["count"] == 2
        assert said["total"] == [4, 7]
        assert said["lowest"] == [1, 2]
        assert said["highest"] == [3, 5]
        assert said["shared"] == [1, 5]
        torch.testing.assert_close(said["variance"], X.var(0, correction=0))
        assert torch.equal(said["all"], X)
    assert found[1]["numbers"]["mine"] == [3, 2]  # what is given is left as it was
    assert torch.equal(found[0]["numbers"]["sample"], found[1]["numbers"]["sample"])


def test_a_sample_is_the_same_however_rows_are_divided(found: list[dict[str, Any]]) -> None:
    alone, divided = shards.sample(X, 50), found[0]["numbers"]["sample"]
    assert len(alone) == len(divided) == 50 + 4
    assert torch.equal(alone.sort(0).values, divided.sort(0).values)
    assert torch.equal(alone.amin(0), X.amin(0))
    assert torch.equal(alone.amax(0), X.amax(0))


@pytest.mark.parametrize("function", [shards.total, shards.lowest, shards.highest, shards.shared])
def test_one_process_gets_back_what_it_gives(function: Callable[[Tensor], Tensor]) -> None:
    assert function(X) is X
    assert shards.sample(X, len(X)) is X
