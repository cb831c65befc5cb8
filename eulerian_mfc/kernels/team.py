"""Threads that work together inside compiled code: counters from which they take tasks, and a barrier at which they meet.

`sync` `(SIZE + members,)` is an array of int64, zeros at the start, that all members of a team share. A kernel of a team takes
`(member, members, sync, ...)`, and every member runs it (see `parallel.Workers.together`). Waiting is a loop of loads: a thread
that sleeps is woken in some hundred microseconds, a layer's steps take as long.
"""

import sys

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .compiling import njit

#: entries of `sync`: who has met, a counter for the kernels, failures, and whether a member is gone: then nobody waits; from SIZE
#: on, how many tasks of each member's share are taken
MET, USED, FAILED, BROKEN, SIZE = range(5)
#: loads until a waiting thread gives way
PATIENCE = 20_000


def _pointer(context, builder, array_type, arguments):
    array = cgutils.create_struct_proxy(array_type)(context, builder, value=arguments[0])
    return builder.gep(array.data, [arguments[1]])


@intrinsic
def fetch_add(typing, array, index, value):
    """Add to an entry and return what it was, as one step for all threads."""

    def code(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], arguments)
        return builder.atomic_rmw("add", pointer, arguments[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), code


@intrinsic
def fetch(typing, array, index):
    """An entry, as other threads have left it."""

    def code(context, builder, signature, arguments):
        return builder.load_atomic(_pointer(context, builder, signature.args[0], arguments), "seq_cst", 8)

    return types.int64(array, types.int64), code


@intrinsic
def _give_way(typing):
    """Let another thread have the processor, where the system's C library has a name for it."""

    def code(context, builder, signature, arguments):
        if sys.platform != "win32":
            function = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, function, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), code


@njit(nogil=True)
def meet(members, sync):
    """Wait until all members are here."""
    goal = (fetch_add(sync, MET, 1) // members + 1) * members
    loads = 0
    while fetch(sync, MET) < goal and not fetch(sync, BROKEN):
        loads += 1
        if loads > PATIENCE:  # as long as it takes to wake a thread: the processor may be what the others wait for
            _give_way()


@njit(nogil=True)
def take(member, members, sync, tasks):
    """A task that nobody has taken, of the member's own share while there is one; none: -1.

    A share is a range, so that a member stays where the data are that it has just used.
    """
    for k in range(members):
        owner = (member + k) % members
        begin, end = owner * tasks // members, (owner + 1) * tasks // members
        task = begin + fetch_add(sync, SIZE + owner, 1)
        if task < end:
            return task
    return -1
