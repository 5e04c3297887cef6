"""flash_attn.layers.rotary on the CPU: the same names and arguments. Arithmetic is in float32 with one rounding."""
from __future__ import annotations

from typing import Optional, Union

import torch
from torch import Tensor, nn

from .._rope import Rope
from .._types import Config

_ops = torch.ops.simdrope
Offsets = Union[int, Tensor]


def rotate_half(x: Tensor, interleaved: bool = False) -> Tensor:
    """(-x2, x1) of the halves of the last dimension, or of its even and odd elements."""
    if not interleaved:
        x1, x2 = x.chunk(2, dim=-1)
        return torch.cat((-x2, x1), dim=-1)
    return torch.stack((-x[..., 1::2], x[..., ::2]), dim=-1).flatten(-2)


def _where(offsets: Offsets, cu_seqlens: Optional[Tensor]) -> tuple:
    """seqlen_offset, seqlen_offsets, positions, cu_seqlens of the operator."""
    if isinstance(offsets, Tensor):
        return 0, offsets, None, cu_seqlens
    return offsets, None, None, cu_seqlens


def apply_rotary_emb(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool = False, inplace: bool = False,
                     seqlen_offsets: Offsets = 0, cu_seqlens: Optional[Tensor] = None,
                     max_seqlen: Optional[int] = None) -> Tensor:
    """x [B, S, H, D], or [total, H, D] with cu_seqlens; cos and sin [rows, rotary_dim / 2] or [B, rows, rotary_dim /
    2].

    max_seqlen is not needed. A position beyond the last row is an IndexError.
    """
    where = _where(seqlen_offsets, cu_seqlens)
    if inplace:
        _ops.apply_rotary_emb_(x, cos, sin, interleaved, *where)
        return x
    return _ops.apply_rotary_emb(x, cos, sin, interleaved, *where)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool, offsets: Offsets) -> None:
    _ops.apply_rotary_emb_(x, cos, sin, interleaved, *_where(offsets, None))


def apply_rotary_emb_qkv_(qkv: Tensor, cos: Tensor, sin: Tensor, cos_k: Optional[Tensor] = None,
                          sin_k: Optional[Tensor] = None, interleaved: bool = False, seqlen_offsets: Offsets = 0,
                          num_heads_q: Optional[int] = None) -> Tensor:
    """Rotates Q and K of qkv in place: [B, S, 3, H, D], or [B, S, H + 2 HK, D] with num_heads_q."""
    if qkv.dim() == 5:
        if qkv.size(2) != 3:
            raise ValueError(f"qkv is {list(qkv.shape)}, not [batch, seq, 3, heads, head_dim]")
        q_heads, heads = qkv.size(3), qkv.flatten(2, 3) if qkv.is_contiguous() else None
    else:
        if num_heads_q is None:
            raise ValueError(f"qkv is {list(qkv.shape)}, which needs num_heads_q")
        q_heads, heads = num_heads_q, qkv
    if heads is None:  # a view with strides of its own
        q, k = qkv[:, :, 0], qkv[:, :, 1]
    else:
        k_heads = (heads.size(2) - q_heads) // 2
        if k_heads < 0 or q_heads + 2 * k_heads != heads.size(2):
            raise ValueError(f"qkv is {list(qkv.shape)}, no {q_heads} heads of Q and as many of K as of V")
        if cos_k is None:  # Q and K in one go
            _rotate(heads[:, :, : q_heads + k_heads], cos, sin, interleaved, seqlen_offsets)
            return qkv
        q, k = heads[:, :, :q_heads], heads[:, :, q_heads : q_heads + k_heads]
    _rotate(q, cos, sin, interleaved, seqlen_offsets)
    _rotate(k, cos if cos_k is None else cos_k, sin if sin_k is None else sin_k, interleaved, seqlen_offsets)
    return qkv


def apply_rotary_emb_kv_(kv: Tensor, cos: Tensor, sin: Tensor, interleaved: bool = False,
                         seqlen_offsets: Offsets = 0) -> Tensor:
    """Rotates K of kv [B, S, 2, H, D] in place."""
    if kv.dim() != 5 or kv.size(2) != 2:
        raise ValueError(f"kv is {list(kv.shape)}, not [batch, seq, 2, heads, head_dim]")
    _rotate(kv[:, :, 0], cos, sin, interleaved, seqlen_offsets)
    return kv


