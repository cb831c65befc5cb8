"""Files from strangers: what they claim is checked before memory is taken for it; what cannot be read is not called damaged."""

import fcntl
import io
import json
import os
import resource
import zipfile
import zlib
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest
import skfem

import eulerian_mfc as emfc
from eulerian_mfc.errors import FileFormatError, StorageError
from eulerian_mfc.files.untrusted import archive
from eulerian_mfc.storage import journal_file as checkpoint
from eulerian_mfc.storage.solution_file import HEAD, head
from eulerian_mfc.studies.store import Store
from eulerian_mfc.studies.study import Study

from .conftest import toy_line, toy_mesh

MANY = 20_000_000


@contextmanager
def little_memory(more=300 * 2**20):
    """So many bytes more than the process has, and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A small solution: two layers, two labels, 24 cells."""
    path = tmp_path_factory.mktemp("good") / "good.h5"
    solution = emfc.solve(toy_line(), toy_mesh(24), 2)
    solution.save(path)
    return path


@pytest.fixture(scope="module")
def simplices(tmp_path_factory):
    """A solution on triangles with a named boundary."""
    mesh = skfem.MeshTri.init_tensor(np.linspace(-3, 3, 7), np.linspace(-3, 3, 7))
    mesh = emfc.SimplexMesh(mesh.with_boundaries({"left": lambda x: x[0] == -3}), walls=True)
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0, 0.0], 0.3), [[0.5, 0.0]])
    problem = emfc.Problem(emfc.fields.AffineField(2, matrix=False), law, emfc.losses.SquaredLoss(), 1.0, 1.0)
    path = tmp_path_factory.mktemp("simplices") / "good.h5"
    emfc.solve(problem, mesh, 2).save(path)
    return path


def altered(source, folder, change):
    """A copy of a solution file that `change` alters as an open HDF5 file, sealed again as anybody can."""
    path = folder / "altered.h5"
    path.write_bytes(source.read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    content = path.read_bytes()[HEAD:]
    path.write_bytes(head(content) + content)
    return path


def replaced(key, shape, **options):
    """`key` becomes an array that claims a shape, and of which nothing is stored."""

    def change(file):
        if key in file:
            del file[key]
        file.create_dataset(key, shape, options.pop("dtype", "f8"), **options)

    return change


def told(**values):
    """The metadata say other values."""

    def change(file):
        meta = json.loads(file["metadata"][()]) | values
        del file["metadata"]
        file["metadata"] = json.dumps(meta)

    return change


def both(*changes):
    def change(file):
        for each in changes:
            each(file)

    return change


@cache
def large():
    """Half a gigabyte, compressed."""
    return zlib.compress(bytes(2**29), 1)


def bomb(filters=1):
    """Masses of the right shape, whose one piece is half a gigabyte when it is decompressed."""

    def change(file):
        shape = file["masses"].shape
        del file["masses"]
        space, settings = h5py.h5s.create_simple(shape), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_chunk(shape)
        for _ in range(filters):
            settings.set_deflate(9)
        dataset = h5py.h5d.create(file.id, b"masses", h5py.h5t.IEEE_F64LE, space, settings)
        data = zlib.compress(large()) if filters > 1 else large()
        dataset.write_direct_chunk((0,) * len(shape), data)

    return change


def piece_missing(file):
    """Masses in two pieces, of which one is there."""
    values = file["masses"][()]
    del file["masses"]
    made = file.create_dataset("masses", values.shape, "f8", chunks=(2, *values.shape[1:]), compression="gzip")
    made[:2] = values[:2]


def elsewhere(file):
    shape = file["masses"].shape
    del file["masses"]
    file.create_dataset("masses", shape, "f8", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])


def virtual(file):
    shape = file["masses"].shape
    del file["masses"]
    layout = h5py.VirtualLayout(shape, "f8")
    layout[:] = h5py.VirtualSource("other.h5", "masses", shape)
    file.create_virtual_dataset("masses", layout)


def a_text_of(kind):
    def change(file):
        del file["metadata"]
        if kind == "fixed":
            file.create_dataset("metadata", (), h5py.string_dtype(length=10**9))
        else:
            file.create_dataset("metadata", (10**8,), h5py.string_dtype())

    return change


