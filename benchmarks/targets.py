"""Functions on which the KAN paper reports the accuracy of splines, with its figures.

Z. Liu et al., *KAN: Kolmogorov-Arnold Networks* (2024): sections 2.4 and 3.1, tables 1 (special functions) and 2
(Feynman's equations without units). `paper_kan` is the lowest of its KANs' test RMSE, `paper_mlp` that of its MLPs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy
import torch
from numpy.typing import NDArray
from scipy import special
from torch import Tensor

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """Hold a function of columns, the box from which its inputs are drawn, and published errors."""

    name: str
    function: Callable[..., Values]
    box: tuple[tuple[float, float], ...]
    paper_kan: float | None = None
    paper_mlp: float | None = None

    def sample(self, rows: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return inputs `(rows, variables)`, uniform in the box, and values `(rows, 1)`."""
        low, high = torch.tensor(self.box, dtype=torch.float64).T
        generator = torch.Generator().manual_seed(seed)
        x = low + (high - low) * torch.rand(rows, len(self.box), generator=generator, dtype=torch.float64)
        return x, torch.from_numpy(np.asarray(self.function(*x.numpy().T), dtype=np.float64))[:, None]


def _four(a: Values, b: Values, c: Values, d: Values) -> Values:
    return np.exp((np.sin(np.pi * (a**2 + b**2)) + np.sin(np.pi * (c**2 + d**2))) / 2)


def _harmonic(order: int, degree: int) -> Callable[[Values, Values], Values]:
    return lambda azimuth, polar: special.sph_harm_y(degree, order, polar, azimuth).real


UNIT = (0.0, 1.0)
AWAY = (0.1, 1.0)  # Bessel functions of real order have a branch point at 0
BELOW = (0.0, 0.9)  # associated Legendre functions have one at 1

KNOWN_SHAPE = {
    "exp(sin(pi x) + y^2)": [2, 1, 1],
    "exp((sin(pi(a^2 + b^2)) + sin(pi(c^2 + d^2)))/2)": [4, 2, 1, 1],
    "J0(20 x)": [1, 1],
}
"""The functions of the paper whose shape is given."""

KNOWN = [
    Target("exp(sin(pi x) + y^2)", lambda x, y: np.exp(np.sin(np.pi * x) + y**2), ((-1, 1),) * 2, 2.6e-8),
    Target("exp((sin(pi(a^2 + b^2)) + sin(pi(c^2 + d^2)))/2)", _four, ((-1, 1),) * 4, 5.1e-7),
    Target("J0(20 x)", lambda x: special.j0(20 * x), ((-1, 1),)),
]

SPECIAL = [
    Target("ellipj", lambda u, m: special.ellipj(u, m)[0], (UNIT, UNIT), 1.33e-4, 6.48e-4),
    Target("ellipkinc", special.ellipkinc, (UNIT, UNIT), 1.24e-4, 5.52e-4),
    Target("ellipeinc", special.ellipeinc, (UNIT, UNIT), 8.26e-5, 3.04e-4),
    Target("jv", special.jv, (UNIT, AWAY), 1.64e-3, 5.52e-3),
    Target("yv", special.yv, (UNIT, AWAY), 1.49e-5, 3.45e-4),
    Target("kv", special.kv, (UNIT, AWAY), 2.52e-5, 1.67e-4),
    Target("iv", special.iv, (UNIT, AWAY), 9.28e-3, 1.07e-2),
    Target("lpmv, m=0", lambda v, x: special.lpmv(0, v, x), (UNIT, UNIT), 5.25e-5, 1.74e-2),
    Target("lpmv, m=1", lambda v, x: special.lpmv(1, v, x), (UNIT, BELOW), 6.90e-4, 1.50e-3),
    Target("lpmv, m=2", lambda v, x: special.lpmv(2, v, x), (UNIT, BELOW), 2.26e-4, 9.43e-4),
    Target("sph_harm, m=0, n=1", _harmonic(0, 1), (UNIT, UNIT), 2.21e-7, 1.25e-6),
    Target("sph_harm, m=1, n=1", _harmonic(1, 1), (UNIT, UNIT), 1.22e-4, 6.70e-4),
    Target("sph_harm, m=0, n=2", _harmonic(0, 2), (UNIT, UNIT), 1.95e-7, 2.85e-6),
    Target("sph_harm, m=1, n=2", _harmonic(1, 2), (UNIT, UNIT), 1.50e-5, 1.84e-3),
    Target("sph_harm, m=2, n=2", _harmonic(2, 2), (UNIT, UNIT), 9.45e-5, 6.21e-4),
]


def _equation(name: str, text: str, ranges: dict[str, tuple[float, float]], kan: float, mlp: float) -> Target:
    """Read an equation; the text is this file's, not a user's."""
    symbols = {letter: sympy.Symbol(letter) for letter in ranges}
    function = sympy.lambdify(list(symbols.values()), sympy.sympify(text, locals=symbols), "numpy")
    return Target(name, function, tuple(ranges.values()), kan, mlp)


