#!/usr/bin/env python3
"""Checks that a test passes every option of the command: check_options.py TOOL ROOT.

The options of a Config's fields are made from their list, and docs/config.md names them.
"""
import pathlib
import re
import subprocess
import sys

tool, root = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2])
OPTION = re.compile(r"--[a-z][\w-]*")


def listed(command, pattern):
    out = subprocess.run([tool, *command, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    return re.findall(pattern, out, re.M)


passed = set()
for path in [*root.glob("tests/cli/*.cc"), root / "tests/bad_input/calls.tsv", root / "docs/config.md"]:
    passed.update(OPTION.findall(path.read_text(encoding="utf-8")))
faults = []
count = 0
for command in listed([], r"^  ([a-z]+) {2,}"):
    for option in listed([command], r"^ +(?:-\w,)?(--[a-z][\w-]*)"):
        count += 1
        if option not in passed and option != "--help":
            faults.append(f"no call of tests/cli or tests/bad_input/calls.tsv has {option} of {command}")

print("\n".join(faults))
print(f"{count} options, {len(faults)} faults")
sys.exit(1 if faults or count < 200 else 0)
