"""The separable form of a loss, and common fields of several losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .._validate import mismatch
from .labels import same_labels
from .readout_training import Training

#: the name of the field that is the density of the states, the sum over all labels
MASS = "mass"


class Separable(NamedTuple):
    """`loss(x, y) = offset(y) + sum_r terminal(x)[r] moments(y)[r]`.

    Attributes
    ----------
    names : the R names of the moments.
    terminal : points `(n, d)` -> `(R, n)`, the final potentials a_r.
    moments : labels `(n, q)` -> `(R, n)`, the c_r.
    offset : labels `(n, q)` -> `(n,)`, c_0.
    terminal_gradient : points `(n, d)` -> `(R, n, d)`, the gradients of the a_r.
    total : `(R,)` coefficients such that `sum_r total_r m_r` is the density of X.
    labels : `(K, q)` if the moments are densities of single labels, otherwise None.
    signed : R flags, whether a moment may be negative; by default none may.
    training : how a read-out is trained together with the control; None if the loss has no trained read-out. With
        training, `terminal` is that of the read-out from `Training.fit`.

    References
    ----------
    docs/theory/reduction.md proves that R fields on the state's mesh suffice.

    Examples
    --------
    >>> from eulerian_mfc.losses import SquaredLoss
    >>> form = SquaredLoss().separate(1, 1, None, "moments")
    >>> form.names, form.terminal(np.array([[3.0]])).ravel().tolist()  # |x|^2 and -2 x
    (('mass', 'moment y'), [9.0, -6.0])
    """

    names: tuple[str, ...]
    terminal: Callable[[np.ndarray], np.ndarray]
    moments: Callable[[np.ndarray], np.ndarray]
    offset: Callable[[np.ndarray], np.ndarray]
    terminal_gradient: Callable[[np.ndarray], np.ndarray]
    total: np.ndarray
    labels: np.ndarray | None
    signed: tuple[bool, ...] = ()
    training: Training | None = None


def of_states(function: Callable[[np.ndarray], np.ndarray], gradient: Callable[[np.ndarray], np.ndarray]) -> Separable:
    """The separable form of a loss that does not depend on the label: one field, the density of the states.

    Parameters
    ----------
    function : states `(n, d)` -> `(n,)`.
    gradient : states `(n, d)` -> `(n, d)`.

    Examples
    --------
    >>> form = of_states(lambda x: x[:, 0] ** 2, lambda x: 2.0 * x)
    >>> form.names, form.terminal(np.array([[3.0]])).tolist()
    (('mass',), [[9.0]])
    """
    return Separable(
        (MASS,),
        lambda x: function(x)[None],
        lambda y: np.ones((1, len(y))),
        lambda y: np.zeros(len(y)),
        lambda x: gradient(x)[None],
        np.ones(1),
        None,
        (False,),
    )


def united(forms: Sequence[Separable]) -> list[Separable] | None:
    """The same forms on common fields; None if there are none.

    A form whose only field is the density of the states is written on the fields of the others: this density is
    `sum_r total_r m_r`.

    Parameters
    ----------
    forms : one or more separable forms.

    Examples
    --------
    >>> from eulerian_mfc.losses import SquaredLoss
    >>> plain = of_states(lambda x: x[:, 0], np.ones_like)
    >>> one, two = united([plain, SquaredLoss().separate(1, 1, None, "moments")])
    >>> one.names, one.terminal(np.array([[3.0]])).ravel().tolist()
    (('mass', 'moment y'), [3.0, 0.0])
    """
    host = next((form for form in forms if not _only_mass(form)), forms[0])
    out = [_spread(form, host) if _only_mass(form) and form is not host else form for form in forms]
    return out if all(_same_fields(form, host) for form in out) else None


def _only_mass(form: Separable) -> bool:
    return form.names == (MASS,) and form.labels is None


def _spread(form: Separable, host: Separable) -> Separable:
    """A form of the density of the states on the fields of another form."""
    return host._replace(
        terminal=lambda x: host.total[:, None] * form.terminal(x),
        terminal_gradient=lambda x: host.total[:, None, None] * form.terminal_gradient(x),
        offset=form.offset,
        training=form.training,
    )


def _same_fields(a: Separable, b: Separable) -> bool:
    """Whether two forms have the same fields on the mesh: moments of the same names, or densities of the same labels."""
    if a.labels is None or b.labels is None:
        return a.names == b.names and a.labels is b.labels
    return a.labels.shape == b.labels.shape and same_labels(a.labels, b.labels)


def named_apart(form: Separable) -> Separable:
    """The form, after a check that no two of its fields have the same name, because files store fields by name.

    Parameters
    ----------
    form : the form.

    Raises
    ------
    ArgumentError
        If two names are the same.
    """
    if len(set(form.names)) < len(form.names):
        raise mismatch("loss", f"fields with the names {', '.join(form.names)}", "one name per field, all different")
    return form
