"""The plain cosine of one space, with or without samples."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .._adaptation.labelled import Labelled
from .._adaptation.prototypes import Learnt
from .._class_embeddings import ClassEmbeddings, warn_of_shared_vectors
from .._data.unit_rows import directions, row_mean
from .._utils.parameters import check_value
from ._shared_space import Matrix, SharedSpaceClassifier


class CosineZSL(SharedSpaceClassifier):
    """Zero-shot classifier by the plain cosine, for features and class vectors of one space.

    Names the candidate whose class vector has the largest cosine to the sample, as is usual
    with CLIP, SigLIP and sentence models. Nothing is centred, and nothing is learnt: `fit` takes
    samples as any classifier, `from_table` needs none.

    Parameters
    ----------
    temperature : float or "auto", default="auto"
        `predict_proba` divides the cosines by it. "auto" takes the value that makes the labels of
        the seen samples likeliest, at least CLIP's 0.01. It may be set after
        `fit`.
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`: unseen classes, seen and unseen ones, or seen ones.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes, as in `ClasterZSL`.
    gate : {"hard", "soft"}, default="hard"
        How an outlier detector decides, as in `ClasterZSL`.

    Attributes
    ----------
    class_means_ : ndarray of shape (n_classes, n_features_in_) or None
        Class vectors if `fit` got none: the mean unit samples of the classes.
    temperature_ : float
        The temperature that was chosen or given.
    classes_, unseen_classes_, class_embeddings_, bias_detector_, gate_threshold_
        As in `ClasterZSL`; after `from_table` there is no seen class, and all are unseen.
    n_features_in_ : int
        Number of features of a sample, and of a class vector.

    See Also
    --------
    RLA, GDA, IdentityRidge : The same with something learnt from the seen classes.

    Notes
    -----
    This is the zero-shot classifier of the paper, whose encoders learn the temperature, down to
    0.01.

    References
    ----------
    A. Radford et al., "Learning transferable visual models from natural language supervision",
    ICML 2021.

    Examples
    --------
    >>> from sklearn_claster.baselines import CosineZSL
    >>> model = CosineZSL.from_table({"cat": [1.0, 0.1], "dog": [0.1, 1.0]})
    >>> model.predict([[0.2, 0.7], [0.9, 0.3]])
    array(['dog', 'cat'], dtype='<U3')
    """

    def __init__(
        self,
        *,
        temperature: float | str = "auto",
        space: str = "zsl",
        bias_detector: Any = None,
        gate: str = "hard",
    ) -> None:
        self.temperature = temperature
        self.space = space
        self.bias_detector = bias_detector
        self.gate = gate

    @classmethod
    def from_table(cls, table: Any, *, temperature: float = 0.01) -> Self:
        """Return a classifier that is ready without a single sample.

        Parameters
        ----------
        table : ClassEmbeddings, mapping, DataFrame or tuple
            The candidates: one vector per class, in the space of the samples to come.
        temperature : float, default=0.01
            What the cosines are divided by, since no sample is there to choose it by. 0.01 is
            CLIP's; with sentence embeddings of video captions and of class descriptions, labelled
            samples choose 0.06.

        Returns
        -------
        CosineZSL
            A fitted classifier without seen classes, whose candidates are those of the table. Its
            `adapt` learns from unlabelled samples.

        Raises
        ------
        ValueError
            If it is no class table, or the temperature is not positive.

        Warns
        -----
        UserWarning
            If classes share a vector.

        Examples
        --------
        >>> from sklearn_claster.baselines import CosineZSL
        >>> model = CosineZSL.from_table({"cat": [1.0, 0.1], "dog": [0.1, 1.0]})
        >>> model.set_candidates({"cow": [0.5, 0.5], "eel": [1.0, 0.0]}).predict([[0.4, 0.4]])
        array(['cow'], dtype='<U3')
        """
        check_value(temperature, "temperature", Real, 0, low_allowed=False)
        model = cls(temperature=temperature)
        model.temperature_ = float(temperature)
        embeddings = ClassEmbeddings.from_table(table, "table")
        model.class_embeddings_ = embeddings
        model.classes_, model.unseen_classes_ = embeddings.labels[:0], embeddings.labels
        model.n_features_in_ = embeddings.vectors.shape[1]
        model.class_means_, model._has_table, model._gate = None, True, None
        warn_of_shared_vectors(embeddings, model.classes_, "table")
        return model

    def _seen_table(self) -> ClassEmbeddings:
        if not len(self.classes_):
            raise ValueError(
                f"There is no seen class to predict with space={self.space!r}: the model was made "
                "by from_table. Set space='zsl', or call fit with samples."
            )
        return super()._seen_table()

    def _fit_seen(
        self, x: Matrix, y: NDArray[np.intp], t: Matrix, groups: NDArray[Any] | None
    ) -> None:
        """Nothing is learnt."""

    def _learn_from(self, X: Any, table: ClassEmbeddings, is_seen: NDArray[np.bool_]) -> Learnt:
        if not len(self.classes_):
            sums, n_samples = np.zeros(self.n_features_in_), 0
            for rows in self._row_blocks(X):
                sums += rows.sum(axis=0, dtype=np.float64)
                n_samples += len(rows)
            self._labelled = Labelled.nothing(sums / n_samples)
        return super()._learn_from(X, table, is_seen)

    def _prior_prototypes(self, vectors: NDArray[np.float64]) -> NDArray[Any]:
        if len(self.classes_):
            return super()._prior_prototypes(vectors)
        return directions(vectors - row_mean(vectors))
