"""A part of a benchmark in a fresh process: what it returns comes back as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ROOT = Path(__file__).parents[1]
MARK = "benchmark result: "


def fresh(expression: str, *, environment: dict[str, str] | None = None, timeout: float = 600.0) -> Any:
    """The value of `expression`, evaluated in a new process beside `import benchmarks.MODULE`s that it names.

    `fresh("memory.peak('PyTorch')")` imports `benchmarks.memory` there.
    """
    module = expression.split(".")[0]
    code = f"import json\nfrom benchmarks import {module}\nprint({MARK!r} + json.dumps({expression}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD, **(environment or {})},
        timeout=timeout,
    )
    if done.returncode:
        raise RuntimeError(f"{expression}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.split(MARK)[1])
