#!/usr/bin/env python3
"""Runs the llama2 example on a tiny checkpoint made here from a seed: llama2.py PROGRAM.

With an f32 cache it gives the tokens of its plain loop; with f16 and q8_0 caches it says how long they stay the same.
"""
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCABULARY, LENGTH = 128, 96, 2, 4, 2, 64, 96
TOKENS = 80


def checkpoint(path):
    draw = random.Random(5)
    kv = DIM // HEADS * KV_HEADS
    matrices = [DIM * DIM, DIM * kv, DIM * kv, DIM * DIM]  # wq, wk, wv, wo

    def normal(count, size):
        return [draw.gauss(0, size) for _ in range(count)]

    values = normal(VOCABULARY * DIM, 1) + [1.0] * (LAYERS * DIM)
    for count in matrices:
        values += normal(LAYERS * count, DIM**-0.5)
    values += [1.0] * (LAYERS * DIM)
    for count in [DIM * HIDDEN] * 3:
        values += normal(LAYERS * count, DIM**-0.5)
    values += [1.0] * DIM + [0.0] * (LENGTH * DIM // HEADS) + normal(VOCABULARY * DIM, 1)
    header = struct.pack("<7i", DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, -VOCABULARY, LENGTH)
    path.write_bytes(header + struct.pack(f"<{len(values)}f", *values))


def run(path, cache):
    done = subprocess.run([sys.argv[1], str(path), "--cache", cache, "--tokens", str(TOKENS)],
                          capture_output=True, text=True, check=True)
    return done.stdout.split()


with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "tiny.bin"
    checkpoint(path)
    plain = run(path, "plain")
    assert len(plain) == TOKENS and len(set(plain)) > 10, plain
    assert run(path, "f32") == plain, "the f32 cache gives other tokens than the plain loop"
    for cache in ["f16", "q8_0"]:
        tokens = run(path, cache)
        assert len(tokens) == TOKENS
        same = next((i for i in range(TOKENS) if tokens[i] != plain[i]), TOKENS)
        print(f"{cache}: the first {same} of {TOKENS} tokens are those of f32")
        assert same >= 2
    path.write_bytes(path.read_bytes()[:5000])
    short = subprocess.run([sys.argv[1], str(path)], capture_output=True, text=True)
    assert short.returncode == 2 and "ends early" in short.stderr
