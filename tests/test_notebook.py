"""The tutorial that pykan's users start with runs as it was published, through a kernel, and finds the law."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
import sympy
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent / "notebooks" / "hello.ipynb"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], Path]:
    """Run the notebook in an empty folder and return its code cells and the folder."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"], folder


def results(cells: list[Any], kind: str) -> list[Any]:
    """Return what the cells' last expressions show, of one mime type."""
    found = [output for cell in cells for output in cell.outputs if output.output_type == "execute_result"]
    return [output.data[kind] for output in found if kind in output.data]


def test_the_last_cell_shows_the_law(run: tuple[list[Any], Path]) -> None:
    x_1, x_2 = sympy.symbols("x_1 x_2")
    assert results(run[0][-1:], "text/plain") == [str(sympy.exp(x_2**2 + sympy.sin(sympy.pi * x_1)))]


def test_each_plot_shows_a_picture(run: tuple[list[Any], Path]) -> None:
    plots = [cell for cell in run[0] if "model.plot(" in cell.source]
    assert len(results(plots, "image/png")) == len(plots) == 5


def test_symbols_are_printed_as_they_are_fixed(run: tuple[list[Any], Path]) -> None:
    printed = "".join(output.text for cell in run[0] for output in cell.outputs if output.get("name") == "stdout")
    assert [line.split(", r2=")[0] for line in printed.splitlines()] == [
        "fixing (0,0,0) with sin",
        "fixing (0,1,0) with x^2",
        "fixing (1,0,0) with exp",
    ]


def test_nothing_is_written(run: tuple[list[Any], Path]) -> None:
    assert list(run[1].iterdir()) == []
