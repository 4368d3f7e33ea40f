"""Kolmogorov-Arnold networks that are trained fast, looked at, and read as exact formulas.

Everything that users need is here: `from kanlens import KAN, fit, prune, snap, formula, plot`.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

from kanlens.bases import BSpline
from kanlens.candidates import Candidate, suggest
from kanlens.convergence import Convergence, Limit, converge
from kanlens.errors import InputError, KanlensError, UnknownNameError
from kanlens.functions import LIBRARY, Function, power
from kanlens.network import KAN, Edge, KANLayer, Spec, Trace, Width
from kanlens.pruning import prune
from kanlens.regrid import regrid
from kanlens.scores import scores
from kanlens.search import Discovery, discover, symbolise
from kanlens.solvers import LBFGS, Adam, LevenbergMarquardt, Stop
from kanlens.sparsity import Sparsity
from kanlens.surgery import cut, keep, refine
from kanlens.symbolic import fix, formula, snap
from kanlens.training import History, fit

if TYPE_CHECKING:
    from kanlens.plotting import plot

try:
    __version__ = metadata.version("kanlens")
except metadata.PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"

_LAZY = {"plot": "kanlens.plotting"}  # matplotlib takes a second to import, and training never needs it

__all__ = [
    "KAN",
    "LBFGS",
    "LIBRARY",
    "Adam",
    "BSpline",
    "Candidate",
    "Convergence",
    "Discovery",
    "Edge",
    "Function",
    "History",
    "InputError",
    "KANLayer",
    "KanlensError",
    "LevenbergMarquardt",
    "Limit",
    "Sparsity",
    "Spec",
    "Stop",
    "Trace",
    "UnknownNameError",
    "Width",
    "__version__",
    "converge",
    "cut",
    "discover",
    "fit",
    "fix",
    "formula",
    "keep",
    "plot",
    "power",
    "prune",
    "refine",
    "regrid",
    "scores",
    "snap",
    "suggest",
    "symbolise",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'kanlens' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
