"""The status of a solution in its file; files of earlier versions have it only in the solver's sentence."""

from __future__ import annotations

from ..solvers import Status

#: for files of earlier versions, without a status: the status by the beginning of the sentence after "not converged: "
SENTENCES = {
    "interrupt": Status.INTERRUPTED,
    "the limit of": Status.ITERATION_LIMIT,
    "shooting diverges": Status.DIVERGED,
    "the same control evaluated again": Status.NOT_REPRODUCED,
    "the cost on the mesh": Status.COST_WRONG,
    "the cost's estimated error": Status.TARGET_MISSED,
    "no further decrease": Status.STALLED,
    "no step along": Status.STALLED,
    "no proximal step": Status.STALLED,
    "L-BFGS-B stopped": Status.STALLED,
    "SciPy's": Status.STALLED,
    "the residual has not fallen": Status.STALLED,
    "cost nan": Status.NOT_FINITE,
    "cost inf": Status.NOT_FINITE,
    "layer ": Status.NOT_FINITE,
}
#: the text between a doubt and the solver's own sentence
INNER = "the discrete system: "


def status_of(status: str | None, message: str, converged: bool) -> Status:
    """The status in a file; files of earlier versions have it only in the message.

    Parameters
    ----------
    status, message, converged : the metadata of these names.

    Examples
    --------
    >>> status_of(None, "not converged: interrupted; optimality residual 1 > 0", False).value
    'interrupted'
    """
    if status is not None:
        return Status(status)
    if converged:
        return Status.CONVERGED_AT_KINK if "at a kink of the cost" in message else Status.CONVERGED
    # If the solver did not converge, that is the status, whatever other doubts there are.
    own = message.rpartition(INNER)[2]
    reason = (own if own.startswith("not converged: ") else message).removeprefix("not converged: ")
    return next((found for words, found in SENTENCES.items() if reason.startswith(words)), Status.UNKNOWN)
