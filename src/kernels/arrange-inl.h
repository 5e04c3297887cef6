// Rearranging a natural row of cos and sin into the order that a rotation wants.
#if defined(SIMDROPE_ARRANGE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_ARRANGE_INL_H_
#undef SIMDROPE_ARRANGE_INL_H_
#else
#define SIMDROPE_ARRANGE_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/kernels.h"
#include "kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

// v * scale. A NaN from a caller's table may have any bits; the default one survives rounding to
// bf16 untested.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Scaled(D d, V v, float scale) {
  const V default_nan = hn::BitCast(d, hn::Set(hn::RebindToUnsigned<D>(), 0x7fc00000u));
  v = hn::Mul(v, hn::Set(d, scale));
  return hn::IfThenElse(hn::IsNaN(v), default_nan, v);
}

struct ArrangeNatural {
  const float* in;
  float* out;
  float scale;
  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    hn::StoreU(Scaled(d, hn::LoadU(d, in + i), scale), d, out + i);
  }
};

struct ArrangeTwice {
  const float* in;
  float* out;
  float scale;
  float first_sign;  // of the first of the two
  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    const auto v = Scaled(d, hn::LoadU(d, in + i), scale);
    hn::StoreInterleaved2(hn::Mul(v, hn::Set(d, first_sign)), v, d, out + 2 * i);
  }
};

struct ArrangeEvenOdd {
  const float* in;
  float* out;
  float scale;
  size_t evens;
  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    hn::Vec<D> even, odd;
    hn::LoadInterleaved2(d, in + 2 * i, even, odd);
    hn::StoreU(Scaled(d, even, scale), d, out + i);
    hn::StoreU(Scaled(d, odd, scale), d, out + evens + i);
  }
};

HWY_INLINE void ArrangeOne(const float* in, size_t pairs, float scale, float first_sign, AngleOrder order,
                           float* out) {
  constexpr size_t kLanes = kMaxLanes<float>;
  switch (order) {
    case AngleOrder::kNatural: ForVectors<float, kLanes>(0, pairs, ArrangeNatural{in, out, scale}); return;
    case AngleOrder::kSigned: ForVectors<float, kLanes>(0, pairs, ArrangeTwice{in, out, scale, first_sign}); return;
    case AngleOrder::kEvenOdd: {
      const size_t evens = (pairs + 1) / 2;
      ForVectors<float, kLanes>(0, pairs / 2, ArrangeEvenOdd{in, out, scale, evens});
      if (pairs % 2 != 0) ArrangeNatural{in + pairs - 1, out + evens - 1, scale}(hn::CappedTag<float, 1>(), 0);
      return;
    }
  }
}

inline void Arrange(const float* cos, const float* sin, size_t pairs, float scale, bool negate, AngleOrder order,
                    float* out_cos, float* out_sin) {
  ArrangeOne(cos, pairs, scale, 1.0f, order, out_cos);
  ArrangeOne(sin, pairs, negate ? -scale : scale, -1.0f, order, out_sin);
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
