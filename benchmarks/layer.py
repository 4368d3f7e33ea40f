"""Time and memory of the layer against the bare product of its coefficients and other designs.

All of one table is timed in one run, the candidates in turns, and the best of the turns counts. `efficient` and
`gaussian` are re-implementations, for comparison only, of published designs from their formulas: the full
Cox-de Boor recursion (efficient-kan) and radial basis functions (fast-kan).
"""

import functools
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

import kanlens
from benchmarks import Table
from kanlens import BSpline, KANLayer, native

Size = tuple[int, int, int, int]
"""Rows, inputs, outputs, intervals."""

START = {"rows": 256, "inputs": 128, "outputs": 128, "intervals": 10, "layers": 1}
"""The size from which each axis grows."""

SIZES: dict[str, Size] = {
    "784 -> 64, G=5": (1024, 784, 64, 5),
    "64 -> 64, G=5": (1024, 64, 64, 5),
    "1000 -> 1000, G=5": (100, 1000, 1000, 5),
    "256 -> 256, G=20": (256, 256, 256, 20),
    "256 -> 256, G=50": (256, 256, 256, 50),
}
USES = {"training": (False, True), "training, gradient by x": (True, True), "inference": (False, False)}
"""By name: whether the input needs a gradient, and whether to train."""

TURNS, SECONDS = 12, 0.08


