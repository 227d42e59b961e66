"""Threads that decode a few videos ahead of the network; its batches; progress."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._backbones import Backbone

_SECONDS_PER_LINE = 5.0  # of progress


def decoded_ahead(
    decode: Callable[[Any], Any], items: Iterable[Any], n_threads: int
) -> Generator[tuple[Any, Callable[[], Any]]]:
    """Yield each item in order, with a call that returns what `decode` made of it, or raises.

    At most ``n_threads + 1`` items are in work or wait at a time.
    """
    items = iter(items)
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="decode")
    waiting: deque[tuple[Any, Future[Any]]] = deque()
    try:
        waiting.extend((item, pool.submit(decode, item)) for item in islice(items, n_threads + 1))
        while waiting:
            item, future = waiting.popleft()
            future.exception()  # waits, and keeps the order
            waiting.extend((more, pool.submit(decode, more)) for more in islice(items, 1))
            yield item, future.result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class Means:
    """Feature vectors of videos: means over their clips, streams side by side.

    A batch may hold clips of several videos.
    """

    def __init__(self, network: Backbone, n_clips: int, batch_size: int) -> None:
        self._network, self._n_clips, self._batch_size = network, n_clips, batch_size
        self._waiting: list[tuple[int, list[Any]]] = []
        self._features: dict[int, list[list[NDArray[np.float32]]]] = {}  # per video and clip

    def add(self, video: int, clips: list[list[Any]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Take the clips of a video; yield the features of all videos that are then complete."""
        self._waiting += [(video, clip) for clip in clips]
        while len(self._waiting) >= self._batch_size:
            yield from self._batch()

    def rest(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the features of the videos that are left."""
        while self._waiting:
            yield from self._batch()

    def _batch(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        batch = self._waiting[: self._batch_size]
        streams = self._network.features([clip for _, clip in batch])
        del self._waiting[: len(batch)]
        for k, (video, _) in enumerate(batch):
            done = self._features.setdefault(video, [])
            done.append([stream[k] for stream in streams])
            if len(done) == self._n_clips:
                clips = self._features.pop(video)
                yield video, np.mean([np.concatenate(streams) for streams in clips], axis=0)


class Progress:
    """Progress as a printed line every few seconds, and one at the end."""

    def __init__(self, who: str, n_videos: int) -> None:
        self._who, self._n_videos, self._done = who, n_videos, 0
        self._began = self._told = time.monotonic()

    def step(self) -> None:
        """Count one more video."""
        self._done += 1
        now = time.monotonic()
        if now - self._told < _SECONDS_PER_LINE and self._done < self._n_videos:
            return
        self._told, spent = now, now - self._began
        left = spent / self._done * (self._n_videos - self._done)
        print(  # noqa: T201
            f"[{self._who}] {self._done} of {self._n_videos} videos in {spent:.0f} s, about "
            f"{left:.0f} s left",
            flush=True,
        )
