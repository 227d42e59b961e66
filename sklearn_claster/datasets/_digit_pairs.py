"""Pairs of handwritten digits: a real zero-shot data set that needs no download."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.utils import Bunch, check_random_state

from .._class_embeddings import ClassEmbeddings
from .._utils.parameters import check_value

_N_DIGITS = 10
_N_CLASSES = _N_DIGITS**2

_DESCR = """\
Handwritten digit pairs, a data set for zero-shot classification
----------------------------------------------------------------

:Samples: {n_rows} ({n_per_class} for each of 100 classes), in random order
:Features: 128, the pixels of an 8 x 16 image row by row, whole numbers from 0 (paper) to 16 (ink)
:Classes: 100, labelled "00" to "99"; {n_seen} seen, {n_unseen} unseen
:Class vectors: 20 features, one-hot left digit followed by one-hot right digit

Each sample is two 8 x 8 images of handwritten digits side by side. Its label is the left digit
followed by the right digit. A classifier that has learned from some pairs what a digit looks like
on each side can name unseen pairs, because the class vector says which digits to look for.

Nothing leaks from the seen to the unseen classes: the images of each digit are split at random
into two halves, one for the seen classes and one for the unseen, so that no image occurs in both.
Every digit occurs on the left and on the right among the seen classes. Within a half, images are
used more than once (in other classes, on either side, with other partners), but no sample of a
class occurs twice. Cross-validation *among the seen classes* therefore tests on familiar images and
is optimistic. Accuracy on the unseen classes is not affected. Scikit-learn does not know who wrote
the images: the same person may have written images of both halves.

