// Q, K and V in every layout that an engine holds them in.
#ifndef SIMDROPE_TESTS_SUPPORT_LAYOUTS_H_
#define SIMDROPE_TESTS_SUPPORT_LAYOUTS_H_

#include <simdrope/simdrope.hpp>
#include <vector>

#include "support/buffer.h"

namespace testing {

struct Shape {
  int64_t batch = 1;
  int64_t seq = 1;
  int64_t q_heads = 1;
  int64_t k_heads = 0;
  int64_t v_heads = 0;
  int64_t head_dim = 2;
};

enum class Layout {
  kBshd,
  kBhsd,
  kThd,          // batch 1 only
  kPackedQkv,    // [B, S, Hq + Hk + Hv, D] in one buffer
  kPackedHeads,  // [B, Hq + Hk + Hv, S, D] in one buffer
  kPadded,       // gaps between heads, tokens and batch entries
  kReversed,     // negative strides
  kSeqMajor,     // [S, B, H, D]
  kBroadcast     // one head for all, stride 0: inputs only
};
inline constexpr Layout kOutputLayouts[] = {Layout::kBshd,        Layout::kBhsd,   Layout::kPackedQkv,
                                            Layout::kPackedHeads, Layout::kPadded, Layout::kReversed,
                                            Layout::kSeqMajor};

// Tensors and the memory they are views of.
struct Tensors {
  simdrope::QKV qkv;
  std::vector<Buffer> buffers;
};

// Beginning `misalignment` elements after a 64-byte boundary. The packed layouts have one format;
// others may have another one for K and V.
Tensors MakeTensors(Layout layout, const Shape& shape, simdrope::Format format, simdrope::Format key_format,
                    int misalignment = 0);
inline Tensors MakeTensors(Layout layout, const Shape& shape, simdrope::Format format, int misalignment = 0) {
  return MakeTensors(layout, shape, format, format, misalignment);
}

inline std::vector<Buffer*> BuffersOf(Tensors* a, Tensors* b = nullptr) {
  std::vector<Buffer*> all;
  for (Buffer& buffer : a->buffers) all.push_back(&buffer);
  if (b != nullptr) {
    for (Buffer& buffer : b->buffers) all.push_back(&buffer);
  }
  return all;
}

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_LAYOUTS_H_