def nested(depth):
    def change(file):
        del file["metadata"]
        file["metadata"] = "[" * depth

    return change


def curves(**values):
    """The metadata say another control than one that is constant on two equal layers."""
    return told(control={"grid": 2, "degree": 0, "basis": "legendre", "levels": 2} | values)


CLAIMS = {
    "masses": (replaced("masses", (3, 2, MANY), compression="gzip"), "masses announces 960,000,000 bytes but has 0"),
    "masses, not compressed": (replaced("masses", (3, 2, MANY)), "masses announces 960,000,000 bytes but has 0"),
    "masses on a mesh that agrees": (
        both(
            replaced("masses", (3, 2, MANY), compression="gzip"),
            replaced("potentials", (3, 2, MANY), compression="gzip"),
            told(mesh={"type": "cartesian", "bounds": [[-8.0, 8.0]], "cells": [MANY]}),
        ),
        "masses announces 960,000,000 bytes but has 0",
    ),
    "history": (replaced("history", (MANY, 6), compression="gzip"), "history announces 960,000,000 bytes"),
    "paths": (replaced("paths/x", (3, MANY, 1), compression="gzip"), "paths/x announces 480,000,000 bytes"),
    "labels": (replaced("labels", (2, 4 * MANY), compression="gzip"), "labels announces 1,280,000,000 bytes"),
    "points of a mesh": (
        replaced("mesh/points", (4 * MANY, 1), compression="gzip"),
        "mesh/points announces 640,000,000",
    ),
    "shapes beyond all numbers": (
        replaced("total", (2**62, 2**62), chunks=(1, 1)),
        r"total announces 170,141,183,.* but has 0",
    ),
    "a piece that is larger inside": (bomb(), r"masses has at least 1,153 bytes at \(0, 0, 0\), expected 1,152"),
    "compression in compression": (bomb(filters=2), r"masses has the filters \[1, 1\], expected gzip or no filter"),
    "a piece that is missing": (piece_missing, r"masses has no values at \(2, 0, 0\)"),
    "values of a device": (elsewhere, "the values of masses are in another file"),
    "values of another file": (virtual, "the values of masses are in another file"),
    "a text of a gigabyte": (a_text_of("fixed"), "metadata is not a text"),
    "many texts": (a_text_of("many"), "metadata is not a text"),
    "lists in lists": (nested(10**6), "damaged or not a solution file: maximum recursion depth"),
    "complex numbers": (replaced("total", (2,), dtype="c16"), "total holds complex128, expected floats"),
    "many layers": (told(layers=10**12), r"control has shape \(2, 1\), expected \(1000000000000, 1\)"),
    "more layers of a grid": (curves(grid=10**6), "control: 1000000 layers, but the file says 2"),
    "many layers of a grid": (
        curves(grid=10**12),
        "control: got .*1000000000000.* in the file, expected a grid, a degree",
    ),
    "many levels in time": (curves(levels=10**9), "control: got .* expected a grid, a degree and a basis"),
    "a large degree": (curves(degree=10**9), "control: got .* expected a grid, a degree and a basis"),
    "a field of many parameters": (
        told(field={"type": "bottleneck", "dim": 1, "width": 10**9, "activation": "tanh"}),
        "the field has another dimension, or other parameters",
    ),
    "a field of many monomials": (
        told(field={"type": "polynomial", "dim": 1, "degree": 10**9}),
        "the field has another dimension, or other parameters",
    ),
    "a field of many dimensions": (
        told(field={"type": "polynomial", "dim": 10**9, "degree": 10**9}),
        "the field has another dimension, or other parameters",
    ),
    "names of boundaries that are none": (
        told(mesh={"type": "simplex", "boundaries": 10**9}),
        "mesh: got .* whose `boundaries` are a list",
    ),
    "a folder in the place of an array": (
        lambda file: (file.__delitem__("total"), file.create_group("total")),
        "total is not a dataset",
    ),
    "an array in the place of a folder": (
        lambda file: (file.__delitem__("paths"), file.create_dataset("paths", data=1.0)),
        "paths/x is missing",
    ),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_claims_of_a_solution_file_are_refused_before_memory_is_taken(good, tmp_path, case):
    change, reason = CLAIMS[case]
    path = altered(good, tmp_path, change)
    assert path.stat().st_size < 6 * 2**20
    with little_memory(), pytest.raises(FileFormatError, match=reason) as error:
        emfc.Solution.load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"degree": 1}, r"control has shape \(2, 1\), expected \(2, 2, 1\)"),
        ({"degree": -1}, "expected a grid, a degree and a basis"),
        ({"degree": 0.5}, "expected a grid, a degree and a basis"),
        ({"degree": True}, "expected a grid, a degree and a basis"),
        ({"degree": None}, "expected a grid, a degree and a basis"),
        ({"grid": [0.0, 0.5, 0.4, 1.0]}, "expected a grid, a degree and a basis"),
        ({"grid": [0.0, 0.5, 2.0]}, "expected a grid, a degree and a basis"),
        ({"grid": [0.0, 1.0]}, "control: 1 layers, but the file says 2"),
        ({"grid": 3}, "control: 3 layers, but the file says 2"),
        ({"grid": [0.0, "a", 1.0]}, "expected a grid, a degree and a basis"),
        ({"grid": [0.0, 10**400, 1.0]}, "expected a grid, a degree and a basis"),
        ({"grid": [0.0, float("nan"), 1.0]}, "expected a grid, a degree and a basis"),
        ({"grid": [[0.0, 0.5], [0.5, 1.0]]}, "expected a grid, a degree and a basis"),
        ({"grid": {"a": 1}}, "expected a grid, a degree and a basis"),
        ({"grid": True}, "expected a grid, a degree and a basis"),
        ({"basis": "monomials"}, "expected a grid, a degree and a basis"),
        ({"basis": ["legendre"]}, "expected a grid, a degree and a basis"),
        ({"levels": 1}, "expected a grid, a degree and a basis"),
        ({"levels": 3}, r"masses has shape \(3, 2, 24\), expected \(5, 2, 24\)"),
        ({"levels": True}, "expected a grid, a degree and a basis"),
    ],
)
def test_controls_that_are_told_otherwise_are_refused(good, tmp_path, values, reason):
    path = altered(good, tmp_path, curves(**values))
    with pytest.raises(FileFormatError, match=reason):
        emfc.Solution.load(path)


