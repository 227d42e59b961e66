"""Which groups of samples are tested on, so that no group lies on both sides of a split."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d

from .._utils.torch import as_host_array

TELL_APART = (
    "If equal names in different classes stand for different groups, give them different names, "
    "for example f'{label}/{group}'"
)


def group_codes(groups: Any) -> NDArray[np.intp]:
    """Numbers of the groups in order of appearance, (n,).

    Raises
    ------
    ValueError
        If a sample has no group: None or NaN.
    """
    names = column_or_1d(as_host_array(groups)).tolist()
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    codes = np.fromiter(map(numbers.__getitem__, names), dtype=np.intp, count=len(names))
    if missing := [name for name in numbers if _is_missing(name)]:
        raise ValueError(
            f"groups holds {missing[0]!r} for sample {codes.tolist().index(numbers[missing[0]])}; "
            "expected the group of every sample. Give one that belongs to no other its own group."
        )
    return codes


@dataclass(frozen=True)
class GroupedClasses:
    """How many samples of each class each group holds, pair by pair."""

    group: NDArray[np.intp]  # (n_pairs,), ascending
    label: NDArray[np.intp]  # (n_pairs,) class code
    count: NDArray[np.intp]  # (n_pairs,)
    n_groups: int
    total: NDArray[np.intp]  # (n_classes,) samples of each class
    classes: NDArray[Any]  # (n_classes,) their names

    @classmethod
    def of(
        cls, groups: NDArray[np.intp], codes: NDArray[np.intp], classes: NDArray[Any]
    ) -> GroupedClasses:
        """From the group and the class code of every sample, (n,) each, and the classes' names."""
        total = np.bincount(codes)
        pairs, count = np.unique(groups * len(total) + codes, return_counts=True)
        group, label = np.divmod(pairs, len(total))
        return cls(group, label, count, int(groups.max()) + 1, total, classes)

    def having(self, classes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which groups hold samples of these classes, (C,) -> (G,)."""
        found: NDArray[np.bool_] = np.zeros(self.n_groups, dtype=bool)
        found[self.group[classes[self.label]]] = True
        return found

    def tested(
        self, unseen: NDArray[np.bool_], share: float, order: NDArray[np.intp]
    ) -> NDArray[np.bool_]:
        """Which groups are tested on, (G,).

        Groups without a training class are. Of the others as many are that they hold as nearly as
        possible this share of the samples of each training class; with a share of zero, those that
        hold a held-out class.

        Parameters
        ----------
        unseen : ndarray of shape (n_classes,), bool
            The held-out classes.
        share : float
            Of the samples of each training class, from 0 to below 1.
        order : ndarray of shape (n_groups,)
            All groups; of equally good ones the first are taken.

        Raises
        ------
        ValueError
            If a training class would have no sample left, or a held-out one none to test on.
        """
        if share == 0.0:
            tested = self.having(unseen)
            left = np.bincount(self.label, self.count * ~tested[self.group], len(self.total))
            lost = np.flatnonzero(~unseen & (left == 0))
            if len(lost):
                raise ValueError(
                    f"Groups cannot be kept apart: class {self.classes[lost[0]]} is trained on, "
                    "and all its samples lie in groups that hold held-out classes too. Set "
                    "seen_fraction above 0 to test on part of the groups, and to leave out what "
                    f"the others hold of held-out classes. {TELL_APART}."
                )
            return tested
        return _Choice(self, unseen, share, order).made()


class _Choice:
    """The groups that are tested on, as they are being chosen."""

    def __init__(
        self,
        table: GroupedClasses,
        unseen: NDArray[np.bool_],
        share: float,
        order: NDArray[np.intp],
    ) -> None:
        self.table, self.unseen = table, unseen
        self.wanted = share * table.total * ~unseen
        self.tested = ~table.having(~unseen)
        self.taken = np.bincount(  # samples to test on, of each class
            table.label, table.count * self.tested[table.group], len(table.total)
        ).astype(np.intp)
        n_classes = np.bincount(table.group)
        starts = np.r_[0, np.cumsum(n_classes)]
        self.pairs = [slice(*ends) for ends in pairwise(starts)]
        shared = ~self.tested & (n_classes > 1)
        self.own = order[~self.tested[order] & ~shared[order]]  # of one training class
        mixed = table.having(unseen)  # first: what is not tested of their held-out classes is lost
        self.shared = order[shared[order]]
        self.shared = self.shared[np.argsort(~mixed[self.shared], kind="stable")]

    def made(self) -> NDArray[np.bool_]:
        """Every held-out class first, then the shares, groups of several classes before others."""
        for lost in self._cover(self.unseen):
            raise ValueError(
                f"Groups cannot be kept apart: class {self.table.classes[lost]} is held out and "
                "cannot be tested on, because each of its groups holds all samples that a "
                f"training class has left. {TELL_APART}."
            )
        for group in self.shared:
            if self._cost(group) < 0.0:
                self._take(group)
        classes = self.table.label[[self.pairs[group].start for group in self.own]]
        by_class = np.argsort(classes, kind="stable")
        ends = np.searchsorted(classes[by_class], np.arange(len(self.taken) + 1))
        for label in np.flatnonzero(~self.unseen).tolist():
            self._take_own(label, self.own[by_class[ends[label] : ends[label + 1]]])
        list(self._cover(~self.unseen))  # as far as it goes
        return self.tested

    def _cover(self, classes: NDArray[np.bool_]) -> Any:
        """Take the least costly shared group of each class without any; yield those that stay so.

        Classes of few groups have the first choice.
        """
        groups: dict[int, list[int]] = {}
        for group in self.shared:
            for label in self.table.label[self.pairs[group]]:
                groups.setdefault(int(label), []).append(int(group))
        missing = np.flatnonzero(classes & (self.taken == 0)).tolist()
        for label in sorted(missing, key=lambda label: len(groups.get(label, ()))):
            if self.taken[label]:  # by the group of another
                continue
            best = min(groups.get(label, ()), key=self._cost, default=None)
            if best is None or self._cost(best) == np.inf:
                yield label
            else:
                self._take(best)

    def _cost(self, group: int) -> float:
        """What taking it adds to the squared errors of the shares; infinite if it must not be."""
        if self.tested[group]:
            return np.inf
        pairs = self.pairs[group]
        seen = ~self.unseen[self.table.label[pairs]]
        label, count = self.table.label[pairs][seen], self.table.count[pairs][seen]
        total, before = self.table.total[label], self.taken[label]
        if (before + count >= total).any():  # nothing left to train on
            return np.inf
        error = (before - self.wanted[label]) / total
        return float(((error + count / total) ** 2 - error**2).sum())

    def _take(self, group: int) -> None:
        pairs = self.pairs[group]
        self.tested[group] = True
        self.taken[self.table.label[pairs]] += self.table.count[pairs]

    def _take_own(self, label: int, groups: NDArray[np.intp]) -> None:
        """Fill the share of a class with groups of its own: at least one sample on either side."""
        sizes = [int(self.table.count[self.pairs[group].start]) for group in groups]
        taken, total = int(self.taken[label]), int(self.table.total[label])
        chosen = nearest_sum(sizes, self.wanted[label] - taken, int(not taken), total - taken - 1)
        for position in chosen:
            self._take(groups[position])


def nearest_sum(sizes: list[int], wanted: float, least: int, most: int) -> list[int]:
    """Positions of the numbers whose sum is nearest to `wanted`, among sums from least to most.

    None if there is no such sum; of equally near sums the one that `wanted` is rounded to, or the
    smaller one; of numbers that make it, early ones rather than late.

    Examples
    --------
    >>> nearest_sum([5, 90, 3, 2], wanted=8.0, least=1, most=99)
    [0, 2]
    """
    if not sizes or most < least:
        return []
    goal = int(np.clip(np.rint(wanted), least, most))
    mask = (2 << min(most, max(2 * goal, min(sizes)))) - 1  # no larger sum is nearer
    reached = [1]  # sums of the first 0, 1, ... numbers, as bits
    for size in sizes:
        if reached[-1] >> goal & 1:
            break
        reached.append((reached[-1] | reached[-1] << size) & mask)
    sums = [(reached[-1] & (2 << goal) - 1).bit_length() - 1]  # the largest that is not above
    if above := reached[-1] >> goal:
        sums.append(goal + (above & -above).bit_length() - 1)  # the smallest that is not below
    sums = [s for s in sums if s >= least]
    if not sums:
        return []
    left = min(sums, key=lambda s: (abs(s - wanted), abs(s - goal), s))
    chosen = []
    for position in reversed(range(len(reached) - 1)):
        if not reached[position] >> left & 1:
            chosen.append(position)
            left -= sizes[position]
    return chosen[::-1]


def _is_missing(name: Any) -> bool:
    same = name == name  # not so for NaN, and pandas' NA does not say
    return name is None or not isinstance(same, (bool, np.bool_)) or not same
