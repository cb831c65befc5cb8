"""Threads that work together inside compiled code: counters for taking tasks, and a barrier for waiting.

A team has `members` threads. They share `sync` `(SIZE + members,)`, an array of int64 that is zero at the start. A kernel of a
team takes `(member, members, sync, ...)`, and every member runs it (see `threads.Workers.together`). A member waits in a loop of
loads and does not sleep: waking a thread takes some hundred microseconds, as long as the steps of a layer.
"""

import sys

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .compiling import njit

#: entries of `sync`. MET counts arrivals at the barrier; USED and FAILED are counters of the kernels; BROKEN is 1 if a member has
#: ended with an error, and then nobody waits. From SIZE on: the number of tasks that are taken of each member's share
MET, USED, FAILED, BROKEN, SIZE = range(5)
#: number of loads after which a waiting thread yields its processor
PATIENCE = 20_000


def _pointer(context, builder, array_type, arguments):
    array = cgutils.create_struct_proxy(array_type)(context, builder, value=arguments[0])
    return builder.gep(array.data, [arguments[1]])


@intrinsic
def fetch_add(typing, array, index, value):
    """Add to an entry and return its old value, as one atomic step."""

    def code(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], arguments)
        return builder.atomic_rmw("add", pointer, arguments[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), code


@intrinsic
def fetch(typing, array, index):
    """The present value of an entry, including what other threads wrote (the compiler may not keep it in a register)."""

    def code(context, builder, signature, arguments):
        return builder.load_atomic(_pointer(context, builder, signature.args[0], arguments), "seq_cst", 8)

    return types.int64(array, types.int64), code


@intrinsic
def _give_way(typing):
    """Let another thread have the processor, by `sched_yield` of the C library; on Windows do nothing."""

    def code(context, builder, signature, arguments):
        if sys.platform != "win32":
            function = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, function, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), code


@njit(nogil=True)
def meet(members, sync):
    """Wait until all members have called this: a barrier."""
    # The counter is never reset, so that a fast member may enter the next barrier while slow ones are still leaving this one.
    # The k-th barrier opens when the counter reaches k times the number of members.
    goal = (fetch_add(sync, MET, 1) // members + 1) * members
    loads = 0
    while fetch(sync, MET) < goal and not fetch(sync, BROKEN):
        loads += 1
        # So many loads take as long as waking a thread. After them, the missing members may be waiting for this processor.
        if loads > PATIENCE:
            _give_way()


@njit(nogil=True)
def take(member, members, sync, tasks):
    """The number of a task that no member has taken, or -1 if all are taken.

    A member first takes tasks of its own share, which is a range: the data of the next task then lie beside those it has just
    used. After that it helps the other members.
    """
    for k in range(members):
        owner = (member + k) % members
        begin, end = owner * tasks // members, (owner + 1) * tasks // members
        # The counter may grow beyond the share: a result past the end only means that the share is exhausted.
        task = begin + fetch_add(sync, SIZE + owner, 1)
        if task < end:
            return task
    return -1
