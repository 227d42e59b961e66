import subprocess
import sys
import warnings
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn import clone
from sklearn.calibration import calibration_curve
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_argmin
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from sklearn_claster import BiasDetector, ClasterZSL
from sklearn_claster.baselines import ESZSL
from sklearn_claster.datasets import make_zero_shot_classification
from sklearn_claster.inspection import (
    ClusterClassDisplay,
    DetectorScoreDisplay,
    EpochCurveDisplay,
    ReliabilityDisplay,
    RepresentationDisplay,
    SeenUnseenCurveDisplay,
)
from sklearn_claster.inspection._representation import _COLORS, _spread_colors
from sklearn_claster.metrics import (
    ausuc,
    class_purity,
    expected_calibration_error,
    gzsl_report,
    seen_unseen_curve,
)
from sklearn_claster.model_selection import ZeroShotKFold, gzsl_scorer


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def data():
    return make_zero_shot_classification(
        240, 8, n_seen=8, n_unseen=4, n_embedding_features=5, class_sep=4.0, random_state=0
    )


@pytest.fixture(scope="module")
def seen(data):
    return np.isin(data.target, data.seen_classes)


@pytest.fixture(scope="module")
def zsl(data, seen):
    estimator = ClasterZSL(4, hidden_layer_sizes=(16,), max_epochs=4, space="gzsl", random_state=0)
    return estimator.fit(data.data[seen], data.target[seen], data.class_embeddings)


@pytest.fixture(scope="module")
def piped(data, seen):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), ESZSL(space="gzsl")),
        {"eszsl__gamma": [1.0, 10.0]},
        cv=ZeroShotKFold(2, seen_fraction=0.2, random_state=0),
        scoring=gzsl_scorer,
        refit="harmonic_mean",
    )
    X, y = data.data[seen], data.target[seen]
    return search.fit(X, y, eszsl__class_embeddings=data.class_embeddings)


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def drawn(display):
    """Whether the figure can be rendered, with every warning an error."""
    display.figure_.canvas.draw()
    return True


# the seen-unseen curve


def test_curve_from_estimator_is_that_of_its_predictions(data, zsl):
    X, y = data.data, data.target
    one = SeenUnseenCurveDisplay.from_estimator(zsl, X, y)
    other = SeenUnseenCurveDisplay.from_predictions(
        y, zsl.decision_function(X), zsl.candidates()[0], zsl.classes_, y_pred=zsl.predict(X)
    )
    curve = seen_unseen_curve(y, zsl.decision_function(X), zsl.candidates()[0], zsl.classes_)
    for display in (one, other):
        for stored, expected in zip(
            (display.seen, display.unseen, display.constants), curve, strict=True
        ):
            np.testing.assert_array_equal(stored, expected)
        assert display.ausuc == ausuc(
            y, zsl.decision_function(X), zsl.candidates()[0], zsl.classes_
        )
        report = gzsl_report(y, zsl.predict(X), zsl.classes_)
        assert display.operating_point == (report["seen"], report["unseen"])
        np.testing.assert_allclose(display.point_at_zero, display.operating_point)
        np.testing.assert_array_equal(display.line_.get_xdata(), display.unseen)
        np.testing.assert_array_equal(display.line_.get_ydata(), display.seen)
        assert display.ax_.figure is display.figure_
        assert drawn(display)
    assert texts(one.ax_)[0] == f"ClasterZSL (AUSUC = {one.ausuc:.3f})"
    (_, point) = texts(one.ax_)  # no gate: the two points are one
    assert point == f"operating point: H = {report['harmonic_mean']:.3f}"


def test_the_scores_of_a_gated_classifier_contain_its_gate(data, seen):
    points = []
    for gate in (None, "stacking"):
        model = ESZSL(space="gzsl", bias_detector=gate)
        model.fit(data.data[seen], data.target[seen], data.class_embeddings)
        display = SeenUnseenCurveDisplay.from_estimator(model, data.data, data.target)
        np.testing.assert_allclose(display.point_at_zero, display.operating_point)
        points.append(display.point_at_zero)
    assert points[0] != points[1]


