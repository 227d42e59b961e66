"""Folders of videos with one folder per class, and the official lists of UCF101 and HMDB51."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from numbers import Integral
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from .._utils.labels import preview
from .._utils.parameters import check_value
from .._utils.warning import warn

VIDEO_EXTENSIONS = (
    *(".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
    *(".ogv", ".ts", ".webm", ".wmv"),
)
_UCF101 = re.compile(r"v_.+_(?P<group>g\d+)_c\d+")
_HMDB51 = re.compile(  # the film, the action, what is visible, camera, people, side, quality, clip
    r"(?P<film>.+)_[fhlu]_[cn]m_np\d_(?:ba|fr|le|ri)_(?:bad|med|goo)_\d+"
)
_KINETICS = re.compile(r"(?P<film>[\w-]{11})_\d{6}_\d{6}")  # the film, first and last second
_DESCR = """\
{title}
{rule}

:Videos: {n_videos}; {n_skipped} other files
:Classes: {n_classes}
:Groups: {groups}
:Split: {split}
"""


def load_video_folder(
    folder: str | Path,
    *,
    splits: str | Path | None = None,
    split: int = 1,
    extensions: Iterable[str] = VIDEO_EXTENSIONS,
) -> Bunch:
    """List the videos of a folder with one folder per class: UCF101, HMDB51, Kinetics, yours.

    The function decodes and downloads nothing.

    Parameters
    ----------
    folder : str or Path
        The folder. Each folder in it is a class and holds that class's videos.
    splits : str or Path, default=None
        A folder with official lists: those of UCF101 (`trainlist01.txt`, `testlist01.txt`, and
        `classInd.txt` if it is there) or of HMDB51 (`<class>_test_split1.txt`).
    split : int, default=1
        The number of the official split, if `splits` is given.
    extensions : iterable of str
        Extensions of video files, in upper or lower case. Other files in class folders cause a
        warning and are left out.

    Returns
    -------
    Bunch
        A dictionary with attribute access:

        paths : ndarray of str, of shape (n_videos,)
            The files, sorted by class and by name.
        target : ndarray of str, of shape (n_videos,)
            The class of each: the name of its folder.
        class_names : ndarray of str, of shape (n_classes,)
            The classes, in the order of `classInd.txt` if it was read, else sorted.
        groups : ndarray of str, of shape (n_videos,), or None
            The group of each video; training and test must not share a group, see Notes. None if
            no file name contains a group.
        train, test : ndarray of int, or None
            Indices of the videos of the official split. Some videos may be in neither part.
        skipped : list of str
            Other files in class folders, as "class/name", without hidden files.
        DESCR : str
            A description.

    Raises
    ------
    FileNotFoundError
        If the folder or a list does not exist.
    ValueError
        If `split` is given without `splits`, if the folder has no class folders, if videos lie
        outside of them, if a class folder has no video, or if the lists do not match the folder.
        The message names the fault and the cure.

    Warns
    -----
    UserWarning
        If class folders hold files without the extension of a video.

    See Also
    --------
    load_truze_split, load_xu_splits : Splits of *classes* into seen and unseen ones.

    Notes
    -----
    **Groups.** Clips of one group are cut from one video and look alike. If training and test share
    a group, the accuracy is too high. Pass `groups` to `ZeroShotKFold`, to `ClasterZSL.fit` or to
    scikit-learn's `GroupKFold`. They come from the names of the files:

    * UCF101, ``v_YoYo_g07_c02.avi``: "YoYo_g07". Numbers count within the class.
    * HMDB51, ``April_09_brush_hair_u_nm_np1_ba_goo_0.avi``: the film, "April_09". One film may have
      clips of several classes.
    * Kinetics, ``-3B32lodo2M_000059_000069.mp4``: the film, "-3B32lodo2M".
    * If some names have one of these forms, every other video is a group of its own.

    **Official lists** divide the videos of each class; they are not class splits. Their lines name
    files. A converted file with another extension is found too. In the lists of HMDB51, 1 marks
    training, 2 test, and 0 neither.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn_claster.datasets import load_video_folder
    >>> names = ["YoYo/v_YoYo_g01_c01.avi", "YoYo/v_YoYo_g02_c01.avi", "Surfing/me.mp4"]
    >>> with TemporaryDirectory() as folder:
    ...     for name in names:
    ...         Path(folder, name).parent.mkdir(exist_ok=True)
    ...         Path(folder, name).touch()
    ...     videos = load_video_folder(folder)
    >>> videos.target.tolist(), videos.groups.tolist()
    (['Surfing', 'YoYo', 'YoYo'], ['Surfing/me', 'YoYo_g01', 'YoYo_g02'])
    """
    folder = Path(folder)
    check_value(split, "split", Integral, 1)
    if splits is None and split != 1:
        raise ValueError(
            f"split={split} needs the folder of the official lists, splits; got splits=None. Pass "
            "it, or leave split out."
        )
    endings = _checked(extensions)
    files, skipped = _videos(_existing(folder), endings)
    target = np.array([path.parent.name for path in files])
    class_names = np.unique(target)
    groups = _groups(files)
    train = test = None
    if splits is not None:
        lists = _existing(Path(splits))
        ucf101 = (lists / f"trainlist{split:02d}.txt").is_file()
        parts = _read_ucf101(lists, split) if ucf101 else _read_hmdb51(lists, split)
        train, test = _match(files, parts, class_names)
        if ucf101 and (lists / "classInd.txt").is_file():
            class_names = _in_order(lists, split, class_names)
    if skipped:
        warn(
            f"{len(skipped)} of {len(files) + len(skipped)} files in the class folders of {folder} "
            "do not have the extension of a video and were left out: "
            f"{preview(np.array(skipped))}. Delete them, or name their extensions in "
            "extensions=[...]."
        )
    title = f"{folder.resolve().name}, a folder of videos"
    return Bunch(
        paths=np.array([str(path) for path in files]),
        target=target,
        class_names=class_names,
        groups=groups,
        train=train,
        test=test,
        skipped=skipped,
        DESCR=_DESCR.format(
            title=title,
            rule="-" * len(title),
            n_videos=len(files),
            n_skipped=len(skipped),
            n_classes=len(class_names),
            groups="not known" if groups is None else len(np.unique(groups)),
            split="none"
            if train is None or test is None
            else f"official split {split}; {len(train)} videos to train on, {len(test)} to test on",
        ),
    )


def _checked(extensions: Iterable[str]) -> set[str]:
    if isinstance(extensions, str) or not (endings := list(extensions)):
        raise ValueError(
            f"extensions has to be a list of endings such as ['.avi', '.mp4']; got {extensions!r}."
        )
    return {f".{ending.lower().removeprefix('.')}" for ending in endings}


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        what = "a file" if folder.is_file() else "nothing"
        raise FileNotFoundError(
            f"Expected a folder at {folder}; there is {what}. Check the path, and that the archive "
            "was unpacked."
        )
    return folder


def _visible(folder: Path) -> list[Path]:
    """List a folder, sorted by name, without hidden files."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _videos(folder: Path, endings: set[str]) -> tuple[list[Path], list[str]]:
    """Return the videos of all class folders, and the names of other files there."""
    inside = _visible(folder)
    classes = [path for path in inside if path.is_dir()]
    loose = [path.name for path in inside if path.suffix.lower() in endings and path.is_file()]
    if loose or not classes:
        found = f"{len(loose)} video(s)" if loose else "no folder"
        raise ValueError(
            f"Expected a folder per class in {folder}, with the class's videos in it; got {found} "
            f"there{f', {preview(np.array(loose))}' if loose else ''}. Move each video into the "
            "folder of its class, or pass the folder above or below."
        )
    files: list[Path] = []
    skipped: list[str] = []
    for place in classes:
        content = _visible(place)
        videos = [path for path in content if path.suffix.lower() in endings and path.is_file()]
        others = [path for path in content if path not in set(videos)]
        if not videos:
            below = [path.name for path in others if path.is_dir()]
            kinds = sorted({path.suffix for path in others})
            got = f"it holds files {preview(np.array(kinds))}" if kinds else "it is empty"
            raise ValueError(
                f"Expected videos in the class folder {place}; it holds folders, "
                f"{preview(np.array(below))}, and no video. Pass {place} if its folders are the "
                "classes."
                if below
                else f"Expected videos in the class folder {place}; {got}. "
                "Add videos, name their extensions in extensions=[...], or remove the folder."
            )
        files += videos
        skipped += [f"{place.name}/{path.name}" for path in others]
    return files, skipped


