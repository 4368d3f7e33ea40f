r"""Laws that are a few power products, summed, perhaps times powers of such sums: `(x - u t) / sqrt(1 - u^2 / c^2)`.

It is a network of product nodes whose exponents are real numbers, and so differentiable: a search among exponents
becomes least squares (:mod:`kanlens.exponents`), and ends at whole or simple exponents by itself where the law is of
this kind, also under noise. Subsets of a dictionary of monomials were searched before; a dictionary for six features
holds exponents up to two.

A feature of both signs, or the sine or cosine of one, comes in by powers 0, 1 and 2, which each start draws.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

from kanlens.exponents import Columns, Data, Exponents, above_zero, fitted, power_products
from kanlens.functions import Function
from kanlens.problems import Problem
from kanlens.trees import Call, Number, Tree, Variable, add, complexity, monomial, multiply, raise_to, values
from kanlens.univariate import Guess

ROWS = 1000
"""Rows that the fits look at."""

QUICK, STARTS = 64, 160
"""Random starts of a first look, and of a thorough one; twice as many where whole powers are drawn."""

STAGES = ((150, 16, 16), (300, 20, 6), (ROWS, 40, 3))
"""Rows, steps, and how many of the models go on, the best ones."""

HOPELESS = 0.03
"""Error of the best one after a stage, as a share of the target's deviation, from which none goes on without noise.

Of random laws of these forms, none was found that had left more than a sixth of that after the first stage."""

NOISY_STAGES = ((150, 20, 24), (600, 20, 8), (ROWS, 25, 6))
"""The same under noise, where few rows do not tell good starts from bad ones, nor do a few steps in a narrow valley."""

POWERS = (-1.0, 0.5, -0.5, 2.0, -2.0, 1.0)
"""Powers of a sum that are begun with."""

CLOSE = 1e-5
"""Error, as a share of the target's deviation, up to which a fit may be the law itself, if there is no noise."""

ROUND_OFF = 1e-12
"""Error, as a share of the target's deviation, from which further steps change nothing."""

NEAR = 0.02
"""How far an exponent may then be off a simple number."""

ENOUGH = 8
"""Rows for each feature from which a fit of so many exponents says something."""

IDLE = 1e-9
"""Coefficient, as a share of the largest one at the middle of the data, up to which a term is round-off."""

CARRIED = 8
"""Rows that have to carry each term of a sum under noise, or else it describes them and not a law."""

SETTLED = 1e-4
"""Share of its error that one of the models must lose in a step under noise for more of them to be worth it."""

BOTTOMS = (1, 2)
"""Denominators of exponents under noise."""

TURNS, STEPS = (0.4, 0.7, 0.9, 1.0), 8
"""Share of the exponents that are rounded in each turn, and steps that the others then take."""

TWICE, SQUARED = 0.3, 0.25
"""Share of the starts under noise with a wave, or a feature of both signs, in a second place, and as a square."""

PERIOD = 1.5
"""Range of a feature from which its sine and cosine are worth a try."""


class Form(NamedTuple):
    """Hold how many terms there are, how many sums under a power, and how many terms each of these has beside 1."""

    terms: int
    factors: int = 0
    inside: int = 0


FORMS = (Form(2), Form(3), Form(1, 1, 1), Form(1, 1, 2))
LONGER = (Form(2, 1, 1), Form(1, 2, 1), Form(2, 1, 2), Form(3, 1, 1), Form(4))
NOISY, NOISY_LONGER = (Form(1), *FORMS, LONGER[0]), LONGER[1:]


def signomials(
    problem: Problem,
    forms: tuple[Form, ...],
    seed: int,
    noisy: bool = False,
    wave: Tree | None = None,
    starts: int = STARTS,
) -> Iterator[list[Guess]]:
    """Yield the laws of each form that fit; with a `wave`, those that may have this function of a feature in them.

    Examples
    --------
    >>> from kanlens.refit import Rows
    >>> from kanlens.trees import shape
    >>> z = torch.rand(300, 3, dtype=torch.float64) + 1
    >>> t = 2 * z[:, 0] ** 3 / z[:, 1] - z[:, 2] ** 0.5
    >>> found = next(signomials(Problem.of(Rows(z, t)), (Form(2),), seed=0))
    >>> shape(found[0].tree)
    '(+ (* (^ x0 3) (^ x1 -1) c) (* (^ x2 1/2) c))'
    """
    trial = _Trial.of(problem, seed, noisy, wave, starts)
    if trial is None:
        return
    for form in forms:
        yield trial.guesses(form)


