"""The page that takes ClasterZSL apart: Table 1, K, alpha, aggregation, section 5.6."""

from figures import difference, markdown, mean_and_spread, paired_differences
from measure import RULES
from studies import ABLATION, ALPHAS, BEFORE_AFTER, CLUSTERS, FUSIONS

PUBLISHED = {}  # {row of Table 1: text}, only what was read in the source itself
TEXT = """\
# ClasterZSL taken apart

One part is changed at a time; all else has its default. Mean per-class accuracy on unseen classes
in percent, mean ± standard deviation over the class splits (at most {n_splits}), with one kind of
class vectors for each data set ({cases}).
Differences are paired by split (percentage points, 95 % t-interval). The visual half of the default
test rule "combined" never sees the clusters; "compatibility" and "seen_class", the paper's sentence
to the letter, see nothing else. All three are read off one fit.

"""
SECTIONS = {
    "ablation": (
        "## Table 1: the paper's ablation",
        "Differences to the last line. The column of published figures is for other features "
        "(I3D) and stays empty where a figure could not be read in its source.",
        "variant",
        list(ABLATION),
        "CLASTER",
    ),
    "clusters": (
        "## The number of clusters",
        "Differences to K = 6, the default and the paper's choice.",
        "K",
        CLUSTERS,
        6,
    ),
    "alpha": (
        "## The step size of REINFORCE",
        "Differences to alpha = 0.1, the default; alpha = 0 is K-means, fixed.",
        "alpha",
        ALPHAS,
        0.1,
    ),
    "fusion": (
        "## The aggregation of the visual and the semantic half",
        "The supplement's comparison. Differences to the concatenation, the default.",
        "fusion",
        FUSIONS,
        "concatenate",
    ),
}


def claster_page(plan, by_key, tables):
    """The Markdown text."""
    cases = ", ".join(f"{case.dataset}: {case.embedding}" for case in plan.study_cases())
    splits = {entry.task["split"] for found in tables.values() for entry, _ in found}
    parts = [TEXT.format(n_splits=len(splits), cases=cases).rstrip()]
    for name, (title, words, column, labels, reference) in SECTIONS.items():
        if tables[name]:
            published = PUBLISHED if name == "ablation" else None
            table = rules_table(tables[name], column, labels, reference, published)
            parts += [title, words, table]
    if tables["analysis"]:
        parts.append(analysis(tables["analysis"]))
    return "\n\n".join(parts)


def under(rule):
    return lambda row: row["by_rule"][rule]["unseen"]


def rules_table(found, column, labels, reference, published=None):
    """A line for each data set and label; for each test rule the figure and the difference."""
    head = ["data set", column]
    for rule in RULES:
        head += [f'"{rule}"', "difference"]
    head += ["class purity, unseen"]
    head += ["published (other features)"] if published is not None else []
    lines = []
    for case in dict.fromkeys(entry.case for entry, _ in found):
        rows = {
            label: [row for entry, row in found if entry.case == case and entry.label == label]
            for label in labels
        }
        for label, own in rows.items():
            if not own:
                continue
            cells = [case.dataset, label]
            for rule in RULES:
                gain = paired_differences(own, rows[reference], under(rule))
                cells.append(mean_and_spread([under(rule)(row) for row in own]))
                cells.append(difference(gain) if label != reference else "")
            purities = [r["unseen_class_purity"] for r in own if "unseen_class_purity" in r]
            cells.append(mean_and_spread(purities))
            lines.append(cells + ([published.get(label, "")] if published is not None else []))
    return markdown(head, lines, 2)


def analysis(found):
    """Section 5.6: purities, clusters by classes, mistakes, before and after REINFORCE."""
    parts = [
        "## Section 5.6: clusters and mistakes before and after REINFORCE",
        "The first split. Purities in percent: `class_purity` is the share of a class that lies in "
        "its main cluster (what the paper's figures can only be), `cluster_purity` the share of a "
        "cluster that belongs to its main class (its Eq. 7 as printed).",
    ]
    names = ("class_purity", "unseen_class_purity", "cluster_purity", "unseen_cluster_purity")
    head = ["data set", "centroids", "class purity, training rows", "class purity, unseen classes"]
    head += ["cluster purity, training rows", "cluster purity, unseen classes", "centroid movement"]
    parts.append(
        markdown(
            head,
            [
                [entry.case.dataset, entry.label]
                + [f"{100 * row[name]:.1f}" for name in names]
                + [f"{row['centroid_movement']:.1e}"]
                for entry, row in found
            ],
            2,
        )
    )
    for case in dict.fromkeys(entry.case for entry, _ in found):
        rows = {entry.label: row for entry, row in found if entry.case == case}
        if len(rows) < len(BEFORE_AFTER):
            continue
        parts += [f"### {case.dataset}", confusions(rows), "", clusters_by_class(rows)]
    return "\n\n".join(filter(None, parts))


def confusions(rows):
    """The most frequent mistakes before, and what became of them; and the other way round."""
    shares = [{(true, named): share for true, named, share in r["confused"]} for r in rows.values()]
    pairs = sorted({**shares[1], **shares[0]}, key=lambda pair: -shares[0].get(pair, 0))
    cells = [
        [*pair, *(f"{100 * share[pair]:.0f}" if pair in share else "" for share in shares)]
        for pair in pairs
    ]
    words = (
        "The ten most confused pairs of unseen classes of either model, in percent of the rows of "
        'the true class ("compatibility"); empty where a pair is not among the ten.'
    )
    return words + "\n\n" + markdown(["class", "named", *rows], cells, 2)


def clusters_by_class(rows):
    """How many rows of each unseen class lie in each cluster."""
    tables = {label: row["clusters_by_class"] for label, row in rows.items()}
    names = list(next(iter(tables.values())))
    head = ["class", *(f"{label}: rows in each cluster" for label in tables)]
    lines = [[n, *(" ".join(map(str, table[n])) for table in tables.values())] for n in names]
    summary = "<details><summary>Clusters by classes</summary>"
    return f"{summary}\n\n{markdown(head, lines)}\n\n</details>"
