"""The tensor functions of Eqs. 1-6 against a naive NumPy twin, at the edges, with gradients."""

import math

import numpy as np
import paper_twin
import pytest
import torch

from sklearn_claster._core import equations as equations

SHAPES = [(1, 1, 1), (1, 1, 5), (1, 4, 1), (7, 1, 3), (9, 2, 4), (12, 3, 1), (20, 6, 7), (5, 17, 2)]
DTYPES = [torch.float32, torch.float64]


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape)).to(dtype)


def to_numpy(value):
    return value.detach().double().numpy() if isinstance(value, torch.Tensor) else value


def twin(name, *args):
    """The twin's answer, computed in NumPy float64 whatever the tensors' dtype."""
    return getattr(paper_twin, name)(*map(to_numpy, args))


def agree(result, expected, rtol=1e-10, atol=1e-13):
    np.testing.assert_allclose(to_numpy(result), to_numpy(expected), rtol=rtol, atol=atol)


def samples(n, n_clusters, width, seed=0):
    """Centroids, points, confidences and rewards of both signs."""
    rng = np.random.RandomState(seed)
    arrays = (
        rng.standard_normal((n_clusters, width)),
        rng.standard_normal((n, width)),
        rng.uniform(size=n),
        rng.choice([-1.0, 1.0], size=n),
    )
    return tuple(map(torch.from_numpy, arrays))


# ---------------------------------------------------------------- Eq. 1: distances and weights


@pytest.mark.parametrize(("n", "n_clusters", "width"), SHAPES)
def test_eq1_matches_twin(n, n_clusters, width):
    points, centroids = normal(n, width), normal(n_clusters, width, seed=1)
    distances = equations.pairwise_distances(points, centroids)
    agree(distances, twin("distances", points, centroids))
    agree(equations.distance_weights(distances), twin("distance_weights", distances))
    for weight in (1.0, 0.0, -0.5, 1 / n_clusters):
        omega = equations.claster_representation(points, centroids, weight)
        agree(omega, twin("claster_representation", points, centroids, weight))


