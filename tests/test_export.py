"""A network computes in ONNX and as an exported program what it computes here."""

import importlib.util
from pathlib import Path

import pytest
import torch

from kanlens import KAN, BSpline, InputError, MissingPackageError, export_onnx, export_program, power, source
from kanlens.candidates import Candidate
from kanlens.export import Plain
from kanlens.functions import LIBRARY
from kanlens.network import Edge
from kanlens.surgery import with_symbols
from samples import points, rich

needs_onnx = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("onnxscript", "onnxruntime")),
    reason="the extra onnx is not installed",
)


def uneven(degree: int = 3) -> KAN:
    """Return a network whose knots follow data."""
    model = KAN([2, 3, 1], basis=BSpline(degree, 5), noise=0.5, dtype=torch.float64)
    for layer in model.layers:
        layer.grid = layer.basis.adapted(points(200, layer.in_features) ** 3)
    return model


MODELS = [KAN([2, 3, 1]), rich(2), rich(4, residual="identity"), uneven(), uneven(1)]
NAMES = ["float32", "rich", "identity", "uneven", "linear"]


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_plain_operations_compute_the_network(model: KAN) -> None:
    x = points(50, model.spec.widths[0].size, low=-1.5, high=1.5).to(model.dtype)
    x[0] = 1  # a knot
    tolerance = 1e-12 if model.dtype == torch.float64 else 1e-5
    torch.testing.assert_close(Plain(model)(x), model(x), rtol=tolerance, atol=tolerance)


def test_plain_operations_go_on_as_lines_far_outside() -> None:
    model, x = KAN([1, 1], residual="zero", noise=1.0), torch.tensor([[1e15], [-1e15]])
    torch.testing.assert_close(Plain(model)(x), model(x))


@pytest.mark.parametrize("model", [pytest.param(rich(2), marks=pytest.mark.slow), uneven()], ids=["rich", "uneven"])
def test_an_exported_program_takes_batches_of_any_size(model: KAN) -> None:
    module = export_program(model).module()
    for rows in (2, 31):
        x = points(rows, model.spec.widths[0].size, low=-1.5, high=1.5)
        torch.testing.assert_close(module(x), model(x), rtol=1e-12, atol=1e-12)


@needs_onnx
@pytest.mark.parametrize(
    "model",
    [MODELS[1], *(pytest.param(MODELS[k], marks=pytest.mark.slow) for k in (0, 3))],
    ids=["rich", "float32", "uneven"],
)
def test_onnx_runs_batches_of_any_size(model: KAN, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    export_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    tolerance = 1e-11 if model.dtype == torch.float64 else 1e-5
    for rows in (1, 7, 40):
        x = points(rows, model.spec.widths[0].size, low=-1.5, high=1.5).to(model.dtype)
        (y,) = session.run(["y"], {"x": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(y), model(x).detach(), rtol=tolerance, atol=tolerance)


@needs_onnx
def test_a_function_that_onnx_lacks_is_an_error(tmp_path: Path) -> None:
    model = with_symbols(KAN([1, 1]), {Edge(0, 0, 0): Candidate(LIBRARY["Y0"], (1.0, 3.0, 1.0, 0.0), 1.0)})
    with pytest.raises(InputError, match="functions that ONNX has"):
        export_onnx(model, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'kanlens\[onnx\]'"):
        export_onnx(KAN([1, 1]), tmp_path / "m.onnx")


def test_a_source_is_that_of_a_formula_or_of_a_network() -> None:
    import sympy

    assert "return x**2" in source(power(2).symbolic(sympy.Symbol("x")), "python")
    assert "COEF_1" in source(KAN([1, 1]), "python")
