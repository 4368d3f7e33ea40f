"""Write a formula as people would: constants gathered and named, the shortest of several equal forms."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from torch import Tensor

from kanlens.constants import Named, nearby
from kanlens.functions import LIBRARY
from kanlens.refit import Rows, free_constants, mean_square, merged, name_constants, refit
from kanlens.trees import (
    Call,
    Number,
    Power,
    Product,
    Sum,
    Tree,
    add,
    calls,
    children,
    complexity,
    multiply,
    numbers,
    raise_to,
    rebuild,
    shape,
    symbolic,
    values,
    whole,
)

if TYPE_CHECKING:
    from sympy import Expr

MOST_CONSTANTS = 10
"""Constants up to which they are gathered and named."""

SATURATED, RARE = 20.0, 0.01
"""Argument from which a hyperbolic tangent is 1 to round-off, and the share of rows that may have a smaller one."""

WAVES, TURNED = ("sin", "cos"), 1e-9
"""Waves, each a quarter turn before the next, and how far off a shift may be that has a name."""

RECTIFIED = ("sin", "tan")
"""Odd functions that change their sign elsewhere. Of others it does not matter whether the absolute value is inside."""

ZERO = 1e-9
"""Share of the largest value that is round-off."""

QUOTIENT = 4
"""Operations more that a wave of an inverse wave counts as."""

POINTS = 100
"""Rows at which a form must agree with the formula."""

LARGEST = 60
"""Operations up to which forms are sought: sympy takes long on larger ones."""

ALIKE = 1e-3
"""Difference of constants, as a share of them, up to which two factors may be one, squared."""

WHOLE = 1e-9
"""How near to an integer a number is one, if the form then still agrees with the formula."""

LARGEST_SEARCH, INEXACT = 28, 3
"""Operations, and numbers that are not exact, up to which sympy's own search for the simplest form is tried."""


def presentable(tree: Tree, rows: Rows, named: Named = (), functions: Collection[str] = LIBRARY) -> Tree:
    """Return the formula with its constants gathered in few places and named, the shortest of several ways.

    Of functions it gets none but those named and its own.
    """
    known = calls(tree) | set(functions)

    def known_form(changed: Tree, form: Tree) -> Tree:
        return changed if calls(changed) <= known else form

    if free_constants(tree) > MOST_CONSTANTS:
        return tree  # no law, and naming them would take long
    error = mean_square(tree, rows)
    floor = (1e-13 * float(rows.y.abs().amax())) ** 2
    allowed = 1.01 * error + 400 * floor
    tree = merged(known_form(_as_signs(tree, rows, allowed), tree))
    tree = known_form(_turned(tree), tree)
    tree = _fitted_alike(_with_powers(tree), tree, rows, allowed)
    found = [name_constants(tree, rows, named=named)]
    ends: tuple[Literal["first", "last"], ...] = ("first", "last")
    for end in ends:
        gathered, there = refit(merged(_gathered(tree, end)), rows)
        if there <= allowed:
            found.append(name_constants(gathered, rows, named=named))
    best = min(found, key=lambda t: (free_constants(t), _length(t), complexity(t)))
    return known_form(_rectified(best, rows.x), best)


def _as_signs(tree: Tree, rows: Rows, allowed: float) -> Tree:
    """Return the formula with signs for hyperbolic tangents that only take the values -1 and 1, if it is as exact.

    Their scale is no constant of the law: any large one fits.
    """

    def sign(node: Tree) -> Tree:
        below = [sign(child) for child in children(node)]
        node = rebuild(node, below) if below else node
        if not (isinstance(node, Call) and node.function.name == "tanh"):
            return node
        argument = values(node.argument, rows.x).abs()
        if float((argument < SATURATED).double().mean()) > RARE:
            return node
        factors = node.argument.factors if isinstance(node.argument, Product) else (node.argument,)
        scale = math.prod(f.value for f in factors if isinstance(f, Number))
        rest = multiply(*(f for f in factors if not isinstance(f, Number)))
        return multiply(whole(1 if scale > 0 else -1), Call(LIBRARY["sgn"], rest))

    signed = sign(tree)
    if signed == tree:
        return tree
    changed, there = refit(signed, rows)
    return changed if there <= allowed else tree


