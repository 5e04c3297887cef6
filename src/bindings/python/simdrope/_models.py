"""Ropes from model files."""
from __future__ import annotations

import json
import os
from typing import Any, Dict, Mapping, Union

from . import _core
from ._rope import Rope
from ._types import LayerRope, Model, Path


def _model(text: str, is_json: bool, allow_unknown: bool, seq_len: int) -> Model:
    model_type, max_position, q_heads, k_heads, ropes, warnings = _core.read_model(text, is_json, allow_unknown,
                                                                                   seq_len)
    return Model(model_type, max_position, q_heads, k_heads, tuple(LayerRope(*rope) for rope in ropes), warnings)


def read_model(path: Path, *, allow_unknown: bool = False, seq_len: int = 0) -> Model:
    """What a config.json of Hugging Face or a GGUF file says. seq_len: current length, for dynamic and longrope
    scaling."""
    return _model(os.fspath(path), False, allow_unknown, seq_len)


def parse_config(config: Union[str, Mapping[str, Any], Any], *, allow_unknown: bool = False, seq_len: int = 0) -> Model:
    """What a transformers config says: as an object of transformers, a dict, or the text of a config.json."""
    if hasattr(config, "to_dict"):
        config = config.to_dict()
    text = config if isinstance(config, str) else json.dumps(config, default=str)
    return _model(text, True, allow_unknown, seq_len)


def _ropes(model: Model) -> Dict[str, Rope]:
    return {layer.layer_type: Rope(layer.config, shared=True) for layer in model.ropes if layer.rotary}


def from_config(path: Path, **options: Any) -> Dict[str, Rope]:
    """The Rope of each kind of layer that rotates, by its name: "" where a model has one kind. Options as
    read_model's."""
    return _ropes(read_model(path, **options))


def from_pretrained_config(config: Union[str, Mapping[str, Any], Any], **options: Any) -> Dict[str, Rope]:
    """As from_config, of a transformers config object, a dict, or the text of a config.json. Options as
    parse_config's."""
    return _ropes(parse_config(config, **options))
