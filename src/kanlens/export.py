"""Take a formula or a network elsewhere: source text in other languages, ONNX, torch's exported programs."""

import copy
import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from kanlens.container import write_atomically
from kanlens.errors import InputError, MissingPackageError
from kanlens.languages import write
from kanlens.network import KAN, multiply
from kanlens.networks import Written, write_network
from kanlens.pieces import Pieces

if TYPE_CHECKING:
    from sympy import Expr


def source(what: "KAN | Expr", language: str, *, name: str = "f", names: Sequence[str] | None = None) -> str:
    """Return a formula or a network as source text that needs nothing but its language.

    Splines are written as the polynomials that they are between their knots. How far the source is from the
    network, which is round-off, is measured and written on top.

    Parameters
    ----------
    what : sympy expression or KAN
        What :func:`kanlens.formula` gives, or any network.
    language : str
        `"python"`, `"numpy"`, `"c"`, `"julia"`, `"javascript"`, `"rust"`, `"excel"`, `"sql"`; for a
        formula also `"latex"`.
    name : str
        The name of the function, or of the column in a query.
    names : sequence of str, optional
        The inputs in order; by default a formula's variables, sorted, or `x_1, x_2, ...` for a network.

    Raises
    ------
    InputError
        If the names do not fit, or the language lacks a function.
    UnknownNameError
        If there is no such language.

    Examples
    --------
    >>> from kanlens import parse
    >>> print(source(parse("a**(3/2)"), "rust", name="period"))
    // A formula that kanlens found.
    <BLANKLINE>
    pub fn period(a: f64) -> f64 {
        a.powf((3_f64/2_f64))
    }
    <BLANKLINE>

    See Also
    --------
    kanlens.networks.write_network : how the function of a network is called in each language.
    """
    written = write_network if isinstance(what, KAN) else write
    return written(what, language, name=name, names=names)


def export_program(model: KAN) -> torch.export.ExportedProgram:
    """Return a network as torch's exported program, for batches of any size.

    It holds no Python: `torch.export.save` writes it, and AOTInductor compiles it for C++.

    Examples
    --------
    >>> model, x = KAN([2, 3, 1]), torch.rand(5, 2)
    >>> torch.allclose(export_program(model).module()(x), model(x))
    True
    """
    work = copy.deepcopy(model).eval()
    for parameter in work.parameters():  # `torch.export.save` asks for it
        parameter.data = parameter.data.contiguous()
    return torch.export.export(work, (_example(model),), dynamic_shapes=_any_batch())


def export_onnx(model: KAN, path: str | os.PathLike[str]) -> None:
    """Write a network as an ONNX file, for batches of any size: input `x (batch, in)`, output `y (batch, out)`.

    Splines are written as polynomials between their knots, because ONNX has no search in sorted numbers.

    Raises
    ------
    MissingPackageError
        If onnx and onnxscript are not installed: `pip install 'kanlens[onnx]'`.
    InputError
        If ONNX lacks a function of the network.
    """
    try:
        import onnxscript  # noqa: F401 - torch needs it, and says so less clearly
    except ImportError as error:
        raise MissingPackageError(
            "expected onnx and onnxscript, got neither. Run: pip install 'kanlens[onnx]'."
        ) from error
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells which packages of torch it does not find
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                Plain(model),
                (_example(model),),
                dynamo=True,
                dynamic_shapes=_any_batch(),
                input_names=["x"],
                output_names=["y"],
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise InputError(
            f"expected functions that ONNX has, got a network with others ({error}). "
            "Export the formula as source code instead."
        ) from error
    finally:
        logging.getLogger("torch.onnx").setLevel(level)
    assert program is not None
    write_atomically(Path(path), program.model_proto.SerializeToString())


def _example(model: KAN) -> Tensor:
    return torch.zeros(7, model.spec.widths[0].size, dtype=model.dtype, device=model.device)


def _any_batch() -> tuple[dict[int, torch.export.Dim]]:
    return ({0: torch.export.Dim("batch")},)


class Plain(nn.Module):
    """Compute a network by comparisons, powers and products alone, which every runtime has."""

    def __init__(self, model: KAN) -> None:
        super().__init__()
        self.written = Written.of(copy.deepcopy(model).double())
        tables = [nn.Identity() if w.splines is None else _Table(w.splines, model.dtype) for w in self.written]
        self.tables = nn.ModuleList(tables)
        self.symbols = nn.ModuleList(written.symbols.to(model.dtype) for written in self.written)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs `(batch, out)` at `x (batch, in)`."""
        for written, table, symbols in zip(self.written, self.tables, self.symbols, strict=True):
            terms = [table(x)] if written.splines is not None else []
            terms += [symbols(x)] if len(written.symbols) else []
            x = multiply(sum(terms[1:], terms[0]), written.width)
        return x


class _Table(nn.Module):
    """Compute :class:`Pieces` by a product of matrices: which piece, times powers, times coefficients."""

    def __init__(self, pieces: Pieces, dtype: torch.dtype) -> None:
        super().__init__()
        *_, self.pieces, self.terms = pieces.coef.shape
        for name, tensor in vars(pieces).items():
            self.register_buffer(name, tensor.to(dtype))

    def forward(self, x: Tensor) -> Tensor:
        knots, centres = self.get_buffer("knots"), self.get_buffer("centres")
        piece = (x[..., None] >= knots).sum(-1)  # (batch, in)
        chosen = (piece[..., None] == torch.arange(self.pieces, device=x.device)).to(x.dtype)
        centre = (chosen * centres).sum(-1)
        inside = torch.maximum(torch.minimum(x, knots[:, -1]), knots[:, 0]) - centre  # 0 outside: no power overflows
        powers = [torch.ones_like(x), x - centre, *(inside**power for power in range(2, self.terms))][: self.terms]
        values = chosen[..., None] * torch.stack(powers[::-1], -1)[:, :, None]  # (batch, in, pieces, terms)
        y = values.flatten(1) @ self.get_buffer("coef").flatten(1).T
        return y + nn.functional.silu(x) @ self.get_buffer("weight").T