def test_a_control_that_is_not_a_table_is_refused(good, tmp_path):
    for value in ([], "legendre", 3, {}):
        with pytest.raises(FileFormatError, match="control: got"):
            emfc.Solution.load(altered(good, tmp_path, told(control=value)))


def test_files_without_a_degree_have_equal_layers_and_constant_controls(good, tmp_path):
    """Files of earlier versions."""

    def earlier(file):
        meta = json.loads(file["metadata"][()])
        del meta["control"], file["metadata"]
        file["metadata"] = json.dumps(meta)

    old = emfc.Solution.load(altered(good, tmp_path, earlier))
    assert old.times.tolist() == [0.0, 0.5, 1.0]
    assert old.control.shape == (2, 1)
    assert old.theta(0.7).tolist() == old.control[1].tolist()


def test_a_text_that_claims_a_length_is_refused(good, tmp_path):
    """Four bytes of the file say how long the metadata are; HDF5 takes the memory before it looks."""
    path = tmp_path / "altered.h5"
    with h5py.File(good) as file:
        place = file["metadata"].id.get_offset()
    data = bytearray(good.read_bytes())
    data[place : place + 4] = (2**32 - 2).to_bytes(4, "little")
    path.write_bytes(head(bytes(data[HEAD:])) + data[HEAD:])
    with little_memory(), pytest.raises(FileFormatError, match="metadata announces 4,294,967,294 bytes, in a file of"):
        emfc.Solution.load(path)


@pytest.mark.parametrize(
    ("key", "shape", "reason"),
    [
        ("mesh/cells", (4 * MANY, 3), "mesh/cells announces"),
        ("mesh/points", (4 * MANY, 2), "mesh/points announces"),
        ("mesh/boundary/0", (8 * MANY,), "mesh/boundary/0 announces"),
    ],
)
def test_claims_of_a_mesh_are_refused_before_memory_is_taken(simplices, tmp_path, key, shape, reason):
    assert emfc.Solution.load(simplices).mesh.skfem.boundaries["left"].size == 6
    path = altered(simplices, tmp_path, replaced(key, shape, compression="gzip"))
    with little_memory(), pytest.raises(FileFormatError, match=reason):
        emfc.Solution.load(path)


