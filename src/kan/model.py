"""pykan's model: its methods, each a call of the core's functions on the network that it holds."""

from kan.fitting import Fitting
from kan.grids import Grids
from kan.growing import Growing
from kan.looks import Looks
from kan.named import Named
from kan.pruned import Pruned
from kan.recorded import Recorded


class KAN(Fitting, Grids, Pruned, Named, Looks, Growing, Recorded):
    """Offer pykan's `KAN` and `MultKAN`, of both generations, on a core network.

    The network is in `core`; methods that pykan runs in place write into it, or put another network there.
    No call writes files unless it names one (`ckpt_path`, `saveckpt`, `fit(save_fig=True)`), seeds global generators,
    or edits its arguments. See :class:`kan.design.Design` for the arguments. The methods are in modules by topic:
    :mod:`kan.fitting`, :mod:`kan.grids`, :mod:`kan.pruned`, :mod:`kan.named`, :mod:`kan.looks`, :mod:`kan.growing` and
    :mod:`kan.recorded`.

    Examples
    --------
    >>> import torch
    >>> model = KAN(width=[2, 5, 1], grid=5, k=3, seed=0)
    >>> model(torch.zeros(4, 2)).shape
    torch.Size([4, 1])
    """


MultKAN = KAN
