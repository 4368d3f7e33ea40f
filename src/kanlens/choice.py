"""Which method trains a network, by the sizes of the network and of the data."""

from kanlens import shards
from kanlens.jacobian import Parameters
from kanlens.losses import Curved, Custom
from kanlens.network import KAN
from kanlens.solvers import LBFGS, Adam, LevenbergMarquardt, Solver

LARGEST_SECOND_ORDER = 3_000
"""Parameters up to which a step of Levenberg-Marquardt costs less than what it saves."""

SECOND_ORDER_WORK = 1e11
"""Products a step up to which second order is taken: some seconds on one core."""

FULL_BATCH_WORK = 1e9
"""Products a gradient of all rows up to which L-BFGS is taken: about a second on one core."""

REFIT_WORK = 4e9
"""Products a step up to which refits, of which there are dozens, are by second order if the data determine the
parameters: a tenth of a second, which a step of L-BFGS takes as well."""

SMALL_WORK = 2e8
"""Products a step, some hundredths of a second, up to which they are by second order in any case. Parameters that the
data leave open follow the rows to the last digit by it, and held-out rows are met worse."""

BATCH = 4096
"""Rows in a step of Adam, so many that the work outweighs the calls."""


def choose(model: KAN, rows: int, loss: Curved | Custom) -> tuple[Solver, str]:
    r"""Return a method and a sentence that says why.

    With *n* rows for each process, *o* outputs and *p* parameters, a step of Levenberg-Marquardt
    takes about :math:`n o p^2 + p^3` products and a gradient :math:`10 n p`.

    Parameters
    ----------
    model : KAN
    rows : int
        Rows of all processes.
    loss : Curved or Custom

    Examples
    --------
    >>> from kanlens.losses import measure
    >>> choose(KAN([2, 5, 1]), 1000, measure(None))[1]
    'Levenberg-Marquardt trains this network: its 135 parameters and 1000 rows are few enough for second order.'
    """
    count, own = Parameters(model).size, rows / shards.count()
    if isinstance(loss, Custom):
        return LBFGS(), "L-BFGS trains this network: the loss is a function, with a curvature that is not known."
    sizes = f"its {count} parameters and {rows} rows"
    if count <= LARGEST_SECOND_ORDER and second_order_work(model, int(own)) <= SECOND_ORDER_WORK:
        return (
            LevenbergMarquardt(),
            f"Levenberg-Marquardt trains this network: {sizes} are few enough for second order.",
        )
    if 10 * own * count <= FULL_BATCH_WORK:
        return LBFGS(), f"L-BFGS trains this network: {sizes} are too many for second order."
    return Adam(steps=7, batch=BATCH), f"Adam trains this network in batches: {sizes} are too many for whole passes."


def for_refit(model: KAN, rows: int, steps: int, tolerance: float = 1e-3) -> LevenbergMarquardt | LBFGS:
    """Return what fits a network once more that was changed a little, as a trial among many.

    Examples
    --------
    >>> for_refit(KAN([2, 5, 1]), 1000, steps=8)
    LevenbergMarquardt(steps=8, damping=0.01, tolerance=0.001)
    >>> [type(for_refit(KAN([6, 10, 2]), rows, steps=8)).__name__ for rows in (200, 1000)]
    ['LBFGS', 'LevenbergMarquardt']
    >>> for_refit(KAN([100, 10, 1]), 1000, steps=8)
    LBFGS(steps=8, inner=20, memory=20)
    """
    determined = Parameters(model).size <= rows * model.spec.widths[-1].size
    if second_order_work(model, rows) <= (REFIT_WORK if determined else SMALL_WORK):
        return LevenbergMarquardt(steps=steps, tolerance=tolerance)
    return LBFGS(steps=steps)


def second_order_work(model: KAN, rows: int) -> float:
    """Return about how many products a step of second order takes.

    Examples
    --------
    >>> second_order_work(KAN([2, 5, 1]), 1000)
    20685375.0
    """
    count = Parameters(model).size
    return float(rows * model.spec.widths[-1].size * count**2 + count**3)
