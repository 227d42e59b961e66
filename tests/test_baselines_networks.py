"""DEM and FCLSWGAN: losses against finite differences and loops, and the fitted networks."""

import copy
from functools import cache

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from test_baselines import make_data, normalised
from test_baselines_ggm import class_splits

from sklearn_claster._core.networks import MLP
from sklearn_claster._core.training import fit_class_means
from sklearn_claster._utils.torch import seeded_generator
from sklearn_claster.baselines import DEM, FCLSWGAN, FVAEGAN
from sklearn_claster.baselines._adversarial import (
    classification_loss,
    cosine_loss,
    critic_loss,
    criticise,
    decoder_loss,
    generate,
    gradient_of_critic,
    gradient_penalty,
    vae_loss,
)
from sklearn_claster.baselines._dense import forward, layers_of, network_of
from sklearn_claster.metrics import mean_per_class_accuracy

RNG = np.random.default_rng(0)


def network(n_in, hidden, n_out, seed=0):
    return MLP(n_in, hidden, n_out, seeded_generator(seed)).double()


def tensor(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def seen_problem(X, y, table):
    A = np.array([table[label] for label in np.unique(y)])
    return normalised(X, X.mean(axis=0)), normalised(A, A.mean(axis=0))


@pytest.mark.parametrize("hidden", [(), (4,), (5, 3)])
def test_numpy_and_torch_agree_on_a_network(hidden):
    net, rows = network(6, hidden, 2), RNG.normal(size=(7, 6))
    coefs, intercepts = layers_of(net)
    assert [coef.shape for coef in coefs] == list(zip([6, *hidden], [*hidden, 2], strict=True))
    with torch.no_grad():
        expected = net(torch.from_numpy(rows)).numpy()
    assert_allclose(forward(rows, coefs, intercepts), expected, atol=1e-12)


@pytest.mark.parametrize("baseline", [DEM(n_steps=5), FCLSWGAN(n_steps=5)])
def test_a_training_that_diverges_is_reported_with_the_cure(baseline):
    X, y, table = make_data()
    with pytest.raises(ValueError, match=r"has diverged.*Lower learning_rate"):
        baseline.set_params(learning_rate=1e30, random_state=0).fit(X, y, table)
    assert not hasattr(baseline, "classes_")


# DEM


def test_dem_without_hidden_layers_is_least_squares_over_the_samples():
    X, y, table = make_data(n=40, n_classes=7)
    x, a = seen_problem(X, y, table)
    model = DEM((), weight_decay=0.0, learning_rate=0.01, n_steps=3000, random_state=0)
    model.fit(X, y, table)
    design = np.c_[a[y], np.ones(len(y))]
    solution, *_ = np.linalg.lstsq(design, x)
    assert_allclose(model.coefs_[0], solution[:-1], atol=1e-3)
    assert_allclose(model.intercepts_[0], solution[-1], atol=1e-3)


def test_dem_class_means_have_the_gradient_of_all_samples():
    X, y, table = make_data()
    x, a = map(torch.from_numpy, seen_problem(X, y, table))
    nets = [network(3, (5,), 6) for _ in range(2)]
    loss = ((x - nets[0](a[y])) ** 2).sum(dim=1).mean()
    loss.backward()
    means = torch.stack([x[y == label].mean(dim=0) for label in range(5)])
    shares = torch.from_numpy(np.bincount(y) / len(y))

    class Record:
        """An optimiser that only keeps the gradient."""

        def descend(self, output, gradient):
            output.backward(gradient)

    fit_class_means(nets[1], a, means, shares, Record(), 1)
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_dem_names_the_nearest_by_cosine():
    X, y, table = make_data()
    model = DEM((8,), n_steps=50, space="gzsl", random_state=0).fit(X, y, table)
    x, _ = seen_problem(X, y, table)
    seen = np.array([table[label] for label in range(5)])
    a = normalised(list(table.values()), seen.mean(axis=0))
    hidden = np.maximum(a @ model.coefs_[0] + model.intercepts_[0], 0.0)
    prototypes = hidden @ model.coefs_[1] + model.intercepts_[1]
    expected = [[row @ p / np.linalg.norm(p) for p in prototypes] for row in x]
    assert_allclose(model.decision_function(X), expected, atol=1e-10)


def test_weight_decay_shrinks_dem():
    X, y, table = make_data()
    norms = [
        np.linalg.norm(DEM(weight_decay=decay, random_state=0).fit(X, y, table).coefs_[1])
        for decay in (0.0, 1e-2, 1.0)
    ]
    assert norms == sorted(norms, reverse=True)


# The losses of the GAN


def critic_slopes(critic, x, a, step=1e-6):
    """d critic / d x of every row by central differences, (n, f)."""
    slopes = np.zeros(x.shape)
    with torch.no_grad():
        for row, column in np.ndindex(*x.shape):
            shift = torch.zeros_like(x)
            shift[row, column] = step
            up, down = (criticise(critic, x + sign * shift, a)[row] for sign in (1, -1))
            slopes[row, column] = (up - down) / (2.0 * step)
    return slopes


def test_gradient_penalty_against_finite_differences():
    critic, real, fake = network(5, (8, 4), 1), tensor(6, 3, seed=1), tensor(6, 3, seed=2)
    a, mix = tensor(6, 2, seed=3), torch.rand(6, 1, generator=seeded_generator(0)).double()
    between = mix * real + (1.0 - mix) * fake
    lengths = [np.sqrt(sum(s**2 for s in row)) for row in critic_slopes(critic, between, a)]
    expected = np.mean([(length - 1.0) ** 2 for length in lengths])
    penalty = gradient_penalty(critic, real, fake, a, mix)
    assert penalty.item() == pytest.approx(expected, abs=1e-7)


def test_gradient_penalty_of_a_linear_critic_is_known():
    critic = network(5, (), 1)
    with torch.no_grad():
        critic.layers[0].weight.copy_(torch.tensor([[3.0, 0.0, 4.0, 9.0, 9.0]]))
    real, fake, a = tensor(4, 3), tensor(4, 3, seed=1), tensor(4, 2)
    penalty = gradient_penalty(critic, real, fake, a, torch.full((4, 1), 0.3).double())
    assert penalty.item() == pytest.approx((5.0 - 1.0) ** 2)  # the condition does not count
    penalty.backward()
    expected = torch.tensor([[8.0 * 0.6, 0.0, 8.0 * 0.8, 0.0, 0.0]]).double()  # 2 (|w| - 1) w / |w|
    torch.testing.assert_close(critic.layers[0].weight.grad, expected)


def test_gradient_penalty_can_be_differentiated_through():
    critic, real, fake = network(5, (8,), 1), tensor(6, 3, seed=1), tensor(6, 3, seed=2)
    a, mix = tensor(6, 2, seed=3), torch.full((6, 1), 0.25).double()
    gradient_penalty(critic, real, fake, a, mix).backward()
    weight = critic.layers[0].weight
    for index in [(0, 0), (3, 1), (7, 2), (2, 4)]:
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[index] += sign * 1e-6
            values.append(gradient_penalty(critic, real, fake, a, mix).item())
            with torch.no_grad():
                weight[index] -= sign * 1e-6
        slope = (values[0] - values[1]) / 2e-6
        assert weight.grad[index].item() == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("hidden", [(), (8,), (8, 5, 7)])
def test_the_gradient_of_a_critic_is_that_of_autograd(hidden):
    critic, x, a = network(5, hidden, 1), tensor(6, 3, seed=1), tensor(6, 2, seed=2)
    x.requires_grad_()
    (expected,) = torch.autograd.grad(criticise(critic, x, a).sum(), x)
    torch.testing.assert_close(gradient_of_critic(critic, x, a).detach(), expected)


def test_gradient_penalty_of_a_flat_critic_is_one_and_finite():
    critic = network(5, (4,), 1)
    with torch.no_grad():
        critic.layers[1].weight.zero_()
    real, fake, a = tensor(3, 3), tensor(3, 3, seed=1), tensor(3, 2)
    penalty = gradient_penalty(critic, real, fake, a, torch.full((3, 1), 0.5).double())
    penalty.backward()
    assert penalty.item() == 1.0
    assert all(torch.isfinite(p.grad).all() for p in critic.parameters() if p.grad is not None)


def test_the_mixture_runs_from_fake_to_real():
    critic, real, fake, a = network(5, (8,), 1), tensor(4, 3), tensor(4, 3, seed=1), tensor(4, 2)
    for mix, end in ((1.0, real), (0.0, fake)):
        lengths = np.linalg.norm(critic_slopes(critic, end, a), axis=1)
        penalty = gradient_penalty(critic, real, fake, a, torch.full((4, 1), mix).double())
        assert penalty.item() == pytest.approx(np.mean((lengths - 1.0) ** 2), abs=1e-7)


def test_losses_on_tiny_numbers():
    critic = network(3, (), 1)
    with torch.no_grad():  # D(x, a) = x_1 + 2 a + 0.5
        critic.layers[0].weight.copy_(torch.tensor([[1.0, 0.0, 2.0]]))
        critic.layers[0].bias.fill_(0.5)
    real = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).double()
    fake = torch.tensor([[0.6, 0.8], [-1.0, 0.0]]).double()
    a, y = torch.tensor([[1.0], [-1.0]]).double(), torch.tensor([1, 0])
    assert criticise(critic, real, a).tolist() == [3.5, -1.5]
    mix = torch.full((2, 1), 0.5).double()
    # mean of fake (3.1, -2.5) minus mean of real (3.5, -1.5); the slope has length one
    loss = critic_loss(critic, real, fake, a, mix, 10.0)
    assert loss.item() == pytest.approx(0.3 - 1.0)
    coef = torch.tensor([[2.0, -1.0], [0.0, 1.0]]).double()
    intercept = torch.tensor([0.0, 0.5]).double()
    logits = fake.numpy() @ coef.numpy() + intercept.numpy()
    cross_entropy = -(log_softmax(logits[0])[1] + log_softmax(logits[1])[0]) / 2.0
    loss = classification_loss(fake, y, (coef, intercept))
    assert loss.item() == pytest.approx(cross_entropy)


