"""How names, functions and numbers are written in pictures."""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kanlens.errors import InputError

GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|upsilon|phi|chi|psi|omega"
    "|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega"
)

SYMBOLS: Mapping[str, str] = {
    "sqrt": r"$\sqrt{x}$",
    "1/sqrt(x)": r"$1/\sqrt{x}$",
    "abs": "$|x|$",
    "exp": "$e^{x}$",
    "gaussian": "$e^{-x^2}$",
    "x": "$x$",
    "1/x": "$1/x$",
}
"""How symbols are written, where it is not by their names."""


def symbol(name: str) -> str:
    """Return how a symbol is written.

    Examples
    --------
    >>> symbol("x^2"), symbol("1/x^(2/3)"), symbol("J0"), symbol("sin")
    ('$x^{2}$', '$1/x^{2/3}$', '$J_{0}$', 'sin')
    """
    if power := re.fullmatch(r"(1/)?x\^\(?([\d./]+)\)?", name):
        return f"${power[1] or ''}x^{{{power[2]}}}$"
    return SYMBOLS.get(name) or mathematics(name)


def named(names: Sequence[str] | None, count: int, letter: str, what: str) -> list[str]:
    """Return the names as they are written, by default the letter with numbers."""
    if names is None:
        names = [letter] if count == 1 and letter == "y" else [f"{letter}_{k}" for k in range(1, count + 1)]
    if len(names) != count:
        raise InputError(
            f"expected a name for each of the {count} {what}, got {len(names)}. List them in the order of the columns."
        )
    return [mathematics(str(name)) for name in names]


def hidden_name(depth: int, level: int, node: int) -> str:
    """Return what a hidden node is called; in networks of one hidden layer without the layer's number.

    Examples
    --------
    >>> hidden_name(2, 1, 0), hidden_name(3, 2, 0)
    ('h_1', 'h_2,1')
    """
    return f"h_{node + 1}" if depth == 2 else f"h_{level},{node + 1}"


def mathematics(name: str) -> str:
    r"""Return a name set as mathematics if it is a letter, perhaps with an index; else as it is.

    Examples
    --------
    >>> print(mathematics("x_12"), mathematics("theta"), mathematics("v_max"), mathematics("50 %"))
    $x_{12}$ $\theta$ $v_{\mathrm{max}}$ 50 %
    """
    found = re.fullmatch(rf"(?:([A-Za-z])|({GREEK}))(?:_?(\d+)|_([A-Za-z\d]+))?", name, re.ASCII)
    if not found:
        return name
    latin, greek, number, word = found.groups()
    if word and len(word) > 1:
        word = rf"\mathrm{{{word}}}"
    index = number or word
    return f"${latin or chr(92) + greek}" + (f"_{{{index}}}$" if index else "$")


def numbers(ends: NDArray[np.float64]) -> tuple[str, str]:
    """Return the ends of a range, in as many digits as tell them apart well.

    Examples
    --------
    >>> numbers(np.array([-0.9876, 1e-5])), numbers(np.array([123.4, 1.2e6]))
    (('−0.99', '0'), ('1.2e2', '1.2e6'))
    """
    span, largest = float(np.ptp(ends)), float(np.abs(ends).max())
    digits = 1 - math.floor(math.log10(span or largest or 1.0))
    low, high = (_number(float(end), digits, plain=(span or largest or 1.0) >= 1e-3 and largest < 1e4) for end in ends)
    return low, high


def _number(value: float, digits: int, *, plain: bool) -> str:
    if plain:
        text = f"{round(value, digits) + 0.0:.{max(0, digits)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        mantissa, exponent = f"{value:.1e}".split("e")
        text = "0" if value == 0 else f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return text.replace("-", "−")


class Run(NamedTuple):
    """Hold some letters, whether they are raised (1) or lowered (-1), and whether they are slanted."""

    text: str
    shift: int = 0
    slanted: bool = False


def runs(text: str) -> list[Run]:
    r"""Return a name or symbol, as :func:`named` or :func:`symbol` writes it, for what cannot set mathematics.

    Examples
    --------
    >>> "".join(run.text for run in runs(r"$\theta_{12}$")), runs("$x^{2}$")
    ('θ12', [Run(text='x', shift=0, slanted=True), Run(text='2', shift=1, slanted=False)])
    """
    if not (len(text) > 2 and text[0] == text[-1] == "$"):
        return [Run(text)]
    found = []
    for shift, group, command, other in MATHEMATICS.findall(text[1:-1].replace(r"\sqrt{x}", "√x")):
        level = {"^": 1, "_": -1, "": 0}[shift]
        word = re.sub(r"\\mathrm\{(.*?)\}", r"\1", group) or LETTERS.get(command) or command or other
        found.append(Run(word.replace("-", "−").replace("^2", "²"), level, len(word) == 1 and word.isalpha()))
    return found


MATHEMATICS = re.compile(r"([\^_]?)(?:\{((?:[^{}]|\{[^{}]*\})*)\}|\\([A-Za-z]+)|([^\^_{}\\]))")
LETTERS = {
    name: unicodedata.lookup(f"GREEK {'CAPITAL' if name[0].isupper() else 'SMALL'} LETTER {spelt.upper()}")
    for name in GREEK.split("|")
    for spelt in ["LAMDA" if name.lower() == "lambda" else name]
}
"""Greek letters by their names in mathematics."""
