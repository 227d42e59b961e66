"""Which groups of samples are tested on, so that no group lies on both sides of a split."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from .._utils.labels import is_missing
from .._utils.samples import read_groups

TELL_APART = (
    "If equal names in different classes stand for different groups, give them different names, "
    "for example f'{label}/{group}'"
)


def group_codes(groups: Any) -> NDArray[np.intp]:
    """Numbers of the groups in order of appearance, (n,).

    Raises
    ------
    ValueError
        If a sample has no group, None or NaN, or groups come in several columns.
    """
    names = read_groups(groups).tolist()
    missing = [i for i, name in enumerate(names) if is_missing(name)]
    if missing:
        raise ValueError(
            f"groups holds {names[missing[0]]!r} for sample {missing[0]}; expected the group of "
            "every sample. Give one that belongs to no other its own group."
        )
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.fromiter(map(numbers.__getitem__, names), dtype=np.intp, count=len(names))


class GroupChoice:
    """Chooses the groups that a fold tests on.

    Parameters
    ----------
    groups, codes : ndarray of shape (n_samples,)
        The group and the class code of every sample.
    classes : ndarray of shape (n_classes,)
        The classes' names, for messages.
    """

    def __init__(
        self, groups: NDArray[np.intp], codes: NDArray[np.intp], classes: NDArray[Any]
    ) -> None:
        pairs = coo_array((np.ones(len(codes), dtype=np.intp), (groups, codes)))
        self.counts = pairs.tocsr()  # (n_groups, n_classes), samples; equal pairs are summed
        self.total = np.bincount(codes)  # (n_classes,)
        self.classes = classes

    def __call__(
        self, unseen: NDArray[np.bool_], share: float, order: NDArray[np.intp]
    ) -> NDArray[np.bool_]:
        """Which groups are tested on, (n_groups,).

        Groups of held-out classes alone are. With a share of zero those that hold any sample of a
        held-out class are as well. Otherwise a group is taken, in the given order, where it brings
        the tested shares of the training classes nearer to `share`; then the best group of each
        class that has none yet. A class that is trained on keeps a group to train on.

        Raises
        ------
        ValueError
            If a training class would have no sample left, or a held-out one none to test on.
        """
        trained_on = self.counts @ ~unseen > 0
        tested = ~trained_on if share > 0.0 else self.counts @ unseen > 0
        taken = self.counts.T @ tested.astype(np.intp)  # (n_classes,)
        if share == 0.0:
            lost = np.flatnonzero(~unseen & (taken == self.total))
            if len(lost):
                raise ValueError(
                    f"Groups cannot be kept apart: class {self.classes[lost[0]]} is trained on, "
                    "and all its samples lie in groups that hold held-out classes too. Set "
                    "seen_fraction above 0 to test on part of the groups, and to leave out what "
                    f"the others hold of held-out classes. {TELL_APART}."
                )
            return tested

        def content(group: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
            part = slice(*self.counts.indptr[group : group + 2])
            return self.counts.indices[part], self.counts.data[part]

        def cost(group: int) -> float:
            """Return what a group adds to the shares' squared errors; infinite if it must stay."""
            label, count = (part[~unseen[content(group)[0]]] for part in content(group))
            total, before = self.total[label], taken[label]
            if tested[group] or (before + count >= total).any():
                return np.inf
            error = before / total - share
            return float(((error + count / total) ** 2 - error**2).sum())

        def take(group: int) -> None:
            label, count = content(group)
            tested[group] = True
            taken[label] += count

        for group in order:
            if cost(group) < 0.0:
                take(group)
        for label in np.flatnonzero(taken == 0):
            having = order[self.counts[order][:, [label]].toarray()[:, 0] > 0]
            best = min(having, key=cost)
            if taken[label] == 0 and np.isfinite(cost(best)):
                take(best)
        for label in np.flatnonzero(unseen & (taken == 0)):
            raise ValueError(
                f"Groups cannot be kept apart: class {self.classes[label]} is held out and cannot "
                "be tested on, because each of its groups holds all samples that a training class "
                f"has left. {TELL_APART}."
            )
        return tested
