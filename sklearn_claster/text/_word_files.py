"""Word vectors from files, for the words that are needed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

_GZIP_MAGIC = b"\x1f\x8b"
_FASTTEXT_MAGIC = (793712314).to_bytes(4, "little")  # of fastText's own .bin models
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # before UTF-8, as some editors write it
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_ARCHIVES = {
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "rar",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_LONGEST_LINE = 1 << 20  # bytes; no text file of word vectors comes near

_CURE = " If the file is right, pass its form; otherwise download it again."

Vectors = dict[str, NDArray[np.float32]]


def read_word_vectors(path: str | Path, words: Iterable[str], *, form: str = "auto") -> Vectors:
    r"""Read the vectors of some words from a file of word2vec, fastText or GloVe.

    The function reads the file once and keeps only the vectors of these words: the
    3.6 GB of GoogleNews need no more memory than those vectors. It stops when it has
    found all words.

    Parameters
    ----------
    path : str or Path
        The file, which may be compressed with gzip.
    words : iterable of str
        The words, in the spelling of the file.
    form : {"auto", "word2vec-binary", "text"}, default="auto"
        "text" has one word per line, followed by its numbers: word2vec's text files and
        fastText's .vec files, whose first line holds the number of words and the length
        of the vectors, and GloVe's .txt files, which have no such line. "auto" decides
        by the beginning of the file.

    Returns
    -------
    dict from str to ndarray of shape (n_features,), float32
        The vectors of those words that the file has.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file has none of these forms, or is damaged or incomplete.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn_claster.text import read_word_vectors
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "vectors.txt"
    ...     _ = file.write_text("bike 0.5 1.0\nhorse 0.0 2.0\n")
    ...     read_word_vectors(file, ["horse", "unicorn"])
    {'horse': array([0., 2.], dtype=float32)}
    """
    if form not in ("auto", "word2vec-binary", "text"):
        raise ValueError(f'form has to be "auto", "word2vec-binary" or "text"; got {form!r}.')
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of word vectors at {path}; there is none.")
    wanted = set(words)
    try:
        with _open(path) as file:
            head = file.read(_LONGEST_LINE)
        archive = next((kind for magic, kind in _ARCHIVES.items() if head.startswith(magic)), None)
        if archive or head[257:262] == b"ustar":
            raise ValueError(f"it is a {archive or 'tar'} archive. Unpack it and take a file in it")
        if head.startswith(_UTF_16):
            raise ValueError("it is text in UTF-16. Save it as UTF-8")
        if head.startswith(_FASTTEXT_MAGIC):
            raise ValueError("it is a model of fastText (.bin). Take the .vec file instead")
        sizes = _sizes(head.split(b"\n", 1)[0])
        binary = form == "word2vec-binary" or (form == "auto" and _is_binary(head, sizes))
        with _open(path) as file:
            if binary:
                if sizes is None:
                    raise ValueError("its first line is not the two sizes of a word2vec file")
                file.readline()
                records = _binary_records(file, *sizes, wanted)
            else:
                records = _text_records(file, sizes, wanted)
            return _collect(records, wanted)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"Expected word vectors of word2vec, fastText (.vec) or GloVe in {path.name}; {error}."
            + _CURE * (". " not in str(error))
        ) from error


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP_MAGIC
    opened = cast(BinaryIO, gzip.open(path, "rb") if compressed else path.open("rb"))  # noqa: SIM115
    if opened.read(3) != _BYTE_ORDER_MARK:
        opened.seek(0)
    return opened


def _sizes(line: bytes) -> tuple[int, int] | None:
    """Return the numbers of words and features, if that is what the first line says."""
    parts = line.split()
    if len(parts) == 2 and all(part.isdigit() for part in parts) and int(parts[1]) > 0:
        return int(parts[0]), int(parts[1])
    return None


def _is_binary(head: bytes, sizes: tuple[int, int] | None) -> bool:
    """Return whether something else than a word and its numbers follows the line of sizes."""
    if sizes is None:
        return False
    lines = head.split(b"\n", 2)
    values = lines[1].split()[1:] if len(lines) > 1 else []
    return len(values) < sizes[1] or not all(map(_is_number, values[-sizes[1] :]))


def _is_number(text: bytes) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _collect(records: Iterator[tuple[str, NDArray[np.float32]]], wanted: set[str]) -> Vectors:
    found: Vectors = {}
    for word, vector in records:
        if not np.isfinite(vector).all():
            raise ValueError(f"the vector of {word!r} is not finite")
        found.setdefault(word, vector)  # the first is the one of the more frequent word
        if len(found) == len(wanted):
            break
    return found


def _text_records(
    file: BinaryIO, sizes: tuple[int, int] | None, wanted: set[str]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield wanted words of a text file, counting numbers from the end of the line.

    Some words of GloVe hold spaces.
    """
    if sizes:
        file.readline()
    n_features = sizes[1] if sizes else None
    keys = {word.encode(): word for word in wanted}
    n_lines = 0
    for number, line in enumerate(file, start=2 if sizes else 1):
        if not line.strip():
            continue
        if n_features is None:
            values = line.split()[1:]
            if not values or not all(_is_number(value) for value in values):
                raise ValueError(f"line {number} is not a word and its numbers")
            n_features = len(values)
        n_lines += 1
        if line.split(b" ", 1)[0].split(b"\t", 1)[0] not in keys:
            continue
        word, *values = line.rstrip().rsplit(maxsplit=n_features)
        if word not in keys:  # the first part of a word with spaces
            continue
        if len(values) != n_features or not all(map(_is_number, values)):
            raise ValueError(f"line {number} is not a word and {n_features} finite numbers")
        yield keys[word], np.array(values, dtype=np.float64).astype(np.float32)
    if n_features is None:
        raise ValueError("it is empty")
    if sizes and n_lines < sizes[0]:
        raise ValueError(f"it ends after {n_lines} of {sizes[0]} words")


def _binary_records(
    file: BinaryIO, n_words: int, n_features: int, wanted: set[str]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield wanted words of word2vec's binary form: word, space, float32 numbers, maybe newline."""
    keys = {word.encode(): word for word in wanted}
    width = 4 * n_features
    buffer, start = b"", 0
    for number in range(n_words):
        space = buffer.find(b" ", start)
        while space < 0 or len(buffer) < space + 1 + width:
            more = file.read(1 << 20)
            if not more:
                raise ValueError(f"it ends after {number} of {n_words} words")
            buffer, start = buffer[start:] + more, 0
            space = buffer.find(b" ")
        word = buffer[start:space].lstrip(b"\n")
        if word in keys:
            vector = np.frombuffer(buffer, dtype="<f4", count=n_features, offset=space + 1)
            yield keys[word], vector.astype(np.float32)
        start = space + 1 + width
