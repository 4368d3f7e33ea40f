"""What pykan's model shows: diagrams, curves, scores."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, overload

import matplotlib.pyplot as plt
import numpy as np
import sympy
from matplotlib.figure import Figure
from torch import Tensor

from kan.edges import curve, edge
from kan.held import Held
from kan.hypothesis import plot_tree
from kan.views import attribution, scores, trace
from kanlens.data import Array
from kanlens.network import Trace
from kanlens.plotting import plot
from kanlens.scores import Scores


class Looks(Held):
    """Show the network."""

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
            names=self._labels(in_vars),
            outputs=_names(out_vars),
            title=title,
            beta=beta,
            ticks=tick,
            samples=sample,
            fade=self.faded if mask else (),
            scale=2 * scale,  # pykan's default of 0.5 is the core's natural size
        )

    def _labels(self, in_vars: Sequence[Any] | None) -> list[str] | None:
        """Return labels of the inputs that are read, each with the number of its column."""
        names = _names(in_vars)
        if names is None:
            return None if self.columns.whole else [f"x_{number + 1}" for number in self.columns.chosen]
        return [names[number] for number in self.columns.chosen] if len(names) == self.columns.total else names

    def tree(
        self,
        x: Array | None = None,
        in_var: Sequence[Any] | None = None,
        style: str = "tree",
        sym_th: float = 1e-3,
        sep_th: float = 1e-1,
        skip_sep_test: bool = False,
        verbose: bool = False,
    ) -> Figure:
        """Return a picture of the tree of scalars through which the model knows its inputs."""
        return plot_tree(self.core, self.points(x), in_var, style, sym_th, sep_th, skip_sep_test, verbose)

    def get_act(self, x: Array | Mapping[str, Array] | None = None) -> Trace:
        """Return the values at all nodes and edges for inputs, or for those seen last."""
        if x is None:
            return trace(self)
        self._remember(x["train_input"] if isinstance(x, Mapping) else x)
        return self.core.trace(self.points(x))

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
        self, l: int | None = None, i: int | None = None, out_score: Tensor | None = None, plot: bool = True
    ) -> Scores | Tensor:
        """Return the scores of all edges and nodes, or what each input contributes to the nodes of a layer.

        `out_score` weighs the nodes of the layer. No figure is drawn: `plt.bar` does it in a line.
        """
        if l is None:
            return scores(self)
        found = attribution(self, l)
        weighed = found if out_score is None else found * out_score.to(found)[:, None]
        return weighed if i is None else weighed[i]

    def node_attribute(self) -> list[Tensor]:
        """Return what each input contributes to the nodes of each layer from the first hidden one on."""
        return [attribution(self, layer) for layer in range(1, self.core.depth + 1)]

    def feature_interaction(
        self, l: int, neuron_th: float = 1e-2, feature_th: float = 1e-2
    ) -> dict[tuple[int, ...], int]:
        """Return how many nodes of a layer are fed by each group of inputs.

        A node counts if an input contributes more than `neuron_th` to it, and an input belongs to it if it
        contributes more than `feature_th` times the most.
        """
        groups: Counter[tuple[int, ...]] = Counter()
        for row in attribution(self, l):
            if row.max() > neuron_th:
                groups[tuple((row > feature_th * row.max()).nonzero()[:, 0].tolist())] += 1
        return dict(groups)


def _names(variables: Sequence[Any] | None) -> list[str] | None:
    """Return labels for a diagram; expressions are set as mathematics, as the core sets plain symbols."""
    return None if variables is None else [_name(item) for item in variables]


def _name(variable: object) -> str:
    compound = isinstance(variable, sympy.Expr) and not variable.is_Symbol
    return f"${sympy.latex(variable)}$" if compound else str(variable)
