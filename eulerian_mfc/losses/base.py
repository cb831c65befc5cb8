"""Losses and their exact separable form.

The labels never move, so a loss `c_0(y) + sum_r a_r(x) c_r(y)` needs R scalar fields on the mesh of the states, for
any joint law of (X, Y): the moments `m_r = int c_r(y) mu(., dy)` and the potentials `psi_r(T) = a_r`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._frozen import frozen
from .._validate import fail, mismatch, positive
from ..errors import ArgumentError
from .labels import label_index, label_names
from .readout import Readout, Spec, TrainedReadout
from .separable import Separable, united


class Loss(ABC):
    """A loss `loss(x, y)` of a final state x and a label y, which `separate` writes as `c_0(y) + sum_r a_r(x) c_r(y)`.

    States are `(n, d)` in units of the state, labels `(n, q)`, values `(n,)` in units of the cost. A subclass defines `value` and
    `gradient`, which is enough for laws with finitely many labels. A loss with another form, such as one by moments, defines
    `separate` too.

    Raises
    ------
    ArgumentError
        From `separate`, if the loss has no such form, or its dimensions or labels are not the law's.

    References
    ----------
    docs/theory/reduction.md has the proposition, and the number R for each loss.

    Examples
    --------
    >>> from eulerian_mfc.losses import Loss
    >>> class Fourth(Loss):
    ...     def value(self, x, y):
    ...         return ((x - y) ** 4).sum(axis=1)
    ...     def gradient(self, x, y):
    ...         return 4.0 * (x - y) ** 3
    >>> Fourth().separate(1, 1, np.array([[0.0], [1.0]]), "auto").terminal(np.array([[2.0]])).ravel().tolist()
    [16.0, 1.0]
    """

    #: the map from the state to the argument of the loss: a Readout or a TrainedReadout; None if there is no such map
    readout: Readout | TrainedReadout | None = None

    @abstractmethod
    def value(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """`(n,)` losses at states `(n, d)` and labels `(n, q)`."""

    @abstractmethod
    def gradient(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """`(n, d)` gradients in the state."""

    def separate(self, dim: int, label_dim: int, labels: np.ndarray | None, form: str) -> Separable:
        """The separable form: `form` is "moments", "labels", or "auto" for the form with fewer fields.

        `labels` are the law's labels, `(K, q)`, or None if there are not finitely many; q is `label_dim`. Here the form has one
        field per label.

        Raises
        ------
        ArgumentError
            If the loss has no such form, or its dimensions or labels are not the law's.
        """
        if form == "moments":
            raise fail(
                "representation", form, f"'labels' or 'auto', since {type(self).__name__} has one field per label"
            )
        if labels is None:
            raise fail(
                "loss",
                self,
                "a loss that defines the method `separate` itself, since the law has more than 64 distinct labels",
            )
        states = np.zeros((2, dim))
        pairs = states, np.broadcast_to(labels[0], (2, label_dim))
        for name, found, shape in (
            ("loss.value", np.shape(self.value(*pairs)), (2,)),
            ("loss.gradient", np.shape(self.gradient(*pairs)), (2, dim)),
        ):
            if found != shape:
                raise mismatch(name, f"an array of shape {found} for 2 states of dimension {dim}", f"the shape {shape}")
        return by_labels(self, labels)

    def __setstate__(self, state: dict[str, object]) -> None:
        """Restore a pickled or copied loss: its arrays are read-only again."""
        self.__dict__.update({k: frozen(v) if isinstance(v, np.ndarray) else v for k, v in state.items()})

    @property
    def trained(self) -> bool:
        """Whether the loss has a read-out that is trained together with the control."""
        return False

    def with_readout(self, readout: Readout) -> Loss:
        """The loss with a fixed read-out in place of the trained one; only for losses with a read-out."""
        raise fail("loss", self, "a loss with a read-out")

    def output(self, x: np.ndarray) -> np.ndarray:
        """The outputs `(n, p)` that the loss compares with the label: the states themselves, or their read-out."""
        return x

    def misfit(self, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """`(n, K)`: the loss of every state `(n, d)` for every label `(K, q)`, without class weights; used for predictions."""
        return np.stack([self.value(x, np.broadcast_to(y, (len(x), len(y)))) for y in labels], axis=1)

    def spec(self) -> Spec | None:
        """JSON-ready arguments that rebuild the loss (see `losses.from_spec`); None if it holds user functions."""
        return None

    @property
    def terms(self) -> tuple[tuple[float, Loss], ...]:
        """The terms `(weight, loss)` of a sum; a loss that is not a sum is its own only term."""
        return ((1.0, self),)

    def __add__(self, other: Loss) -> CompositeLoss:
        """The sum of two losses."""
        return CompositeLoss((*self.terms, *other.terms)) if isinstance(other, Loss) else NotImplemented

    def __mul__(self, weight: float) -> CompositeLoss:
        """The loss times a weight > 0."""
        if isinstance(weight, Loss):
            return NotImplemented
        factor = positive("weight of a loss", weight)
        return CompositeLoss(tuple((factor * own, loss) for own, loss in self.terms))

    __rmul__ = __mul__


@dataclass(frozen=True, eq=False)
class CompositeLoss(Loss):
    """A sum of losses with weights, `sum_i w_i loss_i`, as `losses.SquaredLoss() + 0.5 * losses.Congestion()` makes it.

    Parameters
    ----------
    parts : the terms: pairs of a weight > 0 and a loss. The losses must have common fields on the mesh: the same moments, or the
        same finite list of labels; losses of the state alone and costs of the density fit all others. At most one term may train
        a read-out, with weight 1.

    Raises
    ------
    ArgumentError
        If several terms, or a term with another weight than 1, train a read-out. From `separate`, if the losses have no common
        fields.

    Examples
    --------
    >>> from eulerian_mfc.losses import SquaredLoss, StateLoss
    >>> loss = SquaredLoss() + 0.5 * StateLoss(lambda x: x[:, 0] ** 2)
    >>> loss.value(np.array([[2.0]]), np.array([[1.0]])).tolist()
    [3.0]
    """

    parts: tuple[tuple[float, Loss], ...]

    def __post_init__(self) -> None:
        trained = [weight for weight, loss in self.parts if loss.trained]
        if trained not in ([], [1.0]):
            raise mismatch(
                "loss", f"trained read-outs in terms with the weights {trained}", "one at most, in a term of weight 1"
            )

    @property
    def terms(self) -> tuple[tuple[float, Loss], ...]:
        return self.parts

    @property
    def trained(self) -> bool:
        return any(loss.trained for _, loss in self.parts)

    @property
    def readout(self) -> Readout | TrainedReadout | None:  # type: ignore[override]
        """The read-out of the first term that has one."""
        return next((loss.readout for _, loss in self.parts if loss.readout is not None), None)

    def with_readout(self, readout: Readout) -> Loss:
        fixed = ((w, loss.with_readout(readout) if loss.trained else loss) for w, loss in self.parts)
        return replace(self, parts=tuple(fixed))

    def output(self, x: np.ndarray) -> np.ndarray:
        shown = next((loss for _, loss in self.parts if loss.readout is not None), self.parts[0][1])
        return shown.output(x)

    def value(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.sum([weight * loss.value(x, y) for weight, loss in self.parts], axis=0)

    def gradient(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.sum([weight * loss.gradient(x, y) for weight, loss in self.parts], axis=0)

    def misfit(self, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return np.sum([weight * loss.misfit(x, labels) for weight, loss in self.parts], axis=0)

    def separate(self, dim: int, label_dim: int, labels: np.ndarray | None, form: str) -> Separable:
        forms = common_forms([loss for _, loss in self.parts], dim, label_dim, labels, form, "loss")
        weighted = [(weight, one) for (weight, _), one in zip(self.parts, forms, strict=True)]
        return forms[0]._replace(
            terminal=lambda x: np.sum([w * one.terminal(x) for w, one in weighted], axis=0),
            terminal_gradient=lambda x: np.sum([w * one.terminal_gradient(x) for w, one in weighted], axis=0),
            offset=lambda y: np.sum([w * one.offset(y) for w, one in weighted], axis=0),
            training=next((one.training for one in forms if one.training is not None), None),
        )

    def spec(self) -> Spec | None:
        specs = [loss.spec() for _, loss in self.parts]
        if any(spec is None for spec in specs):
            return None
        return {"type": "composite", "parts": [[w, spec] for (w, _), spec in zip(self.parts, specs, strict=True)]}


def common_forms(
    losses: Sequence[Loss], dim: int, label_dim: int, labels: np.ndarray | None, form: str, name: str = "running"
) -> list[Separable]:
    """The separable forms of several losses on common fields; the other arguments are those of `Loss.separate`.

    Parameters
    ----------
    losses : one or more losses.
    dim, label_dim, labels, form : see `Loss.separate`.
    name : the name of the losses in messages.

    Raises
    ------
    ArgumentError
        If a loss has no separable form for these labels, or the losses have no common fields.

    Examples
    --------
    >>> from eulerian_mfc.losses import SquaredLoss
    >>> [form.names for form in common_forms([SquaredLoss(), SquaredLoss()], 1, 1, None, "auto")]
    [('mass', 'moment y'), ('mass', 'moment y')]
    """
    if len(losses) == 1:
        return [losses[0].separate(dim, label_dim, labels, form)]
    for tried in ("auto", "moments", "labels") if form == "auto" else (form,):
        try:
            found = united([loss.separate(dim, label_dim, labels, tried) for loss in losses])
        except ArgumentError:
            if tried == "auto":  # a loss does not have any form
                raise
            continue
        if found is not None:
            return found
    raise mismatch(
        name,
        f"{type(losses[-1]).__name__} together with {type(losses[0]).__name__}, which have no common "
        "fields on the mesh",
        "two losses of the same kind, or two losses with the same finite list of labels",
    )


def by_labels(loss: Loss, labels: np.ndarray) -> Separable:
    """One field per label: `a_k = loss(., y_k)`, `c_k = 1{y = y_k}`.

    Parameters
    ----------
    loss : the loss, of which `value` and `gradient` are used.
    labels : `(K, q)`, every label of the law.

    Raises
    ------
    ArgumentError
        From the form's `moments`, for labels that are not in the list.

    Examples
    --------
    >>> from eulerian_mfc.losses import SquaredLoss
    >>> form = by_labels(SquaredLoss(), np.array([[-1.0], [1.0]]))
    >>> form.names, form.terminal(np.array([[0.5]])).ravel().tolist()
    (('y=-1', 'y=1'), [2.25, 0.25])
    """

    def each(function: Callable[[np.ndarray, np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
        return np.stack([function(x, np.broadcast_to(y, (len(x), len(y)))) for y in labels])

    def moments(y: np.ndarray) -> np.ndarray:
        return np.equal(label_index(y, labels), np.arange(len(labels))[:, None]).astype(np.float64)

    return Separable(
        label_names(labels),
        lambda x: each(loss.value, x),
        moments,
        lambda y: np.zeros(len(y)),
        lambda x: each(loss.gradient, x),
        np.ones(len(labels)),
        labels,
    )
