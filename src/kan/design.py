"""The arguments of pykan's `KAN(...)`, of both its generations, and the core network that they describe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from kanlens.bases import BSpline
from kanlens.errors import InputError
from kanlens.layer import RESIDUALS
from kanlens.layer import KANLayer as CoreLayer
from kanlens.network import KAN as Core
from kanlens.network import Spec, SymbolicEdges, Width

FINEST_UNIFORMITY = 1e-3
"""The smallest uniform part of a grid; quantiles alone coincide where values repeat."""

LEAST_MARGIN = 1e-6
"""How far grids reach beyond the samples: nothing to speak of at the inputs, where people read the knots. At hidden
nodes the core then reaches for values that other inputs may give; on a tangent there is no curvature to learn by."""

WidthItem = int | Sequence[int]


@dataclass(frozen=True)
class Design:
    """Hold the arguments of `KAN(...)` with the defaults of 0.2.8.

    Without effect, because nothing here depends on them: `bias_trainable` and `affine_trainable`
    (splines hold shifts and scales of their own), `sp_trainable` (there is no second scale),
    `sb_trainable` (base functions keep their weights free),
    `symbolic_enabled` and `save_act` (symbols cost nothing where there are none, and a forward
    pass keeps nothing) and `noise_scale_base`.

    With `auto_save`, versions are kept (see :mod:`kan.versions`): in memory, or in the folder `ckpt_path` if
    one is named.
    """

    width: Sequence[WidthItem] | None = None
    grid: int | Sequence[int] = 3
    k: int | Sequence[int] = 3
    mult_arity: int | Sequence[Sequence[int]] = 2
    noise_scale: float = 0.3
    scale_base_mu: float = 0.0
    scale_base_sigma: float = 1.0
    base_fun: str | Callable[[Tensor], Tensor] = "silu"
    symbolic_enabled: bool = True
    affine_trainable: bool = False
    grid_eps: float = 0.02
    grid_range: Sequence[float] = (-1.0, 1.0)
    sp_trainable: bool = True
    sb_trainable: bool = True
    seed: int = 1
    save_act: bool = True
    sparse_init: bool = False
    auto_save: bool = True
    first_init: bool = True
    ckpt_path: str | None = None
    state_id: int = 0
    round: int = 0
    device: torch.device | str = "cpu"
    noise_scale_base: float = 0.1
    bias_trainable: bool = True


def build(design: Design) -> Core:
    """Return the core network of a design."""
    low, high = (float(end) for end in design.grid_range)
    spans, name = widths(design), residual(design.base_fun)
    generator = torch.Generator().manual_seed(design.seed)
    layers = [
        CoreLayer(
            before.size,
            after.subnodes,
            basis=basis,
            residual=name,
            low=low,
            high=high,
            noise=design.noise_scale / 3,  # pykan's default of 0.3 is about as wavy as the core's of 0.1
            generator=generator,
            device=design.device,
        )
        for basis, before, after in zip(bases(design), spans, spans[1:], strict=False)
    ]
    for layer in layers:
        with torch.no_grad():
            layer.weight.mul_(design.scale_base_sigma).add_(design.scale_base_mu * layer.in_features**-0.5)
            if design.sparse_init:
                layer.mask.copy_(sparse_mask(layer.in_features, layer.out_features).T)
    spec = Spec(tuple(spans), layers[0].basis, name)
    return Core.assemble(spec, layers, [SymbolicEdges(width.subnodes).to(layers[0].coef) for width in spans[1:]])


def bases(design: Design) -> list[BSpline]:
    """Return the splines of each layer; `grid` and `k` are one number for all, or a list of one for each."""
    count = len(widths(design)) - 1
    degrees, intervals = _listed("k", design.k, count), _listed("grid", design.grid, count)
    return [BSpline(degree=degree, intervals=number) for degree, number in zip(degrees, intervals, strict=True)]


def _listed(name: str, value: object, count: int) -> list[int]:
    if not isinstance(value, list | tuple):
        return [whole(name, value)] * count
    if len(value) != count:
        raise InputError(f"expected {name} for each of {count} layers, got {len(value)} numbers.")
    return [whole(name, each) for each in value]


def whole(name: str, value: object) -> int:
    """Return an integer of Python or numpy as an int."""
    if isinstance(value, int | np.integer):
        return int(value)
    raise InputError(f"expected {name} to be an integer, got {value!r}.")


def residual(base_fun: object) -> str:
    """Return the core's name of a base function, which pykan takes by name or as a callable."""
    by_callable = {nn.functional.silu: "silu", nn.SiLU: "silu", nn.Identity: "identity"}
    if isinstance(base_fun, str) and base_fun in RESIDUALS:
        return base_fun
    name = None if isinstance(base_fun, str) else by_callable.get(cast(Any, base_fun))
    name = name or by_callable.get(cast(Any, type(base_fun)))
    if name is None:
        raise InputError(f"expected base_fun to be one of {sorted(RESIDUALS)}, got {base_fun!r}. Use 'silu'.")
    return name


def widths(design: Design) -> list[Width]:
    """Return the widths of a design in the core's form; the list that was passed stays as it is."""
    if design.width is None or len(design.width) < 2:
        raise InputError(f"expected width as a list of nodes per layer, got {design.width}. Pass width=[2, 5, 1].")
    return [_width(item, _arities(design.mult_arity, number)) for number, item in enumerate(design.width)]


def _width(item: WidthItem, arities: int | Sequence[int]) -> Width:
    if isinstance(item, int | np.integer):
        return Width(int(item))
    sums, products = (int(n) for n in item)
    factors = (arities,) * products if isinstance(arities, int) else tuple(arities)
    if len(factors) != products:
        raise InputError(f"expected {products} arities for the width {list(item)}, got {list(factors)}.")
    return Width(sums, factors)


def _arities(mult_arity: int | Sequence[Sequence[int]], number: int) -> int | Sequence[int]:
    if isinstance(mult_arity, int):
        return mult_arity
    return mult_arity[number] if number < len(mult_arity) else ()


def sparse_mask(in_dim: int, out_dim: int) -> Tensor:
    """Return a mask `(in, out)` that joins each input to the nearest output and each output to the nearest input."""
    left = (torch.arange(in_dim) + 0.5) / in_dim
    right = (torch.arange(out_dim) + 0.5) / out_dim
    distance = (left[:, None] - right[None, :]).abs()
    mask = torch.zeros(in_dim, out_dim)
    mask[torch.arange(in_dim), distance.argmin(1)] = 1
    mask[distance.argmin(0), torch.arange(out_dim)] = 1
    return mask
