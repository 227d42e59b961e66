"""Pages of the evidence: the rows that the studies ask for, as pictures, tables and CSV files."""

import json
import re
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
NAMES = {  # others lose their underscores
    "snu_b36ex": "floor-impact noise", "ucf101_captions": "UCF101 captions (LSA)",
    "ucf101_minilm": "UCF101 captions (MiniLM)", "one_hot_digits": "the two digits",
    "attributes_linear": "attributes as numbers", "word2vec": "word2vec of names",
    "lsa_description": "LSA of descriptions", "minilm_description": "MiniLM of descriptions",
    "minilm_name": "MiniLM of names", "sentence_name": "sentence embeddings of names",
    "sentence_description": "sentence embeddings of descriptions",
}  # fmt: skip
IN_ORDER = (DEFAULT, TUNED, *BASELINES, *OPTIONS, *WHITENED)
LABELS = dict.fromkeys(("methods", "generalized", "named"), IN_ORDER)  # others: as they come
IN_PAPER = {  # what runs here under another name than in the paper's tables
    DEFAULT: "CLASTER", "FCLSWGAN": "WGAN", "FCLSWGAN, OD": "OD", "E2EHead": "E2E",
    "ERHead": "ER", "ClassGCN": "PS-GNN", "no clusters (baseline)": "no clustering",
    "random centroids": "random clustering, K=6", "NetVLAD": "CLASTER w/ NetVLAD",
    "K-means, fixed": "K-means, K=6",
}  # fmt: skip
OF_PAPER = "the paper: UCF101, I3D features"
PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text("utf-8"))
WRITTEN = Path(__file__).with_name("words.md").read_text("utf-8")  # paragraphs by name
WORDS = dict(re.findall(r"<!-- (\w+) -->\s*(.*?)\s*(?=<!--|\Z)", WRITTEN, re.DOTALL))
SURE = ["calibration", "calibration, after"]


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
    """A table whose first columns are words and whose others are figures; with its index.

    Of two columns of words the first does not repeat itself.
    """
    table = table.reset_index()
    if n_words > 1:
        first = table.iloc[:, 0].astype(str)
        table = table.assign(**{first.name: first.where(first != first.shift(), "")})
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
        found["case"] = in_words(found["dataset"]) + ", " + in_words(found["embedding"])
        for name, order in (("label", LABELS.get(study)), ("case", None)):
            present = found[name].unique()
            order = [x for x in order if x in present] if order else present
            found[name] = pd.Categorical(found[name], order, ordered=True)
    return found


def in_words(names):
    return names.map(lambda name: NAMES.get(name, name.replace("_", " ")))


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

    def table(found, value, printed=None):  # one kind of class vectors per data set fits a page
        few = found[found["about"].isin(plan.for_studies)]
        few = few.assign(case=few["case"].cat.remove_unused_categories())
        return of_methods(beside_paper(figures_table(few, value), printed))

    parts = [WORDS["methods"].format(tuning_rows=PER_CLASS, splits=zsl["split"].nunique())]
    summary, selected = summary_table(plan, rows, zsl)
    tables = ("table_2_zsl", "table_3_gzsl_harmonic_mean", "table_4_truze")
    parts += [WORDS["summary"], summary, WORDS["zsl"], table(zsl, "accuracy", tables[0])]
    csv = [summary_of(zsl, ["accuracy", "adapted"], DEFAULT)]
    if not both.empty:
        parts += [WORDS["generalized"].format(gate=GATE, splits=both["split"].nunique())]
        parts += [table(both, "harmonic_mean", tables[1])]
        values = ["seen", "unseen", "harmonic_mean", "adapted_harmonic_mean", "ausuc"]
        csv += [summary_of(both, values, DEFAULT)]
    if not named.empty:
        parts += [WORDS["named"], of_methods(beside_paper(named_table(named), tables[2]))]
    parts += [WORDS["with_pool"], "Accuracy on unseen classes:", table(zsl, "adapted")]
    parts += [] if both.empty else ["H:", table(both, "adapted_harmonic_mean")]
    parts += [WORDS["printed"], *map(published, tables)]
    draw_methods(zsl, both, selected, folder / "zero_shot.svg")
    pd.concat(csv).to_csv(folder / "zero_shot.csv", index=False)
    return parts, [zsl, both, named]


