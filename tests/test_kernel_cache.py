"""The cache of compiled kernels: it is used where it can be, and nothing fails where it cannot."""

import ast
import ctypes
import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numba
import pytest

from eulerian_mfc.errors import KernelCacheWarning
from eulerian_mfc.kernels import compiling as _compile

from .conftest import ROOT

# A kernel, and one behind a pointer.
MODULE = """
from eulerian_mfc.kernels.compiling import njit
from eulerian_mfc.kernels.pointers import COUNT, pointed

@njit(nogil=True)
def twice(n):
    return 2 * n

@pointed(COUNT)
def thrice(n):
    return 3 * n
"""


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """Define the two kernels anew and call them, as a fresh process does: how many of them came from the cache."""
    source = tmp_path / "kernels.py"
    source.write_text(MODULE)
    # Numba reads its environment again whenever it has changed.
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(_compile, "_told", set())

    def define():
        spec = importlib.util.spec_from_file_location("kernels", source)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "kernels", module)
        spec.loader.exec_module(module)
        assert (module.twice(7), module.thrice(7)) == (14, 21)
        return sum(module.twice.stats.cache_hits.values()) + module.thrice._compiled.cache_hits

    return define


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80\x04no pickle", "half"])
def test_damaged_files_of_the_cache_are_compiled_anew(kernels, tmp_path, ending, content):
    """Index files and kernels of no length, of other bytes, cut off: right values, and whole files for the next process."""
    assert [kernels(), kernels()] == [0, 2]
    files = sorted((tmp_path / "cache").rglob(f"*.{ending}"))
    assert len(files) == 2
    for path in files:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] if content == "half" else content)
    assert [kernels(), kernels()] == [0, 2]


def test_files_of_the_cache_that_may_not_be_read_are_compiled_anew(kernels, monkeypatch):
    """Those of another user: reading them fails as it does for folders that stand in their places."""
    kernels()
    for path in Path(numba.config.CACHE_DIR).rglob("*.nbi"):
        path.unlink()
        path.mkdir()
    with pytest.warns(KernelCacheWarning, match=r"they cannot be written to .*: Is a directory"):
        assert kernels() == 0


def test_a_full_disk_costs_the_cache_and_nothing_else(kernels, monkeypatch):
    """No file may have more than 300 bytes: the folder can be written to, and the kernels do not fit. One warning for both."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # Python itself would keep half of its byte code
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, before[1]))
    try:
        with pytest.warns(KernelCacheWarning, match=r"kernels are not stored.*File too large.*NUMBA_CACHE_DIR") as told:
            assert [kernels(), kernels()] == [0, 0]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(told) == 1


def test_warnings_of_the_compiler_are_not_taken_for_a_cache_that_fails(kernels, monkeypatch):
    """What Numba says of a kernel that cannot be kept is its own affair."""
    monkeypatch.setattr(
        _compile.FunctionCache, "_save_overload", lambda *_: warnings.warn("x", UserWarning, stacklevel=1)
    )
    with pytest.raises(UserWarning, match="x"):
        kernels()


# The package's own kernels: what they give, their hits of the cache, a small problem solved with them, the warnings, what
# `emfc info` says.
OWN = """
import json, warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    import numpy as np
    import eulerian_mfc
    from eulerian_mfc.storage.environment import information
    from eulerian_mfc.kernels import tanh as _tanh
    z = np.linspace(-3.0, 3.0, 7)
    _tanh.tanh(z)
    law = eulerian_mfc.laws.Labelled(eulerian_mfc.laws.Gaussian([0.0], 1.0), np.sign, breaks=[0.0])
    field, loss = eulerian_mfc.fields.NeuralField(1, bias=False), eulerian_mfc.losses.SquaredLoss()
    system = eulerian_mfc.ParticleSystem(eulerian_mfc.Problem(field, law, loss, 1.0, 1.0), 4)
    converged = eulerian_mfc.solvers.LBFGS().solve(system, 0.1).converged
