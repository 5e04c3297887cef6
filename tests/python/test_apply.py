"""simdrope.apply over NumPy arrays and whatever gives DLPack, against a plain reference."""
import copy
import dataclasses
import inspect
import multiprocessing
import pickle
import re
import threading
from pathlib import Path

import numpy as np
import pytest

import plain
import simdrope
from simdrope import Config, Positions, Rope, Table, Tensor

rng = np.random.default_rng(1)


def draw(*shape, dtype=np.float32):
    return rng.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("pairing", ["half", "interleaved"])
def test_in_place(dtype, pairing):
    rope = Rope(Config(head_dim=64, theta=5e5, pairing=pairing))
    q, k = draw(2, 7, 4, 64, dtype=dtype), draw(2, 7, 2, 64, dtype=dtype)
    before = q.copy(), k.copy()
    assert simdrope.apply(rope, q, k, start=4000) is None
    cos, sin = plain.rows(64, np.arange(4000, 4007), 5e5)
    for x, x0 in zip((q, k), before):
        assert plain.close(x, plain.rotated(x0, cos, sin, pairing == "interleaved"), dtype, 5)


def test_layouts_and_strides():
    rope = Rope(Config(head_dim=32))
    x = draw(2, 5, 3, 32)
    wanted = x.copy()
    simdrope.apply(rope, wanted, start=9)
    bhsd = np.ascontiguousarray(x.transpose(0, 2, 1, 3))
    simdrope.apply(rope, bhsd, start=9, layout="bhsd")
    assert (bhsd.transpose(0, 2, 1, 3) == wanted).all()
    view = x.copy().transpose(0, 2, 1, 3)
    simdrope.apply(rope, Tensor(view, layout="bhsd"), start=9)
    assert (view.transpose(0, 2, 1, 3) == wanted).all()
    wide = np.zeros((2, 5, 3, 40), np.float32)
    wide[..., 4:36] = x
    simdrope.apply(rope, wide[..., 4:36], start=9)
    assert (wide[..., 4:36] == wanted).all() and not wide[..., :4].any() and not wide[..., 36:].any()
    thd = x[0].copy()
    simdrope.apply(rope, thd, start=9)
    assert (thd == wanted[0]).all()
    backwards = x[:, ::-1].copy()[:, ::-1]
    simdrope.apply(rope, backwards, start=9)
    assert (backwards == wanted).all()


def test_out_leaves_the_input():
    rope = Rope(Config(head_dim=16))
    q, k = draw(1, 3, 2, 16), draw(1, 3, 1, 16)
    q0, k0, q1 = q.copy(), k.copy(), np.empty_like(q)
    simdrope.apply(rope, q, k, out=(q1, None), start=1)
    assert (q == q0).all() and not (k == k0).all()
    simdrope.apply(rope, q, start=1)
    assert (q == q1).all()


def test_inverse_and_output_pairing():
    rope = Rope(Config(head_dim=64))
    q = draw(1, 6, 2, 64)
    x = q.copy()
    simdrope.apply(rope, x, start=77)
    simdrope.apply(rope, x, start=77, inverse=True)
    assert np.abs(x - q).max() < 1e-6
    half, interleaved = q.copy(), q.copy()
    simdrope.apply(rope, half)
    simdrope.apply(rope, interleaved, output_pairing="interleaved")
    assert (interleaved[..., ::2] == half[..., :32]).all() and (interleaved[..., 1::2] == half[..., 32:]).all()


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32, np.float64])
def test_positions(dtype):
    rope = Rope(Config(head_dim=32))
    ids = np.array([[3, 9, 1], [0, 5, 100]], dtype)
    x = draw(2, 3, 2, 32)
    y = x.copy()
    simdrope.apply(rope, x, positions=ids)
    assert plain.close(x, plain.rotated(y, *plain.rows(32, ids)), "float32", 5)
    z = y.copy()
    simdrope.apply(rope, z, positions=Positions(ids, start=2))
    assert plain.close(z, plain.rotated(y, *plain.rows(32, ids + 2)), "float32", 5)


