"""As many threads for the BLAS of numpy and scipy as for torch's: they know nothing of each other's."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def shared() -> Iterator[None]:
    """Let numpy and scipy take as many threads as torch does, for a while.

    Examples
    --------
    >>> with shared():
    ...     threads = {each["num_threads"] for each in _controller().select(user_api="blas").info()}
    >>> threads == {torch.get_num_threads()}
    True
    """
    with _controller().limit(limits=torch.get_num_threads(), user_api="blas"):
        yield


@functools.cache
def _controller() -> ThreadpoolController:
    """Return what sets threads; to look for the libraries takes ten milliseconds."""
    return ThreadpoolController()
