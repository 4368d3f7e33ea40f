"""Save networks to files and load them: numbers and names, never code.

A file is in the safetensors format. Its tensors are the network's state dict; its metadata hold one JSON
text, the *header*, and a checksum over header and tensors. What the header says::

    {"format": "kanlens", "version": 1, "written_by": "kanlens 0.1.0", "dtype": "float64",
     "spec": {"widths": [[2, []], [5, []], [1, []]], "basis": {"class": "BSpline", "degree": 3, "intervals": 5},
              "residual": "silu"},
     "layers": [{"basis": {...}, "residual": "silu", "symbols": [{"function": "sin", "out": 0, "in": 1}]}, ...],
     "notes": {...}}

Every later release reads the files of earlier ones. An entry that a reader may ignore can be added at any
time; a change that a reader could misunderstand raises `version`, and a reader refuses versions above its own.

Pickles were rejected: loading one runs whatever it says. So a function is stored by its name, and functions
of your own are passed again on loading.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kanlens.container import PathLike, damaged, read_container, write_atomically, write_container
from kanlens.errors import FileError, InputError, UnknownNameError
from kanlens.functions import Function, lookup
from kanlens.layer import KANLayer
from kanlens.network import KAN, Spec, SymbolicEdges
from kanlens.specs import basis_record, parse, read, read_basis, read_spec, spec_record, want
from kanlens.version import __version__

VERSION = 1
"""The version of the format that this release writes, and the highest that it reads."""

MODEL, CONFIG = "model.safetensors", "config.json"
"""Files of a folder as model hubs lay it out."""


@dataclass(frozen=True)
class Header:
    """Hold what a file says about its network besides the numbers."""

    version: int
    written_by: str
    spec: Spec
    dtype: str
    symbols: tuple[str, ...]
    notes: Mapping[str, Any] = field(default_factory=dict)


def save(model: KAN, path: PathLike, *, notes: Mapping[str, Any] | None = None) -> None:
    """Write a network to a file, or to a folder as model hubs lay it out.

    The file is complete or absent: it is written beside its place, flushed to the disk and then moved there.

    Parameters
    ----------
    model : KAN
    path : path
        With an ending (`law.safetensors`) a file; without one, or if there is such a folder, a folder
        with `model.safetensors` and `config.json`. The former is complete by itself; the latter repeats
        its header for people and for tools.
    notes : mapping, optional
        Anything that JSON can hold, to be kept with the network, such as names of columns. See :func:`header`.

    Raises
    ------
    InputError
        If the basis or the notes have no JSON form.
    OSError
        If the file cannot be written. What was there before is still there.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> model, x = KAN([2, 5, 1]), torch.rand(10, 2)
    >>> with TemporaryDirectory() as folder:
    ...     save(model, f"{folder}/law.safetensors", notes={"inputs": ["mass", "radius"]})
    ...     again, kept = load(f"{folder}/law.safetensors"), header(f"{folder}/law.safetensors").notes
    >>> torch.equal(again(x), model(x)), kept["inputs"]
    (True, ['mass', 'radius'])
    """
    text = _header_text(model, notes or {})
    place = Path(os.path.realpath(path))  # through links, so that they stay links
    folder = place if place.is_dir() or not place.suffix else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / CONFIG, json.dumps(json.loads(text), indent=2).encode())
    write_container(place if folder is None else folder / MODEL, text, model.state_dict())


def load(
    path: PathLike, *, functions: Mapping[str, Function] | None = None, bases: Mapping[str, type] | None = None
) -> KAN:
    """Return the network in a file or folder that :func:`save` wrote, on the CPU, in the dtype that it had.

    Nothing in the file is executed or imported.

    Parameters
    ----------
    path : path
        The file or the folder.
    functions : mapping, optional
        Functions of your own that the network uses, by name.
    bases : mapping, optional
        Classes of bases of your own, by name.

    Raises
    ------
    FileError
        If the file is damaged, of another kind, of a newer version, or needs a basis that is not in `bases`.
    UnknownNameError
        If it needs a function that is neither in the library nor in `functions`.
    OSError
        If there is no such file, or it cannot be read.
    """
    record, tensors = _read(path)
    spec = _understood(record, bases or {}).spec
    layers = want(record, "layers", list)
    if len(layers) != len(spec.widths) - 1:
        raise damaged(f"{len(spec.widths) - 1} layers", len(layers))
    splines, symbols = [], []
    for number, (layer, before, after) in enumerate(zip(layers, spec.widths, spec.widths[1:], strict=False)):
        splines.append(_splines(layer, before.size, after.subnodes, tensors.get(f"layers.{number}.coef"), bases or {}))
        symbols.append(_symbols(layer, before.size, after.subnodes, functions or {}).to(splines[-1].coef))
    model = KAN.assemble(spec, splines, symbols)
    wanted, found = _shapes(model.state_dict()), _shapes(tensors)
    if different := wanted ^ found:
        name = min(different)[0]
        raise damaged(f"tensor {name} of another shape", [row[1:] for row in found if row[0] == name])
    model.load_state_dict(tensors)
    return model


def header(path: PathLike, *, bases: Mapping[str, type] | None = None) -> Header:
    """Return what a file says about its network, without building it.

    The arguments and errors are those of :func:`load`; functions of your own are not needed.
    """
    return _understood(_read(path)[0], bases or {})


# --- writing -----------------------------------------------------------------------------


def _header_text(model: KAN, notes: Mapping[str, Any]) -> str:
    record = {
        "format": "kanlens",
        "version": VERSION,
        "written_by": f"kanlens {__version__}",
        "dtype": str(model.dtype).removeprefix("torch."),
        "spec": spec_record(model.spec),
        "layers": [
            {
                "basis": basis_record(layer.basis),
                "residual": layer.residual,
                "symbols": [
                    {"function": function.name, "out": out, "in": in_} | ({} if _is_ours(function) else {"own": True})
                    for function, out, in_ in zip(symbols.functions, symbols.out, symbols.in_, strict=True)
                ],
            }
            for layer, symbols, _ in model.parts()
        ],
        "notes": dict(notes),
    }
    try:
        return json.dumps(record, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"expected notes that JSON can hold, got {notes!r}. Make them texts and numbers.") from error


def _is_ours(function: Function) -> bool:
    """Tell whether the name alone brings the function back, judged by its values."""
    points = torch.linspace(-2, 2, 9, dtype=torch.float64)
    try:
        return torch.equal(*(torch.nan_to_num(f.torch(points)) for f in (function, lookup(function.name))))
    except UnknownNameError:
        return False


# --- reading -----------------------------------------------------------------------------


def _read(path: PathLike) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the header and the tensors of a file whose checksum is right."""
    place = Path(path)
    text, tensors = read_container(place / MODEL if place.is_dir() else place)
    record = parse(text)
    if want(record, "format", str) != "kanlens":
        raise FileError(f"expected a network, got a {record['format']}. Pass the file that kanlens.save wrote.")
    version = want(record, "version", int)
    if version > VERSION:
        raise FileError(f"expected a file of version {VERSION} or less, got {version}. Install a newer kanlens.")
    return record, tensors


