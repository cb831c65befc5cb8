"""Activations and limiters: every record of the tables, and a user's own, in her own file."""

import importlib.util
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.continuity import FiniteVolume, Limiter, SimplexFiniteVolume, SimplexLimiter, register_limiter
from eulerian_mfc.continuity import limiters as limiter_table
from eulerian_mfc.errors import ArgumentError, FileFormatError, NotAnalyticError
from eulerian_mfc.fields import ACTIVATIONS, Activation, BottleneckField, NeuralField, from_spec, register_activation
from eulerian_mfc.fields import activations as activation_table
from eulerian_mfc.fingerprint.fingerprint import fingerprint
from eulerian_mfc.kernels.activations import CHUNK, WORK
from eulerian_mfc.kernels.finite_volume import muscl_edges
from eulerian_mfc.meshes.domains import disc

from .conftest import ROOT

#: a user's file: tanh in her own words, with a kernel and without; minmod in her own words
MINE = """
import math
import numpy as np
from numba import carray
from eulerian_mfc.continuity import Limiter
from eulerian_mfc.fields import Activation
from eulerian_mfc.kernels.activations import ActivationKernel, slope_kernel, value_kernel

FACTOR = {factor}

def value(z):
    return np.tanh({factor} * z)

def slope(argument, value):
    return {factor} * (1.0 - value**2)

def curvature(argument, value):
    return -2.0 * {factor}**2 * value * (1.0 - value**2)

@value_kernel
def value_of(n, z_at, work_at):
    z = carray(z_at, n)
    for j in range(n):
        z[j] = math.tanh({factor} * z[j])
    return 0

@slope_kernel
def slope_of(n, z_at, value_at, work_at):
    z, value = carray(z_at, n), carray(value_at, n)
    for j in range(n):
        z[j] = {factor} * (1.0 - value[j] ** 2)
    return 0

def least(a, b):
    return FACTOR * min(a, b)

mine = Activation("mine", value, slope, curvature, bound=1.0)
compiled = Activation("compiled", value, slope, curvature, 1.0, kernel=ActivationKernel(value_of, slope_of))
limiter = Limiter("least", least)
"""


@pytest.fixture(autouse=True)
def no_byte_code(monkeypatch):
    """Files that change within a second, and keep their size, would else be read from the byte code of before."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


def module(tmp_path, factor=1.0, name="mine_module"):
    """The user's file as a module."""
    path = tmp_path / f"{name}.py"
    path.write_text(MINE.format(factor=factor))
    spec = importlib.util.spec_from_file_location(name, path)
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def mine(tmp_path):
    yield module(tmp_path)
    sys.modules.pop("mine_module")


@pytest.fixture
def registry(monkeypatch):
    """Registered for one test only."""
    for table, name in (
        (activation_table, "_REGISTERED"), (limiter_table, "_REGISTERED"), (limiter_table, "_SIMPLEX_REGISTERED"),
    ):  # fmt: skip
        monkeypatch.setattr(table, name, {})


def problem(field):
    law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), np.sign, breaks=[0.0])
    return emfc.Problem(field, law, emfc.losses.SquaredLoss(), 1.0, 1.0)


MESH = emfc.CartesianMesh([(-8.0, 8.0)], 80)


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_every_record_of_an_activation_agrees_with_itself(activation):
    """Kernel and NumPy, derivatives and differences, the bound, and forms of both exports."""
    if activation.name != "relu":
        activation.check()
    z = np.random.default_rng(0).normal(size=CHUNK) * 5.0
    value, slope = activation.value(z.copy()), activation.slope(z.copy, activation.value(z.copy()))
    found, work = z.copy(), np.empty(WORK)
    activation.kernel.value(CHUNK, found, work)
    np.testing.assert_allclose(found, value, rtol=0, atol=1e-15 * np.abs(value).max())
    steep = z.copy() if activation.kernel.argument else np.full(CHUNK, np.nan)
    activation.kernel.slope(CHUNK, steep, found, work)
    np.testing.assert_allclose(steep, slope, rtol=0, atol=3e-15)
    far = activation.value(np.linspace(-100.0, 100.0, 401))
    assert (np.abs(far).max() <= (activation.bound or 0.0)) == (activation.bound is not None)
    assert activation.onnx is not None
    assert activation.torch is not None


