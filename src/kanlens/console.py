"""What commands say: results to the standard output, everything about them to the standard error."""

import json
import sys
from pathlib import Path
from typing import Any

from kanlens.container import write_atomically


def say(text: str) -> None:
    """Print a result."""
    sys.stdout.write(f"{text}\n")


def tell(text: str) -> None:
    """Print a line about a result, or about what went wrong."""
    sys.stderr.write(f"kanlens: {' '.join(text.split())}\n")


def say_json(record: Any) -> None:
    """Print a result as JSON, in which a number that is not finite is null."""
    sys.stdout.write(f"{json.dumps(_finite(record), ensure_ascii=False)}\n")


def deliver(text: str, out: Path | None) -> None:
    """Write a result to a file, or print it where there is none."""
    if out is None:
        sys.stdout.write(text)
    else:
        write_atomically(out, text.encode())
        tell(f"written: {out}")


def _finite(value: Any) -> Any:
    match value:
        case float() if value - value != 0:  # an infinity or a NaN, which JSON does not have
            return None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value
