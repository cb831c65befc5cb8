"""Whatever is put in, what comes out is a valid certificate or an exception of the package: no crash, no hang, no silent NaN.

200 examples by default, 2,000 with the hypothesis profile of `tox -e nightly` (EMFC_FUZZ=2000), shared by the five tests.
"""

import json
import os
import random
import signal
import warnings
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import eulerian_mfc as emfc
from eulerian_mfc.errors import EulerianError, EulerianWarning, FileFormatError
from eulerian_mfc.storage.journal import Checkpoint
from eulerian_mfc.storage.solution_file import HEAD, head
from eulerian_mfc.studies.study_file import StudyFile

from .conftest import ROOT, toy_line, toy_mesh

EXAMPLES = int(os.environ.get("EMFC_FUZZ", "200"))
settings.register_profile(
    "fuzz",
    max_examples=EXAMPLES // 5,
    deadline=None,
    derandomize=EXAMPLES <= 200,  # the default suite tests the same examples every time
    suppress_health_check=list(HealthCheck),
    database=None,
)
FUZZ = settings.get_profile("fuzz")
# ruff: noqa: E501  lists of odd values
#: seconds after which an example counts as hanging
HANG = 120

ODD = st.sampled_from([
    None, True, False, 0, -1, 1, 2, 3, 10**30, 0.0, -0.0, 1e-320, 1e-12, 0.5, -2.5, 1e8, 1e200, -1e308, np.inf, -np.inf, np.nan,
    "", "rk4", "tanh", b"x", [], [0.1], [1.0, 2.0], [[1.0]], [[-1.0, 1.0]], (None, None), {}, {"a": 1}, 1j, object(), lambda x: x,
    np.zeros(0), np.zeros((2, 2)), np.array("a"), np.array([np.nan]), np.float32(0.1), np.int8(3), emfc, int,
])  # fmt: skip


def mostly(good):
    """A sensible value eleven times out of twelve, so that examples come past the first check."""
    return st.integers(0, 11).flatmap(lambda k: ODD if k == 7 else good)


