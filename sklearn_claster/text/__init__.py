"""Class vectors from text: names and descriptions of classes as `ClassEmbeddings`."""

from ._combine import combine_embeddings
from ._names import split_class_name
from ._sentences import embed_sentences
from ._word_files import read_word_vectors
from ._words import embed_words

__all__ = [
    "combine_embeddings",
    "embed_sentences",
    "embed_words",
    "read_word_vectors",
    "split_class_name",
]
