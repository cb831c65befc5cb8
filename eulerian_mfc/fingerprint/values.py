"""Values written into a hash, each by all that it holds; see `address`."""

from __future__ import annotations

import functools
import hashlib
import io
import random
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from copyreg import dispatch_table
from dataclasses import fields, is_dataclass
from pickle import whichmodule  # type: ignore[attr-defined]
from typing import Any

import numpy as np

from .code import MEMBERS, CodeWriter, UntoldError, made_in_c, own_class, package_class

#: plain values, by their exact types
_PLAIN: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda v: b"",
    type(Ellipsis): lambda v: b"",
    type(NotImplemented): lambda v: b"",
    bool: lambda v: b"%d" % v,
    int: lambda v: b"%x" % v,
    float: lambda v: repr(v).encode(),
    complex: lambda v: repr(v).encode(),
    str: lambda v: v.encode("utf-8", "surrogatepass"),
    bytes: lambda v: v,
    bytearray: bytes,
}
#: what a user's class of numbers, texts or containers holds, as the plain value
_CONTENT: dict[type, Callable[[Any], Any]] = {
    int: lambda v: int.__getnewargs__(v)[0],
    float: lambda v: float.__getnewargs__(v)[0],
    complex: lambda v: complex(v.real, v.imag),
    str: lambda v: str.__getnewargs__(v)[0],
    bytes: lambda v: bytes.__getnewargs__(v)[0],
    bytearray: bytes,
    tuple: lambda v: tuple(tuple.__iter__(v)),
    list: lambda v: list.__getitem__(v, slice(None)),
    dict: lambda v: dict(dict.items(v)),
    set: lambda v: frozenset(set.__iter__(v)),
    frozenset: lambda v: frozenset(frozenset.__iter__(v)),
}
_RANDOM = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
_GLOBAL_RANDOM = np.random.mtrand._rand  # what numpy.random.normal uses, and objects of SciPy hold without using it
_LOCKS = (type(threading.Lock()), type(threading.RLock()))
#: arrays of so many bytes are looked at once in a session
_LARGE = 10_000