@pytest.mark.parametrize("kind", ["mine", "compiled"])
def test_an_activation_of_a_users_own_file_solves_as_the_packages(mine, kind):
    """Tanh in other words: the same optimum, uncompiled and compiled."""
    own = NeuralField(1, getattr(mine, kind))
    assert own.compiled == (kind == "compiled")
    assert own.speed_bound == 1.0
    solution, known = (emfc.solve(problem(f), MESH, layers=5) for f in (own, NeuralField(1, "tanh")))
    assert solution.converged
    assert abs(solution.cost - known.cost) <= 1e-12
    np.testing.assert_allclose(solution.control, known.control, rtol=0, atol=1e-8)
    again = pickle.loads(pickle.dumps(own))
    assert again == own
    hidden = BottleneckField(1, 2, mine.mine)
    x = np.linspace(-1.0, 1.0, 5)[:, None]
    np.testing.assert_allclose(
        hidden(0.0, np.arange(7.0), x), BottleneckField(1, 2)(0.0, np.arange(7.0), x), rtol=1e-14, atol=1e-14
    )


@pytest.mark.parametrize("kind", ["mine", "compiled"])
def test_studies_know_an_activation_by_what_it_computes(tmp_path, kind):
    first, same, other = (
        fingerprint(NeuralField(1, getattr(module(tmp_path, factor), kind))) for factor in (1.0, 1.0, 2.0)
    )
    assert first == same
    assert first != other
    used = NeuralField(1, getattr(module(tmp_path, 1.0), kind))
    used(0.0, np.ones(2), np.ones((3, 1)))
    assert fingerprint(used) == first


