"""Which symbols are tried on an edge, and which cannot be worth a trial."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kanlens.candidates import Candidate
from kanlens.functions import LIBRARY
from kanlens.network import KAN, Edge
from kanlens.snapping import Named, Task
from kanlens.surgery import with_symbols
from samples import points

LINE = Candidate(LIBRARY["x"], (1.0, 0.0, 2.0, 0.5), 1.0)


@pytest.fixture
def task() -> Task:
    """Return a task of a column of two values beside one of many."""
    x = points(60, 2)
    x[:, 0] = (x[:, 0] > 0).double()
    return Task.of(x, torch.sin(x[:, 1:]) + x[:, :1], LIBRARY, 0.0)


def trials(task: Task, monkeypatch: pytest.MonkeyPatch, model: KAN, edges: list[Edge]) -> list[tuple[KAN, float]]:
    """Return the networks that an exchange of symbols fits, and the errors that it wants of them."""
    found: list[tuple[KAN, float]] = []
    refit = Task.refit

    def noted(self: Task, network: KAN, steps: int, wanted: float = math.inf) -> Named:
        found.append((network, wanted))
        return refit(self, network, steps, wanted)

    monkeypatch.setattr(Task, "refit", noted)
    task._exchange(task.judge(model), edges)
    return found


def test_nothing_but_cutting_is_tried_on_the_line_of_a_column_of_two_values(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    edges = [Edge(0, 0, 0), Edge(0, 0, 1)]
    model = with_symbols(KAN([2, 1], dtype=torch.float64), dict.fromkeys(edges, LINE))
    names = [network.symbol(edges[0]) for network, _ in trials(task, monkeypatch, model, edges[:1])]
    assert set(names) <= {None, LIBRARY["x"]}  # None: it is cut
    others = {network.symbol(edges[1]) for network, _ in trials(task, monkeypatch, model, edges[1:])}
    assert len(others) > 4


def test_no_error_below_zero_is_asked_for(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    edges = [Edge(0, 0, 0), Edge(0, 0, 1)]
    sine = Candidate(LIBRARY["sin"], (1.0, 1e-4, 1.0, 0.0), 1.0)  # all but exact: what is longer cannot do better
    symbols = {edges[0]: Candidate(LIBRARY["x"], (1.0, 0.0, 1.0, 0.0), 1.0), edges[1]: sine}
    model = with_symbols(KAN([2, 1], dtype=torch.float64), symbols)
    nearly = Task(task.x, task.y, task.held_x, task.held_y, task.library, floor=task.judge(model).error * 0.9)
    wanted = [error for _, error in trials(nearly, monkeypatch, model, edges)]
    assert all(error > 0 for error in wanted)
    assert len(wanted) < len(nearly._alternatives(model, edges[1]))


def near_its_top(width: float, height: float, further: float) -> tuple[Task, Named]:
    """Return a cosine of arguments up to `width`, fitted to one with a share of a curve that no symbol has."""
    x = points(300, 1)
    y = height * (torch.cos(width * x) - 1)
    y = y + further * y.std() * torch.sin(9 * x)
    library = {name: LIBRARY[name] for name in ("x", "x^2", "exp", "sin", "cos")}
    rows = slice(0, 240), slice(240, None)
    task = Task(x[rows[0]], y[rows[0]], x[rows[1]], y[rows[1]], library, 0.0)
    cosine = Candidate(LIBRARY["cos"], (width, 0.0, height, -height), 1.0)
    return task, task.judge(with_symbols(KAN([1, 1], dtype=torch.float64), {Edge(0, 0, 0): cosine}))


@given(st.floats(0.01, 0.05), st.floats(-1e4, 1e4).filter(lambda c: abs(c) > 1e-3), st.floats(1e-3, 0.1))
def test_a_cosine_near_its_top_gives_way_to_the_parabola_that_it_follows(
    width: float, height: float, further: float
) -> None:
    task, named = near_its_top(width, height, further)
    plain = task.plainer(named, [Edge(0, 0, 0)])
    assert plain.model.symbol(Edge(0, 0, 0)) is LIBRARY["x^2"]
    assert plain.error < 1.1 * named.error


@given(st.floats(0.1, 3.0), st.floats(1e-9, 1e-6))
def test_a_cosine_stays_if_the_data_tell_it_from_a_parabola(width: float, further: float) -> None:
    task, named = near_its_top(width, 2.0, further)
    assert task.plainer(named, [Edge(0, 0, 0)]) is named


def test_an_exact_symbol_stays_whatever_it_looks_like() -> None:
    task, named = near_its_top(0.01, 1.0, 1e-3)
    exact = Task(task.x, task.y, task.held_x, task.held_y, task.library, floor=2 * named.error)
    assert exact.plainer(named, [Edge(0, 0, 0)]) is named