def _turned(tree: Tree) -> Tree:
    """Return the formula with waves whose shift has a name for those, quarter turns off, whose shift has none.

    `sin(u + 2.5707963)` is `cos(u + 1)`: neither a fraction nor a multiple of pi is near that constant.
    """
    below = [_turned(child) for child in children(tree)]
    tree = rebuild(tree, below) if below else tree
    if not (isinstance(tree, Call) and tree.function.name in WAVES and isinstance(tree.argument, Sum)):
        return tree
    shift = sum(term.value for term in tree.argument.terms if isinstance(term, Number))
    rest = [term for term in tree.argument.terms if not isinstance(term, Number)]
    known = [(nearby(shift - turns * math.pi / 2, TURNED), turns) for turns in (0, 1, -1, 2, -2, 3, -3)]
    named = [(names[0].bits, abs(turns), turns) for names, turns in known if names]
    turns = min(named)[2] if named else 0
    if not turns:
        return tree
    place = WAVES.index(tree.function.name) + turns
    wave = Call(LIBRARY[WAVES[place % 2]], add(*rest, Number(shift - turns * math.pi / 2)))
    return multiply(whole(-1 if place % 4 > 1 else 1), wave)


def _rectified(tree: Tree, x: Tensor) -> Tree:
    """Return the formula with `|sin(u)|` for a `sin(|u|)` of one sign at all points `x (rows, d)`; so with tangents.

    Both are the same there, and not elsewhere: the former is what people write, for a signal that is rectified.
    """
    below = [_rectified(child, x) for child in children(tree)]
    tree = rebuild(tree, below) if below else tree
    if not (isinstance(tree, Call) and tree.function.name in RECTIFIED):
        return tree
    factors = tree.argument.factors if isinstance(tree.argument, Product) else (tree.argument,)
    scale = [factor for factor in factors if isinstance(factor, Number)]
    rest = [factor for factor in factors if not isinstance(factor, Number)]
    if len(rest) != 1 or not (isinstance(rest[0], Call) and rest[0].function.name == "abs"):
        return tree
    at = values(tree, x)
    low, high, little = float(at.amin()), float(at.amax()), ZERO * float(at.abs().amax())
    sign = 1 if low >= -little else -1 if high <= little else 0
    if not sign:
        return tree
    inside = multiply(*scale, rest[0].argument)
    return multiply(whole(sign), Call(LIBRARY["abs"], Call(tree.function, inside)))


def _length(tree: Tree) -> float:
    """Return the bits of the names of the exact constants."""
    from kanlens.trees import numbers

    return sum(number.exact.bits for number in numbers(tree) if number.exact is not None)


def _fitted_alike(changed: Tree, tree: Tree, rows: Rows, allowed: float) -> Tree:
    """Return a changed formula with its constants fitted if it is no worse than allowed, else the formula."""
    if changed == tree:
        return tree
    fitted, error = refit(changed, rows)
    return fitted if error <= allowed else tree


def _with_powers(tree: Tree) -> Tree:
    """Return the tree with nearly equal factors as powers of one of them.

    Data tell their common constants, but of two the difference only to half of the digits, so that none got a name.
    """
    below = [_with_powers(child) for child in children(tree)]
    tree = rebuild(tree, below) if below else tree
    if not isinstance(tree, Product):
        return tree
    groups: list[list[Tree]] = []
    for factor in tree.factors:
        alike = next((group for group in groups if _are_alike(group[0], factor)), None)
        if alike is None:
            groups.append([factor])
        else:
            alike.append(factor)
    return multiply(*(raise_to(group[0], len(group)) for group in groups))


def _are_alike(first: Tree, second: Tree) -> bool:
    """Tell whether two formulas are the same but for small differences of their constants."""
    if isinstance(first, Number) or shape(first) != shape(second):
        return False
    pairs = zip(numbers(first), numbers(second), strict=True)
    return all(abs(one.value - other.value) <= ALIKE * abs(one.value) for one, other in pairs)


def _gathered(tree: Tree, end: Literal["first", "last"]) -> Tree:
    """Return the tree with a constant factor taken out of every sum that is a factor or the base of a power."""
    below = [_gathered(child, end) for child in children(tree)]
    tree = rebuild(tree, below) if below else tree
    if isinstance(tree, Power | Product):
        factors = tree.factors if isinstance(tree, Product) else (tree,)
        return multiply(*(part for factor in factors for part in taken_out(factor, end)))
    return tree


