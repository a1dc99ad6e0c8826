"""The ways to run the five tasks: the document's code, the document's wrapper, and alternatives.

RUNNER selects a function from RUNNERS. It takes no argument, returns the results, and raises the exception of task 5.
"""

import multiprocessing
import signal
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import carried
import tasks
from factors import chosen

CHILDREN = 2
ORDER = (1, 2, 5, 3, 4)


def in_the_block(task=tasks.task, method=None, **options):
    """Do as the document does: get the results inside the pool's block. An exception leaves the block early."""
    with multiprocessing.get_context(method).Pool(CHILDREN, **options) as pool:
        return fetched(submitted(pool, task))


def submitted(pool, task, *arguments):
    """Submit all tasks. Return their AsyncResult objects. ``arguments`` come before the argument of a task."""
    return [pool.apply_async(task, (*arguments, value)) for value in ORDER]


def fetched(results):
    """Return all results, in order. Raises the exception of a task that failed."""
    return [result.get() for result in results]


def in_tuples(pool, wrapper):
    """Submit all tasks through a wrapper. It gets the arguments of each task as a tuple."""
    return [pool.apply_async(wrapper, (tasks.task, (value,))) for value in ORDER]


def wrapper_as_written():
    """Use the document's wrapper. As in the document, it gets a task and the arguments as a tuple."""
    with multiprocessing.Pool(CHILDREN) as pool:
        return fetched(in_tuples(pool, carried.as_written))


def wrapper_as_written_value():
    """Use the document's wrapper. It gets the bare argument instead of a tuple, as its code needs it."""
    with multiprocessing.Pool(CHILDREN) as pool:
        return fetched(submitted(pool, carried.as_written, tasks.task))


def wrapper_at_once():
    """Use the wrapper as intended. The worker raises the carried exception inside the pool's block."""
    with multiprocessing.Pool(CHILDREN) as pool:
        return [carried.unpacked(result.get()) for result in in_tuples(pool, carried.as_meant)]


def wrapper_afterwards():
    """Use the wrapper as intended. The worker raises the carried exception after it has left the pool's block."""
    with multiprocessing.Pool(CHILDREN) as pool:
        results = fetched(in_tuples(pool, carried.as_meant))
    return [carried.unpacked(result) for result in results]


def close_join(task=tasks.task):
    """Close and join the pool before its block ends, also after an exception."""
    with multiprocessing.Pool(CHILDREN) as pool:
        results = submitted(pool, task)
        try:
            return fetched(results)
        finally:
            pool.close()
            pool.join()


def settled():
    """Force the outcome of the race: both children wait for a task before the block ends."""
    with multiprocessing.Pool(CHILDREN) as pool:
        results = submitted(pool, tasks.task)
        try:
            return fetched(results)
        finally:
            for result in results:
                result.wait()
            time.sleep(0.3)


def default_sigterm():
    """Restore SIGTERM's default in a child, so that the signal ends it. This is a pool initializer."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def by_executor(kind):
    """Use concurrent.futures. Its executor waits for its children, while Pool would terminate them."""
    with kind(CHILDREN) as executor:
        futures = [executor.submit(tasks.task, value) for value in ORDER]
        return [future.result() for future in futures]


def in_turn():
    """Run one task after another in the worker."""
    return [tasks.task(value) for value in ORDER]


RUNNERS = {
    "document": in_the_block,
    "wrapper-as-written": wrapper_as_written,
    "wrapper-as-written-value": wrapper_as_written_value,
    "wrapper-at-once": wrapper_at_once,
    "wrapper-afterwards": wrapper_afterwards,
    "close-join": close_join,
    "initializer": lambda: in_the_block(initializer=default_sigterm),
    "spawn": lambda: in_the_block(method="spawn"),
    "forkserver": lambda: in_the_block(method="forkserver"),
    "executor": lambda: by_executor(ProcessPoolExecutor),
    "threads": lambda: by_executor(ThreadPoolExecutor),
    "in-turn": in_turn,
    # Forces the outcome of the race: when task 5 raises, the other child is still busy.
    "held": lambda: in_the_block(tasks.held),
    # Forces it without an exception: the children return late to the queue.
    "late": lambda: in_the_block(tasks.late),
    # Forces it for both children: one is busy, the other returns late, and one task is still in the queue.
    "late-raise": lambda: in_the_block(tasks.late_raise),
    # Forces the opposite outcome: both children are back in the queue in time.
    "settled": settled,
    # A child is still sending a result when terminate() has stopped reading and ends the children.
    "sending": lambda: in_the_block(tasks.large),
    "sending-initializer": lambda: in_the_block(tasks.large, initializer=default_sigterm),
    "sending-close-join": lambda: close_join(tasks.large),
}
runner = chosen("RUNNER", RUNNERS)


def run(number):
    """Run the tasks once. Print a line before and after, which shows the request that the output belongs to."""
    print("request {} begins".format(number))
    try:
        results = runner()
    except BaseException as error:
        print("request {} ends: {!r}".format(number, error))
        raise
    print("request {} ends".format(number))
    return results
