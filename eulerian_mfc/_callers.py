"""Warnings at the line of the user's program that caused them."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

#: modules of the standard library whose frames are skipped too: cached properties, context managers
BETWEEN = ("functools", "contextlib")


def warn(message: str | Warning, category: type[Warning] | None = None) -> None:
    """`warnings.warn` at the nearest caller that is not part of this package.

    Parameters
    ----------
    message : the text, or the warning itself.
    category : the category of a text; by default UserWarning.
    """
    kind = type(message) if isinstance(message, Warning) else category or UserWarning
    frame = _of_the_user(sys._getframe(1))
    place = frame.f_globals
    registry = place.setdefault("__warningregistry__", {})
    warnings.warn_explicit(
        message, kind, frame.f_code.co_filename, frame.f_lineno, str(place.get("__name__", "<unknown>")), registry
    )


def _of_the_user(frame: FrameType) -> FrameType:
    """The nearest calling frame whose module is not part of this package; the outermost frame if all are part of it."""
    while frame.f_back is not None and _ours(str(frame.f_globals.get("__name__", ""))):
        frame = frame.f_back
    return frame


def _ours(module: str) -> bool:
    return module.partition(".")[0] == __name__.partition(".")[0] or module in BETWEEN
