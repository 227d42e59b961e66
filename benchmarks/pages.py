"""Pages of the evidence: the rows that the studies ask for, as pictures, tables and CSV files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from in_use import BOTH_SIDES, FOREIGN, POOLS, PROMISED
from measure import GATE, RULES
from methods import BASELINES, CLASTER, OPTIONS, SLOW, WHITENED
from pictures import draw_ablation, draw_methods, draw_pools, draw_shared, interval
from rows import ROOT, key
from studies import DEFAULT, PER_CLASS, STUDIES, TUNED, selected_baseline

CASE = "data set, class vectors"
IN_ORDER = (DEFAULT, TUNED, *BASELINES, *OPTIONS, *WHITENED)
LABELS = dict.fromkeys(("methods", "generalized", "named"), IN_ORDER)  # others: as they come
PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text("utf-8"))
METHODS = """\
# Results: ClasterZSL and other methods

![Accuracy on unseen classes, and H of seen and unseen classes together](zero_shot.svg)

Every method learns from the same samples and then names classes that it has never seen. Figures
are mean per-class accuracies in percent, mean ± standard deviation over {splits} class splits. All
figures, with the differences to ClasterZSL paired by split, are in [zero_shot.csv](zero_shot.csv).

* Each method chooses its hyper-parameters among at most nine combinations, by three-fold
  cross-validation over the *seen* classes of the first split, with at most {tuning_rows} samples
  per class. A fold holds out whole classes. "ClasterZSL" alone is not tuned: it has its defaults.
* "DEM, whitened" gets features whitened within classes, the first step of ClasterZSL. It shows what
  this step alone is worth. It is not a baseline that validation may select.
* FCLSWGAN, its form with the losses of OD, and FVAEGAN train a generator for every fit. They take
  three splits of one kind of class vectors, and are not selected. A run may leave them out.
* An empty cell: the method needs binary class vectors (DAP, IAP), or class vectors in the space of
  the features (CosineZSL, RLA, GDA, IdentityRidge), or it is one of the slow ones.
* The features of ucf101 captions and ucf101 minilm come from machine-made captions of the videos,
  not from pixels. No figure compares with one measured on other features.
* Splits share classes and samples, so the intervals are somewhat too narrow.
"""
SUMMARY = """\
## Against the baseline that validation selects

The selected baseline is the one with the best validation score on seen classes. The best with
hindsight is best on the unseen classes, which nobody can know beforehand. Differences are
ClasterZSL minus baseline in percentage points, paired by split, with the 95 % t-interval. The last
line is the mean over the lines above, with the interval over them.
"""
GENERALIZED = """\
## Table 3: seen and unseen classes together

{splits} class splits. A fifth of the samples of each seen class is held out. All methods have the
same gate between seen and unseen classes, `BiasDetector({gate!r})`, with its threshold chosen on
held-out seen classes. H is the harmonic mean of the accuracies on seen and on unseen classes.
"""
AREA = "The area under the seen-unseen curve needs no threshold. It is taken without the gate:"
WITH_POOL = """\
## Tables 2 and 3 with unlabelled samples

The same fits after [`adapt`](../unlabelled_samples.md) to all test samples. These figures are
*transductive*: do not put them beside inductive ones. GGM has an adaptation of its own as well, see
[the compared systems](../compared_systems.md).
"""
NAMED = """\
## Table 4: splits with a name

TruZe: no unseen class occurs in Kinetics. "own": a data set's own split of the samples. There is
one split each, so there is no spread. Accuracy on unseen classes when only they are candidates, and
H of the generalized setting.
"""
PRINTED = """\
## What the paper prints

Measured on I3D features of other data, so no figure here compares with one above. M: manual
attributes, W: word2vec, S: sentence2vec, C: combination, ED: elaborate descriptions.
"""
ABLATION = """\
# Results: ClasterZSL taken apart

![Differences to the whole method](ablation.svg)

One part changes at a time; everything else has its default. Figures are mean per-class accuracies
on unseen classes in percent, mean ± standard deviation over {splits} class splits, with one kind of
class vectors per data set. Differences are paired by split: percentage points with the 95 %
t-interval.

{cases}

The clusters act on the semantic half of the method. The default test rule "combined" also has a
visual half, which never sees the clusters. "compatibility" sees nothing but the semantic half. Both
are read off one fit; [ablation.csv](ablation.csv) has them all, "seen_class" (the paper's sentence
to the letter) too.

