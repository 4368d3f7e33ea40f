"""pykan's multilayer perceptron, which its notebooks compare KANs with."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from kan import perceptron
from kan.datasets import part
from kan.hypothesis import plot_tree
from kan.loops import minimise
from kan.penalties import entropy
from kanlens.arrangement import best_orders, length
from kanlens.canvas import Canvas
from kanlens.data import Array
from kanlens.errors import InputError
from kanlens.network import Width
from kanlens.plotting import Diagram
from kanlens.scores import Scores, deviation, hand_down


class MLP(nn.Module):
    """Compose linear layers with SiLU between them.

    Examples
    --------
    >>> model = MLP([2, 3, 1])
    >>> model(torch.zeros(4, 2)).shape, [w.shape for w in model.w]
    (torch.Size([4, 1]), [torch.Size([3, 2]), torch.Size([1, 3])])
    """

    def __init__(
        self,
        width: Sequence[int],
        act: str = "silu",
        save_act: bool = True,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        self.width, self.save_act = [int(n) for n in width], save_act
        generator = torch.Generator().manual_seed(seed)
        self.linears = nn.ModuleList(
            _linear(before, after, generator, device) for before, after in zip(self.width, self.width[1:], strict=False)
        )
        self.act_fun = nn.SiLU()
        self.cache_data: Tensor | None = None

    @property
    def depth(self) -> int:
        """Return the number of layers of weights."""
        return len(self.linears)

    @property
    def w(self) -> list[Tensor]:
        """Return the weights, `(out, in)` of each layer."""
        return [linear.weight for linear in self._layers()]

    def _layers(self) -> list[nn.Linear]:
        return [linear for linear in self.linears if isinstance(linear, nn.Linear)]

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs `(rows, out)`."""
        if not torch.compiler.is_compiling():
            self.cache_data = x.detach()
        return self._nodes(x)[-1]

    def _nodes(self, x: Tensor) -> list[Tensor]:
        nodes = [x]
        for number, linear in enumerate(self.linears):
            z = linear(nodes[-1])
            nodes.append(z if number == self.depth - 1 else self.act_fun(z))
        return nodes

    @property
    def acts(self) -> list[Tensor]:
        """Return the values at the nodes of each layer of weights, for the inputs seen last."""
        return self._nodes(self._seen())[:-1]

    def _seen(self) -> Tensor:
        if self.cache_data is None:
            raise InputError("expected inputs, got none yet. Call the model on some first.")
        return self.cache_data

    def get_act(self, x: Array | Mapping[str, Array] | None = None) -> list[Tensor]:
        """Return the values at the nodes of each layer of weights."""
        if x is not None:
            self.cache_data = torch.as_tensor(x["train_input"] if isinstance(x, Mapping) else x)
        return self.acts

    @torch.no_grad()
    def attribute(self) -> Scores:
        """Return how much of the outputs' variation each weight and node carries."""
        edges = [deviation(at[:, None, :] * w) for at, w in zip(self.acts, self.w, strict=True)]
        subnodes = [deviation(linear(at)) for at, linear in zip(self.acts, self._layers(), strict=True)]
        return hand_down(subnodes, edges, [Width(n) for n in self.width])

    def _strengths(self, metric: str) -> list[Tensor]:
        """Return how strong each weight is: by its size, or by what goes through it."""
        if metric == "w":
            return [w.abs() for w in self.w]
        if metric in ("act", "a"):
            return [(at.std(0) * w).abs() for at, w in zip(self.acts, self.w, strict=True)]
        if metric == "fa":
            return self.attribute().edges
        raise InputError(f"expected one of 'w', 'act', 'a' and 'fa', got {metric!r}. Choose one of them.")

    def reg(self, reg_metric: str, lamb_l1: float, lamb_entropy: float) -> Tensor:
        """Return the penalty on the weights' strengths."""
        found = self._strengths(reg_metric)
        return torch.stack([lamb_l1 * values.sum() + lamb_entropy * entropy(values) for values in found]).sum()

    def get_reg(self, reg_metric: str, lamb_l1: float, lamb_entropy: float) -> Tensor:
        """Return `reg` of the same arguments."""
        return self.reg(reg_metric, lamb_l1, lamb_entropy)

    def fit(
        self,
        dataset: Mapping[str, Array],
        opt: str = "LBFGS",
        steps: int = 100,
        log: int = 1,
        lamb: float = 0.0,
        lamb_l1: float = 1.0,
        lamb_entropy: float = 2.0,
        loss_fn: Callable[[Tensor, Tensor], Tensor] | None = None,
        lr: float = 1.0,
        batch: int = -1,
        metrics: Sequence[Callable[[], Any]] | None = None,
        in_vars: Sequence[Any] | None = None,
        out_vars: Sequence[Any] | None = None,
        beta: float = 3,
        device: torch.device | str = "cpu",
        reg_metric: str = "w",
        display_metrics: Sequence[str] | None = None,
    ) -> dict[str, list[float]]:
        """Train on a dataset and return the errors and metrics of each step."""
        compare, like = loss_fn or nn.functional.mse_loss, self.w[0]
        samples = {}
        for name in ("train", "test"):
            if f"{name}_input" in dataset:
                x, y = (torch.as_tensor(values).to(like.device) for values in part(dataset, name))
                y = y[:, None] if loss_fn is None and y.dim() == 1 else y
                samples[name] = x.to(like.dtype), y.to(like.dtype) if y.is_floating_point() else y
        x, y = samples["train"]

        def loss(rows: Tensor) -> Tensor:
            value = compare(self(x[rows]), y[rows])
            return value + lamb * self.reg(reg_metric, lamb_l1, lamb_entropy) if lamb else value

        results: dict[str, list[float]] = {}

        def record() -> None:
            for name, (inputs, labels) in samples.items():
                error = float(compare(self._nodes(inputs)[-1], labels).detach())
                results.setdefault(f"{name}_loss", []).append(error**0.5 if loss_fn is None else error)
            results.setdefault("reg", []).append(float(self.reg(reg_metric, lamb_l1, lamb_entropy).detach()))
            for metric in metrics or ():
                name = getattr(metric, "__name__", "metric")
                results.setdefault(name, []).append(float(torch.as_tensor(metric()).detach()))

        squares = perceptron.MeanSquare([each.shape for each in self.parameters()], self.act_fun, x, y)
        plain = opt == "LBFGS" and loss_fn is None and not lamb and batch < 0
        second = plain and squares.suits and all(each.requires_grad for each in self.parameters())
        first = min(steps, perceptron.FIRST) if second else steps
        for _ in minimise(self, loss, len(x), opt, first, lr, batch):
            record()
        if first < steps:
            perceptron.minimise(self.parameters(), squares, steps - first, record)
        self.cache_data = x
        for values in results.values():
            values.pop()
        record()  # the best point, which is kept
        return results

    # --- order ---------------------------------------------------------------------------

    @property
    def connection_cost(self) -> float:
        """Return how long the connections are, weighted by the weights' sizes."""
        return length([w.detach().abs().double() for w in self.w], [list(range(n)) for n in self.width])

    def swap(self, l: int, i1: int, i2: int) -> None:
        """Put two nodes of a hidden layer in each other's places."""
        if not 0 < l < self.depth:
            raise InputError(f"expected a hidden layer from 1 to {self.depth - 1}, got {l}.")
        order = list(range(self.width[l]))
        order[i1], order[i2] = i2, i1
        self._reorder(l, order)

    @torch.no_grad()
    def _reorder(self, l: int, order: Sequence[int]) -> None:
        below, above = self._layers()[l - 1], self._layers()[l]
        below.weight.copy_(below.weight[list(order)].clone())
        below.bias.copy_(below.bias[list(order)].clone())
        above.weight.copy_(above.weight[:, list(order)].clone())

    def auto_swap(self) -> None:
        """Order the nodes of all hidden layers so that strong connections are short."""
        orders = best_orders([w.detach().abs().double() for w in self.w], [Width(n) for n in self.width])
        for layer in range(1, self.depth):
            self._reorder(layer, orders[layer])

    def auto_swap_l(self, l: int) -> None:
        """Order the nodes, as `auto_swap` does."""
        self.auto_swap()

    # --- pictures ------------------------------------------------------------------------

    def plot(self, beta: float = 3, scale: float = 1.0, metric: str = "w") -> Figure:
        """Return a picture of the connections, blue for positive weights and red for negative ones."""
        figure = Diagram(figsize=(5 * scale, 1.5 * scale * self.depth))
        Canvas(figure)
        ax = figure.add_axes((0, 0, 1, 1))
        ax.axis("off")
        places = [[(i + 0.5) / n for i in range(n)] for n in self.width]
        for layer, (values, w) in enumerate(zip(self._strengths(metric), self.w, strict=True)):
            for j, i in torch.cartesian_prod(torch.arange(w.shape[0]), torch.arange(w.shape[1])).tolist():
                ends = [places[layer][i], places[layer + 1][j]]
                color = "tab:blue" if float(w[j, i].detach()) > 0 else "tab:red"
                ax.plot(
                    ends, [layer, layer + 1], color=color, lw=scale, alpha=float((beta * values[j, i].detach()).tanh())
                )
        for layer, row in enumerate(places):
            ax.plot(row, [layer] * len(row), "o", color="black", ms=4 * scale)
        return figure

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
        """Return a picture of the tree of scalars through which the network knows its inputs."""
        points = self._seen() if x is None else torch.as_tensor(x)
        return plot_tree(self, points, in_var, style, sym_th, sep_th, skip_sep_test, verbose)

    def copy(self) -> Self:
        """Return a copy that shares nothing."""
        return copy.deepcopy(self)


def _linear(before: int, after: int, generator: torch.Generator, device: torch.device | str) -> nn.Linear:
    """Return a layer that is drawn as torch draws one, from a generator of its own."""
    layer = nn.Linear(before, after, device="meta").to_empty(device=device)  # torch's own draws would be used up
    with torch.no_grad():
        for parameter in layer.parameters():
            drawn = torch.rand(parameter.shape, generator=generator, device="cpu")
            parameter.copy_((drawn * 2 - 1) * before**-0.5)
    return layer
