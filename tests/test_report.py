"""The page holds what it promises, in one safe file, and works in a browser."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import sympy

from kanlens.front import Equation, Front
from kanlens.network import KAN, Edge
from kanlens.report import Page, report
from kanlens.scores import scores
from kanlens.solvers import LevenbergMarquardt
from kanlens.training import fit
from samples import points, rich, tutorial

EVIL = "<script>alert(1)</script>"


def payload(page: Page) -> dict[str, Any]:
    """Return the data that a page carries."""
    found = re.search(r'<script type="application/json" id="payload">(.*?)</script>', page.html, re.DOTALL)
    assert found
    result: dict[str, Any] = json.loads(found[1])
    return result


class Tags(HTMLParser):
    """Count the elements of a page and list their attributes, as a browser's parser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def page() -> Page:
    x = points(300, 2)
    model = KAN([2, 3, 1], seed=0)
    history = fit(model, x, tutorial(x), solver=LevenbergMarquardt(steps=15), validation=0.2)
    a, b = sympy.symbols("a b")
    front = Front.of([Equation(a, 1, 1.0, 0.1, 90.0), Equation(sympy.exp(sympy.sin(3 * a) + b**2), 9, 0.1, 0.99, 50.0)])
    return report(model, x, tutorial(x), names=["a", "b"], outputs=["y"], history=history, front=front)


def test_every_edge_is_in_it_with_its_curve_its_data_and_its_score() -> None:
    model, x = rich(1), points(400, 3)
    found = payload(report(model, x))
    assert {tuple(edge["edge"]) for edge in found["edges"]} == set(model.live())
    expected = scores(model, x).edges
    for edge in found["edges"]:
        layer, out, in_ = edge["edge"]
        assert edge["score"] == pytest.approx(float(expected[layer][out, in_]), rel=1e-3, abs=1e-6)
        assert len(edge["curve"]) >= 25
        assert len(edge["data"]) <= 300
        symbol = model.symbol(Edge(layer, out, in_))
        assert edge["name"] == (symbol and symbol.name)
