"""Class vectors from sentence models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils import gen_batches

from .._class_embeddings import ClassEmbeddings
from .._utils.torch import as_host_array
from ._names import as_texts, says_more, split_class_names

_TEXTS_AT_ONCE = 1024  # models that make no batches of their own would run out of memory


def embed_sentences(
    classes: Iterable[str] | Mapping[Any, str | list[str]],
    model: Any,
    *,
    template: str | Sequence[str] = "{}",
    normalize: bool = True,
) -> ClassEmbeddings:
    """Make class vectors from class names or descriptions with a sentence model.

    Parameters
    ----------
    classes : iterable of str, or mapping from label to str or list of str
        The class names, or a mapping from labels to descriptions. Names are also the labels;
        they are split into words (see :func:`split_class_name`). Descriptions are used as they
        are. A pandas Series with an index of its own is a mapping too.
    model : object with a method ``encode``, or str
        ``encode`` takes a list of at most 1024 strings and returns one vector for each, like
        the models of sentence-transformers. A string is the name or the folder of such a
        model. It is loaded, and downloaded if it is not on this computer:
        ``pip install 'sklearn_claster[text]'``.
    template : str or sequence of str, default="{}"
        The sentence to put each text into, such as "a video of a person doing {}". Several
        templates form an ensemble, like the 80 of CLIP: each text goes into each template.
    normalize : bool, default=True
        Whether each sentence's vector is scaled to unit length before the mean over the
        sentences of a class is taken, so that all sentences count alike.

    Returns
    -------
    ClassEmbeddings
        One vector per class: the mean over all its sentences. The mean of several sentences
        does not have unit length, which does not matter to a cosine.

    Raises
    ------
    ImportError
        If `model` is a name and sentence-transformers is not installed or does not load.
    TypeError
        If the model has no method `encode`, or the classes are no texts.
    ValueError
        If a template has no place for the text, or the model does not return one
        finite vector per sentence.

    See Also
    --------
    embed_words : Means of word vectors.
    combine_embeddings : Several tables as one.

    Examples
    --------
    >>> from sklearn_claster.text import embed_sentences
    >>> class LetterCounts:
    ...     def encode(self, texts):
    ...         return [[text.count("i"), text.count("d")] for text in texts]
    >>> embed_sentences(["RideBike", "Diving"], LetterCounts()).vectors.round(2)
    array([[0.89, 0.45],
           [0.89, 0.45]])
    """
    templates = [template] if isinstance(template, str) else list(template)
    wrong = [one for one in templates if not isinstance(one, str) or one.count("{}") != 1]
    if wrong or not templates:
        raise ValueError(
            'template has to hold "{}" once, where the text goes, and so does each of several '
            f"templates; got {wrong[0] if wrong else template!r}."
        )
    texts = as_texts(classes)
    if not says_more(classes):
        names = split_class_names([line for lines in texts.values() for line in lines])
        texts = {label: [name] for label, name in zip(texts, names, strict=True)}
    groups = [
        [one.replace("{}", x) for x in lines for one in templates] for lines in texts.values()
    ]
    lines = [line for group in groups for line in group]
    model = load_sentence_model(model)
    parts = [
        np.array(as_host_array(model.encode(lines[at])), dtype=np.float64)
        for at in gen_batches(len(lines), _TEXTS_AT_ONCE)
    ]
    vectors = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if vectors.ndim != 2 or len(vectors) != len(lines) or not np.isfinite(vectors).all():
        raise ValueError(
            f"The model has to return one finite vector for each of the {len(lines)} texts; got "
            f"the shape {vectors.shape}"
            + (", with NaN or infinity" if not np.isfinite(vectors).all() else "")
            + ". Pass a model of sentence-transformers, or one with the same encode."
        )
    if normalize:
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(lengths > 0.0, lengths, 1.0)
    ends = np.cumsum([len(group) for group in groups])[:-1]
    means = [part.mean(axis=0) for part in np.split(vectors, ends)]
    return ClassEmbeddings(list(texts), np.array(means))


def load_sentence_model(model: Any) -> Any:
    """Return the model, loaded if it is given by its name."""
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
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if getattr(error, "name", None) != "sentence_transformers":
            raise ImportError(
                f"To load the model {model!r} sentence-transformers is needed. It is installed but "
                f"does not load: {cause}. If torchvision is at fault, install it and torch from "
                "one place, as pytorch.org says: both for the CPU or both for one CUDA."
            ) from error
        raise ImportError(
            f"To load the model {model!r} sentence-transformers is needed. Install it with "
            "pip install 'sklearn_claster[text]', or pass an object with a method encode."
        ) from error
    return SentenceTransformer(model)
