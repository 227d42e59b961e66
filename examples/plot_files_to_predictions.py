"""
Example: from feature files and class names to predictions
==========================================================

The whole way of a data set of your own, without a download. First the example writes what you would
have on disk; then it reads the files, makes class vectors of the class names, fits on the seen
classes and names pictures of the others.
"""

# %%
# The files
# ---------
# Pictures of shapes with textures, such as "DottedCircle", become
#
# * ``res101.mat`` with features and labels, ``att_splits.mat`` with attributes, class names and the
#   samples of each part: the form of xlsa17;
# * ``vectors.txt`` with word vectors in the form of GloVe. They are drawn at random here, one for
#   each word. Take real ones for real words.

from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from scipy.io import savemat

from sklearn_claster import ClasterZSL
from sklearn_claster.datasets import load_xlsa17
from sklearn_claster.metrics import mean_per_class_accuracy
from sklearn_claster.text import combine_embeddings, embed_words

SIZE = 16  # pixels per side
SHAPES = ["Circle", "Square", "Triangle", "Cross", "Ring", "Frame"]
TEXTURES = ["Solid", "Dotted", "Striped", "Barred", "Chequered"]
CLASSES = [f"{texture}{shape}" for texture in TEXTURES for shape in SHAPES]
N_PER_CLASS, N_UNSEEN = 40, 8


def write_files(folder, rng):
    """What you would have on disk; MATLAB counts rows and classes from 1."""
    labels = rng.permutation(np.repeat(np.arange(len(CLASSES)), N_PER_CLASS))
    pictures = np.array([picture(label, rng) for label in labels])
    is_unseen = np.zeros(len(CLASSES), dtype=bool)
    is_unseen[draw_unseen(rng)] = True
    unseen_rows = is_unseen[labels]
    test_seen = ~unseen_rows & (rng.random(len(labels)) < 0.2)

    savemat(
        folder / "res101.mat", {"features": features(pictures).T, "labels": labels[:, None] + 1}
    )
    texture, shape = np.divmod(np.arange(len(CLASSES)), len(SHAPES))
    attributes = np.hstack([np.eye(len(TEXTURES))[texture], np.eye(len(SHAPES))[shape]])
    savemat(
        folder / "att_splits.mat",
        {
            "att": attributes.T / np.sqrt(2),
            "allclasses_names": np.array([[name] for name in CLASSES], dtype=object),
            "trainval_loc": np.flatnonzero(~unseen_rows & ~test_seen)[:, None] + 1,
            "test_seen_loc": np.flatnonzero(test_seen)[:, None] + 1,
            "test_unseen_loc": np.flatnonzero(unseen_rows)[:, None] + 1,
        },
    )
    lines = [
        " ".join([word.lower(), *(f"{value:.4f}" for value in rng.standard_normal(25))])
        for word in [*SHAPES, *TEXTURES, "unrelated", "other"]
    ]
    (folder / "vectors.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return pictures


def draw_unseen(rng):
    """Unseen classes that leave each shape and each texture among the seen."""
    while True:
        unseen = rng.permutation(len(CLASSES))[:N_UNSEEN]
        seen = np.setdiff1d(np.arange(len(CLASSES)), unseen)
        if len(set(seen // len(SHAPES))) == len(TEXTURES) and len(set(seen % len(SHAPES))) == 6:
            return unseen


def picture(label, rng):
    """One shape with one texture, its place, size and noise drawn at random."""
    texture, shape = TEXTURES[label // len(SHAPES)], SHAPES[label % len(SHAPES)]
    center = (SIZE - 1) / 2 + rng.uniform(-1, 1, 2)
    down, right = np.indices((SIZE, SIZE)) - center[:, None, None]
    radius = rng.uniform(5.5, 7.0)
    far, near = np.maximum(abs(down), abs(right)), np.minimum(abs(down), abs(right))
    distance = np.hypot(down, right)
    inside = {
        "Circle": distance < radius,
        "Square": far < radius - 1,
        "Triangle": (abs(right) < (down + radius) / 2) & (down < radius - 1),
        "Cross": (near < radius / 3) & (far < radius),
        "Ring": (distance < radius) & (distance > radius / 2),
        "Frame": (far < radius - 1) & (far > radius / 2 - 1),
    }[shape]
    row, column = np.indices((SIZE, SIZE)) + rng.integers(0, 4, 2)[:, None, None]
    ink = {
        "Solid": np.ones((SIZE, SIZE)),
        "Dotted": (row % 2 == 0) & (column % 2 == 0),
        "Striped": column % 2 == 0,
        "Barred": row % 2 == 0,
        "Chequered": (row // 2 + column // 2) % 2 == 0,
    }[texture]
    return inside * ink + 0.15 * rng.standard_normal((SIZE, SIZE))


def features(pictures):
    """A stand-in for a network: where the ink is, and which frequencies it has."""
    coarse = pictures.reshape(-1, SIZE // 2, 2, SIZE // 2, 2).mean(axis=(2, 4))
    spectrum = np.log1p(abs(np.fft.rfft2(pictures)))
    parts = [part.reshape(len(pictures), -1) for part in (coarse, spectrum)]
    return np.hstack([(part - part.mean(axis=0)) / part.std() for part in parts])


temporary = TemporaryDirectory()
folder = Path(temporary.name) / "shapes"
folder.mkdir()
pictures = write_files(folder, np.random.default_rng(0))
print(*sorted(path.name for path in folder.iterdir()), sep="\n")

# %%
# Read them
# ---------

data = load_xlsa17(folder)
print(data.DESCR)

# %%
# Class vectors
# -------------
# From the words of the class names, from attributes, and both side by side.

words = embed_words(data.class_embeddings.labels, folder / "vectors.txt")
temporary.cleanup()  # all is read
attributes = data.class_embeddings
tables = {
    "words": words,
    "attributes": attributes,
    "both": combine_embeddings(words, attributes),
}

# %%
# Predictions
# -----------
# Mean accuracy over the unseen classes.

y_test = data.target[data.test_unseen]
predicted = {}
for name, table in tables.items():
    zsl = ClasterZSL(random_state=0).fit(data.data[data.train], data.target[data.train], table)
    predicted[name] = zsl.predict(data.data[data.test_unseen])
    print(f"{name:<12}{mean_per_class_accuracy(y_test, predicted[name]):.3f}")
print(f"{'chance':<12}{1 / N_UNSEEN:.3f}")

# %%
# Pictures of classes that were never seen, drawn at random, named by the vectors of their words.

shown = np.random.default_rng(0).permutation(len(y_test))[:24]
figure, grid = plt.subplots(4, 6, figsize=(13, 9.5), layout="constrained")
for at, axes in zip(shown, grid.flat, strict=True):
    truth, name = y_test[at], predicted["words"][at]
    axes.imshow(pictures[data.test_unseen][at], cmap="gray_r")
    axes.set_title(name + ("" if name == truth else f"\nnot {truth}"))
    axes.title.set_color("#1a7f37" if name == truth else "#c8102e")
    axes.set(xticks=[], yticks=[])
figure.savefig("files_to_predictions.png", dpi=120)
