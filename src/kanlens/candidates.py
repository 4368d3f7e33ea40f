"""Fit one library function to one curve: which symbol could an edge be?"""

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from kanlens.data import Array, table
from kanlens.errors import InputError
from kanlens.functions import Function, choose
from kanlens.network import KAN, Edge

Library = Iterable[str] | Mapping[str, Function] | None

POINTS = 200
"""Points of a curve that the search for starts looks at; the last fit uses five times as many."""

GAIN = 1e-3
"""Share of what a fit leaves of the curve that a step has to save to count: all constants are fitted again later."""

IDLE = 3
"""Steps in a row that save less, after which a fit has arrived; two may fail until the damping is right."""


@dataclass(frozen=True)
class Candidate:
    r"""Hold a symbol for an edge: :math:`c\,f(a x + b) + d` and how well it fits the curve.

    `r2` is the weighted coefficient of determination, with weights that say how much the
    network's outputs feel the edge at each datum.
    """

    function: Function
    affine: tuple[float, float, float, float]
    r2: float

    @property
    def complexity(self) -> int:
        """Return how much a reader has to take in."""
        return self.function.complexity

    @property
    def constants(self) -> int:
        """Return the number of free constants."""
        return 4 - len(self.function.absorbed)


def as_library(library: Library) -> dict[str, Function]:
    """Return functions by name from names, a mapping, or None for the whole library."""
    return dict(library) if isinstance(library, Mapping) else choose(library)


def suggest(model: KAN, x: Array, edge: Edge, *, library: Library = None, top: int = 5) -> list[Candidate]:
    """Return the functions that fit the curve of an edge best, the best first.

    Parameters
    ----------
    model : KAN
    x : Tensor or array
        Inputs `(rows, in)`.
    edge : Edge
        `(layer, out, in)`.
    library : names or mapping, optional
        Which functions to try; all by default.
    top : int
        How many to return.

    Raises
    ------
    InputError
        If the network has no such edge.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 200)[:, None]
    >>> model = KAN([1, 1], residual="zero")
    >>> from kanlens.training import fit
    >>> history = fit(model, x, torch.sin(3 * x))
    >>> suggest(model, x, Edge(0, 0, 0), library=["x", "x^2", "sin"])[0].function.name
    'sin'
    """
    work, points = _double(model, x)
    if edge not in set(work.live()):
        raise InputError(f"expected an edge (layer, out, in) of the network, got {tuple(edge)}. See model.live().")
    curve = curves(work, points)[edge]
    found = [match(function, curve) for function in as_library(library).values()]
    return sorted(found, key=lambda c: (-round(c.r2, 9), c.complexity))[:top]


def _double(model: KAN, x: Array) -> tuple[KAN, Tensor]:
    return copy.deepcopy(model).double(), table(x, model.spec.widths[0].size, "inputs").to(model.device)


@dataclass(frozen=True)
class Curve:
    """Hold an edge's function at the data: `x`, `y` and how much the outputs feel it, each `(rows,)`."""

    x: Tensor
    y: Tensor
    weight: Tensor

    def is_constant(self) -> bool:
        """Tell whether the function has one value at all data, to round-off."""
        return float(self.y.std()) <= 1e-9 * float(self.y.abs().amax())


def curves(model: KAN, x: Tensor, edges: Iterable[Edge] | None = None) -> dict[Edge, Curve]:
    """Return the curves of some edges of a float64 network, by default of all live ones."""
    with torch.enable_grad():
        trace = model.trace(x)
        feel = [torch.zeros_like(edges) for edges in trace.edges]
        for output in trace.nodes[-1].unbind(1):
            grads = torch.autograd.grad(output.sum(), trace.edges, retain_graph=True, materialize_grads=True)
            feel = [total + grad.detach() ** 2 for total, grad in zip(feel, grads, strict=True)]
    result = {}
    for edge in model.live() if edges is None else edges:
        layer, out, in_ = edge
        points, values = trace.nodes[layer][:, in_].detach(), trace.edges[layer][:, out, in_].detach()
        weight = torch.nan_to_num(feel[layer][:, out, in_])
        result[edge] = Curve(points, values, weight / weight.mean().clamp_min(1e-300) + 1e-3)
    return result


