#!/usr/bin/env python3
"""Runs a model of llama2.c's format (version 0, float32) with simdrope's fused operator: llama2.py MODEL [--tokens
1,15043] [--steps 32].

Prints the ids of the greedy continuation. --plain rotates by PyTorch expressions instead; --dtype is the cache's.
"""
import argparse
import struct

import torch

import simdrope
import simdrope.torch

ops = torch.ops.simdrope


class Model:
    """The weights, in the file's order: llama2.c's export of version 0."""

    def __init__(self, path):
        raw = open(path, "rb").read()
        self.dim, hidden, self.layers, self.heads, self.kv_heads, vocab, self.rows = struct.unpack("7i", raw[:28])
        floats, at = torch.frombuffer(bytearray(raw[28:]), dtype=torch.float32), 0

        def take(*shape):
            nonlocal at
            count = torch.Size(shape).numel()
            at += count
            return floats[at - count : at].view(shape)

        n, d, kv = self.layers, self.dim, self.dim // self.heads * self.kv_heads
        self.head_dim = d // self.heads
        self.embedding = take(abs(vocab), d)
        self.attention_norm = take(n, d)
        self.wq, self.wk, self.wv, self.wo = take(n, d, d), take(n, kv, d), take(n, kv, d), take(n, d, d)
        self.ffn_norm = take(n, d)
        self.w1, self.w2, self.w3 = take(n, hidden, d), take(n, d, hidden), take(n, hidden, d)
        self.norm = take(d)
        take(2, self.rows, self.head_dim // 2)  # tables of cos and sin, which simdrope computes
        self.output = self.embedding if vocab > 0 else take(-vocab, d)


class Runner:
    def __init__(self, model, dtype=torch.float32, plain=False):
        m, self.model, self.plain = model, model, plain
        shape = (m.layers, m.rows, m.kv_heads, m.head_dim)
        self.k_cache, self.v_cache = torch.zeros(shape, dtype=dtype), torch.zeros(shape, dtype=dtype)
        rope = simdrope.Rope(simdrope.Config(head_dim=m.head_dim, precision="float32"))
        self.table = torch.cat(simdrope.torch.rows_of(rope, m.rows), -1)

    def rotate_and_keep(self, layer, q, k, v, position):
        """Q in place, K and V into the cache at `position`. Pairs are interleaved, as in Meta's llama."""
        if not self.plain:
            ops.fused_qk_norm_rope_cache(q, k, v, None, None, 0.0, False, position, self.table, 0, position,
                                         self.k_cache[layer], self.v_cache[layer], "NHD")
            return
        cos, sin = self.table[position].unsqueeze(1).chunk(2, -1)
        for x in (q, k):
            even, odd = x[..., ::2].clone(), x[..., 1::2].clone()
            x[..., ::2], x[..., 1::2] = even * cos - odd * sin, odd * cos + even * sin
        self.k_cache[layer, position] = k.to(self.k_cache.dtype)
        self.v_cache[layer, position] = v.to(self.v_cache.dtype)

    def logits(self, token, index):
        m, x, position = self.model, self.model.embedding[token], torch.tensor([index])

        def norm(x, weight):
            return x * torch.rsqrt(x.pow(2).mean() + 1e-5) * weight

        for i in range(m.layers):
            y = norm(x, m.attention_norm[i])
            q, k, v = ((w[i] @ y).view(1, -1, m.head_dim) for w in (m.wq, m.wk, m.wv))
            self.rotate_and_keep(i, q, k, v, position)
            keys, values = (c[i, :index + 1].float().repeat_interleave(m.heads // m.kv_heads, 1)
                            for c in (self.k_cache, self.v_cache))
            scores = torch.einsum("hd,shd->hs", q[0], keys) / m.head_dim**0.5
            x = x + m.wo[i] @ torch.einsum("hs,shd->hd", scores.softmax(-1), values).flatten()
            y = norm(x, m.ffn_norm[i])
            x = x + m.w2[i] @ (torch.nn.functional.silu(m.w1[i] @ y) * (m.w3[i] @ y))
        return m.output @ norm(x, m.norm)

    def generate(self, tokens, steps):
        tokens = list(tokens)
        with torch.inference_mode():
            for index in range(min(len(tokens) + steps, self.model.rows) - 1):
                logits = self.logits(tokens[index], index)
                if index + 1 == len(tokens):
                    tokens.append(int(logits.argmax()))
        return tokens


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--tokens", default="1")
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    runner = Runner(Model(options.model), getattr(torch, options.dtype), options.plain)
    print(*runner.generate(map(int, options.tokens.split(",")), options.steps))
