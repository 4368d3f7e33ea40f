"""pykan's layer of symbols, on the core's symbolic edges; tables are by output, then input."""

from collections.abc import Callable, Sequence

import sympy
import torch
from torch import Tensor, nn

from kan.symbolic import as_function
from kanlens.candidates import Curve, match
from kanlens.errors import InputError
from kanlens.functions import Function
from kanlens.network import SymbolicEdges

Row = tuple[Function, Tensor]
"""A function and its constants `(4,)`."""


class Symbolic_KANLayer(nn.Module):
    """Show a layer's symbols under pykan's names; an edge without one has the name `0`.

    Examples
    --------
    >>> layer = Symbolic_KANLayer(in_dim=2, out_dim=1)
    >>> layer.fix_symbolic(1, 0, "x^2")
    >>> layer(torch.tensor([[1.0, 3.0]]))[0], layer.funs_name
    (tensor([[9.]], grad_fn=<SumBackward1>), [['0', 'x^2']])
    """

    core: SymbolicEdges
    in_dim: int

    def __init__(self, in_dim: int = 3, out_dim: int = 2, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.in_dim, self.core = in_dim, SymbolicEdges(out_dim).to(device)

    @classmethod
    def of(cls, core: SymbolicEdges, in_dim: int) -> "Symbolic_KANLayer":
        """Show symbols that exist."""
        layer = cls.__new__(cls)
        nn.Module.__init__(layer)
        layer.in_dim, layer.core = in_dim, core
        return layer

    def forward(self, x: Tensor, singularity_avoiding: bool = False, y_th: float = 10.0) -> tuple[Tensor, Tensor]:
        """Return the sums `(rows, out)` and the edges by themselves, `(rows, out, in)`.

        With `singularity_avoiding`, values that do not exist are 0 and larger ones than `y_th` end there.
        """
        if not len(self.core):
            edges = x.new_zeros(len(x), self.out_dim, self.in_dim)
        else:
            edges = self.core.spread(self.core.values(x), self.in_dim)
        if singularity_avoiding:
            edges = edges.nan_to_num(nan=0.0).clamp(-y_th, y_th)
        return edges.sum(2), edges

    def fix_symbolic(
        self,
        i: int,
        j: int,
        fun_name: str | Callable[[Tensor], Tensor],
        x: Tensor | None = None,
        y: Tensor | None = None,
        random: bool = False,
        a_range: Sequence[float] = (-10, 10),
        b_range: Sequence[float] = (-10, 10),
        verbose: bool = True,
    ) -> float | None:
        """Make the edge from input `i` to output `j` a function, fitted to a curve if one is given; return its r2."""
        function, constants, r2 = as_function(fun_name), torch.tensor([1.0, 0.0, 1.0, 0.0]), None
        if x is not None and y is not None:
            curve = Curve(x.detach().double(), y.detach().double(), torch.ones_like(x, dtype=torch.float64))
            found = match(function, curve)
            constants, r2 = torch.tensor(found.affine), found.r2
            if verbose:
                print(f"r2 is {r2:.10g}")
        rows = self._rows()
        rows[j, i] = function, constants.to(self.core.affine)
        self._hold(rows, self.out_dim)
        return r2

    def get_subset(self, in_id: Sequence[int], out_id: Sequence[int]) -> "Symbolic_KANLayer":
        """Return the layer of some of the inputs and outputs, in their order."""
        inputs, outputs = [int(i) for i in in_id], [int(j) for j in out_id]
        part = Symbolic_KANLayer(len(inputs), len(outputs))
        part._hold(
            {
                (outputs.index(j), inputs.index(i)): row
                for (j, i), row in self._rows().items()
                if j in outputs and i in inputs
            },
            len(outputs),
        )
        return part

    def swap(self, i1: int, i2: int, mode: str = "in") -> None:
        """Put two inputs (`mode="in"`) or outputs (`"out"`) in each other's places."""
        if mode not in ("in", "out"):
            raise InputError(f"expected mode 'in' or 'out', got {mode!r}.")
        turned = {i1: i2, i2: i1}
        moved = {
            (j, turned.get(i, i)) if mode == "in" else (turned.get(j, j), i): row
            for (j, i), row in self._rows().items()
        }
        self._hold(moved, self.out_dim)

    def _rows(self) -> dict[tuple[int, int], Row]:
        """Return the symbols by output and input."""
        return {
            (j, i): (function, constants)
            for function, j, i, constants in zip(
                self.core.functions, self.core.out, self.core.in_, self.core.affine.detach(), strict=True
            )
        }

    def _hold(self, rows: dict[tuple[int, int], Row], out_dim: int) -> None:
        places = sorted(rows)
        functions, affine = [rows[p][0] for p in places], [rows[p][1] for p in places]
        self.core = SymbolicEdges(
            out_dim,
            functions,
            [j for j, _ in places],
            [i for _, i in places],
            torch.stack(affine) if affine else None,
        )

    @property
    def out_dim(self) -> int:
        """Return the number of outputs."""
        return self.core.out_features

    @property
    def funs_name(self) -> list[list[str]]:
        """Return the names of the functions."""
        names = [["0"] * self.in_dim for _ in range(self.out_dim)]
        for (j, i), (function, _) in self._rows().items():
            names[j][i] = function.name
        return names

    @property
    def funs(self) -> list[list[Callable[[Tensor], Tensor]]]:
        """Return the functions as torch computes them."""
        table: list[list[Callable[[Tensor], Tensor]]] = [[torch.zeros_like] * self.in_dim for _ in range(self.out_dim)]
        for (j, i), (function, _) in self._rows().items():
            table[j][i] = function.torch
        return table

    @property
    def funs_sympy(self) -> list[list[Callable[[sympy.Expr], sympy.Expr]]]:
        """Return the functions as sympy writes them."""
        table: list[list[Callable[[sympy.Expr], sympy.Expr]]]
        table = [[lambda _: sympy.Integer(0)] * self.in_dim for _ in range(self.out_dim)]
        for (j, i), (function, _) in self._rows().items():
            table[j][i] = function.symbolic
        return table

    @property
    def affine(self) -> Tensor:
        """Return the constants a, b, c, d `(out, in, 4)`, 0 without a symbol."""
        table = self.core.affine.new_zeros(self.out_dim, self.in_dim, 4)
        for (j, i), (_, constants) in self._rows().items():
            table[j, i] = constants
        return table

    @property
    def mask(self) -> Tensor:
        """Return 1 for a symbol and 0 for an edge without one, `(out, in)`."""
        table = self.core.affine.new_zeros(self.out_dim, self.in_dim)
        for j, i in self._rows():
            table[j, i] = 1
        return table
