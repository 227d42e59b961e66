"""The forms of a sample: a video file, a list of image files, or an array of frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .._utils.torch import as_host_array
from ._decoding import read_clips
from ._sampling import Sampling


def as_samples(X: Any) -> list[Any]:
    """Return the samples of X as a list.

    Raises
    ------
    TypeError
        If X is a single path, has no length, or comes in no order.
    ValueError
        If it is a table of several columns.
    """
    no_list = isinstance(X, (str, os.PathLike, Set, Mapping))
    if no_list or not hasattr(X, "__len__"):
        raise TypeError(
            f"X has to be a list of videos; got {type(X).__name__} {str(X)[:80]!r}. Put a single "
            "video into a list, [path]. Make a list of several: list(X), and of a set sorted(X)."
        )
    if hasattr(X, "to_numpy"):  # pandas and polars
        X = X.to_numpy()
    if isinstance(X, np.ndarray) and X.ndim == 2:
        if X.shape[1] != 1:
            raise ValueError(
                f"X has to have one column, of paths; got the shape {X.shape}. Pass each video as "
                "a path or as an array of the shape (frames, height, width, 3)."
            )
        X = X[:, 0]
    return list(X)


def clips_of(
    sample: Any, sampling: Sampling, prepare: Callable[[NDArray[np.uint8]], Any]
) -> list[list[Any]]:
    """Return the clips (n_clips, clip_length) of a sample as lists of prepared frames.

    Raises
    ------
    OSError
        If a file does not exist or cannot be opened.
    ValueError
        If it holds no frames.
    TypeError
        If the sample has none of the known forms.
    """
    if isinstance(sample, (str, os.PathLike)):
        return read_clips(os.fspath(sample), sampling, prepare)
    images = _is_list_of_paths(sample)
    frames = list(sample) if images else _as_frames(sample)
    steps = sampling.steps(len(frames))
    wanted, where = np.unique(steps, return_inverse=True)
    prepared = [prepare(_read_image(frames[i]) if images else _as_bytes(frames[i])) for i in wanted]
    return [[prepared[i] for i in clip] for clip in where.reshape(steps.shape)]


def identity(sample: Any) -> Any:
    """Return what identifies a sample: a file's path, size and date, or an array's content."""
    if isinstance(sample, (str, os.PathLike)):
        path = os.path.realpath(sample)
        status = os.stat(path)
        return path, status.st_size, status.st_mtime_ns
    if _is_list_of_paths(sample):
        return [identity(path) for path in sample]
    return joblib.hash(as_host_array(sample))


def named(sample: Any) -> str:
    """Return what messages call a sample."""
    if isinstance(sample, (str, os.PathLike)):
        return repr(os.fspath(sample))
    if _is_list_of_paths(sample):
        return f"{os.fspath(sample[0])!r}, ... ({len(sample)} images)"
    return f"an array {tuple(sample.shape)}"


def _is_list_of_paths(sample: Any) -> bool:
    is_list = isinstance(sample, Sequence) and not isinstance(sample, (str, bytes))
    return is_list and len(sample) > 0 and all(isinstance(x, (str, os.PathLike)) for x in sample)


def _as_frames(sample: Any) -> NDArray[Any]:
    if not isinstance(sample, (np.ndarray, Tensor)):
        raise TypeError(
            "A video is a path, a list of image files or an array (frames, height, width, 3); got "
            f"{type(sample).__name__}."
        )
    frames: NDArray[Any] = as_host_array(sample)
    if frames.ndim != 4 or frames.shape[3] != 3 or not frames.size:
        raise ValueError(
            "A video as an array has the shape (frames, height, width, 3), with at least one "
            f"frame; got {frames.shape}. Move the axes with transpose, and repeat grey values: "
            "np.repeat(video[..., None], 3, axis=-1)."
        )
    return frames


def _as_bytes(frame: NDArray[Any]) -> NDArray[np.uint8]:
    if frame.dtype == np.uint8:
        return frame
    if frame.dtype.kind != "f" or not (frame.min() >= 0 and frame.max() <= 1):
        raise ValueError(
            "The frames of an array are whole numbers from 0 to 255 of the type uint8, or floats "
            f"from 0 to 1; got {frame.dtype} from {frame.min()} to {frame.max()}. Convert values "
            "from 0 to 255 with video.astype(np.uint8)."
        )
    return np.rint(frame * 255).astype(np.uint8)


def _read_image(path: Any) -> NDArray[np.uint8]:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError(
            "Reading images needs Pillow: pip install 'sklearn_claster[video]'."
        ) from error
    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except OSError as error:
        raise OSError(
            f"{os.fspath(path)!r} cannot be read as an image: {error}. A list of paths holds the "
            "frames of one video. Pass video files as paths, not as lists."
        ) from error