def taken_out(factor: Tree, end: Literal["first", "last"]) -> tuple[Tree, ...]:
    """Return a sum, or a power of it, as a constant factor and what is left, by the first or the last coefficient."""
    base = factor.base if isinstance(factor, Power) else factor
    if not isinstance(base, Sum):
        return (factor,)
    scales = [_coefficient(term) for term in base.terms]
    scale = scales[0] if end == "first" else scales[-1]
    if None in scales or not scale:
        return (factor,)
    fractional = isinstance(factor, Power) and factor.exponent.denominator > 1
    scale = abs(scale) if fractional else scale
    smaller = Sum(tuple(_divided(term, scale) for term in base.terms))
    if not isinstance(factor, Power):
        return Number(scale), smaller
    return Number(scale ** float(factor.exponent)), raise_to(smaller, factor.exponent)


def _coefficient(term: Tree) -> float | None:
    """Return the free constant factor of a term, None if it has none."""
    factors = term.factors if isinstance(term, Product) else (term,)
    free = [f.value for f in factors if isinstance(f, Number) and f.exact is None]
    return math.prod(free) if free else None


def _divided(term: Tree, scale: float) -> Tree:
    factors = term.factors if isinstance(term, Product) else (term,)
    value = math.prod(f.value for f in factors if isinstance(f, Number) and f.exact is None) / scale
    rest = [f for f in factors if not (isinstance(f, Number) and f.exact is None)]
    unit = abs(abs(value) - 1) < 1e-12  # what was taken out makes up for it
    return multiply(whole(round(value)) if unit else Number(value), *rest)


def expression(tree: Tree, names: Sequence[str], rows: Rows, constants: Mapping[str, float] | None = None) -> "Expr":
    """Return the formula in sympy, in the shortest of several forms that agree at the rows.

    `constants` are the values of the symbols that are no columns.

    Columns that are positive in the rows are taken as positive while forms are sought, so that roots and logarithms of
    products come apart.
    """
    import sympy

    plain = [sympy.Symbol(name) for name in names]
    positive = (rows.x > 0).all(0).tolist()
    inside = [
        sympy.Symbol(name, positive=True) if sign else sympy.Symbol(name, real=True)
        for name, sign in zip(names, positive, strict=True)
    ]
    fixed = {sympy.Symbol(name): value for name, value in (constants or {}).items()}
    signed = {symbol: sympy.Symbol(symbol.name, positive=True) for symbol, value in fixed.items() if value > 0}
    start = symbolic(tree, inside).subs(signed)
    best = start
    if sympy.count_ops(start) <= LARGEST:
        agrees = _Check(start, inside, rows, {signed.get(symbol, symbol): value for symbol, value in fixed.items()})
        for form in _forms(start):
            if _is_shorter(form, best) and agrees(form):
                best = form
    shown = best.subs({**dict(zip(inside, plain, strict=True)), **{there: here for here, there in signed.items()}})
    return _joined_roots(shown)


def _joined_roots(form: "Expr") -> "Expr":
    """Return the form with roots of products and quotients, which sympy takes apart while factors are positive."""
    import sympy

    def joined(product: "Expr") -> "Expr":
        roots: dict[Expr, list[Expr]] = {}
        for factor in product.args:
            power = factor.as_base_exp()[1]
            if power.is_Rational and not power.is_integer and factor.free_symbols:
                roots.setdefault(abs(power), []).append(factor)
        several = {power: factors for power, factors in roots.items() if len(factors) > 1}
        for power, factors in several.items():
            sign = 1 if any(factor.exp > 0 for factor in factors) else -1
            inside = sympy.Mul(*(factor.base ** (sign * sympy.sign(factor.exp)) for factor in factors))
            product = product / sympy.Mul(*factors) * inside ** (sign * power)
        return product

    return form.replace(lambda e: e.is_Mul, joined)


def _is_shorter(form: "Expr", other: "Expr") -> bool:
    """Tell whether a form has fewer operations than another one, or as many and fewer letters."""
    here, there = _operations(form), _operations(other)
    return here < there or (here == there and len(str(form)) < len(str(other)))  # letters take ten times as long


def _operations(form: "Expr") -> int:
    """Return the number of operations; `x**y` counts as `exp(y*log(x))`, and `cos(2 atan(x))` as the quotient it is."""
    import sympy

    hidden = 2 * sum(bool(p.exp.free_symbols and p.base.free_symbols) for p in form.atoms(sympy.Pow))
    return int(sympy.count_ops(form)) + hidden + QUOTIENT * sum(map(_undone, form.atoms(sympy.Function)))