def test_offsets_packed_and_padding():
    rope = Rope(Config(head_dim=32))
    x = draw(2, 3, 2, 32)
    y = x.copy()
    simdrope.apply(rope, y, positions=Positions(offsets=np.array([10, 20], np.int32)))
    assert plain.close(y, plain.rotated(x, *plain.rows(32, [[10, 11, 12], [20, 21, 22]])), "float32", 5)
    t = draw(5, 2, 32)
    y = t.copy()
    simdrope.apply(rope, y, positions=Positions(cu_seqlens=np.array([0, 2, 2, 5])))
    assert plain.close(y, plain.rotated(t, *plain.rows(32, [0, 1, 0, 1, 2])), "float32", 5)
    y = t.copy()
    simdrope.apply(rope, y, positions=Positions(np.array([4, -1, 5, -1, 6]), padding=True))
    assert (y[1] == t[1]).all() and (y[3] == t[3]).all() and not (y[0] == t[0]).all()


def test_axes():
    sections = (4, 6, 6)
    rope = Rope(Config(head_dim=32, axes=simdrope.Axes(3, "sections", sections)))
    ids = np.arange(12).reshape(3, 1, 4) * 7
    axis = np.repeat([0, 1, 2], sections)
    assert list(rope.pair_axis) == list(axis)
    x = draw(1, 4, 2, 32)
    y = x.copy()
    simdrope.apply(rope, y, positions=ids)
    angles = ids[axis, 0].T * 10000.0 ** (-np.arange(0, 32, 2) / 32)
    assert plain.close(y, plain.rotated(x, np.cos(angles), np.sin(angles)), "float32", 5)


def test_prepared_rows_are_the_same_bits():
    for config in (Config(64), Config(64, xpos=simdrope.XPos(512.0)),
                   Config(64, temperature=simdrope.Temperature(0.1, 4.0, 1.0))):
        rope = Rope(config)
        q, k = draw(2, 5, 3, 64), draw(2, 5, 1, 64)
        streamed = q.copy(), k.copy()
        where = Positions(offsets=np.array([3, 40]))
        simdrope.apply(rope, *streamed, positions=where)
        rows = rope.cos_sin(2, 5, where)
        simdrope.apply(rows, q, k)
        assert (q == streamed[0]).all() and (k == streamed[1]).all()
        assert np.asarray(rows.cos).shape == (2, 5, 32)


def test_table():
    cos, sin = (t.astype(np.float32) for t in plain.rows(64, np.arange(50)))
    x = draw(2, 4, 2, 64)
    ids = np.array([[0, 49, 7, 7], [1, 2, 3, 4]])
    y = x.copy()
    simdrope.apply(Table(cos, sin), y, positions=ids)
    assert plain.close(y, plain.rotated(x, cos[ids], sin[ids]), "float32", 5)
    ids[0, 0] = 50
    y = x.copy()
    with pytest.raises(simdrope.OutOfRange):
        simdrope.apply(Table(cos, sin), y, positions=ids)
    assert (y == x).all()
    simdrope.apply(Table(cos, sin, out_of_range="identity"), y, positions=ids)
    assert (y[0, 0] == x[0, 0]).all() and not (y[0, 1] == x[0, 1]).all()


def test_bf16_as_uint16():
    rope = Rope(Config(head_dim=32))
    x = draw(1, 3, 2, 32)
    bits = (x.view(np.uint32) >> 16).astype(np.uint16)  # cut off, so exact
    exact = (bits.astype(np.uint32) << 16).view(np.float32)
    simdrope.apply(rope, Tensor(bits, format="bf16"), start=5)
    y = (bits.astype(np.uint32) << 16).view(np.float32)
    assert plain.close(y, plain.rotated(exact, *plain.rows(32, np.arange(5, 8))), "bfloat16", 5)


class OnlyDlpack:
    """An array that is seen by DLPack alone, of before 1.0 or after."""

    def __init__(self, array, old=False):
        self.array, self.old = array, old

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, **keywords):
        if keywords and (self.old or np.lib.NumpyVersion(np.__version__) < "2.1.0"):
            raise TypeError("no such keyword")
        return self.array.__dlpack__(**keywords)


@pytest.mark.parametrize("old", [True, False])
def test_dlpack(old):
    rope = Rope(Config(head_dim=32))
    x = draw(2, 3, 2, 32)
    y, z = x.copy(), x.copy()
    simdrope.apply(rope, y, start=3)
    simdrope.apply(rope, OnlyDlpack(z, old), start=3)
    assert (y == z).all()


