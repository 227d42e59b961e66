"""ClasterZSL: the method of the paper as a scikit-learn classifier."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ._base import BaseZeroShotClassifier
from ._core.candidate_sets import mass_ahead, mass_of
from ._core.centroids import (
    CENTROIDS,
    check_given_centroids,
    is_given,
    warn_of_empty_clusters,
)
from ._core.held_out import SAMPLES_PER_CLASS, choose
from ._core.inference import TEST_RULES, VISUAL_NEEDS_SEMANTICS, Choice, Scale, ScoringRule
from ._core.learning import (
    History,
    Plan,
    best_epoch,
    epoch_line,
    learn,
    n_stages,
    search_epochs,
)
from ._core.model import ClasterModel, Scorer
from ._core.networks import FUSIONS
from ._core.shared_space import is_shared
from ._data.on_disk import in_memory
from ._gate.detectors import description_of
from ._utils.callbacks import CallbackSupportMixin, Task, with_callbacks
from ._utils.parameters import check_choice, check_number, check_value, check_widths
from ._utils.processes import current
from ._utils.progress import Progress, tell
from ._utils.torch import autocast, draw_seed, for_training, resolve_device
from ._utils.warning import warn


class ClasterZSL(
    CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseZeroShotClassifier
):
    """Zero-shot classifier by clustering with reinforcement learning (CLASTER).

    `fit` learns from labelled feature vectors of *seen* classes and one vector per class.
    `predict` names classes without a single training sample. A sample x becomes a
    visual-semantic point psi = [x, phi(x)], where phi estimates the class vector projected into
    the visual space. Clusters of such points make the representation

        omega = psi + sum_j eta_j c_j                                    (Eq. 1)

    A network V maps it to the semantic space, where the cosine with the class vectors decides
    (Eq. 2). Rewards for right and wrong decisions move the centroids c_j (Eqs. 4-5, REINFORCE).

    The parameters are grouped: Essentials (from `n_clusters`), Test rule (from `inference`),
    Training (from `centroids`), Seen and unseen classes together (from `bias_detector`),
    Hardware (from `device`).

    Parameters
    ----------
    n_clusters : int, default=6
        K, the number of clusters. At most the number of training samples is used.
    alpha : float, default=0.1
        Step size of the REINFORCE update, between 0 and 1: `alpha` for the first 10 %
        of the steps, a tenth of it for the next 10 %, a hundredth for the rest. With 0
        the centroids stay where K-means put them.
    space : {"zsl", "gzsl", "seen"}, default="zsl"
        Candidates of `predict`. "zsl": the unseen classes. "gzsl" (generalized zero-shot
        learning): the seen and the unseen classes. "seen": the seen classes.
    random_state : int, RandomState instance or None, default=None
        Seed of the first weights, the clusters and the order of samples. The same int gives the
        same model bit for bit on the CPU, with the same versions and number of threads. Torch's
        global generator is never touched.
    verbose : int, default=0
        With 1 or more, `fit` prints one line per stage and per epoch.
    inference : {"combined", "compatibility", "visual", "seen_class", "conse"}, \
default="combined"
        How scores are computed. "compatibility": cosine of V(omega) and the candidate's vector.
        "visual": cosine of the point [x, phi(x)] and the candidate's own point, which has its
        projected vector in both halves; x counts `feature_weight` times. "combined": the mean of
        these two, weighted by `visual_weight`. "seen_class": the paper's sentence to the letter,
        the candidate nearest to the vector of the most probable seen class. "conse": the
        candidate nearest to the probability-weighted vectors of the seen classes (Norouzi et al.,
        2014). With "combined", another expert decides between seen classes alone
        (``space="seen"``, the seen side of a gate): the rule, V, and the means of their samples.
    visual_weight : float, default=0.95
        Share of the visual space in "combined".
    feature_weight : float, default=10.0
        How many times as much as phi(x) x counts when points are compared with candidates,
        between 0 and 1000; 1 compares points as they are. Only `fusion="concatenate"` uses it,
        where the halves of a point lie side by side.
    n_neighbors : int, default=0
        k of Eq. 6, which rectifies unseen candidates by their nearest seen classes. 0 leaves it
        out; a number above that of the seen classes means all of them.
    prior : {"auto", "cosine"} or None, default="auto"
        Where `inference="combined"` starts from. "cosine": features and class vectors share one
        space (CLIP, a sentence model); the plain cosine takes part in the scores, and a' starts
        from the class vectors themselves. Held-out seen classes choose how much is learnt beside
        it. "auto": "cosine" if the seen classes show a shared space, by equal widths and a plain
        cosine far above chance. None: there is no shared space.
    temperature : float or "auto", default="auto"
        `predict_proba` divides the cosines by it. "auto" takes the value with the least log loss
        on held-out seen classes, and for the expert of the seen classes on held-out samples; with
        another `inference` than "combined" it is 0.1. A number is used for all of them, and also
        for the semantic softmax that V is trained with, where "auto" is 0.1.
    centroids : {"reinforce", "kmeans", "gradient", "netvlad", "random"}, ndarray or None, \