@pytest.mark.parametrize(("n", "n_clusters", "width"), SHAPES)
def test_eq1_float32(n, n_clusters, width):
    points = normal(n, width, dtype=torch.float32)
    centroids = normal(n_clusters, width, seed=1, dtype=torch.float32)
    omega = equations.claster_representation(points, centroids)
    assert omega.dtype == torch.float32
    agree(omega, twin("claster_representation", points, centroids), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("distances", "weights"),
    [
        ([1, 2, 4], [1, 1 / 3, 0]),
        ([4, 1, 2], [0, 1, 1 / 3]),
        ([3, 7], [1, 0]),
        ([5], [1]),
        ([0], [1]),
        ([2, 2, 2], [1, 1, 1]),
        ([0, 0, 0], [1, 1, 1]),
        ([0, 1, 2], [1, 0, 0]),
        ([0, 0, 3], [1, 1, 0]),
        ([1, 1, 3], [1, 1, 0]),
        ([1, 3, 3], [1, 0, 0]),
        ([1, 1.001], [1, 0]),
    ],
)
def test_distance_weights_by_hand(distances, weights, dtype):
    distances = torch.tensor([distances], dtype=dtype)
    agree(equations.distance_weights(distances), [weights], rtol=1e-6)
    agree(twin("distance_weights", distances), [weights], rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_what_counts_as_a_tie(dtype, scale):
    """A relative spread below the threshold gives 1 to all, one above it a hard assignment."""
    rows = scale * torch.tensor([[1, 1 + 3e-6], [1, 1 + 3e-5]], dtype=dtype)
    assert equations.distance_weights(rows).tolist() == [[1, 1], [1, 0]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_clusters", [2, 3, 7, 12])
def test_ties_up_to_rounding(n_clusters, dtype):
    """The centre of a regular polygon is equally far from its corners, whatever the rounding."""
    angle = torch.arange(n_clusters, dtype=torch.float64) * (2 * math.pi / n_clusters)
    corners = (3 + torch.stack([angle.cos(), angle.sin()], dim=1)).to(dtype)
    distances = equations.pairwise_distances(torch.full((1, 2), 3.0, dtype=dtype), corners)
    assert (equations.distance_weights(distances) == 1).all()


@pytest.mark.parametrize("n_clusters", [1, 2, 3, 9])
def test_weights_range_and_permutation(n_clusters):
    distances = normal(50, n_clusters).abs() ** 3
    weights = equations.distance_weights(distances)
    assert weights.min() >= 0 and weights.max() <= 1
    assert (weights.gather(1, distances.argmin(1, keepdim=True)) == 1).all()
    if n_clusters > 1:
        assert (weights.gather(1, distances.argmax(1, keepdim=True)) == 0).all()
    order = torch.from_numpy(np.random.RandomState(3).permutation(n_clusters))
    assert torch.equal(equations.distance_weights(distances[:, order]), weights[:, order])


def test_nearer_centroids_weigh_more():
    distances = normal(30, 8).abs().sort(dim=1).values
    assert (equations.distance_weights(distances).diff(dim=1) < 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-30, 1e-9, 1e9, 1e30])
def test_weights_do_not_depend_on_the_unit(scale, dtype):
    distances = normal(20, 5, dtype=dtype).abs() + 0.1
    expected = equations.distance_weights(distances)
    tolerance = 1e-4 if dtype == torch.float32 else 1e-10
    agree(equations.distance_weights(distances * scale), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(torch.float32, s) for s in (1e-17, 1e-6, 1e6, 1e17)]
    + [(torch.float64, s) for s in (1e-100, 1e-30, 1e30, 1e100)],
)
def test_representation_is_homogeneous(dtype, scale):
    """omega(s psi, s c) = s omega(psi, c), gradients finite, as far as squares fit the dtype."""
    points, centroids = normal(6, 4), normal(3, 4, seed=1)
    scaled = [(tensor * scale).to(dtype).requires_grad_() for tensor in (points, centroids)]
    omega = equations.claster_representation(*scaled)
    expected = twin("claster_representation", points, centroids)
    tolerance = 1e-4 if dtype == torch.float32 else 1e-10
    agree(omega.double() / scale, expected, rtol=tolerance, atol=tolerance)
    for gradient in torch.autograd.grad(omega.sum(), scaled):
        assert gradient.isfinite().all() and gradient.any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("points", "centroids"),
    [
        ([[1, 2]], [[1, 2], [0, 0], [5, 1]]),
        ([[1, 2]], [[1, 2]]),
        ([[1, 2], [3, 4]], [[0, 0]]),
        ([[0, 0]], [[1, 0], [-1, 0], [0, 1], [0, -1]]),
        ([[0, 0], [1, 1]], [[1, 1], [1, 1], [1, 1]]),
        ([[0, 0]], [[1, 1], [1, 1], [2, 2]]),
        ([[0, 0]], [[1, 0], [0, 1 + 2**-10], [1 - 2**-10, 0]]),
        ([[0, 0], [0, 0]], [[0, 0], [0, 0]]),
        ([[0.1, 0.2]], [[0.1, 0.2], [0.1, 0.2], [0.3, 0.1]]),
    ],
    ids=[
        "on_it",
        "on_it_K1",
        "K1",
        "all_equal",
        "same_centroids",
        "two_equal",
        "nearly",
        "all_zero",
        "twice_on_it",
    ],
)
def test_values_and_gradients_at_singular_points(points, centroids, dtype):
    """The literal formula reads 0/0 at most of these."""
    points = torch.tensor(points, dtype=dtype, requires_grad=True)
    centroids = torch.tensor(centroids, dtype=dtype, requires_grad=True)
    omega = equations.claster_representation(points, centroids)
    rtol = 1e-4 if dtype == torch.float32 else 1e-10
    agree(omega, twin("claster_representation", points, centroids), rtol=rtol)
    for gradient in torch.autograd.grad(
        (omega * normal(2, dtype=dtype)).sum(), (points, centroids)
    ):
        assert gradient.isfinite().all()


