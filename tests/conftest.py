"""Problems and helpers that several tests share."""

import hashlib
import importlib.util
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
# Numba looks at the file of a kernel only, not at those of what it calls: a broken helper would go unnoticed.
SOURCES = hashlib.sha256(b"".join(p.read_bytes() for p in sorted((ROOT / "eulerian_mfc").rglob("*.py")))).hexdigest()
os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".pytest_cache" / "kernels" / SOURCES[:12]))

import eulerian_mfc as emfc  # noqa: E402

REFERENCE = json.loads(Path(__file__).with_name("reference.json").read_text())
#: optima in continuous time, with the control at t = 0, 1/4, 1/2, 3/4, 1; two resolutions agree to 1e-12 in J, 1e-6 in theta
CONTINUOUS = REFERENCE.pop("continuous")


def script(name):
    """A script of the docs as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def change_of_basis(source, target):
    """`(k + 1, k + 1)`: the matrix from coefficients in one basis of polynomials to those of another of the same degree k."""
    s = np.linspace(0.0, 1.0, source.degree + 1)
    return np.linalg.solve(target(s), source(s))


def toy_line(bias=False, **changes):
    return emfc.Problem(
        field=emfc.fields.NeuralField(dim=1, activation="tanh", bias=bias),
        law=emfc.laws.Labelled(emfc.laws.Gaussian(mean=[0.0], std=1.0), label=np.sign, breaks=[0.0]),
        **{"loss": emfc.losses.SquaredLoss(), "penalty": 1.0, "horizon": 1.0, **changes},
    )


def truncated(penalty):
    """The source's toy example on points near 0."""
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0, truncation=0.2), np.sign, breaks=[0.0])
    return emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, emfc.losses.SquaredLoss(), penalty, 1.0)


def toy_mesh(cells=160):
    return emfc.CartesianMesh([(-8.0, 8.0)], cells)


PVPYTHON = """
import json, sys
from paraview.simple import OpenDataFile
reader = OpenDataFile(sys.argv[1])
reader.UpdatePipelineInformation()
out = {"times": list(reader.TimestepValues)}
reader.UpdatePipeline(out["times"][-1])
info = reader.GetDataInformation()
out |= {"bounds": list(info.GetBounds()), "cells": info.GetNumberOfCells(), "points": info.GetNumberOfPoints()}
for name, data in (("ranges", info.GetCellDataInformation()), ("point_ranges", info.GetPointDataInformation())):
    arrays = [data.GetArrayInformation(i) for i in range(data.GetNumberOfArrays())]
    out[name] = {a.GetName(): [*a.GetComponentRange(0), a.GetNumberOfComponents()] for a in arrays}
print("RESULT" + json.dumps(out))
"""


def paraview_sees(collection):
    """What ParaView itself reports of a `.pvd` file at its last time, by its Python."""
    script = collection.with_name("look.py")
    script.write_text(PVPYTHON)
    command = ["pvpython", str(script), str(collection)]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    return json.loads(text.split("RESULT")[1])


def pytest_collection_modifyitems(items):
    """The cold start comes first: on a fresh clone the kernels that it compiles serve all other tests."""
    items.sort(key=lambda item: item.name != "test_cold_start_takes_at_most_a_minute")


def pytest_sessionfinish(session, exitstatus):
    """A selection of files may hold no test that must run alone, or only such: that is no failure."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.option.markexpr:
        session.exitstatus = pytest.ExitCode.OK


@pytest.fixture(scope="session")
def toy_solution():
    """The toy line, solved once."""
    return emfc.solve(toy_line(), toy_mesh(), layers=20)
