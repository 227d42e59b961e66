import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

from sklearn_claster.baselines import ESZSL


def make_data(n=40, f=6, s=3, n_classes=5, n_unseen=3, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n_classes + n_unseen, s))
    y = np.r_[np.arange(n_classes), rng.integers(n_classes, size=n - n_classes)]
    X = vectors[y] @ rng.normal(size=(s, f)) + 0.5 * rng.normal(size=(n, f)) + 3.0
    return X, y, dict(enumerate(vectors))


def normalised(rows, mean):
    """Rows minus the mean of the seen data, each divided by its length."""
    return np.array([(row - mean) / np.linalg.norm(row - mean) for row in rows])


def problem(X, y, table):
    """X, A and Y as the paper writes them: samples, signatures, +1 / -1 per sample and class."""
    classes = np.unique(y)
    A = np.array([table[label] for label in classes])
    Y = np.array([[1.0 if label == other else -1.0 for other in classes] for label in y])
    return normalised(X, X.mean(axis=0)), normalised(A, A.mean(axis=0)), Y


def objective(W, X, A, Y, gamma, lam):
    return (
        np.sum((X @ W @ A.T - Y) ** 2)
        + gamma * np.sum((W @ A.T) ** 2)
        + lam * np.sum((X @ W) ** 2)
        + gamma * lam * np.sum(W**2)
    )


def twin(X, A, Y, gamma, lam):
    """The closed form of the paper, (X X^T + gamma I)^-1 X Y S^T (S S^T + lambda I)^-1."""
    left = np.linalg.inv(X.T @ X + gamma * np.eye(X.shape[1]))
    right = np.linalg.inv(A.T @ A + lam * np.eye(A.shape[1]))
    return left @ X.T @ Y @ A @ right


REGULARISATION = [(1.0, 1.0), (0.1, 10.0), (1e-3, 1e-2), (100.0, 0.5)]
SIZES = {
    "more samples than features": {},
    "more features than samples": {"n": 12, "f": 30},
    "more embedding features than classes": {"s": 12},
    "two classes": {"n_classes": 2},
    "one feature, one embedding feature": {"f": 1, "s": 1},
}


