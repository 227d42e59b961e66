"""Processes that are forked after a fit: threads are not forked along."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import multiprocessing
import warnings
import numpy as np
import torch
from sklearn_claster import ClasterZSL

warnings.simplefilter("ignore", DeprecationWarning)  # of forks, from Python 3.12 on
rng = np.random.default_rng(0)
X, y = rng.normal(size=(600, 128)), rng.integers(0, 4, 600)
table = {label: rng.normal(size=16) for label in range(6)}
zsl = ClasterZSL(max_epochs=1, random_state=0)


def answer(_):
    return zsl.predict(X[:100]).tolist(), torch.get_num_threads()


def learn(_):
    return ClasterZSL(max_epochs=1, random_state=0).fit(X, y, table).predict(X[:5]).tolist()


if __name__ == "__main__":
    fork = multiprocessing.get_context("fork")
    with fork.Pool(1) as pool:
        before = pool.apply(torch.get_num_threads)
    zsl.fit(X, y, table)
    with fork.Pool(1) as pool:
        answers = pool.map_async(answer, [0]).get(60)[0], len(pool.map_async(learn, [0]).get(60)[0])
    assert answers == ((zsl.predict(X[:100]).tolist(), 1), 5)
    print(before, torch.get_num_threads())
"""


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="this system does not fork")
def test_a_process_that_is_forked_after_a_fit_answers_and_learns(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=os.environ
        | {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", "2"]  # one forked before the fit, and this process
