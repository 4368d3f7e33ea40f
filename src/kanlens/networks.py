"""Write whole networks in other languages, splines included, as tables of polynomials and short loops.

The source needs nothing but its language. Splines are polynomials between their knots, so that the tables are exact
to round-off; how far they are from the network is measured and written above the source.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import sympy
import torch
from torch import Tensor

from kanlens.errors import InputError, UnknownNameError
from kanlens.languages import LANGUAGES, column, print_with, quoted
from kanlens.network import KAN, SymbolicEdges, Width, multiply
from kanlens.pieces import Pieces, pieces
from kanlens.portraits import anywhere

Writer = Callable[[Sequence["Written"], str, str, Sequence[str], Sequence[str]], str]
"""Layers, language, name, names of the inputs and lines about the network, to source text."""

Curve = Callable[[Sequence[float], Sequence[float], Tensor, str], str]
"""Knots, centres, coefficients `(pieces, terms)` of an edge and the name of its input, to source text."""


@dataclass(frozen=True)
class Written:
    """Hold a layer as it is written: polynomials if it has splines, its symbols, and the nodes that they lead to."""

    splines: Pieces | None
    symbols: SymbolicEdges
    width: Width

    @classmethod
    def of(cls, model: KAN) -> "list[Written]":
        """Return the layers of a network."""
        return [
            cls(pieces(layer) if layer.mask.any() else None, symbols, width) for layer, symbols, width in model.parts()
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """Return the nodes `(batch, size)` that the written source computes."""
        total = self.symbols(x)
        return multiply(total if self.splines is None else total + self.splines(x), self.width)

    def terms(self, names: Sequence[str]) -> list[tuple[int, sympy.Expr]]:
        """Return for each symbol its sub-node and its expression in the names of the nodes before."""
        found = []
        for function, out, in_, affine in zip(
            self.symbols.functions, self.symbols.out, self.symbols.in_, self.symbols.affine.tolist(), strict=True
        ):
            a, b, c, d = (sympy.Float(value, 17) for value in affine)
            found.append((out, c * function.symbolic(a * sympy.Symbol(names[in_]) + b) + d))
        return found


@torch.no_grad()
def difference(model: KAN, layers: Sequence[Written], rows: int = 1000) -> float:
    """Return how far written layers are from their network at most, on random points in the range of its grids."""
    here = x = anywhere(model, rows)
    for layer in layers:
        here = layer(here)
    return float((here - model(x)).abs().nan_to_num(0).max())


def write_network(model: KAN, language: str, *, name: str = "f", names: Sequence[str] | None = None) -> str:
    """Return a network as source text in a language.

    In Python, JavaScript and Julia the function takes a list of inputs and returns the list of outputs. In
    NumPy it takes `(rows, in)` and returns `(rows, out)`. In C it is `void f(const double *x, double *y)`, and in
    Rust it takes and returns arrays. For SQL it is a query of the columns `names`; for Excel a cell and a formula a
    line, where the inputs are in row 2 from column A on.

    Raises
    ------
    InputError
        If the language lacks a function of the network, or a cell would be too long.
    UnknownNameError
        If networks are not written in this language.
    """
    writers: dict[str, Writer] = {**dict.fromkeys(LOOPS, _looped), "sql": _query, "excel": _sheet}
    if language not in writers:
        raise UnknownNameError(f"expected a language among {', '.join(writers)} for a network, got {language!r}.")
    work = copy.deepcopy(model).double().cpu()
    layers = Written.of(work)
    about = (
        f"A network that kanlens trained, {' x '.join(str(width.size) for width in model.spec.widths)}.",
        f"On 1000 random points in its grids this source differs from it by {difference(work, layers):.1e} at most.",
    )
    inputs = model.spec.widths[0].size
    names = [f"x_{number}" for number in range(1, inputs + 1)] if names is None else list(names)
    if len(names) != inputs or len(set(names)) != inputs:
        raise InputError(
            f"expected {inputs} different names, one for each input, got {names}. Rename those that occur twice."
        )
    return writers[language](layers, language, name, names, about)


# --- languages with loops ----------------------------------------------------------------


@dataclass(frozen=True)
class Loop:
    """Describe how a language says what every network is made of.

    `{n}` is the number of the layer whose nodes are `h{n}` and whose sub-nodes are `z{n}`.
    """

    comment: str
    head: str
    array: str
    begin: str
    zeros: str
    splines: str
    add: str
    node: str
    subnode: str
    nodes: str
    end: str
    first: int = 0


LOOPS: Mapping[str, Loop] = MappingProxyType(
    {
        "python": Loop(
            comment="# {}",
            head="""\
