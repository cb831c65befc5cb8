"""Activations: one record each, with everything that the package uses of it. A new one is one entry of `ACTIVATIONS`.

An activation of your own is an `Activation` in your own file. You pass it to a field, or register it first and pass its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Protocol

import numpy as np

from .._validate import choice, fail, mismatch, positive
from ..derivatives.checks import check_derivative
from ..errors import FileFormatError
from ..fingerprint.fingerprint import fingerprint
from ..kernels import activations as kernels
from ..kernels.activations import ActivationKernel
from ..kernels.special import expit
from ..kernels.tanh import tanh

#: a function of the argument z, any array; it may overwrite z
Value = Callable[[np.ndarray], np.ndarray]
#: a function of `argument`, which computes z when it is called, and of the value sigma(z)
Derivative = Callable[[Callable[[], np.ndarray], np.ndarray], np.ndarray]
#: arguments at which the derivatives of a user's activation are compared with differences; no special value is among them
CHECKED_AT = np.array([-3.13, -1.71, -0.83, -0.29, -0.041, 0.037, 0.31, 0.87, 1.63, 3.07])[:, None]


class OnnxGraph(Protocol):
    """The operations that an activation's ONNX form may use, see `export.onnx.Graph`; values are names.

    Examples
    --------
    >>> from eulerian_mfc.fields import ACTIVATIONS
    >>> class Written:
    ...     def node(self, kind, *inputs):
    ...         return f"{kind}({', '.join(inputs)})"
    >>> ACTIVATIONS["swish"].onnx(Written(), "z")
    'Mul(z, Sigmoid(z))'
    """

    def node(self, kind: str, *inputs: str) -> str:
        """Add an operator of ONNX; return the name of its output."""

    def constant(self, value: np.ndarray) -> str:
        """Add an array; return its name."""


@dataclass(frozen=True)
class Activation:
    """A scalar function sigma, applied to each component, with everything that fields, kernels and exports need.

    Parameters
    ----------
    name : the name of the activation in tables, figures and files.
    value : `z -> sigma(z)`, for arrays of any shape; it may overwrite z.
    slope : `(argument, value) -> sigma'(z)`, where `value` is sigma(z), and `argument()` computes z for slopes that need it.
    curvature : `(argument, value) -> sigma''(z)`.
    bound : a bound of `|sigma|`; None if sigma is unbounded.
    curved : whether sigma changes its slope within one unit of its argument, so that a mesh must resolve this
        (`SteepControlWarning`).
    kernel : the same function in compiled code, see `kernels.activations`; without it fields use uncompiled code.
    onnx : `(graph, z) -> sigma(z)`, names of values in an `OnnxGraph`; without it the export to ONNX raises an error.
    torch : `(torch, z) -> sigma(z)`, of the module and a tensor; without it the export to PyTorch raises an error.

    Raises
    ------
    ArgumentError
        If the name is not an identifier, an argument is not a function, or the bound is not positive. From fields and from
        `register_activation`, if a derivative is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> import eulerian_mfc as emfc
    >>> bump = emfc.fields.Activation(
    ...     "bump", lambda z: np.exp(-(z**2)),
    ...     slope=lambda argument, value: -2.0 * argument() * value,
    ...     curvature=lambda argument, value: (4.0 * argument() ** 2 - 2.0) * value, bound=1.0)
    >>> emfc.fields.NeuralField(1, bump, bias=False)(0.0, np.array([0.0]), np.array([[5.0]])).tolist()
    [[1.0]]
    """

    name: str
    value: Value = field(repr=False)
    slope: Derivative = field(repr=False)
    curvature: Derivative = field(repr=False)
    bound: float | None = field(default=None, repr=False)
    curved: bool = field(default=False, repr=False)
    kernel: ActivationKernel | None = field(default=None, repr=False)
    onnx: Callable[[OnnxGraph, str], str] | None = field(default=None, repr=False)
    torch: Callable[[ModuleType, object], object] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise fail("name", self.name, "an identifier, such as 'gelu'")
        needed = {"value": self.value, "slope": self.slope, "curvature": self.curvature}
        wanted = needed | {"onnx": self.onnx or self.value, "torch": self.torch or self.value}
        for name, function in wanted.items():
            if not callable(function):
                raise fail(name, function, "a function")
        if self.bound is not None:
            positive("bound", self.bound)
        if self.kernel is not None and not isinstance(self.kernel, ActivationKernel):
            raise fail("kernel", self.kernel, "a kernels.activations.ActivationKernel, or None")

    def check(self) -> None:
        """ArgumentError if values have another shape than the argument, or derivatives differ from differences."""
        z = CHECKED_AT
        value = np.asarray(self.value(z.copy()))
        if value.shape != z.shape:
            raise mismatch("value", f"an array of shape {value.shape} at arguments {z.shape}", f"the shape {z.shape}")
        slope, curvature = (np.asarray(f(z.copy, value.copy())) for f in (self.slope, self.curvature))
        unit = np.ones(1)
        check_derivative("slope", self.value, slope[:, :, None], z, True, unit)
        at = lambda y: np.asarray(self.slope(y.copy, np.asarray(self.value(y.copy()))))  # noqa: E731
        check_derivative("curvature", at, curvature[:, :, None], z, True, unit)


def _tanh(z: np.ndarray) -> np.ndarray:
    out = np.ascontiguousarray(z)
    tanh(out.reshape(-1))
    return out


def _tanh_slope(argument: Callable[[], np.ndarray], value: np.ndarray) -> np.ndarray:
    out = np.multiply(value, value)
    return np.subtract(1.0, out, out=out)


def _tanh_curvature(argument: Callable[[], np.ndarray], value: np.ndarray) -> np.ndarray:
    out = _tanh_slope(argument, value)
    out *= value
    return np.multiply(out, -2.0, out=out)


def _swish_slope(argument: Callable[[], np.ndarray], value: np.ndarray) -> np.ndarray:
    s = expit(argument())
    return s + value * (1.0 - s)


def _swish_curvature(argument: Callable[[], np.ndarray], value: np.ndarray) -> np.ndarray:
    z = argument()
    s = expit(z)
    return s * (1.0 - s) * (2.0 + z * (1.0 - 2.0 * s))


def _softplus_onnx(graph: OnnxGraph, z: str) -> str:
    """`max(z, 0) + log(1 + exp(-|z|))`: ONNX Runtime has its Softplus in single precision only."""
    tail = graph.node("Exp", graph.node("Neg", graph.node("Abs", z)))
    return graph.node(
        "Add", graph.node("Relu", z), graph.node("Log", graph.node("Add", tail, graph.constant(np.ones(1))))
    )


#: the package's own activations, by name
ACTIVATIONS: dict[str, Activation] = {
    own.name: own
    for own in (
        Activation(
            "tanh", _tanh, _tanh_slope, _tanh_curvature, 1.0, True, kernels.TANH,
            lambda graph, z: graph.node("Tanh", z), lambda torch, z: torch.tanh(z),
        ),
        Activation(
            "sigmoid", expit,
            lambda argument, value: value * (1.0 - value),
            lambda argument, value: value * (1.0 - value) * (1.0 - 2.0 * value),
            1.0, True, kernels.SIGMOID,
            lambda graph, z: graph.node("Sigmoid", z), lambda torch, z: torch.sigmoid(z),
        ),
        Activation(
            "relu", lambda z: np.maximum(z, 0.0),
            lambda argument, value: (value > 0.0).astype(np.float64),
            lambda argument, value: np.zeros_like(value),
            None, False, kernels.RELU,
            lambda graph, z: graph.node("Relu", z), lambda torch, z: torch.relu(z),
        ),
        Activation(
            "softplus", lambda z: np.logaddexp(0.0, z),
            lambda argument, value: -np.expm1(-value),
            lambda argument, value: -np.expm1(-value) * np.exp(-value),
            None, False, kernels.SOFTPLUS,
            # PyTorch's own function is the identity beyond 20: an error that is above 1e-12.
            _softplus_onnx, lambda torch, z: torch.logaddexp(z, torch.zeros_like(z)),
        ),
        Activation(
            "swish", lambda z: z * expit(z), _swish_slope, _swish_curvature, None, False, kernels.SWISH,
            lambda graph, z: graph.node("Mul", z, graph.node("Sigmoid", z)),
            lambda torch, z: torch.nn.functional.silu(z),
        ),
        Activation(
            "sin", np.sin, lambda argument, value: np.cos(argument()), lambda argument, value: -value,
            1.0, True, kernels.SIN,
            lambda graph, z: graph.node("Sin", z), lambda torch, z: torch.sin(z),
        ),
    )
}  # fmt: skip
#: the activations that users have registered, by name
_REGISTERED: dict[str, Activation] = {}


def register_activation(activation: Activation) -> Activation:
    """Register an activation of your own, so that fields, case files and solution files find it by its name in this process.

    Parameters
    ----------
    activation : the activation. Register it before you use its name in a field, or load a file that names it.

    Returns
    -------
    Activation
        The activation itself.

    Raises
    ------
    ArgumentError
        If it is not an Activation, its name is that of another one (of the package, or registered), or a derivative is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from eulerian_mfc.fields import Activation, NeuralField, register_activation
    >>> square = Activation("square", np.square, lambda z, v: 2.0 * z(), lambda z, v: np.full_like(v, 2.0))
    >>> register_activation(square)
    Activation(name='square')
    >>> NeuralField(2, "square").spec()["activation"]
    'square'
    """
    if not isinstance(activation, Activation):
        raise fail("activation", activation, "an Activation")
    if activation.name in ACTIVATIONS:
        raise mismatch("activation", f"the name {activation.name!r}, which the package itself uses", "another name")
    activation.check()
    known = _REGISTERED.get(activation.name)
    if known is not None and fingerprint(known) != fingerprint(activation):
        got = f"the name {activation.name!r}, under which other functions are registered"
        raise mismatch("activation", got, "another name: solution files store activations by their names")
    _REGISTERED[activation.name] = activation
    return activation


def resolved(activation: str | Activation) -> str | Activation:
    """The value that a field stores: the name of an activation of the package, or a user's Activation itself.

    A field that stores the whole Activation depends on all of it. ArgumentError for unknown names and for wrong derivatives.

    Examples
    --------
    >>> resolved(ACTIVATIONS["tanh"])
    'tanh'
    """
    if isinstance(activation, Activation):
        if ACTIVATIONS.get(activation.name) is activation:
            return activation.name
        if _REGISTERED.get(activation.name) is not activation:
            activation.check()
        return activation
    choice("activation", activation, [*ACTIVATIONS, *_REGISTERED])
    return _REGISTERED.get(activation, activation)


def activation_of(activation: str | Activation) -> Activation:
    """The record of the activation that a field stores.

    Examples
    --------
    >>> activation_of("tanh").bound
    1.0
    """
    return activation if isinstance(activation, Activation) else ACTIVATIONS[activation]


def stored_name(activation: str | Activation) -> str | None:
    """The name under which a file stores an activation; None if it is not registered: a file cannot hold its functions.

    Examples
    --------
    >>> stored_name("tanh")
    'tanh'
    """
    if isinstance(activation, str):
        return activation
    return activation.name if _REGISTERED.get(activation.name) is activation else None


def need_known(name: object) -> None:
    """FileFormatError if a file names an activation that is not registered in this process.

    Examples
    --------
    >>> need_known("tanh")
    """
    if name not in ACTIVATIONS and name not in _REGISTERED:
        raise FileFormatError(
            f"the file has a field with the activation {name!r}, which is not registered in this program: "
            "call fields.register_activation with this activation before loading"
        )
