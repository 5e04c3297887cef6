#!/usr/bin/env python3
"""What lies between an attention layer's QKV projection and its attention, by PyTorch and by simdrope: prints a table.

A Qwen3-8B-shaped layer: 32 + 8 heads of 128, RMSNorm of each head of Q and K, rotation, K and V written to their slots
of a cache. In eager PyTorch, by torch.compile where it runs, and by simdrope's operators, separately and fused; medians
in microseconds, of rounds in which each takes its turn. Then the drop-in classes beside the expressions whose names
they have, and what a call costs in Python: the smallest job there is.
Wants the Python package (PYTHONPATH, or installed). Usage: bench/torch_layer.py [--threads N] [--seconds S]
"""
import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

import simdrope
import simdrope.torch
from simdrope.torch import flash_attention, nano_vllm, transformers

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/python"))
import eager as expressions  # noqa: E402

Q_HEADS, K_HEADS, HEAD_DIM, ROWS, EPS = 32, 8, 128, 4096, 1e-6
ops = torch.ops.simdrope


def rms_norm(x, weight):
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + EPS)).to(x.dtype)


def rotated(x, cos, sin):
    x1, x2 = x.chunk(2, -1)
    return x * cos + torch.cat((-x2, x1), -1) * sin


def eager(q, k, v, q_weight, k_weight, rows, slots, k_cache, v_cache):
    """As transformers writes it; its cos and sin, in the model's dtype, are there already, as in all layers but one."""
    cos, sin = rows.wide
    q = rotated(rms_norm(q, q_weight), cos, sin)
    k_cache[slots] = rotated(rms_norm(k, k_weight), cos, sin)
    v_cache[slots] = v
    return q


def drop_in(q, k, v, q_weight, k_weight, rows, slots, k_cache, v_cache):
    """The same with the rotation alone replaced."""
    q, k = rms_norm(q, q_weight), rms_norm(k, k_weight)
    ops.rotary_embedding(rows.positions, q, k, HEAD_DIM, rows.table, True)
    k_cache[slots] = k
    v_cache[slots] = v
    return q


def fused(q, k, v, q_weight, k_weight, rows, slots, k_cache, v_cache):
    ops.fused_qk_norm_rope_cache(q, k, v, q_weight, k_weight, EPS, True, rows.positions, rows.table, 0, slots, k_cache,
                                 v_cache, "NHD")
    return q


class Rows:
    def __init__(self, positions, table, dtype):
        self.positions, self.table = positions, table
        cos, sin = table[positions].unsqueeze(1).to(dtype).chunk(2, -1)
        self.wide = torch.cat((cos, cos), -1), torch.cat((sin, sin), -1)


def arguments(tokens, dtype, table):
    def draw(heads):
        return torch.randn(tokens, heads, HEAD_DIM).to(dtype)

    positions = torch.arange(tokens) + 1000
    caches = [torch.zeros(ROWS, K_HEADS, HEAD_DIM, dtype=dtype) for _ in range(2)]
    weights = [(torch.rand(HEAD_DIM) + 0.5).to(dtype) for _ in range(2)]
    rows = Rows(positions, table, dtype)
    return draw(Q_HEADS), draw(K_HEADS), draw(K_HEADS), *weights, rows, positions, *caches


def medians(calls, seconds):
    """Microseconds of each of `calls`, (function, arguments), by rounds in which each is called some times in turn."""
    times, repeats = [[] for _ in calls], []
    for function, values in calls:
        function(*values)
        start = time.perf_counter()
        function(*values)
        repeats.append(max(1, int(0.0005 / (time.perf_counter() - start + 1e-9))))
    end = time.perf_counter() + seconds * len(calls)
    while time.perf_counter() < end or len(times[0]) < 10:
        for (function, values), repeat, own in zip(calls, repeats, times):
            start = time.perf_counter()
            for _ in range(repeat):
                function(*values)
            own.append((time.perf_counter() - start) / repeat * 1e6)
    return [statistics.median(own) for own in times]


def compiled(values):
    """torch.compile's function, or None and why not."""
    if torch.__version__ < "2":
        return None, "torch.compile came with PyTorch 2"
    function = torch.compile(eager, dynamic=False)
    try:
        function(*values)
        return function, ""
    except Exception as error:  # no compiler, or not this Python
        return None, f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"


