"""The command line finds laws in files, writes them down, and answers wrong calls in one line."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

import kanlens
from kanlens.cli import main, run

PLANETS = Path(__file__).parents[1] / "examples" / "planets.csv"


def written(folder: Path, text: str) -> str:
    path = folder / "data.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def loaded(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("found", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_keplers_third_law_is_found_without_the_distractors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", str(PLANETS), "--target", "period", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    formula = printed.splitlines()[0]
    assert "semi_major_axis**(3/2)" in formula
    assert "eccentricity" not in formula
    assert "mass" not in formula
    assert "not needed: eccentricity, mass" in printed
    assert {path.name for path in tmp_path.iterdir()} == {
        "formula.txt",
        "formula.tex",
        "formula.py",
        "front.csv",
        "report.html",
        "diagram.png",
        "diagram.svg",
        "model.safetensors",
    }
    assert (tmp_path / "formula.txt").read_text().startswith("period = ")
    assert r"\mathrm{semi\_major\_axis}^{\frac{3}{2}}" in (tmp_path / "formula.tex").read_text()
    assert loaded(tmp_path / "formula.py").period(4.0) == pytest.approx(8.0, rel=1e-3)


def test_text_columns_and_odd_names_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"r{k},{k / 10},{2 * k / 10 + 1}" for k in range(1, 60)]
    path = written(tmp_path, "\n".join(["who,length (m),y", *rows]))
    assert run(["fit", path, "--target", "y", "--functions", "x,x^2"]) == 0
    out, err = capsys.readouterr()
    assert "y = 2*length_m + 1" in out
    assert "exact" in out
    assert "left out, as they hold text: who" in err
    assert "'length (m)' is length_m" in err


def test_json_is_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "\n".join(["a,b,y", *(f"{k / 10},{k % 7},{2 * k / 10 + 1}" for k in range(1, 60))]))
    assert run(["fit", path, "--target", "y", "--functions", "x,x^2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["formula"] == "2*a + 1"
    assert found["exact"] is True
    assert found["variables"] == ["a"]
    assert found["formula"] in [row["formula"] for row in found["front"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "nowhere.csv", "--target", "y"], "does not exist"),
        (["fit", str(PLANETS), "--target", "colour"], "expected a column of the table, got 'colour'"),
        (["fit", str(PLANETS), "--target", "name"], "got text in column 'name'"),
        (["fit", str(PLANETS), "--target", "period", "--functions", "sinus"], "expected the name of a function"),
        (["fit", str(PLANETS), "--target", "period", "--functions", ","], "expected at least one function name"),
        (["fit", str(PLANETS), "--target", "period", "--drop", "colour"], "got 'colour'"),
        (["fit", str(PLANETS), "--target", "period", "--out", str(PLANETS)], "expected a folder, got the file"),
        (["fit", str(PLANETS), "--target", "period", "--seed", "one"], "--seed"),
        (["fit", str(PLANETS), "--target", "period", "--colour", "red"], "--colour"),
        (["fit", str(PLANETS)], "--target"),
        (["fit"], "FILE"),
        (["guess"], 'Unknown command "guess"'),
    ],
)
def test_wrong_calls_get_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    last = err.splitlines()[-1]
    assert not out
    assert last.startswith("kanlens: ")
    assert message in last


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,2\n,3\n", "line 3, column 'x'"),
        ("x,y\n1,NaN\n2,3\n", "line 2, column 'y'"),
        ("x,x,y\n1,2,3\n", "a different name for each column"),
        ("x,y\n", "at least one row"),
        ("y\n1\n2\n", "a column of numbers beside the target"),
    ],
)
def test_tables_that_cannot_be_meant_get_exit_code_2(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fit", written(tmp_path, text), "--target", "y"]) == 2
    assert message in capsys.readouterr().err


def test_semicolons_a_byte_order_mark_and_dropped_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{k / 10};{(k * 7) % 5};{k**2 / 100}" for k in range(1, 60)]
    path = written(tmp_path, "\n".join(["\ufeffside;colour;area", *rows]))
    assert run(["fit", path, "--target", "area", "--functions", "x, x^2", "--drop", " colour"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "area = side**2"
    assert "colour" not in out
    assert "59 rows; inputs: side" in err


def test_columns_of_the_same_symbol_stay_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{k / 10},{(k * 7) % 11},{k / 5},{(k * 3) % 13}" for k in range(1, 60)]
    path = written(tmp_path, "\n".join(["a b,a_b,a-b,pi", *rows]))
    assert run(["fit", path, "--target", "a-b", "--functions", "x"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "a_b__ = 2*a_b"
    assert "not needed: a_b_, pi_" in out
    for told in ("'a b' is a_b in", "'a_b' is a_b_ in", "'a-b' is a_b__ in", "'pi' is pi_ in"):
        assert told in err


def test_a_small_table_is_said_to_be_unchecked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{k / 10},{k / 5}" for k in range(1, 9)]
    assert run(["fit", written(tmp_path, "\n".join(["x,y", *rows])), "--target", "y", "--functions", "x"]) == 0
    out, err = capsys.readouterr()
    assert "none is held out" in err
    assert "on rows left out one by one" in out
    assert "held out" not in out


def test_a_table_without_a_law_is_said_to_have_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{k},{(k * 7919) % 101}" for k in range(1, 60)]
    path = written(tmp_path, "\n".join(["x,y", *rows]))
    assert run(["fit", path, "--target", "y", "--functions", "x", "--seconds", "3"]) == 0
    out = capsys.readouterr().out
    assert "No exact law was found: the formula preferred leaves" in out
    assert "exact to round-off" not in out


def test_the_version_and_the_help_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == kanlens.__version__
    assert run(["fit", "--help"]) == 0
    printed = capsys.readouterr().out
    for word in ("FILE", "--target", "--out", "--functions", "--drop", "--seed"):
        assert word in printed


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "kanlens: interrupted"),
        (PermissionError(13, "Permission denied", "results"), 1, "kanlens: Permission denied: results"),
        (OSError("the disk is full"), 1, "kanlens: the disk is full"),
    ],
)
def test_an_interruption_and_a_failure_have_their_own_exit_codes(
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("kanlens.cli.search", fail)
    assert run(["fit", str(PLANETS), "--target", "period"]) == code
    assert capsys.readouterr().err.splitlines()[-1] == message


def test_the_entry_point_reads_the_command_line_and_exits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["kanlens", "fit", "nowhere.csv", "--target", "y"])
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
