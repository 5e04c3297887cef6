"""Reads what simdrope_bench and callgrind wrote."""

import glob
import json
import os
import re


def load_timings(pattern):
    """The medians of all passes, one dict each: of a name's, the middle one. And the context of a pass.

    Ratios to simdrope's times have a middle of their own: each compares times of the same rounds. A roof is the way
    that is the fastest of these, not the middle one of what was fastest in each pass, which is noise's choice.
    """
    passes, context = {}, {}
    for path in sorted(glob.glob(pattern)):
        timings, context = load_pass(path)
        for timing in timings:
            passes.setdefault(timing["name"], []).append(timing)
    timings = []
    for same in passes.values():
        timing = dict(middle(same, "median_ns"), passes_ns=[timing["median_ns"] for timing in same])
        if "over_simdrope" in timing:
            timing["over_simdrope"] = middle(same, "over_simdrope")["over_simdrope"]
        timings.append(timing)
    return timings + fastest_ways(timings), context


def fastest_ways(timings):
    def slowness(timing):
        return timing.get("over_simdrope", timing["median_ns"])

    fastest = {}
    for timing in timings:
        if not is_variant(timing["impl"]):
            continue
        family = timing["impl"].split(".")[0]
        name = timing["name"].replace(timing["impl"], family)
        if name not in fastest or slowness(timing) < slowness(fastest[name]):
            fastest[name] = dict(timing, name=name, impl=family, fastest_variant=timing["impl"])
    return list(fastest.values())


def middle(timings, key):
    return sorted(timings, key=lambda timing: timing[key])[len(timings) // 2]


def load_pass(path):
    with open(path) as file:
        run = json.load(file)
    timings = []
    for entry in run["benchmarks"]:
        if "label" in entry:  # a roof's fastest way in this pass alone
            continue
        timing = {
            "name": entry["run_name"],
            "threads": entry["threads"],
            "median_ns": entry["real_time"],
            "cpu_median_ns": entry["cpu_time"],
            "lower_quartile_ns": entry["lower_quartile_ns"],
            "upper_quartile_ns": entry["upper_quartile_ns"],
            "rounds": entry["repetitions"],
        }
        for key in ("bytes", "over_simdrope"):
            if key in entry:
                timing[key] = entry[key]
        parts = timing["name"].split("/")
        if parts[0] == "apply":
            keys = ("kind", "workload", "dtype", "pairing", "mode", "impl")
        elif parts[0] == "fused":
            keys = ("kind", "chain", "formats", "workload", "impl")
        else:
            keys = ("kind", "workload", "pairs", "impl") if len(parts) == 5 else ("kind", "workload", "impl")
        timing.update(zip(keys, parts))
        timings.append(timing)
    context = {key: value for key, value in run["context"].items() if key not in ("host_name", "executable")}
    return timings, context


def load_instructions(folder):
    """Instructions of one call, by benchmark name."""
    counts = {}
    for path in glob.glob(os.path.join(folder, "instructions.*")):
        with open(path, errors="replace") as file:
            text = file.read()
        name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.M)
        total = re.search(r"^(?:summary|totals): (\d+)", text, re.M)
        if name and total:
            count = int(total.group(1))
            counts[name.group(1)] = min(count, counts.get(name.group(1), count))
    return dict(sorted(counts.items()))


class Table:
    """Medians in ns, and ratios to simdrope's times, looked up by what was measured."""

    def __init__(self, timings):
        self.by_name = {timing["name"]: timing for timing in timings}

    def get(self, name, key):
        return self.by_name.get(name, {}).get(key)

    def apply(self, workload, dtype, pairing, mode, impl, threads=1, key="median_ns"):
        return self.get(f"apply/{workload}/{dtype}/{pairing}/{mode}/{impl}/threads:{threads}", key)

    def over_simdrope(self, workload, dtype, mode, impl):
        """Half pairs, one thread."""
        return self.apply(workload, dtype, "half", mode, impl, key="over_simdrope")

    def quotient(self, *measurements):
        """The middle one over the passes, of two measurements (arguments of apply) in the same pass."""
        passes = [self.apply(*measurement, key="passes_ns") for measurement in measurements]
        if None in passes:
            return None
        quotients = sorted(a / b for a, b in zip(*passes))
        return quotients[len(quotients) // 2]

    def fused(self, chain, formats, tokens, impl, key="over_simdrope"):
        """One thread."""
        return self.get(f"fused/{chain}/{formats}/tokens-{tokens}/{impl}/threads:1", key)

    def other(self, name):
        return self.get(f"{name}/threads:1", "median_ns")


def is_variant(impl):
    return "." in impl


def is_yardstick(impl):
    return impl.startswith("roof") or impl in ("memcpy", "rows")


def is_own(impl):
    return impl.startswith("simdrope")


def groups(timings):
    """The apply timings by (workload, dtype, pairing, mode, threads), each a dict impl -> timing."""
    found = {}
    for timing in timings:
        if timing["kind"] == "apply" and not is_variant(timing["impl"]):
            key = tuple(timing[k] for k in ("workload", "dtype", "pairing", "mode", "threads"))
            found.setdefault(key, {})[timing["impl"]] = timing
    return found


def workloads(timings):
    """The workloads of the apply timings, as simdrope_bench runs them; `tokens-<n>` are one over its length."""
    names = dict.fromkeys(timing["workload"] for timing in timings if timing["kind"] == "apply")
    return [name for name in names if not name.startswith("tokens-")]


def fused_groups(timings):
    """The fused timings by (chain, formats, workload, threads), each a dict impl -> timing."""
    found = {}
    for timing in timings:
        if timing["kind"] == "fused" and not is_variant(timing["impl"]):
            key = tuple(timing[k] for k in ("chain", "formats", "workload", "threads"))
            found.setdefault(key, {})[timing["impl"]] = timing
    return found


def disturbed(timings):
    """How many one-thread medians hold over 5% of waiting for the CPU, and of how many."""
    alone = [t for t in timings if t["threads"] == 1 and not is_variant(t["impl"])]
    return sum(t["median_ns"] > 1.05 * t["cpu_median_ns"] for t in alone), len(alone)


def best_peer(group):
    """The fastest implementation that is neither simdrope nor a yardstick; None if there is none."""
    peers = [t for impl, t in group.items() if not is_own(impl) and not is_yardstick(impl)]
    return min(peers, key=lambda t: t["median_ns"], default=None)
