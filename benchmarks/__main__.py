"""`python -m benchmarks [NAME...]` measures and writes `benchmarks/results/NAME.md` and `.json`; all without a name."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from importlib import import_module

from .result import write
from .session import ONE_THREAD, ROOT

#: what there is, in the order of running
BENCHMARKS = (
    "gradient",
    "parts",
    "gradient_peers",
    "forward",
    "backward",
    "training",
    "published",
    "start",
    "memory",
    "scaling_cells",
    "scaling",
    "roofline",
    "finite_volumes",
    "location",
    "three",
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}")
    parser.add_argument("--here", action="store_true", help="in this process, not in a fresh one each")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}: expected some of {', '.join(BENCHMARKS)}")
    failed = []
    for name in given.names or BENCHMARKS:
        if given.here:
            print(write(name, import_module(f"benchmarks.{name}").tables()))
            continue
        start = time.perf_counter()
        command = [sys.executable, "-m", "benchmarks", "--here", name]
        if subprocess.run(command, cwd=ROOT, env=_environment()).returncode:
            failed.append(name)
        print(f"[{name}: {time.perf_counter() - start:.0f} s]", file=sys.stderr, flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, **ONE_THREAD, "MPLBACKEND": "agg"}


if __name__ == "__main__":
    sys.exit(main())
