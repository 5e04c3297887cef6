#!/usr/bin/env python3
"""Checks who includes whom: check_layers.py ROOT.

Lower layers never include higher ones (core <- angle <- kernels <- exec <- api); Highway is seen by
the kernels' unit alone, TBB by exec/parallel.cc alone, JSON by src/io alone; what stands beside the
core uses its public headers only.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
LAYERS = ["core", "angle", "kernels", "exec", "api"]
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)
SOURCES = {".h", ".hpp", ".cc", ".c"}
faults = []
checked = 0


def files(folder):
    return sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in SOURCES)


def includes(path):
    return INCLUDE.findall(path.read_text())


def fault(path, include, why):
    faults.append(f"{path.relative_to(ROOT)} includes {include}: {why}")


for layer in LAYERS:
    for path in files(f"src/{layer}"):
        checked += 1
        name = f"{layer}/{path.name}"
        for include in includes(path):
            first = include.split("/")[0]
            if first in LAYERS and LAYERS.index(first) > LAYERS.index(layer):
                fault(path, include, f"{layer} lies below {first}")
            if first == "hwy" and not (name == "kernels/kernels.cc" or name.endswith("-inl.h")):
                fault(path, include, "Highway belongs to the kernels' unit")
            if include.endswith("-inl.h") and not (name == "kernels/kernels.cc" or name.endswith("-inl.h")):
                fault(path, include, "these are parts of the kernels' unit")
            if ("tbb" in include.split("/")) and name != "exec/parallel.cc":
                fault(path, include, "TBB belongs to exec/parallel.cc")
            if first in ("nlohmann", "CLI", "benchmark", "doctest", "io"):
                fault(path, include, "the core links none of it")

for path in files("src/io") + files("tools") + files("include"):
    checked += 1
    for include in includes(path):
        if include.split("/")[0] in LAYERS + ["hwy", "oneapi", "tbb"]:
            fault(path, include, "only public headers here")

for path in files("include"):
    for include in includes(path):
        if include.startswith("nlohmann"):
            fault(path, include, "JSON stays inside src/io")

print("\n".join(faults))
print(f"{checked} files checked, {len(faults)} faults")
sys.exit(1 if faults or checked < 30 else 0)