def test_curve_marks_the_point_of_a_constant(data, zsl):
    display = SeenUnseenCurveDisplay.from_estimator(zsl, data.data, data.target, constant=1.0)
    labels, _ = zsl.candidates()
    scores = zsl.decision_function(data.data) - 1.0 * np.isin(labels, zsl.classes_)
    report = gzsl_report(data.target, labels[scores.argmax(axis=1)], zsl.classes_)
    assert display.operating_point == pytest.approx((report["seen"], report["unseen"]))
    assert display.operating_point != display.point_at_zero
    assert [text.split(":")[0] for text in texts(display.ax_)[1:]] == [
        "scores as they are",
        "operating point",
    ]


@pytest.mark.parametrize("gate", ["stacking", BiasDetector()])
def test_curve_of_a_gated_classifier_claims_nothing_about_its_constant(data, seen, gate):
    gated = ESZSL(space="gzsl", bias_detector=gate)
    gated.fit(data.data[seen], data.target[seen], data.class_embeddings)
    display = SeenUnseenCurveDisplay.from_estimator(gated, data.data, data.target)
    points = {text.split(":")[0] for text in texts(display.ax_)[1:]}
    assert "operating point" in points <= {"operating point", "scores as they are"}


@pytest.mark.parametrize("weak", [(0.9, 0.2), (0.2, 0.9), (0.9, 0.9), (0.1, 0.1)])
def test_legends_stay_in_the_axes(weak):
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    seen, unseen = weak
    steps = np.linspace(0, 1, 9)
    curve = SeenUnseenCurveDisplay(seen * (1 - steps**8), unseen * steps, steps)
    curve.plot(left, name="ClasterZSL")
    curve.plot(left, name="ESZSL")
    scores = np.random.default_rng(0).normal(size=200)
    DetectorScoreDisplay.from_predictions(scores > seen, scores, threshold=0.0, ax=right)
    fig.canvas.draw()
    for ax in (left, right):
        legend = ax.get_legend().get_window_extent()
        assert ax.get_window_extent().count_contains(legend.corners()) == 4
    places = left.transData.transform(np.column_stack([curve.unseen, curve.seen]))
    assert not left.get_legend().get_window_extent().count_contains(places)


def test_curve_marks_decisions_off_the_curve(data, zsl):
    X, y = data.data, data.target
    display = SeenUnseenCurveDisplay.from_predictions(
        y, zsl.decision_function(X), zsl.candidates()[0], zsl.classes_, y_pred=y
    )
    assert display.operating_point == (1.0, 1.0)
    assert texts(display.ax_)[-1] == "operating point: H = 1.000"


def test_curves_of_a_search_and_of_given_candidates_share_axes(data, zsl, piped):
    first = SeenUnseenCurveDisplay.from_estimator(piped, data.data, data.target)
    n_lines = len(first.ax_.get_lines())
    unseen = data.class_embeddings.select(data.unseen_classes)
    second = SeenUnseenCurveDisplay.from_estimator(
        zsl, data.data, data.target, unseen_embeddings=unseen, name="other", ax=first.ax_
    )
    assert second.ax_ is first.ax_
    assert second.figure_ is first.figure_
    assert len(first.ax_.get_lines()) == n_lines + 2  # isolines are not drawn twice
    assert first.line_.get_color() != second.line_.get_color()
    assert texts(first.ax_)[0].startswith("ESZSL (")
    assert texts(first.ax_)[2].startswith("other (")
    assert drawn(second)


def test_curve_without_isolines(data, zsl):
    display = SeenUnseenCurveDisplay.from_estimator(
        zsl, data.data, data.target, isolines=False, color="black", linewidth=1
    )
    assert len(display.ax_.get_lines()) == 2
    assert display.line_.get_color() == "black"