def match(function: Function, curve: Curve) -> Candidate:
    """Return a function's best fit to a curve.

    The curve is put into [-1, 1] both ways, many pairs `(a, b)` are tried at once with `c` and `d` solved for,
    and the best few are polished by Levenberg-Marquardt in all free constants.
    """
    low, high = curve.x.amin(), curve.x.amax()
    centre, half = (low + high) / 2, ((high - low) / 2).clamp_min(1e-300)
    u = (curve.x - centre) / half
    middle = curve.y.mean()
    height = (curve.y - middle).abs().amax().clamp_min(1e-300)
    v = (curve.y - middle) / height
    few = _spread(u, POINTS)
    fitted, r2 = _solve(function, starts(function, u), u[few], v[few], curve.weight[few])
    best = r2.argsort(descending=True)[:4]
    if not math.isfinite(float(r2[best[0]])):
        return Candidate(function, (1.0, 0.0, 0.0, float(middle)), -math.inf)
    many = _spread(u, 5 * POINTS)
    fitted, r2 = _polish(function, fitted[best[r2[best].isfinite()]], u[many], v[many], curve.weight[many])
    a, b, c, d = fitted[int(r2.argmax())].tolist()
    affine = (
        a / float(half),
        b - a * float(centre) / float(half),
        c * float(height),
        d * float(height) + float(middle),
    )
    if "a" in function.absorbed or "b" in function.absorbed:
        affine = absorb(function, affine)
    return Candidate(function, affine, float(r2.max()))


def _spread(u: Tensor, count: int) -> Tensor:
    """Return the rows of at most `count` points, spread over the sorted ones."""
    order = u.argsort()
    return order[torch.linspace(0, len(u) - 1, min(count, len(u))).long()]


def starts(function: Function, u: Tensor) -> Tensor:
    """Return pairs `(a, b)` on the scale of `u` in [-1, 1], `(starts, 2)`."""
    if {"a", "b"} <= set(function.absorbed):
        return u.new_tensor([[1.0, 0.0]])
    near = torch.linspace(-1.25, 1.25, 41, dtype=u.dtype)
    if "a" in function.absorbed:
        far = 1 + torch.logspace(-4, 2, 40, dtype=u.dtype)
        b = torch.cat([near, far, -far])
        signs = [1.0, -1.0] if function.odd_sign else [1.0]
        return torch.cat([torch.stack([torch.full_like(b, sign), b], 1) for sign in signs]).to(u.device)
    size = torch.logspace(-1.3, 1.7, 31, dtype=u.dtype)
    a = size if _mirrored(function) else torch.cat([size, -size])
    if "b" in function.absorbed:
        return torch.stack([a, torch.zeros_like(a)], 1).to(u.device)
    phase = torch.linspace(-math.pi, math.pi, 13, dtype=u.dtype)
    a, shift = torch.cat(
        [torch.cartesian_prod(a, phase), torch.stack([(p := torch.cartesian_prod(a, near[::3]))[:, 0], p.prod(1)], 1)]
    ).unbind(1)
    return torch.stack([a, shift], 1).to(u.device)


def _mirrored(function: Function) -> bool:
    """Tell whether a function is even or odd, so that a negative `a` is a positive one with `-b`."""
    probe = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
    right, left = function.torch(probe), function.torch(-probe)
    return bool(torch.allclose(left, right) or torch.allclose(left, -right))


