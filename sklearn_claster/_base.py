"""What every zero-shot classifier shares: class tables, candidates, space, predict and score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array, check_consistent_length, column_or_1d, gen_batches
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ._class_embeddings import (
    ClassEmbeddings,
    IndistinctClasses,
    check_comparable,
    check_same_features,
    preview,
    refuse_table_as_weights,
    warn_of_labels_that_cannot_be_named,
    warn_of_shared_vectors,
)
from ._data.on_disk import ArrayOnDisk, on_disk, read_whole
from ._gate.gated import GatedMixin
from ._utils.parameters import check_choice
from ._utils.state import WholeState
from ._utils.torch import as_host_array
from ._utils.warning import warn

SPACES = ("zsl", "gzsl", "seen")

FLOATS = (np.float64, np.float32, np.float16)  # anything else becomes the first
_SCORES_AT_ONCE = 2**24  # numbers in one block of scores
_ROWS_AT_ONCE = 4096


class BaseZeroShotClassifier(WholeState, GatedMixin, ClassifierMixin, BaseEstimator, ABC):
    """Base of the zero-shot classifiers.

    A method adds its ``__init__`` (with a parameter `space`) and three steps:
    `_fit_seen`, `_prepare_candidates` and `_score_rows`.
    """

    # The same user code works with metadata routing switched on and off.
    __metadata_request__fit = {"class_embeddings": True}
    __metadata_request__predict = {"unseen_embeddings": True}
    __metadata_request__predict_proba = {"unseen_embeddings": True}
    __metadata_request__predict_log_proba = {"unseen_embeddings": True}
    __metadata_request__decision_function = {"unseen_embeddings": True}
    __metadata_request__score = {"unseen_embeddings": True}

    _reads_in_parts = False  # whether `_fit_seen` takes an array on disk as it is

    space: str
    classes_: NDArray[Any]
    class_embeddings_: ClassEmbeddings
    unseen_classes_: NDArray[Any]

    @abstractmethod
    def _check_parameters(self) -> None:
        """Raise for a wrong parameter value."""

    @abstractmethod
    def _fit_seen(
        self, X: NDArray[Any], y: NDArray[np.intp], embeddings: NDArray[np.float64]
    ) -> None:
        """Learn from X (n, f), class codes y (n,) and the seen classes' vectors (S, s)."""

    @abstractmethod
    def _prepare_candidates(self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]) -> Any:
        """What scoring needs of the candidates (C, s); computed once per call."""

    @abstractmethod
    def _score_rows(self, X: NDArray[Any], candidates: Any) -> NDArray[Any]:
        """Scores of rows (n, f) for the prepared candidates -> (n, C)."""

    def fit(self, X: ArrayLike, y: ArrayLike, class_embeddings: Any = None) -> Self:
        """Learn from labelled samples of the seen classes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features)
            Feature vectors of the seen classes.
        y : array-like of shape (n_samples,)
            Their labels.
        class_embeddings : ClassEmbeddings, mapping, DataFrame or tuple, default=None
            One vector per class, keyed by label: `ClassEmbeddings`, a mapping
            ``label -> vector``, a DataFrame indexed by label, or ``(labels, vectors)``. It
            needs every class of `y`. Classes that `y` does not hold never touch the
            training; they become the default candidates of `predict`. ``None`` stands for
            one-hot vectors: an ordinary classifier over `classes_`, whatever `space` says.

        Returns
        -------
        self : object
            The fitted estimator. If fit fails or is interrupted, the estimator is left as
            it was before.

        Raises
        ------
        ValueError
            If data, labels, table or parameters do not fit together; nothing is trained.
        TypeError
            If `class_embeddings` has no accepted form, or labels mix strings and numbers.
        """
        with self._twin() as twin:
            twin._fit(X, y, class_embeddings)
        return self

    def _fit(self, X: ArrayLike, y: ArrayLike, class_embeddings: Any) -> None:
        self._check_parameters()
        check_choice(self, "space", SPACES)
        self._check_gate()
        self._forget_gate()
        rows, labels = self._validate_samples(X, y)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self._set_table(class_embeddings)
        self._fit_seen(rows, codes, self._seen_table().vectors)
        self._fit_gate(rows, codes)

    def predict(self, X: ArrayLike, unseen_embeddings: Any = None) -> NDArray[Any]:
        """Name the most compatible candidate class of every sample.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features)
            Feature vectors.
        unseen_embeddings : ClassEmbeddings, mapping, DataFrame or tuple, default=None
            Vectors of the unseen candidate classes; by default the classes of the table
            given to `fit` that had no sample.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.

        Raises
        ------
        ValueError
            If there is no candidate, or a candidate table does not fit the model.

        Warns
        -----
        UserWarning
            If candidate classes share a vector of `unseen_embeddings`. Of those that share one
            of its own table `fit` warns.
        """
        table, is_seen = self._candidates(unseen_embeddings)
        blocks = self._raw_blocks(X, table, is_seen)
        best = [self._gated_best(rows, scores, is_seen) for rows, scores in blocks]
        return table.labels[np.concatenate(best)]

    def predict_proba(self, X: ArrayLike, unseen_embeddings: Any = None) -> NDArray[Any]:
        """Softmax of the scores over the candidates, or what a gate makes of it.

        Parameters
        ----------
        X, unseen_embeddings
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_candidates)
            Probabilities; the columns are the labels of `candidates`. They are not `classes_`,
            for which some tools take them (`CalibratedClassifierCV`, say), unless
            ``space="seen"``.
        """
        table, is_seen = self._candidates(unseen_embeddings)
        blocks = self._raw_blocks(X, table, is_seen)
        return np.concatenate([self._gated_proba(*block, is_seen) for block in blocks])

    def predict_log_proba(self, X: ArrayLike, unseen_embeddings: Any = None) -> NDArray[Any]:
        """Logarithm of `predict_proba`.

        Parameters
        ----------
        X, unseen_embeddings
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_candidates)
            Log-probabilities; the columns are the labels of `candidates`.
        """
        if self._active_gate() is not None:
            with np.errstate(divide="ignore"):  # the side that a hard gate rules out
                return np.log(self.predict_proba(X, unseen_embeddings=unseen_embeddings))
        return log_softmax(self._scores(X, unseen_embeddings), axis=1)

    def decision_function(self, X: ArrayLike, unseen_embeddings: Any = None) -> NDArray[Any]:
        """Compatibility of every sample with every candidate class.

        Parameters
        ----------
        X, unseen_embeddings
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_candidates) or (n_samples,)
            Scores; the columns are the labels of `candidates`. With two candidates, as
            everywhere in scikit-learn, one column: second minus first.
        """
        scores = self._scores(X, unseen_embeddings)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        unseen_embeddings: Any = None,
    ) -> float:
        """Share of samples whose class is named correctly.

        Parameters
        ----------
        X, unseen_embeddings
            As in `predict`.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        float
            Accuracy. For the mean over classes use
            ``sklearn_claster.metrics.mean_per_class_accuracy``.

        Raises
        ------
        TypeError
            If `sample_weight` is a class table: pass that as ``unseen_embeddings=``.

        Warns
        -----
        UserWarning
            If labels of `y` are no candidates, so that their samples can only be wrong. With
            scikit-learn's default folds, which hold out samples and not classes, all are. With
            `ZeroShotKFold` they are if `fit` got no table.
        """
        refuse_table_as_weights(sample_weight)
        labels = self._candidates(unseen_embeddings, quiet=True)[0].labels
        truth: NDArray[Any] = column_or_1d(as_host_array(y))
        check_comparable(truth, labels, "The labels in y", "the model")
        if sample_weight is not None:  # scikit-learn checks it from 1.8 on
            weight = as_host_array(sample_weight)
            sample_weight = check_array(weight, ensure_2d=False, input_name="sample_weight")
        space = self.space if self._has_table else None
        warn_of_labels_that_cannot_be_named(truth, labels, space)
        predicted = self.predict(X, unseen_embeddings=unseen_embeddings)
        return float(accuracy_score(truth, predicted, sample_weight=sample_weight))

    def candidates(self, unseen_embeddings: Any = None) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The classes that `predict` chooses from.

        Parameters
        ----------
        unseen_embeddings : ClassEmbeddings, mapping, DataFrame or tuple, default=None
            As in `predict`.

        Returns
        -------
        labels : ndarray of shape (n_candidates,)
            Sorted labels, the columns of `predict_proba`.
        vectors : ndarray of shape (n_candidates, n_embedding_features)
            Their class embeddings.
        """
        table, _ = self._candidates(unseen_embeddings, quiet=True)
        return table.labels, table.vectors

    def _validate_samples(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
        read = on_disk if self._reads_in_parts else read_whole
        X, y = read(as_host_array(X)), as_host_array(y)
        if isinstance(X, ArrayOnDisk):
            validate_data(self, X, skip_check_array=True)
            for rows in gen_batches(len(X), _ROWS_AT_ONCE):
                check_array(X[rows], dtype=FLOATS, estimator=self, input_name="X")
            y = column_or_1d(y, warn=True)
            check_consistent_length(X, y)
        else:
            X, y = validate_data(self, X, y, dtype=FLOATS)
        check_classification_targets(y)
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes; got 1 class "
                f"({preview(classes)})."
            )
        if X.shape[1] == 1:
            _warn_of_one_feature("X")
        return X, y

    def _set_table(self, class_embeddings: Any) -> None:
        self._has_table = class_embeddings is not None
        if not self._has_table:
            table = ClassEmbeddings(self.classes_, np.eye(len(self.classes_)))
        else:
            table = ClassEmbeddings.from_table(class_embeddings)
            check_comparable(self.classes_, table.labels, "The labels in y", "class_embeddings")
        self.class_embeddings_ = table
        self.unseen_classes_ = np.setdiff1d(table.labels, self.classes_)
        distinct = np.unique(self._seen_table().vectors, axis=0)
        if len(distinct) == 1:
            raise IndistinctClasses(
                f"All {len(self.classes_)} seen classes have the same vector in class_embeddings; "
                "at least two have to differ, or nothing can be learnt from them."
            )
        if table.vectors.shape[1] == 1:
            _warn_of_one_feature("class_embeddings")
        if len(distinct) < len(self.classes_):
            warn(
                f"Only {len(distinct)} of the {len(self.classes_)} seen classes' vectors in "
                "class_embeddings are distinct; classes that share one cannot be told apart.",
            )
        if self.space != "seen" and len(self.unseen_classes_):
            named = table if self.space == "gzsl" else table.select(self.unseen_classes_)
            warn_of_shared_vectors(named, self.classes_, "class_embeddings")

    def _seen_table(self) -> ClassEmbeddings:
        return self.class_embeddings_.select(self.classes_)

    def _candidates(
        self, unseen_embeddings: Any, quiet: bool = False
    ) -> tuple[ClassEmbeddings, NDArray[np.bool_]]:
        """The candidate table and which of its rows are seen classes."""
        check_is_fitted(self)
        check_choice(self, "space", SPACES)
        if self.space == "seen" or not self._has_table:
            if unseen_embeddings is not None:
                reason = "fit got no class_embeddings" if not self._has_table else "space='seen'"
                raise ValueError(
                    f"unseen_embeddings cannot be used because {reason}. Fit with a class table "
                    "and space='zsl' or 'gzsl' to predict unseen classes."
                )
            table = self._seen_table()
        else:
            table = self._unseen_table(unseen_embeddings)
            if self.space == "gzsl":
                seen = self._seen_table()
                table = ClassEmbeddings(
                    np.concatenate([seen.labels, table.labels]),
                    np.concatenate([seen.vectors, table.vectors]),
                )
            if unseen_embeddings is not None and not quiet:
                warn_of_shared_vectors(table, self.classes_, "unseen_embeddings")
        return table, np.isin(table.labels, self.classes_)

    def _unseen_table(self, unseen_embeddings: Any) -> ClassEmbeddings:
        if unseen_embeddings is None:
            if not len(self.unseen_classes_):
                raise ValueError(
                    f"There is no unseen class to predict with space={self.space!r}: every class "
                    "of class_embeddings had samples in fit. Pass unseen_embeddings to predict, "
                    "put the unseen classes into the table given to fit, or set space='seen'. In "
                    "a cross-validation use cv=ZeroShotKFold(), which holds out whole classes, and "
                    "pass the table as ClassEmbeddings(labels, vectors): what is as long as X, "
                    "scikit-learn cuts into folds."
                )
            return self.class_embeddings_.select(self.unseen_classes_)
        table = ClassEmbeddings.from_table(unseen_embeddings, "unseen_embeddings")
        check_comparable(table.labels, self.classes_, "The labels in unseen_embeddings", "y")
        check_same_features(table, self.class_embeddings_, "unseen_embeddings")
        width = self.class_embeddings_.vectors.shape[1]
        if table.vectors.shape[1] != width:
            raise ValueError(
                f"The vectors in unseen_embeddings have {table.vectors.shape[1]} features; the "
                f"model was fitted with class embeddings of {width}."
            )
        known = np.intersect1d(table.labels, self.classes_)
        if len(known):
            raise ValueError(
                f"unseen_embeddings holds {len(known)} class(es) seen in fit: {preview(known)}. "
                "Leave them out; space='gzsl' adds the seen classes by itself."
            )
        return table

    def _scores(self, X: Any, unseen_embeddings: Any) -> NDArray[Any]:
        return np.concatenate(list(self._score_blocks(X, *self._candidates(unseen_embeddings))))

    def _score_blocks(
        self, X: Any, table: ClassEmbeddings, is_seen: NDArray[np.bool_]
    ) -> Iterator[NDArray[Any]]:
        """Scores (n, C) after the gate, in blocks of rows."""
        for rows, scores in self._raw_blocks(X, table, is_seen):
            yield self._gated_scores(rows, scores, is_seen)

    def _raw_blocks(
        self, X: Any, table: ClassEmbeddings, is_seen: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Rows (n, f) and the experts' scores (n, C) in blocks, so that memory stays bounded."""
        candidates = self._prepare_candidates(table.vectors, is_seen)
        n_rows = min(_ROWS_AT_ONCE, max(1, _SCORES_AT_ONCE // len(table.labels)))
        for rows in self._row_blocks(X, n_rows):
            yield rows, self._score_rows(rows, candidates)

    def _raw_scores(self, X: Any) -> NDArray[Any]:
        """The experts' scores of the default candidates, without a gate."""
        blocks = self._raw_blocks(X, *self._candidates(None))
        return np.concatenate([scores for _, scores in blocks])

    def _raw_seen_scores(self, X: Any) -> NDArray[Any]:
        """The scores of the seen classes, whatever the space."""
        table = self._seen_table()
        blocks = self._raw_blocks(X, table, np.ones(len(table.labels), dtype=bool))
        return np.concatenate([scores for _, scores in blocks])

    def _row_blocks(self, X: Any, n_rows: int = _ROWS_AT_ONCE) -> Iterator[NDArray[Any]]:
        check_is_fitted(self)
        X = on_disk(as_host_array(X))
        if not isinstance(X, ArrayOnDisk):
            X = validate_data(self, X, dtype=FLOATS, reset=False)
            yield from (X[rows] for rows in gen_batches(len(X), n_rows))
            return
        for rows in gen_batches(len(X), n_rows):
            yield validate_data(self, X[rows], dtype=FLOATS, reset=False)


def _warn_of_one_feature(name: str) -> None:
    warn(
        f"{name} has one feature. Rows are centred and brought to unit length, so only the side of "
        "the mean that it lies on counts; two or more features are needed to tell more than two "
        "groups apart.",
    )
