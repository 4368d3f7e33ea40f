"""pykan's interface on kanlens: `from kan import *` runs its notebooks.

Besides the model this exports what such notebooks lean on without importing it: torch, numpy,
matplotlib, tqdm, and the names of sympy that turn up in formulas.
"""

import copy
import math
import os
import random

import matplotlib.pyplot as plt
import numpy as np
import sympy
import torch
from sympy import (
    Abs,
    Float,
    Function,
    Integer,
    Rational,
    Symbol,
    acos,
    asin,
    atan,
    atanh,
    cos,
    cosh,
    diff,
    exp,
    expand,
    factor,
    lambdify,
    latex,
    log,
    nsimplify,
    pi,
    simplify,
    sin,
    sinh,
    solve,
    sqrt,
    symbols,
    tan,
    tanh,
)
from torch import nn
from tqdm import tqdm

from kan.conflict import warn_of_pykan
from kan.KAN import KAN
from kan.KANLayer import KANLayer
from kan.LBFGS import LBFGS
from kan.MultKAN import MultKAN
from kan.spline import B_batch, coef2curve, curve2coef, extend_grid
from kan.Symbolic_KANLayer import Symbolic_KANLayer
from kan.utils import (
    SYMBOLIC_LIB,
    add_symbolic,
    augment_input,
    batch_hessian,
    batch_jacobian,
    create_dataset,
    create_dataset_from_data,
    ex_round,
    fit_params,
    get_derivative,
    model2param,
    sparse_mask,
)

__all__ = [
    "KAN",
    "LBFGS",
    "SYMBOLIC_LIB",
    "Abs",
    "B_batch",
    "Float",
    "Function",
    "Integer",
    "KANLayer",
    "MultKAN",
    "Rational",
    "Symbol",
    "Symbolic_KANLayer",
    "acos",
    "add_symbolic",
    "asin",
    "atan",
    "atanh",
    "augment_input",
    "batch_hessian",
    "batch_jacobian",
    "coef2curve",
    "copy",
    "cos",
    "cosh",
    "create_dataset",
    "create_dataset_from_data",
    "curve2coef",
    "diff",
    "ex_round",
    "exp",
    "expand",
    "extend_grid",
    "factor",
    "fit_params",
    "get_derivative",
    "lambdify",
    "latex",
    "log",
    "math",
    "model2param",
    "nn",
    "np",
    "nsimplify",
    "os",
    "pi",
    "plt",
    "random",
    "simplify",
    "sin",
    "sinh",
    "solve",
    "sparse_mask",
    "sqrt",
    "symbols",
    "sympy",
    "tan",
    "tanh",
    "torch",
    "tqdm",
]

warn_of_pykan()
