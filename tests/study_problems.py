"""Functions at the top level of a module, which other processes can import."""

import os
import signal
import time

import numpy as np


def square(x, sleep=0.0):
    time.sleep(sleep)
    return {"square": x * x, "row": np.arange(3) * x, "word": "yes", "flag": x > 1}


def fails_on_two(x):
    if x == 2:
        raise ValueError("two is not allowed")
    return {"value": float(x)}


def dies(x):
    if x == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"value": float(x)}


def blas(seed):
    """A product whose last bits depend on how the sum is split over threads."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=200_000)
    return {
        "dot": float(a @ rng.normal(size=200_000)),
        "matrix": rng.normal(size=(300, 300)) @ rng.normal(size=(300, 300)),
    }


def steep(x):
    return {"bad": object()}


def pseudo_label(x):
    return np.sign(x[:, 0])


def logged(x, log):
    """Appends a line to `log`, which tells how often it was run."""
    with open(log, "a") as file:
        file.write(f"{x}\n")
    time.sleep(0.02)
    return {"value": float(x), "row": np.full(50, float(x))}