def test_curve_of_a_single_point():
    display = SeenUnseenCurveDisplay.from_predictions(
        ["s", "u"], [[0.0, 1.0, 2.0, 0.0], [2.0, 0.0, 0.0, 1.0]], list("stuv"), ["t", "s"]
    )
    assert len(display.constants) == 1  # no row is right with any constant
    assert (display.ausuc, display.point_at_zero) == (0.0, (0.0, 0.0))
    assert drawn(display)


def test_curve_says_what_is_missing(data, seen, zsl):
    X, y = data.data, data.target
    with pytest.raises(ValueError, match="samples of seen and of unseen classes"):
        SeenUnseenCurveDisplay.from_estimator(zsl, X[seen], y[seen])
    with pytest.raises(ValueError, match='space="gzsl"'):
        SeenUnseenCurveDisplay.from_estimator(clone_with(zsl, space="seen"), X, y)
    with pytest.raises(ValueError, match="y_pred or constant"):
        SeenUnseenCurveDisplay.from_predictions(
            ["s", "u"], np.eye(2), ["s", "u"], ["s"], y_pred=["s", "u"], constant=0.0
        )
    with pytest.raises(NotFittedError):
        SeenUnseenCurveDisplay.from_estimator(ClasterZSL(), X, y)
    with pytest.raises(ValueError, match="KMeans has no classes_"):
        SeenUnseenCurveDisplay.from_estimator(KMeans(2, random_state=0).fit(X), X, y)


def clone_with(estimator, **parameters):
    twin = clone(estimator)
    twin.__dict__.update(vars(estimator))
    return twin.set_params(**parameters)


# detectors


@pytest.mark.parametrize(
    "detector",
    [
        IsolationForest(n_estimators=10, random_state=0),
        LocalOutlierFactor(novelty=True),
        make_pipeline(StandardScaler(), IsolationForest(n_estimators=10, random_state=0)),
    ],
    ids=["forest", "factor", "piped"],
)
def test_detector_scores_are_those_of_the_detector(data, seen, detector):
    detector.fit(data.data[seen])
    display = DetectorScoreDisplay.from_estimator(
        detector, data.data, data.target, seen_classes=data.seen_classes
    )
    np.testing.assert_allclose(display.scores, detector.decision_function(data.data))
    np.testing.assert_array_equal(display.is_seen, seen)
    called = detector.predict(data.data) == 1
    assert display.threshold == 0.0
    assert display.rates == (called[seen].mean(), called[~seen].mean())
    other = DetectorScoreDisplay.from_predictions(seen, display.scores, threshold=0.0)
    assert (other.roc_auc, other.rates) == (display.roc_auc, display.rates)
    assert drawn(display)


@pytest.mark.parametrize(
    "detector", [IsolationForest(n_estimators=10, random_state=0), OneClassSVM(nu=0.2)]
)
def test_detector_with_score_samples(data, seen, detector):
    detector = clone(detector).fit(data.data[seen])
    display = DetectorScoreDisplay.from_estimator(
        detector, data.data, seen, response_method="score_samples"
    )
    assert display.threshold == detector.offset_
    expected = DetectorScoreDisplay.from_estimator(detector, data.data, seen)
    assert display.rates == expected.rates
    assert display.roc_auc == expected.roc_auc


@pytest.mark.parametrize("density", [KernelDensity(), GaussianMixture(random_state=0)])
def test_a_density_has_no_threshold(data, seen, density):
    display = DetectorScoreDisplay.from_estimator(density.fit(data.data[seen]), data.data, seen)
    assert display.threshold is None
    assert display.rates is None
    assert drawn(display)


def test_detector_histograms_hold_every_row():
    scores = np.concatenate([np.linspace(-1, 1, 500), [1e6, -1e6]])
    is_seen = np.arange(502) % 2 == 0
    display = DetectorScoreDisplay.from_predictions(is_seen, scores, threshold=0.0)
    low, high = display.ax_.get_xlim()
    assert -3 < low < high < 3
    assert "outer bins" in display.ax_.get_xlabel()
    for patch in display.ax_.patches:
        heights, edges, _ = patch.get_data()
        assert np.sum(heights * np.diff(edges)) == pytest.approx(1.0)


