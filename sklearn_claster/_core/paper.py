"""What the paper sets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

# The paper's own values and sentences: `ClasterZSL(**PAPER_PARAMETERS)`. They need a GPU. What the
# paper does not say (temperature, batch size, warm-up) keeps its default. The number of neighbours
# in Eq. 6 it does not say either, and the default leaves that equation out: 3 is our choice.
PAPER_PARAMETERS: Mapping[str, Any] = MappingProxyType(
    {
        "n_clusters": 6,
        "alpha": 0.1,
        "centroids": "reinforce",
        "centroid_weight": 1.0,
        "inference": "seen_class",
        "prior": None,
        "feature_weight": 1.0,
        "n_neighbors": 3,
        "whiten": False,
        "linear_shortcut": False,
        "hidden_layer_sizes": (8192, 8192),
        "learning_rate": 1e-4,
        "weight_decay": 5e-4,
        "reinforce_steps": 10_000,
    }
)
