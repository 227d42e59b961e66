"""Readers of data sets in the form of Xian et al.: images (xlsa17) and videos (I3D)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn.utils import Bunch

from ._feature_files import SplitFile, assemble, read_features, read_split

_DESCR = """\
{title}
{rule}

:Samples: {n_rows}; {train} to train on, {test_seen} to test seen and {test_unseen} to test unseen
    classes
:Features: {n_features}
:Classes: {n_classes}; {n_seen} seen, {n_unseen} unseen
:Class vectors: {n_embedding_features} features
:Split: {split_version} ({split_source}), fingerprint {split_fingerprint}
"""


def load_xlsa17(
    folder: str | Path,
    *,
    embeddings: str = "att",
    class_names: ArrayLike | None = None,
    split_version: str | None = None,
    features_file: str = "res101.mat",
    split_file: str = "att_splits.mat",
    dtype: DTypeLike = np.float32,
) -> Bunch:
    """Read a data set in the form of xlsa17: `res101.mat` and `att_splits.mat`.

    Xian et al. distribute CUB, SUN, AWA1, AWA2 and APY in this form [1]_; most later
    zero-shot data sets use it too. Files of MATLAB's version 7.3 need h5py
    (``pip install 'sklearn_claster[hdf5]'``). The function downloads nothing.

    Parameters
    ----------
    folder : str or Path
        The folder of the data set, with the two files in it.
    embeddings : str, default="att"
        The class vectors to read: "att" (unit length), "original_att", or another
        variable of the split file with one column per class.
    class_names : array-like of shape (n_classes,), default=None
        The labels in the order of the file's numbers. None takes the file's
        `allclasses_names`.
    split_version : {"PS v1", "PS v2"} or None, default=None
        The version of the Proposed Split, if you know it from the source of the files.
        It is an error if the files show another version.
    features_file, split_file : str
        The names of the two files.
    dtype : dtype, default=float32
        The type of the features. Networks compute features in float32.

    Returns
    -------
    Bunch
        A dictionary with attribute access:

        data : ndarray of shape (n_samples, n_features)
            The features, one row per sample.
        target : ndarray of shape (n_samples,)
            The class names.
        class_embeddings : ClassEmbeddings
            The vectors of all classes.
        seen_classes, unseen_classes : ndarray
            The classes of `train` and of `test_unseen`, sorted.
        train, test_seen, test_unseen : ndarray of int
            Indices of samples, from 0. `test_seen` may be empty.
        tuning_train, tuning_validation : ndarray of int or None
            The file's `train_loc` and `val_loc` without test samples. None if the file
            does not have them.
        n_leaked_rows : int
            The number of samples of `test_seen` in the file's `train_loc` and `val_loc`.
        split_version : {"PS v1", "PS v2", "unknown"}
            See Notes.
        split_fingerprint : str
            Sixteen digits that identify the three parts. Two copies of a data set have
            the same split if and only if they have the same fingerprint.
        DESCR : str
            A description.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ImportError
        If a file has version 7.3 and h5py is not installed.
    ValueError
        If a file cannot be read, lacks a variable, counts from 0, has an index out of
        range or holds NaN; if the files do not belong together, if parts share
        samples, or if test classes were trained on. The message names the fault and
        the cure.

    See Also
    --------
    load_i3d : Reads I3D features of videos.

    Notes
    -----
    **Versions of the split.** There are two Proposed Splits, and figures on one do
    not compare with figures on the other: users report differences of about two
    points [2]_. Version 2.0 is said to repair a leak of test data. The files carry no
    version number, but the first version has a mark: its `train_loc` and `val_loc`,
    meant for tuning, hold all samples of `test_seen_loc` (in CUB 1173 and 591 of the
    1764), so that tuning with them is tuning on the test. Files with that mark are
    called "PS v1". All others are "unknown" unless you pass `split_version`, because
    no mark of version 2.0 is documented. To make sure that two results are on the
    same split, compare `split_fingerprint`.

    To tune, hold out classes of `train` with
    :class:`~sklearn_claster.model_selection.ZeroShotKFold`.

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele and Z. Akata, "Zero-Shot Learning - A
       Comprehensive Evaluation of the Good, the Bad and the Ugly", IEEE TPAMI 41(9),
       2019, https://arxiv.org/abs/1707.00600
    .. [2] https://github.com/akshitac8/tfvaegan/issues/24

    Examples
    --------
    >>> from sklearn_claster.datasets import load_xlsa17
    >>> cub = load_xlsa17("xlsa17/data/CUB")  # doctest: +SKIP
    >>> cub.data[cub.train].shape  # doctest: +SKIP
    (7057, 2048)
    """
    if split_version not in (None, "PS v1", "PS v2"):
        raise ValueError(
            f'split_version has to be "PS v1", "PS v2" or None; got {split_version!r}. Pass None '
            "to find out what the files say."
        )
    folder = Path(folder)
    split = read_split(folder / split_file, embeddings, class_names)
    bunch = assemble(read_features(folder / features_file, dtype), split)
    bunch.n_leaked_rows, recognised = _leak(split)
    if recognised and split_version == "PS v2":
        raise ValueError(
            f'split_version="PS v2" was expected, but {split_file} is of the first version: all '
            f"{bunch.n_leaked_rows} samples of test_seen_loc are in train_loc or val_loc. Get "
            "version 2.0, or report the figures as those of version 1."
        )
    bunch.split_version = "PS v1" if recognised else split_version or "unknown"
    source = "recognised" if recognised else "as stated" if split_version else "no mark found"
    return _described(bunch, f"{folder.resolve().name}, a data set in the form of xlsa17", source)


def load_i3d(
    folder: str | Path,
    *,
    split: int | str = 1,
    stream: str = "both",
    embeddings: str = "att",
    class_names: ArrayLike | None = None,
    features_file: str = "i3d.mat",
    split_file: str = "att_splits.mat",
    dtype: DTypeLike = np.float32,
) -> Bunch:
    """Read I3D features of videos: `i3d.mat` and one `split_<n>/att_splits.mat` per split.

    Mandal et al. [1]_ distribute UCF101 and HMDB51 in this form: 8192 features, those
    of the RGB stream followed by those of the flow stream, and each class split in a
    folder of its own. The function downloads nothing.

    Parameters
    ----------
    folder : str or Path
        The folder of the data set, for example ``data_action/ucf101``.
    split : int or str, default=1
        The split: ``1`` reads ``split_1/att_splits.mat``. A string is the name of the
        split's folder; ``""`` is the folder of the data set.
    stream : {"both", "rgb", "flow"}, default="both"
        The stream whose features to take.
    embeddings : str, default="att"
        The variable of the split file with the class vectors, one column per class.
    class_names : array-like of shape (n_classes,), default=None
        The labels in the order of the file's numbers. None takes the file's
        `allclasses_names`, if there are any.
    features_file, split_file : str
        The names of the two files.
    dtype : dtype, default=float32
        The type of the features.

    Returns
    -------
    Bunch
        As from :func:`load_xlsa17`. `split_version` is the name of the split's folder.

    Raises
    ------
    FileNotFoundError, ImportError, ValueError
        As in :func:`load_xlsa17`. Also if `stream` is one stream and the features are
        not those of two.

    See Also
    --------
    load_xlsa17 : Describes the Bunch.
    load_truze_split : A class split without unseen classes from Kinetics.

    Notes
    -----
    I3D is trained on Kinetics, which contains many classes of UCF101 and HMDB51. Some
    of them are unseen classes in these splits. In TruZe [2]_ all of them are seen.

    References
    ----------
    .. [1] D. Mandal et al., "Out-of-Distribution Detection for Generalized Zero-Shot
       Action Recognition", CVPR 2019, https://github.com/naraysa/gzsl-od
    .. [2] S. N. Gowda et al., "A New Split for Evaluating True Zero-Shot Action
       Recognition", GCPR 2021, https://arxiv.org/abs/2107.13029

    Examples
    --------
    >>> from sklearn_claster.datasets import load_i3d
    >>> ucf = load_i3d("data_action/ucf101", split=1, stream="flow")  # doctest: +SKIP
    """
    if stream not in ("both", "rgb", "flow"):
        raise ValueError(f'stream has to be "both", "rgb" or "flow"; got {stream!r}.')
    folder = Path(folder)
    name = split if isinstance(split, str) else f"split_{split}"
    parts = read_split(folder / name / split_file, embeddings, class_names)
    bunch = assemble(read_features(folder / features_file, dtype), parts)
    n_features = bunch.data.shape[1]
    if stream != "both":
        if n_features != 8192:
            raise ValueError(
                f"{features_file} has to hold 8192 features, 4096 of RGB and 4096 of flow, to "
                f'take stream="{stream}" from; got {n_features}. Pass stream="both" to take '
                "all features."
            )
        half = slice(None, 4096) if stream == "rgb" else slice(4096, None)
        bunch.data = np.ascontiguousarray(bunch.data[:, half])
    bunch.n_leaked_rows, _ = _leak(parts)
    bunch.split_version = name or "unknown"
    streams = {"both": "RGB and flow", "rgb": "RGB", "flow": "flow"}[stream]
    return _described(bunch, f"{folder.resolve().name}, I3D features ({streams})", "a class split")


def _leak(split: SplitFile) -> tuple[int, bool]:
    """Return how many samples of the seen test are in the tuning parts, and whether all are."""
    test = split.rows["test_seen"]
    if not split.tuning:
        return 0, False
    leaked = int(np.isin(test, np.concatenate(list(split.tuning.values()))).sum())
    return leaked, len(split.tuning) == 2 and 0 < leaked == len(test)


def _described(bunch: Bunch, title: str, split_source: str) -> Bunch:
    bunch.DESCR = _DESCR.format(
        title=title,
        rule="-" * len(title),
        n_rows=len(bunch.target),
        train=len(bunch.train),
        test_seen=len(bunch.test_seen),
        test_unseen=len(bunch.test_unseen),
        n_features=bunch.data.shape[1],
        n_classes=len(bunch.class_embeddings.labels),
        n_seen=len(bunch.seen_classes),
        n_unseen=len(bunch.unseen_classes),
        n_embedding_features=bunch.class_embeddings.vectors.shape[1],
        split_version=bunch.split_version,
        split_source=split_source,
        split_fingerprint=bunch.split_fingerprint,
    )
    return bunch
