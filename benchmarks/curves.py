"""Draw how a layer's step grows: `python -m benchmarks.curves` after `python -m benchmarks growth`."""

import json
import os
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import FOLDER
from benchmarks.layer import START

PICTURE = Path("docs/images/growth.png")

STYLES = {
    "product": {"color": "0.6", "linestyle": "--", "label": "bare product"},
    "layer": {"color": "tab:blue", "label": "torch"},
    "layer, C": {"color": "tab:orange", "label": "loops in C"},
    "efficient": {"color": "tab:red", "linestyle": ":", "label": "recursion of efficient-kan"},
}

Rows = dict[str, dict[str, dict[str, float]]]


def main() -> None:
    """Read the table that was measured last, and write the picture."""
    rows: Rows = json.loads((FOLDER / f"growth{os.environ.get('BENCHMARKS_TAG', '')}.json").read_text())
    draw(rows).savefig(PICTURE, dpi=120)


def draw(rows: Rows) -> Figure:
    """Draw time and memory over each axis of the size, on double logarithmic scales."""
    figure = Figure(figsize=(2.4 * len(START), 4.8), layout="constrained")
    axes = figure.subplots(2, len(START), sharey="row")
    for (top, below), axis in zip(axes.T, START, strict=True):
        found = {int(name.partition(": ")[2]): row for name, row in rows.items() if name.startswith(f"{axis}: ")}
        _lines(top, found, "ms")
        _lines(below, found, "MiB")
        below.set_xlabel(axis)
    axes[0, 0].set_ylabel("training step, ms")
    axes[1, 0].set_ylabel("memory, MiB")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(STYLES), frameon=False)
    return figure


def _lines(ax: Axes, rows: dict[int, Any], unit: str) -> None:
    for name, style in STYLES.items():
        ax.loglog(list(rows), [row[name][unit] for row in rows.values()], marker="o", markersize=3, **style)
    ax.set_xticks(list(rows), [f"{size:,}" for size in rows])
    ax.minorticks_off()
    ax.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
