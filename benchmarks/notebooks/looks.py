"""Show figures as a notebook does: drawn, and closed."""

import io
from typing import Any

import matplotlib.pyplot as plt


def show(model: Any, **options: Any) -> None:
    figure = model.plot(**options) or plt.gcf()
    figure.savefig(io.BytesIO())
    plt.close("all")


def last(results: dict[str, Any], name: str = "test_loss") -> float:
    return float(results[name][-1])
