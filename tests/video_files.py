"""Small videos that tests write: frames with a number that survives the codec."""

from fractions import Fraction

import numpy as np

CODECS = {"mp4": "libx264", "avi": "mpeg4", "webm": "libvpx", "mkv": "libx264", "h264": "libx264"}
N_FRAMES, RATE = 48, 24


def numbered(n_frames=N_FRAMES, size=(48, 64)):
    """Frames (n_frames, height, width, 3), each as bright as its number says; a spot moves."""
    frames = np.empty((n_frames, *size, 3), dtype=np.uint8)
    frames[:] = np.linspace(20, 220, n_frames).astype(np.uint8)[:, None, None, None]
    for i, frame in enumerate(frames):
        left = i * (size[1] - 12) // n_frames
        frame[4:12, left : left + 12] = (250, 40, 40)
    return frames


def numbers(frames, n_frames=N_FRAMES):
    """Which of `numbered` these are, by the brightness of the part where no spot moves."""
    level = np.array([np.asarray(frame)[-8:, -8:].mean() for frame in frames])
    return np.rint((level - 20) / 200 * (n_frames - 1)).astype(int)


def write(path, frames, *, rate=RATE, times=None, rotation=0, gop=12, sound=0.0, **options):
    """A video file; `times` are of the frames, in milliseconds, options those of the container."""
    import av

    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(CODECS[path.suffix[1:]], rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.gop_size = gop
        stream.bit_rate = 2_000_000
        if rotation:
            stream.set_display_rotation(rotation)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        tones = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        for i, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = int(times[i]), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tones is not None:
            silence = np.zeros((1, int(8000 * sound)), dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.sample_rate = 8000
            container.mux(tones.encode(frame))
            container.mux(tones.encode(None))
    return path