class Writer(CodeWriter):
    """Feeds a hash with tagged, length-prefixed pieces, so that different values cannot read the same.

    What can change, or refer to itself, is written once, and by its number where it is met again. Functions, classes and
    modules are written into a hash of their own, the same wherever they are met.
    """

    def __init__(self, known: dict[int, tuple[Any, bytes]], packages: dict[str, str]) -> None:
        self.hash = hashlib.sha256()
        self.packages = packages
        self._known = (
            known  # hashes of code and of large arrays; the values too, for ids are those of living objects only
        )
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []
        self._in_code = False
        self._library = 0  # how many objects of libraries we are in

    def _put(self, tag: str, data: bytes = b"") -> None:
        self.hash.update(b"%s:%d:%s" % (tag.encode(), len(data), data))

    def _under(self, name: str, value: Any) -> None:
        """A value with its name, which leads to it in messages."""
        self._put("name", name.encode("utf-8", "surrogatepass"))
        try:
            self.write(value)
        except UntoldError as error:
            error.path.append(name)
            raise

    def each(self, *values: Any) -> None:
        for value in values:
            self.write(value)

    def write(self, value: Any) -> None:
        kind = type(value)
        if (plain := _PLAIN.get(kind)) is not None:
            self._put(kind.__name__, plain(value))
        elif kind is tuple:
            self._items("tuple", value)
        elif kind is np.ndarray:
            self._shared(value, Writer._array) if value.nbytes > _LARGE else self._array(value)
        elif isinstance(value, types.FunctionType | types.ModuleType | type):
            self._shared(value, Writer._named_or_code)
        elif kind is types.CodeType:
            self.code(value)
        elif kind is frozenset:
            self._set(value)
        elif id(value) in self._seen:
            self._put("again", b"%d" % self._seen[id(value)])
        else:
            self._seen[id(value)] = len(self._seen)
            self._alive.append(value)
            handler = _HANDLERS.get(kind)
            (handler or Writer._object)(self, value)

    def _shared(self, value: Any, write: Callable[[Writer, Any], None]) -> None:
        """What many may share: by a hash of its own, computed once; in code, where all may refer to all, in turn."""
        if self._in_code and write is not Writer._array:
            if id(value) in self._seen:
                return self._put("again", b"%d" % self._seen[id(value)])
            self._seen[id(value)] = len(self._seen)
            self._alive.append(value)
            return write(self, value)
        if id(value) not in self._known:
            own = Writer(self._known, self.packages)
            own._in_code = True
            own._seen[id(value)] = 0
            write(own, value)
            self._known[id(value)] = value, own.hash.digest()
        self._put("hash", self._known[id(value)][1])
        return None

    def _named_or_code(self, value: Any) -> None:
        if isinstance(value, types.FunctionType):
            self.function(value)
        elif isinstance(value, types.ModuleType):
            self.module(value)
        else:
            self.type_(value)

    # --- containers and arrays

    def _list(self, value: list[Any]) -> None:
        self._items("list", value)

    def _items(self, tag: str, value: Any) -> None:
        self._put(tag, b"%d" % len(value))
        for k, item in enumerate(value):
            try:
                self.write(item)
            except UntoldError as error:
                error.path.append(str(k))
                raise

    def _dict(self, value: Any) -> None:
        """In its order, which a function may follow."""
        self._put("dict", b"%d" % len(value))
        for key, item in value.items():
            self.write(key)
            self._under(str(key) if type(key) in (str, int) else "...", item)

    def _set(self, value: Any) -> None:
        self._put(type(value).__name__, b"".join(sorted(self._part(item) for item in value)))

    def _part(self, value: Any) -> bytes:
        """The hash of one value, to sort sets by."""
        part = Writer(self._known, self.packages)
        part._in_code, part._library = self._in_code, self._library
        part._seen = {} if type(value) in _PLAIN else dict(self._seen)
        part.write(value)
        self._alive += part._alive
        return part.hash.digest()

    def _array(self, value: np.ndarray) -> None:
        self._dtype(value.dtype)
        order = "C" if value.flags.c_contiguous else "F" if value.flags.f_contiguous else str(value.strides)
        self._put("array", f"{value.shape}{order}".encode())
        if value.dtype.names is not None:  # by fields: there may be anything between them
            for name in value.dtype.names:
                self._under(name, value[name])
        elif value.dtype.hasobject or value.dtype.kind == "T":
            self.write(tuple(value.ravel().tolist()))
        else:
            data = value if value.flags.c_contiguous else np.ascontiguousarray(value)
            self._put("bytes", str(data.nbytes).encode())
            self.hash.update(data.reshape(-1).view(np.uint8).data if data.nbytes else b"")

    def _dtype(self, dtype: np.dtype[Any]) -> None:
        if type(dtype).__module__.startswith("numpy") and dtype.names is None and dtype.metadata is None:
            self._put("dtype", (dtype.str if dtype.kind != "T" else repr(dtype)).encode())
            self._put("type", dtype.type.__name__.encode())  # types of other packages share their texts
        else:
            self._reduced(dtype)

    def _array_of_a_class(self, value: Any) -> None:
        """A masked array, a matrix, a user's class of arrays: the class, the array and its attributes."""
        self.write(type(value))
        self._array(np.ndarray.view(value, np.ndarray))
        if not isinstance(value, np.memmap):  # which has its file there
            self._attributes(value)

    # --- objects

    def _object(self, value: Any) -> None:
        kind = type(value)
        if issubclass(kind, np.ndarray):
            self._array_of_a_class(value)
        elif issubclass(kind, np.generic):
            self._put("scalar")
            self._array(np.asarray(value))
        elif special := next((_SPECIAL[c] for c in kind.__mro__ if c in _SPECIAL), None):
            special(self, value)
        elif (name := f"{kind.__module__}.{kind.__qualname__}") in _BY_NAME:
            _BY_NAME[name](self, value)
        elif issubclass(kind, _RANDOM) and (not self._library or value is _GLOBAL_RANDOM):
            self._random(value)
        elif any(f"{c.__module__}.{c.__qualname__}" == "torch.Tensor" for c in kind.__mro__):
            self._tensor(value)
        elif kind in _LOCKS or (issubclass(kind, io.IOBase) and value.closed):
            self._put("no value", kind.__qualname__.encode())  # nothing can be read from it
        elif own_class(kind):
            self._own_object(value)
        elif package_class(kind):
            self._put("object", f"{kind.__module__}.{kind.__qualname__}".encode())
            self._attributes(value)
        elif is_dataclass(kind) and kind.__reduce_ex__ is object.__reduce_ex__:
            # What a library's dataclass holds beside its fields is derived from them, and comes with its use.
            self.write(kind)
            for field in fields(value):
                self._under(field.name, getattr(value, field.name, None))
        else:
            self._library += 1
            self._reduced(value)
            self._library -= 1

    def _own_object(self, value: Any) -> None:
        """An object of a class of the user's: all of the class, and all that the object holds."""
        kind = type(value)
        self._put("object")
        self.write(kind)
        self._attributes(value)
        base = made_in_c(kind)
        if base in _CONTENT:
            self._under("content", _CONTENT[base](value))
        elif base is not object:
            self._reduced(value)

    def _attributes(self, value: Any) -> None:
        # This package's cached properties are functions of the rest.
        derived = {
            name
            for c in type(value).__mro__
            if package_class(c)
            for name, member in vars(c).items()
            if isinstance(member, functools.cached_property)
        }
        for name, item in attributes_of(value):
            if name not in derived:
                self._under(name, item)

    def _reduced(self, value: Any) -> None:
        """By what pickle keeps: a function with its arguments, a state, items; or a name."""
        kind = type(value)
        try:
            reduce = dispatch_table.get(kind)
            found = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except Exception as error:
            raise UntoldError(value, str(error) or type(error).__name__) from None
        if isinstance(found, str):
            if not self.named(value, whichmodule(value, found), found):
                raise UntoldError(value, f"it is called {found}, and that name does not lead to it")
            return
        function, arguments, state, items, pairs, setter = (*found, None, None, None, None)[:6]
        self._put("reduced")
        self.write(function)
        self.write(arguments)
        self._under(kind.__name__, state)
        self.each(None if items is None else list(items), None if pairs is None else list(pairs), setter)

    # --- kinds with a way of their own

    def _method(self, value: types.MethodType) -> None:
        self._put("method")
        self.each(value.__self__, value.__func__)

    def _builtin(self, value: Any) -> None:
        owner = value.__self__
        if owner is None or isinstance(owner, types.ModuleType):
            if not self.named(value, value.__module__ or getattr(owner, "__name__", None), value.__qualname__):
                self._reduced(value)
        elif owner is _GLOBAL_RANDOM:
            self._put("named", f"numpy.random.{value.__name__}".encode())
        else:
            self._put("method")
            self.each(owner, value.__name__)

    def _ufunc(self, value: np.ufunc) -> None:
        for name in ("numpy", "scipy.special"):
            if self.named(value, name, value.__name__):
                return
        # A ufunc made of a function, by `numpy.frompyfunc`, knows the function, and does not show it.
        from gc import get_referents

        made_of = [r for r in get_referents(value) if isinstance(r, types.FunctionType | types.BuiltinFunctionType)]
        if made_of:
            self._put("ufunc")
            self.each(tuple(made_of), value.nin, value.nout, value.identity)
        elif not self.named(value, whichmodule(value, value.__name__), value.__name__):
            raise UntoldError(value, f"nothing tells what the ufunc {value.__name__!r} computes")

    def _compiled(self, value: Any) -> None:
        """Of Numba: the Python function, the options, and the types where they are fixed (otherwise they come with use)."""
        self._put("compiled", type(value).__qualname__.encode())
        maker = getattr(value, "gufunc_builder", getattr(value, "_dispatcher", value))
        self._under("py_func", maker.py_func)
        self.write({k: v for k, v in maker.targetoptions.items() if k != "target_backend"})
        self.each(getattr(value, "signature", None), getattr(value, "identity", None))
        dispatcher = getattr(maker, "nb_func", maker)
        fixed = getattr(value, "_frozen", not getattr(dispatcher, "_can_compile", True))
        if fixed:
            self.write(tuple(str(s) for s in dispatcher.overloads))

    def _cached(self, value: Any) -> None:
        self._put("cached")
        self.each(value.__wrapped__, value.cache_parameters()["typed"], vars(value))

    def _reference(self, value: Any) -> None:
        self._put("weak reference")
        self.write(value())

    def _random(self, value: Any) -> None:
        if value is not _GLOBAL_RANDOM:
            raise UntoldError(value, "it gives other numbers at every call")
        self._put("named", b"numpy.random")

    def _tensor(self, value: Any) -> None:
        """Of PyTorch: type, shape and bytes; gradients and the graph do not count."""
        import torch

        if value.layout != torch.strided or value.is_quantized or value.device.type == "meta":
            raise UntoldError(value, "only dense tensors can be told")
        self.each(type(value), str(value.dtype), tuple(value.shape), value.device.type, value.requires_grad)
        data = value.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1).view(torch.uint8)
        self.write(data.numpy())
        self._attributes(value)

    def _tree(self, value: Any) -> None:
        """Of SciPy: what pickle keeps of it has places in memory."""
        self._put("tree", type(value).__qualname__.encode())
        self.each(value.data, value.indices, value.leafsize, value.boxsize, value.size)

    def _fitted_spline(self, value: Any) -> None:
        """A spline of FITPACK: knots, coefficients, degree and rule outside; the rest is work space, part of it never written."""
        self._put(f"{type(value).__module__}.{type(value).__qualname__}")
        self.each(*value._eval_args, getattr(value, "ext", None))

    def _no_library(self, value: Any) -> None:
        raise UntoldError(value, "it is a loaded library, which Python sees only by where it lies in memory")

    def _view(self, value: memoryview) -> None:
        self._put("view", value.format.encode())
        self.each(value.shape, value.tobytes())

    def _cell(self, value: types.CellType) -> None:
        try:
            content = value.cell_contents
        except ValueError:
            return self._put("empty cell")
        self._put("cell")
        return self.write(content)


