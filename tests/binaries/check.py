#!/usr/bin/env python3
"""Checks what was built: check_binaries.py SYMBOLS LIBRARY [HARDENED...].

LIBRARY exports exactly the names that the file SYMBOLS lists, one a line. Each HARDENED file (the command, a library)
is bound at start with read-only relocations, has no executable stack, and checks its buffers.
"""
import re
import subprocess
import sys


def read(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


symbols, library, *hardened = sys.argv[1:]
faults = []

exported = {line.split()[-1].split("@")[0] for line in read("nm", "-D", "--defined-only", library).splitlines()}
with open(symbols) as file:
    listed = set(file.read().split())
faults += [f"{library} exports {name}, which {symbols} does not list" for name in sorted(exported - listed)]
faults += [f"{library} does not export {name} of {symbols}" for name in sorted(listed - exported)]

for path in hardened:
    program_headers = read("readelf", "-lW", path)
    dynamic = read("readelf", "-dW", path)
    names = read("nm", "-D", path)
    if "GNU_RELRO" not in program_headers:
        faults.append(f"{path}: relocations stay writable")
    if not re.search(r"BIND_NOW|FLAGS.*\bNOW\b", dynamic):
        faults.append(f"{path}: symbols are bound lazily")
    if re.search(r"GNU_STACK.*\bRWE\b", program_headers):
        faults.append(f"{path}: the stack is executable")
    if "__stack_chk_fail" not in names:
        faults.append(f"{path}: no stack protector")

print("\n".join(faults))
print(f"{len(listed)} symbols, {len(hardened)} hardened files, {len(faults)} faults")
sys.exit(1 if faults or not listed else 0)
