"""Synthetic zero-shot data whose difficulty is known."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_argmin
from sklearn.utils import Bunch, check_random_state

from .._class_embeddings import ClassEmbeddings
from .._utils.parameters import check_value

_DESCR = """\
Synthetic data for zero-shot classification
-------------------------------------------

:Samples: {n_samples}, in random order; {n_wrong} samples of seen classes have a wrong label
:Features: {n_features}
:Classes: {n_seen} seen, {n_unseen} unseen
:Class vectors: {n_embedding_features} features, standard normal

A hidden {kind} map turns the vector of each class into the prototype of the class. A sample is the
prototype of its class plus isotropic Gaussian noise of standard deviation {noise:g} per feature.
The prototypes lie {class_sep:g} apart (root mean square over all pairs of classes).

With this noise and classes of equal size, the best possible rule names the class of the nearest
true prototype. With the unseen classes as candidates it is right for {zsl:.1%} of their samples.
"""


def make_zero_shot_classification(
    n_samples: int = 1000,
    n_features: int = 64,
    *,
    n_seen: int = 20,
    n_unseen: int = 5,
    n_embedding_features: int = 16,
    class_sep: float = 6.0,
    noise: float = 1.0,
    nonlinear: bool = False,
    label_noise: float = 0.0,
    random_state: int | RandomState | None = None,
) -> Bunch:
    """Generate a zero-shot classification problem of known difficulty.

    Each class has a random class vector. A hidden map, the same for seen and unseen
    classes, turns it into the prototype of the class. A sample is a prototype plus
    Gaussian noise. A zero-shot learner has to find the map. The result also holds
    the accuracy that it could reach at best.

    Parameters
    ----------
    n_samples : int, default=1000
        The number of samples of seen and unseen classes together. The sizes of the
        classes differ by one at most.
    n_features : int, default=64
        The number of features of a sample.
    n_seen : int, default=20
        The number of seen classes, at least 2.
    n_unseen : int, default=5
        The number of unseen classes, at least 1.
    n_embedding_features : int, default=16
        The number of features of a class vector. Fewer seen classes than this do not
        even determine a linear map.
    class_sep : float, default=6.0
        The distance between two prototypes, root mean square over all pairs of
        classes. With 0 all classes have the same prototype, and nothing can be
        learned.
    noise : float, default=1.0
        The standard deviation of the noise in each feature. Only the ratio
        ``class_sep / noise`` makes a problem easy or hard: two classes at
        distance d are confused with the probability ``norm.sf(d / (2 * noise))``.
    nonlinear : bool, default=False
        Whether the hidden map is a random network with one hidden layer of
        `n_features` steep tanh units (`tanh(2 u)`, u standard normal) instead of
        a random linear map.
    label_noise : float, default=0.0
        The share of the samples of *seen* classes that get a wrong label, drawn from
        the other seen classes: exactly ``round(label_noise * n_seen_samples)``
        samples. Each seen class keeps at least one correct sample. Samples of unseen
        classes always have the right label.
    random_state : int, RandomState instance or None, default=None
        Draws everything. The same integer always gives the same data and leaves
        NumPy's global generator alone; None draws from that generator. With the same
        integer, `class_sep`, `noise` and `label_noise` each change only what they
        name.

    Returns
    -------
    Bunch
        A dictionary with attribute access:

        data : ndarray of shape (n_samples, n_features), float64
            The samples, in random order.
        target : ndarray of shape (n_samples,), str
            The labels, "class_0", "class_1", ... (padded with zeros), with wrong
            labels if `label_noise` is above 0.
        class_embeddings : ClassEmbeddings
            The vectors of all classes, `n_embedding_features` features each.
        seen_classes : ndarray of shape (n_seen,), str
            The labels of the seen classes, sorted.
        unseen_classes : ndarray of shape (n_unseen,), str
            The labels of the unseen classes, sorted.
        prototypes : ndarray of shape (n_seen + n_unseen, n_features), float64
            The true class centres, in the order of ``class_embeddings.labels``.
        clean_target : ndarray of shape (n_samples,), str
            The true classes of the samples.
        bayes_accuracy : dict of str to float
            The accuracy of the best rule, the nearest true prototype, on these
            samples against `clean_target`: "zsl" of samples of unseen classes with
            these as candidates, "seen" of samples of seen classes with these as
            candidates, "gzsl" of all samples with all classes as candidates.
        DESCR : str
            A description of the data set.

    Raises
    ------
    TypeError
        If a count is no integer, a quantity no real number or `nonlinear` no bool.
    ValueError
        If a parameter is out of its range, if there are fewer samples than classes,
        if `label_noise` would leave a seen class without a correct sample, or if
        `random_state` is no seed.

    See Also
    --------
    load_digit_pairs : Real data, made of handwritten digits.

    Notes
    -----
    For isotropic noise and equally frequent classes the nearest true prototype is
    the Bayes rule: no classifier has a higher *expected* accuracy, though on
    finitely many samples one may exceed it by chance. This rule knows the hidden map.
    A zero-shot learner has to estimate the map from `n_seen` classes, so that even
    the best learner can stay well below. The gap shrinks as `n_seen` grows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_claster.datasets import make_zero_shot_classification
    >>> problem = make_zero_shot_classification(n_samples=500, random_state=0)
    >>> problem.data.shape, problem.class_embeddings
    ((500, 64), ClassEmbeddings(25 classes, 16 features))
    >>> seen = np.isin(problem.target, problem.seen_classes)
    >>> problem.data[seen].shape, problem.data[~seen].shape
    ((400, 64), (100, 64))
    >>> 0.9 < problem.bayes_accuracy["zsl"] <= 1.0
    True
    """
    check_value(n_seen, "n_seen", Integral, 2, cure="A classifier needs two classes at least.")
    check_value(n_unseen, "n_unseen", Integral, 1)
    n_classes = n_seen + n_unseen
    each = f"Each of the {n_classes} classes needs a sample: raise n_samples, or lower n_unseen."
    check_value(n_samples, "n_samples", Integral, n_classes, cure=each)
    check_value(n_features, "n_features", Integral, 1)
    check_value(n_embedding_features, "n_embedding_features", Integral, 1)
    check_value(class_sep, "class_sep", Real, 0, cure="It is a distance; 6 * noise is easy.")
    check_value(noise, "noise", Real, 0, cure="It is a standard deviation; 0 is no noise.")
    check_value(
        label_noise, "label_noise", Real, 0, 1, cure="It is a share of samples: 0.3 is 30 %."
    )
    if not isinstance(nonlinear, (bool, np.bool_)):
        raise TypeError(
            f"nonlinear has to be True or False; got {nonlinear!r}. Pass True for a hidden tanh "
            "network, False for a linear map."
        )
    rng = check_random_state(random_state)

    labels = np.array([f"class_{i:0{len(str(n_classes - 1))}d}" for i in range(n_classes)])
    is_unseen = np.zeros(n_classes, dtype=bool)
    is_unseen[rng.permutation(n_classes)[:n_unseen]] = True
    vectors = rng.standard_normal((n_classes, n_embedding_features))
    prototypes = _draw_prototypes(vectors, n_features, bool(nonlinear), rng) * class_sep
    truth = rng.permutation(np.arange(n_samples) % n_classes)
    data = prototypes[truth] + noise * rng.standard_normal((n_samples, n_features))
    observed = _flip_labels(truth, np.flatnonzero(~is_unseen), label_noise, rng)

    seen_rows = ~is_unseen[truth]
    everything = np.ones(n_samples, dtype=bool), np.ones(n_classes, dtype=bool)
    spaces = {"zsl": (~seen_rows, is_unseen), "seen": (seen_rows, ~is_unseen), "gzsl": everything}
    bayes_accuracy = {}
    for space, (rows, candidates) in spaces.items():
        nearest = pairwise_distances_argmin(data[rows], prototypes[candidates])
        hits = np.flatnonzero(candidates)[nearest] == truth[rows]
        bayes_accuracy[space] = float(hits.mean())

    return Bunch(
        data=data,
        target=labels[observed],
        class_embeddings=ClassEmbeddings(labels, vectors),
        seen_classes=labels[~is_unseen],
        unseen_classes=labels[is_unseen],
        prototypes=prototypes,
        clean_target=labels[truth],
        bayes_accuracy=bayes_accuracy,
        DESCR=_DESCR.format(
            n_samples=n_samples,
            n_wrong=int(np.sum(observed != truth)),
            n_features=n_features,
            n_seen=n_seen,
            n_unseen=n_unseen,
            n_embedding_features=n_embedding_features,
            kind="nonlinear" if nonlinear else "linear",
            noise=noise,
            class_sep=class_sep,
            zsl=bayes_accuracy["zsl"],
        ),
    )


def _draw_prototypes(
    vectors: NDArray[np.float64], n_features: int, nonlinear: bool, rng: RandomState
) -> NDArray[np.float64]:
    """Send the class vectors through a random map, to a mean squared distance of 1."""
    hidden = vectors
    if nonlinear:
        inner = rng.standard_normal((vectors.shape[1], n_features)) / math.sqrt(vectors.shape[1])
        hidden = np.tanh(2.0 * vectors @ inner)
    points = hidden @ rng.standard_normal((hidden.shape[1], n_features))
    points -= points.mean(axis=0)
    # over all pairs, the mean squared distance is 2 / (C - 1) times the sum of squares
    scaled: NDArray[np.float64] = points / np.sqrt(2.0 * np.sum(points**2) / (len(points) - 1))
    return scaled


def _flip_labels(
    truth: NDArray[np.intp], seen: NDArray[np.intp], label_noise: float, rng: RandomState
) -> NDArray[np.intp]:
    """Give an exact share of the samples of seen classes another seen class.

    One sample per class keeps its label.
    """
    rows = np.flatnonzero(np.isin(truth, seen))
    n_wrong = round(label_noise * len(rows))
    first_rows = rows[np.unique(truth[rows], return_index=True)[1]]
    free = np.setdiff1d(rows, first_rows)
    if n_wrong > len(free):
        raise ValueError(
            f"label_noise has to leave each seen class one correct sample: at most {len(free)} of "
            f"{len(rows)} samples of seen classes can be wrong; got label_noise={label_noise!r}, "
            f"which is {n_wrong} samples. Lower label_noise or raise n_samples."
        )
    wrong = rng.permutation(free)[:n_wrong]
    places = np.searchsorted(seen, truth[wrong])
    steps = rng.randint(1, len(seen), size=n_wrong)  # never 0, never once round
    observed = truth.copy()
    observed[wrong] = seen[(places + steps) % len(seen)]
    return observed
