"""torch.ops.simdrope: values against eager PyTorch in double, gradients against its autograd, bad input."""
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("simdrope.torch", reason="built without PyTorch's operators")

import eager  # noqa: E402

ops = torch.ops.simdrope
DTYPES = [torch.float32, torch.float16, torch.bfloat16]
TWO = torch.__version__ >= "2"


def close(result, wanted, scale=8):
    """`wanted` is double. One rounding to result's dtype, and float arithmetic before it."""
    bound = wanted.abs() * torch.finfo(result.dtype).eps / 2 + scale * 2.0**-22 + 2.0**-24
    return bool(((result.double() - wanted).abs() <= bound).all())


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_apply_rotary_emb(dtype, interleaved):
    torch.manual_seed(1)
    cos, sin = eager.tables(32, 10000.0, 20)
    x = torch.randn(2, 6, 3, 48).to(dtype)
    wanted = eager.flash_attention(x.double(), cos[4:10].double(), sin[4:10].double(), interleaved)
    assert close(ops.apply_rotary_emb(x, cos, sin, interleaved, 4), wanted)
    y = x.clone()
    assert ops.apply_rotary_emb_(y, cos, sin, interleaved, 4) is None
    assert torch.equal(y, ops.apply_rotary_emb(x, cos, sin, interleaved, 4)) and close(y, wanted)
    back = ops.apply_rotary_emb(y.float(), cos, sin, interleaved, 4, inverse=True)
    assert (back - x.float()).abs().max() < 0.1


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("in_place", [False, True])
def test_gradient(dtype, interleaved, in_place):
    torch.manual_seed(2)
    cos, sin = eager.tables(32, 10000.0, 9)
    x = torch.randn(2, 9, 3, 32).to(dtype).requires_grad_()
    gradient = torch.randn(2, 9, 3, 32).to(dtype)
    if in_place:
        y = x * 1
        ops.apply_rotary_emb_(y, cos, sin, interleaved)
    else:
        y = ops.apply_rotary_emb(x, cos, sin, interleaved)
    y.backward(gradient)
    z = x.detach().double().requires_grad_()
    eager.flash_attention(z, cos.double(), sin.double(), interleaved).backward(gradient.double())
    assert close(x.grad, z.grad)


