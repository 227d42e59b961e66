"""Several class tables as one."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from .._class_embeddings import ClassEmbeddings, keyed_like
from .._utils.labels import check_comparable, preview


def combine_embeddings(*tables: Any, weights: Sequence[float] | None = None) -> ClassEmbeddings:
    r"""Put several vectors of each class side by side, each with its share of the length.

    The vectors of each table are scaled to unit length and multiplied by the square
    root of the table's weight, so that no table dominates by its width or its scale.
    The resulting vectors have length 1, and the cosine of two classes is the weighted
    mean of their cosines in the tables:

    .. math:: \cos(u, v) = \sum_b w_b \cos(u_b, v_b), \quad \sum_b w_b = 1

    The CLASTER paper calls the combination of attributes, word vectors and sentence
    embeddings "C".

    Parameters
    ----------
    *tables : ClassEmbeddings, mapping, DataFrame or (labels, vectors) tuple
        At least two tables of the same classes.
    weights : sequence of float, default=None
        One positive number per table. They are divided by their sum. None gives all
        tables the same weight.

    Returns
    -------
    ClassEmbeddings
        The scaled vectors side by side, in the order of the tables.

    Raises
    ------
    ValueError
        If there are fewer than two tables, if their classes differ, if a class has
        a vector of length 0, or if there is not one positive weight per table.
    TypeError
        If labels are strings in one table and numbers in another, or a table has
        no accepted form.

    Notes
    -----
    This function does not centre the vectors. `fit` centres the combination on the
    seen classes, which only it knows.

    Examples
    --------
    >>> from sklearn_claster.text import combine_embeddings
    >>> attributes = {"archery": [0.0, 2.0], "yoyo": [3.0, 0.0]}
    >>> words = {"archery": [10.0], "yoyo": [-10.0]}
    >>> combine_embeddings(attributes, words, weights=[3, 1]).vectors.round(2)
    array([[ 0.  ,  0.87,  0.5 ],
           [ 0.87,  0.  , -0.5 ]])
    """
    if len(tables) < 2:
        raise ValueError(
            f"Expected at least two class tables to combine; got {len(tables)}. Pass each table as "
            "an argument of its own."
        )
    blocks = [ClassEmbeddings.from_table(table, f"table {i}") for i, table in enumerate(tables)]
    shares = [1.0] * len(blocks) if weights is None else list(weights)
    if len(shares) != len(blocks) or not all(
        isinstance(share, Real) and np.isfinite(share) and share > 0 for share in shares
    ):
        raise ValueError(
            f"weights has to hold one positive number for each of the {len(blocks)} tables; got "
            f"{weights!r}. Leave a table out to give it no weight."
        )
    labels = blocks[0].labels
    parts = []
    for i, (block, share) in enumerate(zip(blocks, shares, strict=True)):
        check_comparable(block.labels, labels, f"The labels of table {i}", "table 0")
        block = keyed_like(block, labels, f"table {i}", "table 0")
        odd = np.setxor1d(block.labels, labels)
        if len(odd):
            raise ValueError(
                f"Tables to combine have to hold the same classes; table 0 and table {i} differ "
                f"in {preview(odd)}. Use select() to keep the common classes only, or "
                "match_class_names() to bring names into one spelling."
            )
        lengths = np.linalg.norm(block.vectors, axis=1, keepdims=True)
        if not lengths.all():
            raise ValueError(
                "Vectors to combine need a length above 0; that of "
                f"{preview(labels[lengths[:, 0] == 0])} in table {i} is 0. Repair the vector, or "
                "leave the class or the table out."
            )
        parts.append(np.sqrt(share / sum(shares)) * block.vectors / lengths)
    return ClassEmbeddings(labels, np.hstack(parts))
