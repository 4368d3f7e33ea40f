"""pykan's helpers, where it keeps them."""

from typing import Any

from kan.datasets import create_dataset, create_dataset_from_data
from kan.derivatives import augment_input, batch_hessian, batch_jacobian, get_derivative, model2param
from kan.design import sparse_mask
from kan.formulas import ex_round
from kan.symbolic import SYMBOLIC_LIB, add_symbolic, fit_params

__all__ = [
    "SYMBOLIC_LIB",
    "add_symbolic",
    "augment_input",
    "batch_hessian",
    "batch_jacobian",
    "create_dataset",
    "create_dataset_from_data",
    "ex_round",
    "fit_params",
    "get_derivative",
    "model2param",
    "sparse_mask",
]

SAFE = ["f_inv", "f_inv2", "f_inv3", "f_inv4", "f_inv5", "f_sqrt", "f_power1d5", "f_invsqrt", "f_log", "f_tan"]
SAFE += ["f_arctanh", "f_arcsin", "f_arccos", "f_exp"]
"""pykan's second versions of functions with singularities."""


def __getattr__(name: str) -> Any:
    """Say what to use in place of functions that are gone: an `AttributeError` would be hidden by the import."""
    if name in SAFE:
        raise ImportError(
            f"expected a function that this library has, got {name!r} of pykan's. "
            "Take SYMBOLIC_LIB's: a solver never takes a step to where a function is undefined."
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
