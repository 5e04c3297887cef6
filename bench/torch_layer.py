#!/usr/bin/env python3
"""What lies between an attention layer's QKV projection and its attention, by PyTorch and by simdrope: prints a table.

A Qwen3-8B-shaped layer: 32 + 8 heads of 128, RMSNorm of each head of Q and K, rotation, K and V written to their slots
of a cache. In eager PyTorch, by torch.compile where it runs, and by simdrope's fused operator; microseconds, medians.
Wants the Python package (PYTHONPATH, or installed). Usage: bench/torch_layer.py [--threads N] [--seconds S]
"""
import argparse
import statistics
import time

import torch

import simdrope
import simdrope.torch

Q_HEADS, K_HEADS, HEAD_DIM, ROWS, EPS = 32, 8, 128, 4096, 1e-6
ops = torch.ops.simdrope


def rms_norm(x, weight):
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + EPS)).to(x.dtype)


def rotated(x, cos, sin):
    x1, x2 = x.chunk(2, -1)
    return x * cos + torch.cat((-x2, x1), -1) * sin


def eager(q, k, v, q_weight, k_weight, positions, table, slots, k_cache, v_cache):
    """As transformers writes it, with its cos and sin in the model's dtype."""
    cos, sin = table[positions].unsqueeze(1).to(q.dtype).chunk(2, -1)
    cos, sin = torch.cat((cos, cos), -1), torch.cat((sin, sin), -1)
    q = rotated(rms_norm(q, q_weight), cos, sin)
    k_cache[slots] = rotated(rms_norm(k, k_weight), cos, sin)
    v_cache[slots] = v
    return q


def fused(q, k, v, q_weight, k_weight, positions, table, slots, k_cache, v_cache):
    ops.fused_qk_norm_rope_cache(q, k, v, q_weight, k_weight, EPS, True, positions, table, 0, slots, k_cache, v_cache,
                                 "NHD")
    return q


def arguments(tokens, dtype, table):
    def draw(heads):
        return torch.randn(tokens, heads, HEAD_DIM).to(dtype)

    positions = torch.arange(tokens) + 1000
    caches = [torch.zeros(ROWS, K_HEADS, HEAD_DIM, dtype=dtype) for _ in range(2)]
    weights = [(torch.rand(HEAD_DIM) + 0.5).to(dtype) for _ in range(2)]
    return draw(Q_HEADS), draw(K_HEADS), draw(K_HEADS), *weights, positions, table, positions, *caches


def median(function, values, seconds):
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 10:
        start = time.perf_counter()
        function(*values)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def compiled():
    if torch.__version__ < "2":
        return None, "torch.compile came with PyTorch 2"
    function = torch.compile(eager, dynamic=False)
    return function, ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rope = simdrope.Rope(simdrope.Config(head_dim=HEAD_DIM, theta=1e6, precision="float32"))
    table = torch.cat(simdrope.torch.rows_of(rope, ROWS), -1)
    by_compile, why = compiled()
    print(f"PyTorch {torch.__version__}, simdrope {simdrope.__version__} ({simdrope.target_in_use()}), "
          f"threads: {options.threads}\n")
    print("| tokens | dtype | eager, us | torch.compile, us | simdrope, us | eager / simdrope |")
    print("|---|---|---|---|---|---|")
    with torch.inference_mode():
        for tokens in (1, 512):
            for dtype in (torch.float32, torch.bfloat16):
                values = arguments(tokens, dtype, table)
                by_eager = median(eager, values, options.seconds)
                by_simdrope = median(fused, values, options.seconds)
                cell = "-"
                if by_compile is not None and not why:
                    try:
                        by_compile(*values)
                        cell = f"{median(by_compile, values, options.seconds):.1f}"
                    except Exception as error:  # no compiler, or not this Python
                        why = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
                print(f"| {tokens} | {str(dtype)[6:]} | {by_eager:.1f} | {cell} | {by_simdrope:.1f} | "
                      f"{by_eager / by_simdrope:.1f} |", flush=True)
    if why:
        print(f"\nwithout torch.compile: {why}")


main()
