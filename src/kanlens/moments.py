"""Means and variances of data that come in chunks and in shards."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kanlens import shards


@dataclass(frozen=True)
class Moments:
    """Hold the mean and the sum of squared deviations of values, over rows.

    Chunks are merged by their means, which keeps the digits that sums of squares would lose.

    Examples
    --------
    >>> one, other = Moments.of(torch.tensor([1.0, 2.0])), Moments.of(torch.tensor([3.0]))
    >>> (one + other).mean.item(), round((one + other).variance.item(), 6)
    (2.0, 0.666667)

    References
    ----------
    T. Chan, G. Golub and R. LeVeque, *Algorithms for Computing the Sample Variance* (1983).
    """

    count: float
    mean: Tensor
    squares: Tensor

    @classmethod
    def of(cls, values: Tensor) -> "Moments":
        """Measure values `(rows, ...)`."""
        variance, mean = torch.var_mean(values, 0, correction=0)
        return cls(len(values), mean, variance * len(values))

    def __add__(self, other: "Moments") -> "Moments":
        count = self.count + other.count
        gap = other.mean - self.mean
        return Moments(
            count,
            self.mean + gap * (other.count / count),
            self.squares + other.squares + gap.square() * (self.count * other.count / count),
        )

    def gathered(self) -> "Moments":
        """Return the moments over the rows of all processes."""
        if shards.count() == 1:
            return self
        count = float(shards.total(self.mean.new_tensor(self.count)))
        mean = shards.total(self.mean * (self.count / count))
        squares = shards.total(self.squares + self.count * (self.mean - mean).square())
        return Moments(count, mean, squares)

    @property
    def variance(self) -> Tensor:
        """Return the mean squared deviation."""
        return self.squares / self.count

    @property
    def deviation(self) -> Tensor:
        """Return the standard deviation, 0 where it is only round-off of a constant."""
        noise = 10 * torch.finfo(self.mean.dtype).eps * self.mean
        return torch.where(self.variance > noise.square(), self.variance, 0.0).sqrt()
