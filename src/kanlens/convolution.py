"""Convolutions whose kernels hold one-variable functions instead of numbers."""

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from kanlens.bases import Basis
from kanlens.combination import evaluate
from kanlens.errors import InputError
from kanlens.layer import RESIDUALS, KANLayer


class _KANConv(nn.Module):
    r"""Hold what the convolutions in one and two dimensions share.

    Each tap of the kernel is an edge: a function for every pair of channels. The functions of all taps
    share their inputs' basis functions, so these are evaluated once for each channel and place, and an
    ordinary convolution, whose kernel the coefficients are, does the sums. Unfolding the input to patches first,
    the other way to build it from a layer, evaluates them once for each tap.
    """

    axes: ClassVar[int]
    convolve: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
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
        if in_channels % groups or out_channels % groups:
            raise InputError(
                f"expected groups to divide {in_channels} and {out_channels} channels, got {groups}. Use 1."
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = self._each("kernel_size", kernel_size), self._each("stride", stride)
        self.padding, self.dilation = self._each("padding", padding, 0), self._each("dilation", dilation)
        taps = math.prod(self.kernel_size)
        self.layer = KANLayer(
            in_channels,
            out_channels // groups * taps,
            basis=basis,
            residual=residual,
            low=low,
            high=high,
            noise=noise,
            generator=generator,
            dtype=dtype,
            device=device,
        )
        with torch.no_grad():  # as many edges as this lead to an output
            self.layer.coef.mul_((groups / taps) ** 0.5)
            self.layer.weight.mul_((groups / taps) ** 0.5)

    def _each(self, name: str, value: int | Sequence[int], least: int = 1) -> tuple[int, ...]:
        """Give a number for each axis."""
        numbers = (value,) * self.axes if isinstance(value, int) else tuple(value)
        if len(numbers) != self.axes or any(not isinstance(n, int) or n < least for n in numbers):
            raise InputError(f"expected {name} as {self.axes} integers of at least {least}, got {value!r}.")
        return numbers

    def forward(self, x: Tensor) -> Tensor:
        """Return the sums over taps and channels, `(batch, out, ...)`; without a batch, `(out, ...)`.

        Raises
        ------
        InputError
            If the channels are not where they are expected.
        """
        if x.dim() - self.axes not in (1, 2) or x.shape[-self.axes - 1] != self.in_channels:
            places = ", ".join("length" if self.axes == 1 else name for name in ("height", "width")[: self.axes])
            raise InputError(
                f"expected an input (batch, {self.in_channels}, {places}), got {tuple(x.shape)}. "
                "Reshape it, with the channels second."
            )
        batched = x if x.dim() == self.axes + 2 else x[None]
        padded = nn.functional.pad(batched, [n for n in reversed(self.padding) for _ in range(2)])
        layer, channels_last = self.layer, padded.movedim(1, -1)  # (batch, ..., in)
        values = evaluate(channels_last.reshape(-1, self.in_channels), layer.grid, layer.evaluator)
        planes = values.flatten(1).view(*channels_last.shape[:-1], -1).movedim(-1, 1)  # (batch, in * size, ...)
        y = self._sums(planes, self._kernel(layer.coef * layer.mask[..., None]))
        if (residual := RESIDUALS[layer.residual]) is not None:
            y = y + self._sums(residual(padded), self._kernel((layer.weight * layer.mask)[..., None]))
        return y if batched is x else y[0]

    def _kernel(self, coef: Tensor) -> Tensor:
        """Return the kernel `(out, in / groups * size, *kernel_size)` of `coef (out / groups * taps, in, size)`."""
        out, in_ = self.out_channels // self.groups, self.in_channels // self.groups
        by_group = coef.reshape(out, -1, self.groups, in_, coef.shape[-1]).permute(2, 0, 3, 4, 1)
        return by_group.reshape(self.out_channels, in_ * coef.shape[-1], *self.kernel_size)

    def _sums(self, planes: Tensor, kernel: Tensor) -> Tensor:
        return type(self).convolve(planes, kernel, None, self.stride, 0, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """Describe the convolution in a line."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, dilation={self.dilation}, groups={self.groups}"
        )


class KANConv1d(_KANConv):
    r"""Convolve sequences with a kernel of learnable one-variable functions.

    .. math:: y_j[p] = \sum_i \sum_k \phi_{jik}(x_i[s p + d k])

    for stride :math:`s` and dilation :math:`d`. The input is padded by zeros, whose functions count.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups
        As in :class:`torch.nn.Conv1d`.
    basis, residual, low, high, noise, generator
        As in :class:`kanlens.KANLayer`. Channels have a grid each, `layer.grid (in, knots)`.

    Raises
    ------
    InputError
        If the numbers are not as many as there are axes, or groups do not divide the channels.

    Examples
    --------
    >>> KANConv1d(2, 3, kernel_size=5, padding=2)(torch.zeros(7, 2, 20)).shape
    torch.Size([7, 3, 20])

    References
    ----------
    A. D. Bodner et al., *Convolutional Kolmogorov-Arnold Networks* (2024).
    """

    axes = 1
    convolve = staticmethod(nn.functional.conv1d)


class KANConv2d(_KANConv):
    r"""Convolve images with a kernel of learnable one-variable functions.

    .. math:: y_j[p] = \sum_i \sum_k \phi_{jik}(x_i[s p + d k])

    for stride :math:`s` and dilation :math:`d`. The input is padded by zeros, whose functions count.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups
        As in :class:`torch.nn.Conv2d`.
    basis, residual, low, high, noise, generator
        As in :class:`kanlens.KANLayer`. Channels have a grid each, `layer.grid (in, knots)`.

    Raises
    ------
    InputError
        If the numbers are not as many as there are axes, or groups do not divide the channels.

    Examples
    --------
    >>> KANConv2d(3, 8, kernel_size=3, stride=2)(torch.zeros(7, 3, 33, 33)).shape
    torch.Size([7, 8, 16, 16])

    References
    ----------
    A. D. Bodner et al., *Convolutional Kolmogorov-Arnold Networks* (2024).
    """

    axes = 2
    convolve = staticmethod(nn.functional.conv2d)
