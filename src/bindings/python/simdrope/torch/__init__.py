"""PyTorch operators of simdrope, torch.ops.simdrope.*, and drop-in classes with the names and arguments of others'.

flash_attention: apply_rotary_emb, apply_rotary_emb_qkv_, apply_rotary_emb_kv_, RotaryEmbedding.
nano_vllm: apply_rotary_emb, RotaryEmbedding, get_rope. transformers: apply_rotary_pos_emb.

Operators; tensors are on the CPU, cos and sin tables are the caller's and have no gradient:
- apply_rotary_emb(x, cos, sin, interleaved, seqlen_offset, seqlen_offsets, positions, cu_seqlens, inverse), and
  apply_rotary_emb_ in place: x [B, S, H, D] or [T, H, D], cos and sin [rows, pairs] or [B, rows, pairs]. Its gradient
  is the inverse rotation.
- rotary_embedding(positions, query, key, head_size, cos_sin_cache, is_neox): vLLM's, in place.
- fused_qk_norm_rope(q, k, q_weight, k_weight, eps, is_neox, positions, cos_sin_cache, rotary_dim): RMSNorm of each
  head,
  then the rotation, in place (SGLang's).
- fused_qk_norm_rope_cache(..., slot_mapping, k_cache, v_cache, cache_layout, k_scale, v_scale): the same, Q in place, K
  and V written to their slots of a cache. No gradient.
"""
from __future__ import annotations

from pathlib import Path

import torch

from .._rope import Rope
from .._types import Array

_LIBRARY = Path(__file__).parents[1] / "_torch.abi3.so"


def _load() -> None:
    again = "reinstall simdrope where this PyTorch is: pip install --no-build-isolation"
    if not _LIBRARY.exists():
        raise ImportError(f"this simdrope was built without PyTorch: {again}")
    try:
        torch.ops.load_library(str(_LIBRARY))
    except OSError as error:
        raise ImportError(f"simdrope's operators do not load with PyTorch {torch.__version__}: {again}") from error
    built = torch.ops.simdrope.built_with()
    if built.split(".")[:2] != torch.__version__.split(".")[:2]:
        raise ImportError(f"simdrope's operators were built with PyTorch {built}, this is {torch.__version__}: {again}")


_load()


def rows_of(rope: Rope, rows: int, positions: Array = None) -> tuple[torch.Tensor, torch.Tensor]:
    """cos and sin of the first `rows` positions, or of `positions`, as float32 [rows, pairs]."""
    cos, sin = torch.empty(rows, rope.pairs), torch.empty(rows, rope.pairs)
    if rows:
        rope.compute_cos_sin(cos, sin, positions)
    return cos, sin


from . import flash_attention, nano_vllm, transformers  # noqa: E402  (they use the operators)

__all__ = ["flash_attention", "nano_vllm", "rows_of", "transformers"]
