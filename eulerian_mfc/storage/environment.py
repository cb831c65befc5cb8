"""The environment of a computation: versions, threads, the kernels' cache, optional extras."""

from __future__ import annotations

import importlib.util
import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..kernels.threads import Workers
from ..version import __version__

#: packages whose versions may change the last bits of a result
NUMERICAL = ("numpy", "scipy", "numba", "scikit-fem")
#: the optional extras, with the module that each needs
EXTRAS = {
    "distributed": "distributed",
    "film": "imageio_ffmpeg",
    "learn": "sklearn",
    "onnx": "onnx",
    "symbolic": "sympy",
    "torch": "torch",
    "transport": "ot",
}


def versions() -> dict[str, str]:
    """The versions of the package, of Python and of the numerical libraries."""
    return dict(_versions())


@cache  # the metadata of packages is read from files
def _versions() -> dict[str, str]:
    out = {"eulerian_mfc": __version__, "python": platform.python_version()}
    for name in NUMERICAL:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "unknown"
    return out


def extras() -> dict[str, bool]:
    """Whether each optional extra is installed."""
    return {name: importlib.util.find_spec(module) is not None for name, module in EXTRAS.items()}


def kernel_cache() -> str:
    """Where Numba stores compiled kernels: beside each source (`**` is any folder of the package), or all in one folder.

    If no folder can be written to, or nothing is compiled, the text begins with "none".
    """
    from numba import config

    from ..kernels.compiling import DISABLED, advice
    from ..kernels.team import meet

    if config.DISABLE_JIT:
        return f"none: {DISABLED}"
    # Numba's own choice: NUMBA_CACHE_DIR, else beside the sources, else (if these are read-only) the user's cache.
    if meet.stats.cache_path is None:
        return f"none: every process compiles the kernels again. {advice()}"
    folder = Path(meet.stats.cache_path)
    return str(Path(__file__).parents[1] / "**" / "__pycache__" if folder.name == "__pycache__" else folder.parent)


def information() -> list[tuple[str, str]]:
    """Rows (what, value) for `emfc info`."""
    from threadpoolctl import threadpool_info

    pools = ", ".join(f"{p['internal_api']} {p['num_threads']}" for p in threadpool_info()) or "none"
    rows = [(name, number) for name, number in versions().items()]
    rows.append(("platform", f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"))
    rows.append(("threads", f"{Workers().threads} for semi-Lagrangian steps; {pools}"))
    rows.append(("kernel cache", kernel_cache()))
    install = "not installed: pip install 'eulerian-mfc[{}]'"
    rows += [(f"extra {k}", "installed" if found else install.format(k)) for k, found in extras().items()]
    return rows
