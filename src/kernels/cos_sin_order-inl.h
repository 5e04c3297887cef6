// Rows of cos and sin in the order that a rotation wants, scaled or not.
#if defined(SIMDROPE_COS_SIN_ORDER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_COS_SIN_ORDER_INL_H_
#undef SIMDROPE_COS_SIN_ORDER_INL_H_
#else
#define SIMDROPE_COS_SIN_ORDER_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

// How a form of the rotation wants a row of cos and sin.
enum class CosSinOrder {
  kNatural,  // c0 c1 ... | s0 s1 ...
  kSigned,   // each pair twice, ready for interleaved elements: c0 c0 c1 c1 ... | -s0 s0 -s1 s1 ...
  kEvenOdd,  // pairs 0 2 4 ... before pairs 1 3 5 ..., in cos and in sin
};

#if HWY_TARGET != HWY_SCALAR

// p[0] p[0] p[1] p[1] ... At least two lanes.
template <class D>
HWY_INLINE hn::Vec<D> LoadTwice(D d, const float* p) {
#if !HWY_HAVE_SCALABLE
  if constexpr (hn::MaxLanes(D()) > 4) {
    alignas(64) static constexpr int32_t kTwice[16] = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7};
    const auto once = hn::LoadU(hn::Half<D>(), p);
    return hn::TableLookupLanes(hn::ZeroExtendVector(d, once), hn::SetTableIndices(d, kTwice));
  }
#endif
  const hn::Repartition<uint64_t, D> d64;
  const hn::Rebind<uint32_t, decltype(d64)> du;
  const hn::Rebind<float, decltype(d64)> once;
  const auto bits = hn::PromoteTo(d64, hn::BitCast(du, hn::LoadU(once, p)));
  return hn::BitCast(d, hn::Or(bits, hn::ShiftLeft<32>(bits)));
}

// The same, the first of each two negated.
template <class D>
HWY_INLINE hn::Vec<D> LoadSigned(D d, const float* p) {
  const hn::Repartition<uint64_t, D> d64;
  return hn::Xor(LoadTwice(d, p), hn::BitCast(d, hn::Set(d64, uint64_t{0x80000000u})));
}

template <bool kSigned>
struct StoreTwice {
  const float* in;
  float* out;
  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    hn::StoreU(kSigned ? LoadSigned(d, in + i / 2) : LoadTwice(d, in + i / 2), d, out + i);
  }
};

struct SplitEvenOdd {
  const float* in;
  float* even;
  float* odd;
  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    hn::Vec<D> evens, odds;
    hn::LoadInterleaved2(d, in + 2 * i, evens, odds);
    hn::StoreU(evens, d, even + i);
    hn::StoreU(odds, d, odd + i);
  }
};

// cos and sin, each with room for 2 * pairs floats.
template <CosSinOrder kOrder>
HWY_INLINE void Reorder(const float* cos, const float* sin, size_t pairs, float* out_cos, float* out_sin) {
  constexpr size_t kLanes = kMaxLanes<float>;
  if constexpr (kOrder == CosSinOrder::kSigned) {
    ForVectors<float, kLanes, 2>(0, 2 * pairs, StoreTwice<false>{cos, out_cos});
    ForVectors<float, kLanes, 2>(0, 2 * pairs, StoreTwice<true>{sin, out_sin});
  } else if constexpr (kOrder == CosSinOrder::kEvenOdd) {
    const size_t evens = (pairs + 1) / 2;
    ForVectors<float, kLanes>(0, pairs / 2, SplitEvenOdd{cos, out_cos, out_cos + evens});
    ForVectors<float, kLanes>(0, pairs / 2, SplitEvenOdd{sin, out_sin, out_sin + evens});
    if (pairs % 2 != 0) {
      out_cos[evens - 1] = cos[pairs - 1];
      out_sin[evens - 1] = sin[pairs - 1];
    }
  }
}

#else

// No form on this target wants another order.
template <CosSinOrder kOrder>
HWY_INLINE void Reorder(const float*, const float*, size_t, float*, float*) {}

#endif

// in * scale. Every NaN becomes the default one: rounding to bf16 skips its NaN check (StraightCall).
struct ScaledCopy {
  const float* in;
  float* out;
  float scale;
  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    const auto default_nan = hn::BitCast(d, hn::Set(hn::RebindToUnsigned<D>(), 0x7fc00000u));
    const auto v = hn::Mul(hn::LoadU(d, in + i), hn::Set(d, scale));
    hn::StoreU(hn::IfThenElse(hn::IsNaN(v), default_nan, v), d, out + i);
  }
};

inline void ScaleCosSin(const float* cos, const float* sin, size_t pairs, float scale, bool negate, float* out_cos,
                        float* out_sin) {
  ForVectors<float, kMaxLanes<float>>(0, pairs, ScaledCopy{cos, out_cos, scale});
  ForVectors<float, kMaxLanes<float>>(0, pairs, ScaledCopy{sin, out_sin, negate ? -scale : scale});
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
