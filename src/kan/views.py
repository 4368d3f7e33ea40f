"""pykan's attributes of a model, read from the core on demand; and those that have no counterpart."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kan.formulas import expressions
from kan.KANLayer import KANLayer
from kan.penalties import strengths
from kan.spline import degree
from kan.Symbolic_KANLayer import Symbolic_KANLayer
from kanlens.layer import RESIDUALS
from kanlens.network import Trace
from kanlens.scores import Scores, attribute, contributions, node_scores

if TYPE_CHECKING:
    from kan.held import Held


@torch.no_grad()
def trace(model: "Held") -> Trace:
    """Return what the data seen last do inside a model."""
    return model.core.trace(model.points())


def scores(model: "Held") -> Scores:
    """Return how much of the outputs' variation each edge and node carries."""
    return attribute(trace(model), model.core.spec.widths)


def attribution(model: "Held", l: int) -> Tensor:
    """Return how much each input contributes to the nodes of a layer, `(nodes, inputs)`."""
    return contributions(model.core, model.points(), l)


def by_output(model: "Held") -> list[Scores]:
    """Return the scores for each output by itself."""
    core = model.core
    return [node_scores(core, model.points(), core.depth, node) for node in range(core.spec.widths[-1].size)]


def arity(model: "Held") -> Any:
    """Return pykan's mult_arity: one number, or a list for each layer."""
    arities = {number for width in model.core.spec.widths for number in width.products}
    if len(arities) <= 1 and isinstance(model.design.mult_arity, int):
        return arities.pop() if arities else model.design.mult_arity
    return [list(width.products) for width in model.core.spec.widths]


def alike(values: list[Any]) -> Any:
    """Return one value for all layers if they are alike, else the list."""
    return values[0] if len(set(values)) == 1 else values


def per_width(value: float, spans: Callable[[Any], int]) -> Callable[["Held"], list[Tensor]]:
    """Return a reading of affine constants, which the network's edges hold here: neutral for each node."""
    return lambda model: [
        torch.full((spans(width),), value, device=model.core.device) for width in model.core.spec.widths[1:]
    ]


def residual_of(model: "Held") -> Callable[[Tensor], Tensor]:
    """Return the base function as a callable."""
    return RESIDUALS[model.core.spec.residual] or torch.zeros_like


def spread(values: list[Tensor]) -> list[Tensor]:
    """Return standard deviations over the rows."""
    return [each.std(0, correction=0) for each in values]


def names(model: "Held") -> list[str]:
    """Return names of the inputs by their columns."""
    return [f"x_{number + 1}" for number in model.columns.chosen]


def layers(model: "Held") -> list[KANLayer]:
    """Return the layers in pykan's form."""
    return [KANLayer.of(layer, model.design.grid_eps) for layer in model.core.layers]


def symbols(model: "Held") -> list[Symbolic_KANLayer]:
    """Return the symbols of all layers in pykan's form."""
    return [Symbolic_KANLayer.of(symbols, layer.in_features) for layer, symbols, _ in model.core.parts()]


@torch.no_grad()
def splines(model: "Held") -> list[Tensor]:
    """Return the splines' values by themselves, `(rows, out, in)` of each layer."""
    return [layer(at)[3] for layer, at in zip(layers(model), trace(model).nodes, strict=False)]


