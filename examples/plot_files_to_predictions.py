"""
From feature files and class names to predictions
=================================================

The whole way of a data set of your own, without a download. The example draws pictures of shapes
with textures, such as "DottedCircle", and writes what you would have on disk:

* ``res101.mat`` with features and labels, ``att_splits.mat`` with attributes, class names and
  the rows of each part: the form of the field's data sets (xlsa17);
* ``vectors.txt`` with word vectors in the form of GloVe. (They are drawn at random here, one for
  each word. Take real ones for real words.)

From there on it does what you would do: read the files, make class vectors of the class names, fit
on the seen classes and name pictures of the others. Vectors of words, attributes, and both together
are compared.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib

matplotlib.use("Agg")  # draws into a file; no screen is needed

import matplotlib.pyplot as plt
import numpy as np
from scipy.io import savemat

from sklearn_claster import ClasterZSL
from sklearn_claster.datasets import load_xlsa17
from sklearn_claster.metrics import mean_per_class_accuracy
from sklearn_claster.text import combine_embeddings, embed_words

SIZE = 16  # pixels a side
SHAPES = ["Circle", "Square", "Triangle", "Cross", "Ring", "Frame"]
TEXTURES = ["Solid", "Dotted", "Striped", "Barred", "Chequered"]
CLASSES = [f"{texture}{shape}" for texture in TEXTURES for shape in SHAPES]
N_PER_CLASS, N_UNSEEN = 40, 8


def main():
    parser = argparse.ArgumentParser(description="From feature files to predictions.")
    parser.add_argument("--output", type=Path, default=Path("files_to_predictions.png"))
    parser.add_argument("--random-state", type=int, default=0)
    args = parser.parse_args()

    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "shapes"
        folder.mkdir()
        pictures = write_files(folder, np.random.default_rng(args.random_state))
        data = load_xlsa17(folder)
        words = embed_words(data.class_embeddings.labels, folder / "vectors.txt")

    tables = {
        "words": words,
        "attributes": data.class_embeddings,
        "both": combine_embeddings(words, data.class_embeddings),
    }
    print(data.DESCR)
    y_test = data.target[data.test_unseen]
    predicted = {}
    print("class vectors, and the mean accuracy over the unseen classes")
    for name, table in tables.items():
        zsl = ClasterZSL(random_state=args.random_state)
        zsl.fit(data.data[data.train], data.target[data.train], table)
        predicted[name] = zsl.predict(data.data[data.test_unseen])
        accuracy = mean_per_class_accuracy(y_test, predicted[name])
        print(f"{name:<12}{accuracy:.3f}")
    print(f"{'chance':<12}{1 / N_UNSEEN:.3f}")

    figure = draw(pictures[data.test_unseen], y_test, predicted["words"], args.random_state)
    figure.savefig(args.output, dpi=120)
    print(f"\npicture saved as {args.output}")


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


def draw(pictures, y_true, y_pred, random_state):
    """Test pictures drawn at random, with true and predicted names."""
    rows = np.random.default_rng(random_state).permutation(len(y_true))[:24]
    figure, grid = plt.subplots(4, 6, figsize=(13, 9.5), layout="constrained")
    for row, axes in zip(rows, grid.flat, strict=True):
        right = y_true[row] == y_pred[row]
        color = "#1a7f37" if right else "#c8102e"
        axes.imshow(pictures[row], cmap="gray_r", interpolation="nearest")
        axes.set_title(y_true[row] + ("" if right else f"\n→ {y_pred[row]}"), color=color)
        axes.set(xticks=[], yticks=[])
    figure.suptitle("Classes that were never seen, named by the vectors of their words")
    return figure


if __name__ == "__main__":
    main()
