"""The table and pictures of docs/learning.md: `python docs/learning.py`.

Every data set with the same splits for all methods: the package's estimators, a linear model, and scikit-learn's MLP.
"""

import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris, make_circles, make_moons
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eulerian_mfc.learn import MeanFieldClassifier, MeanFieldRegressor
from eulerian_mfc.plotting import _figure, flow

DOCS = Path(__file__).parent
AUGMENTED = {
    "augment": 1,
    "layers": 4,
    "cells": 20,
    "degree": 1,
    "penalty": 1e-3,
    "readout_penalty": 1e-2,
    "max_iter": 60,
}
FLAT = {"penalty": 3e-3, "readout_penalty": 1e-2, "max_iter": 100}


def wave(x):
    return np.sin(2 * x[:, 0]) * (np.cos(x[:, 1]) if x.shape[1] == 2 else 1.0)


def regression(dim, n):
    rng = np.random.default_rng(dim)
    x = rng.uniform(-2, 2, size=(n + 1000, dim))
    y = wave(x) + 0.1 * rng.normal(size=len(x)) * (np.arange(len(x)) < n)
    return [((x[:n], y[:n]), (x[n:], y[n:]))]


def splits():
    """Data set -> list of (train, test), keyword arguments of the estimators, classifier or not."""
    moons = [(make_moons(300, noise=0.1, random_state=0), make_moons(1000, noise=0.1, random_state=1))]
    rings = [
        (make_circles(300, noise=0.05, factor=0.5, random_state=0),
         make_circles(1000, noise=0.05, factor=0.5, random_state=1))
    ]  # fmt: skip
    x, y = load_iris(return_X_y=True)
    x = x[:, 2:]
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(x, y)
    iris = [((x[a], y[a]), (x[b], y[b])) for a, b in folds]
    return {
        "two moons": (moons, [("mean field", {})], True),
        "rings": (rings, [("mean field, 2D", FLAT), ("mean field, augmented", AUGMENTED)], True),
        "iris, two petal features": (iris, [("mean field", {"penalty": 3e-2})], True),
        "regression on a line": (
            regression(1, 200),
            [("mean field, augmented", {"augment": 1, "cells": 64, "penalty": 3e-3})],
            False,
        ),
        "regression in the plane": (regression(2, 300), [("mean field", {"penalty": 2e-3})], False),
    }


def main():
    rows = ["| data | method | train | unseen | seconds a fit | converged |", "|---|---|---|---|---|---|"]
    for name, (data, ours, classes) in splits().items():
        estimator = MeanFieldClassifier if classes else MeanFieldRegressor
        others = [
            ("logistic regression", LogisticRegression) if classes else ("linear regression", LinearRegression),
            (
                "MLP",
                lambda classes=classes: (MLPClassifier if classes else MLPRegressor)(max_iter=2000, random_state=0),
            ),
        ]
        methods = [(m, lambda kw=kw, e=estimator: e(**kw)) for m, kw in ours] + others
        for method, make in methods:
            train, unseen, seconds, converged = [], [], [], []
            for learn, test in data:
                start = time.perf_counter()
                model = make()
                if "mean field" not in method:
                    model = make_pipeline(StandardScaler(), model)
                model.fit(*learn)
                seconds.append(time.perf_counter() - start)
                train.append(model.score(*learn))
                unseen.append(model.score(*test))
                solution = getattr(model, "solution_", None)
                converged.append(True if solution is None else solution.converged)
                if solution is not None and len(data) == 1 and learn[0].shape[1] == 2:
                    stem = f"learning_{name}_{method}".replace(" ", "_").replace(",", "")
                    _figure(flow, solution, (11.0, 4.6)).savefig(DOCS / "images" / f"{stem}.png", dpi=90)
            told = "-" if "mean field" not in method else "yes" if all(converged) else "no"
            row = f"| {name} | {method} | {np.mean(train):.3f} | {np.mean(unseen):.3f} | {np.mean(seconds):.2f} | {told} |"
            print(row, flush=True)
            rows.append(row)
    (DOCS / "tables" / "learning.md").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
