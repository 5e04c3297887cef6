#!/usr/bin/env python3
"""Checks the lists that no compiler sees: check_lists.py ROOT.

What simdrope.h and others declare stands wherever pages, Python files and simdrope.hpp list it.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
PYTHON = "src/bindings/python/simdrope/"
faults = []
count = 0


def read(pattern):
    return "".join(path.read_text(encoding="utf-8") for path in sorted(ROOT.glob(pattern)))


def want(names, files, form):
    """Each of `names` is in `files` (a glob pattern) as `form` writes it: {} is the name, {lower} it in lower case."""
    global count
    text = read(files)
    for name in names:
        written = form.format(name, lower=name.lower())
        count += 1
        if not re.search(r"(?<!\w)" + re.escape(written), text):
            faults.append(f"{files} lacks {written}")


def values(enum, prefix):
    body = re.search(rf"typedef enum {enum} .*?\}} {enum};", read("include/simdrope/simdrope.h"), re.S).group(0)
    return [name for name in re.findall(rf"^  {prefix}(\w+) = \d+", body, re.M) if name != "OK"]


statuses = values("simdrope_status", "SIMDROPE_")
want(statuses, "docs/guide.md", "`SIMDROPE_{}` |")
want(statuses, PYTHON + "_errors.py", '"{}":')
want(re.findall(r"^class (\w+)", read(PYTHON + "_errors.py"), re.M), PYTHON + "__init__.py", '"{}"')

formats = values("simdrope_format", "SIMDROPE_")
want(formats, "include/simdrope/simdrope.hpp", "Format {lower} = SIMDROPE_{};")
want(formats, "docs/kv-cache.md", "{lower}")
want(formats, "docs/numerics.md", "{lower}")
want(formats, PYTHON + "_types.py", '"{lower}"')
for enum, prefix in (("scaling_type", "SCALING"), ("axis_layout", "AXES"), ("precision", "PRECISION"),
                     ("angle_order", "ANGLES")):
    want(values(f"simdrope_{enum}", f"SIMDROPE_{prefix}_"), PYTHON + "_types.py", '"{lower}"')

makers = set(re.findall(r"^(?:inline )?(?:Tensor|QKV) (\w+)\(", read("include/simdrope/simdrope.hpp"), re.M))
want(sorted(makers), "docs/*.md", "{}(")
want(sorted(makers), "tests/**/*.cc", "{}(")

want(re.findall(r'^      \{"(\w+)", ', read("bench/workloads.h"), re.M), "docs/performance.md", "`{}` |")

print("\n".join(faults))
print(f"{count} entries, {len(faults)} faults")
sys.exit(1 if faults or count < 100 else 0)
