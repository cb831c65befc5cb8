"""Whatever the package writes: whole or as before, with the mode that there was, and links stay links."""

import ctypes
import os
import resource
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import eulerian_mfc as emfc
from eulerian_mfc.app import cli
from eulerian_mfc.app.control_tables import write_control
from eulerian_mfc.app.run_folder import RunFolder
from eulerian_mfc.app.run_record import Record
from eulerian_mfc.errors import StorageError
from eulerian_mfc.files import atomic as _files
from eulerian_mfc.storage.journal import Journal
from eulerian_mfc.studies import command
from eulerian_mfc.studies.store import Result, Store
from eulerian_mfc.studies.study import Study
from eulerian_mfc.studies.study_data import Column
from eulerian_mfc.views import animation as view
from eulerian_mfc.views import figures, report

from .conftest import toy_line, toy_mesh


@pytest.fixture(scope="module")
def solution():
    return emfc.solve(toy_line(), toy_mesh(24), 2)


def a_study():
    records = tuple({"h": 0.5**k, "cost": 1.0 + 0.25**k, "label": "x" * 500} for k in range(4))
    return Study("sweep", "A study", "h", (Column("h", "width"), Column("cost", "J")), records)


def journal(folder):
    made = Journal(folder / "checkpoint", 0.0, "run")
    made.value(os.urandom(8), lambda: np.zeros(500))


#: every writer of the package: (solution, folder) -> files in the folder
WRITERS = {
    "solution": lambda s, folder: s.save(folder / "solution.h5"),
    "vtk": lambda s, folder: s.to_vtk(folder),
    "report": lambda s, folder: report.write(s, folder, "A title"),
    "view": lambda s, folder: view.render(s, folder, stills=2),
    "film": lambda s, folder: view.render(s, folder, stills=1, mp4=True),
    "control": lambda s, folder: write_control(s, RunFolder(folder)),
    "onnx": lambda s, folder: emfc.export.to_onnx(s, folder / "network.onnx"),
    "record": lambda s, folder: Record("case.py", {}, "x" * 500).write(RunFolder(folder)),
    "new case": lambda s, folder: cli.new.callback(folder / "case.py"),
    "study": lambda s, folder: command.write(a_study(), folder),
    "result": lambda s, folder: Store(folder).put("address", Result({"a": 1.0}, {"b": np.zeros(500)})),
    "failure": lambda s, folder: Store(folder).put_failure("address", "label", "x" * 500),
    "checkpoint": lambda s, folder: journal(folder),
}
#: these refuse, or read, what is there
NEVER_OVER = ("new case", "checkpoint")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What is drawn is not the subject here."""
    monkeypatch.setattr(figures, "figures", lambda solution: {"density": Figure((1, 1)), "control": Figure((1, 1))})
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    monkeypatch.setattr(view, "_frame", lambda solution, n: noise)
    monkeypatch.setattr(Study, "plot", lambda study: Figure((1, 1)))


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@contextmanager
def largest_file(size):
    """No file may have more bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def umask(value):
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("name", [n for n in WRITERS if n not in NEVER_OVER])
def test_a_full_disk_leaves_the_files_of_before(name, solution, tmp_path):
    """The largest file does not fit: all of them are as they were, the ones that did fit too, and nothing is left beside them."""
    WRITERS[name](solution, tmp_path)
    sizes = [len(data) for data in contents(tmp_path).values()]
    assert max(sizes) > 50
    for path in tmp_path.iterdir():
        path.write_bytes(b"of before")
    before = contents(tmp_path)
    with (
        largest_file(max(sizes) - 1),
        pytest.raises(StorageError, match=r"cannot write .*File too large; the .* intact"),
    ):
        WRITERS[name](solution, tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", [n for n in WRITERS if n not in NEVER_OVER])
def test_an_interrupt_while_writing_leaves_the_files_of_before(name, solution, tmp_path, monkeypatch):
    """Control-C as the first file is about to take its place."""
    WRITERS[name](solution, tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(b"of before")
    before = contents(tmp_path)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        WRITERS[name](solution, tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", WRITERS)
def test_new_files_have_the_mode_that_the_umask_says(name, solution, tmp_path):
    for value, mode in ((0o077, 0o600), (0o002, 0o664)):
        folder = tmp_path / f"{value:o}"
        folder.mkdir()
        with umask(value):
            WRITERS[name](solution, folder)
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()}
        assert modes
        assert set(modes.values()) == {mode}, modes


@pytest.mark.parametrize("name", [n for n in WRITERS if n not in NEVER_OVER])
def test_modes_and_links_of_files_stay(name, solution, tmp_path):
    """Files of 0640 that are links to another folder are written there, and are links and 0640 afterwards."""
    target, folder = tmp_path / "target", tmp_path / "folder"
    target.mkdir()
    WRITERS[name](solution, target)
    folder.mkdir()
    wanted = contents(target)
    for path in target.iterdir():
        path.write_bytes(b"of before")
        path.chmod(0o640)
        (folder / path.name).symlink_to(os.path.join("..", "target", path.name))
    with umask(0o022):
        WRITERS[name](solution, folder)
    assert set(contents(target)) == set(contents(folder)) == set(wanted)
    for path in target.iterdir():
        assert path.read_bytes() != b"of before"
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert (folder / path.name).is_symlink()


def test_vtk_files_of_an_earlier_run_go_when_the_new_ones_are_there(solution, tmp_path):
    """Those with more layers, and of another kind of mesh; a failed run takes none away."""
    old = [
        tmp_path / name for name in ("solution_0077.vtu", "solution_0001.vti", "trajectories_0077.vtp", "spacetime.vtr")
    ]
    for path in old:
        path.write_bytes(b"of before")
    with largest_file(2000), pytest.raises(StorageError):
        solution.to_vtk(tmp_path)
    assert set(contents(tmp_path)) == {p.name for p in old}
    solution.to_vtk(tmp_path)
    assert not any(p.exists() for p in old)
    assert (tmp_path / "solution_0002.vtu").exists()


def test_a_link_to_a_file_that_is_not_there_yet_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "new" / "file")
    _files.write_whole(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "new" / "file").read_bytes() == b"x"


def test_links_in_a_ring_are_told(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(StorageError, match=r"cannot write .*a: Too many levels of symbolic links"):
        _files.write_whole(tmp_path / "a", b"x")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_pipes_and_devices_are_written_to_and_stay(tmp_path):
    """`study.to_csv("/dev/stdout")`: a file in the place of a device would be the end of it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        _files.write_whole(pipe, b"hello")
        assert os.read(reader, 100) == b"hello"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_folder_in_the_place_of_a_file_is_told_before_anything_is_written(tmp_path):
    (tmp_path / "b").mkdir()

    def write():
        with _files.together() as put:
            put(tmp_path / "a", b"x")
            put(tmp_path / "b", b"x")

    with pytest.raises(StorageError, match=r"cannot write .*b: Is a directory"):
        write()
    assert os.listdir(tmp_path) == ["b"]


@pytest.mark.parametrize("name", ["x" * 255, "\u00e4" * 127, "a[1]*?"])
def test_names_of_any_length_are_written_and_their_parts_are_found(tmp_path, name):
    """255 bytes are what file systems take; a killed process's part of a name with brackets is removed, others' are not."""
    path = tmp_path / name
    _files.write_whole(path, b"x")
    assert path.read_bytes() == b"x"
    mine = tmp_path / f"{_files._stem(path)}.01234567.part"
    others = tmp_path / "a1.01234567.part"
    mine.write_bytes(b"")
    others.write_bytes(b"")
    _files.remove_parts(path)
    assert sorted(os.listdir(tmp_path)) == sorted([name, others.name])


def without_rights(work):
    """Whether `work` succeeds in a child process that may not pass over modes, as the superuser may; its error where not."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.close(reading)
        said = b"done"
        try:
            if os.geteuid() == 0:
                library = ctypes.CDLL(None, use_errno=True)
                header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
                assert library.capset(header, (ctypes.c_uint32 * 6)()) == 0
            work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}".encode()
        os.write(writing, said)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


@pytest.mark.skipif(sys.platform != "linux", reason="takes rights from the superuser as Linux does")
def test_modes_that_forbid_writing_are_respected(tmp_path):
    """A write-protected file, and a folder that takes no files: both are told, and both are as before."""
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.write_bytes(b"of before")
    path.chmod(0o444)
    said = without_rights(lambda: _files.write_whole(path, b"new"))
    assert said.startswith("StorageError: cannot write")
    assert "the file is write-protected; the old file is intact" in said
    path.chmod(0o644)
    path.parent.chmod(0o555)
    said = without_rights(lambda: _files.write_whole(path, b"new"))
    path.parent.chmod(0o755)
    assert "Permission denied; the old file is intact" in said
    assert contents(path.parent) == {"file": b"of before"}
    assert without_rights(lambda: _files.write_whole(path, b"new")) == "done"
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser may give files to others")
def test_the_owner_and_group_of_a_file_stay(tmp_path):
    """`sudo emfc run` into a user's folder leaves the user's files the user's."""
    path = tmp_path / "file"
    path.write_bytes(b"of before")
    os.chown(path, 1234, 2345)
    path.chmod(0o640)
    _files.write_whole(path, b"new")
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 2345, 0o640)


