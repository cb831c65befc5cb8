"""The transpose of a scheme, as a scheme."""

from __future__ import annotations

from functools import singledispatch

from .._validate import fail
from .declared import Scheme


@singledispatch
def adjoint_of(scheme: Scheme) -> Scheme:
    """The scheme whose layer is the exact transpose of the given scheme's layer: together they are an adjoint pair.

    Each kind of scheme that has a transpose registers a function here with `@adjoint_of.register`, in the file of the
    transpose. A scheme of your own may do the same.

    Parameters
    ----------
    scheme : a linear transport scheme, or a linear continuity scheme.

    Raises
    ------
    ArgumentError
        For a scheme that has no transpose.

    Examples
    --------
    >>> import eulerian_mfc as emfc
    >>> emfc.schemes.adjoint_of(emfc.transport.SemiLagrangian(degree=3))
    PushForward()
    """
    raise fail(
        "adjoint", scheme, 'a linear scheme that has a transpose, such as SemiLagrangian(...) or FiniteVolume("upwind")'
    )
