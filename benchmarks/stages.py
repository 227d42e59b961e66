"""Where the time of `fit` goes: functions of the package, timed from outside.

The only place of the speed benchmark that knows names inside the package. A name that is not there
(any more) is left out, and its time counts as "other".
"""

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from unittest.mock import patch

from timing import Timer

WHERE = "sklearn_claster._core.learning"
CENTROIDS = "sklearn_claster._core.centroids"
NAMES = {
    "input space": ["InputSpace.fit"],
    "a'": ["class_means", "fit_projector"],
    "phi": ["fit_estimator"],
    "points": ["ClasterNet.points"],
    "clusters": ["make_aggregation", "Reinforcement.__init__"],
    "V": ["train_classifier"],
}


@dataclass
class Watch:
    """Seconds of every stage, without those of stages inside it, and K-means' passes."""

    timer: Timer
    seconds: dict = field(default_factory=dict)
    kmeans_passes: float | None = None
    found: set = field(default_factory=set)
    running: list = field(default_factory=list)

    @contextmanager
    def stage(self, name):
        start, inner = self.timer.now(), [0.0]
        self.running.append(inner)
        try:
            yield
        finally:
            taken = self.timer.now() - start
            self.running.pop()
            if self.running:
                self.running[-1][0] += taken
            self.seconds[name] = self.seconds.get(name, 0.0) + taken - inner[0]

    def timed(self, name, function):
        def call(*args, **kwargs):
            with self.stage(name):
                return function(*args, **kwargs)

        return call


@contextmanager
def watched(timer):
    """Time the stages of what runs inside."""
    watch, module = Watch(timer), import_module(WHERE)
    with ExitStack() as stack:
        for stage, names in NAMES.items():
            for name in names:
                *owners, last = name.split(".")
                owner = module
                for part in owners:
                    owner = getattr(owner, part, None)
                if hasattr(owner, last):
                    watch.found.add(name)
                    timed = watch.timed(stage, getattr(owner, last))
                    kind = vars(owner).get(last)
                    if isinstance(kind, classmethod | staticmethod):
                        timed = staticmethod(timed)
                    stack.enter_context(patch.object(owner, last, timed))
        centroids = import_module(CENTROIDS)
        stack.enter_context(patch.object(centroids, "kmeans", counting(watch, centroids.kmeans)))
        yield watch


def counting(watch, kmeans):
    def call(*args):
        centroids, n_iterations = kmeans(*args)
        watch.kmeans_passes = float(n_iterations)
        return centroids, n_iterations

    return call
