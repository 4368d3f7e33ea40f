"""The layer of learnable one-variable functions, for any torch model."""

from typing import Any, Self

import torch
from torch import Tensor, nn

from kanlens import jets
from kanlens.answers import holds
from kanlens.bases import Basis, BSpline, Evaluator
from kanlens.combination import combine
from kanlens.copying import Memo, Quick

RESIDUALS = {"silu": nn.functional.silu, "identity": lambda x: x, "zero": None}
"""Functions beside the spline on each edge, by name; `zero` is none."""


class KANLayer(Quick):
    r"""Sum learnable one-variable functions of the inputs.

    .. math:: y_j = \sum_i m_{ji} \Big( w_{ji}\, b(x_i) + \sum_m c_{jim} B_m(x_i) \Big)

    with basis functions :math:`B_m` on a grid per input, a fixed residual function :math:`b` and a mask.

    Parameters
    ----------
    in_features, out_features : int
        Widths.
    basis : Basis
        Basis of the edges' functions, cubic splines on 5 intervals by default.
    residual : str
        `"silu"`, `"identity"` or `"zero"`.
    low, high : float
        Range of the first grid.
    noise : float
        Size of the random functions at the start.
    generator : torch.Generator, optional
        Source of randomness; without it torch's own.

    Shapes
    ------
    input `(..., in)`, output `(..., out)`; `coef (out, in, size)`, `weight (out, in)`,
    `mask (out, in)`, `grid (in, knots)`.

    Notes
    -----
    `coef` lies in memory as `(in, size, out)`, one row for each basis function; who needs it contiguous,
    as `safetensors.torch.save_file` does, calls `contiguous()`. `torch.optim.LBFGS` and
    `torch.nn.utils.parameters_to_vector` want the parameter itself so: assign
    `layer.coef = nn.Parameter(layer.coef.detach().contiguous())` before; it makes wide layers slower. `grid`
    and `mask` may be assigned or written in place; after writes in place, a compiled layer has to :meth:`look`.

    Examples
    --------
    >>> layer = KANLayer(64, 32, basis=BSpline(degree=3, intervals=5))
    >>> layer(torch.zeros(7, 64)).shape
    torch.Size([7, 32])

    References
    ----------
    Z. Liu et al., *KAN: Kolmogorov-Arnold Networks* (2024), section 2.2.
    """

    mask: Tensor
    grid: Tensor
    _pieces: jets.Pieces | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        basis: Basis | None = None,
        residual: str = "silu",
        low: float = -1.0,
        high: float = 1.0,
        noise: float = 0.1,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.basis: Basis = basis or BSpline()
        self.residual = residual
        options: dict[str, Any] = {"dtype": dtype, "device": device}
        ends = torch.ones(in_features, **options)
        self.register_buffer("grid", self.basis.grid(low * ends, high * ends))
        self.register_buffer("mask", torch.ones(out_features, in_features, **options))
        scale = in_features**-0.5
        # drawn on the CPU in float64, so that a seed means the same network on every device and dtype
        draw: dict[str, Any] = {"generator": generator, "dtype": torch.float64, "device": "cpu"}
        uniform = torch.rand(out_features, in_features, **draw) * 2 - 1
        bumps = torch.randn(out_features, in_features, self.basis.size, **draw)
        rows = (bumps * noise * scale).to(self.grid).permute(1, 2, 0).contiguous()
        self.coef = nn.Parameter(rows.permute(2, 0, 1))
        self.weight = nn.Parameter((uniform * scale).to(self.grid), requires_grad=self.has_residual)
        self.look()

    @property
    def has_residual(self) -> bool:
        """Tell whether the edges have a residual function."""
        return RESIDUALS[self.residual] is not None

    @property
    def blank(self) -> bool:
        """Tell whether all edges are masked."""
        self._look_again()
        return self._blank

    @property
    def evaluator(self) -> Evaluator:
        """Return what evaluates the basis fastest on the present grid."""
        self._look_again()
        return self._evaluator

    @property
    def masked_coef(self) -> Tensor:
        """Return the coefficients `(out, in, size)`, those of edges that are cut off as zeros."""
        self._look_again()
        return self._masked(self.coef)

    @property
    def masked_weight(self) -> Tensor:
        """Return the residual weights `(out, in)`, those of edges that are cut off as zeros."""
        self._look_again()
        return self._masked(self.weight)

    def stage(self, symbols: jets.Symbols | None, sums: int, products: tuple[int, ...]) -> jets.Stage:
        """Return what carries jets through a layer with symbols beside it that leads to sums and products."""
        self._look_again()
        if self._blank and symbols is not None:
            return jets.Stage(self.coef, None, None, self.residual, symbols, sums, products)
        if self._pieces is None:
            assert isinstance(self.basis, BSpline)
            self._pieces = jets.Pieces.of(self.basis, self.grid)
        weight = self._masked(self.weight) if self.has_residual else None
        return jets.Stage(self._masked(self.coef), weight, self._pieces, self.residual, symbols, sums, products)

    def _masked(self, parameter: Tensor) -> Tensor:
        """Return a parameter `(out, in, ...)` with zeros for the edges that are cut off."""
        return parameter if self._whole else parameter * (self.mask if parameter.ndim == 2 else self.mask[..., None])

    def forward(self, x: Tensor) -> Tensor:
        """Return the sums over the edges, `(..., out)`, without a tensor of size batch x out x in."""
        flat = x.reshape(-1, self.in_features)
        self._look_again()
        if self._blank:
            # 0, of which inputs and coefficients have derivatives of every order: sums of none of them
            nothing = flat[:, :0].exp().sum(1, keepdim=True) + self.coef[:0].sum()
            return nothing.expand(len(flat), self.out_features).reshape(*x.shape[:-1], self.out_features)
        y = combine(flat, self._masked(self.coef), self.grid, self._evaluator)
        if (residual := RESIDUALS[self.residual]) is not None:
            y = torch.addmm(y, residual(flat), self._masked(self.weight).T)
        return y.reshape(*x.shape[:-1], self.out_features)

    def edges(self, x: Tensor) -> Tensor:
        """Return each edge's function by itself, `(batch, out, in)`."""
        y = torch.einsum("bik,oik->boi", self.evaluator.values(x, self.grid), self.coef)
        if (residual := RESIDUALS[self.residual]) is not None:
            y = y + residual(x)[:, None, :] * self.weight
        return y * self.mask

    def extra_repr(self) -> str:
        """Describe the layer in a line."""
        return f"{self.in_features}, {self.out_features}, {self.basis}, residual={self.residual!r}"

    # --- what the buffers hold -----------------------------------------------------------
    # Whether the grid is uniform and the mask all ones decides which code runs. Asking the tensors at every
    # call was rejected: on a GPU each answer waits for all work before it. So their answers are kept, together
    # with the tensors and their versions, which torch counts up at every write.

    def look(self) -> None:
        """Notice what was written into the mask and the grid; only a compiled layer needs to be told."""
        self._note()
        self._pieces = None
        self._whole = holds((self.mask == 1).all())
        self._blank = holds((self.mask == 0).all())
        self._evaluator = self.basis.on(self.grid)

    def _note(self) -> None:
        self._seen = (self.mask, _version(self.mask), self.grid, _version(self.grid), self.basis)

    def __deepcopy__(self, memo: Memo) -> Self:
        self._look_again()
        twin = super().__deepcopy__(memo)
        twin._note()  # the answers are copied, too
        return twin

    def _look_again(self) -> None:
        if torch.compiler.is_compiling():
            return
        mask, mask_version, grid, grid_version, basis = self._seen
        buffers = self._buffers  # to ask the module for each takes as long as the rest of this
        same = mask is buffers["mask"] and grid is buffers["grid"] and basis is self.basis
        if not same or mask_version != _version(mask) or grid_version != _version(grid):
            self.look()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in {"mask", "grid", "basis"} and "_seen" in self.__dict__ and not torch.compiler.is_compiling():
            self.look()

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self.look()


def _version(tensor: Tensor) -> int:
    """Return how often a tensor was written to; those made in inference mode do not count."""
    return 0 if tensor.is_inference() else tensor._version
