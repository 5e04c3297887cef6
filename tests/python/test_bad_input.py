"""Calls that are refused: by which exception, naming what, and with nothing written."""
import numpy as np
import pytest

import simdrope
from simdrope import Config, Positions, Rope, Table, Tensor

ROPE = Rope(Config(head_dim=32))
TABLE = np.ones((10, 16), np.float32)


def q(*shape, dtype=np.float32):
    return np.ones(shape or (2, 3, 4, 32), dtype)


def readonly(array):
    array.flags.writeable = False
    return array


def overlapping():
    """Rows that overlap the next ones."""
    return np.lib.stride_tricks.as_strided(np.ones(4096, np.float32), (1, 6, 2, 32), (0, 64, 128, 4))


# (exception, what its message says, the call's arguments with q as the first)
CASES = {
    "head_dim": (ValueError, "head_dim = 32", q(2, 3, 4, 64), {}),
    "two dimensions": (ValueError, "q has 2 dimensions", q(3, 32), {}),
    "five dimensions": (ValueError, "q has 5 dimensions", q(1, 1, 3, 4, 32), {}),
    "float64": (TypeError, "float64", q(dtype=np.float64), {}),
    "int32": (TypeError, "int32", q(dtype=np.int32), {}),
    "complex": (TypeError, "q has elements of format", q(dtype=np.complex64), {}),
    "big-endian": (TypeError, "q has elements of format", q(dtype=">f4"), {}),
    "list": (TypeError, "q is a", [[1.0]], {}),
    "string": (TypeError, "q is a", "q", {}),
    "read-only": (ValueError, "q is read-only", readonly(q()), {}),
    "read-only bytes": (ValueError, "read-only", Tensor(bytes(32 * 12 * 4), layout="h"), {}),
    "head not adjoining": (ValueError, "must adjoin", q(2, 3, 4, 64)[..., ::2], {}),
    "unaligned": (ValueError, "no multiple", np.frombuffer(bytearray(2 * 32 * 4 + 1), np.uint8)[1:].view(np.float32)
                  .reshape(1, 2, 1, 32), {}),
    "overlapping output": (ValueError, "", overlapping(), {}),
    "broadcast output": (ValueError, "read-only", np.broadcast_to(q(1, 3, 4, 32), (2, 3, 4, 32)), {}),
    "layout letter": (ValueError, "layout", q(), {"layout": "bsxd"}),
    "layout twice": (ValueError, "twice", q(), {"layout": "bssd"}),
    "layout lacks": (ValueError, "lacks", q(3, 4, 32), {"layout": "bsd"}),
    "layout dimensions": (ValueError, "4 dimensions", q(), {"layout": "shd"}),
    "layout type": (TypeError, "no string", q(), {"layout": 4}),
    "format name": (ValueError, "none of", Tensor(q(), format="float32"), {}),
    "format size": (TypeError, "hold no bf16", Tensor(q(), format="bf16"), {}),
    "format of floats": (TypeError, "hold no", Tensor(q(dtype=np.float32), format="q8_0"), {}),
    "k batch": (ValueError, "in.k", q(), {"k": q(1, 3, 4, 32)}),
    "k seq": (ValueError, "in.k", q(), {"k": q(2, 4, 4, 32)}),
    "k is q": (ValueError, "overlap", None, {"same": True}),
    "out shape": (ValueError, "out.q", q(), {"out": (q(2, 3, 4, 64),)}),
    "out read-only": (ValueError, "out[0]", q(), {"out": (readonly(q()),)}),
    "out too long": (ValueError, "4 entries", q(), {"out": (None,) * 4}),
    "out no sequence": (TypeError, "", q(), {"out": 3}),
    "start": (TypeError, "start", q(), {"start": 1.5}),
    "start too large": (TypeError, "64-bit", q(), {"start": 2**70}),
    "ids seq": (ValueError, "ids", q(), {"positions": np.arange(4)}),
    "ids batch": (ValueError, "ids", q(), {"positions": np.zeros((3, 3), np.int64)}),
    "ids dtype": (TypeError, "positions.ids", q(), {"positions": np.arange(3, dtype=np.int16)}),
    "ids scalar": (ValueError, "positions.ids", q(), {"positions": np.int64(3)}),
    "ids nan": (Exception, "", q(), {"positions": np.array([0.0, np.nan, 1.0])}),
    "both starts": (ValueError, "both given", q(), {"positions": Positions(start=3), "start": 4}),
    "offsets count": (ValueError, "offsets", q(), {"positions": Positions(offsets=np.zeros(3, np.int64))}),
    "offsets real": (TypeError, "offsets", q(), {"positions": Positions(offsets=np.zeros(2))}),
    "offsets strided": (ValueError, "contiguous", q(), {"positions": Positions(offsets=np.zeros(4, np.int64)[::2])}),
    "cu_seqlens with batch": (ValueError, "cu_seqlens", q(), {"positions": Positions(cu_seqlens=np.array([0, 3]))}),
    "cu_seqlens empty": (ValueError, "empty", q(), {"positions": Positions(cu_seqlens=np.empty(0, np.int64))}),
    "cu_seqlens falls": (ValueError, "cu_seqlens", q(3, 4, 32),
                         {"positions": Positions(cu_seqlens=np.array([0, 4, 3]))}),
    "pairing": (ValueError, "output_pairing", q(), {"output_pairing": "halves"}),
    "threads": (ValueError, "threads", q(), {"threads": -1}),
    "table shapes": (ValueError, "cos is", q(), {"rows": Table(TABLE, TABLE[:5])}),
    "table dtype": (TypeError, "cos", q(),
                    {"rows": Table(TABLE.astype(np.int8).astype(np.int32), TABLE.astype(np.int32))}),
    "table dimensions": (ValueError, "cos is", q(), {"rows": Table(TABLE[0], TABLE[0])}),
    "table columns": (ValueError, "column", q(), {"rows": Table(TABLE[:, :8], TABLE[:, :8])}),
    "table range": (IndexError, "10", q(), {"rows": Table(TABLE, TABLE), "start": 9}),
    "table negative": (IndexError, "-1", q(), {"rows": Table(TABLE, TABLE), "start": -1}),
    "table pairing": (ValueError, "pairing", q(), {"rows": Table(TABLE, TABLE, pairing="neox")}),
    "table pair_axis": (ValueError, "pair_axis", q(),
                        {"rows": Table(TABLE, TABLE, pair_axis=np.zeros(15, np.uint8))}),
    "rows": (TypeError, "rows is a", q(), {"rows": 3}),
    "rows None": (ValueError, "cos_sin", q(), {"rows": None}),
    "keyword": (TypeError, "sart", q(), {"sart": 3}),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(name):
    error, says, x, keywords = CASES[name]
    keywords = dict(keywords)
    rows = keywords.pop("rows", ROPE)
    if keywords.pop("same", False):
        x = q()
        keywords["k"] = x
    arrays = [a for a in (x, keywords.get("k")) if isinstance(a, np.ndarray)]
    before = [a.copy() for a in arrays]
    with pytest.raises(error) as raised:
        simdrope.apply(rows, x, **keywords)
    assert says in str(raised.value) and str(raised.value)
    assert all((a == b).all() for a, b in zip(arrays, before))


@pytest.mark.parametrize("change,error,says", [
    ({"head_dim": 3}, ValueError, "rotary_dim"),
    ({"head_dim": 0}, ValueError, "head_dim"),
    ({"head_dim": 4096}, (ValueError, NotImplementedError), "4096"),
    ({"head_dim": 2**40}, ValueError, "32 bits"),
    ({"head_dim": "64"}, TypeError, "config.head_dim"),
    ({"head_dim": 64.0}, TypeError, "config.head_dim"),
    ({"theta": 0}, ValueError, "theta"),
    ({"theta": float("nan")}, ValueError, "theta"),
    ({"theta": None}, TypeError, "config.theta"),
    ({"pairing": "neox"}, ValueError, "config.pairing"),
    ({"precision": 1}, TypeError, "config.precision"),
    ({"scaling": None}, AttributeError, "type"),
    ({"scaling": simdrope.Scaling("linear")}, ValueError, "factor"),
    ({"scaling": simdrope.Scaling("explicit", factors=[1.0])}, ValueError, "factor"),
    ({"scaling": simdrope.Scaling("longrope", factors=[1.0] * 32, long_factors=[1.0])}, ValueError, "long_factors"),
    ({"scaling": simdrope.Scaling("explicit", factors=["a"])}, TypeError, "scaling.factors"),
    ({"axes": simdrope.Axes(9)}, ValueError, "axes"),
    ({"axes": simdrope.Axes(3, "sections", (1,) * 5)}, ValueError, "axes.sections"),
    ({"axes": simdrope.Axes(2, "explicit", pair_axis=[300])}, ValueError, "pair_axis"),
])
def test_config_refused(change, error, says):
    with pytest.raises(error, match=says):
        Rope(Config(**{"head_dim": 64, **change}))


def test_exceptions_are_simdropes_and_the_builtin_ones():
    with pytest.raises(simdrope.InvalidArgument):
        simdrope.apply(ROPE, q(2, 3, 4, 64))
    assert issubclass(simdrope.OutOfRange, IndexError) and issubclass(simdrope.OutOfRange, simdrope.Error)


def test_read_only_input_with_an_output():
    x, y = readonly(q()), q()
    simdrope.apply(ROPE, x, out=(y,), start=3)
    broadcast = np.broadcast_to(q(1, 3, 4, 32), (2, 3, 4, 32))
    simdrope.apply(ROPE, broadcast, out=(y,), start=3)


def test_models_refused(tmp_path):
    with pytest.raises(simdrope.BadFile, match="none.json"):
        simdrope.from_config(tmp_path / "none.json")
    with pytest.raises(simdrope.Error):
        simdrope.from_pretrained_config("{")
    with pytest.raises(simdrope.Error):
        simdrope.from_pretrained_config({"model_type": "llama", "rope_scaling": {"rope_type": "none such"}})
