"""A map that is no flow: the reflection of the disc, whose controls grow without bound as the penalty falls.

Points of the unit disc, uniform; labels `Psi(x) = (x1, -x2)`, which reverses orientation (`emfc.controllability` warns); the
Agrachev-Sarychev family; penalty alpha. `--set map=rotation` turns the disc by a radian instead, which is diffeotopic to the
identity. As alpha falls, the errors near the reflection fall in the mean only, and the norm of the control explodes; near the
rotation they fall in the maximum norm too, and the norm grows slowly. docs/controllability.md has both sweeps.
"""

import numpy as np

import eulerian_mfc as emfc

DISC = emfc.laws.UniformBall(centre=[0.0, 0.0], radius=1.0)


def reflection(x):
    return x * np.array([1.0, -1.0])


def rotation(x, angle=1.0):
    c, s = np.cos(angle), np.sin(angle)
    return x @ np.array([[c, s], [-s, c]])


def problem(penalty=0.05, map="reflection"):
    return emfc.Problem(
        field=emfc.fields.AgrachevSarychevField(dim=2),
        law=emfc.laws.Labelled(DISC, label={"reflection": reflection, "rotation": rotation}[map]),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=1.0,
    )


def numerics(cells=96, layers=10, degree=5, initial=0.5):
    rows = initial * np.random.default_rng(0).normal(size=(layers, 4))  # zero is a critical point
    return {
        "mesh": emfc.CartesianMesh([(-4.0, 4.0), (-4.0, 4.0)], cells),
        "layers": layers,
        "transport": emfc.transport.SemiLagrangian(degree),
        "initial": rows,
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
