"""Training by torch's optimizers, for what is no network of the core or no function of its outputs alone."""

import copy
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kan.datasets import part
from kan.LBFGS import LBFGS
from kan.seen import Seen
from kanlens import descent
from kanlens.data import Array
from kanlens.errors import InputError

if TYPE_CHECKING:
    from kan.held import Held
    from kan.training import Training

ADAM_RATE = 1e-2
"""Rate for Adam in place of pykan's default of 1.0, which is meant for L-BFGS."""

IDLE = 10
"""Steps of L-BFGS, of 20 iterations each, that show whether it still gets anywhere."""

Rows = tuple[Tensor, Tensor]


def minimise(
    module: nn.Module, loss: Callable[[Tensor], Tensor], rows: int, opt: str, steps: int, lr: float, batch: int = -1
) -> Iterator[int]:
    """Lower a loss of row numbers step by step, yielding after each; the best parameters are kept.

    A step of L-BFGS has up to 20 iterations, as in pykan. A step to a NaN ends it, and so do :data:`IDLE` steps
    of L-BFGS that together lower the loss by less than a thousandth.
    """
    optimizer: torch.optim.Optimizer
    if opt == "LBFGS":
        optimizer = LBFGS(module.parameters(), lr=lr, history_size=10, line_search_fn="strong_wolfe")
    elif opt == "Adam":
        optimizer = descent.Adam(module.parameters(), lr=ADAM_RATE if lr == 1.0 else lr)
    else:
        raise InputError(f"expected opt 'LBFGS' or 'Adam', got {opt!r}. 'LBFGS' suits small networks.")
    generator = torch.Generator().manual_seed(0)
    every = torch.arange(rows)
    lowest, best = math.inf, copy.deepcopy(module.state_dict())
    recent: list[float] = []
    for step in range(steps):
        chosen = every if batch < 0 else torch.randint(rows, (min(batch, rows),), generator=generator, device="cpu")

        def closure(chosen: Tensor = chosen) -> Tensor:
            optimizer.zero_grad()
            value = loss(chosen)
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimizer.step(closure)
        value = float(loss(every).detach())
        if not math.isfinite(value):
            break
        if value < lowest:
            lowest, best = value, copy.deepcopy(module.state_dict())
        recent = [*recent[-IDLE:], lowest]
        yield step
        if opt == "LBFGS" and len(recent) > IDLE and recent[0] - lowest <= 1e-3 * abs(recent[0]):
            break
    module.load_state_dict(best)


def fit_predictions(model: "Held", dataset: Mapping[str, Array], settings: "Training") -> dict[str, list[float]]:
    """Train a door model so that `pred_fn` gives the labels; it may differentiate the model."""
    predict = _of_inputs(model, settings.pred_fn)
    compare = settings.loss_fn or nn.functional.mse_loss
    samples = {name: _rows(model, dataset, name) for name in ("train", "test") if f"{name}_input" in dataset}
    model.seen = Seen(samples["train"][0], fitted=True)
    x, y = samples["train"]
    if settings.update_grid:
        model.update_grid_from_samples(x)

    def loss(chosen: Tensor) -> Tensor:
        value = compare(predict(x[chosen]), y[chosen])
        if settings.lamb:
            value = value + settings.lamb * model.reg(
                settings.reg_metric, settings.lamb_l1, settings.lamb_entropy, settings.lamb_coef, settings.lamb_coefdiff
            )
        return value

    results: dict[str, list[float]] = {name: [] for name in [*(f"{part}_loss" for part in samples), "reg"]}

    def record() -> None:
        for name, (inputs, labels) in samples.items():
            results[f"{name}_loss"].append(float(compare(predict(inputs), labels).detach()))
        results["reg"].append(float(model.reg(settings.reg_metric).detach()) if settings.lamb else 0.0)

    for _ in minimise(model, loss, len(x), settings.opt, settings.steps, settings.lr, settings.batch):
        record()
    record()  # the best point, which is the last
    return results


def _of_inputs(model: "Held", pred_fn: Callable[..., Tensor] | None) -> Callable[[Tensor], Tensor]:
    if pred_fn is None:
        raise InputError("expected pred_fn, got none. Pass the function that gives the predictions.")
    count = len(inspect.signature(pred_fn).parameters)
    return pred_fn if count == 1 else lambda x: pred_fn(model, x)


def _rows(model: "Held", dataset: Mapping[str, Array], name: str) -> Rows:
    x, y = (torch.as_tensor(values).to(model.core.device) for values in part(dataset, name))
    return x.to(model.core.dtype), y.to(model.core.dtype) if y.is_floating_point() else y
