"""The layer's inner loops in C, for those who ask for them: compiled on this machine, for this process."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from kanlens.cardinal import Cardinal
from kanlens.errors import KanlensError

SOURCE = "cubic.c"
FLAGS = ["-O3", "-fPIC", "-shared", "-fno-trapping-math", "-fno-math-errno"]
TARGETS = ("-march=native -fopenmp", "-mcpu=native -fopenmp", "-march=native", "")
"""What compilers may understand besides, the best first; without OpenMP one thread runs."""

TYPES = {torch.float32: "float", torch.float64: "double"}
SMALL = 2**18
"""Sums of products that one thread does sooner than two can share."""

_libraries: dict[torch.dtype, ctypes.CDLL] = {}


def accelerate() -> None:
    """Compile the loops of cubic splines with this machine's C compiler, and use them from now on.

    They touch only the four basis functions that are alive at a point, so that time does not depend
    on the number of intervals. They serve layers of cubic splines on uniform grids, on the CPU, in float32
    and float64, and `torch.compile` calls them as operators; everything else runs as before. The library
    lies in a temporary folder, which is removed at once; it takes about two seconds.

    Raises
    ------
    KanlensError
        If there is no C compiler (`cc`, or what the environment variable `CC` names), or it fails.
    """
    if _libraries:
        return
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise KanlensError("expected a C compiler, found none. Install gcc or clang, or set CC to its name.")
    source = resources.files("kanlens").joinpath(SOURCE).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        _libraries.update({dtype: _compile(compiler, source, Path(folder), name) for dtype, name in TYPES.items()})


def _compile(compiler: str, source: bytes, folder: Path, name: str) -> ctypes.CDLL:
    library = folder / f"{name}.so"
    for target in TARGETS:
        command = [compiler, *FLAGS, *target.split(), f"-DT={name}", "-x", "c", "-", "-o", str(library)]
        run = subprocess.run(command, input=source, capture_output=True, check=False)
        if run.returncode == 0:
            return ctypes.CDLL(str(library))
    raise KanlensError(f"expected {compiler} to compile {SOURCE}, got:\n{run.stderr.decode(errors='replace')}")


def serves(x: Tensor, grid: Tensor, basis: object) -> bool:
    """Tell whether the compiled loops are there for such points, grid and basis."""
    return (
        x.dtype in _libraries
        and x.device.type == "cpu"
        and grid.dtype == x.dtype
        and isinstance(basis, Cardinal)
        and basis.degree == 3
        and type(x) in {Tensor, torch.nn.Parameter}  # not those without values
    )


def forward(x: Tensor, coef: Tensor, grid: Tensor, intervals: int) -> Tensor:
    """Return the sums `(batch, out)` for `x (batch, in)` and `coef (out, in, size)`."""
    rows, y = coef.permute(1, 2, 0), x.new_empty(len(x), len(coef))
    _call("forward", (x, grid, rows), (y,), (*x.shape, len(coef), intervals))
    return y


def backward(
    x: Tensor, coef: Tensor, grid: Tensor, grad: Tensor, intervals: int, by_x: bool, by_coef: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Return the derivatives by `x` and by `coef`, where they are wanted."""
    rows = coef.permute(1, 2, 0)
    found_x = torch.empty(x.shape, dtype=x.dtype) if by_x else None
    found = torch.empty(rows.shape, dtype=x.dtype) if by_coef else None
    _call("backward", (x, grid, rows, grad), (found, found_x), (*x.shape, len(coef), intervals))
    return found_x, None if found is None else found.permute(2, 0, 1)


def tabulate(x: Tensor, grid: Tensor, intervals: int) -> tuple[Tensor, Tensor]:
    """Return the basis functions and their slopes, each `(batch, in, size)`."""
    values, slopes = x.new_empty(2, x.shape[1], intervals + 3, len(x)).unbind()
    _call("tabulate", (x, grid), (values, slopes), (*x.shape, intervals))
    return values.permute(2, 0, 1), slopes.permute(2, 0, 1)


def _call(name: str, given: tuple[Tensor, ...], results: tuple[Tensor | None, ...], sizes: tuple[int, ...]) -> None:
    given = tuple(tensor.detach().contiguous() for tensor in given)
    pointers = [ctypes.c_void_p(tensor.data_ptr()) if tensor is not None else None for tensor in (*given, *results)]
    work = sizes[0] * sizes[1] * (sizes[2] + 64)
    threads = ctypes.c_int(1 if work < SMALL else torch.get_num_threads())
    function = getattr(_libraries[given[0].dtype], name)
    if function(*pointers, *map(ctypes.c_long, sizes), threads):
        raise MemoryError(f"no memory for the buffers of {name}.")
