"""Model files, the picture and the command."""
import json
import shutil
import subprocess
import sys

import pytest

import simdrope

LLAMA = {"model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8,
         "max_position_embeddings": 131072, "rope_theta": 500000.0,
         "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                          "original_max_position_embeddings": 8192}}
needs_command = pytest.mark.skipif(shutil.which("simdrope") is None, reason="the simdrope command is not on PATH")


def test_from_config(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(LLAMA))
    (rope,) = simdrope.from_config(file).values()
    assert rope.head_dim == 128 and rope.theta == 5e5 and rope.config.scaling.type == "llama3"
    model = simdrope.read_model(file)
    assert (model.model_type, model.max_position, model.q_heads, model.k_heads) == ("llama", 131072, 32, 8)
    assert model.ropes[0].rotary and simdrope.Rope(model.ropes[0].config).inv_freq == rope.inv_freq


def test_from_pretrained_config():
    class Pretrained:  # as transformers' PretrainedConfig
        def to_dict(self):
            return LLAMA

    ropes = [next(iter(simdrope.from_pretrained_config(c).values())) for c in (Pretrained(), LLAMA, json.dumps(LLAMA))]
    assert len({rope.inv_freq for rope in ropes}) == 1


@needs_command
def test_plot():
    picture = simdrope.plot(simdrope.Rope(simdrope.Config(64, theta=5e5)))
    assert picture.lstrip().startswith("<") and "<svg" in picture and picture._repr_svg_() == picture
    with pytest.raises(ValueError, match="no Config"):
        simdrope.plot(simdrope.Rope(simdrope.Config(64)).shift())


@needs_command
def test_python_m_simdrope():
    done = subprocess.run([sys.executable, "-m", "simdrope", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "freqs" in done.stdout
    assert subprocess.run([sys.executable, "-m", "simdrope", "nothing"], capture_output=True).returncode != 0