@pytest.mark.parametrize("n_clusters", [1, 2])
def test_gradient_of_a_constant_weight(n_clusters):
    """K = 1 and K = 2 have weights of 0 and 1, so d omega / d psi = 1 and d omega / d c = eta."""
    points, centroids = (
        normal(5, 3).requires_grad_(),
        normal(n_clusters, 3, seed=1).requires_grad_(),
    )
    omega = equations.claster_representation(points, centroids)
    to_points, to_centroids = torch.autograd.grad(omega.sum(), (points, centroids))
    won = twin("distance_weights", twin("distances", points, centroids)).sum(axis=0)
    agree(to_points, np.ones((5, 3)))
    agree(to_centroids, np.repeat(won[:, None], 3, axis=1))


@pytest.mark.parametrize(("n", "n_clusters", "width"), [(4, 3, 3), (2, 5, 2), (3, 2, 4), (3, 4, 1)])
def test_eq1_gradcheck(n, n_clusters, width):
    points = normal(n, width).requires_grad_()
    centroids = normal(n_clusters, width, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(equations.claster_representation, (points, centroids, 0.7))


# ---------------------------------------------------------------- Eq. 2: semantic softmax


@pytest.mark.parametrize(("n", "n_classes", "width"), [(1, 1, 1), (4, 1, 3), (6, 5, 1), (9, 12, 4)])
@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0, 50.0])
def test_semantic_softmax_matches_twin(n, n_classes, width, temperature):
    projected, embeddings = normal(n, width), normal(n_classes, width, seed=1)
    z = equations.semantic_softmax(equations.compatibility(projected, embeddings), temperature)
    agree(z, twin("semantic_softmax", projected, embeddings, temperature), atol=1e-14)
    agree(z.sum(dim=1), np.ones(n))


def test_compatibility_by_hand():
    """Cosines, whatever the lengths; a zero vector is at a right angle to everything."""
    projected = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
    embeddings = torch.tensor([[7.0, 0.0], [0.0, -2.0], [-6.0, -8.0]], dtype=torch.float64)
    cosines = equations.compatibility(projected, embeddings)
    agree(cosines, [[0.6, -0.8, -1.0], [0, 0, 0]])
    z = equations.semantic_softmax(cosines, 0.2)
    agree(z[0], np.exp([3, -4, -5]) / np.exp([3, -4, -5]).sum())
    agree(z[1], np.full(3, 1 / 3))


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(torch.float32, s) for s in (1e-9, 1e15)] + [(torch.float64, s) for s in (1e-10, 1e30)],
)
def test_compatibility_does_not_depend_on_the_unit(dtype, scale):
    projected, embeddings = normal(5, 4, dtype=dtype), normal(3, 4, seed=1, dtype=dtype)
    expected = equations.compatibility(projected, embeddings)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-10
    for pair in ((projected * scale, embeddings), (projected, embeddings * scale)):
        agree(equations.compatibility(*pair), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_semantic_softmax_gradients(dtype):
    """Right at generic points, finite at a zero row and at a saturated temperature."""

    def z_of(projected, embeddings, temperature):
        return equations.semantic_softmax(
            equations.compatibility(projected, embeddings), temperature
        )

    projected = normal(3, 4).requires_grad_()
    assert torch.autograd.gradcheck(z_of, (projected, normal(5, 4, seed=1), 0.5))
    projected = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=dtype, requires_grad=True)
    z = z_of(projected, torch.eye(2, dtype=dtype), 1e-6)
    assert z.isfinite().all()
    assert torch.autograd.grad(z[:, 0].sum(), projected)[0].isfinite().all()


# ---------------------------------------------------------------- Eqs. 4-5: reward, p_j, REINFORCE


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_classes", [1, 2, 6])
def test_reward_matches_twin(n_classes, dtype):
    rng = np.random.RandomState(0)
    z = torch.from_numpy(rng.dirichlet(np.ones(n_classes), 40)).to(dtype)
    y = rng.randint(n_classes, size=40)
    rewards = equations.reward(z, torch.from_numpy(y))
    assert rewards.dtype == dtype
    assert rewards.tolist() == twin("reward", z, y).tolist()
    assert set(rewards.tolist()) == ({1.0} if n_classes == 1 else {1.0, -1.0})


