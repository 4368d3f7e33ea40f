"""pykan's model: its methods, each a call of the core's functions on the network that it holds."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self, overload

import matplotlib.pyplot as plt
import numpy as np
import sympy
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from kan import symbolic
from kan.arguments import read, shows
from kan.design import Design, build, whole
from kan.edges import as_spline, curve, edge, of_node, vanishing
from kan.formulas import Scale, ex_round, symbolic_formula
from kan.monitor import Results
from kan.samples import Sample
from kan.seen import Seen, points
from kan.training import Training, fit
from kan.views import GONE, READINGS, attribution, scores, trace
from kanlens.data import Array
from kanlens.errors import InputError, KanlensError
from kanlens.functions import Function
from kanlens.jacobian import Parameters
from kanlens.network import KAN as Core
from kanlens.network import Edge, Trace
from kanlens.plotting import plot
from kanlens.pruning import prune
from kanlens.regrid import regrid
from kanlens.scores import Scores
from kanlens.search import symbolise
from kanlens.surgery import cut, keep, refine
from kanlens.symbolic import fix

FINEST_UNIFORMITY = 1e-3
"""The smallest uniform part of a grid; quantiles alone coincide where values repeat."""


class GoneError(KanlensError, AttributeError):
    """Report a method of pykan's that has no counterpart."""


