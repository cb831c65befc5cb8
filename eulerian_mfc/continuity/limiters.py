"""Slope limiters of finite volumes, one record each. A new limiter is one entry of `LIMITERS` or `SIMPLEX_LIMITERS`.

A limiter of your own is a record in your own file. You pass it to the scheme, or register it first and pass its name. Its
formula is a function of numbers and is compiled with the reconstruction. If Numba cannot compile it, it runs as Python, slowly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from .._validate import fail, mismatch
from ..errors import ArgumentError
from ..fingerprint.fingerprint import fingerprint

Formula = Callable[[float, float], float]
Share = Callable[[float], float]


@dataclass(frozen=True)
class Limiter:
    """The rule for the slope in a cell: a function of the differences of its average to those of its two neighbours.

    Parameters
    ----------
    name : the name of the limiter in files.
    formula : `(a, b) -> slope` of two differences, a function of plain numbers. If `limited`, it is evaluated for `a >= 0`,
        `b > 0` only: the slope is zero if the signs differ, and `slope(-a, -b) = -slope(a, b)`.
    limited : whether the formula is used in this way; if not, it is evaluated for all differences.
    second_order_at_extrema : whether the scheme keeps order 2 at extrema of the solution; it does not if slopes vanish there.
    reference : the source of the limiter.

    Raises
    ------
    ArgumentError
        If the name is not an identifier; if the formula is not a function of two numbers; or if it is `limited` but does not
        lie between zero and twice the smaller difference (which keeps bounds).

    References
    ----------
    P. K. Sweby, High resolution schemes using flux limiters for hyperbolic conservation laws, SIAM J. Numer. Anal. 21 (1984),
    995-1011, doi:10.1137/0721062.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> ospre = emfc.continuity.Limiter("ospre", lambda a, b: 1.5 * a * b * (a + b) / (a * a + a * b + b * b))
    >>> emfc.continuity.FiniteVolume("muscl", limiter=ospre).limiter
    Limiter(name='ospre')
    """

    name: str
    formula: Formula = field(repr=False)
    limited: bool = field(default=True, repr=False)
    second_order_at_extrema: bool = field(default=False, repr=False)
    reference: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        _named(self.name)
        samples = [0.1, 0.3, 1.0, 2.5, 9.0]
        for a in samples:
            for b in samples:
                slope = _value("formula", self.formula, a, b)
                if self.limited and not 0.0 <= slope <= 2.0 * min(a, b) * (1.0 + 1e-12):
                    raise mismatch(
                        "formula",
                        f"the slope {slope:g} for the differences {a:g} and {b:g}",
                        "a slope between 0 and twice the smaller difference: correct the formula, or pass "
                        "limited=False",
                    )


@dataclass(frozen=True)
class SimplexLimiter:
    """The share of the gradient in a simplex that is kept, so that facet values stay between the averages around it.

    Parameters
    ----------
    name : the name of the limiter in files.
    share : `ratio -> share`. The ratio > 0 is the allowed change of a facet's value divided by its unlimited change. The
        gradient is multiplied by the smallest share of the facets, at most 1. Values stay in bounds if `0 <= share <= ratio`
        for all ratios below 1.
    reference : the source of the limiter.

    Raises
    ------
    ArgumentError
        If the name is not an identifier, or a share is outside these bounds.

    References
    ----------
    T. Barth, D. Jespersen, The design and application of upwind schemes on unstructured meshes, AIAA paper 89-0366 (1989),
    doi:10.2514/6.1989-366.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> strict = emfc.continuity.SimplexLimiter("strict", lambda ratio: min(0.5 * ratio, 1.0))
    >>> emfc.continuity.SimplexFiniteVolume("muscl", limiter=strict).limiter
    SimplexLimiter(name='strict')
    """

    name: str
    share: Share = field(repr=False)
    reference: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        _named(self.name)
        for ratio in (0.0, 1e-3, 0.3, 0.9, 1.0, 1.7, 10.0, 1e9):
            share = _value("share", self.share, ratio)
            if not 0.0 <= min(share, 1.0) <= min(ratio, 1.0) * (1.0 + 1e-12):
                raise mismatch(
                    "share",
                    f"{share:g} for the ratio {ratio:g}",
                    "a number between 0 and the ratio, for ratios below 1",
                )


def _named(name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise fail("name", name, "an identifier, such as 'ospre'")


def _value(name: str, formula: Callable[..., float], *numbers: float) -> float:
    """The value of the formula; ArgumentError if it does not take this many arguments, or does not return a number."""
    try:
        return float(formula(*numbers))
    except (TypeError, ValueError) as error:
        raise fail(name, formula, f"a function of {len(numbers)} number(s) that returns a number ({error})") from None


def _central(a: float, b: float) -> float:
    return 0.5 * (a + b)


def _minmod(a: float, b: float) -> float:
    return min(a, b)


def _van_leer(a: float, b: float) -> float:
    return 2.0 * a * b / (a + abs(b) + 1e-300)


def _mc(a: float, b: float) -> float:
    return min(2.0 * a, 2.0 * b, 0.5 * (a + b))


def _superbee(a: float, b: float) -> float:
    return max(min(2.0 * a, b), min(a, 2.0 * b))


def _van_albada(a: float, b: float) -> float:
    return a * b * (a + b) / (a * a + b * b + 1e-300)


def _barth_jespersen(ratio: float) -> float:
    return min(ratio, 1.0)


def _venkatakrishnan(ratio: float) -> float:
    """`(y^2 + 2 y) / (y^2 + y + 2)`, which tends to 1; written so that large y do not overflow."""
    return 1.0 if ratio > 1e8 else (ratio * ratio + 2.0 * ratio) / (ratio * ratio + ratio + 2.0)


#: the limiters on boxes, by name
LIMITERS: dict[str, Limiter] = {
    limiter.name: limiter
    for limiter in (
        Limiter("none", _central, False, True, "R. LeVeque, Finite Volume Methods, 2002, section 6.4"),
        Limiter("minmod", _minmod, reference="doi:10.1137/0721062"),
        Limiter("van_leer", _van_leer, reference="doi:10.1016/0021-9991(74)90019-9"),
        Limiter("mc", _mc, reference="doi:10.1016/0021-9991(77)90095-X"),
        Limiter("superbee", _superbee, reference="doi:10.1137/0721062"),
        Limiter("van_albada", _van_albada, reference="Astron. Astrophys. 108 (1982), 76-84"),
    )
}
#: the limiters on simplices, by name; "none" stands for no limiter
SIMPLEX_LIMITERS: dict[str, SimplexLimiter | None] = {
    "none": None,
    "barth_jespersen": SimplexLimiter("barth_jespersen", _barth_jespersen, "doi:10.2514/6.1989-366"),
    "venkatakrishnan": SimplexLimiter("venkatakrishnan", _venkatakrishnan, "doi:10.1006/jcph.1995.1084"),
}
_REGISTERED: dict[str, Limiter] = {}
_SIMPLEX_REGISTERED: dict[str, SimplexLimiter] = {}

Kind = TypeVar("Kind", Limiter, SimplexLimiter)


def register_limiter(limiter: Kind) -> Kind:
    """Register a limiter of your own, so that schemes, case files and solution files find it by its name in this process.

    Parameters
    ----------
    limiter : a Limiter or a SimplexLimiter. Register it before you use its name in a scheme, or load a file that names it.

    Returns
    -------
    Limiter or SimplexLimiter
        The limiter itself.

    Raises
    ------
    ArgumentError
        If it is neither, or its name is that of another limiter (of the package, or registered).

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> half = emfc.continuity.register_limiter(emfc.continuity.Limiter("half", lambda a, b: 0.5 * min(a, b)))
    >>> emfc.continuity.FiniteVolume("muscl", limiter="half").limiter
    Limiter(name='half')
    """
    if not isinstance(limiter, Limiter | SimplexLimiter):
        raise fail("limiter", limiter, "a Limiter or a SimplexLimiter")
    if limiter.name in (LIMITERS if isinstance(limiter, Limiter) else SIMPLEX_LIMITERS):
        raise mismatch("limiter", f"the name {limiter.name!r}, which the package itself uses", "another name")
    known = (_REGISTERED if isinstance(limiter, Limiter) else _SIMPLEX_REGISTERED).get(limiter.name)
    if known is not None and fingerprint(known) != fingerprint(limiter):
        got = f"the name {limiter.name!r}, under which another function is registered"
        raise mismatch("limiter", got, "another name: solution files store limiters by their names")
    if isinstance(limiter, Limiter):
        _REGISTERED[limiter.name] = limiter
    else:
        _SIMPLEX_REGISTERED[limiter.name] = limiter
    return limiter


def resolved(limiter: str | Limiter) -> str | Limiter:
    """The value that a scheme stores: the name of a limiter of the package, a user's Limiter itself; checks the name."""
    return _resolved(limiter, Limiter, LIMITERS, _REGISTERED)