def test_the_losses_of_od_are_loops_over_samples():
    x, fake = (normalised(RNG.normal(size=(7, 4)), np.zeros(4)) for _ in range(2))
    y = np.array([0, 0, 1, 2, 2, 2, 0])  # the first sample follows the last
    expected = 0.0
    for n in range(7):
        cosine = fake[n] @ x[n - 1]
        of_other = 1.0 - cosine if y[n] == y[n - 1] else max(0.0, cosine)
        expected += (1.0 - fake[n] @ x[n] + of_other) / 7.0
    loss = cosine_loss(torch.from_numpy(fake), torch.from_numpy(x), torch.from_numpy(y))
    assert loss.item() == pytest.approx(expected)

    decoder, a = network(4, (5,), 3), tensor(7, 3)
    W, V = (layer.weight.detach().numpy() for layer in decoder.layers)
    b, c = (layer.bias.detach().numpy() for layer in decoder.layers)
    errors = [
        V @ np.maximum(W @ row + b, 0) + c - t for row, t in zip(fake, a.numpy(), strict=True)
    ]
    loss = decoder_loss(decoder, torch.from_numpy(fake), a)
    assert loss.item() == pytest.approx(sum(e @ e for e in errors) / 7.0)


def test_the_loss_of_the_autoencoder_is_minus_the_evidence_lower_bound():
    """In loops, with log-densities of features of mean square one; their constant is left out."""
    generator, encoder = network(5, (6,), 4), network(7, (6,), 4, seed=1)
    x = torch.from_numpy(normalised(RNG.normal(size=(5, 4)), np.zeros(4)))
    a, noise = tensor(5, 3), tensor(5, 2, seed=1)
    bounds = []
    with torch.no_grad():
        for row, t, e in zip(x, a, noise, strict=True):
            mean, log = encoder(torch.cat([row, t])[None])[0].numpy().reshape(2, 2)
            z = torch.from_numpy(mean + np.exp(log / 2) * e.numpy())
            decoded = generate(generator, z[None], t[None])[0]
            likelihood = -(4.0 * (row - decoded) ** 2).sum().item() / 2.0
            divergence = sum(
                (m**2 + np.exp(v) - 1 - v) / 2.0 for m, v in zip(mean, log, strict=True)
            )
            bounds.append(likelihood - divergence)
    loss = vae_loss(generator, encoder, x, a, noise)
    assert loss.item() == pytest.approx(-np.mean(bounds) / 4.0)


