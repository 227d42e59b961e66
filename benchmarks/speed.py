"""How fast it is: fit and predict against the floor of the machine, and against other code.

    python benchmarks/speed.py                       all of it
    python benchmarks/speed.py --quick               tiny sizes: does it run? (no figures to quote)
    python benchmarks/speed.py --only fit predict    some of it; the other rows stay
    python benchmarks/speed.py --device cuda         on a GPU, with the paper's configuration too
    python benchmarks/speed.py --clock processor     one thread, its own time: on a machine in use

Every figure is of several runs, and what is compared runs in turns in one process. The floor is in
`floor.py`; its rates are measured before and after each run.
"""

import argparse
import json
import os
import platform
import warnings
from datetime import UTC, datetime
from pathlib import Path

import torch
from pages_speed import page
from rows import ROOT, code, command, read_rows, versions
from sklearn.exceptions import ConvergenceWarning
from speed_studies import STUDIES, Setup
from timing import CLOCKS, Timer, threads


def machine(device):
    """The processor, or the GPU, in words."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def measure(names, setup, path):
    """Rows of the studies, which replace those of the same study and device in the file."""
    how = {
        "device": setup.timer.device, "clock": setup.timer.clock, "runs": setup.runs,
        "threads": torch.get_num_threads(), "machine": machine(setup.timer.device),
        "cores": os.cpu_count(), "versions": versions(), "code": code(), "command": command(),
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    for name in names:
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ConvergenceWarning
            )  # of clusters that random data leave
            rows = STUDIES[name](setup)
        if not rows:
            print(f"{name}: not with this device and clock", flush=True)
            continue
        how |= {"load": load, "date": datetime.now(UTC).isoformat(timespec="minutes")}
        key = (name, setup.timer.device)
        kept = [row for row in read_rows(path) if (row["study"], row["device"]) != key]
        kept += [{"study": name} | how | row for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in kept), "utf-8")
        print(f"{name}: {len(rows)} rows", flush=True)


def make_parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--only", nargs="+", choices=list(STUDIES), default=list(STUDIES))
    parser.add_argument("--quick", action="store_true", help="tiny sizes, into build/benchmarks")
    parser.add_argument("--runs", type=int, default=5, help="of everything (default: 5)")
    parser.add_argument("--threads", type=int, help="default: as many as torch takes")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    parser.add_argument("--output", type=Path, help="folder for speed.jsonl and speed.md")
    parser.add_argument("--pages-only", action="store_true", help="render the rows that are there")
    return parser


def main():
    parser = make_parser()
    args = parser.parse_args()
    device = args.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        parser.error("There is no CUDA device here.")
    if args.clock == "processor" and (device != "cpu" or args.threads not in {None, 1}):
        parser.error("--clock processor is for one thread on the CPU.")
    n_threads = 1 if args.clock == "processor" else args.threads or torch.get_num_threads()
    folder = args.output or (ROOT / "build" / "benchmarks" / "quick" if args.quick else None)
    rows_path = (folder or ROOT / "benchmarks" / "results") / "speed.jsonl"
    page_path = (folder or ROOT / "docs" / "results") / "speed.md"
    if not args.pages_only:
        timer = Timer(device, args.clock, budget=0.01 if args.quick else 0.15)
        setup = Setup(timer, args.runs, args.quick)
        with threads(n_threads):
            measure(args.only, setup, rows_path)
    page_path.parent.mkdir(parents=True, exist_ok=True)
    page_path.write_text(page(read_rows(rows_path)), "utf-8")
    print(f"written: {page_path}")


if __name__ == "__main__":
    main()
