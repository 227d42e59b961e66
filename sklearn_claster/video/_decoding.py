"""Frames of video files at given times, by PyAV, which skips what lies between them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._sampling import Sampling

_WORTH_A_SEEK = 1.0  # seconds to the next frame that is wanted
_USUAL_RATE = 25.0  # frames per second, where a file does not say


class _CannotSeek(Exception):
    """Raised where a file continues at a wrong place after a jump."""


def av_module() -> Any:
    """Import PyAV, or say how to get it."""
    try:
        import av
    except ImportError as error:
        raise ImportError(
            "Reading video files needs PyAV: pip install 'sklearn_claster[video]'. Arrays of "
            "frames and lists of images do not need it."
        ) from error
    return av


def read_clips(
    path: str, sampling: Sampling, prepare: Callable[[NDArray[np.uint8]], Any]
) -> list[list[Any]]:
    """Read the clips of a video file, each a list of prepared frames.

    Parameters
    ----------
    path : str
        The file.
    sampling : Sampling
        Which frames are wanted.
    prepare : callable
        Called with each frame (height, width, 3); its result is kept.

    Raises
    ------
    OSError
        If the file does not exist or cannot be opened.
    ValueError
        If no frame of it can be decoded.
    """
    _check_path(path)
    av = av_module()
    try:
        with _opened(av, path) as file:
            duration, rate = file.duration(), file.rate
        times = sampling.times(duration, rate)
        found, end = _frames_at(av, path, np.unique(times), prepare)
        if end < times.max():  # it is damaged, or its sound lasts longer
            times = sampling.times(end, rate)
            found, _ = _frames_at(av, path, np.unique(times), prepare)
    except av.error.FFmpegError as error:
        raise ValueError(
            f"{path!r} cannot be decoded: {error.strerror or error}. Is it a complete video? "
            "`ffmpeg -i` shows what FFmpeg reads of it."
        ) from error
    where = np.searchsorted(np.unique(times), times)
    return [[found[i] for i in clip] for clip in where]


def _check_path(path: str) -> None:
    if "://" in path:
        raise ValueError(
            f"{path!r} is an address; expected a file. Download it first: the reader jumps within "
            "the file, and memory identifies a file by its size and date."
        )
    if os.path.isdir(path):
        raise IsADirectoryError(
            f"{path!r} is a folder; expected a video file. Pass the files in it. If they are the "
            "frames of one video, pass the sorted list of them."
        )
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path!r} does not exist; expected a video file.")
    if not os.path.getsize(path):
        raise ValueError(f"{path!r} is empty; expected a video file. Copy or download it again.")


class _File:
    """An open file and its pictures."""

    def __init__(self, av: Any, container: Any, path: str) -> None:
        if not container.streams.video:
            raise ValueError(f"{path!r} holds no video stream; expected a video. Is it sound only?")
        self.av, self.container, self.path = av, container, path
        self.stream = container.streams.best("video")  # no picture of an album before a video
        self.stream.codec_context.thread_count = 1  # the threads are across files
        # One for all frames, with one thread: to make one costs more than to use it.
        self._in_rgb = av.video.reformatter.VideoReformatter()
        rates = [r for r in (self.stream.average_rate, self.stream.guessed_rate) if r]
        self.rate = float(rates[0]) if rates else _USUAL_RATE
        self.time_base = float(self.stream.time_base)
        self.start = (self.stream.start_time or 0) * self.time_base
        flags = av.format.Flags
        unsure = flags.ts_discont | flags.no_timestamps | flags.generic_index
        self.may_seek = not container.format.flags & unsure.value
        # A frame counts as shown so much earlier: files round their time stamps.
        self.slack = max(0.25 / max([self.rate, *map(float, rates)]), self.time_base / 2)

    def duration(self) -> float:
        """Return the seconds that the pictures last; read all packets if no header says."""
        if self.stream.duration:
            return float(self.stream.duration * self.time_base)
        if self.container.duration:
            return float(self.container.duration / self.av.time_base)
        n_packets, end = 0, 0
        for packet in self._packets():
            n_packets += packet.size > 0  # the last one is empty
            if packet.pts is not None:
                end = max(end, packet.pts + (packet.duration or 0))
        return end * self.time_base - self.start if end else n_packets / self.rate

    def _packets(self) -> Iterator[Any]:
        """Yield packets from here up to the end, or to where the file becomes unreadable."""
        packets = self.container.demux(self.stream)
        while True:
            try:
                yield next(packets)
            except (StopIteration, self.av.error.FFmpegError):
                return

    def frames(self) -> Iterator[tuple[float, Any]]:
        """Yield frames from here on with their times, without those that cannot be decoded."""
        time = -1 / self.rate
        for packet in self._packets():
            try:
                decoded = packet.decode()
            except self.av.error.FFmpegError:
                continue
            for frame in decoded:
                known = frame.pts is not None
                time = frame.time - self.start if known else time + 1 / self.rate
                yield time, frame

    def array(self, frame: Any) -> NDArray[np.uint8]:
        """Convert a frame to (height, width, 3), rotated as the file asks for."""
        array = self._in_rgb.reformat(frame, format="rgb24", threads=1).to_ndarray()
        return np.rot90(array, round(frame.rotation / 90)) if frame.rotation else array

    def seek(self, time: float) -> Iterator[tuple[float, Any]]:
        """Yield frames, beginning at the last key frame before the time."""
        stamp = int((self.start + time) / self.time_base)
        self.container.seek(stamp, stream=self.stream)
        return self.frames()


@contextmanager
def _opened(av: Any, path: str) -> Iterator[_File]:
    with av.open(f"file:{path}", metadata_errors="ignore") as container:
        yield _File(av, container, path)


def _frames_at(
    av: Any, path: str, times: NDArray[np.float64], prepare: Callable[[NDArray[np.uint8]], Any]
) -> tuple[list[Any], float]:
    """Return the frames shown at the sorted times, and when the last frame that was read ends."""
    try:
        with _opened(av, path) as file:
            return _walk(file, times, prepare, may_seek=file.may_seek)
    except (_CannotSeek, av.error.FFmpegError):
        with _opened(av, path) as file:
            return _walk(file, times, prepare, may_seek=False)


def _walk(
    file: _File,
    times: NDArray[np.float64],
    prepare: Callable[[NDArray[np.uint8]], Any],
    *,
    may_seek: bool,
) -> tuple[list[Any], float]:
    frames = file.frames()
    shown, ahead = next(frames, None), next(frames, None)
    if shown is None:
        raise ValueError(
            f"{file.path!r} has no frame that can be decoded. Is the file complete? `ffmpeg -i` "
            "shows what FFmpeg reads of it."
        )
    found: list[Any] = []
    prepared_at = None
    for time in times:
        if may_seek and ahead is not None and time - ahead[0] > _WORTH_A_SEEK:
            before = ahead[0]
            frames = file.seek(time)
            shown, ahead = next(frames, None), next(frames, None)
            if shown is None or shown[0] > time + file.slack:
                raise _CannotSeek
            may_seek = shown[0] > before  # else key frames are rare
        while ahead is not None and ahead[0] <= time + file.slack:
            shown, ahead = ahead, next(frames, None)
        if shown[0] != prepared_at:
            prepared_at, prepared = shown[0], prepare(file.array(shown[1]))
        found.append(prepared)
    if ahead is not None:
        return found, np.inf
    lasts = float((shown[1].duration or 0) * file.time_base)
    return found, shown[0] + max(lasts, 1 / file.rate)
