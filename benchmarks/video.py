"""Videos to features: decoding beside ffmpeg, a network beside a loop by hand, memory.

python benchmarks/video.py           all of it: what docs/videos.md quotes and shows
python benchmarks/video.py decoding  a part of it
"""

import argparse
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter

import av
import numpy as np
import torch
from peak import held_bytes, in_own_process, in_turns

from sklearn_claster.video import VideoFeatures

KINDS = {  # codec, suffix, height, width, frames per second
    "MPEG-4 320 x 240": ("mpeg4", "avi", 240, 320, 25),  # like UCF101
    "H.264 640 x 360": ("libx264", "mp4", 360, 640, 30),
    "H.264 1280 x 720": ("libx264", "mp4", 720, 1280, 30),
    "VP8 640 x 360": ("libvpx", "webm", 360, 640, 30),
}
SAMPLINGS = {"5 clips of 16": {"frame_rate": 15}, "every frame": {"n_clips": 19}}
LENGTHS = {"10 s": 10, "1 min": 60, "10 min": 600, "1 h of video": 3600}
THREADS = 2
FFMPEG = ["ffmpeg", "-v", "error", "-threads", str(THREADS)]


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


def by_ffmpeg(paths):
    for path in paths:
        subprocess.run([*FFMPEG, "-i", path, "-f", "null", "-"], check=True)


def decoding(folder):
    print(f"{'seconds of video per second':<26}{'ffmpeg':>8}", *(f"{s:>22}" for s in SAMPLINGS))
    for kind in KINDS:
        paths = 2 * THREADS * [write(folder / kind, kind)]
        calls = [partial(by_ffmpeg, paths)]
        for options in SAMPLINGS.values():
            features = VideoFeatures(nothing, frame_size=112, n_jobs=THREADS, **options)
            calls.append(partial(features.fit().transform, paths))
        ffmpeg, *own = 10 * len(paths) / in_turns(perf_counter, *calls).min(axis=1)
        print(f"{kind:<26}{ffmpeg:>8.0f}", *(f"{x:>12.0f} = {x / ffmpeg:>5.2f} x" for x in own))


def network(folder):
    paths = [write(folder / f"{i}", "H.264 640 x 360") for i in range(4)]
    features = VideoFeatures("r3d_18", weights=None, random_state=0, n_jobs=THREADS).fit()
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

    taken = in_turns(perf_counter, by_hand, partial(features.transform, paths))
    hand, own = taken.min(axis=1)
    print(f"r3d_18, 4 videos: by hand {hand:.1f} s, VideoFeatures {own:.1f} s: {hand / own:.2f} x")


def memory(folder):
    import matplotlib.pyplot as plt

    short, used = write(folder / "short", "H.264 640 x 360"), []
    for length, seconds in LENGTHS.items():
        path = f"{folder}/{seconds}.mp4"
        again = ["-stream_loop", str(seconds // 10 - 1), "-i", short, "-c", "copy", path]
        subprocess.run([*FFMPEG, *again], check=True)
        used.append(in_own_process(peak, path) / 2**20)
        print(f"{length:>14}: {used[-1]:.0f} MB")
    plt.rc("svg", fonttype="none")
    plt.figure(figsize=(6, 2.4), layout="constrained")
    plt.plot(LENGTHS.keys(), used, "o-")
    plt.gca().set(ylabel="memory, MB", ylim=(0, 1.3 * max(used)))
    plt.savefig(Path(__file__).parents[1] / "docs/images/video_memory.svg")


def peak(path):  # getrusage would count the process that starts this one as well
    torch.set_num_threads(THREADS)
    VideoFeatures(nothing, frame_size=112, frame_rate=15).fit_transform([path])
    return held_bytes("VmHWM")


if __name__ == "__main__":
    parts = ["decoding", "network", "memory"]
    parser = argparse.ArgumentParser(description="Videos to features: speed and memory.")
    parser.add_argument("parts", nargs="*", choices=[[], *parts])
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory() as name:
        for part in args.parts or parts:
            globals()[part](Path(name))
