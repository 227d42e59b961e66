"""What every baseline has to do, whatever its mathematics."""

import copy
import inspect
import os
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import clone
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_claster import BiasDetector, ClassEmbeddings, baselines
from sklearn_claster.baselines import (
    ALE,
    DAP,
    DEM,
    ESZSL,
    FCLSWGAN,
    FVAEGAN,
    GDA,
    GGM,
    IAP,
    RLA,
    SAE,
    SJE,
    ClassGCN,
    ConSE,
    CosineZSL,
    DeViSE,
    E2EHead,
    ERHead,
    IdentityRidge,
    PrototypeRegression,
)
from sklearn_claster.datasets import load_digit_pairs, make_zero_shot_classification
from sklearn_claster.metrics import mean_per_class_accuracy
from sklearn_claster.model_selection import ZeroShotKFold

CHEAP_GAN = {
    "hidden_layer_sizes": (16,),
    "n_steps": 5,
    "n_critic_steps": 1,
    "batch_size": 16,
    "n_generated": 5,
}
CHEAP = [
    ESZSL(),
    SJE(random_state=0),
    ALE(random_state=0),
    DeViSE(random_state=0),
    ConSE(),
    PrototypeRegression(),
    SAE(),
    DAP(threshold="mean"),
    IAP(threshold="mean"),
    DEM((32,), n_steps=60, random_state=0),
    ClassGCN(hidden_layer_sizes=(32,), n_steps=120, random_state=0),
    FCLSWGAN(**CHEAP_GAN, random_state=0),
    FVAEGAN(**CHEAP_GAN, random_state=0),
    GGM(),
    E2EHead(),
    ERHead(16, max_epochs=20, random_state=0),
    CosineZSL(),
    RLA(n_steps=30),
    GDA(),
    IdentityRidge(),
]
# Of one space, whose features and class vectors are not centred.
ONE_SPACE = (CosineZSL, RLA, GDA, IdentityRidge)
every_baseline = pytest.mark.parametrize("baseline", CHEAP, ids=lambda b: type(b).__name__)
random = pytest.mark.parametrize(
    "baseline",
    [b for b in CHEAP if "random_state" in b.get_params()],
    ids=lambda b: type(b).__name__,
)
GRIDS = {
    "ESZSL": {"gamma": [0.1, 1.0]},
    "SJE": {"learning_rate": [0.1, 1.0]},
    "ALE": {"learning_rate": [0.1, 1.0]},
    "DeViSE": {"learning_rate": [0.1, 1.0]},
    "ConSE": {"C": [0.1, 1.0]},
    "PrototypeRegression": {"alpha": [0.1, 1.0]},
    "SAE": {"inference": ["visual", "semantic"]},
    "DAP": {"C": [0.1, 1.0]},
    "IAP": {"threshold": ["mean", 0.0]},
    "DEM": {"weight_decay": [1e-3, 1e-2]},
    "ClassGCN": {"neighbor_share": [0.1, 0.5]},
    "FCLSWGAN": {"n_generated": [5, 10]},
    "FVAEGAN": {"n_generated": [5, 10]},
    "GGM": {"added_variance": [0.1, 1.0]},
    "E2EHead": {"alpha": [0.1, 1.0]},
    "ERHead": {"temperature": [0.1, 0.2]},
    "CosineZSL": {"temperature": [0.01, 0.1]},
    "RLA": {"learnt_share": [0.5, 1.0]},
    "GDA": {"n_neighbors": [8, 64]},
    "IdentityRidge": {"lam": [0.1, "auto"]},
}

DATA = make_zero_shot_classification(
    160, 10, n_seen=8, n_unseen=4, n_embedding_features=5, random_state=0
)
IS_SEEN = np.isin(DATA.target, DATA.seen_classes)
X, Y = DATA.data[IS_SEEN], DATA.target[IS_SEEN]
NOISE = 0.3 * np.random.default_rng(0).normal(size=DATA.prototypes.shape)
TABLE = ClassEmbeddings(DATA.class_embeddings.labels, DATA.prototypes + NOISE)  # in one space
NEW_X, NEW_Y = DATA.data[~IS_SEEN], DATA.target[~IS_SEEN]
CANDIDATES = {
    "zsl": DATA.unseen_classes,
    "gzsl": np.sort(np.r_[DATA.seen_classes, DATA.unseen_classes]),
    "seen": DATA.seen_classes,
}


