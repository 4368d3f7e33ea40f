"""The library of one-variable functions that an edge may become.

Each row knows its torch and sympy forms, its derivative, its domain and how complex it is for a
reader. Users extend the table with `LIBRARY | {"name": Function(...)}`.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from kanlens.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from sympy import Expr

Elementwise = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Function:
    r"""Describe a function that an edge can take, as :math:`c\,f(a x + b) + d`.

    Parameters
    ----------
    name : str
        The key that users write, such as `"sin"` or `"x^2"`.
    torch : callable
        Values of a tensor, elementwise; NaN or infinity outside the domain.
    sympy : str or callable
        The name of a sympy function, or a callable from expression to expression.
    complexity : int
        How much a reader has to take in: 0 for a constant, 1 for `x`, 2 for the elementary ones.
    derivative : callable, optional
        The derivative, elementwise. Without it, it is found by automatic differentiation.
    domain : tuple of float
        The interval on which the function is real and finite (its ends may be excluded).
    absorbed : str
        The letters among `abcd` that the others make up for: `exp(x + b)` is `exp(b) exp(x)`, so
        `exp` absorbs `"b"`. A fit leaves them at their neutral value.
    odd_sign : bool
        Whether an absorbed `a` still matters by its sign, as in `sqrt(-x)`.
    """

    name: str
    torch: Elementwise
    sympy: "str | Callable[[Expr], Expr]"
    complexity: int
    derivative: Elementwise | None = None
    domain: tuple[float, float] = (-math.inf, math.inf)
    absorbed: str = ""
    odd_sign: bool = False

    def slope(self, x: Tensor) -> Tensor:
        """Return the derivative at `x`."""
        return self.orders(x, 2)[1] if self.derivative is None else self.derivative(x)

    def orders(self, x: Tensor, count: int) -> list[Tensor]:
        """Return the values at `x` and their derivatives, `count` in all, which can be derived further."""
        with torch.enable_grad():
            point = x if x.requires_grad else x.detach().requires_grad_()
            found = [self.torch(point)]
            if count > 1 and self.derivative is not None:
                found.append(self.derivative(point))
            while len(found) < count:
                if found[-1].requires_grad:
                    found.append(torch.autograd.grad(found[-1].sum(), point, create_graph=True)[0])
                else:  # a constant
                    found.append(torch.zeros_like(point))
        return found if torch.is_grad_enabled() and x.requires_grad else [each.detach() for each in found]

    def symbolic(self, x: "Expr") -> "Expr":
        """Return the function of a sympy expression."""
        import sympy  # sympy takes half a second to import, and most uses never need it

        return getattr(sympy, self.sympy)(x) if isinstance(self.sympy, str) else self.sympy(x)

    def __reduce__(self) -> "tuple[Callable[..., Function], tuple[object, ...]]":
        """Pickle a library row by its name, because its callables may be lambdas."""
        if LIBRARY.get(self.name) is self:
            return lookup, (self.name,)
        return Function, tuple(getattr(self, field) for field in self.__dataclass_fields__)


def power(exponent: Fraction | int | float) -> Function:
    """Return the function `x^exponent` for any rational exponent.

    Examples
    --------
    >>> import torch
    >>> power(2.5).name, power(2.5).torch(torch.tensor(4.0)).item()
    ('x^2.5', 32.0)
    """
    exact = Fraction(exponent).limit_denominator(1000)
    number = float(exact)
    whole = exact.denominator == 1
    name = _power_name(exact)
    if whole:
        raised: Elementwise = partial(torch.pow, exponent=int(exact))
    else:
        raised = partial(torch.pow, exponent=number)
    return Function(
        name,
        torch=raised,
        sympy=partial(_symbolic_power, exponent=exact),
        complexity=_power_complexity(exact),
        derivative=partial(_power_slope, exponent=int(exact) if whole else number),
        domain=(-math.inf, math.inf) if whole else (0.0, math.inf),
        absorbed="a",
        odd_sign=not whole,
    )


def _power_slope(x: Tensor, exponent: int | float) -> Tensor:
    return exponent * x ** (exponent - 1)


def _power_name(exponent: Fraction) -> str:
    special = {Fraction(1): "x", Fraction(-1): "1/x", Fraction(1, 2): "sqrt", Fraction(-1, 2): "1/sqrt(x)"}
    number = float(abs(exponent))
    exact = len(f"{number:.9g}") < 6
    digits = f"x^{number:g}" if exact else f"x^({abs(exponent)})"
    return special.get(exponent, digits if exponent > 0 else f"1/{digits}")


def _power_complexity(exponent: Fraction) -> int:
    simple = {Fraction(2): 2, Fraction(1, 2): 2, Fraction(-1): 2, Fraction(-2): 2, Fraction(-1, 2): 2}
    return simple.get(exponent, 3 if exponent.denominator == 1 and abs(exponent) <= 4 else 4)


def _symbolic_power(x: "Expr", exponent: Fraction) -> "Expr":
    import sympy

    return sympy.Pow(x, sympy.Rational(exponent.numerator, exponent.denominator))


def _gaussian(x: "Expr") -> "Expr":
    import sympy

    return sympy.exp(-(x**2))


def _sigmoid(x: "Expr") -> "Expr":
    import sympy

    return 1 / (1 + sympy.exp(-x))


def _softplus(x: "Expr") -> "Expr":
    import sympy

    return sympy.log(1 + sympy.exp(x))


def _relu(x: "Expr") -> "Expr":
    import sympy

    return sympy.Max(0, x)


def _symbolic_bessel(x: "Expr", kind: str, order: int) -> "Expr":
    import sympy

    return getattr(sympy, kind)(order, x)


class _Bessel(torch.autograd.Function):
    """Give torch's Bessel functions the derivative that torch leaves out, to any order."""

    # f' in terms of the same family (DLMF 10.6.2 and 10.6.3)
    values = MappingProxyType(
        {
            "J0": torch.special.bessel_j0,
            "J1": torch.special.bessel_j1,
            "Y0": torch.special.bessel_y0,
            "Y1": torch.special.bessel_y1,
        }
    )

    @staticmethod
    def forward(ctx: Any, x: Tensor, name: str) -> Tensor:
        ctx.save_for_backward(x)
        ctx.name = name
        values: Tensor = _Bessel.values[name](x)
        return values

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * _bessel_slope(ctx.saved_tensors[0], ctx.name), None


