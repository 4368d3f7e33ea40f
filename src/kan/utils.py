"""pykan's helpers, where it keeps them."""

from kan.datasets import create_dataset, create_dataset_from_data
from kan.design import sparse_mask
from kan.formulas import ex_round
from kan.symbolic import SYMBOLIC_LIB, add_symbolic

__all__ = ["SYMBOLIC_LIB", "add_symbolic", "create_dataset", "create_dataset_from_data", "ex_round", "sparse_mask"]
