r"""Waves of sums and differences in place of products of waves: `cos(x + y^2)` for `cos(x) cos(y^2) - sin(x) sin(y^2)`.

Products of `sin(u)` and `cos(u)` with `sin(v)` and `cos(v)` have the span of the waves of `u + v` and `u - v`.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from kanlens.functions import LIBRARY
from kanlens.naming import unshifted_sum
from kanlens.trees import Call, Number, Product, Tree, add, multiply, whole


class Wave(NamedTuple):
    """Hold a factor times a wave of an argument, of any size and shift."""

    factor: Tree
    argument: Tree

    @property
    def sides(self) -> tuple[Tree, Tree]:
        """Return the sine and the cosine, of which it is a mixture."""
        sine, cosine = (multiply(self.factor, Call(LIBRARY[name], self.argument)) for name in ("sin", "cos"))
        return sine, cosine

    def mixed(self, sine: float, cosine: float) -> Tree:
        """Return the wave whose shift makes it this mixture of both."""
        shifted = add(self.argument, Number(math.atan2(cosine, sine)))
        return multiply(Number(math.hypot(sine, cosine)), self.factor, Call(LIBRARY["sin"], shifted))


def wave_of(tree: Tree) -> Wave | None:
    """Return a wave without its shift, None if a tree is none.

    Examples
    --------
    >>> from kanlens.trees import Variable
    >>> x = Variable(0)
    >>> wave_of(multiply(x, Call(LIBRARY["cos"], add(x, Number(0.3)))))
    Wave(factor=Variable(index=0), argument=Variable(index=0))
    """
    factors = tree.factors if isinstance(tree, Product) else (tree,)
    waves = [f for f in factors if isinstance(f, Call) and f.function.name in ("sin", "cos")]
    if len(waves) != 1:
        return None
    return Wave(multiply(*(f for f in factors if f is not waves[0])), unshifted_sum([waves[0].argument]))


def paired(names: Sequence[Tree]) -> list[Tree | Wave]:
    """Return names with the sine and the cosine of one argument as a wave."""
    waves = [wave_of(name) for name in names]
    both = [wave for wave in dict.fromkeys(waves) if wave is not None and waves.count(wave) > 1]
    return [*(name for name, wave in zip(names, waves, strict=True) if wave not in both), *both]


def folded(sides: Sequence[Sequence[Tree | Wave]]) -> list[Tree | Wave]:
    """Return the products of one entry of each side, two waves as those of the sum and the difference."""
    found: list[Tree | Wave] = [whole(1)]
    for side in sides:
        found = [product for one, other in itertools.product(found, side) for product in _product(one, other)]
    return found


def _product(one: Tree | Wave, other: Tree | Wave) -> list[Tree | Wave]:
    if isinstance(one, Wave):
        if isinstance(other, Wave):
            factor, u, v = multiply(one.factor, other.factor), one.argument, other.argument
            return [Wave(factor, add(u, multiply(whole(sign), v))) for sign in (1, -1)]
        return [Wave(multiply(one.factor, other), one.argument)]
    if isinstance(other, Wave):
        return [Wave(multiply(one, other.factor), other.argument)]
    return [multiply(one, other)]
