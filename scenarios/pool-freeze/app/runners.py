"""The ways to run the five tasks: the document's own, its wrapper, and what one might do instead.

RUNNER names one of them. Each takes no argument, returns the results, and raises what task 5 raised.
"""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import Pool

import document
import tasks
import wrapper

ORDER = (1, 2, 5, 3, 4)


class Failure:
    """The document's wrapper without its slip (`this` for `self`)."""

    def __init__(self, error_type, error_args, traceback_info):
        self.error_type = error_type
        self.error_args = error_args
        self.traceback_info = traceback_info


def wrapped(function, args):
    """The document's function wrapper as it is meant: the arguments are spread."""
    import traceback

    try:
        return function(*args)
    except BaseException as error:
        return Failure(type(error), error.args, traceback.format_exc())


def checked(result):
    """Raise in the worker what came back wrapped."""
    if isinstance(result, Failure):
        raise result.error_type(*result.error_args)
    return result


def submit(pool, task=tasks.task):
    """The document's five tasks, in its order."""
    return [pool.apply_async(task, args=(value,)) for value in ORDER]


def as_document():
    """The document's code where it describes the case; else the same with other tasks."""
    if os.environ["TASK"] == "http" and os.environ["OUTCOME"] == "raise":
        return document.runner()
    with Pool(2) as pool:
        return [item.get() for item in submit(pool)]


def wrapper_as_written():
    """The document's wrapper, letter for letter, given the document's pairs of function and arguments."""
    with Pool(2) as pool:
        items = [pool.apply_async(wrapper.mp_function_wrapper, args=(tasks.task, (value,))) for value in ORDER]
        return [item.get() for item in items]


def wrapper_as_written_value():
    """The same, given the value itself, as `function(args)` wants it."""
    with Pool(2) as pool:
        items = [pool.apply_async(wrapper.mp_function_wrapper, args=(tasks.task, value)) for value in ORDER]
        return [item.get() for item in items]


def wrapper_at_once():
    """The wrapper as meant; the worker raises when it meets the wrapped error, inside the pool's block."""
    with Pool(2) as pool:
        items = [pool.apply_async(wrapped, args=(tasks.task, (value,))) for value in ORDER]
        return [checked(item.get()) for item in items]


def wrapper_afterwards():
    """The wrapper as meant; the worker raises when it has all results and has left the pool's block."""
    with Pool(2) as pool:
        items = [pool.apply_async(wrapped, args=(tasks.task, (value,))) for value in ORDER]
        results = [item.get() for item in items]
    return [checked(result) for result in results]


def close_join():
    """The pool is closed and joined before its block is left, whatever happened."""
    with Pool(2) as pool:
        items = submit(pool)
        try:
            return [item.get() for item in items]
        finally:
            pool.close()
            pool.join()


def default_sigterm():
    """A pool initializer: SIGTERM ends this child again."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def initializer():
    """The document's code with a pool initializer that puts SIGTERM's default back."""
    with Pool(2, initializer=default_sigterm) as pool:
        return [item.get() for item in submit(pool)]


def with_method(method):
    """The document's code with another start method."""
    with multiprocessing.get_context(method).Pool(2) as pool:
        return [item.get() for item in submit(pool)]


def executor():
    """concurrent.futures, which waits for its children where Pool would end them."""
    with ProcessPoolExecutor(2) as pool:
        futures = [pool.submit(tasks.task, value) for value in ORDER]
        return [future.result() for future in futures]


def threads():
    """Threads instead of a pool of processes."""
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(tasks.task, value) for value in ORDER]
        return [future.result() for future in futures]


def in_turn():
    """One task after the other, in the worker itself."""
    return [tasks.task(value) for value in ORDER]


def held():
    """The race decided: when task 5 raises, the other child is still at work."""
    with Pool(2) as pool:
        return [item.get() for item in submit(pool, tasks.held)]


def late():
    """The race decided without any exception: the children come back late to the queue."""
    with Pool(2) as pool:
        return [item.get() for item in submit(pool, tasks.late)]


def late_raise():
    """The race decided for both children: one is at work, the other comes back late, and a task still waits."""
    with Pool(2) as pool:
        return [item.get() for item in submit(pool, tasks.late_raise)]


def sending(**options):
    """Results that a child is still sending when terminate() has stopped reading, and ends the children."""
    with Pool(2, **options) as pool:
        return [item.get() for item in submit(pool, tasks.large)]


def sending_close_join():
    """The same, closed and joined before the block is left."""
    with Pool(2) as pool:
        items = submit(pool, tasks.large)
        try:
            return [item.get() for item in items]
        finally:
            pool.close()
            pool.join()


def settled():
    """The race decided the other way: the children wait in the queue before the block is left."""
    with Pool(2) as pool:
        items = submit(pool)
        try:
            return [item.get() for item in items]
        finally:
            for item in items:
                item.wait()
            time.sleep(0.3)


RUNNERS = {
    "document": as_document,
    "wrapper-as-written": wrapper_as_written,
    "wrapper-as-written-value": wrapper_as_written_value,
    "wrapper-at-once": wrapper_at_once,
    "wrapper-afterwards": wrapper_afterwards,
    "close-join": close_join,
    "initializer": initializer,
    "spawn": lambda: with_method("spawn"),
    "forkserver": lambda: with_method("forkserver"),
    "executor": executor,
    "threads": threads,
    "in-turn": in_turn,
    "held": held,
    "late": late,
    "late-raise": late_raise,
    "settled": settled,
    "sending": sending,
    "sending-initializer": lambda: sending(initializer=default_sigterm),
    "sending-close-join": sending_close_join,
}


def run(number):
    """Run the tasks once, its begin and end on standard output, so that each output has its request."""
    print("request {} begins".format(number))
    try:
        results = RUNNERS[os.environ["RUNNER"]]()
    except BaseException as error:
        print("request {} ends: {!r}".format(number, error))
        raise
    print("request {} ends".format(number))
    return results
