"""Read a formula that is given as text, without running it.

`sympy.sympify` and `parse_expr` evaluate their text as Python and were rejected for it. Here the text becomes
Python's syntax tree, of which only arithmetic, known functions, numbers and names pass; nothing is looked up by
a name from the text but in the table below. A formula must also stay small: `9**9**9` is short to write and
would fill the memory.
"""

import ast
import math
import operator
import unicodedata
import warnings
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from kanlens.errors import InputError

if TYPE_CHECKING:
    from sympy import Expr

LONGEST = 20_000
"""Characters of the longest formula."""

DEEPEST = 60
"""Levels of brackets and functions inside each other; sums and products of many terms are one level."""

LARGEST = 20_000
"""Bits of the largest whole number that a power may make."""

FUNCTIONS = {
    "sqrt": "sqrt",
    "cbrt": "cbrt",
    "exp": "exp",
    "log": "log",
    "ln": "log",
    "abs": "Abs",
    "Abs": "Abs",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "asin": "asin",
    "acos": "acos",
    "atan": "atan",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "sinh": "sinh",
    "cosh": "cosh",
    "tanh": "tanh",
    "asinh": "asinh",
    "acosh": "acosh",
    "atanh": "atanh",
    "arctanh": "atanh",
    "sign": "sign",
    "sgn": "sign",
    "erf": "erf",
}
"""Functions of one argument: what people write, and what sympy calls it."""

MORE = {"Max": "Max", "max": "Max", "Min": "Min", "min": "Min", "besselj": "besselj", "bessely": "bessely"}
"""Functions of two arguments or more."""

CONSTANTS = {"pi": "pi", "E": "E"}

OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}

CHAINS: dict[type, tuple[type, type]] = {
    ast.Add: (ast.Add, ast.Sub),
    ast.Sub: (ast.Add, ast.Sub),
    ast.Mult: (ast.Mult, ast.Div),
    ast.Div: (ast.Mult, ast.Div),
}
"""Operators of one level: a chain of them is built at once, because term by term takes time by the square."""


def parse(text: str, names: Collection[str] | None = None) -> "Expr":
    """Return the sympy expression that a text says, as :func:`kanlens.formula` prints them.

    Parameters
    ----------
    text : str
        Numbers, names, `+ - * / **` (or `^`), brackets, `pi`, `E`, and the functions in
        :data:`FUNCTIONS` and :data:`MORE`.
    names : collection of str, optional
        The variables that may occur. They come before constants: with `E` among them it is a variable.
        Without it any name that is neither a function nor a constant is one.

    Raises
    ------
    InputError
        If the text is anything else, an unknown name, not a real number where it is constant, or would
        become too large.

    Examples
    --------
    >>> parse("2*sin(pi*x)**2 + sqrt(y)", names=["x", "y"])
    sqrt(y) + 2*sin(pi*x)**2
    >>> parse("__import__(os)")
    Traceback (most recent call last):
    ...
    kanlens.errors.InputError: expected a function such as sin or exp, got '__import__'. See kanlens.expressions.
    """
    import sympy

    if len(text) > LONGEST:
        raise InputError(f"expected a formula of at most {LONGEST} characters, got {len(text)}. Shorten it.")
    tree = _tree(text.strip().replace("^", "**"))
    known = None if names is None else {unicodedata.normalize("NFKC", name) for name in names}
    done: list[tuple[Expr, int]] = []  # the expressions that wait for their operator, and their depths
    for node in _bottom_up(tree):
        count = len(_operands(node))
        operands = [done.pop() for _ in range(count)][::-1]
        depth = max((depth + 1 for _, depth in operands), default=0)
        if depth > DEEPEST:
            raise InputError(f"expected at most {DEEPEST} brackets inside each other, got more. Simplify the formula.")
        done.append((_checked(_built(node, [value for value, _ in operands], known)), depth))
    result = done[0][0]
    if result.has(sympy.zoo, sympy.oo, -sympy.oo, sympy.nan, sympy.I):
        raise InputError(
            "expected real and finite numbers, got an infinity or a complex number in the formula. "
            "Check divisions by zero and roots of negative numbers."
        )
    return result


