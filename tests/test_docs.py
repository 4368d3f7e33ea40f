"""What the documents promise, runs."""

import re
from pathlib import Path

import matplotlib
import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["README.md", "docs/laws.md", "docs/files.md", "docs/pictures.md"])
def test_the_python_blocks_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert blocks, f"expected python blocks in {name}, found none."
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    namespace: dict[str, object] = {"__name__": name}
    for block in blocks:
        above = text.count("\n", 0, block.start(1))  # so that a traceback shows the line of the document
        exec(compile("\n" * above + block[1], str(ROOT / name), "exec"), namespace)
