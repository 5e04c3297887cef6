"""Norms, caches and their formats, and Plan, over NumPy arrays."""
import numpy as np
import pytest

import plain
import simdrope
from simdrope import Config, Norm, Plan, Positions, Rope, Stages, Tensor

rng = np.random.default_rng(2)
ROPE = Rope(Config(head_dim=64))


def draw(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def test_norm_then_rotation():
    q, k = draw(1, 5, 4, 64), draw(1, 5, 2, 64)
    q_weight, k_weight = draw(64), draw(64)
    before = q.copy(), k.copy()
    simdrope.apply(ROPE, q, k, start=3, q_stages=Stages(Norm("rms", q_weight, 1e-6), scale=0.125),
                   k_stages=Stages(Norm("rms", k_weight, 1e-6)))
    rows = plain.rows(64, np.arange(3, 8))
    for x, x0, weight, scale in ((q, before[0], q_weight, 0.125), (k, before[1], k_weight, 1)):
        wanted = plain.rotated(plain.rms_norm(x0, weight, 1e-6), *rows) * scale
        assert np.abs(x - wanted).max() < 1e-5


def test_weights_for_each_head_and_layer_norm():
    q = draw(1, 3, 2, 64)
    before = q.astype(np.float64)
    weight, bias = draw(2, 64), draw(2, 64)
    simdrope.apply(ROPE, q, q_stages=Stages(Norm("layer", weight, 1e-5, bias=bias, after_rotation=True)))
    x = plain.rotated(before, *plain.rows(64, np.arange(3)))
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * weight + bias
    assert np.abs(q - x).max() < 1e-4


@pytest.mark.parametrize("paged", [False, True])
def test_keys_and_values_into_a_cache(paged):
    q, k, v = draw(5, 4, 64), draw(5, 2, 64), draw(5, 2, 64)
    slots = np.array([7, 0, -1, 11, 3])
    shape, layout = ((3, 2, 4, 64), "bhsd") if paged else ((12, 2, 64), "shd")
    k_cache, v_cache = np.full(shape, 9, np.float16), np.full(shape, 9, np.float16)
    rotated = k.copy()
    simdrope.apply(ROPE, None, rotated, start=2)
    simdrope.apply(ROPE, q, k, v, start=2,
                   out=(None, Tensor(k_cache, layout, slots=slots), Tensor(v_cache, layout, slots=slots)))
    rows = [c.transpose(0, 2, 1, 3).reshape(12, 2, 64) if paged else c for c in (k_cache, v_cache)]
    for cache, wanted in zip(rows, (rotated, v)):
        for token, slot in enumerate(slots):
            if slot >= 0:
                assert (cache[slot] == wanted[token].astype(np.float16)).all()
        untouched = np.setdiff1d(np.arange(12), slots)
        assert (cache[untouched] == 9).all()
    with pytest.raises(IndexError, match="12"):
        simdrope.apply(ROPE, q, k, v,
                       out=(None, Tensor(k_cache, layout, slots=slots + 1), Tensor(v_cache, layout, slots=slots)))


def test_int8_with_scales():
    k = draw(6, 2, 64)
    wanted = k.copy()
    simdrope.apply(ROPE, None, wanted)
    data, scale = np.zeros((6, 2, 64), np.int8), np.zeros((6, 2), np.float32)
    simdrope.apply(ROPE, None, k, out=(None, Tensor(data, scale=scale)))
    assert (np.abs(data * scale[..., None] - wanted) <= scale[..., None] * 0.51).all()
    back = np.empty_like(k)
    simdrope.apply(ROPE, None, Tensor(data, scale=scale), out=(None, back), inverse=True)
    assert np.abs(back - k).max() < 0.1


def test_q8_0():
    k = draw(6, 2, 64)
    wanted = k.copy()
    simdrope.apply(ROPE, None, wanted)
    blocks = np.zeros((6, 2, 68), np.uint8)
    simdrope.apply(ROPE, None, k, out=(None, Tensor(blocks, format="q8_0")))
    parts = blocks.reshape(6, 2, 2, 34)
    d = parts[..., :2].copy().view(np.float16).astype(np.float32)
    values = (parts[..., 2:].view(np.int8) * d).reshape(6, 2, 64)
    assert np.abs(values - wanted).max() < 0.04


def test_key_positions():
    q, k = draw(1, 2, 2, 64), draw(1, 5, 2, 64)
    a, b = q.copy(), k.copy()
    simdrope.apply(ROPE, a, b, positions=np.array([3, 4]), key_positions=np.arange(5))
    simdrope.apply(ROPE, q, start=3)
    simdrope.apply(ROPE, None, k)
    assert (a == q).all() and (b == k).all()


def test_plan():
    q, k = draw(1, 3, 2, 64), draw(1, 3, 1, 64)
    ids = np.array([5, 6, 7])
    plan = Plan(ROPE, q, k, positions=ids)
    for _ in range(2):
        q2, k2, ids = draw(1, 3, 2, 64), draw(1, 3, 1, 64), ids + 9
        a, b = q2.copy(), k2.copy()
        plan.run(a, b, ids=ids)
        simdrope.apply(ROPE, q2, k2, positions=ids)
        assert (a == q2).all() and (b == k2).all()
    before = q.copy()
    plan.run()
    assert not (q == before).all()


def test_plan_with_outputs_tables_and_slots():
    cos, sin = (t.astype(np.float32) for t in plain.rows(64, np.arange(20)))
    q, k, v = draw(2, 4, 64), draw(2, 2, 64), draw(2, 2, 64)
    k_cache, v_cache = np.zeros((8, 2, 64), np.float32), np.zeros((8, 2, 64), np.float32)
    slots, ids = np.array([0, 1]), np.array([3, 4])
    plan = Plan(simdrope.Table(cos, sin), q, k, v, positions=ids,
                out=(None, Tensor(k_cache, slots=slots), Tensor(v_cache, slots=slots)))
    plan.run(q.copy(), k, v, ids=np.array([9, 10]), slots=np.array([6, 2]))
    wanted = k.copy()
    simdrope.apply(ROPE, None, wanted, start=9)
    assert np.abs(k_cache[[6, 2]] - wanted).max() < 1e-6 and (v_cache[[6, 2]] == v).all()
    assert not k_cache[[0, 1, 3, 4, 5, 7]].any()
    with pytest.raises(IndexError):
        plan.run(ids=np.array([3, 20]))
    with pytest.raises(IndexError):
        plan.run(slots=np.array([3, 8]))


@pytest.mark.parametrize("arguments,keywords,error,says", [
    ((draw(1, 4, 2, 64),), {}, ValueError, "planned"),
    ((draw(1, 3, 2, 64).astype(np.float16),), {}, ValueError, "planned"),
    ((draw(1, 3, 4, 64)[:, :, ::2],), {}, ValueError, "planned"),
    ((draw(1, 3, 2, 64), draw(1, 3, 1, 64)), {}, ValueError, "k was not planned"),
    ((), {"ids": np.arange(3, dtype=np.int32)}, ValueError, "planned"),
    ((), {"offsets": np.arange(1)}, ValueError, "offsets was not planned"),
    ((), {"slots": np.arange(3)}, ValueError, "slots were not planned"),
    ((), {"idz": np.arange(3)}, TypeError, "idz"),
    ((), {"start": "1"}, TypeError, "start"),
    ((1, 2, 3, 4), {}, TypeError, "4"),
    (([1.0],), {}, TypeError, "buffer"),
])
def test_plan_refuses(arguments, keywords, error, says):
    q = draw(1, 3, 2, 64)
    plan = Plan(ROPE, q, positions=np.arange(3))
    before = q.copy()
    with pytest.raises(error, match=says):
        plan.run(*arguments, **keywords)
    assert (q == before).all()


@pytest.mark.parametrize("make,error,says", [
    (lambda q: {"q_stages": Stages(Norm("rmsnorm"))}, ValueError, "none of"),
    (lambda q: {"q_stages": Stages(Norm("rms", np.ones(32, np.float32)))}, ValueError, "weight"),
    (lambda q: {"q_stages": Stages(Norm("rms", np.ones(64)))}, TypeError, "float64"),
    (lambda q: {"q_stages": Stages(Norm("rms", None, -1.0))}, ValueError, "eps"),
    (lambda q: {"q_stages": Stages(Norm("layer", np.ones(64, np.float32), bias=np.ones((2, 64), np.float32)))},
     ValueError, "bias"),
    (lambda q: {"q_stages": Stages(hadamard=48)}, ValueError, "hadamard"),
    (lambda q: {"q_stages": Stages(scale=float("inf"))}, ValueError, "scale"),
    (lambda q: {"out": (Tensor(np.zeros((3, 2, 64), np.int8)),)}, ValueError, "scale"),
    (lambda q: {"out": (Tensor(np.zeros((3, 2, 64), np.int8), scale=np.zeros((3, 3), np.float32)),)},
     ValueError, "scale"),
    (lambda q: {"out": (Tensor(np.zeros((3, 2, 64), np.int8), scale=np.zeros((3, 2))),)}, TypeError, "float64"),
    (lambda q: {"out": (Tensor(np.zeros((3, 2, 67), np.uint8), format="q8_0"),)}, ValueError, "blocks of 34"),
    (lambda q: {"out": (Tensor(np.zeros((9, 2, 64), np.float32), slots=np.arange(4)),)}, ValueError, "out.q"),
    (lambda q: {"out": (Tensor(np.zeros((9, 2, 64), np.float32), slots=np.arange(3.0)),)}, TypeError, "slots"),
    (lambda q: {"out": (Tensor(np.zeros((9, 2, 64), np.float32), slots="ids"),)}, ValueError, "positions"),
    (lambda q: {"out": (Tensor(np.zeros((9, 2, 64), np.float32), slots=np.array([1, 1, 2]), reject_duplicates=True),)},
     ValueError, "slot"),
])
def test_stages_refused(make, error, says):
    q = draw(3, 2, 64)
    before = q.copy()
    keywords = make(q)
    written = [t.data for t in keywords.get("out", ())]
    with pytest.raises(error, match=says):
        simdrope.apply(ROPE, q, **keywords)
    assert (q == before).all() and not any(w.any() for w in written)


def test_packed_positions_in_a_plan():
    x = draw(5, 2, 64)
    plan = Plan(ROPE, x, positions=Positions(cu_seqlens=np.array([0, 2, 5]), offsets=np.array([0, 0])))
    y = draw(5, 2, 64)
    z = y.copy()
    plan.run(y, cu_seqlens=np.array([0, 3, 5]), offsets=np.array([4, 9]))
    simdrope.apply(ROPE, z, positions=Positions(cu_seqlens=np.array([0, 3, 5]), offsets=np.array([4, 9])))
    assert (y == z).all()