def test_the_generator_is_conditional_and_ends_on_the_unit_sphere():
    generator, noise, a = network(6, (8,), 5), tensor(7, 4), tensor(7, 2, seed=1)
    x = generate(generator, noise, a)
    assert x.shape == (7, 5)
    torch.testing.assert_close(torch.linalg.vector_norm(x, dim=1), torch.ones(7).double())
    torch.testing.assert_close(generate(generator, noise[3:4], a[3:4]), x[3:4])
    assert not torch.allclose(generate(generator, noise, a.flip(0)), x)
    assert not torch.allclose(generate(generator, noise.flip(0), a), x)


# The fitted GAN

SMALL = {
    "hidden_layer_sizes": (32,),
    "n_steps": 150,
    "n_critic_steps": 2,
    "batch_size": 32,
    "n_generated": 10,
    "n_noise": 4,
    "random_state": 0,
}


@cache
def fit(**parameters):
    X, y, table = make_data()
    return FCLSWGAN(**SMALL | parameters).fit(X, y, table), X, y, table


def test_generated_features_are_what_torch_would_generate():
    model, *_ = fit()
    a = normalised(RNG.normal(size=(3, 3)), np.zeros(3))
    noise = np.random.RandomState(model._seed).normal(size=(10, 4))
    net = network(7, (32,), 6)
    with torch.no_grad():
        arrays = [
            array
            for pair in zip(model.coefs_, model.intercepts_, strict=True)
            for array in (pair[0].T, pair[1])
        ]
        for parameter, array in zip(net.parameters(), arrays, strict=True):
            parameter.copy_(torch.from_numpy(array))
        expected = [generate(net, torch.from_numpy(noise), torch.from_numpy(np.tile(row, (10, 1))))
                    for row in a]  # fmt: skip
    assert_allclose(model._generate(a), torch.cat(expected).numpy(), atol=1e-12)


