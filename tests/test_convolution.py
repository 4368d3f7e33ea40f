"""A convolution is the loop over places and taps that its formula says."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from kanlens.bases import BSpline
from kanlens.convolution import KANConv1d, KANConv2d
from kanlens.errors import InputError
from kanlens.expansions import Chebyshev
from kanlens.layer import RESIDUALS
from samples import points


def naive(conv: KANConv1d | KANConv2d, x: Tensor) -> Tensor:
    """Sum the functions of all taps, place by place."""
    x = torch.nn.functional.pad(x, [n for n in reversed(conv.padding) for _ in range(2)])
    layer, taps = conv.layer, list(itertools.product(*map(range, conv.kernel_size)))
    spans = [d * (k - 1) + 1 for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
    counts = [(n - s) // step + 1 for n, s, step in zip(x.shape[2:], spans, conv.stride, strict=True)]
    y = x.new_zeros(len(x), conv.out_channels, *counts)
    out, in_ = conv.out_channels // conv.groups, conv.in_channels // conv.groups
    for place in itertools.product(*map(range, counts)):
        for number, tap in enumerate(taps):
            at = [p * s + t * d for p, s, t, d in zip(place, conv.stride, tap, conv.dilation, strict=True)]
            edges = layer.edges(x[(slice(None), slice(None), *at)])  # (batch, out / groups * taps, in)
            for j, i in itertools.product(range(conv.out_channels), range(conv.in_channels)):
                if j // out == i // in_:
                    y[(slice(None), j, *place)] += edges[:, (j % out) * len(taps) + number, i]
    return y


CASES: list[dict[str, Any]] = [
    {"kernel_size": 3},
    {"kernel_size": 3, "padding": 1, "residual": "zero"},
    {"kernel_size": 2, "stride": 2, "dilation": 2, "padding": 1},
    {"kernel_size": 2, "groups": 2, "basis": Chebyshev(3), "residual": "identity"},
]


@pytest.mark.parametrize("options", CASES, ids=str)
@pytest.mark.parametrize("kind", [KANConv1d, KANConv2d])
def test_it_is_the_loop_over_places_and_taps(kind: type[KANConv1d] | type[KANConv2d], options: dict[str, Any]) -> None:
    conv = kind(2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64, noise=1.0, **options)
    conv.layer.mask[1, 1] = 0
    x = points(3 * 2, 6**conv.axes, low=-1.3, high=1.3).view(3, 2, *[6] * conv.axes).requires_grad_()
    y, expected = conv(x), naive(conv, x)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(conv(x[0]), expected[0])
    leaves = [x, conv.layer.coef]
    for got, wanted in zip(*(torch.autograd.grad(v.square().sum(), leaves) for v in (y, expected)), strict=True):
        torch.testing.assert_close(got, wanted)


def test_second_derivatives_are_right() -> None:
    conv = KANConv1d(1, 2, 2, basis=BSpline(3, 4), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = points(2, 5, low=-1.2, high=1.2)[:, None].requires_grad_()
    assert torch.autograd.gradgradcheck(conv, x)
    assert set(RESIDUALS) == {"silu", "identity", "zero"}


def test_a_wrong_call_is_answered() -> None:
    with pytest.raises(InputError, match="expected groups to divide"):
        KANConv1d(3, 4, 2, groups=2)
    with pytest.raises(InputError, match="expected kernel_size as 2 integers"):
        KANConv2d(1, 1, (3,))
    with pytest.raises(InputError, match="expected stride as 1 integers of at least 1"):
        KANConv1d(1, 1, 3, stride=0)
    with pytest.raises(InputError, match=r"expected an input \(batch, 2, height, width\)"):
        KANConv2d(2, 1, 3)(torch.zeros(1, 3, 5, 5))
