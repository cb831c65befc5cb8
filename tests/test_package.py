"""The public surface, the import, and how cost grows."""

import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import eulerian_mfc as emfc

from .conftest import ROOT, toy_line


def test_public_names_are_pinned():
    assert set(emfc.__all__) == {
        "CartesianMesh", "SimplexMesh", "Certificate", "Checkpoint", "FreeHorizon", "Stepwise",
        "LayerMap", "OptimalitySystem", "ParticleSystem", "Problem", "Solution",
        "__version__", "constraints", "continuation", "continuity", "controllability", "errors", "export", "fields", "flow",
        "laws", "losses", "meshes", "multistart", "schemes", "solve", "solvers", "studies", "transport",
    }  # fmt: skip
    assert all(hasattr(emfc, name) for name in emfc.__all__)


@pytest.mark.alone
def test_import_is_lean():
    """At most 1.5 x `import scipy.optimize, numba`, which it contains: both timed in one process, so that a machine that
    slows down between two processes does not count; the median of nine (it is known once five are on one side). Nothing
    heavy is loaded.
    """
    script = """
from time import process_time
start = process_time()
import scipy.optimize, numba
theirs = process_time()
import eulerian_mfc
print(theirs - start, process_time() - start)
"""

    def seconds():
        out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return [float(word) for word in out.stdout.split()]

    seconds()
    ratios = []
    while sum(r <= 1.5 for r in ratios) < 5:
        theirs, ours = seconds()
        ratios.append(ours / theirs)
        assert sum(r > 1.5 for r in ratios) < 5, ratios
    heavy = (
        "pyvista",
        "matplotlib",
        "skfem",
        "meshio",
        "h5py",
        "click",
        "rich",
        "dask",
        "ot",
        "threadpoolctl",
        "sklearn",
        "torch",
        "onnx",
        "sympy",
    )
    code = f"import sys, eulerian_mfc; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


@pytest.mark.alone
@pytest.mark.parametrize(
    ("what", "small", "large"), [("cells", (64, 64, 8), (256, 64, 8)), ("layers", (96, 96, 8), (96, 96, 32))]
)
def test_work_and_memory_grow_linearly(what, small, large):
    """Four times the cells, or the layers: at most 4.8 times the memory and 6 times the time of a gradient (noise)."""

    def measure(shape):
        *cells, layers = shape
        problem = emfc.Problem(
            emfc.fields.NeuralField(2),
            emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1, -1], [1, 1]], 0.2), [[-2.0, -2.0], [2.0, 2.0]]),
            emfc.losses.SquaredLoss(),
            0.2,
            1.0,
        )
        system = emfc.OptimalitySystem(
            problem, emfc.CartesianMesh([(-4, 4)] * 2, cells), layers, transport=emfc.transport.SemiLagrangian(3)
        )
        control = np.full((layers, 6), 0.3)
        system.cost_and_gradient(control)
        best = np.inf
        for _ in range(5):
            start = time.perf_counter()
            system.cost_and_gradient(control)
            best = min(best, time.perf_counter() - start)
        tracemalloc.start()
        system.cost_and_gradient(control)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return best, peak

    (time_small, peak_small), (time_large, peak_large) = measure(small), measure(large)
    assert peak_large <= 4.8 * peak_small
    assert time_large <= 6.0 * time_small


def test_no_python_objects_per_cell():
    """The number of Python calls of a gradient depends on blocks, not on cells."""

    def calls(cells):
        system = emfc.OptimalitySystem(toy_line(), emfc.CartesianMesh([(-8, 8)], cells), 4)
        count = 0

        def trace(frame, event, argument):
            nonlocal count
            count += 1

        system.cost_and_gradient(0.1)
        sys.setprofile(trace)
        system.cost_and_gradient(0.1)
        sys.setprofile(None)
        return count

    assert calls(8000) == calls(1000)


@pytest.mark.alone
def test_cold_start_takes_at_most_a_minute(tmp_path):
    """A fresh kernel cache: import, compile and solve the first script of the design.

    On a fresh clone the kernels are kept for the other tests, so that these do not compile them again.
    """
    code = (
        "from tests.conftest import toy_line, toy_mesh; import eulerian_mfc as emfc;"
        "assert emfc.solve(toy_line(), toy_mesh(), layers=20).converged"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=ROOT)
    assert time.perf_counter() - start <= 60
    indices = list(tmp_path.rglob("*.nbi"))
    assert indices  # the kernels are cached for the next start
    for index in indices:
        place = Path(os.environ["NUMBA_CACHE_DIR"]) / index.parent.relative_to(tmp_path)
        if not (place / index.name).exists():
            place.mkdir(parents=True, exist_ok=True)
            for file in index.parent.glob(f"{index.stem}.*"):
                shutil.copy(file, place)
