"""A training that was killed goes on to the same bits."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kanlens import (
    KAN,
    LBFGS,
    Adam,
    BSpline,
    Checkpoint,
    FileError,
    History,
    InputError,
    LevenbergMarquardt,
    Sparsity,
    fit,
)
from kanlens.checkpoints import VERSION, fingerprint, restore, snapshot
from kanlens.container import read_container, write_container
from samples import points, rich, tutorial

CASES: dict[str, dict[str, Any]] = {
    "levenberg-marquardt": {"solver": LevenbergMarquardt(steps=15)},
    "with a penalty": {"solver": LevenbergMarquardt(steps=9), "penalty": Sparsity(l1=1e-2), "regrid": False},
    "lbfgs": {"solver": LBFGS(steps=7, inner=4), "validation": 0.3},
    "adam": {"solver": Adam(steps=12), "validation": 0.2, "patience": 6},
    "patience": {"solver": Adam(steps=30, rate=0.5), "validation": 0.2, "patience": 5},
    "a move that harms": {"solver": Adam(steps=20, batch=16, rate=0.3)},
    "batches": {"solver": Adam(steps=6, batch=16)},
    "a loss of one's own": {"solver": Adam(steps=6), "loss": torch.nn.functional.huber_loss},
}


class Killed(BaseException):
    """Stand for a power cut: nothing catches it."""


def trained(case: str, path: Path | None = None, until: int | None = None) -> tuple[KAN, History]:
    """Train a network, with a checkpoint after each step, and have it killed at a step."""

    def kill(step: int, *_: object) -> None:
        if step == until:
            raise Killed

    x = points(60, 2)
    model = KAN([2, (2, 1), 1], basis=BSpline(3, 4), seed=1, dtype=torch.float64)
    checkpoint = None if path is None else Checkpoint(path, seconds=0)
    history = fit(model, x, tutorial(x), checkpoint=checkpoint, callback=kill, **CASES[case])
    return model, history


def assert_same(one: tuple[KAN, History], other: tuple[KAN, History]) -> None:
    assert replace(one[1], seconds=0) == replace(other[1], seconds=0)
    for name, tensor in one[0].state_dict().items():
        assert torch.equal(tensor, other[0].state_dict()[name]), name


@pytest.mark.parametrize("case", CASES)
def test_a_killed_fit_goes_on_to_the_same_bits(case: str, tmp_path: Path) -> None:
    whole = trained(case)
    steps = len(whole[1].loss)
    assert steps >= 5
    for until in {2, 4, steps // 2 + 1, steps - 1}:
        path = tmp_path / f"{until}.safetensors"
        with pytest.raises(Killed):
            trained(case, path, until)
        assert_same(trained(case, path), whole)


def test_a_fit_may_be_killed_many_times(tmp_path: Path) -> None:
    whole = trained("levenberg-marquardt")
    for until in (2, 5, 6, 9, 10, 14):
        with pytest.raises(Killed):
            trained("levenberg-marquardt", tmp_path / "run", until)
    assert_same(trained("levenberg-marquardt", tmp_path / "run"), whole)


def test_a_process_that_is_killed_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    code = """
import os, signal, sys, torch
torch.set_num_threads(1)
import test_checkpoints
from pathlib import Path
class Dead(BaseException):
    def __init__(self): os.kill(os.getpid(), signal.SIGKILL)
test_checkpoints.Killed = Dead
test_checkpoints.trained("levenberg-marquardt", Path(sys.argv[1]), 6)
"""
    path = tmp_path / "run.safetensors"
    run = subprocess.run([sys.executable, "-c", code, path], cwd=Path(__file__).parent, check=False)
    assert run.returncode == -signal.SIGKILL
    assert_same(trained("levenberg-marquardt", path), trained("levenberg-marquardt"))


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    first = trained("batches", tmp_path / "run")
    assert_same(trained("batches", tmp_path / "run", until=1), first)


def test_an_interrupted_fit_can_go_on(tmp_path: Path) -> None:
    def interrupt(step: int, *_: object) -> None:
        if step == 5:
            raise KeyboardInterrupt

    x = points(60, 2)
    model = KAN([2, (2, 1), 1], basis=BSpline(3, 4), seed=1, dtype=torch.float64)
    options = CASES["levenberg-marquardt"]
    fit(model, x, tutorial(x), checkpoint=Checkpoint(tmp_path / "run", 0), callback=interrupt, **options)
    assert_same(trained("levenberg-marquardt", tmp_path / "run"), trained("levenberg-marquardt"))


def test_another_fit_is_refused(tmp_path: Path) -> None:
    x = points(30, 2)
    here = Checkpoint(tmp_path / "run")
    solver = LevenbergMarquardt(steps=2)
    fit(KAN([2, 1]), x, tutorial(x), solver=solver, checkpoint=here)
    for model, data, changed in (
        (KAN([2, 1], seed=1), x, {}),
        (KAN([2, 1, 1]), x, {}),
        (KAN([2, 1]), x + 1e-12, {}),
        (KAN([2, 1]), x, {"smoothness": 1e-5}),
        (KAN([2, 1]), x, {"weights": torch.ones(30)}),
        (KAN([2, 1]), x, {"validation": 0.5}),
        (KAN([2, 1]), x, {"solver": LevenbergMarquardt(steps=3)}),
    ):
        with pytest.raises(InputError, match="expected the checkpoint of this fit"):
            fit(model, data, tutorial(x), checkpoint=here, **({"solver": solver} | changed))  # type: ignore[arg-type]


def test_a_damaged_checkpoint_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "run"
    trained("adam", path)
    whole = path.read_bytes()
    for broken in (b"", whole[:100], whole[:-1], whole[:-9] + bytes(9)):
        path.write_bytes(broken)
        with pytest.raises(FileError, match=r"damaged|of another kind"):
            trained("adam", path)
    text, tensors = read_container_of(whole, path)
    write_container(path, text.replace(f'"version": {VERSION}', '"version": 999'), tensors)
    with pytest.raises(FileError, match="expected a checkpoint of version"):
        trained("adam", path)


def read_container_of(data: bytes, path: Path) -> tuple[str, dict[str, torch.Tensor]]:
    path.write_bytes(data)
    return read_container(path)


def test_a_snapshot_keeps_the_order_in_memory() -> None:
    model, other = rich(1), rich(1)
    before = snapshot(model)
    assert not all(tensor.is_contiguous() for tensor in before.values())
    restore(other, snapshot(model))
    assert {name: t.stride() for name, t in snapshot(other).items()} == {name: t.stride() for name, t in before.items()}


def test_fingerprints_differ_in_every_bit() -> None:
    a = torch.tensor([0.0, 1.0])
    assert fingerprint(a, 1) == fingerprint(a.clone(), 1)
    assert len({fingerprint(*parts) for parts in ((a,), (-a,), (a.double(),), (a[None],), (a, 1), (a, 2))}) == 6
