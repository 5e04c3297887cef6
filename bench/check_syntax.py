#!/usr/bin/env python3
"""Every benchmark file compiles for several x86 machines, with g++ and each clang++ at hand.

  check_syntax.py [--flags FLAG...] --files FILE...     (-fsyntax-only; on x86-64 alone)

A compiler that does not know a machine's name is left out for it, with a line that says so.
"""
import argparse
import concurrent.futures
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

MACHINES = ["x86-64-v2", "x86-64-v3", "x86-64-v4", "znver4", "sapphirerapids"]
# What most files include, once per compiler and machine: 0.4 s a file instead of 1.5 s.
COMMON = """
#include <benchmark/benchmark.h>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <regex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
#include <simdrope/simdrope.hpp>
"""
LEFT_OUT = 77  # meson: a test that was skipped


def compilers():
    """g++, and every clang++ and clang++-N on the path, each once however many names it has."""
    names = ["g++", "clang++"]
    for folder in os.get_exec_path():
        if os.path.isdir(folder):
            names += sorted(n for n in os.listdir(folder) if re.fullmatch(r"clang\+\+-\d+", n))
    found = {}
    for name in names:
        path = shutil.which(name)
        if path:
            found.setdefault(os.path.realpath(path), name)
    return list(found.values())


def run(*command, text=None):
    return subprocess.run(command, input=text, capture_output=True, text=True)


def knows(compiler, machine):
    return run(compiler, f"-march={machine}", "-fsyntax-only", "-x", "c++", "-", text="").returncode == 0


def common_header(compiler, machine, flags, folder):
    """Flags that include COMMON, compiled; none where that does not work: it only saves time."""
    header = folder / f"{compiler}-{machine}.h"
    header.write_text(COMMON, encoding="utf-8")
    compiled = header.with_name(header.name + (".pch" if "clang" in compiler else ".gch"))
    made = run(compiler, f"-march={machine}", *flags, "-x", "c++-header", str(header), "-o", str(compiled))
    if made.returncode != 0:
        return []
    return ["-include-pch", str(compiled)] if "clang" in compiler else ["-include", str(header)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flags", nargs="*", default=[])
    parser.add_argument("--files", nargs="+", required=True)
    if platform.machine() != "x86_64":
        print("for x86-64 alone")
        return LEFT_OUT
    # Flags begin with a dash, as options do: so not parsed, but cut out.
    arguments = sys.argv[1:]
    at = arguments.index("--files")
    flags = ["-std=c++20", "-Wall", "-Wextra", *arguments[:at][1:]]
    files = parser.parse_args(arguments[at:]).files

    checked, faults = 0, 0
    with tempfile.TemporaryDirectory() as name, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
        folder = pathlib.Path(name)
        for compiler in compilers():
            for machine in MACHINES:
                if not knows(compiler, machine):
                    print(f"{compiler} does not know -march={machine}: left out")
                    continue
                common = common_header(compiler, machine, flags, folder)

                def check(file):
                    return file, run(compiler, f"-march={machine}", *flags, *common, "-fsyntax-only", file)

                for file, result in workers.map(check, files):
                    checked += 1
                    if result.returncode != 0:
                        faults += 1
                        errors = [line for line in result.stderr.splitlines() if "error" in line]
                        print(f"{compiler} -march={machine} {file}:", *errors[:3], sep="\n  ")
    print(f"{checked} compilations checked, {faults} failed")
    return 1 if faults or not checked else 0


sys.exit(main())