def test_a_study_runs_a_users_activation_and_limiter_in_other_processes(mine, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    given = {"cells": [16, 24, 32], "layers": 2, "bounds": [(-8.0, 8.0)], "solver": emfc.solvers.Shooting()}
    pair = {"continuity": FiniteVolume("muscl", limiter=mine.limiter), "transport": emfc.transport.SemiLagrangian(3)}
    own = problem(NeuralField(1, mine.compiled))
    study = emfc.studies.mesh_convergence(own, **given, **pair, workers=2, folder=tmp_path / "study")
    alone = emfc.studies.mesh_convergence(own, **given, **pair)
    assert not study.failures
    assert [r["cost"] for r in study.records] == [r["cost"] for r in alone.records]


@pytest.mark.usefixtures("registry")
def test_files_hold_a_registered_activation_by_its_name(mine, tmp_path):
    solution = emfc.solve(problem(NeuralField(1, mine.mine)), MESH, layers=3)
    solution.save(tmp_path / "unknown.h5")
    assert emfc.Solution.load(tmp_path / "unknown.h5").numerics.flow is None
    back = emfc.Solution.load(tmp_path / "unknown.h5", solution.system.problem)
    assert back.numerics.flow.field == NeuralField(1, mine.mine)
    register_activation(mine.mine)
    assert NeuralField(1, "mine") == NeuralField(1, mine.mine)
    solution.save(tmp_path / "known.h5")
    assert emfc.Solution.load(tmp_path / "known.h5").numerics.flow.field == NeuralField(1, mine.mine)
    spec = json.loads(json.dumps(BottleneckField(2, 3, "mine").spec()))
    assert from_spec(spec) == BottleneckField(2, 3, mine.mine)
    activation_table._REGISTERED.clear()
    with pytest.raises(
        FileFormatError, match=r"activation 'mine', which is not registered in this program: call fields.register_act"
    ):
        emfc.Solution.load(tmp_path / "known.h5")


def test_exports_refuse_an_activation_without_a_form(mine, tmp_path):
    solution = emfc.solve(problem(NeuralField(1, mine.mine)), MESH, layers=2)
    for package, write in (("torch", solution.to_torch), ("onnx", lambda: solution.to_onnx(tmp_path / "a.onnx"))):
        pytest.importorskip(package)
        expected = rf"expected fields.Activation\('mine', ..., {package}=...\)"
        with pytest.raises(ArgumentError, match=f"'mine', which this export cannot write, {expected}"):
            write()


def test_exports_of_a_users_forms(mine, tmp_path):
    torch, onnx = pytest.importorskip("torch"), pytest.importorskip("onnxruntime")
    own = Activation(
        "mine", mine.value, mine.slope, mine.curvature,
        onnx=lambda graph, z: graph.node("Tanh", z), torch=lambda torch, z: torch.tanh(z),
    )  # fmt: skip
    solution = emfc.solve(problem(NeuralField(1, own)), MESH, layers=2)
    x = np.linspace(-2.0, 2.0, 7)[:, None]
    with torch.no_grad():
        np.testing.assert_allclose(solution.to_torch()(torch.tensor(x)).numpy(), solution.flow(x), rtol=1e-12)
    # The file keeps the field by its spec, which nobody registered: the network itself does not need it.
    solution.to_onnx(tmp_path / "a.onnx", dtype="float64")
    (found,) = onnx.InferenceSession(tmp_path / "a.onnx").run(None, {"x": x})
    np.testing.assert_allclose(found, solution.flow(x), rtol=1e-12)


ZERO = lambda argument, value: np.zeros_like(value)  # noqa: E731


@pytest.mark.parametrize(
    ("build", "pattern"),
    [
        (lambda: Activation("two words", np.tanh, ZERO, ZERO), "name: got 'two words', expected an identifier"),
        (lambda: Activation("f", np.tanh, 3.0, ZERO), "slope: got 3.0, expected a function"),
        (lambda: Activation("f", np.tanh, ZERO, ZERO, bound=-1.0), "bound: got -1.0"),
        (lambda: Activation("f", np.tanh, ZERO, ZERO, kernel=np.tanh), "kernel: got "),
        (lambda: NeuralField(1, Activation("f", np.tanh, ZERO, ZERO)), "slope: got a derivative that differs"),
        (lambda: NeuralField(1, Activation("f", lambda z: z[0], ZERO, ZERO)), r"value: got an array of shape \(1,\)"),
        (
            lambda: register_activation(Activation("f", np.sin, lambda z, v: np.cos(z()), ZERO)),
            "curvature: got a derivative that differs",
        ),
        (lambda: register_activation(ACTIVATIONS["tanh"]), "the name 'tanh', which the package itself uses"),
        (lambda: register_activation("tanh"), "activation: got 'tanh', expected an Activation"),
        (lambda: NeuralField(1, "gelu"), "activation: got 'gelu'"),
        (lambda: Limiter("f", lambda a, b: 3.0 * min(a, b)), "formula: got the slope 0.3 for the differences 0.1 and"),
        (lambda: Limiter("f", lambda a: a), r"formula: got .*expected a function of 2 number\(s\)"),
        (lambda: SimplexLimiter("f", lambda ratio: 2.0 * ratio), "share: got 0.002 for the ratio 0.001"),
        (lambda: register_limiter(limiter_table.LIMITERS["mc"]), "the name 'mc', which the package itself uses"),
        (lambda: register_limiter(min), "limiter: got <built-in function min>"),
        (lambda: FiniteVolume("muscl", limiter="koren"), "limiter: got 'koren', expected one of 'none', .*register_lim"),
        (lambda: FiniteVolume("muscl", limiter=SimplexLimiter("f", lambda r: min(r, 1.0))), "limiter: got SimplexLim"),
        (lambda: SimplexFiniteVolume("muscl", limiter="mc"), "limiter: got 'mc'"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("registry")
def test_wrong_records_are_refused(build, pattern):
    with pytest.raises((ArgumentError, NotAnalyticError), match=pattern):
        build()


@pytest.mark.parametrize("limiter", limiter_table.LIMITERS.values(), ids=limiter_table.LIMITERS)
def test_every_limiter_against_its_formula(limiter):
    """Values at cell ends, cell by cell: slopes zero at extrema and odd where limited, linear functions exactly."""
    u = np.array([0.0, 1.0, 3.0, 3.5, 2.0, -1.0, -1.5, 0.0, 0.25])
    low, high = np.full((2, u.size), np.nan)
    muscl_edges(limiter.formula, limiter.limited)(u, 1, low, high, (0, u.size))
    for i in range(1, u.size - 1):
        a, b = u[i] - u[i - 1], u[i + 1] - u[i]
        slope = limiter.formula(a, b) if not limiter.limited or min(a, b) > 0 else 0.0
        if limiter.limited and max(a, b) < 0:
            slope = -limiter.formula(-a, -b)
        np.testing.assert_allclose([low[i], high[i]], [u[i] - slope / 2, u[i] + slope / 2], rtol=1e-14, atol=1e-15)
    assert limiter.formula(1.0, 1.0) == pytest.approx(1.0)
    assert limiter.reference
    assert limiter.second_order_at_extrema == (not limiter.limited)


@pytest.mark.parametrize("name", [n for n, record in limiter_table.SIMPLEX_LIMITERS.items() if record is not None])
def test_every_share_on_simplices(name):
    """Nothing is cut where nothing needs to be, and the share never exceeds the room."""
    record = limiter_table.SIMPLEX_LIMITERS[name]
    ratios = np.linspace(0.0, 3.0, 61)
    shares = np.array([min(record.share(r), 1.0) for r in ratios])
    assert (np.diff(shares) >= 0).all()
    assert (shares <= ratios).all()
    assert record.share(1e12) == 1.0
    assert record.reference


def pushed(limiter):
    """Masses after a layer."""
    pair = {"continuity": FiniteVolume("muscl", limiter=limiter), "transport": emfc.transport.SemiLagrangian(3)}
    system = emfc.OptimalitySystem(problem(NeuralField(1)), MESH, 3, **pair)
    return system.pair.continuity.step(system.layer(0, np.full(2, 0.4)), system.initial_masses)[0]


def test_a_limiter_of_a_users_own_file_is_compiled_and_is_the_packages(mine):
    np.testing.assert_array_equal(pushed(mine.limiter), pushed("minmod"))
    assert muscl_edges(mine.limiter.formula, True)._compiled is not None


def test_a_limiter_that_cannot_be_compiled_runs_as_python():
    slow = Limiter("slow", lambda a, b: min(float(str(a)), b))
    np.testing.assert_array_equal(pushed(slow), pushed("minmod"))
    assert muscl_edges(slow.formula, True)._compiled is None


def test_a_share_of_a_users_own_on_simplices():
    """Barth and Jespersen's in other words, and one that cannot be compiled."""
    law = emfc.laws.Labelled(emfc.laws.UniformBall([0.0, 0.0], 0.5), [[1.0, 0.0]])
    given = emfc.Problem(NeuralField(2), law, emfc.losses.SquaredLoss(), 1.0, 1.0)
    mesh, found = disc(2), []
    slow = SimplexLimiter("slow", lambda ratio: min(float(str(ratio)), 1.0))
    for limiter in ("barth_jespersen", SimplexLimiter("own", lambda r: r if r < 1.0 else 1.0), slow):
        scheme = SimplexFiniteVolume("muscl", limiter=limiter)
        system = emfc.OptimalitySystem(given, mesh, 3, continuity=scheme, transport=emfc.transport.Elements())
        found.append(system.pair.continuity.step(system.layer(0, np.full(6, 0.2)), system.initial_masses)[0])
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


@pytest.mark.usefixtures("registry")
def test_files_hold_a_registered_limiter_by_its_name(mine, tmp_path):
    pair = {"continuity": FiniteVolume("muscl", limiter=mine.limiter), "transport": emfc.transport.SemiLagrangian(3)}
    solution = emfc.solve(problem(NeuralField(1)), MESH, layers=3, solver=emfc.solvers.Shooting(), **pair)
    with pytest.raises(
        ArgumentError, match=r"limiter: got Limiter\(name='least'\), whose function cannot be stored in a file"
    ):
        solution.save(tmp_path / "a.h5")
    register_limiter(mine.limiter)
    solution.save(tmp_path / "a.h5")
    assert emfc.Solution.load(tmp_path / "a.h5").numerics.continuity == pair["continuity"]
    assert fingerprint(pair["continuity"]) != fingerprint(FiniteVolume("muscl", limiter="minmod"))


CACHED = """
import sys
import numpy as np
sys.path.insert(0, {folder!r})
import mine_module
from eulerian_mfc.kernels.finite_volume import muscl_edges
from eulerian_mfc.meshes.domains import disc
kernel = muscl_edges(mine_module.limiter.formula, True)
low, high = np.zeros((2, 4))
kernel(np.array([0.0, 1.0, 3.0, 9.0]), 1, low, high, (0, 4))
print(sum(kernel._compiled.stats.cache_hits.values()), high[1])
"""


def test_kernels_of_limiters_are_kept_by_their_formulas(tmp_path, monkeypatch):
    """In a second process from the cache, anew where the file has changed: also a global number that the formula reads."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def run(factor=None):
        if factor is not None:
            (tmp_path / "mine_module.py").write_text(MINE.format(factor=factor))
        code = CACHED.format(folder=str(tmp_path))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        hits, value = done.stdout.split()
        return int(hits), float(value)

    assert run(1.0) == (0, 1.5)
    assert run() == (1, 1.5)
    assert run(0.5) == (0, 1.25)
    assert run() == (1, 1.25)


@pytest.mark.usefixtures("registry")
def test_a_registered_name_keeps_its_meaning():
    """Files know activations and limiters by their names: a name cannot be given to another function."""
    one = lambda: emfc.fields.Activation("mine", np.square, lambda z, v: 2.0 * z(), lambda z, v: np.full_like(v, 2.0))  # noqa: E731
    other = emfc.fields.Activation("mine", np.sin, lambda z, v: np.cos(z()), lambda z, v: -v)
    emfc.fields.register_activation(one())
    emfc.fields.register_activation(one())  # the same again, as in a notebook
    with pytest.raises(ArgumentError, match="the name 'mine', under which other functions are registered"):
        emfc.fields.register_activation(other)
    limiter = emfc.continuity.Limiter
    emfc.continuity.register_limiter(limiter("mine", lambda a, b: 0.5 * min(a, b)))
    with pytest.raises(ArgumentError, match="the name 'mine', under which another function is registered"):
        emfc.continuity.register_limiter(limiter("mine", lambda a, b: 0.25 * min(a, b)))
