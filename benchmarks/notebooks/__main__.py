"""One of pykan's notebooks as a script: `python benchmarks/notebooks NAME`, in pykan's environment or in kanlens's.

Neither library is named here: `kan` is pykan in one environment and the package that comes with kanlens in the other.
Prints a line of JSON: the seconds of the processor on one thread after the imports, and what the script returns.
"""

import json
import sys
import time
import warnings

import matplotlib as mpl

mpl.use("agg")

import examples
import interface
import interpretability
import physics
import torch

SCRIPTS = interface.SCRIPTS | examples.SCRIPTS | interpretability.SCRIPTS | physics.SCRIPTS


def main(name: str) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    started = time.process_time()
    result = SCRIPTS[name]()
    print(json.dumps({"seconds": time.process_time() - started, "result": result}))


if __name__ == "__main__":
    main(*sys.argv[1:])
