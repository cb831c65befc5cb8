"""Bad input: every mistake is refused at the edge, by an exception that names the argument and what it got."""

import numba
import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc import CartesianMesh, LayerMap, OptimalitySystem, ParticleSystem, Problem, studies
from eulerian_mfc._validate import machine_memory
from eulerian_mfc.controllability import Dynamics
from eulerian_mfc.errors import (
    ArgumentError,
    DomainError,
    EulerianError,
    MissingFileError,
    NonFiniteError,
    StorageError,
)
from eulerian_mfc.fields import AffineField, CustomField, LinearControlField, NeuralField, ScaledField
from eulerian_mfc.laws import Empirical, Gaussian, GaussianMixture, Labelled, Uniform
from eulerian_mfc.losses import LabelLoss, SquaredLoss
from eulerian_mfc.solvers import LBFGS, Direct, GradientFlow, NewtonKrylov, Shooting, SuccessiveApproximations
from eulerian_mfc.system.discretisation import Discretisation
from eulerian_mfc.transport import SemiLagrangian

SAMPLES = Empirical([[0.1], [-0.2]], [1.0, -1.0])
PLANE = Empirical([[0.1, 0.0], [-0.2, 0.3]], [[1.0, 0.0], [-1.0, 1.0]])
MESH = CartesianMesh([(-6.0, 6.0)], 48)
NORMAL = Gaussian([0.0], 1.0)
ONES = np.ones((3, 1))
SMALL = CartesianMesh([(-2.0, 2.0)], 12)


def problem(**changes):
    """A good problem on the line, with changes."""
    arguments = {"field": NeuralField(1), "law": SAMPLES, "loss": SquaredLoss(), "penalty": 1.0, "horizon": 1.0}
    return Problem(**{**arguments, **changes})


def system(mesh=MESH, layers=3, changes=None, **schemes):
    return OptimalitySystem(problem(**(changes or {})), mesh, layers, **schemes)


def solve(layers=3, **options):
    return emfc.solve(problem(), MESH, layers, **options)


def covering(cells=10, field=None, **options):
    return CartesianMesh.covering(problem(field=field or NeuralField(1)), cells, **options)


def wide(size):
    return CustomField(lambda t, theta, x: 0.0 * x, 1, size)


def steer(dynamics):
    return emfc.controllability.steer([[0.0, 0.0]], [[0.5, 0.0]], dynamics)


def two_normals(**changes):
    return GaussianMixture(**{"means": [[-1.0, 0.0], [1.0, 0.0]], "std": 0.2, **changes})


def test_the_good_versions_of_all_this_work():
    """The helpers without changes raise nothing: what is refused below is refused for its own sake."""
    assert np.isfinite(system().cost(0.1).total)
    assert np.isfinite(ParticleSystem(problem(), 3, samples=4, seed=0).cost(0.1).total)
    assert solve(solver=LBFGS(max_iterations=1, tol=1.0), callback=lambda row: None).control.shape == (3, 2)
    assert covering().shape == (10,)
    assert two_normals().dim == 2


