"""scikit-fem's log messages, kept off the terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Inside the block scikit-fem does not log.

    Its messages are about arrays that it made itself, and about names of groups, which this package handles.
    """
    logger = logging.getLogger("skfem.mesh.mesh")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
