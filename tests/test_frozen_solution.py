"""Nobody writes into a solution from outside: fresh, judged, loaded, pickled or deep-copied."""

import copy
import dataclasses
import enum
import pickle

import numpy as np
import pytest

import eulerian_mfc as emfc
from eulerian_mfc.meshes import Mesh
from eulerian_mfc.system.optimality import OptimalitySystem

from .conftest import toy_line, toy_mesh
from .simplices import box

#: what the user passed to `solve` and owns: the solution does not hand out copies of it
INPUTS = (OptimalitySystem, Mesh, emfc.fields.Field)
#: methods that return a container, with arguments
METHODS = {
    "trajectories": ([[0.3], [0.4]],),
    "flow": ([[0.3], [0.4]],),
    "predict": ([[0.3], [0.4]],),
    "velocity": (1,),
    "theta": ([0.0, 0.6],),
    "verdict": (),
    "maximum_principle": (2,),
    "error_budget": (),
    "analyse": (),
    "described": (),
    "judged": (emfc.solvers.Status.COST_WRONG, "rejected"),
    "taylor_slope": (),
    "from_outcome": None,
    "load": None,
    "save": None,
    "plot": None,
    "to_onnx": None,
    "to_torch": None,
    "to_vtk": None,
}


def classes():
    """Two classes, with a read-out that is trained."""
    law = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0], [1.0]], 0.3), [[0.0], [1.0]])
    loss = emfc.losses.CrossEntropy([[0.0], [1.0]], emfc.losses.TrainedReadout(1e-2))
    return emfc.Problem(emfc.fields.NeuralField(1), law, loss, 1.0, 1.0)


PROBLEMS = {
    "boxes": lambda: (toy_line(), toy_mesh(40)),
    "simplices": lambda: (toy_line(), box(1, 40, -8, 8)),
    "trained read-out": lambda: (classes(), emfc.CartesianMesh([(-4.0, 4.0)], 40)),
}


@pytest.fixture(scope="module", params=PROBLEMS)
def solved(request):
    """A problem and its solution."""
    problem, mesh = PROBLEMS[request.param]()
    return problem, emfc.solve(problem, mesh, 3)


def writeable(value, path, seen, found):
    """The paths of all arrays and containers, reachable by public attributes, that can be written into."""
    if id(value) in seen or isinstance(value, (*INPUTS, type, enum.Enum)):
        return
    seen[id(value)] = value
    if isinstance(value, np.ndarray):
        found += [path] * value.flags.writeable
    elif isinstance(value, list | dict | set):
        found.append(path)
    elif isinstance(value, tuple) and not hasattr(value, "_fields"):
        for k, entry in enumerate(value):
            writeable(entry, f"{path}[{k}]", seen, found)
    elif type(value).__module__.startswith("eulerian_mfc"):
        for name in (n for n in dir(value) if not n.startswith("_")):
            try:
                entry = getattr(value, name)
            except emfc.errors.EulerianError:  # what a loaded solution does not know
                continue
            if not callable(entry):
                writeable(entry, f"{path}.{name}", seen, found)


def test_the_words_of_a_small_error_of_the_cost(solved):
    """They raised a KeyError, since such an error has no cause."""
    assert solved[1].look.words.endswith("this is small enough")


def loaded(problem, solution, folder, *arguments):
    solution.save(folder / "a.h5")
    return emfc.Solution.load(folder / "a.h5", *arguments)


#: the ways to a solution: functions of its problem, a fresh solution and a folder
WAYS = {
    "fresh": lambda problem, solution, folder: solution,
    "judged": lambda problem, solution, folder: solution.judged(emfc.solvers.Status.COST_WRONG, "rejected"),
    "described": lambda problem, solution, folder: solution.described(case="x"),
    "copied": lambda problem, solution, folder: copy.copy(solution),
    "replaced": lambda problem, solution, folder: dataclasses.replace(
        solution, control=solution.control.copy(), history=list(solution.history), rounds=[]
    ),
    "loaded": loaded,
    "loaded with its problem": lambda problem, solution, folder: loaded(problem, solution, folder, problem),
    "pickled": lambda problem, solution, folder: pickle.loads(pickle.dumps(solution)),
    "deep-copied": lambda problem, solution, folder: copy.deepcopy(solution),
    "pickled after use": lambda problem, solution, folder: pickle.loads(
        pickle.dumps((solution.total_density, solution.potentials, solution.paths, solution)[-1])
    ),
}


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.EulerianWarning")
@pytest.mark.parametrize("way", WAYS)
def test_nothing_that_a_solution_hands_out_can_be_written_into(solved, tmp_path, way):
    solution = WAYS[way](*solved, tmp_path)
    found = []
    writeable(solution, "solution", {}, found)
    assert found == []
    with pytest.raises(emfc.errors.EulerianError, match="known already"):
        solution.deferred_paths.put(solution.paths)
    with pytest.raises(TypeError):
        solution.description["case"] = "another"
    with pytest.raises(ValueError, match="read-only"):
        solution.masses[0] = 0.0
    assert isinstance(solution.history, tuple)
    assert dict(solution.description) == dict(solved[1].description) | ({"case": "x"} if way == "described" else {})
    np.testing.assert_array_equal(solution.masses, solved[1].masses)
    np.testing.assert_array_equal(solution.potentials, solved[1].potentials)


def spoilt(value):
    """Write into everything that a method returned and that can be written into."""
    found = []
    if isinstance(value, np.ndarray) and value.flags.writeable:
        value[...] = -7.0
    elif isinstance(value, list):
        value[:] = []
    elif isinstance(value, tuple):
        found = list(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, emfc.Solution):
        found = [getattr(value, field.name) for field in dataclasses.fields(value)]
    for entry in found:
        spoilt(entry)


def test_the_list_of_methods_is_complete():
    """A method that returns a container is one of those below."""
    own = [n for n in dir(emfc.Solution) if not n.startswith("_") and callable(getattr(emfc.Solution, n))]
    assert set(own) == set(METHODS)


@pytest.mark.filterwarnings("ignore::eulerian_mfc.errors.EulerianWarning")
@pytest.mark.parametrize("name", [name for name, arguments in METHODS.items() if arguments is not None])
def test_writing_into_what_a_method_returned_changes_no_solution(solved, name):
    solution = solved[1]
    call = getattr(solution, name)
    first = pickle.dumps(call(*METHODS[name]))
    spoilt(call(*METHODS[name]))
    assert pickle.dumps(call(*METHODS[name])) == first