In an earlier state, over ten class splits, K from 2 to 100 changed the default rule by at most 0.3
points, and alpha from 0 to 1 by at most 0.2. `fusion="sum"` was level on two data sets and 0.8
points behind on ucf101 captions; the product lost 5 to 11 points.
"""
TABLE_1 = "## Table 1: the paper's ablation\n\nDifferences to the last line of each data set."
CHAIN = """\
## With unlabelled samples

The same fits after [`adapt`](../unlabelled_samples.md) to the samples of the unseen classes. Do
clusters and rewards matter there?
"""
PURITIES = """\
## Section 5.6: clusters before and after REINFORCE

Purities in percent. `class_purity` is the share of a class that lies in its main cluster (what the
paper's figures can only be). `cluster_purity` is the share of a cluster that belongs to its main
class (its Eq. 7 as printed).
"""
ONE_SPACE = """\
# Results: one space, probabilities and sets

![Accuracy where features and class vectors share a space](one_space.svg)

Defaults, fitted without a fifth of the samples of each seen class; in percent, mean ± standard
deviation over {splits} class splits. First, where `ClasterZSL` has found that features and class
vectors lie in one space: mean per-class accuracy on unseen classes, and H of seen and unseen
classes together without a gate. In brackets the differences to the plain cosine, paired by split:
mean ± standard deviation, and the least of them. No method is tuned.
"""
SURENESS = """\
## Probabilities

The expected calibration error of `predict_proba` on unseen classes, and the largest of a split.
"""
SETS = """\
## Sets of candidates

The share of sets of `predict_set` that hold the true class, where 80, 90 and 95 % are promised, and
the number of candidates in a set in brackets, both as means over classes: for unseen classes among
unseen candidates, and for held-out samples of seen classes among seen ones.
"""
UNLABELLED = """\
# Results: pools of unlabelled samples

![What a pool gains](unlabelled_samples.svg)

What [`adapt`](../unlabelled_samples.md) makes of a pool, with defaults. These figures are
*transductive*: do not put them beside inductive ones. In percent: without → with the pool, in
brackets the paired differences, mean ± standard deviation over {splits} class splits, and the
least. `fit` did not see a fifth of the samples of each seen class.

Mean per-class accuracy on the pool: all samples of the unseen classes; half of the classes absent;
unequal sizes (Dirichlet 0.5); three samples and one of each class. What is drawn at random is drawn
three times.
"""
FOREIGNERS = (
    "## Samples of other classes in the pool\n\n"
    "Part of the pool are samples of seen classes, which are no candidates. Accuracy on the others:"
)
TOGETHER = """\
## Seen and unseen classes together

H with `bias_detector=BiasDetector()` over all test samples of both sides, whatever the pool held.
"mixed" is a pool of all test samples.
"""
NO_LABEL = "## No label at all\n\nIn one space, `CosineZSL.from_table`:"
SURE = ["calibration", "calibration, after"]
SURE_AFTER = "## Probabilities\n\nCalibration error before and after a full pool, in this state:"


def mean_and_spread(values):
    """In percent: "17.3 ± 2.4"; a single value has no spread."""
    percent = 100 * values.dropna().to_numpy()
    if not len(percent):
        return ""
    spread = f" ± {percent.std(ddof=1):.1f}" if len(percent) > 1 else ""
    return f"{percent.mean():.1f}{spread}"


def difference(gains):
    """In percentage points with the 95 % interval: "+1.3 [+0.2, +2.4]"."""
    gains = 100 * gains.dropna().to_numpy()
    if not len(gains):
        return ""
    mean, half = interval(gains)
    limits = f" [{mean - half:+.1f}, {mean + half:+.1f}]" if len(gains) > 1 else ""
    return f"{mean:+.1f}{limits}"


def with_least(gains):
    """In percentage points: "+1.3 ± 0.4; +0.8", the last the least."""
    gains = 100 * gains.dropna()
    return f"{gains.mean():+.1f} ± {gains.std():.1f}; {gains.min():+.1f}"


def markdown(table, n_words=1):
    """A table whose first columns are words and whose others are figures; with its index."""
    table = table.reset_index()
    ruler = "|" + "---|" * n_words + "---:|" * (table.shape[1] - n_words)
    first, *others = [list(table.columns), *table.to_numpy().tolist()]
    lines = ["| " + " | ".join(map(str, cells)) + " |" for cells in (first, *others)]
    return "\n".join([lines[0], ruler, *lines[1:]])


def found_by(study, plan, rows):
    """The rows of a study's entries, with "label" and "case" in the order of the tables."""
    found = pd.DataFrame(
        rows[key(entry.task)] | {"label": entry.label, "about": entry.case}
        for entry in STUDIES[study](plan, rows)
        if key(entry.task) in rows
    )
    if not found.empty:
        found["case"] = (found["dataset"] + ", " + found["embedding"]).str.replace("_", " ")
        for name, order in (("label", LABELS.get(study)), ("case", None)):
            present = found[name].unique()
            order = [x for x in order if x in present] if order else present
            found[name] = pd.Categorical(found[name], order, ordered=True)
    return found


def figures_table(found, value):
    """Labels by cases: mean ± standard deviation."""
    groups = found.groupby(["label", "case"], observed=False)[value]
    return groups.apply(mean_and_spread).unstack().astype(object)


def gains(found, value, reference):
    """Differences to the label `reference`: a line for each case and split, a column per label."""
    wide = found.pivot(index=["case", "split"], columns="label", values=value)
    return wide.sub(wide[reference], axis=0)


def summary_of(found, values, reference):
    """A line per case, label and figure, for a CSV file: mean, spread, paired difference."""
    lines = []
    for value in values:
        over = gains(found, value, reference)
        for (case, label), own in found.groupby(["case", "label"], observed=True)[value]:
            mean, half = interval(100 * over.loc[case, label].dropna().to_numpy())
            cells = [100 * own.mean(), 100 * own.std(), mean, mean - half, mean + half]
            lines += [[case, label, value, own.count(), *np.round(cells, 2)]] if own.count() else []
    head = ["data set, class vectors", "method", "figure", "splits", "mean", "standard deviation"]
    return pd.DataFrame(lines, columns=[*head, f"minus {reference}", "from", "to"])


def of_methods(table):
    return markdown(table.rename_axis("method"))


def methods_page(plan, rows, folder, zsl, both, named):
    """Tables 2, 3 and 4, and the rows behind them."""
    parts = [METHODS.format(tuning_rows=PER_CLASS, splits=zsl["split"].nunique())]
    summary, selected = summary_table(plan, rows, zsl)
    parts += [SUMMARY, summary, "## Table 2: unseen classes only"]
    parts += [of_methods(figures_table(zsl, "accuracy"))]
    csv = [summary_of(zsl, ["accuracy", "adapted"], DEFAULT)]
    if not both.empty:
        splits = both["split"].nunique()
        parts += [GENERALIZED.format(gate=GATE, splits=splits)]
        parts += [of_methods(figures_table(both, "harmonic_mean"))]
        parts += [AREA, of_methods(figures_table(both, "ausuc"))]
        values = ["seen", "unseen", "harmonic_mean", "adapted_harmonic_mean", "ausuc"]
        csv += [summary_of(both, values, DEFAULT)]
    if not named.empty:
        parts += [NAMED, of_methods(named_table(named))]
    parts += [WITH_POOL, "Accuracy on unseen classes:", of_methods(figures_table(zsl, "adapted"))]
    if not both.empty:
        parts += ["H:", of_methods(figures_table(both, "adapted_harmonic_mean"))]
    tables = ("table_2_zsl", "table_3_gzsl_harmonic_mean", "table_4_truze")
    parts += [PRINTED, *map(published, tables)]
    draw_methods(zsl, both, selected, folder / "zero_shot.svg")
    pd.concat(csv).to_csv(folder / "zero_shot.csv", index=False)
    return parts, [zsl, both, named]


def published(name):
    """What the paper prints, on features of other data: mean ± standard deviation."""
    printed = PUBLISHED[name]
    lines = {
        row: [cell if cell is None else " ± ".join(map(str, np.atleast_1d(cell))) for cell in cells]
        for row, cells in printed["rows"].items()
    }
    table = pd.DataFrame.from_dict(lines, orient="index", columns=printed["columns"]).fillna("")
    heading = name.replace("_", " ").partition(" ")[2].partition(" ")[0]
    return f"Table {heading}:\n\n{of_methods(table)}"


def named_table(found):
    """Methods by named splits: both settings in one cell."""
    column = found["dataset"] + " (" + found["split"] + "), " + found["embedding"]
    column = column.str.replace("_", " ")
    found["case"] = pd.Categorical(column, column.unique(), ordered=True)
    zsl = figures_table(found[found["setting"] == "zsl"], "accuracy")
    both = figures_table(found[found["setting"] == "gzsl"], "harmonic_mean")
    both = both.map(lambda cell: cell and f"; H {cell}")
    return zsl.add(both, fill_value="").reindex(zsl.index)


def summary_table(plan, rows, found):
    """ClasterZSL, the selected baseline and the best one with hindsight, a line per case.

    And the selected baselines by case.
    """
    lines, means, selected = [], [], {}
    for name, own in found.groupby("case", observed=True):
        case = own["about"].iloc[0]
        wide = own.pivot(index="split", columns="label", values="accuracy")
        selected[name] = selected_baseline(plan, rows, case, case.numbered[0]) or ""
        others = wide[[b for b in BASELINES if b in wide.columns and b not in SLOW]]
        best = others.mean().idxmax() if others.shape[1] else ""
        none = pd.Series(dtype=float)
        cells = [name, mean_and_spread(wide[DEFAULT]), mean_and_spread(wide.get(TUNED, none))]
        over = []
        for label in (selected[name], best):
            theirs = wide.get(label, none)
            over.append(wide[DEFAULT] - theirs)
            cells += [f"{label} {mean_and_spread(theirs)}".strip(), difference(over[-1])]
        lines.append(cells)
        means.append([gain.mean() for gain in over])
    first, second = (difference(column) for _, column in pd.DataFrame(means).items())
    lines.append(["mean", "", "", "", first, "", second])
    head = [CASE, DEFAULT, "tuned", "selected baseline", "difference"]
    table = pd.DataFrame(lines, columns=[*head, "best with hindsight", "difference "])
    return markdown(table.set_index(CASE)), selected


def ablation_page(plan, rows, folder, found):
    """Table 1, the same with unlabelled samples, section 5.6, and the rows behind them."""
    cases = "\n".join(f"* {case}" for case in found["case"].cat.categories)
    parts = [ABLATION.format(cases=cases, splits=found["split"].nunique())]
    parts += [TABLE_1, rules_table(found, ""), CHAIN, rules_table(found, ", adapted")]
    before, after = PUBLISHED["purity_section_5_6"].values()
    parts += [PURITIES, purity_table(found)]
    parts += [f"The paper prints {before:.0%} before and {after:.0%} after, on other features."]
    parts += [PRINTED.partition(" M:")[0], published("table_1")]
    over = {rule: gains(found, rule, "CLASTER") for rule in RULES[:2]}
    draw_ablation(over, folder / "ablation.svg")
    values = [rule + end for rule in RULES for end in ("", ", adapted")]
    summary_of(found, values, "CLASTER").to_csv(folder / "ablation.csv", index=False)
    return parts, [found]


def rules_table(found, ending):
    """A line per data set and variant: figure and difference under two test rules."""
    columns = {}
    for rule in RULES[:2]:
        value = rule + ending
        columns[f'"{rule}"'] = figures_table(found, value).T.stack(future_stack=True)
        over = gains(found, value, "CLASTER").groupby("case", observed=False).agg(difference)
        columns[f"difference, {rule}"] = over.assign(CLASTER="").stack(future_stack=True)
    table = pd.DataFrame(columns).reset_index()
    table["case"] = table["case"].str.partition(",")[0]
    table.columns = ["data set", "variant", *columns]
    return markdown(table.set_index("data set"), 2)


def purity_table(found):
    """Before and after REINFORCE, over the splits."""
    names = {"K-means, fixed": "K-means", "CLASTER": "REINFORCE"}
    found = found[found["label"].isin(names)]
    groups = found.groupby(["dataset", "label"], observed=True)
    columns = {
        f"{kind.replace('_', ' ')}, {where}": groups[f"{prefix}{kind}"].apply(mean_and_spread)
        for kind in ("class_purity", "cluster_purity")
        for prefix, where in (("", "training samples"), ("unseen_", "unseen classes"))
    }
    columns["centroid movement"] = groups["centroid_movement"].mean().map("{:.1e}".format)
    table = pd.DataFrame(columns).rename(index=names).rename_axis(["data set", "centroids"])
    return markdown(table, 2)


def one_space_page(plan, rows, folder, found, sure):
    """The plain cosine and others in one space; probabilities; sets."""
    ours, shared = ours_and_shared(found)
    parts, columns = [ONE_SPACE.format(splits=ours["split"].nunique())], {}
    if "CosineZSL" in set(shared["label"]):
        for value, name in (("accuracy", "unseen classes"), ("harmonic_mean", "H")):
            over = gains(shared, value, "CosineZSL").stack(future_stack=True).dropna()
            figures = shared.groupby(["case", "label"], observed=True)[value].apply(mean_and_spread)
            over = over.groupby(["case", "label"], observed=True).apply(with_least)
            columns[name] = figures + " (" + over + ")"
        parts += [markdown(pd.DataFrame(columns).rename_axis([CASE, "method"]), 2)]
        draw_shared(shared, folder / "one_space.svg")
    if sure.empty:
        return parts, [found]
    groups = sure.groupby("case", observed=True)
    columns = {"calibration error": groups["calibration"].apply(mean_and_spread)}
    columns["largest"] = (100 * groups["calibration"].max()).map("{:.1f}".format)
    parts += [SURENESS, markdown(pd.DataFrame(columns).rename_axis(CASE))]
    columns = {}
    for space, name in (("zsl", "unseen"), ("seen", "seen")):
        for promised in PROMISED:
            sizes = groups[f"{space} {promised} size"].mean().map(" ({:.1f})".format)
            share = groups[f"{space} {promised}"].apply(mean_and_spread)
            columns[f"{name}, {100 * promised:.0f} %"] = share + sizes
    return [*parts, SETS, markdown(pd.DataFrame(columns).rename_axis(CASE))], [found, sure]


def ours_and_shared(found):
    """The rows of ClasterZSL, and those of cases where it has found one space."""
    ours = found[found["label"] == CLASTER]
    return ours, found[found["case"].isin(ours.loc[ours["shared"] > 0, "case"])]


def unlabelled_page(plan, rows, folder, found):
    """What pools of unlabelled samples are worth."""
    ours, shared = ours_and_shared(found)
    own = [name for name in POOLS if name not in FOREIGN]
    parts = [UNLABELLED.format(splits=ours["split"].nunique()), pools_table(ours, own)]
    parts += [FOREIGNERS, pools_table(ours, FOREIGN), TOGETHER, pools_table(ours, BOTH_SIDES)]
    cosine = shared[shared["label"] == "CosineZSL"]
    parts += [] if cosine.empty else [NO_LABEL, pools_table(cosine, own)]
    groups = ours.groupby("case", observed=True)
    columns = {name: groups[name].apply(mean_and_spread) for name in SURE}
    parts += [SURE_AFTER, markdown(pd.DataFrame(columns).rename_axis(CASE))]
    draw_pools(ours, {name: gain(ours, name) for name in own}, folder / "unlabelled_samples.svg")
    return parts, [ours, cosine]


def gain(found, pool):
    return found[f"{pool}, after"] - found[f"{pool}, before"]


def pools_table(found, pools):
    """Cases by pools, with the mean of the differences over the cases."""
    groups, columns, last = found.groupby("case", observed=True), {}, {}
    for name in pools:
        over = gain(found, name).groupby(found["case"], observed=True)
        before, after = (100 * groups[f"{name}, {when}"].mean() for when in ("before", "after"))
        shown = before.map("{:.1f} → ".format) + after.map("{:.1f} (".format)
        columns[name] = shown + over.apply(with_least) + ")"
        last[name] = f"{100 * over.mean().mean():+.1f}"
    table = pd.DataFrame(columns)
    table.index = table.index.astype(str)
    table.loc["mean of the differences"] = last
    return markdown(table.fillna("").rename_axis(CASE))


PAGES = {  # and the studies that they show
    "zero_shot.md": (methods_page, ["methods", "generalized", "named"]),
    "ablation.md": (ablation_page, ["ablation"]),
    "one_space.md": (one_space_page, ["in_use", "probabilities"]),
    "unlabelled_samples.md": (unlabelled_page, ["in_use"]),
}


def write_pages(names, plan, rows, folder, source):
    """Write each page of one of these studies that there are rows for."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (page, studies) in PAGES.items():
        found = [found_by(study, plan, rows) for study in studies]
        if set(studies) & set(names) and not found[0].empty:
            parts, tables = page(plan, rows, folder, *found)
            text = "\n\n".join(part.rstrip() for part in [*parts, provenance(tables, source)])
            (folder / name).write_text(text + "\n", "utf-8")
            print(f"written: {folder / name}")


def provenance(tables, source):
    """How the rows came about."""
    used = pd.concat([table for table in tables if not table.empty])
    used = used.loc[~used.apply(key, axis=1).duplicated()]
    name = source.relative_to(ROOT) if source.is_relative_to(ROOT) else source.name
    lines = [
        "## How it was measured",
        "",
        f"* Rows: {len(used)} of `{name}`, measured {used['date'].min()} to "
        f"{used['date'].max()} on {' or '.join(used['machine'].unique())}, one thread per process.",
        f"* Versions: {' or '.join(used['versions'].unique())}; states of the code: "
        f"{', '.join(used['code'].unique())}.",
        "* Made by `python benchmarks/run.py`.",
    ]
    return "\n".join(lines)