def test_gradients_of_sums_and_of_gradients():
    cos, sin = eager.tables(16, 10000.0, 5)
    x = torch.randn(1, 5, 2, 16, requires_grad=True)
    ops.apply_rotary_emb(x, cos, sin).sum().backward()  # its gradient has stride 0
    z = x.detach().double().requires_grad_()
    eager.flash_attention(z, cos.double(), sin.double()).sum().backward()
    assert close(x.grad, z.grad)
    y = ops.apply_rotary_emb(x, cos, sin).pow(3).sum()
    (first,) = torch.autograd.grad(y, x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    w = eager.flash_attention(z, cos.double(), sin.double()).pow(3).sum()
    (first_z,) = torch.autograd.grad(w, z, create_graph=True)
    (second_z,) = torch.autograd.grad(first_z.sum(), z)
    assert close(second, second_z, 100)


def test_positions():
    cos, sin = eager.tables(32, 10000.0, 50)
    x = torch.randn(2, 3, 2, 32)
    offsets = torch.tensor([5, 40], dtype=torch.int32)
    y = ops.apply_rotary_emb(x, cos, sin, False, 0, offsets)
    for b in range(2):
        o = int(offsets[b])
        assert torch.equal(y[b], ops.apply_rotary_emb(x[b], cos, sin, False, o))
    ids = torch.tensor([[0, 49, 3], [1, 1, 2]])
    y = ops.apply_rotary_emb(x, cos, sin, positions=ids)
    assert close(y[1], eager.flash_attention(x[1].double(), cos[ids[1]].double(), sin[ids[1]].double()))
    t = torch.randn(6, 2, 32)
    y = ops.apply_rotary_emb(t, cos, sin, cu_seqlens=torch.tensor([0, 2, 6], dtype=torch.int32))
    assert torch.equal(y[2:], ops.apply_rotary_emb(t[2:], cos, sin))
    assert torch.equal(y[:2], ops.apply_rotary_emb(t[:2], cos, sin))
    per_batch = torch.stack((cos[:3], cos[3:6])), torch.stack((sin[:3], sin[3:6]))
    y = ops.apply_rotary_emb(x, *per_batch)
    assert torch.equal(y[1], ops.apply_rotary_emb(x[1], cos, sin, False, 3))


def test_many_threads_give_the_same_bits():
    cos, sin = eager.tables(64, 10000.0, 700)
    x = torch.randn(2, 700, 8, 64)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        wanted = ops.apply_rotary_emb(x, cos, sin)
        torch.set_num_threads(4)
        assert torch.equal(ops.apply_rotary_emb(x, cos, sin), wanted)
        with pytest.raises(IndexError, match="700"):
            ops.apply_rotary_emb(x, cos, sin, False, 1)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("neox", [True, False])
@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rotary_embedding(dtype, flat, neox):
    """vLLM's, with its gradient."""
    torch.manual_seed(3)
    cache = torch.cat(eager.tables(32, 10000.0, 40), -1)
    positions = torch.tensor([3, 39, 0, 7, 7])
    shape = (5, 4 * 48) if flat else (5, 4, 48)
    q0, k0 = torch.randn(shape).to(dtype), torch.randn(5, 48 if flat else 1, *(() if flat else (48,))).to(dtype)
    rows = (cache[positions, :16].double(), cache[positions, 16:].double())

    def wanted(x):
        return eager.flash_attention(x.reshape(5, -1, 48), *rows, not neox).reshape(x.shape)

    q, k = q0.clone(), k0.clone()
    ops.rotary_embedding(positions, q, k, 48, cache, neox)
    assert close(q, wanted(q0.double())) and close(k, wanted(k0.double()))
    only = q0.clone()
    ops.rotary_embedding(positions, only, None, 48, cache, neox)
    assert torch.equal(only, q)

    leaf_q, leaf_k = q0.clone().requires_grad_(), k0.clone().requires_grad_()
    q, k = leaf_q * 1, leaf_k * 1
    ops.rotary_embedding(positions, q, k, 48, cache, neox)
    gradients = torch.randn(q.shape).to(dtype), torch.randn(k.shape).to(dtype)
    torch.autograd.backward((q, k), gradients)
    double_q, double_k = q0.double().requires_grad_(), k0.double().requires_grad_()
    torch.autograd.backward((wanted(double_q), wanted(double_k)), tuple(g.double() for g in gradients))
    assert close(leaf_q.grad, double_q.grad) and close(leaf_k.grad, double_k.grad)


def test_tables_with_gradients_are_refused():
    cos, sin = eager.tables(16, 10000.0, 5)
    with pytest.raises(RuntimeError, match="requires grad"):
        ops.apply_rotary_emb(torch.randn(5, 2, 16), cos.requires_grad_(), sin)


def test_leaf_in_place_is_refused():
    cos, sin = eager.tables(16, 10000.0, 5)
    x = torch.ones(5, 2, 16, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        ops.apply_rotary_emb_(x, cos, sin)
    assert bool((x == 1).all())


def test_autograd_sees_what_was_written():
    cos, sin = eager.tables(16, 10000.0, 5)
    w = torch.randn(5, 2, 16, requires_grad=True)
    x = torch.randn(5, 2, 16)
    y = (w * x).sum()
    ops.apply_rotary_emb_(x, cos, sin)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_meta_and_inference_mode():
    cos, sin = (t.to("meta") for t in eager.tables(16, 10000.0, 5))
    x = torch.empty(5, 2, 16, device="meta")
    assert ops.apply_rotary_emb(x, cos, sin).shape == x.shape
    ops.rotary_embedding(torch.empty(5, dtype=torch.long, device="meta"), x, None, 16, torch.cat((cos, sin), -1), True)
    with torch.inference_mode():
        cos, sin = eager.tables(16, 10000.0, 5)
        x = torch.ones(5, 2, 16)
        y = ops.apply_rotary_emb(x, cos, sin)
        ops.apply_rotary_emb_(x, cos, sin)
        assert torch.equal(x, y)


COS, SIN = eager.tables(16, 10000.0, 5)
X = torch.ones(1, 5, 2, 16)


@pytest.mark.parametrize("arguments,error,says", [
    ((X.double(), COS, SIN), TypeError, "double"),
    ((X.int(), COS, SIN), TypeError, "int"),
    ((X[0, 0], COS, SIN), ValueError, r"x is \[2, 16\]"),
    ((X[..., :8], COS, SIN), ValueError, "rotary_dim"),
    ((X, COS[:3], SIN[:3]), IndexError, "3"),
    ((X, COS, SIN[:3]), ValueError, "cos is"),
    ((X, COS, SIN.half()), ValueError, "cos is"),
    ((X, COS.double(), SIN.double()), TypeError, "cos"),
    ((X, COS[0], SIN[0]), ValueError, "cos is"),
    ((X, COS, SIN, False, 1), IndexError, "5"),
    ((X, COS, SIN, False, -1), IndexError, "-1"),
    ((X, COS, SIN, False, 0, torch.zeros(2, dtype=torch.long)), ValueError, "offsets"),
    ((X, COS, SIN, False, 0, torch.zeros(1)), TypeError, "seqlen_offsets"),
    ((X, COS, SIN, False, 0, None, torch.zeros(4, dtype=torch.long)), ValueError, "ids"),
    ((X, COS, SIN, False, 0, None, torch.zeros(5)), TypeError, "positions"),
    ((X, COS, SIN, False, 0, None, None, torch.tensor([0, 3])), ValueError, "cu_seqlens"),
    ((X, COS.to("meta"), SIN.to("meta")), ValueError, "x is on cpu"),
])
def test_refused(arguments, error, says):
    before = arguments[0].clone()
    for op in (ops.apply_rotary_emb, ops.apply_rotary_emb_):
        with pytest.raises(error, match=says):
            op(*arguments)
        assert torch.equal(arguments[0], before)


def test_in_place_wants_adjoining_elements_and_no_overlap():
    with pytest.raises(ValueError, match="adjoin"):
        ops.apply_rotary_emb_(torch.ones(1, 5, 2, 32)[..., ::2], COS, SIN)
    with pytest.raises(ValueError):
        ops.apply_rotary_emb_(torch.ones(1, 1, 2, 16).expand(1, 5, 2, 16), COS, SIN)
    y = ops.apply_rotary_emb(torch.ones(1, 5, 2, 32)[..., ::2], COS, SIN)
    assert torch.equal(y, ops.apply_rotary_emb(X, COS, SIN))
    assert ops.apply_rotary_emb(torch.ones(1, 1, 2, 16).expand(1, 5, 2, 16), COS, SIN).equal(y)


def test_empty():
    for shape in ((0, 5, 2, 16), (1, 0, 2, 16), (0, 2, 16)):
        assert ops.apply_rotary_emb(torch.empty(shape), COS, SIN).shape == shape


@pytest.mark.skipif(not TWO, reason="torch.compile came with PyTorch 2")
@pytest.mark.parametrize("gradients", [False, True])
def test_compile_traces_it_whole(gradients):
    def layer(x, cos, sin):
        return ops.apply_rotary_emb(x * 2, cos, sin) + 1

    x = torch.randn(1, 5, 2, 16, requires_grad=gradients)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    y, z = compiled(x, COS, SIN), layer(x, COS, SIN)
    assert torch.equal(y, z)
    if gradients:
        (a,), (b,) = torch.autograd.grad(y.sum(), x), torch.autograd.grad(z.sum(), x)
        assert torch.equal(a, b)


@pytest.mark.skipif(not TWO, reason="torch.compile came with PyTorch 2")
def test_compile_of_what_works_in_place():
    def layer(x, cos, sin):
        y = x * 2
        ops.apply_rotary_emb_(y, cos, sin)
        return y + 1

    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(X, COS, SIN), layer(X, COS, SIN))
