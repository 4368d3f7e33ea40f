"""pykan's layer: a core layer that also returns what happens on each edge."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from kan.design import Design, build
from kan.spline import degree
from kanlens.layer import KANLayer as CoreLayer


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
        seed: int = 0,
    ) -> None:
        super().__init__()
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
