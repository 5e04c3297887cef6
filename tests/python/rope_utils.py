"""inv_freq and attention factor as modeling_rope_utils of transformers computes them, on PyTorch's float tensors."""
import math

import torch


def power(base, exponents):
    return base ** exponents


def _exponents(dim, of=None):
    return torch.arange(0, dim, 2, dtype=torch.int64).to(torch.float) / (of or dim)


def default(dim, theta, **_):
    return 1.0 / power(theta, _exponents(dim)), 1.0


def linear(dim, theta, factor, **_):
    return default(dim, theta)[0] / factor, 1.0


def dynamic(dim, theta, factor, max_position, seq_len=None, **_):
    """seq_len: as the model's forward has it, a tensor, max(position_ids) + 1."""
    if seq_len is None:
        seq_len = max_position
    else:
        seq_len = torch.maximum(seq_len, torch.tensor(max_position, dtype=seq_len.dtype))
    theta = theta * ((factor * seq_len / max_position) - (factor - 1)) ** (dim / (dim - 2))
    return 1.0 / power(theta, _exponents(dim)), 1.0


def ntk(dim, theta, factor, **_):
    """HunYuan's alpha."""
    return 1.0 / power(theta * factor ** (dim / (dim - 2)), _exponents(dim)), 1.0


def yarn(dim, theta, factor, original, beta_fast=32, beta_slow=1, truncate=True, mscale=None, mscale_all_dim=None, **_):
    def magnitude(scale, m=1):
        return 1.0 if scale <= 1 else 0.1 * m * math.log(scale) + 1.0

    def correction_dim(rotations):
        return (dim * math.log(original / (rotations * 2 * math.pi))) / (2 * math.log(theta))

    low, high = correction_dim(beta_fast), correction_dim(beta_slow)
    if truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    if low == high:
        high += 0.001
    ramp = torch.clamp((torch.arange(dim // 2, dtype=torch.float32) - low) / (high - low), 0, 1)
    extrapolation_factor = 1 - ramp
    pos_freqs = power(theta, _exponents(dim))
    extrapolation, interpolation = 1.0 / pos_freqs, 1.0 / (factor * pos_freqs)
    inv_freq = interpolation * (1 - extrapolation_factor) + extrapolation * extrapolation_factor
    if mscale and mscale_all_dim:
        return inv_freq, magnitude(factor, mscale) / magnitude(factor, mscale_all_dim)
    return inv_freq, magnitude(factor)


def longrope(dim, theta, original, max_position, short_factor, long_factor, seq_len=0, **_):
    factors = torch.tensor(long_factor if seq_len > original else short_factor, dtype=torch.float32)
    factor = max_position / original
    attention = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original))
    return 1.0 / (factors * power(theta, _exponents(dim))), attention


def llama3(dim, theta, factor, low_freq_factor, high_freq_factor, original, **_):
    inv_freq = default(dim, theta)[0]
    low, high = original / low_freq_factor, original / high_freq_factor
    wavelen = 2 * math.pi / inv_freq
    scaled = torch.where(wavelen > low, inv_freq / factor, inv_freq)
    smooth = (original / wavelen - low_freq_factor) / (high_freq_factor - low_freq_factor)
    smoothed = (1 - smooth) * scaled / factor + smooth * scaled
    return torch.where(~(wavelen < high) * ~(wavelen > low), smoothed, scaled), 1.0


def proportional(dim, theta, proportion, factor=1.0, **_):
    angles = int(proportion * dim // 2)
    inv_freq = 1.0 / power(theta, _exponents(2 * angles, dim))
    return torch.cat((inv_freq, torch.zeros(dim // 2 - angles))) / factor, 1.0