def test_detector_with_one_kind_of_rows():
    display = DetectorScoreDisplay.from_predictions(np.ones(5, bool), np.arange(5.0), threshold=1)
    assert np.isnan(display.roc_auc)
    assert display.rates[0] == 0.8
    assert np.isnan(display.rates[1])
    assert len(display.ax_.patches) == 1
    assert drawn(DetectorScoreDisplay.from_predictions(np.ones(3, bool), np.zeros(3)))


@pytest.mark.parametrize("method", ["learned", "mahalanobis"])
def test_our_own_detector_knows_which_classes_are_seen(data, seen, method):
    detector = BiasDetector(method).fit(data.data[seen], data.target[seen], data.class_embeddings)
    display = DetectorScoreDisplay.from_estimator(detector, data.data, data.target)
    np.testing.assert_array_equal(display.is_seen, seen)


@pytest.mark.parametrize("detector", [BiasDetector(), "stacking", IsolationForest(random_state=0)])
def test_a_gate_is_a_detector(data, seen, detector):
    gated = ESZSL(space="gzsl", bias_detector=detector)
    pipe = make_pipeline(StandardScaler(), gated)
    pipe.fit(data.data[seen], data.target[seen], eszsl__class_embeddings=data.class_embeddings)
    display = DetectorScoreDisplay.from_estimator(pipe, data.data, data.target)
    explained = pipe[-1].explain_gate(pipe[0].transform(data.data))
    np.testing.assert_array_equal(display.scores, explained.score)
    np.testing.assert_array_equal(display.is_seen, seen)
    assert display.threshold == pipe[-1].gate_threshold_
    assert display.rates == (explained.is_seen[seen].mean(), explained.is_seen[~seen].mean())
    assert drawn(display)


def test_detector_says_what_is_missing(data, seen, zsl):
    forest = IsolationForest(n_estimators=10, random_state=0).fit(data.data)
    with pytest.raises(TypeError, match="seen_classes"):
        DetectorScoreDisplay.from_predictions(["a", "b"], [0.1, 0.2], seen_classes=[0, 1])
    with pytest.raises(ValueError, match="pass seen_classes"):
        DetectorScoreDisplay.from_estimator(forest, data.data, data.target)
    with pytest.raises(ValueError, match=r"needs a gate.*bias_detector=BiasDetector\(\)"):
        DetectorScoreDisplay.from_estimator(zsl, data.data, data.target)
    with pytest.raises(
        ValueError, match="ClasterZSL gives no score per sample by decision_function"
    ):
        DetectorScoreDisplay.from_estimator(
            zsl, data.data, data.target, response_method="decision_function"
        )
    with pytest.raises(ValueError, match="gives no score per sample by score_samples"):
        DetectorScoreDisplay.from_estimator(
            zsl, data.data, data.target, response_method="score_samples"
        )
    with pytest.raises(ValueError, match="response_method='proba'"):
        DetectorScoreDisplay.from_estimator(forest, data.data, seen, response_method="proba")
    with pytest.raises(ValueError, match="NaN"):
        DetectorScoreDisplay.from_predictions(seen[:2], [0.0, np.nan])
    with pytest.raises(ValueError, match="inconsistent numbers"):
        DetectorScoreDisplay.from_predictions(seen[:2], [0.0])


# clusters


def points(zsl, X):
    """psi by hand: omega without the clusters' part."""
    bare = clone_with(zsl)
    return bare._model.points(np.asarray(X, dtype=np.float32)).detach().numpy()


def test_clusters_are_those_of_the_nearest_centroid(data, zsl):
    display = ClusterClassDisplay.from_estimator(zsl, data.data, data.target)
    nearest = pairwise_distances_argmin(points(zsl, data.data), zsl.cluster_centers_)
    for i, cluster in enumerate(display.clusters):
        for j, name in enumerate(display.classes):
            assert display.counts[i, j] == np.sum((nearest == cluster) & (data.target == name))
    np.testing.assert_allclose(display.shares.sum(axis=0), 1.0)
    assert display.class_purity == pytest.approx(class_purity(nearest, data.target))
    other = ClusterClassDisplay.from_predictions(
        data.target, nearest, cluster_names=range(zsl.n_clusters_)
    )
    np.testing.assert_array_equal(other.counts, display.counts)
    assert len(display.ax_) == 1
    assert drawn(display)


