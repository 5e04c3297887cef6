"""simdrope: rotary position embedding (RoPE) for CPUs, on NumPy arrays and PyTorch tensors in place.

    rope = simdrope.Rope(simdrope.Config(head_dim=128, theta=5e5))
    simdrope.apply(rope, q, k, start=4000)           # q [B, S, H, D], k [B, S, HK, D]

Config -> Rope -> apply. Everything else is a field of one of them: Positions, Table and CosSin say where rows of cos
and sin come from, Tensor says what an array's dtype and shape do not, Stages adds norms, Plan is a call checked once.
simdrope.torch has PyTorch operators with gradients, and drop-in classes.
"""
from ._command import plot
from ._core import Plan, apply, max_threads, rotate_half, target_in_use, targets, use_target
from ._core import version as __version__
from ._errors import BadFile, Error, InvalidArgument, OutOfMemory, OutOfRange, Unsupported
from ._models import from_config, from_pretrained_config, parse_config, read_model
from ._rope import CosSin, Rope, get_rope
from ._types import (Axes, Config, LayerRope, Model, Norm, Positions, Scaling, Stages, Table, Temperature, Tensor,
                     XPos)

__all__ = [
    "Axes", "BadFile", "Config", "CosSin", "Error", "InvalidArgument", "LayerRope", "Model", "Norm", "OutOfMemory",
    "OutOfRange", "Plan", "Positions", "Rope", "Scaling", "Stages", "Table", "Temperature", "Tensor", "Unsupported",
    "XPos", "apply", "from_config", "from_pretrained_config", "get_rope", "max_threads", "parse_config", "plot",
    "read_model", "rotate_half", "target_in_use", "targets", "use_target",
]
