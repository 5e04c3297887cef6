"""apply_rotary_pos_emb of transformers' models with half pairs (llama, qwen, mistral, ...). One rounding, in
float32."""
from __future__ import annotations

from typing import Optional, Tuple

import torch
from torch import Tensor

_ops = torch.ops.simdrope


def apply_rotary_pos_emb(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, position_ids: Optional[Tensor] = None,
                         unsqueeze_dim: int = 1) -> Tuple[Tensor, Tensor]:
    """q [B, H, S, D] and k [B, HK, S, D] rotated, anew; with unsqueeze_dim 2 [B, S, H, D].

    cos and sin [B, S, rotary_dim], or [1, S, rotary_dim] for all: each value in both halves, as the models' rotary
    embeddings give them; the first half is read. position_ids is not used, as in transformers.
    """
    if unsqueeze_dim not in (1, 2):
        raise ValueError(f"unsqueeze_dim = {unsqueeze_dim} is neither 1 (heads before tokens) nor 2")
    pairs = cos.size(-1) // 2
    cos, sin = cos[..., :pairs], sin[..., :pairs]
    if cos.dim() == 3 and cos.size(0) == 1:
        cos, sin = cos[0], sin[0]

    def rotated(x: Tensor) -> Tensor:
        tokens = x.transpose(1, 2) if unsqueeze_dim == 1 else x
        out = _ops.apply_rotary_emb(tokens, cos, sin)
        return out.transpose(1, 2) if unsqueeze_dim == 1 else out

    return rotated(q), rotated(k)
