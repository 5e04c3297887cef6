"""Norm, rotation and cache write in one operator, against eager PyTorch in double, with gradients."""
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("simdrope.torch", reason="built without PyTorch's operators")

import eager  # noqa: E402
from test_torch_ops import DTYPES, TWO  # noqa: E402

ops = torch.ops.simdrope
EPS = 1e-6


def draw(dtype, rotary_dim=32, tokens=6):
    torch.manual_seed(8)
    q, k, v = (torch.randn(tokens, h, 32).to(dtype) for h in (4, 2, 2))
    weights = [(torch.rand(32) + 0.5).to(dtype) for _ in range(2)]
    cache = torch.cat(eager.tables(rotary_dim, 10000.0, 50), -1)
    return q, k, v, weights, torch.arange(tokens) * 7, cache


def wanted(x, weight, positions, cache, neox=True):
    x, weight = x.double(), weight.double()
    normed = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * weight
    cos, sin = (t.double() for t in cache[positions].chunk(2, -1))
    return eager.flash_attention(normed, cos, sin, not neox)


def near(result, wanted, ulps=1):
    eps = torch.finfo(result.dtype).eps
    return bool(((result.double() - wanted).abs() <= wanted.abs() * eps * ulps + 2e-5 + eps * 0.01 * ulps).all())


@pytest.mark.parametrize("neox", [True, False])
@pytest.mark.parametrize("rotary_dim", [32, 16])
@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fused_qk_norm_rope(dtype, flat, rotary_dim, neox):
    q, k, _, (qw, kw), positions, cache = draw(dtype, rotary_dim)
    a, b = (q.flatten(1).clone(), k.flatten(1).clone()) if flat else (q.clone(), k.clone())
    ops.fused_qk_norm_rope(a, b, qw, kw, EPS, neox, positions, cache, rotary_dim)
    assert near(a.view_as(q), wanted(q, qw, positions, cache, neox))
    assert near(b.view_as(k), wanted(k, kw, positions, cache, neox))


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradient(dtype):
    q, k, _, weights, positions, cache = draw(dtype)
    leaves = [t.clone().requires_grad_() for t in (q, k, *weights)]
    a, b = leaves[0] * 1, leaves[1] * 1
    ops.fused_qk_norm_rope(a, b, leaves[2], leaves[3], EPS, True, positions, cache)
    gradients = torch.randn(q.shape).to(dtype), torch.randn(k.shape).to(dtype)
    torch.autograd.backward((a, b), gradients)
    double = [t.detach().double().requires_grad_() for t in leaves]
    torch.autograd.backward(
        (wanted(double[0], double[2], positions, cache), wanted(double[1], double[3], positions, cache)),
        tuple(g.double() for g in gradients))
    for got, theirs in zip(leaves, double):
        assert near(got.grad, theirs.grad, ulps=8)


@pytest.mark.parametrize("layout,shape", [("NHD", (12, 2, 32)), ("HND", (3, 2, 4, 32)), ("NHD", (3, 4, 2, 32))])
@pytest.mark.parametrize("normed", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fused_qk_norm_rope_cache(dtype, normed, layout, shape):
    q, k, v, weights, positions, cache = draw(dtype)
    qw, kw = weights if normed else (None, None)
    slots = torch.tensor([11, 0, -1, 4, 5, 8])
    k_cache, v_cache = torch.full(shape, 9.0).to(dtype), torch.full(shape, 9.0).to(dtype)
    a, k0 = q.clone(), k.clone()
    ops.fused_qk_norm_rope_cache(a, k, v, qw, kw, EPS, True, positions, cache, 0, slots, k_cache, v_cache, layout)
    assert torch.equal(k, k0)

    def rows(c):
        return c if c.dim() == 3 else (c.transpose(1, 2) if layout == "HND" else c).reshape(12, 2, 32)

    def theirs(x, weight):
        if normed:
            return wanted(x, weight, positions, cache)
        return eager.flash_attention(x.double(), *(t.double() for t in cache[positions].chunk(2, -1)))

    assert near(a, theirs(q, weights[0]))
    kept = slots >= 0
    assert near(rows(k_cache)[slots[kept]], theirs(k, weights[1])[kept])
    assert torch.equal(rows(v_cache)[slots[kept]], v[kept])
    others = torch.ones(12, dtype=torch.bool)
    others[slots[kept]] = False
    assert bool((rows(k_cache)[others] == 9).all()) and bool((rows(v_cache)[others] == 9).all())


@pytest.mark.skipif(not hasattr(torch, "float8_e4m3fn"), reason="this PyTorch has no float8")
def test_float8_cache():
    q, k, v, (qw, kw), positions, cache = draw(torch.bfloat16)
    k_cache, v_cache = (torch.zeros(6, 2, 32).to(torch.float8_e4m3fn) for _ in range(2))
    ops.fused_qk_norm_rope_cache(q.clone(), k, v, qw, kw, EPS, True, positions, cache, 0, torch.arange(6), k_cache,
                                 v_cache, "NHD", 0.5, 0.25)
    theirs = wanted(k, kw, positions, cache)
    assert bool(((k_cache.double() * 0.5 - theirs).abs() <= theirs.abs() * 0.07 + 0.01).all())
    assert bool(((v_cache.double() * 0.25 - v.double()).abs() <= v.double().abs() * 0.07 + 0.01).all())


def test_refused():
    q, k, v, (qw, kw), positions, cache = draw(torch.float32)
    k_cache, v_cache = torch.zeros(12, 2, 32), torch.zeros(12, 2, 32)
    slots = torch.arange(6)
    good = [q, k, v, qw, kw, EPS, True, positions, cache, 0, slots, k_cache, v_cache, "NHD"]
    for index, value, error, says in [
        (7, positions + 100, IndexError, "50"),
        (7, positions[:3], ValueError, "ids"),
        (7, positions.float(), TypeError, "positions"),
        (10, slots + 7, IndexError, "12"),
        (10, slots[:4], ValueError, "out.k"),
        (10, slots.float(), TypeError, "slot_mapping"),
        (9, 16, ValueError, "rotary_dim"),
        (13, "DNH", ValueError, "cache_layout"),
        (3, qw[:16], ValueError, "q_weight"),
        (11, k_cache[..., :16], Exception, ""),
        (12, v_cache.double(), TypeError, "v_cache"),
        (0, q[..., ::2], ValueError, "adjoin"),
        (5, -1.0, ValueError, "eps"),
        (0, q.clone().requires_grad_(), RuntimeError, "no gradient"),
    ]:
        arguments = list(good)
        arguments[index] = value
        before = q.clone()
        with pytest.raises(error, match=says):
            ops.fused_qk_norm_rope_cache(*arguments)
        assert torch.equal(q, before) and not k_cache.any() and not v_cache.any()


@pytest.mark.skipif(not TWO, reason="torch.compile came with PyTorch 2")
def test_compile_traces_it_whole():
    q, k, v, (qw, kw), positions, cache = draw(torch.float32)
    slots = torch.arange(6)

    def layer(q, k, v, k_cache, v_cache):
        q = q * 2
        ops.fused_qk_norm_rope_cache(q, k, v, qw, kw, EPS, True, positions, cache, 0, slots, k_cache, v_cache, "NHD")
        return q + 1

    caches = [torch.zeros(12, 2, 32) for _ in range(4)]
    a = layer(q, k, v, *caches[:2])
    b = torch.compile(layer, fullgraph=True, backend="aot_eager")(q, k, v, *caches[2:])
    assert torch.equal(a, b) and torch.equal(caches[0], caches[2]) and torch.equal(caches[1], caches[3])
