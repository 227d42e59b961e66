"""What held-out seen classes say of the combined rule: its share beside a prior, its temperature.

The networks are not trained anew for it. A stand-in takes their place: the input space of fewer
classes, and a' as a linear map. Shares and temperatures are counted in units of a rule's cosines,
which carry over from the stand-in to the method.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .._data.unit_rows import directions, row_mean, unit_rows
from .._utils.torch import to_numpy, to_tensor
from .candidate_sets import masses_of
from .inference import Choice
from .input_space import InputSpace, class_means
from .projection import linear_projection
from .shared_space import common_share, plain_cosines

SAMPLES_PER_CLASS = 32  # that take part in the choice
N_FOLDS = 3  # each holds out a third of the seen classes
LEAST_HELD_OUT = 2  # classes, to be told apart
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)  # of what is learnt, beside the plain cosine
DEFAULT_SHARE = 1.0
MEANS_SHARES = (0.0, 0.25, 0.5, 1.0, 2.0)  # in the seen expert
HELD_OUT_SAMPLES = 0.2  # of all, for the temperature of the seen expert
TEMPERATURES = np.exp(np.linspace(-3.5, 3.0, 27, dtype=np.float32))


def choose(
    X: NDArray[Any],  # (n, f)
    y: NDArray[np.intp],  # (n,) class codes
    vectors: NDArray[np.float64],  # (S, s)
    groups: NDArray[Any] | None,  # (n,)
    prior: bool,
    whiten: bool,
    device: torch.device,
) -> Choice:
    """Share and temperature with the largest likelihood of held-out classes, all counting alike.

    The share is `DEFAULT_SHARE` unless another is ahead of it by a standard error over classes.
    """
    n_dimensions = X.shape[1]
    X, vectors = in_their_span(X, vectors, prior)
    given = X, y, vectors, groups, prior, whiten, device, n_dimensions
    folds = list(_folds(*given))
    shares = SHARES if prior else (1.0,)
    default = DEFAULT_SHARE if prior else 1.0
    choice = replace(choose_seen(*given), share=default)
    if prior:
        centring = common_share(X, y)
        spread = float(plain_cosines(X, vectors, centring * row_mean(X)).std() or 1.0)
        choice = replace(choice, plain_spread=spread, centring=centring)
    if not folds:
        return choice
    found = {}
    for share in shares:
        scores = [plain + share * learnt for plain, learnt, _ in folds]
        curves = np.concatenate(
            [_likelihoods(s, y) for s, (*_, y) in zip(scores, folds, strict=True)], axis=1
        )
        best = _likeliest(curves.mean(axis=1), sum(len(y) for *_, y in folds))
        found[share] = float(TEMPERATURES[best]), curves[best]
    best_share = max(found, key=lambda share: found[share][1].mean())
    ahead = found[best_share][1] - found[default][1]
    if ahead.mean() <= ahead.std() / np.sqrt(len(ahead)):
        best_share = default
    temperature = found[best_share][0]
    scores = [(plain + best_share * learnt) / temperature for plain, learnt, _ in folds]
    masses = masses_of(scores, [y for *_, y in folds])
    return replace(choice, share=best_share, temperature=temperature, masses=masses)


def in_their_span(
    X: NDArray[Any], vectors: NDArray[np.float64], prior: bool
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Coordinates of samples (n, f) in their own span, where they are fewer than features: (n, n).

    All inner products stay, and so does all that a stand-in says, in less time. With a prior the
    class vectors lie in the same space, and go along.
    """
    rows = np.concatenate([X, vectors]) if prior else X
    if len(rows) >= X.shape[1]:
        return X, vectors
    wide = rows.T.astype(np.result_type(rows, np.float32), copy=False)
    found = np.transpose(np.linalg.qr(wide, mode="r"))
    return found[: len(X)].astype(X.dtype, copy=False), found[len(X) :] if prior else vectors


def choose_seen(
    X: NDArray[Any],
    y: NDArray[np.intp],
    vectors: NDArray[np.float64],
    groups: NDArray[Any] | None,
    prior: bool,
    whiten: bool,
    device: torch.device,
    n_dimensions: int | None = None,
) -> Choice:
    """Return the part of the seen expert, with the largest likelihood of held-out samples.

    A fifth of the samples, or of the groups, is held out, but none that a class would miss. The
    rule and the means name them; V, which is not learnt yet, is left out.
    """
    parts = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    order = np.random.RandomState(0).permutation(parts.max() + 1)
    outside = order[parts] < HELD_OUT_SAMPLES * len(order)
    outside &= ~np.isin(y, np.setdiff1d(y, y[~outside]))
    if not outside.any():
        return Choice()
    stand_in = _StandIn(X[~outside], y[~outside], vectors, prior, whiten, device, n_dimensions)
    others = X[outside]
    rule = stand_in.own_cosines, stand_in.cosines(others, vectors)
    means = stand_in.own_mean_cosines, stand_in.mean_cosines(others)
    found = []
    for share in MEANS_SHARES:
        weight = share * (rule[0].std() or 1.0) / (means[0].std() or 1.0)
        kept, held_out = (r + weight * m for r, m in zip(rule, means, strict=True))
        scores = held_out / (kept.std() or 1.0)
        curve = np.nanmean(_likelihoods(scores, y[outside]), axis=1)
        best = _likeliest(curve, len(others))
        found.append((curve[best], share, float(TEMPERATURES[best]), scores))
    _, share, temperature, scores = max(found, key=lambda one: one[0])
    masses = masses_of([scores / temperature], [y[outside]])
    return Choice(means_share=share, seen_temperature=temperature, seen_masses=masses)


