"""
Example: naming films of moving spots
=====================================

A folder of videos and a pipeline of two steps name videos of unseen classes:
:class:`~sklearn_claster.video.VideoFeatures` turns each file into a vector, and
:class:`~sklearn_claster.ClasterZSL` learns from the seen classes.
"""

# %%
# The videos
# ----------
# The example downloads nothing. It writes its own mp4 files of coloured spots that move, with one
# folder per class, as in UCF101, HMDB51 and Kinetics.

from pathlib import Path
from tempfile import TemporaryDirectory

import av
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.pipeline import make_pipeline
from torch import nn

from sklearn_claster import ClassEmbeddings, ClasterZSL
from sklearn_claster.datasets import load_video_folder
from sklearn_claster.metrics import mean_per_class_accuracy
from sklearn_claster.video import VideoFeatures

SIZE, N_FRAMES, RATE = 32, 24, 12  # pixels per side, frames per video, frames per second
COLOURS = {
    "red": (255, 60, 60),
    "green": (60, 255, 60),
    "blue": (70, 70, 255),
    "white": (255, 255, 255),
}
MOTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0), "rest": (0, 0)}
CLASSES = [f"{colour} {motion}" for colour in COLOURS for motion in MOTIONS]
N_PER_CLASS = 12


def make_film(label, rng):
    """A coloured spot that moves, as frames (n_frames, size, size, 3) of bytes."""
    colour, motion = label.split()
    step = np.array(MOTIONS[motion]) * rng.uniform(0.5, 0.9)
    start = (SIZE - 1) / 2 - step * N_FRAMES / 2 + rng.uniform(-4, 4, 2)
    places = start + step * np.arange(N_FRAMES)[:, None]  # (n_frames, 2)
    grid = np.indices((SIZE, SIZE)).transpose(1, 2, 0)  # (size, size, 2)
    away = grid - places[:, None, None]  # (n_frames, size, size, 2)
    distance = np.linalg.norm(away, axis=-1)
    spot = np.exp(-((distance / 4) ** 2))[..., None]
    noise = 5 * rng.standard_normal((N_FRAMES, SIZE, SIZE, 1))
    frames = 25 + 0.9 * spot * np.array(COLOURS[colour]) + noise
    return np.clip(frames, 0, 255).astype(np.uint8)


def write(path, frames):
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=RATE, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, "yuv420p"
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode())


random = np.random.default_rng(0)
temporary = TemporaryDirectory()
for label in CLASSES:
    folder = Path(temporary.name) / label
    folder.mkdir()
    for number in range(N_PER_CLASS):
        write(folder / f"{number:02d}.mp4", make_film(label, random))

videos = load_video_folder(temporary.name)

# %%
# Two colours with two motions are unseen, and the two other colours with two other motions:
# neither colour nor motion alone names an unseen class.

two, others = random.permutation(list(MOTIONS))[:4].reshape(2, 2)
motions = {"red": two, "green": two, "blue": others, "white": others}
unseen = [f"{colour} {motion}" for colour in COLOURS for motion in motions[colour]]
is_unseen = np.isin(videos.target, unseen)
print(f"{len(videos.paths)} videos, {(~is_unseen).sum()} of them of seen classes")

# %%
# Class vectors
# -------------
# Attributes: which colour, which motion. For class names see :mod:`sklearn_claster.text`.

colour, motion = np.divmod(np.arange(len(CLASSES)), len(MOTIONS))
table = ClassEmbeddings(CLASSES, np.hstack([np.eye(4)[colour], np.eye(5)[motion]]))

# %%
# Two streams
# -----------
# The paper uses two streams, the frames and the optical flow between them. Their networks here are
# *stand-ins* with random weights. With real networks the step is
# ``VideoFeatures("r3d_18", flow="raft")``, or
# ``VideoFeatures(SentenceTransformer("clip-ViT-B-32"))``.


def stand_in(n_channels):
    """Two 3D convolutions with random weights."""
    network = nn.Sequential(
        nn.Conv3d(n_channels, 16, kernel_size=3, stride=(1, 2, 2), padding=1),
        nn.ReLU(),
        nn.Conv3d(16, 64, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in network.parameters():
            fan_in = max(weights[0].numel(), 2)
            weights.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
    return network


def optical_flow(first, second):
    """Motion (n, 2, h, w) between frames (n, 3, h, w), a stand-in for RAFT."""
    grey = (first + second).mean(dim=1) / 2
    down, right = torch.gradient(grey, dim=(1, 2))
    strength = -(second - first).mean(dim=1) / (down**2 + right**2 + 0.01)
    return torch.stack([strength * right, strength * down], dim=1)


# Three clips of eight frames per video, pooled to 2 x 2 as the paper pools the maps of I3D.
look = {"n_clips": 3, "clip_length": 8, "frame_size": SIZE, "pooling": "2x2", "n_jobs": 2}
flow = {"flow": optical_flow, "flow_backbone": stand_in(2)}
streams = {
    "RGB": VideoFeatures(stand_in(3), **look),
    "RGB + flow": VideoFeatures(stand_in(3), **flow, **look),
}

# %%
# Predictions
# -----------
# Mean accuracy over the unseen classes, by chance 1/8.

y_test, predicted = videos.target[is_unseen], {}
for name, features in streams.items():
    zsl = make_pipeline(features, ClasterZSL(random_state=0))
    zsl.fit(
        videos.paths[~is_unseen],
        videos.target[~is_unseen],
        clasterzsl__class_embeddings=table,
    )
    predicted[name] = zsl.predict(videos.paths[is_unseen])
    accuracy = mean_per_class_accuracy(y_test, predicted[name])
    n_features = len(features.get_feature_names_out())
    print(f"{name:<12}{n_features:>5} features{accuracy:>8.3f}")

# %%
# One video of each unseen class, green where the name from both streams is right.

figure, grid = plt.subplots(4, 2, figsize=(9.6, 4.6), layout="constrained")
for axes, label in zip(grid.flat, unseen, strict=True):
    at = random.choice(np.flatnonzero(y_test == label))
    with av.open(videos.paths[is_unseen][at]) as file:
        film = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    name = predicted["RGB + flow"][at]
    axes.imshow(np.hstack(film[:: N_FRAMES // 6]))
    axes.set_title(name + ("" if name == label else f", not {label}"), fontsize=16)
    axes.title.set_color("#1a7f37" if name == label else "#c8102e")
    axes.axis("off")
figure.savefig("video_features.png", dpi=120)
temporary.cleanup()