import bisect
import math


def _splines(x, z, pieces, terms, knots, centres, coef, weight):
    for i, value in enumerate(x):
        k = bisect.bisect_right(knots, value, i * (pieces - 1), (i + 1) * (pieces - 1)) + i
        past = value - centres[k]
        silu = 0.5 * value * (1.0 + math.tanh(0.5 * value))
        for j in range(len(z)):
            total, start = 0.0, (j * len(x) * pieces + k) * terms
            for power in coef[start : start + terms]:
                total = total * past + power
            z[j] += total + weight[j * len(x) + i] * silu

""",
            array="{} = [{}]",
            begin="\n\ndef {name}(h0):",
            zeros="    z{n} = [0.0] * {out}",
            splines="    _splines(h{m}, z{n}, {pieces}, {terms}, KNOTS_{n}, CENTRES_{n}, COEF_{n}, WEIGHT_{n})",
            add="    z{n}[{j}] += {text}",
            node="h{m}[{i}]",
            subnode="z{n}[{j}]",
            nodes="    h{n} = [{list}]",
            end="    return h{n}",
        ),
        "numpy": Loop(
            comment="# {}",
            head="""\
import numpy


def _splines(x, z, pieces, terms, knots, centres, coef, weight):
    rows, inputs = x.shape
    knots = numpy.reshape(knots, (inputs, pieces - 1))
    centres = numpy.reshape(centres, (inputs, pieces))
    coef = numpy.reshape(coef, (z.shape[1], inputs, pieces, terms))
    z += 0.5 * x * (1.0 + numpy.tanh(0.5 * x)) @ numpy.reshape(weight, (z.shape[1], inputs)).T
    for i in range(inputs):
        k = numpy.searchsorted(knots[i], x[:, i], side="right")
        past = x[:, i] - centres[i, k]
        total = numpy.zeros((z.shape[1], rows))
        for power in range(terms):
            total = total * past + coef[:, i, k, power]
        z += total.T

""",
            array="{} = numpy.array([{}])",
            begin="\n\ndef {name}(h0):\n    h0 = numpy.asarray(h0, dtype=float)",
            zeros="    z{n} = numpy.zeros((len(h0), {out}))",
            splines="    _splines(h{m}, z{n}, {pieces}, {terms}, KNOTS_{n}, CENTRES_{n}, COEF_{n}, WEIGHT_{n})",
            add="    z{n}[:, {j}] += {text}",
            node="h{m}[:, {i}]",
            subnode="z{n}[:, {j}]",
            nodes="    h{n} = numpy.stack([{list}], 1)",
            end="    return h{n}",
        ),
        "c": Loop(
            comment="/* {} */",
            head="""\
#define _DEFAULT_SOURCE /* for M_PI and the Bessel functions */
#include <math.h>

