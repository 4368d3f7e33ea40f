"""What is saved comes back to the bit, and what is damaged is refused by one kind of error."""

import dataclasses
import importlib
import inspect
import json
import os
import pkgutil
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

import kanlens
from kanlens import KAN, LIBRARY, BSpline, Edge, FileError, Function, InputError, Spec, UnknownNameError, power, refine
from kanlens.candidates import Candidate
from kanlens.container import write_atomically, write_container
from kanlens.layer import RESIDUALS
from kanlens.persistence import CONFIG, MODEL, header, load, save
from kanlens.specs import BASES, spec_from_json, spec_to_json
from kanlens.surgery import with_symbols
from samples import points, rich

WIDTHS = st.one_of(
    st.integers(1, 4),
    st.tuples(st.integers(0, 2), st.lists(st.integers(2, 3), min_size=1, max_size=2).map(tuple)),
)
SPECS = st.builds(
    lambda inputs, rest, basis, residual: Spec.of([inputs, *rest], basis, residual),
    st.integers(1, 4),
    st.lists(WIDTHS, min_size=1, max_size=3),
    st.builds(BSpline, st.integers(1, 5), st.integers(1, 9)),
    st.sampled_from(sorted(RESIDUALS)),
)


def assert_same(one: KAN, other: KAN) -> None:
    assert one.spec == other.spec
    for mine, theirs in zip(one.parts(), other.parts(), strict=True):
        assert (mine[0].basis, mine[0].residual) == (theirs[0].basis, theirs[0].residual)
        assert (mine[1].functions, mine[1].out, mine[1].in_) == (theirs[1].functions, theirs[1].out, theirs[1].in_)
    first, second = one.state_dict(), other.state_dict()
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert tensor.dtype == second[name].dtype
        assert tensor.shape == second[name].shape
        assert torch.equal(_bits(tensor), _bits(second[name])), name
    assert [p.requires_grad for p in one.parameters()] == [p.requires_grad for p in other.parameters()]


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().contiguous().view(torch.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@given(spec=SPECS)
def test_a_spec_comes_back_from_json(spec: Spec) -> None:
    assert spec_from_json(spec_to_json(spec)) == spec


@given(spec=SPECS, seed=st.integers(0, 99), dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16]))
def test_any_network_comes_back_to_the_bit(spec: Spec, seed: int, dtype: torch.dtype, folder: Path) -> None:
    model = rich(seed, spec.widths, basis=spec.basis, residual=spec.residual).to(dtype)
    save(model, folder / "any.safetensors")
    assert_same(load(folder / "any.safetensors"), model)


