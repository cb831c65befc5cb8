"""The default scheme, solver and tolerance are one decision, whichever entry of the package is used."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
import skfem

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.run.options import OPTIONS, SolveOptions, SystemOptions
from eulerian_mfc.solvers import Shooting, default_solver
from eulerian_mfc.solvers.default import ELEMENT_TOLERANCE
from eulerian_mfc.studies.runs import twin_solver
from eulerian_mfc.system.discretisation import Discretisation, Resources

from .conftest import toy_line, toy_mesh

VOLUMES = {
    "continuity": emfc.continuity.FiniteVolume("muscl", limiter="mc"),
    "transport": emfc.transport.SemiLagrangian(3),
}
LINE = emfc.SimplexMesh(skfem.MeshLine(np.linspace(-7, 7, 61)))


@pytest.mark.parametrize(
    ("mesh", "options", "solver"),
    [
        (toy_mesh(60), {}, "LBFGS(tol=1e-09, max_iterations=500, memory=20, last_steps=12)"),
        (toy_mesh(60), VOLUMES, repr(Shooting(relaxation="auto", tol=1e-8))),
        (toy_mesh(60), {"precision": "single"}, repr(Shooting(relaxation="auto", tol=1e-8))),
        (LINE, {}, "LBFGS(tol=0.0001, max_iterations=500, memory=20, last_steps=12)"),
    ],
    ids=["boxes", "not adjoint", "single precision", "simplices"],
)
def test_solve_multistart_and_continuation_take_one_solver(mesh, options, solver):
    problem = toy_line()
    one = emfc.solve(problem, mesh, 3, **options)
    assert one.description["solver"] == solver
    (several,) = emfc.multistart(problem, mesh, 3, starts=[0.1], **options)
    assert several.description["solver"] == solver
    assert several.cost == pytest.approx(one.cost, rel=1e-9)
    (continued,) = emfc.continuation(problem, mesh, 3, penalties=[1.0], **options)
    assert continued.description["solver"] == solver


def test_sparsity_asks_for_proximal_steps_whatever_the_precision():
    for precision in ("double", "single"):
        system = emfc.OptimalitySystem(toy_line(sparsity=0.1), toy_mesh(60), 3, precision=precision)
        assert type(default_solver(system)).__name__ == "ProximalGradient"


def test_twins_take_the_default_without_a_mesh():
    twin = emfc.ParticleSystem(toy_line(), 3)
    assert twin_solver(twin, {}) == default_solver(twin) == emfc.solvers.LBFGS()
    assert twin_solver(twin, {"solver": Shooting()}) == emfc.solvers.LBFGS()
    assert default_solver(twin, 1e-3) == emfc.solvers.LBFGS(tol=1e-3)
    assert default_solver(emfc.OptimalitySystem(toy_line(), LINE, 3)).tol == ELEMENT_TOLERANCE


def test_the_schema_of_options_is_that_of_solve():
    """Cases, studies and functions that hand options on read the schema: it must be the public face's."""
    face = set(inspect.signature(emfc.solve).parameters) - {"problem", "mesh", "layers"}
    assert set(SolveOptions.__annotations__) == face
    assert set(OPTIONS) == face - {"callback", "checkpoint"}
    of_system = set(inspect.signature(emfc.OptimalitySystem).parameters) - {"problem", "mesh", "layers"}
    assert set(SystemOptions.__annotations__) == of_system
    values = set(inspect.signature(Discretisation).parameters) | set(inspect.signature(Resources).parameters)
    assert values == of_system | {"mesh", "layers"}


def test_a_system_is_made_of_its_values():
    options = {**VOLUMES, "layer_map": "midpoint", "threads": 1, "memory": 10**6, "precision": "single"}
    system = emfc.OptimalitySystem(toy_line(), toy_mesh(60), 3, **options)
    same = emfc.OptimalitySystem.of(system.problem, system.discretisation, system.resources)
    assert (same.discretisation, same.resources) == (system.discretisation, system.resources)
    assert same.flow.layer_map == emfc.LayerMap("midpoint")
    assert np.array_equal(same.cost_and_gradient(0.3)[1], system.cost_and_gradient(0.3)[1])
    finer = emfc.OptimalitySystem.of(system.problem, replace(system.discretisation, layers=6))
    assert finer.layers == 6
    assert finer.resources == Resources()


def test_another_name_of_the_precision_is_refused():
    with pytest.raises(ArgumentError, match=r"precision: got 'half', expected one of 'double', 'single'"):
        Resources(precision="half")
    with pytest.raises(TypeError, match="storage"):
        emfc.solve(toy_line(), toy_mesh(60), 3, storage="single")
