"""pykan's layer: a core layer that also returns what happens on each edge."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from kan.design import FINEST_UNIFORMITY, Design, build
from kan.spline import degree
from kanlens.errors import InputError
from kanlens.growth import deepen
from kanlens.layer import RESIDUALS
from kanlens.layer import KANLayer as CoreLayer
from kanlens.network import KAN as Core
from kanlens.network import Spec, SymbolicEdges, Width
from kanlens.regrid import regrid
from kanlens.surgery import keep, refine


class KANLayer(nn.Module):
    """Show a core layer under pykan's names.

    pykan indexes edges by input, then output: `mask (in, out)` and `coef (in, out, size)` are views
    of the core's `(out, in)`, so that writing into them writes into the layer.

    Examples
    --------
    >>> layer = KANLayer(in_dim=3, out_dim=5)
    >>> y, preacts, postacts, postspline = layer(torch.rand(100, 3))
    >>> y.shape, preacts.shape
    (torch.Size([100, 5]), torch.Size([100, 5, 3]))
    """

    core: CoreLayer
    grid_eps: float

    def __init__(
        self,
        in_dim: int = 3,
        out_dim: int = 2,
        num: int = 5,
        k: int = 3,
        noise_scale: float = 0.5,
        scale_base_mu: float = 0.0,
        scale_base_sigma: float = 1.0,
        scale_sp: float = 1.0,
        base_fun: str | Callable[[Tensor], Tensor] = "silu",
        grid_eps: float = 0.02,
        grid_range: Sequence[float] = (-1.0, 1.0),
        sp_trainable: bool = True,
        sb_trainable: bool = True,
        save_plot_data: bool = True,
        device: torch.device | str = "cpu",
        sparse_init: bool = False,
        *,
        seed: int = 0,
        scale_base: float | None = None,
    ) -> None:
        super().__init__()
        if scale_base is not None:  # 0.0.x
            scale_base_mu = scale_base
        design = Design(
            width=[in_dim, out_dim],
            grid=num,
            k=k,
            noise_scale=noise_scale * scale_sp,
            scale_base_mu=scale_base_mu,
            scale_base_sigma=scale_base_sigma,
            base_fun=base_fun,
            grid_range=grid_range,
            device=device,
            sparse_init=sparse_init,
            seed=seed,
        )
        self.core, *_ = next(iter(build(design).parts()))
        self.grid_eps = grid_eps

    @classmethod
    def of(cls, core: CoreLayer, grid_eps: float = 0.02) -> "KANLayer":
        """Show a layer that exists."""
        layer = cls.__new__(cls)
        nn.Module.__init__(layer)
        layer.core, layer.grid_eps = core, grid_eps
        return layer

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return outputs `(rows, out)`, and `(rows, out, in)` each: inputs, edges, and splines alone."""
        edges = self.core.edges(x)
        splines = torch.einsum("bik,oik->boi", self.core.basis.values(x, self.core.grid), self.core.coef)
        return edges.sum(2), x[:, None, :].expand_as(edges), edges, splines

    def update_grid_from_samples(self, x: Tensor, mode: str = "sample") -> None:
        """Move the grids to where inputs `(rows, in)` are, and keep the curves."""
        uniformity = max(self.grid_eps, FINEST_UNIFORMITY)
        moved = regrid(_alone(self.core), x.to(self.core.grid), uniformity=uniformity, margin=0.0).layers[0]
        self._take(moved)

    def initialize_grid_from_parent(self, parent: "KANLayer", x: Tensor, mode: str = "sample") -> None:
        """Take over the curves of a layer of the same widths on this layer's number of intervals."""
        if (parent.in_dim, parent.out_dim) != (self.in_dim, self.out_dim):
            raise InputError(
                f"expected a layer {self.in_dim} -> {self.out_dim}, got {parent.in_dim} -> {parent.out_dim}. "
                "Pass a layer of the same widths."
            )
        self._take(refine(_alone(parent.core), x, self.num).layers[0])

    @torch.no_grad()
    def _take(self, other: CoreLayer) -> None:
        """Become another layer in the parameters that are there: optimizers hold them."""
        self.core.grid = other.grid.clone()
        for name in ("coef", "weight", "mask"):
            getattr(self.core, name).copy_(getattr(other, name))

    def get_subset(self, in_id: Sequence[int], out_id: Sequence[int]) -> "KANLayer":
        """Return the layer of some of the inputs and outputs, in their order."""
        one = _alone(self.core)
        part = keep(one, [], inputs=[int(i) for i in in_id])
        chosen = keep(deepen(part), [[int(j) for j in out_id]])
        return KANLayer.of(chosen.layers[0], self.grid_eps)

    def swap(self, i1: int, i2: int, mode: str = "in") -> None:
        """Put two inputs (`mode="in"`) or outputs (`"out"`) in each other's places."""
        orders = {name: list(range(size)) for name, size in (("in", self.in_dim), ("out", self.out_dim))}
        if mode not in orders:
            raise InputError(f"expected mode 'in' or 'out', got {mode!r}.")
        orders[mode][i1], orders[mode][i2] = i2, i1
        self._take(self.get_subset(orders["in"], orders["out"]).core)

    @property
    def base_fun(self) -> Callable[[Tensor], Tensor]:
        """Return the function beside the splines."""
        return RESIDUALS[self.core.residual] or torch.zeros_like

    @property
    def in_dim(self) -> int:
        """Return the number of inputs."""
        return self.core.in_features

    @property
    def out_dim(self) -> int:
        """Return the number of outputs."""
        return self.core.out_features

    @property
    def num(self) -> int:
        """Return the number of grid intervals."""
        return self.core.basis.intervals

    @property
    def k(self) -> int:
        """Return the degree of the splines."""
        return degree(self.core.basis)

    @property
    def grid(self) -> Tensor:
        """Return the knots, `(in, num + 2 k + 1)`."""
        return self.core.grid

    @property
    def coef(self) -> Tensor:
        """Return the splines' coefficients, `(in, out, num + k)`."""
        return self.core.coef.transpose(0, 1)

    @property
    def mask(self) -> Tensor:
        """Return 1 for a live spline and 0 for an edge that is cut or a symbol, `(in, out)`."""
        return self.core.mask.T

    @property
    def scale_base(self) -> Tensor:
        """Return the weights of the base function, `(in, out)`."""
        return self.core.weight.T

    @property
    def scale_sp(self) -> Tensor:
        """Return the splines' scales `(in, out)`, which are always 1: the coefficients hold them."""
        return torch.ones_like(self.mask)


def _alone(layer: CoreLayer) -> Core:
    """Return a network of one layer, a copy."""
    spec = Spec((Width(layer.in_features), Width(layer.out_features)), layer.basis, layer.residual)
    return Core.assemble(spec, [copy.deepcopy(layer)], [SymbolicEdges(layer.out_features).to(layer.coef)])
