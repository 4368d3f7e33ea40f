"""pykan's helpers, where it keeps them."""

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
