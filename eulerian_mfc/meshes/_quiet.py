"""scikit-fem's notes to itself, kept off the terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Without what scikit-fem logs on arrays that it made itself, and on names that this package keeps in its place."""
    logger = logging.getLogger("skfem.mesh.mesh")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
