"""The frames of a video that the network sees: clips, evenly in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sampling:
    """Number of clips, their length, and the distance between their frames."""

    n_clips: int
    clip_length: int
    frame_rate: float | None  # None: as the video has them

    def steps(self, n_steps: int) -> NDArray[np.intp]:
        """Choose steps (n_clips, clip_length) of 0, ..., n_steps - 1; a step is 1 / frame_rate.

        The video is cut into `n_clips` equal parts, and a clip lies in the middle of each part.
        Clips that would begin before the video or end after it are moved inside. A video shorter
        than a clip repeats.
        """
        middles = (np.arange(self.n_clips) + 0.5) * n_steps / self.n_clips
        starts = np.floor(middles - self.clip_length / 2 + 0.5)
        starts = np.clip(starts, 0, max(n_steps - self.clip_length, 0)).astype(np.intp)
        return (starts[:, None] + np.arange(self.clip_length)) % n_steps

    def times(self, duration: float, native_rate: float) -> NDArray[np.float64]:
        """Choose the same in seconds from the first frame on, for a video of this duration."""
        rate = self.frame_rate or native_rate
        return self.steps(max(round(duration * rate), 1)) / rate
