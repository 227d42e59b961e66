"""Readers for data sets in the form of Xian et al.: images (xlsa17) and videos (I3D)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn.utils import Bunch

from ._feature_files import SplitFile, assemble, read_features, read_split

_DESCR = """\
{title}
{rule}

:Rows: {n_rows}, of them {train} to train on, {test_seen} to test seen and {test_unseen} to test
    unseen classes on
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

    This is the form of CUB, SUN, AWA1, AWA2 and APY as Xian et al. distribute
    them [1]_, and of most zero-shot data sets since. Files of MATLAB's version 7.3
    need h5py (``pip install 'sklearn_claster[hdf5]'``). Nothing is downloaded.

    Parameters
    ----------
    folder : str or Path
        The folder of the data set, with the two files in it.
    embeddings : str, default="att"
        Which class vectors to read: "att" (unit length) or "original_att", or any
        other variable of the split file with one column a class.
    class_names : array-like of shape (n_classes,), default=None
        The labels in the order of the file's numbers. None takes the file's
        `allclasses_names`.
    split_version : {"PS v1", "PS v2"} or None, default=None
        Which version of the Proposed Split these files are, where you know it from
        their source. An error is raised if the files say otherwise.
    features_file, split_file : str
        The names of the two files.
    dtype : dtype, default=float32
        The type of the features; networks compute them in float32.

    Returns
    -------
    Bunch
        A dictionary with attribute access:

        data : ndarray of shape (n_samples, n_features)
            The features, one row a sample.
        target : ndarray of shape (n_samples,)
            The class names.
        class_embeddings : ClassEmbeddings
            The vectors of all classes.
        seen_classes, unseen_classes : ndarray
            The classes of `train` and of `test_unseen`, sorted.
        train, test_seen, test_unseen : ndarray of int
            Row indices, from 0. `test_seen` may be empty.
        tuning_train, tuning_validation : ndarray of int or None
            The file's `train_loc` and `val_loc` without the rows of the tests, None
            where the file has none.
        n_leaked_rows : int
            How many rows of `test_seen` the file's `train_loc` and `val_loc` held.
        split_version : {"PS v1", "PS v2", "unknown"}
            See Notes.
        split_fingerprint : str
            Sixteen digits that stand for the three parts; two copies of a data set
            have the same split if and only if they have the same fingerprint.
        DESCR : str
            A description.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ImportError
        If a file is of version 7.3 and h5py is not installed.
    ValueError
        If a file cannot be read, lacks a variable, counts from 0, points outside,
        holds NaN, if the files do not belong together, if parts share rows, or if
        test classes were trained on. The message says which and what to do.

    See Also
    --------
    load_i3d : The same for I3D features of videos.

    Notes
    -----
    **Versions of the split.** There are two Proposed Splits, and figures on one do
    not compare with figures on the other: users report about two points between
    them [2]_. Version 2.0 is said to repair a leak of test data. The files carry no
    version number. What can be verified is a mark of the first version: its
    `train_loc` and `val_loc`, meant for tuning, hold all rows of `test_seen_loc` (in
    CUB 1173 and 591 of the 1764), so that whoever tuned with them tuned on the
    test. Files with that mark are called "PS v1"; all others are "unknown" unless
    `split_version` says what they are, because no mark of version 2.0 is documented.
    To make sure that two results are on the same split, compare `split_fingerprint`.

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
            f"{bunch.n_leaked_rows} rows of test_seen_loc stand in train_loc or val_loc. Fetch "
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
    """Read I3D features of videos: `i3d.mat` and one `split_<n>/att_splits.mat` a split.

    This is the form in which Mandal et al. [1]_ distribute UCF101 and HMDB51: 8192
    features, those of the RGB stream followed by those of the flow stream, and
    class splits in folders of their own. Nothing is downloaded.

    Parameters
    ----------
    folder : str or Path
        The folder of the data set, for example ``data_action/ucf101``.
    split : int or str, default=1
        Which split: ``1`` reads ``split_1/att_splits.mat``; a string is the name of
        the folder, ``""`` the data set's own.
    stream : {"both", "rgb", "flow"}, default="both"
        Which half of the features to take.
    embeddings : str, default="att"
        The variable of the split file with the class vectors, one column a class.
    class_names : array-like of shape (n_classes,), default=None
        The labels in the order of the file's numbers. None takes the file's
        `allclasses_names`, where there is one.
    features_file, split_file : str
        The names of the two files.
    dtype : dtype, default=float32
        The type of the features.

    Returns
    -------
    Bunch
        As of :func:`load_xlsa17`; `split_version` is the name of the split's folder.

    Raises
    ------
    FileNotFoundError, ImportError, ValueError
        As :func:`load_xlsa17`; also if one stream is asked for and the features are
        not those of two.

    See Also
    --------
    load_xlsa17 : What the Bunch holds.
    load_truze_split : A class split without classes of Kinetics, which I3D was trained on.

    Notes
    -----
    I3D is trained on Kinetics, where many classes of UCF101 and HMDB51 occur, some
    of them among the unseen classes of these splits. TruZe [2]_ leaves them out.

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
                "them as they are."
            )
        half = slice(None, 4096) if stream == "rgb" else slice(4096, None)
        bunch.data = np.ascontiguousarray(bunch.data[:, half])
    bunch.n_leaked_rows, _ = _leak(parts)
    bunch.split_version = name or "unknown"
    streams = {"both": "RGB and flow", "rgb": "RGB", "flow": "flow"}[stream]
    return _described(bunch, f"{folder.resolve().name}, I3D features ({streams})", "a class split")


def _leak(split: SplitFile) -> tuple[int, bool]:
    """How many rows of the seen test stand in the tuning parts, and whether all do."""
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