def test_arrays_that_are_there_and_do_not_fit_are_refused(good, tmp_path, monkeypatch):
    """All together against the machine's memory: here one of 5000 bytes."""
    solution = emfc.Solution.load(good)
    assert (
        solution.masses.nbytes + solution.potentials.nbytes + solution.paths.x.nbytes + solution.paths.y.nbytes > 5000
    )
    monkeypatch.setattr("eulerian_mfc.files.untrusted.machine_memory", lambda: 5000)
    with pytest.raises(FileFormatError, match=r"its arrays take 0\.0 GiB, more than this machine's memory"):
        emfc.Solution.load(good)


def test_what_is_no_part_of_a_solution_is_not_looked_at(good, tmp_path):
    """Rings of groups, groups of many ways, links to other files: the file is read as if they were not there."""

    def change(file):
        file["a/b/c/d"] = 1.0
        file["a/b/ring"] = file["a"]
        file["a/out"] = h5py.ExternalLink("/dev/zero", "/x")
        for k in range(300):
            file[f"ways/one/{k}"] = file["a"]
        for k in range(300):
            file[f"ways/two/{k}"] = file["ways/one"]

    path = altered(good, tmp_path, change)
    assert emfc.Solution.load(path).cost == emfc.Solution.load(good).cost


def test_compressed_arrays_are_read_as_hdf5_reads_them(tmp_path, toy_solution):
    """Pieces that do not divide the array, one that was not worth compressing, and a file of other pieces."""
    chance = np.random.default_rng(0)
    toy_solution.save(tmp_path / "toy.h5")
    wanted = chance.normal(size=toy_solution.masses.shape)

    def change(file):
        del file["masses"]
        made = file.create_dataset("masses", data=wanted, chunks=(4, 2, 33), compression="gzip")
        raw = np.zeros((4, 2, 33))
        raw[:] = wanted[4:8, :, 33:66]
        made.id.write_direct_chunk((4, 0, 33), raw.tobytes(), filter_mask=1)

    path = altered(tmp_path / "toy.h5", tmp_path, change)
    with h5py.File(path) as file:
        assert np.array_equal(file["masses"][()], wanted)
    assert np.array_equal(emfc.Solution.load(path).masses, wanted)


def npz(**members):
    """An archive of these files, `name=(bytes, how they are stored)`."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, (data, stored) in members.items():
            file.writestr(f"{name}.npy", data, stored)
    return out.getvalue()


def claiming(shape, dtype="<f8", data=b""):
    """The file of an array that claims a shape."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": dtype, "fortran_order": False, "shape": shape})
    return out.getvalue() + data


ARCHIVES = {
    "a shape": (npz(values=(claiming((10**10,)), zipfile.ZIP_STORED)), "announces 80,000,000,000 bytes but has 0"),
    "nothing, often": (npz(values=(claiming((10**12,), "|S0"), zipfile.ZIP_STORED)), "announces 0 bytes but has 0"),
    "objects": (npz(values=(claiming((1,), "|O", bytes(8)), zipfile.ZIP_STORED)), "an array of object"),
    "compression": (
        npz(values=(claiming((2**26,), "<f8", bytes(2**29)), zipfile.ZIP_DEFLATED)),
        "the file is compressed, or its arrays announce more bytes than the file has",
    ),
}


def checkpoint_file(path, run, body):
    line = checkpoint.encode(run, {}, {}).partition(b"\n")[0].rpartition(b" ")[0]
    text = json.dumps(json.loads(line) | {"bytes": len(body)}).encode()
    checksum = checkpoint.hashlib.sha256(text + body).hexdigest().encode()
    path.write_bytes(text + b" " + checksum + b"\n" + body)


