"""Plain references, in double: the rotation, and the expressions that others write in PyTorch."""
import numpy as np


def rotated(x, cos, sin, interleaved=False):
    """x [..., S, H, D] in double, cos and sin [S, pairs] or [..., S, pairs]: the first 2 * pairs elements of each
    head."""
    x = np.array(x, dtype=np.float64)
    pairs = cos.shape[-1]
    cos, sin = cos[..., None, :], sin[..., None, :]
    first = slice(0, 2 * pairs, 2) if interleaved else slice(0, pairs)
    second = slice(1, 2 * pairs, 2) if interleaved else slice(pairs, 2 * pairs)
    a, b = x[..., first].copy(), x[..., second].copy()
    x[..., first], x[..., second] = a * cos - b * sin, b * cos + a * sin
    return x


def rows(head_dim, positions, theta=10000.0):
    angles = np.asarray(positions, dtype=np.float64)[..., None] * theta ** (-np.arange(0, head_dim, 2) / head_dim)
    return np.cos(angles), np.sin(angles)


def rms_norm(x, weight, eps):
    x = np.asarray(x, dtype=np.float64)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * np.asarray(weight, dtype=np.float64)


# One rounding of a result of magnitude m is off by m times this at most.
ROUNDING = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}


def close(result, wanted, dtype, scale):
    """Whether result is `wanted` rounded once to dtype, float arithmetic of `scale`'s magnitude before it."""
    bound = np.abs(wanted) * ROUNDING[dtype] + scale * 4 * 2.0**-24 + (2.0**-25 if dtype == "float16" else 0)
    return bool((np.abs(np.asarray(result, dtype=np.float64) - wanted) <= bound).all())
