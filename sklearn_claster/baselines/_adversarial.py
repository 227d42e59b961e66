"""The losses and the training loop of a conditional Wasserstein GAN of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._core.adam import Adam
from .._core.networks import MLP
from .._utils.torch import to_device

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


def generator_loss(
    critic: MLP,
    fake: Tensor,
    embeddings: Tensor,
    y: Tensor,
    classifier: tuple[Tensor, Tensor],
    weight: float,
) -> Tensor:
    """Minus the critic of fake, plus the weighted cross-entropy of its class.

    The classifier is the weights (f, S) and biases (S,) of a softmax of the seen classes.
    """
    coef, intercept = classifier
    logits = fake @ coef + intercept  # (n, S)
    return -criticise(critic, fake, embeddings).mean() + weight * F.cross_entropy(logits, y)


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
class Adversary:
    """How the two networks are trained against each other."""

    learning_rate: float
    batch_size: int
    n_steps: int  # of the generator
    n_critic_steps: int  # for each of them
    penalty_weight: float
    classification_weight: float
    cosine_weight: float
    decoder_weight: float
    vae_weight: float
    draws: torch.Generator  # of rows, mixtures and noise, on the CPU

    def train(
        self,
        generator: MLP,
        critic: MLP,
        decoder: MLP | None,  # from features to embeddings, where its weight is not 0
        encoder: MLP | None,  # from features and embeddings to noise, likewise
        x: Tensor,  # (n, f)
        y: Tensor,  # (n,)
        embeddings: Tensor,  # (S, s)
        n_noise: int,
        classifier: tuple[Tensor, Tensor],
    ) -> None:
        """Alternate between steps of the critic (and decoder) and a step of the generator."""
        of_generator = Adam(
            generator if encoder is None else nn.ModuleList([generator, encoder]),
            self.learning_rate,
            0.0,
            betas=BETAS,
        )
        of_critic = Adam(critic, self.learning_rate, 0.0, betas=BETAS)
        if decoder is not None:
            of_decoder = Adam(decoder, self.learning_rate, 0.0, betas=BETAS)
        for _ in range(self.n_steps):
            *of_critics, (rows, noise, _) = self._draw(len(x), n_noise, x.device)
            for critic_rows, critic_noise, mix in of_critics:
                a = embeddings[y[critic_rows]]
                with torch.no_grad():
                    fake = generate(generator, critic_noise, a)
                loss = critic_loss(critic, x[critic_rows], fake, a, mix, self.penalty_weight)
                of_critic.descend(loss)
                if decoder is not None:
                    of_decoder.descend(decoder_loss(decoder, x[critic_rows], a))
            a = embeddings[y[rows]]
            fake = generate(generator, noise, a)
            loss = generator_loss(critic, fake, a, y[rows], classifier, self.classification_weight)
            if self.cosine_weight:
                loss = loss + self.cosine_weight * cosine_loss(fake, x[rows], y[rows])
            if decoder is not None:
                loss = loss + self.decoder_weight * decoder_loss(decoder, fake, a)
            if encoder is not None:
                z = torch.randn(noise.shape, generator=self.draws, dtype=torch.float32)
                z = to_device(z, x.device)
                loss = loss + self.vae_weight * vae_loss(generator, encoder, x[rows], a, z)
            of_generator.descend(loss)

    def _draw(self, n: int, n_noise: int, device: torch.device) -> list[tuple[Tensor, ...]]:
        """Rows (b,), noise (b, z) and mixtures (b, 1) of every batch of a step, in two copies."""
        rows, numbers = [], []
        for _ in range(self.n_critic_steps + 1):
            rows.append(torch.randint(n, (self.batch_size,), generator=self.draws))
            noise = torch.randn(self.batch_size, n_noise, generator=self.draws, dtype=torch.float32)
            mix = torch.rand(self.batch_size, 1, generator=self.draws, dtype=torch.float32)
            numbers.append(torch.cat([noise, mix], dim=1))
        there = to_device(torch.stack(numbers), device)
        return list(
            zip(to_device(torch.stack(rows), device), there[..., :-1], there[..., -1:], strict=True)
        )
