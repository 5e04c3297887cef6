// Checks on tensor views: sizes, extents and overlap.
#ifndef SIMDROPE_CORE_TENSOR_H_
#define SIMDROPE_CORE_TENSOR_H_

#include <simdrope/simdrope.h>

namespace simdrope::impl {

inline size_t SizeOf(simdrope_format format) { return format == SIMDROPE_F32 ? 4 : 2; }

inline bool IsPresent(const simdrope_tensor& t) { return t.heads != 0; }
inline bool IsEmpty(const simdrope_tensor& t) { return t.batch == 0 || t.seq == 0 || t.heads == 0; }

// Same elements in the same order, as the same type.
inline bool IsSameView(const simdrope_tensor& a, const simdrope_tensor& b) {
  const auto same_axis = [](int64_t size, int64_t x, int64_t y) { return size < 2 || x == y; };
  return &a == &b || (a.data == b.data && a.format == b.format && same_axis(a.batch, a.batch_stride, b.batch_stride) &&
                      same_axis(a.seq, a.seq_stride, b.seq_stride) && same_axis(a.heads, a.head_stride, b.head_stride));
}

simdrope_status CheckFormat(const char* name, simdrope_format format);

// Sizes not negative, data where there are elements, no address or count overflows. Of an output,
// also that no two of its elements share an address.
simdrope_status CheckTensor(const char* name, const simdrope_tensor& t, bool is_output);

// That two checked tensors share no byte, as far as bounds and common strides tell.
simdrope_status CheckDisjoint(const char* a_name, const simdrope_tensor& a, const char* b_name,
                              const simdrope_tensor& b);

}  // namespace simdrope::impl

#endif  // SIMDROPE_CORE_TENSOR_H_