@pytest.mark.parametrize("scale", [1.0, 1e-3, 17.0])
def test_selection_probability_matches_twin(scale):
    distances = torch.cat([torch.zeros(1, dtype=torch.float64), normal(30).abs() * 20 * scale])
    p = equations.selection_probability(distances, scale)
    agree(p, twin("selection_probability", distances, scale), atol=0)
    assert p[0] == 1 and (p[1:] < 1).all() and (p > 0).all()
    by_hand = equations.selection_probability(torch.tensor([scale * math.log(3)]).double(), scale)
    agree(by_hand, [0.5], rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("n", [1, 3, 21])
def test_selection_scale_gives_one_in_twenty_at_the_median(n, unit):
    nearest = normal(n).abs() * unit
    scale = equations.selection_scale(nearest)
    assert scale == pytest.approx(twin("selection_scale", nearest), rel=1e-12)
    assert float(equations.selection_probability(nearest.median(), scale)) == pytest.approx(0.05)
    scale = equations.selection_scale(nearest, probability=0.3)
    assert float(equations.selection_probability(nearest.median(), scale)) == pytest.approx(0.3)


@pytest.mark.parametrize("nearest", [[0.0], [0.0, 0.0, 9.0]])
def test_selection_scale_of_a_zero_median(nearest):
    assert (
        equations.selection_scale(torch.tensor(nearest)) == 1.0 == twin("selection_scale", nearest)
    )


def test_selection_scale_of_an_even_number():
    nearest = torch.tensor([0.0, 1.0, 3.0, 8.0])
    assert equations.selection_scale(nearest) == pytest.approx(twin("selection_scale", nearest))


@pytest.mark.parametrize("scale", [1.0, 0.25])
@pytest.mark.parametrize(("n", "n_clusters", "width"), [s for s in SHAPES if s[1] > 1])
def test_reinforce_batch_matches_twin(n, n_clusters, width, scale):
    batch = samples(n, n_clusters, width)
    for alpha in (0.1, 1.0):
        result = equations.reinforce_update(*batch, alpha, scale)
        agree(result, twin("reinforce_batch", *batch, alpha, scale))


@pytest.mark.parametrize(("n_clusters", "width"), [(2, 1), (4, 3), (9, 2)])
def test_batches_of_one_are_the_sequential_rule(n_clusters, width):
    """The whole path over one pass, not only its end; and the batch rule is another path."""
    centroids, points, z, rewards = samples(40, n_clusters, width)
    expected = current = centroids
    for i in range(len(points)):
        one = slice(i, i + 1)
        current = equations.reinforce_update(current, points[one], z[one], rewards[one], 0.3, 0.5)
        expected = twin(
            "reinforce_sequential", expected, points[one], z[one], rewards[one], 0.3, 0.5
        )
        agree(current, expected)
    batch = (centroids, points, z, rewards)
    agree(current, twin("reinforce_sequential", *batch, 0.3, 0.5))
    assert not np.allclose(current, twin("reinforce_batch", *batch, 0.3, 0.5), rtol=1e-3)


@pytest.mark.parametrize("n", [1, 15])
def test_single_centroid_is_never_repelled(n):
    centroids, points, z, rewards = samples(n, 1, 3)
    args = (centroids, points, z, rewards, 0.4, 0.5)
    agree(equations.reinforce_update(*args), twin("reinforce_batch", *args))
    losing = equations.reinforce_update(centroids, points, z, -torch.ones(n).double(), 0.4, 0.5)
    assert torch.equal(losing, centroids)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("unit", [1e-18, 1.0, 1e18])
@pytest.mark.parametrize("n_clusters", [1, 5])
def test_alpha_zero_moves_nothing(n_clusters, unit, dtype):
    centroids, points, z, rewards = (tensor.to(dtype) for tensor in samples(30, n_clusters, 4))
    centroids, points = centroids * unit, points * unit
    assert torch.equal(
        equations.reinforce_update(centroids, points, z, rewards, 0.0, unit), centroids
    )
    assert not torch.equal(
        equations.reinforce_update(centroids, points, z, rewards, 0.5, unit), centroids
    )


@pytest.mark.parametrize(("sign", "distance"), [(1.0, 0.75), (-1.0, 1.25)])
def test_only_the_nearest_moves_and_the_reward_sets_the_direction(sign, distance):
    """alpha (z - p) = 0.5 * 0.5 of the way towards the point, or away from it."""
    centroids = torch.tensor([[0.0, 0.0], [9.0, 9.0], [-3.0, 0.0]], dtype=torch.float64)
    point = torch.tensor([[0.6, 0.8]], dtype=torch.float64)
    z = 0.5 + equations.selection_probability(torch.ones(1).double())
    rewards = torch.tensor([sign], dtype=torch.float64)
    moved = equations.reinforce_update(centroids, point, z, rewards, 0.5)
    assert torch.equal(moved[1:], centroids[1:])
    agree(torch.linalg.vector_norm(point - moved[:1], dim=1), [distance])
    agree(moved[0], (1 - distance) * np.array([0.6, 0.8]))


def test_a_tie_moves_one_centroid_only():
    centroids = torch.zeros(3, 2, dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    moved = equations.reinforce_update(centroids, torch.full((1, 2), 4.0).double(), one, one, 0.5)
    assert moved.any(dim=1).tolist() == [True, False, False]


def test_update_is_a_mean_over_the_samples_won():
    """Repeating a batch changes nothing, and a sample that is clipped still counts."""
    batch = samples(11, 3, 4)
    thrice = [tensor.repeat(3, *[1] * (tensor.ndim - 1)) for tensor in batch[1:]]
    once = equations.reinforce_update(*batch, 0.4)
    agree(equations.reinforce_update(batch[0], *thrice, 0.4), once)
    centroids = torch.tensor([[0.0], [100.0]], dtype=torch.float64)
    points, z = torch.tensor([[8.0], [8.0]]).double(), torch.tensor([1.0, 0.0]).double()
    moved = equations.reinforce_update(centroids, points, z, torch.ones(2).double(), 0.5, 1e-3)
    agree(moved, [[0.5 * 8 / 2], [100.0]])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_nothing_turns_the_reward_around(sign):
    """Where z < p, +1 would repel and -1 attract: the centroid stays."""
    centroids = torch.tensor([[0.0, 0.0], [9.0, 9.0]], dtype=torch.float64)
    point, z = torch.tensor([[0.6, 0.8]]).double(), torch.zeros(1).double()
    rewards = torch.tensor([sign]).double()
    assert torch.equal(
        equations.reinforce_update(centroids, point, z, rewards, 0.5, 2.0), centroids
    )


def test_rewarded_centroids_stay_between_the_points():
    """Steps with r = +1 and z >= p are convex combinations, so 100 of them cannot leave the box."""
    centroids, points, _, _ = samples(25, 4, 3)
    one = torch.ones(25, dtype=torch.float64)
    everything = torch.cat([centroids, points])
    low, high = everything.min(dim=0).values, everything.max(dim=0).values
    current = centroids
    for _ in range(100):
        current = equations.reinforce_update(current, points, one, one, 1.0, 0.3)
        assert (current >= low - 1e-12).all() and (current <= high + 1e-12).all()
    assert not torch.allclose(current, centroids)


def test_repeated_reward_converges_to_the_point():
    """The pull shrinks with the distance; without p it is geometric."""
    centroids, point = torch.tensor([[5.0, 5.0], [-50.0, 0.0]]).double(), torch.ones(1, 2).double()
    one = torch.ones(1, dtype=torch.float64)
    for _ in range(60):
        centroids = equations.reinforce_update(centroids, point, one, one, 0.5, 1e-30)
    agree(centroids, [[1, 1], [-50, 0]])


# ---------------------------------------------------------------- Eq. 6: rectification


@pytest.mark.parametrize("n_neighbors", [0, 1, 2, 3, 99])
@pytest.mark.parametrize(
    ("n_candidates", "n_seen", "width"), [(1, 1, 1), (1, 5, 3), (4, 1, 3), (6, 2, 4), (9, 8, 5)]
)
def test_rectify_matches_twin(n_candidates, n_seen, width, n_neighbors):
    candidates, seen = 3 * normal(n_candidates, width), 0.2 * normal(n_seen, width, seed=1)
    rectified = equations.rectify(candidates, seen, n_neighbors)
    agree(rectified, twin("rectify", candidates, seen, n_neighbors))
    agree(torch.linalg.vector_norm(rectified, dim=1), np.ones(n_candidates))


def test_rectify_by_hand():
    """cos = 0.8 and 0.6: k = 2 adds half of (0.8, 0.6), and k = 1 the nearer axis alone."""
    candidates = torch.tensor([[8.0, 6.0]], dtype=torch.float64)
    seen = torch.tensor([[0.0, 0.5], [-1.0, 0.0], [20.0, 0.0]], dtype=torch.float64)
    agree(equations.rectify(candidates, seen, 0), [[0.8, 0.6]])
    agree(equations.rectify(candidates, seen, 1), [np.array([1.6, 0.6]) / math.hypot(1.6, 0.6)])
    agree(equations.rectify(candidates, seen, 2), [[0.8, 0.6]])
    raw = np.array([0.8 + 1.6 / 3, 0.6 + 0.6 / 3])
    for k in (3, 4):
        agree(equations.rectify(candidates, seen, k), [raw / np.hypot(*raw)])


@pytest.mark.parametrize("k", [1, 2, 3])
def test_rectify_with_duplicate_seen_classes(k):
    candidates, seen = normal(3, 4), normal(2, 4, seed=1).repeat(3, 1)
    agree(equations.rectify(candidates, seen, k), twin("rectify", candidates, seen, k))
    agree(equations.rectify(candidates, seen, k), equations.rectify(candidates, seen[:2], 1))


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(torch.float32, s) for s in (1e-9, 1e15)] + [(torch.float64, s) for s in (1e-10, 1e30)],
)
def test_rectify_does_not_depend_on_the_unit(dtype, scale):
    candidates, seen = normal(4, 5, dtype=dtype), normal(6, 5, seed=1, dtype=dtype)
    expected = equations.rectify(candidates, seen, 3)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-10
    for pair in ((candidates * scale, seen), (candidates, seen * scale)):
        agree(equations.rectify(*pair, 3), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("n_neighbors", [0, 2])
def test_rectify_gradients(n_neighbors):
    """Right at generic points, finite at zero rows and at a candidate opposite to its neighbour."""
    candidates = normal(3, 4).requires_grad_()
    assert torch.autograd.gradcheck(
        equations.rectify, (candidates, normal(5, 4, seed=1), n_neighbors)
    )
    candidates = torch.tensor([[0.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    seen = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]])
    rectified = equations.rectify(candidates, seen, n_neighbors)
    assert rectified.tolist() == [[0, 0], [-1, 0]]
    assert torch.autograd.grad(rectified.sum(), candidates)[0].isfinite().all()


# ---------------------------------------------------------------- Eq. 7: the twin's own anchor


def test_purity_twins_by_hand():
    """Clusters {a a b}, {a b}, {c}: 2 + 1 + 1 of 6, and the other way round 2 + 1 + 1 of 6."""
    assert twin("cluster_purity", [0, 0, 0, 1, 1, 2], list("aababc")) == pytest.approx(4 / 6)
    assert twin("class_purity", [0, 0, 0, 1, 1, 2], list("aababc")) == pytest.approx(4 / 6)
    assert twin("cluster_purity", [0] * 4, list("aabc")) == pytest.approx(2 / 4)
    assert twin("class_purity", [0] * 4, list("aabc")) == 1.0
    assert twin("cluster_purity", [0, 1, 2, 3], list("aabb")) == 1.0
    assert twin("class_purity", [0, 1, 2, 3], list("aabb")) == pytest.approx(2 / 4)
