"""The table and pictures of docs/learning.md: `python docs/learning.py [moons|rings|iris|line|plane ...]`.

Every data set from five seeds, with the same splits for all methods: the package's estimators, a linear model, and
scikit-learn's MLP. Of a data set that is named only its rows are made again.
"""

import sys
import time
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_iris, make_circles, make_moons
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eulerian_mfc import ParticleSystem, Problem, fields, laws, losses, solvers
from eulerian_mfc.learn import MeanFieldClassifier, MeanFieldRegressor
from eulerian_mfc.views.figures import flow, styled
from eulerian_mfc.views.style import PALETTE

DOCS = Path(__file__).parent
SEEDS = range(5)
HEAD = "| data | method | settings | train | unseen | worst | CPU seconds a fit | converged | error of the mesh |"
GENTLE = {"layers": 2, "penalty": 5e-2, "readout_penalty": 1e-2}


def wave(x):
    return np.sin(2 * x[:, 0]) * (np.cos(x[:, 1]) if x.shape[1] == 2 else 1.0)


def regression(dim, n):
    def split(seed):
        rng = np.random.default_rng([dim, seed])
        x = rng.uniform(-2, 2, size=(n + 1000, dim))
        y = wave(x) + 0.1 * rng.normal(size=len(x)) * (np.arange(len(x)) < n)
        return [((x[:n], y[:n]), (x[n:], y[n:]))]

    return split


def moons(seed):
    return [tuple(make_moons(n, noise=0.1, random_state=10 * seed + k) for k, n in enumerate((300, 1000)))]


def rings(seed):
    return [
        tuple(make_circles(n, noise=0.05, factor=0.5, random_state=10 * seed + k) for k, n in enumerate((300, 1000)))
    ]


def iris(seed):
    x, y = load_iris(return_X_y=True)
    x = x[:, 2:]
    folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y)
    return [((x[a], y[a]), (x[b], y[b])) for a, b in folds]


#: name -> title, splits of a seed, settings of the estimators by name, classifier or not
DATA = {
    "moons": ("two moons", moons, {"mean field": {}}, True),
    "rings": (
        "rings",
        rings,
        {
            "mean field, augmented": {"augment": 1, **GENTLE},
            "mean field, the same in 2D": GENTLE,
            "mean field, 2D": {"penalty": 3e-3, "readout_penalty": 1e-2},
        },
        True,
    ),
    "iris": ("iris, two petal features", iris, {"mean field": {}}, True),
    "line": ("regression on a line", regression(1, 200), {"mean field, augmented": {"augment": 1}}, False),
    "plane": (
        "regression in the plane",
        regression(2, 300),
        {
            "mean field": {"width": 4, "layers": 2, "readout_penalty": 1e-2, "max_iter": 1000},
            "mean field, no hidden units": {"layers": 2, "readout_penalty": 1e-2, "max_iter": 1000},
        },
        False,
    ),
}


#: (data, method) -> picture
PICTURES = {
    ("moons", "mean field"): "learning_moons",
    ("rings", "mean field, 2D"): "learning_rings_2D",
    ("rings", "mean field, augmented"): "learning_rings_augmented",
}


def methods(ours, classes):
    """Name -> (what makes the model, settings in words)."""
    estimator = MeanFieldClassifier if classes else MeanFieldRegressor
    found = {
        name: (lambda kw=kw: estimator(**kw), ", ".join(f"{k} {v:g}" for k, v in kw.items()) or "defaults")
        for name, kw in ours.items()
    }
    linear = LogisticRegression if classes else LinearRegression
    found["logistic regression" if classes else "linear regression"] = (
        lambda: make_pipeline(StandardScaler(), linear()),
        "defaults",
    )
    network = MLPClassifier if classes else MLPRegressor
    found["MLP"] = (
        lambda: make_pipeline(StandardScaler(), network(max_iter=2000, random_state=0)),
        "100 hidden units",
    )
    return found


