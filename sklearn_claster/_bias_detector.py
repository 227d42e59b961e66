"""BiasDetector: tells samples of seen classes from those of unseen classes."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    OutlierMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from ._base import BaseZeroShotClassifier
from ._data.on_disk import read_whole
from ._data.validated import FLOATS
from ._gate.fitting import can_hold_out, fit_gate
from ._gate.gate import Gate
from ._gate.rules import RULES, Learned, Rule, usable_rule
from ._utils.labels import check_labels
from ._utils.parameters import check_choice, check_number
from ._utils.progress import Progress
from ._utils.samples import check_groups, check_samples
from ._utils.state import WholeState
from .baselines import ESZSL, FCLSWGAN
from .baselines._out_of_distribution import OutOfDistribution

GENERATED = "generated"
NO_UNSEEN = (
    "BiasDetector('generated') learns from samples that are generated for unseen classes: "
    "expected class_embeddings with classes that y does not hold, got none. Give their vectors to "
    "fit, or choose another method."
)


class BiasDetector(
    WholeState, ClassNamePrefixFeaturesOutMixin, TransformerMixin, OutlierMixin, BaseEstimator
):
    """Outlier detector that tells samples of seen classes from those of unseen classes.

    `fit` takes seen data alone. The detector is an outlier detector of scikit-learn (+1 seen,
    -1 unseen), a transformer (one column, positive for seen), and the gate of a zero-shot
    classifier:
    ``ClasterZSL(space="gzsl", bias_detector=BiasDetector())``.

    Parameters
    ----------
    method : {"learned", "max_softmax", "entropy", "energy", "mahalanobis", \
"relative_mahalanobis", "knn", "generated"}, default="learned"
        The score of a sample. Let p be the softmax of its scores over the seen classes.

        - "learned": a logistic gate on the best score of a seen class, the best score of an
          unseen class [1]_, and the relative Mahalanobis distance. It learns from seen
          classes that are held out as if they were unseen. With fewer than about four samples
          per class it goes by the two scores alone.
        - "max_softmax": the largest p [2]_.
        - "entropy": minus the entropy of p [2]_.
        - "energy": the logarithm of the sum of the exponentials of the scores [3]_.
        - "mahalanobis": minus the squared distance to the nearest class mean, by one
          covariance within all classes [4]_, shrunk after Ledoit and Wolf.
        - "relative_mahalanobis": the same plus the squared distance to the mean of all
          samples, by their covariance [5]_.
        - "knn": minus the distance to the k-th nearest training sample [6]_, among 512 of
          them drawn at random. A sample is no neighbour of itself.
        - "generated": minus the entropy of a network of the seen classes that is trained to be
          unsure of samples generated for unseen classes [7]_. `fit` needs their vectors, and
          the detector serves these classes only: other candidates, and `set_candidates`, change
          nothing. Held-out classes choose how long the network is trained.

        A detector that stands alone replaces a method whose input is missing: "learned" by
        "relative_mahalanobis" if the table has no unseen classes or no classes can be held out;
        all but "knn" by "mahalanobis", around the mean of all samples, without `y` or with one
        class. `method_` tells which is in use.
    estimator : zero-shot classifier or None, default=None
        The classifier whose scores a detector reads that stands alone; ``None`` is `ESZSL`.
        Inside a classifier the detector reads its scores. For "generated", an `FCLSWGAN` here,
        or as that classifier, also generates the samples; otherwise
        ``FCLSWGAN(random_state=0)`` does.
    contamination : float or "auto", default="auto"
        The share of the seen scores below the threshold, from 0 to 1: the larger, the more
        samples are called unseen. "auto" takes the share with the best harmonic mean of both
        accuracies in three folds, each of which holds out a third of the seen classes and a
        fifth of the samples of the others. With fewer than four classes, without `y` or
        without a class table it is 0.05.
    n_neighbors : int, default=10
        k of "knn".

    Attributes
    ----------
    offset_ : float
        The threshold: ``decision_function = score_samples - offset_``.
    contamination_ : float
        The share in use.
    method_ : str
        The method in use.
    estimator_ : object or None
        The fitted experts, if scores are needed.
    classes_ : ndarray of shape (n_classes,) or None
        The seen classes, sorted; None if `fit` had no labels.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if `X` had any.

    See Also
    --------
    ClasterZSL : Its parameter `bias_detector` takes this.
    sklearn.ensemble.IsolationForest, sklearn.neighbors.LocalOutlierFactor : Other detectors
        that it takes.

    Notes
    -----
    The seen scores are those of the training samples. For "learned" they are those of the
    samples that the folds held out, because its expert of the unseen classes says nothing about
    classes it was trained on. No sample and no vector of an unseen class takes part in the
    threshold; only "generated" learns from these vectors.

    The detector first centres samples on the seen data and brings them to unit length.

    *Before* a zero-shot classifier in a Pipeline, the detector would replace `X` by one column,
    which does not tell classes apart. Use a
    ``FeatureUnion([("x", "passthrough"), ("bias", BiasDetector())])`` there, or the parameter
    of the classifier.

    References
    ----------
    .. [1] Y. Atzmon and G. Chechik, "Adaptive confidence smoothing for generalized
       zero-shot learning", CVPR 2019.
    .. [2] D. Hendrycks and K. Gimpel, "A baseline for detecting misclassified and
       out-of-distribution examples in neural networks", ICLR 2017.
    .. [3] W. Liu, X. Wang, J. D. Owens and Y. Li, "Energy-based out-of-distribution
       detection", NeurIPS 2020.
    .. [4] K. Lee, K. Lee, H. Lee and J. Shin, "A simple unified framework for detecting
       out-of-distribution samples and adversarial attacks", NeurIPS 2018.
    .. [5] J. Ren, S. Fort, J. Liu, A. G. Roy, S. Padhy and B. Lakshminarayanan, "A simple
       fix to Mahalanobis distance for improving near-OOD detection", 2021.
    .. [6] Y. Sun, Y. Ming, X. Zhu and Y. Li, "Out-of-distribution detection with deep
       nearest neighbors", ICML 2022.
    .. [7] D. Mandal et al., "Out-of-distribution detection for generalized zero-shot action
       recognition", CVPR 2019; its code keeps the epoch that is best on test samples.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_claster import BiasDetector
    >>> from sklearn_claster.datasets import make_zero_shot_classification
    >>> problem = make_zero_shot_classification(random_state=0)
    >>> seen = np.isin(problem.target, problem.seen_classes)
    >>> detector = BiasDetector().fit(
    ...     problem.data[seen], problem.target[seen], problem.class_embeddings
    ... )
    >>> bool(np.mean(detector.predict(problem.data[~seen]) == -1) > 0.8)
    True
    """

    __metadata_request__fit = {"class_embeddings": True, "groups": True}

    estimator_: Any

    def __init__(
        self,
        method: str = "learned",
        *,
        estimator: Any = None,
        contamination: float | str = "auto",
        n_neighbors: int = 10,
    ) -> None:
        self.method = method
        self.estimator = estimator
        self.contamination = contamination
        self.n_neighbors = n_neighbors

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        class_embeddings: Any = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn what samples of the seen classes are like.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features)
            Samples of the seen classes.
        y : array-like of shape (n_samples,), default=None
            Their labels.
        class_embeddings : ClassEmbeddings, mapping, DataFrame or tuple, default=None
            One vector per class, as in `ClasterZSL.fit`.
        groups : array-like of shape (n_samples,), default=None
            What each sample comes from, as in `ClasterZSL.fit`.

        Returns
        -------
        self : object
            The fitted detector. A fit that fails or is interrupted leaves it as it was before.

        Raises
        ------
        ValueError
            If data, labels, table or parameters do not fit together.
        """
        with self._twin() as twin:
            twin._fit(X, y, class_embeddings, groups)
        return self

    def _fit(self, X: Any, y: Any, class_embeddings: Any, groups: Any) -> None:
        self._check_parameters()
        rows = validate_data(self, read_whole(check_samples(X)), dtype=FLOATS, ensure_min_samples=2)
        classes, codes, n_classes = None, np.zeros(len(rows), dtype=np.intp), 1
        if y is not None:
            y = check_labels(y, "y", column_warning=True)
            check_consistent_length(rows, y)
            classes, codes = np.unique(y, return_inverse=True)
            n_classes = len(classes)
        groups = check_groups(groups, codes)
        experts: Any = None
        table = None
        if n_classes > 1:
            experts = clone(ESZSL() if self.estimator is None else self.estimator)
            experts.set_params(space="gzsl", bias_detector=None)
            experts.fit(X, y, class_embeddings)
            if class_embeddings is not None and can_hold_out(codes, groups):
                table = experts._seen_table()
        self._check_unseen([] if experts is None else experts.unseen_classes_)
        has_unseen = table is not None and len(experts.unseen_classes_) > 0
        self.method_ = usable_rule(self.method, has_unseen, n_classes > 1)
        gate = fit_gate(
            experts,
            lambda: self._rule(self.method_),
            rows,
            codes,
            table,
            groups,
            self.contamination,
            "hard",
            np.float64,
            self._generate,
            Progress(),
        )
        self.classes_ = classes
        self._set_gate(gate, experts)

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Score how much samples look like those of seen classes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Scores; high means seen.
        """
        with self._question() as model:
            return model.decision_function(X) + model.offset_

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Compute `score_samples` minus the threshold.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Positive for seen, negative for unseen.
        """
        check_is_fitted(self)
        with self._question() as model:
            rows = validate_data(model, read_whole(check_samples(X)), dtype=FLOATS, reset=False)
            scores = is_seen = None
            if model._gate.rule.reads_unseen:
                scores, _ = model.estimator_._raw_scores(rows)
                is_seen = model.estimator_._candidates(None)[1]
            elif model._gate.rule.reads_seen:
                scores = model.estimator_._raw_seen_scores(rows)
                is_seen = np.ones(scores.shape[1], dtype=bool)
            return model._gate.margins(rows, scores, is_seen)

    def fit_predict(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        class_embeddings: Any = None,
        groups: ArrayLike | None = None,
    ) -> NDArray[np.intp]:
        """Fit, then predict for the same samples.

        Parameters
        ----------
        X, y, class_embeddings, groups
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            +1 for samples like those of seen classes, -1 for others.
        """
        return self.fit(X, y, class_embeddings, groups).predict(X)

    def predict(self, X: ArrayLike) -> NDArray[np.intp]:
        """Call each sample seen or unseen.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            +1 for samples of seen classes, -1 for others.
        """
        return np.where(self.decision_function(X) >= 0.0, 1, -1)

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return `decision_function` as a column.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, 1)
            Positive for seen, negative for unseen.
        """
        return self.decision_function(X)[:, None]

    def _make_rule(self, has_unseen: bool) -> Rule:
        return self._rule(usable_rule(self.method, has_unseen))

    def _rule(self, name: str) -> Rule:
        return OutOfDistribution() if name == GENERATED else RULES[name](self.n_neighbors)

    def _check_unseen(self, unseen_classes: Any) -> None:
        if self.method == GENERATED and not len(unseen_classes):
            raise ValueError(NO_UNSEEN)

    def _generate(self, experts: Any, X: NDArray[Any], codes: NDArray[np.intp]) -> NDArray[Any]:
        """Generate samples of the experts' unseen classes, centred on X (n, f), of unit length."""
        generator = experts
        if not isinstance(experts, FCLSWGAN):
            of_user = isinstance(self.estimator, FCLSWGAN)
            generator = clone(self.estimator) if of_user else FCLSWGAN(random_state=0)
            generator.set_params(space="zsl", bias_detector=None)
            generator.fit(X, experts.classes_[codes], experts.class_embeddings_)
        unseen = experts.class_embeddings_.select(experts.unseen_classes_)
        return generator._generate(generator._semantic(unseen.vectors))

    def _adopt(self, gate: Gate, experts: Any) -> Self:
        """Become the detector of a classifier that has fitted the gate."""
        self.classes_, self.n_features_in_ = experts.classes_, experts.n_features_in_
        if hasattr(experts, "feature_names_in_"):
            self.feature_names_in_ = experts.feature_names_in_
        self.method_ = usable_rule(self.method, isinstance(gate.rule, Learned))
        return self._set_gate(gate, experts)

    def _set_gate(self, gate: Gate, experts: Any) -> Self:
        self._gate = gate
        self.offset_ = gate.threshold
        self.contamination_ = gate.level
        self.estimator_ = experts if gate.rule.reads_seen else None
        return self

    def _check_parameters(self) -> None:
        check_choice(self, "method", (*RULES, GENERATED))
        check_number(self, "contamination", Real, 0, 1, also=("auto",))
        check_number(self, "n_neighbors", Integral, 1)
        if self.estimator is not None and not isinstance(self.estimator, BaseZeroShotClassifier):
            raise TypeError(
                f"estimator={self.estimator!r} has the wrong type; expected None or a zero-shot "
                "classifier, for example ClasterZSL() or ESZSL()."
            )

    @property
    def _n_features_out(self) -> int:
        return 1
