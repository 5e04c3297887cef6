"""Drop-in classes against the eager expressions of flash-attention, nano-vllm and transformers."""
import copy

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("simdrope.torch", reason="built without PyTorch's operators")

import eager  # noqa: E402
from simdrope.torch import flash_attention, nano_vllm, transformers  # noqa: E402
from test_torch_ops import DTYPES, close  # noqa: E402


def flash_tables(dim, base, rows, dtype, scale_base=None, scaling_factor=1.0):
    """The layer's cached tables, as its source computes them: cos, sin, cos_k, sin_k."""
    t = torch.arange(rows, dtype=torch.float32) / scaling_factor
    freqs = torch.outer(t, eager.inv_freq(dim, base))
    cos, sin = freqs.cos(), freqs.sin()
    if scale_base is None:
        return cos.to(dtype), sin.to(dtype), cos.to(dtype), sin.to(dtype)
    scale = (torch.arange(0, dim, 2, dtype=torch.float32) + 0.4 * dim) / (1.4 * dim)
    scale = scale ** ((torch.arange(rows) - rows // 2) / scale_base).unsqueeze(-1)
    return (cos * scale).to(dtype), (sin * scale).to(dtype), (cos / scale).to(dtype), (sin / scale).to(dtype)


def near(result, wanted):
    """Tables may differ by a last place of the angle; an angle here is below 128."""
    bound = wanted.abs() * torch.finfo(result.dtype).eps * 2 + 8 * torch.finfo(result.dtype).eps + 128 * 2.0**-22
    return bool(((result.double() - wanted).abs() <= bound).all())


@pytest.mark.parametrize("scale_base", [None, 512.0])
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_flash_attention(dtype, interleaved, scale_base):
    torch.manual_seed(4)
    layer = flash_attention.RotaryEmbedding(32, 10000.0, interleaved, scale_base)
    qkv = torch.randn(2, 10, 3, 4, 48).to(dtype)
    cos, sin, cos_k, sin_k = (t[7:].double() for t in flash_tables(32, 10000.0, 17, dtype, scale_base))
    q = eager.flash_attention(qkv[:, :, 0].double(), cos, sin, interleaved)
    k = eager.flash_attention(qkv[:, :, 1].double(), cos_k, sin_k, interleaved)

    x = qkv.clone()
    out = layer(x, seqlen_offset=7)
    assert out is x
    assert near(x[:, :, 0], q) and near(x[:, :, 1], k) and torch.equal(x[:, :, 2], qkv[:, :, 2])

    grouped = torch.cat((qkv[:, :, 0], qkv[:, :, 1, :2], qkv[:, :, 2, :2]), 2)
    x = grouped.clone()
    layer(x, seqlen_offset=7, num_heads_q=4)
    assert near(x[:, :, :4], q) and near(x[:, :, 4:6], k[:, :, :2]) and torch.equal(x[:, :, 6:], grouped[:, :, 6:])

    kv = qkv[:, :, 1:].clone()
    out_q, out_kv = layer(qkv[:, :, 0], kv, seqlen_offset=7)
    assert near(out_q, q) and out_kv is kv and near(kv[:, :, 0], k) and torch.equal(kv[:, :, 1], qkv[:, :, 2])
    out_q, out_k = layer(qkv[:, :, 0], qkv[:, :, 1], seqlen_offset=7)
    assert near(out_q, q) and near(out_k, k)

    offsets = torch.tensor([7, 3])
    x = qkv.clone()
    layer = flash_attention.RotaryEmbedding(32, 10000.0, interleaved, scale_base)
    layer(x, seqlen_offset=offsets, max_seqlen=17)
    assert near(x[0, :, 0], q[0]) and not near(x[1, :, 0], q[1])
    with pytest.raises(ValueError, match="max_seqlen"):
        layer(x, seqlen_offset=offsets)


def test_flash_attention_scaling_factor_and_low_positions():
    x = torch.randn(1, 40, 3, 2, 32)
    layer = flash_attention.RotaryEmbedding(32, 10000.0, scaling_factor=3.0)
    cos, sin, _, _ = flash_tables(32, 10000.0, 40, torch.float64, scaling_factor=3.0)
    y = layer(x.clone())
    assert near(y[:, :, 0], eager.flash_attention(x[:, :, 0].double(), cos, sin))

    layer = flash_attention.RotaryEmbedding(32, 10000.0, pos_idx_in_fp32=False).bfloat16()
    assert layer.inv_freq.dtype == torch.bfloat16
    layer._update_cos_sin_cache(300, dtype=torch.bfloat16)
    t = torch.arange(300, dtype=torch.bfloat16)
    freqs = torch.outer(t, layer.inv_freq)
    wanted = freqs.float().cos().to(torch.bfloat16)
    assert (layer._cos_cached == wanted).float().mean() > 0.99
    layer = flash_attention.RotaryEmbedding(32, 10000.0).bfloat16()
    layer._update_cos_sin_cache(300, dtype=torch.bfloat16)
    assert (layer._cos_cached == flash_tables(32, 10000.0, 300, torch.bfloat16)[0]).float().mean() > 0.99


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("packed", ["qkv", "grouped", "kv", "view"])
def test_flash_attention_gradient(dtype, packed):
    torch.manual_seed(5)
    layer = flash_attention.RotaryEmbedding(16, 10000.0)
    leaf = torch.randn(1, 6, 3, 2, 16).to(dtype).requires_grad_()
    gradient = torch.randn(1, 6, 3, 2, 16).to(dtype)
    x = leaf * 1
    if packed == "qkv":
        out = layer(x)
    elif packed == "grouped":
        out = layer(x.flatten(2, 3), num_heads_q=2).unflatten(2, (3, 2))
    elif packed == "kv":
        q, kv = layer(x[:, :, 0], x[:, :, 1:] * 1)
        out = torch.cat((q.unsqueeze(2), kv), 2)
    else:
        wide = torch.cat((x, x), -1)
        out = layer(wide[..., :16])
    out.backward(gradient)
    cos, sin, _, _ = (t.double() for t in flash_tables(16, 10000.0, 6, dtype))
    z = leaf.detach().double().requires_grad_()
    parts = [eager.flash_attention(z[:, :, i], cos, sin) for i in (0, 1)] + [z[:, :, 2]]
    torch.stack(parts, 2).backward(gradient.double())
    assert near(leaf.grad, z.grad)


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nano_vllm(dtype, flat):
    torch.manual_seed(6)
    rope = nano_vllm.get_rope(64, 64, 512, 1e6)
    assert nano_vllm.get_rope(64, 64, 512, 1e6) is rope
    cos, sin = eager.tables(64, 1e6, 512)
    assert rope.cos_sin_cache.shape == (512, 1, 64)
    assert (rope.cos_sin_cache[:, 0] - torch.cat((cos, sin), -1)).abs().max() < 512 * 2.0**-23
    positions = torch.tensor([0, 511, 3, 3])
    q, k = torch.randn(4, 8, 64).to(dtype), torch.randn(4, 2, 64).to(dtype)
    rows = rope.cos_sin_cache[positions].chunk(2, -1)
    if flat:
        out = rope(positions, q.flatten(1), k.flatten(1))
        assert out[0].shape == (4, 512)
        out = out[0].view(4, 8, 64), out[1].view(4, 2, 64)
    else:
        out = rope(positions, q, k)
    for x, y in zip((q, k), out):
        theirs = eager.nano_vllm(x, *rows)
        # Theirs rounds each product, this one fuses: what is rounded to 16 bits differs where the sum is near a tie.
        assert (y == theirs).float().mean() > (0.99 if dtype != torch.float32 else 0.5)
        assert close(y, eager.flash_attention(x.double(), *(r[:, 0].double() for r in rows)))
        assert torch.equal(nano_vllm.apply_rotary_emb(x, *rows), y)


def test_nano_vllm_refuses_what_it_does():
    with pytest.raises(ValueError, match="rotary_dim"):
        nano_vllm.RotaryEmbedding(64, 32, 10, 1e4)
    with pytest.raises(TypeError):
        nano_vllm.get_rope(64, 64, 512, 1e6, {"rope_type": "yarn"})  # a dict has no hash, there as here
    rope = nano_vllm.RotaryEmbedding(64, 64, 10, 1e4)
    with pytest.raises(IndexError, match="10"):
        rope(torch.tensor([10]), torch.zeros(1, 2, 64), torch.zeros(1, 2, 64))


@pytest.mark.parametrize("unsqueeze_dim", [1, 2])
@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_transformers(dtype, batches, unsqueeze_dim):
    torch.manual_seed(7)
    position_ids = torch.tensor([[3, 4, 5], [100, 101, 102]])[:batches]
    freqs = position_ids.float().unsqueeze(-1) * eager.inv_freq(32, 10000.0)
    emb = torch.cat((freqs, freqs), -1)
    cos, sin = emb.cos().to(dtype), emb.sin().to(dtype)
    shape = ((2, 4, 3, 32), (2, 2, 3, 32)) if unsqueeze_dim == 1 else ((2, 3, 4, 32), (2, 3, 2, 32))
    q, k = (torch.randn(s).to(dtype).requires_grad_() for s in shape)
    out = transformers.apply_rotary_pos_emb(q, k, cos, sin, unsqueeze_dim=unsqueeze_dim)
    double = [x.detach().double().requires_grad_() for x in (q, k)]
    wanted = eager.transformers(*double, cos.double(), sin.double(), unsqueeze_dim)
    assert all(close(a, b) and a.shape == b.shape for a, b in zip(out, wanted))
    gradients = [torch.randn(s).to(dtype) for s in shape]
    torch.autograd.backward(out, gradients)
    torch.autograd.backward(wanted, [g.double() for g in gradients])
    assert close(q.grad, double[0].grad) and close(k.grad, double[1].grad)


def test_modules_copy_and_move():
    for module in (flash_attention.RotaryEmbedding(32), nano_vllm.RotaryEmbedding(64, 64, 10, 1e4)):
        copy.deepcopy(module)
        assert not module.state_dict()


def test_functions_of_flash_attention():
    cos, sin = eager.tables(32, 10000.0, 30)
    x = torch.randn(9, 2, 48)
    cu_seqlens = torch.tensor([0, 4, 9], dtype=torch.int32)
    y = flash_attention.apply_rotary_emb(x, cos, sin, cu_seqlens=cu_seqlens, max_seqlen=5, seqlen_offsets=2)
    assert close(y[4:], eager.flash_attention(x[4:].double(), cos[2:7].double(), sin[2:7].double()))
    z = x.clone()
    assert flash_attention.apply_rotary_emb(z, cos, sin, inplace=True, cu_seqlens=cu_seqlens, seqlen_offsets=2) is z
    assert torch.equal(y, z)
    for interleaved in (False, True):
        assert torch.equal(flash_attention.rotate_half(x, interleaved), eager.rotate_half(x, interleaved))
    with pytest.raises(ValueError, match="num_heads_q"):
        flash_attention.apply_rotary_emb_qkv_(torch.zeros(1, 2, 6, 32), cos, sin)
    with pytest.raises(ValueError, match="heads of Q"):
        flash_attention.apply_rotary_emb_qkv_(torch.zeros(1, 2, 7, 32), cos, sin, num_heads_q=4)
    with pytest.raises(ValueError, match="kv is"):
        flash_attention.apply_rotary_emb_kv_(torch.zeros(1, 2, 3, 4, 32), cos, sin)
