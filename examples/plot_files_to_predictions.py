"""
Example: from feature files and class names to predictions
==========================================================

From your own data to names of unseen classes, without a download. The example first writes what you
would have on disk. Then it reads the files, makes class vectors of the class names, fits on the
seen classes and names pictures of the others.
"""

# %%
# The files
# ---------
# Pictures of shapes with textures, such as "DottedRing", become
#
# * ``res101.mat`` with features and labels, ``att_splits.mat`` with attributes, class names and the
#   samples of each part: the form of xlsa17;
# * ``vectors.txt`` with word vectors in the form of GloVe. They are drawn at random here, one for
#   each word. Take real ones for real words.
#
# Nine classes are unseen. Their shapes and textures occur in others.

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
down, right = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
far, distance = np.maximum(abs(down), abs(right)), np.hypot(down, right)
SHAPES = {
    "Disc": distance < 6.5,
    "Square": far < 6,
    "Cross": np.minimum(abs(down), abs(right)) < 2.5,
    "Ring": (distance < 7.5) & (distance > 3.5),
    "Frame": (far < 7) & (far > 3),
}
row, column = np.indices((SIZE, SIZE))
TEXTURES = {
    "Solid": np.ones((SIZE, SIZE)),
    "Dotted": (row % 2 == 0) & (column % 2 == 0),
    "Striped": column % 2 == 0,
    "Barred": row % 2 == 0,
    "Chequered": (row // 2 + column // 2) % 2 == 0,
}
CLASSES = [texture + shape for texture in TEXTURES for shape in SHAPES]
N_PER_CLASS = 20
UNSEEN = np.flatnonzero(np.eye(5) + np.eye(5)[::-1])  # the table's diagonals


def draw(label, rng):
    """A shape with a texture and noise, moved by up to two pixels."""
    shape, texture = (list(parts.values()) for parts in (SHAPES, TEXTURES))
    moved = np.roll(texture[label // 5], rng.integers(0, 4, 2), axis=(0, 1))
    ink = shape[label % 5] * moved
    ink = np.roll(ink, rng.integers(-2, 3, 2), axis=(0, 1))
    return ink + 0.3 * rng.standard_normal((SIZE, SIZE))


def features(pictures):
    """A stand-in for a network: where the ink is, and which frequencies it has."""
    coarse = pictures.reshape(-1, SIZE // 2, 2, SIZE // 2, 2).mean(axis=(2, 4))
    spectrum = np.log1p(abs(np.fft.rfft2(pictures)))
    parts = [part.reshape(len(pictures), -1) for part in (coarse, spectrum)]
    return np.hstack([(part - part.mean(axis=0)) / part.std() for part in parts])


def write_files(folder, rng):
    """What you would have on disk; MATLAB counts samples and classes from 1."""
    labels = rng.permutation(np.repeat(np.arange(len(CLASSES)), N_PER_CLASS))
    pictures = np.array([draw(label, rng) for label in labels])
    table = {"features": features(pictures).T, "labels": labels[:, None] + 1}
    savemat(folder / "res101.mat", table)

    unseen, aside = np.isin(labels, UNSEEN), rng.random(len(labels)) < 0.2
    parts = {
        "trainval_loc": ~unseen & ~aside,
        "test_seen_loc": ~unseen & aside,
        "test_unseen_loc": unseen,
    }
    split = {name: np.flatnonzero(part)[:, None] + 1 for name, part in parts.items()}
    texture, shape = np.divmod(np.arange(len(CLASSES)), len(SHAPES))
    split["att"] = np.vstack([np.eye(5)[:, texture], np.eye(5)[:, shape]]) / np.sqrt(2)
    split["allclasses_names"] = np.array([[name] for name in CLASSES], dtype=object)
    savemat(folder / "att_splits.mat", split)

    words = [word.lower() for word in (*SHAPES, *TEXTURES, "unrelated", "other")]
    number = "{:.4f}".format
    lines = [" ".join([word, *map(number, rng.standard_normal(25))]) for word in words]
    (folder / "vectors.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return pictures


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

X, y = data.data[data.train], data.target[data.train]
y_test = data.target[data.test_unseen]
predicted = {}
for name, table in tables.items():
    zsl = ClasterZSL(random_state=0).fit(X, y, table)
    predicted[name] = zsl.predict(data.data[data.test_unseen])
    print(f"{name:<12}{mean_per_class_accuracy(y_test, predicted[name]):.3f}")
print(f"{'chance':<12}{1 / len(UNSEEN):.3f}")

# %%
# Pictures of classes that were never seen, drawn at random, named by the vectors of their words.

shown = np.random.default_rng(0).permutation(len(y_test))[:8]
figure, grid = plt.subplots(2, 4, figsize=(9.6, 5.3), layout="constrained")
for at, axes in zip(shown, grid.flat, strict=True):
    truth, name = y_test[at], predicted["words"][at]
    axes.imshow(pictures[data.test_unseen][at], cmap="gray_r")
    axes.set_title(name + ("" if name == truth else f"\nnot {truth}"), fontsize=15)
    axes.title.set_color("#1a7f37" if name == truth else "#c8102e")
    axes.set(xticks=[], yticks=[])
figure.savefig("files_to_predictions.png", dpi=120)
