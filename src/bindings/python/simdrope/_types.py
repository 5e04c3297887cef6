"""What calls of simdrope are described by: plain data, with the names and meanings of simdrope.h."""
from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Optional, Sequence, Tuple, Union

# NumPy arrays, PyTorch tensors on the CPU, and all that gives a buffer or DLPack.
Array = Any


@dataclass
class Scaling:
    """How the frequencies are changed for long contexts. Fields that the type does not name are ignored.

    0 means "not given"; attention_factor counts as it is, 0 too, where attention_factor_given says so.

    type: "none", "linear", "llama3", "ntk", "dynamic", "yarn", "longrope", "proportional", "freq_factors", "explicit".
    factors, long_factors: lists with an entry for each pair; "longrope": short and long; "freq_factors": divisors;
    "explicit": inv_freq itself.
    """

    type: str = "none"
    factor: float = 0.0
    attention_factor: float = 0.0
    attention_factor_given: bool = False
    original_max_position: int = 0
    max_position: int = 0
    seq_len: int = 0
    low_freq_factor: float = 0.0
    high_freq_factor: float = 0.0
    beta_fast: float = 0.0
    beta_slow: float = 0.0
    truncate: bool = False
    mscale: float = 0.0
    mscale_all_dim: float = 0.0
    short_mscale: float = 0.0
    long_mscale: float = 0.0
    proportion: float = 0.0
    factors: Sequence[float] = ()
    long_factors: Sequence[float] = ()
    extrapolation_factor: float = 0.0


@dataclass
class Axes:
    """Which position axis and which frequency a pair takes where positions have several axes.

    layout: "sections", "interleaved", "alternate", "restart", "strided", "explicit", where pair_axis says it, or "sum",
    where explicit factors hold the frequencies of all pairs on each axis in turn.
    sections: pairs of each axis, in the order of the axes.
    """

    count: int = 1
    layout: str = "sections"
    sections: Sequence[int] = ()
    pair_axis: Sequence[int] = ()


@dataclass
class XPos:
    """XPos (arXiv 2212.10554): magnitudes that fall with the distance between query and key. scale_base 0: none."""

    scale_base: float = 0.0
    center: float = 0.0
    center_at_half_length: bool = False


@dataclass
class Temperature:
    """Q at position p is multiplied by 1 + beta * log(1 + floor((p + offset) / length)). beta 0: none."""

    beta: float = 0.0
    length: float = 0.0
    offset: float = 0.0


@dataclass
class Config:
    """What a model file says about RoPE.

    head_dim: elements of one head. rotary_dim: width of the rotated window, 0: head_dim - rotary_offset.
    pairing: "half" (GPT-NeoX, Hugging Face) or "interleaved" (GPT-J, Meta's llama). split: distance between the
    elements of a half pair, 0: rotary_dim / 2. theta: base of the frequencies.
    precision: "exact", "float32" (as PyTorch models compute), "bf16_positions", "f16_positions".
    reversed: turns the other way (NanoChat). query_log_length: Q at position p is multiplied by
    log(p + 1) / log(query_log_length), where that is above 1; 0: none.
    angle_order: "of_pairs", or which cos and sin each element of a pair takes: "halves" (V-JEPA 2), "neighbours".
    pairs_in_sections: half pairs are made inside the block of each axis (Gemma 4's vision tower).
    """

    head_dim: int
    theta: float = 10000.0
    rotary_dim: int = 0
    rotary_offset: int = 0
    split: int = 0
    pairing: str = "half"
    precision: str = "exact"
    scaling: Scaling = field(default_factory=Scaling)
    axes: Axes = field(default_factory=Axes)
    xpos: XPos = field(default_factory=XPos)
    temperature: Temperature = field(default_factory=Temperature)
    reversed: bool = False
    query_log_length: float = 0.0
    angle_order: str = "of_pairs"
    pairs_in_sections: bool = False

    def to_hf_config(self) -> str:
        """The config.json (transformers v5) that reads back to this Config."""
        from . import _core

        return _core.to_hf_config(self)


