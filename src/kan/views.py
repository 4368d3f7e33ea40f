"""pykan's attributes of a model, read from the core on demand; and those that have no counterpart."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kan.KANLayer import KANLayer
from kan.spline import degree
from kanlens.network import KAN as Core
from kanlens.network import SymbolicEdges, Trace
from kanlens.scores import Scores, attribute

if TYPE_CHECKING:
    from kan.model import KAN


@dataclass(frozen=True)
class SymbolicView:
    """Show the symbols of a layer as pykan does, in tables by output, then input."""

    funs_name: list[list[str]]
    affine: Tensor
    mask: Tensor

    @classmethod
    def of(cls, symbols: SymbolicEdges, in_features: int) -> "SymbolicView":
        """Read a layer's symbols; an edge without one has the name `0`."""
        names = [["0"] * in_features for _ in range(symbols.out_features)]
        affine = symbols.affine.new_zeros(symbols.out_features, in_features, 4)
        mask = symbols.affine.new_zeros(symbols.out_features, in_features)
        for function, out, in_, constants in zip(
            symbols.functions, symbols.out, symbols.in_, symbols.affine.detach(), strict=True
        ):
            names[out][in_], affine[out, in_], mask[out, in_] = function.name, constants, 1.0
        return cls(names, affine, mask)


def symbolic_fun(core: Core) -> list[SymbolicView]:
    """Return the symbols of all layers."""
    return [SymbolicView.of(symbols, layer.in_features) for layer, symbols, _ in core.parts()]


@torch.no_grad()
def trace(model: "KAN") -> Trace:
    """Return what the data seen last do inside a model."""
    return model.core.trace(model.points())


def scores(model: "KAN") -> Scores:
    """Return how much of the outputs' variation each edge and node carries."""
    return attribute(trace(model), model.core.spec.widths)


@torch.no_grad()
def attribution(model: "KAN", l: int, i: int | None) -> Tensor:
    """Return how much each input contributes to node `i` of layer `l`, or a row for each node."""
    if i is None:
        return torch.stack([attribution(model, l, node) for node in range(model.core.spec.widths[l].size)])
    whole, widths = trace(model), model.core.spec.widths
    group = list(widths[l].groups()[i])
    product = widths[l].products[i - widths[l].sums : i - widths[l].sums + 1] if i >= widths[l].sums else ()
    part = Trace(
        [*whole.nodes[:l], whole.nodes[l][:, [i]]],
        [*whole.subnodes[: l - 1], whole.subnodes[l - 1][:, group]],
        [*whole.edges[: l - 1], whole.edges[l - 1][:, group]],
    )
    last = type(widths[l])(0 if product else 1, product)
    return attribute(part, [*widths[:l], last]).nodes[0]


def arity(model: "KAN") -> Any:
    """Return pykan's mult_arity: one number, or a list for each layer."""
    chosen = model.design.mult_arity
    return chosen if isinstance(chosen, int) else [list(width.products) for width in model.core.spec.widths]


READINGS: dict[str, Callable[["KAN"], Any]] = {
    "width": lambda model: [[w.sums, len(w.products)] for w in model.core.spec.widths],
    "width_in": lambda model: [w.size for w in model.core.spec.widths],
    "width_out": lambda model: [w.subnodes for w in model.core.spec.widths],
    "n_sum": lambda model: [w.sums for w in model.core.spec.widths[1:-1]],
    "n_mult": lambda model: [len(w.products) for w in model.core.spec.widths[1:-1]],
    "n_edge": lambda model: len(model.core.live()),
    "depth": lambda model: model.core.depth,
    "grid": lambda model: model.core.spec.basis.intervals,
    "k": lambda model: degree(model.core.spec.basis),
    "mult_arity": arity,
    "base_fun_name": lambda model: model.core.spec.residual,
    "grid_eps": lambda model: model.design.grid_eps,
    "grid_range": lambda model: model.design.grid_range,
    "seed": lambda model: model.design.seed,
    "device": lambda model: model.core.device,
    "input_id": lambda model: torch.arange(model.core.spec.widths[0].size),
    "act_fun": lambda model: [KANLayer.of(layer, model.design.grid_eps) for layer, _, _ in model.core.parts()],
    "symbolic_fun": lambda model: symbolic_fun(model.core),
    "cache_data": lambda model: model.points(),
    "acts": lambda model: trace(model).nodes,
    "acts_premult": lambda model: trace(model).subnodes,
    "spline_postacts": lambda model: trace(model).edges,
    "edge_scores": lambda model: scores(model).edges,
    "node_scores": lambda model: scores(model).nodes,
    "feature_score": lambda model: scores(model).nodes[0],
}
"""Attributes that pykan keeps on a model and that are computed here when they are read."""

_COPY = "Keep a copy with copy.deepcopy(model), or save model.state_dict() with torch.save."
_LATER = "It is not part of this door yet."

GONE: dict[str, str] = {
    "lock": "Weights cannot be shared between edges; fix both edges to the same symbol with fix_symbolic.",
    "unlock": "Weights cannot be shared between edges; fix both edges to the same symbol with fix_symbolic.",
    "save_ckpt": _COPY,
    "load_ckpt": _COPY,
    "clear_ckpts": "No checkpoints are written, so there are none to clear.",
    "saveckpt": _COPY,
    "loadckpt": _COPY,
    "rewind": _COPY,
    "checkout": _COPY,
    "log_history": "No history is written; fit returns its own.",
    "history": "No history is written; fit returns its own.",
    "prune_input": "Pick columns of the data by model.feature_score and train a model of fewer inputs.",
    "reg": "Pass lamb to fit, which adds the penalty by itself.",
    "get_reg": "Pass lamb to fit, which adds the penalty by itself.",
    "expand_depth": _LATER,
    "expand_width": _LATER,
    "perturb": _LATER,
    "module": _LATER,
    "tree": _LATER,
    "swap": _LATER,
    "auto_swap": _LATER,
    "auto_swap_l": _LATER,
    "feature_interaction": "Read model.edge_scores instead.",
    "connection_cost": _LATER,
}
"""pykan's methods that have no counterpart, and what to do instead."""
