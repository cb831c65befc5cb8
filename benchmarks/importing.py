"""Seconds of an import, NumPy's included. This module imports nothing else."""

import time

#: what is imported, by the name of a row
IMPORTS = {
    "this package": "import eulerian_mfc",
    "PyTorch": "import torch",
    "torchdiffeq": "import torchdiffeq",
    "JAX": "import jax",
    "diffrax": "import diffrax",
    "py-pde": "import pde",
    "FiPy": "import fipy",
}


def seconds(name: str) -> float:
    """Of an entry of `IMPORTS`, in this process."""
    start = time.perf_counter()
    exec(IMPORTS[name], {})
    return time.perf_counter() - start
