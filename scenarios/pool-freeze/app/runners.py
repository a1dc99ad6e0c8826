"""The ways to run the five tasks: as the document does, with its wrapper, and what one might do instead.

RUNNER names one of them. Each takes no argument, returns the results, and raises what task 5 raised.
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
    """As the document does: the results are fetched inside the pool's block, and an exception leaves it early."""
    with multiprocessing.get_context(method).Pool(CHILDREN, **options) as pool:
        return fetched(submitted(pool, task))


def submitted(pool, task, *arguments):
    """All tasks, handed over one by one; ``arguments`` stand before the task's own."""
    return [pool.apply_async(task, (*arguments, value)) for value in ORDER]


def fetched(results):
    """Each result in turn; raises what its task raised."""
    return [result.get() for result in results]


def in_tuples(pool, wrapper):
    """All tasks by a wrapper, which gets each one's arguments as a tuple."""
    return [pool.apply_async(wrapper, (tasks.task, (value,))) for value in ORDER]


def wrapper_as_written():
    """The document's wrapper, given a task and its arguments as a tuple, as the document's tasks have them."""
    with multiprocessing.Pool(CHILDREN) as pool:
        return fetched(in_tuples(pool, carried.as_written))


def wrapper_as_written_value():
    """The same, given the value itself, as that wrapper would need it."""
    with multiprocessing.Pool(CHILDREN) as pool:
        return fetched(submitted(pool, carried.as_written, tasks.task))


def wrapper_at_once():
    """The wrapper as meant; the worker raises when it meets what was carried, inside the pool's block."""
    with multiprocessing.Pool(CHILDREN) as pool:
        return [carried.unpacked(result.get()) for result in in_tuples(pool, carried.as_meant)]


def wrapper_afterwards():
    """The wrapper as meant; the worker raises when it has all results and has left the pool's block."""
    with multiprocessing.Pool(CHILDREN) as pool:
        results = fetched(in_tuples(pool, carried.as_meant))
    return [carried.unpacked(result) for result in results]


def close_join(task=tasks.task):
    """The pool is closed and joined before its block is left, whatever happened."""
    with multiprocessing.Pool(CHILDREN) as pool:
        results = submitted(pool, task)
        try:
            return fetched(results)
        finally:
            pool.close()
            pool.join()


def settled():
    """The race decided: the children wait in the queue before the block is left."""
    with multiprocessing.Pool(CHILDREN) as pool:
        results = submitted(pool, tasks.task)
        try:
            return fetched(results)
        finally:
            for result in results:
                result.wait()
            time.sleep(0.3)


def default_sigterm():
    """A pool initializer: SIGTERM ends this child again."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def by_executor(kind):
    """concurrent.futures, which waits for its children where Pool would end them."""
    with kind(CHILDREN) as executor:
        futures = [executor.submit(tasks.task, value) for value in ORDER]
        return [future.result() for future in futures]


def in_turn():
    """One task after the other, in the worker itself."""
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
    # The race decided: when task 5 raises, the other child is still at work.
    "held": lambda: in_the_block(tasks.held),
    # The race decided without any exception: the children come back late to the queue.
    "late": lambda: in_the_block(tasks.late),
    # The race decided for both children: one is at work, the other comes back late, and a task still waits.
    "late-raise": lambda: in_the_block(tasks.late_raise),
    # The race decided the other way.
    "settled": settled,
    # Results that a child is still sending when terminate() has stopped reading, and ends the children.
    "sending": lambda: in_the_block(tasks.large),
    "sending-initializer": lambda: in_the_block(tasks.large, initializer=default_sigterm),
    "sending-close-join": lambda: close_join(tasks.large),
}
runner = chosen("RUNNER", RUNNERS)


def run(number):
    """Run the tasks once, its begin and end on standard output, so that each output has its request."""
    print("request {} begins".format(number))
    try:
        results = runner()
    except BaseException as error:
        print("request {} ends: {!r}".format(number, error))
        raise
    print("request {} ends".format(number))
    return results