def _bessel(x: Tensor, name: str) -> Tensor:
    result: Tensor = _Bessel.apply(x, name)  # type: ignore[no-untyped-call]
    return result


def _bessel_slope(x: Tensor, name: str) -> Tensor:
    family, order = name[0], name[1]
    if order == "0":
        return -_bessel(x, family + "1")
    at_zero = x == 0  # J1(x)/x tends to 1/2 there
    ratio = _bessel(x, name) / torch.where(at_zero, torch.ones_like(x), x)
    return _bessel(x, family + "0") - torch.where(at_zero, torch.full_like(x, 0.5), ratio)


def _bessel_function(name: str, domain: tuple[float, float]) -> Function:
    kind = {"J": "besselj", "Y": "bessely"}[name[0]]
    return Function(
        name,
        torch=partial(_bessel, name=name),
        sympy=partial(_symbolic_bessel, kind=kind, order=int(name[1])),
        complexity=4,
        derivative=partial(_bessel_slope, name=name),
        domain=domain,
    )


def _expm(x: Tensor) -> Tensor:
    return torch.exp(-(x**2))


_REAL = (-math.inf, math.inf)
_POSITIVE = (0.0, math.inf)

_ROWS = [
    Function("0", torch.zeros_like, lambda x: 0 * x, 0, torch.zeros_like, absorbed="abc"),
    Function("x", lambda x: x, lambda x: x, 1, torch.ones_like, absorbed="ab"),
    *(power(n) for n in (2, 3, 4, 5, 6, -1, -2, -3, -4, -5)),
    *(power(Fraction(n, 2)) for n in (1, -1, 3, 5, -3)),
    *(power(Fraction(n, 3)) for n in (1, 2)),
    Function("exp", torch.exp, "exp", 2, torch.exp, absorbed="b"),
    Function("log", torch.log, "log", 2, torch.reciprocal, _POSITIVE, "a", True),
    Function("abs", torch.abs, "Abs", 3, torch.sign, absorbed="a"),
    Function("sin", torch.sin, "sin", 2, torch.cos),
    Function("cos", torch.cos, "cos", 2, lambda x: -x.sin()),
    Function("tan", torch.tan, "tan", 3, lambda x: 1 + x.tan() ** 2),
    Function("tanh", torch.tanh, "tanh", 3, lambda x: 1 - x.tanh() ** 2),
    Function("sgn", torch.sign, "sign", 3, torch.zeros_like, absorbed="a"),
    Function("arcsin", torch.asin, "asin", 4, lambda x: (1 - x**2).rsqrt(), (-1.0, 1.0)),
    Function("arccos", torch.acos, "acos", 4, lambda x: -(1 - x**2).rsqrt(), (-1.0, 1.0)),
    Function("arctan", torch.atan, "atan", 4, lambda x: 1 / (1 + x**2)),
    Function("arctanh", torch.atanh, "atanh", 4, lambda x: 1 / (1 - x**2), (-1.0, 1.0)),
    Function("gaussian", _expm, _gaussian, 3, lambda x: -2 * x * _expm(x)),
    Function("sinh", torch.sinh, "sinh", 3, torch.cosh),
    Function("cosh", torch.cosh, "cosh", 3, torch.sinh),
    Function("erf", torch.erf, "erf", 4, lambda x: 2 / math.sqrt(math.pi) * _expm(x)),
    Function("sigmoid", torch.sigmoid, _sigmoid, 4, lambda x: x.sigmoid() * (-x).sigmoid()),
    Function("softplus", torch.nn.functional.softplus, _softplus, 4, torch.sigmoid),
    Function("relu", torch.relu, _relu, 3, lambda x: (x > 0).to(x.dtype), absorbed="a", odd_sign=True),
    _bessel_function("J0", _REAL),
    _bessel_function("J1", _REAL),
    _bessel_function("Y0", _POSITIVE),
]