def test_generated_features_of_a_class_look_like_its_samples():
    rng = np.random.default_rng(0)
    vectors, y = rng.normal(size=(5, 3)), np.repeat(np.arange(5), 20)
    X = vectors[y] @ rng.normal(size=(3, 6)) + 0.1 * rng.normal(size=(100, 6))
    table = dict(enumerate(vectors))
    model = FCLSWGAN(**SMALL | {"n_steps": 400}).fit(X, y, table)
    x, a = seen_problem(X, y, table)
    generated = model._generate(a).reshape(5, 10, 6).mean(axis=1)
    means = np.array([x[y == label].mean(axis=0) for label in range(5)])
    distances = np.linalg.norm(generated[:, None] - means, axis=2)
    assert_array_equal(distances.argmin(axis=1), np.arange(5))
    assert (np.diag(distances) < 0.25).all()


def test_candidates_do_not_change_what_is_generated_for_another():
    model, *_ = fit()
    a = normalised(RNG.normal(size=(3, 3)), np.zeros(3))
    assert_allclose(model._generate(a[1:2]), model._generate(a)[10:20], atol=1e-12)


def test_the_last_classifier_of_every_space():
    model, X, y, table = fit()
    x, _ = seen_problem(X, y, table)
    seen = np.array([table[label] for label in range(5)])
    a = normalised([table[label] for label in (5, 6, 7)], seen.mean(axis=0))
    fake, labels = model._generate(a), np.repeat([5, 6, 7], 10)
    real = x.astype(np.float32)
    rows = {
        "zsl": (fake, labels),
        "gzsl": (np.r_[real, fake], np.r_[y, labels]),
        "seen": (x, y),
    }
    model = copy.deepcopy(model)
    for space, (train, target) in rows.items():
        model.set_params(space=space)
        expected = LogisticRegression(C=10.0, max_iter=1000).fit(np.float32(train), target)
        assert_allclose(model.predict_proba(X), expected.predict_proba(x), atol=1e-6)