@pytest.mark.parametrize("case", ARCHIVES)
def test_claims_of_checkpoints_and_stored_results_are_refused(tmp_path, case):
    data, reason = ARCHIVES[case]
    checkpoint_file(tmp_path / "c", "run", data)
    (tmp_path / "address.npz").write_bytes(data)
    with little_memory():
        with pytest.raises(ValueError, match=reason):
            archive(data)
        with pytest.raises(FileFormatError, match=rf"was altered: .*{reason}.*delete this file"):
            checkpoint.read(tmp_path / "c", "run")
        with pytest.raises(FileFormatError, match=rf"is damaged \(.*{reason}.*delete this file"):
            Store(tmp_path).get("address")


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": np.array([-3, 6])},
        {"sizes": np.array([2, 2])},
        {"keys": np.zeros(31, dtype=np.uint8)},
        {"values": np.zeros((3, 1))},
        {"errors": np.frombuffer(b"[" * 10**5, dtype=np.uint8)},
        {"errors": np.frombuffer(b"[1]", dtype=np.uint8)},
    ],
)
def test_checkpoints_that_do_not_fit_together_are_refused(tmp_path, change):
    whole = {
        "keys": np.zeros(32, dtype=np.uint8),
        "sizes": np.array([1, 2]),
        "values": np.zeros(3),
        "errors": np.zeros(0, np.uint8),
    }
    whole["keys"][0] = 1
    for members in (whole, whole | change):
        out = io.BytesIO()
        np.savez(out, **members)
        checkpoint_file(tmp_path / "c", "run", out.getvalue())
        if members is whole:
            assert [len(v) for v in checkpoint.read(tmp_path / "c", "run")[0].values()] == [1, 2]
        else:
            with pytest.raises(FileFormatError, match="was altered"):
                checkpoint.read(tmp_path / "c", "run")


def test_claims_of_a_network_are_refused(good, tmp_path):
    """A file of ONNX that says that it has a trillion layers."""
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "network.onnx"
    emfc.export.to_onnx(emfc.Solution.load(good), path)
    model = onnx.load(path)
    next(p for p in model.metadata_props if p.key == "layers").value = str(10**12)
    onnx.save(model, path)
    with (
        little_memory(),
        pytest.raises(FileFormatError, match=r"its metadata say 1000000000000 layers, but it has \d+ arrays"),
    ):
        emfc.export.control_from_onnx(path)


def test_a_solution_that_another_program_has_locked_is_read(good):
    """As HDFView, or a run that is being watched, holds it; the lock stays the other's."""
    with open(good, "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert emfc.Solution.load(good).layers == 2
        assert emfc.Solution.load(good, toy_line()).system is not None
        with open(good, "rb") as third, pytest.raises(BlockingIOError):
            fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_solution_on_a_file_system_without_locks_is_read(good, monkeypatch):
    """HDF5 asks for a lock wherever it opens a path itself: here it is refused as some network file systems refuse it."""
    opened = h5py.File.__init__

    def without_locks(self, name, *arguments, **options):
        if isinstance(name, str | os.PathLike) and options.get("driver") != "core":
            raise OSError(37, "No locks available")
        opened(self, name, *arguments, **options)

    monkeypatch.setattr(h5py.File, "__init__", without_locks)
    with pytest.raises(OSError, match="No locks available"):
        h5py.File(good)
    assert emfc.Solution.load(good).layers == 2


@pytest.mark.parametrize("load", ["solution", "study", "checkpoint", "result"])
@pytest.mark.parametrize("reason", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_what_cannot_be_read_is_not_called_damaged(good, tmp_path, monkeypatch, load, reason):
    """Rights and disks that fail: nobody is advised to delete the file."""
    path = {"solution": good, "result": tmp_path / "address.npz"}.get(load, tmp_path / "file")
    if load != "solution":
        path.write_bytes(b"x")

    def refuse(*arguments, **options):
        raise reason

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    monkeypatch.setattr("pathlib.Path.read_text", refuse)
    store = Store(tmp_path)
    calls = {
        "solution": lambda: emfc.Solution.load(path),
        "study": lambda: Study.load(path),
        "checkpoint": lambda: checkpoint.read(path, "run"),
        "result": lambda: store.get("address"),
    }
    with pytest.raises(StorageError, match=rf"cannot read .*{reason.strerror}") as error:
        calls[load]()
    assert "damaged" not in str(error.value)


def test_too_little_memory_is_not_called_damage(good, monkeypatch):
    def too_much(*arguments, **options):
        raise MemoryError("Unable to allocate")

    monkeypatch.setattr("eulerian_mfc.storage.solution_schema.values", too_much)
    with pytest.raises(MemoryError):
        emfc.Solution.load(good)
