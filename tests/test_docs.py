"""What the documents promise, runs."""

import importlib.util
import os
import re
import sys
from pathlib import Path

import matplotlib
import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CELL = re.compile(r"^```\{code-cell\}\n(?::tags: \[(.*?)\]\n)?(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted((ROOT / "docs").rglob("*.md"))
WITH_BLOCKS = [ROOT / "README.md", *(page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8")))]
NOTEBOOKS = [page for page in PAGES if CELL.search(page.read_text(encoding="utf-8"))]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", WITH_BLOCKS, ids=name)
def test_the_python_blocks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert blocks, f"expected python blocks in {path.name}, found none."
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    namespace: dict[str, object] = {"__name__": path.stem}
    for block in blocks:
        above = text.count("\n", 0, block.start(1))  # so that a traceback shows the line of the document
        exec(compile("\n" * above + block[1], str(path), "exec"), namespace)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_the_notebooks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [code for tags, code in CELL.findall(path.read_text(encoding="utf-8")) if is_possible(tags)]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])  # type: ignore[no-untyped-call]
    NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = [output.text for cell in book.cells for output in cell.outputs if output.get("name") == "stderr"]
    assert not any("Warning" in text or "Error" in text for text in printed), printed


def is_possible(tags: str) -> bool:
    """Tell whether the packages are installed that a cell says it needs."""
    needs = [tag.strip().removeprefix("needs-") for tag in tags.split(",") if "needs-" in tag]
    return all(importlib.util.find_spec(package) for package in needs)