@contextmanager
def no_hang():
    def late(number, frame):
        raise AssertionError(f"an example takes more than {HANG} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(HANG)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(call):
    """What a call gives, or None where it raises an exception of the package; anything else is a failure."""
    with no_hang(), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", EulerianWarning)
        try:
            return call()
        except EulerianError:
            return None


def valid(solution):
    """A solution holds finite numbers, and is called converged only where its residual is small enough."""
    for array in (solution.control, solution.masses, solution.potentials):
        assert np.isfinite(array).all()
    for number in (solution.cost, solution.residual, solution.checks.mass_drift, solution.checks.duality_drift):
        assert np.isfinite(number)
    if solution.converged:
        assert solution.residual <= 1.001 * solution.threshold + 1e-300
        assert solution.message.startswith("converged")
    else:
        assert solution.message.startswith("not converged")


FIELDS = st.one_of(
    st.builds(
        lambda **k: outcome(lambda: emfc.fields.NeuralField(**k)),
        dim=mostly(st.sampled_from([1, 1, 1, 1, 2])),
        activation=mostly(st.sampled_from(["tanh", "relu", "sigmoid", "swish", "softplus", "sin"])),
        bias=mostly(st.booleans()),
    ),
    st.builds(lambda dim: outcome(lambda: emfc.fields.AffineField(dim)), dim=mostly(st.just(1))),
)
MEANS = mostly(
    st.sampled_from(
        [[[-1.0], [1.0]], [[-0.5], [1.0]], [[0.5], [0.2]], [[0.0], [0.0]], [[-1, -1], [1, 1]], [[1e6], [0.0]]]
    )
)
LABELS = mostly(
    st.sampled_from(
        [[-2.0, 2.0], [1.0, -1.0], [0.5, 2.0], [0.0, 0.0], [[-1, -1], [1, 1]], [1e150, -1e150], [1e200, 0.0]]
    )
)
LAWS = st.one_of(
    st.builds(
        lambda means, std, label: outcome(lambda: emfc.laws.Labelled(emfc.laws.GaussianMixture(means, std), label)),
        means=MEANS,
        std=mostly(st.floats(0.05, 0.6)),
        label=LABELS,
    ),
    st.builds(
        lambda x, y: outcome(lambda: emfc.laws.Empirical(x, y)),
        x=mostly(st.lists(st.floats(-2, 2), min_size=1, max_size=4)),
        y=mostly(st.lists(st.floats(-3, 3), min_size=1, max_size=4)),
    ),
)
PROBLEMS = st.builds(
    lambda **k: outcome(lambda: emfc.Problem(**k)),
    field=mostly(FIELDS),
    law=mostly(LAWS),
    loss=mostly(st.just(emfc.losses.SquaredLoss())),
    penalty=mostly(st.floats(0.01, 10.0)),
    horizon=mostly(st.floats(0.1, 2.0)),
    representation=mostly(st.sampled_from(["auto", "moments", "labels"])),
    bounds=mostly(st.sampled_from([None, (-0.5, 0.5), (0.2, 0.2), (-np.inf, 0.0)])),
)
MESHES = st.builds(
    lambda bounds, cells: outcome(lambda: emfc.CartesianMesh(bounds, cells)),
    bounds=mostly(
        st.sampled_from(
            [[(-8.0, 8.0)], [(-9, 7)], [(-6.0, 6.0)], [(-12, 12)], [(-5, 5), (-5, 6)], [(-1e-9, 1e-9)], [(0.0, 1e9)]]
        )
    ),
    cells=mostly(st.sampled_from([6, 12, 16, 24, 30, (12, 14)])),
)
SOLVER_OPTIONS = st.fixed_dictionaries(
    {}, optional={"tol": mostly(st.floats(1e-12, 0.5)), "max_iterations": mostly(st.integers(1, 6))}
)
SOLVERS = st.builds(
    lambda kind, options: outcome(lambda: emfc.solvers.REGISTRY[kind](**{"max_iterations": 6, **options})),
    kind=st.sampled_from(sorted(emfc.solvers.REGISTRY)),
    options=SOLVER_OPTIONS,
)


@settings(FUZZ)
@given(PROBLEMS, mostly(MESHES), mostly(st.integers(1, 3)), mostly(SOLVERS), mostly(st.floats(-1.0, 1.0)))
def test_problems_meshes_and_solvers(problem, mesh, layers, solver, initial):
    if isinstance(layers, int) and layers > 1000:  # valid, and more memory than there is
        layers = 3
    solution = outcome(lambda: emfc.solve(problem, mesh, layers, solver=solver, initial=initial))
    event("solved" if solution is not None else "refused")
    if solution is not None:
        valid(solution)


SCHEMES = st.one_of(
    st.builds(
        lambda degree, kind: outcome(lambda: emfc.transport.SemiLagrangian(degree, kind)),
        degree=mostly(st.sampled_from([1, 3, 5, 7])),
        kind=mostly(st.sampled_from(["spline", "lagrange"])),
    ),
    st.builds(lambda degree: outcome(lambda: emfc.transport.Elements(degree)), degree=mostly(st.sampled_from([1, 2]))),
)
VOLUMES = st.builds(
    lambda name, limiter: outcome(lambda: emfc.continuity.FiniteVolume(name, limiter=limiter)),
    name=mostly(st.sampled_from(["upwind", "muscl", "weno5"])),
    limiter=mostly(st.sampled_from(["mc", "minmod", "vanleer"])),
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "transport": mostly(SCHEMES),
        "continuity": mostly(VOLUMES),
        "layer_map": mostly(st.sampled_from(["euler", "midpoint", "rk4"])),
        "initial": mostly(st.sampled_from([0.0, 5.0, -30.0, [0.1], np.full((3, 1), 0.2)])),
        "solver": mostly(SOLVERS),
        "adapt": st.one_of(st.none(), st.none(), ODD),
        "callback": st.one_of(st.none(), st.none(), st.just(lambda row: None), st.sampled_from([3, "x"])),
        "checkpoint": st.one_of(st.none(), st.none(), st.sampled_from([3, b"", 1.5, []])),
    },
)


@settings(FUZZ)
@given(OPTIONS, st.floats(0.05, 5.0))
def test_options(options, penalty):
    solution = outcome(lambda: emfc.solve(toy_line(penalty=penalty), toy_mesh(24), 3, **options))
    if solution is not None:
        valid(solution)


@settings(FUZZ)
@given(
    points=mostly(st.lists(st.lists(st.floats(-2, 2), min_size=2, max_size=2), min_size=3, max_size=6)),
    cells=mostly(st.lists(st.lists(st.integers(-1, 6), min_size=3, max_size=3), min_size=1, max_size=5)),
    bounds=mostly(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=1, max_size=3)),
    numbers=mostly(st.lists(st.integers(-1, 30), min_size=1, max_size=3)),
)
def test_meshes(points, cells, bounds, numbers):
    mesh = outcome(lambda: emfc.CartesianMesh(bounds, numbers))
    if mesh is not None:
        assert np.isfinite(mesh.widths).all()
        assert (mesh.widths > 0).all()
    mesh = outcome(lambda: emfc.SimplexMesh(points, cells))
    if mesh is not None:
        assert (mesh.volumes > 0).all()


STUDY = (ROOT / "studies" / "toy_line_mesh.toml").read_text()
WORDS = ["kind", "case", "vary", "settings", "cells", "degree", "measure", "reference", "[", "]", "=", '"', "\n", "3", "-1", "nan", "\0",
         "[vary]", "[settings]", "cells = [1]", "kind = 3", 'case = "/dev/null"', "seed = -1", "[[x]]", "1e999", "\u00fc", "{}"]  # fmt: skip
