"""The page holds what it promises, in one file that is safe to open."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st

import kanlens
from kanlens.cli import run
from kanlens.compiler import compile_formula
from kanlens.discovery import Discovery
from kanlens.effects import partial_dependence, without
from kanlens.errors import InputError
from kanlens.expressions import parse
from kanlens.front import Equation, Front
from kanlens.functions import LIBRARY
from kanlens.mathml import equation, lines, mathml, terms
from kanlens.network import KAN, Edge
from kanlens.pages import Page, report, sketch
from kanlens.persistence import save
from kanlens.recording import Recorder
from kanlens.scores import scores
from kanlens.solvers import LevenbergMarquardt
from kanlens.surgery import cut
from kanlens.training import History, fit
from kanlens.views import VIEWS, Viewable
from samples import points, rich, tutorial

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def payload(page: Page) -> dict[str, Any]:
    """Return the data that a page carries."""
    [text] = re.findall(r'<script type="application/json" id="payload">(.*?)</script>', page.html, re.DOTALL)
    result: dict[str, Any] = json.loads(text)
    return result


class Elements(HTMLParser):
    """List the elements of a page and their attributes, as a browser's parser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def trained() -> tuple[KAN, History, Front]:
    x = points(300, 2)
    model = KAN([2, 2, 1], seed=0)
    history = fit(model, x, tutorial(x), solver=LevenbergMarquardt(steps=10), validation=0.2)
    a, b = sympy.symbols("a b")
    short, long = Equation(a, 1, 1.0, 0.1, 90.0), Equation(sympy.exp(sympy.sin(3 * a) + b**2), 9, 0.1, 0.99, 50.0)
    return model, history, Front.of([short, long])


# --- what it holds -----------------------------------------------------------------------


def test_every_edge_is_there_with_curve_data_and_score() -> None:
    model, x = cut(rich(1), []), points(400, 3)
    found = payload(report(model, x, candidates=3))
    assert {tuple(edge["edge"]) for edge in found["edges"]} == set(model.live())
    expected, trace = scores(model, x).edges, model.trace(x)
    for edge in found["edges"]:
        layer, out, in_ = edge["edge"]
        assert edge["score"] == pytest.approx(float(expected[layer][out, in_]), rel=1e-3, abs=1e-6)
        assert edge["x"] == pytest.approx(
            [float(f(trace.nodes[layer][:, in_].detach())) for f in (torch.amin, torch.amax)], rel=1e-3
        )
        assert 25 <= len(edge["curve"]) <= 121
        assert len(edge["data"]) == len(found["data"][f"{layer}-{in_}"]) <= 300
        symbol = model.symbol(Edge(layer, out, in_))
        assert edge["name"] == (symbol.name if symbol else None)
        assert not (symbol and edge["candidates"])
    assert sum(bool(edge["candidates"]) for edge in found["edges"]) == 3


def test_candidates_are_the_best_first_and_close_to_the_curve() -> None:
    x = points(300, 1)
    model = KAN([1, 1], residual="zero")
    fit(model, x, torch.sin(3 * x))
    [edge] = payload(report(model, x))["edges"]
    fits = [candidate["r2"] for candidate in edge["candidates"]]
    assert fits == sorted(fits, reverse=True)
    assert edge["candidates"][0]["name"] == "sin"
    assert fits[0] > 0.9999
    ends = edge["candidates"][0]["curve"][0], edge["candidates"][0]["curve"][-1]
    assert ends == pytest.approx((edge["curve"][0], edge["curve"][-1]), abs=15)


def test_errors_are_those_of_the_network(trained: tuple[KAN, History, Front]) -> None:
    model, x = trained[0], points(200, 2, seed=1)
    y = tutorial(x)
    [found] = payload(report(model, x, y, candidates=0))["fit"]
    with torch.no_grad():
        expected = float((model(x.to(model.dtype)) - y).square().mean().sqrt())
    assert found["rmse"] == pytest.approx(expected, rel=1e-2)
    assert found["r2"] == pytest.approx(1 - expected**2 / float(y.var(correction=0)), rel=1e-3)
    assert payload(report(model, x, candidates=0))["fit"] == []


def test_pruning_costs_nothing_at_first_and_everything_at_last(trained: tuple[KAN, History, Front]) -> None:
    x = points(200, 2, seed=1)
    y = tutorial(x)
    found = payload(report(trained[0], x, y, candidates=0))
    levels = found["pruning"]
    assert [level["kept"] for level in levels] == sorted({level["kept"] for level in levels})
    assert levels[-1]["kept"] == len(found["edges"])
    ranked = sorted((edge["score"] for edge in found["edges"]), reverse=True)
    assert [level["least"] for level in levels[1:]] == [ranked[level["kept"] - 1] for level in levels[1:]]
    assert levels[-1]["rmse"][0] == pytest.approx(found["fit"][0]["rmse"], rel=1e-3)
    assert levels[0]["r2"][0] <= 1e-3  # a constant explains nothing


