"""The diagram shows what is in the network, wherever it is drawn, and leaves nothing behind."""

import io
import math
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection, LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text
from nbclient import NotebookClient

from kanlens.candidates import Candidate
from kanlens.errors import InputError
from kanlens.functions import LIBRARY, Function, lookup
from kanlens.layout import Layout
from kanlens.network import KAN, Edge
from kanlens.palettes import ACCENT, BLACK, GREY
from kanlens.plotting import plot
from kanlens.scores import scores
from kanlens.surgery import cut, with_symbols
from kanlens.typesetting import Name, letters
from samples import points, rich


@pytest.fixture(autouse=True)
def nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check that no test here makes a file or a figure of pyplot's."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.iterdir())
    assert not plt.get_fignums()


def named(model: KAN, edge: Edge, name: str) -> KAN:
    """Return a copy in which an edge is a function of the library."""
    return with_symbols(model, {edge: Candidate(lookup(name), (1.0, 0.0, 1.0, 0.0), 1.0)})


def texts(figure: Figure) -> list[str]:
    """Return all that is written in a figure."""
    return [text.get_text() for text in figure.axes[0].texts]


def collections(figure: Figure, kind: type[Collection], order: int) -> Collection:
    """Return what is drawn at a depth: 1 lines, 2 frames, 3 curves, 4 nodes or data, 5 signs."""
    [found] = [c for c in figure.axes[0].collections if isinstance(c, kind) and c.get_zorder() == order]
    return found


def curves(figure: Figure) -> LineCollection:
    found = collections(figure, LineCollection, 3)
    assert isinstance(found, LineCollection)
    return found


