"""nanovllm.layers.rotary_embedding: the same names and arguments. Arithmetic is in float32 with one rounding."""
from __future__ import annotations

from functools import lru_cache
from typing import Optional, Tuple

import torch
from torch import Tensor, nn

from .._rope import Rope
from .._types import Config

_ops = torch.ops.simdrope


def apply_rotary_emb(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [T, H, D], with a row of cos and sin for each token: [T, D / 2] or [T, 1, D / 2]."""
    def row(table: Tensor) -> Tensor:
        return table.squeeze(1) if table.dim() == 3 else table

    return _ops.apply_rotary_emb(x, row(cos), row(sin))


class RotaryEmbedding(nn.Module):
    """forward(positions, query, key): new tensors. positions [T]; query and key [T, H, D] or [T, H * D]."""

    def __init__(self, head_size: int, rotary_dim: int, max_position_embeddings: int, base: float) -> None:
        super().__init__()
        if rotary_dim != head_size:
            raise ValueError(f"rotary_dim = {rotary_dim} must be head_size = {head_size}")
        from . import rows_of

        self.head_size = head_size
        rope = Rope(Config(head_dim=head_size, theta=float(base), precision="float32"), shared=True)
        cos, sin = rows_of(rope, max_position_embeddings)
        self.register_buffer("cos_sin_cache", torch.cat((cos, sin), dim=-1).unsqueeze(1), persistent=False)

    def forward(self, positions: Tensor, query: Tensor, key: Tensor) -> Tuple[Tensor, Tensor]:
        cos, sin = self.cos_sin_cache.squeeze(1).chunk(2, dim=-1)

        def rotated(x: Tensor) -> Tensor:
            heads = x.unflatten(-1, (x.size(-1) // self.head_size, self.head_size)) if x.dim() == 2 else x
            return _ops.apply_rotary_emb(heads, cos, sin, False, 0, None, positions).view(x.shape)

        return rotated(query), rotated(key)


@lru_cache(1)
def get_rope(head_size: int, rotary_dim: int, max_position: int, base: float,
             rope_scaling: Optional[dict] = None) -> RotaryEmbedding:
    if rope_scaling is not None:
        raise ValueError(f"rope_scaling = {rope_scaling}: as in nano-vllm, None is what it takes")
    return RotaryEmbedding(head_size, rotary_dim, max_position, base)