def waves(problem: Problem, functions: Mapping[str, Function], features: Iterable[int]) -> Iterator[Tree]:
    """Yield the cosines and sines of those of some features that range over a good part of a period."""
    for k in features:
        if float(problem.z[:, k].amax() - problem.z[:, k].amin()) > PERIOD:
            for name in ("cos", "sin"):
                if name in functions:
                    yield Call(functions[name], Variable(k))


class _Batch(NamedTuple):
    """Hold `n` models, and whole powers of the signed columns in their terms."""

    exponents: Exponents
    whole: Tensor  # (n, K, h)
    whole_inside: Tensor  # (n, L, J, h)
    coef: Tensor  # (n, K)
    error: Tensor  # weighted mean square, (n,)

    def take(self, chosen: Tensor) -> "_Batch":
        """Return some of the models."""
        return _Batch(self.exponents.take(chosen), *(part[chosen] for part in self[1:]))


class _Trial(NamedTuple):
    """Hold a problem ready for fits."""

    problem: Problem
    data: Data
    centre: Tensor  # of the logarithms, (f,)
    positive: list[Tree]
    signed: list[Tree]
    columns: Tensor  # of those, (rows, h)
    spread: float
    noisy: bool
    starts: int
    generator: torch.Generator

    @classmethod
    def of(cls, problem: Problem, seed: int, noisy: bool, wave: Tree | None, starts: int) -> "_Trial | None":
        """Return the problem with its features sorted by their signs, None if none is positive."""
        z, t = problem.z[:ROWS], problem.t[:ROWS]
        positive = (z > 0).all(0)
        if not positive.any() or len(t) < ENOUGH * problem.size:
            return None
        signed: list[Tree] = [wave] if wave is not None else []
        signed += [Variable(k) for k in (~positive).nonzero()[:, 0].tolist()]
        columns = torch.stack([values(tree, z) for tree in signed], 1) if signed else z.new_zeros(len(t), 0)
        logs = z[:, positive].log()
        # exact data are met at every row whatever the weight, but large targets would hide all others from the starts
        weight = problem.felt()[:ROWS] if noisy else 1 / (t.abs() + t.abs().median()).clamp_min(1e-300)
        weight = weight / weight.square().mean().sqrt()
        return cls(
            problem,
            Data(logs - logs.mean(0), t, weight),
            logs.mean(0),
            [Variable(k) for k in positive.nonzero()[:, 0].tolist()],
            signed,
            columns,
            float(((t - t.mean()) * weight).square().mean().sqrt()),
            noisy,
            starts * (2 if signed else 1),
            torch.Generator().manual_seed(seed),
        )

    def guesses(self, form: Form) -> list[Guess]:
        """Return the formulas of a form: under noise several, of which the data and the length choose."""
        best = self._best(form)
        if self.noisy:
            rounded = [self._rounded_in_turns(best, bottom) for bottom in BOTTOMS]
            return [guess for batch in rounded for guess in self._formulas(self._carried(batch))]
        return self._formulas(self._exact(best))

    def _best(self, form: Form) -> _Batch:
        """Return the best models of a form, from many starts."""
        count = self.starts
        like = self.data.t.new_zeros(count, form.terms)
        batch = _Batch(self._start(form, count), *self._powers(form, count), like, like[:, 0])
        batch = batch._replace(exponents=above_zero(self.data, self._columns(batch), batch.exponents))
        for rows, steps, most in NOISY_STAGES if self.noisy else STAGES:
            # powers of sums that move among others end in valleys: the thousandth power of nearly 1 is an exponential
            held = batch.exponents.held(False)._replace(
                power=torch.full_like(batch.exponents.power, self.noisy or rows < ROWS, dtype=torch.bool)
            )
            batch = self._fitted(batch, rows, steps, held)
            batch = batch.take(self._different(batch.error)[:most])
            plain = not (self.noisy or self.signed)  # factors that pass zero, as waves do, are met late
            if plain and not float(batch.error.amin()) < (HOPELESS * self.spread) ** 2:
                return batch.take(batch.error.new_zeros(0, dtype=torch.long))
        return batch.take(batch.error.isfinite().nonzero()[:, 0])

    def _different(self, error: Tensor) -> Tensor:
        """Return the places of models, the best first, under noise without those that ended where another one did."""
        order = error.argsort()
        if not self.noisy:
            return order
        before = torch.cat([error.new_tensor([-1.0]), error[order]])[:-1]
        return order[error[order] > (1 + SETTLED) * before]

    def _fitted(self, batch: _Batch, rows: int, steps: int, held: Exponents) -> _Batch:
        columns = Columns(*(column[:, :rows] for column in self._columns(batch)))
        enough = (ROUND_OFF * self.spread) ** 2
        idle = SETTLED if self.noisy else 0.0
        exponents, coef, error = fitted(self.data.first(rows), columns, batch.exponents, steps, held, enough, idle)
        return batch._replace(exponents=exponents, coef=coef, error=error)

    def _exact(self, batch: _Batch) -> _Batch:
        """Return the models that may be the law itself, with the simple exponents that theirs are very near to."""
        terms, inside, scale, power = batch.exponents
        near = [_nearest(part) for part in (terms, inside, power)]
        simple = torch.stack(
            [((a - b).abs() < NEAR).flatten(1).all(1) for a, b in zip(near, (terms, inside, power), strict=True)]
        ).all(0)
        close = batch.error < (CLOSE * self.spread) ** 2
        exact = batch._replace(
            exponents=Exponents(near[0], near[1], scale, near[2]), error=torch.zeros_like(batch.error)
        )
        return exact.take((simple & close).nonzero()[:, 0])

    def _rounded_in_turns(self, batch: _Batch, bottom: int) -> _Batch:
        """Return the models with their exponents rounded, those first that are nearest, and fitted again each time."""
        for share in TURNS:
            parts = (batch.exponents.terms, batch.exponents.inside)
            near = [(part * bottom).round() / bottom for part in parts]
            off = [(part - whole).abs() for part, whole in zip(parts, near, strict=True)]
            every = torch.cat([part.flatten(1) for part in off], 1).sort(1).values
            last = every[:, math.ceil(share * every.shape[1]) - 1]
            held = [part <= last.view(-1, *[1] * (part.dim() - 1)) for part in off]
            terms, inside = map(torch.where, held, near, parts)
            exponents = batch.exponents._replace(terms=terms, inside=inside)
            mask = exponents.held(True)._replace(
                terms=held[0], inside=held[1], scale=torch.zeros_like(exponents.scale, dtype=torch.bool)
            )
            batch = self._fitted(batch._replace(exponents=exponents), ROWS, STEPS, mask)
        return batch.take(batch.error.isfinite().nonzero()[:, 0])

    def _carried(self, batch: _Batch) -> _Batch:
        r"""Return the models without those of several terms of which one is next to nothing but for a few rows.

        That many rows carry a term `b` is :math:`(\sum b^2)^2 / \sum b^4`. Steep terms follow the noise of single rows,
        and are off by any factor at others.
        """
        terms = self._columns(batch).terms * power_products(self.data.logs, batch.exponents.terms)
        square = (terms * self.data.weight[:, None]).square()
        rows = square.sum(1).square() / square.square().sum(1).clamp_min(1e-300)
        carried = (rows >= CARRIED).all(1) if terms.shape[2] > 1 else torch.ones_like(batch.error, dtype=torch.bool)
        return batch.take(carried.nonzero()[:, 0])

    def _start(self, form: Form, count: int) -> Exponents:
        """Return random exponents, whole and mostly zero."""
        features, like = self.data.logs.shape[1], self.data.t

        def exponents(*shape: int) -> Tensor:
            drawn = torch.randint(-2, 3, (count, *shape, features), generator=self.generator)
            return (drawn * (torch.rand(drawn.shape, generator=self.generator) < 0.5)).to(like)

        size = torch.rand(count, form.factors, form.inside, generator=self.generator).to(like)
        sign = torch.randint(0, 2, size.shape, generator=self.generator) * 2 - 1
        power = torch.randint(0, len(POWERS), (count, form.factors), generator=self.generator)
        return Exponents(
            exponents(form.terms), exponents(form.factors, form.inside), size * sign, like.new_tensor(POWERS)[power]
        )

    def _powers(self, form: Form, count: int) -> tuple[Tensor, Tensor]:
        """Return random powers of the signed columns in the terms, and in those under a power.

        Under noise the only one is in one place or two. Drawn for each place, as it is for several of them, two or
        three starts in a hundred have it where `sqrt(1 + x^2 - 2 x cos(y))` does with the right power.
        """
        inside = (form.factors, form.inside)
        if not (self.noisy and len(self.signed) == 1):
            return self._drawn(count, form.terms), self._drawn(count, *inside)
        whole = torch.zeros(count, form.terms + math.prod(inside), dtype=torch.long)
        for likely in (TWICE, 1.0):
            place = torch.randint(0, whole.shape[1], (count, 1), generator=self.generator)
            power = 1 + (torch.rand(count, 1, generator=self.generator) < SQUARED).long()
            kept = torch.rand(count, 1, generator=self.generator) < likely
            whole = whole.scatter(1, place, torch.where(kept, power, whole.gather(1, place)))
        return whole[:, : form.terms, None], whole[:, form.terms :].view(count, *inside, 1)

    def _drawn(self, *shape: int) -> Tensor:
        """Return random powers 0, 1 or 2 of the signed columns."""
        drawn = torch.randint(0, 3, (*shape, len(self.signed)), generator=self.generator)
        return drawn * (torch.rand(drawn.shape, generator=self.generator) < 0.6)

    def _columns(self, batch: _Batch) -> Columns:
        return Columns(self._fixed(batch.whole), self._fixed(batch.whole_inside))

    def _fixed(self, whole: Tensor) -> Tensor:
        """Return the products `(n, rows, ...)` of the signed columns to whole powers `(n, ..., h)`."""
        ones = [1] * (whole.dim() - 2)
        found = self.data.t.new_ones(len(whole), len(self.columns), *whole.shape[1:-1])
        for column, power in zip(self.columns.unbind(1), whole.unbind(-1), strict=True):
            found = found * column.view(1, -1, *ones) ** power[:, None]
        return found

    def _formulas(self, batch: _Batch) -> list[Guess]:
        parts = (*batch.exponents, *batch[1:])
        trees = [self._tree(*(part[k] for part in parts[:-1])) for k in range(len(batch.error))]
        return [Guess(self.problem.formula(tree), e) for tree, e in zip(trees, batch.error.tolist(), strict=True)]

    def _tree(
        self,
        terms: Tensor,
        inside: Tensor,
        scale: Tensor,
        power: Tensor,
        whole: Tensor,
        whole_inside: Tensor,
        coef: Tensor,
    ) -> Tree:
        """Return the formula of a model; of a sum under a power with or without a denominator, the shorter one."""
        kept = coef.abs() > IDLE * coef.abs().amax()
        # in centred logarithms z^P is z^P / exp(P centre)
        coef = coef * (-(terms @ self.centre)).exp()
        scale = scale * (-(inside @ self.centre)).exp()
        forms = []
        for lifted in (False, True) if len(inside) else (False,):
            least = inside.amin(1).clamp_max(0) * float(lifted) if len(inside) else terms[:0]
            outside = terms + (least * power[:, None]).sum(0)
            sums = [
                add(self._power_product(-low), *map(self._term, d, q - low, e))
                for low, d, q, e in zip(least, scale, inside, whole_inside, strict=True)
            ]
            total = add(*map(self._term, coef[kept], outside[kept], whole[kept]))
            forms.append(multiply(total, *(raise_to(sum_, _fraction(p)) for sum_, p in zip(sums, power, strict=True))))
        return min(forms, key=complexity)

    def _term(self, coef: Tensor, exponents: Tensor, whole: Tensor) -> Tree:
        signed = monomial([int(p) for p in whole], self.signed)
        return multiply(Number(float(coef)), self._power_product(exponents), signed)

    def _power_product(self, exponents: Tensor) -> Tree:
        return monomial([_fraction(p) for p in exponents], self.positive)


def _nearest(exponents: Tensor) -> Tensor:
    """Return the simplest fractions near exponents: those of the smallest denominator, up to 6."""
    found = exponents
    for bottom in (6, 5, 4, 3, 2, 1):
        near = (exponents * bottom).round() / bottom
        found = torch.where((near - exponents).abs() < NEAR, near, found)
    return found


def _fraction(p: Tensor) -> Fraction:
    return Fraction(float(p)).limit_denominator(6)
