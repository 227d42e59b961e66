"""What every zero-shot classifier does with unlabelled samples: `adapt`, and answers after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from .._class_embeddings import ClassEmbeddings
from .._data.unit_rows import unit_rows
from .._gate.gate import Decides, Gate, OpenGate
from .._utils.progress import tell
from .._utils.state import WholeState
from .._utils.warning import warn
from .decider import Decider, block_of, summary_of
from .labelled import Labelled
from .prototypes import Learnt, Pool, learn


class Adaptable(WholeState, ABC):
    """Base of classifiers that learn from unlabelled samples of their candidates.

    A method may bring `_input_rows`, its own input space, and `_prior_prototypes`.
    """

    space: str
    _has_table: bool
    _adapts = True  # whether `fit` keeps what `adapt` needs
    _labelled: Labelled | None = None
    _learnt: Learnt | None = None

    @abstractmethod
    def _candidates(
        self, unseen_embeddings: Any, quiet: bool = False
    ) -> tuple[ClassEmbeddings, NDArray[np.bool_]]:
        """Return the candidate table and which of its rows are seen classes."""

    @abstractmethod
    def _seen_table(self) -> ClassEmbeddings:
        """Return the table of the seen classes."""

    @abstractmethod
    def _raw_blocks(
        self, X: Any, table: ClassEmbeddings, is_seen: NDArray[np.bool_]
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Rows (n, f), scores and answers (n, C) in blocks."""

    @abstractmethod
    def _gate_in_use(self) -> Gate | OpenGate:
        """Return the gate that decides, or none."""

    @abstractmethod
    def _what_a_gate_needs(self) -> dict[str, Any]:
        """Return the parameters that scores and gates depend on."""

    def adapt(self, X: ArrayLike, unseen_embeddings: Any = None) -> Self:
        """Learn from unlabelled samples of the candidates.

        Each candidate gets a prototype among the samples, which starts from its class vector, so
        that samples close together get one name. Cosines with the prototypes then count beside
        the model's own scores. A second call replaces what the first one learnt.

        Afterwards all methods use the prototypes, also for one sample at a time, as long as they
        are asked for the same candidates. For others the model answers as before, with a
        warning. `fit` and `set_candidates` forget the prototypes.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, n_features)
            Samples that belong to the candidates: with ``space="zsl"`` to unseen classes, with
            ``space="gzsl"`` to seen or unseen ones. Not every candidate has to occur.
        unseen_embeddings : ClassEmbeddings, mapping, DataFrame or tuple, default=None
            As in `predict`.

        Returns
        -------
        self : object
            The adapted estimator; `adapted_` shows what was learnt.

        Raises
        ------
        ValueError
            If there are no unseen candidates, as with ``space="seen"`` or without a class table.

        See Also
        --------
        sklearn_claster.model_selection.Transductive : Adapts to the samples of each call.

        Examples
        --------
        >>> from sklearn_claster.baselines import ESZSL
        >>> from sklearn_claster.datasets import load_digit_pairs
        >>> import numpy as np
        >>> digits = load_digit_pairs(random_state=0)
        >>> seen = np.isin(digits.target, digits.seen_classes)
        >>> eszsl = ESZSL().fit(digits.data[seen], digits.target[seen], digits.class_embeddings)
        >>> eszsl = eszsl.adapt(digits.data[~seen])
        >>> bool(eszsl.adapted_.found.all())
        True
        """
        check_is_fitted(self)
        with self._twin() as twin:
            twin._learnt = None
            table, is_seen = twin._candidates(unseen_embeddings)
            if is_seen.all():
                reason = f"space={twin.space!r}" if twin._has_table else "fit got no class table"
                raise ValueError(
                    f"adapt learns unseen classes, and there are none: {reason}. Fit with "
                    "class_embeddings and space='zsl' or 'gzsl'."
                )
            twin._learnt = twin._learn_from(X, table, is_seen)
        return self

    @property
    def adapted_(self) -> Bunch:
        """What `adapt` has learnt, with attribute access.

        Arrays have one entry per candidate: `labels`, `counts` (samples found), `found` (whether
        at least one), `movement` (of the prototype from where its class vector puts it). Numbers:
        `weight` of cosines with prototypes in the scores, `n_iter`, `n_samples`.
        """
        if self._learnt is None:
            raise AttributeError(
                f"This {type(self).__name__} is not adapted: call adapt(X) with unlabelled samples."
            )
        return summary_of(self._learnt)

    def _keep_for_adapt(self, X: Any, codes: NDArray[np.intp]) -> None:
        """Keep of the labelled samples (n, f), with class codes (n,), what `adapt` needs."""
        self._labelled = None
        if self._has_table and self._adapts:
            vectors = self._seen_table().vectors
            self._labelled = Labelled.of(self._input_rows, X, codes, vectors)

    def _to_refit(self) -> Self:
        """Return an unfitted clone, for a gate that fits it to fewer classes."""
        model = clone(self)
        model._adapts = False
        if hasattr(model, "set_callbacks"):  # they watch the fit that the user asked for
            model.set_callbacks()
        return model

    def _input_rows(self, X: NDArray[Any], feature_mean: NDArray[np.float64]) -> NDArray[Any]:
        """Return unit rows (n, f) of the model's input space, in which prototypes are learnt."""
        return unit_rows(X, feature_mean)

    def _prior_prototypes(self, vectors: NDArray[np.float64]) -> NDArray[Any]:
        """Return unit prototypes (C, f) in the input space, by class vectors (C, s) alone."""
        return self._kept().prototypes(self._seen_table().vectors, vectors)

    def _kept(self) -> Labelled:
        if self._labelled is None:
            raise ValueError(
                f"This {type(self).__name__} cannot adapt: it has learnt from no labelled sample. "
                "Fit it with samples of seen classes."
            )
        return self._labelled

    def _to_rows(self, X: NDArray[Any]) -> NDArray[Any]:
        return self._input_rows(X, self._kept().feature_mean)

    def _learn_from(self, X: Any, table: ClassEmbeddings, is_seen: NDArray[np.bool_]) -> Learnt:
        gate = self._gate_in_use()

        def read() -> Iterator[Any]:
            for rows, scores, answers in self._raw_blocks(X, table, is_seen):
                yield block_of(gate, self._to_rows(rows), rows, scores, answers, is_seen)

        def report(iteration: int, movement: float) -> None:
            tell(self, f"adapt, iteration {iteration}: movement {movement:.2e}")

        pool = Pool(read)
        next(iter(pool))  # whatever is wrong with the samples shows here
        prior = self._prior_prototypes(table.vectors[~is_seen])
        found = learn(pool, self._kept(), prior, is_seen, report)
        made_for = self._what_a_gate_needs() | {"space": self.space}
        return Learnt(table.labels, table.vectors, is_seen, made_for, **found)

    def _decider(self, table: ClassEmbeddings) -> Decides:
        """Return the gate in use for these candidates, with what `adapt` has learnt."""
        gate = self._gate_in_use()
        if self._learnt is None:
            return gate
        if self._learnt.serves(table, self._what_a_gate_needs() | {"space": self.space}):
            return Decider(gate, self._learnt, self._to_rows)
        warn(
            f"This {type(self).__name__} was adapted to other candidates, or with other "
            "parameters, and answers as it did before. Call adapt with these, or fit again."
        )
        return gate
