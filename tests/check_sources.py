#!/usr/bin/env python3
"""Checks the lists of sources: check_sources.py ROOT.

Every .cc file of the library is in sources.txt, once and in order, and both build systems read that list.
"""
import pathlib
import sys

ROOT = pathlib.Path(sys.argv[1])
LISTS = {  # list, and the folders whose files it names
    "src/sources.txt": ["core", "angle", "kernels", "exec", "api"],
    "src/io/sources.txt": ["."],
}
faults = []
count = 0
for name, folders in LISTS.items():
    path = ROOT / name
    listed = path.read_text().split()
    there = [str(f.relative_to(path.parent)) for folder in folders for f in (path.parent / folder).glob("*.cc")]
    count += len(there)
    if listed != sorted(set(listed)):
        faults.append(f"{name} is not sorted, or names a file twice")
    faults += [f"{name} names {f}, which is not there" for f in set(listed) - set(there)]
    faults += [f"{name} does not name {f}" for f in set(there) - set(listed)]
    for build in [ROOT / "CMakeLists.txt", path.parent / "meson.build"]:
        if path.name not in build.read_text():
            faults.append(f"{build.relative_to(ROOT)} does not read {name}")

print("\n".join(faults))
print(f"{count} files, {len(faults)} faults")
sys.exit(1 if faults or count < 20 else 0)
