"""pykan's interface on kanlens: `from kan import *` runs its notebooks.

Besides the model this exports what such notebooks lean on without importing it: torch, numpy,
matplotlib, tqdm, and the names of sympy that turn up in formulas.
"""

import copy
import math
import os

import matplotlib.pyplot as plt
import numpy as np
import sympy
import torch
from sympy import (
    Abs,
    Float,
    Integer,
    Rational,
    Symbol,
    acos,
    asin,
    atan,
    atanh,
    cos,
    cosh,
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
from kan.utils import (
    SYMBOLIC_LIB,
    add_symbolic,
    create_dataset,
    create_dataset_from_data,
    ex_round,
    sparse_mask,
)

__all__ = [
    "KAN",
    "LBFGS",
    "SYMBOLIC_LIB",
    "Abs",
    "Float",
    "Integer",
    "KANLayer",
    "MultKAN",
    "Rational",
    "Symbol",
    "acos",
    "add_symbolic",
    "asin",
    "atan",
    "atanh",
    "copy",
    "cos",
    "cosh",
    "create_dataset",
    "create_dataset_from_data",
    "ex_round",
    "exp",
    "expand",
    "factor",
    "lambdify",
    "latex",
    "log",
    "math",
    "nn",
    "np",
    "nsimplify",
    "os",
    "pi",
    "plt",
    "simplify",
    "sin",
    "sinh",
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