def _undone(call: "Expr") -> bool:
    """Tell whether a function is a wave of an inverse wave."""
    import sympy

    waves, inverses = (sympy.sin, sympy.cos, sympy.tan), (sympy.asin, sympy.acos, sympy.atan)
    return isinstance(call, waves) and call.has(*inverses)


def _forms(start: "Expr") -> "Iterator[Expr]":
    """Yield equal forms, quick ones first; each rewrite also of those before it that made it shorter."""
    import sympy

    rewrites: list[Callable[[Expr], Expr]] = [
        sympy.factor_terms,
        sympy.together,
        sympy.powsimp,
        sympy.expand,
        lambda e: sympy.expand_log(e, force=False),
        lambda e: sympy.factor(e) if e.is_rational_function() else e,
        lambda e: sympy.powdenest(e, force=False),
        lambda e: sympy.powsimp(sympy.expand_power_base(e)),
        _inside_roots,
        _factored_bases,
        _half_angles,
        _as_tangents,
        _added_tangents,
        _without_inverses,
        _without_signs,
        _without_absolutes,
        lambda e: sympy.simplify(e) if _is_searched(e) else e,
        sympy.factor_terms,
        lambda e: sympy.expand(e, deep=False),
        _whole_numbers,
        _factored_sums,
    ]
    best = start
    for rewrite in rewrites:
        for form in dict.fromkeys((start, best)):
            try:
                found = rewrite(form)
            except (ArithmeticError, AttributeError, TypeError, ValueError, NotImplementedError, RecursionError):
                continue  # sympy cannot; the other forms remain
            yield found
            if _is_shorter(found, best):
                best = found


def _is_searched(form: "Expr") -> bool:
    """Tell whether sympy's own search may find a shorter form in little time.

    It wants exact numbers: between functions of others there is no identity, and it looks for one for minutes.
    """
    import sympy

    few = len(form.atoms(sympy.Float)) <= INEXACT
    return few and sympy.count_ops(form) <= LARGEST_SEARCH and not _reads_once(form)


def _reads_once(form: "Expr") -> bool:
    """Tell whether each symbol occurs once, so that no identity between functions makes the form shorter.

    Sympy tries those of sines and hyperbolic ones for seconds.
    """
    import sympy

    occurring = [leaf for leaf in sympy.preorder_traversal(form) if leaf.is_Symbol]
    return len(occurring) == len(set(occurring))


def _inside_roots(form: "Expr") -> "Expr":
    """Return the form with factors drawn into roots: `x sqrt(1 + y/x^2)` becomes `sqrt(x^2 + y)`."""
    import sympy

    roots = [p for p in form.atoms(sympy.Pow) if p.exp.is_Rational and not p.exp.is_integer and p.base.is_Add]
    if len(roots) != 1:
        return form
    root = roots[0]
    before, rest = (form / root).as_independent(*form.free_symbols, as_Add=False)
    if rest.is_negative or not (rest.is_positive or rest == 1):
        return form
    base = sympy.cancel(sympy.expand(root.base * rest ** (1 / root.exp)))
    return before * base**root.exp


def _factored_bases(form: "Expr") -> "Expr":
    """Return the form with the bases of powers factored: a square may be under a root."""
    import sympy

    def factored(power: "Expr") -> "Expr":
        return sympy.powdenest(sympy.Pow(sympy.factor(power.base), power.exp))

    return form.replace(lambda e: e.is_Pow and e.base.is_Add and e.base.is_rational_function(), factored)


def _factored_sums(form: "Expr") -> "Expr":
    """Return the form with sums factored: a square may be found as its three terms, with `cos(2 u)` for `sin(u)^2`."""
    import sympy

    def factored(total: "Expr") -> "Expr":
        double = {
            sympy.cos(2 * u): 1 - 2 * sympy.sin(u) ** 2 for u in (wave.args[0] for wave in total.atoms(sympy.sin))
        }
        names = {size: sympy.Dummy() for size in total.atoms(sympy.Abs)}  # of which squares are those of what is inside
        there = names | {size.args[0] ** 2: name**2 for size, name in names.items()}
        back = {name: size for size, name in names.items()}
        return sympy.factor(sympy.expand(total.xreplace(double)).xreplace(there)).xreplace(back)

    return form.replace(lambda e: e.is_Add and not e.has(sympy.Float), factored)