@pytest.mark.filterwarnings("ignore:.*has one feature")
@pytest.mark.parametrize(("gamma", "lam"), REGULARISATION)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_eszsl_is_the_closed_form_of_the_paper(gamma, lam, sizes):
    X, y, table = make_data(**sizes)
    model = ESZSL(gamma=gamma, lam=lam).fit(X, y, table)
    expected = twin(*problem(X, y, table), gamma, lam)
    assert model.coef_.shape == (len(table[0]), X.shape[1])
    assert_allclose(model.coef_.T, expected, rtol=1e-6, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize(("gamma", "lam"), REGULARISATION)
def test_eszsl_solves_the_normal_equations(gamma, lam):
    X, y, table = make_data()
    x, a, Y = problem(X, y, table)
    f, s = x.shape[1], a.shape[1]
    # vec(P W Q) = (Q^T kron P) vec(W): the four quadratic terms one by one
    system = (
        np.kron(a.T @ a, x.T @ x)
        + gamma * np.kron(a.T @ a, np.eye(f))
        + lam * np.kron(np.eye(s), x.T @ x)
        + gamma * lam * np.eye(f * s)
    )
    W = np.linalg.solve(system, (x.T @ Y @ a).ravel(order="F")).reshape((f, s), order="F")
    assert_allclose(ESZSL(gamma=gamma, lam=lam).fit(X, y, table).coef_.T, W, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize(("gamma", "lam"), REGULARISATION)
def test_the_gradient_of_the_stated_objective_is_zero_at_the_solution(gamma, lam):
    X, y, table = make_data()
    parts = problem(X, y, table)
    W = ESZSL(gamma=gamma, lam=lam).fit(X, y, table).coef_.T

    def gradient(at, step=1e-4):  # central differences: exact for a quadratic
        out = np.zeros_like(at)
        for index in np.ndindex(at.shape):
            shift = np.zeros_like(at)
            shift[index] = step
            up, down = (objective(at + sign * shift, *parts, gamma, lam) for sign in (1, -1))
            out[index] = (up - down) / (2.0 * step)
        return out

    scale = np.abs(gradient(np.zeros_like(W))).max()
    assert np.abs(gradient(W)).max() < 1e-6 * scale
    assert np.abs(gradient(1.01 * W)).max() > 1e-3 * scale
    least = objective(W, *parts, gamma, lam)
    for seed in range(5):
        other = W + 1e-2 * np.random.default_rng(seed).normal(size=W.shape)
        assert objective(other, *parts, gamma, lam) > least


@pytest.mark.parametrize("space", ["zsl", "gzsl", "seen"])
def test_the_class_with_the_largest_compatibility_is_named(space):
    X, y, table = make_data()
    model = ESZSL(gamma=0.5, lam=2.0, space=space).fit(X, y, table)
    new = make_data(seed=1)[0]
    names = {"zsl": [5, 6, 7], "gzsl": range(8), "seen": range(5)}[space]
    seen = np.array([table[label] for label in range(5)])
    candidates = normalised([table[label] for label in names], seen.mean(axis=0))
    scores = normalised(new, X.mean(axis=0)) @ twin(*problem(X, y, table), 0.5, 2.0) @ candidates.T
    assert_allclose(model.decision_function(new), scores, rtol=1e-8, atol=1e-10)
    assert_array_equal(model.predict(new), np.array(names)[scores.argmax(axis=1)])
    assert_allclose(model.feature_mean_, X.mean(axis=0))
    assert_allclose(model.embedding_mean_, seen.mean(axis=0))


def test_it_keeps_double_precision():
    X, y, table = make_data()
    model = ESZSL().fit(X.astype(np.float32), y, table)
    assert model.coef_.dtype == np.float64
    assert model.decision_function(X.astype(np.float32)).dtype == np.float64


@pytest.mark.parametrize("gamma", [1e-8, 1.0])
def test_data_of_deficient_rank(gamma):
    X, y, table = make_data(f=4)
    wide = np.c_[X, X, X[:, :1] - X[:, 1:2], np.full(len(X), 2.0)]  # rank 4 of 10
    table = {label: np.r_[row, row, 0.0] for label, row in table.items()}  # rank 3 of 7
    model = ESZSL(gamma=gamma, lam=gamma).fit(wide, y, table)
    assert np.isfinite(model.coef_).all()
    x, a, Y = problem(wide, y, table)
    residual = (x.T @ x + gamma * np.eye(10)) @ model.coef_.T @ (a.T @ a + gamma * np.eye(7)) - (
        x.T @ Y @ a
    )
    assert np.abs(residual).max() < 1e-5 * np.abs(x.T @ Y @ a).max()
    assert_allclose(model.coef_[6], 0.0, atol=1e-6 * np.abs(model.coef_).max())  # a constant: 0


def test_copies_of_a_feature_share_its_weight():
    X, y, table = make_data(f=4)
    model = ESZSL().fit(np.c_[X, X], y, table)
    assert_allclose(model.coef_[:, :4], model.coef_[:, 4:], rtol=1e-8, atol=1e-12)


def test_the_order_of_samples_does_not_matter_and_a_copy_of_all_halves_gamma():
    X, y, table = make_data()
    model = ESZSL(gamma=1.0).fit(X, y, table)
    order = np.random.default_rng(0).permutation(len(y))
    assert_allclose(ESZSL(gamma=1.0).fit(X[order], y[order], table).coef_, model.coef_, rtol=1e-8)
    twice = ESZSL(gamma=2.0).fit(np.r_[X, X], np.r_[y, y], table)
    assert_allclose(twice.coef_, model.coef_, rtol=1e-8)


def test_more_regularisation_makes_the_solution_smaller():
    X, y, table = make_data()
    for name in ("gamma", "lam"):
        norms = [np.linalg.norm(ESZSL(**{name: v}).fit(X, y, table).coef_) for v in (0.1, 1, 10)]
        assert norms == sorted(norms, reverse=True)


def test_unseen_classes_are_found_where_features_follow_the_embeddings():
    rng = np.random.default_rng(0)
    vectors, to_features = rng.normal(size=(30, 5)), rng.normal(size=(5, 20))
    y = np.repeat(np.arange(30), 5)
    X = vectors[y] @ to_features + 0.1 * rng.normal(size=(150, 20))
    seen = y < 20
    model = ESZSL().fit(X[seen], y[seen], dict(enumerate(vectors)))
    assert model.score(X[~seen], y[~seen]) > 0.9


def test_scikit_learns_checks_pass():
    results = check_estimator(ESZSL(), on_skip=None)
    assert {result["status"] for result in results} <= {"passed", "skipped"}
    assert not any(result["expected_to_fail"] for result in results)
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}
    assert len(results) == len(list(estimator_checks_generator(ESZSL()))) > 40
