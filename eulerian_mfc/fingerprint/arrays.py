"""Containers and arrays, by their content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from .pickled import write_attributes, write_reduced
from .writer import UntoldError, Writer


def write_list(writer: Writer, value: list[object]) -> None:
    write_items(writer, "list", value)


def write_items(writer: Writer, tag: str, value: Sequence[object]) -> None:
    writer.put(tag, b"%d" % len(value))
    for k, item in enumerate(value):
        try:
            writer.write(item)
        except UntoldError as error:
            error.path.append(str(k))
            raise


def write_dict(writer: Writer, value: Mapping[object, object]) -> None:
    """Write a dictionary in its order, since functions may depend on the order."""
    writer.put("dict", b"%d" % len(value))
    for key, item in value.items():
        writer.write(key)
        writer.under(str(key) if type(key) in (str, int) else "...", item)


def write_set(writer: Writer, value: AbstractSet[object]) -> None:
    writer.put(type(value).__name__, b"".join(sorted(writer.part(item) for item in value)))


def write_array(writer: Writer, value: np.ndarray) -> None:
    write_dtype(writer, value.dtype)
    order = "C" if value.flags.c_contiguous else "F" if value.flags.f_contiguous else str(value.strides)
    writer.put("array", f"{value.shape}{order}".encode())
    if value.dtype.names is not None:  # field by field: the bytes between fields are arbitrary
        for name in value.dtype.names:
            writer.under(name, value[name])
    elif value.dtype.hasobject or value.dtype.kind == "T":
        writer.write(tuple(value.ravel().tolist()))
    else:
        data = value if value.flags.c_contiguous else np.ascontiguousarray(value)
        writer.put("bytes", str(data.nbytes).encode())
        writer.hash.update(data.reshape(-1).view(np.uint8).data if data.nbytes else b"")


def write_dtype(writer: Writer, dtype: np.dtype[Any]) -> None:
    if type(dtype).__module__.startswith("numpy") and dtype.names is None and dtype.metadata is None:
        writer.put("dtype", (dtype.str if dtype.kind != "T" else repr(dtype)).encode())
        writer.put("type", dtype.type.__name__.encode())  # the types of other packages may have equal type strings
    else:
        write_reduced(writer, dtype)


def write_array_of_a_class(writer: Writer, value: np.ndarray) -> None:
    """Write a masked array, a matrix or a user's class of arrays: the class, the array and its attributes."""
    writer.write(type(value))
    write_array(writer, np.ndarray.view(value, np.ndarray))
    if not isinstance(value, np.memmap):  # a memmap has its file in its attributes
        write_attributes(writer, value)
