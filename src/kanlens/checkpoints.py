"""Keep a fit that is under way in a file, so that it can be killed and go on to the same bits."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kanlens.container import PathLike, damaged, read_container, write_container
from kanlens.errors import FileError, InputError

VERSION = 1
"""The version of the format; checkpoints of other versions are refused, because the code has changed too."""

State = dict[str, Any]
"""Numbers, texts, lists, dictionaries and tensors inside each other."""


@dataclass(frozen=True)
class Checkpoint:
    """Name the file in which a fit keeps its state, and how often.

    A fit that finds its own file there goes on where the file was written, to the same bits as if it had never
    stopped, on the same machine with the same number of threads. When it is done the file stays, and the same fit
    called again returns its result at once. Delete the file to train anew.

    Parameters
    ----------
    path : path
        The file.
    seconds : float
        Time between writes. At most so much work is lost.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from kanlens import KAN, fit
    >>> x = torch.rand(100, 1)
    >>> with TemporaryDirectory() as folder:
    ...     first = fit(KAN([1, 1]), x, x**2, checkpoint=Checkpoint(f"{folder}/run.safetensors"))
    ...     again = fit(KAN([1, 1]), x, x**2, checkpoint=Checkpoint(f"{folder}/run.safetensors"))
    >>> first.loss == again.loss
    True
    """

    path: PathLike
    seconds: float = 10.0

    def write(self, fingerprint: str, state: State) -> None:
        """Replace the file by a state."""
        tensors: dict[str, Tensor] = {}
        packed = _pack(state, tensors)
        record = {"format": "kanlens checkpoint", "version": VERSION, "fingerprint": fingerprint, "state": packed}
        write_container(Path(self.path), json.dumps(record), tensors)

    def read(self, fingerprint: str) -> State | None:
        """Return the state in the file, None if there is no file.

        Raises
        ------
        FileError
            If the file is damaged or no checkpoint of this version.
        InputError
            If it is the checkpoint of another fit.
        """
        if not Path(self.path).exists():
            return None
        text, tensors = read_container(Path(self.path))
        record = json.loads(text)
        if record.get("format") != "kanlens checkpoint" or record.get("version") != VERSION:
            raise FileError(f"expected a checkpoint of version {VERSION}, got another file at {self.path}. Delete it.")
        if record["fingerprint"] != fingerprint:
            raise InputError(
                f"expected the checkpoint of this fit at {self.path}, got that of other data, another network or other "
                "settings. Choose another path, or delete the file to train anew."
            )
        state: State = _unpack(record["state"], tensors)
        return state


def fingerprint(*parts: object) -> str:
    """Return a text that changes with any of the tensors or with the `repr` of any other part."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Tensor):
            digest.update(f"{part.dtype} {tuple(part.shape)}".encode())
            digest.update(part.detach().cpu().flatten().view(torch.uint8).numpy().data)
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()


def snapshot(model: nn.Module) -> State:
    """Return copies of a module's tensors, in the order in memory that they have.

    A state dict was rejected: it makes them contiguous, and sums over another order have other last bits.
    """
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def restore(model: nn.Module, state: State) -> None:
    """Give a module copies of a snapshot's tensors, in the order in memory that they have."""
    model.load_state_dict({name: tensor.clone() for name, tensor in state.items()}, assign=True)


def _pack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return a value with tensors replaced by their numbers and strides."""
    match value:
        case Tensor():
            name = str(len(tensors))
            tensors[name] = value
            return {"tensor": name, "stride": value.stride(), "device": str(value.device)}
        case dict():
            return {"items": [[key, _pack(item, tensors)] for key, item in value.items()]}
        case list() | tuple():
            return [_pack(item, tensors) for item in value]
    return value


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    match value:
        case {"tensor": name, "stride": stride, "device": device}:
            if name not in tensors:
                raise damaged(f"tensor {name}", "none")
            stored = tensors[name]
            return torch.empty_strided(stored.shape, stride, dtype=stored.dtype, device=device).copy_(stored)
        case {"items": items}:
            return {key: _unpack(item, tensors) for key, item in items}
        case list():
            return [_unpack(item, tensors) for item in value]
    return value
