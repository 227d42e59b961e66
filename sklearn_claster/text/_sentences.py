"""Class vectors from sentence models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .._class_embeddings import ClassEmbeddings
from .._utils.torch import as_host_array
from ._names import as_texts, split_class_name


def embed_sentences(
    classes: Iterable[str] | Mapping[Any, str | list[str]],
    model: Any,
    *,
    template: str = "{}",
) -> ClassEmbeddings:
    """Class vectors from a sentence model, of class names or descriptions.

    Parameters
    ----------
    classes : iterable of str, or mapping from label to str or list of str
        The class names, which are the labels as well and are split into words
        (see :func:`split_class_name`); or descriptions, which are taken as they
        are. Several descriptions of a class are averaged.
    model : object with a method ``encode``, or str
        ``encode`` takes a list of strings and returns one vector each, as the
        models of sentence-transformers do. A string is the name or the folder of
        such a model, which is loaded (and downloaded where it is not there yet):
        ``pip install 'sklearn_claster[text]'``.
    template : str, default="{}"
        The sentence to put each text into: "a video of a person doing {}".

    Returns
    -------
    ClassEmbeddings
        One vector a class.

    Raises
    ------
    ImportError
        If a model is named and sentence-transformers is not installed.
    TypeError
        If the model has no method `encode`, or the classes are no texts.
    ValueError
        If the template has no place for the text, or the model does not return one
        finite vector a text.

    See Also
    --------
    embed_words : Means of word vectors.
    combine_embeddings : Several tables as one.

    Examples
    --------
    >>> from sklearn_claster.text import embed_sentences
    >>> class LetterCounts:
    ...     def encode(self, texts):
    ...         return [[text.count("e"), text.count("i")] for text in texts]
    >>> embed_sentences(["RideBike", "ApplyEyeMakeup"], LetterCounts()).vectors
    array([[3., 0.],
           [2., 2.]])
    """
    if not isinstance(template, str) or template.count("{}") != 1:
        raise ValueError(
            f'template has to hold "{{}}" once, where the text goes; got {template!r}.'
        )
    texts = as_texts(classes)
    if not isinstance(classes, Mapping):
        texts = {
            label: [split_class_name(line) for line in lines] for label, lines in texts.items()
        }
    lines = [template.replace("{}", line) for group in texts.values() for line in group]
    vectors = np.asarray(as_host_array(_load(model).encode(lines)), dtype=np.float64)
    if vectors.ndim != 2 or len(vectors) != len(lines) or not np.isfinite(vectors).all():
        raise ValueError(
            f"The model has to return one finite vector for each of the {len(lines)} texts; got "
            f"the shape {vectors.shape}"
            + (", with NaN or infinity" if not np.isfinite(vectors).all() else "")
            + ". Pass a model of sentence-transformers, or one that behaves like it."
        )
    ends = np.cumsum([len(group) for group in texts.values()])[:-1]
    means = [part.mean(axis=0) for part in np.split(vectors, ends)]
    return ClassEmbeddings(list(texts), np.array(means))


def _load(model: Any) -> Any:
    """The model itself, loaded if it came as a name."""
    if hasattr(model, "encode") and not isinstance(model, str):
        return model
    if not isinstance(model, str):
        raise TypeError(
            "model has to have a method encode, or to be the name of a model of "
            f"sentence-transformers; got {type(model).__name__}."
        )
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ImportError(
            f"To load the model {model!r} sentence-transformers is needed. Install it with "
            "pip install 'sklearn_claster[text]', or pass an object with a method encode."
        ) from error
    return SentenceTransformer(model)