default="reinforce"
        Where the clusters come from. "reinforce": rewards move them (the paper). "kmeans": they
        stay where K-means put them. "gradient": the gradient of the loss moves them ("CLASTER
        w/o RL"). "netvlad": soft clusters, learnt by the gradient. "random": means of a random
        partition. None: no clusters, omega = psi. An ndarray of shape (n_clusters, n_points),
        such as the `cluster_centers_` of another fit, stays as it is; `n_clusters` is then its
        length.
    centroid_weight : float or "mean", default="mean"
        Factor of the centroid term of Eq. 1. 1.0 as in the paper; "mean" is 1/K, so that the
        term does not grow with the number of clusters.
    fusion : {"concatenate", "sum", "product"} or None, default="concatenate"
        How the visual and the semantic half make a point: [x, phi] (the paper), x + phi or
        x * phi. None: psi = x ("CLASTER w/o SE"); then `inference="combined"` means
        "compatibility", and "visual" is an error.
    whiten : bool, default=True
        Whether features are whitened *within* the seen classes, so that directions in which
        samples of one class differ count for less. The covariance is shrunk as by Ledoit and
        Wolf (2004). Whitening takes matrices of n_features x n_features.
    linear_shortcut : bool, default=True
        Whether a' is a linear map plus a network, or a network alone. The map is a ridge
        regression of class means on class vectors; leaving out one class at a time chooses its
        penalty. The network learns what the map leaves.
    hidden_layer_sizes : sequence of int or "auto", default="auto"
        Widths of the hidden layers of V, phi and a'; () makes linear maps. "auto" is (512, 512), or
        (256, 256) for fewer than 1,000 samples with at most 32 features and embedding features.
    learning_rate : float, default=1e-3
        Step size of Adam.
    weight_decay : float, default=5e-4
        Adam's weight decay for V (lambda in Eq. 3).
    batch_size : int or "auto", default="auto"
        Samples per step. "auto" is a tenth of the samples up to 32, beyond that a 32nd of them up
        to 256; at least 8.
    max_epochs : int, default=10
        Passes over the data that V trains for. The first half of the steps is a warm-up with
        fixed centroids. The other two networks have budgets of their own: 100 to 300 steps over
        all classes for a' (ten per class, larger where they are fewer; 100 with a prior), 10
        epochs for phi.
    reinforce_steps : int or "auto", default="auto"
        Steps after the warm-up, in which rewards move the centroids (other `centroids`
        train V for as many). "auto" is the second half of `max_epochs`; a number replaces it.
    early_stopping : bool, default=False
        Whether to choose the number of epochs. `fit` holds out a quarter of the seen classes,
        finds the epoch with their best zero-shot accuracy (the last of equals), and refits the
        model on all classes for as many epochs, with the usual shares of warm-up and REINFORCE.
        It needs four seen classes and a class table.
    bias_detector : None, str or outlier detector, default=None
        With ``space="gzsl"``, what decides between seen and unseen classes: raw scores favour
        the seen ones. None compares the raw scores. "stacking" takes a constant from the scores
        of the seen classes (calibrated stacking, Chao et al., 2016). A gate decides between the
        seen and the unseen candidates: a `BiasDetector` (recommended), the name of one of its
        methods ("learned"), or any outlier detector of scikit-learn. Constants and thresholds
        are chosen on seen classes alone, in three folds that hold out a third of them each. A
        detector with another `space` is an error.
    gate : {"hard", "soft"}, default="hard"
        How a gate decides. "hard": the best candidate of the side that the gate names (the
        paper). "soft": the probabilities of both sides, smoothed towards uniform the less the
        gate believes in a side (Atzmon and Chechik, 2019). "stacking" does not use it.
    device : str or torch.device, default="auto"
        Where `fit` computes, and the model after it. "auto" takes CUDA, then MPS, then CPU. `to`
        moves a fitted model.
    precision : {"float32", "bfloat16"}, default="float32"
        Precision of the matrix products that train phi and V. All else is in float32, `predict`
        too. "bfloat16" is faster for wide layers on hardware that has it; not on MPS.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The seen classes, sorted.
    unseen_classes_ : ndarray of shape (n_unseen_classes,)
        Classes of the table given to `fit` that had no sample, sorted.
    class_embeddings_ : ClassEmbeddings
        The table given to `fit`; one-hot vectors if there was none.
    bias_detector_ : object or None
        The fitted detector; None without one, and for one given by its name. A detector of
        scikit-learn was fitted to centred unit vectors and has a threshold of its own: use
        `explain_gate` instead.
    gate_threshold_ : float or None
        The gate calls samples seen whose score (see `explain_gate`) reaches it. For "stacking" it
        is the constant. None without a gate.
    prior_ : {"cosine"} or None
        Where learning started; see the parameter `prior`.
    temperature_ : float
        `predict_proba` divides the cosines by it.
    cluster_centers_ : ndarray of shape (n_clusters_, n_points) or None
        The centroids c_j, in the space of the points psi.
    n_clusters_ : int
        Number of clusters in use; 0 without clusters.
    history_ : dict of str to list
        One entry per epoch: "loss" and "seen_accuracy" (over the training batches),
        "reward" (mean), "centroid_movement" (distance from the first centroids, relative
        to their size) and "cluster_counts" (samples per cluster). With `early_stopping` also
        "validation_accuracy", from the search for the number of epochs.
    n_iter_ : int
        Number of epochs that V trained for.
    device_ : torch.device
        The device in use.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if `X` had any.

    See Also
    --------
    BiasDetector : Detector that tells seen from unseen classes.
    sklearn_claster.baselines.ESZSL : A closed-form zero-shot classifier.
    sklearn_claster.model_selection.ZeroShotKFold : Folds that hold out whole classes.

    Notes
    -----
    `fit` centres features and class vectors on the seen data and brings them to unit length.
    "The method" in the documentation has every equation, and the reading that was chosen where
    the paper is silent.

    References
    ----------
    S. N. Gowda, L. Sevilla-Lara, F. Keller and M. Rohrbach, "CLASTER: Clustering with
    Reinforcement Learning for Zero-Shot Action Recognition", ECCV 2022.

    Examples
    --------
    >>> from sklearn_claster import ClasterZSL
    >>> from sklearn_claster.datasets import load_digit_pairs
    >>> import numpy as np
    >>> digits = load_digit_pairs(random_state=0)
    >>> seen = np.isin(digits.target, digits.seen_classes)
    >>> zsl = ClasterZSL(n_clusters=6, alpha=0.1, random_state=0)
    >>> zsl = zsl.fit(digits.data[seen], digits.target[seen], digits.class_embeddings)
    >>> zsl.score(digits.data[~seen], digits.target[~seen]) > 0.9
    True
    """

    _reads_in_parts = True
    _scale: Scale | None = None  # what `fit` takes instead of choosing, in the fits of a gate
    _read_when_scoring = tuple(field.name for field in fields(ScoringRule))

    def __init__(
        self,
        n_clusters: int = 6,
        *,
        alpha: float = 0.1,
        space: str = "zsl",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        inference: str = "combined",
        visual_weight: float = 0.95,
        feature_weight: float = 10.0,
        n_neighbors: int = 0,
        prior: str | None = "auto",
        temperature: float | str = "auto",
        centroids: str | NDArray[Any] | None = "reinforce",
        centroid_weight: float | str = "mean",
        fusion: str | None = "concatenate",
        whiten: bool = True,
        linear_shortcut: bool = True,
        hidden_layer_sizes: Sequence[int] | str = "auto",
        learning_rate: float = 1e-3,
        weight_decay: float = 5e-4,
        batch_size: int | str = "auto",
        max_epochs: int = 10,
        reinforce_steps: int | str = "auto",
        early_stopping: bool = False,
        bias_detector: Any = None,
        gate: str = "hard",
        device: str | torch.device = "auto",
        precision: str = "float32",
    ) -> None:
        self.n_clusters = n_clusters
        self.alpha = alpha
        self.space = space
        self.random_state = random_state
        self.verbose = verbose
        self.inference = inference
        self.visual_weight = visual_weight
        self.feature_weight = feature_weight
        self.n_neighbors = n_neighbors
        self.prior = prior
        self.temperature = temperature
        self.centroids = centroids
        self.centroid_weight = centroid_weight
        self.fusion = fusion
        self.whiten = whiten
        self.linear_shortcut = linear_shortcut
        self.hidden_layer_sizes = hidden_layer_sizes
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.reinforce_steps = reinforce_steps
        self.early_stopping = early_stopping
        self.bias_detector = bias_detector
        self.gate = gate
        self.device = device
        self.precision = precision

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Compute the CLASTER representation omega of samples.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features)
            Feature vectors.

        Returns
        -------
        ndarray of shape (n_samples, n_points), float32
            Representations, by Eq. 1; n_points is n_features, or twice that if both halves lie
            side by side.
        """
        with self._question() as zsl:
            return np.concatenate([zsl._model.represent(rows) for rows in zsl._row_blocks(X)])

    def predict_set(
        self, X: ArrayLike, coverage: float = 0.9, unseen_embeddings: Any = None
    ) -> NDArray[np.bool_]:
        """Return the candidates that the true class is among, for a given share of samples.

        A set holds the most probable candidates: as many as held the true class of that share of
        samples when `fit` held out seen classes, each of which counts alike [1]_ [2]_ [3]_. A
        set of one candidate names it; a large set says that the model does not know.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features)
            Feature vectors.
        coverage : float, default=0.9
            The share, above 0 and at most 1. S seen classes say nothing about shares above
            S / (S + 1): sets then hold all candidates.
        unseen_embeddings : ClassEmbeddings, mapping, DataFrame or tuple, default=None
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_candidates), bool
            Which candidates are in the set of a sample; the columns are the labels of `candidates`.
            The answer of `predict` is always among them.

        Raises
        ------
        ValueError
            If `coverage` is out of range, if seen and unseen candidates compete
            (``space="gzsl"``), if `fit` held out nothing for this rule, or after `adapt`.

        Notes
        -----
        Held-out classes stand for the unseen ones: the promise holds on average over classes like
        them. "Choosing the operating point" in the documentation shows the coverage that was
        measured on unseen classes.

        References
        ----------
        .. [1] Y. Romano, M. Sesia and E. J. Candes, "Classification with Valid and Adaptive
           Coverage", NeurIPS 2020.
        .. [2] A. N. Angelopoulos and S. Bates, "A Gentle Introduction to Conformal Prediction
           and Distribution-Free Uncertainty Quantification", 2021.
        .. [3] Y. Lee, R. F. Barber and R. Willett, "Distribution-free inference with
           hierarchical data", 2023.

        Examples
        --------
        >>> from sklearn_claster import ClasterZSL
        >>> from sklearn_claster.datasets import make_zero_shot_classification
        >>> import numpy as np
        >>> data = make_zero_shot_classification(400, n_seen=16, n_unseen=4, random_state=0)
        >>> seen = np.isin(data.target, data.seen_classes)
        >>> zsl = ClasterZSL(random_state=0)
        >>> zsl = zsl.fit(data.data[seen], data.target[seen], data.class_embeddings)
        >>> sets = zsl.predict_set(data.data[~seen], coverage=0.9)
        >>> labels, _ = zsl.candidates()
        >>> true = data.target[~seen][:, np.newaxis] == labels
        >>> bool(sets[true].mean() > 0.8)
        True
        """
        check_value(coverage, "coverage", Real, 0, 1, low_allowed=False)
        if self._learnt is not None:
            raise ValueError(
                "predict_set needs the probabilities that fit chose on held-out classes; adapt "
                "has changed them. Call it before adapt, or on a copy that is not adapted."
            )
        with self._question() as zsl:
            table, is_seen = zsl._candidates(unseen_embeddings)
            mass = mass_of(zsl, zsl._model.scale.choice, coverage, is_seen)
            blocks = zsl._raw_blocks(X, table, is_seen)
            sets = [mass_ahead(softmax(said, axis=1)) <= mass for *_, said in blocks]
            return np.concatenate(sets)

    @property
    def cluster_centers_(self) -> NDArray[np.float32] | None:
        """The centroids c_j, in the space of the points psi, or None without clusters."""
        check_is_fitted(self)
        return self._model.centroids

    @property
    def prior_(self) -> str | None:
        """Where learning started: "cosine" if class vectors lie among features, or None."""
        check_is_fitted(self)
        return "cosine" if self._model.scale.prior else None

    @property
    def temperature_(self) -> float:
        """The number by which `predict_proba` divides the cosines."""
        check_is_fitted(self)
        rule, scale = ScoringRule.of(self), self._model.scale
        alone = self.space == "seen" or not self._has_table
        chosen = scale.seen_temperature if alone else scale.temperature
        return rule.chosen(chosen) if rule.inference == "combined" else rule.training_temperature

    @property
    def device_(self) -> torch.device:
        """The device in use."""
        check_is_fitted(self)
        return self._model.device

    def to(self, device: str | torch.device) -> Self:
        """Move a fitted model to another device; `fit` will compute there as well.

        Parameters
        ----------
        device : str or torch.device
            As the parameter `device`, which this sets.

        Returns
        -------
        self : object
            The estimator.
        """
        check_is_fitted(self)
        with self._twin() as twin:
            twin._model = twin._model.to(resolve_device(device))
            twin.device = device
        return self

    @with_callbacks
    def _fit(self, X: Any, y: Any, class_embeddings: Any, groups: Any) -> None:
        with current.get().together():
            rows, codes, groups = self._check_fit(X, y, class_embeddings, groups)
            check_given_centroids(self, rows.shape[1])
            self._check_prior(rows.shape[1])
        embeddings = self._seen_table().vectors
        with autocast(resolve_device(self.device)), for_training():
            seed = self._shared_seed(codes)
            searches = self.early_stopping and self._can_hold_out_classes()
            # prior and temperature, at the end what belongs to no stage
            n_parts = 1 + searches + n_stages(self) + self._has_gate() + 1
            task = Task.of_fit(self, rows, self.classes_[codes], n_parts)
            progress = Progress(partial(tell, self), task)
            line = None if self._scale else "prior and temperature, on held-out seen classes"
            with progress.stage("prior and temperature", line):
                given = rows, codes, embeddings, groups
                choice = self._scale.choice if self._scale else self._choose_scale(*given)
            plan, validation = Plan.of(self, len(rows)), None
            if searches:
                validation = search_epochs(self, *given, seed, choice, progress)
                n_epochs = min(current.get().agree(best_epoch(validation)), plan.n_epochs)
                plan = plan.shortened(n_epochs)

            def on_epoch(
                model: Callable[[], ClasterModel], history: History, epochs: Progress
            ) -> bool:
                epochs.tell(epoch_line(history))
                ungated = {"bias_detector": None}  # the gate is fitted after V
                return epochs.task.begin("epoch").end(
                    lambda: self._fitted_attributes(copy.deepcopy(model()), history) | ungated
                )

            model, history = learn(
                self, rows, codes, embeddings, seed, plan, choice, progress, on_epoch
            )
        model.scale = self._scale or model.scale
        if validation is not None:
            history["validation_accuracy"] = validation
        self.__dict__.update(self._fitted_attributes(model, history))
        warn_of_empty_clusters(self.centroids, history["cluster_counts"])
        self._fit_gate(rows, codes, groups, progress)
        task.end(lambda: dict(vars(self)))

    def _shared_seed(self, codes: NDArray[np.intp]) -> int:
        """One seed for all processes that share the fit, which need the same data for it."""
        processes = current.get()
        seed = processes.agree(draw_seed(self.random_state))
        table = self.class_embeddings_
        processes.check_same(
            self._what_is_learnt(), self.classes_[codes], table.labels, table.vectors
        )
        return seed

    def _choose_scale(
        self,
        X: Any,
        codes: NDArray[np.intp],
        embeddings: NDArray[np.float64],
        groups: NDArray[Any] | None,
    ) -> Choice:
        """Whether the plain cosine takes part, how much, and the temperature: seen classes say.

        A few samples of each class tell as much as all of them.
        """
        X, codes, groups = in_memory(X, codes, groups, SAMPLES_PER_CLASS)
        prior = self.prior if self._has_table and self.inference == "combined" else None
        shared = prior == "cosine" or (prior == "auto" and is_shared(X, codes, embeddings))
        given = X, codes, embeddings, groups, shared, self.whiten, resolve_device(self.device)
        return current.get().agree(choose(*given))

    def _to_refit(self) -> Self:
        """Return an unfitted clone, for a gate that fits it to fewer classes.

        It takes over how cosines become scores: a threshold holds for scores of one unit.
        """
        model = super()._to_refit()
        model._scale = self._model.scale
        return model

    def _what_is_learnt(self) -> dict[str, Any]:
        """Return the parameters that processes which share a fit have to agree on."""
        own = {"device", "random_state", "verbose"}
        shared = {k: v for k, v in self.get_params(deep=False).items() if k not in own}
        return shared | {"bias_detector": description_of(self.bias_detector)}

    def _fitted_attributes(self, model: ClasterModel, history: History) -> dict[str, Any]:
        """Return what the learnt model adds to what `fit` has set before."""
        return {
            **{name: value for name, value in vars(self).items() if name.endswith("_")},
            "_has_table": self._has_table,
            "_gate": None,
            "_model": model,
            "history_": {name: list(values) for name, values in history.items()},
            "n_iter_": len(history["loss"]),
            "n_clusters_": 0 if model.centroids is None else len(model.centroids),
        }

    def _prepare_candidates(
        self, vectors: NDArray[np.float64], is_seen: NDArray[np.bool_]
    ) -> Scorer:
        self._check_test_rule()
        return self._model.scorer(vectors, is_seen, ScoringRule.of(self))

    def _score_rows(self, X: NDArray[Any], candidates: Scorer) -> NDArray[Any]:
        return candidates(X)

    def _answer_rows(
        self, X: NDArray[Any], candidates: Scorer
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        return candidates.apart(X)

    def _input_rows(self, X: NDArray[Any], feature_mean: NDArray[np.float64]) -> NDArray[Any]:
        return self._model.inputs(X)

    def _prior_prototypes(self, vectors: NDArray[np.float64]) -> NDArray[Any]:
        projected = self._model.projected(vectors)
        return super()._prior_prototypes(vectors) if projected is None else projected

    def _can_hold_out_classes(self) -> bool:
        if self._has_table and len(self.classes_) >= 4:
            return True
        reason = (
            f"there are only {len(self.classes_)} seen classes, and it needs 4"
            if self._has_table
            else "without class_embeddings there are no unseen classes to validate on"
        )
        warn(f"early_stopping is skipped: {reason}. All max_epochs={self.max_epochs} epochs run.")
        return False

    def _check_parameters(self) -> None:
        check_number(self, "n_clusters", Integral, 1)
        check_number(self, "alpha", Real, 0, 1)
        if not is_given(self.centroids):
            check_choice(self, "centroids", CENTROIDS)
        check_choice(self, "fusion", (*FUSIONS, None))
        check_choice(self, "prior", ("auto", "cosine", None))
        check_number(self, "centroid_weight", Real, 0, also=("mean",))
        check_choice(self, "whiten", (True, False))
        check_choice(self, "linear_shortcut", (True, False))
        check_number(self, "learning_rate", Real, 0, low_allowed=False)
        check_number(self, "weight_decay", Real, 0)
        check_number(self, "batch_size", Integral, 1, also=("auto",))
        check_number(self, "max_epochs", Integral, 1)
        check_number(self, "reinforce_steps", Integral, 0, also=("auto",))
        check_choice(self, "early_stopping", (True, False))
        check_number(self, "verbose", Integral, 0, also=(False, True))
        check_widths(self, "hidden_layer_sizes", also=("auto",))
        self._check_test_rule()
        if self.inference == "visual" and self.fusion is None:
            raise ValueError(VISUAL_NEEDS_SEMANTICS)
        check_choice(self, "precision", ("float32", "bfloat16"))
        if resolve_device(self.device).type == "mps" and self.precision != "float32":
            raise ValueError("precision='bfloat16' is not available on MPS; expected 'float32'.")

    def _check_prior(self, n_features: int) -> None:
        width = self.class_embeddings_.vectors.shape[1]
        if self._has_table and self.prior == "cosine" and width != n_features:
            raise ValueError(
                "prior='cosine' compares features with class vectors; expected vectors of equal "
                f"width, got X with {n_features} features and class vectors with {width}. Set "
                "prior=None, or embed both with one model."
            )

    def _check_test_rule(self) -> None:
        """Raise for a wrong parameter of the test rule; these may be set after `fit` too."""
        check_choice(self, "inference", tuple(TEST_RULES))
        check_number(self, "visual_weight", Real, 0, 1)
        check_number(self, "feature_weight", Real, 0, 1000)
        check_number(self, "n_neighbors", Integral, 0)
        # cosines over it stay finite
        check_number(self, "temperature", Real, 1e-30, also=("auto",))

    @property
    def _n_features_out(self) -> int:
        return self._model.net.n_points

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