class KAN(nn.Module):
    """Offer pykan's `KAN` and `MultKAN`, of both generations, on a core network.

    The network is in `core`; methods that pykan runs in place put another network there. No call
    writes files (but `fit(save_fig=True)`), seeds global generators, or edits its arguments. See
    :class:`kan.design.Design` for the arguments.

    Examples
    --------
    >>> model = KAN(width=[2, 5, 1], grid=5, k=3, seed=0)
    >>> model(torch.zeros(4, 2)).shape
    torch.Size([4, 1])
    """

    core: Core
    design: Design
    seen: Seen | None
    faded: frozenset[Edge]
    smallest: tuple[tuple[bool, int, Tensor], Core] | None

    @shows(Design)
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__()
        self.design = read(Design, "KAN", args, options)
        self.core = build(self.design)
        self.seen, self.faded, self.smallest = None, frozenset(), None

    def _with(self, core: Core) -> Self:
        """Return a new model that holds another network and remembers the same data."""
        model = type(self).__new__(type(self))
        nn.Module.__init__(model)
        model.design, model.core, model.seen = self.design, core, self.seen
        model.faded, model.smallest = frozenset(), None
        return model

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
        outputs: Tensor = self.core(x)
        if not torch.compiler.is_compiling():
            self._remember(x.detach().reshape(-1, x.shape[-1]))
        return outputs

    def _remember(self, x: Array) -> None:
        if self.seen is None or not self.seen.fitted:
            self.seen = Seen(x)

    def _data(self) -> tuple[Array, Array | None]:
        """Return inputs and targets to judge changes by; without targets the model's outputs are meant."""
        return (self.points(), None) if self.seen is None else (self.seen.x, self.seen.y)

    def points(self) -> Tensor:
        """Return the inputs seen last, or points spread over the grid."""
        return points(self.core, self.seen)

    # --- training ------------------------------------------------------------------------

    @shows(Training)
    def fit(self, dataset: Mapping[str, Array], *args: Any, **options: Any) -> Results:
        """Train on a dataset and return the errors of each step. See :class:`kan.training.Training`."""
        return fit(self, dataset, read(Training, "fit", args, options))

    @overload
    def train(self, mode: bool = True) -> Self: ...

    @overload
    def train(self, dataset: Mapping[str, Array], *args: Any, **options: Any) -> Results: ...

    def train(self, *args: Any, **options: Any) -> Self | Results:
        """Train on a dataset, as `fit` does; with a truth value, set the mode as torch's modules do."""
        if "dataset" in options or (args and isinstance(args[0], Mapping)):
            return self.fit(*args, **options)
        return super().train(*args, **options)

    def evaluate(self, dataset: Mapping[str, Array]) -> dict[str, float]:
        """Return the error on the test part, and the numbers of edges and grid intervals."""
        error = Sample.of(self.core, dataset, "test", None).error(self.core)
        return {"test_loss": error, "n_edge": self.n_edge, "n_grid": self.grid}

    def speed(self, compile: bool = False) -> Callable[..., Any]:
        """Return the model, which has nothing to switch off, or its compiled form."""
        return torch.compile(self) if compile else self

    # --- grids ---------------------------------------------------------------------------

    def refine(self, new_grid: int) -> Self:
        """Return a new model on a grid of another number of intervals."""
        return self._with(refine(self.core, self.points(), whole("new_grid", new_grid)))

    def initialize_from_another_model(self, another_model: "KAN", x: Array) -> Self:
        """Take over the curves of a model of the same widths on this model's number of intervals."""
        if another_model.width != self.width:
            raise InputError(f"expected a model of widths {self.width}, got {another_model.width}.")
        self.core = refine(another_model.core, x, self.grid)
        return self

    def update_grid_from_samples(self, x: Array) -> None:
        """Move the grids to where inputs are; `grid_eps` of 1 makes them uniform, 0 follows quantiles."""
        uniformity = max(self.design.grid_eps, FINEST_UNIFORMITY)
        core = copy.deepcopy(self.core).double()
        self.core = regrid(core, points(core, Seen(x)), uniformity=uniformity, margin=0.0).to(self.core.dtype)

    update_grid = update_grid_from_samples

    # --- pruning -------------------------------------------------------------------------

    def prune(
        self,
        threshold: float = 1e-2,
        node_th: float = 1e-2,
        edge_th: float = 3e-2,
        mode: str = "auto",
        active_neurons_id: Sequence[Sequence[int]] | None = None,
    ) -> Self:
        """Return the smallest model that does as well; what went is grey in `plot(mask=True)`.

        No threshold is needed: a node or edge goes if the error on held-out rows allows it.
        """
        return self._pruned(mode, active_neurons_id, edges=True)

    def prune_node(
        self,
        threshold: float = 1e-2,
        mode: str = "auto",
        active_neurons_id: Sequence[Sequence[int]] | None = None,
        log_history: bool = True,
    ) -> Self:
        """Return the model with the fewest hidden nodes that does as well, or with the nodes given."""
        return self._pruned(mode, active_neurons_id, edges=False)

    def prune_edge(self, threshold: float = 3e-2, log_history: bool = True) -> Self:
        """Cut the edges that are not needed, in place, and return the model."""
        self.core = prune(self.core, *self._data(), nodes=False)
        return self

    def _pruned(self, mode: str, nodes: Sequence[Sequence[int]] | None, edges: bool) -> Self:
        if mode not in ("auto", "manual"):
            raise InputError(f"expected mode 'auto' or 'manual', got {mode!r}.")
        by_hand = mode == "manual" or nodes is not None
        core = keep(self.core, self._hidden(nodes)) if by_hand else self._smallest(edges)
        self.faded = vanishing(self.core, core, self.points())
        return self._with(core)

    def _smallest(self, edges: bool) -> Core:
        """Prune, or give the last result again: notebooks call prune() to look and once more to assign."""
        state = (edges, id(self.seen), Parameters(self.core).get())
        if self.smallest is None or self.smallest[0][:2] != state[:2] or not torch.equal(self.smallest[0][2], state[2]):
            self.smallest = state, prune(self.core, *self._data(), edges=edges)
        return copy.deepcopy(self.smallest[1])

    def _hidden(self, nodes: Sequence[Sequence[int]] | None) -> list[list[int]]:
        """Return the nodes to keep for each hidden layer; 0.0.x lists the inputs, too."""
        if nodes is None:
            raise InputError("expected active_neurons_id in mode 'manual', got none. Pass a list for each layer.")
        listed = [list(layer) for layer in nodes]
        return listed[1:] if len(listed) == self.depth else listed

    def remove_edge(self, l: int, i: int, j: int, log_history: bool = True) -> None:
        """Cut an edge."""
        self.core = cut(self.core, [edge(self.core, l, i, j)])

    def remove_node(self, l: int, i: int, mode: str = "all", log_history: bool = True) -> None:
        """Cut the edges that lead to a node (`"down"`), leave it (`"up"`), or both."""
        self.core = cut(self.core, of_node(self.core, l, i, mode))

    # --- symbols -------------------------------------------------------------------------

    def fix_symbolic(
        self,
        l: int,
        i: int,
        j: int,
        fun_name: str | Callable[[Tensor], Tensor],
        fit_params_bool: bool = True,
        a_range: Sequence[float] = (-10, 10),
        b_range: Sequence[float] = (-10, 10),
        verbose: bool = True,
        random: bool = False,
        log_history: bool = True,
    ) -> float | None:
        """Make an edge a symbol and return how well it fits the curve that was there (r2).

        Without `fit_params_bool` the edge is the function as it stands, and there is no r2.
        """
        function, at = symbolic.as_function(fun_name), edge(self.core, l, i, j)
        if not fit_params_bool:
            self.core = symbolic.as_it_stands(self.core, at, function)
            return None
        self.core, found = fix(self.core, self._data()[0], at, function)
        if verbose:
            print(f"r2 is {found.r2:.10g}")
        return found.r2

    def unfix_symbolic(self, l: int, i: int, j: int, log_history: bool = True) -> None:
        """Make a symbol a spline again, of the same curve."""
        at = edge(self.core, l, i, j)
        self.core = as_spline(self.core, [at] if self.core.symbol(at) else [])

    def unfix_symbolic_all(self, log_history: bool = True) -> None:
        """Make all symbols splines again, of the same curves."""
        self.core = as_spline(self.core, [at for at in self.core.live() if self.core.symbol(at)])

    def set_mode(self, l: int, i: int, j: int, mode: str, mask_n: float | None = None) -> None:
        """Make an edge a spline (`"n"`), leave it the symbol that it is (`"s"`), or cut it (anything else)."""
        symbol = self.core.symbol(edge(self.core, l, i, j))
        if mode in ("sn", "ns") or (mode == "s" and symbol is None):
            raise InputError(f"expected mode 'n', or 's' of a symbol, got {mode!r}. Call fix_symbolic first.")
        if mode == "n" and symbol is None:
            self.act_fun[l].mask[i, j] = 1
        elif mode == "n":
            self.unfix_symbolic(l, i, j)
        elif mode != "s":
            self.remove_edge(l, i, j)

    def suggest_symbolic(
        self,
        l: int,
        i: int,
        j: int,
        a_range: Sequence[float] = (-10, 10),
        b_range: Sequence[float] = (-10, 10),
        lib: Iterable[str] | None = None,
        topk: int = 5,
        verbose: bool = True,
        r2_loss_fun: object = None,
        c_loss_fun: object = None,
        weight_simple: float = 0.8,
    ) -> tuple[str, Function, float, int]:
        """Return name, function, r2 and complexity of the best symbol for an edge, and print the first few."""
        found = symbolic.ranking(self.core, self.points(), edge(self.core, l, i, j), lib, topk)
        if verbose:
            symbolic.print_ranking(found)
        return found[0].function.name, found[0].function, found[0].r2, found[0].complexity

    def auto_symbolic(
        self,
        a_range: Sequence[float] = (-10, 10),
        b_range: Sequence[float] = (-10, 10),
        lib: Iterable[str] | None = None,
        verbose: int = 1,
        weight_simple: float = 0.8,
        r2_threshold: float = 0.0,
    ) -> None:
        """Make all edges symbols, chosen together, and print them.

        The ranges, `weight_simple` and `r2_threshold` are not needed: a symbol is judged by what
        the whole network loses by it.
        """
        before, (x, y) = self.core, self._data()
        self.core = symbolise(before, x, y, library=symbolic.library(lib))
        if verbose >= 1:
            symbolic.print_symbols(before, self.core, x)

    def symbolic_formula(
        self,
        var: Sequence[Any] | None = None,
        normalizer: Scale | None = None,
        output_normalizer: Scale | None = None,
        *,
        floating_digit: int | None = None,
        simplify: bool = False,
    ) -> tuple[list[sympy.Expr], list[sympy.Expr]]:
        """Return an expression for each output, with constants recognised, and the variables."""
        outputs, variables = symbolic_formula(self.core, *self._data(), var, normalizer, output_normalizer)
        if floating_digit is not None:
            outputs = [ex_round(output, floating_digit) for output in outputs]
        return [sympy.simplify(output) for output in outputs] if simplify else outputs, variables

    # --- looking -------------------------------------------------------------------------

    def plot(
        self,
        folder: str = "./figures",
        beta: float = 3.0,
        mask: bool = False,
        mode: str = "supervised",
        metric: str = "backward",
        scale: float = 0.5,
        tick: bool = False,
        sample: bool = False,
        in_vars: Sequence[Any] | None = None,
        out_vars: Sequence[Any] | None = None,
        title: str | None = None,
        varscale: float = 1.0,
    ) -> Figure:
        """Return the network's diagram, with the edges grey (`mask`) that the last prune would remove.

        Without effect: `folder`, as nothing is written; `mode` and `metric`, as opacity always
        follows the attribution scores; `varscale`, as labels follow the size of the diagram.
        """
        # draws nothing, but loads a notebook's backend, which teaches it to show figures
        plt.draw_if_interactive()  # type: ignore[no-untyped-call]
        return plot(
            self.core,
            self.points(),
            names=_names(in_vars),
            outputs=_names(out_vars),
            title=title,
            beta=beta,
            ticks=tick,
            samples=sample,
            fade=self.faded if mask else (),
            scale=2 * scale,  # pykan's default of 0.5 is the core's natural size
        )

    def get_act(self, x: Array | Mapping[str, Array] | None = None) -> Trace:
        """Return the values at all nodes and edges for inputs, or for those seen last."""
        if x is None:
            return trace(self)
        inputs = x["train_input"] if isinstance(x, Mapping) else x
        self._remember(inputs)
        return self.core.trace(points(self.core, Seen(inputs)))

    def get_fun(self, l: int, i: int, j: int) -> tuple[np.ndarray, np.ndarray]:
        """Return an edge's inputs in ascending order and its values there."""
        x, y = curve(trace(self), edge(self.core, l, i, j))
        order = x.argsort()
        return x[order].cpu().numpy(), y[order].cpu().numpy()

    def get_range(self, l: int, i: int, j: int, verbose: bool = True) -> tuple[float, float, float, float]:
        """Return the smallest and largest input and value of an edge, and print them."""
        x, y = self.get_fun(l, i, j)
        ends = float(x.min()), float(x.max()), float(y.min()), float(y.max())
        if verbose:
            print(f"x range: [{ends[0]:.2f}, {ends[1]:.2f}]\ny range: [{ends[2]:.2f}, {ends[3]:.2f}]")
        return ends

    @overload
    def attribute(self, l: None = None, i: None = None, out_score: None = None, plot: bool = True) -> Scores: ...

    @overload
    def attribute(self, l: int, i: int | None = None, out_score: None = None, plot: bool = True) -> Tensor: ...

    def attribute(
        self, l: int | None = None, i: int | None = None, out_score: None = None, plot: bool = True
    ) -> Scores | Tensor:
        """Return the scores of all edges and nodes, or what each input contributes to the nodes of a layer."""
        return scores(self) if l is None else attribution(self, l, i)

    def copy(self) -> Self:
        """Return a copy that shares nothing."""
        return copy.deepcopy(self)


def _names(variables: Sequence[Any] | None) -> list[str] | None:
    """Return labels for a diagram; expressions are set as mathematics, as the core sets plain symbols."""
    return None if variables is None else [_name(item) for item in variables]


def _name(variable: object) -> str:
    compound = isinstance(variable, sympy.Expr) and not variable.is_Symbol
    return f"${sympy.latex(variable)}$" if compound else str(variable)


MultKAN = KAN