def test_the_kmeans_start_is_the_clone_with_kmeans(data, seen, zsl):
    X, y = data.data, data.target
    start = clone(zsl).set_params(centroids="kmeans")
    start.fit(X[seen], y[seen], data.class_embeddings)
    unmoved = clone(zsl).set_params(alpha=0.0).fit(X[seen], y[seen], data.class_embeddings)
    np.testing.assert_array_equal(start.cluster_centers_, unmoved.cluster_centers_)
    np.testing.assert_array_equal(points(start, X), points(zsl, X))  # phi does not depend on it
    display = ClusterClassDisplay.from_estimator(zsl, X, y, before=start)
    alone = ClusterClassDisplay.from_estimator(start, X, y)
    np.testing.assert_array_equal(display.counts_before, alone.counts)
    assert display.class_purity_before == alone.class_purity
    assert [ax.get_title().split(":")[0] for ax in display.ax_] == ["before", "after"]
    assert drawn(display)


def test_classes_are_sorted_by_their_main_cluster(data, zsl):
    display = ClusterClassDisplay.from_estimator(zsl, data.data, data.target)
    main = display.shares.argmax(axis=0)[display.order_]
    assert np.all(np.diff(main) >= 0)
    image = display.ax_[0].get_images()[0].get_array()
    np.testing.assert_array_equal(image, display.shares[:, display.order_])


def test_clusters_of_a_pipeline_and_of_a_clusterer(data):
    kmeans = make_pipeline(StandardScaler(), KMeans(3, random_state=0)).fit(data.data)
    display = ClusterClassDisplay.from_estimator(kmeans, data.data, data.target)
    expected = ClusterClassDisplay.from_predictions(data.target, kmeans.predict(data.data))
    np.testing.assert_array_equal(display.counts, expected.counts)


def test_an_empty_cluster_keeps_its_row():
    display = ClusterClassDisplay.from_predictions(
        ["a", "b"], [0, 2], clusters_before=[0, 1], cluster_names=range(3)
    )
    assert display.counts.tolist() == [[1, 0], [0, 0], [0, 1]]
    assert display.counts_before.tolist() == [[1, 0], [0, 1], [0, 0]]


def test_clusters_say_what_is_missing(data, seen, zsl):
    X, y = data.data, data.target
    bare = clone(zsl).set_params(centroids=None).fit(X[seen], y[seen], data.class_embeddings)
    with pytest.raises(ValueError, match="ClasterZSL puts no rows into clusters"):
        ClusterClassDisplay.from_estimator(bare, X, y)
    with pytest.raises(ValueError, match=r"cluster_names lacks \[2\]"):
        ClusterClassDisplay.from_predictions(["a", "b"], [0, 2], cluster_names=[0, 1])
    with pytest.raises(ValueError, match="inconsistent numbers"):
        ClusterClassDisplay.from_predictions(["a", "b"], [0])
    with pytest.raises(ValueError, match="2 panels to draw; got 1"):
        ClusterClassDisplay.from_predictions(
            ["a", "b"], [0, 1], clusters_before=[0, 1], ax=plt.subplots()[1]
        )


# the map


def test_map_from_estimator_is_that_of_its_representation(data, zsl):
    options = {"random_state": 0, "max_samples": 60}
    one = RepresentationDisplay.from_estimator(zsl, data.data, data.target, **options)
    other = RepresentationDisplay.from_predictions(zsl.transform(data.data), data.target, **options)
    np.testing.assert_array_equal(one.positions, other.positions)
    np.testing.assert_array_equal(one.rows, other.rows)
    np.testing.assert_array_equal(one.y, data.target[one.rows])
    assert len(one.rows) == 60
    assert set(one.y) == set(data.target)
    assert np.isfinite(one.positions).all()
    assert drawn(one)


