"""pykan's notebooks as scripts, by pykan and by kanlens: the same calls, each script in a process of its own."""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import Table
from benchmarks.against_pykan import environment

NAMES = ["hellokan", *(f"API_{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12))]
NAMES += [f"Example_{n}" for n in (1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)]
NAMES += [f"Interp_{n}" for n in (1, 2, 3, 4, 5, 6, 8, 9, 10, "10A", "10B", 11)]
NAMES += [*(f"Physics_{n}" for n in (1, "2A", "2B", 3)), "Community_1", "Community_2"]
"""All of pykan's notebooks that need neither a GPU nor files that are not public."""

LIMIT = 150
"""Seconds of the processor after which a script is stopped."""


def workflows() -> Table:
    """Yield for each notebook what both took and reached."""
    for name in NAMES:
        kanlens, pykan = (_run(contestant, name) for contestant in ("kanlens", "pykan"))
        both = "seconds" in kanlens and "seconds" in pykan
        ratio = pykan["seconds"] / kanlens["seconds"] if both else None
        yield name, {"kanlens": kanlens, "pykan": pykan, "ratio": ratio}


def _run(contestant: str, name: str) -> dict[str, Any]:
    """Run a script in a folder that is thrown away: notebooks write where they stand."""
    python = environment() if contestant == "pykan" else Path(sys.executable)
    hidden = "PYTHONPATH" if contestant == "pykan" else ""  # it would find the other `kan` there
    variables = {key: value for key, value in os.environ.items() if key != hidden}
    command = [str(python), str(Path(__file__).with_name("notebooks").absolute()), name]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command, cwd=folder, env=variables, capture_output=True, text=True, check=False, preexec_fn=_limit
        )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return {"stopped": lines[-1][-200:] if done.returncode > 0 and lines else f"after {LIMIT} s"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
