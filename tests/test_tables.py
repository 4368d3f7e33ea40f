"""Tables of numbers are read as people write them, and refused where they cannot be meant."""

from pathlib import Path

import pytest
import torch

from kanlens.errors import InputError
from kanlens.tables import read_csv, symbol_name


def written(folder: Path, text: str) -> Path:
    path = folder / "data.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_numbers_and_names_come_back(tmp_path: Path, delimiter: str) -> None:
    rows = [["name", "a", "b"], ["first", "1", "2.5"], ["second", "-3e2", "4"]]
    table = read_csv(written(tmp_path, "\ufeff" + "\n".join(delimiter.join(row) for row in rows)))
    assert table.names == ("a", "b")
    assert table.text == ("name",)
    assert torch.equal(table.values, torch.tensor([[1, 2.5], [-300, 4]], dtype=torch.float64))


def test_a_target_is_split_off_and_columns_are_left_out(tmp_path: Path) -> None:
    table = read_csv(written(tmp_path, "a,b,c\n1,2,3\n4,5,\n"), leave_out=["c"])  # what is left out may have gaps
    names, x, y = table.split("b")
    assert names == ("a",)
    assert x.tolist() == [[1], [4]]
    assert y.tolist() == [[2], [5]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n", "at least one row"),
        ("", "at least one row"),
        ("a,a\n1,2\n", "different name"),
        ("a,b\n1,2\n3\n", "line 3"),
        ("a,b\n1,2\n3,\n", "line 3, column 'b'"),
        ("a,b\n1,NaN\n3,1\n", "line 2, column 'b'"),
        ("a,b\n1,inf\n3,1\n", "line 2, column 'b'"),
        ("a,b\n1,-nan\n3,1\n", "line 2, column 'b'"),
        ("a,b\n1,2\n\n\n3,\n", "line 5, column 'b'"),
        ("a,b\n1,x\n3,1\n", "got 'x'. Fill it, or drop the row or the column"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_csv(written(tmp_path, text))


def test_wrong_columns_are_named(tmp_path: Path) -> None:
    table = read_csv(written(tmp_path, "who,a,b\nx,1,2\ny,3,4\n"))
    for target, message in (("c", "It has: a, b, who"), ("who", "got text")):
        with pytest.raises(InputError, match=message):
            table.split(target)
    with pytest.raises(InputError, match="beside the target"):
        read_csv(written(tmp_path, "who,a\nx,1\n")).split("a")
    with pytest.raises(InputError, match=r"got 'c'\. It has: who, a, b"):
        read_csv(written(tmp_path, "who,a,b\nx,1,2\n"), leave_out=["c"])


def test_decimal_commas_are_read_where_commas_do_not_delimit(tmp_path: Path) -> None:
    table = read_csv(written(tmp_path, "place, country;a;b\nRome, Italy;1,5;-2,5e3\nOslo;,5;4\n"))
    assert table.values.tolist() == [[1.5, -2500], [0.5, 4]]
    assert table.text == ("place, country",)


def test_cells_may_hold_lines_and_lines_may_be_blank(tmp_path: Path) -> None:
    table = read_csv(written(tmp_path, '\n"a, b",who\n\n1,"one\nand more"\n2,two\n'))
    assert table.names == ("a, b",)
    assert table.values.tolist() == [[1], [2]]


def test_what_is_no_text_in_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes("gr\u00f6\u00dfe,y\n1,2\n".encode("latin-1"))
    with pytest.raises(InputError, match="expected text in UTF-8, got other bytes in latin"):
        read_csv(path)
    with pytest.raises(InputError, match="is not a file"):
        read_csv(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        read_csv(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    "name", ["semi-major axis (AU)", "2nd", "lambda", "\u03b1", "%", "a b", "x\u00b2", "_", "None"]
)
def test_symbols_are_identifiers(name: str) -> None:
    assert symbol_name(name).isidentifier()