def _solve(function: Function, starts: Tensor, u: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return `(a, b, c, d)` with the best `c, d` for each `(a, b)`, and r2, NaN replaced by -inf."""
    a, b = starts.unbind(1)
    f = function.torch(a[:, None] * u + b[:, None])  # (starts, points)
    w = weight / weight.sum()
    mean_f, mean_y = f @ w, y @ w
    f, y = f - mean_f[:, None], y - mean_y
    ff, fy, yy = (f * f) @ w, f @ (w * y), (y * y) @ w
    c = fy / ff
    flat = ~((ff > 1e-18 * mean_f**2 + 1e-300) & torch.isfinite(fy) & torch.isfinite(ff))
    r2 = torch.where(flat, -math.inf, fy * fy / (ff * yy.clamp_min(1e-300)))
    return torch.stack([a, b, c, mean_y - c * mean_f], 1), torch.nan_to_num(r2, nan=-math.inf, neginf=-math.inf)


def _polish(function: Function, fitted: Tensor, u: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Improve several fits at once by damped Gauss-Newton steps in `(a, b)`, `c, d` solved for."""
    free = [k for k, letter in enumerate("ab") if letter not in function.absorbed]
    best, r2 = _solve(function, fitted[:, :2], u, y, weight)
    damping, idle = torch.full_like(r2, 1e-3), 0
    for _ in range(20 if free else 0):
        move = _gauss_newton(function, best, u, y, weight, damping)
        trial = best[:, :2].clone()
        trial[:, free] += move[:, free]
        fresh, reached = _solve(function, trial, u, y, weight)
        better = reached > r2
        gains = bool((1 - reached < (1 - GAIN) * (1 - r2)).any())
        best, r2 = torch.where(better[:, None], fresh, best), torch.where(better, reached, r2)
        damping = torch.where(better, damping / 5, damping * 10)
        idle = 0 if gains else idle + 1
        if bool((1 - r2).amin() < 1e-15) or idle == IDLE:
            break
    return best, r2


def _gauss_newton(function: Function, fitted: Tensor, u: Tensor, y: Tensor, weight: Tensor, damping: Tensor) -> Tensor:
    """Return steps in `(a, b, c, d)` for each fit, absorbed letters held, `(fits, 4)`."""
    a, b, c, d = (column[:, None] for column in fitted.unbind(1))
    argument = a * u + b
    f, steep = function.torch(argument), c * function.slope(argument)
    jacobian = torch.stack([steep * u, steep, f, torch.ones_like(f)], 2) * weight.sqrt()[:, None]
    held = [k for k, letter in enumerate("abcd") if letter in function.absorbed and letter in "ab"]
    jacobian[:, :, held] = 0
    jacobian = torch.nan_to_num(jacobian, posinf=0.0, neginf=0.0)
    residual = torch.nan_to_num((y - c * f - d) * weight.sqrt())
    normal = jacobian.mT @ jacobian
    diagonal = normal.diagonal(dim1=1, dim2=2)
    ridge = damping[:, None] * diagonal + 1e-12 * diagonal.amax(1, keepdim=True) + 1e-300
    move: Tensor = torch.linalg.solve(normal + torch.diag_embed(ridge), jacobian.mT @ residual[..., None])
    return move[..., 0]


def absorb(function: Function, affine: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Bring the absorbed ones of `a, b` to 1 (or -1 where the sign matters) and 0, by `c` and `d`."""
    a, b, c, d = affine
    scale, shift = 1.0, b
    if "a" in function.absorbed:
        unit = math.copysign(1.0, a) if function.odd_sign else 1.0
        scale, shift, a, b = a / unit, 0.0, unit, b / a * unit
    if "b" in function.absorbed:
        shift, b = scale * b, 0.0
    # the function absorbs what f(scale z + shift) = p f(z) + q makes up for
    probe = torch.linspace(0.3, 0.9, 7, dtype=torch.float64)
    plain, moved = function.torch(probe), function.torch(scale * probe + shift)
    if float((plain - plain[0]).abs().amax()) == 0:
        return a, b, c, d
    p = float((moved[-1] - moved[0]) / (plain[-1] - plain[0]))
    return a, b, c * p, d + c * float(moved[0] - p * plain[0])
