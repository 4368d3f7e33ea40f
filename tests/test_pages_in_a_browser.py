"""The page works in a browser: pointing, pruning, folding, keys, light and dark, printing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sympy

import browser as chromium
from browser import Browser
from kanlens.front import Equation, Front
from kanlens.network import KAN
from kanlens.pages import report
from kanlens.recording import Recorder
from kanlens.solvers import LevenbergMarquardt
from kanlens.training import fit
from samples import points, tutorial

pytestmark = pytest.mark.skipif(chromium.find() is None, reason="no Chromium is installed; CHROMIUM may name one")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the pages of a [4, 6, 3, 2] and of a [50, 20, 5] network."""
    folder = tmp_path_factory.mktemp("pages")
    x = points(200, 4)
    middle = KAN([4, 6, 3, 2])
    y = tutorial(x).expand(-1, 2)
    recorder = Recorder()
    history = fit(middle, x, y, solver=LevenbergMarquardt(steps=3), validation=0.2, callback=recorder)
    a, b = sympy.symbols("a b")
    front = Front.of([Equation(a, 1, 1.0, 0.1, 90.0), Equation(sympy.exp(sympy.sin(3 * a) + b**2), 9, 0.1, 0.99, 50.0)])
    names = ["a", "b", "c", "</script><script>document.title='owned'</script>"]
    made = report(middle, x, y, names=names, history=history, front=front, snapshots=recorder.snapshots, candidates=2)
    made.save(folder / "middle.html")
    (folder / "notebook.html").write_text(f"<!doctype html><meta charset=utf-8>{made._repr_html_()}", encoding="utf-8")
    large, x = KAN([50, 20, 5]), points(200, 50)
    report(large, x, large(x.float()).detach(), candidates=0, path=folder / "large.html")
    return folder


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium.browsing(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def middle(running: Browser, pages: Path) -> Iterator[Browser]:
    running.media()
    running.open((pages / "middle.html").as_uri())
    yield running
    assert running.problems() == []


@pytest.fixture
def large(running: Browser, pages: Path) -> Iterator[Browser]:
    running.media()
    running.open((pages / "large.html").as_uri())
    yield running
    assert running.problems() == []


def count(browser: Browser, selector: str) -> int:
    return int(browser.run(f"document.querySelectorAll({json.dumps(selector)}).length"))


def text(browser: Browser, selector: str) -> str:
    return str(browser.run(f"document.querySelector({json.dumps(selector)}).textContent"))


def chosen(browser: Browser) -> Any:
    return browser.run("document.querySelector('.net .chosen').dataset.k")


def slide(browser: Browser, share: float) -> None:
    browser.run(
        "(() => { const s = document.getElementById('slider');"
        f" s.value = Math.round({share} * s.max); s.dispatchEvent(new Event('input')); }})()"
    )


def test_pointing_at_an_edge_shows_its_curve_and_its_term(middle: Browser) -> None:
    assert count(middle, ".net .edge") == 48
    first = text(middle, "#edge code")
    other = middle.run("[...document.querySelectorAll('.net .edge')].find(e => !e.matches('.chosen')).dataset.k")
    middle.point(f".net .edge[data-k='{other}'] .frame")
    assert chosen(middle) == other
    assert text(middle, "#edge code") != first
    assert count(middle, "#edge svg .line") >= 1
    assert count(middle, "#edge svg .dot") == 200
    address = text(middle, "#edge code").removeprefix("Edge(").removesuffix(")").replace(", ", "-")
    assert middle.run("[...document.querySelectorAll('.hot')].map(t => t.dataset.edge)") == [address]
    middle.point("h1")
    assert text(middle, "#edge code") == first  # what was pinned comes back
    middle.point(f".net .edge[data-k='{other}'] .frame", click=True)
    middle.point("h1")
    assert chosen(middle) == other


def test_pointing_at_a_term_shows_its_edge(middle: Browser) -> None:
    middle.point("#linked [data-edge='2-1-0']")
    assert text(middle, "#edge code") == "Edge(2, 1, 0)"


def test_the_slider_prunes_from_all_edges_to_none(middle: Browser) -> None:
    assert count(middle, ".net .gone") == 0
    assert text(middle, "#pruned").startswith("All 48 edges")
    slide(middle, 0.5)
    half = count(middle, ".net .gone")
    assert 0 < half < 48
    assert f"{48 - half} of 48 edges" in text(middle, "#pruned")
    assert count(middle, "#linked .gone") == half
    slide(middle, 1)
    assert count(middle, ".net .gone") == 48


def test_the_training_is_played(middle: Browser) -> None:
    curve = "document.querySelector('.net .edge .curve').getAttribute('d')"
    assert text(middle, "#moment") == "As it is now"
    end = middle.run(curve)
    middle.run("document.getElementById('step').value = 0")
    middle.run("document.getElementById('step').dispatchEvent(new Event('input'))")
    assert text(middle, "#moment").startswith("After step 1")
    assert middle.run(curve) != end
    middle.point("#play", click=True)
    assert text(middle, "#play") == "Stop"
    middle.run("new Promise((done) => setTimeout(done, 1000))")
    assert (text(middle, "#play"), text(middle, "#moment")) == ("Play", "As it is now")
    assert middle.run(curve) == end


def test_it_is_used_by_the_keyboard_alone(middle: Browser) -> None:
    inside = "document.activeElement.closest('.net') !== null"
    for _ in range(12):
        middle.press("Tab")
        if middle.run(inside):
            break
    assert middle.run(inside)
    seen = {chosen(middle)}
    for key in ("ArrowUp", "ArrowUp", "ArrowRight", "ArrowDown", "ArrowLeft"):
        middle.press(key)
        assert middle.run("document.activeElement.dataset.k") == chosen(middle)
        seen.add(chosen(middle))
    assert len(seen) >= 4
    assert count(middle, ".net [tabindex='0']") == 1  # one stop for Tab, however many edges
    assert "importance" in text(middle, "#spoken")


def test_a_screen_reader_has_names_for_everything(middle: Browser) -> None:
    nodes = middle.call("Accessibility.getFullAXTree")["nodes"]
    named = {"button", "slider", "combobox", "image", "radio", "table", "region", "group"}
    shown = [node for node in nodes if not node["ignored"] and node["role"]["value"] in named]
    nameless = [
        n["role"]["value"] for n in shown if not n.get("name", {}).get("value") and n["role"]["value"] != "table"
    ]
    assert nameless == []
    buttons = [n["name"]["value"] for n in shown if n["role"]["value"] == "button"]
    edges = [name for name in buttons if name.startswith("Edge from")]
    assert len(edges) == 48
    assert count(middle, ".table tbody tr") == 48


def test_light_and_dark_follow_the_system_and_the_button(middle: Browser) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = middle.run(paper)
    middle.point("#theme", click=True)
    dark = middle.run(paper)
    assert dark != light
    middle.point("#theme", click=True)
    assert middle.run(paper) == light
    middle.media(dark=True)
    assert middle.run(paper) == dark
    middle.media(printed=True, dark=True)
    assert middle.run(paper) == "rgb(255, 255, 255)"


def test_letters_have_contrast_in_light_and_in_dark(middle: Browser) -> None:
    ratio = """(() => {
      const linear = (x) => x <= .04045 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4;
      const rgb = (c) => c.match(/[\\d.]+/g).map((x) => linear(x / 255));
      const light = (c) => { const [r, g, b] = rgb(c); return .2126 * r + .7152 * g + .0722 * b; };
      const probe = document.body.appendChild(document.createElement('i'));
      const at = (name) => { probe.style.color = `var(${name})`; return light(getComputedStyle(probe).color); };
      const contrast = (a, b) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
      const pairs = ['--ink', '--soft', '--symbol'].flatMap((n) => ['--card', '--paper'].map((b) => [n, b]));
      return [...pairs, ['--symbol', '--hot']].map(([n, b]) => contrast(at(n), at(b)));
    })()"""
    for dark in (False, True):
        middle.media(dark=dark)
        assert min(middle.run(ratio)) >= 4.5  # WCAG 2.2, level AA


def test_formulas_of_the_front_are_chosen(middle: Browser) -> None:
    assert count(middle, "#front .choice") == 2
    best = text(middle, "#front .chosen-formula")
    middle.point("#front .choice")
    middle.run("document.querySelector('#front .choice').dispatchEvent(new Event('click'))")
    assert text(middle, "#front .chosen-formula") != best
    middle.press("ArrowRight")
    assert text(middle, "#front .chosen-formula") == best


def test_another_output_is_chosen(middle: Browser) -> None:
    assert "y2" not in text(middle, "#effects .chart")
    middle.run("document.querySelector('#fit select').value = 1")
    middle.run("document.querySelector('#fit select').dispatchEvent(new Event('change'))")
    assert "y2" in text(middle, "#effects .chart")
    assert middle.run("document.querySelector('#fit .chart').getAttribute('aria-label')").endswith("y_2")


def test_the_diagram_is_downloaded_as_a_picture_that_stands_alone(middle: Browser) -> None:
    script = """new Promise((done) => {
      URL.createObjectURL = (blob) => { blob.text().then(done); return 'about:blank'; };
      HTMLAnchorElement.prototype.click = () => {};
      document.getElementById('save-svg').click();
    })"""
    picture = middle.run(script)
    assert picture.startswith("<svg")
    assert "var(--" not in picture
    assert picture.count('class="edge') == 48


def test_nothing_runs_that_a_name_brings(middle: Browser) -> None:
    assert middle.run("document.title") != "owned"
    assert "</script>" in text(middle, "#diagram")


def test_it_prints(middle: Browser) -> None:
    assert middle.pdf().startswith(b"%PDF")
    assert count(middle, ".tools") == 1


def test_nothing_is_wider_than_the_window(middle: Browser, pages: Path) -> None:
    for width in (1600, 1000, 600, 380):
        middle.open((pages / "middle.html").as_uri(), width=width)
        assert middle.run("document.documentElement.scrollWidth") <= width


def test_words_in_the_diagram_do_not_overlap(large: Browser) -> None:
    overlaps = """(() => {
      const boxes = [...document.querySelectorAll('.net > g:last-child text')].map((t) => t.getBoundingClientRect());
      const beside = (a, b) => a.left > b.right - 1 || a.top > b.bottom - 1;
      const apart = (a, b) => beside(a, b) || beside(b, a);
      return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => !apart(a, b))).length;
    })()"""
    assert large.run(overlaps) == 0


def test_a_large_network_is_folded_until_one_asks(large: Browser) -> None:
    assert count(large, ".net .edge") == 48
    assert text(large, "#more") == "Show 1052 more edges"
    large.point("#more", click=True)
    assert count(large, ".net .edge") == 1100
    large.point(".net .edge .frame")
    assert count(large, "#edge svg .line") >= 1
    large.point("#more", click=True)
    assert count(large, ".net .edge") == 48
    slide(large, 1)
    assert count(large, ".net .gone") == 48


def test_it_runs_in_a_notebooks_sandbox(running: Browser, pages: Path) -> None:
    running.open((pages / "notebook.html").as_uri())
    running.run("new Promise((done) => setTimeout(done, 300))")
    assert running.problems() == []
    frames = running.call("Page.getFrameTree")["frameTree"]["childFrames"]
    world = running.call("Page.createIsolatedWorld", frameId=frames[0]["frame"]["id"])["executionContextId"]
    edges = running.call(
        "Runtime.evaluate", expression="document.querySelectorAll('.net .edge').length", contextId=world
    )
    assert edges["result"]["value"] == 48
