#!/usr/bin/env python3
"""Turns the raw output of simdrope_bench into report.json, report.md and plots. Run by tools/dev/compare-peers."""

import argparse
import json
import os
import platform
import sys

from report_data import load_instructions, load_timings
from report_markdown import write_markdown
from report_targets import targets


def machine():
    model, flags = platform.machine(), []
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            for line in cpuinfo:
                key, _, value = line.partition(":")
                if key.strip() == "model name":
                    model = value.strip()
                if key.strip() in ("flags", "Features") and not flags:
                    flags = value.split()
    except OSError:
        pass
    shown = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "asimd", "sve")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "instruction_sets": [flag for flag in flags if flag in shown],
        "kernel": platform.release(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_average": os.getloadavg()[0],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", required=True, help="folder with timings-*.json, timings-avx2-*.json, instructions.*")
    parser.add_argument("--out", required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--passes", type=int, default=1)
    args = parser.parse_args()

    timings, context = load_timings(os.path.join(args.raw, "timings-[0-9]*.json"))
    avx2, _ = load_timings(os.path.join(args.raw, "timings-avx2-[0-9]*.json"))
    report = {
        "commit": args.commit,
        "rounds": args.rounds,
        "passes": args.passes,
        "machine": machine(),
        "context": context,
        "timings": timings,
        "timings_avx2": avx2,
        "instructions": load_instructions(args.raw),
    }
    messages = os.path.join(args.raw, "messages.txt")
    if os.path.exists(messages):
        with open(messages) as lines:
            said = (line.strip() for line in lines if line.startswith(("not timed", "left out")))
            report["messages"] = list(dict.fromkeys(said))  # once, in whichever pass
    report["targets"] = targets(report)
    with open(os.path.join(args.out, "report.json"), "w") as out:
        json.dump(report, out, indent=1)

    try:
        from report_plots import write_plots

        plots = write_plots(report, args.out)
    except ImportError as error:
        print(f"report: no plots: {error} (Debian: python3-matplotlib)", file=sys.stderr)
        plots = []
    write_markdown(report, plots, os.path.join(args.out, "report.md"))


if __name__ == "__main__":
    main()
