"""The control problem on measures."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from ._validate import array, choice, fail, mismatch, positive
from .fields import Field
from .laws import LabelledLaw
from .losses import Loss, Separable


@dataclass(frozen=True)
class Problem:
    """Minimise `J(theta) = E[loss(X(T), Y)] + 1/2 int_0^T lambda |theta|^2 dt` over `dX/dt = F(t, theta(t), X)`.

    Parameters
    ----------
    field : the controlled vector field F.
    law : the law mu0 of inputs and labels (X(0), Y).
    loss : the loss of a final state and a label.
    penalty : lambda > 0: one number, or one a parameter `(m,)`.
    horizon : the final time T > 0.
    representation : "auto" (fewer fields; one density a label where both have as many), "moments" or "labels".

    Raises
    ------
    ArgumentError
        Where an argument is out of range or two of them do not fit together.
    """

    field: Field
    law: LabelledLaw
    loss: Loss
    penalty: Any
    horizon: float
    representation: str = "auto"

    def __post_init__(self) -> None:
        for name, kind in (("field", Field), ("law", LabelledLaw), ("loss", Loss)):
            if not isinstance(getattr(self, name), kind):
                hint = " (wrap a law of inputs in laws.Labelled)" if name == "law" else ""
                raise fail(name, getattr(self, name), f"a {kind.__name__}{hint}")
        if self.field.dim != self.law.dim:
            raise mismatch("law", f"a law in dimension {self.law.dim}", f"the field's dimension {self.field.dim}")
        self.field.check()
        weights = array("penalty", self.penalty, ndim=(0, 1))
        if not (weights > 0).all():
            raise fail("penalty", self.penalty, "positive numbers")
        if weights.ndim == 1 and len(weights) != self.field.parameters:
            raise fail("penalty", self.penalty, f"one number, or {self.field.parameters} numbers, one a parameter")
        object.__setattr__(self, "horizon", positive("horizon", self.horizon))
        choice("representation", self.representation, ("auto", "moments", "labels"))
        if self.law.labels is not None:
            self.separable.moments(self.law.labels)  # checks that loss, labels and representation fit together
        else:
            self.separable  # noqa: B018  likewise

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to other processes: the arguments, without what is computed from them."""
        return {f.name: self.__dict__[f.name] for f in fields(self)}

    @cached_property
    def penalties(self) -> np.ndarray:
        """`(m,)`: lambda of every parameter."""
        return np.broadcast_to(np.asarray(self.penalty, dtype=np.float64), self.field.parameters)

    @cached_property
    def separable(self) -> Separable:
        """The loss as a finite sum of products of a function of the state and a function of the label."""
        return self.loss.separate(self.field.dim, self.law.label_dim, self.law.labels, self.representation)

    @cached_property
    def parameters(self) -> int:
        """The number m of parameters of the field."""
        return self.field.parameters