def test_what_loads_computes_and_trains_as_before(tmp_path: Path) -> None:
    model, x = rich(3), points(50, 3)
    save(model, tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    torch.testing.assert_close(again(x), model(x), rtol=0, atol=1e-14)
    again(x).sum().backward()
    assert all(p.grad is not None for p in again.parameters() if p.requires_grad and p.numel())


def test_layers_keep_bases_of_their_own(tmp_path: Path) -> None:
    model = KAN([2, 3, 1], basis=BSpline(3, 4), dtype=torch.float64)
    model.layers[1] = refine(model, points(20, 2), 8).layers[1]
    save(model, tmp_path / "m.safetensors")
    assert_same(load(tmp_path / "m.safetensors"), model)


def test_numbers_that_are_not_finite_come_back(tmp_path: Path) -> None:
    model = KAN([1, 1])
    with torch.no_grad():
        model.layers[0].coef[0, 0, :3] = torch.tensor([torch.nan, torch.inf, -0.0])
    save(model, tmp_path / "m.safetensors")
    assert_same(load(tmp_path / "m.safetensors"), model)


def test_every_basis_of_kanlens_can_be_read() -> None:
    modules = [importlib.import_module(f"kanlens.{m.name}") for m in pkgutil.iter_modules(kanlens.__path__)]
    classes = {c for m in modules for _, c in inspect.getmembers(m, inspect.isclass) if dataclasses.is_dataclass(c)}
    bases = {c for c in classes if hasattr(c, "project") and not any(c in other.__mro__[1:-1] for other in classes)}
    assert bases | {BSpline} == set(BASES.values())


@pytest.mark.parametrize("basis", [cls() for cls in BASES.values()], ids=lambda basis: type(basis).__name__)
def test_each_basis_comes_back(basis: Any, tmp_path: Path) -> None:
    model = KAN([2, 2, 1], basis=basis, dtype=torch.float64)
    save(model, tmp_path / "m.safetensors")
    assert_same(load(tmp_path / "m.safetensors"), model)


# --- names that stand for code -----------------------------------------------------------


def named(function: Function) -> KAN:
    return with_symbols(KAN([2, 1]), {Edge(0, 0, 1): Candidate(function, (2.0, 0.0, 1.0, 0.0), 1.0)})


def test_powers_are_made_again_by_their_names(tmp_path: Path) -> None:
    for function in (power(2), power(2.5), LIBRARY["1/x^2"], power(-1 / 7)):
        save(named(function), tmp_path / "m.safetensors")
        assert load(tmp_path / "m.safetensors").symbols[0].functions[0].name == function.name


@pytest.mark.parametrize("name", ["sinc", "sin", "x^2"])
def test_a_function_of_ones_own_is_passed_again(name: str, tmp_path: Path) -> None:
    own = Function(name, torch.sinc, "sinc", 3)
    save(named(own), tmp_path / "m.safetensors")
    with pytest.raises(UnknownNameError, match=re.escape(f"function of your own named '{name}'")):
        load(tmp_path / "m.safetensors")
    assert load(tmp_path / "m.safetensors", functions={name: own}).symbols[0].functions == (own,)
    assert header(tmp_path / "m.safetensors").symbols == (name,)


@dataclass(frozen=True)
class Coarse(BSpline):
    """A basis of a user's own."""

    labels: tuple[str, ...] = ("a", "b")


def test_a_basis_of_ones_own_is_passed_again(tmp_path: Path) -> None:
    model = KAN([2, 1], basis=Coarse(2, 3))
    save(model, tmp_path / "m.safetensors")
    with pytest.raises(FileError, match="got 'Coarse'"):
        load(tmp_path / "m.safetensors")
    assert_same(load(tmp_path / "m.safetensors", bases={"Coarse": Coarse}), model)


# --- places ------------------------------------------------------------------------------


def test_a_path_without_an_ending_is_a_folder_for_hubs(tmp_path: Path) -> None:
    model = rich(1)
    save(model, tmp_path / "new" / "law", notes={"inputs": ["a", "b", "c"]})
    assert {path.name for path in (tmp_path / "new" / "law").iterdir()} == {CONFIG, MODEL}
    config = json.loads((tmp_path / "new" / "law" / CONFIG).read_text())
    assert config["notes"] == {"inputs": ["a", "b", "c"]}
    assert spec_from_json(json.dumps(config["spec"])) == model.spec
    assert_same(load(tmp_path / "new" / "law"), model)
    assert_same(load(tmp_path / "new" / "law" / MODEL), model)


def test_saving_replaces_a_file_and_leaves_links_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "link.safetensors").symlink_to(tmp_path / "m.safetensors")
    for seed in range(2):
        save(KAN([2, 1], seed=seed), tmp_path / "link.safetensors")
    assert (tmp_path / "link.safetensors").is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"link.safetensors", "m.safetensors"}
    assert_same(load(tmp_path / "m.safetensors"), KAN([2, 1], seed=1))


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_there(fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "m.safetensors"
    path.write_bytes(b"before")
    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_json_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for notes in ({"x": object()}, {"x": float("nan")}):
        with pytest.raises(InputError, match="notes that JSON can hold"):
            save(KAN([1, 1]), tmp_path / "m.safetensors", notes=notes)
    assert not list(tmp_path.iterdir())


def test_the_header_tells_what_is_inside(tmp_path: Path) -> None:
    save(rich(1), tmp_path / "m.safetensors", notes={"unit": "kg"})
    found = header(tmp_path / "m.safetensors")
    assert (found.version, found.dtype, dict(found.notes)) == (1, "float64", {"unit": "kg"})
    assert found.written_by == f"kanlens {kanlens.__version__}"
    assert found.spec == rich(1).spec
    assert sorted(found.symbols) == sorted(f.name for _, symbols, _ in rich(1).parts() for f in symbols.functions)


# --- damage ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"", b"12345678", b"\xff" * 64, b"\x80\x04K*.", json.dumps({"a": 1}).encode(), safetensors.torch.save({})],
    ids=["empty", "short", "ones", "pickle", "json", "without a header"],
)
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(FileError, match=r"^expected a file that kanlens wrote"):
        load(tmp_path / "m.safetensors")


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere.safetensors")


