"""The command line finds laws in files, writes them down, and answers wrong calls in one line."""

import importlib.util
from pathlib import Path

import pytest

from kanlens.cli import run

PLANETS = Path(__file__).parents[1] / "examples" / "planets.csv"


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
        "diagram.png",
        "diagram.svg",
    }
    spec = importlib.util.spec_from_file_location("found", tmp_path / "formula.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.period(4.0, 0.0, 1.0) == pytest.approx(8.0, rel=1e-3)


def test_text_columns_and_odd_names_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"r{k},{k / 10},{2 * k / 10 + 1}" for k in range(1, 60)]
    path = tmp_path / "line.csv"
    path.write_text("\n".join(["who,length (m),y", *rows]))
    assert run(["fit", str(path), "--target", "y", "--functions", "x,x^2"]) == 0
    out, err = capsys.readouterr()
    assert "y = 2*length_m + 1" in out
    assert "exact" in out
    assert "left out, as they hold text: who" in err
    assert "'length (m)' is length_m" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "nowhere.csv", "--target", "y"], "does not exist"),
        (["fit", str(PLANETS), "--target", "colour"], "expected a column of the table, got 'colour'"),
        (["fit", str(PLANETS), "--target", "name"], "got text in column 'name'"),
        (["fit", str(PLANETS), "--target", "period", "--functions", "sinus"], "expected the name of a function"),
        (["fit", str(PLANETS), "--target", "period", "--drop", "colour"], "got 'colour'"),
    ],
)
def test_wrong_calls_get_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("kanlens: ")
    assert message in last