def test_without_an_edge_its_mean_stays() -> None:
    model, x = rich(3), points(100, 3)
    assert torch.allclose(without(model, x, []), model(x))
    last = [edge for edge in model.live() if edge.layer == model.depth - 1]
    expected = model.trace(x).subnodes[-1].mean(0)
    assert torch.allclose(without(model, x, last), expected.expand(100, -1))


def test_partial_dependence_is_the_mean_over_the_other_inputs() -> None:
    model = compile_formula(parse("a**2 + 3*b"), ["a", "b"], dtype=torch.float64)
    x = points(80, 2)
    effect = partial_dependence(model, x, 0)
    assert torch.allclose(effect.mean[:, 0], effect.at**2 + 3 * x[:, 1].mean())
    assert bool((effect.low <= effect.mean).all())
    assert bool((effect.mean <= effect.high).all())


def test_a_large_network_is_folded_and_stays_small() -> None:
    model, x = KAN([50, 20, 5]), points(300, 50)
    page = report(model, x, model(x.to(model.dtype)).detach(), candidates=0)
    found = payload(page)
    assert len(found["edges"]) == 1100
    few, all_ = (len(layout["frames"]) for layout in found["layouts"])
    assert (few, all_) == (48, 1100)
    assert len(page.html) < 1.5e6
    shown = [found["edges"][int(k)]["score"] for k in found["layouts"][0]["frames"]]
    assert min(shown) >= sorted(edge["score"] for edge in found["edges"])[-48]


def test_front_and_history_are_there(trained: tuple[KAN, History, Front]) -> None:
    model, history, front = trained
    found = payload(report(model, points(100, 2), names=["a", "b"], front=front, history=history, candidates=0))
    assert [row["complexity"] for row in found["front"]] == [1, 9]
    assert [row["best"] for row in found["front"]] == [False, True]
    assert found["history"]["loss"][0] == pytest.approx(history.loss[0], rel=1e-3)
    assert history.stop.value in found["history"]["words"]
    assert found["formula"]["text"] == f"y = {front[1].expression}"  # splines have no formula of their own
    long = payload(report(model, points(100, 2), history=replace(history, loss=tuple([1.0] * 5000)), candidates=0))
    assert len(long["history"]["loss"]) <= 400


def test_the_training_can_be_gone_back_to() -> None:
    x, recorder = points(100, 2), Recorder()
    model = KAN([2, 1], dtype=torch.float64)
    fit(model, x, tutorial(x), solver=LevenbergMarquardt(steps=6), callback=recorder)
    found = payload(report(model, x, snapshots=recorder.snapshots, candidates=0))
    assert [moment["step"] for moment in found["film"]] == [snapshot.step for snapshot in recorder.snapshots]
    assert all(set(moment["edges"]) == {edge["id"] for edge in found["edges"]} for moment in found["film"])
    first, last = (found["film"][k]["edges"]["0-0-0"][1] for k in (0, -1))
    assert first != last
    many = payload(report(model, x, snapshots=recorder.snapshots * 50, candidates=0))
    assert len(many["film"]) <= 40


# --- formulas ----------------------------------------------------------------------------


def test_each_term_is_linked_with_its_edge() -> None:
    model = compile_formula(parse("exp(sin(pi*a) + b**2) - 3*a"), ["a", "b"], dtype=torch.float64)
    page = report(model, points(100, 2), names=["a", "b"], candidates=0)
    linked = page.html[page.html.index('id="linked"') : page.html.index('id="cards"')]
    assert set(re.findall(r'data-edge="(.*?)"', linked)) == {"-".join(map(str, edge)) for edge in model.live()}
    [line] = lines(model, ["a", "b"], ["y"])
    assert line.expression == parse("exp(sin(pi*a) + b**2) - 3*a")


@pytest.mark.parametrize("seed", range(4))
def test_lines_name_every_edge_once_however_rich_the_network(seed: int) -> None:
    model = rich(seed)
    text = "".join(part for line in lines(model, ["a", "b", "c"], ["u", "v"]) for part in line.parts)
    assert sorted(re.findall(r'data-edge="(.*?)"', text)) == sorted("-".join(map(str, edge)) for edge in model.live())


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_every_function_of_the_library_is_well_formed(name: str) -> None:
    value = 2.5 * LIBRARY[name].symbolic(1.25 * sympy.Symbol("x_1") + 1) - 3
    ElementTree.fromstring(equation("y", terms(value)))
    assert "&" not in re.sub(r"&#?\w+;", "", mathml(value))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1))
def test_any_name_is_escaped(name: str) -> None:
    root = ElementTree.fromstring(mathml(sympy.Symbol(name)))
    assert {element.tag for element in root.iter()} <= {"mi", "msub", "msup", "msubsup", "mrow", "mo"}


# --- safety ------------------------------------------------------------------------------


def test_nothing_of_the_users_becomes_code(trained: tuple[KAN, History, Front]) -> None:
    model, history, front = trained
    x = points(50, 2)
    names, outputs = [EVIL, "b\" onload='x'"], ["${y}`</style>"]
    page = report(
        model, x, tutorial(x), names=names, outputs=outputs, title=EVIL, front=front, history=history, candidates=1
    )
    plain = report(model, x, tutorial(x), title="t", front=front, history=history, candidates=1)
    kinds = [
        [tag for tag, _ in Elements(each.html).found if tag in ("script", "img", "style")] for each in (page, plain)
    ]
    assert kinds[0] == kinds[1] == ["style", "script", "script"]
    assert not [
        attributes for _, attributes in Elements(page.html).found if any(key.startswith("on") for key in attributes)
    ]
    assert payload(page)["inputs"][0][0][0] == EVIL


