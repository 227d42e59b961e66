"""The floor: how many operations and bytes ClasterZSL cannot do without, stage by stage.

Formulas only, from the sizes of a problem; nothing here looks at the code of the package. A stage's
floor in seconds is its operations over the machine's rate of matrix products, plus its traffic
over the rate of copying, plus its optimiser steps at the rate of a fused Adam step over as many
parameters in one piece, between the products of a training step (see `rates.py`).

A product (a, b) x (b, c) takes 2 a b c operations, a symmetric or triangular one half of that.
"""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil

ESTIMATOR_EPOCHS = 10  # of phi
ADAM_BYTES = 28  # a parameter and step: reads value, gradient, two moments; writes all but one
FLOAT = 4  # bytes of a float32 number


@dataclass(frozen=True)
class Work:
    """What a stage takes."""

    flop: float = 0.0  # float32 operations, in matrix products
    flop64: float = 0.0  # float64 ones
    moved: float = 0.0  # bytes read and written, without those of products and of the optimiser
    steps: dict = field(default_factory=dict)  # number of parameters -> optimiser steps

    def __add__(self, other):
        steps = dict(self.steps)
        for size, n_steps in other.steps.items():
            steps[size] = steps.get(size, 0) + n_steps
        return Work(
            self.flop + other.flop, self.flop64 + other.flop64, self.moved + other.moved, steps
        )

    @property
    def optimiser_bytes(self):
        return float(sum(ADAM_BYTES * size * n_steps for size, n_steps in self.steps.items()))

    def seconds(self, rates):
        """The least time at these rates: `flop`, `flop64`, `copy` and `adam(size)`, a second."""
        steps = sum(
            ADAM_BYTES * size * n_steps / rates.adam(size) for size, n_steps in self.steps.items()
        )
        return self.flop / rates.flop + self.flop64 / rates.flop64 + self.moved / rates.copy + steps


@dataclass(frozen=True)
class Sizes:
    """A problem and the parameters of ClasterZSL that its cost depends on."""

    n: int  # rows
    f: int  # features
    s: int  # numbers in a class vector
    classes: int  # seen ones
    hidden: tuple = (512, 512)
    batch: int = 256
    epochs: int = 10
    clusters: int = 6
    reinforce_steps: int | None = None
    whiten: bool | str = "auto"
    kmeans_passes: float = 10.0  # over the points; depends on the data
    candidates: int = 50  # of predict

    def with_passes(self, n_passes):
        return replace(self, kmeans_passes=n_passes)

    @property
    def p(self):
        """Width of a point [x, phi(x)]."""
        return 2 * self.f

    @property
    def projector_steps(self):
        """Of a', in full batches of one point a class."""
        return min(300, max(100, 10 * self.classes))

    @property
    def steps_an_epoch(self):
        return ceil(self.n / self.batch)

    @property
    def warm_up_steps(self):
        return ceil(self.epochs * self.steps_an_epoch / 2)

    @property
    def classifier_steps(self):
        if self.reinforce_steps is None:
            return self.epochs * self.steps_an_epoch
        return self.warm_up_steps + self.reinforce_steps

    @property
    def widths(self):
        """Layer widths of the three networks."""
        return {
            "a'": (self.s, *self.hidden, self.f),
            "phi": (self.f, *self.hidden, self.f),
            "V": (self.p, *self.hidden, self.s),
        }

    @property
    def n_parameters(self):
        return {name: n_parameters(widths) for name, widths in self.widths.items()}


def n_parameters(widths):
    return sum(a * b + b for a, b in pairwise(widths))


def forward_flop(rows, widths):
    return sum(2.0 * rows * a * b for a, b in pairwise(widths))


def training_flop(rows, widths):
    """Forward, the weights' gradient, and the input's, which the first layer does not need."""
    first, *others = pairwise(widths)
    return 4.0 * rows * first[0] * first[1] + sum(6.0 * rows * a * b for a, b in others)


def input_space(z):
    """Unit rows, and with whitening: scatter, Cholesky, inverse of a triangle, rows times it."""
    rows = FLOAT * z.n * z.f
    if not z.whiten:
        return Work(moved=3.0 * rows)  # the mean reads; centring reads and writes
    return Work(
        flop=2.0 * z.n * z.f**2,  # half of the scatter; rows times a triangular matrix
        flop64=2.0 * z.f**3 / 3.0,
        moved=3.0 * rows + 2.0 * rows + 2.0 * rows,  # class means and residuals; centring anew
    )


def projector(z):
    """a -> a': full-batch steps over the seen classes' vectors."""
    widths = z.widths["a'"]
    return Work(
        flop=z.projector_steps * training_flop(z.classes, widths) + forward_flop(z.classes, widths),
        moved=FLOAT * z.n * z.f,  # the class means read all rows
        steps={n_parameters(widths): z.projector_steps},
    )


def estimator(z):
    """x -> phi: ten epochs of mixtures of two rows."""
    widths, rows = z.widths["phi"], ESTIMATOR_EPOCHS * z.n
    return Work(
        flop=training_flop(rows, widths),
        moved=FLOAT * rows * z.f * 5.0,  # two rows read, one written; output and target compared
        steps={n_parameters(widths): ESTIMATOR_EPOCHS * z.steps_an_epoch},
    )


def points(z):
    """psi = [x, phi(x)] of every row, written once."""
    return Work(flop=forward_flop(z.n, z.widths["phi"]), moved=FLOAT * z.n * (z.f + z.p))


def clusters(z):
    """K-means: its points written, then a pass to choose each first centroid, and its passes."""
    n_passes = z.clusters + z.kmeans_passes
    return Work(
        flop=2.0 * z.n * z.p * z.clusters * n_passes,
        moved=FLOAT * z.n * z.p * (1.0 + n_passes),
    )


def classifier(z):
    """omega -> V(omega): Eqs. 1-3, and Eqs. 4-5 after the warm-up."""
    widths, n_steps = z.widths["V"], z.classifier_steps
    share = z.n / z.steps_an_epoch  # rows of a batch, on average
    rows, rewarded = n_steps * share, (n_steps - z.warm_up_steps) * share
    n_epochs = ceil(n_steps / z.steps_an_epoch)
    return Work(
        flop=training_flop(rows, widths)
        + 4.0 * rows * z.p * z.clusters  # distances and the sum of Eq. 1
        + 4.0 * rows * z.s * z.classes  # cosines and their gradient
        + 4.0 * rewarded * z.p * z.clusters,  # distances and pulls of Eqs. 4-5
        moved=FLOAT * z.p * (2.0 * rows + rewarded + n_epochs * z.n),  # and the clusters' counts
        steps={n_parameters(widths): n_steps},
    )


STAGES = {
    "input space": input_space,
    "a'": projector,
    "phi": estimator,
    "points": points,
    "clusters": clusters,
    "V": classifier,
}


def fit_work(z):
    """The work of every stage of `fit`."""
    return {name: formula(z) for name, formula in STAGES.items()}


def predict_work(z, n_rows):
    """`predict` with the default rule: input space, phi, Eq. 1, V, and cosines in both spaces."""
    rows = FLOAT * n_rows * z.f
    whitening = 1.0 * n_rows * z.f**2 if z.whiten else 0.0
    networks = forward_flop(n_rows, z.widths["phi"]) + forward_flop(n_rows, z.widths["V"])
    cosines = 2.0 * n_rows * z.candidates * (z.p + z.s)
    return Work(
        flop=whitening + networks + 4.0 * n_rows * z.p * z.clusters + cosines,
        moved=rows * (4.0 if z.whiten else 2.0) + FLOAT * n_rows * 2.0 * z.p,
    )
