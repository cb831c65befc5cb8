"""Every registered scheme keeps its contract: what it declares is there, and is true wherever it can be measured."""

import dataclasses
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import skfem

import eulerian_mfc as emfc
from eulerian_mfc.continuity import CellOperator, FiniteVolume, PushForward, SimplexFiniteVolume
from eulerian_mfc.errors import ArgumentError, FileFormatError
from eulerian_mfc.flow import Flow, Layer
from eulerian_mfc.schemes import (
    AdjointOperator,
    ContinuityScheme,
    Measure,
    TransportOperator,
    TransportScheme,
    adjoint_of,
)
from eulerian_mfc.system.pairs import AdjointPair
from eulerian_mfc.system.scheme_choice import beside, chosen, pair_of
from eulerian_mfc.transport import Elements, SemiLagrangian
from eulerian_mfc.transport import FiniteVolume as Upwind
from eulerian_mfc.transport.semi_lagrangian import SemiLagrangianOperator

from .conftest import toy_line, toy_mesh

TRANSPORT = [
    SemiLagrangian(),
    SemiLagrangian(1),
    SemiLagrangian(1, outside="extrapolate"),
    SemiLagrangian(3, "lagrange"),
    SemiLagrangian(3, "limited"),
    SemiLagrangian(3, outside="periodic"),
    Upwind("upwind"),
    Upwind("weno5"),
    Elements(1),
    Elements(2),
    FiniteVolume("upwind", boundary="periodic").adjoint(),
]
CONTINUITY = [
    PushForward(),
    FiniteVolume("upwind"),
    FiniteVolume("upwind", integrator="ssprk2"),
    FiniteVolume("muscl"),
    FiniteVolume("muscl", limiter="none", positivity=False),
    FiniteVolume("weno5"),
    SimplexFiniteVolume("upwind"),
    SimplexFiniteVolume("muscl"),
    SimplexFiniteVolume("muscl", limiter="none"),
]
FIELD = emfc.fields.NeuralField(2)
LAYER = Layer(0.0, 0.25, np.random.default_rng(3).normal(size=FIELD.parameters))
#: everything moves to the right, out of the box: W = 0, b = (large, 0)
OUTWARDS = Layer(0.0, 0.5, np.array([0.0, 0.0, 0.0, 0.0, 4.0, 0.0]))
each_transport = pytest.mark.parametrize("scheme", TRANSPORT, ids=repr)
each_continuity = pytest.mark.parametrize("scheme", CONTINUITY, ids=repr)