def test_map_by_another_reducer(data):
    display = RepresentationDisplay.from_predictions(
        data.data, data.target, reducer=PCA(2), max_samples=None
    )
    np.testing.assert_allclose(display.positions, PCA(2).fit_transform(data.data))
    places = np.concatenate([part.get_offsets() for part in display.ax_.collections])
    order = np.argsort(data.target, kind="stable")
    np.testing.assert_allclose(places, display.positions[order])


def test_two_columns_are_the_places():
    places = np.random.default_rng(0).normal(size=(10, 2))
    display = RepresentationDisplay.from_predictions(places, ["a", "b"] * 5)
    np.testing.assert_array_equal(display.positions, places)


@pytest.mark.parametrize("shape", [(12, 5), (12, 1)])
def test_map_of_samples_without_two_directions(shape):
    same = np.zeros(shape)
    for representation in (same, same + np.arange(12.0)[:, np.newaxis]):
        display = RepresentationDisplay.from_predictions(
            representation, ["a", "b", "c"] * 4, random_state=0
        )
        assert np.isfinite(display.positions).all()


def test_axes_of_a_subfigure():
    y, rng = np.repeat(["a", "b", "c"], 4), np.random.default_rng(0)
    left, right = plt.figure().subfigures(1, 2)
    display = RepresentationDisplay.from_predictions(
        rng.normal(size=(12, 2)), y, ax=left.subplots()
    )
    assert display.figure_ is left and display.named_
    display = ClusterClassDisplay.from_predictions(
        y, rng.integers(0, 3, 12), ax=right.subplots(2, 1), clusters_before=rng.integers(0, 3, 12)
    )
    assert display.figure_ is right


def test_curve_beside_a_line_without_points():
    axes = plt.subplots()[1]
    axes.plot([], [], label="of another legend")
    scores = np.random.default_rng(0).normal(size=(8, 4))
    SeenUnseenCurveDisplay.from_predictions(list("abcd") * 2, scores, list("abcd"), ["a"], ax=axes)


def test_map_names_classes_without_covering_others():
    rng = np.random.default_rng(0)
    y = np.repeat([f"a rather long name {i}" for i in range(200)], 3)
    places = rng.normal(size=(200, 2)).repeat(3, axis=0) + 0.01 * rng.normal(size=(600, 2))
    display = RepresentationDisplay.from_predictions(places, y)
    boxes = [text.get_window_extent() for text in display.ax_.texts]
    assert 20 < len(boxes) == len(display.named_) < 200
    frame = display.ax_.get_window_extent()
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert frame.count_contains(box.corners()) == 4
    assert f"{len(boxes)} of 200 classes" in display.ax_.get_xlabel()


def test_map_highlights():
    places = np.random.default_rng(0).normal(size=(40, 2))
    y = np.repeat(list("abcd"), 10)
    display = RepresentationDisplay.from_predictions(places, y, highlight=["b", "d"])
    assert sorted(display.named_) == ["b", "d"]
    assert len(display.ax_.collections) == 3
    with pytest.raises(ValueError, match=r"None of highlight=\['z'\]"):
        display.plot(highlight=["z"])


def test_classes_of_one_colour_lie_apart():
    middles, names = np.random.default_rng(0).normal(size=(200, 2)), np.arange(200)
    few = _spread_colors(names[: len(_COLORS)], middles[: len(_COLORS)], {})
    assert set(few.values()) == set(_COLORS)
    colors = np.array(list(_spread_colors(names, middles, {}).values()))
    distances = np.linalg.norm(middles[:, None] - middles, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert np.mean(colors[distances.argmin(axis=1)] == colors) < 0.05


def test_classes_keep_their_colours_in_another_map():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(12), 5)
    first = RepresentationDisplay.from_predictions(rng.normal(size=(60, 2)), y)
    second = RepresentationDisplay.from_predictions(
        rng.normal(size=(60, 2)), y, colors=first.colors_, highlight=[3, 7]
    )
    assert second.colors_ == {name: first.colors_[name] for name in (3, 7)}
    assert set(first.colors_.values()) == set(_COLORS)


