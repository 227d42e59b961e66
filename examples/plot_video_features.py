"""
Video features in practice
==========================

`ClasterZSL` takes one vector a video. This is how videos become vectors, on small videos that are
made here; the network is a *stand-in* with random weights. What to put in its place:

=====================  ==============================================  ============================
tool                   layer                                           features a stream
=====================  ==============================================  ============================
I3D (the paper's)      Mixed_5c of the RGB and of the flow network     4096 = 1024 channels x 2 x 2
torchvision r3d_18     behind layer4, before fc                        512, averaged in space
VideoMAE               last hidden state, mean over the tokens         768 (base)
=====================  ==============================================  ============================

The steps of the paper's section 4, each a function below: cut the video into clips; run the RGB
and the flow network; average over time; pool in space; flatten; average over the clips; put the
two streams side by side.

Networks trained on Kinetics know many of the usual test classes: see
:func:`~sklearn_claster.datasets.load_truze_split`.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # draws into a file; no screen is needed

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from sklearn_claster import ClassEmbeddings, ClasterZSL
from sklearn_claster.metrics import mean_per_class_accuracy

SIZE, N_FRAMES, CLIP = 24, 24, 8  # pixels a side, frames a video, frames a clip
THINGS = {"red": (1, 0.2, 0.2), "green": (0.2, 1, 0.2), "blue": (0.2, 0.2, 1), "white": (1, 1, 1)}
MOTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0), "rest": (0, 0)}
CLASSES = [f"{thing} {motion}" for thing in THINGS for motion in MOTIONS]
N_PER_CLASS, N_UNSEEN = 12, 8


def main():
    parser = argparse.ArgumentParser(description="How videos become vectors.")
    parser.add_argument("--output", type=Path, default=Path("video_features.png"))
    parser.add_argument("--random-state", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.random_state)

    y = np.repeat(CLASSES, N_PER_CLASS)
    videos = [make_video(label, rng) for label in y]
    flows = [optical_flow(video) for video in videos]
    networks = {"RGB": stand_in(3, args.random_state), "flow": stand_in(2, args.random_state)}
    streams = {
        "RGB": np.array([video_features(video, networks["RGB"]) for video in videos]),
        "flow": np.array([video_features(flow, networks["flow"]) for flow in flows]),
    }
    # Two colours of two motions, and the two others of two other motions: neither colour nor
    # motion alone names an unseen class.
    first, second, third, fourth = rng.permutation(list(MOTIONS))[:4]
    names = list(THINGS)
    unseen = [f"{thing} {motion}" for thing in names[:2] for motion in (first, second)]
    unseen += [f"{thing} {motion}" for thing in names[2:] for motion in (third, fourth)]
    is_unseen = np.isin(y, unseen)
    scaled = [X / spread(X[~is_unseen]) for X in streams.values()]
    streams["RGB + flow"] = np.hstack(scaled)

    thing, motion = np.divmod(np.arange(len(CLASSES)), len(MOTIONS))
    vectors = np.hstack([np.eye(len(THINGS))[thing], np.eye(len(MOTIONS))[motion]])
    table = ClassEmbeddings(CLASSES, vectors)

    accuracies = {}
    print("streams, and the mean accuracy over the unseen classes")
    for name, X in streams.items():
        zsl = ClasterZSL(random_state=args.random_state).fit(X[~is_unseen], y[~is_unseen], table)
        accuracies[name] = mean_per_class_accuracy(y[is_unseen], zsl.predict(X[is_unseen]))
        print(f"{name:<12}{X.shape[1]:>5} features{accuracies[name]:>8.3f}")
    print(f"{'chance':<12}{1 / N_UNSEEN:>22.3f}")

    draw(videos[0], flows[0], y[0], accuracies).savefig(args.output, dpi=120)
    print(f"\npicture saved as {args.output}")


def make_video(label, rng):
    """A coloured spot that moves, as frames (n_frames, size, size, 3) from 0 to 1."""
    thing, motion = label.split()
    step = np.array(MOTIONS[motion]) * rng.uniform(0.4, 0.7)
    start = (SIZE - 1) / 2 - step * N_FRAMES / 2 + rng.uniform(-3, 3, 2)
    places = start + step * np.arange(N_FRAMES)[:, None]  # (n_frames, 2)
    grid = np.indices((SIZE, SIZE)).transpose(1, 2, 0)  # (size, size, 2)
    distance = np.linalg.norm(grid - places[:, None, None], axis=-1)  # (n_frames, size, size)
    spot = np.exp(-((distance / 3) ** 2))
    frames = 0.1 + spot[..., None] * np.array(THINGS[thing]) * 0.8
    return np.clip(frames + 0.02 * rng.standard_normal(frames.shape), 0, 1)


def optical_flow(video):
    """Motion across the gradient (n_frames, size, size, 2): a stand-in for TV-L1 or RAFT."""
    grey = video.mean(axis=-1)
    later, down, right = np.gradient(grey)
    strength = -later / (down**2 + right**2 + 0.01)
    return np.stack([strength * down, strength * right], axis=-1)


def stand_in(n_channels, random_state):
    """Two 3D convolutions with random weights: put your pre-trained network here."""
    generator = torch.Generator().manual_seed(random_state)
    network = nn.Sequential(
        nn.Conv3d(n_channels, 16, kernel_size=3, stride=(1, 2, 2), padding=1),
        nn.ReLU(),
        nn.Conv3d(16, 64, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
    )
    with torch.no_grad():
        for weights in network.parameters():
            fan_in = max(weights[0].numel(), 2)
            weights.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
    return network.eval()


def video_features(frames, network):
    """One vector a video, from frames (n_frames, height, width, channels)."""
    starts = range(0, len(frames) - CLIP + 1, CLIP)  # clips side by side, the rest left out
    clips = np.stack([frames[start : start + CLIP] for start in starts])
    batch = torch.tensor(clips, dtype=torch.float32).permute(0, 4, 1, 2, 3)  # (clips, C, T, H, W)
    with torch.inference_mode():
        maps = network(batch)  # (clips, channels, time, height, width)
        maps = maps.mean(dim=2)  # over time
        pooled = nn.functional.adaptive_avg_pool2d(maps, 2)  # in space: the paper's 1024 x 2 x 2
        flat = pooled.flatten(start_dim=1)  # (clips, features)
        return flat.mean(dim=0).numpy()  # over the clips


def spread(features):
    """The magnitude of a stream, of seen rows alone: divided by it, no stream drowns the other."""
    return np.sqrt(np.mean((features - features.mean(axis=0)) ** 2))


def draw(video, flow, label, accuracies):
    """Frames and flow of one video, and the accuracy of each stream."""
    figure = plt.figure(figsize=(12, 4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[2, 1])
    times = np.linspace(1, N_FRAMES - 2, 5).astype(int)
    grid = left.subplots(2, len(times))
    for column, time in enumerate(times):
        grid[0, column].imshow(video[time])
        grid[0, column].set_title(f"frame {time}")
        grid[1, column].imshow(video[time].mean(axis=-1), cmap="gray", vmin=0, vmax=1)
        rows = np.arange(1, SIZE, 2)
        down, across = flow[time][np.ix_(rows, rows)].transpose(2, 0, 1)
        grid[1, column].quiver(rows, rows, across, -down, color="#e08214", scale=3, width=0.015)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    left.suptitle(f'One video of the class "{label}": RGB above, flow below')
    axes = right.subplots()
    bars = axes.bar(list(accuracies), list(accuracies.values()), color="#1f6fb4")
    axes.bar_label(bars, fmt="%.2f")
    axes.axhline(1 / N_UNSEEN, color="0.4", linestyle="--", label="chance")
    axes.set(ylim=(0, 1.2), ylabel="mean accuracy by unseen class")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    main()