static void splines(const double *x, double *z, int in, int out, int pieces, int terms, const double *knots,
                    const double *centres, const double *coef, const double *weight)
{
    for (int i = 0; i < in; i++) {
        int k = 0;
        while (k < pieces - 1 && knots[i * (pieces - 1) + k] <= x[i]) k++;
        double past = x[i] - centres[i * pieces + k];
        double silu = 0.5 * x[i] * (1.0 + tanh(0.5 * x[i]));
        for (int j = 0; j < out; j++) {
            double total = 0.0;
            const double *power = coef + (((long)j * in + i) * pieces + k) * terms;
            for (int d = 0; d < terms; d++) total = total * past + power[d];
            z[j] += total + weight[j * in + i] * silu;
        }
    }
}
""",
            array="static const double {}[] = {{{}}};",
            begin="\nvoid {name}(const double *h0, double *y)\n{{",
            zeros="    double z{n}[{out}] = {{0.0}};",
            splines="    splines(h{m}, z{n}, {in_}, {out}, {pieces}, {terms}, "
            "KNOTS_{n}, CENTRES_{n}, COEF_{n}, WEIGHT_{n});",
            add="    z{n}[{j}] += {text};",
            node="h{m}[{i}]",
            subnode="z{n}[{j}]",
            nodes="    double h{n}[] = {{{list}}};",
            end="    for (int j = 0; j < {out}; j++) y[j] = h{n}[j];\n}}",
        ),
        "javascript": Loop(
            comment="// {}",
            head="""\
function splines(x, z, pieces, terms, knots, centres, coef, weight) {
  x.forEach((value, i) => {
    let k = 0;
    while (k < pieces - 1 && knots[i * (pieces - 1) + k] <= value) k++;
    const past = value - centres[i * pieces + k];
    const silu = 0.5 * value * (1 + Math.tanh(0.5 * value));
    for (let j = 0; j < z.length; j++) {
      const start = ((j * x.length + i) * pieces + k) * terms;
      let total = 0;
      for (let d = start; d < start + terms; d++) total = total * past + coef[d];
      z[j] += total + weight[j * x.length + i] * silu;
    }
  });
}
""",
            array="const {} = [{}];",
            begin="\nfunction {name}(h0) {{",
            zeros="  const z{n} = Array({out}).fill(0);",
            splines="  splines(h{m}, z{n}, {pieces}, {terms}, KNOTS_{n}, CENTRES_{n}, COEF_{n}, WEIGHT_{n});",
            add="  z{n}[{j}] += {text};",
            node="h{m}[{i}]",
            subnode="z{n}[{j}]",
            nodes="  const h{n} = [{list}];",
            end='  return h{n};\n}}\n\nif (typeof module !== "undefined") module.exports = {{ {name} }};',
        ),
        "julia": Loop(
            comment="# {}",
            head="""\
function splines!(x, z, pieces, terms, knots, centres, coef, weight)
    for i in eachindex(x)
        k = count(<=(x[i]), view(knots, (i - 1) * (pieces - 1) + 1:i * (pieces - 1)))
        past = x[i] - centres[(i - 1) * pieces + k + 1]
        silu = 0.5 * x[i] * (1 + tanh(0.5 * x[i]))
        for j in eachindex(z)
            start = (((j - 1) * length(x) + i - 1) * pieces + k) * terms
            total = 0.0
            for d in 1:terms
                total = total * past + coef[start + d]
            end
            z[j] += total + weight[(j - 1) * length(x) + i] * silu
        end
    end
end
""",
            array="const {} = [{}]",
            begin="\nfunction {name}(h0)",
            zeros="    z{n} = zeros({out})",
            splines="    splines!(h{m}, z{n}, {pieces}, {terms}, KNOTS_{n}, CENTRES_{n}, COEF_{n}, WEIGHT_{n})",
            add="    z{n}[{j}] += {text}",
            node="h{m}[{i}]",
            subnode="z{n}[{j}]",
            nodes="    h{n} = [{list}]",
            end="    return h{n}\nend",
            first=1,
        ),
        "rust": Loop(
            comment="// {}",
            head="""\