FEYNMAN = [
    _equation("I.6.2", "exp(-a**2/(2*b**2))/sqrt(2*pi*b**2)", {"a": (1, 3), "b": (1, 3)}, 2.86e-05, 1.45e-04),
    _equation(
        "I.6.2b",
        "exp(-(a - b)**2/(2*c**2))/sqrt(2*pi*c**2)",
        {"a": (1, 3), "b": (1, 3), "c": (1, 3)},
        4.45e-04,
        7.40e-04,
    ),
    _equation(
        "I.9.18",
        "a/((b - 1)**2 + (c - d)**2 + (e - f)**2)",
        {
            "a": (0.508, 1.99),
            "b": (0.251, 0.664),
            "c": (0.751, 1.33),
            "d": (0.252, 0.662),
            "e": (0.753, 1.33),
            "f": (0.252, 0.665),
        },
        1.48e-03,
        1.59e-03,
    ),
    _equation("I.12.11", "1 + a*sin(b)", {"a": (0.226, 23.3), "b": (1, 5)}, 9.13e-04, 6.71e-04),
    _equation("I.13.12", "a*(1/b - 1)", {"a": (0.206, 4.86), "b": (0.204, 4.91)}, 2.72e-03, 1.42e-03),
    _equation("I.15.3x", "(1 - a)/sqrt(1 - b**2)", {"a": (0.104, 0.768), "b": (0.0504, 0.661)}, 1.14e-03, 8.54e-04),
    _equation("I.16.6", "(a + b)/(1 + a*b)", {"a": (0.201, 4.91), "b": (0.208, 4.98)}, 1.06e-03, 6.20e-04),
    _equation("I.18.4", "(1 + a*b)/(1 + a)", {"a": (0.202, 4.93), "b": (0.202, 4.8)}, 1.50e-04, 3.68e-04),
    _equation("I.26.2", "asin(a*sin(b))", {"a": (0, 1), "b": (1, 5)}, 7.90e-04, 1.24e-03),
    _equation("I.27.6", "1/(1 + a*b)", {"a": (1, 5), "b": (0.202, 4.87)}, 1.94e-04, 2.46e-04),
    _equation(
        "I.29.16", "sqrt(1 + a**2 - 2*a*cos(b - c))", {"a": (0.205, 4.93), "b": (1, 5), "c": (1, 5)}, 3.20e-03, 4.64e-03
    ),
    _equation("I.30.3", "sin(a*b/2)**2/sin(b/2)**2", {"a": (1, 5), "b": (1, 5)}, 1.03e-03, 1.50e-02),
    _equation("I.30.5", "asin(a/b)", {"a": (0.201, 0.999), "b": (1, 5)}, 3.49e-05, 9.45e-05),
    _equation("I.37.4", "1 + a + 2*sqrt(a)*cos(b)", {"a": (0.202, 4.86), "b": (1, 5)}, 4.91e-06, 5.67e-04),
    _equation("I.40.1", "a*exp(-b)", {"a": (1, 5), "b": (0.0629, 89.6)}, 3.12e-04, 3.99e-04),
    _equation("I.44.4", "a*log(b)", {"a": (1, 5), "b": (0.202, 4.89)}, 2.30e-05, 3.99e-04),
    _equation("I.50.26", "cos(a) + b*cos(a)**2", {"a": (1.03, 8.95), "b": (1, 3)}, 1.52e-04, 1.53e-03),
    _equation("II.2.42", "(a - 1)*b", {"a": (0.204, 4.91), "b": (0.203, 2.22)}, 7.22e-04, 1.81e-04),
    _equation(
        "II.6.15a",
        "c*sqrt(a**2 + b**2)/(4*pi)",
        {"a": (0.336, 2.96), "b": (0.336, 2.98), "c": (0.336, 2.98)},
        1.35e-03,
        5.92e-04,
    ),
    _equation("II.11.17", "a*(1 + b*cos(c))", {"a": (1, 3), "b": (0.136, 7.15), "c": (1, 3)}, 5.03e-03, 5.92e-04),
    _equation("II.11.27", "a*b/(1 - a*b/3)", {"a": (0.0001, 1), "b": (0.0001, 1)}, 1.43e-05, 7.18e-05),
    _equation("II.35.18", "a/(exp(b) + exp(-b))", {"a": (1, 3), "b": (0.122, 7.13)}, 7.71e-05, 7.92e-05),
    _equation("II.36.38", "a + b*c", {"a": (0.143, 7.7), "b": (1, 3), "c": (0.0068, 3.28)}, 1.15e-03, 2.15e-03),
    _equation("II.38.3", "a/b", {"a": (0.449, 4.92), "b": (0.452, 4.94)}, 8.78e-05, 5.26e-04),
    _equation(
        "III.9.52",
        "a*sin((b - c)/2)**2/((b - c)/2)**2",
        {"a": (2.54, 148), "b": (1.03, 14.9), "c": (1.03, 14.9)},
        3.90e-03,
        9.07e-04,
    ),
    _equation("III.10.19", "sqrt(1 + a**2 + b**2)", {"a": (0.202, 4.94), "b": (0.204, 4.85)}, 8.16e-04, 1.67e-04),
    _equation("III.17.37", "b*(1 + a*cos(c))", {"a": (1, 5), "b": (1, 5), "c": (1, 5)}, 4.12e-04, 6.80e-04),
]
