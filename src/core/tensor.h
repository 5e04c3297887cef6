// Questions about tensor views.
#ifndef SIMDROPE_CORE_TENSOR_H_
#define SIMDROPE_CORE_TENSOR_H_

#include <simdrope/simdrope.h>

namespace simdrope::impl {

inline bool IsPresent(const simdrope_tensor& t) { return t.heads != 0; }

// From head to head, in elements. The stride of an axis of one element is not checked, and not used.
inline int64_t HeadStrideOf(const simdrope_tensor& t) { return t.heads > 1 ? t.head_stride : t.head_dim; }
inline bool IsEmpty(const simdrope_tensor& t) { return t.batch == 0 || t.seq == 0 || t.heads == 0; }

// Same elements in the same order, in the same format, with the same scales and slots.
inline bool IsSameView(const simdrope_tensor& a, const simdrope_tensor& b) {
  const auto same_axis = [](int64_t size, int64_t x, int64_t y) { return size < 2 || x == y; };
  return &a == &b ||
         (a.data == b.data && a.format == b.format && same_axis(a.batch, a.batch_stride, b.batch_stride) &&
          same_axis(a.seq, a.seq_stride, b.seq_stride) && same_axis(a.heads, a.head_stride, b.head_stride) &&
          a.scales.scale == b.scales.scale && a.slots.source == b.slots.source && a.slots.ids == b.slots.ids);
}

}  // namespace simdrope::impl

#endif  // SIMDROPE_CORE_TENSOR_H_
