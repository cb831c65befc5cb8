"""Arrays in untrusted files: the size that a file claims for an array is checked before memory is allocated for it.

A few bytes of a file can claim an array of any size: by a shape without values, by compression inside compression, by values in
other files. The arrays that are read here are not larger than the bytes of the file allow, and their values are in that file.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from .._validate import machine_memory
from ..errors import FileFormatError

#: a file, a dataset or an attribute of h5py, which has no types
Stored: TypeAlias = Any

#: largest factor of compression by `gzip`, rounded up; its documentation says 1032
MOST = 1040
#: kinds of numbers that arrays may have: floats, signed and unsigned integers, booleans
NUMBERS = "fiub"
GZIP = 1  # HDF5's number of that filter


def dataset_at(file: Stored, path: str) -> Stored:
    """The dataset of an HDF5 file at a path, or None if there is nothing.

    Raises
    ------
    FileFormatError
        For links to other files or to another place in this file, and for things that are not datasets.
    """
    import h5py

    item = file
    for name in path.split("/"):
        link = item.get(name, getlink=True) if isinstance(item, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise FileFormatError(f"{path} is a link to another place: the file was altered")
        item = item[name]
    if not isinstance(item, h5py.Dataset):
        raise FileFormatError(f"{path} is not a dataset: the file was altered")
    return item


def check_values(dataset: Stored, path: str, size: int) -> None:
    """Raises FileFormatError unless a dataset claims numbers, and as many as its file of `size` bytes can hold."""
    settings = dataset.id.get_create_plist()
    filters = [settings.get_filter(k)[0] for k in range(settings.get_nfilters())]
    stored, claimed = dataset.id.get_storage_size(), nbytes(dataset)
    if dataset.dtype.kind not in NUMBERS or dataset.dtype.itemsize > 8:
        raise FileFormatError(
            f"{path} holds {dataset.dtype}, expected floats, integers or booleans: the file was altered"
        )
    if dataset.is_virtual or settings.get_external_count():
        raise FileFormatError(f"the values of {path} are in another file: the file was altered")
    if filters not in ([], [GZIP]) or (dataset.chunks is None and filters):
        raise FileFormatError(f"{path} has the filters {filters}, expected gzip or no filter: the file was altered")
    if stored > size or claimed > stored * (MOST if filters else 1):
        raise FileFormatError(
            f"{path} announces {claimed:,} bytes but has {stored:,}, in a file of {size:,} bytes: its values "
            "are not in the file"
        )


def nbytes(dataset: Stored) -> int:
    """Bytes of a dataset's values in memory."""
    return math.prod(dataset.shape or ()) * int(dataset.dtype.itemsize)


def check_memory(needed: int) -> None:
    """Raises FileFormatError if the arrays of a file, of `needed` bytes, do not fit into the machine's memory."""
    if needed > machine_memory():
        raise FileFormatError(
            f"its arrays take {needed / 2**30:,.1f} GiB, more than this machine's memory of "
            f"{machine_memory() / 2**30:,.1f} GiB: read the file on a larger machine"
        )


def values(dataset: Stored, path: str, size: int) -> np.ndarray:
    """The values of a dataset that passed `check_values`; besides them, memory for only one piece is needed.

    Raises
    ------
    FileFormatError
        If a piece is missing, or does not have the size that it claims.
    """
    if dataset.chunks is None:
        return np.asarray(dataset[()])
    out = np.empty(dataset.shape, dataset.dtype)
    for piece in dataset.iter_chunks():
        out[piece] = _chunk(dataset, path, tuple(p.start for p in piece), size)[
            tuple(slice(p.stop - p.start) for p in piece)
        ]
    return out


def _chunk(dataset: Stored, path: str, start: tuple[int, ...], size: int) -> np.ndarray:
    """One piece of a dataset, read as it is stored and decompressed here: HDF5 would decompress it to any length."""
    wanted = math.prod(dataset.chunks) * int(dataset.dtype.itemsize)
    found = dataset.id.get_chunk_info_by_coord(start)
    if not 0 < found.size <= size or wanted > MOST * found.size:
        raise FileFormatError(f"{path} has no values at {start}: the file is incomplete")
    skipped, data = dataset.id.read_direct_chunk(start)
    if dataset.compression and not skipped:
        machine = zlib.decompressobj()
        data = machine.decompress(data, wanted + 1)
    if len(data) != wanted:
        raise FileFormatError(
            f"{path} has at least {len(data):,} bytes at {start}, expected {wanted:,}: the file was altered"
        )
    return np.frombuffer(data, dataset.dtype).reshape(dataset.chunks)


def text(dataset: Stored, path: str, opened: BinaryIO, size: int) -> bytes:
    """The text in a dataset of an HDF5 file of `size` bytes; `opened` is the same file, opened as bytes.

    Raises
    ------
    FileFormatError
        If the dataset is not one text, or if the text claims to be longer than the file. (HDF5 would allocate that length before
        reading, so that the length is read from the bytes here.)
    """
    import h5py

    if dataset is None:
        raise FileFormatError(f"{path} is missing: the file was altered")
    kind, place = h5py.check_string_dtype(dataset.dtype), dataset.id.get_offset()
    settings = dataset.id.get_create_plist()
    if dataset.shape != () or kind is None or kind.length is not None or place is None or settings.get_external_count():
        raise FileFormatError(f"{path} is not a text: the file was altered")
    opened.seek(place)
    length = int.from_bytes(opened.read(4), "little")
    if length > size:
        raise FileFormatError(
            f"{path} announces {length:,} bytes, in a file of {size:,} bytes: its text is not in the file"
        )
    return bytes(dataset[()])


def number(file: Stored, name: str) -> Stored:
    """The integer in an attribute of an HDF5 file, or None if there is no such integer."""
    found = file.attrs.get_id(name) if name in file.attrs else None
    return int(file.attrs[name]) if found is not None and found.shape == () and found.dtype.kind in "iu" else None


def archive(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of an uncompressed `.npz` file, as `numpy.savez` writes it.

    Raises
    ------
    ValueError
        If the file is compressed or of another kind, or if an array does not have as many bytes as it claims.
    zipfile.BadZipFile
        If it is damaged.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        found = file.infolist()
        if any(m.compress_type != zipfile.ZIP_STORED for m in found) or sum(m.file_size for m in found) > len(data):
            raise ValueError("the file is compressed, or its arrays announce more bytes than the file has")
        return {m.filename.removesuffix(".npy"): _array(file.read(m)) for m in found}


def _array(data: bytes) -> np.ndarray:
    """The array of an `.npy` file."""
    stream = io.BytesIO(data)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(stream)
    if version not in readers:
        raise ValueError(f"an array of NumPy's format {version}, expected (1, 0) or (2, 0)")
    shape, _, dtype = readers[version](stream)
    claimed, there = math.prod(shape) * dtype.itemsize, len(data) - stream.tell()
    if dtype.hasobject or not dtype.itemsize or claimed != there:
        raise ValueError(f"an array of {dtype} announces {claimed:,} bytes but has {there:,}")
    stream.seek(0)
    return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
