#!/usr/bin/env python3
"""Calls of the command that must be refused: run.py TOOL DOCS [--write].

calls.tsv lists them: the call, and what the one line on stderr must name. files.json holds the files they are given.
Each call must end with 2, say one line, and leave every file as it was. DOCS is made from the same table: --write
writes it, else it is compared.
"""
import json
import pathlib
import re
import shlex
import struct
import subprocess
import sys
import tempfile

# Messages in the words of CLI11 and of nlohmann-json, which differ by their versions: the document shows those of the
# machine that wrote it.
WORDS_OF_LIBRARIES = re.compile(
    r"not in range|Could not convert|is required|was not expected| missing$|\[json\.exception")
HERE = pathlib.Path(__file__).parent
TYPES = {"f": "f", "i": "i", "q": "q", "h": "H", "d": "d", "b": "b"}
DESCRS = {"f": "<f4", "i": "<i4", "q": "<i8", "h": "<u2", "d": "<f8", "b": "|i1"}


def array_bytes(spec):
    count = 1
    for extent in spec["shape"]:
        count *= extent
    values = spec.get("values", [0] * count)
    return struct.pack("<%d%s" % (count, TYPES[spec["type"]]), *values)


def npy(spec):
    header = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (
        DESCRS[spec["type"]], "".join("%d," % extent for extent in spec["shape"]))
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + array_bytes(spec)


def safetensors(spec):
    names = {"f": "F32", "h": "BF16", "b": "I8"}
    header, data = {}, b""
    for name, tensor in spec.items():
        part = array_bytes(tensor)
        header[name] = {"dtype": names[tensor["type"]], "shape": tensor["shape"],
                        "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def write_files(folder):
    for name, spec in json.loads((HERE / "files.json").read_text()).items():
        if "npy" in spec:
            content = npy(spec["npy"])
        elif "safetensors" in spec:
            content = safetensors(spec["safetensors"])
        elif "json" in spec:
            content = json.dumps(spec["json"]).encode()
        else:
            content = bytes.fromhex(spec["hex"]) if "hex" in spec else spec["text"].encode()
        (folder / name).write_bytes(content[:spec.get("cut", len(content))])


def read_calls():
    rows = []
    for line in (HERE / "calls.tsv").read_text().splitlines():
        if line and not line.startswith("#"):
            rows.append(line.split("\t"))
    return rows


def contents(folder):
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def own_words(document):
    lines = [line.rstrip(" |") for line in document.splitlines()]
    return [line.split("` | ")[0] if WORDS_OF_LIBRARIES.search(line) else line for line in lines]


def main():
    tool, docs = str(pathlib.Path(sys.argv[1]).resolve()), pathlib.Path(sys.argv[2])
    faults, messages = [], []
    rows = read_calls()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_files(folder)
        before = contents(folder)
        for call, named in rows:
            done = subprocess.run([tool] + shlex.split(call), cwd=folder, capture_output=True, timeout=60)
            error = done.stderr.decode(errors="replace")
            messages.append(error.strip().removeprefix("simdrope: "))
            if done.returncode != 2:
                faults.append(f"{call}: exit code {done.returncode}")
            if named not in error:
                faults.append(f"{call}: {error.strip()!r} does not name {named!r}")
            if error.count("\n") != 1 or not error.startswith("simdrope: ") or len(error) > 400 or done.stdout:
                faults.append(f"{call}: says more or less than one line: {error!r} {done.stdout[:80]!r}")
            if contents(folder) != before:
                faults.append(f"{call}: changed a file")
                break
    text = (HERE / "errors_head.md").read_text()
    for (call, _), message in zip(rows, messages):
        text += "| `%s` | %s |\n" % (call.replace("|", "\\|"), message.replace("|", "\\|"))
    if "--write" in sys.argv:
        docs.write_text(text)
    elif own_words(docs.read_text()) != own_words(text):
        faults.append(f"{docs} is not what the table gives: run.py TOOL {docs} --write")
    print("\n".join(faults))
    print(f"{len(rows)} calls, {len(faults)} faults")
    sys.exit(1 if faults or len(rows) < 250 else 0)


main()
