"""The default scheme, solver and tolerance are one decision, whichever entry of the package is used."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
import skfem

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError, EulerianError
from eulerian_mfc.run.options import OPTIONS, SolveOptions, on_the_mesh, without_mesh
from eulerian_mfc.solvers import Shooting, default_solver
from eulerian_mfc.solvers.default import ELEMENT_TOLERANCE
from eulerian_mfc.studies.runner import Runner, RunnerOptions
from eulerian_mfc.studies.runs import twin_solver
from eulerian_mfc.system.discretisation import Discretisation, Resources
from eulerian_mfc.system.options import DiscretisationOptions, LayerOptions, ResourceOptions, SystemOptions

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
    """Cases, studies and functions that hand options on read the schema: it must be what `help` shows of the public face."""
    face = set(inspect.signature(emfc.solve).parameters) - {"problem", "mesh", "layers"}
    assert set(SolveOptions.__annotations__) == face
    assert set(OPTIONS) == face - {"callback", "report", "checkpoint"}
    of_system = set(inspect.signature(emfc.OptimalitySystem).parameters) - {"problem", "mesh", "layers"}
    assert set(SystemOptions.__annotations__) == of_system
    assert of_system <= set(inspect.signature(emfc.multistart).parameters)
    assert set(inspect.signature(Discretisation).parameters) == {
        "mesh",
        "layers",
        *DiscretisationOptions.__annotations__,
    }
    assert set(inspect.signature(Resources).parameters) == set(ResourceOptions.__annotations__)
    assert set(inspect.signature(emfc.ParticleSystem).parameters) >= set(LayerOptions.__annotations__)
    assert set(inspect.signature(Runner).parameters) == set(RunnerOptions.__annotations__)


def test_help_shows_the_defaults_that_hold():
    """The signature is made from that of the values; what it shows must be what a system has without keywords."""
    system = emfc.OptimalitySystem(toy_line(), toy_mesh(60), 3)
    for face in (emfc.solve, emfc.multistart, emfc.OptimalitySystem):
        shown = {n: p for n, p in inspect.signature(face).parameters.items() if n in SystemOptions.__annotations__}
        assert all(p.kind is p.KEYWORD_ONLY for p in shown.values())
        defaults = {n: p.default for n, p in shown.items()}
        assert emfc.OptimalitySystem(toy_line(), toy_mesh(60), 3, **defaults).discretisation == system.discretisation
        assert system.resources == Resources(**{n: defaults[n] for n in ResourceOptions.__annotations__})


SHORT = {"mesh": toy_mesh(60), "layers": 3}
CALLS = {
    "solve": lambda **more: emfc.solve(toy_line(), **SHORT, **more),
    "OptimalitySystem": lambda **more: emfc.OptimalitySystem(toy_line(), **SHORT, **more),
    "multistart": lambda **more: emfc.multistart(toy_line(), **SHORT, **more),
    "continuation": lambda **more: emfc.continuation(toy_line(), **SHORT, penalties=[1.0], **more),
    "mesh_convergence": lambda **more: emfc.studies.mesh_convergence(toy_line(), [20, 40], 3, **more),
    "layer_convergence": lambda **more: emfc.studies.layer_convergence(toy_line(), toy_mesh(60), [2, 4], **more),
    "sample_convergence": lambda **more: emfc.studies.sample_convergence(toy_line(), toy_mesh(60), [9], 2, 3, **more),
    "crossover": lambda **more: emfc.studies.crossover(toy_line(), [9], [20, 40], 3, **more),
    "coupled_descent": lambda **more: emfc.studies.coupled_descent(toy_line(), toy_mesh(60), [9], 3, **more),
    "sweep": lambda **more: emfc.studies.sweep(toy_line(), **SHORT, vary={"penalty": [1.0]}, **more),
    "penalty_sweep": lambda **more: emfc.studies.penalty_sweep(toy_line(), **SHORT, penalties=[1.0, 2.0], **more),
}


@pytest.mark.parametrize("function", CALLS)
@pytest.mark.parametrize(("wrong", "right"), [("contnuity", "continuity"), ("layermap", "layer_map"), ("adjoint", "")])
def test_a_keyword_that_no_function_has_is_told(function, wrong, right):
    """By the function that was called, with the nearest keyword and the place to read, before anything is computed."""
    nearest = f"'{right}', or another of" if right else "one of"
    message = rf"^{function}: got the keyword '{wrong}', expected {nearest} .*precision.*; help\({function}\) explains"
    with pytest.raises(TypeError, match=message) as told:
        CALLS[function](**{wrong: 1})
    assert isinstance(told.value, EulerianError)


def test_arguments_of_the_function_itself_count_as_near():
    with pytest.raises(
        TypeError, match="multistart: got the keyword 'start', expected 'starts', or another of problem"
    ):
        CALLS["multistart"](start=3)


def test_every_system_of_a_problem_has_the_layers_that_were_asked_for():
    """Twins and looks are made with the keywords of the layers, not with some of them."""
    options = {"mesh": toy_mesh(60), "layers": 3, "layer_map": "euler", "threads": 1, "solver": None}
    for system in (on_the_mesh(toy_line(), options), without_mesh(toy_line(), options)):
        assert set(system.layer_options) == set(LayerOptions.__annotations__)
        assert system.layer_options["layer_map"] == emfc.LayerMap("euler")


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
