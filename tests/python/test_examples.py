"""The examples run, and give what they say."""
import struct
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

EXAMPLES = Path(__file__).parents[2] / "docs/examples"


def run(*arguments):
    done = subprocess.run([sys.executable, "-B", *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not torch.distributed.is_available(), reason="PyTorch without torch.distributed")
def test_sharded_sequence():
    out = run(EXAMPLES / "sharded_sequence.py", "--spawn", "4")
    assert "4 processes, contiguous and zig-zag: the bits of one process" in out


def test_llama2(tmp_path):
    pytest.importorskip("simdrope.torch", reason="built without PyTorch's operators")
    dim, hidden, layers, heads, kv_heads, vocab, rows = 32, 48, 2, 4, 2, 60, 40
    generator = torch.Generator().manual_seed(3)
    head = dim // heads
    kv = head * kv_heads
    shapes = [(vocab, dim), (layers, dim), (layers, dim, dim), (layers, kv, dim), (layers, kv, dim), (layers, dim, dim),
              (layers, dim), (layers, hidden, dim), (layers, dim, hidden), (layers, hidden, dim), (dim,),
              (2, rows, head // 2)]
    file = tmp_path / "model.bin"
    file.write_bytes(struct.pack("7i", dim, hidden, layers, heads, kv_heads, vocab, rows) +
                     b"".join(torch.randn(s, generator=generator).numpy().tobytes() for s in shapes))
    fused, plain, half = (run(EXAMPLES / "llama2.py", file, "--tokens", "1,7,5", *more)
                          for more in ((), ("--plain",), ("--dtype", "float16")))
    assert fused == plain and len(fused.split()) == 35 and len(set(fused.split())) > 3 and len(half.split()) == 35
