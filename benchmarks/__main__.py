"""Run the benchmarks: `python -m benchmarks [names]`; JSON goes to `build/benchmarks/`, progress to stderr.

The environment's `BENCHMARKS_TAG` is added to the names of the files, so that two runs can go side by side.
"""

import json
import os
import sys
from collections.abc import Callable

from benchmarks import FOLDER, Table, layer, suites
from benchmarks.accuracy import second_order
from benchmarks.against_pykan import against_pykan
from benchmarks.equations import equations, equations_by_class, equations_noise
from benchmarks.formulas import functions, grids, noise, notebook
from benchmarks.gpu import gpu
from benchmarks.no_law import no_law
from benchmarks.peers import peers
from benchmarks.refinement import refinement
from benchmarks.scale import scale
from benchmarks.splines import feynman_splines, known, special
from benchmarks.tables import tables
from benchmarks.workflows import workflows

TABLES: dict[str, Callable[[], Table]] = {
    "notebook": notebook,
    "functions": functions,
    "noise": noise,
    "grids": grids,
    "second_order": second_order,
    "refinement": refinement,
    "against_pykan": against_pykan,
    "workflows": workflows,
    "known": known,
    "special": special,
    "feynman_splines": feynman_splines,
    "equations": equations,
    "equations_noise": equations_noise,
    "no_law": no_law,
    "equations_by_class": equations_by_class,
    "peers": peers,
    "classics": suites.classics,
    "strogatz": suites.strogatz,
    "compositions": suites.compositions,
    "drawn": suites.drawn,
    "dummies": suites.dummies,
    "tables": tables,
    "scale": scale,
    "layer": layer.layers,
    "memory": layer.memory,
    "growth": layer.growth,
    "gpu": gpu,
}


def main(names: list[str]) -> None:
    """Run the named benchmarks, all of them without names."""
    unknown = set(names) - set(TABLES)
    if unknown:
        sys.exit(f"expected benchmarks among {sorted(TABLES)}, got {sorted(unknown)}.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    tag = os.environ.get("BENCHMARKS_TAG", "")
    for name in names or TABLES:
        file, table = FOLDER / f"{name}{tag}.json", dict[str, object]()
        for row, figures in TABLES[name]():
            table[row] = figures
            file.write_text(json.dumps(table, indent=2))  # after each row: some tables take an hour
            print(f"{name}: {row}: {json.dumps(figures)}", file=sys.stderr, flush=True)
        print(file)


if __name__ == "__main__":
    main(sys.argv[1:])
