"""Seconds of calls that take turns, and the most memory that a call takes (Linux only)."""

import gc
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread

import numpy as np
import torch


def in_turns(clock, *calls, runs=3):
    """Seconds of each call, (calls, runs); others that use the machine disturb all alike."""
    wait = torch.cuda.synchronize if torch.cuda.is_initialized() else lambda: None
    taken = np.empty((runs, len(calls)))
    for turn, i in np.ndindex(taken.shape):
        wait()
        start = clock()
        calls[i]()
        wait()
        taken[turn, i] = clock() - start
    return taken.T


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
    found, stop, before = [0], Event(), held_bytes("RssAnon")

    def look():
        while True:
            found[0] = max(found[0], held_bytes("RssAnon") - before)
            if stop.wait(interval):
                break

    thread = Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def held_bytes(kind):
    """Of this process, by the name that Linux gives to a kind of memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(kind)).split()[1])
