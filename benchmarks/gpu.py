"""Time and memory of the layer on a GPU; the candidates are those of `benchmarks/layer.py`.

A step is started over and over, and the median of the turns counts, by the GPU's own clock: where operations are
short, starting them is what it waits for. A graph is a step that was captured once, and is started as one operation:
what is left is the arithmetic.
"""

import gc
import statistics
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks import Table
from benchmarks.layer import MAKERS, USES, Size, look, step

NAMES = ("product", "layer", "layer with silu", "efficient", "gaussian", "perceptron")
SIZES: dict[str, Size] = {
    f"{in_} -> {out}, G={intervals}, {rows} rows": (rows, in_, out, intervals)
    for intervals in (5, 20, 50)
    for in_, out in ((64, 64), (784, 64), (1000, 1000))
    for rows in (1024, 16384)
}
Call = Callable[[], object]


def gpu() -> Table:
    """Compare the candidates by the product's time and, in MiB, by what a step takes at most."""
    if not torch.cuda.is_available():
        return
    yield "card", {"name": torch.cuda.get_device_name(), "torch": torch.__version__}
    for title, size in SIZES.items():
        for use, (by_x, train) in USES.items():
            found = {name: _measured(name, size, by_x, train) for name in NAMES}
            product, graph, _ = found["product"]
            yield (
                f"{title}, {use}",
                {
                    "product, ms": round(product, 4),
                    "by product": {name: round(each[0] / product, 2) for name, each in found.items()},
                    "by product, as graphs": {name: round(each[1] / graph, 2) for name, each in found.items()},
                    "product as a graph, ms": round(graph, 4),
                    "MiB": {name: round(each[2], 1) for name, each in found.items()},
                },
            )


def _measured(name: str, size: Size, by_x: bool, train: bool) -> tuple[float, float, float]:
    """Return the milliseconds of a candidate's step, those of its graph, and the most MiB that the step takes."""
    try:
        return _of_step(name, size, by_x, train)
    except torch.OutOfMemoryError:
        return (float("nan"),) * 3
    finally:
        gc.collect()
        torch.cuda.empty_cache()


def _of_step(name: str, size: Size, by_x: bool, train: bool) -> tuple[float, float, float]:
    rows, in_, out, intervals = size
    model = MAKERS[name](in_, out, intervals).cuda()
    wide = in_ * (intervals + 3) if name == "product" else in_
    x = (torch.rand(rows, wide, device="cuda") * 2 - 1).requires_grad_(by_x)
    grad, parameters = torch.rand(rows, out, device="cuda"), [p for p in model.parameters() if p.requires_grad]

    def call() -> object:
        return step(model, x, grad, parameters) if train else look(model, x)

    call()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    call()
    peak = (torch.cuda.max_memory_allocated() - before) / 2**20
    return _milliseconds(call), _milliseconds(_captured(model, x, grad, parameters, train).replay), peak


def _captured(
    model: nn.Module, x: Tensor, grad: Tensor, parameters: list[nn.Parameter], train: bool
) -> torch.cuda.CUDAGraph:
    def call() -> object:
        return torch.autograd.grad(model(x), leaves, grad) if train else look(model, x)

    leaves = [x, *parameters] if x.requires_grad else parameters
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph


def _milliseconds(call: Call, seconds: float = 0.06) -> float:
    """Return the median time of a call, of several turns of several calls each."""
    once = _turn(call, 2)
    calls = max(3, min(20, int(3 / once)))
    return statistics.median(_turn(call, calls) for _ in range(max(3, min(15, int(1e3 * seconds / once / calls)))))


def _turn(call: Call, calls: int) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(calls):
        call()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / calls
