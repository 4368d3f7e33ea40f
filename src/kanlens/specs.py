"""Write what is chosen about a network as JSON, and read it back without trusting it.

A basis is its class's name and fields, so that any frozen dataclass of plain values is a basis that can be
written. It is read by a table of classes: a name in a file never becomes an import.
"""

import dataclasses
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from kanlens.bases import BSpline, LinearSpline
from kanlens.errors import FileError, InputError, KanlensError
from kanlens.expansions import Chebyshev, Fourier, Gaussian, Wavelet
from kanlens.network import Spec, Width

T = TypeVar("T")

KNOWN = (BSpline, LinearSpline, Chebyshev, Fourier, Gaussian, Wavelet)

BASES: Mapping[str, type] = MappingProxyType({cls.__name__: cls for cls in KNOWN})
"""Every basis that files may name; one of your own is passed by `bases` on reading."""


def spec_to_json(spec: Spec) -> str:
    """Return a spec as JSON text.

    Raises
    ------
    InputError
        If the basis is not a dataclass of numbers, texts and tuples of them.

    Examples
    --------
    >>> spec_from_json(spec_to_json(Spec.of([2, (3, 1), 1]))) == Spec.of([2, (3, 1), 1])
    True
    """
    return json.dumps(spec_record(spec), allow_nan=False)


def spec_from_json(text: str, *, bases: Mapping[str, type] | None = None) -> Spec:
    """Return the spec that JSON text describes.

    Raises
    ------
    FileError
        If the text is no such description, or names a basis that is neither kanlens's own nor in `bases`.
    """
    return read_spec(parse(text), bases or {})


def spec_record(spec: Spec) -> dict[str, Any]:
    """Return a spec as plain values."""
    widths = [[width.sums, list(width.products)] for width in spec.widths]
    return {"widths": widths, "basis": basis_record(spec.basis), "residual": spec.residual}


def read_spec(record: object, bases: Mapping[str, type]) -> Spec:
    """Return the spec of plain values."""
    widths = []
    for item in want(record, "widths", list):
        if not isinstance(item, list) or len(item) != 2 or not isinstance(item[1], list):
            raise FileError(f"expected a width as [sums, [arities]], got {item!r}.")
        widths.append(read(Width, item[0], tuple(item[1])))
    return read(Spec, tuple(widths), read_basis(want(record, "basis", dict), bases), want(record, "residual", str))


def basis_record(basis: Any) -> dict[str, Any]:
    """Return a basis as plain values: its class's name and its fields."""
    if not dataclasses.is_dataclass(basis):
        raise InputError(f"expected a basis that is a dataclass, got {type(basis).__name__}. Make it a frozen one.")
    fields = {field.name: getattr(basis, field.name) for field in dataclasses.fields(basis) if field.init}
    record = {"class": type(basis).__name__, **fields}
    try:
        json.dumps(record, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"expected a basis of numbers, texts and tuples, got {basis!r}. It has no JSON form."
        ) from error
    return record


def read_basis(record: dict[str, Any], bases: Mapping[str, type]) -> Any:
    """Return the basis of plain values."""
    name = want(record, "class", str)
    known = {**BASES, **bases}
    if name not in known:
        raise FileError(f"expected a basis among {', '.join(known)}, got {name!r}. Pass bases={{{name!r}: ...}}.")
    return read(known[name], **{key: _plain(value) for key, value in record.items() if key != "class"})


def _plain(value: Any) -> Any:
    """Give back the tuples that JSON has made lists."""
    return tuple(_plain(item) for item in value) if isinstance(value, list) else value


def parse(text: str) -> Any:
    """Return the values of JSON text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(
            f"expected a description in JSON, got something else ({error}). The file is damaged."
        ) from error


def want(record: object, key: str, kind: type[T]) -> T:
    """Return an entry of a record, of exactly the kind that is wanted."""
    value = record.get(key) if isinstance(record, dict) else None
    if type(value) is not kind:  # a bool is an int for isinstance
        raise FileError(f"expected {key!r} to be of type {kind.__name__}, got {value!r}. The file is damaged.")
    return value


def read(make: "type[T]", *values: Any, **fields: Any) -> T:
    """Build an object from values in a file, whose refusal is the file's fault."""
    try:
        return make(*values, **fields)
    except (KanlensError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise FileError(f"expected values for {make.__name__}, got {values or fields}: {error}") from error
