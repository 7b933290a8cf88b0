"""Reads a PyTorch checkpoint without PyTorch: a zip with one pickle, which names the tensors, and a file of numbers for each.

A pickle can call any function. This reader allows the three that describe tensors and refuses every other one.
"""

import io
import pickle
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from workers.graphs.errors import WeightsError
from workers.graphs.shapes import Floats

MOST_BYTES = 256 * 2**20  # of numbers; the largest published checkpoint has 9 MB
MOST_PICKLE = 2**20
WIDTHS = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4"}


class _Storage(NamedTuple):
    width: str
    key: str


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def learnt(file: Path) -> dict[str, Floats]:
    """The float tensors of a checkpoint by upstream's names. Raises WeightsError; OSError where it cannot be read."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = {each.filename: each.file_size for each in archive.infolist()}
            root = next((name[: -len("data.pkl")] for name in names if name.endswith("data.pkl")), None)
            if root is None:
                raise WeightsError(f"{file.name} is no checkpoint: it holds no data.pkl")
            if names[root + "data.pkl"] > MOST_PICKLE or sum(names.values()) > MOST_BYTES:
                raise WeightsError(f"{file.name} is too large for a checkpoint")
            if root + "byteorder" in names and archive.read(root + "byteorder") != b"little":
                raise WeightsError(f"{file.name} was written on a machine of the other byte order")
            records = _records(file.name, archive.read(root + "data.pkl"))
            if 4 * sum(prod(record.shape) for record in records.values()) > MOST_BYTES:  # many may name the same numbers
                raise WeightsError(f"{file.name} is too large for a checkpoint")
            return {name: _numbers(archive, root, names, record) for name, record in records.items()}
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError, LookupError, RuntimeError) as error:
        raise WeightsError(f"{file.name} is damaged or no checkpoint: {' '.join(str(error).split())}") from error


def _records(name: str, content: bytes) -> Mapping[str, _Tensor]:
    try:
        found = _Unpickler(io.BytesIO(content)).load()
    except WeightsError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise WeightsError(f"{name} is damaged: {' '.join(str(error).split()) or type(error).__name__}") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise WeightsError(f"{name} holds no tensors by name")
    return {key: value for key, value in found.items() if isinstance(value, _Tensor)}


class _Unpickler(pickle._Unpickler):
    """Python's own unpickler: the one in C allocates as much memory as a number in the file asks for."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuilt
        if module == "torch" and name in WIDTHS:
            return _Storage(WIDTHS[name], "")
        raise WeightsError(f"the checkpoint asks for {module}.{name}, which is no tensor; it is not run")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage, key, *_ = pid
        if kind != "storage" or not isinstance(storage, _Storage) or not isinstance(key, str):
            raise WeightsError("the checkpoint refers to something that is no storage")
        return _Storage(storage.width, key)


def _rebuilt(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or len(shape) != len(strides) or not all(type(each) is int and each >= 0 for each in numbers):
        raise WeightsError("the checkpoint holds a tensor of no shape")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _numbers(archive: zipfile.ZipFile, root: str, names: Mapping[str, int], record: _Tensor) -> Floats:
    """The tensor's numbers, laid in a row: upstream saves kernels with their channels last."""
    name, width = f"{root}data/{record.storage.key}", np.dtype(record.storage.width)
    held = names.get(name, 0) // width.itemsize
    last = record.offset + sum((size - 1) * stride for size, stride in zip(record.shape, record.strides, strict=True))
    if prod(record.shape) > held or last >= held or 0 in record.shape:
        raise WeightsError(f"the checkpoint lacks the numbers {record.storage.key[:40]}")
    numbers = np.frombuffer(archive.read(name), width, held)[record.offset :]
    strides = [stride * width.itemsize for stride in record.strides]
    return np.array(np.lib.stride_tricks.as_strided(numbers, record.shape, strides), np.float32)