def drop_ins(tokens, dtype, table):
    """(name, the expression, simdrope's): functions of no arguments that rotate 32 heads of Q and 8 of K anew."""
    start, base = 1000, 1e6
    positions = torch.arange(tokens) + start
    q, k = (torch.randn(1, tokens, heads, HEAD_DIM).to(dtype) for heads in (Q_HEADS, K_HEADS))
    cos, sin = (t.to(dtype) for t in table.chunk(2, -1))

    layer = flash_attention.RotaryEmbedding(HEAD_DIM, base)

    def flash_eager():
        rows = cos[start : start + tokens], sin[start : start + tokens]
        return expressions.flash_attention(q, *rows), expressions.flash_attention(k, *rows)

    yield "flash-attention's RotaryEmbedding", flash_eager, lambda: layer(q, k, seqlen_offset=start)

    rope = nano_vllm.get_rope(HEAD_DIM, HEAD_DIM, ROWS, base)
    flat_q, flat_k = q[0].flatten(1), k[0].flatten(1)

    def nano_eager():
        rows = rope.cos_sin_cache[positions].chunk(2, -1)
        return [expressions.nano_vllm(x.view(tokens, -1, HEAD_DIM), *rows).view(x.shape) for x in (flat_q, flat_k)]

    yield "nano-vllm's RotaryEmbedding", nano_eager, lambda: rope(positions, flat_q, flat_k)

    wide = [torch.cat((t, t), -1)[positions].unsqueeze(0) for t in (cos, sin)]
    heads_q, heads_k = q.transpose(1, 2), k.transpose(1, 2)
    yield ("transformers' apply_rotary_pos_emb", lambda: expressions.transformers(heads_q, heads_k, *wide),
           lambda: transformers.apply_rotary_pos_emb(heads_q, heads_k, *wide))


def overhead(rope, seconds):
    """Of a call in Python: one token, one head."""
    q = torch.ones(1, 1, 1, HEAD_DIM)
    array = q.numpy()
    rows = rope.cos_sin(1, 1)
    plan = simdrope.Plan(rows, q, threads=1)
    cos, sin = simdrope.torch.rows_of(rope, 1)
    calls = {
        "Plan.run()": (plan.run, ()),
        "Plan.run(q), a NumPy array": (plan.run, (array,)),
        "Plan.run(q), a tensor": (plan.run, (q,)),
        "simdrope.apply(rows, q), a NumPy array": (lambda: simdrope.apply(rows, array, threads=1), ()),
        "torch.ops.simdrope.apply_rotary_emb_": (ops.apply_rotary_emb_, (q, cos, sin)),
        "torch.add(q, 1, out=q)": (lambda: torch.add(q, 1, out=q), ()),
    }
    print("\n| one token, one head | us |\n|---|---|")
    for name, us in zip(calls, medians(list(calls.values()), seconds / 4)):
        print(f"| {name} | {us:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rope = simdrope.Rope(simdrope.Config(head_dim=HEAD_DIM, theta=1e6, precision="float32"))
    table = torch.cat(simdrope.torch.rows_of(rope, ROWS), -1)
    print(f"PyTorch {torch.__version__}, simdrope {simdrope.__version__} ({simdrope.target_in_use()}), "
          f"threads: {options.threads}\n")
    print("| tokens | dtype | eager | torch.compile | rotation alone by simdrope | fused by simdrope | eager / fused |")
    print("|---|---|---|---|---|---|---|")
    why = ""
    with torch.inference_mode():
        for tokens in (1, 512):
            for dtype in (torch.float32, torch.bfloat16):
                values = arguments(tokens, dtype, table)
                functions = {"eager": eager, "drop-in": drop_in, "fused": fused}
                function, reason = compiled(values)
                if function is not None:
                    functions["compile"] = function
                why = why or reason
                us = dict(zip(functions, medians([(f, values) for f in functions.values()], options.seconds)))
                by_compile = f"{us['compile']:.1f}" if "compile" in us else "-"
                print(f"| {tokens} | {str(dtype)[6:]} | {us['eager']:.1f} | {by_compile} | {us['drop-in']:.1f} | "
                      f"{us['fused']:.1f} | {us['eager'] / us['fused']:.1f} |", flush=True)
        print("\n| drop-in | tokens | dtype | eager | simdrope | eager / simdrope |\n|---|---|---|---|---|---|")
        for tokens in (1, 512):
            for dtype in (torch.float32, torch.bfloat16):
                for name, theirs, ours in drop_ins(tokens, dtype, table):
                    by_eager, by_simdrope = medians([(theirs, ()), (ours, ())], options.seconds / 2)
                    print(f"| {name} | {tokens} | {str(dtype)[6:]} | {by_eager:.1f} | {by_simdrope:.1f} | "
                          f"{by_eager / by_simdrope:.1f} |", flush=True)
        overhead(rope, options.seconds)
    if why:
        print(f"\nwithout torch.compile: {why}")


main()
