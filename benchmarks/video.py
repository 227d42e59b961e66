"""Videos to features: decoding beside ffmpeg, a network beside a loop by hand, memory.

python benchmarks/video.py                  all of it: what docs/videos.md quotes
python benchmarks/video.py decoding memory  some of it
python benchmarks/video.py --processor      in the processor's own seconds: on a machine in use
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter

import av
import numpy as np
import torch
from peak import in_own_process, peak_bytes

from sklearn_claster.video import VideoFeatures

KINDS = {  # codec, suffix, height, width, frames per second
    "MPEG-4 320 x 240": ("mpeg4", "avi", 240, 320, 25),  # like UCF101
    "H.264 640 x 360": ("libx264", "mp4", 360, 640, 30),
    "H.264 1280 x 720": ("libx264", "mp4", 720, 1280, 30),
    "VP8 640 x 360": ("libvpx", "webm", 360, 640, 30),
}
SAMPLINGS = {"5 clips of 16": {"frame_rate": 15}, "every frame": {"n_clips": 19}}
FFMPEG = ["ffmpeg", "-v", "error", "-threads"]


def nothing(clips):
    """The null network."""
    return clips[:, :, 0, 0, 0]


def write(path, kind, seconds=10):
    """A texture that moves: as hard to predict as grass."""
    codec, suffix, height, width, rate = KINDS[kind]
    texture = np.random.default_rng(0).integers(0, 255, (height // 4, width // 2, 3), np.uint8)
    texture = texture.repeat(4, axis=0).repeat(4, axis=1)  # (height, 2 width, 3)
    with av.open(f"{path}.{suffix}", "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.bit_rate = 3 * height * width
        for i in range(rate * seconds):
            image = np.ascontiguousarray(texture[:, (3 * i) % width :][:, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return f"{path}.{suffix}"


def fastest(clock, *calls):
    """The least seconds of each call; they take turns, for others use the machine as well."""
    found = np.full((3, len(calls)), np.inf)
    for turn, i in np.ndindex(found.shape):
        start = clock()
        calls[i]()
        found[turn, i] = clock() - start
    return found.min(axis=0)


def by_ffmpeg(paths, threads):
    for path in paths:
        subprocess.run([*FFMPEG, str(threads), "-i", path, "-f", "null", "-"], check=True)


def decoding(folder, threads, clock):
    print(f"{'seconds of video per second':<26}{'ffmpeg':>8}", *(f"{s:>22}" for s in SAMPLINGS))
    for kind in KINDS:
        paths = [write(folder / kind, kind)]
        paths += [shutil.copy(paths[0], f"{folder}/{i} {kind}") for i in range(1, 2 * threads)]
        calls = [partial(by_ffmpeg, paths, threads)]
        for options in SAMPLINGS.values():
            features = VideoFeatures(nothing, frame_size=112, n_jobs=threads, **options)
            calls.append(partial(features.fit().transform, paths))
        ffmpeg, *own = 10 * len(paths) / fastest(clock, *calls)
        columns = (f"{speed:>12.0f} = {speed / ffmpeg:>5.2f} x" for speed in own)
        print(f"{kind:<26}{ffmpeg:>8.0f}", *columns, flush=True)


def network(folder, threads, clock):
    paths = [write(folder / f"{i}", "H.264 640 x 360") for i in range(4)]
    features = VideoFeatures("r3d_18", weights=None, random_state=0, n_jobs=threads).fit()
    from torchvision.models.video import R3D_18_Weights, r3d_18

    preset, model = R3D_18_Weights.DEFAULT.transforms(), r3d_18().eval()

    def by_hand():
        for path in paths:
            with av.open(path) as container:
                frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)][::2]
            starts = np.linspace(0, len(frames) - 16, 5).astype(int)
            clips = [torch.tensor(np.stack(frames[s : s + 16])).permute(0, 3, 1, 2) for s in starts]
            with torch.inference_mode():
                model(torch.stack([preset(clip) for clip in clips])).mean(dim=0)

    hand, own = fastest(clock, by_hand, partial(features.transform, paths))
    print(f"r3d_18, 4 videos: by hand {hand:.1f} s, VideoFeatures {own:.1f} s: {hand / own:.2f} x")


def memory(folder, threads, clock):
    short = write(folder / "short", "H.264 640 x 360")
    for times in (1, 6, 60, 360):
        path = str(folder / f"repeated {times}.mp4")
        again = ["-stream_loop", str(times - 1), "-i", short, "-c", "copy", path]
        subprocess.run([*FFMPEG, "1", *again], check=True)
        used, seconds = in_own_process(held_by, path)
        print(f"{times / 6:>6.1f} min of video: {used / 1e6:.0f} MB, {seconds:.2f} s", flush=True)


def held_by(path):
    """Peak bytes, and seconds, of the features of one video."""
    start = perf_counter()
    with peak_bytes() as found:
        VideoFeatures(nothing, frame_size=112, frame_rate=15).fit_transform([path])
    return found[0], perf_counter() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Videos to features: speed and memory.")
    parser.add_argument("parts", nargs="*", choices=[[], "decoding", "network", "memory"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processor", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clock = (lambda: sum(os.times()[:4])) if args.processor else perf_counter
    with tempfile.TemporaryDirectory() as name:
        for part in args.parts or ["decoding", "network", "memory"]:
            globals()[part](Path(name), args.threads, clock)
