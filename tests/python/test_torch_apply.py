"""simdrope.apply on PyTorch tensors, without the operators."""
import threading

import pytest

torch = pytest.importorskip("torch")

import plain  # noqa: E402
import simdrope  # noqa: E402

ROPE = simdrope.Rope(simdrope.Config(head_dim=32))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_in_place(dtype):
    x = torch.randn(2, 3, 4, 32).to(getattr(torch, dtype))
    wanted = plain.rotated(x.double().numpy(), *plain.rows(32, [8, 9, 10]))
    simdrope.apply(ROPE, x, start=8)
    assert plain.close(x.double().numpy(), wanted, dtype, 5)


def test_views_and_positions():
    x = torch.randn(2, 4, 3, 32)
    y, z = x.clone(), x.clone()
    simdrope.apply(ROPE, y, layout="bhsd", positions=torch.tensor([4, 5, 6]))
    simdrope.apply(ROPE, z.transpose(1, 2), positions=torch.tensor([4, 5, 6], dtype=torch.int32))
    assert torch.equal(y, z) and not torch.equal(x, z)


def test_inference_mode_and_no_grad():
    with torch.inference_mode():
        x = torch.ones(1, 2, 1, 32)
        simdrope.apply(ROPE, x, start=1)
        assert not torch.equal(x, torch.ones_like(x))


class Only:
    """A tensor that is seen by DLPack alone."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()

    def __dlpack__(self, **keywords):
        return self.tensor.__dlpack__(**keywords)


def test_bf16_by_dlpack():
    x = torch.randn(1, 2, 3, 32).bfloat16()
    y = x.clone()
    simdrope.apply(ROPE, Only(x), start=3)
    simdrope.apply(ROPE, y, start=3)
    assert torch.equal(x, y)


@pytest.mark.parametrize("make,error,says", [
    (lambda: torch.zeros(1, 2, 1, 32, requires_grad=True), ValueError, "requires grad"),
    (lambda: torch.zeros(1, 2, 1, 32, device="meta"), ValueError, "device meta"),
    (lambda: torch.zeros(1, 2, 1, 32).to_sparse(), ValueError, "layout"),
    (lambda: torch.zeros(1, 2, 1, 32, dtype=torch.float64), TypeError, "float64"),
    (lambda: torch.zeros(1, 2, 1, 32, dtype=torch.complex64), TypeError, "complex64"),
    (lambda: torch.view_as_complex(torch.zeros(1, 2, 1, 32, 2)).conj().imag, ValueError, "negated"),
    (lambda: torch.zeros(1, 2, 1, 64)[..., ::2], ValueError, "adjoin"),
    (lambda: torch.zeros(1, 1, 1, 32).expand(1, 2, 1, 32), ValueError, ""),
    (lambda: torch.zeros(1, 2, 1, 16), ValueError, "head_dim"),
    (lambda: torch.zeros(32), ValueError, "1 dimensions"),
])
def test_refused(make, error, says):
    with pytest.raises(error, match=says):
        simdrope.apply(ROPE, make())


def test_threads():
    x = torch.randn(4, 200, 4, 32)
    wanted = x.clone()
    simdrope.apply(ROPE, wanted)
    copies = [x.clone() for _ in range(4)]
    workers = [threading.Thread(target=simdrope.apply, args=(ROPE, c)) for c in copies]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(torch.equal(c, wanted) for c in copies)


class Rotated(torch.utils.data.Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, i):
        x = torch.ones(1, 4, 2, 32)
        simdrope.apply(ROPE, x, start=i)
        return x


def test_data_loader_workers():
    simdrope.apply(ROPE, torch.ones(8, 500, 8, 32))  # threads are there before the fork
    items = list(torch.utils.data.DataLoader(Rotated(), batch_size=None, num_workers=2, timeout=60))
    wanted = [Rotated()[i] for i in range(6)]
    assert len(items) == 6 and all(torch.equal(a, b) for a, b in zip(items, wanted))
