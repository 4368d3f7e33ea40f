"""Read checkpoints that pykan wrote, as numbers and names: nothing in them is run.

pykan writes three files: `NAME_config.yml`, `NAME_state` and `NAME_cache_data`. The first is read by `yaml.safe_load`
and the second by `torch.load(weights_only=True)`; the third, a copy of the data, is left alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kan.design import Design, bases, widths
from kan.symbolic import SYMBOLIC_LIB
from kanlens.candidates import Candidate
from kanlens.errors import FileError, InputError
from kanlens.functions import lookup
from kanlens.layer import KANLayer
from kanlens.network import KAN as Core
from kanlens.network import Edge, Spec, SymbolicEdges, Width
from kanlens.surgery import with_symbols

FIELDS = ("width", "grid", "k", "mult_arity", "grid_eps", "grid_range")
"""Arguments of a model that are taken over."""


def exists(path: str | Path) -> bool:
    """Tell whether pykan wrote a checkpoint of this name."""
    return Path(f"{path}_config.yml").exists() and Path(f"{path}_state").exists()


def load(path: str | Path) -> tuple[Core, Design]:
    """Return the network of a checkpoint and the arguments that it was made with.

    Raises
    ------
    FileError
        If the files do not fit together, or hold what this library has no form for.
    """
    config = _config(Path(f"{path}_config.yml"))
    state = torch.load(f"{path}_state", weights_only=True, map_location="cpu")
    try:
        design = Design(
            **{name: config[name] for name in FIELDS if name in config},
            base_fun=config["base_fun_name"],
            auto_save=False,
        )
        return _network(design, state, config), design
    except (KeyError, TypeError, RuntimeError, IndexError, InputError) as error:
        raise FileError(f"expected a checkpoint of pykan 0.2.x at {path}, got {error!r}.") from error


def _config(path: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise FileError("expected PyYAML to read pykan's files, got none. Run `pip install pyyaml`.") from error
    try:
        found = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise FileError(f"expected plain values in {path}, got others. Write it again with pykan.") from error
    if not isinstance(found, dict):
        raise FileError(f"expected names and values in {path}, got {type(found).__name__}.")
    return found


@torch.no_grad()
def _network(design: Design, state: Mapping[str, Tensor], config: Mapping[str, Any]) -> Core:
    spans = widths(design)
    layers, symbols = [], {}
    for number, (basis, before, after) in enumerate(zip(bases(design), spans, spans[1:], strict=False)):
        affine = _affine(state, number, after)
        layers.append(_layer(state, number, (before, after), basis, str(design.base_fun), affine))
        symbols.update(_symbols(state, number, config[f"symbolic.funs_name.{number}"], affine))
        _add_constants(layers[-1], number, affine[1], symbols)
    spec = Spec(tuple(spans), layers[0].basis, str(design.base_fun))
    plain = [SymbolicEdges(width.subnodes).to(layers[0].coef) for width in spans[1:]]
    return with_symbols(Core.assemble(spec, layers, plain), symbols)


def _affine(state: Mapping[str, Tensor], number: int, width: Width) -> tuple[Tensor, Tensor]:
    """Return scale and shift of each sub-node: pykan scales sub-nodes and nodes, which is one thing for sums."""
    scale, shift = state[f"subnode_scale_{number}"].clone(), state[f"subnode_bias_{number}"].clone()
    for node, group in enumerate(width.groups()):
        factor, offset = state[f"node_scale_{number}"][node], state[f"node_bias_{number}"][node]
        if len(group) > 1 and offset != 0:
            raise InputError("expected no shift of a product node. Absorb it in pykan before saving.")
        scale[group[0]] *= factor
        shift[group[0]] = factor * shift[group[0]] + offset
    return scale, shift


def _layer(
    state: Mapping[str, Tensor], number: int, ends: tuple[Width, Width], basis: Any, residual: str, affine: Any
) -> KANLayer:
    part = {name: state[f"act_fun.{number}.{name}"] for name in ("grid", "coef", "mask", "scale_base", "scale_sp")}
    layer = KANLayer(
        ends[0].size,
        ends[1].subnodes,
        basis=basis,
        residual=residual,
        generator=torch.Generator(),  # its draws are overwritten; torch's own would be used up
        dtype=part["coef"].dtype,
    )
    if part["grid"].shape != layer.grid.shape or part["coef"].transpose(0, 1).shape != layer.coef.shape:
        raise InputError(
            f"expected a grid {tuple(layer.grid.shape)}, got {tuple(part['grid'].shape)}. "
            "Load it with the files it was saved with."
        )
    both = (part["mask"].T != 0) & (state[f"symbolic_fun.{number}.mask"] != 0)
    if bool(both.any()):
        raise InputError("expected edges that are splines or symbols, got one that is both. Set its mode in pykan.")
    strength = part["mask"] * affine[0]  # (in, out); pykan's masks may be fractions
    layer.grid = part["grid"].clone()
    layer.mask = (part["mask"].T != 0).to(layer.mask)
    layer.coef.copy_((part["coef"] * (part["scale_sp"] * strength)[..., None]).transpose(0, 1))
    layer.weight.copy_((part["scale_base"] * strength).T)
    return layer


def _symbols(
    state: Mapping[str, Tensor], number: int, names: list[list[str]], affine: tuple[Tensor, Tensor]
) -> dict[Edge, Candidate]:
    mask, constants = state[f"symbolic_fun.{number}.mask"], state[f"symbolic_fun.{number}.affine"]
    found = {}
    for out, in_ in mask.nonzero().tolist():
        a, b, c, d = constants[out, in_].tolist()
        strength = float(mask[out, in_] * affine[0][out])
        function = lookup(names[out][in_], SYMBOLIC_LIB)
        found[Edge(number, out, in_)] = Candidate(function, (a, b, strength * c, strength * d), 1.0)
    return found


def _add_constants(layer: KANLayer, number: int, shifts: Tensor, symbols: dict[Edge, Candidate]) -> None:
    """Give the shift of a sub-node to one of its edges: splines' basis functions add up to 1."""
    for out in shifts.nonzero()[:, 0].tolist():
        shift = float(shifts[out])
        splines = layer.mask[out].nonzero()[:, 0].tolist()
        named = [edge for edge in symbols if (edge.layer, edge.out) == (number, out)]
        if splines:
            layer.coef[out, splines[0]] += shift
        elif named:
            old = symbols[named[0]]
            a, b, c, d = old.affine
            symbols[named[0]] = Candidate(old.function, (a, b, c, d + shift), 1.0)
        else:
            symbols[Edge(number, out, 0)] = Candidate(lookup("0"), (1.0, 0.0, 0.0, shift), 1.0)
