// Walking an array by whole vectors, then by ever smaller ones. Included once per target.
#if defined(SIMDROPE_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_VECTORS_INL_H_
#undef SIMDROPE_VECTORS_INL_H_
#else
#define SIMDROPE_VECTORS_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Calls body(d, i) so that the vectors of Lanes(d) lanes at the i's cover [i, n) exactly. n - i must
// be a multiple of kSmallest.
template <class T, size_t kLargest, size_t kSmallest = 1, class Body>
HWY_INLINE void ForVectors(size_t i, size_t n, const Body& body) {
  const hn::CappedTag<T, kLargest> d;
  const size_t lanes = hn::Lanes(d);
  for (; i + lanes <= n; i += lanes) body(d, i);
  if constexpr (kLargest > kSmallest) {
    if (i < n) ForVectors<T, kLargest / 2, kSmallest>(i, n, body);
  }
}

template <class T>
inline constexpr size_t kMaxLanes = hn::MaxLanes(hn::ScalableTag<T>());

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