def test_it_asks_the_network_for_nothing(trained: tuple[KAN, History, Front]) -> None:
    page = report(trained[0], points(50, 2), candidates=0)
    elements = Elements(page.html).found
    assert not [
        tag for tag, attributes in elements if {"src", "srcset", "action"} & set(attributes) or tag in ("link", "base")
    ]
    [policy] = [a["content"] for t, a in elements if t == "meta" and "http-equiv" in a]
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline'; script" in policy.replace("script-src", "script")
    assert "script-src 'sha256-" in policy


def test_a_notebook_gets_a_sandboxed_frame(trained: tuple[KAN, History, Front]) -> None:
    for page in (report(trained[0], points(50, 2), names=['"><b>', "b"], candidates=0), Page('<p title="a">&amp;</p>')):
        [(tag, attributes)] = Elements(page._repr_html_()).found
        assert tag == "iframe"
        assert "allow-same-origin" not in str(attributes["sandbox"])
        assert attributes["srcdoc"] == page.html


# --- in notebooks and files --------------------------------------------------------------


def test_models_and_results_show_themselves(trained: tuple[KAN, History, Front]) -> None:
    model, history, front = trained
    found = Discovery(compile_formula(parse("sin(a)"), ["a"]), 1e-3, 0.999, False)
    for thing in (model, history, front, Front(()), found, KAN([50, 20, 5]), cut(model, model.live())):
        shown = thing._repr_html_()
        assert shown is not None
        assert shown.startswith("<iframe")
        assert len(shown) < 150_000


def test_looking_at_a_broken_network_does_not_fail() -> None:
    broken = KAN([2, 1], dtype=torch.float64)
    with torch.no_grad():
        broken.layers[0].coef.fill_(torch.nan)
    assert broken._repr_html_() is not None
    assert KAN([2, 1], device="meta")._repr_html_() is None
    assert Viewable()._repr_html_() is None
    assert set(VIEWS) >= {KAN, Front, History, Discovery}


def test_a_sketch_leaves_the_network_and_the_random_state_alone() -> None:
    model, state = rich(0), torch.random.get_rng_state()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sketch(model)
    report(model, points(50, 3), candidates=0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_it_is_saved_where_one_says(trained: tuple[KAN, History, Front], tmp_path: Path) -> None:
    page = kanlens.report(trained[0], points(50, 2), path=tmp_path / "page.html", candidates=0)
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page.html
    page.save(str(tmp_path / "again.html"))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["again.html", "page.html"]


def test_a_single_row_a_constant_column_and_no_edge_are_fine(trained: tuple[KAN, History, Front]) -> None:
    model = trained[0]
    report(model, points(1, 2), torch.zeros(1, 1), candidates=0)
    report(model, torch.ones(30, 2), torch.ones(30, 1), candidates=0)
    assert payload(report(cut(model, model.live()), points(30, 2), torch.ones(30, 1), candidates=0))["edges"] == []
    broken = KAN([2, 1], dtype=torch.float64)
    with torch.no_grad():
        broken.layers[0].coef.fill_(torch.nan)
    report(broken, points(30, 2), torch.ones(30, 1), candidates=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["a"]}, "expected a name for each of the 2 inputs"),
        ({"names": ["a", "a"]}, "expected different names"),
        ({"outputs": ["a", "b"]}, "expected a name for each of the 1 outputs"),
        ({"y": torch.ones(7)}, "expected as many targets as inputs"),
    ],
)
def test_a_wrong_call_is_answered(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        report(KAN([2, 1]), points(10, 2), **options)


def test_the_command_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = compile_formula(parse("2*a**2 + sin(b)"), ["a", "b"], dtype=torch.float64)
    notes = {"inputs": ["a", "b"], "columns": ["length (m)", "b"], "outputs": ["the_area"]}
    save(model, tmp_path / "law.safetensors", notes=notes)
    rows = "\n".join(f"{k / 10},x,{k / 20},{k}" for k in range(20))
    (tmp_path / "data.csv").write_text(f"b,who,length (m),the area\n{rows}\n")
    arguments = ["report", str(tmp_path / "law.safetensors"), str(tmp_path / "data.csv"), "--out"]
    assert run([*arguments, str(tmp_path / "page.html")]) == 0
    assert "written" in capsys.readouterr().err
    found = payload(Page((tmp_path / "page.html").read_text(encoding="utf-8")))
    assert [run_[0] for run_ in found["outputs"][0]] == ["the_area"]
    assert len(found["fit"]) == 1
    assert run([*arguments, str(tmp_path / "other.html"), "--target", "b"]) == 0
    assert run([*arguments, str(tmp_path / "no.html"), "--target", "nothing"]) == 2
    assert run([*arguments, str(tmp_path / "no" / "page.html")]) == 1
