#!/usr/bin/env python3
"""A sequence that several processes hold parts of: each rotates its own by the positions in the whole.

torchrun --nproc-per-node 4 docs/examples/sharded_sequence.py     (or let the script start 4 processes: --spawn 4)

Contiguous: rank r holds tokens [r n, (r + 1) n). Zig-zag, which balances causal attention: of 2 R chunks rank r holds
chunk r and chunk 2 R - 1 - r. Every process checks that its tokens have the bits that one process would have given
them.
"""
import os
import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

import simdrope

TOKENS, HEADS, HEAD_DIM = 64, 4, 32


def held(rank, ranks, zig_zag):
    """Positions of the tokens that a rank holds."""
    if not zig_zag:
        return torch.arange(TOKENS).chunk(ranks)[rank]
    chunks = torch.arange(TOKENS).chunk(2 * ranks)
    return torch.cat((chunks[rank], chunks[2 * ranks - 1 - rank]))


def work():
    rank, ranks = dist.get_rank(), dist.get_world_size()
    rope = simdrope.Rope(simdrope.Config(head_dim=HEAD_DIM, theta=5e5))
    whole = torch.randn(1, TOKENS, HEADS, HEAD_DIM, generator=torch.Generator().manual_seed(1))
    for zig_zag in (False, True):
        positions = held(rank, ranks, zig_zag)
        mine = whole[:, positions].clone()
        simdrope.apply(rope, mine, positions=positions)

        # Gathered, and put back in order, it is what one process makes of the whole.
        parts = [torch.empty_like(mine) for _ in range(ranks)]
        dist.all_gather(parts, mine)
        order = torch.cat([held(r, ranks, zig_zag) for r in range(ranks)])
        gathered = torch.empty_like(whole)
        gathered[:, order] = torch.cat(parts, 1)
        alone = whole.clone()
        simdrope.apply(rope, alone)
        if not torch.equal(gathered, alone):
            sys.exit(f"rank {rank}: {'zig-zag' if zig_zag else 'contiguous'} differs from one process")
    if rank == 0:
        print(f"{ranks} processes, contiguous and zig-zag: the bits of one process")


def spawned(rank, ranks, store):
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=ranks)
    work()
    dist.destroy_process_group()


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--spawn":
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            count = int(sys.argv[2])
            multiprocessing.spawn(spawned, (count, os.path.join(folder, "store")), count)
    else:
        dist.init_process_group("gloo")
        work()
        dist.destroy_process_group()