The images are those of sklearn.datasets.load_digits, which come with scikit-learn: the test part
of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, 1998, UCI Machine
Learning Repository, https://doi.org/10.24432/C50P49).
"""


def load_digit_pairs(
    *,
    n_unseen: int = 30,
    n_samples_per_class: int = 30,
    random_state: int | RandomState | None = 0,
) -> Bunch:
    """Make a real zero-shot data set of 100 classes: pairs of handwritten digits.

    A sample shows two images of :func:`sklearn.datasets.load_digits` side by side.
    Its class is the pair of digits, "00" to "99", and the class vector says which
    digit is on the left and which is on the right. Samples of seen and unseen classes
    are made from disjoint sets of digit images, so that nothing leaks. The function
    downloads nothing.

    Parameters
    ----------
    n_unseen : int, default=30
        The number of unseen classes, from 1 to 90. The other classes are seen;
        among them every digit occurs on the left and on the right.
    n_samples_per_class : int, default=30
        The number of samples per class; there are 100 classes. From 1 to 7569, the
        number of different pairs that the images of the rarest digit can form.
    random_state : int, RandomState instance or None, default=0
        Draws the two sets of images, the unseen classes, the pairs and the order
        of the samples. The same integer always gives the same data and leaves
        NumPy's global generator alone; None draws from that generator. With the same
        integer, the two sets of images do not depend on the other parameters, and
        a larger `n_unseen` adds classes to those of a smaller one.

    Returns
    -------
    Bunch
        A dictionary with attribute access:

        data : ndarray of shape (100 * n_samples_per_class, 128), float32
            The pixels row by row, from 0 to 16. The samples are in random order.
        target : ndarray of shape (100 * n_samples_per_class,), str
            The labels: the left digit, then the right digit.
        class_embeddings : ClassEmbeddings
            The class vectors of all 100 classes, 20 features each: left digit
            one-hot, then right digit one-hot.
        images : ndarray of shape (100 * n_samples_per_class, 8, 16), float32
            The same pixels as pictures.
        seen_classes : ndarray of shape (100 - n_unseen,), str
            The labels of the seen classes, sorted.
        unseen_classes : ndarray of shape (n_unseen,), str
            The labels of the unseen classes, sorted.
        source_indices : ndarray of shape (100 * n_samples_per_class, 2), int
            The left and the right image, as samples of
            :func:`sklearn.datasets.load_digits`.
        feature_names : list of str
            The 128 pixels, "pixel_<row>_<column>".
        embedding_names : list of str
            The 20 features of a class vector, "left_<digit>" and "right_<digit>".
        DESCR : str
            A description of the data set.

    Raises
    ------
    TypeError
        If `n_unseen` or `n_samples_per_class` is no integer.
    ValueError
        If `n_unseen` or `n_samples_per_class` is out of its range, or
        `random_state` is no seed.

    See Also
    --------
    make_zero_shot_classification : Synthetic data of known difficulty.

    Notes
    -----
    A random permutation of the digits chooses ten classes, the pairs (digit, permuted
    digit), that always stay seen. The unseen classes are drawn from the other 90.

    Images recur in several seen classes. Cross-validation that holds out seen classes
    therefore tests on familiar images and is optimistic: 0.94 instead of 0.92 for
    ridge regression on the class vectors (50 classes learned, 20 held out; 8 seeds).
    The unseen classes share no image with the seen.

    References
    ----------
    .. [1] E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits",
       UCI Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49,
       as included in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_claster.datasets import load_digit_pairs
    >>> pairs = load_digit_pairs()
    >>> pairs.data.shape, pairs.class_embeddings
    ((3000, 128), ClassEmbeddings(100 classes, 20 features))
    >>> seen = np.isin(pairs.target, pairs.seen_classes)
    >>> X_train, y_train = pairs.data[seen], pairs.target[seen]
    >>> X_test, y_test = pairs.data[~seen], pairs.target[~seen]
    >>> X_train.shape, X_test.shape
    ((2100, 128), (900, 128))
    """
    check_value(
        n_unseen,
        "n_unseen",
        Integral,
        1,
        _N_CLASSES - _N_DIGITS,
        cure="At least ten classes have to stay seen, so that each digit occurs on both sides.",
    )
    rng = check_random_state(random_state)
    digits = load_digits()
    pools = [
        np.array_split(rng.permutation(np.flatnonzero(digits.target == digit)), 2)
        for digit in range(_N_DIGITS)
    ]  # load_digits holds no image twice, so disjoint rows are disjoint images
    check_value(
        n_samples_per_class,
        "n_samples_per_class",
        Integral,
        1,
        min(len(pool) for halves in pools for pool in halves) ** 2,
        cure="No sample of a class occurs twice, and the images of two digits form only so many "
        "different pairs.",
    )
    is_unseen = _draw_unseen(n_unseen, rng)

    sources = []
    for code, half in enumerate(is_unseen.astype(int)):
        left, right = (pools[digit][half] for digit in divmod(code, _N_DIGITS))
        pairs = rng.choice(len(left) * len(right), size=n_samples_per_class, replace=False)
        sources.append(np.column_stack([left[pairs // len(right)], right[pairs % len(right)]]))
    order = rng.permutation(_N_CLASSES * n_samples_per_class)
    source_indices = np.concatenate(sources)[order]
    images = np.concatenate(
        [digits.images[source_indices[:, side]] for side in (0, 1)], axis=2, dtype=np.float32
    )

    labels = np.array([f"{code:02d}" for code in range(_N_CLASSES)])
    one_hot = np.eye(_N_DIGITS)
    vectors = np.hstack([np.repeat(one_hot, _N_DIGITS, axis=0), np.tile(one_hot, (_N_DIGITS, 1))])
    return Bunch(
        data=images.reshape(len(images), -1),
        target=np.repeat(labels, n_samples_per_class)[order],
        class_embeddings=ClassEmbeddings(labels, vectors),
        images=images,
        seen_classes=labels[~is_unseen],
        unseen_classes=labels[is_unseen],
        source_indices=source_indices,
        feature_names=[f"pixel_{row}_{column}" for row, column in np.ndindex(images.shape[1:])],
        embedding_names=[f"{side}_{digit}" for side in ("left", "right") for digit in range(10)],
        DESCR=_DESCR.format(
            n_rows=len(images),
            n_per_class=n_samples_per_class,
            n_seen=_N_CLASSES - n_unseen,
            n_unseen=n_unseen,
        ),
    )


def _draw_unseen(n_unseen: int, rng: RandomState) -> NDArray[np.bool_]:
    """Draw which of the 100 classes are unseen; a permutation of the digits stays seen."""
    kept = np.arange(_N_DIGITS) * _N_DIGITS + rng.permutation(_N_DIGITS)
    others = rng.permutation(np.setdiff1d(np.arange(_N_CLASSES), kept))
    is_unseen = np.zeros(_N_CLASSES, dtype=bool)
    is_unseen[others[:n_unseen]] = True
    return is_unseen
