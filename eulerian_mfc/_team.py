"""Threads that work together inside compiled code: a counter from which they take tasks, and a barrier at which they meet.

`sync` is an array of int64, zeros at the start, that all members of a team share. A kernel of a team takes `(member, members,
sync, ...)`, and every member runs it (see `parallel.Workers.together`). Waiting is a loop of loads: a thread that sleeps is woken
in some hundred microseconds, a layer's steps take as long.
"""

import sys

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

#: entries of `sync`: who has met, two counters for the kernels, failures, and whether a member is gone: then nobody waits
MET, NEXT, USED, FAILED, BROKEN, SIZE = range(6)
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


@njit(cache=True, nogil=True)
def meet(members, sync):
    """Wait until all members are here."""
    goal = (fetch_add(sync, MET, 1) // members + 1) * members
    loads = 0
    while fetch(sync, MET) < goal and not fetch(sync, BROKEN):
        loads += 1
        if loads > PATIENCE:  # as long as it takes to wake a thread: the processor may be what the others wait for
            _give_way()
