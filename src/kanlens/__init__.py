"""Kolmogorov-Arnold networks that are trained fast, looked at, and read as exact formulas.

Everything that users need is here: `from kanlens import KAN, fit, prune, snap, formula, plot`.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from kanlens.arrangement import arrange, swap
from kanlens.bases import Basis, BSpline, LinearSpline
from kanlens.candidates import Candidate, suggest
from kanlens.checkpoints import Checkpoint
from kanlens.compiler import compile_formula
from kanlens.convergence import Convergence, Limit, converge
from kanlens.convolution import KANConv1d, KANConv2d
from kanlens.discovery import Discovery, discover, symbolise
from kanlens.errors import FileError, InputError, KanlensError, MissingPackageError, UnknownNameError
from kanlens.expansions import Chebyshev, Fourier, Gaussian, Wavelet
from kanlens.expressions import parse
from kanlens.front import Equation, Front
from kanlens.functions import LIBRARY, Function, power
from kanlens.growth import deepen, loosen, perturb, widen
from kanlens.layer import KANLayer
from kanlens.native import accelerate
from kanlens.network import KAN, Edge, Spec, Trace, Width
from kanlens.persistence import header, load, save
from kanlens.pruning import prune, prune_inputs
from kanlens.recording import Recorder, Snapshot
from kanlens.regrid import regrid
from kanlens.scores import scores
from kanlens.search import search
from kanlens.selection import approximate
from kanlens.settings import SearchSettings
from kanlens.solvers import LBFGS, Adam, LevenbergMarquardt, Stop
from kanlens.sparsity import Sparsity
from kanlens.surgery import cut, keep, refine
from kanlens.symbolic import fix, formula, snap
from kanlens.training import History, fit
from kanlens.version import __version__
from kanlens.views import VIEWS

if TYPE_CHECKING:
    from kanlens.animation import Film, animate
    from kanlens.charts import plot_edge, plot_front, plot_history, plot_scores
    from kanlens.estimators import SymbolicRegressor
    from kanlens.export import export_onnx, export_program, source
    from kanlens.pages import Page, report
    from kanlens.palettes import PALETTES, Palette
    from kanlens.plotting import plot
    from kanlens.tabular import KANClassifier, KANRegressor
    from kanlens.treeplot import plot_tree


def _later(name: str) -> Callable[[Any], str]:
    """Return a function of the pages' module that is loaded when it is called, as sympy takes a second."""
    return lambda thing: cast("str", getattr(import_module("kanlens.pages"), name)(thing))


VIEWS.update({KAN: _later("sketch"), Discovery: _later("found"), Front: _later("tradeoff"), History: _later("course")})

_LAZY = {
    "Film": "kanlens.animation",
    "animate": "kanlens.animation",
    "plot_edge": "kanlens.charts",
    "plot_front": "kanlens.charts",
    "plot_history": "kanlens.charts",
    "plot_scores": "kanlens.charts",
    "plot_tree": "kanlens.treeplot",
    "PALETTES": "kanlens.palettes",
    "Palette": "kanlens.palettes",
    "plot": "kanlens.plotting",  # matplotlib takes a second to import, and training never needs it
    "Page": "kanlens.pages",
    "KANClassifier": "kanlens.tabular",  # scikit-learn, too
    "KANRegressor": "kanlens.tabular",
    "SymbolicRegressor": "kanlens.estimators",  # scikit-learn
    "report": "kanlens.pages",
    "source": "kanlens.export",  # sympy's printers
    "export_onnx": "kanlens.export",
    "export_program": "kanlens.export",
}

__all__ = [
    "KAN",
    "LBFGS",
    "LIBRARY",
    "PALETTES",
    "Adam",
    "BSpline",
    "Basis",
    "Candidate",
    "Chebyshev",
    "Checkpoint",
    "Convergence",
    "Discovery",
    "Edge",
    "Equation",
    "FileError",
    "Film",
    "Fourier",
    "Front",
    "Function",
    "Gaussian",
    "History",
    "InputError",
    "KANClassifier",
    "KANConv1d",
    "KANConv2d",
    "KANLayer",
    "KANRegressor",
    "KanlensError",
    "LevenbergMarquardt",
    "Limit",
    "LinearSpline",
    "MissingPackageError",
    "Page",
    "Palette",
    "Recorder",
    "SearchSettings",
    "Snapshot",
    "Sparsity",
    "Spec",
    "Stop",
    "SymbolicRegressor",
    "Trace",
    "UnknownNameError",
    "Wavelet",
    "Width",
    "__version__",
    "accelerate",
    "animate",
    "approximate",
    "arrange",
    "compile_formula",
    "converge",
    "cut",
    "deepen",
    "discover",
    "export_onnx",
    "export_program",
    "fit",
    "fix",
    "formula",
    "header",
    "keep",
    "load",
    "loosen",
    "parse",
    "perturb",
    "plot",
    "plot_edge",
    "plot_front",
    "plot_history",
    "plot_scores",
    "plot_tree",
    "power",
    "prune",
    "prune_inputs",
    "refine",
    "regrid",
    "report",
    "save",
    "scores",
    "search",
    "snap",
    "source",
    "suggest",
    "swap",
    "symbolise",
    "widen",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'kanlens' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
