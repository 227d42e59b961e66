"""When do centroids and REINFORCE help? One change at a time around two settings.

Under every condition the variants of the centroids are compared on the same splits, seeds and
training rows with omega = psi (no clusters). Rows of seen classes are held out, so that the seen
classifier is measured too.
"""

from dataclasses import dataclass, field

from methods import CLASTER
from studies import Entry, make_task

ROWS_A_CLASS = 40  # at most, to train on
NONE, KMEANS, REINFORCE = "none", "K-means", "REINFORCE"
RANDOM_DIRECTIONS = "random directions"
VARIANTS = {
    NONE: {"centroids": None},
    "random rows": {"centroids": "random"},
    RANDOM_DIRECTIONS: {"centroids": {"from": "kmeans", "rotated": True}},
    KMEANS: {"centroids": "kmeans"},
    "gradient": {"centroids": "gradient"},
    "NetVLAD": {"centroids": "netvlad"},
    REINFORCE: {"centroids": "reinforce"},
    "REINFORCE, V anew": {"centroids": {"from": "reinforce", "rotated": False}},
}
CORE = (NONE, KMEANS, REINFORCE)
PINNED = {"whiten": True}  # wrong labels and outliers shall not change how strong it is


@dataclass(frozen=True)
class Condition:
    """One change: of parameters or of training rows, and which centroids are compared under it."""

    name: str
    parameters: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    variants: tuple = CORE
    reference: str | None = None  # the condition whose row without clusters is compared with
    long: bool = False

    @property
    def compared_with(self):
        return self.reference or self.name


BASE = "as it is"
BRIEF = {BASE, "p_j: likas", "K = 50", "centroid_weight = 1", "50% wrong labels", "5 rows a class"}


def conditions(plan):
    """All conditions; those that a model without clusters does not notice refer to the base."""
    moved, clustered = (REINFORCE,), (KMEANS, REINFORCE)
    controlled = (RANDOM_DIRECTIONS, *clustered)
    weight = {"centroid_weight": 1.0}
    many = weight | {"n_clusters": 50}
    long = f"{plan.long_steps:,} REINFORCE steps"
    half = {"label_noise": 0.5}
    found = [
        Condition(BASE, variants=tuple(VARIANTS)),
        *(
            Condition(f"p_j: {p}", {"selection_probability": p}, {}, moved, BASE)
            for p in ("likas", "zero")
        ),
        *(Condition(f"K = {k}", {"n_clusters": k}, {}, clustered, BASE) for k in (2, 20, 50, 100)),
        Condition("centroid_weight = 1", weight, {}, controlled, BASE),
        Condition("centroid_weight = 1, K = 50", many, {}, clustered, BASE),
        Condition("use_semantics = False", {"use_semantics": False}),
        Condition("warm-up twice as long", {"max_epochs": 20}),
        Condition("1,000 REINFORCE steps", {"reinforce_steps": 1000}),
        Condition(long, {"reinforce_steps": plan.long_steps}, long=True),
        Condition("10% wrong labels", {}, {"label_noise": 0.1}),
        Condition("30% wrong labels", {}, {"label_noise": 0.3}),
        Condition("50% wrong labels", {}, half, (*CORE, RANDOM_DIRECTIONS)),
        Condition("50% wrong labels, weight 1", weight, half, controlled, "50% wrong labels"),
        Condition("10% outliers", {}, {"outliers": 0.1}),
        Condition("30% outliers", {}, {"outliers": 0.3}),
        Condition("5 rows a class", {}, {"rows_a_class": 5}),
        Condition("10 rows a class", {}, {"rows_a_class": 10}),
    ]
    return [condition for condition in found if condition.name in BRIEF or not plan.brief]


def centroid_study(plan, by_key):
    """The entries, split by split, long ones last; group is the condition, label the variant."""
    rows_a_class = plan.training.get("rows_a_class", ROWS_A_CLASS)
    cases = plan.study_cases()
    anchors = [case for case in cases if case.dataset != "digit_pairs"] or cases
    return [
        Entry(
            case,
            variant,
            make_task(
                case,
                split,
                CLASTER,
                PINNED | condition.parameters | VARIANTS[variant],
                setting="gzsl",
                training={"rows_a_class": rows_a_class} | condition.training,
                seed=seed,
            ),
            condition.name,
        )
        for long in (False, True)
        for number in range(plan.long_splits if long else plan.centroid_splits)
        for case in anchors
        for split in case.numbered[number : number + 1]
        for condition in conditions(plan)
        if condition.long is long
        for variant in condition.variants
        for seed in range(plan.centroid_seeds)
    ]