def forged(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write a file with another header whose checksum is right, as somebody with intent could."""
    from kanlens.persistence import _header_text

    model = rich(1)
    record = json.loads(_header_text(model, {}))
    change(record)
    write_container(path, json.dumps(record), model.state_dict())


FORGERIES: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda r: r.update(version=2), "Install a newer kanlens"),
    (lambda r: r.update(version="1"), "'version' to be of type int"),
    (lambda r: r.update(format="kanlens checkpoint"), "got a kanlens checkpoint"),
    (lambda r: r.pop("spec"), "'spec' to be of type dict"),
    (lambda r: r["layers"].pop(), "3 layers"),
    (lambda r: r["spec"]["widths"].append([10**12, []]), "4 layers"),
    (lambda r: r["spec"]["widths"].__setitem__(1, [10**12, []]), "coefficients"),
    (lambda r: r["spec"]["widths"].__setitem__(1, [-1, []]), "Width"),
    (lambda r: r["spec"]["widths"].__setitem__(1, 3), "a width"),
    (lambda r: r["spec"]["basis"].update(intervals=0), "BSpline"),
    (lambda r: r["spec"]["basis"].update(colour=0), "BSpline"),
    (lambda r: r["layers"][0]["basis"].update({"class": "os.system"}), "a basis among BSpline"),
    (lambda r: r["layers"][0]["basis"].update(intervals=10**15), "coefficients"),
    (lambda r: r["layers"][0]["basis"].update(degree=2, intervals=5), r"tensor layers\.0\.grid"),
    (lambda r: r["layers"][0].update(residual="gelu"), "KANLayer"),
    (lambda r: r["layers"][0]["symbols"][0].update(out=99), "different edges"),
    (lambda r: r["layers"][0]["symbols"][0].update({"in": -1}), "different edges"),
    (lambda r: r["layers"][0]["symbols"].append(r["layers"][0]["symbols"][0]), "different edges"),
    (lambda r: r["layers"][0]["symbols"].pop(), r"tensor symbols\.0"),
]


@pytest.mark.parametrize(("change", "message"), FORGERIES, ids=[message for _, message in FORGERIES])
def test_a_forged_header_is_refused(change: Callable[[dict[str, Any]], object], message: str, tmp_path: Path) -> None:
    forged(tmp_path / "m.safetensors", change)  # type: ignore[arg-type]
    with pytest.raises(FileError, match=message):
        load(tmp_path / "m.safetensors")


def test_a_forged_name_is_looked_up_and_nothing_else(tmp_path: Path) -> None:
    forged(tmp_path / "m.safetensors", lambda r: r["layers"][0]["symbols"][0].update(function="__import__('os')"))
    with pytest.raises(UnknownNameError, match="expected the name of a function"):
        load(tmp_path / "m.safetensors")


def test_an_entry_that_is_new_is_ignored(tmp_path: Path) -> None:
    forged(tmp_path / "m.safetensors", lambda r: r.update(colour="red"))
    assert_same(load(tmp_path / "m.safetensors"), rich(1))


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Return a file with bytes changed, cut off, added, or moved; half of the time in its header."""
    broken = bytearray(data)
    end = len(data) if draw.random() < 0.5 else 8 + int.from_bytes(data[:8], "little")
    kind = draw.randrange(5)
    for _ in range(draw.choice([1, 1, 2, 8])):
        place = draw.randrange(end)
        if kind == 0:
            broken[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            broken[place] = draw.choice(b'0123456789{}[]":,-eE. \x00\xff')
        elif kind == 2:
            del broken[draw.randrange(len(broken) + 1) :]
        elif kind == 3:
            broken[place:place] = draw.randbytes(draw.choice([1, 8, 100]))
        else:
            other = draw.randrange(end)
            broken[place : place + 8], broken[other : other + 8] = broken[other : other + 8], broken[place : place + 8]
    return bytes(broken)


def damage_many(path: Path, count: int) -> None:
    save(rich(1), path, notes={"inputs": ["a", "b", "c"]})
    whole, draw, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(count):
        broken = mutated(whole, draw)
        path.write_bytes(broken)
        try:
            again = load(path)
        except FileError:
            refused += 1
        else:  # a change that means nothing, such as a swap of equal bytes or of a space
            assert_same(again, rich(1))
    assert refused > 0.8 * count


def test_damaged_files_give_the_one_documented_error(tmp_path: Path) -> None:
    damage_many(tmp_path / "m.safetensors", 400)


@pytest.mark.slow
def test_ten_thousand_damaged_files_give_the_one_documented_error(tmp_path: Path) -> None:
    damage_many(tmp_path / "m.safetensors", 10_000)