#[allow(clippy::too_many_arguments)]
fn splines(x: &[f64], z: &mut [f64], pieces: usize, terms: usize, knots: &[f64], centres: &[f64], coef: &[f64],
           weight: &[f64]) {
    for (i, value) in x.iter().enumerate() {
        let k = knots[i * (pieces - 1)..(i + 1) * (pieces - 1)].iter().filter(|knot| *knot <= value).count();
        let past = value - centres[i * pieces + k];
        let silu = 0.5 * value * (1.0 + (0.5 * value).tanh());
        for (j, sum) in z.iter_mut().enumerate() {
            let start = ((j * x.len() + i) * pieces + k) * terms;
            let total = coef[start..start + terms].iter().fold(0.0, |total, power| total * past + power);
            *sum += total + weight[j * x.len() + i] * silu;
        }
    }
}
""",
            array="static {}: &[f64] = &[{}];",
            begin="\npub fn {name}(h0: [f64; {inputs}]) -> [f64; {outputs}] {{",
            zeros="    let mut z{n} = [0.0_f64; {out}];",
            splines="    splines(&h{m}, &mut z{n}, {pieces}, {terms}, KNOTS_{n}, CENTRES_{n}, COEF_{n}, WEIGHT_{n});",
            add="    z{n}[{j}] += {text};",
            node="h{m}[{i}]",
            subnode="z{n}[{j}]",
            nodes="    let h{n} = [{list}];",
            end="    h{n}\n}}",
        ),
    }
)


def _looped(layers: Sequence[Written], language: str, name: str, names: Sequence[str], about: Sequence[str]) -> str:
    loop = LOOPS[language]
    tables, body, used = [], [], []
    for n, layer in enumerate(layers, 1):
        in_, out = len(names) if n == 1 else layers[n - 2].width.size, layer.width.subnodes
        body.append(loop.zeros.format(n=n, out=out))
        if layer.splines is not None:
            *_, pieces_, terms = layer.splines.coef.shape
            tables += [
                loop.array.format(f"{field.upper()}_{n}", ", ".join(map(repr, tensor.flatten().tolist())))
                for field, tensor in vars(layer.splines).items()
            ]
            body.append(loop.splines.format(n=n, m=n - 1, in_=in_, out=out, pieces=pieces_, terms=terms))
        nodes = [loop.node.format(m=n - 1, i=i + loop.first) for i in range(in_)]
        for j, term in layer.terms(nodes):
            printer = LANGUAGES[language].printer(term)
            text = print_with(printer, term, language)
            used += sorted(getattr(printer, "module_imports", ()))
            body.append(loop.add.format(n=n, j=j + loop.first, text=text))
        products = [
            " * ".join(loop.subnode.format(n=n, j=j + loop.first) for j in group) for group in layer.width.groups()
        ]
        body.append(loop.nodes.format(n=n, list=", ".join(products)))
    begin = loop.begin.format(name=name, inputs=len(names), outputs=layers[-1].width.size)
    end = loop.end.format(name=name, n=len(layers), out=layers[-1].width.size)
    needs = [f"import {module}" for module in sorted(set(used) - {"math", "numpy"})]
    return "\n".join([*map(loop.comment.format, about), *needs, loop.head, *tables, begin, *body, end, ""])


# --- languages of expressions ------------------------------------------------------------


def _nodes(layer: Written, language: str, names: Sequence[str], texts: Sequence[str], curve: Curve) -> list[str]:
    """Return each node of a layer as one expression of the nodes before (their names, and as they are written)."""
    sums: list[list[str]] = [[] for _ in range(layer.width.subnodes)]
    if (splines := layer.splines) is not None:
        for j, i in splines.coef.abs().sum((2, 3)).nonzero().tolist():
            sums[j].append(curve(splines.knots[i].tolist(), splines.centres[i].tolist(), splines.coef[j, i], texts[i]))
        for j, i in splines.weight.nonzero().tolist():
            sums[j].append(f"{_digits(float(splines.weight[j, i]) / 2)}*{texts[i]}*(1.0 + TANH(0.5*{texts[i]}))")
    for j, term in layer.terms(names):
        sums[j].append(f"({print_with(LANGUAGES[language].printer(term), term, language)})")
    written = [" + ".join(terms) or "0.0" for terms in sums]
    return [
        written[group[0]] if len(group) == 1 else "*".join(f"({written[j]})" for j in group)
        for group in layer.width.groups()
    ]


def _digits(value: float) -> str:
    return f"({value!r})" if value < 0 else repr(value)


def _query(layers: Sequence[Written], language: str, name: str, names: Sequence[str], about: Sequence[str]) -> str:
    """Write a query: one step for each layer, in which a curve is a choice between polynomials."""
    steps, before, source = [], list(names), "data"
    for n, layer in enumerate(layers, 1):
        texts = _nodes(layer, language, before, [quoted(each) for each in before], _cases)
        last = n == len(layers)
        after = [f"{name}_{n}_{j}" for j in range(1, len(texts) + 1)]
        if last:
            after = [name] if len(texts) == 1 else [f"{name}_{j}" for j in range(1, len(texts) + 1)]
        kept = "*" if n == 1 and not last else ", ".join(map(quoted, names)) if last else "*"
        columns = ",\n  ".join([kept, *(f"{text} AS {quoted(each)}" for text, each in zip(texts, after, strict=True))])
        steps.append(f"SELECT {columns}\nFROM {source}")
        before, source = after, f"{name}_{n}"
    *first, last_step = steps
    with_ = ",\n".join(f"{name}_{n} AS (\n{step}\n)" for n, step in enumerate(first, 1))
    head = [*(f"-- {line}" for line in about), "-- Put your table for data."]
    return "\n".join([*head, *([f"WITH {with_}"] if first else []), f"{last_step};", ""])


def _cases(knots: Sequence[float], centres: Sequence[float], coef: Tensor, x: str) -> str:
    polynomials = []
    for centre, (first, *rest) in zip(centres, coef.tolist(), strict=True):
        text = _digits(first)
        for power in rest:
            text = f"({text}*({x} - {_digits(centre)}) + {_digits(power)})"
        polynomials.append(text)
    choices = [f"WHEN {x} < {_digits(knot)} THEN {text}" for knot, text in zip(knots, polynomials, strict=False)]
    return f"CASE {' '.join(choices)} ELSE {polynomials[-1]} END"


LONGEST_CELL = 8192
"""Characters that a cell of a sheet can hold."""


def _sheet(layers: Sequence[Written], language: str, _: str, names: Sequence[str], about: Sequence[str]) -> str:
    """Write cells and their formulas, in which a curve looks its coefficients up in arrays."""
    cells = [f"{column(number)}2" for number in range(len(names))]
    place, lines = len(names), list(about)
    lines += [f"{cell}\tinput {each}" for cell, each in zip(cells, names, strict=True)]
    for layer in layers:
        texts = _nodes(layer, language, cells, cells, _lookups)
        cells = [f"{column(place + j)}2" for j in range(len(texts))]
        place += len(texts)
        for cell, text in zip(cells, texts, strict=True):
            if len(text) >= LONGEST_CELL:
                raise InputError(
                    f"expected nodes of less than {LONGEST_CELL} characters for a cell, got {len(text)}. "
                    "Prune the network, or use fewer intervals."
                )
            lines.append(f"{cell}\t={text}")
    return "\n".join([*lines, ""])


def _lookups(knots: Sequence[float], centres: Sequence[float], coef: Tensor, x: str) -> str:
    def looked_up(values: Sequence[float]) -> str:
        return f"LOOKUP({x},{starts},{{{','.join(f'{value:.15g}'.upper() for value in values)}}})"

    starts = "{" + ",".join(f"{value:.15g}".upper() for value in (-1e300, *knots)) + "}"
    first, *rest = coef.T.tolist()
    text = looked_up(first)
    for powers in rest:
        text = f"({text}*({x}-{looked_up(centres)})+{looked_up(powers)})"
    return text
