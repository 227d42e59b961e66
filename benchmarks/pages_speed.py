"""The page of speeds, from its rows."""

import numpy as np

HEAD = """\
# Speed

Made by `benchmarks/speed.py`; [Performance](../performance.md) says what the figures mean. Each is
the median of the runs, with the least and the most in brackets; what is compared ran in turns in
one process. *Floor*: the time that the operations and bytes of the method take at the rates of this
machine, measured before and after every run.
"""
TITLES = {
    "rates": "What the machine does",
    "fit": "fit against the floor",
    "paper": "fit in the paper's configuration",
    "precision": "V by batch and precision",
    "small": "A small fit",
    "predict": "predict against a plain torch loop",
    "threads": "Two fits side by side",
    "others": "Next to other methods",
    "memory": "Memory",
}
STAGE = [
    ("stage", "label"), ("GFLOP", "gflop"), ("GB moved", "moved_gb"),
    ("GB by Adam", "optimiser_gb"), ("floor, s", "floor"), ("measured, s", "seconds"),
    ("measured / floor", "ratio"), ("with Adam's rate on its own", "ratio_alone"),
]  # fmt: skip
COLUMNS = {
    "rates": [("rate", "label"), ("", "rate"), ("unit", "unit")],
    "fit": STAGE,
    "paper": STAGE,
    "precision": [
        ("", "label"), ("floor, s", "floor"), ("measured, s", "seconds"),
        ("ms a step", "ms_a_step"), ("floor / measured", "of_floor"), ("TFLOP/s", "tflops"),
        ("to the rate of products", "of_products"), ("whole fit, s", "whole"),
    ],
    "small": [
        ("", "label"), ("seconds", "seconds"), ("least, s", "least"),
        ("ms a training step", "ms_a_step"),
    ],
    "predict": [
        ("", "label"), ("seconds", "seconds"), ("to the plain loop", "ratio"),
        ("to the floor", "to_floor"), ("labels that agree", "agree"),
    ],
    "threads": [("", "label"), ("seconds", "seconds"), ("to one after the other", "ratio")],
    "others": [
        ("", "label"), ("seconds", "seconds"), ("ClasterZSL's time to this one's", "ratio"),
        ("GFLOP", "gflop"), ("GFLOP/s", "rate"),
    ],
    "memory": [
        ("type of X", "label"), ("X, MiB", "data_mib"), ("fit, MiB", "fit_mib"),
        ("predict, MiB", "predict_mib"), ("fit / (n f 4 bytes)", "fit_ratio"),
        ("predict / (n f 4 bytes)", "predict_ratio"),
    ],
}  # fmt: skip
NOTES = {
    "fit": "Aim: the whole at most 1.5 times the floor.",
    "precision": "Aims on a GPU, at the paper's width: floor / measured at least 0.7 with batches "
    "of 256; 0.4 of the rate of products with batches of 2,048. Floor and rate are those of the "
    "precision in the line; bfloat16 and TF32 are for products only, weights and Adam are float32. "
    "The fits have the paper's parameters and are not whitened; one line was measured after the "
    "other, not in turns.",
    "small": "Aims: the least below 0.3 seconds; one row of predict below 2 ms. Stages are of one "
    "run more.",
    "predict": "Aims: at most 1.15 times the plain loop; one row below 2 ms.",
    "threads": "Aim: not above 1.",
    "others": "The plain loops hold the same three networks, clusters and rewards. scikit-learn's "
    "MLPClassifier has the same hidden layers and batches, and one network where ClasterZSL has "
    "three. Rates are operations by formula over the time.",
    "memory": "What fit and predict hold at most on top of the data, on the CPU in a process of "
    "its own; to the size of the data in float32.",
}
NO_GPU = "Not measured yet on a GPU: `python benchmarks/speed.py --device cuda`.\n"


def number(value):
    if value == 0 or not np.isfinite(value):
        return "" if not np.isfinite(value) else "0"
    digits = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{value:,.{min(digits, 5)}f}"


def cell(value):
    """A number with three digits; several as their median, least and most."""
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, list):
        return number(value)
    if len(value) == 1:
        return number(value[0])
    return f"{number(np.median(value))} ({number(min(value))} to {number(max(value))})"


def table(rows, columns):
    shown = [(head, key) for head, key in columns if any(key in row for row in rows)]
    lines = [
        "| " + " | ".join(head for head, _ in shown) + " |",
        "|---|" + "---:|" * len(shown[1:]),
    ]
    for row in rows:
        lines.append("| " + " | ".join(cell(row.get(key)) for _, key in shown) + " |")
    return "\n".join(lines)


def section(study, rows):
    how = rows[0]
    setting = next((row["setting"] for row in rows if "setting" in row), None)
    clock = "wall clock" if how["clock"] == "wall" else "processor time"
    load = "" if how["load"] is None else f", load at the start {how['load']:.1f}"
    threads = "1 thread" if how["threads"] == 1 else f"{how['threads']} threads"
    runs = "1 run" if how["runs"] == 1 else f"{how['runs']} runs"
    versions = ", ".join(f"{name} {version}" for name, version in how["versions"].items())
    lines = [f"## {TITLES[study]}, {how['device']}"]
    lines += [" ".join(filter(None, [setting and setting + ".", NOTES.get(study)]))]
    lines += [table(rows, COLUMNS[study])]
    lines += [
        f"{runs}, {clock}, {threads} on {how['cores']} cores{load}; "
        f"{how['machine']}; {versions}, code {how['code']}; {how['date']}; `{how['command']}`."
    ]
    return "\n\n".join(filter(None, lines))


def page(rows):
    parts = [HEAD]
    for device in sorted({row["device"] for row in rows}):
        for study in TITLES:
            own = [row for row in rows if (row["study"], row["device"]) == (study, device)]
            if own:
                parts.append(section(study, own) + "\n")
    if not any(row["device"].startswith("cuda") for row in rows):
        parts.append(f"## On a GPU\n\n{NO_GPU}")
    return "\n".join(parts)
