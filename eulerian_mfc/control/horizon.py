"""A final time that is chosen together with the control."""

from __future__ import annotations

from .._validate import fail, mismatch, positive


class FreeHorizon(float):
    """A final time T between two bounds, chosen so that the cost plus `weight T` is least.

    It is a number, the time at which something is evaluated; `solve` varies it. The product `weight T` counts with the
    penalty.

    Parameters
    ----------
    low, high : the bounds of T, in units of time, `0 < low < high`.
    weight : the cost of time, in cost per time; by default none.
    time : the time that is settled, see `at`; by default it is not, and the number is the geometric mean of the bounds.

    Raises
    ------
    ArgumentError
        If the bounds are not such numbers, or are missing.

    References
    ----------
    At the best time the Hamiltonian satisfies `H(T) = -weight`: L. S. Pontryagin, V. G. Boltyanskii, R. V. Gamkrelidze,
    E. F. Mishchenko, The Mathematical Theory of Optimal Processes, Wiley 1962, section 2.

    Examples
    --------
    >>> horizon = FreeHorizon(0.5, 2.0, weight=0.1)
    >>> float(horizon), horizon.price, horizon.at(1.5).settled
    (1.0, 0.1, True)
    """

    low: float
    high: float
    weight: float
    settled: bool

    def __new__(cls, low: float, high: float, weight: float = 0.0, *, time: float | None = None) -> FreeHorizon:
        first, last = positive("low", low), positive("high", high)
        if not first < last:
            raise mismatch("high", f"{last:g}", f"a time after low = {first:g}")
        self = super().__new__(cls, (first * last) ** 0.5 if time is None else time)
        self.low, self.high, self.settled = first, last, time is not None
        self.weight = positive("weight", weight, allow_zero=True)
        return self

    def __reduce__(self) -> tuple[object, tuple[float, float, float, float | None]]:
        return _again, (self.low, self.high, self.weight, float(self) if self.settled else None)

    def __repr__(self) -> str:
        time = f", time={float(self):.17g}" if self.settled else ""
        return f"FreeHorizon({self.low:g}, {self.high:g}, weight={self.weight:g}{time})"

    @property
    def price(self) -> float:
        """`weight T`, in units of the cost."""
        return self.weight * float(self)

    def at(self, time: float) -> FreeHorizon:
        """The same horizon with a time that is settled: problems with it are solved as with a fixed one."""
        return FreeHorizon(self.low, self.high, self.weight, time=time)


def _again(low: float, high: float, weight: float, time: float | None) -> FreeHorizon:
    return FreeHorizon(low, high, weight, time=time)


def price_of(horizon: float) -> float:
    """`weight T` of a free horizon; 0 for a fixed one.

    Parameters
    ----------
    horizon : the final time.

    Examples
    --------
    >>> price_of(2.0)
    0.0
    """
    return horizon.price if isinstance(horizon, FreeHorizon) else 0.0


def checked_horizon(value: float) -> float:
    """The horizon as a number above zero; a FreeHorizon stays one.

    Parameters
    ----------
    value : the final time.

    Raises
    ------
    ArgumentError
        For anything that is not a number above zero.

    Examples
    --------
    >>> checked_horizon(2)
    2.0
    """
    if isinstance(value, type) and issubclass(value, FreeHorizon):
        raise fail(
            "horizon", value, "bounds: FreeHorizon(low, high, weight), such as FreeHorizon(0.5, 2.0, weight=0.1)"
        )
    return value if isinstance(value, FreeHorizon) else positive("horizon", value)