def _groups(files: list[Path]) -> NDArray[np.str_] | None:
    """Return the group of each file; None if no name contains a group."""
    groups, known = [], False
    for path in files:
        label = path.parent.name
        if match := _UCF101.fullmatch(path.stem):
            group = f"{label}_{match['group']}"
        elif match := _HMDB51.fullmatch(path.stem):
            group = match["film"].removesuffix(f"_{label}")
        elif match := _KINETICS.fullmatch(path.stem):
            group = match["film"]
        else:
            group = f"{label}/{path.stem}"
        known = known or match is not None
        groups.append(group)
    return np.array(groups) if known else None


# ------------------------------------------------------------------ official lists

Entry = tuple[str, str, str]  # class, name of the file, place in the lists: "classInd.txt, line 3"


def _read_ucf101(lists: Path, split: int) -> tuple[list[Entry], list[Entry]]:
    train, test = (_entries(lists / f"{part}list{split:02d}.txt") for part in ("train", "test"))
    return train, test


def _entries(path: Path) -> list[Entry]:
    """Read lines "YoYo/v_YoYo_g01_c01.avi 101"; lists of tests have no number."""
    found = []
    for line, where in _lines(path):
        label, slash, name = re.sub(r"\s+\d+$", "", line).partition("/")
        if not slash:
            raise ValueError(
                f"{where}: expected class/file, perhaps followed by the number of the class; got "
                f"{line!r}. Take the list from its source again."
            )
        found.append((label, name, where))
    return found


