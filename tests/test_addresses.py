"""Fingerprints of computations: what differs has another, what is equal has the same, what cannot be told has none."""

import ctypes
import functools
import importlib
import json
import math
import operator
import os
import re
import subprocess
import sys
import types

import ml_dtypes
import numba
import numpy as np
import pytest
import scipy.interpolate
import scipy.sparse
import scipy.special
import scipy.stats
import sklearn.linear_model
import sklearn.neighbors
import sklearn.tree
import sympy
import torch

import eulerian_mfc as emfc
from eulerian_mfc.errors import ArgumentError
from eulerian_mfc.fingerprint.fingerprint import fingerprint

from . import address_things as at
from .address_things import SAME, Z, define, kind_with, using
from .conftest import ROOT


def closed_over(value):
    """A function with a value of any kind in its closure."""
    return lambda x: value


def redefined(one, two, name="f"):
    """The same name from two texts of Python."""
    return define(one, name), define(two, name)


def branch(value):
    out = sklearn.tree.DecisionTreeRegressor(max_depth=1).fit(Z[:, None], np.sign(Z))
    out.tree_.value[1] = value
    return out


def set_on(thing, **values):
    for name, value in values.items():
        setattr(thing, name, value)
    return thing


def named_like_numpy(k):
    """A user's function that says that it is NumPy's."""
    f = functools.wraps(np.mean)(lambda x: k * x)
    f.__module__, f.__qualname__ = "numpy", "mean"
    del f.__wrapped__
    return f


def class_like_numpy(k):
    return type("poly1d", (), {"__module__": "numpy", "k": k})()


def advanced(iterator):
    next(iterator)
    return iterator


def rule(x):
    return x


def other_rule(x):
    return 2 * x


