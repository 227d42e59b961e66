"""Pages of the evidence: the rows that the studies ask for, as Markdown tables."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from data import SYNTHETIC
from in_use import BOTH_SIDES, FOREIGN, POOLS, PROMISED
from measure import GATE, RULES
from methods import BASELINES, CLASTER, OPTIONS, WHITENED
from rows import ROOT, key
from scipy.stats import sem, t
from studies import DEFAULT, SEMANTIC, SIMPLE, STUDIES, TUNED, name_of, selected_baseline

CASE = "data set, class vectors"
PRINTED = "What the paper prints, on I3D features of other data:"
PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text("utf-8"))
METHODS = """\
# Results: ClasterZSL and other methods

Every method is fitted on the same samples and named classes it had never seen; figures are mean
per-class accuracies in percent, mean ± standard deviation over the class splits. Differences are
paired by split against ClasterZSL with its defaults (method minus ClasterZSL, percentage points,
95 % t-interval). Splits share classes and samples, so they are not independent and the intervals
are somewhat too narrow.

* Hyper-parameters of every method, ours and theirs, are chosen among at most nine combinations by
  three-fold cross-validation over the *seen* classes of {tuning} (at most {tuning_rows} samples per
  class), which holds out whole classes. "ClasterZSL" is not tuned: it has one set of parameters
  everywhere.
* "whitened": the baseline on features that are whitened within classes, the first step of
  ClasterZSL. It says how much of the difference is due to this step, which any method may take. It
  does not count as a baseline where one is selected.
* A cell without a figure: the method needs binary class vectors (DAP, IAP), or class vectors in
  the space of the features (CosineZSL, RLA, GDA, IdentityRidge), or rows are missing.
* Features of ucf101_captions are made from machine-made captions, not from pixels. What the paper
  prints stands in tables of its own: it was measured on I3D features of other data (M manual
  attributes, W word2vec, S sentence2vec, C combination, ED elaborate descriptions) and compares
  with no figure of ours. HMDB51 and Olympic Sports take a user's own features (`--data`), and get
  the same tables.
"""
SUMMARY = """\
## Against the baseline that validation selects

For each data set and kind of class vectors: the baseline with the best validation score on seen
classes, and the one that turns out best on the unseen classes, which nobody can know beforehand.
Differences are ClasterZSL (defaults) minus baseline. The last line is the mean over the lines
above, with the t-interval over them; two kinds of class vectors side by side (A+B) are not in it.
"""
GENERALIZED = """\
## Table 3: seen and unseen classes together

A fifth of the samples of each seen class is held out. All methods have the same gate between seen
and unseen classes (`BiasDetector({gate!r})`, its threshold chosen on held-out seen classes). H is
the harmonic mean of the accuracies on seen and on unseen classes; AUSUC, the area under the
seen-unseen curve, needs no threshold and is taken without the gate.
"""
NAMED = """\
## Table 4: splits with a name

TruZe: no unseen class occurs in Kinetics. "own": a data set's own split of the samples. One split
each, so there is no spread. Accuracy on unseen classes when only they are candidates, and H of the
generalized setting.
"""
ABLATION = """\
# Results: ClasterZSL taken apart

One part is changed at a time; all else has its default. Mean per-class accuracy on unseen classes
in percent, mean ± standard deviation over the class splits, with one kind of class vectors for each
data set ({cases}).
Differences are paired by split (percentage points, 95 % t-interval). The visual half of the default
test rule "combined" never sees the clusters; "compatibility" and "seen_class", the paper's sentence
to the letter, see nothing else. All three are read off one fit.
"""
SECTIONS = {  # study: heading, what is said, head of the column, reference
    "ablation": (
        "## Table 1: the paper's ablation", "Differences to the last line.", "variant", "CLASTER",
    ),
    "clusters": (
        "## The number of clusters", "Differences to K = 6, the default and the paper's choice.",
        "K", "6",
    ),
    "alpha": (
        "## The step size of REINFORCE",
        "Differences to alpha = 0.1, the default; alpha = 0 is K-means, fixed.", "alpha", "0.1",
    ),
    "fusion": (
        "## The aggregation of the visual and the semantic half",
        "The supplement's comparison. Differences to the concatenation, the default.",
        "fusion", "concatenate",
    ),
}  # fmt: skip
PURITIES = """\
## Section 5.6: clusters before and after REINFORCE