print(json.dumps({
    "converged": converged,
    "right": bool(np.allclose(z, np.tanh(np.linspace(-3.0, 3.0, 7)), rtol=1e-15)),
    "hits": sum(_tanh.tanh.stats.cache_hits.values()), "cache": dict(information())["kernel cache"],
    "warnings": [str(w.message) for w in told], "categories": [w.category.__name__ for w in told],
}))
"""


def run(code, env, **options):
    """What a fresh process says, as JSON."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=clean | env, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_kernels_come_from_the_cache_in_a_second_process(tmp_path):
    env = {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = run(OWN, env), run(OWN, env)
    assert (first["hits"], second["hits"]) == (0, 1)
    assert first["cache"] == str(tmp_path)
    assert first["right"]
    assert second["right"]
    assert not first["warnings"] + second["warnings"]


def powerless():
    """Takes from a process of the superuser the right to write where its files' modes forbid it."""
    drop, override = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE
    assert ctypes.CDLL(None).prctl(drop, override, 0, 0, 0) == 0


@pytest.fixture(scope="module")
def nowhere():
    """What runs a process that may write nowhere: neither to the package, of which it has a copy, nor to its home."""
    if os.geteuid() == 0 and sys.platform != "linux":
        pytest.skip("the superuser may write everywhere")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "eulerian_mfc", folder / "eulerian_mfc", ignore=shutil.ignore_patterns("__pycache__"))
        inside = [folder, *folder.rglob("*")]
        for path in inside:
            path.chmod(0o555 if path.is_dir() else 0o444)
        env = {"PYTHONPATH": name, "HOME": "/proc/nope", "NUMBA_CACHE_DIR": "/proc/nope"}
        yield {"env": env, "cwd": folder} | ({"preexec_fn": powerless} if os.geteuid() == 0 else {})
        for path in inside:
            path.chmod(0o755)


def test_a_process_that_may_write_nowhere_is_told_once(nowhere):
    """Docker with `-u 1000`, web servers, Lambda: import, kernels and solvers work, with one warning that says what to do."""
    found = run(OWN, **nowhere)
    assert found["right"]
    assert found["converged"]
    assert found["hits"] == 0
    assert found["categories"] == ["KernelCacheWarning"]
    assert "NUMBA_CACHE_DIR to a folder in which you may write. The variable is '/proc/nope'" in found["warnings"][0]
    assert found["cache"].startswith("none: every process compiles the kernels again. Set")


def test_every_kernel_has_the_decorator_of_the_house():
    """Numba's own, with `cache=True`, ends the import where nothing can be kept."""
    sources = {p.name: p.read_text() for p in (ROOT / "eulerian_mfc").rglob("*.py")}
    assert sum("compiling import" in text for text in sources.values()) >= 10
    compilers = {"njit", "jit", "cfunc", "vectorize", "guvectorize"}
    for name, text in sources.items():
        if name == "compiling.py":
            continue
        assert "cache=True" not in text, name
        for node in ast.walk(ast.parse(text)):  # the code alone: docstrings may name Numba's decorators
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "numba":
                assert not compilers & {imported.name for imported in node.names}, name
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "numba":
                assert node.attr not in compilers, name


def test_without_the_compiler_one_sentence_says_so():
    """`NUMBA_DISABLE_JIT`: the import and `emfc info` work, and the first kernel is refused."""
    code = """
import json
import numpy as np, eulerian_mfc as emfc
from eulerian_mfc.storage.environment import information
from eulerian_mfc.kernels.pointers import COUNT, pointed
said = []
for use in (
    lambda: emfc.fields.NeuralField(1)(0.0, np.array([1.0, 0.0]), np.array([[0.5]])),
    lambda: pointed(COUNT)(lambda n: n).address,
):
    try:
        use()
    except emfc.errors.EulerianError as error:
        said.append(str(error))
print(json.dumps([said, dict(information())["kernel cache"]]))
"""
    said, cache = run(code, {"NUMBA_DISABLE_JIT": "1"})
    assert len(said) == 2
    assert all(
        "NUMBA_DISABLE_JIT is set, but the kernels of eulerian_mfc run only if they are compiled: unset this variable"
        in s
        for s in said
    )
    assert cache.startswith("none: the environment variable NUMBA_DISABLE_JIT is set")
