"""Pages of the evidence: rows found for the entries of the studies, as Markdown tables.

A page that compares versions or code with each other would compare nothing: rows of the newest
versions count, and a page says if its rows come from different states of the code.
"""

import sys
from dataclasses import replace
from pathlib import Path

from centroid_study import centroid_study
from figures import distinct
from pages_centroids import centroid_page
from pages_claster import claster_page
from pages_methods import methods_page
from rows import ROOT, key, latest
from studies import SPLITS, STUDIES

PAGES = {
    "zero_shot.md": (methods_page, ("methods", "generalized", "named")),
    "ablation.md": (claster_page, ("ablation", "clusters", "alpha", "fusion", "analysis")),
    "centroids.md": (centroid_page, ("centroids",)),
}


def found_entries(study, plan, by_key):
    """(entry, row) of each entry that has a row, and the number of the plan's own without.

    Rows of more splits than the plan asks for count too.
    """
    n_missing = sum(key(entry.task) not in by_key for entry in study(plan, by_key))
    most = max(len(case.numbered) for case in plan.cases)
    wide = replace(plan, **{kind: max(most, getattr(plan, kind)) for kind in SPLITS})
    wide = replace(wide, long_splits=wide.centroid_splits)
    found = [(e, by_key[key(e.task)]) for e in study(wide, by_key) if key(e.task) in by_key]
    return found, n_missing


def write_pages(plan, names, rows, folder, source):
    """Write each page that one of the studies stands on."""
    by_key = latest(of_newest_versions(rows))
    for name, (page, studies) in PAGES.items():
        if not set(studies) & set(names):
            continue
        tables, used, n_missing = {}, [], 0
        for study in studies:
            make = STUDIES.get(study, centroid_study)
            tables[study], missing = found_entries(make, plan, by_key)
            used += [row for _, row in tables[study]]
            n_missing += missing
        if not used:
            continue
        text = page(plan, by_key, tables) + provenance(used, n_missing, source)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
        print(f"written: {folder / name}")


def of_newest_versions(rows):
    """The rows of the versions that the newest row has; says how many others there are."""
    if not rows:
        return []
    newest = max(rows, key=lambda row: row["date"])["versions"]
    kept = [row for row in rows if row["versions"] == newest]
    if len(kept) < len(rows):
        print(f"{len(rows) - len(kept)} rows of other versions are left out", file=sys.stderr)
    return kept


def provenance(rows, n_missing, source):
    """How the rows came about."""
    path = Path(source).resolve()
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
    dates = sorted(row["date"][:10] for row in rows)
    versions = ", ".join(f"{k} {v}" for k, v in distinct(rows, "versions")[0].items())
    limits = distinct([row for row in rows if row["training"]], "training")
    lines = [
        f"* Rows: `{name}`, {len({key(row) for row in rows})} of them"
        + (f"; {n_missing} are still missing" if n_missing else "")
        + ". Each holds its parameters, seed, versions, warnings, times and peak memory.",
        f"* Versions: {versions}; state of the code: {', '.join(distinct(rows, 'code'))}.",
        f"* Machine: {' or '.join(map(str, distinct(rows, 'cores')))} cores, one thread a process, "
        f"device {' or '.join(distinct(rows, 'device'))}; run {dates[0]} to {dates[-1]}. Times are "
        "wall times on a machine with other work to do: orders of magnitude, no more.",
    ]
    if limits and not any("label_noise" in limit for limit in limits):
        words = "; ".join(f"{k} = {v}" for limit in limits for k, v in limit.items())
        lines.append(f"* Training rows are limited: {words}. These are no figures to quote.")
    commands = "\n".join(distinct(rows, "command"))
    return "\n\n" + "\n".join(lines) + f"\n* Made by\n\n```bash\n{commands}\n```\n"