def published(name):
    """What the paper prints, on features of other data."""
    heading = name.replace("_", " ").partition(" ")[2].partition(" ")[0]
    return f"Table {heading}:\n\n{of_methods(printed_table(name))}"


def printed_table(name):
    """A table of the paper: mean ± standard deviation."""
    printed = PUBLISHED[name]
    lines = {
        row: [cell if cell is None else " ± ".join(map(str, np.atleast_1d(cell))) for cell in cells]
        for row, cells in printed["rows"].items()
    }
    return pd.DataFrame.from_dict(lines, orient="index", columns=printed["columns"]).fillna("")


def beside_paper(table, name):
    """A table with the paper's figures for UCF101 as its last column, if it is named.

    By word vectors where the paper has them.
    """
    if name is None:
        return table
    printed = printed_table(name).filter(like="UCF101").agg("; H ".join, axis=1)
    theirs = [IN_PAPER.get(name, name) for name in table.index.get_level_values(-1)]
    return table.assign(**{OF_PAPER: [of_kind(printed, name) for name in theirs]})


def of_kind(printed, method):
    for kind in ("", "W", "ED"):
        if (name := f"{method} {kind}".strip()) in printed:
            return f"{kind} {printed[name]}".strip()
    return ""


def named_table(found):
    """Methods by named splits: both settings in one cell."""
    column = in_words(found["dataset"]) + ", " + found["split"] + " split"
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
        cells = [name, mean_and_spread(wide[DEFAULT])]
        over = []
        for label in (selected[name], best):
            theirs = wide.get(label, none)
            over.append(wide[DEFAULT] - theirs)
            cells += [f"{label} {mean_and_spread(theirs)}".strip(), difference(over[-1])]
        lines.append(cells)
        means.append([gain.mean() for gain in over])
    first, second = (difference(column) for _, column in pd.DataFrame(means).items())
    lines.append(["mean", "", "", first, "", second])
    head = [CASE, DEFAULT, "selected baseline", "difference"]
    table = pd.DataFrame(lines, columns=[*head, "best with hindsight", "difference "])
    return markdown(table.set_index(CASE)), selected


def ablation_page(plan, rows, folder, found):
    """Table 1, the same with unlabelled samples, section 5.6, and the rows behind them."""
    variants = found.groupby(["case", "split"], observed=True)["label"].transform("nunique")
    found = found[variants == variants.max()]  # splits that have all of them
    cases = "\n".join(f"* {case}" for case in found["case"].cat.categories)
    parts = [WORDS["ablation"].format(cases=cases, splits=found["split"].nunique())]
    parts += [WORDS["table_1"], rules_table(found, "")]
    parts += [WORDS["chain"], rules_table(found, ", adapted")]
    before, after = PUBLISHED["purity_section_5_6"].values()
    parts += [WORDS["purities"], purity_table(found)]
    parts += [f"The paper prints {before:.0%} before and {after:.0%} after, on other features."]
    parts += [WORDS["printed"].partition(" M:")[0], published("table_1")]
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
    table = pd.DataFrame(columns)
    if not ending:
        table = beside_paper(table, "table_1")
        others = ~table.index.get_level_values(0).str.startswith("UCF101")
        table.loc[others, OF_PAPER] = ""
    table = table.reset_index()
    table["case"] = table["case"].str.partition(",")[0]
    table.columns = ["data set", "variant", *table.columns[2:]]
    return markdown(table.set_index("data set"), 2)