READINGS: dict[str, Callable[["Held"], Any]] = {
    # shape
    "width": lambda model: [[w.sums, len(w.products)] for w in model.core.spec.widths],
    "width_in": lambda model: [w.size for w in model.core.spec.widths],
    "width_out": lambda model: [w.subnodes for w in model.core.spec.widths],
    "n_sum": lambda model: [w.sums for w in model.core.spec.widths[1:-1]],
    "n_mult": lambda model: [len(w.products) for w in model.core.spec.widths[1:-1]],
    "n_edge": lambda model: len(model.core.live()),
    "depth": lambda model: model.core.depth,
    "grid": lambda model: alike([layer.basis.intervals for layer in model.core.layers]),
    "k": lambda model: alike([degree(layer.basis) for layer in model.core.layers]),
    "mult_arity": arity,
    "mult_homo": lambda model: isinstance(arity(model), int),
    "input_id": lambda model: torch.tensor(model.columns.chosen),
    "base_fun": residual_of,
    "base_fun_name": lambda model: model.core.spec.residual,
    # parameters
    "act_fun": layers,
    "symbolic_fun": symbols,
    "node_bias": per_width(0.0, lambda width: width.size),
    "node_scale": per_width(1.0, lambda width: width.size),
    "subnode_bias": per_width(0.0, lambda width: width.subnodes),
    "subnode_scale": per_width(1.0, lambda width: width.subnodes),
    "biases": per_width(0.0, lambda width: width.size),
    "mask_up": lambda model: [torch.ones(w.size, device=model.core.device) for w in model.core.spec.widths],
    "mask_down": lambda model: [torch.ones(w.subnodes, device=model.core.device) for w in model.core.spec.widths],
    # settings
    "grid_eps": lambda model: model.design.grid_eps,
    "grid_range": lambda model: model.design.grid_range,
    "seed": lambda model: model.design.seed,
    "sp_trainable": lambda model: model.design.sp_trainable,
    "sb_trainable": lambda model: model.design.sb_trainable,
    "affine_trainable": lambda model: model.design.affine_trainable,
    "save_act": lambda model: model.design.save_act,
    "symbolic_enabled": lambda model: model.design.symbolic_enabled,
    "auto_save": lambda model: model.design.auto_save,
    "ckpt_path": lambda model: model.design.ckpt_path,
    "device": lambda model: model.core.device,
    "round": lambda model: model.versions.round,
    "state_id": lambda model: model.versions.state,
    # what the data do inside
    "cache_data": lambda model: model.points(),
    "acts": lambda model: trace(model).nodes,
    "acts_premult": lambda model: trace(model).subnodes,
    "spline_preacts": lambda model: [
        at[:, None, :].expand_as(edges) for at, edges in zip(trace(model).nodes, trace(model).edges, strict=False)
    ],
    "spline_postacts": lambda model: trace(model).edges,
    "spline_postsplines": splines,
    "acts_scale": lambda model: strengths(model.core, trace(model), "edge_forward_sum"),
    "acts_scale_spline": lambda model: strengths(model.core, trace(model), "edge_forward_spline_n"),
    "edge_actscale": lambda model: spread(trace(model).edges),
    "subnode_actscale": lambda model: spread(trace(model).subnodes),
    # scores
    "edge_scores": lambda model: scores(model).edges,
    "node_scores": lambda model: scores(model).nodes,
    "subnode_scores": lambda model: [edges.sum(1) for edges in scores(model).edges],
    "edge_scores_all": lambda model: [
        torch.stack(each) for each in zip(*(s.edges[:-1] for s in by_output(model)), strict=True)
    ],
    "node_scores_all": lambda model: [
        torch.stack(each) for each in zip(*(s.nodes[:-1] for s in by_output(model)), strict=True)
    ],
    "subnode_scores_all": lambda model: [
        torch.stack(each).sum(2) for each in zip(*(s.edges[:-1] for s in by_output(model)), strict=True)
    ],
    "node_attribute_scores": lambda model: [attribution(model, l) for l in range(1, model.core.depth + 1)],
    "feature_score": lambda model: scores(model).nodes[0],
    # formulas
    "symbolic_acts": lambda model: expressions(model.core, names(model)),
    "symbolic_acts_premult": lambda model: expressions(model.core, names(model), premult=True)[1:],
}
"""Attributes that pykan keeps on a model and that are computed here when they are read."""

_SHARED = "Weights cannot be shared between edges; fix both edges to the same symbol with fix_symbolic."

GONE: dict[str, str] = {"lock": _SHARED, "unlock": _SHARED}
"""pykan's methods that have no counterpart, and what to do instead."""
