"""Random problems, each defined by its number, on which a claim of accuracy can be tested: `draw(number)`, `name(number)`.

Half of them are on the line, most others in the plane, some in space. Tests and scripts import them from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.fields import Field
from eulerian_mfc.laws import LabelledLaw, Law
from eulerian_mfc.losses import Loss, Readout, TrainedReadout

from .random_functions import Distance, Label, Moving, Sides, Wave

#: shares of the dimensions 1, 2 and 3
DIMENSIONS = (0.5, 0.36, 0.14)
#: activations and their shares; rectifiers, whose kinks limit every order, are drawn on the line only
ACTIVATIONS = {"tanh": 0.42, "sin": 0.15, "sigmoid": 0.13, "softplus": 0.1, "swish": 0.14, "relu": 0.06}
#: the range of the penalty, log-uniform, and of the horizon, uniform
PENALTY, HORIZON = (0.02, 1.0), (0.5, 2.0)
#: shares of problems with bounds and with a running loss; of penalties per parameter; of augmented ones in the plane
BOUNDED, RUNNING, PER_PARAMETER, AUGMENTED = 0.25, 0.25, 0.2, 0.08


class Drawn(NamedTuple):
    """A problem, and what was drawn in words."""

    problem: emfc.Problem
    name: str


class Chance:
    """Random choices of one problem, and the words that tell what was chosen."""

    def __init__(self, number: int) -> None:
        self.rng = np.random.default_rng([20260, number])
        self.words: list[str] = []

    def one_of(self, shares: dict[str, float]) -> str:
        weights = np.array(list(shares.values()))
        return str(self.rng.choice(list(shares), p=weights / weights.sum()))

    def between(self, low: float, high: float, size: int | tuple[int, ...] | None = None) -> Any:
        """Rounded to three digits, so that problems can be written down."""
        return np.round(self.rng.uniform(low, high, size), 3) if size else round(float(self.rng.uniform(low, high)), 3)

    def happens(self, share: float) -> bool:
        return bool(self.rng.uniform() < share)

    def say(self, text: str) -> None:
        self.words.append(text)


def draw(number: int) -> emfc.Problem:
    """The problem of a number."""
    return drawn(number).problem


def name(number: int) -> str:
    """What was drawn for a number, in words."""
    return drawn(number).name


def drawn(number: int) -> Drawn:
    """The problem of a number, and its name."""
    chance = Chance(number)
    dim = 1 + int(chance.rng.choice(3, p=DIMENSIONS))
    augmented = dim == 2 and chance.happens(AUGMENTED)
    chance.say(f"{dim}D" + (", augmented" if augmented else ""))
    field = _field(chance, dim)
    law, labels = _law(chance, 1 if augmented else dim)
    loss = _loss(chance, law, labels)
    running = _running(chance, loss, labels) if chance.happens(RUNNING) else None
    penalty, horizon = round(float(np.exp(chance.rng.uniform(*np.log(PENALTY)))), 4), chance.between(*HORIZON)
    penalties: Any = penalty
    if chance.happens(PER_PARAMETER):
        penalties = np.round(penalty * np.exp(chance.rng.uniform(-0.7, 0.7, field.parameters)), 4)
    chance.say(
        f"penalty {penalty:g}" + ("" if penalties is penalty else " to 2x, per parameter") + f", T = {horizon:g}"
    )
    bounds = _bounds(chance, field.parameters) if chance.happens(BOUNDED) else None
    if augmented:
        low = emfc.Problem(emfc.fields.NeuralField(1), law, loss, 1.0, horizon, running=running)
        problem = low.augmented(1, field=field, penalty=penalties, bounds=bounds)
    else:
        problem = emfc.Problem(field, law, loss, penalties, horizon, running=running, bounds=bounds)
    return Drawn(problem, "; ".join(chance.words))


def _field(chance: Chance, dim: int) -> Field:
    kinds = {
        "neural": 0.48,
        "bottleneck": 0.1,
        "affine": 0.14,
        "radial": 0.08,
        "bump": 0.06,
        "scaled": 0.1,
        "moving": 0.04,
    }
    kind = chance.one_of({key: share for key, share in kinds.items() if dim < 3 or key != "moving"})
    shares = {key: share for key, share in ACTIVATIONS.items() if dim == 1 or key != "relu"}
    activation, bias = chance.one_of(shares), dim < 3 and chance.happens(0.6)
    neural = emfc.fields.NeuralField(dim, activation, bias)
    if kind == "neural":
        chance.say(f"{activation}{', bias' if bias else ''}")
        return neural
    if kind == "scaled":
        wave = Wave(chance.between(0.2, 0.6), chance.between(1.0, 4.0))
        chance.say(f"{activation}{', bias' if bias else ''}, times 1 + {wave.size:g} sin({wave.rate:g} t)")
        return wave * neural
    if kind == "bottleneck":
        width = 1 if dim > 1 else 1 + int(chance.happens(0.5))
        # Unbounded activations times weights grow like |theta|^2, as the penalty: impulses then cost no more than other controls.
        activation = activation if activation in ("tanh", "sin", "sigmoid") else "tanh"
        chance.say(f"bottleneck {width}, {activation}")
        return emfc.fields.BottleneckField(dim, width, activation)
    if kind == "affine":
        matrix, shift = [(True, True), (True, False), (False, True)][int(chance.rng.choice(3, p=[0.5, 0.3, 0.2]))]
        matrix, shift = (False, True) if dim == 3 else (matrix, shift)
        chance.say("affine" + (", W" if matrix else "") + (", b" if shift else ""))
        return emfc.fields.AffineField(dim, matrix, shift)
    if kind == "radial":
        centres = chance.between(-1.2, 1.2, (2 + int(dim == 1), dim))
        chance.say(f"{len(centres)} radial functions")
        return emfc.fields.RadialBasisField(centres.tolist(), chance.between(0.8, 1.5))
    if kind == "bump":
        chance.say("constant fields and bumps")
        return emfc.fields.AgrachevSarychevField(dim)
    moving = Moving(chance.between(1.0, 3.0))
    chance.say(f"field with sin(x + {moving.rate:g} t)")
    return emfc.fields.CustomField(moving, dim, dim + 1)


def _law(chance: Chance, dim: int) -> tuple[LabelledLaw, np.ndarray | None]:
    """A law with labels, and the list of labels if there are finitely many."""
    kind = chance.one_of({"normal": 0.25, "mixture": 0.35, "truncated": 0.15, "uniform": 0.2, "samples": 0.05})
    if kind == "samples":
        count = int(chance.rng.integers(4, 9))
        chance.say(f"{count} samples")
        return emfc.laws.Empirical(
            chance.between(-1.2, 1.2, (count, dim)), chance.between(-1.5, 1.5, (count, dim))
        ), None
    law = _inputs(chance, kind, dim)
    finite = chance.happens(0.55)
    if not finite:
        outputs = dim if chance.happens(0.8) else 1
        label = Label(
            chance.one_of({"linear": 0.2, "tanh": 0.35, "sin": 0.3, "square": 0.15}),
            chance.between(0.5, 1.5), chance.between(0.6, 2.0), chance.between(-0.5, 0.5), outputs,
        )  # fmt: skip
        chance.say(f"label {label.kind}({label.slope:g} x + {label.shift:g})" + (" in R" if outputs < dim else ""))
        return emfc.laws.Labelled(law, label), None
    outputs = dim if chance.happens(0.6) else 1
    classes = max(2, law.components)
    labels = chance.between(-2.0, 2.0, (classes, outputs))
    labels[0, 0], labels[1, 0] = -abs(labels[0, 0]) - 0.4, abs(labels[1, 0]) + 0.4  # far enough apart
    if law.components > 1:
        chance.say(f"{classes} labels in R^{outputs} by component")
        return emfc.laws.Labelled(law, labels), labels
    at = float(law.box(0.5)[0].mean())
    on_line = dim == 1 and not (kind == "truncated" and chance.happens(0.5))
    at = round(at + chance.between(-0.3, 0.3), 3) if on_line or kind == "normal" else at
    sides = Sides(at, (tuple(labels[0].tolist()), tuple(labels[1].tolist())))
    chance.say(f"2 labels in R^{outputs}, that jump at {at:g}")
    return emfc.laws.Labelled(law, sides, breaks=[[at], *([[]] * (dim - 1))]), labels


def _inputs(chance: Chance, kind: str, dim: int) -> Law:
    centre, std = chance.between(-0.5, 0.5, dim), chance.between(0.3, 0.8)
    cut = chance.between(1.2, 2.5)
    if kind == "normal":
        spread = std if dim == 1 or chance.happens(0.5) else chance.between(0.3, 0.8, dim)
        chance.say("normal law")
        return emfc.laws.Gaussian(centre, spread)
    if kind == "uniform":
        if dim > 1 and chance.happens(0.35):
            chance.say("uniform on a ball")
            return emfc.laws.UniformBall(centre.tolist(), chance.between(0.6, 1.2))
        half = chance.between(0.5, 1.2, dim)
        chance.say("uniform on a box")
        return emfc.laws.Uniform([(float(c - h), float(c + h)) for c, h in zip(centre, half, strict=True)])
    count = 1 if kind == "truncated" and chance.happens(0.5) else 2 + int(dim < 3 and chance.happens(0.4))
    small = chance.between(0.2, 0.45)
    means = np.stack([chance.between(-1.4, 1.4, dim) for _ in range(count)])
    weights = np.round(chance.rng.dirichlet(np.full(count, 8.0)), 3)
    weights[-1] = 1.0 - weights[:-1].sum()
    chance.say(f"{count} normal laws" + (", truncated" if kind == "truncated" else ""))
    return emfc.laws.GaussianMixture(
        means, small, weights.tolist(), round(cut * small, 3) if kind == "truncated" else None
    )


def _loss(chance: Chance, law: LabelledLaw, labels: np.ndarray | None) -> Loss:
    dim, outputs = law.dim, law.label_dim
    kinds = {"squared": 0.5}
    if labels is not None:
        kinds = {"squared": 0.4, "cross_entropy": 0.2, "hinge": 0.12, "huber": 0.12}
        kinds |= {"label": 0.16} if outputs in (1, dim) else {}
    kind = chance.one_of(kinds)
    chance.say(kind)
    if kind == "squared":
        return emfc.losses.SquaredLoss(_readout(chance, outputs, dim, outputs != dim))
    assert labels is not None
    if kind == "label":
        return emfc.losses.LabelLoss(Distance(1.0, squared=False), labels)
    if kind == "huber":
        return emfc.losses.Huber(
            labels, _readout(chance, outputs, dim, outputs != dim), threshold=chance.between(0.5, 1.5)
        )
    readout = _readout(chance, len(labels), dim, len(labels) != dim)
    if kind == "cross_entropy":
        return emfc.losses.CrossEntropy(labels, readout)
    once = chance.happens(0.25) and not isinstance(readout, TrainedReadout)
    chance.say("power 1" if once else "power 2")
    return emfc.losses.Hinge(labels, readout, power=1 if once else 2)


def _readout(chance: Chance, outputs: int, dim: int, needed: bool) -> Readout | TrainedReadout | None:
    if not (needed or chance.happens(0.15)):
        return None
    if chance.happens(0.4):
        chance.say("trained read-out")
        return TrainedReadout(chance.between(0.01, 0.2))
    chance.say("read-out")
    signs = chance.rng.choice([-1.0, 1.0], (outputs, dim))
    return Readout(signs * chance.between(0.4, 1.5, (outputs, dim)), chance.between(-0.3, 0.3, outputs))


def _running(chance: Chance, loss: Loss, labels: np.ndarray | None) -> Loss | None:
    """A running loss with the same fields on a mesh as the final loss, or None if there is not one."""
    if isinstance(loss, emfc.losses.SquaredLoss):
        if loss.readout is not None and (loss.trained or labels is not None):
            return None
        chance.say("running loss")
        return replace(loss)
    if labels is None:
        return None
    chance.say("running loss")
    return emfc.losses.LabelLoss(Distance(chance.between(0.1, 0.6), squared=True), labels)


def _bounds(chance: Chance, parameters: int) -> Sequence[Any]:
    half = chance.between(0.3, 1.5)
    if chance.happens(0.6):
        chance.say(f"bounds -{half:g}, {half:g}")
        return (-half, half)
    pairs: list[Any] = [
        (-chance.between(0.2, 1.5), chance.between(0.2, 1.5)) if chance.happens(0.6) else (None, None)
        for _ in range(parameters)
    ]
    chance.say(f"bounds of {sum(pair != (None, None) for pair in pairs)} of {parameters} parameters")
    return pairs
