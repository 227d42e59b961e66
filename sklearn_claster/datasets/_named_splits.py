"""Published class splits of UCF101 and HMDB51: TruZe, and the fifty of Xu et al."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from .._utils.labels import preview
from .._utils.warning import warn
from ._matlab import read_mat

# Names that a source misspells, by their keys, and their names in the data set.
_REPAIRS = {
    "ucf101": {"basketballshooting": "Basketball", "salsaspins": "SalsaSpin"},
    "hmdb51": {"swingbasketball": "swing_baseball"},
}
_FIELDS = {"hmdb51": 0, "ucf101": 1, "olympic_sports": 3}  # places in the struct of Xu et al.


def load_truze_split(dataset: str, class_names: Iterable[str] | None = None) -> Bunch:
    """Return the TruZe split, in which no unseen class occurs in Kinetics.

    Networks that are trained on Kinetics, such as I3D, have seen many classes of
    UCF101 and HMDB51. TruZe [1]_ makes all of them seen classes, so that the others
    are truly unseen.

    Parameters
    ----------
    dataset : {"ucf101", "hmdb51"}
        UCF101 has 70 seen and 31 unseen classes, HMDB51 29 and 22.
    class_names : iterable of str, default=None
        Your names of all classes, in any order and spelling (see
        :func:`match_class_names`). The split then has these names. None takes the
        names of the data set.

    Returns
    -------
    Bunch
        seen_classes, unseen_classes : ndarray of str
            The classes, sorted.
        DESCR : str
            A description.

    Raises
    ------
    ValueError
        If `dataset` is neither of the two, or `class_names` are not its classes.

    See Also
    --------
    match_class_names : Brings names into one spelling.
    load_xu_splits : Fifty random splits.

    Notes
    -----
    The published lists contain three names that are not classes. They are read as
    "Basketball" (for "Basketball Shooting"), "SalsaSpin" ("Salsa Spins") and
    "swing_baseball" ("Swing Basketball"). Only this reading puts each class into
    exactly one part.

    References
    ----------
    .. [1] S. N. Gowda, L. Sevilla-Lara, K. Kim, F. Keller and M. Rohrbach, "A New Split
       for Evaluating True Zero-Shot Action Recognition", GCPR 2021,
       https://arxiv.org/abs/2107.13029, lists at https://github.com/kini5gowda/TruZe

    Examples
    --------
    >>> from sklearn_claster.datasets import load_truze_split
    >>> split = load_truze_split("ucf101")
    >>> len(split.seen_classes), len(split.unseen_classes)
    (70, 31)
    >>> split.unseen_classes[:3].tolist()
    ['ApplyLipstick', 'BalanceBeam', 'Billiards']
    """
    lists = json.loads(files(__package__).joinpath("_truze.json").read_text("utf-8"))
    if dataset not in lists:
        raise ValueError(
            f"The TruZe split exists for {_either(lists)}; got {dataset!r}. For other data sets, "
            "hold out classes with ZeroShotShuffleSplit."
        )
    parts = {part: np.sort(lists[dataset][part]) for part in ("seen", "unseen")}
    own = np.concatenate(list(parts.values()))
    if class_names is not None:
        given = np.array(list(class_names))
        official = match_class_names(given, own, aliases=_REPAIRS[dataset])
        lost = np.setdiff1d(own, official)
        if len(lost):
            raise ValueError(
                f"class_names has to hold all {len(own)} classes of {dataset}; {preview(lost)} "
                "is missing. Name all classes, or pass None and select from the result."
            )
        parts = {part: np.sort(given[np.isin(official, names)]) for part, names in parts.items()}
    return Bunch(
        seen_classes=parts["seen"],
        unseen_classes=parts["unseen"],
        DESCR=(
            f"TruZe split of {dataset}: {len(parts['seen'])} seen and {len(parts['unseen'])} "
            "unseen classes; no unseen class occurs in Kinetics (Gowda et al., GCPR 2021)."
        ),
    )


def match_class_names(
    names: Iterable[str], reference: Iterable[str], *, aliases: dict[str, str] | None = None
) -> NDArray[Any]:
    """Bring class names into the spelling of a reference.

    Two names match if they have the same letters and digits: "Clean And Jerk",
    "clean_and_jerk" and "CleanAndJerk" are one class.

    Parameters
    ----------
    names : iterable of str
        The names to match.
    reference : iterable of str
        The names in the spelling of the result.
    aliases : dict, default=None
        Further names, from lower-case letters and digits ("salsaspins") to the
        spelling of the reference ("SalsaSpin").

    Returns
    -------
    ndarray of str, of shape (n_names,)
        The reference's spelling of each name, in the order of `names`.

    Raises
    ------
    ValueError
        If a name has no match, if two names have the same match, or if two names of the
        reference have the same letters and digits.

    Examples
    --------
    >>> from sklearn_claster.datasets import match_class_names
    >>> match_class_names(["Ride Bike", "pull-up"], ["pullup", "ride_bike"]).tolist()
    ['ride_bike', 'pullup']
    """
    known: dict[str, str] = {}
    for name in map(str, reference):
        if known.setdefault(_key(name), name) != name:
            raise ValueError(
                f"The reference names {known[_key(name)]!r} and {name!r} have the same letters "
                "and digits, so they cannot be told apart. Rename one."
            )
    spellings = {**(aliases or {}), **known}  # a class's own name goes before an alias
    matched: dict[str, str] = {}
    for name in map(str, names):
        found = spellings.get(_key(name))
        if found is None:
            close = get_close_matches(_key(name), spellings, n=3)
            hint = " or ".join(repr(spellings[key]) for key in close) or "nothing like it"
            raise ValueError(
                f"Expected names of the {len(known)} reference classes; got {name!r}, and the "
                f"reference has {hint}. Rename the class, or leave it out."
            )
        if found in matched:
            raise ValueError(
                f"Each class is named once; {matched[found]!r} and {name!r} both are {found!r}. "
                "Pass each class once."
            )
        matched[found] = name
    return np.array(list(matched))


def load_xu_splits(
    path: str | Path, dataset: str, class_names: Iterable[str] | None = None
) -> Bunch:
    """Read the random class splits of Xu et al. (`Split.mat`), which many papers use.

    Parameters
    ----------
    path : str or Path
        The file. Its struct `Split` holds the splits of all data sets.
    dataset : {"ucf101", "hmdb51", "olympic_sports"}
        The data set.
    class_names : iterable of str, default=None
        The names in the order of the file's numbers. None takes the alphabetical
        order without regard to case, which is that of UCF101's `classInd.txt`.
        Olympic Sports needs names.

    Returns
    -------
    Bunch
        seen_classes, unseen_classes : ndarray of str, of shape (n_splits, n_classes)
            One row per split.
        distinct : ndarray of int
            The splits that repeat no earlier split.
        repeats : dict
            For each split that repeats an earlier split, that earlier split.

    Raises
    ------
    FileNotFoundError, ImportError, ValueError
        If the file is missing, cannot be read, does not have the published form, or
        has version 7.3 and h5py is not installed.

    Warns
    -----
    UserWarning
        If splits repeat earlier ones. In the published file the splits 6, 7 and 8 of
        UCF101 (from 0) repeat the splits 0, 1 and 2, so that "the first ten splits"
        are seven.

    Notes
    -----
    Public code reads the file as a struct `Split` with one field per data set, in the
    order HMDB51, UCF101, a third, Olympic Sports. Each field holds two matrices, of
    seen and of unseen classes, with one row per split and classes counted from 1.

    The order of the names matters. Sorted with capitals first, "HammerThrow" comes
    before "Hammering"; in `classInd.txt` it comes after. Pass `class_names` if your
    numbers have another order.

    References
    ----------
    .. [1] X. Xu, T. Hospedales and S. Gong, "Transductive Zero-Shot Action Recognition
       by Word-Vector Embedding", IJCV 123, 2017, https://arxiv.org/abs/1511.04458

    Examples
    --------
    >>> from sklearn_claster.datasets import load_xu_splits
    >>> splits = load_xu_splits("Split.mat", "ucf101")  # doctest: +SKIP
    >>> splits.seen_classes[splits.distinct][:10]  # doctest: +SKIP
    """
    if dataset not in _FIELDS:
        raise ValueError(f"dataset has to be {_either(_FIELDS)}; got {dataset!r}.")
    if class_names is None:
        if dataset == "olympic_sports":
            raise ValueError(
                "Olympic Sports needs the class names in the order of its numbers; got "
                "class_names=None. Pass class_names for Olympic Sports."
            )
        split = load_truze_split(dataset)
        class_names = sorted([*split.seen_classes, *split.unseen_classes], key=str.casefold)
    names = np.array(list(class_names))
    seen, unseen = _read_xu(Path(path), _FIELDS[dataset])
    both = np.hstack([seen, unseen])
    whole = np.arange(1, len(names) + 1)
    wrong = np.flatnonzero([not np.array_equal(np.sort(row), whole) for row in both])
    if len(wrong):
        raise ValueError(
            f"{Path(path).name}: each split has to hold the classes 1 to {len(names)} once, seen "
            f"and unseen together; split {wrong[0]} (from 0) does not. Are these the splits of "
            f"{dataset}, and are these {len(names)} class_names all its classes?"
        )
    first: dict[tuple[int, ...], int] = {}
    order = [first.setdefault(tuple(sorted(row)), i) for i, row in enumerate(unseen.tolist())]
    repeats = {i: earlier for i, earlier in enumerate(order) if earlier != i}
    if repeats:
        pairs = ", ".join(f"{i} repeats {earlier}" for i, earlier in repeats.items())
        warn(
            f"Of the {len(order)} splits of {dataset} only {len(first)} are distinct (counted from "
            f"0): {pairs}. Use the splits in `distinct`, or means count some splits twice.",
        )
    return Bunch(
        seen_classes=names[seen - 1],
        unseen_classes=names[unseen - 1],
        distinct=np.array(list(first.values())),
        repeats=repeats,
    )


def _read_xu(path: Path, place: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the matrices of one data set, seen and unseen classes, counted from 1."""
    record = read_mat(path, ["Split"])["Split"]
    try:
        pair = record.item()[place].item()
        seen, unseen = (np.asarray(matrix) for matrix in list(pair)[:2])
        if seen.ndim != 2 or unseen.ndim != 2 or len(seen) != len(unseen):
            raise ValueError("two matrices with one row per split were expected")
        return seen.astype(np.intp), unseen.astype(np.intp)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path.name}: Split has to be a struct with one field per data set, each a struct of "
            f"two matrices, seen and unseen classes; got something else ({error}). Is it the file "
            "of Xu et al.?"
        ) from error


def _key(name: str) -> str:
    """Reduce a name to the letters and digits that all its spellings share."""
    letters = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return "".join(x for x in letters if x.isalnum() or unicodedata.category(x).startswith("M"))


def _either(names: Iterable[str]) -> str:
    return " or ".join(repr(name) for name in names)