def fit(baseline, **parameters):
    return clone(baseline).set_params(**parameters).fit(X, Y, TABLE)


def learnt(model):
    """All that fit has set, but the table with its unseen classes."""
    return joblib.hash({k: v for k, v in vars(model).items() if k != "class_embeddings_"})


def test_every_baseline_is_here():
    names = [type(baseline).__name__ for baseline in CHEAP]
    assert sorted(names) == sorted(baselines.__all__) == sorted(GRIDS)


@parametrize_with_checks([b for b in CHEAP if not isinstance(b, ESZSL)])
def test_every_check_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.scikit_learn(1, 9)  # older versions have the check for other estimators only
def test_the_check_that_needs_array_api_dispatch():
    """The variable has to be set before SciPy is imported: in a process of its own."""
    script = """
from sklearn.utils.estimator_checks import estimator_checks_generator
from test_baselines_shared import CHEAP
n_checks = 0
for baseline in CHEAP:
    for estimator, check in estimator_checks_generator(baseline):
        if check.func.__name__ == "check_array_api_input":
            check(estimator)
            n_checks += 1
print(n_checks == len(CHEAP))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parent,
        env={**os.environ, "SCIPY_ARRAY_API": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True"


@every_baseline
def test_vectors_of_unseen_classes_never_touch_training(baseline):
    rng = np.random.default_rng(0)
    changed = {
        label: vector if label in DATA.seen_classes else rng.normal(size=len(vector))
        for label, vector in zip(TABLE.labels, TABLE.vectors, strict=True)
    }
    model, other = fit(baseline), clone(baseline).fit(X, Y, changed)
    assert learnt(model) == learnt(other)
    assert not np.allclose(model.decision_function(NEW_X), other.decision_function(NEW_X))
    alone = clone(baseline).fit(X, Y, TABLE.select(DATA.seen_classes))
    unseen = TABLE.select(DATA.unseen_classes)
    assert_array_equal(
        alone.predict_proba(NEW_X, unseen_embeddings=unseen), model.predict_proba(NEW_X)
    )


@every_baseline
@pytest.mark.parametrize("space", ["zsl", "gzsl", "seen"])
def test_candidates_and_probabilities_of_every_space(baseline, space):
    model = fit(baseline, space=space)
    labels = CANDIDATES[space]
    assert_array_equal(model.candidates()[0], labels)
    probability = model.predict_proba(NEW_X)
    assert probability.shape == (len(NEW_X), len(labels))
    assert_allclose(probability.sum(axis=1), 1.0)
    assert_array_equal(model.predict(NEW_X), labels[probability.argmax(axis=1)])
    assert_allclose(np.exp(model.predict_log_proba(NEW_X)), probability, atol=1e-12)


@every_baseline
def test_the_space_may_change_after_fit(baseline):
    model = fit(baseline)
    for space in ("gzsl", "seen"):
        model.set_params(space=space)
        expected = fit(baseline, space=space).predict_proba(NEW_X)
        assert_array_equal(model.predict_proba(NEW_X), expected)


@every_baseline
def test_one_candidate_is_always_named(baseline):
    model = fit(baseline)
    single = TABLE.select(DATA.unseen_classes[:1])
    assert set(model.predict(NEW_X, unseen_embeddings=single)) == {single.labels[0]}
    assert_array_equal(model.predict_proba(NEW_X, unseen_embeddings=single), 1.0)


@every_baseline
@pytest.mark.parametrize(
    "detector",
    ["stacking", BiasDetector(), IsolationForest(n_estimators=10, random_state=0)],
    ids=["stacking", "BiasDetector", "IsolationForest"],
)
def test_the_gate_decides_between_seen_and_unseen(baseline, detector):
    model = fit(baseline, space="gzsl", bias_detector=detector)
    gate = model.explain_gate(DATA.data)
    assert 0.0 < gate.is_seen.mean() < 1.0
    expected = np.where(gate.is_seen, gate.seen_class, gate.unseen_class)
    assert_array_equal(model.predict(DATA.data), expected)
    assert_allclose(model.predict_proba(DATA.data).sum(axis=1), 1.0)


@every_baseline
def test_grid_search_over_held_out_classes(baseline):
    search = GridSearchCV(
        baseline,
        GRIDS[type(baseline).__name__],
        cv=ZeroShotKFold(2, random_state=0),
        error_score="raise",
    ).fit(X, Y, class_embeddings=TABLE)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 2
    assert (scores > 0.0).all()
    assert set(search.predict(NEW_X)) <= set(DATA.unseen_classes)


@every_baseline
def test_pickles_hold_numpy_arrays_and_answer_alike(baseline):
    model = fit(baseline, space="gzsl")
    pickled = pickle.dumps(model)
    assert b"torch" not in pickled
    for other in (pickle.loads(pickled), copy.deepcopy(model)):
        assert_array_equal(other.decision_function(NEW_X), model.decision_function(NEW_X))


@every_baseline
def test_predicting_changes_nothing_and_needs_no_other_rows(baseline):
    model = fit(baseline, space="gzsl")
    before = joblib.hash(vars(model))
    scores = model.decision_function(NEW_X)
    assert joblib.hash(vars(model)) == before
    assert_allclose(model.decision_function(NEW_X[:3]), scores[:3], rtol=1e-12, atol=1e-12)
    assert_array_equal(model.decision_function(NEW_X), scores)


@random
def test_the_same_seed_gives_the_same_model(baseline):
    assert learnt(fit(baseline)) == learnt(fit(baseline))
    assert learnt(fit(baseline)) != learnt(fit(baseline, random_state=1))
    generators = [np.random.RandomState(3) for _ in range(2)]
    one, other = (fit(baseline, random_state=g) for g in generators)
    assert_array_equal(one.decision_function(NEW_X), other.decision_function(NEW_X))


@random
def test_global_generators_never_move(baseline):
    states = torch.get_rng_state(), joblib.hash(np.random.get_state())  # noqa: NPY002
    fit(baseline, space="gzsl").predict(NEW_X)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert joblib.hash(np.random.get_state()) == states[1]  # noqa: NPY002


@pytest.mark.parametrize(
    "baseline", [*CHEAP, ESZSL(1e200, lam=1e200), DAP(1e6, threshold="mean")], ids=repr
)
def test_a_caller_may_have_numpy_raise(baseline):
    with np.errstate(all="raise"):
        model = fit(baseline)
        scores = model.decision_function(NEW_X)
    assert_array_equal(scores, model.decision_function(NEW_X))


@every_baseline
def test_shift_and_scale_of_the_features_and_the_embeddings_do_not_matter(baseline):
    offset = 0.0 if isinstance(baseline, ONE_SPACE) else 1.0
    vectors = dict(zip(TABLE.labels, 4.0 * TABLE.vectors + 2.0 * offset, strict=True))
    if baseline.get_params().get("threshold") is None:
        model = clone(baseline).fit(8.0 * X - 3.0 * offset, Y, vectors)
    else:
        model = clone(baseline).fit(8.0 * X - 3.0 * offset, Y, TABLE)
    expected = fit(baseline).predict(NEW_X)
    assert np.mean(model.predict(8.0 * NEW_X - 3.0 * offset) == expected) > 0.95


BAD = {
    "learning_rate": [(0.0, ValueError), ("fast", TypeError)],
    "max_epochs": [(0, ValueError), (1.5, TypeError)],
    "batch_size": [(0, ValueError)],
    "n_top": [(0, ValueError), (2.0, TypeError)],
    "C": [(0.0, ValueError), (None, TypeError)],
    "alpha": [(0.0, ValueError), (-1.0, ValueError)],
    "variance_alpha": [(0.0, ValueError)],
    "added_variance": [(0.0, ValueError), ("none", TypeError)],
    "gamma": [(0.0, ValueError)],
    "temperature": [(0.0, ValueError), ("warm", TypeError)],
    "gaussian_weight": [(-1.0, ValueError), ("heavy", TypeError)],
    "n_neighbors": [(0, ValueError), (2.5, TypeError)],
    "neighbor_share": [(1.5, ValueError), ("half", TypeError)],
    "learnt_share": [(1.5, ValueError), (None, TypeError)],
    "lam": [(0.0, ValueError), ("large", TypeError)],
    "inference": [("nearest", ValueError), (None, ValueError)],
    "threshold": [("median", TypeError), (np.inf, ValueError)],
    "n_components": [(0, ValueError), (2.0, TypeError)],
    "hidden_layer_sizes": [((0,), ValueError), (5, TypeError), ("ab", TypeError)],
    "weight_decay": [(-1.0, ValueError)],
    "n_steps": [(0, ValueError)],
    "n_critic_steps": [(0, ValueError)],
    "n_noise": [(0, ValueError)],
    "n_generated": [(0, ValueError)],
    "penalty_weight": [(-1.0, ValueError)],
    "classification_weight": [(-1.0, ValueError)],
    "vae_weight": [(-1.0, ValueError)],
    "pool_weight": [(-1.0, ValueError)],
    "cosine_weight": [(-1.0, ValueError)],
    "decoder_weight": [(-1.0, ValueError)],
    "device": [("abacus", ValueError)],
    "space": [("open", ValueError)],
    "gate": [("ajar", ValueError)],
    "bias_detector": [("automatic", ValueError)],
    "random_state": [("lucky", ValueError)],
}


@every_baseline
def test_a_bad_parameter_is_named_and_nothing_is_learnt(baseline):
    for name in baseline.get_params():
        for value, error in BAD[name]:
            model = clone(baseline).set_params(**{name: value})
            with pytest.raises(error, match="lucky" if name == "random_state" else name):
                model.fit(X, Y, TABLE)
            assert not hasattr(model, "classes_")


@every_baseline
def test_every_parameter_is_documented_with_its_default(baseline):
    documented = (
        inspect.getdoc(type(baseline)).split("\nParameters\n")[1].split("\nAttributes\n")[0]
    )
    lines = [line.strip() for line in documented.splitlines()]
    heads = {line.split(" : ")[0]: line for line in lines if " : " in line and "default=" in line}
    defaults = inspect.signature(type(baseline)).parameters
    assert list(heads) == list(defaults)
    for name, parameter in defaults.items():
        value = parameter.default
        shown = f'"{value}"' if isinstance(value, str) else repr(value)
        stated = heads[name].split("default=")[1]
        assert stated == shown or float(stated) == value, name


@every_baseline
def test_every_fitted_attribute_is_documented(baseline):
    documented = inspect.getdoc(type(baseline)).split("\nAttributes\n")[1].split("\nNotes\n")[0]
    names = {
        name.strip()
        for line in documented.splitlines()
        if line and not line.startswith(" ")
        for name in line.split(" : ")[0].split(",")
    }
    public = {name for name in vars(fit(baseline)) if name.endswith("_") and name[0] != "_"}
    assert public <= names


@pytest.fixture(scope="module")
def digit_pairs():
    return load_digit_pairs(random_state=0)


@pytest.mark.parametrize(
    "baseline",
    [b for b in CHEAP if not isinstance(b, ONE_SPACE)],
    ids=lambda b: type(b).__name__,
)
def test_unseen_digit_pairs_are_named(baseline, digit_pairs):
    """Chance is 1 in 30."""
    few_steps = {"n_steps": 120} if isinstance(baseline, FCLSWGAN) else {}
    threshold = {"threshold": None} if "threshold" in baseline.get_params() else {}
    model = type(baseline)(**few_steps, **threshold)
    if "random_state" in model.get_params():
        model.set_params(random_state=0)
    seen = np.isin(digit_pairs.target, digit_pairs.seen_classes)
    model.fit(digit_pairs.data[seen], digit_pairs.target[seen], digit_pairs.class_embeddings)
    predicted = model.predict(digit_pairs.data[~seen])
    assert mean_per_class_accuracy(digit_pairs.target[~seen], predicted) > 0.7