def rows(name):
    """The rows of one data set, and the pictures of its first seed."""
    title, split, ours, classes = DATA[name]
    out = []
    for method, (make, settings) in methods(ours, classes).items():
        train, unseen, seconds, converged, errors = [], [], [], [], []
        for seed in SEEDS:
            of_seed = []
            for learn, test in split(seed):
                start = time.process_time()
                model = make().fit(*learn)
                seconds.append(time.process_time() - start)
                train.append(model.score(*learn))
                of_seed.append(model.score(*test))
                if hasattr(model, "solution_"):
                    converged.append(model.solution_.solved)
                    errors.append(abs(model.mesh_error_))
            unseen.append(np.mean(of_seed))
            if seed == 0 and (name, method) in PICTURES:
                draw(model, PICTURES[name, method])
        told = f"{sum(converged)} of {len(converged)} | {max(errors):.1%}" if converged else "- | -"
        scores = f"{np.mean(train):.3f} | {np.mean(unseen):.3f} | {min(unseen):.3f} | {np.mean(seconds):.2f}"
        out.append(f"| {title} | {method} | {settings} | {scores} | {told} |")
        print(out[-1], flush=True)
    return [*out, torn()] if name == "rings" else out


def torn():
    """The rings in the plane by the samples alone, with no mesh, at a penalty that no mesh of the others resolves."""
    train, unseen, seconds = [], [], []
    for seed in SEEDS:
        ((x, y), (new, labels)) = rings(seed)[0]
        start, scale = time.process_time(), StandardScaler().fit(x)
        loss = losses.CrossEntropy([0, 1], losses.TrainedReadout(1e-3))
        law = laws.Empirical(scale.transform(x), y.astype(float))
        problem = Problem(fields.NeuralField(2), law, loss, 1e-3, 2.0)
        system = ParticleSystem(problem, 8, layer_map="midpoint")
        first = np.random.default_rng(seed).normal(scale=0.5, size=(8, problem.parameters))
        control = solvers.LBFGS(tol=1e-3, max_iterations=500, last_steps=0).solve(system, first).control
        seconds.append(time.process_time() - start)
        readout = system.terminal(system.states(control)[-1])[0].readout
        for scores, points, truth in ((train, x, y), (unseen, new, labels)):
            law = laws.Empirical(scale.transform(points), truth.astype(float))
            moved = ParticleSystem(replace(problem, law=law), 8, layer_map="midpoint").states(control)[-1]
            scores.append((readout(moved).argmax(axis=1) == truth).mean())
    scores = f"{np.mean(train):.3f} | {np.mean(unseen):.3f} | {min(unseen):.3f} | {np.mean(seconds):.2f}"
    row = f"| rings | samples alone, 2D, no mesh | layers 8, horizon 2, penalty 0.001 | {scores} | - | - |"
    print(row, flush=True)
    return row


def draw(model, stem):
    """Regions and the flow of a grid; of states in space the states at the end, and the plane that parts them."""
    styled(partial(flow, solution=model.solution_), (11.0, 4.6)).savefig(DOCS / "images" / f"{stem}.png", dpi=90)
    if model.solution_.mesh.dim < 3:
        return
    figure = Figure(figsize=(7.5, 5.0))
    axes = figure.add_subplot(projection="3d")
    states, labels = model.solution_.paths.x[-1], model.solution_.paths.y[:, 0]
    for k in np.unique(labels):
        axes.plot(*states[labels == k].T, ".", color=PALETTE[int(k)], ms=4, label=f"y = {k:g}")
    readout = model.solution_.readout
    a, b = readout.matrix[1] - readout.matrix[0], readout.bias[1] - readout.bias[0]
    x = np.meshgrid(*(np.linspace(states[:, i].min(), states[:, i].max(), 2) for i in (0, 1)))
    axes.plot_surface(*x, -(a[0] * x[0] + a[1] * x[1] + b) / a[2], color="0.5", alpha=0.3)
    axes.set(
        xlabel="$x_1$", ylabel="$x_2$", zlabel="$x_3$", title="States at the final time, and the plane that parts them"
    )
    axes.view_init(elev=6, azim=np.degrees(np.arctan2(a[1], a[0])) + 90)  # nearly along the plane
    axes.locator_params(nbins=4)
    axes.legend()
    figure.savefig(DOCS / "images" / f"{stem}_space.png", dpi=90, bbox_inches="tight")


def main(names):
    path = DOCS / "tables" / "learning.md"
    old = path.read_text().splitlines()[2:] if path.exists() else []
    kept = {
        name: rows(name) if name in names else [row for row in old if row.startswith(f"| {entry[0]} |")]
        for name, entry in DATA.items()
    }
    lines = [HEAD, "|---" * 9 + "|", *(row for part in kept.values() for row in part)]
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main(sys.argv[1:] or list(DATA))