def _tree(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about texts such as `1if`, which are refused anyway
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        place = f" at character {error.offset}" if error.offset else ""
        raise InputError(
            f"expected a formula such as 2*sin(x) + 1, got {_short(text)}: {error.msg}{place}. Correct it there."
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(
            f"expected a formula such as 2*sin(x) + 1, got {_short(text)}: {error}. Simplify it."
        ) from error


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def _operands(node: ast.expr) -> list[ast.expr]:
    """Return the parts that a node puts together; refuse nodes that are not arithmetic."""
    match node:
        case ast.BinOp() if type(node.op) in CHAINS:
            return [operand for _, operand in _chain(node)]
        case ast.BinOp(left=left, right=right) if type(node.op) in OPERATORS:
            return [left, right]
        case ast.UnaryOp(operand=operand) if type(node.op) in OPERATORS:
            return [operand]
        case ast.Call(func=ast.Name(), args=args, keywords=[]) if not any(isinstance(a, ast.Starred) for a in args):
            return args
        case ast.Name() | ast.Constant():
            return []
    raise InputError(f"expected arithmetic, names and functions, got {_short(ast.unparse(node))}. Rewrite that part.")


def _bottom_up(tree: ast.expr) -> Iterator[ast.expr]:
    """Yield every node after its operands, in order. Without recursion: a long sum is a deep tree."""
    order, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting += _operands(node)
    return reversed(order)


def _chain(node: ast.BinOp) -> list[tuple[type, ast.expr]]:
    """Return the terms of a sum, or the factors of a product, each with the operator before it."""
    found: list[tuple[type, ast.expr]] = []
    rest: ast.expr = node
    while isinstance(rest, ast.BinOp) and type(rest.op) in CHAINS[type(node.op)]:
        found.append((type(rest.op), rest.right))
        rest = rest.left
    return [(CHAINS[type(node.op)][0], rest), *reversed(found)]


def _built(node: ast.expr, values: "list[Expr]", known: Collection[str] | None) -> "Expr":
    import sympy

    match node:
        case ast.Constant(value=value):
            return _number(value)
        case ast.Name(id=name):
            return _named(name, known)
        case ast.Call(func=ast.Name(id=name)):
            return _called(name, values)
        case ast.BinOp() if type(node.op) in CHAINS:
            signs = [sign for sign, _ in _chain(node)]
            if signs[0] is ast.Add:
                return sympy.Add(*(v if s is ast.Add else -v for s, v in zip(signs, values, strict=True)))
            return sympy.Mul(*(v if s is ast.Mult else 1 / v for s, v in zip(signs, values, strict=True)))
        case ast.BinOp(op=ast.Pow()):
            _affordable(*values)
    return OPERATORS[type(node.op)](*values)  # type: ignore[attr-defined]


def _number(value: object) -> "Expr":
    import sympy

    if type(value) not in (int, float):  # True, a text, 1j
        raise InputError(
            f"expected numbers such as 2 or 0.5, got {_short(repr(value))}. "
            "Write words without quotes, and decimals with a point."
        )
    try:
        finite = math.isfinite(float(value))  # type: ignore[arg-type]
    except OverflowError:
        finite = False
    if not finite:
        raise InputError("expected numbers below 1e308, got a larger one. Choose other units.")
    return sympy.Integer(value) if isinstance(value, int) else sympy.Float(value)


def _named(name: str, known: Collection[str] | None) -> "Expr":
    import sympy

    if known is not None and name in known:
        return sympy.Symbol(name)
    if name in CONSTANTS:
        return getattr(sympy, CONSTANTS[name])
    if known is not None or name in FUNCTIONS or name in MORE:
        expected = "a name that is no function's" if known is None else f"one of {', '.join(sorted(known))}"
        raise InputError(f"expected {expected}, got {name!r}. Check its spelling.")
    return sympy.Symbol(name)


def _called(name: str, values: "list[Expr]") -> "Expr":
    import sympy

    function = FUNCTIONS.get(name) or MORE.get(name)
    if function is None:
        raise InputError(f"expected a function such as sin or exp, got {name!r}. See kanlens.expressions.")
    fewest, most = (1, 1) if name in FUNCTIONS else (2, 8 if function in ("Max", "Min") else 2)
    if not fewest <= len(values) <= most:
        raise InputError(f"expected {name} of {fewest} argument(s), got {len(values)}. Check commas and brackets.")
    if function.startswith("bessel") and values[0] not in (0, 1):
        raise InputError(f"expected {name} of order 0 or 1, got {values[0]}. Other orders are not in the library.")
    return getattr(sympy, function)(*values)


def _affordable(base: "Expr", exponent: "Expr") -> None:
    """Refuse powers of numbers that sympy would write out to thousands of digits."""
    import sympy

    bits = sum(int(number.p).bit_length() + int(number.q).bit_length() for number in base.atoms(sympy.Rational))
    size = max((abs(number) for number in exponent.atoms(sympy.Number)), default=0)
    if (1 + bits) * size > LARGEST:
        raise InputError(f"expected moderate powers, got the exponent {_short(str(exponent))}. Use a smaller one.")


def _checked(value: "Expr") -> "Expr":
    """Return a value that is real and finite as far as it is a number."""
    import sympy

    if value.is_number and not value.is_Rational:
        number = sympy.N(value, 15)
        if not number.is_Float or not abs(number) < 1e300:
            raise InputError(f"expected real numbers below 1e300, got {_short(str(value))}. Choose other units.")
    return value
