"""Things that have fingerprints, made anew at every call: the tests compare them with each other and with another process's."""

import abc
import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import math
import operator
import pathlib
import re
import types
import typing

import numba
import numpy as np
import scipy.interpolate
import scipy.sparse
import scipy.spatial
import scipy.special
import scipy.stats
import sympy
import torch

import eulerian_mfc as emfc

Z = np.linspace(-2.0, 2.0, 9)


def plain(x):
    return x + 1.0


def define(text, name="f", **names):
    """What a text of Python defines, in a module of its own, which has no file."""
    space = {"__name__": "made_by_a_test", "np": np, **names}
    exec(compile(text, "made_by_a_test.py", "exec"), space)
    return space[name]


def times(k):
    return lambda x: k * x


def counting(k):
    calls = [k]

    def f(x):
        return calls[0] * x

    return f


def with_attribute(k):
    def f(x):
        return f.k * x

    f.k = k
    return f


def using(value):
    """A function that sees `value` as a global."""
    return define("def f(x):\n    return VALUE * x", VALUE=value)


class Holder:
    """A user's object with whatever it is given."""

    def __init__(self, *values, **named):
        self.values = values
        vars(self).update(named)

    def __call__(self, x):
        return x

    def shifted(self, x):
        return x


class Slotted:
    __slots__ = ("__private", "table")

    def __init__(self, table, private=0):
        self.table, self.__private = table, private


class SlotsAndDictionary(Slotted):
    def __init__(self, table, note=0, private=0):
        super().__init__(table, private)
        self.note = note


class Numbers(list):
    pass


class Named(dict):
    pass


class Measured(float):
    pass


class Weights(np.ndarray):
    pass


class Silent:
    """Keeps its state from pickle."""

    def __init__(self, k):
        self.k = k

    def __getstate__(self):
        return {}

    def __reduce__(self):
        return Silent, (0,)


class Net(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = torch.nn.Linear(1, width)

    def forward(self, x):
        return self.inner(x)


@dataclasses.dataclass
class Data:
    a: float
    b: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: float
    b: typing.ClassVar[float] = 1.0

    @functools.cached_property
    def double(self):
        return 2 * self.a


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Bits(enum.Flag):
    A = 1
    B = 2
    C = 4


class Pair(typing.NamedTuple):
    a: float
    b: float


class Away(emfc.losses.SquaredLoss):
    """A user's loss, with data of its own."""

    def __init__(self, k, table=()):
        super().__init__()
        object.__setattr__(self, "k", k)
        object.__setattr__(self, "table", table)


class Teacher:
    """A label with a state."""

    def __init__(self, state):
        self.state = state

    def __call__(self, x):
        return np.sign(x)


def custom_field(k):
    return emfc.fields.CustomField(lambda t, theta, x: k * theta * x, 1, 1)


def by_spline(scale):
    spline = scipy.interpolate.CubicSpline(Z, scale * np.sin(Z), extrapolate=True)
    return lambda x: spline(x)


def by_network(seed):
    net = network(seed)
    return lambda x: net(torch.as_tensor(x, dtype=torch.float32)).detach().numpy()


class MyLoss(abc.ABC):  # noqa: B024  a base that is made all the same
    def __init__(self, scale):
        self.scale = scale

    @property
    def double(self):
        return 2 * self.scale


def kind_with(**members):
    """An object of a class with these members."""
    return type("Made", (), {"__module__": __name__, **members})()


def tensor(k=1.0, **more):
    return torch.tensor([1.0, k], **more)


def network(seed):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))


def own_network(seed):
    torch.manual_seed(seed)
    return Net(3)


def structured(k=1.0, kind=np.float64):
    out = np.zeros(2, dtype=np.dtype([("name", "i1"), ("value", kind)], align=True))
    out["value"] = k
    return out


def filled(dirt):
    """A structured array with something between its fields."""
    raw = np.full(32, dirt, dtype=np.uint8).view(np.dtype([("name", "i1"), ("value", "f8")], align=True))
    raw["name"], raw["value"] = 1, 2.0
    return raw


def labelled(label):
    return emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 0.5), label)


def problem(label=np.sign, field=None, loss=None, penalty=1.0):
    return emfc.Problem(
        field or emfc.fields.NeuralField(1), labelled(label), loss or emfc.losses.SquaredLoss(), penalty, 1.0
    )


def jitted(k, **options):
    return numba.njit(**options)(times(k))


def vectorized(k, *signatures):
    return numba.vectorize(*([list(signatures)] if signatures else []))(times(k))


def guvectorized(k):
    def f(x, y):
        for i in range(len(x)):
            y[i] = k * x[i]

    return numba.guvectorize(["(f8[:], f8[:])"], "(n)->(n)")(f)


def recursive(k):
    out = [k]
    out.append(out)
    return out


def two_that_call_each_other(k):
    text = f"def f(n):\n    return 0 if n < 1 else g(n - 1)\ndef g(n):\n    return {k} if n < 1 else f(n - 1)"
    return define(text)


def parents(k):
    """A class whose base computes."""
    return define(f"class A:\n    def g(self):\n        return {k}\nclass B(A):\n    pass\ndef f():\n    return B()")()


@functools.lru_cache(maxsize=4)
def remembered(x):
    return x


@functools.singledispatch
def dispatched(x):
    return x


