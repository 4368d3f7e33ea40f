"""What every part of pykan's model works on: a core network, the data seen, and its versions."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from kan.arguments import read, shows
from kan.design import Design, build
from kan.inputs import Columns
from kan.seen import Seen, points
from kan.versions import Snapshot, Versions
from kan.views import GONE, READINGS
from kanlens.data import Array
from kanlens.errors import KanlensError
from kanlens.jets import Jet
from kanlens.network import KAN as Core
from kanlens.network import Edge


class GoneError(KanlensError, AttributeError):
    """Report a method of pykan's that has no counterpart."""


class Held(nn.Module):
    """Hold a core network and what pykan's calls need beside it.

    `core` is the network, `design` what it was made from, `seen` the data shown last, `columns` the inputs
    that the network reads, `versions` its history, `prunings` what was left of it and of those it was made from.
    """

    core: Core
    design: Design
    seen: Seen | None
    columns: Columns
    versions: Versions
    faded: frozenset[Edge]
    prunings: "list[Pruning]"
    settled: "tuple[State, Core] | None"

    @shows(Design)
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__()
        self.design = read(Design, "KAN", args, options)
        self.core = build(self.design)
        self.seen, self.faded, self.prunings, self.settled = None, frozenset(), [], None
        self.columns = Columns.all(self.core.spec.widths[0].size)
        self.versions = Versions.start(self.design, self._snapshot)

    @classmethod
    def holding(cls, core: Core, design: Design, columns: Columns | None = None) -> Self:
        """Return a model of a network that exists; `design` says what the network does not."""
        model = cls.__new__(cls)
        nn.Module.__init__(model)
        model.design = replace(
            design,
            width=[[width.sums, len(width.products)] for width in core.spec.widths],
            mult_arity=[list(width.products) for width in core.spec.widths],
            base_fun=core.spec.residual,
        )
        model.core, model.columns = core, columns or Columns.all(core.spec.widths[0].size)
        model.seen, model.faded, model.prunings, model.settled = None, frozenset(), [], None
        model.versions = Versions.start(model.design, model._snapshot)
        return model

    def _with(self, core: Core, columns: Columns | None = None) -> Self:
        """Return a new model that holds another network and remembers the same data."""
        model = type(self).__new__(type(self))
        nn.Module.__init__(model)
        model.design, model.core, model.versions = self.design, core, self.versions.fork()
        model.columns = columns or self.columns
        model.seen = self.seen
        model.faded, model.prunings, model.settled = frozenset(), self.prunings, None
        return model

    def _take(self, core: Core) -> None:
        """Become another network, in the parameters that are there where they fit: optimizers hold them."""
        if _same_places(self.core, core):
            self.core.load_state_dict(core.state_dict())
            for mine, theirs in zip(self.core.layers, core.layers, strict=True):
                mine.basis = theirs.basis
        else:
            self.core = core

    def _snapshot(self) -> Snapshot:
        return Snapshot(copy.deepcopy(self.core), self.columns)

    def log_history(self, method_name: str) -> None:
        """Keep the network as it is as the next version, unless `auto_save` is off."""
        if self.design.auto_save:
            self.versions.add(method_name, self._snapshot())

    def __getattr__(self, name: str) -> Any:
        """Return one of pykan's attributes, or say what to use in its place."""
        if name in READINGS:
            return READINGS[name](self)
        if name in GONE:
            raise GoneError(f"expected a method that this library has, got {name!r} of pykan's. {GONE[name]}")
        return super().__getattr__(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *READINGS})  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor, singularity_avoiding: bool = False, y_th: float = 10.0) -> Tensor:
        """Return the outputs `(rows, out)`; the inputs are remembered only until a dataset is seen."""
        outputs: Tensor = self.core(self.columns.pick(x))
        if not torch.compiler.is_compiling():
            self._remember(x.detach().reshape(-1, x.shape[-1]))
        return outputs

    def jet(self, x: Tensor, order: int) -> Jet | None:
        """Return the outputs with their derivatives by the data `(rows, in)`, where the network carries them."""
        if not self.columns.whole:
            return None
        self._remember(x.detach())
        return self.core.jet(x, order)

    def _remember(self, x: Array) -> None:
        if self.seen is None or not self.seen.fitted:
            self.seen = Seen(x)

    def _data(self) -> tuple[Array, Array | None]:
        """Return inputs and targets to judge changes by; without targets the model's outputs are meant."""
        return (self.points(), None) if self.seen is None else (self.columns.of(self.seen.x), self.seen.y)

    def points(self, x: Array | Mapping[str, Array] | None = None) -> Tensor:
        """Return the network's inputs for those given, for those seen last, or points spread over the grid."""
        inputs = x["train_input"] if isinstance(x, Mapping) else x
        return points(self.core, self.seen if inputs is None else Seen(inputs), self.columns)

    def copy(self) -> Self:
        """Return a copy that shares nothing."""
        return copy.deepcopy(self)


@dataclass(frozen=True)
class State:
    """Hold a network as it was and the data seen then, by which to tell whether a result still holds."""

    core: Core
    seen: Seen | None

    @classmethod
    def of(cls, model: Held) -> "State":
        """Return the present state of a model."""
        return cls(copy.deepcopy(model.core), model.seen)

    def is_of(self, model: Held) -> bool:
        """Tell whether a model is what it was."""
        return self.holds(model.core, model.seen)

    def holds(self, core: Core, seen: Seen | None) -> bool:
        """Tell whether a network and the data seen are those of then."""
        if self.seen is not seen or not _same_places(self.core, core):
            return False
        pairs = zip(self.core.state_dict().values(), core.state_dict().values(), strict=True)
        return all(torch.equal(mine, theirs) for mine, theirs in pairs)


class Pruning(NamedTuple):
    """Hold what a network was before it was pruned, whether of nodes and of edges, and what was left."""

    before: State
    nodes: bool
    edges: bool
    after: Core


def _same_places(one: Core, other: Core) -> bool:
    """Tell whether two networks differ in numbers only."""
    symbols = [
        [(s.out, s.in_, s.functions) for s in core.symbols] + [(l.residual, type(l.basis)) for l in core.layers]
        for core in (one, other)
    ]
    shapes = [[(name, values.shape) for name, values in core.state_dict().items()] for core in (one, other)]
    return one.spec.widths == other.spec.widths and symbols[0] == symbols[1] and shapes[0] == shapes[1]