def _folds(
    X: NDArray[Any],
    y: NDArray[np.intp],
    vectors: NDArray[np.float64],
    groups: NDArray[Any] | None,
    prior: bool,
    whiten: bool,
    device: torch.device,
    n_dimensions: int,
) -> Iterator[tuple[Any, NDArray[np.float32], NDArray[np.intp]]]:
    """Plain and learnt cosines over their units (n, C), and codes (n,), of held-out classes.

    Samples of the other classes whose group has samples in the held-out ones do not take part.
    """
    n_classes = len(vectors)
    if n_classes < 2 * LEAST_HELD_OUT:
        return
    order = np.random.RandomState(0).permutation(n_classes)
    n_folds = min(N_FOLDS, n_classes // LEAST_HELD_OUT)
    for held_out in np.array_split(order, n_folds):
        kept, held_out = np.setdiff1d(order, held_out), np.sort(held_out)
        inside, outside = np.isin(y, kept), np.isin(y, held_out)
        if groups is not None:
            inside &= ~np.isin(groups, groups[outside])
        if len(np.unique(y[inside])) < len(kept) or not np.ptp(vectors[kept], axis=0).any():
            continue
        codes = np.searchsorted(kept, y[inside])
        stand_in = _StandIn(X[inside], codes, vectors[kept], prior, whiten, device, n_dimensions)
        own = stand_in.own_cosines
        unit = (float(own.std()) or 1.0) if prior else temperature_unit(own, codes)
        learnt = stand_in.cosines(X[outside], vectors[held_out]) / unit
        plain: Any = 0.0
        if prior:
            center = common_share(X[inside], codes) * row_mean(X[inside])
            spread = plain_cosines(X[inside], vectors[kept], center).std() or 1.0
            plain = plain_cosines(X[outside], vectors[held_out], center) / spread
        yield plain, learnt, np.searchsorted(held_out, y[outside])


class _StandIn:
    """The visual rule with a linear a', and the class means.

    Attributes
    ----------
    own_cosines, own_mean_cosines : ndarray of shape (n, S)
        Of the samples and classes that it was fitted to.
    """

    def __init__(
        self,
        X: NDArray[Any],
        y: NDArray[np.intp],
        vectors: NDArray[np.float64],
        prior: bool,
        whiten: bool,
        device: torch.device,
        n_dimensions: int | None,
    ) -> None:
        codes = torch.as_tensor(y, device=device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the whole fit says it
            space, x = InputSpace.fit(X, codes if whiten else None, device, n_dimensions)
        self.to_unit_rows = space.on(device)
        self.mean = row_mean(vectors)
        embeddings = unit_rows(vectors, self.mean, np.float64)
        means, shares = (to_numpy(part) for part in class_means(x, codes, len(vectors)))
        self.means = directions(means, np.float32)
        start = space.start() if prior else None
        self.projection = linear_projection(embeddings, means, shares, start)
        both = to_tensor(np.concatenate([self._projected(vectors), self.means]), device)
        own = to_numpy(torch.cat([rows @ both.T for rows, _ in x.blocks()]))
        self.own_cosines, self.own_mean_cosines = np.split(own, 2, axis=1)

    def cosines(self, X: NDArray[Any], vectors: NDArray[np.float64]) -> NDArray[np.float32]:
        """Cosines of samples with projected class vectors, (n, C)."""
        return self._products(X, self._projected(vectors))

    def mean_cosines(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Cosines of samples with the means of the classes, (n, S)."""
        return self._products(X, self.means)

    def _products(self, X: NDArray[Any], directions: NDArray[np.float32]) -> NDArray[np.float32]:
        x = self.to_unit_rows(X)
        return to_numpy(x @ to_tensor(directions, x.device).T)

    def _projected(self, vectors: NDArray[np.float64]) -> NDArray[np.float32]:
        projected = unit_rows(vectors, self.mean, np.float64) @ self.projection.T
        return directions(projected, np.float32)


def temperature_unit(cosines: NDArray[Any], y: NDArray[np.intp]) -> float:
    """Return the unit of a rule's temperatures, from its training samples, (n, S), (n,).

    It is the standard deviation d, and less where the rule tells the classes it was fitted to
    further apart: d sqrt(d / l), with l the lead of the own class over the mean, or d if that is
    larger. A stand-in that learns less than the method would otherwise make it too unsure.
    """
    spread = float(cosines.std()) or 1.0
    lead = float(cosines[np.arange(len(y)), y].mean() - cosines.mean())
    return spread * float(np.sqrt(spread / max(lead, spread)))


def _likeliest(curve: NDArray[np.float64], n_samples: int) -> int:
    """Position of the temperature with the largest mean log-likelihood, (T,).

    So many samples do not tell apart what differs by a tenth of one over their number: of such
    temperatures it is the largest, which is the least sure.
    """
    return int(np.flatnonzero(curve >= curve.max() - 0.1 / n_samples)[-1])


def _likelihoods(scores: NDArray[Any], y: NDArray[np.intp]) -> NDArray[np.float64]:
    """Mean log-probability of every class' own samples, for all temperatures, (T, C).

    NaN for a class without a sample.
    """
    n_classes = scores.shape[1]
    counts = np.bincount(y, minlength=n_classes).astype(float)
    counts[counts == 0.0] = np.nan
    behind = scores - scores.max(axis=1, keepdims=True)  # so that no exponential overflows
    own = behind[np.arange(len(y)), y]
    found = np.empty((len(TEMPERATURES), n_classes))
    for row, temperature in zip(found, TEMPERATURES, strict=True):
        likelihoods = own / temperature - np.log(np.exp(behind / temperature).sum(axis=1))
        row[:] = np.bincount(y, likelihoods, minlength=n_classes) / counts
    return found