#: by what is changed: two things that differ in it alone, each within a function's closure too
DIFFERENT = {
    "an integer and a number": (1, 1.0),
    "true and one": (True, 1),
    "minus zero": (0.0, -0.0),
    "text and bytes": ("a", b"a"),
    "none and a text": (None, "None"),
    "list and tuple": ([1, 2], (1, 2)),
    "set and frozen set": ({1}, frozenset({1})),
    "the order of a dictionary": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "the depth of a list": ([[1], 2], [1, [2]]),
    "a list in itself": (at.recursive(1), at.recursive(2)),
    "keys of other types": ({1: 0}, {True: 0}),
    "a text that looks like a key": ({"ab": "c"}, {"a": "bc"}),
    "NumPy's number and Python's": (np.float64(1.0), 1.0),
    "the precision of a number": (np.float32(1.0), np.float64(1.0)),
    "dtype": (np.ones(2), np.ones(2, np.float32)),
    "types that share a text": (np.zeros(2, ml_dtypes.float8_e5m2), np.zeros(2, ml_dtypes.float8_e4m3fn)),
    "byte order": (np.ones(2), np.ones(2, ">f8")),
    "shape": (np.ones((2, 1)), np.ones((1, 2))),
    "an array's minus zero": (np.zeros(2), -np.zeros(2)),
    "the last bit of an array": (Z, np.nextafter(Z, 9.0)),
    "the order in memory": (np.arange(4.0).reshape(2, 2), np.asfortranarray(np.arange(4.0).reshape(2, 2))),
    "a large array": (np.zeros(9000), np.append(np.zeros(8999), 1.0)),
    "an array of texts": (np.array(["a", "b"]), np.array(["a", "c"])),
    "an object array": (np.array([None, "x"], object), np.array([None, "y"], object)),
    "a list in an object array": (np.array([[1], None], object), np.array([[2], None], object)),
    "dates": (np.array(["2020"], "M8[D]"), np.array(["2020"], "M8[s]")),
    "a structured array": (at.structured(1.0), at.structured(2.0)),
    "names of fields": (np.zeros(1, [("a", "f8")]), np.zeros(1, [("b", "f8")])),
    "a structured number": (at.structured(1.0)[0], at.structured(2.0)[0]),
    "a mask": tuple(np.ma.masked_array([1.0, 2.0], mask=m) for m in ([True, False], [False, True])),
    "a fill value": tuple(np.ma.masked_array([1.0], mask=[True], fill_value=v) for v in (0.0, 1.0)),
    "a matrix and an array": (np.array([[1.0]]).view(np.matrix), np.array([[1.0]])),
    "an attribute of an array's class": tuple(set_on(Z.view(at.Weights), unit=u) for u in ("m", "s")),
    "a ufunc of a function": (np.frompyfunc(lambda x: x + 1, 1, 1), np.frompyfunc(lambda x: x + 2, 1, 1)),
    "a ufunc of functions of Python": (np.frompyfunc(math.gcd, 2, 1), np.frompyfunc(math.ldexp, 2, 1)),
    "a ufunc of SciPy": (scipy.special.expit, scipy.special.erf),
    "np.vectorize": (np.vectorize(lambda x: x + 1), np.vectorize(lambda x: x + 2)),
    "njit": (at.jitted(1.0), at.jitted(2.0)),
    "options of njit": (at.jitted(1.0), at.jitted(1.0, fastmath=True)),
    "types of njit": tuple(numba.njit(t)(at.times(2.0)) for t in ("f8(f8)", "f4(f4)")),
    "vectorize": (at.vectorized(1.0), at.vectorized(2.0)),
    "types of vectorize": (at.vectorized(1.0, "f8(f8)"), at.vectorized(1.0, "f4(f4)")),
    "guvectorize": (at.guvectorized(1.0), at.guvectorized(2.0)),
    "a spline's values": tuple(scipy.interpolate.CubicSpline(Z, s * np.sin(Z)) for s in (0.5, 1.0)),
    "a spline's knots": tuple(scipy.interpolate.CubicSpline(s * Z, np.sin(Z)) for s in (0.5, 1.0)),
    "a spline's extrapolation": tuple(scipy.interpolate.CubicSpline(Z, Z, extrapolate=e) for e in (True, False)),
    "a B-spline": tuple(scipy.interpolate.make_interp_spline(Z, s * Z) for s in (0.5, 1.0)),
    "PCHIP": tuple(scipy.interpolate.PchipInterpolator(Z, s * Z) for s in (0.5, 1.0)),
    "a grid": tuple(scipy.interpolate.RegularGridInterpolator((Z,), s * Z) for s in (0.5, 1.0)),
    "interp1d": tuple(scipy.interpolate.interp1d(Z, s * Z) for s in (0.5, 1.0)),
    "scattered values": tuple(
        scipy.interpolate.NearestNDInterpolator(at.points(9), s * np.arange(9.0)) for s in (0.5, 1.0)
    ),
    "a law of SciPy": (scipy.stats.norm(0, 1).cdf, scipy.stats.norm(0, 2).cdf),
    "a sparse array": tuple(scipy.sparse.csr_array(s * np.eye(2)) for s in (1.0, 2.0)),
    "a spline in two precisions": tuple(scipy.interpolate.CubicSpline(Z, np.sin(Z).astype(t)) for t in ("f8", "c16")),
    "a tensor": (at.tensor(1.0), at.tensor(2.0)),
    "a tensor's type": (at.tensor(), at.tensor(dtype=torch.float64)),
    "a tensor of half precision": (at.tensor(1.0).bfloat16(), at.tensor(1.01).bfloat16()),
    "an attribute of a tensor": tuple(set_on(at.tensor(), unit=u) for u in ("m", "s")),
    "weights of a network": (at.network(0), at.network(1)),
    "weights of a user's network": (at.own_network(0), at.own_network(1)),
    "a network in training": (at.network(0).train(), at.network(0).eval()),
    "a buffer": tuple(set_on(torch.nn.BatchNorm1d(1), running_mean=torch.tensor([m])) for m in (0.0, 1.0)),
    "a function of PyTorch": (torch.nn.functional.gelu, torch.nn.functional.silu),
    "a linear model": tuple(sklearn.linear_model.LinearRegression().fit(Z[:, None], s * Z) for s in (1.0, 2.0)),
    "a tree": (branch(1.0), branch(2.0)),
    "neighbours": tuple(sklearn.neighbors.KNeighborsRegressor(1).fit(Z[:, None], s * Z) for s in (1.0, 2.0)),
    "an expression": (sympy.Symbol("x") + 1, sympy.Symbol("x") + 2),
    "an expression made a function": (sympy.lambdify("x", "sin(x)"), sympy.lambdify("x", "cos(x)")),
    "an attribute": (at.Holder(a=1), at.Holder(a=2)),
    "a list as an attribute": (at.Holder([1, 2]), at.Holder([1, 3])),
    "a dictionary as an attribute": (at.Holder(a={"k": [1]}), at.Holder(a={"k": [2]})),
    "a set as an attribute": (at.Holder(a={1}), at.Holder(a={2})),
    "an object as an attribute": (at.Holder(at.Holder(1)), at.Holder(at.Holder(2))),
    "a slot": (at.Slotted(1), at.Slotted(2)),
    "a slot of its own": (at.Slotted(1, private=1), at.Slotted(1, private=2)),
    "a slot of a base with a dictionary below": (at.SlotsAndDictionary(1), at.SlotsAndDictionary(2)),
    "a dictionary above slots": (at.SlotsAndDictionary(1, note=1), at.SlotsAndDictionary(1, note=2)),
    "what an object keeps from pickle": (at.Silent(1), at.Silent(2)),
    "a list of a user's class": (at.Numbers([1]), at.Numbers([2])),
    "a dictionary of a user's class": (at.Named(a=1), at.Named(a=2)),
    "a number of a user's class": (at.Measured(1), at.Measured(2)),
    "a named tuple": (at.Pair(1, 2), at.Pair(1, 3)),
    "a dataclass": (at.Data(1.0), at.Data(2.0)),
    "a field with a factory": (at.Data(1.0, [1]), at.Data(1.0, [2])),
    "an attribute beside a dataclass's fields": (at.Data(1.0), set_on(at.Data(1.0), more=1)),
    "an enum": (at.Colour.RED, at.Colour.BLUE),
    "flags": (at.Bits.A | at.Bits.B, at.Bits.A | at.Bits.C),
    "a constant of a class": (kind_with(K=1), kind_with(K=2)),
    "a list of a class": (kind_with(K=[1]), kind_with(K=[2])),
    "a dictionary of arrays of a class": (kind_with(K={"a": Z}), kind_with(K={"a": 2 * Z})),
    "an object of a class's": (kind_with(K=at.Holder(1)), kind_with(K=at.Holder(2))),
    "a method": (kind_with(f=lambda s: 1), kind_with(f=lambda s: 2)),
    "a property": (kind_with(f=property(lambda s: 1)), kind_with(f=property(lambda s: 2))),
    "a class method": (kind_with(f=classmethod(lambda s: 1)), kind_with(f=classmethod(lambda s: 2))),
    "a static method": (kind_with(f=staticmethod(at.times(1))), kind_with(f=staticmethod(at.times(2)))),
    "a cached property": tuple(kind_with(f=functools.cached_property(at.times(k))) for k in (1, 2)),
    "a descriptor": (kind_with(f=at.Holder(1)), kind_with(f=at.Holder(2))),
    "a partial method": tuple(kind_with(f=functools.partialmethod(at.plain, x=k)) for k in (1, 2)),
    "a base class": (at.parents(1), at.parents(2)),
    "a class's metaclass": redefined(
        *(f"class M(type):\n    def k(c):\n        return {k}\nclass A(metaclass=M):\n    pass\nf = A()" for k in (1, 2))
    ),
    "a value that a cached property was given": tuple(
        set_on(define("class A:\n    @P\n    def p(self):\n        return 1\nf = A()", P=functools.cached_property), p=k)
        for k in (1, 2)
    ),
    "a class that says that it is NumPy's": (class_like_numpy(1), class_like_numpy(2)),
    "a constant": (lambda x: x + 1, lambda x: x + 2),
    "an operation": (lambda x: x + 1, lambda x: x - 1),
    "a constant's type": (lambda x: (x, 1), lambda x: (x, 1.0)),
    "a default": (lambda x, y=1: x, lambda x, y=2: x),
    "a keyword's default": (lambda x, *, y=1: x, lambda x, *, y=2: x),
    "a closure": (at.times(1), at.times(2)),
    "a list in a closure": (at.counting(1), at.counting(2)),
    "a global": (using(1.0), using(2.0)),
    "a list that is a global": (using([1.0]), using([2.0])),
    "a spline that is a global": tuple(using(scipy.interpolate.CubicSpline(Z, s * Z)) for s in (1.0, 2.0)),
    "a function that is a global": (using(lambda: 1), using(lambda: 2)),
    "a global of a function that is a global": (using(using(1)), using(using(2))),
    "functions that call each other": (at.two_that_call_each_other(1), at.two_that_call_each_other(2)),
    "an attribute of a function": (at.with_attribute(1), at.with_attribute(2)),
    "what is tried": redefined(
        "def f(x):\n    try:\n        y = x\n        z = x\n    except KeyError:\n        pass",
        "def f(x):\n    y = x\n    try:\n        z = x\n    except KeyError:\n        pass",
    ),
    "an inner function": redefined(*(f"def f(x):\n    def g():\n        return {k}\n    return g" for k in (1, 2))),
    "a function that says that it is NumPy's": (named_like_numpy(1), named_like_numpy(2)),
    "a function under a cache": (functools.lru_cache(at.times(1)), functools.lru_cache(at.times(2))),
    "arguments of a partial": (functools.partial(rule, 1), functools.partial(rule, 2)),
    "the function of a partial": (functools.partial(rule, 1), functools.partial(other_rule, 1)),
    "the object of a method": (at.Holder(1).shifted, at.Holder(2).shifted),
    "the array of a method": (Z.dot, (2 * Z).dot),
    "the list of a method": ([1, 2].index, [2, 1].index),
    "the dictionary of a method": ({1: 2}.get, {1: 3}.get),
    "the number of an operator": ((1.0).__add__, (2.0).__add__),
    "an item getter": (operator.itemgetter(0), operator.itemgetter(1)),
    "a callable with state": (at.Holder(1), at.Holder(2)),
    "a generator's seed": (np.random.SeedSequence(1), np.random.SeedSequence(2)),
    "a regular expression": (re.compile("a"), re.compile("b")),
    "a view of bytes": (memoryview(b"a"), memoryview(b"b")),
    "an iterator's place": (iter([1, 2]), advanced(iter([1, 2]))),
    "a namespace": (types.SimpleNamespace(a=1), types.SimpleNamespace(a=2)),
    "a user's field": tuple(at.problem(field=at.custom_field(k)) for k in (1.0, 2.0)),
    "a loss": tuple(at.problem(loss=at.Away(k)) for k in (1.0, 2.0)),
    "data of a loss": tuple(at.problem(loss=at.Away(0.0, table=[k])) for k in (1.0, 2.0)),
    "a label": (at.problem(at.times(1.0)), at.problem(at.times(2.0))),
    "a label with a list": tuple(at.problem(at.Teacher([1.0, k])) for k in (1.0, 2.0)),
    "a label with a table": tuple(at.problem(at.Teacher({"a": np.full(3, k)})) for k in (1.0, 2.0)),
    "a label by a spline": tuple(at.problem(at.by_spline(k)) for k in (0.5, 1.0)),
    "a label by a network": tuple(at.problem(at.by_network(seed)) for seed in (0, 1)),
    "a penalty": (at.problem(penalty=1.0), at.problem(penalty=2.0)),
    "atoms": (at.labelled([[1.0]]), at.labelled([[2.0]])),
}  # fmt: skip


