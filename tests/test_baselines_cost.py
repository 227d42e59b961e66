"""What a fit of the compared systems costs, beside plain loops of the same arithmetic."""

from functools import partial
from time import process_time

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import cat, nn, randint, randn, tensor
from torch.nn.functional import cross_entropy, normalize, relu

from sklearn_claster.baselines import FCLSWGAN, FVAEGAN, GGM, ClassGCN, E2EHead, ERHead
from sklearn_claster.datasets import make_zero_shot_classification


def step(adam, loss):
    adam.zero_grad()
    loss.backward()
    adam.step()


def adam_of(*nets, rate=1e-3, **options):
    return torch.optim.Adam([p for net in nets for p in net.parameters()], rate, **options)


def er_head(x, y, a):
    P, Q = nn.Linear(x.shape[1], 512), nn.Linear(a.shape[1], 512)
    adam = adam_of(P, Q, rate=1e-2, weight_decay=1e-3)
    for _ in range(10):
        for rows in torch.randperm(len(x)).split(128):
            cosines = normalize(P(x[rows])) @ normalize(Q(a)).T
            step(adam, cross_entropy(cosines / 0.1, y[rows]))


def class_gcn(x, y, a):
    one, two = nn.Linear(a.shape[1], 512), nn.Linear(512, x.shape[1])
    adam, cosines = adam_of(one, two, weight_decay=1e-3), (a @ a.T).fill_diagonal_(-2.0)
    graph = 0.75 * torch.eye(len(a)).scatter(1, cosines.topk(4).indices, 0.25 / 3)
    share, means = y.bincount()[:, None] / len(y), [x[y == c].mean(0) for c in range(len(a))]
    for _ in range(300):
        found = two(graph @ relu(one(graph @ a)))
        step(adam, (share * (found - torch.stack(means)) ** 2).sum())


def gan(x, y, a, vae=False):
    f, s = x.shape[1], a.shape[1]
    G, D, R, E = (
        nn.Sequential(nn.Linear(n, 256), nn.ReLU(), nn.Linear(256, m))
        for n, m in ((16 + s, f), (f + s, 1), (f, s), (f + s, 32))
    )
    adams = [adam_of(*n, betas=(0.5, 0.9)) for n in ((G, E) if vae else (G,), (D,), (R,))]
    W, b = (0, 0) if vae else softmax(x, y)
    for i in range(3000):  # five steps of the critic before each of the generator
        rows = randint(len(x), (64,))
        real, t, z = x[rows], a[y[rows]], randn(64, 16)
        fake = normalize(G(cat([z, t], 1)))
        if i % 6 < 5:
            fake, mix = fake.detach(), torch.rand(64, 1)
            between = (mix * real + (1 - mix) * fake).requires_grad_()
            out = D(cat([between, t], 1)).sum()
            slope = torch.autograd.grad(out, between, create_graph=True)[0].norm(dim=1)
            drop = D(cat([fake, t], 1)).mean() - D(cat([real, t], 1)).mean()
            step(adams[1], drop + 10 * ((slope - 1) ** 2).mean())
            step(adams[2], ((R(real) - t) ** 2).sum(1).mean())
            continue
        loss = 0.1 * ((R(fake) - t) ** 2).sum(1).mean() - D(cat([fake, t], 1)).mean()
        if vae:
            m, v = E(cat([real, t], 1)).chunk(2, 1)
            again = normalize(G(cat([m + (v / 2).exp() * randn(64, 16), t], 1)))
            divergence = (m**2 + v.exp() - 1 - v).sum(1) / f
            loss = loss + (((again - real) ** 2).sum(1) + divergence).mean() / 2
        else:
            next_, same = real.roll(1, 0), y[rows] == y[rows].roll(1)
            far = (fake * next_).sum(1)
            cosine = 1 - (fake * real).sum(1) + torch.where(same, 1 - far, relu(far))
            loss = loss + 0.1 * cross_entropy(fake @ W + b, y[rows]) + 0.1 * cosine.mean()
        step(adams[0], loss)


def softmax(x, y):
    model = LogisticRegression(C=10.0, max_iter=1000).fit(x, y)
    return tensor(model.coef_.T).float(), tensor(model.intercept_).float()


def ggm(x, y, a):
    x, y, a = x.numpy(), y.numpy(), a.numpy()
    means = np.array([x[y == c].mean(axis=0) for c in range(len(a))])
    logs = np.log([((x[y == c] - means[c]) ** 2).mean(axis=0) + 1e-3 / 128 for c in range(len(a))])
    kernel, eye = (1 + a @ a.T) ** 2, np.eye(len(a))
    np.linalg.solve(kernel + eye, means)
    np.linalg.solve(kernel + 10 * eye, logs - logs.mean(axis=0))


def e2e_head(x, y, a):
    x, y, a = x.numpy(), y.numpy(), a.numpy()
    np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ a[y])


def unit(rows, dtype=np.float32):
    rows = rows - rows.mean(axis=0)
    return tensor((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype))


CASES = {
    "GGM": (GGM(), ggm),
    "E2EHead": (E2EHead(), e2e_head),
    "ERHead": (ERHead(random_state=0), er_head),
    "ClassGCN": (ClassGCN(random_state=0), class_gcn),
    "FCLSWGAN, OD": (FCLSWGAN(cosine_weight=0.1, decoder_weight=0.1, random_state=0), gan),
    "FVAEGAN": (FVAEGAN(random_state=0), partial(gan, vae=True)),
}


def least_seconds(*calls, times):
    taken = [[] for _ in calls]
    for _ in range(times):
        for call, seconds in zip(calls, taken, strict=True):
            start = process_time()
            call()
            seconds.append(process_time() - start)
    return [min(seconds) for seconds in taken]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_fit_costs_about_as_much_as_a_plain_loop(name, monkeypatch):
    """The table of docs/compared_systems.md; pytest -s shows it.

    A fit in closed form takes milliseconds: it gets more samples, and more runs.
    """
    model, plain = CASES[name]
    in_closed_form = plain in (ggm, e2e_head)
    made = make_zero_shot_classification(
        37_500 if in_closed_form else 3_750,
        128,
        n_seen=40,
        n_unseen=10,
        n_embedding_features=64,
        random_state=0,
    )
    table, seen = made.class_embeddings, np.isin(made.target, made.seen_classes)
    X, y = made.data[seen], made.target[seen]
    codes = tensor(np.unique(y, return_inverse=True)[1])
    vectors = table.select(made.seen_classes).vectors
    dtype = np.float64 if in_closed_form else np.float32

    def loop():
        plain(unit(X, dtype), codes, unit(vectors, dtype))

    # What `fit` keeps for `adapt` is no part of a loop.
    monkeypatch.setattr(type(model), "_keep_for_adapt", lambda *given: None)
    with threadpool_limits(1):
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        fit = partial(model.fit, X, y, table)
        ours, loops = least_seconds(fit, loop, times=15 if in_closed_form else 2)
        (answer,) = least_seconds(lambda: model.predict(X[:1]), times=2)
        torch.set_num_threads(before)
    ratio, each = ours / loops, answer / (10 * getattr(model, "n_generated", np.inf))
    print(f"{name}: {ours:.3f} s, {ratio:.2f}, {1e3 * each:.3f} ms")  # noqa: T201
    assert ratio < 2.0