def mesh_of(scheme, cells=12):
    if scheme.mesh_kind == "simplex":
        line = np.linspace(-1.0, 1.0, cells // 2 + 1)
        return emfc.SimplexMesh(skfem.MeshTri.init_tensor(line, line))
    return emfc.CartesianMesh([(-1.0, 1.0)] * 2, cells)


def flow():
    return Flow(FIELD, emfc.LayerMap())


def transport_on(scheme, mesh=None):
    return scheme.on(mesh_of(scheme) if mesh is None else mesh, flow())


def continuity_on(scheme, mesh=None, transport=None):
    """With the transport that it needs beside it, and the shape of its masses."""
    mesh = mesh_of(scheme) if mesh is None else mesh
    other = chosen(mesh, transport)[0]
    bound = scheme.on(mesh, flow(), other.on(mesh, flow()))
    return bound, scheme.unknowns(other.nodes(mesh)).mass_shape


def rough(shape, fields=2, seed=0):
    """Non-negative, with jumps."""
    rng = np.random.default_rng(seed)
    return rng.random((fields, *shape)) * (rng.random((fields, *shape)) < 0.4)


def test_every_registered_scheme_is_tested_here():
    own = emfc.continuity.FiniteVolumeTranspose
    assert {type(s) for s in TRANSPORT} == {*emfc.transport.REGISTRY.values(), own}
    assert {type(s) for s in CONTINUITY} == set(emfc.continuity.REGISTRY.values())
    assert all(issubclass(kind, TransportScheme) for kind in emfc.transport.REGISTRY.values())
    assert all(issubclass(kind, ContinuityScheme) for kind in emfc.continuity.REGISTRY.values())


@pytest.mark.parametrize("scheme", TRANSPORT + CONTINUITY, ids=repr)
def test_schemes_declare_everything(scheme):
    assert dataclasses.is_dataclass(scheme)
    assert type(scheme).__dataclass_params__.frozen
    assert isinstance(scheme.order, numbers.Integral)
    assert scheme.order >= 1
    assert isinstance(scheme.stencil, numbers.Integral)
    assert scheme.stencil >= 1
    assert scheme.largest_courant_number > 0
    assert isinstance(scheme.positive, bool)
    assert isinstance(scheme.linear, bool)
    assert scheme.mesh_kind in ("cartesian", "simplex", "any")
    assert isinstance(scheme.boundary, str | Mapping)
    assert scheme.reference.startswith(("doi:", "docs/", "R. LeVeque"))
    if isinstance(scheme, TransportScheme):
        assert isinstance(scheme.kinks, bool)
    else:
        assert isinstance(scheme.keeps_mass, bool)
    assert hash(scheme) == hash(dataclasses.replace(scheme))
    assert scheme == dataclasses.replace(scheme)


@each_transport
def test_constants_are_transported_as_they_are(scheme):
    operator = transport_on(scheme)
    psi = np.full((1, *scheme.nodes(mesh_of(scheme)).shape), 3.0)
    np.testing.assert_allclose(operator.step(LAYER, psi), 3.0, rtol=1e-12)


@each_continuity
@pytest.mark.parametrize("layer", [LAYER, OUTWARDS], ids=["inside", "outwards"])
def test_mass_is_kept_or_lost_as_declared(scheme, layer):
    operator, shape = continuity_on(scheme)
    masses = rough(shape)
    after, met = operator.step(layer, masses)
    before, total = (m.reshape(2, -1).sum(axis=1) for m in (masses, after))
    if layer is OUTWARDS:
        assert (np.abs(met) > 0.1).all()
    gone = 0.0 if scheme.keeps_mass else met
    np.testing.assert_allclose(total + gone, before, rtol=1e-12)


def steps():
    """Every scheme's step as a function of the unknowns, and their shape."""
    for scheme in TRANSPORT:
        yield scheme, lambda s=scheme: (transport_on(s).step, s.nodes(mesh_of(s)).shape)
    for scheme in CONTINUITY:

        def bound(s=scheme):
            operator, shape = continuity_on(s)
            return (lambda layer, m: operator.step(layer, m)[0]), shape

        yield scheme, bound


@pytest.mark.parametrize(("scheme", "bound"), [pytest.param(*pair, id=repr(pair[0])) for pair in steps()])
def test_schemes_are_linear_exactly_where_they_say_so(scheme, bound):
    """Superposition of data with jumps: to round-off, or clearly not."""
    step, shape = bound()
    a, b = rough(shape, seed=1), rough(shape, seed=2)
    error = np.abs(step(LAYER, a + 0.3 * b) - step(LAYER, a) - 0.3 * step(LAYER, b)).max()
    assert (error < 1e-12) if scheme.linear else (error > 1e-4)


@each_transport
@pytest.mark.parametrize("layer", [LAYER, OUTWARDS], ids=["inside", "outwards"])
def test_positive_transport_keeps_bounds(scheme, layer):
    psi = rough(scheme.nodes(mesh_of(scheme)).shape)
    after = transport_on(scheme).step(layer, psi)
    within = after.min() >= -1e-13 and after.max() <= psi.max() + 1e-13
    if scheme.positive:
        assert within
    elif layer is LAYER:
        assert not within


@each_continuity
@pytest.mark.parametrize("layer", [LAYER, OUTWARDS], ids=["inside", "outwards"])
def test_positive_continuity_keeps_masses_non_negative(scheme, layer):
    operator, shape = continuity_on(scheme)
    least = operator.step(layer, rough(shape))[0].min()
    if scheme.positive:
        assert least >= -1e-14
    elif layer is LAYER:
        assert least < -1e-4


def test_the_push_forward_is_as_positive_as_its_transport():
    for transport in (SemiLagrangian(1), SemiLagrangian(5)):
        operator, shape = continuity_on(PushForward(), transport=transport)
        assert (operator.step(LAYER, rough(shape))[0].min() >= -1e-14) == transport.positive


@pytest.mark.parametrize("scheme", TRANSPORT + CONTINUITY, ids=repr)
def test_a_stencil_is_the_least_number_of_cells(scheme):
    if scheme.mesh_kind == "simplex":
        assert scheme.stencil == 1
        return
    bind = continuity_on if isinstance(scheme, ContinuityScheme) else transport_on
    extra = {"transport": SemiLagrangian(1)} if isinstance(scheme, ContinuityScheme) else {}
    least = max(2, scheme.stencil)  # beside it the transport needs two
    bind(scheme, mesh_of(scheme, least), **extra)
    if scheme.stencil > 2:
        with pytest.raises(ArgumentError, match="cells: got"):
            bind(scheme, mesh_of(scheme, scheme.stencil - 1), **extra)


@pytest.mark.parametrize("scheme", TRANSPORT + CONTINUITY, ids=repr)
def test_courant_numbers_are_limited_as_declared(scheme):
    """Without a limit a layer through many cells is one step; a limit is that of the setting `cfl`."""
    if scheme.largest_courant_number == np.inf:
        operator = continuity_on(scheme)[0] if isinstance(scheme, ContinuityScheme) else transport_on(scheme)
        far = Layer(0.0, 20.0, LAYER.theta)
        shape = mesh_of(scheme).shape if scheme.mesh_kind != "simplex" else scheme.nodes(mesh_of(scheme)).shape
        out = operator.step(far, rough(shape))
        assert np.isfinite(out[0]).all()
        return
    settings = scheme.scheme if isinstance(scheme, emfc.continuity.FiniteVolumeTranspose) else scheme
    assert dataclasses.replace(settings, cfl=scheme.largest_courant_number).cfl == scheme.largest_courant_number
    with pytest.raises(ArgumentError, match="cfl: got"):
        dataclasses.replace(settings, cfl=1.01 * scheme.largest_courant_number)


@each_transport
def test_kinks_are_jumps_of_the_interpolants_gradient(scheme):
    operator = transport_on(scheme)
    if operator.interpolation is None:
        assert not scheme.kinks
        return
    psi = np.random.default_rng(0).normal(size=(1, *operator.mesh.shape))
    coefficients = operator.interpolation.coefficients(psi)
    middle = np.array(
        [[operator.mesh.centres[operator.mesh.size // 2 + 3][0] if scheme.mesh_kind != "simplex" else 0.0, 0.1]]
    )
    one, side = np.ones((1, 1)), np.array([[1e-7, 0.0]])
    right, left = (operator.interpolation.gather(middle + s, coefficients, one)[1] for s in (side, -side))
    assert (np.abs(right - left).max() > 1e-2) == scheme.kinks or scheme.interpolation == "limited"


@each_transport
def test_declared_transposes_are_transposes(scheme):
    """`<S psi, m> = <psi, S^T m>`, for random data, and the slope is that of the pairing."""
    if scheme.transpose is None:
        with pytest.raises(ArgumentError):
            scheme.adjoint()
        return
    assert scheme.adjoint() == scheme.transpose == beside(scheme)
    if not isinstance(scheme.transpose, PushForward):
        assert adjoint_of(scheme.transpose) == scheme
    pair = pair_of(scheme, scheme.transpose, mesh_of(scheme), flow())
    assert isinstance(pair, AdjointPair)
    assert isinstance(pair.transport, AdjointOperator)
    rng = np.random.default_rng(5)
    psi, masses = rng.normal(size=(2, 2, *pair.mesh.shape))
    before, slope = pair.pull(LAYER, masses, psi)
    after, _ = pair.push(LAYER, masses)
    np.testing.assert_allclose(pair.pairings(before, masses), pair.pairings(psi, after), rtol=1e-11)
    np.testing.assert_allclose(before, pair.back(LAYER, psi), rtol=0, atol=1e-12)
    value, same = pair.pairing(psi, masses)(LAYER)
    assert abs(value - (before * masses).sum()) <= 1e-11 * np.abs(before * masses).sum()
    np.testing.assert_allclose(same, slope, rtol=1e-9, atol=1e-12 * np.abs(slope).max())
    step = 1e-6
    for k in range(len(slope) if not scheme.kinks else 0):
        ends = [pair.back(LAYER._replace(theta=LAYER.theta + s * np.eye(len(slope))[k]), psi) for s in (step, -step)]
        difference = (ends[0] - ends[1]) / (2 * step)
        if scheme.order > 1:  # upwind fluxes have kinks too
            assert abs((difference * masses).sum() - slope[k]) <= 1e-5 * np.abs(slope).max()


@pytest.mark.parametrize("transport", TRANSPORT, ids=repr)
@pytest.mark.parametrize("continuity", CONTINUITY, ids=repr)
def test_any_two_schemes_of_a_mesh_are_a_pair_or_are_refused_in_words(transport, continuity):
    mesh = mesh_of(transport)
    if continuity.mesh_kind not in ("any", mesh.kind):
        with pytest.raises(ArgumentError, match="a scheme for that mesh"):
            chosen(mesh, transport, continuity)
        return
    transposed = isinstance(transport, emfc.continuity.FiniteVolumeTranspose)
    needs_transpose = isinstance(continuity, PushForward)
    if transport.transpose != continuity and (transposed or needs_transpose):
        with pytest.raises(ArgumentError, match="together with"):
            pair_of(*chosen(mesh, transport, continuity), mesh, flow())
        return
    pair = pair_of(*chosen(mesh, transport, continuity), mesh, flow())
    assert pair.adjoint == (transport.transpose == continuity)
    masses, psi = rough(pair.mesh.mass_shape), rough(pair.mesh.shape, seed=4)
    after, lost = pair.push(LAYER, masses)
    before, slope = pair.pull(LAYER, masses, psi)
    assert (after.shape, before.shape, lost.shape, slope.shape) == (masses.shape, psi.shape, (2,), (FIELD.parameters,))
    points, weights, _ = pair.measure(masses)
    assert points.shape == pair.points.shape == (weights.shape[1], 2)
    np.testing.assert_allclose(weights.sum(axis=1), masses.reshape(2, -1).sum(axis=1), rtol=1e-12)


# --- schemes of a user's own


@dataclass(frozen=True)
class Rusanov(ContinuityScheme):
    """Local Lax-Friedrichs fluxes on a line, `(F m)_i / 2 + (F m)_{i+1} / 2 - max(|F_i|, |F_{i+1}|) (m_{i+1} - m_i) / 2`."""

    substeps: int = 8

    order: ClassVar[int] = 1
    stencil: ClassVar[int] = 2
    largest_courant_number: ClassVar[float] = 0.5
    positive: ClassVar[bool] = True
    linear: ClassVar[bool] = True
    keeps_mass: ClassVar[bool] = False
    reference: ClassVar[str] = "doi:10.1016/0041-5553(62)90062-9"

    def on(self, mesh, flow, transport=None, signed=()):
        return RusanovOperator(self, mesh, flow, signed)


class RusanovOperator(CellOperator):
    def __init__(self, scheme, mesh, flow, signed):
        super().__init__(scheme, mesh, signed)
        self.flow = flow

    def step(self, layer, masses):
        dt, before = layer.length / self.scheme.substeps, masses.sum(axis=1)
        for k in range(self.scheme.substeps):
            speed = self.flow.field(layer.start + k * dt, layer.theta, self.mesh.centres)[:, 0]
            largest = np.maximum(np.abs(speed[1:]), np.abs(speed[:-1]))
            moved = speed * masses
            inner = 0.5 * (moved[:, 1:] + moved[:, :-1] - largest * np.diff(masses, axis=1))
            flux = np.concatenate([np.minimum(moved[:, :1], 0), inner, np.maximum(moved[:, -1:], 0)], axis=1)
            masses = masses - dt / self.mesh.widths[0] * np.diff(flux, axis=1)
        return masses, before - masses.sum(axis=1)


@dataclass(frozen=True)
class Nearest(TransportScheme):
    """Linear interpolation in one dimension by NumPy, as a scheme of its own."""

    order: ClassVar[int] = 1
    stencil: ClassVar[int] = 4
    largest_courant_number: ClassVar[float] = np.inf
    positive: ClassVar[bool] = True
    linear: ClassVar[bool] = True
    reference: ClassVar[str] = "doi:10.1137/1.9781611973051"

    def on(self, mesh, flow):
        return NearestOperator(self, mesh, flow)


class NearestOperator(TransportOperator):
    def __init__(self, scheme, mesh, flow):
        self.scheme, self.mesh, self.flow = scheme, mesh, flow
        self.interpolation = emfc.transport.Interpolation(mesh, 3, "spline")

    def step(self, layer, psi):
        feet = self.flow(layer, self.mesh.centres)[:, 0]
        return np.stack([np.interp(feet, self.mesh.axis(0), row) for row in psi])


def test_schemes_of_a_users_own_work_in_solve_studies_and_files(tmp_path):
    problem, mesh = toy_line(), toy_mesh(320)
    own = {"continuity": Rusanov(16), "transport": Nearest()}
    solution = emfc.solve(problem, mesh, 4, solver=emfc.solvers.Shooting(relaxation=0.5, tol=1e-6), **own)
    assert solution.converged
    assert not solution.checks.adjoint
    exact = emfc.solve(problem, mesh, 4)
    assert abs(solution.cost - exact.cost) < 0.02 * exact.cost  # both schemes are of order 1
    solution.save(tmp_path / "own.h5")
    for again in (emfc.Solution.load(tmp_path / "own.h5"), emfc.Solution.load(tmp_path / "own.h5", problem)):
        assert again.numerics.continuity == Rusanov(16)
        assert again.numerics.transport == Nearest()
        assert np.array_equal(again.masses, solution.masses)
    assert again.system.pair.push(again.system.layer(0, solution.control[0]), solution.masses[0])[0].shape == (2, 320)
    options = {"solver": emfc.solvers.Shooting(relaxation=0.5, tol=1e-6), "continuity": Rusanov(16)}
    study = emfc.studies.mesh_convergence(problem, [40, 60, 80], 4, [(-8.0, 8.0)], folder=tmp_path / "study", **options)
    assert not study.failures


def returning(base, method, value):
    """A scheme of a user's own whose operator has another method, or another property."""
    operator = {Rusanov: RusanovOperator, Nearest: NearestOperator, SemiLagrangian: SemiLagrangianOperator}[base]
    broken = type(f"Broken{operator.__name__}", (operator,), {method: value, "__module__": __name__})

    def on(self, mesh, flow, *more):
        return broken(self, mesh, flow, *more[1:])

    return type(f"Broken{base.__name__}", (base,), {"on": on, "__module__": __name__})()


def declaring(base, **values):
    """A scheme of a user's own that declares something else."""
    return type(f"Broken{base.__name__}", (base,), {"__module__": __name__, **values})()


BROKEN = {
    "order": (lambda: declaring(Nearest, order="two"), "got 'two' as BrokenNearest.order, expected an integer >= 1"),
    "linear": (lambda: declaring(Rusanov, linear=None), "got None as BrokenRusanov.linear, expected True or False"),
    "courant": (lambda: declaring(Rusanov, largest_courant_number=0), "got 0 as BrokenRusanov.largest_courant_number"),
    "kinks": (lambda: declaring(Nearest, kinks=1), "got 1 as BrokenNearest.kinks, expected True or False"),
    "on": (
        lambda: declaring(Nearest, on=lambda self, mesh, flow: None),
        r"got None from BrokenNearest.on, expected a schemes.TransportOperator",
    ),
    "on, continuity": (
        lambda: declaring(Rusanov, on=lambda self, mesh, flow, transport, signed: 3),
        r"got a int from BrokenRusanov.on, expected a schemes.ContinuityOperator",
    ),
    "no mesh": (
        lambda: returning(Nearest, "__init__", lambda self, scheme, mesh, flow: vars(self).update(scheme=scheme)),
        "got a BrokenNearestOperator without the attribute `mesh`, expected an operator whose __init__ sets self.mesh",
    ),
    "interpolation": (
        lambda: returning(
            Nearest,
            "__init__",
            lambda self, scheme, mesh, flow: vars(self).update(scheme=scheme, mesh=mesh, flow=flow, interpolation=3),
        ),
        "got 3 as BrokenNearestOperator.interpolation, expected an Interpolant or None",
    ),
    "lines": (
        lambda: returning(Rusanov, "lines", property(lambda self: self.mesh.faces(0))),
        r"got an array of shape \(41,\) .* from BrokenRusanovOperator.lines, expected a list of 1 arrays of shape \(n,\)",
    ),
    "points": (
        lambda: returning(Rusanov, "points", property(lambda self: self.mesh.axis(0))),
        r"got an array of shape \(40,\) .* from BrokenRusanovOperator.points, expected an array of shape \(n, 1\)",
    ),
    "initial": (
        lambda: returning(Rusanov, "initial", lambda self, rule, moments: np.zeros((len(moments), 7))),
        r"got an array of shape \(2, 7\) .* from BrokenRusanovOperator.initial, expected an array of shape \(2, 40\)",
    ),
    "step": (
        lambda: returning(Nearest, "step", lambda self, layer, psi: psi[0]),
        r"got an array of shape \(40,\) .* from BrokenNearestOperator.step, expected an array of shape \(2, 40\)",
    ),
    "a list": (
        lambda: returning(Nearest, "step", lambda self, layer, psi: list(psi)),
        r"got a list of 2: an array of shape .* from BrokenNearestOperator.step, expected an array of shape \(2, 40\)",
    ),
    "integers": (
        lambda: returning(Nearest, "step", lambda self, layer, psi: psi.astype(int)),
        r"type int64 from BrokenNearestOperator.step, expected .* of floating-point numbers",
    ),
    "one of two": (
        lambda: returning(Rusanov, "step", lambda self, layer, masses: masses),
        r"got an array of shape \(2, 40\) .* from BrokenRusanovOperator.step, expected arrays of shapes \(2, 40\) and \(2,\)",
    ),
    "lost mass": (
        lambda: returning(Rusanov, "step", lambda self, layer, masses: (masses, np.zeros(1))),
        r"a tuple of 2: .* shape \(1,\) .* expected arrays of shapes \(2, 40\) and \(2,\)",
    ),
    "measure": (
        lambda: returning(Rusanov, "measure", lambda self, masses: (self.points, masses)),
        "from BrokenRusanovOperator.measure, expected a schemes.Measure",
    ),
    "weights": (
        lambda: returning(Rusanov, "measure", lambda self, masses: Measure(self.points, masses)),
        r"got an array of shape \(2, 40\) .* from BrokenRusanovOperator.measure.weights, expected an array of shape \(n, \d+\)",
    ),
    "adjoint_step": (
        lambda: returning(SemiLagrangian, "adjoint_step", lambda self, layer, masses: masses),
        r"from BrokenSemiLagrangianOperator.adjoint_step, expected arrays of shapes \(2, 40\) and \(2,\)",
    ),
    "slope": (
        lambda: returning(SemiLagrangian, "step_with_slope", lambda self, layer, psi, masses: (psi, 0.0)),
        r"a float from BrokenSemiLagrangianOperator.step_with_slope, expected arrays of shapes \(2, 40\) and \(1,\)",
    ),
    "deposit": (
        lambda: returning(
            SemiLagrangian, "deposit", lambda self, points, weights: weights @ np.zeros((len(points), 7))
        ),
        r"got an array of shape \(2, 7\) .* from BrokenSemiLagrangianOperator.deposit, expected an array of shape \(2, 40\)",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_scheme_that_breaks_its_contract_is_told_how(name):
    """The error names the class and the method, what it returned, and what the contract expects."""
    make, pattern = BROKEN[name]
    scheme = make()
    argument = "transport" if isinstance(scheme, TransportScheme) else "continuity"
    own = {argument: scheme}
    if argument == "transport":
        own["continuity"] = PushForward() if isinstance(scheme, SemiLagrangian) else Rusanov()
    with pytest.raises(ArgumentError, match=f"^{argument}: .*{pattern}.*: see docs/howto/own_scheme.md"):
        emfc.OptimalitySystem(toy_line(), toy_mesh(40), 2, **own).cost_and_gradient(0.1)


def test_checks_of_contracts_are_for_the_first_call_and_for_own_methods_only():
    """Later calls run the methods themselves, and schemes of the package are never watched."""
    watched = lambda system: {*vars(system.pair.transport), *vars(system.pair.continuity)} & {"step", "initial"}  # noqa: E731
    system = emfc.OptimalitySystem(toy_line(), toy_mesh(40), 2, continuity=Rusanov(), transport=Nearest())
    assert watched(system) == {"step"}
    system.cost_and_gradient(0.1)
    assert watched(system) == set()
    assert watched(emfc.OptimalitySystem(toy_line(), toy_mesh(40), 2)) == set()


def test_a_file_imports_no_module_for_a_scheme(tmp_path, monkeypatch):
    solution = emfc.solve(
        toy_line(), toy_mesh(40), 2, continuity=Rusanov(), solver=emfc.solvers.Shooting(relaxation=0.5, tol=1e-4)
    )
    monkeypatch.setattr(Rusanov, "__module__", "gone")
    solution.save(tmp_path / "own.h5")
    monkeypatch.undo()
    with pytest.raises(FileFormatError, match=r"scheme Rusanov of the module gone, .* import this module"):
        emfc.Solution.load(tmp_path / "own.h5")


def test_what_is_not_a_scheme_is_refused():
    for name in ("transport", "continuity"):
        with pytest.raises(ArgumentError, match=rf"{name}: got 3, expected a scheme of the module {name}"):
            emfc.OptimalitySystem(toy_line(), toy_mesh(), 2, **{name: 3})


def test_a_scheme_that_declares_too_little_is_no_scheme():
    class Undeclared(TransportScheme):
        order: ClassVar[int] = 1

        def on(self, mesh, flow):
            raise NotImplementedError

    with pytest.raises(TypeError, match="abstract"):
        Undeclared()