def _in_order(lists: Path, split: int, class_names: NDArray[np.str_]) -> NDArray[np.str_]:
    """Read the classes in the order of classInd.txt, whose numbers the training list repeats."""
    numbers: dict[str, int] = {}
    for line, where in _lines(lists / "classInd.txt"):
        number, _, name = line.partition(" ")
        if not number.isdecimal() or not name:
            raise ValueError(
                f"{where}: expected a number and a class name; got {line!r}. Take the list from "
                "its source again."
            )
        numbers[name.strip()] = int(number)
    strange = np.setxor1d(list(numbers), class_names)
    if len(strange):
        raise ValueError(
            f"classInd.txt has to name the classes of the folder; only one of the two has "
            f"{preview(strange)}. Is it the file of this data set, and the folder complete?"
        )
    for line, where in _lines(lists / f"trainlist{split:02d}.txt"):
        label, found = line.partition("/")[0], re.search(r"\s(\d+)$", line)
        if found and int(found[1]) != numbers[label]:
            raise ValueError(
                f"{where}: the number of {label!r} is {numbers[label]} in classInd.txt; got "
                f"{found[1]}. Take both files from one source."
            )
    return np.array(sorted(numbers, key=numbers.__getitem__))


def _read_hmdb51(lists: Path, split: int) -> tuple[list[Entry], list[Entry]]:
    """Read lines "April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1", one list per class."""
    ending = f"_test_split{split}.txt"
    paths = [path for path in _visible(lists) if path.name.endswith(ending)]
    if not paths:
        raise FileNotFoundError(
            f"Expected trainlist{split:02d}.txt and testlist{split:02d}.txt (UCF101) or "
            f"<class>{ending} (HMDB51) in {lists}; there is neither. Check the folder, and "
            f"split={split}."
        )
    marked: dict[str, list[Entry]] = {"0": [], "1": [], "2": []}
    for path in paths:
        label = path.name.removesuffix(ending)
        for line, where in _lines(path):
            name, _, mark = line.rpartition(" ")
            if not name or mark not in marked:
                raise ValueError(
                    f"{where}: expected the name of a video and 0, 1 or 2; got {line!r}. Take the "
                    "list from its source again."
                )
            marked[mark].append((label, name.strip(), where))
    return marked["1"], marked["2"]


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines that are not empty, each with its file and number."""
    if not path.is_file():
        raise FileNotFoundError(f"Expected a list at {path}; there is none. Check the folder.")
    text = path.read_text("utf-8-sig", errors="surrogateescape")  # as Python reads file names
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield line.strip(), f"{path.name}, line {number}"


def _match(
    files: list[Path], parts: tuple[list[Entry], list[Entry]], class_names: NDArray[np.str_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the files that the lists name, as indices; extensions do not count."""
    places: dict[tuple[str, str], int] = {}
    for place, path in enumerate(files):
        if places.setdefault((path.parent.name, path.stem), place) != place:
            raise ValueError(
                f"Official lists name each video once; got {path} and a file of the same name with "
                "another extension. Remove one of the two."
            )
    wanted = [(label, Path(name).stem, name, where) for p in parts for label, name, where in p]
    missing = [(name, where) for label, stem, name, where in wanted if (label, stem) not in places]
    if missing:
        name, where = missing[0]
        raise ValueError(
            f"The folder has to hold all {len(wanted)} videos of the official lists; "
            f"{len(missing)} missing, the first is {name} ({where}). Add them, or delete their "
            "lines from a copy of the lists."
        )
    train, test = (
        np.unique([places[label, Path(name).stem] for label, name, _ in part]).astype(np.intp)
        for part in parts
    )
    both = np.intersect1d(train, test)
    if len(both):
        raise ValueError(
            "The lists must not use a video for both training and test; got "
            f"{files[both[0]].name} in both. Take the lists from their source again."
        )
    used = {files[place].parent.name for place in (*train, *test)}
    unlisted = np.array([name for name in class_names if name not in used])
    if len(unlisted):
        raise ValueError(
            f"The official lists name no video of {preview(unlisted)}. Remove the folder(s), or "
            "add the lists of these classes."
        )
    return train, test
