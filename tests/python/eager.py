"""What others write in eager PyTorch, for tests and benchmarks: flash-attention, nano-vllm, transformers, RMSNorm."""
import torch


def rotate_half(x, interleaved=False):
    if not interleaved:
        x1, x2 = x.chunk(2, dim=-1)
        return torch.cat((-x2, x1), dim=-1)
    return torch.stack((-x[..., 1::2], x[..., ::2]), dim=-1).flatten(-2)


def flash_attention(x, cos, sin, interleaved=False):
    """x [B, S, H, D], cos and sin [S, rotary_dim / 2]."""
    dim = cos.shape[-1] * 2

    def wide(t):
        return (t.repeat_interleave(2, -1) if interleaved else torch.cat((t, t), -1)).unsqueeze(-2)

    rotated = x[..., :dim] * wide(cos) + rotate_half(x[..., :dim], interleaved) * wide(sin)
    return torch.cat((rotated, x[..., dim:]), dim=-1)


def nano_vllm(x, cos, sin):
    """x [T, H, D], cos and sin [T, 1, D / 2]."""
    x1, x2 = torch.chunk(x.float(), 2, dim=-1)
    return torch.cat((x1 * cos - x2 * sin, x2 * cos + x1 * sin), dim=-1).to(x.dtype)


def transformers(q, k, cos, sin, unsqueeze_dim=1):
    cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
    return q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin


def inv_freq(dim, base):
    return 1.0 / (base ** (torch.arange(0, dim, 2, dtype=torch.float32) / dim))


def tables(dim, base, rows):
    freqs = torch.outer(torch.arange(rows, dtype=torch.float32), inv_freq(dim, base))
    return freqs.cos(), freqs.sin()


def rms_norm(x, weight, eps):
    wide = x.float()
    return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps) * weight.float()).to(x.dtype)
