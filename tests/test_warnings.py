"""Every warning of the package points at the line of whoever called it."""

import warnings

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from test_named_splits import save_xu

from sklearn_claster import BiasDetector, ClasterZSL
from sklearn_claster._utils.torch import device_or_fallback
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import load_xu_splits
from sklearn_claster.model_selection import ZeroShotKFold, gzsl_scorer
from sklearn_claster.text import embed_words

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)), np.array(list("abcd") * 10)
TABLE = dict(zip("abcdef", RNG.normal(size=(6, 4)), strict=True))
EQUAL = {**TABLE, "a": TABLE["b"], "e": TABLE["f"]}
SHORT = {"hidden_layer_sizes": (4,), "max_epochs": 1, "random_state": 0}
THREE = Y != "d"


def load_repeated_splits(folder):
    save_xu(folder / "Split.mat")
    return load_xu_splits(folder / "Split.mat", "ucf101")


# What warns, and part of each thing that it says.
CASES = {
    "one feature": (lambda _: ESZSL().fit(X[:, :1], Y, TABLE), ["X has one feature"]),
    "too many clusters": (
        lambda _: ClasterZSL(50, **SHORT).fit(X, Y, TABLE),
        ["n_clusters=50 is more", "hold no training sample"],
    ),
    "early stopping": (
        lambda _: ClasterZSL(2, early_stopping=True, **SHORT).fit(X, Y),
        ["early_stopping is skipped"],
    ),
    "shared vectors": (
        lambda _: ClasterZSL(2, **SHORT).fit(X, Y, EQUAL),
        ["Only 3 of the 4", "equal vectors"],
    ),
    "a baseline": (lambda _: ESZSL().fit(X, Y, EQUAL), ["Only 3 of the 4", "equal vectors"]),
    "candidates": (
        lambda _: ESZSL().fit(X, Y, TABLE).predict(X, {"g": np.ones(4), "h": np.ones(4)}),
        ["equal vectors in unseen_embeddings"],
    ),
    "score": (lambda _: ESZSL().fit(X, Y, TABLE).score(X, Y), ["of the labels in y"]),
    "a gate of few classes": (
        lambda _: ESZSL(space="gzsl", bias_detector=BiasDetector()).fit(X[THREE], Y[THREE], TABLE),
        ["cannot be chosen on held-out classes"],
    ),
    "a detector's experts": (
        lambda _: BiasDetector("energy").fit(X, Y, {k: EQUAL[k] for k in "abcd"}),
        ["Only 3 of the 4"],
    ),
    "a search": (
        lambda _: GridSearchCV(ESZSL(), {"lam": [1.0]}, cv=ZeroShotKFold(2)).fit(
            X[:, :1], Y, class_embeddings=(list("abcd"), list(TABLE.values())[:4])
        ),
        ["X has one feature"],
    ),
    "a scorer": (
        lambda _: gzsl_scorer(ESZSL().fit(X, Y, TABLE), np.r_[X, X], np.r_[Y, np.repeat("e", 40)]),
        ["No prediction is a seen class"],
    ),
    "words": (lambda _: embed_words(["ride unicorn"], {"ride": [1.0, 0.0]}), ["have no vector"]),
    "a loader": (load_repeated_splits, ["only 9 are distinct"]),
    "another device": (lambda _: device_or_fallback("cuda:77"), ["not available here"]),
}


@pytest.mark.parametrize("case", CASES)
def test_warnings_point_at_the_caller(case, tmp_path):
    call, said = CASES[case]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(tmp_path)
    assert {warning.filename for warning in caught} == {__file__}
    messages = " ".join(str(warning.message) for warning in caught)
    assert [part for part in said if part not in messages] == []
