"""Networks whose shape is chosen, too: the right one wins, and the judge sees what held-out rows do not."""

import pytest
import torch
from torch import Tensor

from kanlens import KAN, BSpline, InputError, LevenbergMarquardt, Limit, approximate, fit, selection, training
from kanlens.objective import NetworkObjective


def sample(rows: int, inputs: int = 2) -> Tensor:
    return torch.rand(rows, inputs, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_shape_that_holds_the_function_wins() -> None:
    x = sample(300)
    y = torch.exp(x[:, :1] ** 2 + torch.sin(3 * x[:, 1:]))
    found = approximate(x, y, widths=[[2, 1], [2, (0, 1)], [2, 1, 1]], starts=1, largest=60)
    assert [width.size for width in found.model.spec.widths] == [2, 1, 1]
    with torch.no_grad():
        assert float((found.model(x) - y).abs().max()) < 1e-3


def test_it_is_the_same_again() -> None:
    x = sample(100)
    one, two = (approximate(x, x[:, :1] * x[:, 1:], widths=[[2, 2, 1]], starts=1, largest=60).model for _ in range(2))
    assert torch.equal(one(x), two(x))


@pytest.mark.parametrize("inputs", [1, 2, 5])
def test_shapes_are_different_and_fit_the_data(inputs: int) -> None:
    found = selection.shapes(inputs, 2)
    assert len({str(shape) for shape in found}) == len(found)
    assert all(KAN(shape)(torch.zeros(1, inputs)).shape == (1, 2) for shape in found)


def test_an_interrupt_gives_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting(training.NetworkObjective):
        calls = 0

        def quadratic(self, theta: Tensor) -> object:
            Interrupting.calls += 1
            if Interrupting.calls > 40:
                raise KeyboardInterrupt
            return super().quadratic(theta)

    monkeypatch.setattr(training, "NetworkObjective", Interrupting)
    x = sample(200)
    found = approximate(x, x[:, :1] ** 2 + x[:, 1:], widths=[[2, 1], [2, 2, 1], [2, 2, 2, 1]])
    assert found.limit is Limit.INTERRUPTED
    assert [width.size for width in found.model.spec.widths] == [2, 1]


def test_bad_tables_are_refused() -> None:
    x = sample(50)
    with pytest.raises(InputError, match="expected as many targets as inputs, got 49 and 50"):
        approximate(x, x[1:, :1])
    with pytest.raises(InputError, match="expected finite inputs"):
        approximate(x / 0 * 0, x[:, :1])
    with pytest.raises(InputError, match="expected a shape and a start at least, got 29 and 0"):
        approximate(sample(50, 3), x[:, :1], starts=0)


def test_errors_of_rows_left_out_are_those_of_fits_without_them() -> None:
    x = sample(25, 1)
    y = torch.sin(6 * x)
    model = KAN([1, 1], basis=BSpline(3, 3), residual="zero", dtype=torch.float64)
    fit(model, x, y, solver=LevenbergMarquardt(steps=30), smoothness=0.0)
    objective = NetworkObjective(model, x, y)
    found = objective.left_out(objective.parameters.get())[:, 0]
    features = model.layers[0].basis.values(x, model.layers[0].grid)[:, 0]
    for row in range(len(x)):
        others = torch.arange(len(x)) != row
        coef = torch.linalg.lstsq(features[others], y[others]).solution
        assert found[row].item() == pytest.approx((features[row] @ coef - y[row]).item(), rel=1e-4, abs=1e-9)


def test_rows_left_out_are_no_worse_short_of_the_minimum() -> None:
    x, new = sample(400), torch.rand(2000, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    model = KAN([2, 3, 3, 1], basis=BSpline(5, 6), dtype=torch.float64)
    fit(model, x, torch.exp(x[:, :1] * x[:, 1:]), solver=LevenbergMarquardt(steps=4))
    objective = NetworkObjective(model, x, torch.exp(x[:, :1] * x[:, 1:]), smoothness=1e-6)
    left_out = objective.left_out(objective.parameters.get()).square().mean().sqrt()
    with torch.no_grad():
        error = (model(new) - torch.exp(new[:, :1] * new[:, 1:])).square().mean().sqrt()
    assert float(left_out) < 10 * float(error)