def test_no_module_writes_files_in_another_way():
    """What opens a file for writing, renames it or saves to a path is in `files/atomic.py`; what is named writes to memory."""
    words = (
        "os.replace(",
        "os.open(",
        "os.rename",
        "write_text(",
        "write_bytes(",
        "savefig(",
        ".save(",
        "shutil",
        "mkstemp",
    )
    words += (".tofile(", "np.save(", "np.savetxt", '"w"', '"wb"', "NamedTemporaryFile")
    allowed = {
        "files/locks.py": ("os.open(path, os.O_CREAT | os.O_RDWR",),  # the lock of a claim
        "views/animation.py": (".save(content",),
        "views/report.py": ("savefig(buffer",),
        "app/run_case.py": ("solution.save(",),
        "solution.py": ("solution_file.save(",),
        "storage/solution_file.py": ('driver="core"',),
    }
    root = Path(emfc.__file__).parent
    for path in root.rglob("*.py"):
        name = path.relative_to(root).as_posix()
        for line in path.read_text().splitlines():
            if (
                name not in ("files/atomic.py", "meshes/files.py")
                and any(word in line for word in words)
                and "`" not in line
            ):
                assert any(part in line for part in allowed.get(name, ())), (name, line)


def test_nothing_is_left_of_the_exceptions_of_a_block(tmp_path):
    """The writer fails between two files."""
    with suppress(ZeroDivisionError), _files.together() as put:
        put(tmp_path / "a", b"x")
        assert len(os.listdir(tmp_path)) == 1
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []
