"""Charts show the numbers they are given, in axes that are given or new, and leave nothing behind."""

import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sympy
import torch
from PIL import Image

from kanlens.animation import Film, animate
from kanlens.candidates import suggest
from kanlens.charts import plot_edge, plot_front, plot_history, plot_scores
from kanlens.errors import InputError, UnknownNameError
from kanlens.front import Equation, Front
from kanlens.layout import Layout
from kanlens.network import KAN, Edge
from kanlens.palettes import PALETTES, Palette
from kanlens.plotting import plot
from kanlens.portraits import portray, strongest
from kanlens.recording import Recorder, Snapshot
from kanlens.scores import scores
from kanlens.solvers import LevenbergMarquardt
from kanlens.training import History, fit
from samples import points, rich


@pytest.fixture(autouse=True)
def nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check that no test here makes a file or a figure of pyplot's."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.iterdir())
    assert not plt.get_fignums()


@pytest.fixture(scope="module")
def history() -> History:
    x = points(100, 2)
    return fit(KAN([2, 1]), x, x[:, :1] ** 2, solver=LevenbergMarquardt(steps=8), validation=0.2)


FRONT = Front(
    (
        Equation(sympy.Symbol("a"), 1, 1.0, 0.1, 90.0),
        Equation(sympy.Symbol("a") ** 2, 3, 0.1, 0.9, 50.0),
        Equation(sympy.sin(sympy.Symbol("a")), 4, 0.0, 1.0, 60.0),
    )
)


def test_an_edge_is_drawn_at_its_values() -> None:
    model, x = rich(1), points(200, 3)
    edge = next(edge for edge in model.live() if edge.layer == 1)
    axes = plot_edge(model, x, edge).axes[0]
    [line] = axes.lines
    trace = model.trace(x)
    dots = np.asarray(axes.collections[0].get_offsets())
    expected = torch.stack([trace.nodes[1][:, edge.in_], trace.edges[1][:, edge.out, edge.in_]], 1).detach().numpy()
    assert np.allclose(dots, expected)
    assert np.allclose(np.interp(dots[:, 0], *line.get_data()), dots[:, 1], atol=1e-2 * np.ptp(dots[:, 1]))


def test_a_candidate_lies_on_the_curve_that_it_fits() -> None:
    x = points(200, 1)
    model = KAN([1, 1], residual="zero", dtype=torch.float64)
    fit(model, x, torch.sin(3 * x))
    found = suggest(model, x, Edge(0, 0, 0), library=["sin"])[0]
    axes = plot_edge(model, x, (0, 0, 0), candidate=found, names=["theta"]).axes[0]
    curve, symbol = (np.asarray(line.get_ydata()) for line in axes.lines)
    assert np.abs(curve - symbol).max() < 0.02
    assert axes.get_xlabel() == r"$\theta$"


def test_a_history_is_drawn_as_it_was(history: History) -> None:
    axes = plot_history(history, penalty=True).axes[0]
    loss, validation, penalty = (np.asarray(line.get_ydata()) for line in axes.lines)
    assert loss.tolist() == list(history.loss)
    assert validation.tolist() == list(history.validation)
    assert penalty.tolist() == list(history.penalty)
    assert axes.get_yscale() == "log"
    several = plot_history({"one": history, "two": history}, log="").axes[0]
    assert len(several.lines) == 4
    assert len({line.get_linestyle() for line in several.lines}) == 2
    assert several.get_yscale() == "linear"


