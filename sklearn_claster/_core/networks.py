"""The networks of CLASTER (Fig. 2 of the paper); all learned state lives in `ClasterNet`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._utils.torch import autocast
from .equations import claster_representation, compatibility, pairwise_distances


class MLP(nn.Module):
    """Dense layers with ReLU between them; no hidden layer makes a linear map.

    Weights are drawn from the given CPU generator, like torch's own default
    (uniform, bound 1 / sqrt(fan in)). Without a generator the weights are whatever memory
    holds, for others to take their places.
    """

    def __init__(
        self,
        n_in: int,
        hidden_layer_sizes: Sequence[int],
        n_out: int,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        widths = [n_in, *hidden_layer_sizes, n_out]
        self.layers = nn.ModuleList(
            nn.utils.skip_init(nn.Linear, a, b, dtype=torch.float32) for a, b in pairwise(widths)
        )
        if generator is None:
            return
        with torch.no_grad():
            for n_inputs, layer in zip(widths, self.layers, strict=False):
                bound = n_inputs**-0.5
                for parameter in layer.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, n_in) to (n, n_out)."""
        *hidden, last = self.layers
        for layer in hidden:
            x = F.relu(layer(x), inplace=True)
        return last(x)


class ShortcutMLP(MLP):
    """An `MLP` beside a linear map, whose sum it gives; what is trained are the dense layers.

    Their last layer starts small, so that the linear map decides where nothing else is learnt.
    """

    shortcut: Tensor

    def __init__(
        self,
        n_in: int,
        hidden_layer_sizes: Sequence[int],
        n_out: int,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__(n_in, hidden_layer_sizes, n_out, generator)
        self.register_buffer("shortcut", torch.empty(n_out, n_in, dtype=torch.float32))
        if generator is None:
            return
        with torch.no_grad():
            self.shortcut.zero_()
            for parameter in self.layers[-1].parameters():
                parameter.mul_(0.1)

    def dense(self, x: Tensor) -> Tensor:
        """Compute what the layers add to the linear map, (n, n_in) -> (n, n_out)."""
        return super().forward(x)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, n_in) to (n, n_out)."""
        return F.linear(x, self.shortcut) + super().forward(x)


class NoClusters(nn.Module):
    """omega = psi: the representation without clusters."""

    centroids = None

    def forward(self, points: Tensor) -> Tensor:
        return points


class CentroidSum(nn.Module):
    """Eq. 1, omega = psi + weight * sum_j eta_j c_j.

    The centroids are a buffer, moved by rewards or not at all; with ``learnt=True`` they
    are a parameter, moved by the gradient ("CLASTER w/o RL").
    """

    centroids: Tensor

    def __init__(self, centroids: Tensor, weight: float, learnt: bool = False) -> None:
        super().__init__()
        if learnt:
            self.centroids = nn.Parameter(centroids.clone())
        else:
            self.register_buffer("centroids", centroids.clone())
        self.weight = weight

    def forward(self, points: Tensor) -> Tensor:
        return claster_representation(points, self.centroids, self.weight)

    def assign(self, points: Tensor) -> Tensor:
        """Return the nearest centroid of every point, (n, p) -> (n,)."""
        return pairwise_distances(points, self.centroids).argmin(dim=1)


class NetVLAD(nn.Module):
    """omega = psi + weight * sum_k softmax_k(w_k psi + b_k) c_k, all learnt by the gradient.

    Arandjelovic et al., "NetVLAD", CVPR 2016, with its start: w_k = 2 beta c_k and
    b_k = -beta ||c_k||^2, a soft assignment by distance. There is no intra-normalisation:
    with one descriptor a row it would cancel the assignment.
    """

    def __init__(self, centroids: Tensor, weight: float, sharpness: float = 10.0) -> None:
        super().__init__()
        self.centroids = nn.Parameter(centroids.clone())
        self.assignment_weight = nn.Parameter(2.0 * sharpness * centroids)
        self.assignment_bias = nn.Parameter(-sharpness * (centroids**2).sum(dim=1))
        self.weight = weight

    def _logits(self, points: Tensor) -> Tensor:
        return points @ self.assignment_weight.T + self.assignment_bias  # (n, K)

    def forward(self, points: Tensor) -> Tensor:
        return points + self.weight * (torch.softmax(self._logits(points), dim=1) @ self.centroids)

    def assign(self, points: Tensor) -> Tensor:
        """Return the strongest cluster of every point, (n, p) -> (n,)."""
        return self._logits(points).argmax(dim=1)


# How the visual and the semantic half of a point are put together: the paper, and the two other
# ways that its supplement compares.
FUSIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "concatenate": lambda visual, semantic: torch.cat([visual, semantic], dim=1),
    "sum": torch.add,
    "product": torch.mul,
}


class ClasterNet(nn.Module):
    """The learned maps between visual space, semantic space and clusters.

    Parameters
    ----------
    n_features, n_embedding_features : int
        f and s: widths of a feature vector and of a class embedding.
    hidden_layer_sizes : sequence of int
        Hidden widths of all three networks.
    fusion : {"concatenate", "sum", "product"} or None
        How psi is made of x and phi; with None psi = x, and there is neither a' nor phi.
    generator : torch.Generator or None
        Where the first weights come from (CPU); None leaves them open, for a saved state.
    linear_shortcut : bool
        Whether a' has a linear map beside its layers.
    """

    projection_scale: Tensor

    def __init__(
        self,
        n_features: int,
        n_embedding_features: int,
        hidden_layer_sizes: Sequence[int],
        fusion: str | None,
        generator: torch.Generator | None,
        linear_shortcut: bool = False,
    ) -> None:
        super().__init__()
        f, s, hidden = n_features, n_embedding_features, list(hidden_layer_sizes)
        self.sizes = {  # what __init__ needs to build an empty twin
            "n_features": f,
            "n_embedding_features": s,
            "hidden_layer_sizes": hidden,
            "fusion": fusion,
            "linear_shortcut": linear_shortcut,
        }
        self.fusion = fusion
        self.n_points = 2 * f if fusion == "concatenate" else f
        if self.use_semantics:
            self.projector = (ShortcutMLP if linear_shortcut else MLP)(s, hidden, f, generator)
            self.estimator = MLP(f, hidden, f, generator)
            self.register_buffer("projection_scale", torch.ones((), dtype=torch.float32))
        self.classifier = MLP(self.n_points, hidden, s, generator)
        self.aggregation: NoClusters | CentroidSum | NetVLAD = NoClusters()

    @property
    def use_semantics(self) -> bool:
        """Whether points have a semantic half."""
        return self.fusion is not None

    def project(self, embeddings: Tensor) -> Tensor:
        """Map a to a', class embeddings in the visual space, (C, s) -> (C, f)."""
        return self.projector(embeddings) / self.projection_scale

    def fuse(self, visual: Tensor, semantic: Tensor) -> Tensor:
        """Both halves as one, [x, phi], (n, f), (n, f) -> (n, p)."""
        return FUSIONS[str(self.fusion)](visual, semantic)

    def points(self, x: Tensor) -> Tensor:
        """Return the visual-semantic points psi = [x, phi(x)], (n, f) -> (n, p)."""
        return self.fuse(x, self.estimator(x)) if self.use_semantics else x

    def emphasised(self, points: Tensor, feature_weight: float) -> Tensor:
        """Points whose half x counts so many times as much, where halves lie side by side."""
        if self.fusion != "concatenate":
            return points
        visual, semantic = points.chunk(2, dim=1)
        return self.fuse(feature_weight * visual, semantic)

    def represent(self, points: Tensor) -> Tensor:
        """Return the CLASTER representation omega of points, (n, p) -> (n, p)."""
        return self.aggregation(points)

    def semantic(self, points: Tensor) -> Tensor:
        """V(omega) of points, (n, p) -> (n, s)."""
        return self.classifier(self.represent(points))

    def semantic_scores(self, points: Tensor, embeddings: Tensor) -> Tensor:
        """cos(V(omega), a) for every candidate, (n, p), (C, s) -> (n, C)."""
        return compatibility(self.semantic(points), embeddings)


class SemanticMap(nn.Module):
    """V(omega(psi)) as one module: what is trained together, (n, p) -> (n, s)."""

    def __init__(self, net: ClasterNet) -> None:
        super().__init__()
        self.aggregation = net.aggregation
        self.classifier = net.classifier

    def forward(self, points: Tensor) -> Tensor:
        with autocast(points.device):  # Eq. 1 in full: it lives on differences of squares
            omega = self.aggregation(points)
        return self.classifier(omega)
