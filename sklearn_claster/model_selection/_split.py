"""Folds that hold out whole classes."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_consistent_length, check_random_state

from .._utils.labels import check_labels
from .._utils.parameters import is_number
from .._utils.warning import warn
from ._groups import TELL_APART, GroupChoice, group_codes

TrainTest = tuple[NDArray[np.intp], NDArray[np.intp]]


class _ClassSplitter(BaseCrossValidator):
    """What splitters over classes share; a subclass says which classes it holds out."""

    __metadata_request__split = {"groups": True}  # where metadata is routed
    shuffle = True
    _cure: str

    def __init__(
        self,
        n_splits: int,
        min_splits: int,
        seen_fraction: float,
        random_state: int | np.random.RandomState | None,
    ) -> None:
        if not is_number(n_splits, Integral) or n_splits < min_splits:
            raise ValueError(
                f"n_splits has to be a whole number of at least {min_splits}; got {n_splits!r}."
            )
        if not is_number(seen_fraction, Real) or not 0 <= seen_fraction < 1:
            raise ValueError(
                "seen_fraction has to be at least 0 and below 1, for example 0.2 to test on a "
                f"fifth of the samples of each seen class; got {seen_fraction!r}."
            )
        self.n_splits = n_splits
        self.seen_fraction = seen_fraction
        self.random_state = random_state

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Iterator[TrainTest]:
        """Generate the training samples and the test samples of each fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The data, of which only the number of samples matters.
        y : array-like of shape (n_samples,)
            The class labels.
        groups : array-like of shape (n_samples,), default=None
            Which samples belong together: clips of one video, windows of one recording, samples
            of one subject. A group lies in the training set or in the test set, never in both.
            None: samples are independent.

        Yields
        ------
        train : ndarray of shape (n_train,)
            The training samples of the fold, ascending.
        test : ndarray of shape (n_test,)
            The test samples of the fold, ascending.

        Raises
        ------
        ValueError
            If y is missing, is continuous or differs from X in length; if it has
            too few classes to hold out some and train on two others; if
            ``seen_fraction > 0`` but every training class has a single sample, or a single group;
            or if groups cannot be kept apart without losing a class.

        Warns
        -----
        UserWarning
            If samples lie in neither set, because their group holds training and held-out classes.
        """
        name = type(self).__name__
        if y is None:
            raise ValueError(
                f"{name} splits by class and needs y; got None. Pass the class labels, as in "
                "split(X, y)."
            )
        labels = check_labels(y, "y")
        check_consistent_length(X, labels, groups)
        classes, codes = np.unique(labels, return_inverse=True)
        # All classes are drawn before any sample: seen_fraction does not change which are held out.
        rng = check_random_state(self.random_state)
        held_out = self._held_out(len(classes), rng)
        n_unseen = max(map(len, held_out))
        if min(map(len, held_out)) < 1 or len(classes) - n_unseen < 2:
            raise ValueError(
                f"{self} needs folds with at least one held-out class and two training classes; "
                f"y has {len(classes)} class(es), and a fold would hold out {n_unseen}. "
                f"{self._cure}, or use data with more classes."
            )
        if groups is None:
            return self._folds(codes, held_out, rng)
        together = group_codes(groups)
        choose = GroupChoice(together, codes, classes)
        return self._grouped_folds(codes, together, choose, held_out, rng)

    @abstractmethod
    def _held_out(self, n_classes: int, rng: np.random.RandomState) -> list[NDArray[np.intp]]:
        """Return the classes that each fold holds out, as positions among the sorted classes."""

    def _folds(
        self,
        codes: NDArray[np.intp],
        held_out: list[NDArray[np.intp]],
        rng: np.random.RandomState,
    ) -> Iterator[TrainTest]:
        counts = np.bincount(codes)  # (n_classes,)
        n_moved = np.zeros_like(counts)
        if self.seen_fraction > 0:  # at least one sample of a class on either side, if it has two
            share = np.rint(self.seen_fraction * counts).astype(counts.dtype)
            n_moved = np.clip(share, np.minimum(1, counts - 1), counts - 1)
        for unseen in held_out:
            n_test = n_moved.copy()
            n_test[unseen] = 0
            if self.seen_fraction > 0 and not n_test.any():
                raise ValueError(
                    f"seen_fraction={self.seen_fraction} needs a training class with at least two "
                    "samples, one to train and one to test on; all have a single sample. Set "
                    "seen_fraction=0.0."
                )
            n_test[unseen] = counts[unseen]
            rows = rng.permutation(len(codes)) if self.shuffle else np.arange(len(codes))
            rows = rows[np.argsort(codes[rows], kind="stable")]  # class by class
            from_end = np.repeat(np.cumsum(counts), counts) - np.arange(len(codes))  # 1 = last
            is_test = np.zeros(len(codes), dtype=bool)
            is_test[rows] = from_end <= np.repeat(n_test, counts)
            yield np.flatnonzero(~is_test), np.flatnonzero(is_test)

    def _grouped_folds(
        self,
        codes: NDArray[np.intp],
        groups: NDArray[np.intp],
        choose: GroupChoice,
        held_out: list[NDArray[np.intp]],
        rng: np.random.RandomState,
    ) -> Iterator[TrainTest]:
        warned = False
        for classes in held_out:
            unseen = np.isin(np.arange(codes.max() + 1), classes)
            n_groups = groups.max() + 1
            order = rng.permutation(n_groups) if self.shuffle else np.arange(n_groups)[::-1]
            tested = choose(unseen, self.seen_fraction, order)
            is_train = ~tested[groups] & ~unseen[codes]
            is_test = tested[groups] & (unseen[codes] | (self.seen_fraction > 0))
            if self.seen_fraction > 0 and unseen[codes[is_test]].all():
                raise ValueError(
                    f"seen_fraction={self.seen_fraction} needs a training class with at least two "
                    "groups, one to train and one to test on; all have a single group. Set "
                    "seen_fraction=0.0, or leave groups out."
                )
            n_left_out = len(codes) - int(is_train.sum() + is_test.sum())
            if n_left_out and not warned:
                warned = True
                warn(
                    f"Groups hold training and held-out classes: {n_left_out} of {len(codes)} "
                    "samples lie in neither set of this fold, so that no group lies in both. "
                    f"{TELL_APART}."
                )
            yield np.flatnonzero(is_train), np.flatnonzero(is_test)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds.

        Parameters
        ----------
        X : object
            Ignored, exists for API compatibility.
        y : object
            Ignored, exists for API compatibility.
        groups : object
            Ignored, exists for API compatibility.

        Returns
        -------
        int
            The number of folds.
        """
        return self.n_splits


