"""Names of classes as words, and the texts that stand for classes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

# Over the shapes of letters: U upper case, l any other letter, d digit, - all else.
_WORD = re.compile(
    r"U+d+"  # MP3
    r"|d+U+(?!l)"  # 3D, and the 3D of 3DPrinting
    r"|U+(?!l)"  # TV, and the TV of TVShow
    r"|U?l+"  # Show, show
    r"|d+"
)
_NUMBER = re.compile(  # before a name: 001. 1) A012_
    r"\W*(?P<letter>[^\W\d_]?)(?P<digits>\d+)(?P<end>[.):\]]*)[\s_-]*(?<!\d)(?=[^\W\d_])"
)


def split_class_name(name: str) -> str:
    """Split a class name into lower-case words.

    Words end at underscores, hyphens and other signs, before a capital
    (CamelCase), and after an acronym. Digits are a word of their own unless they
    touch capitals, as in "MP3" or "3D".

    A number that counts the classes is left out. Such a number stands at the beginning, perhaps
    after a single letter. It is followed by a full stop, a bracket or a colon ("1. archery",
    "001.Archery"), or it begins with a zero and is followed by a space or another sign
    ("001_archery", "A012 drop"). All other numbers belong to the name ("30 m dash", "3.5 mm jack").

    Parameters
    ----------
    name : str
        The name of a class, or a sentence.

    Returns
    -------
    str
        The words, separated by single spaces.

    Raises
    ------
    TypeError
        If `name` is no string.
    ValueError
        If it has neither letters nor digits.

    Examples
    --------
    >>> from sklearn_claster.text import split_class_name
    >>> split_class_name("ApplyEyeMakeup")
    'apply eye makeup'
    >>> split_class_name("ride_bike"), split_class_name("Clean-and-Jerk")
    ('ride bike', 'clean and jerk')
    >>> split_class_name("TVShow"), split_class_name("3DPrinting"), split_class_name("Take2")
    ('tv show', '3d printing', 'take 2')
    >>> split_class_name("001.Black_footed_Albatross"), split_class_name("30 m dash")
    ('black footed albatross', '30 m dash')
    """
    return _split(name)


def split_class_names(names: Sequence[str]) -> list[str]:
    """Split names that belong together.

    If a number with leading zeros counts the classes, numbers with at least as many digits do so
    too: next to "001_archery" the number of "100_yoyo" is left out.
    """
    widths: dict[str, int] = {}  # of the numbers behind each letter
    for match in (_NUMBER.match(name) for name in names if isinstance(name, str)):
        if match and _counts(match):
            width = len(match["digits"])
            widths[match["letter"]] = min(width, widths.get(match["letter"], width))
    return [_split(name, widths) for name in names]


def _counts(match: re.Match[str]) -> bool:
    return match["digits"].startswith("0") and len(match["digits"]) > 1


def _split(name: str, widths: Mapping[str, int] = MappingProxyType({})) -> str:
    """Split a name into words, without numbers behind a letter as wide as `widths` says."""
    if not isinstance(name, str):
        raise TypeError(
            f"A class name is a string; got {type(name).__name__} {name!r}. Pass a mapping from "
            "label to text for labels that are no names."
        )
    number = _NUMBER.match(name)
    if number and (
        number["end"]
        or _counts(number)
        or len(number["digits"]) >= widths.get(number["letter"], np.inf)
    ):
        name = name[number.end() :]
    name = unicodedata.normalize("NFC", name)
    words = [name[match.start() : match.end()] for match in _WORD.finditer(_shapes(name))]
    if not words:
        raise ValueError(
            f"A class name has letters or digits; got {name!r}. Pass a mapping from label to text "
            "that describes the class."
        )
    return " ".join(words).lower()


def _shapes(name: str) -> str:
    """Replace each character by a sign for its kind."""
    kinds = []
    for i, letter in enumerate(name):
        inside = 0 < i < len(name) - 1 and name[i - 1].isalpha() and name[i + 1].isalpha()
        if letter.isdecimal():
            kinds.append("d")
        elif letter.isalpha() or unicodedata.category(letter).startswith("M"):  # accents, vowels
            kinds.append("U" if letter.isupper() else "l")
        else:
            kinds.append("l" if letter in "'\N{RIGHT SINGLE QUOTATION MARK}" and inside else "-")
    return "".join(kinds)


def says_more(classes: Any) -> bool:
    """Return whether this is a mapping from label to text, or a Series with an index of its own."""
    own_index = type(getattr(classes, "index", None)).__name__ != "RangeIndex"
    return isinstance(classes, Mapping) or (hasattr(classes, "iloc") and own_index)


def as_texts(classes: Any) -> dict[Any, list[str]]:
    """Return the texts of each class: its name, or what a mapping says about it.

    Raises
    ------
    TypeError
        If the classes are no iterable of names and no mapping to texts.
    ValueError
        If there are none, a name occurs twice, or a text is empty.
    """
    is_frame = hasattr(classes, "columns")
    if isinstance(classes, (str, bytes)) or not hasattr(classes, "__iter__") or is_frame:
        raise TypeError(
            "Expected class names as a list or an array, or a mapping from label to text; got "
            f"{type(classes).__name__}."
        )
    pairs = list(classes.items() if says_more(classes) else ((c, c) for c in classes))
    texts: dict[Any, Any] = {
        label: [text] if isinstance(text, str) else text for label, text in pairs
    }
    if not texts:
        raise ValueError("Expected at least one class; got none. Pass the names of the classes.")
    if len(texts) < len(pairs):
        raise ValueError("Expected each class name once; got one twice. Remove the second one.")
    for label, lines in texts.items():
        if not isinstance(lines, (list, tuple)) or not all(isinstance(x, str) for x in lines):
            raise TypeError(
                f"The text of a class is a string or a list of strings; got {lines!r} for "
                f"{label!r}. Pass a mapping from label to text for labels that are no names."
            )
        if not lines or not all(line.strip() for line in lines):
            raise ValueError(
                f"Each class needs a text that is not empty; got none for {label!r}. Describe the "
                "class, or leave it out."
            )
    return {label: [str(line) for line in lines] for label, lines in texts.items()}
