"""The losses and the training loop of a conditional Wasserstein GAN of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._core.adam import Adam
from .._core.networks import MLP
from .._utils.torch import to_device

Tensors = tuple[Tensor, ...]
BETAS = (0.5, 0.9)  # of Adam: adversarial losses move, a long memory does not help


def generate(generator: MLP, noise: Tensor, embeddings: Tensor) -> Tensor:
    """Features of unit length for class vectors, (n, z), (n, s) -> (n, f)."""
    return F.normalize(generator(torch.cat([noise, embeddings], dim=1)))


def criticise(critic: MLP, x: Tensor, embeddings: Tensor) -> Tensor:
    """How real features look for their class, (n, f), (n, s) -> (n,)."""
    return critic(torch.cat([x, embeddings], dim=1))[:, 0]


def gradient_of_critic(critic: MLP, x: Tensor, embeddings: Tensor) -> Tensor:
    """Compute d critic / d x, (n, f), (n, s) -> (n, f), a function of the critic's weights.

    Written out, because autograd would differentiate the ReLUs twice, at length and to zero.
    """
    layers: list[Any] = list(critic.layers)
    weights = [layer.weight for layer in layers]  # (n_out, n_in) each
    weights[0] = weights[0][:, : x.shape[1]]
    active = []  # where each ReLU passes on what comes
    with torch.no_grad():
        out = torch.cat([x, embeddings], dim=1)
        for layer in layers[:-1]:
            out = F.relu(layer(out))
            active.append(out > 0.0)
    gradient: Tensor = weights.pop().expand(len(x), -1)
    for weight, passes in zip(reversed(weights), reversed(active), strict=True):
        gradient = (gradient * passes) @ weight
    return gradient


def gradient_penalty(
    critic: MLP, real: Tensor, fake: Tensor, embeddings: Tensor, mix: Tensor
) -> Tensor:
    """Mean of (||d critic / d x|| - 1)^2 at x = mix real + (1 - mix) fake, mix (n, 1)."""
    between = mix * real + (1.0 - mix) * fake
    gradient = gradient_of_critic(critic, between, embeddings)
    return ((torch.linalg.vector_norm(gradient, dim=1) - 1.0) ** 2).mean()


def critic_loss(
    critic: MLP, real: Tensor, fake: Tensor, embeddings: Tensor, mix: Tensor, weight: float
) -> Tensor:
    """Critic of fake minus critic of real, plus the weighted gradient penalty."""
    both = criticise(critic, torch.cat([fake, real]), embeddings.repeat(2, 1))
    of_fake, of_real = both.chunk(2)
    penalty = gradient_penalty(critic, real, fake, embeddings, mix)
    return of_fake.mean() - of_real.mean() + weight * penalty


def classification_loss(fake: Tensor, y: Tensor, classifier: tuple[Tensor, Tensor]) -> Tensor:
    """f-CLSWGAN: cross-entropy of the classes of generated features (n, f).

    The classifier is the weights (f, S) and biases (S,) of a softmax of the seen classes.
    """
    coef, intercept = classifier
    return F.cross_entropy(fake @ coef + intercept, y)


def cosine_loss(fake: Tensor, real: Tensor, y: Tensor) -> Tensor:
    """OD: mean of 1 - cos(fake, real), and of the same with the next real row of the batch.

    Where that is of another class, max(0, cos) stands for 1 - cos. All rows (n, f) are unit.
    """
    own, other = (fake * real).sum(dim=1), (fake * real.roll(1, 0)).sum(dim=1)
    of_other = torch.where(y == y.roll(1), 1.0 - other, F.relu(other))
    return (1.0 - own + of_other).mean()


def decoder_loss(decoder: MLP, x: Tensor, embeddings: Tensor) -> Tensor:
    """OD: mean squared distance from what is decoded of features (n, f) to embeddings (n, s)."""
    return ((decoder(x) - embeddings) ** 2).sum(dim=1).mean()


def vae_loss(generator: MLP, encoder: MLP, x: Tensor, embeddings: Tensor, noise: Tensor) -> Tensor:
    """f-VAEGAN: minus the evidence lower bound of unit features (n, f), divided by f.

    The encoder gives mean and log-variance of z (n, z); features of mean square one, which is f
    times as much as here, are decoded with variance one.
    """
    mean, log_variance = encoder(torch.cat([x, embeddings], dim=1)).chunk(2, dim=1)
    z = mean + (0.5 * log_variance).exp() * noise
    squares = ((generate(generator, z, embeddings) - x) ** 2).sum(dim=1)
    divergence = (mean**2 + log_variance.exp() - 1.0 - log_variance).sum(dim=1)
    return 0.5 * (squares + divergence / x.shape[1]).mean()


@dataclass(frozen=True)
class Weights:
    """Of the losses; one of weight 0 is left out."""

    penalty: float
    classification: float = 0.0
    cosine: float = 0.0
    decoder: float = 0.0
    vae: float = 0.0
    pool: float = 0.0


@dataclass(frozen=True)
class Adversary:
    """How the two networks, and those of further losses, are trained against each other."""

    hidden_layer_sizes: Sequence[int]  # of all networks
    n_noise: int
    learning_rate: float
    batch_size: int
    n_steps: int  # of the generator
    n_critic_steps: int  # for each of them
    weights: Weights
    draws: torch.Generator  # of first weights, rows, mixtures and noise, on the CPU

    def train(
        self,
        x: Tensor,  # (n, f)
        y: Tensor,  # (n,)
        embeddings: Tensor,  # (S, s)
        classifier: tuple[Tensor, Tensor],
        start: MLP | None = None,
        pool: Tensors | None = None,
    ) -> MLP:
        """Train a generator in alternate steps with the critic (and the decoder).

        It may start from another one, and learn from a pool as well: unlabelled samples (m, f) and
        the embeddings of their candidates (C, s).
        """
        (_, f), (_, s), weights = x.shape, embeddings.shape, self.weights
        generator = start or self._network(self.n_noise + s, f, x.device)
        critic = self._network(f + s, 1, x.device)
        trained = nn.ModuleList([generator])
        if weights.decoder:  # from features to embeddings
            decoder = self._network(f, s, x.device)
            of_decoder = Adam(decoder, self.learning_rate, 0.0, betas=BETAS)
        if weights.vae:  # from features and embeddings to noise
            encoder = self._network(f + s, 2 * self.n_noise, x.device)
            trained.append(encoder)
        if pool is not None:  # of samples, whatever their class
            pool_critic = self._network(f, 1, x.device)
            of_pool_critic = Adam(pool_critic, self.learning_rate, 0.0, betas=BETAS)
        of_generator, of_critic = (
            Adam(network, self.learning_rate, 0.0, betas=BETAS) for network in (trained, critic)
        )
        for _ in range(self.n_steps):
            *of_critics, (rows, noise, _) = self._draw(len(x), x.device)
            for critic_rows, critic_noise, mix in of_critics:
                a = embeddings[y[critic_rows]]
                with torch.no_grad():
                    fake = generate(generator, critic_noise, a)
                loss = critic_loss(critic, x[critic_rows], fake, a, mix, weights.penalty)
                of_critic.descend(loss)
                if weights.decoder:
                    of_decoder.descend(decoder_loss(decoder, x[critic_rows], a))
            a = embeddings[y[rows]]
            fake = generate(generator, noise, a)
            loss = x.new_zeros(())
            if weights.classification:
                loss = weights.classification * classification_loss(fake, y[rows], classifier)
            loss = loss - criticise(critic, fake, a).mean()
            if weights.cosine:
                loss = loss + weights.cosine * cosine_loss(fake, x[rows], y[rows])
            if weights.decoder:
                loss = loss + weights.decoder * decoder_loss(decoder, fake, a)
            if weights.vae:
                z = torch.randn(noise.shape, generator=self.draws, dtype=torch.float32)
                z = to_device(z, x.device)
                loss = loss + weights.vae * vae_loss(generator, encoder, x[rows], a, z)
            if pool is not None:
                *of_critics, (_, noise, _) = self._draw(len(pool[0]), x.device)
                for batch in of_critics:
                    of_pool_critic.descend(self._pool_loss(pool_critic, generator, batch, pool))
                fake = self._of_any_class(generator, noise, pool)
                loss = loss - weights.pool * pool_critic(fake).mean()
            of_generator.descend(loss)
        return generator

    def _pool_loss(self, critic: MLP, generator: MLP, batch: Tensors, pool: Tensors) -> Tensor:
        """f-VAEGAN-D2: the loss of the second critic, which sees no class."""
        rows, noise, mix = batch
        with torch.no_grad():
            fake = self._of_any_class(generator, noise, pool)
        real, nothing = pool[0][rows], fake[:, :0]
        return critic_loss(critic, real, fake, nothing, mix, self.weights.penalty)

    def _of_any_class(self, generator: MLP, noise: Tensor, pool: Tensors) -> Tensor:
        """Features (b, f) of candidates that are drawn, all equally often."""
        codes = torch.randint(len(pool[1]), (len(noise),), generator=self.draws)
        return generate(generator, noise, pool[1][to_device(codes, noise.device)])

    def _network(self, n_in: int, n_out: int, device: torch.device) -> MLP:
        return MLP(n_in, self.hidden_layer_sizes, n_out, self.draws).to(device)

    def _draw(self, n: int, device: torch.device) -> list[Tensors]:
        """Rows (b,), noise (b, z) and mixtures (b, 1) of every batch of a step, in two copies."""
        rows, numbers = [], []
        for _ in range(self.n_critic_steps + 1):
            rows.append(torch.randint(n, (self.batch_size,), generator=self.draws))
            noise = torch.randn(
                self.batch_size, self.n_noise, generator=self.draws, dtype=torch.float32
            )
            mix = torch.rand(self.batch_size, 1, generator=self.draws, dtype=torch.float32)
            numbers.append(torch.cat([noise, mix], dim=1))
        there = to_device(torch.stack(numbers), device)
        return list(
            zip(to_device(torch.stack(rows), device), there[..., :-1], there[..., -1:], strict=True)
        )
