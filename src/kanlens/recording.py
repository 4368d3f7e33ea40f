"""Keep what a network looked like while it was trained."""

import copy
from dataclasses import dataclass, field

from kanlens.network import KAN


@dataclass(frozen=True)
class Snapshot:
    """Hold a network as it was after a step, and the objective then."""

    step: int
    loss: float
    model: KAN


@dataclass
class Recorder:
    """Keep snapshots of a network while it is trained: a callback for :func:`kanlens.fit`.

    When there are more than `most`, every second one is dropped and from then on half as many are kept, so that
    memory stays bounded and the snapshots are evenly spread.

    Examples
    --------
    >>> import torch
    >>> from kanlens import LevenbergMarquardt, fit
    >>> x, recorder = torch.rand(50, 1), Recorder(most=8)
    >>> history = fit(KAN([1, 1]), x, x**2, solver=LevenbergMarquardt(steps=10), callback=recorder)
    >>> len(recorder.snapshots) <= 8
    True
    """

    most: int = 60
    every: int = 1
    snapshots: list[Snapshot] = field(default_factory=list)

    def __call__(self, step: int, loss: float, model: KAN) -> None:
        """Keep a copy of the network if it is this step's turn."""
        if step % self.every:
            return
        self.snapshots.append(Snapshot(step, loss, copy.deepcopy(model)))
        if len(self.snapshots) > self.most:
            self.snapshots = self.snapshots[1::2]
            self.every *= 2
