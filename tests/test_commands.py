"""The commands that take a law further: each does what its help says, and answers wrong calls in one line."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from kanlens import KAN, compile_formula, export_onnx, parse, save
from kanlens.cli import run
from kanlens.law import Law
from kanlens.tables import read_table, write_table
from samples import points, rich

Capture = pytest.CaptureFixture[str]

needs_arrow = pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")


@pytest.fixture
def law(tmp_path: Path) -> Path:
    """Return a saved formula whose columns have other names than its symbols."""
    model = compile_formula(parse("2*a**2 + sin(b)"), ["a", "b"], dtype=torch.float64)
    notes = {"inputs": ["a", "b"], "columns": ["length (m)", "b"], "outputs": ["area"]}
    save(model, tmp_path / "law.safetensors", notes=notes)
    return tmp_path / "law.safetensors"


@pytest.fixture
def network(tmp_path: Path) -> Path:
    save(rich(2), tmp_path / "network")
    return tmp_path / "network"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "new.csv").write_text("who,b,length (m),broken\nA,0.5,1,x\nB,1.5,2,\n")
    return tmp_path / "new.csv"


AREA = [2 + float(torch.sin(torch.tensor(0.5, dtype=torch.float64))), 8 + float(torch.sin(torch.tensor(1.5).double()))]


def test_predict_finds_the_columns_by_name(law: Path, table: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(["predict", str(law), str(table)]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "area"
    assert [float(row) for row in rows] == pytest.approx(AREA, abs=1e-15)
    assert run(["predict", str(law), str(table), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"area": pytest.approx(AREA)}
    assert run(["predict", str(law), str(table), "--out", str(tmp_path / "p.csv")]) == 0
    assert read_table(tmp_path / "p.csv").column("area").tolist() == pytest.approx(AREA)
    assert not capsys.readouterr().out


@needs_arrow
def test_tables_may_be_parquet(law: Path, tmp_path: Path, capsys: Capture) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = {"who": ["A", "B"], "b": [0.5, 1.5], "length (m)": [1, 2], "gap": [None, 1.0]}
    pyarrow.parquet.write_table(pyarrow.table(rows), tmp_path / "new.parquet")
    assert run(["predict", str(law), str(tmp_path / "new.parquet"), "--out", str(tmp_path / "p.parquet")]) == 0
    assert read_table(tmp_path / "p.parquet").column("area").tolist() == pytest.approx(AREA)
    assert run(["predict", str(law), str(law)]) == 2
    (tmp_path / "no.parquet").write_bytes(b"no")
    for arguments, message in (
        (["predict", str(law), str(tmp_path / "no.parquet")], "expected a Parquet file"),
        (["fit", str(tmp_path / "new.parquet"), "--target", "b"], "got None"),
        (["fit", str(tmp_path / "new.parquet"), "--target", "who", "--drop", "gap"], "got text in column 'who'"),
    ):
        assert run(arguments) == 2
        assert message in capsys.readouterr().err


def test_a_formula_file_is_a_law_too(table: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "formula.txt").write_text("y = 3*b + sqrt(b)\n")
    assert run(["predict", str(tmp_path / "formula.txt"), str(table)]) == 0
    assert float(capsys.readouterr().out.splitlines()[1]) == pytest.approx(1.5 + 0.5**0.5)
    assert run(["export", str(tmp_path / "formula.txt"), "--to", "c"]) == 0
    assert "double y(double b)" in capsys.readouterr().out


def test_values_outside_a_domain_are_told(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "formula.txt").write_text("y = log(b)")
    (tmp_path / "t.csv").write_text("b\n-1\n1\n")
    assert run(["predict", str(tmp_path / "formula.txt"), str(tmp_path / "t.csv"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"y": [None, 0.0]}
    assert "1 values are not finite" in err


def test_formula_prints_what_a_network_says(law: Path, network: Path, capsys: Capture) -> None:
    assert run(["formula", str(law)]) == 0
    assert capsys.readouterr().out == "area = 2*a**2 + sin(b)\n"
    assert run(["formula", str(law), "--language", "latex"]) == 0
    assert capsys.readouterr().out == "area = 2 a^{2} + \\sin{\\left(b \\right)}\n".replace("area", r"\mathrm{area}")
    assert run(["formula", str(law), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["area"]["variables"] == ["a", "b"]
    assert run(["formula", str(network)]) == 2
    assert "got splines" in capsys.readouterr().err


def test_export_writes_formulas_and_networks(law: Path, network: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(["export", str(law), "--to", "rust", "--name", "g"]) == 0
    assert "pub fn g(a: f64, b: f64)" in capsys.readouterr().out
    assert run(["export", str(law), "--to", "sql"]) == 0
    assert '"length (m)"' in capsys.readouterr().out
    assert run(["export", str(law), "--to", "excel"]) == 0
    assert "A2 is length (m), B2 is b" in capsys.readouterr().err
    assert run(["export", str(network), "--to", "numpy", "--out", str(tmp_path / "n.py")]) == 0
    assert "COEF_1 = numpy.array" in (tmp_path / "n.py").read_text()
    assert run(["export", str(network), "--to", "program", "--out", str(tmp_path / "n.pt2")]) == 0
    x = points(4, 3)
    module = torch.export.load(tmp_path / "n.pt2").module()
    torch.testing.assert_close(module(x), rich(2)(x))
    assert run(["export", str(network), "--to", "onnx"]) == 2
    assert "Pass --out" in capsys.readouterr().err


@pytest.mark.slow
def test_export_writes_onnx(network: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
    assert run(["export", str(network), "--to", "onnx", "--out", str(tmp_path / "n.onnx")]) == 0
    export_onnx(rich(2), tmp_path / "same.onnx")
    assert (tmp_path / "n.onnx").stat().st_size == (tmp_path / "same.onnx").stat().st_size


def test_info_tells_what_is_inside(law: Path, network: Path, capsys: Capture) -> None:
    assert run(["info", str(law)]) == 0
    printed = capsys.readouterr().out
    assert "length (m), b" in printed
    assert "area = 2*a**2 + sin(b)" in printed
    assert run(["info", str(network), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["nodes"] == [width.size for width in rich(2).spec.widths]
    assert found["splines"] + len(found["symbols"]) == len(rich(2).live())


def test_plot_draws_with_and_without_data(law: Path, table: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(["plot", str(law), str(table), "--out", str(tmp_path / "d.svg")]) == 0
    assert (tmp_path / "d.svg").read_text().count("<svg") == 1
    assert run(["plot", str(law), "--out", str(tmp_path / "d.png")]) == 0
    assert (tmp_path / "d.png").read_bytes()[:4] == b"\x89PNG"
    arguments = ["--fold", "1", "--palette", "print", "--ticks", "--samples", "--scale", "2"]
    assert run(["plot", str(law), str(table), "--out", str(tmp_path / "e.svg"), *arguments]) == 0
    assert (tmp_path / "e.svg").read_bytes() != (tmp_path / "d.svg").read_bytes()
    assert run(["plot", str(law), "--out", str(tmp_path / "d.png"), "--palette", "pink"]) == 2
    assert run(["plot", str(law), "--out", str(tmp_path / "d.xyz")]) == 2
    assert "expected a picture" in capsys.readouterr().err


def test_names_that_do_not_fit_the_network_are_replaced(tmp_path: Path) -> None:
    save(KAN([2, 2]), tmp_path / "n.safetensors", notes={"inputs": ["a"], "outputs": "b"})
    found = Law.read(tmp_path / "n.safetensors")
    assert (found.inputs, found.columns, found.outputs) == (("x_1", "x_2"), ("x_1", "x_2"), ("y_1", "y_2"))


def test_columns_are_written_as_they_are(tmp_path: Path) -> None:
    column = points(20, 1)[:, 0]
    assert write_table(None, {"a": column}).count("\n") == 21
    write_table(tmp_path / "t.csv", {"a": column, "b": -column})
    assert torch.equal(read_table(tmp_path / "t.csv").column("b"), -column)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "nowhere.safetensors", "t.csv"], "which does not exist"),
        (["predict", "{law}", "nowhere.csv"], "does not exist"),
        (["predict", "{law}", "{text}"], "expected a column of the table"),
        (["predict", "{text}", "{text}"], "expected a formula"),
        (["info", "{damaged}"], "expected a file that kanlens wrote"),
        (["export", "{law}", "--to", "cobol"], "cobol"),
        (["export", "{law}"], "--to"),
        (["plot", "{law}"], "--out"),
    ],
)
def test_wrong_calls_get_one_line_and_exit_code_2(
    arguments: list[str], message: str, law: Path, tmp_path: Path, capsys: Capture
) -> None:
    files = {"law": law, "text": tmp_path / "text.txt", "damaged": tmp_path / "d.safetensors"}
    files["text"].write_text("p,q\n1,2\n")
    files["damaged"].write_bytes(law.read_bytes()[:-5])
    assert run([argument.format(**files) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("kanlens: ")
    assert message in err


def test_options_may_stand_in_a_file(
    law: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "kanlens.toml").write_text("[predict]\njson = true\n")
    monkeypatch.chdir(tmp_path)
    assert run(["predict", str(law), str(table)]) == 0
    assert json.loads(capsys.readouterr().out) == {"area": pytest.approx(AREA)}


def test_the_help_names_commands_and_exit_codes(capsys: Capture) -> None:
    assert run(["--help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for word in (
        "predict",
        "formula",
        "export",
        "info",
        "plot",
        "report",
        "fit",
        "--install-completion",
        "130 interrupted",
    ):
        assert word in printed
