"""Keep numbers in files: tensors and one text, written completely or not at all, with a checksum."""

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from kanlens.errors import FileError

PathLike = str | os.PathLike[str]


def write_container(path: Path, text: str, tensors: Mapping[str, Tensor]) -> None:
    """Write a file in the safetensors format whose metadata hold a text and a checksum over all."""
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    entries = {"header": text, "sha256": _checksum(text, own)}
    write_atomically(path, safetensors.torch.save(own, entries))


def read_container(path: Path) -> tuple[str, dict[str, Tensor]]:
    """Return the text and the tensors of a file.

    Raises
    ------
    FileError
        If the file is of another kind, or its contents do not fit their checksum.
    """
    data = path.read_bytes()
    try:
        tensors = safetensors.torch.load(data)
        entries = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
        text, checksum = entries["header"], entries["sha256"]
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, RecursionError) as error:
        raise FileError(
            f"expected a file that kanlens wrote, got {path} ({type(error).__name__}: {error}). "
            "It is damaged or of another kind: write it again."
        ) from error
    if checksum != _checksum(text, tensors):
        raise damaged("contents that fit their checksum", "others")
    return text, tensors


def damaged(wanted: object, got: object) -> FileError:
    """Return the error about contents that cannot have been written so."""
    return FileError(f"expected {wanted}, got {got}. The file is damaged: write it again.")


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that, whenever the machine stops, it is the old one or the new one."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")  # in the same folder, because a move is atomic there
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    if hasattr(os, "O_DIRECTORY"):  # where folders can be flushed, the move is on the disk too
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