def _half_angles(form: "Expr") -> "Expr":
    """Return the form with `1 + cos(u)` and `1 - cos(u)` as squares: a curve is often known up to its sign only."""
    import sympy

    one, u = sympy.Wild("one", properties=[lambda e: e.is_number and e != 0]), sympy.Wild("u")

    def squared(total: "Expr") -> "Expr":
        for function, sign in ((sympy.cos, 1), (sympy.sin, -1)):
            found = total.match(one + sign * one * sympy.cos(u))
            if found is not None:
                return 2 * found[one] * function(found[u] / 2) ** 2
        return total

    return sympy.factor_terms(form.replace(lambda e: e.is_Add and len(e.args) == 2, squared))


def _as_tangents(form: "Expr") -> "Expr":
    """Return the form with logistic functions as hyperbolic tangents: `2/(1 + exp(-u)) - 1` becomes `tanh(u/2)`."""
    import sympy

    u = sympy.Wild("u")
    logistic = form.replace(1 / (1 + sympy.exp(u)), lambda u: (1 - sympy.tanh(u / 2)) / 2)
    return sympy.expand_mul(logistic)


def _added_tangents(form: "Expr") -> "Expr":
    """Return the form with `tanh(atanh(u) + atanh(v))` as `(u + v)/(1 + u v)`, and `tanh(log(u/v)/2)` as a quotient."""
    import sympy

    def rational(tangent: "Expr") -> "Expr":
        if tangent.has(sympy.atanh):  # it is real for any u, too
            return sympy.cancel(sympy.expand_trig(tangent))
        twice = sympy.exp(sympy.expand(2 * tangent.args[0]))
        return (twice - 1) / (twice + 1)

    return sympy.cancel(form.replace(lambda e: isinstance(e, sympy.tanh) and e.has(sympy.atanh, sympy.log), rational))


def _without_inverses(form: "Expr") -> "Expr":
    """Return the form without waves of inverse waves and the other way round: `sin(2 atan(x))` is `2 x/(1 + x^2)`."""
    import sympy

    for inverse, wave, inside in (
        (sympy.acos, sympy.cos, sympy.Abs),
        (sympy.asin, sympy.sin, sympy.Add),
        (sympy.atan, sympy.tan, sympy.Add),
    ):
        form = form.replace(
            lambda e, inverse=inverse, wave=wave: isinstance(e, inverse) and isinstance(e.args[0], wave),
            lambda e, inside=inside: inside(e.args[0].args[0]),
        )
    return form.replace(_undone, sympy.expand_trig)


def _without_signs(form: "Expr") -> "Expr":
    """Return the form with signs as quotients, which cancel: `x^2 sign(x)` becomes `x Abs(x)`."""
    import sympy

    return form.replace(sympy.sign, lambda u: sympy.Mul(*(sympy.Abs(f) / f for f in sympy.Mul.make_args(u))))


def _without_absolutes(form: "Expr") -> "Expr":
    """Return the form without the innermost absolute values, which an even function around them does not need."""
    import sympy

    return form.xreplace({size: size.args[0] for size in form.atoms(sympy.Abs) if not size.args[0].has(sympy.Abs)})


def _whole_numbers(form: "Expr") -> "Expr":
    """Return the form with integers for floating-point numbers that rewriting has left beside them."""
    import sympy

    near = {f: sympy.Integer(round(f)) for f in form.atoms(sympy.Float) if abs(f - round(f)) < WHOLE}
    return form.xreplace(near)


class _Check:
    """Tell whether a form agrees with a formula at the rows."""

    def __init__(
        self, formula: "Expr", symbols: "Sequence[Expr]", rows: Rows, constants: "Mapping[Expr, float]"
    ) -> None:
        self.symbols, self.constants = symbols, constants
        self.points = [column.numpy() for column in rows.first(POINTS).x.unbind(1)]
        self.truth = self._values(formula)

    def __call__(self, form: "Expr") -> bool:
        found = self._values(form)
        scale = np.abs(self.truth) + 1e-3 * np.abs(self.truth).mean()
        return bool(np.all(np.abs(found - self.truth) <= 1e-10 * scale))

    def _values(self, form: "Expr") -> np.ndarray:
        import sympy

        function = sympy.lambdify(self.symbols, form.subs(self.constants), ["scipy", "numpy"])
        with np.errstate(all="ignore"):
            try:
                return np.broadcast_to(np.asarray(function(*self.points), dtype=float), self.points[0].shape)
            except (ArithmeticError, AttributeError, NameError, TypeError, ValueError):
                return np.full(self.points[0].shape, np.nan)