TABLE = {
    # the problem
    "penalty zero": (lambda: problem(penalty=0.0), r"penalty: got 0.0, expected positive"),
    "penalty negative": (lambda: problem(penalty=[1.0, -2.0]), r"penalty: got \[1.0, -2.0\], expected positive"),
    "penalty count": (lambda: problem(penalty=[1, 2, 3]), r"penalty: got \[1, 2, 3\], .* or 2 numbers"),
    "penalty tiny": (lambda: problem(penalty=1e-300), r"penalty: got 1e-300, expected numbers from 1e-100 to 1e\+100"),
    "penalty nan": (lambda: problem(penalty=np.nan), r"penalty: got nan"),
    "penalty none": (lambda: problem(penalty=None), r"penalty: got "),
    "penalty words": (lambda: problem(penalty="small"), r"penalty: got 'small', expected an array of real .* penalty=0.1"),
    "horizon zero": (lambda: problem(horizon=0), r"horizon: got 0, expected a number > 0"),
    "horizon negative": (lambda: problem(horizon=-1.5), r"horizon: got -1.5"),
    "horizon infinite": (lambda: problem(horizon=np.inf), r"horizon: got inf"),
    "horizon list": (lambda: problem(horizon=[1.0]), r"horizon: got an array of shape \(1,\)"),
    "representation": (lambda: problem(representation="mass"), r"representation: got 'mass', expected one of 'auto'"),
    "field class": (lambda: problem(field=NeuralField), r"field: got <class .*NeuralField'>, expected a Field"),
    "loss class": (lambda: problem(loss=SquaredLoss), r"loss: got <class .*SquaredLoss'>, expected a Loss"),
    "law not labelled": (lambda: problem(law=Gaussian([0.0], 1.0)), r"law: got a Gaussian, .*: write laws.Labelled\("),
    "law dimension": (lambda: problem(law=PLANE), r"law: got a law in dimension 2, expected the field's dimension 1"),
    "label dimension": (
        lambda: problem(law=Empirical([0.0], [[1.0, 2.0]])), r"law: got labels of dimension 2, .* 1 of the state",
    ),
    "label loss dimension": (
        lambda: problem(loss=LabelLoss(lambda x, y: x[:, 0], [[1.0, 2.0]])), r"labels: got labels of dimension 2",
    ),
    "label loss by moments": (
        lambda: problem(loss=LabelLoss(lambda x, y: x[:, 0], [1.0]), representation="moments"),
        r"representation: got 'moments', expected 'labels'",
    ),
    "label not listed": (
        lambda: system(changes={"loss": LabelLoss(lambda x, y: x[:, 0], [1.0, 3.0])}), r"labels: got .*\[-1.0\]",
    ),
    # fields
    "activation": (lambda: NeuralField(1, "gelu"), r"activation: got 'gelu', expected one of 'tanh'"),
    "dim zero": (lambda: NeuralField(0), r"dim: got 0, expected an integer >= 1"),
    "dim float": (lambda: AffineField(2.0), r"dim: got 2.0"),
    "bias": (lambda: NeuralField(1, bias="yes"), r"bias: got 'yes'"),
    "affine with nothing": (lambda: AffineField(1, matrix=False, bias=False), r"bias: got False, expected one of True"),
    "custom size": (lambda: CustomField(lambda t, w, x: x, 1, 1.5), r"size: got 1.5"),
    # laws
    "mean nan": (lambda: Gaussian([0.0, np.nan], 1.0), r"mean: got nan at index \(1,\)"),
    "mean scalar": (lambda: Gaussian(0.0, 1.0), r"mean: got the number 0.0, expected 1 dimension, such as mean=\[0.0\]"),
    "four dimensions": (lambda: Gaussian([0.0] * 4, 1.0), r"means: got dimension 4"),
    "std zero": (lambda: Gaussian([0.0], 0.0), r"std: got .*, expected positive numbers"),
    "std count": (lambda: two_normals(std=[0.1, 0.2, 0.3]), r"std: got \[0.1, 0.2, 0.3\], .* 2 numbers"),
    "std with truncation": (lambda: Gaussian([0, 0], [1, 2], truncation=1), r"std: got .*one number for all axes"),
    "truncation": (lambda: Gaussian([0.0], 1.0, truncation=-0.2), r"truncation: got -0.2"),
    "means flat": (lambda: two_normals(means=[-1.0, 1.0]), r"means: got an array of shape \(2,\)"),
    "weights sum": (lambda: two_normals(weights=[0.5, 0.6]), r"weights: got 2 numbers .* sum 1.1"),
    "weights negative": (lambda: two_normals(weights=[-0.5, 1.5]), r"weights: got 2 numbers with minimum -0.5"),
    "weights count": (lambda: two_normals(weights=[1.0]), r"weights: got 1 numbers"),
    "uniform order": (lambda: Uniform([(1.0, 0.0)]), r"bounds: got \[\(1.0, 0.0\)\]"),
    "samples nan": (lambda: Empirical([0.0, np.nan], [0, 1]), r"x: got nan at index \(1,\)"),
    "samples infinite": (lambda: Empirical([[0.0], [np.inf]], [0, 1]), r"x: got inf at index \(1, 0\)"),
    "sample labels nan": (lambda: Empirical([0.0, 1.0], [np.nan, 1]), r"y: got nan at index \(0,\)"),
    "sample labels count": (lambda: Empirical([0.0, 1.0], [0, 1, 2]), r"y: got 3 labels, .* each of the 2 samples"),
    "no samples": (lambda: Empirical([], []), r"y: got 0 labels"),
    "samples as columns": (lambda: Empirical(np.zeros((2, 50)), [0, 1]), r"x: got samples of dimension 50"),
    "sample weights": (lambda: Empirical([0.0, 1.0], [0, 1], [0.5, 0.4]), r"weights: got 2 numbers .* sum 0.9"),
    "sample count": (lambda: SAMPLES.sample(0), r"n: got 0"),
    "law in labelled": (lambda: Labelled(SAMPLES, np.sign), r"law: got .*Empirical.*, expected a law of the inputs"),
    "label count": (lambda: Labelled(two_normals(), [1, 2, 3]), r"label: got \[1, 2, 3\], .* each of the 2 component"),
    "label shape": (lambda: Labelled(two_normals(), lambda x: x[1:]), r"label: got .* shape \(\d, 2\)"),
    "label nan": (lambda: Labelled(two_normals(), lambda x: x * np.nan), r"label: got a label that is not finite"),
    "breaks count": (lambda: Labelled(two_normals(), np.sign, [[0.0]]), r"breaks: got \[\[0.0\]\], expected 2 lists"),
    # losses: see test_losses.py; meshes: see test_mesh.py
    "cells float": (lambda: CartesianMesh([(0.0, 1.0)], 10.0), r"cells: got 10.0, expected an integer >= 1"),
    "covering tolerance": (lambda: covering(tolerance=0.0), r"tolerance: got 0.0"),
    "covering speed": (lambda: covering(field=NeuralField(1, "relu")), r"speed: got None, .*NeuralField"),
    "covering cells": (lambda: covering(10.5), r"cells: got 10.5"),
    # schemes and systems
    "degree even": (lambda: SemiLagrangian(degree=2), r"degree: got 2, expected one of 1, 3, 5, 7"),
    "degree float": (lambda: SemiLagrangian(degree=3.0), r"degree: got 3.0"),
    "interpolation": (lambda: SemiLagrangian(interpolation="cubic"), r"interpolation: got 'cubic', .*'spline'"),
    "few cells": (lambda: system(CartesianMesh([(-2, 2)], 5)), r"cells: got \(5,\), expected at least 6 .* degree 5"),
    "few cells on one axis": (
        lambda: system(
            CartesianMesh([(-2, 2)] * 2, [9, 7]), changes={"field": NeuralField(2), "law": PLANE},
            transport=SemiLagrangian(degree=7),
        ),
        r"cells: got \(9, 7\), expected at least 8",
    ),
    "method": (lambda: LayerMap("heun"), r"method: got 'heun', expected one of 'euler', 'midpoint', 'rk4'"),
    "layer map": (lambda: system(layer_map="heun"), r"layer_map: got 'heun', expected one of 'auto', 'euler'"),
    "substeps": (lambda: LayerMap("rk4", 0), r"substeps: got 0"),
    "layers zero": (lambda: system(layers=0), r"layers: got 0, expected an integer >= 1"),
    "layers float": (lambda: system(layers=20.0), r"layers: got 20.0"),
    "mesh": (lambda: system(mesh=[(-2.0, 2.0)]), r"mesh: got \[\(-2.0, 2.0\)\], expected a CartesianMesh"),
    "mesh dimension": (lambda: system(CartesianMesh([(-2, 2)] * 2, 9)), r"mesh: got a mesh of dimension 2, .* 1"),
    "transport": (lambda: system(transport="spline"), r"transport: got 'spline', expected a scheme"),
    "transport class": (lambda: system(transport=SemiLagrangian), r"transport: got <class"),
    "continuity": (lambda: system(continuity=3), r"continuity: got 3, expected a scheme"),
    "problem": (lambda: OptimalitySystem(None, MESH, 3), r"problem: got None, expected a Problem"),
    "control shape": (lambda: system().cost(np.zeros((4, 2))), r"control: got an array of shape \(4, 2\), .*\(3, 2\)"),
    "control transposed": (lambda: system().cost_and_gradient(np.zeros((2, 3))), r"control: got .*\(2, 3\), .*\(3, 2"),
    "control row": (lambda: system().masses(np.zeros(3)), r"control: got an array of shape \(3,\), .*\(2,\)"),
    "control nan": (lambda: system().potentials([[0, 0], [0, 0], [0, np.nan]]), r"control: got nan at index \(2, 1\)"),
    "particles seed": (lambda: ParticleSystem(problem(), 3, seed=1), r"seed: got 1, expected None, since `samples` is not given"),
    "particles samples": (lambda: ParticleSystem(problem(), 3, samples=0), r"n: got 0|samples: got 0"),
    "particles control": (lambda: ParticleSystem(problem(), 3).cost(np.zeros((1, 2))), r"control: got .*\(1, 2\)"),
    # found by trying
    "breaks scalar": (lambda: Labelled(Gaussian([0.0], 1.0), np.sign, breaks=0.0), r"breaks: got 0.0"),
    "breaks off centre": (
        lambda: Labelled(Gaussian([0, 0], 1.0, truncation=1.0), np.sign, breaks=[[0.3], []]).quadrature(),
        r"breaks: got 0.3 on axis 0",
    ),
    "no means": (lambda: GaussianMixture(np.zeros((0, 1)), 1.0), r"means: got an empty list of means"),
    "speeds": (lambda: covering(speed=[1.0, 2.0]), r"speed: got \[1.0, 2.0\]"),
    "speed negative": (lambda: covering(speed=-1.0), r"speed: got -1.0"),
    "covering tolerance above 1": (lambda: covering(tolerance=5.0), r"tolerance: got 5.0"),
    "covering cells count": (lambda: covering([10, 10]), r"cells: got \[10, 10\]"),
    "covering cells text": (lambda: covering("ten"), r"cells: got 'ten'"),
    "penalty text": (lambda: problem(penalty="1.0"), r"penalty: got '1.0'"),
    "penalty complex": (lambda: problem(penalty=1 + 2j), r"penalty: got \(1\+2j\)"),
    "jacobian shape": (lambda: LinearControlField([np.sin], 1, [np.cos]), r"jacobians\[0\]: got .*shape \(5, 1\)"),
    "jacobian wrong": (
        lambda: LinearControlField([np.sin], 1, [lambda x: np.sin(x)[:, :, None]]), r"jacobians\[0\]: got a derivative that"
    ),
    "field alone": (lambda: LinearControlField(np.sin, 1), r"fields: got <ufunc 'sin'>"),
    "custom speed": (lambda: CustomField(lambda t, u, x: u[0] * x, 1, 1, speed=-3.0), r"speed: got -3.0"),
    "custom jacobian": (lambda: CustomField(lambda t, u, x: u[0] * x, 1, 1, state_jacobian=1), r"state_jacobian: got 1"),
    "loss gradient shape": (
        lambda: LabelLoss(lambda x, y: x[:, 0], [1.0], lambda x, y: x[0]).gradient(ONES, ONES), r"state_gradient: got"
    ),
    "loss gradient wrong": (
        lambda: LabelLoss(lambda x, y: x[:, 0], [1.0], lambda x, y: 2 * x).gradient(ONES, ONES), r"state_gradient: got"
    ),
    "label not in the loss": (
        lambda: problem(loss=LabelLoss(lambda x, y: x[:, 0], [5.0])), r"labels: got \[\[5.0\]\]"
    ),
    # solving
    "solve layers": (lambda: solve(layers=0), r"layers: got 0"),
    "callback": (lambda: solve(callback=3), r"callback: got 3, expected a function"),
    "solver": (lambda: solve(solver="lbfgs"), r"solver: got 'lbfgs', expected a solver"),
    "solver class": (lambda: solve(solver=LBFGS), r"solver: got <class"),
    "initial": (lambda: solve(initial=np.zeros((2, 2))), r"initial: got .*\(2, 2\), .*\(3, 2\)"),
    "initial coefficients": (
        lambda: solve(initial=np.zeros((3, 2, 2))),
        r"initial: got an array of shape \(3, 2, 2\), .*\(3, 2\), since .* control_degree >= 1",
    ),
    "initial of more dimensions": (
        lambda: solve(initial=np.zeros((3, 2, 2, 1)), control_degree=1), r"initial: got an array of shape \(3, 2, 2, 1\)",
    ),
    "initial of another degree": (
        lambda: solve(initial=np.zeros((3, 3, 2)), control_degree=1),
        r"initial: got an array of shape \(3, 3, 2\), .*\(3, 2, 2\)",
    ),
    "tol zero": (lambda: LBFGS(tol=0.0), r"tol: got 0.0, expected a number > 0"),
    "tol nan": (lambda: Shooting(tol=np.nan), r"tol: got nan"),
    "iterations": (lambda: LBFGS(max_iterations=0), r"max_iterations: got 0"),
    "iterations float": (lambda: Shooting(max_iterations=1e3), r"max_iterations: got 1000.0"),
    "memory": (lambda: LBFGS(memory=-1), r"memory: got -1"),
    "relaxation large": (lambda: Shooting(relaxation=1.5), r"relaxation: got 1.5, expected a number in \(0, 1\]"),
    "relaxation zero": (lambda: Shooting(relaxation=0), r"relaxation: got 0, expected"),
    "relaxation word": (lambda: Shooting(relaxation="best"), r"relaxation: got 'best', expected one of 'auto'"),
    "window zero": (lambda: Shooting(anderson=0), r"anderson: got 0, expected an integer >= 1"),
    "window and auto": (lambda: Shooting("auto", anderson=3), r"tol: got 'auto'"),
    "two relaxations": (lambda: Shooting(relaxation="auto", anderson=3), r"relaxation: got 'auto', expected a number"),
    "update": (lambda: Shooting(update="explicit"), r"update: got 'explicit', expected one of 'discrete', 'continuous'"),
    "growth": (lambda: SuccessiveApproximations(growth=1.0), r"growth: got 1.0, expected a number > 1"),
    "weight": (lambda: SuccessiveApproximations(weight=-1.0), r"weight: got -1.0, expected a number >= 0"),
    "flow step": (lambda: GradientFlow(step=0.0), r"step: got 0.0, expected a number > 0"),
    "flow rule": (lambda: GradientFlow(rule="bb"), r"rule: got 'bb', expected one of 'armijo'"),
    "krylov": (lambda: NewtonKrylov(inner_iterations=0), r"inner_iterations: got 0"),
    "krylov step": (lambda: NewtonKrylov(first_step=-np.inf), r"first_step: got -inf"),
    "direct": (lambda: Direct(method="SQP"), r"method: got 'SQP', expected one of 'trust-constr'"),
    "divergence": (lambda: Shooting(divergence=1.0), r"divergence: got 1.0, expected a number > 1"),
    # users' functions
    "label arguments": (lambda: Labelled(NORMAL, lambda x, t: x), r"label: got <function .*, expected a function of \(x\)"),
    "label class": (lambda: Labelled(NORMAL, int), r"label: got <class 'int'>, expected a function of \(x\)"),
    "label text": (lambda: Labelled(NORMAL, lambda x: np.full(len(x), "a")), r"label: got array\(.*, expected an array of real"),
    "label complex": (lambda: Labelled(NORMAL, lambda x: 1j * x), r"label: got array\("),
    "field arguments": (lambda: CustomField(lambda x: x, 1, 1), r"function: got .*, expected a function of \(t, theta, x\)"),
    "field complex": (lambda: CustomField(lambda t, u, x: 1j * x, 1, 1), r"function: got array\("),
    "jacobian arguments": (
        lambda: CustomField(lambda t, u, x: x, 1, 1, lambda x: x), r"state_jacobian: got .*, expected a function of \(t, theta",
    ),
    "names number": (lambda: CustomField(lambda t, u, x: x, 1, 1, names=3), r"names: got 3, expected 1 names"),
    "names numbers": (lambda: CustomField(lambda t, u, x: x, 1, 1, names=[3]), r"names: got \[3\], expected 1 names"),
    "fields arguments": (lambda: LinearControlField([lambda: 0], 1), r"fields\[0\]: got .*, expected a function of \(x\)"),
    "loss arguments": (lambda: LabelLoss(lambda x: x, [1.0]), r"function: got .*, expected a function of \(x, y\)"),
    "loss without labels": (lambda: LabelLoss(lambda x, y: x[:, 0], []), r"labels: got \[\], expected at least one label"),
    "scale arguments": (lambda: ScaledField(NeuralField(1), lambda: 1.0), r"scale: got .*, expected a function of \(t\)"),
    # what no machine has the memory or the processors for
    "layers": (lambda: solve(10**9), r"layers: got 1000000000, expected at most 1000000: use a higher degree"),
    "layers of a discretisation": (lambda: Discretisation(MESH, 10**9), r"layers: got 1000000000, expected at most 1000000"),
    "layers of particles": (lambda: ParticleSystem(problem(), 10**7), r"layers: got 10000000, expected at most 1000000"),
    "layers of a study": (
        lambda: studies.layer_convergence(problem(), MESH, [1, 10**9]), r"layers: got 1000000000, expected at most",
    ),
    "layers of dynamics": (lambda: steer(Dynamics(layers=10**9)), r"layers: got 1000000000, expected at most 1000000"),
    "layers that need much memory": (
        lambda: system(layers=10**6, changes={"field": emfc.fields.BottleneckField(1, 1000)}),
        r"layers: got 1000000, .*less memory: the controls",
    ),
    "layers on a mesh": (
        lambda: emfc.solve(problem(), CartesianMesh([(-6.0, 6.0)], 4000), 10**6), r"layers: got 1000000, .*less memory: the dens",
    ),
    "layers beyond": (lambda: system(layers=10**18), r"layers: got 10+, expected at most 1000000"),
    "degree beyond": (
        lambda: solve(control_degree=10**9), r"control_degree: got 1000000000, expected at most 10: use more layers",
    ),
    "degree of particles": (
        lambda: ParticleSystem(problem(), 3, control_degree=11), r"control_degree: got 11, expected at most 10",
    ),
    "substeps of volumes": (
        lambda: emfc.continuity.FiniteVolume("upwind", substeps=10**9), r"substeps: got 1000000000, expected at most 10000",
    ),
    "substeps on simplices": (
        lambda: emfc.continuity.SimplexFiniteVolume("upwind", substeps=10**9),
        r"substeps: got 1000000000, expected at most 10000",
    ),
    "starts": (lambda: emfc.multistart(problem(), MESH, 3, starts=10**9), r"starts: got 1000000000, expected at most 100000"),
    "repeats": (
        lambda: studies.sample_convergence(problem(), MESH, [10], 10**9, 3), r"repeats: got 1000000000, expected at most 100000",
    ),
    "workers": (
        lambda: studies.layer_convergence(problem(), MESH, [1, 2], workers=10**9), r"workers: got 1000000000, expected at most",
    ),
    "pairs": (lambda: LBFGS(memory=10**9), r"memory: got 1000000000, expected at most 1000"),
    "size of a field": (lambda: wide(10**9), r"size: got 1000000000, expected at most 1000000"),
    "points of a grid": (lambda: Uniform([(0.0, 1.0)]).grid(10**12), r"count: got 10+, .*less memory: this grid would take"),
    "cells of a system": (lambda: system(CartesianMesh([(-6.0, 6.0)], machine_memory() // 16)),
    r"mesh: got .*less memory: the dens"),
    "cells beyond": (lambda: CartesianMesh([(0, 1)], 10**12), r"cells: got 10+, .*less memory: the centres of the cells"),
    "cells far beyond": (lambda: CartesianMesh([(0, 1)] * 3, 10**400), r"cells: got 10+.*, .*less memory"),
    "disc": (lambda: emfc.meshes.domains.disc(40), r"refinements: got 40, .*less memory: the triangles of this mesh"),
    "l_shape": (lambda: emfc.meshes.domains.l_shape(10**8), r"cells: got 100000000, .*less memory: the triangles"),
    "channel": (lambda: emfc.meshes.domains.channel(1e-7), r"width: got 1e-07, .*less memory: the triangles"),
    "threads": (lambda: system(threads=10**5), r"threads: got 100000, expected at most 1024"),
    "substeps beyond": (lambda: LayerMap(substeps=10**9), r"substeps: got 1000000000, expected at most 10000"),
    "samples of a law": (lambda: NORMAL.sample(10**18), r"n: got 10+, .*less memory: this many samples would take"),
    "samples labelled": (lambda: SAMPLES.sample(10**18), r"n: got 10+, .*less memory: this many samples would take"),
    "seed text": (lambda: NORMAL.sample(3, seed="a"), r"seed: got 'a', expected None, an integer"),
    "seed negative": (lambda: SAMPLES.sample(3, seed=-1), r"seed: got -1, expected None, an integer"),
    # paths
    "checkpoint folder": (lambda: solve(checkpoint="/"), r"checkpoint: got '/', expected a file, not a folder"),
    "checkpoint empty": (lambda: solve(checkpoint=""), r"checkpoint: got '', expected a path"),
    "checkpoint zero": (lambda: solve(checkpoint="a\0b"), r"checkpoint: got 'a.x00b', expected a path"),
    "load none": (lambda: emfc.Solution.load(None), r"path: got None, expected a path"),
    "mesh path": (lambda: emfc.SimplexMesh.read(3), r"path: got 3, expected a path"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_bad_argument(name):
    """The message begins with the argument's name and shows the offending value; the exception is a ValueError too."""
    build, pattern = TABLE[name]
    with pytest.raises(ArgumentError, match=f"^({pattern})") as caught:
        build()
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, EulerianError)
    assert ", expected " in str(caught.value)


@pytest.mark.parametrize(("times", "got"), [
    (np.nan, "nan"), ([0.0, np.nan], "nan"), (np.inf, "inf"), (-0.1, "-0.1"), ([0.5, 1.5], "1.5"), ("a", "'a'"),
    (["a"], r"\['a'\]"),
    (None, "None"), (1j, "1j"), ([[0.5]], r"an array of shape \(1, 1\)"), ([0.0, [1.0]], r"\[0.0, \[1.0\]\]"),
])  # fmt: skip
@pytest.mark.parametrize("degree", [0, 1])
def test_times_of_a_control(times, got, degree):
    """The message names what is wrong, and shows times that are accepted."""
    solution = solve(solver=LBFGS(max_iterations=1, tol=1.0), control_degree=degree)
    for recovered in (False, True):
        with pytest.raises(ArgumentError, match=f"^times: got {got}, expected .*0.5 or \\[0, 1\\]"):
            solution.theta(times, recovered=recovered)
        assert solution.theta([0.0, 1.0], recovered=recovered).shape == (2, 2)
        assert solution.theta([], recovered=recovered).shape == (0, 2)


@pytest.mark.parametrize("n", [-1, 4, 10**9, 1.5, np.nan, "a", None])
def test_levels_in_time(n):
    solution = solve(solver=LBFGS(max_iterations=1, tol=1.0))
    with pytest.raises(ArgumentError, match=r"^n: got .*, expected (at most 3|an integer >= 0)"):
        solution.velocity(n)
    assert solution.velocity(3).shape == (48, 1)


#: calls that are wrong by their form, and what they are with the argument that the message shows
FORMS = {
    "a flat box": (lambda **new: CartesianMesh(**{"bounds": (-8, 8), **new}), "bounds=[(-8.0, 8.0)]"),
    "a box upside down": (lambda **new: CartesianMesh(**{"bounds": [(8, -8)], **new}), "bounds=[(-8.0, 8.0)]"),
    "a number for a box": (lambda **new: CartesianMesh(**{"bounds": 8, **new}), "bounds=[(-1.0, 1.0)]"),
    "cells in lists": (lambda **new: CartesianMesh(**{"bounds": [(-8, 8)], "cells": [[3]], **new}), "cells=3"),
    "cells of another mesh": (lambda **new: CartesianMesh(**{"bounds": [(-8, 8)], "cells": [3, 4], **new}), "cells=100"),
    "cells as text": (lambda **new: CartesianMesh(**{"bounds": [(-8, 8)], "cells": "160", **new}), "cells=160"),
    "a flat interval": (lambda **new: Uniform(**{"bounds": (0.0, 1.0), **new}), "bounds=[(0.0, 1.0)]"),
    "a ball": (lambda **new: emfc.laws.UniformBall(**{"centre": 0.0, **new}), "centre=[0.0, 0.0]"),
    "a mean": (lambda **new: Gaussian(**{"mean": 0.5, "std": 1.0, **new}), "mean=[0.5]"),
    "a deviation": (lambda **new: Gaussian(**{"mean": [0.0], "std": [[[1.0]]], **new}), "std=1.0"),
    "means": (lambda **new: GaussianMixture(**{"means": 0.0, "std": 1.0, **new}), "means=[[-1.0], [1.0]]"),
    "weights": (
        lambda **new: GaussianMixture(**{"means": [[0.0], [1.0]], "std": 1.0, "weights": 1.0, **new}), "weights=[0.25, 0.75]",
    ),
    "a label": (lambda **new: Labelled(**{"law": NORMAL, "label": 1.0, **new}), "label=[[1.0]]"),
    "samples": (lambda **new: Empirical(**{"x": 0.3, "y": [0.0, 1.0], **new}), "x=[0.0, 1.0]"),
    "labels of samples": (lambda **new: Empirical(**{"x": [0.0, 1.0], "y": 0.3, **new}), "y=[0.0, 1.0]"),
    "a dimension": (lambda **new: AffineField(**{"dim": "1", **new}), "dim=1"),
    "layers": (lambda **new: emfc.solve(problem(), **{"mesh": MESH, "layers": 4.0, **new}), "layers=4"),
    "labels": (lambda **new: LabelLoss(**{"function": lambda x, y: x[:, 0], "labels": 1.0, **new}), "labels=[-1.0, 1.0]"),
    "classes": (lambda **new: emfc.losses.CrossEntropy(**{"labels": 1.0, **new}), "labels=[-1.0, 1.0]"),
    "a read-out": (lambda **new: emfc.losses.Readout(**{"matrix": 1.0, **new}), "matrix=[[1.0]]"),
    "centres": (lambda **new: emfc.fields.RadialBasisField(**{"centres": [0.0, 1.0], **new}), "centres=[[-1.0], [1.0]]"),
    "a penalty": (lambda **new: problem(**{"penalty": "small", **new}), "penalty=0.1"),
    "a horizon": (lambda **new: problem(**{"horizon": [1.0], **new}), "horizon=1.0"),
    "bounds of the control": (lambda **new: problem(**{"bounds": 3.0, **new}), "bounds=(-1.0, 1.0)"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_messages_show_a_form_that_is_accepted(name):
    """What is told to be written, written: the call with it is right."""
    call, form = FORMS[name]
    with pytest.raises(ArgumentError) as caught:
        call()
    argument = form.split("=")[0]
    told = str(caught.value)
    assert told.startswith(f"{argument}: got ")
    assert "\n" not in told
    assert f"such as {form}" in told
    call(**eval(f"dict({form})"))


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ((SAMPLES, NeuralField(1), SquaredLoss()), "field: got an Empirical, .*; the order of the arguments is Problem"),
        ((NeuralField(1), SquaredLoss(), SAMPLES), "law: got SquaredLoss.*; the order of the arguments is Problem"),
        ((NeuralField(1), SAMPLES, 0.1, SquaredLoss()), r"loss: got 0.1, expected a Loss, such as losses.*\(\); the order"),
        ((NeuralField(1), NORMAL, SquaredLoss()), "law: got a Gaussian, expected a law with labels: write laws.Labelled"),
        ((NeuralField, SAMPLES, SquaredLoss()), r"field: got <class .*, expected a Field, not a class: write NeuralField\("),
        ((NeuralField(1), SAMPLES, 0.1), r"loss: got 0.1, expected a Loss, such as losses.SquaredLoss\(\)$"),
    ],
)  # fmt: skip
def test_arguments_in_another_order(arguments, pattern):
    """The message tells the order, where one of the others fits."""
    with pytest.raises(ArgumentError, match=pattern):
        Problem(*[*arguments, 0.1, 1.0][:5])


@pytest.mark.parametrize(
    ("law", "pattern"),
    [
        (Empirical([0.0, 3.25], [0.0, 1.0]), r"mesh: 5.00e-01 of the law's mass .*\(-2.0, 2.0\).*\[0, 3.25\]"),
        (Labelled(Uniform([(-2.5, 1.5)]), np.sin), r"mesh: 1.25e-01 of the law's mass.*\[-2.5, 1.5\].*covering"),
        # 1e-8 of N(0, 1) lies beyond 5.731, and 4.55e-2 beyond 2
        (Labelled(Gaussian([0.0], 1.0), np.sin), r"mesh: 4.55e-02 of .*alone needs \[-5.731, 5.731\]"),
    ],
)
def test_law_outside_the_mesh(law, pattern):
    """DomainError tells the share of mass outside, the box, and the interval that the law needs."""
    with pytest.raises(DomainError, match=pattern):
        system(SMALL, changes={"law": law})
    with pytest.raises(DomainError, match=pattern):
        emfc.solve(problem(law=law), SMALL, 3)


def test_loss_that_is_not_finite_on_the_mesh():
    """A loss that is infinite somewhere on the mesh is refused before any sweep."""
    loss = LabelLoss(lambda x, y: np.where(x[:, 0] > 1.0, np.inf, 0.0), [-1.0, 1.0])
    with pytest.raises(NonFiniteError, match="the loss is not finite on the mesh"):
        system(changes={"loss": loss})


def test_files_that_are_not_there_or_cannot_be_written(tmp_path):
    """Of the package's own hierarchy, and of Python's."""
    for read in (emfc.Solution.load, emfc.SimplexMesh.read, emfc.export.control_from_onnx):
        for path in (tmp_path / "none.vtu", tmp_path):
            with pytest.raises(MissingFileError, match=r"no .* file at") as caught:
                read(path)
            assert isinstance(caught.value, FileNotFoundError)
    (tmp_path / "file").touch()
    solution = solve(solver=LBFGS(max_iterations=1))
    mesh = emfc.meshes.domains.disc(1)
    for write in (
        lambda: solution.save(tmp_path / "file" / "a.h5"),
        lambda: solution.save(tmp_path),
        lambda: solution.to_vtk(tmp_path / "file"),
        lambda: solution.to_onnx(tmp_path / "file" / "a.onnx"),
        lambda: mesh.write(tmp_path / "file" / "a.vtu"),
        lambda: solve(checkpoint=tmp_path / ("a" * 300)),
    ):
        with pytest.raises(StorageError, match=r"cannot (read|write|make) "):
            write()


def shifted(x):
    return np.tanh(x - 0.5)


def shifts(x):
    x -= 0.5
    return np.tanh(x)


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.EulerianWarning")
@pytest.mark.parametrize(
    "build",
    [
        lambda f: problem(law=Labelled(NORMAL, f)),
        lambda f: problem(field=CustomField(lambda t, u, x: u[0] * f(x), 1, 1)),
        lambda f: problem(field=CustomField(lambda t, u, x: f(u)[0] * x, 1, 1)),
        lambda f: problem(field=LinearControlField([f, f], 1)),
        lambda f: problem(loss=LabelLoss(lambda x, y: f(x)[:, 0] ** 2, [1.0, -1.0])),
    ],
)
def test_functions_of_the_user_may_write_into_what_they_are_given(build):
    """They get copies: the problem that is solved is that of the function which does not."""
    costs = []
    for function in (shifted, shifts):
        given = OptimalitySystem(build(function), CartesianMesh([(-8.0, 8.0)], 40), 3)
        costs.append([given.cost_and_gradient(0.3)[0], *given.cost_and_gradient(0.3)[1].ravel()])
    np.testing.assert_array_equal(*costs)


def test_compiled_functions_with_explicit_types_are_taken():
    @numba.njit("float64[:,:](float64[:,:])")
    def sign(x):
        return np.sign(x)

    assert Labelled(NORMAL, sign, breaks=[0.0]).label_dim == 1
