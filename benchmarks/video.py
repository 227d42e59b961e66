"""Videos to features: decoding beside ffmpeg, a network beside a loop by hand, memory.

python benchmarks/video.py                       all of it: what docs/videos.md quotes and shows
python benchmarks/video.py decoding --processor  a part, in the processor's own seconds
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter

import av
import numpy as np
import torch

from sklearn_claster.video import VideoFeatures

KINDS = {  # codec, suffix, height, width, frames per second
    "MPEG-4 320 x 240": ("mpeg4", "avi", 240, 320, 25),  # like UCF101
    "H.264 640 x 360": ("libx264", "mp4", 360, 640, 30),
    "H.264 1280 x 720": ("libx264", "mp4", 720, 1280, 30),
    "VP8 640 x 360": ("libvpx", "webm", 360, 640, 30),
}
SAMPLINGS = {"5 clips of 16": {"frame_rate": 15}, "every frame": {"n_clips": 19}}
LENGTHS = {"10 s": 10, "1 min": 60, "10 min": 600, "1 h of video": 3600}
FFMPEG = ["ffmpeg", "-v", "error", "-threads"]


def nothing(clips):  # the null network
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
        paths = 2 * threads * [write(folder / kind, kind)]
        calls = [partial(by_ffmpeg, paths, threads)]
        for options in SAMPLINGS.values():
            features = VideoFeatures(nothing, frame_size=112, n_jobs=threads, **options)
            calls.append(partial(features.fit().transform, paths))
        ffmpeg, *own = 10 * len(paths) / fastest(clock, *calls)
        print(f"{kind:<26}{ffmpeg:>8.0f}", *(f"{x:>12.0f} = {x / ffmpeg:>5.2f} x" for x in own))


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
    import matplotlib.pyplot as plt

    short, used = write(folder / "short", "H.264 640 x 360"), []
    for length, seconds in LENGTHS.items():
        path = f"{folder}/{seconds}.mp4"
        again = ["-stream_loop", str(seconds // 10 - 1), "-i", short, "-c", "copy", path]
        subprocess.run([*FFMPEG, "1", *again], check=True)
        used.append(int(subprocess.check_output([sys.executable, __file__, "--peak", path])) / 1024)
        print(f"{length:>14}: {used[-1]:.0f} MB")
    plt.rc("svg", fonttype="none")
    plt.figure(figsize=(6, 2.4), layout="constrained")
    plt.plot(LENGTHS.keys(), used, "o-")
    plt.gca().set(ylabel="memory, MB", ylim=(0, 1.3 * max(used)))
    plt.savefig(Path(__file__).parents[1] / "docs/images/video_memory.svg")


def peak(path):  # in KB; getrusage would count the parent as well
    VideoFeatures(nothing, frame_size=112, frame_rate=15).fit_transform([path])
    print(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Videos to features: speed and memory.")
    parser.add_argument("parts", nargs="*", choices=[[], "decoding", "network", "memory"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processor", action="store_true")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.peak:
        sys.exit(peak(args.peak))
    clock = (lambda: sum(os.times()[:4])) if args.processor else perf_counter
    with tempfile.TemporaryDirectory() as name:
        for part in args.parts or ["decoding", "network", "memory"]:
            globals()[part](Path(name), args.threads, clock)
