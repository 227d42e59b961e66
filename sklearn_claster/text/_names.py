"""Names of classes as words, and the texts that stand for classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

# Over the shapes of letters: U upper case, l any other letter, d digit, - all else.
_WORD = re.compile(
    r"U+d+"  # MP3
    r"|d+U+(?!l)"  # 3D, and the 3D of 3DPrinting
    r"|U+(?!l)"  # TV, and the TV of TVShow
    r"|U?l+"  # Show, show
    r"|d+"
)


def split_class_name(name: str) -> str:
    """Split a class name into lower-case words.

    Words end at underscores, hyphens and other signs, before a capital
    (CamelCase), and after an acronym. Digits are a word of their own unless they
    touch capitals, as in "MP3" or "3D".

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
    """
    if not isinstance(name, str):
        raise TypeError(
            f"A class name to be split is a string; got {type(name).__name__} {name!r}. Pass a "
            "mapping from label to text for labels that are no names."
        )
    words = [name[match.start() : match.end()] for match in _WORD.finditer(_shapes(name))]
    if not words:
        raise ValueError(
            f"A class name has letters or digits; got {name!r}. Pass a mapping from label to text "
            "to say what the class is."
        )
    return " ".join(words).lower()


def _shapes(name: str) -> str:
    """One sign a letter: its kind."""
    kinds = []
    for i, letter in enumerate(name):
        inside = 0 < i < len(name) - 1 and name[i - 1].isalpha() and name[i + 1].isalpha()
        if letter.isdecimal():
            kinds.append("d")
        elif letter.isalpha():
            kinds.append("U" if letter.isupper() else "l")
        else:
            kinds.append("l" if letter in "'\N{RIGHT SINGLE QUOTATION MARK}" and inside else "-")
    return "".join(kinds)


def as_texts(classes: Iterable[Any] | Mapping[Any, Any]) -> dict[Any, list[str]]:
    """The texts of each class: its name, or what a mapping says about it.

    Raises
    ------
    TypeError
        If the classes are no iterable of names and no mapping to texts.
    ValueError
        If there are none, a name stands twice, or a text is empty.
    """
    if isinstance(classes, (str, bytes)) or not isinstance(classes, Iterable):
        raise TypeError(
            "Expected class names as a list or an array, or a mapping from label to text; got "
            f"{type(classes).__name__}."
        )
    pairs = list(classes.items() if isinstance(classes, Mapping) else ((c, c) for c in classes))
    texts = {label: [text] if isinstance(text, str) else text for label, text in pairs}
    if not texts:
        raise ValueError("Expected at least one class; got none.")
    if len(texts) < len(pairs):
        raise ValueError("Expected each class name once; got one twice. Pass each class once.")
    for label, lines in texts.items():
        if not isinstance(lines, (list, tuple)) or not all(isinstance(x, str) for x in lines):
            raise TypeError(
                f"The text of a class is a string or a list of strings; got {lines!r} for "
                f"{label!r}. Pass a mapping from label to text for labels that are no names."
            )
        if not lines or not all(line.strip() for line in lines):
            raise ValueError(f"Each class needs a text that is not empty; got none for {label!r}.")
    return {label: [str(line) for line in lines] for label, lines in texts.items()}