@pytest.mark.parametrize("what", DIFFERENT)
def test_things_that_differ_in_one_thing_have_two_addresses(what):
    one, two = DIFFERENT[what]
    assert fingerprint(one) != fingerprint(two)
    assert fingerprint(closed_over(one)) != fingerprint(closed_over(two))
    assert fingerprint(at.Holder(a=[one])) != fingerprint(at.Holder(a=[two]))


@functools.cache
def addresses_elsewhere(seed):
    """The fingerprints of SAME in another process, with another order of sets and dictionaries of texts."""
    code = (
        "import json; from tests.address_things import SAME; from eulerian_mfc.fingerprint.fingerprint import fingerprint; "
        "print(json.dumps({name: fingerprint(make()) for name, make in SAME.items()}))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("what", SAME)
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of matrices
def test_equal_things_have_one_address_here_and_in_another_process(what):
    one, two = SAME[what](), SAME[what]()
    assert fingerprint(one) == fingerprint(two)
    assert fingerprint(one) == fingerprint(one)
    assert fingerprint(one) == addresses_elsewhere("271828")[what]


def test_there_are_enough_changes():
    assert len(DIFFERENT) >= 60


def test_the_place_of_a_function_and_its_annotations_do_not_count():
    text = "class A:\n    def g(self):\n        return 1\ndef f(x):\n    return A().g()"
    moved = "# moved\n\n" + text.replace("f(x)", "f(x: int) -> float")
    assert fingerprint(define(text)) == fingerprint(define(moved))


def test_what_is_used_keeps_its_address(tmp_path):
    """Solving, drawing and pickling fill caches, which are no part of a problem."""
    import pickle

    problem, mesh = at.problem(), emfc.CartesianMesh([(-8.0, 8.0)], 32)
    kind = at.Frozen(1.0)
    before = fingerprint(problem, mesh), fingerprint(kind), fingerprint(at.Slotted), fingerprint(at.Bits)
    emfc.solve(problem, mesh, 2).masses  # noqa: B018
    pickle.dumps((kind, at.SlotsAndDictionary(1)))
    assert at.Bits.A | at.Bits.B | at.Bits.C
    assert (fingerprint(problem, mesh), fingerprint(kind), fingerprint(at.Slotted), fingerprint(at.Bits)) == before
    skfem = pytest.importorskip("skfem")
    simplices = [emfc.SimplexMesh(skfem.MeshLine().refined(3)) for _ in range(2)]
    simplices[0].locator.neighbours, simplices[0].skfem.facets, simplices[0].skfem.mapping()
    assert fingerprint(simplices[0]) == fingerprint(simplices[1])
    assert fingerprint(simplices[0]) != fingerprint(emfc.SimplexMesh(skfem.MeshLine().refined(2)))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: np.random.default_rng(0), "a random generator gives other numbers at every call"),
        (lambda: np.random.RandomState(0).normal, "a random generator gives other numbers"),
        (lambda: sys.stdout, "cannot pickle"),
        (lambda: (k for k in range(3)), "cannot pickle 'generator' object"),
        (lambda: torch.Generator(), "a random generator gives other numbers"),
        (lambda: torch.eye(2).to_sparse(), "the package can read the values of dense tensors only"),
        (lambda: ctypes.CDLL(None), "a loaded library"),
        (lambda: ctypes.pointer(ctypes.c_int(1)), "pickled"),
        (
            lambda: numba.vectorize(["f8(f8)"], target="parallel")(at.times(2.0)),
            "the package cannot determine what the ufunc",
        ),
        (lambda: sys._getframe(), "cannot pickle"),
        (lambda: torch.jit.script(at.network(0)), "pickle"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
def test_what_cannot_be_told_is_refused_with_the_way_to_it(make, reason):
    thing = make()
    with pytest.raises(ArgumentError, match=rf"holds .*, whose value cannot be determined \(at a\.0.*\): .*{reason}"):
        fingerprint(at.Holder(a=[thing]))
    with pytest.raises(ArgumentError, match="a folder or a checkpoint"):
        fingerprint(lambda x: thing)


# --- modules


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A writer of modules, with byte code switched off, which imports what it wrote anew."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write(name, **files):
        for path, text in files.items():
            target = tmp_path / f"{path}.py"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        for new in set(sys.modules) - before:
            del sys.modules[new]
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield write
    for new in set(sys.modules) - before:
        del sys.modules[new]


PACKAGE = {"emfc_t/__init__": "from . import labels\n", "emfc_t/labels": "def f(x):\n    return {} * x\n"}
#: by what is changed: files of two versions, which define `label` in the module `emfc_user`
MODULES = {
    "a constant of a module": {"emfc_h": "C = {}\n", "emfc_user": "import emfc_h as h\n\ndef label(x):\n    return h.C * x\n"},
    "a function of a module": {
        "emfc_h": "def f(x):\n    return {} * x\n", "emfc_user": "import emfc_h\n\ndef label(x):\n    return emfc_h.f(x)\n",
    },
    "a submodule": {**PACKAGE, "emfc_user": "import emfc_t\n\ndef label(x):\n    return emfc_t.labels.f(x)\n"},
    "a submodule imported as such": {
        **PACKAGE, "emfc_t/__init__": "", "emfc_user": "import emfc_t.labels\n\ndef label(x):\n    return emfc_t.labels.f(x)\n",
    },
    "a submodule behind a relative import": {
        **PACKAGE, "emfc_t/top": "from . import labels\n\ndef g(x):\n    return labels.f(x)\n",
        "emfc_user": "from emfc_t.top import g as label\n",
    },
    "a module that a module imports": {
        "emfc_g": "C = {}\n", "emfc_h": "import emfc_g\n\ndef f(x):\n    return emfc_g.C * x\n",
        "emfc_user": "import emfc_h\n\ndef label(x):\n    return emfc_h.f(x)\n",
    },
    "a name that a module imports from a module": {
        "emfc_g": "def f(x):\n    return {} * x\n", "emfc_h": "from emfc_g import f\n",
        "emfc_user": "import emfc_h\n\ndef label(x):\n    return emfc_h.f(x)\n",
    },
    "data that a module reads": {
        "emfc_h": "import pathlib\nDATA = pathlib.Path(__file__).with_name('emfc_data.py').read_text()\n", "emfc_data": "{}",
        "emfc_user": "import emfc_h\n\ndef label(x):\n    return len(emfc_h.DATA) * x\n",
    },
    "a module that is handed on": {
        "emfc_h": "C = {}\n",
        "emfc_user": "import emfc_h\n\ndef look(m):\n    return m.C\n\ndef label(x):\n    return look(emfc_h) * x\n",
    },
    "a module whose attribute is looked up by a text": {
        "emfc_h": "C = {}\n", "emfc_user": "import emfc_h\n\ndef label(x):\n    return getattr(emfc_h, 'C') * x\n",
    },
    "a module in a closure": {
        "emfc_h": "C = {}\n",
        "emfc_user": "def make():\n    import emfc_h as h\n    return lambda x: h.C * x\n\nlabel = make()\n",
    },
    "a module in an attribute": {
        "emfc_h": "C = {}\n",
        "emfc_user": "import emfc_h\nfrom types import SimpleNamespace\n\nlabel = SimpleNamespace(m=emfc_h)\n",
    },
    "a module that is imported in a call": {
        "emfc_h": "def f(x):\n    return {} * x\n", "emfc_user": "def label(x):\n    import emfc_h\n    return emfc_h.f(x)\n",
    },
    "a name that is imported in a call": {
        "emfc_h": "def f(x):\n    return {} * x\n", "emfc_user": "def label(x):\n    from emfc_h import f\n    return f(x)\n",
    },
    "a submodule that is imported in a call": {
        **PACKAGE, "emfc_t/__init__": "", "emfc_user": "def label(x):\n    import emfc_t.labels\n    return emfc_t.labels.f(x)\n",
    },
    "a class of a module": {
        "emfc_h": "class L:\n    K = {}\n    def __call__(self, x):\n        return self.K * x\n",
        "emfc_user": "import emfc_h\n\nlabel = emfc_h.L()\n",
    },
    "a module called as one of Python's": {
        "colorsys": "C = {}\n", "emfc_user": "import colorsys\n\ndef label(x):\n    return colorsys.C * x\n",
    },
    "an installed package in another version": {
        "site-packages/emfc_i/__init__": "def f(x):\n    return {} * x\n",
        "emfc_user": "import emfc_i\n\ndef label(x):\n    return emfc_i.f(x)\n",
    },
    "an installed package's function": {
        "site-packages/emfc_i/__init__": "from .inner import f\n", "site-packages/emfc_i/inner": "def f(x):\n    return {} * x\n",
        "emfc_user": "from emfc_i import f as label\n",
    },
    "an installed package's class": {
        "site-packages/emfc_i/__init__": "class L:\n    def __call__(self, x):\n        return {} * x\n",
        "emfc_user": "from emfc_i import L\n\nlabel = L()\n",
    },
    "an installed module of one file": {
        "site-packages/emfc_i": "def f(x):\n    return {} * x\n",
        "emfc_user": "import emfc_i\n\ndef label(x):\n    return emfc_i.f(x)\n",
    },
}  # fmt: skip


@pytest.mark.parametrize("what", MODULES)
def test_what_changes_in_modules_changes_the_address(what, modules, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    found = []
    for value in ("2.0", "2.0", "31.0"):
        files = {path: text.replace("{}", value) for path, text in MODULES[what].items()}
        found.append(fingerprint(modules("emfc_user", **files).label))
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_a_module_changed_on_the_disk_and_not_in_memory_is_another_than_the_one_read_anew(modules):
    """Otherwise a notebook would store results of the old text under the fingerprint of the new one."""
    files = {
        "emfc_h": "def f(x):\n    return x\n",
        "emfc_user": "import emfc_h\n\ndef label(x):\n    return emfc_h.f(x)\n",
    }
    user = modules("emfc_user", **files)
    sys.modules["emfc_h"].__spec__.origin  # noqa: B018
    with open(sys.modules["emfc_h"].__file__, "w") as file:
        file.write("def f(x):\n    return 2 * x\n")
    stale = fingerprint(user.label)
    files["emfc_h"] = "def f(x):\n    return 2 * x\n"
    assert fingerprint(modules("emfc_user", **files).label) != stale


def test_what_a_module_holds_and_a_label_does_not_use_is_no_reason_to_refuse(modules):
    text = "import numpy as np\nrng = np.random.default_rng(0)\nDATA = rng.normal(size=3)\nwith open(__file__) as f:\n    pass\n"
    label = "import emfc_h\n\ndef label(x):\n    return emfc_h.DATA[0] * x\n"
    first = fingerprint(modules("emfc_user", emfc_h=text, emfc_user=label).label)
    assert first != fingerprint(modules("emfc_user", emfc_h=text.replace("rng(0)", "rng(1)"), emfc_user=label).label)
    noisy = "import emfc_h\n\ndef label(x):\n    return emfc_h.rng.normal() * x\n"
    with pytest.raises(ArgumentError, match=r"Generator.*at emfc_h\.rng"):
        fingerprint(modules("emfc_user", emfc_h=text, emfc_user=noisy).label)


def test_a_large_package_is_told_by_what_its_installer_recorded(tmp_path, monkeypatch):
    """And not by its files, which take long to read; a package whose name is not its distribution's too."""
    from eulerian_mfc.fingerprint import origins as _origins

    monkeypatch.setattr(_origins, "SMALL_FILES", 1)
    site = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(str(site))
    found = []
    for version in ("1.0", "1.0", "2.0"):
        for name in ("a", "b", "__init__"):
            file = site / "emfc_large" / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("x = 1\n")
        about = site / "another_name-1.0.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: another-name\nVersion: {version}\n")
        (about / "RECORD").write_text(f"emfc_large/a.py,sha256={version},6\nemfc_large/__init__.py,,\n")
        _origins._recorded.cache_clear()
        importlib.invalidate_caches()
        found.append(_origins.package_content("emfc_large", str(site / "emfc_large" / "__init__.py")))
    assert found[0] == found[1] != found[2]
    (about / "RECORD").unlink()
    _origins._recorded.cache_clear()
    without = _origins.package_content("emfc_large", str(site / "emfc_large" / "__init__.py"))
    (site / "emfc_large" / "a.py").write_text("x = 2\n")
    assert _origins.package_content("emfc_large", str(site / "emfc_large" / "__init__.py")) != without


def test_a_file_written_to_within_its_old_time_and_size_is_another(tmp_path):
    from eulerian_mfc.fingerprint.origins import file_content

    file = tmp_path / "a.py"
    found = []
    for text in ("x = 1", "x = 2"):
        file.write_text(text)
        os.utime(file, (1e9, 1e9))
        found.append(file_content(file))
    assert found[0] != found[1]


def test_addresses_are_quick():
    """A problem with labels by a spline and a network: some milliseconds; measured, 1 to 2."""
    import time

    for problem in (at.problem(), at.problem(at.by_spline(1.0)), at.problem(at.by_network(0))):
        fingerprint(problem)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            fingerprint(problem)
            times.append(time.perf_counter() - start)
        assert min(times) < 0.02
