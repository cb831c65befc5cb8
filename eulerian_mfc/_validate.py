"""Checks of arguments of the public API: each raises an ArgumentError with the argument, its value and what is allowed."""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .errors import ArgumentError, KeywordError, MemoryNeededError

#: arrays whose text is shorter than this are shown in messages, after their shape
SHORT = 80


def fail(name: str, value: Any, expected: str) -> ArgumentError:
    """The exception to raise for argument `name`, with its value and what is allowed."""
    kind = type(value).__name__
    shown = repr(value)
    if shown.endswith(f"{kind} object at {hex(id(value))}>"):  # the default repr shows an address, which does not help
        shown = f"a{'n' * (kind[0] in 'AEIOU')} {kind}"
    return ArgumentError(f"{name}: got {shown if len(shown) < 200 else shown[:197] + '...'}, expected {expected}")


def mismatch(name: str, found: str, expected: str) -> ArgumentError:
    """The exception to raise for argument `name`, with what was found in it, in words, and what is expected."""
    return ArgumentError(f"{name}: got {found}, expected {expected}")


def unknown(function: str, keyword: str, known: Iterable[str], where: str) -> KeywordError:
    """The exception to raise for a keyword that a function does not have.

    Parameters
    ----------
    function : the name of the function, or of what else takes the keyword.
    keyword : the keyword.
    known : the keywords that it has; the one that is nearest in letters is named first.
    where : what explains them, such as "help(eulerian_mfc.solve)".
    """
    names = list(known)
    begun = [name for name in names if keyword.startswith(name) or name.startswith(keyword)]
    near = difflib.get_close_matches(keyword, names, n=1) or begun
    expected = f"{near[0]!r}, or another of" if near else "one of"
    return KeywordError(
        f"{function}: got the keyword {keyword!r}, expected {expected} {', '.join(names)}; {where} explains them"
    )


def unmasked(name: str, value: object) -> None:
    """Raise an ArgumentError for an array with masked entries: the package would use the numbers under the mask as data."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.getmaskarray(value).any():
        raise mismatch(
            name,
            f"a masked array with {int(np.ma.getmaskarray(value).sum())} masked entries",
            "an array without masked entries: drop their rows, or fill them with `.filled(...)`",
        )


def returned(name: str, value: Any, dtype: Any = None) -> np.ndarray:
    """The return value of a user's function as an array; masked entries raise an error."""
    unmasked(name, value)
    return np.asarray(value, dtype=dtype)


def array(
    name: str, value: Any, *, ndim: int | tuple[int, ...] | None = None, finite: bool = True, like: str = ""
) -> np.ndarray:
    """`value` as a float64 array with an allowed number of dimensions, without NaN, infinity or masked entries.

    Error messages show the example `like`, such as `mean=[0.0]`.
    """
    unmasked(name, value)
    dims = (ndim,) if isinstance(ndim, int) else ndim
    such = f", such as {like}" if like else ""
    wanted = ("a real number" if dims == (0,) else "an array of real numbers") + such
    try:
        given = np.asarray(value)
    except (TypeError, ValueError):
        raise fail(name, value, wanted) from None
    if given.dtype.kind not in "biuf":
        raise fail(name, value, wanted)
    out = given.astype(np.float64)
    if dims is not None and out.ndim not in dims:
        shown = repr(value)
        got = f"the number {shown}" if out.ndim == 0 else f"an array of shape {out.shape}"
        got += f": {shown}" if out.ndim and len(shown) < SHORT and "\n" not in shown else ""
        few = "one number" if dims == (0,) else f"{' or '.join(map(str, dims))} dimension{'s' * (dims != (1,))}"
        raise mismatch(name, got, few + such)
    if finite and not np.isfinite(out).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(out))[0])
        raise mismatch(name, f"{out[where]}{f' at index {where}' if where else ''}", "finite numbers")
    return out


