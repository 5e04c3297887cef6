// Half pairs whose heads are an odd number of vectors, so that the halves meet in the middle of one: heads of 48, 80
// and 112 in vectors of 512 bits. Shorter vectors seldom straddle cache lines there and take the general way.
#if defined(SIMDROPE_STRAIGHT_ODD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_STRAIGHT_ODD_INL_H_
#undef SIMDROPE_STRAIGHT_ODD_INL_H_
#else
#define SIMDROPE_STRAIGHT_ODD_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/arguments.h"
#include "kernels/convert-inl.h"
#include "kernels/head_walk-inl.h"
#include "kernels/straight_forms-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

inline constexpr size_t kMostOddVectors = HWY_HAVE_SCALABLE || kMaxLanes<float> < 16 ? 0 : 7;

// Vectors of a head of `pairs` pairs, if it is such a head; else 0.
inline size_t OddVectors(size_t pairs, ptrdiff_t split) {
  const size_t vectors = 2 * pairs / kMaxLanes<float>;
  const bool is_odd = split == static_cast<ptrdiff_t>(pairs) && vectors * kMaxLanes<float> == 2 * pairs &&
                      vectors % 2 == 1 && vectors > 1 && vectors <= kMostOddVectors;
  return is_odd ? vectors : 0;
}

#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE

// cos and sin of vector v of such a head: of the first half, then of the second, which differ in the sign of sin.
template <size_t kVectors, class D>
HWY_INLINE void LoadOddCosSin(D d, const float* cos, const float* sin, size_t v, hn::Vec<D>& v_cos, hn::Vec<D>& v_sin) {
  const hn::Half<D> dh;
  constexpr size_t kMiddle = kVectors / 2;
  const size_t i = v * hn::Lanes(d);
  if (v < kMiddle) {
    v_cos = hn::LoadU(d, cos + i);
    v_sin = hn::Neg(hn::LoadU(d, sin + i));
  } else if (v == kMiddle) {
    v_cos = hn::Combine(d, hn::LoadU(dh, cos), hn::LoadU(dh, cos + i));
    v_sin = hn::Combine(d, hn::LoadU(dh, sin), hn::Neg(hn::LoadU(dh, sin + i)));
  } else {
    const size_t pairs = kVectors * hn::Lanes(dh);
    v_cos = hn::LoadU(d, cos + i - pairs);
    v_sin = hn::LoadU(d, sin + i - pairs);
  }
}

template <class T, size_t kVectors, bool kNonTemporal>
HWY_INLINE void RotateOdd(const StraightCall& call) {
  const hn::ScalableTag<float> d;
  constexpr size_t kLanes = kMaxLanes<float>;
  HeadWalk<T, SIMDROPE_INTERLEAVED> walk(call);  // a head is read as a whole
  for (size_t t = call.tokens; t > 0; --t, walk.NextToken()) {
    const float *row_cos, *row_sin;
    walk.BeginToken(row_cos, row_sin);
    hn::Vec<decltype(d)> cos[kVectors], sin[kVectors], x[kVectors];
    HWY_UNROLL(8)
    for (size_t v = 0; v < kVectors; ++v) LoadOddCosSin<kVectors>(d, row_cos, row_sin, v, cos[v], sin[v]);
    for (; walk.Begin(kVectors * kLanes / 2); walk.NextHead()) {
      const Head<T>& head = walk.head();
      HWY_UNROLL(8)
      for (size_t v = 0; v < kVectors; ++v) x[v] = LoadFloats(d, head.in + v * kLanes);
      const auto rotated = [&](size_t v) HWY_ATTR {
        const size_t other = v + kVectors / 2;
        const auto y = hn::ConcatLowerUpper(d, x[(other + 1) % kVectors], x[other % kVectors]);
        return hn::MulAdd(y, sin[v], hn::Mul(x[v], cos[v]));
      };
      constexpr size_t kLast = kVectors - 1;
      HWY_UNROLL(8)
      for (size_t v = 0; v < kLast; v += 2) {
        StoreTwo<kNaNsOf<T>, kNonTemporal>(rotated(v), rotated(v + 1), d, head.out + v * kLanes);
      }
      StoreFloats<kNaNsOf<T>, kNonTemporal>(rotated(kLast), d, head.out + kLast * kLanes);
    }
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
