"""What every zero-shot classifier shares: class tables, candidates, space, predict and score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import accuracy_score
from sklearn.utils import Bunch, check_array, check_consistent_length, gen_batches
from sklearn.utils.validation import check_is_fitted

from ._adaptation.adaptable import Adaptable
from ._candidates import (
    NO_UNSEEN_CLASS,
    best_candidates,
    joined_tables,
    table_of_fit,
    table_of_unseen,
    warn_of_one_feature,
)
from ._class_embeddings import ClassEmbeddings, warn_of_shared_vectors
from ._data.on_disk import in_memory
from ._data.validated import validated, validated_blocks
from ._gate.detectors import check_bias_detector, check_unseen_classes, description_of, mode_of
from ._gate.fitting import fit_gate_of
from ._gate.gate import MODES, Gate, OpenGate, explain
from ._gate.rules import OutlierRule
from ._utils.labels import (
    check_labels,
    labels_like,
    preview,
    refuse_table_as_weights,
    warn_of_labels_that_cannot_be_named,
)
from ._utils.parameters import check_choice
from ._utils.progress import Progress, tell
from ._utils.samples import check_groups
from ._utils.torch import as_host_array

SPACES = ("zsl", "gzsl", "seen")

_SCORES_AT_ONCE = 2**24  # numbers in one block of scores
_ROWS_AT_ONCE = 4096


class BaseZeroShotClassifier(Adaptable, ClassifierMixin, BaseEstimator, ABC):
    """Base of the zero-shot classifiers: two experts, for seen and for unseen classes, and a gate.

    A method adds its ``__init__`` (with parameters `space`, `bias_detector` and `gate`) and
    three steps: `_fit`, `_prepare_candidates` and `_score_rows`.
    """

    # The same user code works with metadata routing switched on and off.
    __metadata_request__fit = {"class_embeddings": True, "groups": True}
    __metadata_request__predict = {"unseen_embeddings": True}
    __metadata_request__predict_proba = {"unseen_embeddings": True}
    __metadata_request__predict_log_proba = {"unseen_embeddings": True}
    __metadata_request__decision_function = {"unseen_embeddings": True}
    __metadata_request__score = {"unseen_embeddings": True}

    _reads_in_parts = False  # whether `_fit` takes an array on disk as it is
    _read_when_scoring: tuple[str, ...] = ()  # parameters that change the scores of a fitted model

    space: str
    bias_detector: Any
    gate: str
    classes_: NDArray[Any]
    class_embeddings_: ClassEmbeddings
    unseen_classes_: NDArray[Any]
    _has_table: bool
    _gate: Gate | None

    @abstractmethod
    def _check_parameters(self) -> None:
        """Raise for a wrong parameter value."""

    @abstractmethod
    def _fit(self, X: Any, y: Any, class_embeddings: Any, groups: Any) -> None:
        """`_check_fit`, learn from the seen classes, and `_fit_gate`."""

    @abstractmethod
    def _prepare_candidates(self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]) -> Any:
        """Compute, once per call, what scoring needs of the candidates (C, s)."""

    @abstractmethod
    def _score_rows(self, X: NDArray[Any], candidates: Any) -> NDArray[Any]:
        """Scores of rows (n, f) for the prepared candidates -> (n, C)."""

    def _answer_rows(self, X: NDArray[Any], candidates: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Score rows; also return the scores (n, C) by which each side's expert chooses."""
        scores = self._score_rows(X, candidates)
        return scores, scores

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        class_embeddings: Any = None,
        groups: ArrayLike | None = None,
    ) -> Self:
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
            needs every class of `y`. Classes that `y` does not hold take no part in the
            training; they become the default candidates of `predict`. ``None`` stands for
            one-hot vectors: an ordinary classifier over `classes_`, whatever `space` says.
        groups : array-like of shape (n_samples,), default=None
            What each sample comes from: the video of a clip, the recording of a window. Samples
            of one group are held out together when `fit` chooses something.

        Returns
        -------
        self : object
            The fitted estimator. A fit that fails or is interrupted leaves the estimator as it
            was before.

        Raises
        ------
        ValueError
            If data, labels, table or parameters do not fit together; nothing is trained.
        TypeError
            If `class_embeddings` has no accepted form, or labels mix strings and numbers.
        """
        with self._twin() as twin:
            twin._learnt = None
            twin._fit(X, y, class_embeddings, groups)
        return self

    def predict(self, X: ArrayLike, unseen_embeddings: Any = None) -> NDArray[Any]:
        """Name the most compatible candidate class of each sample.

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
            If two candidate classes have equal vectors in `unseen_embeddings`: only one of them
            can ever be predicted. `fit` warns about equal vectors in its own table.
        """
        with self._question() as model:
            table, is_seen = model._candidates(unseen_embeddings)
            return table.labels[model._ask("best", X, table, is_seen)]

    def predict_proba(self, X: ArrayLike, unseen_embeddings: Any = None) -> NDArray[Any]:
        """Probabilities of the candidates: the softmax of their scores, or what a gate makes of it.

        Parameters
        ----------
        X, unseen_embeddings
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_candidates)
            Probabilities; the columns are the labels of `candidates`. Unless ``space="seen"``
            they are not `classes_`, though some tools, such as `CalibratedClassifierCV`, assume
            that.
        """
        with self._question() as model:
            return np.exp(model._ask("log_proba", X, *model._candidates(unseen_embeddings)))

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
        with self._question() as model:
            return model._ask("log_proba", X, *model._candidates(unseen_embeddings))

    def top_k(
        self, X: ArrayLike, k: int, unseen_embeddings: Any = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the k most probable candidates of each sample, the best first.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features)
            Feature vectors.
        k : int
            How many candidates per sample; at most as many as there are.
        unseen_embeddings : ClassEmbeddings, mapping, DataFrame or tuple, default=None
            As in `predict`.

        Returns
        -------
        labels : ndarray of shape (n_samples, k)
            Their labels; `predict` returns the first column.
        probabilities : ndarray of shape (n_samples, k)
            Their probabilities, as in `predict_proba`. A hard gate gives zero to the side that it
            did not choose.

        Raises
        ------
        ValueError
            If `k` is below 1, or above the number of candidates.

        Examples
        --------
        >>> from sklearn_claster.baselines import CosineZSL
        >>> model = CosineZSL.from_table({"cat": [1.0, 0.1], "dog": [0.1, 1.0], "eel": [1.0, 0.0]})
        >>> model.top_k([[0.1, 0.9]], 2)[0]
        array([['dog', 'cat']], dtype='<U3')
        """
        with self._question() as model:
            table, is_seen = model._candidates(unseen_embeddings)
            decider, blocks = model._decider(table), model._raw_blocks(X, table, is_seen)
            found = (decider.answers_and_log_proba(*said, is_seen) for said in blocks)
            best, probabilities = best_candidates(found, k, len(table.labels))
        return table.labels[best], probabilities

    def decision_function(self, X: ArrayLike, unseen_embeddings: Any = None) -> NDArray[Any]:
        """Compatibility of each sample with each candidate class.

        Parameters
        ----------
        X, unseen_embeddings
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_candidates) or (n_samples,)
            Scores; the columns are the labels of `candidates`. Two candidates have one score,
            that of the second minus that of the first, as everywhere in scikit-learn.
        """
        with self._question() as model:
            scores = model._ask("scores", X, *model._candidates(unseen_embeddings))
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        unseen_embeddings: Any = None,
    ) -> float:
        """Accuracy: the share of samples whose class is named correctly.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features)
            Feature vectors.
        y : array-like of shape (n_samples,)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        unseen_embeddings : ClassEmbeddings, mapping, DataFrame or tuple, default=None
            As in `predict`.

        Returns
        -------
        float
            Accuracy. For the mean over classes use
            ``sklearn_claster.metrics.mean_per_class_accuracy``.

        Raises
        ------
        TypeError
            If `sample_weight` is a class table, which belongs into ``unseen_embeddings=``.

        Warns
        -----
        UserWarning
            If `y` holds labels that are not candidates: the classifier cannot name them, so
            their samples count as errors. This happens to all samples in scikit-learn's default
            folds, which hold out samples and not classes, and in folds of `ZeroShotKFold` if
            `fit` got no class table.
        """
        refuse_table_as_weights(sample_weight)
        with self._question() as model:
            table, is_seen = model._candidates(unseen_embeddings)
            truth = labels_like(check_labels(y, "y"), table.labels, "The labels in y", "the model")
            if sample_weight is not None:  # scikit-learn checks it from 1.8 on
                weight = as_host_array(sample_weight, "sample_weight")
                sample_weight = check_array(weight, ensure_2d=False, input_name="sample_weight")
            space = model.space if model._has_table else None
            warn_of_labels_that_cannot_be_named(truth, table.labels, space)
            predicted = table.labels[model._ask("best", X, table, is_seen)]
        return float(accuracy_score(truth, predicted, sample_weight=sample_weight))

    def candidates(self, unseen_embeddings: Any = None) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return the classes that `predict` chooses from.

        Parameters
        ----------
        unseen_embeddings : ClassEmbeddings, mapping, DataFrame or tuple, default=None
            As in `predict`.

        Returns
        -------
        labels : ndarray of shape (n_candidates,)
            Sorted labels, the columns of `predict_proba`.
        vectors : ndarray of shape (n_candidates, n_embedding_features)
            Their class vectors.
        """
        with self._question() as model:
            table, _ = model._candidates(unseen_embeddings, quiet=True)
        return table.labels, table.vectors

    def set_candidates(self, unseen_embeddings: Any) -> Self:
        """Replace the unseen classes of a fitted model.

        The new classes are the default candidates of `predict` from then on, also where a search,
        a pipeline, a scorer or a display calls it without a table.

        Parameters
        ----------
        unseen_embeddings : ClassEmbeddings, mapping, DataFrame or tuple
            Vectors of the unseen candidate classes.

        Returns
        -------
        self : object
            The estimator. `unseen_classes_` and `class_embeddings_` hold the new classes;
            nothing else changes.

        Raises
        ------
        ValueError
            If the table does not fit the model, or the model got no table in `fit`.
        """
        check_is_fitted(self)
        with self._twin() as twin:
            if not twin._has_table:
                twin._refuse_unseen_embeddings()
            unseen = twin._unseen_table(unseen_embeddings)
            twin._learnt = None
            twin.class_embeddings_ = twin._with_seen(unseen)
            twin.unseen_classes_ = unseen.labels
        return self

    def explain_gate(self, X: ArrayLike, unseen_embeddings: Any = None) -> Bunch:
        """Explain how the gate decided between seen and unseen classes.

        Parameters
        ----------
        X, unseen_embeddings
            As in `predict`.

        Returns
        -------
        Bunch
            A dictionary with attribute access:

            score : ndarray of shape (n_samples,)
                The gate's score of each sample; high means seen.
            threshold : float
                `gate_threshold_`; from this score on a sample is called seen.
            is_seen : ndarray of shape (n_samples,), bool
                Whether the score reaches the threshold.
            seen_probability : ndarray of shape (n_samples,)
                The soft gate's probability of "seen".
            seen_class, unseen_class : ndarray of shape (n_samples,)
                What the experts of the seen and of the unseen classes answer.

        Raises
        ------
        ValueError
            If there is no gate: ``bias_detector=None``, or another space than "gzsl".
        """
        with self._question() as model:
            table, is_seen = model._candidates(unseen_embeddings)
            gate = model._gate_in_use()
            if not isinstance(gate, Gate):
                raise ValueError(
                    "explain_gate needs a gate: there is none with "
                    f"bias_detector={model.bias_detector!r}, space={model.space!r}"
                    f"{'' if model._has_table else ' and no class_embeddings'}. Fit with "
                    "space='gzsl', a class table and, for example, bias_detector=BiasDetector()."
                )
            blocks = model._raw_blocks(X, table, is_seen)
            return explain(gate, blocks, table.labels, is_seen, model._decider(table))

    @property
    def gate_threshold_(self) -> float | None:
        """The threshold on the gate's score; None without a gate."""
        check_is_fitted(self)
        return None if self._gate is None else self._gate.threshold

    @property
    def bias_detector_(self) -> Any:
        """The fitted detector; None without one, and for one that was given by its name."""
        check_is_fitted(self)
        with self._question() as model:
            gate = model._gate
            if gate is None or isinstance(model.bias_detector, str):
                return None
            if isinstance(gate.rule, OutlierRule):
                return gate.rule.detector
            return clone(model.bias_detector)._adopt(gate, model._experts())

    # what `fit` consists of

    def _check_fit(
        self, X: Any, y: Any, class_embeddings: Any, groups: Any
    ) -> tuple[Any, NDArray[np.intp], NDArray[Any] | None]:
        """All that can be wrong, before anything is trained -> rows, class codes, groups."""
        self._check_parameters()
        check_choice(self, "space", SPACES)
        check_choice(self, "gate", MODES)
        check_bias_detector(self.bias_detector, self.space)
        rows, labels = self._validate_samples(X, y)
        groups = check_groups(groups, labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self._set_table(class_embeddings)
        if self._has_table:
            check_unseen_classes(self.bias_detector, self.unseen_classes_)
        return rows, codes, groups

    def _fit_gate(self, X: Any, codes: Any, groups: Any, progress: Progress | None = None) -> None:
        """Fit the gate of the fitted experts; none where there is nothing to decide.

        Of an array on disk it takes as many rows as are read at once.
        """
        self._gate = None
        self._keep_for_adapt(X, codes)
        if self._has_gate():
            seed, now = getattr(self, "random_state", None), self._what_a_gate_needs()
            given = self.bias_detector, now["gate"], *in_memory(X, codes, groups), seed
            gate = fit_gate_of(self._experts(), *given, progress or Progress(partial(tell, self)))
            self._gate = replace(gate, made_for=now)

    def _has_gate(self) -> bool:
        return self.bias_detector is not None and self._has_table

    def _experts(self) -> Self:
        """Return the fitted experts without a gate: they share all that was learnt."""
        experts = object.__new__(type(self))
        quiet = {"verbose": 0} if hasattr(self, "verbose") else {}
        ungated = {"bias_detector": None, "space": "gzsl", "_gate": None}
        experts.__dict__ = {**vars(self), **ungated, **quiet}
        return experts

    def _what_a_gate_needs(self) -> dict[str, Any]:
        """Return the parameters for which alone the threshold of a gate holds."""
        return {
            "bias_detector": description_of(self.bias_detector),
            "gate": mode_of(self.bias_detector, self.gate),
            **{name: getattr(self, name) for name in self._read_when_scoring},
        }

    def _gate_in_use(self) -> Gate | OpenGate:
        if self.bias_detector is None or self.space != "gzsl" or not self._has_table:
            return OpenGate()
        check_bias_detector(self.bias_detector)
        check_choice(self, "gate", MODES)
        now = self._what_a_gate_needs()
        if self._gate is None or self._gate.made_for != now:
            ungated = now | {"bias_detector": None}
            made_for = ungated if self._gate is None else self._gate.made_for
            changed = [name for name in now if made_for[name] != now[name]]
            values = ", ".join(f"{name}={getattr(self, name)!r}" for name in changed)
            raise ValueError(
                f"The gate was not fitted for {values}: its threshold holds only for the value "
                "that fit saw. Set it back, fit again with space='gzsl', or set "
                "bias_detector=None for the raw scores."
            )
        return self._gate

    # from samples to answers

    def _ask(
        self, question: str, X: Any, table: ClassEmbeddings, is_seen: NDArray[np.bool_]
    ) -> NDArray[Any]:
        """Ask the gate for "best" (n,), "scores" or "log_proba" (n, C)."""
        answer = getattr(self._decider(table), question)
        blocks = self._raw_blocks(X, table, is_seen)
        return np.concatenate([answer(*said, is_seen) for said in blocks])

    def _validate_samples(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
        X = validated(self, X, _ROWS_AT_ONCE, in_parts=self._reads_in_parts)
        y = check_labels(y, "y", column_warning=True)
        check_consistent_length(X, y)
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes; got 1 class "
                f"({preview(classes)})."
            )
        if X.shape[1] == 1:
            warn_of_one_feature("X")
        return X, y

    def _set_table(self, class_embeddings: Any) -> None:
        self._has_table = class_embeddings is not None
        self.class_embeddings_ = table_of_fit(class_embeddings, self.classes_, self.space)
        self.unseen_classes_ = np.setdiff1d(self.class_embeddings_.labels, self.classes_)

    def _seen_table(self) -> ClassEmbeddings:
        return self.class_embeddings_.select(self.classes_)

    def _candidates(
        self, unseen_embeddings: Any, quiet: bool = False
    ) -> tuple[ClassEmbeddings, NDArray[np.bool_]]:
        """Return the candidate table and which of its rows are seen classes."""
        check_is_fitted(self)
        check_choice(self, "space", SPACES)
        if self.space == "seen" or not self._has_table:
            if unseen_embeddings is not None:
                self._refuse_unseen_embeddings()
            table = self._seen_table()
        else:
            table = self._unseen_table(unseen_embeddings)
            if self.space == "gzsl":
                table = self._with_seen(table)
            if unseen_embeddings is not None and not quiet:
                warn_of_shared_vectors(table, self.classes_, "unseen_embeddings")
        return table, np.isin(table.labels, self.classes_)

    def _with_seen(self, unseen: ClassEmbeddings) -> ClassEmbeddings:
        return joined_tables(self._seen_table(), unseen) if len(self.classes_) else unseen

    def _refuse_unseen_embeddings(self) -> None:
        reason = "space='seen'" if self._has_table else "fit got no class_embeddings"
        raise ValueError(
            f"unseen_embeddings cannot be used because {reason}. Fit with a class table and "
            "space='zsl' or 'gzsl' to predict unseen classes."
        )

    def _unseen_table(self, unseen_embeddings: Any) -> ClassEmbeddings:
        if unseen_embeddings is not None:
            return table_of_unseen(unseen_embeddings, self.class_embeddings_, self.classes_)
        if not len(self.unseen_classes_):
            raise ValueError(NO_UNSEEN_CLASS.format(self.space))
        return self.class_embeddings_.select(self.unseen_classes_)

    def _raw_blocks(
        self, X: Any, table: ClassEmbeddings, is_seen: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Rows (n, f), scores and answers (n, C) in blocks, so that memory stays bounded.

        Answers are scores where seen and unseen candidates compete.
        """
        apart = is_seen.all() or isinstance(self._gate_in_use(), Gate)
        candidates = self._prepare_candidates(table.vectors, is_seen)
        n_rows = min(_ROWS_AT_ONCE, max(1, _SCORES_AT_ONCE // len(table.labels)))
        for rows in self._row_blocks(X, n_rows):
            if apart:
                yield rows, *self._answer_rows(rows, candidates)
            else:
                scores = self._score_rows(rows, candidates)
                yield rows, scores, scores

    def _row_blocks(self, X: Any, n_rows: int = _ROWS_AT_ONCE) -> Iterator[NDArray[Any]]:
        check_is_fitted(self)
        yield from validated_blocks(self, X, n_rows)

    # what a gate asks its experts, of rows that have been validated

    def _raw_scores(self, X: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Scores of the default candidates, and the experts' answers."""
        return self._scores_of(X, *self._candidates(None))

    def _raw_seen_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        """Scores of the seen classes, whatever the space."""
        table = self._seen_table()
        return self._scores_of(X, table, np.ones(len(table.labels), dtype=bool))[0]

    def _scores_of(
        self, X: NDArray[Any], table: ClassEmbeddings, is_seen: NDArray[np.bool_]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        candidates = self._prepare_candidates(table.vectors, is_seen)
        blocks = gen_batches(len(X), _ROWS_AT_ONCE)
        said = [self._answer_rows(X[rows], candidates) for rows in blocks]
        scores, answers = (np.concatenate(parts) for parts in zip(*said, strict=True))
        return scores, answers
