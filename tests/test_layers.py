"""The house stands: a module imports only from the floors below its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"

FLOORS = (
    "errors threads shards version curvature views budget removal pace answers scratch descent copying",
    "quadratic moments fused front agenda",
    "cardinal",
    "bases functions solvers data preparation tables constants simplify expressions languages container",
    "arrays native powers expansions trees surrogate exponents",
    "kernels dimensions turns spreading",
    "operators checkpoints jets conditions",
    "combination",
    "layer",
    "network convolution",
    "specs pieces jacobian scores regrid candidates losses starting nested",
    "decomposition products smoothness sparsity refit grading description neighbours chains settings",
    "enumeration single_index flattening objective surgery choice structure problems sparse outliers",
    "growth arrangement plain_nodes univariate presentation",
    "compounds signomials pool",
    "naming improvement verdict triples",
    "training multivariate reductions hinges screening joins angles",
    "hypotheses separations unfolding single_nodes sharpening spans",
    "quadratic_roots shears product_terms low_rank node_sums groups two_nodes signs quotients periods",
    "convergence pruning snapping compiler nodes one_node tuning",
    "lettering portraits palettes recording selection tactics canvas",
    "layout mathml effects typesetting",
    "captions",
    "rounding",
    "symbolic",
    "discovery search pde plotting persistence networks",
    "export law console exhibits",
    "pages treeplot charts",
    "animation",
    "estimators tabular",
    "commands",
    "cli",
    "__init__ __main__",
)
"""Modules of the core, from the ground up. A new module needs a place here."""

FLOOR = {module: number for number, row in enumerate(FLOORS) for module in row.split()}


def files(package: str) -> list[Path]:
    return sorted((SRC / package).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str, str | None]]:
    """Yield line, module and name of every import, at the top or inside a function or a block."""
    package = path.relative_to(SRC).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, None
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join([*base, *filter(None, [node.module])])
            for alias in node.names:
                yield node.lineno, module, alias.name


def core_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and module for every import from the core."""
    for line, module, name in imports(path):
        top, *rest = module.split(".")
        if top == "kanlens":
            # `from kanlens import network` imports a module; `from kanlens import KAN` the whole surface
            yield line, rest[0] if rest else name if name in FLOOR else "__init__"


@pytest.mark.parametrize("path", files("kanlens"), ids=lambda path: path.stem)
def test_a_module_imports_only_from_floors_below(path: Path) -> None:
    assert path.stem in FLOOR, f"{path.name} is on no floor. Give it a place in FLOORS."
    for line, module in core_modules(path):
        assert module in FLOOR, f"{path.name}:{line} imports {module}, which is on no floor. Give it a place in FLOORS."
        assert FLOOR[module] < FLOOR[path.stem], f"{path.name}:{line} imports {module}, which is not on a floor below."


@pytest.mark.parametrize("path", files("kanlens"), ids=lambda path: path.stem)
def test_the_core_knows_no_door(path: Path) -> None:
    for line, module, _ in imports(path):
        assert module.split(".")[0] != "kan", f"{path.name}:{line} imports the kan door."


@pytest.mark.parametrize("path", files("kan"), ids=lambda path: path.stem)
def test_the_kan_door_uses_public_names(path: Path) -> None:
    for line, module, name in imports(path):
        if module.split(".")[0] == "kanlens":
            hidden = [part for part in [*module.split("."), name or ""] if part.startswith("_") and part[:2] != "__"]
            assert not hidden, f"{path.name}:{line} imports the private {hidden[0]}."
            assert name != "*", f"{path.name}:{line} imports everything. Name what it needs."


def test_imports_are_seen_wherever_they_hide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_layers.SRC", tmp_path)
    path = tmp_path / "kanlens" / "network.py"
    path.parent.mkdir()
    path.write_text(
        "import kanlens.bases\n"
        "from . import training\n"
        "if TYPE_CHECKING:\n    from .symbolic import formula\n"
        "def late():\n    from kanlens import KAN\n",
        encoding="utf-8",
    )
    assert sorted(core_modules(path)) == [(1, "bases"), (2, "training"), (4, "symbolic"), (6, "__init__")]