def simplex_resolved(limiter: str | SimplexLimiter) -> str | SimplexLimiter:
    """`resolved` for simplices."""
    return _resolved(limiter, SimplexLimiter, SIMPLEX_LIMITERS, _SIMPLEX_REGISTERED)


def _resolved(
    limiter: str | Kind, kind: type[Kind], known: Mapping[str, Kind | None], registered: Mapping[str, Kind]
) -> str | Kind:
    if isinstance(limiter, kind):
        return limiter.name if known.get(limiter.name) is limiter else limiter
    if not isinstance(limiter, str) or limiter not in [*known, *registered]:
        names = ", ".join(map(repr, known))
        raise fail(
            "limiter",
            limiter,
            f"one of {names}, a {kind.__name__}, or the name of a limiter that was passed to register_limiter",
        )
    return registered.get(limiter, limiter)


def limiter_of(limiter: str | Limiter) -> Limiter:
    """The record of the limiter that a scheme stores."""
    return limiter if isinstance(limiter, Limiter) else LIMITERS[limiter]


def simplex_limiter_of(limiter: str | SimplexLimiter) -> SimplexLimiter | None:
    """The record of the limiter that a scheme stores; None without a limiter."""
    return limiter if isinstance(limiter, SimplexLimiter) else SIMPLEX_LIMITERS[limiter]


def stored_name(limiter: Limiter | SimplexLimiter) -> str:
    """The name under which a file stores a user's own limiter.

    Parameters
    ----------
    limiter : the limiter that a scheme stores.

    Raises
    ------
    ArgumentError
        If it is not registered: a file cannot hold its function.
    """
    registered = _REGISTERED if isinstance(limiter, Limiter) else _SIMPLEX_REGISTERED
    if registered.get(limiter.name) is not limiter:
        raise ArgumentError(
            f"limiter: got {limiter!r}, whose function cannot be stored in a file, expected a registered "
            "limiter: call continuity.register_limiter with this limiter before saving, and again before "
            "loading"
        )
    return limiter.name
