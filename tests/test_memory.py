"""No full-size copy in another type: what NumPy allocates in fit and predict, counted."""

import tracemalloc

import numpy as np
import pytest

from sklearn_claster import BiasDetector, ClasterZSL

N, F = 6000, 400
RNG = np.random.RandomState(0)
Y = np.arange(N) % 12
TABLE = {label: RNG.normal(size=8) for label in range(16)}
X = RNG.normal(size=(N, F)) + Y[:, None] % 3
IN_FLOAT32 = 4 * N * F


def peak(function, *arguments):
    tracemalloc.start()
    try:
        function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


SMALL = {"n_clusters": 2, "hidden_layer_sizes": (8,), "max_epochs": 1, "batch_size": 1000}


def make(**parameters):
    return ClasterZSL(device="cpu", random_state=0, **SMALL, **parameters)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_fit_makes_few_copies(dtype):
    """While the temperature is chosen, four fifths as they are and as unit rows in float32.

    They are gone when the networks get their copy, and what `adapt` will need is taken from that.
    """
    rows = X.astype(dtype)
    make().fit(rows[:100], Y[:100], TABLE)  # imports what is imported late
    parts = 4 / 5 * (rows.nbytes + IN_FLOAT32)
    most = max(1.3 * parts + IN_FLOAT32 / 5, 2 * IN_FLOAT32)
    assert IN_FLOAT32 <= peak(make().fit, rows, Y, TABLE) < most


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_predict_makes_none(dtype, monkeypatch):
    monkeypatch.setattr("sklearn_claster._base._ROWS_AT_ONCE", 500)
    rows = X.astype(dtype)
    zsl = make().fit(rows, Y, TABLE)
    zsl.predict(rows[:1])
    assert peak(zsl.predict, rows) < 0.5 * IN_FLOAT32


def test_single_precision_stays_single():
    rows = X.astype(np.float32)
    zsl = make(space="gzsl", bias_detector=BiasDetector()).fit(rows, Y, TABLE)
    assert zsl.transform(rows[:3]).dtype == np.float32
    assert make().fit(rows, Y, TABLE).decision_function(rows[:3]).dtype == np.float32