def test_seen_and_unseen_classes_differ_by_marker(data, zsl):
    one = RepresentationDisplay.from_estimator(zsl, data.data, data.target, random_state=0)
    assert texts(one.ax_) == ["seen classes", "unseen classes"]
    for name, part in zip(one.classes, one.ax_.collections, strict=True):
        corners = len(part.get_paths()[0].vertices)
        assert (corners > 10) == (name in zsl.classes_)  # a circle, or a triangle
    legend = one.ax_.get_legend().get_window_extent()
    assert not any(legend.overlaps(text.get_window_extent()) for text in one.ax_.texts)
    places = np.arange(8.0).reshape(4, 2)
    plain = RepresentationDisplay.from_predictions(places, list("aabb"))
    assert plain.ax_.get_legend() is None
    with pytest.raises(TypeError, match="seen_classes"):
        RepresentationDisplay.from_predictions(places, list("aabb"), seen_classes=[0])


def test_map_says_what_is_missing(data):
    with pytest.raises(ValueError, match="IsolationForest has no transform"):
        RepresentationDisplay.from_estimator(IsolationForest(), data.data, data.target)
    with pytest.raises(ValueError, match=r"two columns.*n_components=2"):
        RepresentationDisplay.from_predictions(data.data, data.target, reducer=PCA(3))
    with pytest.raises(ValueError, match="inconsistent numbers"):
        RepresentationDisplay.from_predictions(data.data, data.target[1:])


# epochs


def test_epochs_are_those_of_the_history(zsl):
    display = EpochCurveDisplay.from_estimator(zsl)
    keys = ["seen_accuracy", "loss", "reward", "centroid_movement"]
    assert list(display.curves) == keys
    for key in keys:
        assert display.curves[key].tolist() == zsl.history_[key]
        assert display.lines_[key].get_ydata().tolist() == zsl.history_[key]
        assert display.lines_[key].get_xdata().tolist() == [1, 2, 3, 4]
    assert display.warm_up == 2
    other = EpochCurveDisplay.from_history(zsl.history_)
    assert list(other.curves) == keys
    assert drawn(display)