def test_two_candidates_have_the_probabilities_of_the_binary_classifier():
    model, X, y, table = fit()
    x, _ = seen_problem(X, y, table)
    seen = np.array([table[label] for label in range(5)])
    a = normalised([table[5], table[6]], seen.mean(axis=0))
    expected = LogisticRegression(C=10.0, max_iter=1000).fit(
        np.float32(model._generate(a)), np.repeat([5, 6], 10)
    )
    pair = {label: table[label] for label in (5, 6)}
    probability = model.predict_proba(X, unseen_embeddings=pair)
    assert_allclose(probability, expected.predict_proba(x), atol=1e-8)
    score = model.decision_function(X, unseen_embeddings=pair)
    assert_allclose(score, expected.decision_function(x), atol=1e-8)


def test_what_is_generated_is_nearer_to_its_samples_with_the_losses_of_od():
    """Each brings down what it weighs, after as many steps."""
    _, X, y, table = fit()
    x, a = seen_problem(X, y, table)
    means = np.array([x[y == c].mean(axis=0) for c in range(5)])
    cosines = [
        np.mean(fit(cosine_weight=weight)[0]._generate(a) * np.repeat(means, 10, axis=0))
        for weight in (0.0, 10.0)
    ]
    assert cosines == sorted(cosines)


def test_without_its_losses_fvaegan_is_a_gan_without_classes():
    X, y, table = make_data()
    one = FVAEGAN(**SMALL, vae_weight=0.0, decoder_weight=0.0).fit(X, y, table)
    other = fit(classification_weight=0.0)[0]
    assert_array_equal(one.coefs_[0], other.coefs_[0])
    for name in ("vae_weight", "decoder_weight"):
        changed = FVAEGAN(**SMALL | {"n_steps": 3}, **{name: 0.0}).fit(X, y, table)
        default = FVAEGAN(**SMALL | {"n_steps": 3}).fit(X, y, table)
        assert not np.array_equal(changed.coefs_[0], default.coefs_[0])


def test_every_weight_of_the_losses_counts():
    weights = fit(n_steps=3)[0].coefs_[0]
    changes = [{"penalty_weight": 0.0}, {"classification_weight": 0.0}, {"n_critic_steps": 1}]
    for change in (*changes, {"cosine_weight": 1.0}, {"decoder_weight": 1.0}):
        assert not np.array_equal(fit(n_steps=3, **change)[0].coefs_[0], weights)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "key"), [("snu_b36ex", "attributes"), ("ucf101_captions", "word2vec")]
)
def test_the_second_critic_and_the_prototypes(claster_data, name, key):
    """The figures of docs/compared_systems.md; pytest -s shows them."""
    data = np.load(claster_data / f"{name}.npz")
    X, names, figures = data["X"].astype(np.float32), data["class_names"], []
    for split, (seen, unseen) in enumerate(class_splits(data)):
        known, new = np.isin(data["y"], seen), np.isin(data["y"], unseen)
        table = {names[c]: data[key][c] for c in [*seen, *unseen]}
        fitted = FVAEGAN(random_state=split, device="cpu")
        fitted.fit(X[known], names[data["y"][known]], table)
        start = network_of(fitted.coefs_, fitted.intercepts_)
        longer = fitted._with(fitted._train(fitted.n_noise, start=start))
        both = copy.deepcopy(fitted).set_params(pool_weight=1.0).adapt(X[new])
        models = {
            "fitted": fitted,
            "critic": fitted._with(both._learnt.layers),
            "prototypes": copy.deepcopy(fitted).adapt(X[new]),
            "both": both,
            "longer, prototypes": longer.adapt(X[new]),
        }
        truth = names[data["y"][new]]
        answers = [model.predict(X[new]) for model in models.values()]
        figures.append([100 * mean_per_class_accuracy(truth, said) for said in answers])
    mean, spread = np.mean(figures, axis=0), np.std(figures, axis=0, ddof=1)
    print(name, *models, mean.round(1), "+-", spread.round(1))  # noqa: T201
    assert mean[1:].min() > mean[0]