@dispatched.register
def _(x: int):
    return x + 1


points = lambda n: np.random.default_rng(3).normal(size=(n, 2))  # noqa: E731

#: makers of things whose fingerprint is one and the same, whenever and wherever they are made
SAME = {
    "numbers": lambda: (1, 1.5, 2j, True, None, ..., NotImplemented, 10**5000, float("nan"), -0.0),
    "texts": lambda: ["a", b"b", bytearray(b"c"), "\ud800"],
    "sets": lambda: [{"x", "y", "zebra"}, frozenset({("a", 1), ("b", 2)}), {frozenset("abc"), frozenset("de")}],
    "a set of objects": lambda: {Frozen(1.0), Frozen(2.0), Colour.RED},
    "dictionaries": lambda: {"b": 1, "a": {2: [3]}, (1, "x"): types.MappingProxyType({"k": 1})},
    "a list in itself": lambda: recursive(1),
    "a class with itself in a closure": lambda: define(
        "class A:\n    def __init__(self):\n        super().__init__()\n    def copy(self):\n        return A()\nf = A"
    )(),
    "functions": lambda: (plain, times(2), counting(1), with_attribute(2), two_that_call_each_other(1)),
    "functions of Python and NumPy": lambda: (math.sin, len, np.sin, np.mean, operator.add, operator.itemgetter(1)),
    "partial and methods": lambda: (functools.partial(plain, x=1), Holder(1).shifted, [1, 2].index, Z.copy().dot),
    "caches": lambda: (remembered, dispatched, functools.lru_cache(plain)),
    "objects": lambda: (Holder(1, a=[2]), Slotted(1), SlotsAndDictionary(1), Silent(2), MyLoss(1.0), Data(1.0), Frozen(1)),
    "objects of containers": lambda: (Numbers([1]), Named(a=1), Measured(2.0), Pair(1.0, 2.0)),
    "enums": lambda: (Colour.RED, Bits.A | Bits.C, Bits.A & Bits.B),
    "arrays": lambda: (Z.copy(), Z.astype(">f4"), np.array(["a", "bc"]), np.array([None, "x"]), np.datetime64("2020-01-01")),
    "masked, structured and matrices": lambda: (
        np.ma.masked_array([1.0, 2.0], mask=[True, False]), structured(), np.matrix([[1.0]]), Z.view(Weights),
    ),
    "what lies between fields": lambda: filled(7),
    "splines": lambda: (
        scipy.interpolate.CubicSpline(Z, np.sin(Z)), scipy.interpolate.make_interp_spline(Z, Z**2),
        scipy.interpolate.RegularGridInterpolator((Z,), Z), scipy.interpolate.interp1d(Z, Z, kind="cubic"),
        scipy.interpolate.PchipInterpolator(Z, Z), scipy.interpolate.UnivariateSpline(Z, Z),
        scipy.interpolate.InterpolatedUnivariateSpline(Z, np.sin(Z)),
    ),
    "scattered points": lambda: (
        scipy.spatial.cKDTree(points(200)), scipy.interpolate.NearestNDInterpolator(points(50), np.arange(50.0)),
        scipy.interpolate.RBFInterpolator(points(20), np.arange(20.0)),
    ),
    "laws of SciPy": lambda: (scipy.stats.norm(0, 2), scipy.stats.norm(0, 2).cdf, scipy.stats.gaussian_kde(Z)),
    "sparse": lambda: scipy.sparse.csr_array(np.eye(3)),
    "tensors": lambda: (tensor(), tensor().bfloat16(), torch.nn.Parameter(tensor()), tensor(dtype=torch.complex64)),
    "networks": lambda: (network(0), own_network(0), torch.nn.BatchNorm1d(2), torch.nn.functional.gelu, torch.nn.GELU()),
    "recurrent": lambda: (torch.manual_seed(1), torch.nn.LSTM(2, 2))[1],
    "symbols": lambda: (sympy.Symbol("x") ** 2 + sympy.sin(sympy.Symbol("y")), sympy.lambdify("x", "sin(x) + 1")),
    "numba": lambda: (jitted(2.0), jitted(2.0, fastmath=True), vectorized(2.0), vectorized(2.0, "f8(f8)"), guvectorized(2.0)),
    "ufuncs": lambda: (np.frompyfunc(plain, 1, 1), scipy.special.expit, np.vectorize(plain), np.frompyfunc(math.gcd, 2, 1)),
    "the standard library": lambda: (
        datetime.date(2020, 1, 2), decimal.Decimal("1.10"), fractions.Fraction(1, 3), re.compile("a+"), slice(1, 2), range(4),
        pathlib.PurePosixPath("a/b"), collections.OrderedDict(a=1), collections.defaultdict(list, a=[1]), Bits,
        collections.deque([1, 2], maxlen=3), array.array("d", [1.0]), types.SimpleNamespace(a=1),
        memoryview(b"abc"), iter([1, 2]),
    ),
    "the package": lambda: (
        problem(), problem(times(2)), emfc.CartesianMesh([(-8, 8)], 40), emfc.transport.SemiLagrangian(3), emfc.solvers.LBFGS(),
        emfc.LayerMap("rk4"), emfc.laws.Empirical(points(5), points(5)), emfc.losses.LabelLoss,
    ),
    "modules": lambda: (np, math, emfc, scipy.interpolate),
}  # fmt: skip