def test_epochs_of_an_early_stopped_training(data, seen, zsl):
    stopped = clone(zsl).set_params(early_stopping=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that more epochs might be better
        stopped.fit(data.data[seen], data.target[seen], data.class_embeddings)
    display = EpochCurveDisplay.from_estimator(stopped)
    assert len(display.curves["validation_accuracy"]) == 4
    assert len(display.curves["loss"]) == stopped.n_iter_
    assert drawn(display)


def test_epochs_measured_outside():
    history = {"unseen_accuracy": [0.1, 0.3], "mine": ["a", "b"]}
    display = EpochCurveDisplay.from_history(history, name="mine")
    assert list(display.lines_) == ["unseen_accuracy"]
    assert display.warm_up == 0
    axes = plt.subplots()[1]
    assert EpochCurveDisplay.from_history(history, ax=axes).ax_.tolist() == [axes]


def test_epochs_say_what_is_missing(piped):
    with pytest.raises(ValueError, match="ESZSL has no history_"):
        EpochCurveDisplay.from_estimator(piped)
    with pytest.raises(ValueError, match=r"one of seen_accuracy.*it holds mine"):
        EpochCurveDisplay.from_history({"mine": [1.0]})
    with pytest.raises(ValueError, match="it holds nothing"):
        EpochCurveDisplay.from_history({})


# many classes


@pytest.mark.parametrize("n_classes", [50, 200])
def test_tick_labels_leave_room_for_one_another(n_classes):
    rng = np.random.default_rng(0)
    y = np.repeat([f"class {i:03d}" for i in range(n_classes)], 4)
    clusters = rng.integers(0, 30, len(y))
    display = ClusterClassDisplay.from_predictions(y, clusters, clusters_before=clusters)
    assert drawn(display)
    last = display.ax_[-1]
    for labels in (last.get_xticklabels(), last.get_yticklabels()):
        boxes = [label.get_window_extent() for label in labels if label.get_text()]
        assert len(boxes) >= 25
        for box, following in pairwise(boxes):
            assert not box.overlaps(following)


# reliability


def test_reliability_from_estimator_is_that_of_its_predictions(data, zsl):
    X, y = data.data, data.target
    one = ReliabilityDisplay.from_estimator(zsl, X, y)
    labels = zsl.candidates()[0]
    other = ReliabilityDisplay.from_predictions(y, zsl.predict_proba(X), labels=labels)
    expected = expected_calibration_error(y, zsl.predict_proba(X), labels)
    for display in (one, other):
        assert display.expected_calibration_error == pytest.approx(expected)
        np.testing.assert_array_equal(display.line_.get_xdata(), display.prob_pred)
        np.testing.assert_array_equal(display.line_.get_ydata(), display.prob_true)
        assert display.counts.sum() == len(display.y_prob) == len(X)
        assert drawn(display)
    assert texts(one.ax_) == ["Perfectly calibrated", f"ClasterZSL (ECE = {expected:.3f})"]
    assert texts(other.ax_)[1] == f"ECE = {expected:.3f}"
    assert one.ax_.get_xlabel() == "Probability of the named class"


def test_reliability_is_that_of_scikit_learn_for_hits_and_confidences(data, zsl):
    X, y = data.data, data.target
    display = ReliabilityDisplay.from_estimator(zsl, X, y, n_bins=8)
    proba = zsl.predict_proba(X)
    shares, confidences = calibration_curve(zsl.predict(X) == y, proba.max(axis=1), n_bins=8)
    np.testing.assert_allclose(display.prob_true, shares)
    np.testing.assert_allclose(display.prob_pred, confidences)


def test_reliability_takes_pipelines_candidates_axes_and_style(data, seen, piped):
    X, y = data.data, data.target
    ax = plt.figure().add_subplot()
    first = ReliabilityDisplay.from_estimator(piped, X, y, ax=ax)
    few = data.class_embeddings.select(data.unseen_classes[:2])
    second = ReliabilityDisplay.from_estimator(
        piped, X[~seen], y[~seen], few, n_bins=4, name="few", ax=ax, ref_line=False, color="red"
    )
    assert first.ax_ is second.ax_ is ax
    assert [text.split(" (")[0] for text in texts(ax)] == ["Perfectly calibrated", "ESZSL", "few"]
    assert second.line_.get_color() == "red" and len(second.counts) <= 4
    logistic = LogisticRegression().fit(X, y)
    assert ReliabilityDisplay.from_estimator(logistic, X, y).expected_calibration_error < 0.5


def test_what_has_no_reliability(data, zsl):
    forest = IsolationForest(n_estimators=3).fit(data.data)
    with pytest.raises(ValueError, match="IsolationForest has no predict_proba"):
        ReliabilityDisplay.from_estimator(forest, data.data, data.target)
    with pytest.raises(NotFittedError):
        ReliabilityDisplay.from_estimator(clone(zsl), data.data, data.target)
    with pytest.raises(ValueError, match="each row sums to one"):
        ReliabilityDisplay.from_predictions([0, 1], [[1.0, 2.0], [0.0, 1.0]])


# without matplotlib


def test_displays_compute_without_matplotlib_and_say_how_to_get_it():
    code = """
import sys
sys.modules["matplotlib"] = sys.modules["matplotlib.pyplot"] = None
import numpy as np
from sklearn_claster.inspection import EpochCurveDisplay
display = EpochCurveDisplay({"loss": np.ones(3)})
try:
    display.plot()
except ImportError as error:
    assert "EpochCurveDisplay.plot" in str(error), error
    assert "sklearn_claster[plot]" in str(error), error
else:
    raise AssertionError("it plotted")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