def test_shift_and_rerotation():
    rope = Rope(Config(head_dim=64))
    k = draw(1, 4, 2, 64)
    at_5, shifted = k.copy(), k.copy()
    simdrope.apply(rope, shifted)
    simdrope.apply(rope.shift(), None, shifted, positions=np.full(4, 5))
    simdrope.apply(rope, at_5, start=5)
    assert np.abs(shifted - at_5).max() < 1e-5
    other = Rope(Config(head_dim=64, theta=5e5))
    a, b = k.copy(), k.copy()
    simdrope.apply(rope, a, start=100)
    simdrope.apply(rope.rerotation(other), None, a, start=100)
    simdrope.apply(other, b, start=100)
    assert np.abs(a - b).max() < 1e-5


def test_fingerprint():
    rope = Rope(Config(head_dim=64))
    assert rope.fingerprint == Rope(Config(head_dim=64)).fingerprint != Rope(Config(head_dim=64, theta=5e5)).fingerprint
    rope.shift(rope.fingerprint)
    with pytest.raises(simdrope.InvalidArgument, match="fingerprint"):
        rope.shift(rope.fingerprint ^ 1)


def test_rope_copies_and_pickles():
    rope = Rope(Config(head_dim=64, theta=7.0))
    for twin in (copy.deepcopy(rope), pickle.loads(pickle.dumps(rope))):
        assert twin.inv_freq == rope.inv_freq and twin.config == rope.config
    with pytest.raises(TypeError, match="anew"):
        copy.deepcopy(rope.shift())


def test_empty():
    rope = Rope(Config(head_dim=64))
    for shape in ((0, 5, 2, 64), (2, 0, 2, 64), (0, 2, 64)):
        simdrope.apply(rope, np.empty(shape, np.float32))
    assert np.asarray(rope.cos_sin(1, 0).cos).size == 0


def test_threads():
    rope = Rope(Config(head_dim=64))
    x = draw(8, 300, 4, 64)
    wanted = x.copy()
    simdrope.apply(rope, wanted, threads=1)
    arrays = [x.copy() for _ in range(4)]
    workers = [threading.Thread(target=simdrope.apply, args=(rope, a)) for a in arrays]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all((a == wanted).all() for a in arrays)


def _rotate_in_child(queue, x):
    rope = simdrope.get_rope(Config(head_dim=64))
    simdrope.apply(rope, x)
    queue.put(x)


def test_fork():
    """As DataLoader's workers: a child of a process that has used threads."""
    x = draw(4, 600, 8, 64)
    wanted = x.copy()
    simdrope.apply(simdrope.get_rope(Config(head_dim=64)), wanted)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_rotate_in_child, args=(queue, x))
    child.start()
    result = queue.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0 and (result == wanted).all()


def test_config_is_what_the_header_has():
    """Each field of simdrope_config and its parts, by name."""
    header = (Path(__file__).parents[2] / "include/simdrope/simdrope.h").read_text(encoding="utf-8")
    for part in (Config, simdrope.Scaling, simdrope.Axes, simdrope.XPos, simdrope.Temperature):
        struct = re.search(r"typedef struct simdrope_%s \{(.*?)\} simdrope" % part.__name__.lower(), header, re.S)[1]
        struct = re.sub(r"//.*", "", struct)
        fields = {re.sub(r"\[.*?\]", "", line.split()[-1].lstrip("*")) for line in struct.split(";") if line.strip()}
        fields -= {"reserved", "factor_count", "pair_axis_count"}
        assert fields == {field.name for field in dataclasses.fields(part)}, part


def test_config_goes_through_a_file_and_back():
    config = Config(64,
                    theta=5e5,
                    rotary_dim=32,
                    scaling=simdrope.Scaling("yarn", factor=4.0, original_max_position=4096))
    (rope,) = simdrope.from_pretrained_config(config.to_hf_config()).values()
    assert rope.inv_freq == Rope(config).inv_freq and rope.attention_factor == Rope(config).attention_factor
    config = Config(16, scaling=simdrope.Scaling("explicit", factors=[1.0, 0.5, 0.25, 0.125, 1e-3, 1e-4, 1e-5, 0.0]))
    assert Rope(config).inv_freq == tuple(config.scaling.factors)


def test_stubs_say_what_functions_take():
    stubs = (Path(simdrope.__file__).parent / "_core.pyi").read_text(encoding="utf-8")
    for function in (simdrope.apply, simdrope.rotate_half):
        stub = re.search(r"def %s\((.*?)\) ->" % function.__name__, stubs, re.S)[1]
        named = [re.match(r"\w+", part.strip())[0] for part in re.split(r",(?![^\[]*\])", stub) if part.strip() != "*"]
        assert named == list(inspect.signature(function).parameters), function
        assert function.__doc__
