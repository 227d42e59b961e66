"""ConSE, PrototypeRegression and SAE against loops and closed forms of their papers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import solve_sylvester
from sklearn.linear_model import LogisticRegression
from test_baselines import SIZES, make_data, normalised

from sklearn_claster.baselines import SAE, ConSE, PrototypeRegression

sizes = pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
pytestmark = pytest.mark.filterwarnings("ignore:.*has one feature")


def problem(X, y, table):
    """Normalised samples, codes, and normalised embeddings of the seen and of all classes."""
    seen = np.array([table[label] for label in np.unique(y)])
    mean = seen.mean(axis=0)
    return (
        normalised(X, X.mean(axis=0)),
        normalised(seen, mean),
        normalised(list(table.values()), mean),
    )


def cosine(u, v):
    return u @ v / np.sqrt((u @ u) * (v @ v))


def cosines(rows, others):
    return np.array([[cosine(row, other) for other in others] for row in rows])


# ConSE


@pytest.mark.parametrize("n_top", [1, 2, 3, 5, 99])
@pytest.mark.parametrize("C", [0.3, 10.0])
def test_conse_is_a_loop_over_the_most_probable_classes(n_top, C):
    X, y, table = make_data()
    model = ConSE(n_top, C=C, space="gzsl").fit(X, y, table)
    x, seen, candidates = problem(X, y, table)
    classifier = LogisticRegression(C=C, max_iter=1000).fit(x, y)
    embeddings = []
    for probability in classifier.predict_proba(x):
        top = sorted(range(5), key=lambda c: -probability[c])[:n_top]
        total = sum(probability[c] for c in top)
        embeddings.append(sum(probability[c] * seen[c] for c in top) / total)
    assert_allclose(model.decision_function(X), cosines(embeddings, candidates), atol=1e-8)


def test_conse_with_one_class_is_the_nearest_to_the_predicted_seen_class():
    X, y, table = make_data()
    model = ConSE(1).fit(X, y, table)
    x, seen, candidates = problem(X, y, table)
    nearest = cosines(seen, candidates[5:]).argmax(axis=1) + 5
    assert_array_equal(
        model.predict(X), nearest[(x @ model.coef_.T + model.intercept_).argmax(axis=1)]
    )


# PrototypeRegression


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
@sizes
def test_prototypes_are_augmented_least_squares(alpha, sizes):
    X, y, table = make_data(**sizes)
    model = PrototypeRegression(alpha, space="gzsl").fit(X, y, table)
    x, seen, candidates = problem(X, y, table)
    means = np.array([x[y == label].mean(axis=0) for label in np.unique(y)])
    s, f = seen.shape[1], x.shape[1]
    W, *_ = np.linalg.lstsq(
        np.vstack([seen, np.sqrt(alpha) * np.eye(s)]), np.vstack([means, np.zeros((s, f))])
    )
    assert_allclose(model.coef_, W, atol=1e-9 * np.abs(W).max())
    assert_allclose(model.decision_function(X).ravel(),
                    cosines(x, candidates @ W).ravel(), atol=1e-8)  # fmt: skip


def test_every_class_counts_alike_for_the_prototypes():
    X, y, table = make_data()
    x = normalised(X, X.mean(axis=0))
    rows = np.r_[np.arange(len(y)), np.flatnonzero(y == 0)]  # class 0 twice
    model = PrototypeRegression().fit(X, y, table)
    mean = X[rows].mean(axis=0)
    assert not np.allclose(mean, model.feature_mean_)
    twice = PrototypeRegression().fit(X[rows], y[rows], table)
    shifted = normalised(X, mean)  # only the centre has changed
    seen = problem(X, y, table)[1]
    for fitted, unit in ((model, x), (twice, shifted)):
        means = np.array([unit[y == label].mean(axis=0) for label in range(5)])
        expected = np.linalg.solve(seen.T @ seen + np.eye(3), seen.T @ means)
        assert_allclose(fitted.coef_, expected, atol=1e-10)


# SAE


def sae_objective(W, x, S, lam):
    """The sum over samples of both reconstruction errors."""
    decoded = sum(np.sum((x_n - W.T @ s_n) ** 2) for x_n, s_n in zip(x, S, strict=True))
    encoded = sum(np.sum((W @ x_n - s_n) ** 2) for x_n, s_n in zip(x, S, strict=True))
    return decoded + lam * encoded


@pytest.mark.parametrize("lam", [1e-2, 1.0, 10.0, 1e4])
@sizes
def test_sae_is_stationary(lam, sizes):
    X, y, table = make_data(**sizes)
    W = SAE(lam).fit(X, y, table).coef_
    x, seen, _ = problem(X, y, table)
    S = seen[y]
    residual = S.T @ S @ W + lam * W @ x.T @ x - (1.0 + lam) * S.T @ x
    assert np.abs(residual).max() < 1e-8 * np.abs((1.0 + lam) * S.T @ x).max()


def test_sae_minimises_its_objective():
    X, y, table = make_data()
    W = SAE(2.0).fit(X, y, table).coef_
    x, seen, _ = problem(X, y, table)
    least = sae_objective(W, x, seen[y], 2.0)
    for index in np.ndindex(W.shape):
        for step in (-1e-3, 1e-3):
            other = W.copy()
            other[index] += step
            assert sae_objective(other, x, seen[y], 2.0) > least


def test_sae_is_what_scipys_solver_finds_where_there_is_one_solution():
    X, y, table = make_data(n_classes=8)
    x, seen, _ = problem(X, y, table)
    S = seen[y]
    assert np.linalg.matrix_rank(S) == S.shape[1]
    expected = solve_sylvester(S.T @ S, 3.0 * x.T @ x, 4.0 * S.T @ x)
    assert_allclose(SAE(3.0).fit(X, y, table).coef_, expected, rtol=1e-8, atol=1e-10)


def test_sae_is_the_smallest_where_there_are_many_solutions():
    X, y, table = make_data(n=12, f=14, s=9)
    x, seen, _ = problem(X, y, table)
    S = seen[y]
    system = np.kron(np.eye(14), S.T @ S) + np.kron(x.T @ x, np.eye(9))
    assert np.linalg.matrix_rank(system) < len(system)
    smallest = np.linalg.pinv(system, rcond=1e-10) @ (2.0 * S.T @ x).ravel(order="F")
    W = SAE(1.0).fit(X, y, table).coef_
    assert_allclose(W, smallest.reshape((9, 14), order="F"), atol=1e-8)


@pytest.mark.parametrize("inference", ["visual", "semantic"])
def test_sae_names_the_nearest_by_cosine_in_either_space(inference):
    X, y, table = make_data()
    model = SAE(inference="visual", space="gzsl").fit(X, y, table)
    model.set_params(inference=inference)
    x, _, candidates = problem(X, y, table)
    W = model.coef_
    expected = {
        "visual": cosines(x, candidates @ W),
        "semantic": cosines(x @ W.T, candidates),
    }[inference]
    assert_allclose(model.decision_function(X), expected, atol=1e-10)


def test_sae_refuses_a_wrong_inference_after_fit_too():
    X, y, table = make_data()
    model = SAE().fit(X, y, table).set_params(inference="both")
    with pytest.raises(ValueError, match=r"inference='both'.*'visual', 'semantic'"):
        model.predict(X)
