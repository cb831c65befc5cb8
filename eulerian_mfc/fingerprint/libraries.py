"""Objects of Python and of installed packages that need their own way of hashing."""

from __future__ import annotations

import types
import weakref
from collections.abc import Iterable
from pickle import whichmodule  # type: ignore[attr-defined]
from typing import Any

import numpy as np

from .names import write_named
from .pickled import write_attributes, write_reduced
from .writer import UntoldError, Writer

#: the global generator of numpy.random, which objects of SciPy hold without using it
GLOBAL_RANDOM = np.random.mtrand._rand


def write_method(writer: Writer, value: types.MethodType) -> None:
    writer.put("method")
    writer.each(value.__self__, value.__func__)


def write_builtin(writer: Writer, value: types.BuiltinFunctionType) -> None:
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        module = value.__module__ or (None if owner is None else owner.__name__)
        if not write_named(writer, value, module, value.__qualname__):
            write_reduced(writer, value)
    elif owner is GLOBAL_RANDOM:
        writer.put("named", f"numpy.random.{value.__name__}".encode())
    else:
        writer.put("method")
        writer.each(owner, value.__name__)


def write_ufunc(writer: Writer, value: np.ufunc) -> None:
    for name in ("numpy", "scipy.special"):
        if write_named(writer, value, name, value.__name__):
            return
    # A ufunc from `numpy.frompyfunc` holds its Python function, but does not expose it.
    from gc import get_referents

    made_of = [r for r in get_referents(value) if isinstance(r, types.FunctionType | types.BuiltinFunctionType)]
    if made_of:
        writer.put("ufunc")
        writer.each(tuple(made_of), value.nin, value.nout, value.identity)
    elif not write_named(writer, value, whichmodule(value, value.__name__), value.__name__):
        raise UntoldError(value, f"the package cannot determine what the ufunc {value.__name__!r} computes")


def write_jitted(writer: Writer, value: Any) -> None:
    """Write a function that `numba.njit` made."""
    types_of = None if value._can_compile else value.overloads
    _write_compiled(writer, value, value, (None, None), types_of)


def write_vectorized(writer: Writer, value: Any) -> None:
    """Write a ufunc that `numba.vectorize` made."""
    maker = value._dispatcher
    _write_compiled(writer, value, maker, (None, value.identity), maker.overloads if value._frozen else None)


def write_gufunc(writer: Writer, value: Any) -> None:
    """Write a generalised ufunc that `numba.guvectorize` made."""
    maker = value.gufunc_builder
    types_of = maker.nb_func.overloads if value._frozen else None
    _write_compiled(writer, value, maker, (value.signature, value.identity), types_of)


def _write_compiled(
    writer: Writer, value: object, maker: Any, shape: tuple[object, object], types_of: Iterable[object] | None
) -> None:
    """Write a compiled function of Numba: the Python function, the options, and the types if they are fixed.

    `shape` is the signature and the identity of a ufunc.
    """
    writer.put("compiled", type(value).__qualname__.encode())
    writer.under("py_func", maker.py_func)
    writer.write({k: v for k, v in maker.targetoptions.items() if k != "target_backend"})
    writer.each(*shape)
    if types_of is not None:
        writer.write(tuple(str(s) for s in types_of))


def write_cached(writer: Writer, value: Any) -> None:
    writer.put("cached")
    writer.each(value.__wrapped__, value.cache_parameters()["typed"], vars(value))


def write_reference(writer: Writer, value: weakref.ref[object]) -> None:
    writer.put("weak reference")
    writer.write(value())


def write_random(writer: Writer, value: object) -> None:
    if value is not GLOBAL_RANDOM:
        raise UntoldError(value, "a random generator gives other numbers at every call")
    writer.put("named", b"numpy.random")


def write_tensor(writer: Writer, value: Any) -> None:
    """Write a tensor of PyTorch: type, shape and bytes; gradients and the graph do not count."""
    import torch

    if value.layout != torch.strided or value.is_quantized or value.device.type == "meta":
        raise UntoldError(value, "the package can read the values of dense tensors only")
    writer.each(type(value), str(value.dtype), tuple(value.shape), value.device.type, value.requires_grad)
    data = value.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1).view(torch.uint8)
    writer.write(data.numpy())
    write_attributes(writer, value)


def write_tree(writer: Writer, value: Any) -> None:
    """Write a tree of SciPy by its data, since its pickle contains memory addresses."""
    writer.put("tree", type(value).__qualname__.encode())
    writer.each(value.data, value.indices, value.leafsize, value.boxsize, value.size)


def write_fitted_spline(writer: Writer, value: Any) -> None:
    """Write a spline of FITPACK: knots, coefficients, degree and extrapolation rule; the rest is uninitialised work space."""
    writer.put(f"{type(value).__module__}.{type(value).__qualname__}")
    writer.each(*value._eval_args, value.ext)


def refuse_library(writer: Writer, value: object) -> None:
    raise UntoldError(value, "it is a loaded library, of which Python knows only the address in memory")


def write_view(writer: Writer, value: memoryview) -> None:
    writer.put("view", value.format.encode())
    writer.each(value.shape, value.tobytes())


def write_cell(writer: Writer, value: types.CellType) -> None:
    try:
        content = value.cell_contents
    except ValueError:
        return writer.put("empty cell")
    writer.put("cell")
    return writer.write(content)


#: classes of libraries that may not be installed, by name
BY_NAME = {
    "numba.core.registry.CPUDispatcher": write_jitted,
    "numba.np.ufunc.dufunc.DUFunc": write_vectorized,
    "numba.np.ufunc.gufunc.GUFunc": write_gufunc,
    "scipy.spatial._ckdtree.cKDTree": write_tree,
    "scipy.spatial._kdtree.KDTree": write_tree,
    "scipy.interpolate._fitpack2.UnivariateSpline": write_fitted_spline,
    "scipy.interpolate._fitpack2.InterpolatedUnivariateSpline": write_fitted_spline,
    "scipy.interpolate._fitpack2.LSQUnivariateSpline": write_fitted_spline,
    "torch._C.Generator": write_random,
    "ctypes.CDLL": refuse_library,
}
