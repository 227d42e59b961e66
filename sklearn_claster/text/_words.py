"""Class vectors from word vectors."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._class_embeddings import ClassEmbeddings
from .._utils.torch import as_host_array
from .._utils.warning import warn
from ._names import as_texts, split_class_names
from ._word_files import read_word_vectors


def embed_words(
    classes: Iterable[str] | Mapping[Any, str | list[str]],
    vectors: str | Path | Any,
    *,
    stop_words: Iterable[str] = (),
) -> ClassEmbeddings:
    """Make class vectors as means of the word vectors of class names.

    Parameters
    ----------
    classes : iterable of str, or mapping from label to str or list of str
        The class names, which are also the labels; or a mapping from each label to a name, a
        description or several of them. A pandas Series with an index of its own is a mapping
        too.
    vectors : path, mapping from word to vector, or gensim's KeyedVectors
        The word vectors: a file (see :func:`read_word_vectors`), or an object with
        ``word in vectors`` and ``vectors[word]``. For a model of gensim pass its ``wv``.
    stop_words : iterable of str, default=()
        Words to leave out, such as "and" and "with".

    Returns
    -------
    ClassEmbeddings
        One vector per class: the mean over its words. Repeated words count repeatedly.

    Raises
    ------
    ValueError
        If no word of a class is known, or word vectors differ in length.
    TypeError
        If the classes are no names and no mapping to texts, `stop_words` is one
        string, or `vectors` is a whole model instead of its word vectors.

    Warns
    -----
    UserWarning
        If words have no vector. The warning names the words and their classes.

    See Also
    --------
    split_class_name : Splits names into words.
    embed_sentences : Vectors of whole names and descriptions.

    Notes
    -----
    Each word is looked up in lower case, then with a capital, then in capitals, because some
    models keep case ("Kayaking", "TV"). Letters with accents are looked up in both forms of
    Unicode.

    Examples
    --------
    >>> from sklearn_claster.text import embed_words
    >>> table = embed_words(["RideBike", "ride_horse"], {"ride": [1, 0], "bike": [0, 1],
    ...                                                  "horse": [0, 3]})
    >>> table.labels.tolist()
    ['RideBike', 'ride_horse']
    >>> table.vectors
    array([[0.5, 0.5],
           [0.5, 1.5]])
    """
    if isinstance(stop_words, str):
        raise TypeError(
            f"stop_words is a list of words; got the string {stop_words!r}. Put it into a list."
        )
    left_out = {word.lower() for word in stop_words}
    _check_vectors(vectors)
    texts = as_texts(classes)
    split = iter(split_class_names([line for lines in texts.values() for line in lines]))
    words = {
        label: [word for _ in lines for word in next(split).split() if word not in left_out]
        for label, lines in texts.items()
    }
    wanted = {spelling for known in words.values() for word in known for spelling in _cases(word)}
    if isinstance(vectors, (str, Path)):
        vectors = read_word_vectors(vectors, wanted)
    found = {label: [_look_up(word, vectors) for word in known] for label, known in words.items()}
    known_words = {label: [v for v in rows if v is not None] for label, rows in found.items()}
    _report_unknown(words, found)
    lengths = {vector.shape for rows in known_words.values() for vector in rows}
    if len(lengths) > 1:
        raise ValueError(
            f"All word vectors have one length; got the shapes {sorted(lengths)}. Take them from "
            "one model."
        )
    return ClassEmbeddings(
        list(known_words), np.array([np.mean(rows, axis=0) for rows in known_words.values()])
    )


def _cases(word: str) -> tuple[str, ...]:
    """Return the spellings of a lower-case word, in the order of preference."""
    composed = (word, word.capitalize(), word.upper())
    decomposed = (unicodedata.normalize("NFD", spelling) for spelling in composed)
    return composed if word.isascii() else (*composed, *decomposed)


def _check_vectors(vectors: Any) -> None:
    if isinstance(vectors, (str, Path)) or all(
        hasattr(vectors, name) for name in ("__contains__", "__getitem__")
    ):
        return
    cure = "Pass a file, a mapping from word to vector, or gensim's KeyedVectors."
    if hasattr(vectors, "wv"):
        cure = "Its word vectors are in its attribute wv: pass model.wv."
    raise TypeError(
        f"vectors has to support (word in vectors) and vectors[word]; got the "
        f"{type(vectors).__name__}. {cure}"
    )


def _look_up(word: str, vectors: Any) -> NDArray[np.float64] | None:
    for spelling in _cases(word):
        if spelling in vectors:
            return np.asarray(as_host_array(vectors[spelling], word), dtype=np.float64)
    return None


def _report_unknown(words: dict[Any, list[str]], found: dict[Any, list[Any]]) -> None:
    """Raise if a class has no known word, and warn about other unknown words."""
    unknown = {
        label: [word for word, vector in zip(words[label], rows, strict=True) if vector is None]
        for label, rows in found.items()
    }
    lost = [label for label, rows in found.items() if all(vector is None for vector in rows)]
    if lost:
        listed = "; ".join(f"{label!r} ({' '.join(words[label])})" for label in lost)
        raise ValueError(
            f"Each class needs at least one word with a vector; got none for {listed}. Pass a "
            "mapping from label to other words, or larger word vectors."
        )
    some = "; ".join(f"{', '.join(rows)} of {label!r}" for label, rows in unknown.items() if rows)
    if some:
        warn(
            f"Some words have no vector and were left out: {some}. Pass a mapping from label to "
            "other words.",
        )
