"""One job of a study, and its fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..fingerprint.fingerprint import Fingerprints
from .store import Arguments, Entries


class Job(NamedTuple):
    """One independent computation, `function(**arguments)`, which returns a dict of numbers, words and arrays.

    Attributes
    ----------
    function : a function of a module, so that another process can import it.
    arguments : its keyword arguments, which are sent to the worker.
    label : the name of the job in messages.
    identity : the inputs on which the result depends, hashed into the fingerprint; by default the arguments.

    Examples
    --------
    >>> job = Job(dict, {"x": 1}, "an example")
    >>> job.fingerprint == Job(dict, {"x": 1}, "another label").fingerprint
    True
    """

    function: Callable[..., Entries]
    arguments: Arguments
    label: str
    identity: object = None

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits that name the computation; see `fingerprint.fingerprint.fingerprint`."""
        return self.fingerprint_among(Fingerprints())

    def fingerprint_among(self, fingerprints: Fingerprints) -> str:
        """The fingerprint, computed together with those of other jobs, which is faster."""
        return fingerprints.of(self.function, self.arguments if self.identity is None else self.identity)
