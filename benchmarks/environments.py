"""Environments of their own for other libraries."""

import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path


def interpreter(home: Path, *installs: Sequence[str]) -> Path:
    """Return the interpreter of an environment, which is made on first use by calls of `pip install`.

    One that was left half made, as by Ctrl-C, is completed.
    """
    python, complete = home / "bin" / "python", home / "complete"
    if not complete.exists():
        venv.create(home, with_pip=True)
        for install in installs:
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *install], check=True)
        complete.touch()
    return python
