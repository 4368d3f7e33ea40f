"""Symbols and formulas, as pykan's model offers them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sympy
from torch import Tensor

from kan import symbolic
from kan.edges import edge
from kan.formulas import Scale, ex_round, settle, symbolic_formula
from kan.held import Held, State
from kanlens.discovery import symbolise
from kanlens.functions import Function
from kanlens.growth import loosen, perturb
from kanlens.surgery import cut
from kanlens.symbolic import fix, snap


class Named(Held):
    """Turn edges into symbols, and read them."""

    def fix_symbolic(
        self,
        l: int,
        i: int,
        j: int,
        fun_name: str | Callable[[Tensor], Tensor],
        fit_params_bool: bool = True,
        a_range: Sequence[float] = (-10, 10),
        b_range: Sequence[float] = (-10, 10),
        verbose: bool = True,
        random: bool = False,
        log_history: bool = True,
    ) -> float | None:
        """Make an edge a symbol and return how well it fits the curve that was there (r2).

        Without `fit_params_bool` the edge is the function as it stands, and there is no r2.
        """
        function, at = symbolic.as_function(fun_name), edge(self.core, l, i, j)
        r2 = None
        if fit_params_bool:
            core, found = fix(self.core, self._data()[0], at, function)
            r2 = found.r2
            if verbose:
                print(f"r2 is {found.r2:.10g}")
        else:
            core = symbolic.as_it_stands(self.core, at, function)
        self._take(core)
        if log_history:
            self.log_history("fix_symbolic")
        return r2

    def unfix_symbolic(self, l: int, i: int, j: int, log_history: bool = True) -> None:
        """Make a symbol a spline again, of the same curve."""
        at = edge(self.core, l, i, j)
        self._take(loosen(self.core, [at] if self.core.symbol(at) else []))
        if log_history:
            self.log_history("unfix_symbolic")

    def unfix_symbolic_all(self, log_history: bool = True) -> None:
        """Make all symbols splines again, of the same curves."""
        self._take(loosen(self.core, self.core.live()))
        if log_history:
            self.log_history("unfix_symbolic_all")

    def set_mode(self, l: int, i: int, j: int, mode: str, mask_n: float | None = None) -> None:
        """Make an edge a spline (`"n"`), leave it the symbol that it is (`"s"`), or cut it (anything else).

        An edge is never both: `"ns"` makes it a spline of the symbol's curve, which training can bend. A
        spline without a symbol stays one, and `"s"` makes it the constant 0, which is what pykan does.
        """
        at = edge(self.core, l, i, j)
        if mode in ("n", "ns", "sn"):
            live = at in self.core.live()
            self._take(loosen(self.core, [at]) if live else perturb(self.core, [at], noise=0.1))
        elif mode != "s" or self.core.symbol(at) is None:
            self._take(cut(self.core, [at]))

    def suggest_symbolic(
        self,
        l: int,
        i: int,
        j: int,
        a_range: Sequence[float] = (-10, 10),
        b_range: Sequence[float] = (-10, 10),
        lib: Iterable[str] | None = None,
        topk: int = 5,
        verbose: bool = True,
        r2_loss_fun: object = None,
        c_loss_fun: object = None,
        weight_simple: float = 0.8,
    ) -> tuple[str, Function, float, int]:
        """Return name, function, r2 and complexity of the best symbol for an edge, and print the first few."""
        found = symbolic.ranking(self.core, self.points(), edge(self.core, l, i, j), lib, topk)
        if verbose:
            symbolic.print_ranking(found)
        return found[0].function.name, found[0].function, found[0].r2, found[0].complexity

    def auto_symbolic(
        self,
        a_range: Sequence[float] = (-10, 10),
        b_range: Sequence[float] = (-10, 10),
        lib: Iterable[str] | None = None,
        verbose: int = 1,
        weight_simple: float = 0.8,
        r2_threshold: float = 0.0,
    ) -> None:
        """Make all edges symbols, chosen together, and print them.

        The ranges, `weight_simple` and `r2_threshold` are not needed: a symbol is judged by what
        the whole network loses by it.
        """
        before, (x, y) = self.core, self._data()
        # a network without hidden nodes says what shape its formula has; of others the right shape is searched
        name = snap if before.depth == 1 else symbolise
        self.core = name(before, x, y, library=symbolic.library(lib))
        if verbose >= 1:
            symbolic.print_symbols(before, self.core, x)
        self.settled = (state := State.of(self)), state.core
        self.log_history("auto_symbolic")

    def symbolic_formula(
        self,
        var: Sequence[Any] | None = None,
        normalizer: Scale | None = None,
        output_normalizer: Scale | None = None,
        *,
        floating_digit: int | None = None,
        simplify: bool = False,
    ) -> tuple[list[sympy.Expr], list[sympy.Expr]]:
        """Return an expression for each output, with constants recognised, and the variables.

        After `prune_input` the variables keep the numbers of their columns; `var` may name all columns of
        the data or those that are read.
        """
        if self.settled is None or not self.settled[0].is_of(self):
            self.settled = State.of(self), settle(self.core, *self._data())
        outputs, variables = symbolic_formula(self.settled[1], self.columns, var, normalizer, output_normalizer)
        if floating_digit is not None:
            outputs = [ex_round(output, floating_digit) for output in outputs]
        return [sympy.simplify(output) for output in outputs] if simplify else outputs, variables
