"""Read the long argument lists of pykan's methods: each list is a dataclass, written once."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
F = TypeVar("F", bound=Callable[..., Any])


def read(kind: type[T], caller: str, args: Sequence[Any], options: Mapping[str, Any]) -> T:
    """Return the dataclass that a call's arguments fill in.

    Raises
    ------
    TypeError
        If a keyword is unknown or given twice, or there are too many arguments.
    """
    known = [field.name for field in fields(kind)]
    for name in options:
        if name not in known:
            close = get_close_matches(name, known, 1) or known[:1]
            raise TypeError(f"expected an argument that {caller} knows, got {name!r}. Did you mean {close[0]!r}?")
    if len(args) > len(known) or set(known[: len(args)]) & set(options):
        raise TypeError(f"expected each argument of {caller} once, got {len(args)} by position and {[*options]}.")
    return kind(*args, **options)


def shows(kind: "type[DataclassInstance]") -> Callable[[F], F]:
    """Make a method show a dataclass's fields where it takes `*args, **options`, as notebooks complete them."""

    def mark(method: F) -> F:
        own = [p for p in inspect.signature(method).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        listed = inspect.signature(kind).parameters.values()
        method.__signature__ = inspect.Signature([*own, *listed])  # type: ignore[attr-defined]
        return method

    return mark