EDITS = st.lists(st.tuples(st.integers(0, len(STUDY)), st.integers(0, 30), st.sampled_from(WORDS)), max_size=4)


@settings(FUZZ)
@given(EDITS)
def test_study_files(tmp_path_factory, edits):
    text = STUDY
    for place, cut, word in edits:
        text = text[:place] + word + text[place + cut :]
    path = tmp_path_factory.getbasetemp() / "study.toml"
    path.write_text(text.replace("../cases", str(ROOT / "cases")), encoding="utf-8")
    outcome(lambda: StudyFile.load(path))


@pytest.fixture(scope="module")
def solution_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "good.h5"
    emfc.solve(toy_line(), toy_mesh(24), 3).save(path)
    return path


META = ["mesh", "transport", "continuity", "layer_map", "field", "horizon", "layers", "input_dim", "loss", "converged", "message",
        "threshold", "bounds", "cost", "checks", "stability", "names", "parameter_names", "description"]  # fmt: skip
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 100), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
    max_leaves=5,
)


@settings(FUZZ)
@given(key=st.sampled_from(META), value=JSON, array=st.sampled_from(["control", "masses", "history", "total", "paths/x", "labels"]),
       change=st.sampled_from(["none", "delete", "nan", "shape", "text"]))  # fmt: skip
def test_solution_files_that_were_altered_and_sealed_again(solution_file, key, value, array, change):
    """The checksum is right and the content is not: a mistake of a program that writes such files."""
    path = solution_file.with_name("altered.h5")
    path.write_bytes(solution_file.read_bytes())
    with h5py.File(path, "r+") as file:
        meta = json.loads(file["metadata"][()])
        meta[key] = value
        del file["metadata"]
        file["metadata"] = json.dumps(meta)
        if change != "none":
            old = file[array][()]
            del file[array]
            if change != "delete":
                file[array] = {"nan": old * np.nan, "shape": old.ravel()[:1], "text": "abc"}[change]
    content = path.read_bytes()[HEAD:]
    path.write_bytes(head(content) + content)
    solution = outcome(lambda: emfc.Solution.load(path))
    if solution is not None:
        assert np.isfinite(solution.control).all()
        assert isinstance(solution.converged, bool)
        outcome(solution.verdict)
        outcome(lambda: solution.predict([[0.5]]))


def test_200_corrupted_solution_files_are_refused(solution_file, tmp_path):
    """Truncated, flipped bits, other schemas, other HDF5 files, no HDF5 files: the package's own error for all."""
    good, chance = solution_file.read_bytes(), random.Random(0)
    other = tmp_path / "other.h5"
    files = []
    for k in range(80):
        place = chance.randrange(len(good))
        files.append(good[:place] + bytes([good[place] ^ (1 << (k % 8))]) + good[place + 1 :])
    files += [good[: chance.randrange(len(good))] for _ in range(60)]
    files += [good + bytes(chance.randrange(1, 100)) for _ in range(5)]
    files += [good.replace(b"schema 3", b"schema %d" % k, 1) for k in (0, 1, 2, 4, 5, 9)]
    for k in range(20):
        with h5py.File(other, "w", userblock_size=(0, 512)[k % 2]) as file:
            file["control"] = np.zeros(k)
            if k % 3:
                file.attrs["format"] = "eulerian_mfc.solution"
            if k % 5:
                file.attrs["schema"] = k
        files.append(other.read_bytes())
    files += [chance.randbytes(chance.randrange(3000)) for _ in range(29)]
    assert len(files) == 200
    path = tmp_path / "bad.h5"
    for data in files:
        path.write_bytes(data)
        with pytest.raises(FileFormatError, match=r"bad\.h5"):
            emfc.Solution.load(path)


def test_loading_runs_no_code():
    """No pickle, eval, exec or shell in the modules that read files; jobs are pickled by executors only, never read from files."""
    for name in (
        *(f"storage/{p.stem}" for p in (ROOT / "eulerian_mfc" / "storage").glob("*.py")),
        *(f"files/{p.stem}" for p in (ROOT / "eulerian_mfc" / "files").glob("*.py")),
        "app/run_record",
        "studies/store",
        "studies/study",
        "studies/study_check",
        "studies/study_content",
        "studies/study_file",
        "studies/study_json",
        "meshes/conversion",
        "meshes/endless",
        "meshes/files",
        "meshes/gmsh",
        "meshes/groups",
        "meshes/memory",
    ):
        text = (ROOT / "eulerian_mfc" / f"{name}.py").read_text()
        for word in (
            "pickle.",
            "import pickle",
            "eval(",
            "exec(",
            "subprocess",
            "os.system",
            "allow_pickle=True",
            "yaml",
        ):
            assert word not in text, (name, word)


def test_a_checkpoint_needs_a_path():
    assert outcome(lambda: Checkpoint(None)) is None
    assert outcome(lambda: Checkpoint("x", every=np.nan)) is None
