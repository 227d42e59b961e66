"""Pictures of the evidence: a line per data set, a dot per method.

Accuracies have a bar of one standard deviation over the splits to each side; differences have their
95 % t-interval.
"""

import re

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import sem, t
from studies import DEFAULT

STYLE = {"svg.hashsalt": "sklearn_claster", "svg.fonttype": "path", "font.size": 9}
MARKERS = "osD^v<>P"


def interval(values, confidence=0.95):
    """Mean and half width of the t-interval of the mean; the width of one value is nan."""
    n = len(values)
    half = t.ppf((1 + confidence) / 2, n - 1) * sem(values) if n > 1 else np.nan
    return np.mean(values), half


def draw_methods(zsl, both, selected, path):
    """Unseen classes alone and H, a line per case: ours, the selected baseline, all others."""
    panels = {"Accuracy on unseen classes (%)": (zsl, "accuracy")}
    panels |= {} if both.empty else {"H, seen and unseen classes (%)": (both, "harmonic_mean")}
    cases = list(zsl["case"].cat.categories)
    figure, axes = _panels(len(panels), cases)
    for ax, (title, (found, value)) in zip(axes, panels.items(), strict=True):
        means = 100 * found.groupby(["case", "label"], observed=True)[value].mean()
        for line, case in enumerate(cases):
            rest = means[means.index.isin([case], "case")].droplevel("case")
            rest = rest.drop([DEFAULT, selected[case]], errors="ignore")
            ax.plot(rest, np.full(len(rest), line), "o", color="0.65", ms=4, label="other methods")
            shown = {DEFAULT: DEFAULT, "selected baseline": selected[case]}
            for number, (name, label) in enumerate(shown.items()):
                own = found[(found["case"] == case) & (found["label"] == label)][value]
                _dot(ax, own, line, name, number, own.std())
        ax.set_xlabel(title)
    _finish(figure, axes, path)


def draw_ablation(by_rule, path):
    """Differences to the whole method, a panel per test rule, a marker per case."""
    variants = list(next(iter(by_rule.values())).columns[:-1])
    figure, axes = _panels(len(by_rule), variants)
    for ax, (rule, over) in zip(axes, by_rule.items(), strict=True):
        cases = over.index.get_level_values("case").unique()
        series = {case.partition(",")[0]: over.loc[case] for case in cases}
        _dots(ax, 0.16, series, variants, lambda own, variant: own[variant].dropna())
        ax.axvline(0, color="0.8", zorder=0)
        ax.set_xscale("symlog", linthresh=2)
        ax.set_xticks([-30, -10, -2, -1, 0, 1, 2], [-30, -10, -2, -1, 0, 1, 2])
        ax.set_xlabel(f'Points to the whole method, "{rule}"')
    _finish(figure, axes, path)


def draw_shared(found, path):
    """Unseen classes alone and H where features and class vectors share a space."""
    cases = list(found["case"].cat.remove_unused_categories().cat.categories)
    by_label = found.groupby("label", observed=True)
    figure, axes = _panels(2, cases, 0.9)
    titles = {"accuracy": "Accuracy on unseen classes (%)", "harmonic_mean": "H, no gate (%)"}
    for ax, (value, title) in zip(axes, titles.items(), strict=True):
        series = {label: own.set_index("case")[value] for label, own in by_label}
        _dots(ax, 0.12, series, cases, lambda own, case: own[own.index == case], spread=True)
        ax.set_xlabel(title)
    _finish(figure, axes, path)


def draw_pools(found, by_pool, path):
    """What each kind of pool gains, a line per case."""
    cases = list(found["case"].cat.categories)
    figure, (ax,) = _panels(1, cases, 0.6)
    _dots(ax, 0.15, by_pool, cases, lambda gains, case: gains[found["case"] == case])
    ax.axvline(0, color="0.8", zorder=0)
    ax.set_xlabel("Points gained on the pool, accuracy on unseen classes")
    _finish(figure, [ax], path)


def draw_speed(page, path):
    """What the page of speeds says: ratios to other code, and the stages of a fit."""
    tables = {}
    for section in page.read_text("utf-8").split("\n## ")[1:]:
        lines = [line[2:].split(" | ") for line in section.splitlines() if line.startswith("| ")]
        cells = {line[0]: [re.findall(r"\d[\d.]*", cell) for cell in line[1:]] for line in lines}
        tables[section.partition("\n")[0]] = {name: x for name, x in cells.items() if name}
    fit, predict, gate = (
        tables[k] for k in ("A fit, stage by stage", "Predict", "A fit with a gate")
    )
    loops = {"fit": fit["ClasterZSL"][1], "predict": predict["ClasterZSL"][1]}
    loops["predict,\none space"] = predict["ClasterZSL, one space"][1]
    gates = {f"{name} features": x[2] for name, x in gate.items()}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.7, 2.3), layout="constrained")
        axes = figure.subplots(1, 3)
        _bars(axes[0], loops, "ClasterZSL, times plain torch loops", 1.15)
        _bars(axes[1], gates, "a gated fit, times one without", 3.5)
        _bars(axes[2], {name: 3 * x[0] for name, x in fit.items() if not x[1]}, "a fit, seconds")
    _save(figure, path)


def _bars(ax, bars, title, aim=None):
    """Bars of a median each, with the least and the most, and an aim as a dotted line."""
    middle, least, most = np.array(list(bars.values()), float).T
    ax.barh(list(bars), middle, xerr=[middle - least, most - middle], height=0.6, capsize=2)
    ax.set_xlabel(title)
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(False)
    if aim:
        ax.axvline(aim, color="C1", ls=":")


def _panels(n, lines, height=0.42):
    """Panels side by side that share named lines, the first on top."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.7, 1.4 + height * len(lines)), layout="constrained")
        axes = figure.subplots(1, n, sharey=True, squeeze=False)[0]
        short = [x.replace(", ", ",\n", 1) if len(x) > 20 else x for x in lines]
        axes[0].set_yticks(range(len(lines)), short)
        axes[0].invert_yaxis()
        for ax in axes:
            ax.grid(axis="x", color="0.92")
            ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _dots(ax, gap, series, lines, choose, spread=False):
    """A dot of each series on each line, one below the other."""
    for number, (label, own) in enumerate(series.items()):
        for line, name in enumerate(lines):
            values, at = choose(own, name), line + gap * (number - (len(series) - 1) / 2)
            _dot(ax, values, at, label, number, values.std() if spread else None)


def _dot(ax, values, line, label, number, spread=None):
    """A mean with its interval or spread, in percent, in the colour of this number."""
    if len(values):
        mean, half = interval(100 * values.to_numpy())
        half = half if spread is None else 100 * spread
        style = {"color": f"C{number}", "marker": MARKERS[number], "ms": 5, "capsize": 2}
        style |= {"lw": 1.2, "ls": ""}
        ax.errorbar(mean, line, xerr=None if np.isnan(half) else half, label=label, **style)


def _finish(figure, axes, path):
    """One legend above all panels, then the file."""
    handles, labels = axes[0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(
        unique.values(), unique, loc="outside upper center", ncols=6, frameon=False, columnspacing=1
    )
    _save(figure, path)


def _save(figure, path):
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, metadata={"Date": None})