@pytest.mark.parametrize("of", ["inputs", "edges"])
def test_bars_are_scores_the_largest_on_top(of: Any) -> None:
    model, x = rich(1), points(200, 3)
    axes = plot_scores(model, x, of=of, most=100).axes[0]
    widths = [bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
    found = scores(model, x)
    expected = (
        found.nodes[0].tolist() if of == "inputs" else [float(found.edges[e.layer][e.out, e.in_]) for e in model.live()]
    )
    assert widths == pytest.approx(sorted(expected))
    assert len(plot_scores(model, x, of=of, most=2, log=True).axes[0].patches) == 2


def test_the_front_is_drawn_with_its_choice() -> None:
    axes = plot_front(FRONT).axes[0]
    assert axes.lines[0].get_xdata() == pytest.approx([1, 3, 4])
    assert axes.lines[0].get_ydata() == pytest.approx([1.0, 0.1, 0.1])  # an error of 0 has no logarithm
    assert axes.lines[1].get_xdata() == pytest.approx([3])
    assert axes.get_title() == "$a^{2}$"


@pytest.mark.parametrize("palette", sorted(PALETTES))
def test_charts_fill_axes_that_are_given_in_their_palette(palette: str, history: History) -> None:
    figure, axes = plt.subplots(2, 2)
    model, x = KAN([2, 1]), points(50, 2)
    plot_edge(model, x, (0, 0, 0), ax=axes[0, 0], palette=palette)
    plot_history(history, ax=axes[0, 1], palette=palette)
    plot_scores(model, x, ax=axes[1, 0], palette=palette)
    assert plot_front(FRONT, ax=axes[1, 1], palette=palette) is figure
    assert {tuple(ax.get_facecolor())[:3] for ax in axes.flat} == {PALETTES[palette].paper}
    figure.savefig(io.BytesIO())
    plt.close(figure)


# --- options of the diagram ---------------------------------------------------------------


def test_a_folded_diagram_has_the_strongest_edges_and_what_they_touch() -> None:
    model, x = rich(2), points(200, 3)
    everything = portray(model, x)
    kept = strongest(everything, 6)
    assert min(p.score for p in kept) >= max(p.score for p in everything if p not in kept)
    layout = Layout.folded(model.spec.widths, [p.edge for p in kept], [0.0] * model.depth)
    assert set(layout.frames) == {p.edge for p in kept}
    for edge in layout.frames:
        assert np.isfinite(np.concatenate(layout.lines(edge))).all()
    touched = {edge.in_ for edge in layout.frames if edge.layer == 0}
    assert {k for k, place in enumerate(layout.nodes[0]) if np.isfinite(place).all()} == touched
    figure = plot(model, x, fold=6)
    assert any("weaker edges" in text.get_text() for text in figure.axes[0].texts)
    figure.savefig(io.BytesIO())
    whole = plot(model, x, fold=1000)
    assert not any("weaker edges" in text.get_text() for text in whole.axes[0].texts)


def test_importance_may_be_another_measure() -> None:
    model, x = rich(1), points(200, 3)
    with torch.no_grad():
        trace = model.trace(x)
    varies = {p.edge: p.score for p in portray(model, x, importance="deviation")}
    spreads = {edge: float(trace.edges[edge.layer][:, edge.out, edge.in_].std(correction=0)) for edge in model.live()}
    for layer in range(model.depth):
        most = max(spreads[edge] for edge in spreads if edge.layer == layer)
        assert all(varies[e] == pytest.approx(spreads[e] / most, abs=1e-9) for e in spreads if e.layer == layer)
    own = [torch.full(edges.shape[1:], 0.25) for edges in trace.edges]
    assert {p.score for p in portray(model, x, importance=own)} == {0.25}


def test_print_has_no_colour_and_dashes_its_symbols() -> None:
    figure = plot(rich(1), points(100, 3), palette="print", samples=True)
    canvas = io.BytesIO()
    figure.savefig(canvas, format="png")
    pixels = np.asarray(Image.open(canvas).convert("RGB")).astype(int)
    assert np.ptp(pixels, axis=2).max() <= 3
    frames = next(c for c in figure.axes[0].collections if c.get_zorder() == 2)
    assert {pattern is None for _, pattern in frames.get_linestyles()} == {True, False}


def test_a_palette_and_a_font_of_ones_own() -> None:
    figure = plot(KAN([2, 1]), points(50, 2), palette=Palette(paper=(0.5, 0.5, 0.5)), font="DejaVu Serif", title="own")
    assert figure.get_facecolor()[:3] == (0.5, 0.5, 0.5)
    assert {text.get_fontname() for text in figure.axes[0].texts} == {"DejaVu Serif"}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"palette": "pink"}, UnknownNameError, "expected a palette"),
        ({"fold": 0}, InputError, "at least 1 edge"),
        ({"importance": "size"}, InputError, "'attribution' or 'deviation'"),
        ({"importance": [torch.ones(2, 2)]}, InputError, "expected importance of shapes"),
    ],
)
def test_wrong_options_are_answered(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plot(KAN([2, 1]), points(10, 2), **options)


def test_wrong_calls_are_answered(history: History) -> None:
    model, x = KAN([2, 1]), points(10, 2)
    with pytest.raises(InputError, match="expected an edge"):
        plot_edge(model, x, (0, 5, 0))
    with pytest.raises(InputError, match="expected log"):
        plot_history(history, log="z")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="took a step"):
        plot_history(replace(history, loss=()))
    with pytest.raises(InputError, match="'inputs' or 'edges'"):
        plot_scores(model, x, of="nodes")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="front with a formula"):
        plot_front(Front(()))
    with pytest.raises(InputError, match="expected snapshots"):
        animate([], x)


# --- films -------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [5, 8, 9, 40])
def test_a_recorder_keeps_some_snapshots_evenly(steps: int) -> None:
    recorder, model = Recorder(most=8), KAN([1, 1])
    for step in range(1, steps + 1):
        recorder(step, 1 / step, model)
    kept = [snapshot.step for snapshot in recorder.snapshots]
    assert min(steps, 4) <= len(kept) <= 8
    assert len(set(np.diff(kept).tolist())) == 1
    assert steps - kept[-1] < recorder.every


def test_snapshots_are_of_their_step() -> None:
    x, recorder = points(60, 1), Recorder()
    model = KAN([1, 1], dtype=torch.float64)
    history = fit(model, x, torch.sin(3 * x), solver=LevenbergMarquardt(steps=6), callback=recorder)
    errors = [float((each.model(x) - torch.sin(3 * x)).square().mean().detach()) for each in recorder.snapshots]
    assert errors == pytest.approx(list(history.loss), rel=1e-6)


def test_a_film_shows_each_snapshot(tmp_path: Path) -> None:
    snapshots = [Snapshot(step, 1 / step, KAN([2, 1], seed=step)) for step in (1, 2, 3)]
    film = animate(snapshots, points(30, 2), seconds=0.9, dpi=50, palette="dark", names=["a", "b"])
    picture = Image.open(io.BytesIO(film.gif))
    assert picture.n_frames == film.frames == 3  # type: ignore[attr-defined]
    assert picture.info["duration"] == 300
    frames = []
    for number in range(3):
        picture.seek(number)
        frames.append(np.asarray(picture.convert("RGB")))
    assert not any(np.array_equal(a, b) for a, b in pairwise(frames))
    assert frames[0][0, 0].tolist() == pytest.approx([255 * c for c in PALETTES["dark"].paper], abs=3)
    assert film._repr_html_().startswith("<img alt=")
    film.save(tmp_path / "film.gif")
    assert Film((tmp_path / "film.gif").read_bytes(), 3) == film
    (tmp_path / "film.gif").unlink()
