"""Benchmarks: measured on demand, never as tests.

A subject has a module, and a table is a function without arguments that yields the names and figures of its rows. A
row may come again with better figures, as when seeds are added to it: the last one counts.
"""

from collections.abc import Iterator
from pathlib import Path

Table = Iterator[tuple[str, object]]

FOLDER = Path("build/benchmarks")
"""Where the figures go."""
