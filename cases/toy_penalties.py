"""Three penalties: the source's toy example by the source's algorithm, undamped shooting.

Points of the line near 0 (a standard normal cut off at radius 0.2), labels `sign(x)`, `F = tanh(theta x)`.

* Large enough, `penalty=0.2` (the default): shooting converges; the two halves separate. Expect `J = 0.6273501291`.
* Too large, `--set penalty=5`: shooting converges at once, to a control so small that almost nothing moves.
* Too small, `--set penalty=0.05`: the dominant eigenvalue of shooting is below -1; the iterates alternate between two
  controls, the run is reported as diverging and ends with status 3. The optimum exists (LBFGS finds it): it is the
  algorithm that fails. `--set shooting=auto` (relaxation) or `--set shooting=anderson` repairs it.

What the literal `N(0, 1)` can and cannot do (`--set data=normal`): X(T) is an increasing, odd function of X(0), so a control
that pushes points near 0 towards their labels pushes the tails beyond theirs. For penalty 1 the best control is negative,
it draws the tails in and gains 6 % over doing nothing; undamped shooting diverges at 80 layers (eigenvalue -1.07, and -1.10
in continuous time). For small penalties there are many critical points: docs/solvers.md shows some.
"""

import numpy as np

import eulerian_mfc as emfc


def problem(penalty=0.2, data="truncated"):
    return emfc.Problem(
        field=emfc.fields.NeuralField(dim=1, activation="tanh", bias=False),
        law=emfc.laws.Labelled(
            emfc.laws.Gaussian(mean=[0.0], std=1.0, truncation=0.2 if data == "truncated" else None),
            label=np.sign,
            breaks=[0.0],
        ),
        loss=emfc.losses.SquaredLoss(),
        penalty=penalty,
        horizon=1.0,
    )


def numerics(cells=160, layers=20, degree=5, substeps=4, initial=1.0, shooting="undamped", data="truncated"):
    half_width = 1.5 if data == "truncated" else 8.0
    methods = {"undamped": {}, "auto": {"relaxation": "auto"}, "anderson": {"anderson": 3}}
    return {
        "mesh": emfc.CartesianMesh([(-half_width, half_width)], cells),
        "layers": layers,
        "transport": emfc.transport.SemiLagrangian(degree),
        "layer_map": emfc.LayerMap("rk4", substeps),
        "initial": initial,
        "solver": emfc.solvers.Shooting(**methods[shooting]),
    }


if __name__ == "__main__":
    from eulerian_mfc.app.cli import main_of_case

    main_of_case(__file__)
