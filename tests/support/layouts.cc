#include "support/layouts.h"

namespace testing {
namespace {

using simdrope::Format;
using simdrope::Tensor;

Tensor Separate(Layout layout, const Shape& shape, int64_t heads, Format format, int misalignment,
                std::vector<Buffer>* buffers) {
  const int64_t size = simdrope::size_of(format);
  const int64_t b = shape.batch, s = shape.seq, h = heads, d = shape.head_dim;
  if (h == 0) return Tensor();
  constexpr int64_t kHeadGap = 3, kTokenGap = 5, kBatchGap = 7;
  const int64_t room = b * (s * (h * (d + kHeadGap) + kTokenGap) + kBatchGap) + 1;
  const int64_t elements = layout == Layout::kPadded ? room : layout == Layout::kBroadcast ? b * s * d : b * s * h * d;
  buffers->emplace_back(elements * size, misalignment * static_cast<int>(size));
  char* data = buffers->back().data();
  switch (layout) {
    case Layout::kBhsd: return simdrope::bhsd(data, format, b, s, h, d);
    case Layout::kPadded: {
      const int64_t head = d + kHeadGap, token = h * head + kTokenGap;
      return {data + size, format, b, s, h, d, s * token + kBatchGap, token, head};
    }
    case Layout::kReversed: {
      const int64_t last = b * s * h * d - d;
      return {data + last * size, format, b, s, h, d, -s * h * d, -h * d, -d};
    }
    case Layout::kSeqMajor: return {data, format, b, s, h, d, h * d, b * h * d, d};
    case Layout::kBroadcast: return {data, format, b, s, h, d, s * d, d, 0};
    default: return simdrope::bshd(data, format, b, s, h, d);
  }
}

}  // namespace

Tensors MakeTensors(Layout layout, const Shape& shape, Format format, Format key_format, int misalignment) {
  Tensors tensors;
  if (layout == Layout::kPackedQkv || layout == Layout::kPackedHeads) {
    Shape all = shape;
    all.q_heads = shape.q_heads + shape.k_heads + shape.v_heads;
    const Tensor packed = Separate(layout == Layout::kPackedQkv ? Layout::kBshd : Layout::kBhsd, all, all.q_heads,
                                   format, misalignment, &tensors.buffers);
    tensors.qkv.q = simdrope::heads(packed, 0, shape.q_heads);
    tensors.qkv.k = simdrope::heads(packed, shape.q_heads, shape.k_heads);
    tensors.qkv.v = simdrope::heads(packed, shape.q_heads + shape.k_heads, shape.v_heads);
    return tensors;
  }
  tensors.qkv.q = Separate(layout, shape, shape.q_heads, format, misalignment, &tensors.buffers);
  tensors.qkv.k = Separate(layout, shape, shape.k_heads, key_format, misalignment, &tensors.buffers);
  tensors.qkv.v = Separate(layout, shape, shape.v_heads, key_format, misalignment, &tensors.buffers);
  return tensors;
}

}  // namespace testing
