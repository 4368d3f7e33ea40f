"""Read a yes or no from a tensor, if it can be read."""

from torch import Tensor


def holds(answer: Tensor) -> bool:
    """Read a yes or no; where tensors have no values (meta, fake, mapped by vmap) it is no.

    Examples
    --------
    >>> import torch
    >>> holds(torch.tensor(True)), holds(torch.tensor(True, device="meta"))
    (True, False)
    """
    try:
        return bool(answer)
    except RuntimeError:
        return False
