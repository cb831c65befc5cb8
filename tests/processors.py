"""Run the tests as other processors would compute: `python tests/processors.py [PROFILE]... [-- PYTEST ARGUMENTS]`.

Libraries choose their instructions by the processor that they find, and the choice decides the last bits of sums and of
functions such as tanh. A profile hides instructions from NumPy, from Numba's compiler, from OpenBLAS, from PyTorch and from
the C library. What it cannot hide is the order in which this package itself adds up.

Each profile runs the whole suite in processes of its own. The exit status is that of the first profile which fails.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

#: what NumPy chooses at run time on this machine
DISPATCHED = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
#: of these, what a processor without AVX-512 lacks (NumPy named the groups anew in version 2.4)
AVX512 = [name for name in DISPATCHED if name.startswith(("AVX512", "X86_V4"))]

#: name -> the environment that makes libraries compute as that processor does
PROFILES = {
    "no-avx512": {
        "NPY_DISABLE_CPU_FEATURES": " ".join(AVX512),
        "NUMBA_CPU_NAME": "haswell",
        "OPENBLAS_CORETYPE": "Haswell",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F",
    },
    "no-avx2": {
        "NPY_DISABLE_CPU_FEATURES": " ".join(DISPATCHED),
        "NUMBA_CPU_NAME": "generic",
        "OPENBLAS_CORETYPE": "Nehalem",
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-FMA,-FMA4",
    },
    "other-blas": {"OPENBLAS_CORETYPE": "SandyBridge"},
}


def run(profile: str, arguments: list[str]) -> int:
    """The exit status of pytest under a profile; tests that measure time are left out."""
    changes = {name: value for name, value in PROFILES[profile].items() if value}
    print(f"{profile}: " + ", ".join(f"{name}={value}" for name, value in changes.items()), flush=True)
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal", "-m", "not alone", *arguments]
    return subprocess.run(command, env=os.environ | changes, cwd=Path(__file__).parents[1], check=False).returncode


def main(arguments: list[str]) -> int:
    split = arguments.index("--") if "--" in arguments else len(arguments)
    names, rest = arguments[:split] or list(PROFILES), arguments[split + 1 :]
    unknown = [name for name in names if name not in PROFILES]
    if unknown:
        print(f"profile: got {', '.join(unknown)}, expected some of {', '.join(PROFILES)}")
        return 2
    if platform.machine() not in ("x86_64", "AMD64"):
        print("the profiles are for x86-64 processors; on others run the tests as they are")
        return 0
    results = {name: run(name, rest) for name in names}
    print(", ".join(f"{name}: {'passed' if status == 0 else 'FAILED'}" for name, status in results.items()))
    return next((status for status in results.values() if status), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