def _understood(record: dict[str, Any], bases: Mapping[str, type]) -> Header:
    layers = want(record, "layers", list)
    named = [want(symbol, "function", str) for layer in layers for symbol in want(layer, "symbols", list)]
    return Header(
        version=want(record, "version", int),
        written_by=want(record, "written_by", str),
        spec=read_spec(want(record, "spec", dict), bases),
        dtype=want(record, "dtype", str),
        symbols=tuple(named),
        notes=want(record, "notes", dict),
    )


def _splines(
    record: object, in_features: int, out_features: int, coef: Tensor | None, bases: Mapping[str, type]
) -> KANLayer:
    """Return a layer of the shapes that the header gives, which the file's tensors then fill."""
    basis = read_basis(want(record, "basis", dict), bases)
    shape = (out_features, in_features, basis.size)
    if coef is None or tuple(coef.shape) != shape:  # before anything of a size that only the header vouches for
        raise damaged(f"coefficients {shape}", None if coef is None else tuple(coef.shape))
    return read(
        KANLayer,
        in_features,
        out_features,
        basis=basis,
        residual=want(record, "residual", str),
        generator=torch.Generator(),  # its draws are overwritten; torch's own would be used up
        dtype=coef.dtype,
    )


def _symbols(record: object, in_features: int, out_features: int, functions: Mapping[str, Function]) -> SymbolicEdges:
    rows = want(record, "symbols", list)
    places = [(want(row, "out", int), want(row, "in", int)) for row in rows]
    if len(set(places)) < len(places) or not all(0 <= o < out_features and 0 <= i < in_features for o, i in places):
        raise damaged(f"different edges of a layer {out_features} x {in_features}", places)
    found = [_function(want(row, "function", str), row.get("own") is True, functions) for row in rows]
    return SymbolicEdges(out_features, found, [out for out, _ in places], [in_ for _, in_ in places])


def _function(name: str, own: bool, functions: Mapping[str, Function]) -> Function:
    if name in functions:
        return functions[name]
    if own:
        raise UnknownNameError(
            f"expected a function of your own named {name!r}, got none. Pass functions={{{name!r}: Function(...)}}."
        )
    return lookup(name)


def _shapes(tensors: Mapping[str, Tensor]) -> set[tuple[str, str, tuple[int, ...]]]:
    return {(name, str(tensor.dtype), tuple(tensor.shape)) for name, tensor in tensors.items()}