def purity_table(found):
    """Before and after REINFORCE, over the splits."""
    names = {"K-means, fixed": "K-means", "CLASTER": "REINFORCE"}
    found = found[found["label"].isin(names)]
    groups = found.groupby([in_words(found["dataset"]), "label"], observed=True)
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
    parts, columns = [WORDS["one_space"].format(splits=ours["split"].nunique())], {}
    if "CosineZSL" in set(shared["label"]):
        for value, name in (("accuracy", "unseen classes"), ("harmonic_mean", "H")):
            over = gains(shared, value, "CosineZSL").stack(future_stack=True).dropna()
            figures = shared.groupby(["case", "label"], observed=True)[value].apply(mean_and_spread)
            over = over.groupby(["case", "label"], observed=True).apply(with_least)
            columns[name] = figures + " (" + over + ")"
        parts += [markdown(pd.DataFrame(columns).rename_axis([CASE, "method"]), 2)]
        draw_shared(shared, folder / "one_space.svg")
        csv = summary_of(shared, ["accuracy", "harmonic_mean"], "CosineZSL")
        csv.to_csv(folder / "one_space.csv", index=False)
    if sure.empty:
        return parts, [found]
    groups = sure.groupby("case", observed=True)
    columns = {"calibration error": groups["calibration"].apply(mean_and_spread)}
    columns["largest"] = (100 * groups["calibration"].max()).map("{:.1f}".format)
    parts += [WORDS["sureness"], markdown(pd.DataFrame(columns).rename_axis(CASE))]
    columns = {}
    for space, name in (("zsl", "unseen"), ("seen", "seen")):
        for promised in PROMISED:
            sizes = groups[f"{space} {promised} size"].mean().map(" ({:.1f})".format)
            share = groups[f"{space} {promised}"].apply(mean_and_spread)
            columns[f"{name}, {100 * promised:.0f} %"] = share + sizes
    return [*parts, WORDS["sets"], markdown(pd.DataFrame(columns).rename_axis(CASE))], [found, sure]


def ours_and_shared(found):
    """The rows of ClasterZSL, and those of cases where it has found one space."""
    ours = found[found["label"] == CLASTER]
    return ours, found[found["case"].isin(ours.loc[ours["shared"] > 0, "case"])]


def unlabelled_page(plan, rows, folder, found):
    """What pools of unlabelled samples are worth."""
    ours, shared = ours_and_shared(found)
    own = [name for name in POOLS if name not in FOREIGN]
    parts = [WORDS["unlabelled"].format(splits=ours["split"].nunique()), pools_table(ours, own)]
    parts += [WORDS["foreigners"], pools_table(ours, FOREIGN)]
    parts += [WORDS["together"], pools_table(ours, BOTH_SIDES)]
    cosine = shared[shared["label"] == "CosineZSL"]
    parts += [] if cosine.empty else [WORDS["no_label"], pools_table(cosine, own)]
    groups = ours.groupby("case", observed=True)
    columns = {name: groups[name].apply(mean_and_spread) for name in SURE}
    parts += [WORDS["sure_after"], markdown(pd.DataFrame(columns).rename_axis(CASE))]
    draw_pools(ours, {name: gain(ours, name) for name in own}, folder / "unlabelled_samples.svg")
    every_pool(pd.concat([ours, cosine])).to_csv(folder / "unlabelled_samples.csv", index=False)
    return parts, [ours, cosine]


def every_pool(found):
    """A line per case, method and pool, for a CSV file."""
    lines = []
    for (case, label), own in found.groupby(["case", "label"], observed=True):
        for pool in (*POOLS, *BOTH_SIDES):
            over = gain(own, pool).dropna()
            before, after = own[f"{pool}, before"].mean(), own[f"{pool}, after"].mean()
            cells = 100 * np.array([before, after, over.mean(), over.std(), over.min()])
            lines += [[case, label, pool, len(over), *cells.round(2)]] if len(over) else []
    head = [CASE, "method", "pool", "splits", "without", "with"]
    return pd.DataFrame(lines, columns=[*head, "difference", "standard deviation", "least"])


def gain(found, pool):
    return found[f"{pool}, after"] - found[f"{pool}, before"]


def pools_table(found, pools):
    """Cases by pools, with the mean of the differences over the cases, and the least of all."""
    groups, columns, mean, least = found.groupby("case", observed=True), {}, {}, {}
    for name in pools:
        over = (100 * gain(found, name)).groupby(found["case"], observed=True)
        before, after = (100 * groups[f"{name}, {when}"].mean() for when in ("before", "after"))
        shown = before.map("{:.1f} → ".format) + after.map("{:.1f} (".format)
        shown += over.mean().map("{:+.1f} ± ".format)
        columns[name] = shown + over.std().map("{:.1f})".format)
        mean[name], least[name] = f"{over.mean().mean():+.1f}", f"{over.min().min():+.1f}"
    table = pd.DataFrame(columns)
    table.index = table.index.astype(str)
    table.loc["mean of the differences"], table.loc["least of a split"] = mean, least
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