Purities in percent, mean ± standard deviation over the splits: `class_purity` is the share of a
class that lies in its main cluster (what the paper's figures can only be), `cluster_purity` the
share of a cluster that belongs to its main class (its Eq. 7 as printed).
"""
DEFAULTS = """\
# Results: how the defaults were chosen

Each line changes one default of `ClasterZSL`. The unseen classes of every problem were put away; of
its seen classes a quarter was held out, and a variant that had learnt the others named them (at
most 40 samples per class). Mean per-class accuracy on the held-out classes, in percent: first the
default, then what a variant adds to it; the last column is the mean over all {n} folds of
{averaged} data, with the 95 % t-interval of the paired differences. Synthetic are "linear" and
"nonlinear", `make_zero_shot_classification` (40 seen classes, 256 features, vectors of 64),
"small", likewise (20 seen classes of 20 samples, 20 features, vectors of 15), and "network", made
like the features of a deep network (`benchmarks/data.py`). Lines with "compatibility" are compared
with the default parameters under the same test rule, since "combined" hides most of what clusters
do.
"""

ONE_SPACE = """\
# Results: one space, probabilities and sets

Defaults, fitted without a fifth of the samples of each seen class; in percent, mean ± standard
deviation over the class splits. First, where `ClasterZSL` has found that features and class vectors
lie in one space: mean per-class accuracy on unseen classes, and H of seen and unseen classes
together without a gate. In brackets the differences to the plain cosine, paired by split: mean ±
standard deviation, and the least of them. No method is tuned.
"""
SURENESS = """\
The expected calibration error of `predict_proba` on unseen classes, and the largest of a split;
then the share of sets of `predict_set` that hold the true class, where 80, 90 and 95 % are
promised, and the candidates in a set in brackets, both as means over classes: for unseen classes
among unseen candidates, and for held-out samples of seen classes among seen ones.
"""
UNLABELLED = """\
# Results: pools of unlabelled samples

What [`adapt`](../unlabelled_samples.md) makes of a pool, with defaults. These figures are
*transductive*: they do not belong beside inductive ones. In percent: without → with the pool, in
brackets the paired differences, mean ± standard deviation over the class splits, and the least.
`fit` did not see a fifth of the samples of each seen class.

Mean per-class accuracy on the pool: all samples of the unseen classes; half of the classes absent;
unequal sizes (Dirichlet 0.5); three samples and one of each class. What is drawn at random is drawn
three times. Last, the expected calibration error before and after "all".
"""
FOREIGNERS = (
    "A part of the pool are samples of seen classes, no candidates; accuracy on the others:"
)
TOGETHER = """\
Seen and unseen classes together, `bias_detector=BiasDetector()`: H over all test samples of both
sides, whatever the pool held. "mixed" is a pool of all test samples.
"""
NO_LABEL = "Features and class vectors in one space and no label at all, `CosineZSL.from_table`:"


def interval(differences, confidence=0.95):
    """Mean and half width of the t-interval of the mean; the width of one value is nan."""
    n = len(differences)
    half = t.ppf((1 + confidence) / 2, n - 1) * sem(differences) if n > 1 else np.nan
    return np.mean(differences), half


def mean_and_spread(values):
    """In percent: "17.3 ± 2.4"; a single value has no spread."""
    percent = 100 * values.dropna().to_numpy()
    if not len(percent):
        return ""
    spread = f" ± {percent.std(ddof=1):.1f}" if len(percent) > 1 else ""
    return f"{percent.mean():.1f}{spread}"


def difference(gains, digits=1):
    """In percentage points with the 95 % interval: "+1.3 [+0.2, +2.4]"."""
    gains = 100 * gains.dropna().to_numpy()
    if not len(gains):
        return ""
    mean, half = interval(gains)
    limits = f" [{mean - half:+.{digits}f}, {mean + half:+.{digits}f}]" if len(gains) > 1 else ""
    return f"{mean:+.{digits}f}{limits}"


def markdown(table, n_words=1):
    """A table whose first columns are words and whose others are figures; with its index."""
    table = table.reset_index()
    ruler = "|" + "---|" * n_words + "---:|" * (table.shape[1] - n_words)
    first, *others = [list(table.columns), *table.to_numpy().tolist()]
    lines = ["| " + " | ".join(map(str, cells)) + " |" for cells in (first, *others)]
    return "\n".join([lines[0], ruler, *lines[1:]])


def found_by(study, plan, rows, labels=None):
    """The rows of a study's entries, with "label" and "case" in the order of the tables."""
    found = pd.DataFrame(
        rows[key(entry.task)] | {"label": entry.label, "about": entry.case}
        for entry in STUDIES[study](plan, rows)
        if key(entry.task) in rows
    )
    if not found.empty:
        found["case"] = found["dataset"] + ", " + found["embedding"]
        for name, order in (("label", labels), ("case", None)):
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


def differences_table(found, value, reference=DEFAULT):
    """Labels by cases: paired differences."""
    return gains(found, value, reference).groupby("case", observed=False).agg(difference).T


def methods_page(plan, rows):
    """Tables 2, 3 and 4, and the rows behind them."""
    labels = (DEFAULT, TUNED, *BASELINES, *OPTIONS, *WHITENED)
    zsl, both, named = (
        found_by(name, plan, rows, labels) for name in ("methods", "generalized", "named")
    )
    tuning = "each split" if plan.tune_every_split else "the first split"
    parts = [METHODS.format(tuning=tuning, tuning_rows=plan.tuning_rows)]
    if not zsl.empty:
        parts += [SUMMARY, summary_table(plan, rows, zsl), "## Table 2: unseen classes only"]
        parts += [of_methods(figures_table(zsl, "accuracy"))]
        parts += ["Differences to ClasterZSL:", others(zsl, "accuracy"), published("table_2_zsl")]
    if not both.empty:
        sides = ["seen", "unseen"]
        means = both.groupby(["label", "case"], observed=False)[sides].mean()
        cells = means.mul(100).apply(lambda pair: " / ".join(f"{x:.1f}" for x in pair), axis=1)
        parts += [GENERALIZED.format(gate=GATE), "H:"]
        parts += [of_methods(figures_table(both, "harmonic_mean"))]
        parts += ["Differences in H to ClasterZSL:", others(both, "harmonic_mean")]
        parts += ["AUSUC:", of_methods(figures_table(both, "ausuc"))]
        parts += ["Seen / unseen, means:", of_methods(cells.unstack().replace("nan / nan", ""))]
        parts += [published("table_3_gzsl_harmonic_mean")]
    if not named.empty:
        parts += [NAMED, of_methods(named_table(named)), published("table_4_truze")]
    return parts, [zsl, both, named]


def of_methods(table):
    return markdown(table.rename_axis("method"))


def published(name):
    """What the paper prints, on features of other data: mean ± standard deviation."""
    printed = PUBLISHED[name]
    lines = {
        row: [cell if cell is None else " ± ".join(map(str, np.atleast_1d(cell))) for cell in cells]
        for row, cells in printed["rows"].items()
    }
    table = pd.DataFrame.from_dict(lines, orient="index", columns=printed["columns"]).fillna("")
    return f"{PRINTED}\n\n{of_methods(table)}"


def others(found, value):
    return of_methods(differences_table(found, value).drop(DEFAULT))


def named_table(found):
    """Methods by named splits: both settings in one cell."""
    column = found["dataset"] + " (" + found["split"] + "), " + found["embedding"]
    found["case"] = pd.Categorical(column, column.unique(), ordered=True)
    zsl = figures_table(found[found["setting"] == "zsl"], "accuracy")
    both = figures_table(found[found["setting"] == "gzsl"], "harmonic_mean")
    both = both.map(lambda cell: cell and f"; H {cell}")
    return zsl.add(both, fill_value="").reindex(zsl.index)


def summary_table(plan, rows, found):
    """One line a case: ClasterZSL, the selected baseline, the best one with hindsight."""
    lines, means = [], []
    for _, own in found.groupby("case", observed=True):
        case = own["about"].iloc[0]
        wide = own.pivot(index="split", columns="label", values="accuracy")
        picked = [selected_baseline(plan, rows, case, split) for split in wide.index]
        known = [label in wide.columns for label in picked]
        selected = pd.Series(
            [wide.at[s, label] for s, label in zip(wide.index, picked, strict=True) if all(known)],
            dtype=float,
        )
        theirs = wide[[label for label in BASELINES if label in wide.columns]]
        best = theirs.mean().idxmax() if theirs.shape[1] else ""
        hindsight = wide[best] if best else pd.Series(dtype=float)
        ours = wide[DEFAULT].to_numpy()
        tuned = wide.get(TUNED, pd.Series(dtype=float))
        cells = [case.dataset, case.embedding, wide[DEFAULT].count()]
        cells += [mean_and_spread(wide[DEFAULT]), mean_and_spread(tuned)]
        both = []
        for label, accuracies in (
            (", ".join(dict.fromkeys(filter(None, picked))), selected), (best, hindsight),
        ):  # fmt: skip
            gain = pd.Series(ours - accuracies.to_numpy() if len(accuracies) else [], dtype=float)
            cells += [label, mean_and_spread(accuracies), difference(gain)]
            both.append(gain.mean())
        lines.append(cells)
        means += [both] if "+" not in case.embedding else []
    pairs = pd.DataFrame(means, columns=["selected", "hindsight"], dtype=float)
    selected, hindsight = map(difference, (pairs["selected"], pairs["hindsight"]))
    lines.append(["mean", "", "", "", "", "", "", selected, "", "", hindsight])
    head = ["data set", "class vectors", "splits", DEFAULT, TUNED, "selected baseline"]
    head += ["its accuracy", "difference", "best with hindsight", "its accuracy", "difference"]
    table = pd.DataFrame(lines, columns=head)
    return markdown(table.set_index("data set"), 2)


def ablation_page(plan, rows):
    """Table 1, K, alpha, aggregation, section 5.6, and the rows behind them."""
    tables = {name: found_by(name, plan, rows) for name in SECTIONS}
    shown = {case for found in tables.values() if not found.empty for case in found["about"]}
    cases = [f"{case.dataset}: {case.embedding}" for case in plan.for_studies if case in shown]
    parts = [ABLATION.format(cases=", ".join(cases))]
    for name, (heading, words, column, reference) in SECTIONS.items():
        if not tables[name].empty and reference in set(tables[name]["label"]):
            parts += [heading, words, rules_table(tables[name], column, reference)]
    if not tables["ablation"].empty:
        before, after = PUBLISHED["purity_section_5_6"].values()
        parts += [published("table_1"), PURITIES, purity_table(tables["ablation"])]
        parts += [f"The paper prints {before:.0%} before and {after:.0%} after, on other features."]
    return parts, list(tables.values())


def rules_table(found, column, reference):
    """A line for each data set and label; for each test rule the figure and the difference."""
    columns = {}
    for rule in RULES:
        columns[f'"{rule}"'] = figures_table(found, rule).T.stack(future_stack=True)
        differences = differences_table(found, rule, reference).T.assign(**{reference: ""})
        columns[f"difference, {rule}"] = differences.stack(future_stack=True)
    purity = figures_table(found, "unseen_class_purity").T.stack(future_stack=True)
    table = pd.DataFrame(columns | {"class purity, unseen": purity}).reset_index()
    table["case"] = table["case"].str.partition(",")[0]
    heads = [name.removesuffix(f", {rule}") for rule in RULES for name in columns if rule in name]
    table.columns = ["data set", column, *heads, "class purity, unseen"]
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


def defaults_page(plan, rows):
    """Variants on held-out seen classes, and the rows behind them."""
    found = found_by("defaults", plan, rows)
    if found.empty:
        return [], []
    own = name_of(SEMANTIC)
    wide = found.pivot(index=["case", "split"], columns="label", values="accuracy")
    real = ~wide.index.get_level_values("case").astype(str).str.startswith(SYNTHETIC)
    averaged = real if real.any() else ~real
    lines = {}
    for label in wide.columns:
        reference = own if own in label and label != own else "default"
        gain = wide[label] - (wide[reference] if label != "default" else 0.0)
        means = 100 * gain.groupby("case", observed=True).mean()
        shown = means.map(("{:+.1f}" if label != "default" else "{:.1f}").format)
        lines[label] = dict(shown) | {"mean difference": difference(gain[averaged], 2)}
    lines["default"]["mean difference"] = ""
    table = pd.DataFrame.from_dict(lines, orient="index")
    text = DEFAULTS.format(n=sum(averaged), averaged="real" if real.any() else "synthetic")
    return [text, markdown(table.rename_axis("variant"))], [found]


def one_space_page(plan, rows):
    """The plain cosine and others in one space; probabilities; sets."""
    found, ours, shared = in_use_rows(plan, rows)
    if found.empty:
        return [], []
    parts, columns = [ONE_SPACE], {}
    for value, name in (("accuracy", "unseen classes"), ("harmonic_mean", "H")):
        if "CosineZSL" in set(shared["label"]):
            over = gains(shared, value, "CosineZSL").stack(future_stack=True).dropna()
            figures = shared.groupby(["case", "label"], observed=True)[value].apply(mean_and_spread)
            over = over.groupby(["case", "label"], observed=True).apply(with_least)
            columns[name] = figures + " (" + over + ")"
    parts += [markdown(pd.DataFrame(columns).rename_axis([CASE, "method"]), 2)] if columns else []
    groups = ours.groupby("case", observed=True)
    columns = {"calibration error": groups["calibration"].apply(mean_and_spread)}
    columns["largest"] = (100 * groups["calibration"].max()).map("{:.1f}".format)
    for space, name in (("zsl", "unseen"), ("seen", "seen")):
        for promised in PROMISED:
            sizes = groups[f"{space} {promised} size"].mean().map(" ({:.1f})".format)
            share = groups[f"{space} {promised}"].apply(mean_and_spread)
            columns[f"{name}, {100 * promised:.0f} %"] = share + sizes
    return [*parts, SURENESS, markdown(pd.DataFrame(columns).rename_axis(CASE))], [found]


def in_use_rows(plan, rows):
    """All rows, those of ClasterZSL, and those of cases where it has found one space."""
    found = found_by("in_use", plan, rows, (CLASTER, *SIMPLE))
    if found.empty:
        return found, found, found
    ours = found[found["label"] == CLASTER]
    return found, ours, found[found["case"].isin(ours.loc[ours["shared"] > 0, "case"])]


def with_least(gains):
    """In percentage points: "+1.3 ± 0.4; +0.8", the last the least."""
    gains = 100 * gains.dropna()
    return f"{gains.mean():+.1f} ± {gains.std():.1f}; {gains.min():+.1f}"


def unlabelled_page(plan, rows):
    """What pools of unlabelled samples are worth."""
    found, ours, shared = in_use_rows(plan, rows)
    if found.empty:
        return [], []
    own = [name for name in POOLS if name not in FOREIGN]
    parts = [UNLABELLED, pools_table(ours, own, ["calibration", "calibration, after"])]
    parts += [FOREIGNERS, pools_table(ours, FOREIGN), TOGETHER, pools_table(ours, BOTH_SIDES)]
    cosine = shared[shared["label"] == "CosineZSL"]
    parts += [] if cosine.empty else [NO_LABEL, pools_table(cosine, own)]
    return parts, [ours, cosine]


def pools_table(found, pools, others=()):
    """Cases by pools, with the mean of the differences over the cases."""
    groups, columns, last = found.groupby("case", observed=True), {}, {}
    for name in pools:
        over = found[f"{name}, after"] - found[f"{name}, before"]
        over = over.groupby(found["case"], observed=True)
        before, after = (100 * groups[f"{name}, {when}"].mean() for when in ("before", "after"))
        shown = before.map("{:.1f} → ".format) + after.map("{:.1f} (".format)
        columns[name] = shown + over.apply(with_least) + ")"
        last[name] = f"{100 * over.mean().mean():+.1f}"
    columns |= {name: groups[name].apply(mean_and_spread) for name in others}
    table = pd.DataFrame(columns)
    table.index = table.index.astype(str)
    table.loc["mean of the differences"] = last
    return markdown(table.fillna("").rename_axis(CASE))


PAGES = {  # and the studies that they show
    "zero_shot.md": (methods_page, ["methods", "generalized", "named"]),
    "ablation.md": (ablation_page, list(SECTIONS)),
    "defaults.md": (defaults_page, ["defaults"]),
    "one_space.md": (one_space_page, ["in_use"]),
    "unlabelled_samples.md": (unlabelled_page, ["in_use"]),
}


def write_pages(names, plan, rows, folder, source):
    """Write each page of one of these studies that there are rows for."""
    for name, (page, studies) in PAGES.items():
        parts, tables = page(plan, rows) if set(studies) & set(names) else ([], [])
        used = [table for table in tables if not table.empty]
        if used:
            folder.mkdir(parents=True, exist_ok=True)
            text = "\n\n".join(part.rstrip() for part in [*parts, provenance(used, source)])
            (folder / name).write_text(text + "\n", "utf-8")
            print(f"written: {folder / name}")


def provenance(tables, source):
    """How the rows came about."""
    used = pd.concat(tables)
    used = used.loc[~used.apply(key, axis=1).duplicated()]
    name = source.relative_to(ROOT) if source.is_relative_to(ROOT) else source.name
    lines = [
        f"* Rows: {len(used)} of `{name}`, measured {used['date'].min()} to "
        f"{used['date'].max()} on {' or '.join(used['machine'].unique())}, one thread per process.",
        f"* Versions: {' or '.join(used['versions'].unique())}; states of the code, each with its "
        f"own defaults: {', '.join(used['code'].unique())}.",
        "* Times are wall times on a machine with other work to do: orders of magnitude, no more.",
    ]
    if limits := sorted(set(used.loc[used["kind"].isin(["test", "in_use"]), "rows_a_class"]) - {0}):
        lines.append(f"* At most {limits} training samples per class: no figures to quote.")
    return "\n".join([*lines, "* Made by `python benchmarks/run.py`."])
