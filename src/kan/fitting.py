"""Training, as pykan's model offers it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, overload

import torch
from torch import Tensor, nn

from kan.arguments import read, shows
from kan.held import Held
from kan.monitor import Results
from kan.penalties import penalty
from kan.samples import Sample
from kan.training import Training, fit
from kanlens.data import Array


class Fitting(Held):
    """Train the network."""

    @shows(Training)
    def fit(self, dataset: Mapping[str, Array], *args: Any, **options: Any) -> Results:
        """Train on a dataset and return the errors of each step. See :class:`kan.training.Training`."""
        results = fit(self, dataset, read(Training, "fit", args, options))
        self.log_history("fit")
        return results

    @overload
    def train(self, mode: bool = True) -> Self: ...

    @overload
    def train(self, dataset: Mapping[str, Array], *args: Any, **options: Any) -> Results: ...

    def train(self, *args: Any, **options: Any) -> Self | Results:
        """Train on a dataset, as `fit` does; with a truth value, set the mode as torch's modules do."""
        if "dataset" in options or (args and isinstance(args[0], Mapping)):
            return self.fit(*args, **options)
        return super().train(*args, **options)

    def evaluate(self, dataset: Mapping[str, Array]) -> dict[str, Any]:
        """Return the error on the test part, and the numbers of edges and grid intervals."""
        error = Sample.of(self.core, self.columns.dataset(dataset), "test", None).error(self.core)
        return {"test_loss": error, "n_edge": len(self.core.live()), "n_grid": self.grid}

    def speed(self, compile: bool = False) -> Callable[..., Any]:
        """Return the model, which has nothing to switch off, or its compiled form."""
        return torch.compile(self) if compile else self

    def reg(
        self,
        reg_metric: str = "edge_forward_spline_n",
        lamb_l1: float = 1.0,
        lamb_entropy: float = 2.0,
        lamb_coef: float = 0.0,
        lamb_coefdiff: float = 0.0,
        entropy_offset: float = 1e-4,
    ) -> Tensor:
        """Return pykan's penalty on the data seen last, for losses of one's own; `fit` has a better one."""
        weights = {"l1": lamb_l1, "entropy": lamb_entropy, "coef": lamb_coef, "coefdiff": lamb_coefdiff}
        return penalty(self.core, self.points(), reg_metric, weights, entropy_offset)

    def get_reg(
        self,
        reg_metric: str = "edge_forward_spline_n",
        lamb_l1: float = 1.0,
        lamb_entropy: float = 2.0,
        lamb_coef: float = 0.0,
        lamb_coefdiff: float = 0.0,
    ) -> Tensor:
        """Return `reg` of the same arguments."""
        return self.reg(reg_metric, lamb_l1, lamb_entropy, lamb_coef, lamb_coefdiff)

    def get_params(self) -> Iterable[nn.Parameter]:
        """Return the parameters."""
        return self.parameters()

    def disable_symbolic_in_fit(self, lamb: float) -> tuple[bool, bool]:
        """Return pykan's two switches as they stand; there is nothing to switch off."""
        return bool(self.save_act), bool(self.symbolic_enabled)