LIBRARY: Mapping[str, Function] = MappingProxyType({row.name: row for row in _ROWS})
"""Every function by its name. A read-only mapping: `LIBRARY | {...}` makes a longer one."""


def lookup(name: str, library: Mapping[str, Function] = LIBRARY) -> Function:
    """Return the function of a name; `x^p` and `1/x^p` work for any number `p`, also `x^(2/7)`.

    Raises
    ------
    UnknownNameError
        If the name is neither in `library` nor a power.
    """
    if name in library:
        return library[name]
    written = re.fullmatch(r"(1/)?x\^(\d+(?:\.\d+)?|\(\d+/0*[1-9]\d*\))", name)
    if written and (exponent := Fraction(written[2].strip("()"))) > 0:
        made = power(-exponent if written[1] else exponent)
        return library.get(made.name, made)
    known = ", ".join(library)
    raise UnknownNameError(f"expected the name of a function, got {name!r}. Use one of: {known}.")


def choose(names: Iterable[str] | None, library: Mapping[str, Function] = LIBRARY) -> dict[str, Function]:
    """Return the rows of `library` with the given names, all of them for None.

    Raises
    ------
    InputError
        If no name is given.
    """
    if names is None:
        return dict(library)
    chosen = {name: lookup(name, library) for name in names}
    if not chosen:
        raise InputError("expected at least one function name, got none. Pass None for the whole library.")
    return chosen
