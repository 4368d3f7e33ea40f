"""pykan's `fit` and `train` as calls of the core's: how a budget of steps is spent is the core's affair."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kan.datasets import part
from kan.loops import fit_predictions
from kan.monitor import Monitor, Results
from kan.samples import Sample
from kan.seen import Seen
from kanlens.choice import LARGEST_SECOND_ORDER
from kanlens.data import Array
from kanlens.errors import InputError
from kanlens.losses import Loss
from kanlens.network import KAN as Core
from kanlens.solvers import LBFGS, Adam, LevenbergMarquardt, Solver
from kanlens.sparsity import Sparsity
from kanlens.training import fit as fit_core

if TYPE_CHECKING:
    from kan.held import Held


SMOOTHNESS = 1e-6
"""The core's default."""

SHORTEST = 30
"""Steps of Levenberg-Marquardt that a fit gets at least. One of pykan's is 20 iterations of L-BFGS: after five of them
its users look at a result, which takes this method fewer than a hundred steps, but more than five."""


@dataclass(frozen=True)
class Training:
    """Hold the arguments of `fit` and `train`, with the defaults of 0.2.8.

    Without effect, because all rows are used in each step and the grids follow the data by
    themselves: `batch`, `start_grid_update_step`, `stop_grid_update_step`, `singularity_avoiding`,
    `y_th`, `sglr_avoid`, `small_mag_threshold`, `small_reg_factor`, `reg_metric` (the penalty acts
    on scores that do not depend on units) and `device` (the model's own is used).

    With `pred_fn`, a function of `(model, x)` or of `x`, what is compared to the labels are its values.
    """

    opt: str = "LBFGS"
    steps: int = 100
    log: int = 1
    lamb: float = 0.0
    lamb_l1: float = 1.0
    lamb_entropy: float = 2.0
    lamb_coef: float = 0.0
    lamb_coefdiff: float = 0.0
    update_grid: bool = True
    grid_update_num: int = 10
    loss_fn: Loss | None = None
    lr: float = 1.0
    start_grid_update_step: int = -1
    stop_grid_update_step: int = 50
    batch: int = -1
    metrics: Sequence[Callable[[], Any]] | None = None
    save_fig: bool = False
    in_vars: Sequence[Any] | None = None
    out_vars: Sequence[Any] | None = None
    beta: float = 3.0
    save_fig_freq: int = 1
    img_folder: str = "./video"
    singularity_avoiding: bool = False
    y_th: float = 1000.0
    reg_metric: str = "edge_forward_spline_n"
    display_metrics: Sequence[str] | None = None
    sglr_avoid: bool = False
    small_mag_threshold: float = 1e-16
    small_reg_factor: float = 1.0
    device: torch.device | str = "cpu"
    pred_fn: Callable[..., Tensor] | None = None

    def __post_init__(self) -> None:
        if self.opt not in ("LBFGS", "Adam"):
            raise InputError(f"expected opt 'LBFGS' or 'Adam', got {self.opt!r}. 'LBFGS' suits small networks.")
        if self.lamb_coef or self.lamb_coefdiff:
            warnings.warn("lamb_coef and lamb_coefdiff have no effect here; lamb alone sets the penalty.", stacklevel=5)


def fit(model: "Held", dataset: Mapping[str, Array], settings: Training) -> Results:
    """Train a door model on a dataset and return pykan's lists, one value for each step.

    The lists are root mean square errors, or values of `loss_fn` as they are. They end early when
    steps no longer change anything.
    """
    if settings.pred_fn is not None:
        return fit_predictions(model, dataset, settings)
    x, y = part(dataset, "train")
    dataset = model.columns.dataset(dataset)
    names = ("train", "test") if "test_input" in dataset else ("train",)
    samples = {name: Sample.of(model.core, dataset, name, settings.loss_fn) for name in names}
    moving = settings.update_grid and settings.grid_update_num > 0
    model.seen = Seen(x, y if settings.loss_fn is None else None, fitted=True)
    solver, pace = _solver(settings, model.core)
    monitor = Monitor.of(model, settings, samples, pace)
    with monitor.bar:
        history = fit_core(
            model.core,
            samples["train"].x,
            # as they came: a fit ends where rounding has left nothing to learn
            y if settings.loss_fn is None else samples["train"].targets(model.core.spec.widths[-1].size),
            solver=solver,
            penalty=_penalty(settings),
            loss=samples["train"].loss(),
            regrid=moving,
            # on grids that stand still people teach a model one region after the other: where there are no data,
            # its curves shall stay what they are, rather than become smooth
            smoothness=SMOOTHNESS if moving else 0.0,
            callback=monitor,
        )
    return {**monitor.finish(), "reg": list(history.penalty[::-pace][::-1]) or [0.0]}


def _solver(settings: Training, core: Core) -> tuple[Solver, int]:
    """Return a solver and how many of its steps count as one of pykan's."""
    if settings.opt == "Adam":
        # pykan's default rate of 1.0 is meant for L-BFGS; Adam diverges with it
        return Adam(steps=settings.steps, rate=1e-2 if settings.lr == 1.0 else settings.lr), 1
    small = sum(parameter.numel() for parameter in core.parameters()) <= LARGEST_SECOND_ORDER
    # people write "LBFGS" for the strongest method on offer; for sums of squares that is another one
    if small and settings.loss_fn is None:
        pace = max(SHORTEST // max(settings.steps, 1), 1)
        return LevenbergMarquardt(pace * settings.steps), pace
    return LBFGS(settings.steps), 1


def _penalty(settings: Training) -> Sparsity | None:
    if not settings.lamb:
        return None
    # the core's activities are shares of the outputs' variation, on which a pull is about ten times stronger
    return Sparsity(strength=settings.lamb / 10, l1=settings.lamb_l1, entropy=settings.lamb_entropy)
