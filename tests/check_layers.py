#!/usr/bin/env python3
"""Checks who includes whom: check_layers.py ROOT.

Lower layers never include higher ones (core <- angle <- kernels <- exec <- api); Highway is seen by
the kernels' unit alone, TBB by exec/parallel.cc alone, JSON by src/io and the command alone; what
stands beside the core (src/io, src/reference, src/bindings, the command, the benchmarks) uses its
public headers only, and the lists of fields and names.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
LAYERS = ["core", "angle", "kernels", "exec", "api"]
# Folders beside the core: those that must have files, and those that not every version has.
BESIDE = ["src/io", "src/reference", "tools", "bench", "include"]
LATER = ["src/bindings"]
# Lists of what the public headers declare (fields, names): headers alone, for all to read.
LISTS = {"core/config_fields.h", "core/format.h", "core/names.h"}
# (file, include) pairs that break the rule for the folders beside the core, each with its reason.
EXCEPTIONS = {
    ("bench/implementations/row_functions.cc", "kernels/kernels.h"): "times the row functions without a call's cost",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)
SOURCES = {".h", ".hpp", ".cc", ".c"}
faults = []
checked = 0


def files(folder):
    return sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in SOURCES)


def includes(path):
    """(as written, the parts of its path without . and ..) of each include."""
    for include in INCLUDE.findall(path.read_text(encoding="utf-8")):
        yield include, [part for part in include.split("/") if part not in (".", "..", "src")]


def fault(path, include, why):
    faults.append(f"{path.relative_to(ROOT)} includes {include}: {why}")


for layer in LAYERS:
    for path in files(f"src/{layer}"):
        checked += 1
        name = f"{layer}/{path.name}"
        in_kernels_unit = name == "kernels/kernels.cc" or name.endswith("-inl.h")
        for include, parts in includes(path):
            first = parts[0]
            if first in LAYERS and LAYERS.index(first) > LAYERS.index(layer):
                fault(path, include, f"{layer} lies below {first}")
            if first == "hwy" and not in_kernels_unit and name != "kernels/cpu.h":
                fault(path, include, "Highway belongs to the kernels' unit")
            if include.endswith("-inl.h") and not in_kernels_unit:
                fault(path, include, "these are parts of the kernels' unit")
            if "tbb" in parts and name != "exec/parallel.cc":
                fault(path, include, "TBB belongs to exec/parallel.cc")
            if first in ("nlohmann", "CLI", "benchmark", "doctest", "io"):
                fault(path, include, "the core links none of it")

unused = set(EXCEPTIONS)
for folder in BESIDE + LATER:
    found = files(folder)
    if not found and folder in BESIDE:
        faults.append(f"{folder} has no files: was it moved?")
    for path in found:
        checked += 1
        for include, parts in includes(path):
            key = (path.relative_to(ROOT).as_posix(), include)
            private = parts[0] in LAYERS + ["hwy", "oneapi", "tbb"] or include.endswith("-inl.h")
            private = private and "/".join(parts) not in LISTS
            if parts[0] == "io" and folder != "src/io":
                private = True
            if key in EXCEPTIONS:
                unused.discard(key)
            elif private:
                fault(path, include, "only public headers here")
            elif parts[0] == "nlohmann" and folder not in ("src/io", "tools"):
                fault(path, include, "JSON stays inside src/io and the command")
faults += [f"{path} no longer includes {include}: strike the exception" for path, include in sorted(unused)]

print("\n".join(faults))
print(f"{checked} files checked, {len(faults)} faults")
sys.exit(1 if faults or checked < 30 else 0)
