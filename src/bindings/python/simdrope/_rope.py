"""Rope and CosSin: a compiled Config, and the rows of one step."""
from __future__ import annotations

from typing import Any, Optional

from . import _core
from ._types import Array, Config, Positions


class CosSin:
    """Rows of cos and sin of one step, computed once and used by all layers: cos and sin are float32 [batches, seq,
    pairs].

    Made by Rope.cos_sin. numpy.asarray(rows.cos) and torch.frombuffer see the memory without a copy.
    """

    _simdrope_rows = True

    def __init__(self, rope: "Rope", batches: int, seq: int, padding: bool):
        def floats(*shape: int) -> memoryview:
            size = 4
            for n in shape:
                size *= n
            # A memoryview of no element cannot be cast to a shape.
            return memoryview(bytearray(size)).cast("f", shape) if size else memoryview(b"").cast("f")

        shape = (batches, seq, rope.pairs)
        self.rope = rope
        self.cos, self.sin = floats(*shape), floats(*shape)
        self.key_cos, self.key_sin = (floats(*shape), floats(*shape)) if rope.distinct_keys else (None, None)
        self.query_scale = floats(batches, seq) if rope.scales_queries else None
        self.padding = memoryview(bytearray(batches * seq)) if padding else None


class Rope(_core.Rope):
    """A compiled Config: immutable, a few KB, for any thread."""

    config: Optional[Config] = None

    def __new__(cls, config: Config, *, shared: bool = False) -> "Rope":
        self = super().__new__(cls, config, shared=shared)
        self.config = config
        return self

    def __reduce__(self) -> Any:
        if self.config is None:
            raise TypeError("a Rope of Rope.shift or Rope.rerotation cannot be pickled or copied: make it anew")
        return (type(self), (self.config,))

    def shift(self, fingerprint: int = 0) -> "Rope":
        """A Rope that turns keys rotated by this one at p into keys rotated at p + d, applied at positions d.

        fingerprint: what was stored beside the keys; one that is not this Rope's is refused, 0 is not checked.
        """
        return _core.rerotation(type(self), None, self, fingerprint)

    def rerotation(self, to: "Rope", fingerprint: int = 0) -> "Rope":
        """A Rope that turns keys rotated by this one into keys rotated by `to`, at the same positions."""
        return _core.rerotation(type(self), self, to, fingerprint)

    def cos_sin(self, batch: int, seq: int, positions: Optional[Positions | Array] = None, start: int = 0) -> CosSin:
        """The rows of `batch` sequences of `seq` tokens."""
        where = positions if isinstance(positions, Positions) else Positions(positions)
        per_batch = where.offsets is not None or (where.ids is not None and _batch_of(where.ids) > 1)
        batches = batch if per_batch and where.cu_seqlens is None else 1
        if batch < 0 or seq < 0:
            raise ValueError(f"batch = {batch} and seq = {seq} must not be negative")
        rows = CosSin(self, batches, seq, where.padding)
        if batches * seq:
            _core.compute_cos_sin(self, where, start, batch, seq, rows.cos, rows.sin, rows.key_cos, rows.key_sin,
                                  rows.query_scale, rows.padding)
        return rows

    def compute_cos_sin(self, cos: Array, sin: Array, positions: Optional[Positions | Array] = None, start: int = 0, *,
                        key_cos: Optional[Array] = None, key_sin: Optional[Array] = None) -> None:
        """Writes rows to arrays of the caller's, [seq, pairs] or [batch, seq, pairs]; float32, float16 or bfloat16."""
        *batch, seq, _ = cos.shape
        _core.compute_cos_sin(self, positions, start, batch[0] if batch else 1, seq, cos, sin, key_cos, key_sin, None,
                              None)


def _batch_of(ids: Array) -> int:
    shape = ids.shape if hasattr(ids, "shape") else memoryview(ids).shape
    return shape[-2] if len(shape) > 1 else 1


def get_rope(config: Config) -> Rope:
    """As Rope(config), but equal Configs share what is compiled."""
    return Rope(config, shared=True)
