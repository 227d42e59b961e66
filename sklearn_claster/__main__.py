"""The command line: ``python -m sklearn_claster recognise --help``."""

from __future__ import annotations

import csv
import sys
import warnings
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from . import BiasDetector, ClasterZSL
from .baselines import CosineZSL
from .text import embed_sentences
from .text._sentences import load_sentence_model
from .video import VideoFeatures

_ABOUT = """\
Name the action in each video, with classes that need no labelled video.

An image-text model (CLIP, SigLIP) puts frames and class names into one space. Without --fit each
video gets the class name that is nearest to the mean of its frames. With --fit, ClasterZSL first
learns from labelled videos of other classes. The result is a table, printed and saved as OUTPUT.
"""
_MORE = """\
files:
  NAMES   one class name per line; "ride_bike" and "RideBike" are read as "ride bike"
  LABELS  a CSV file with the columns "file" and "label"; files are relative to its folder
  OUTPUT  a CSV file with the columns "file", "label", "probability" and "runner-up"; if a video
          cannot be read, its last three are empty and the exit status is 1; after an error it is 2

examples:
  %(prog)s recognise --model clip-ViT-B-32 --classes names.txt videos/*.mp4
  %(prog)s recognise --model clip-ViT-B-32 --classes names.txt --fit labels.csv --adapt \\
      --template "a video of {}." --template "a person doing {}." videos/*.mp4

A model given by its name is downloaded once. This command needs more packages:
pip install 'sklearn_claster[text,video]'.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = _options(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}")
        try:
            return _recognise(options)
        except (ImportError, OSError, TypeError, ValueError) as error:
            _say(f"error: {error}")
            return 2


def _say(message: str) -> None:
    print(f"sklearn_claster: {message}", file=sys.stderr)


def _options(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser("python -m sklearn_claster", description=_ABOUT, epilog=_MORE)
    parser.formatter_class, add = RawDescriptionHelpFormatter, parser.add_argument
    add("command", choices=["recognise"], metavar="recognise", help="what to do")
    add("videos", nargs="+", metavar="VIDEO", help="files of any format that FFmpeg reads")
    add("--model", required=True, help="name or folder of a sentence-transformers model")
    add("--classes", required=True, metavar="NAMES", help="the candidates: a file of class names")
    add("--fit", metavar="LABELS", help="learn from these labelled videos first")
    add("--also-seen", action="store_true", help="with --fit: its classes are candidates too")
    add("--adapt", action="store_true", help="learn from all VIDEOs together, without labels")
    add("--output", default="predictions.csv", help="default: %(default)s, which is replaced")
    add("--template", action="append", help='default: "a video of {}."; several are averaged')
    add("--frames", type=int, default=8, help="per video, evenly in time; default: %(default)s")
    add("--jobs", type=int, help="videos to decode at once; -1: one per processor")
    add("--memory", metavar="FOLDER", help="keep features here, so that a stopped call can go on")
    return parser.parse_args(arguments)


def _recognise(options: Namespace) -> int:
    files, names = options.videos, _read_names(options.classes)
    if options.also_seen and not options.fit:
        raise ValueError("--also-seen needs the labelled videos of --fit; got no --fit. Add --fit.")
    known = _read_labels(options.fit) if options.fit else {}
    if (both := {*names} & {*known.values()}) and not options.also_seen:
        raise ValueError(
            f"{options.classes} has to name classes without labelled videos; got {min(both)!r}, "
            f"which has some in {options.fit}. Remove the name, or add --also-seen."
        )
    if (output := Path(options.output)).is_dir() or not output.parent.is_dir():
        raise ValueError(f"--output has to be a file in a folder that exists; got {output}.")
    model, texts = load_sentence_model(options.model), [*dict.fromkeys([*names, *known.values()])]
    table = embed_sentences(texts, model, template=options.template or "a video of {}.")
    look = {"n_clips": options.frames, "n_jobs": options.jobs, "memory": options.memory}
    features = VideoFeatures(model, batch_size=64, on_error="nan", verbose=1, **look)
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):  # progress is no result
        warnings.filterwarnings("ignore", "[0-9]+ of [0-9]+ videos have no features")
        X = features.fit_transform([*files, *known])
    for reason in features.errors_.values():
        _say(reason)
    whole = np.flatnonzero(~np.isnan(X).any(axis=1))
    new, old = whole[whole < len(files)], whole[whole >= len(files)]
    if not len(new) or (known and not len(old)):
        raise ValueError(f"None of the {len(known if len(new) else files)} videos could be read.")
    zsl: Any = CosineZSL.from_table(table.select(names))
    if known:
        y = [list(known.values())[i - len(files)] for i in old]
        zsl = ClasterZSL(prior="cosine", random_state=0)
        if options.also_seen:
            zsl.set_params(space="gzsl", bias_detector=BiasDetector())
        zsl.fit(X[old], y, table.select([*dict.fromkeys([*names, *y])]))
    if options.adapt:
        zsl.adapt(X[new])
    labels, probabilities = zsl.top_k(X[new], min(2, len(zsl.candidates()[0])))
    lines = [["file", "label", "probability", "runner-up"], *([file, "", "", ""] for file in files)]
    for i, (label, *other), (first, *_) in zip(new, labels, probabilities, strict=True):
        lines[i + 1][1:] = [label, f"{first:.4f}", *(other or [""])]
    with output.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(lines)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = line if line[1] else [line[0], "(cannot be read)"]
        print("  ".join(map(str.ljust, cells, widths)).rstrip())
    print(f"\nsaved as {output}")
    return int(len(features.errors_) > 0)


def _read_names(path: str) -> list[str]:
    if names := [name.strip() for name in _lines(path) if name.strip()]:
        return list(dict.fromkeys(names))
    raise ValueError(f"{path} has to hold class names, one per line; got none.")


def _read_labels(path: str) -> dict[str, str]:
    lines = list(csv.DictReader(_lines(path), skipinitialspace=True))
    wrong = [line for line in lines if not (line.get("file") and line.get("label"))]
    if wrong or not lines:
        raise ValueError(
            f'{path} has to be a CSV file with the columns "file" and "label", both filled in '
            f"every line; got {wrong[0] if wrong else 'no line'}."
        )
    return {str(Path(path).parent / line["file"]): line["label"].strip() for line in lines}


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} has to be a text file in UTF-8. Save it as UTF-8.") from error


if __name__ == "__main__":
    sys.exit(main())