@dataclass(eq=False)
class Positions:
    """The position of token s of sequence b on axis a: start + offsets[b] + ids[a, b, s], and s itself without ids.

    ids: [seq], [batch, seq] or [axes, batch, seq]; int32, int64, or float32 or float64 for real-valued coordinates.
    offsets: [batch], int32 or int64. cu_seqlens: [sequences + 1], where packed sequences begin; s restarts in each.
    padding: a position of -1 leaves its token alone.
    """

    ids: Optional[Array] = None
    start: int = 0
    offsets: Optional[Array] = None
    cu_seqlens: Optional[Array] = None
    padding: bool = False
    _simdrope_positions = True


@dataclass(eq=False)
class Tensor:
    """An array with what its dtype and shape do not say.

    layout: a letter for each dimension: b(atch), s(eq) or t(okens), h(eads), d: "bshd", "bhsd", "thd", ...
    format: "f32", "f16", "bf16", "f8_e4m3", "f8_e5m2", "i8", "u8", "q8_0", "q4_0"; None: the array's dtype. Bits may be
    held as integers of their size (bf16 as uint16), blocks of q8_0 and q4_0 as bytes.
    scale, zero_point: float32, [] or as the array less its last dimension, 1 where they are shared.
    scale_given: an output reads them and does not compute them.
    slots: this is a cache, [slots, heads, d] or with pages; token (b, s) of the step is row slots[b, s] of it, -1 skips
    it.
    "positions": a token's row is its position.
    """

    data: Array
    layout: Optional[str] = None
    format: Optional[str] = None
    scale: Optional[Array] = None
    zero_point: Optional[Array] = None
    scale_given: bool = False
    slots: Union[Array, str, None] = None
    reject_duplicates: bool = False
    _simdrope_tensor = True


@dataclass(eq=False)
class Norm:
    """A norm over each head: "rms", "l2" or "layer". weight and bias: [head_dim] or [heads, head_dim].

    weight_offset is added to each weight (Gemma: 1). over_all_heads: one norm over all heads of a token.
    after_rotation: after it and not before. round: to the input's dtype where a chain of PyTorch modules would.
    """

    type: str = "rms"
    weight: Optional[Array] = None
    eps: float = 1e-6
    bias: Optional[Array] = None
    weight_offset: float = 0.0
    over_all_heads: bool = False
    after_rotation: bool = False
    round: bool = False


@dataclass(eq=False)
class Stages:
    """What is done to Q, K or V besides the rotation: norm, Walsh-Hadamard transforms of a width, a factor."""

    norm: Optional[Norm] = None
    scale: float = 1.0
    hadamard: int = 0
    input_hadamard: int = 0


@dataclass(eq=False)
class Table:
    """Rows of cos and sin of the caller's own, looked up by position: [rows, pairs] or [batches, rows, pairs].

    key_cos, key_sin: rows for K where they are others. magnitude multiplies cos and sin.
    out_of_range: what becomes of a token whose position has no row: "reject", "identity", "skip".
    full_width: [rows, rotary_dim], a column for each element (transformers' cos and sin, used as they are).
    """

    cos: Array
    sin: Array
    pairing: str = "half"
    rotary_dim: int = 0
    rotary_offset: int = 0
    split: int = 0
    magnitude: float = 1.0
    out_of_range: str = "reject"
    key_cos: Optional[Array] = None
    key_sin: Optional[Array] = None
    pair_axis: Optional[Array] = None
    full_width: bool = False
    rope = None
    _simdrope_rows = True


@dataclass(frozen=True)
class LayerRope:
    """One kind of attention layer of a model.

    layers: the layers of this kind, as far as the file tells; empty: all, or untold. rotary False: they use no RoPE.
    """

    layer_type: str
    rotary: bool
    config: Config
    layers: Tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """What a model file says: a LayerRope for each kind of attention layer."""

    model_type: str
    max_position: int
    q_heads: int
    k_heads: int
    ropes: Tuple[LayerRope, ...]
    warnings: Tuple[str, ...]


Path = Union[str, "os.PathLike[str]"]
