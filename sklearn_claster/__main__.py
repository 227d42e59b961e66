"""The command line: ``python -m sklearn_claster recognise --help``."""

from __future__ import annotations

import csv
import sys
import warnings
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import BiasDetector, ClasterZSL
from ._utils.labels import preview
from .baselines import CosineZSL
from .text import embed_sentences
from .text._sentences import load_sentence_model
from .video import VideoFeatures

_TEMPLATE = "a video of {}."
_ABOUT = """\
Name the action in each video, with classes that need no labelled video.

An image-text model (CLIP, SigLIP) puts frames and class names into one space. Without --fit a
video gets the name that is nearest to the mean of its frames. With --fit ClasterZSL learns from
labelled videos of other classes first.
"""
_MORE = """\
files:
  NAMES   one class name per line; "ride_bike" and "RideBike" are read as "ride bike"
  LABELS  a CSV file with the columns "file" and "label"; files are relative to its folder
  OUTPUT  a CSV file with the columns "file", "label", "probability" and "runner-up", one line per
          video; of a video that cannot be read the last three are empty

exit status:
  0  every video was read
  1  some videos could not be read: they are named, and all others are done
  2  nothing was done: the message says why

examples:
  %(prog)s --model clip-ViT-B-32 --classes names.txt videos/*.mp4
  %(prog)s --model clip-ViT-B-32 --classes names.txt --fit labels.csv --adapt \\
      --templates "a video of {}." --templates "a person doing {}." videos/*.mp4

A model that is given by its name is downloaded by the first call. It takes
pip install 'sklearn_claster[text,video]'.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}")
        try:
            return recognise(options)
        except (ImportError, OSError, TypeError, ValueError) as error:
            _say(f"error: {error}")
            return 2


def _say(message: str) -> None:
    print(f"sklearn_claster: {message}", file=sys.stderr)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m sklearn_claster", description="CLASTER for videos.")
    command = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "recognise",
        help="name the action in each video",
        description=_ABOUT,
        epilog=_MORE,
        formatter_class=RawDescriptionHelpFormatter,
    )
    add = command.add_argument
    add("videos", nargs="+", metavar="VIDEO", help="files of any format that FFmpeg reads")
    add(
        "--model",
        required=True,
        help="name or folder of an image-text model for sentence-transformers",
    )
    add("--classes", required=True, metavar="NAMES", help="the candidates: a file of class names")
    add("--fit", metavar="LABELS", help="learn from these labelled videos first")
    add("--also-seen", action="store_true", help="with --fit: its classes are candidates as well")
    add("--adapt", action="store_true", help="learn from all VIDEOs together, without labels")
    add("--output", default="predictions.csv", help="default: %(default)s, which is replaced")
    add(
        "--templates",
        action="append",
        metavar="TEXT",
        help='where a name goes, with {}; give several for their mean; default: "a video of {}."',
    )
    add(
        "--frames",
        type=int,
        default=8,
        metavar="N",
        help="frames per video, evenly in time; default: %(default)s",
    )
    add(
        "--batch-size",
        type=int,
        default=32,
        metavar="N",
        help="frames at once; default: %(default)s",
    )
    add("--jobs", type=int, metavar="N", help="how many videos are decoded at once")
    add(
        "--memory", metavar="FOLDER", help="keep features here: a call that was interrupted goes on"
    )
    add("--quiet", action="store_true", help="no progress")
    return parser


def recognise(options: Namespace) -> int:
    """Name videos, print a table and write a CSV file; returns the exit status."""
    names = _read_names(Path(options.classes))
    known = _read_labels(Path(options.fit)) if options.fit else {}
    _check(options, names, known)
    with redirect_stderr(StringIO()) if options.quiet else nullcontext():
        model = load_sentence_model(options.model)
    texts = list(dict.fromkeys([*names, *known.values()]))
    table = embed_sentences(texts, model, template=options.templates or _TEMPLATE)
    features = VideoFeatures(
        model,
        n_clips=options.frames,
        clip_length=1,
        batch_size=options.batch_size,
        n_jobs=options.jobs,
        memory=options.memory,
        on_error="nan",
        verbose=not options.quiet,
    )
    X, files = _readable(features, options.videos)
    zsl: Any = CosineZSL.from_table(table.select(names))
    status = int(len(files) < len(options.videos))
    if known:
        X_known, usable = _readable(features, list(known))
        status |= int(len(usable) < len(known))
        y = [known[file] for file in usable]
        zsl = ClasterZSL(prior="cosine", random_state=0)
        if options.also_seen:
            zsl.set_params(space="gzsl", bias_detector=BiasDetector())
        zsl.fit(X_known, y, table.select({*names, *y}))
    if options.adapt:
        zsl.adapt(X)
    n_candidates = len(zsl.candidates()[0])
    labels, probabilities = zsl.top_k(X, min(2, n_candidates))
    answers = dict(zip(files, zip(labels.tolist(), probabilities[:, 0], strict=True), strict=True))
    _write(options, answers)
    return status


def _check(options: Namespace, names: list[str], known: dict[str, str]) -> None:
    """Raise for what would be found out late otherwise."""
    both = sorted({*names} & {*known.values()})
    if both and not options.also_seen:
        raise ValueError(
            f"{options.classes} has to name classes without labelled videos; got "
            f"{preview(np.array(both))} of {options.fit}. Take them out, or add --also-seen."
        )
    if options.also_seen and not known:
        raise ValueError("--also-seen is about the classes of labelled videos. Add --fit LABELS.")
    wrong = [text for text in options.templates or [] if text.count("{}") != 1]
    if wrong:
        raise ValueError(
            f'--templates takes a text with one "{{}}", for the name; got {wrong[0]!r}.'
        )
    output = Path(options.output)
    if output.is_dir() or not output.parent.is_dir():
        raise ValueError(f"--output has to be a file in a folder that exists; got {output}.")


def _read_names(path: Path) -> list[str]:
    names = [line.strip() for line in _text(path).splitlines() if line.strip()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        got = f"{preview(np.array(twice))} twice" if twice else "none"
        raise ValueError(f"{path} has to hold class names, one per line, each once; got {got}.")
    return names


def _read_labels(path: Path) -> dict[str, str]:
    """The labels of a CSV file by their videos, whose paths begin where it lies."""
    reader = csv.DictReader(StringIO(_text(path), newline=""))
    columns = np.array(reader.fieldnames or ["none"])
    if not {"file", "label"} <= {*columns.tolist()}:
        raise ValueError(
            f'{path} has to be a CSV file with the columns "file" and "label"; got the columns '
            f"{preview(columns)}."
        )
    labels: dict[str, str] = {}
    for line in reader:
        name, label = ((line[column] or "").strip() for column in ("file", "label"))
        file = str(path.parent / name)
        if not name or not label or file in labels:
            got = f"{file} twice" if file in labels else "one of them alone"
            raise ValueError(
                f"{path}, line {reader.line_num}: expected a file that is new and its label; got "
                f"{got}."
            )
        labels[file] = label
    if not labels:
        raise ValueError(f"{path} has to name labelled videos; there is no line below its header.")
    return labels


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} has to be a text file in UTF-8; got other bytes.") from error


def _readable(features: VideoFeatures, files: list[str]) -> tuple[NDArray[np.float32], list[str]]:
    """Features of the videos that can be read, and their names; the others are reported."""
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):  # progress is no result
        warnings.filterwarnings("ignore", "[0-9]+ of [0-9]+ videos could not be read")
        X = features.fit_transform(files)
    for reason in features.errors_.values():
        _say(reason)
    whole = [place for place in range(len(files)) if place not in features.errors_]
    if not whole:
        raise ValueError(f"None of the {len(files)} videos could be read.")
    return X[whole], [files[place] for place in whole]


def _write(options: Namespace, answers: dict[str, tuple[list[str], float]]) -> None:
    """The table and the CSV file, one line per video."""
    lines = [["file", "label", "probability", "runner-up"]]
    for file in options.videos:
        (label, *runner_up), probability = answers.get(file, ([""], None))
        number = "" if probability is None else f"{probability:.4f}"
        lines.append([file, label, number, *(runner_up or [""])])
    with Path(options.output).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(lines)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for file, *answer in lines:
        shown = answer if answer[0] else ["(cannot be read)", "", ""]
        cells = (cell.ljust(width) for cell, width in zip([file, *shown], widths, strict=True))
        print("  ".join(cells).rstrip())
    print(f"\nsaved as {options.output}")


if __name__ == "__main__":
    sys.exit(main())