class Efficient(nn.Module):
    """The full Cox-de Boor recursion of every degree under autograd, then one product."""

    def __init__(self, in_: int, out: int, intervals: int) -> None:
        super().__init__()
        self.register_buffer("grid", BSpline(3, intervals).grid(-torch.ones(in_), torch.ones(in_)))
        self.coef = nn.Parameter(torch.randn(out, in_ * (intervals + 3)) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        x, grid = x[..., None], self.grid
        bases = ((x >= grid[:, :-1]) & (x < grid[:, 1:])).to(x)
        for k in range(1, 4):
            left = (x - grid[:, : -k - 1]) / (grid[:, k:-1] - grid[:, : -k - 1])
            right = (grid[:, k + 1 :] - x) / (grid[:, k + 1 :] - grid[:, 1:-k])
            bases = left * bases[..., :-1] + right * bases[..., 1:]
        return nn.functional.linear(bases.flatten(1), self.coef)


class Gaussian(nn.Module):
    """Normalised inputs, Gaussian bumps at fixed centres, one product."""

    def __init__(self, in_: int, out: int, intervals: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.linspace(-2, 2, intervals + 3))
        self.norm, self.coef = nn.LayerNorm(in_), nn.Linear(in_ * (intervals + 3), out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        width = 4 / (len(self.centres) - 1)
        return self.coef(torch.exp(-(((self.norm(x)[..., None] - self.centres) / width) ** 2)).flatten(1))


class Product(nn.Module):
    """The bare product of the layer's coefficients with basis values that fall from the sky."""

    def __init__(self, in_: int, out: int, intervals: int) -> None:
        super().__init__()
        self.coef = nn.Parameter(torch.randn(in_ * (intervals + 3), out))

    def forward(self, values: Tensor) -> Tensor:
        return values @ self.coef


def perceptron(in_: int, out: int, intervals: int) -> nn.Module:
    """A network with one hidden layer and as many parameters as the layer."""
    hidden = max(1, in_ * out * (intervals + 3) // (in_ + out + 1))
    return nn.Sequential(nn.Linear(in_, hidden), nn.SiLU(), nn.Linear(hidden, out))


def layer(in_: int, out: int, intervals: int, residual: str = "zero") -> KANLayer:
    return KANLayer(in_, out, basis=BSpline(3, intervals), residual=residual)


MAKERS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "product": Product,
    "layer": layer,
    "layer with silu": functools.partial(layer, residual="silu"),
    "efficient": Efficient,
    "gaussian": Gaussian,
    "perceptron": perceptron,
    "linear": lambda in_, out, _: nn.Linear(in_, out),
}


@functools.cache
def problem(name: str, size: Size, by_x: bool, layers: int = 1) -> tuple[nn.Module, Tensor, Tensor]:
    """Return the candidate, its input and the gradient of its output.

    Of several layers the products are summed, not nested: values of a basis fall from the sky for each of them.
    """
    rows, in_, out, intervals = size
    generator = torch.Generator().manual_seed(0)
    wide = layers * in_ * (intervals + 3) if name == "product" else in_
    x = torch.rand(rows, wide, generator=generator) * 2 - 1
    return _made(name, size, layers), x.requires_grad_(by_x), torch.rand(rows, out, generator=generator)


def _made(name: str, size: Size, layers: int) -> nn.Module:
    _, in_, out, intervals = size
    if layers == 1 or name == "product":
        return MAKERS[name](layers * in_, out, intervals)
    return nn.Sequential(*(MAKERS[name](in_, out, intervals) for _ in range(layers)))


def step(model: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor, parameters: list[nn.Parameter]) -> None:
    model(x).backward(grad)
    for leaf in (x, *parameters):
        leaf.grad = None


def _best(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the best milliseconds of each call, all taken in turns."""
    best = dict.fromkeys(calls, float("inf"))
    for call in calls.values():
        call()
    for _ in range(TURNS):
        for name, call in calls.items():
            started = time.perf_counter()
            while time.perf_counter() < started + SECONDS / TURNS:
                before = time.perf_counter()
                call()
                best[name] = min(best[name], (time.perf_counter() - before) * 1e3)
    return best


def _calls(names: list[str], size: Size, by_x: bool, train: bool, tag: str) -> dict[str, Callable[[], object]]:
    calls: dict[str, Callable[[], object]] = {}
    for name in names:
        model, x, grad = problem(name, size, by_x)
        run = torch.compile(model, dynamic=False) if tag == "compiled" and name != "product" else model
        parameters = list(model.parameters())
        label = name if name == "product" or not tag else f"{name}, {tag}"
        calls[label] = functools.partial(step, run, x, grad, parameters) if train else functools.partial(look, run, x)
    return calls


@torch.no_grad()
def look(model: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return model(x)


def _table(names: list[str], tag: str, sizes: dict[str, Size] = SIZES) -> dict[str, dict[str, float]]:
    """Return for each size and use the times of the candidates by that of the product, which is in ms."""
    table = {}
    for title, size in sizes.items():
        for use, (by_x, train) in USES.items():
            torch._dynamo.reset()
            best = _best(_calls(["product", *names], size, by_x, train, tag))
            times = {name: round(ms / best["product"], 2) for name, ms in best.items() if name != "product"}
            table[f"{title}, {use}"] = {"product, ms": round(best["product"], 3), **times}
    return table


def layers() -> Table:
    """Compare all candidates at all sizes: torch's operations, compiled by torch, and the loops in C."""
    torch.set_num_threads(2)
    parts = [
        _table(["layer", "layer with silu", "efficient", "gaussian", "perceptron", "linear"], ""),
        _table(["layer", "gaussian", "perceptron"], "compiled"),
    ]
    kanlens.accelerate()
    parts.append(_table(["layer", "layer with silu"], "C"))
    for key in parts[0]:
        yield key, {name: value for part in parts for name, value in part[key].items()}


def memory() -> Table:
    """Measure the most memory that the tensors of a training step take at once, in MiB."""
    names = ("product", "layer", "layer, C", "efficient", "gaussian", "perceptron")
    for title, size in SIZES.items():
        yield title, {name: peak(name, size) for name in names}


def growth() -> Table:
    """Measure time (ms of the processor, one thread) and memory (MiB) of a training step, each size doubled in turn."""
    torch.set_num_threads(1)
    for axis, value in START.items():
        for factor in (1, 2, 4, 8):
            rows, in_, out, intervals, layers = (START | {axis: factor * value}).values()
            size = rows, in_, out, intervals
            yield (
                f"{axis}: {factor * value}",
                {
                    name: {"ms": _milliseconds(name, size, layers), "MiB": peak(name, size, layers)}
                    for name in ("product", "layer", "layer, C", "efficient")
                },
            )


def _milliseconds(name: str, size: Size, layers: int, turns: int = 7) -> float:
    model, x, grad = problem(_loops(name), size, True, layers)
    taken = []
    for _ in range(turns):
        started = time.thread_time()
        step(model, x, grad, list(model.parameters()))
        taken.append(1e3 * (time.thread_time() - started))
    return round(min(taken), 2)


def _loops(name: str) -> str:
    """Switch the loops in C on or off, as a name says, and return the rest of the name."""
    name, _, loops = name.partition(", ")
    native._libraries.clear()
    if loops:
        kanlens.accelerate()
    return name


def peak(name: str, size: Size, layers: int = 1) -> float:
    """Return the most MiB that the tensors made in a training step take at once.

    They are counted by torch's profiler. The peak of a process's resident memory says what importing torch took.
    """
    model, x, grad = problem(_loops(name), size, True, layers)
    step(model, x, grad, list(model.parameters()))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as watch:
        step(model, x, grad, list(model.parameters()))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        watch.export_chrome_trace(str(file))
        events = json.loads(file.read_text())["traceEvents"]
    return round(max(event["args"]["Total Allocated"] for event in events if event["name"] == "[memory]") / 2**20, 2)
