from typing import Any, List, Optional, Sequence, Tuple, Union

from ._rope import CosSin, Rope as PyRope
from ._types import Array, Config, Positions, Stages, Table, Tensor

version: str
Rows = Union[PyRope, CosSin, Table, None]
Operand = Union[Array, Tensor, None]

class Rope:
    head_dim: int
    rotary_dim: int
    rotary_offset: int
    split: int
    pairs: int
    axes: int
    pairing: str
    theta: float
    attention_factor: float
    fingerprint: int
    inv_freq: Tuple[float, ...]
    pair_axis: bytes
    distinct_keys: bool
    scales_queries: bool
    def __new__(cls, config: Config, *, shared: bool = False) -> Any: ...

class Plan:
    def __new__(cls, rows: Rows, q: Operand = None, k: Operand = None, v: Operand = None, *,
                out: Optional[Sequence[Operand]] = None, start: int = 0,
                positions: Union[Positions, Array, None] = None, key_positions: Union[Positions, Array, None] = None,
                layout: Optional[str] = None, inverse: bool = False, output_pairing: Optional[str] = None,
                q_stages: Optional[Stages] = None, k_stages: Optional[Stages] = None,
                v_stages: Optional[Stages] = None, threads: int = 0) -> "Plan": ...
    def run(self, q: Optional[Array] = None, k: Optional[Array] = None, v: Optional[Array] = None, *,
            out: Optional[Sequence[Optional[Array]]] = None, start: Optional[int] = None, ids: Optional[Array] = None,
            offsets: Optional[Array] = None, cu_seqlens: Optional[Array] = None, cos: Optional[Array] = None,
            sin: Optional[Array] = None, slots: Optional[Array] = None) -> None: ...

def apply(rows: Rows, q: Operand = None, k: Operand = None, v: Operand = None, *,
          out: Optional[Sequence[Operand]] = None, start: int = 0, positions: Union[Positions, Array, None] = None,
          key_positions: Union[Positions, Array, None] = None, layout: Optional[str] = None, inverse: bool = False,
          output_pairing: Optional[str] = None, q_stages: Optional[Stages] = None, k_stages: Optional[Stages] = None,
          v_stages: Optional[Stages] = None, threads: int = 0) -> None: ...
def rotate_half(x: Union[Array, Tensor], out: Union[Array, Tensor], *, pairing: str = "half",
                layout: Optional[str] = None) -> None: ...
def compute_cos_sin(rope: Rope, positions: Union[Positions, Array, None], start: int, batch: int, seq: int, cos: Array,
                    sin: Array, key_cos: Optional[Array], key_sin: Optional[Array], query_scale: Optional[Array],
                    padding: Optional[Array], /) -> None: ...
def rerotation(cls: type, source: Optional[Rope], to: Rope, fingerprint: int, /) -> Any: ...
def read_model(text: str, is_json: bool, allow_unknown: bool, seq_len: int, /) -> Tuple[Any, ...]: ...
def to_hf_config(config: Config, /) -> str: ...
def targets() -> List[Tuple[str, bool, bool]]: ...
def target_in_use() -> str: ...
def use_target(name: Optional[str], /) -> None: ...
def max_threads() -> int: ...
