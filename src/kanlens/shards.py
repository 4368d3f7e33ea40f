"""Sums and extremes over all processes that train one network together, each with rows of its own.

Under `torchrun` every process calls :func:`kanlens.fit` with its shard of the rows. What the rows
say enters only through the functions here, so that all processes see the same numbers and take
the same steps. In one process they return what they are given.
"""

import torch
import torch.distributed as dist
from torch import Tensor


def count() -> int:
    """Return the number of processes, 1 where `torch.distributed` is not initialised."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def total(tensor: Tensor) -> Tensor:
    """Return the sum over the processes of a tensor of the same shape in each."""
    return _reduced(tensor, dist.ReduceOp.SUM)


def lowest(tensor: Tensor) -> Tensor:
    """Return the smallest value over the processes, element by element."""
    return _reduced(tensor, dist.ReduceOp.MIN)


def highest(tensor: Tensor) -> Tensor:
    """Return the largest value over the processes, element by element."""
    return _reduced(tensor, dist.ReduceOp.MAX)


def together(tensor: Tensor) -> Tensor:
    """Return the tensors of all processes, of the same shape, as one `(processes, ...)`."""
    if count() == 1:
        return tensor[None]
    tensor = tensor.contiguous()
    parts = [torch.empty_like(tensor) for _ in range(count())]
    dist.all_gather(parts, tensor)
    return torch.stack(parts)


def shared(tensor: Tensor) -> Tensor:
    """Return the first process's tensor."""
    if count() == 1:
        return tensor
    result = tensor.clone(memory_format=torch.contiguous_format)
    dist.broadcast(result, 0)
    return result


def sample(tensor: Tensor, limit: int) -> Tensor:
    """Return up to `limit` rows drawn from those of all processes, and the rows with a column's extreme.

    The draw is the same however the rows are divided, as long as their order is.
    """
    sizes = together(torch.tensor(len(tensor))).tolist()
    if count() == 1 and len(tensor) <= limit:
        return tensor
    start = sum(sizes[: dist.get_rank()]) if count() > 1 else 0
    drawn = torch.arange(sum(sizes), device="cpu")
    if len(drawn) > limit:
        drawn = (
            torch.randint(len(drawn), (limit,), generator=torch.Generator().manual_seed(0), device="cpu").sort().values
        )
    chosen = drawn[(drawn >= start) & (drawn < start + len(tensor))] - start
    if sum(sizes) > limit:
        (low, first), (high, last) = tensor.min(0), tensor.max(0)
        ends = torch.cat([first[low == lowest(low)], last[high == highest(high)]])
        chosen = torch.cat([chosen.to(ends.device), ends])
    return _joined(tensor[chosen])


def _joined(rows: Tensor) -> Tensor:
    """Return the rows of all processes, which may have different numbers of them, one after another."""
    sizes = together(torch.tensor(len(rows))).tolist()
    padded = torch.nn.functional.pad(rows, (0, 0, 0, max(sizes) - len(rows)))
    return torch.cat([part[:size] for part, size in zip(together(padded), sizes, strict=True)])


def _reduced(tensor: Tensor, operation: "dist.ReduceOp.RedOpType") -> Tensor:
    if count() == 1:
        return tensor
    result = tensor.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(result, operation)
    return result