def drawn(figure: Figure) -> bytes:
    """Return the picture, which finds what cannot be drawn."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=40)
    return file.getvalue()


def pixels(figure: Figure) -> np.ndarray:
    return np.asarray(plt.imread(io.BytesIO(drawn(figure))))


@pytest.mark.parametrize("widths", [[1, 1], [2, 5, 1], [2, (2, 1), 1], [3, (0, (3,)), (1, 2)], [4, 6, 3, 2]], ids=str)
def test_each_edge_has_a_frame_and_a_curve(widths: list[Any]) -> None:
    model = KAN(widths)
    figure = plot(model, points(50, model.spec.widths[0].size))
    assert isinstance(figure, Figure)
    assert len(curves(figure).get_paths()) == len(model.live())
    assert len(collections(figure, LineCollection, 2).get_paths()) == len(model.live())
    assert drawn(figure)


@pytest.mark.parametrize("format_", ["svg", "pdf"])
def test_it_is_saved_in_any_format(format_: str) -> None:
    file = io.BytesIO()
    plot(rich(), points(50, 3), ticks=True, samples=True).savefig(file, format=format_)
    assert file.getvalue()


def frames(widths: list[Any], room: float = 0.0) -> Layout:
    model = KAN(widths)
    edges = sorted(model.live(), key=lambda edge: (edge.layer, edge.in_, edge.out))
    return Layout.of(model.spec.widths, edges, [room] * model.depth)


@pytest.mark.parametrize("room", [0.0, 1.2])
@pytest.mark.parametrize(
    "widths", [[1, 1], [2, 5, 1], [9, 5, 5, 1], [20, 20, 20], [1, 53], [60, 1], [3, (2, (2, 3)), 2]], ids=str
)
def test_frames_never_overlap(widths: list[Any], room: float) -> None:
    layout = frames(widths, room)
    boxes = np.array([frame[:3] for frame in layout.frames.values()])
    x, y, side = boxes.T
    level = (y[:, None] < y + side) & (y < (y + side)[:, None])  # frames that share a height
    apart = np.abs(x[:, None] - x) >= (1 + room) * side[:, None] - 1e-9  # with the room for words beside them
    assert (apart | ~level | np.eye(len(x), dtype=bool)).all()
    assert x.min() >= 0
    assert (x + side).max() <= layout.width


@pytest.mark.parametrize("widths", [[2, 5, 1], [20, 20, 20], [3, (2, (2, 3)), 2]], ids=str)
def test_the_way_is_upwards(widths: list[Any]) -> None:
    layout = frames(widths)
    for edge, frame in layout.frames.items():
        lines = np.concatenate(layout.lines(edge))
        assert (np.diff(lines[:, 1]) >= 0).all()
        assert lines[0, 1] < frame.y < lines[-1, 1]
        assert frame.foot <= frame.y
        assert frame.y + frame.side <= frame.head + 1e-9 <= frame.top + 2e-9


@pytest.mark.parametrize("widths", [[2, 5, 1], [50, 20, 5], [3, (2, (2, 3)), 2]], ids=str)
def test_nodes_are_apart(widths: list[Any]) -> None:
    layout = frames(widths)
    for level in [*layout.nodes, *layout.ends]:
        assert all(math.dist(a, b) > 2 * layout.radius for a, b in combinations(level, 2))


def test_a_cut_edge_is_absent_and_a_faded_one_is_grey() -> None:
    model = cut(KAN([2, 3, 1]), [Edge(0, 1, 1)])
    colors = [tuple(color) for color in curves(plot(model, points(50, 2), fade=[Edge(0, 0, 0)])).get_edgecolor()]
    assert len(colors) == 8
    assert Counter(colors)[GREY] == 1


def test_a_network_without_edges_is_nodes() -> None:
    model = KAN([2, 2])
    figure = plot(cut(model, model.live()), points(50, 2))
    assert not curves(figure).get_paths()
    assert drawn(figure)


def test_symbols_are_coloured_and_named() -> None:
    model = named(named(KAN([2, 1]), Edge(0, 0, 0), "sin"), Edge(0, 0, 1), "x^2")
    figure = plot(model, points(50, 2))
    assert {"sin", "$x^{2}$"} < set(texts(figure))
    assert {tuple(color[:3]) for color in curves(figure).get_edgecolor()} == {ACCENT}
    assert not {"sin", "$x^{2}$"} & set(texts(plot(model, points(50, 2), labels=False)))


def test_opacity_follows_the_score() -> None:
    model, x = KAN([2, 1], noise=0.5), points(50, 2)
    colors = curves(plot(model, x, beta=0.7)).get_edgecolor()
    wanted = (0.7 * scores(model, x.float()).edges[0]).tanh().flatten().sort().values
    assert colors[:, 3] == pytest.approx(wanted.numpy(), abs=1e-6)
    assert (colors[:, :3] == BLACK).all()


@pytest.mark.parametrize("name", LIBRARY)
def test_every_function_of_the_library_has_a_name_that_can_be_drawn(name: str) -> None:
    model = named(KAN([1, 1]), Edge(0, 0, 0), name)
    assert drawn(plot(model, points(50, 1)))


def test_a_function_of_the_users_own_is_drawn() -> None:
    odd = Candidate(Function("50$_\\%", torch.sin, "sin", 2), (1.0, 0.0, 1.0, 0.0), 1.0)
    figure = plot(with_symbols(KAN([1, 1]), {Edge(0, 0, 0): odd}), points(50, 1))
    assert "50$_\\%" in texts(figure)
    assert drawn(figure)


def test_names_are_set_as_mathematics_where_they_are_letters() -> None:
    model, x = KAN([5, 2]), points(50, 5)
    assert texts(plot(model, x)) == [*(f"$x_{{{k}}}$" for k in range(1, 6)), "$y_{1}$", "$y_{2}$"]
    names = ["theta", "x1", "v_max", "mass", r"$\dot x$"]
    figure = plot(model, x, names=names, outputs=["E", "T [K]"], title="Law")
    assert texts(figure) == [r"$\theta$", "$x_{1}$", r"$v_{\mathrm{max}}$", "mass", r"$\dot x$", "$E$", "T [K]", "Law"]


@pytest.mark.parametrize(
    "name",
    ["$", "$$", "a$b$c_{", r"$\nonsense$", "\\", "_", "50 %", "größe ℃", "", "two\nlines", "{x}^2", "#&~", "a" * 99],
)
def test_odd_names_are_written_as_they_stand(name: str) -> None:
    figure = plot(KAN([3, 1]), points(50, 3), names=[name, "x", name], outputs=[name], title=name)
    assert texts(figure).count(name) >= 3
    assert drawn(figure)


def test_long_names_stay_inside_the_figure() -> None:
    figure = plot(KAN([9, 9]), points(50, 9), names=["semi-major axis"] * 9, outputs=["orbital period"] * 9)
    drawn(figure)
    inside = figure.bbox.padded(1)
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert inside.containsx(box.x0)
        assert inside.containsx(box.x1)
        assert inside.containsy(box.y0)
        assert inside.containsy(box.y1)


def test_words_do_not_overlap() -> None:
    figure = plot(rich(), points(50, 3), ticks=True, title="All there is")
    drawn(figure)
    boxes = [text.get_window_extent().padded(-0.5) for text in figure.axes[0].texts if text.get_text()]
    assert not [(a, b) for a, b in combinations(boxes, 2) if a.overlaps(b)]


def test_ticks_are_the_ends_of_the_ranges() -> None:
    x = torch.linspace(-0.5, 2, 50)[:, None]
    figure = plot(named(KAN([1, 1]), Edge(0, 0, 0), "x^2"), x, ticks=True)
    assert texts(figure)[-4:] == ["−0.5", "2", "0", "4"]


def test_samples_lie_on_their_curve_in_the_frame() -> None:
    model = named(KAN([1, 1]), Edge(0, 0, 0), "x^2")
    figure = plot(model, points(500, 1), samples=True)
    dots = np.asarray(collections(figure, PathCollection, 4).get_offsets())
    curve = curves(figure).get_segments()[0]
    assert 20 < len(dots) <= 50
    assert np.interp(dots[:, 0], *curve.T) == pytest.approx(dots[:, 1], abs=1e-3)


def test_a_constant_column_gives_flat_curves() -> None:
    x = points(50, 2)
    x[:, 0] = 3.0
    figure = plot(KAN([2, 1]), x, ticks=True, samples=True)
    segments = curves(figure).get_segments()
    assert len(segments) == 2
    assert sum(float(np.ptp(segment[:, 1])) == 0 for segment in segments) == 1
    assert drawn(figure)


def test_a_single_row_is_drawn_in_full() -> None:
    figure = plot(rich(), points(1, 3), ticks=True, samples=True)
    assert (curves(figure).get_edgecolor()[:, 3] == 1).all()
    assert drawn(figure)


@pytest.mark.parametrize("name", ["log", "1/x", "arcsin"])
def test_a_curve_has_gaps_where_it_is_not_defined(name: str) -> None:
    model = named(KAN([1, 1, 1]), Edge(0, 0, 0), name)
    x = torch.linspace(-2, 2, 41)[:, None]  # with the pole of 1/x
    figure = plot(model, x, ticks=True, samples=True)
    assert all(np.isfinite(segment).all() for segment in curves(figure).get_segments())
    assert drawn(figure)


def test_it_fills_axes_that_are_given() -> None:
    figure = Figure(figsize=(8, 4))
    left, right = figure.subplots(1, 2)
    assert plot(KAN([2, 5, 1]), points(50, 2), ax=right) is figure
    assert not left.collections
    assert right.collections
    small, large = (plot(KAN([2, 5, 1]), points(50, 2), scale=scale) for scale in (0.5, 1.0))
    assert large.get_size_inches() == pytest.approx(2 * small.get_size_inches())
    fonts = [figure.axes[-1].texts[0].get_fontsize() for figure in (figure, small, large)]
    assert fonts[0] < fonts[2] == 2 * fonts[1]


def test_the_network_and_the_random_state_are_untouched() -> None:
    model, state = rich(), torch.get_rng_state()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plot(model, points(50, 3))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_frames_are_white_inside() -> None:
    faces = collections(plot(KAN([2, 1]), points(50, 2)), LineCollection, 2).get_facecolor()
    assert [tuple(face) for face in faces] == [to_rgba("white")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["a"]}, "expected a name for each of the 2 inputs, got 1"),
        ({"outputs": ["a", "b"]}, "expected a name for each of the 1 outputs, got 2"),
        ({"scale": 0.0}, "expected scale > 0, got 0.0"),
        ({"x": points(50, 3)}, r"expected inputs of shape \(rows, 2\)"),
        ({"x": torch.full((5, 2), math.nan)}, "expected finite inputs"),
    ],
)
def test_a_wrong_call_is_answered(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plot(KAN([2, 1]), **{"x": points(50, 2)} | options)


def test_pictures_are_those_that_matplotlib_draws() -> None:
    figure = plot(rich(), points(50, 3), names=["theta", "x_1", r"$\beta$"], ticks=True)
    mine = pixels(figure)
    np.testing.assert_array_equal(mine, pixels(figure))  # the second time all mathematics is remembered
    FigureCanvasAgg(figure)
    np.testing.assert_array_equal(mine, pixels(figure))


def test_mathematics_is_parsed_once_for_all_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn(plot(KAN([2, 1]), points(50, 2)))

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("matplotlib._mathtext.Parser.parse", refuse)
    drawn(plot(KAN([2, 1], seed=1), points(60, 2)))


def inked(figure: Figure) -> np.ndarray:
    """Return the picture `(rows, columns, 4)` at the figure's own resolution."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