class RotaryEmbedding(nn.Module):
    """Rotates the first `dim` elements of each head, with XPos where scale_base is given.

    cos and sin are computed as PyTorch would in float32, and cached in the dtype of x; the cache grows with the
    positions asked for. With XPos its centre is half the cached length: give max_seqlen once, or keys that were cached
    before do not fit queries after. pos_idx_in_fp32 False: positions in the dtype of inv_freq (the module's, after
    .bfloat16()).
    """

    def __init__(self, dim: int, base: float = 10000.0, interleaved: bool = False, scale_base: Optional[float] = None,
                 scaling_factor: float = 1.0, pos_idx_in_fp32: bool = True,
                 device: Optional[torch.device] = None) -> None:
        super().__init__()
        self.dim, self.base, self.interleaved = dim, float(base), interleaved
        self.scale_base, self.scaling_factor, self.pos_idx_in_fp32 = scale_base, scaling_factor, pos_idx_in_fp32
        rope = Rope(self._config("float32"), shared=True)
        self.register_buffer("inv_freq", torch.tensor(rope.inv_freq, device=device), persistent=False)
        scale = None
        if scale_base is not None:
            scale = (torch.arange(0, dim, 2, device=device, dtype=torch.float32) + 0.4 * dim) / (1.4 * dim)
        self.register_buffer("scale", scale, persistent=False)
        self._seq_len_cached = 0
        self._cos_cached = self._sin_cached = self._cos_k_cached = self._sin_k_cached = None

    def _config(self, precision: str) -> Config:
        return Config(head_dim=self.dim, theta=self.base, precision=precision,
                      pairing="interleaved" if self.interleaved else "half")

    def _precision(self) -> str:
        if self.pos_idx_in_fp32 or self.inv_freq.dtype == torch.float32:
            return "float32"
        return "bf16_positions" if self.inv_freq.dtype == torch.bfloat16 else "f16_positions"

    def _update_cos_sin_cache(self, seqlen: int, device: Optional[torch.device] = None,
                              dtype: Optional[torch.dtype] = None) -> None:
        if self._cos_cached is not None and seqlen <= self._seq_len_cached and self._cos_cached.dtype == dtype:
            return
        from . import rows_of

        self._seq_len_cached = seqlen
        positions = None
        if self.scaling_factor != 1.0:  # positions divided by it, as real numbers
            positions = torch.arange(seqlen, dtype=torch.float32) / self.scaling_factor
        cos, sin = rows_of(Rope(self._config(self._precision()), shared=True), seqlen, positions)
        if self.scale is None:
            self._cos_cached, self._sin_cached = cos.to(dtype), sin.to(dtype)
            return
        power = (torch.arange(seqlen, dtype=torch.float32) - seqlen // 2) / self.scale_base
        scale = self.scale.float() ** power.unsqueeze(-1)
        self._cos_cached, self._sin_cached = (cos * scale).to(dtype), (sin * scale).to(dtype)
        self._cos_k_cached, self._sin_k_cached = (cos / scale).to(dtype), (sin / scale).to(dtype)

    def forward(self, qkv: Tensor, kv: Optional[Tensor] = None, seqlen_offset: Offsets = 0,
                max_seqlen: Optional[int] = None, num_heads_q: Optional[int] = None):
        """forward(qkv) rotates in place and returns qkv: [B, S, 3, H, D], or [B, S, H + 2 HK, D] with num_heads_q.

        forward(q, kv): q [B, S, H, D] anew, kv [B, S, 2, H, D] in place. forward(q, k), k [B, S, HK, D]: both anew.
        seqlen_offset: int, or [B] with max_seqlen.
        """
        seqlen = qkv.shape[1]
        if max_seqlen is not None:
            rows = max_seqlen
        elif isinstance(seqlen_offset, Tensor):
            raise ValueError("a tensor of seqlen_offset needs max_seqlen")
        else:
            rows = seqlen + seqlen_offset
        self._update_cos_sin_cache(rows, device=qkv.device, dtype=qkv.dtype)
        cos, sin, interleaved = self._cos_cached, self._sin_cached, self.interleaved
        cos_k = cos if self.scale is None else self._cos_k_cached
        sin_k = sin if self.scale is None else self._sin_k_cached
        if kv is None:
            keys = (None, None) if self.scale is None else (cos_k, sin_k)
            return apply_rotary_emb_qkv_(qkv, cos, sin, *keys, interleaved, seqlen_offset, num_heads_q)
        q = apply_rotary_emb(qkv, cos, sin, interleaved, seqlen_offsets=seqlen_offset)
        if kv.dim() == 5:
            return q, apply_rotary_emb_kv_(kv, cos_k, sin_k, interleaved, seqlen_offset)
        return q, apply_rotary_emb(kv, cos_k, sin_k, interleaved, seqlen_offsets=seqlen_offset)
