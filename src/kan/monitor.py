"""What pykan's users see of a fit: lists of errors and metrics, a progress bar, figures."""

import builtins
import copy
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tqdm import tqdm

from kan.samples import Sample
from kanlens.network import KAN as Core

if TYPE_CHECKING:
    from kan.held import Held
    from kan.training import Training

Results = dict[str, list[float]]


@dataclass
class Monitor:
    """Record a fit by steps, each of which is `pace` of the core's; the core calls it after each of its own."""

    model: "Held"
    settings: "Training"
    samples: Mapping[str, Sample]
    bar: "tqdm[Any]"
    pace: int = 1
    results: Results = field(default_factory=dict)
    value: float = math.nan

    @classmethod
    def of(cls, model: "Held", settings: "Training", samples: Mapping[str, Sample], pace: int = 1) -> "Monitor":
        """Set up a record, with a progress bar where somebody watches."""
        # IPython says so there; its modules are also loaded where somebody runs notebooks
        watched = settings.log > 0 and (sys.stderr.isatty() or hasattr(builtins, "__IPYTHON__"))
        return cls(model, settings, samples, tqdm(total=settings.steps, disable=not watched, ncols=100), pace)

    def __call__(self, step: int, value: float, network: Core) -> None:
        """Record the network as it is after a step of pykan's."""
        step, rest = divmod(step, self.pace)
        if rest:
            return
        if self.settings.metrics or self.settings.save_fig:  # both ask the model itself
            with stand_in(self.model, network):
                self.record(network)
                if self.settings.save_fig and (step - 1) % self.settings.save_fig_freq == 0:
                    self._draw(step - 1)
        elif value != self.value:
            self.record(network)
        else:  # still the same network
            for values in self.results.values():
                values.append(values[-1])
        self.value = value
        if step % max(self.settings.log, 1) == 0:
            line = " | ".join(f"{name}: {values[-1]:.2e}" for name, values in self._shown().items())
            self.bar.set_description(line, refresh=False)
        self.bar.update()

    def finish(self) -> Results:
        """Return the lists, whose last values are those of the network that was kept."""
        for values in self.results.values():
            values.pop()
        self.record(self.model.core)
        return self.results

    def record(self, network: Core) -> None:
        """Measure a network, which the model must hold if there are metrics: they ask the model."""
        for name, sample in self.samples.items():
            self.results.setdefault(f"{name}_loss", []).append(sample.error(network))
        for metric in self.settings.metrics or ():
            self.results.setdefault(_name(metric), []).append(float(torch.as_tensor(metric()).detach()))

    def _shown(self) -> Results:
        wanted = self.settings.display_metrics
        return self.results if wanted is None else {name: self.results[name] for name in wanted if name in self.results}

    def _draw(self, number: int) -> None:
        """Write a figure into the folder that was asked for."""
        folder = Path(self.settings.img_folder)
        folder.mkdir(parents=True, exist_ok=True)
        settings = self.settings
        figure = self.model.plot(
            in_vars=settings.in_vars, out_vars=settings.out_vars, beta=settings.beta, title=f"Step {number}"
        )
        figure.savefig(folder / f"{number}.jpg", dpi=200)


@contextmanager
def stand_in(model: "Held", network: Core) -> Iterator[None]:
    """Let a model hold a copy of another core network for a while."""
    held = model.core
    model.core = copy.deepcopy(network).to(held.dtype)
    try:
        yield
    finally:
        model.core = held


def _name(metric: Callable[[], Any]) -> str:
    return getattr(metric, "__name__", type(metric).__name__)