class ZeroShotKFold(_ClassSplitter):
    """K folds over the classes: each class is held out, and so unseen, in one fold.

    The test set of a fold holds all samples of its held-out classes, the training set those of
    the others. With `seen_fraction` the folds are generalized: the test set also holds that
    share of the samples of every training class.

    Parameters
    ----------
    n_splits : int, default=5
        The number of folds, at least 2 and at most the number of classes.
    seen_fraction : float, default=0.0
        The share of the samples of each training class that is moved to the test set,
        rounded to whole samples; from 0 to below 1. A class of two samples or more keeps
        at least one on either side; a class of one sample is trained on.
    shuffle : bool, default=True
        Whether to put classes into folds, and to choose the moved samples, at random.
        Otherwise the folds are blocks of the sorted classes, and the last samples of
        each training class are moved.
    random_state : int, RandomState instance or None, default=None
        An int gives the same folds at every call of `split`; the classes that it
        holds out depend neither on the order of the samples nor on `seen_fraction`.
        Has no effect, and has to be None, without `shuffle`.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    See Also
    --------
    ZeroShotShuffleSplit : Random, overlapping sets of held-out classes.
    gzsl_scorer : The scores to use with ``seen_fraction > 0``.

    Notes
    -----
    With a single held-out class per fold, an estimator that chooses among unseen classes has
    nothing to choose: hold out several classes per fold, or give it a class table with further
    classes.

    Clips of one video, windows of one recording and samples of one subject are near copies of
    each other: pass their names as `groups`, to `split` or to the search. Whole groups then
    move to the test set, so that the share of each training class is as close to
    `seen_fraction` as whole groups allow. Where a group holds training and held-out classes,
    some of its samples lie in neither set: with ``seen_fraction=0`` those of training classes if
    the group is in the test set, otherwise those of held-out classes if it is in the training
    set.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_claster.model_selection import ZeroShotKFold
    >>> y = np.array(["archery", "archery", "bowling", "bowling", "surfing", "yoyo"])
    >>> X = np.zeros((6, 2))
    >>> for train, test in ZeroShotKFold(n_splits=2, shuffle=False).split(X, y):
    ...     print(train, test)
    [4 5] [0 1 2 3]
    [0 1 2 3] [4 5]
    >>> folds = ZeroShotKFold(n_splits=4, seen_fraction=0.5, shuffle=False)
    >>> train, test = next(folds.split(X, y))
    >>> print(train, test)
    [2 4 5] [0 1 3]
    """

    _cure = "Set n_splits to at most the number of classes; more splits hold out fewer per fold"

    def __init__(
        self,
        n_splits: int = 5,
        *,
        seen_fraction: float = 0.0,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(n_splits, 2, seen_fraction, random_state)
        if not isinstance(shuffle, (bool, np.bool_)):
            raise ValueError(f"shuffle has to be True or False; got {shuffle!r}.")
        if not shuffle and random_state is not None:
            raise ValueError(
                f"random_state={random_state!r} has no effect with shuffle=False. Leave it out, or "
                "set shuffle=True."
            )
        self.shuffle = shuffle

    def _held_out(self, n_classes: int, rng: np.random.RandomState) -> list[NDArray[np.intp]]:
        order = rng.permutation(n_classes) if self.shuffle else np.arange(n_classes)
        return np.array_split(order, self.n_splits)


class ZeroShotShuffleSplit(_ClassSplitter):
    """Random sets of held-out classes, drawn anew for every fold.

    The defaults are the usual 50/50 protocol [1]_: half of the classes are unseen, 25 of 51 or
    50 of 101. The test set of a fold holds all samples of its held-out classes, the training
    set those of the others. With `seen_fraction` the folds are generalized: the test set also
    holds that share of the samples of every training class.

    Parameters
    ----------
    n_splits : int, default=10
        The number of folds, at least 1.
    test_size : float or int, default=0.5
        The classes to hold out: a float is their share, strictly between 0 and 1 and
        rounded to whole classes (a half down); an int is their number.
    seen_fraction : float, default=0.0
        The share of the samples of each training class that is moved to the test set,
        rounded to whole samples; from 0 to below 1. A class of two samples or more keeps
        at least one on either side; a class of one sample is trained on.
    random_state : int, RandomState instance or None, default=None
        An int gives the same folds at every call of `split`; the classes that it
        holds out depend neither on the order of the samples nor on `seen_fraction`.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    See Also
    --------
    ZeroShotKFold : Folds that hold out each class once.
    gzsl_scorer : The scores to use with ``seen_fraction > 0``.

    References
    ----------
    .. [1] X. Xu, T. Hospedales, S. Gong, "Transductive zero-shot action recognition by
       word-vector embedding", IJCV 123, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_claster.model_selection import ZeroShotShuffleSplit
    >>> X, y = np.zeros((40, 2)), np.repeat(np.arange(10), 4)
    >>> folds = ZeroShotShuffleSplit(n_splits=3, seen_fraction=0.25, random_state=0)
    >>> for train, test in folds.split(X, y):
    ...     print(len(np.unique(y[train])), "classes to train on,", len(test), "test samples")
    5 classes to train on, 25 test samples
    5 classes to train on, 25 test samples
    5 classes to train on, 25 test samples
    """

    _cure = "Change test_size"

    def __init__(
        self,
        n_splits: int = 10,
        *,
        test_size: float = 0.5,
        seen_fraction: float = 0.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(n_splits, 1, seen_fraction, random_state)
        if not (
            (is_number(test_size, Integral) and test_size >= 1)
            or (is_number(test_size, Real) and 0 < test_size < 1)
        ):
            raise ValueError(
                "test_size has to be a share of the classes strictly between 0 and 1, or a whole "
                f"number of classes of at least 1; got {test_size!r}."
            )
        self.test_size = test_size

    def _held_out(self, n_classes: int, rng: np.random.RandomState) -> list[NDArray[np.intp]]:
        n_unseen = self.test_size
        if n_unseen < 1:
            n_unseen = math.ceil(round(n_unseen * n_classes, 9) - 0.5)  # 0.07 * 50 is above 3.5
        return [rng.permutation(n_classes)[:n_unseen] for _ in range(self.n_splits)]