def positive(name: str, value: Any, *, allow_zero: bool = False) -> float:
    """`value` as a finite float above zero (or at zero, if allowed)."""
    number = array(name, value, ndim=0, like=_written(name, 1.0)).item()
    if number < 0 or (number == 0 and not allow_zero):
        raise fail(name, value, "a number >= 0" if allow_zero else "a number > 0")
    return number


def integer(name: str, value: Any, *, minimum: int = 1, maximum: int | None = None, instead: str = "") -> int:
    """`value` as an int from `minimum` to `maximum`; floats and booleans are refused. `instead` says what to do about more."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < minimum:
        raise fail(name, value, f"an integer >= {minimum}, such as {_written(name, _nearest(value, minimum))}")
    if maximum is not None and value > maximum:
        raise fail(name, value, f"at most {maximum}{instead and ': ' + instead}")
    return int(value)


def sides(name: str, value: Any) -> np.ndarray:
    """`value` as an array `(d, 2)`: one pair (low, high) per axis, with low < high, for one to three axes."""
    flat = isinstance(value, list | tuple | np.ndarray) and np.shape(value) == (2,) and not isinstance(value[0], str)
    pair = (float(min(value)), float(max(value))) if flat and value[0] != value[1] else (-1.0, 1.0)
    like = _written(name, [pair])
    out = array(name, value, ndim=2, like=f"{like}, one pair per axis")
    if out.shape[1] != 2 or not 1 <= len(out) <= 3:
        raise fail(name, value, f"one to three pairs (low, high), one per axis, such as {like}")
    if not (out[:, 0] < out[:, 1]).all():
        pairs = [(min(row), max(row)) for row in out.tolist()]
        like = _written(name, pairs) if all(low < high for low, high in pairs) else like
        raise fail(name, value, f"low < high on every axis, such as {like}")
    return out


def _nearest(value: object, minimum: int) -> int:
    """The integer that the user may have meant by a text or another number."""
    try:
        number = int(float(np.asarray(value).item()))
    except (TypeError, ValueError, OverflowError):
        return minimum
    return max(number, minimum)


def _written(name: str, value: object) -> str:
    """An argument as it is written in a call."""
    return f"{name}={value!r}" if name.isidentifier() else repr(value)


def choice(name: str, value: Any, allowed: Iterable[Any]) -> Any:
    """`value` if it is one of `allowed`."""
    options = list(allowed)
    if isinstance(value, np.ndarray) or value not in options:
        raise fail(name, value, "one of " + ", ".join(map(repr, options)))
    return value


def takes(name: str, function: Callable[..., object], arguments: str) -> None:
    """Raise an ArgumentError if a user's function cannot be called with the arguments, named as in `"t, theta, x"`."""
    if isinstance(function, type):
        raise fail(name, function, f"a function of ({arguments})")
    try:
        inspect.signature(function).bind(*arguments.split(", "))
    except TypeError:
        raise fail(name, function, f"a function of ({arguments})") from None
    except ValueError:  # compiled functions may have no signature
        pass


def own(values: object) -> np.ndarray:
    """A copy for a user's function, which may modify it: the package's own array stays the same."""
    return np.array(values)


def generator(seed: Any) -> np.random.Generator:
    """The random generator of a seed."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise fail("seed", seed, "None, an integer >= 0 or a numpy.random.Generator") from None


def machine_memory() -> int:
    """Bytes of physical memory; 4 GiB if the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 2**32


def affordable(name: str, value: object, numbers: int, what: str) -> None:
    """Raise a MemoryNeededError if an argument needs more float64 numbers than the machine's memory can hold."""
    if 8 * numbers > machine_memory():
        needed = f"{min(8 * numbers, 10**30) / 2**30:,.0f} GiB"
        less = f"a value that needs less memory: {what} would take {needed}, which is more than this machine's memory"
        raise MemoryNeededError(str(fail(name, value, less)))