#: by exact type
_HANDLERS: dict[type, Callable[[Writer, Any], None]] = {
    list: Writer._list,
    dict: Writer._dict,
    set: Writer._set,
    types.MappingProxyType: Writer._dict,
    types.MethodType: Writer._method,
    types.BuiltinFunctionType: Writer._builtin,
    types.CellType: Writer._cell,
    memoryview: Writer._view,
    np.ufunc: Writer._ufunc,
    functools._lru_cache_wrapper: Writer._cached,
}
#: by any class of theirs
_SPECIAL: dict[type, Callable[[Writer, Any], None]] = {
    **MEMBERS,
    np.dtype: Writer._dtype,
    weakref.ref: Writer._reference,
}
#: classes of libraries that may not be there
_BY_NAME: dict[str, Callable[[Writer, Any], None]] = {
    "numba.core.registry.CPUDispatcher": Writer._compiled,
    "numba.np.ufunc.dufunc.DUFunc": Writer._compiled,
    "numba.np.ufunc.gufunc.GUFunc": Writer._compiled,
    "scipy.spatial._ckdtree.cKDTree": Writer._tree,
    "scipy.spatial._kdtree.KDTree": Writer._tree,
    "scipy.interpolate._fitpack2.UnivariateSpline": Writer._fitted_spline,
    "scipy.interpolate._fitpack2.InterpolatedUnivariateSpline": Writer._fitted_spline,
    "scipy.interpolate._fitpack2.LSQUnivariateSpline": Writer._fitted_spline,
    "torch._C.Generator": Writer._random,
    "ctypes.CDLL": Writer._no_library,
}


def attributes_of(value: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of all that an object holds: its dictionary, and the slots of all its classes."""
    for kind in type(value).__mro__:
        if "__slots__" not in vars(kind):
            continue
        for name, member in vars(kind).items():
            if isinstance(member, types.MemberDescriptorType):
                try:
                    yield name, member.__get__(value)
                except AttributeError:  # a slot without a value
                    continue
    yield from getattr(value, "__dict__", {}).items()
