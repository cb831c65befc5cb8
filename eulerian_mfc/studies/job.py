"""One job of a study, and its address."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..fingerprint.fingerprint import Addresses
from .store import Arguments, Entries


class Job(NamedTuple):
    """One independent computation, `function(**arguments)`, which returns a dict of numbers, words and arrays.

    Attributes
    ----------
    function : a function of a module, so that another process can import it.
    arguments : its keyword arguments, which are sent to the worker.
    label : the name of the job in messages.
    identity : the inputs on which the result depends, hashed into the address; by default the arguments.

    Examples
    --------
    >>> job = Job(dict, {"x": 1}, "an example")
    >>> job.address == Job(dict, {"x": 1}, "another label").address
    True
    """

    function: Callable[..., Entries]
    arguments: Arguments
    label: str
    identity: object = None

    @property
    def address(self) -> str:
        """64 hexadecimal digits that name the computation; see `address.address`."""
        return self.address_among(Addresses())

    def address_among(self, addresses: Addresses) -> str:
        """The address, computed together with those of other jobs, which is faster."""
        return addresses.of(self.function, self.arguments if self.identity is None else self.identity)
