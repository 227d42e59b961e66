"""The most memory that a call takes; Linux only."""

import gc
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread


def in_own_process(function, *args):
    """What a function returns in a process of its own, where no memory waits to be used again."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


@contextmanager
def peak_bytes(interval=0.002):
    """Looks from a thread: the most above what was held before, in a list of one number.

    Counted is what the process holds of its own, without mapped files.
    """
    gc.collect()  # garbage that goes later would hide as much of what comes
    found, stop, before = [0], Event(), _held()

    def look():
        found[0] = max(found[0], _held() - before)
        while not stop.wait(interval):
            found[0] = max(found[0], _held() - before)

    thread = Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def _held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])