NAMES = ["$x$", "$x_{12}$", r"$\theta_{1}$", r"$v_{\mathrm{max}}$", "$J_{0}$", "$x^{2/3}$", r"$\Gamma$"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "options", [{"ha": "right", "va": "top"}, {"ha": "left", "va": "bottom", "rotation": 45, "rotation_mode": "anchor"}]
)
def test_names_set_by_hand_look_like_those_of_matplotlib(name: str, options: dict[str, Any]) -> None:
    boxes = []
    for kind in (Text, Name):
        figure = Figure(figsize=(3, 3), dpi=200)
        figure.add_artist(kind(0.5, 0.5, name, fontsize=40, color="red", **options))
        dark = np.argwhere(inked(figure)[..., 1] < 128)
        boxes.append(np.concatenate([dark.min(0), dark.max(0)]))
    assert np.abs(boxes[0] - boxes[1]).max() <= 6  # of 111 pixels that the font's size is


def test_names_set_by_hand_are_found_where_they_are_drawn() -> None:
    figure = Figure(figsize=(3, 3), dpi=100)
    name = figure.add_artist(Name(0.5, 0.5, "$x_{12}$", fontsize=40, ha="center", va="center", rotation=30))
    dark = np.argwhere(inked(figure)[::-1, :, 1] < 128)[:, ::-1]
    box = name.get_window_extent()
    for room in (dark.min(0) - box.min, box.max - dark.max(0)):  # as with any text, for the tallest letters
        assert (room >= -1).all()
        assert (room < 16).all()
    name.set_visible(False)
    assert (inked(figure)[..., :3] == 255).all()


def test_other_fonts_for_mathematics_are_heeded() -> None:
    with mpl.rc_context({"mathtext.fontset": "stix"}):
        assert letters("$x_{1}$") == ((), 0.0)
    assert letters("$x_{1}$")[0]


def test_an_option_that_no_file_has_is_refused() -> None:
    with pytest.raises(TypeError, match="dpl"):
        plot(rich(), points(50, 3)).savefig(io.BytesIO(), dpl=300)


@pytest.mark.parametrize(
    "first", ["", "import matplotlib.pyplot as plt; plt.figure(); plt.close()\n"], ids=["bare", "pyplot"]
)
def test_a_notebook_shows_one_picture(first: str) -> None:
    code = "import torch\nfrom kanlens.network import KAN\nfrom kanlens.plotting import plot\n"
    cell = nbformat.v4.new_code_cell(first + code + "plot(KAN([2, 1]), torch.rand(9, 2))")  # type: ignore[no-untyped-call]
    notebook = nbformat.v4.new_notebook(cells=[cell])  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=100, kernel_name="python3").execute()
    pictures = [output for output in notebook.cells[0].outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 1
