"""What a user would pick instead: which of it is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

#: name -> the module that is imported, the distribution that brings it
PEERS = {
    "PyTorch": ("torch", "torch"),
    "torchdiffeq": ("torchdiffeq", "torchdiffeq"),
    "JAX": ("jax", "jax"),
    "diffrax": ("diffrax", "diffrax"),
    "py-pde": ("pde", "py-pde"),
    "FiPy": ("fipy", "FiPy"),
    "PyClaw": ("clawpack.pyclaw", "clawpack"),
}


def missing(name: str) -> str | None:
    """Why a peer is left out, or None where it is there."""
    module, distribution = PEERS[name]
    try:
        found = find_spec(module)
    except ModuleNotFoundError:  # of the package that the module is in
        found = None
    return None if found else f"{name} left out: no module {module} (pip install {distribution})"


def installed(names: list[str]) -> list[str]:
    return [name for name in names if missing(name) is None]


def left_out(names: list[str]) -> str:
    """One sentence a missing peer, for the notes under a table."""
    return "\n".join(f"{reason}." for reason in map(missing, names) if reason)


def versions() -> dict[str, str]:
    """Versions of all peers that are installed."""
    out = {}
    for name, (_, distribution) in PEERS.items():
        try:
            out[name] = version(distribution)
        except PackageNotFoundError:
            continue
    return out
