// Loading and storing f32, f16 and bf16 as vectors of float. Rounding is to nearest even and keeps
// NaN and subnormals on every target (Highway 1.0.3 truncates to bf16, and rounds to f16 wrongly
// below AVX2).
#if defined(SIMDROPE_CONVERT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_CONVERT_INL_H_
#undef SIMDROPE_CONVERT_INL_H_
#else
#define SIMDROPE_CONVERT_INL_H_
#endif

#include "core/half.h"
#include "hwy/highway.h"
#include "kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

#undef SIMDROPE_HARDWARE_F16
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2 && !defined(HWY_DISABLE_F16C)) || HWY_ARCH_ARM_A64
#define SIMDROPE_HARDWARE_F16 1
#else
#define SIMDROPE_HARDWARE_F16 0
#endif
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
#undef SIMDROPE_HARDWARE_F16
#define SIMDROPE_HARDWARE_F16 0
#endif

template <class D>
using Words = hn::RebindToUnsigned<D>;  // uint32_t lanes of a float vector
template <class D>
using Halves = hn::Rebind<uint16_t, D>;  // as many uint16_t lanes
template <class D>
using TwoHalves = hn::Repartition<uint16_t, Words<D>>;  // a word of two 16-bit elements in each lane

inline const uint16_t* Bits(const F16* p) { return &p->bits; }
inline const uint16_t* Bits(const Bf16* p) { return &p->bits; }
inline uint16_t* Bits(F16* p) { return &p->bits; }
inline uint16_t* Bits(Bf16* p) { return &p->bits; }

// ---- bf16: the upper half of a float

template <class D, class VU = hn::Vec<Words<D>>>
HWY_INLINE hn::Vec<D> FromUpperHalf(D d, VU words) {
  return hn::BitCast(d, hn::And(words, hn::Set(Words<D>(), 0xffff0000u)));
}
template <class D, class VU = hn::Vec<Words<D>>>
HWY_INLINE hn::Vec<D> FromLowerHalf(D d, VU words) {
  return hn::BitCast(d, hn::ShiftLeft<16>(words));
}

// Which NaN a rounding to bf16 may meet.
enum class NaNs {
  kAny,
  kBf16,  // its low 16 bits are clear, so rounding leaves it a NaN without a test
};

// VNNI adds products of 16-bit halves to a word in one operation.
#undef SIMDROPE_DOT_PRODUCT
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
#define SIMDROPE_DOT_PRODUCT 1
#else
#define SIMDROPE_DOT_PRODUCT 0
#endif

// bits + 0x7fff + the lowest bit of the upper half.
template <class D, class VU = hn::Vec<Words<D>>>
HWY_INLINE VU AddRounding(D, VU bits) {
  const Words<D> du;
#if SIMDROPE_DOT_PRODUCT
  const hn::RebindToSigned<Words<D>> di;
  const hn::Repartition<int16_t, Words<D>> d16;
  const VU addends = hn::OrAnd(hn::Set(du, 0x7fffu), bits, hn::Set(du, 0x10000u));
  auto unused = hn::Zero(di);
  return hn::BitCast(du, hn::ReorderWidenMulAccumulate(di, hn::BitCast(d16, addends), hn::Set(d16, int16_t{1}),
                                                       hn::BitCast(di, bits), unused));
#else
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
  return hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fffu)));
#endif
}

// The float's bits, rounded so that the upper half is the bf16; the lower half is arbitrary.
template <NaNs kNaNs, class D>
HWY_INLINE hn::Vec<Words<D>> RoundToUpperHalf(D d, hn::Vec<D> v) {
  const Words<D> du;
  const auto bits = hn::BitCast(du, v);
  const auto rounded = AddRounding(d, bits);
  if constexpr (kNaNs == NaNs::kBf16) return rounded;
  const auto quiet = hn::Or(bits, hn::Set(du, 0x400000u));
  return hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(v)), quiet, rounded);
}

// Two vectors of floats as words of bf16, even in the lower halves, odd in the upper ones.
template <NaNs kNaNs, class D, class VU = hn::Vec<Words<D>>>
HWY_INLINE VU RoundToWords(D d, hn::Vec<D> even, hn::Vec<D> odd) {
  const Words<D> du;
#if !HWY_HAVE_SCALABLE && HWY_TARGET != HWY_SCALAR && !SIMDROPE_DOT_PRODUCT
  if constexpr (kNaNs == NaNs::kBf16) {
    // Both at once in 16-bit lanes, 8 operations instead of 10: the upper halves, plus 1 where lower
    // half + 0x7fff + lowest upper bit reaches 2^16. (x + y + 1) / 2 reads that bit without overflow.
    const TwoHalves<D> d16;
    const VU e = hn::BitCast(du, even);
    const VU o = hn::BitCast(du, odd);
    const auto high = hn::OddEven(hn::BitCast(d16, o), hn::BitCast(d16, hn::ShiftRight<16>(e)));
    const auto low = hn::OddEven(hn::BitCast(d16, hn::ShiftLeft<16>(o)), hn::BitCast(d16, e));
    const auto addend = hn::OrAnd(hn::Set(d16, uint16_t{0x7ffe}), high, hn::Set(d16, uint16_t{1}));
    const auto carry = hn::ShiftRight<15>(hn::AverageRound(low, addend));
    return hn::BitCast(du, hn::Add(high, carry));
  }
#endif
  return hn::OrAnd(hn::ShiftRight<16>(RoundToUpperHalf<kNaNs>(d, even)), RoundToUpperHalf<kNaNs>(d, odd),
                   hn::Set(du, 0xffff0000u));
}

// ---- f16, and narrowing

template <class D>
HWY_INLINE hn::Vec<Halves<D>> Narrow(D, hn::Vec<Words<D>> words) {
  const hn::RebindToSigned<Words<D>> di;
  return hn::DemoteTo(Halves<D>(), hn::BitCast(di, words));  // words < 2^16
}

template <class D>
HWY_INLINE hn::Vec<D> FloatOfF16(D d, hn::Vec<Halves<D>> halves) {
#if SIMDROPE_HARDWARE_F16
  return hn::PromoteTo(d, hn::BitCast(hn::Rebind<hwy::float16_t, D>(), halves));
#else
  const Words<D> du;
  const auto words = hn::PromoteTo(du, halves);
  const auto sign = hn::ShiftLeft<16>(hn::And(words, hn::Set(du, 0x8000u)));
  const auto magnitude = hn::ShiftLeft<13>(hn::And(words, hn::Set(du, 0x7fffu)));
  const auto rebias = hn::Set(du, 112u << 23);
  const auto normal = hn::Add(magnitude, rebias);
  const auto special = hn::Add(normal, rebias);  // infinity, NaN
  const auto least_normal = hn::Set(du, 113u << 23);
  const auto subnormal =
      hn::BitCast(du, hn::Sub(hn::BitCast(d, hn::Add(magnitude, least_normal)), hn::BitCast(d, least_normal)));
  auto bits = hn::IfThenElse(hn::Lt(magnitude, hn::Set(du, 1u << 23)), subnormal, normal);
  bits = hn::IfThenElse(hn::Gt(magnitude, hn::Set(du, (31u << 23) - 1)), special, bits);
  return hn::BitCast(d, hn::Or(bits, sign));
#endif
}

template <class D>
HWY_INLINE hn::Vec<Halves<D>> F16OfFloat([[maybe_unused]] D d, hn::Vec<D> v) {
#if SIMDROPE_HARDWARE_F16
  return hn::BitCast(Halves<D>(), hn::DemoteTo(hn::Rebind<hwy::float16_t, D>(), v));
#else
  const Words<D> du;
  const auto bits = hn::BitCast(du, v);
  const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 0x8000u));
  const auto magnitude = hn::And(bits, hn::Set(du, 0x7fffffffu));
  const auto odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(du, 1u));
  const auto rebiased = hn::Sub(magnitude, hn::Set(du, 112u << 23));
  const auto normal = hn::ShiftRight<13>(hn::Add(rebiased, hn::Add(odd, hn::Set(du, 0xfffu))));
  const auto point_five = hn::Set(d, 0.5f);  // its last place is 2^-24, that of a subnormal f16
  const auto subnormal =
      hn::Sub(hn::BitCast(du, hn::Add(hn::BitCast(d, magnitude), point_five)), hn::BitCast(du, point_five));
  const auto payload = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(du, 0x3ffu));
  const auto nan = hn::Or(payload, hn::Set(du, 0x7e00u));
  auto half = hn::IfThenElse(hn::Lt(magnitude, hn::Set(du, 0x38800000u)), subnormal, normal);
  half = hn::IfThenElse(hn::Gt(magnitude, hn::Set(du, 0x477fefffu)), hn::Set(du, 0x7c00u), half);
  half = hn::IfThenElse(hn::Gt(magnitude, hn::Set(du, 0x7f800000u)), nan, half);
  return Narrow(d, hn::Or(half, sign));
#endif
}

// ---- stores

// Non-temporally if kNonTemporal and the vector has at least 16 bytes. `p` is aligned to the vector then, or to 32
// bytes if it holds 16-bit elements.
template <bool kNonTemporal, class V, class D, class T>
HWY_INLINE void StoreVector(V v, D d, T* p) {
  constexpr bool kStreams = kNonTemporal && HWY_TARGET != HWY_SCALAR && hn::MaxLanes(D()) * sizeof(T) >= 16;
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
  if constexpr (kStreams && sizeof(T) == 2 && hn::MaxLanes(D()) > 16) {
    const hn::Half<D> dh;
    hn::Stream(hn::LowerHalf(dh, v), dh, p);
    hn::Stream(hn::UpperHalf(dh, v), dh, p + 16);
  } else
#endif
      if constexpr (kStreams) {
    hn::Stream(v, d, p);
  } else {
    hn::StoreU(v, d, p);
  }
}

// ---- consecutive elements

template <class D>
HWY_INLINE hn::Vec<D> LoadFloats(D d, const float* p) {
  return hn::LoadU(d, p);
}
template <class D>
HWY_INLINE hn::Vec<D> LoadFloats(D d, const F16* p) {
  return FloatOfF16(d, hn::LoadU(Halves<D>(), Bits(p)));
}
template <class D>
HWY_INLINE hn::Vec<D> LoadFloats(D d, const Bf16* p) {
  return FromLowerHalf(d, hn::PromoteTo(Words<D>(), hn::LoadU(Halves<D>(), Bits(p))));
}

template <NaNs kNaNs, bool kNonTemporal, class D>
HWY_INLINE void StoreFloats(hn::Vec<D> v, D d, float* p) {
  StoreVector<kNonTemporal>(v, d, p);
}
template <NaNs kNaNs, bool kNonTemporal, class D>
HWY_INLINE void StoreFloats(hn::Vec<D> v, D d, F16* p) {
  StoreVector<kNonTemporal>(F16OfFloat(d, v), Halves<D>(), Bits(p));
}
template <NaNs kNaNs, bool kNonTemporal, class D>
HWY_INLINE void StoreFloats(hn::Vec<D> v, D d, Bf16* p) {
  StoreVector<kNonTemporal>(Narrow(d, hn::ShiftRight<16>(RoundToUpperHalf<kNaNs>(d, v))), Halves<D>(), Bits(p));
}

// Two vectors, one after the other.
template <NaNs kNaNs, bool kNonTemporal, class D, class T>
HWY_INLINE void StoreTwo(hn::Vec<D> first, hn::Vec<D> second, D d, T* p) {
  StoreFloats<kNaNs, kNonTemporal>(first, d, p);
  StoreFloats<kNaNs, kNonTemporal>(second, d, p + hn::Lanes(d));
}
#if HWY_TARGET != HWY_SCALAR
// Narrowed together, by one shuffle.
template <NaNs kNaNs, bool kNonTemporal, class D>
HWY_INLINE void StoreTwo(hn::Vec<D> first, hn::Vec<D> second, D d, Bf16* p) {
  const TwoHalves<D> d16;
  const auto low = hn::BitCast(d16, RoundToUpperHalf<kNaNs>(d, first));
  const auto high = hn::BitCast(d16, RoundToUpperHalf<kNaNs>(d, second));
  StoreVector<kNonTemporal>(hn::ConcatOdd(d16, high, low), d16, Bits(p));
}
#endif

#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
// A cache line of consecutive elements, non-temporally; `p` is aligned to it.
template <class D>
HWY_INLINE void StoreLine(D d, const hn::Vec<D>* v, float* p) {
  constexpr size_t kLanes = hn::MaxLanes(D());
  HWY_UNROLL(4)
  for (size_t i = 0; i < 64 / sizeof(float); i += kLanes) hn::Stream(v[i / kLanes], d, p + i);
}
template <class D>
HWY_INLINE void StoreLine(D d, const hn::Vec<D>* v, F16* p) {
  constexpr size_t kLanes = hn::MaxLanes(D());
  const TwoHalves<D> dh;
  HWY_UNROLL(4)
  for (size_t i = 0; i < 64 / sizeof(F16); i += 2 * kLanes) {
    const auto low = F16OfFloat(d, v[i / kLanes]);
    const auto high = F16OfFloat(d, v[i / kLanes + 1]);
    hn::Stream(hn::Combine(dh, high, low), dh, Bits(p + i));
  }
}
#endif

// ---- interleaved elements: x0 y0 x1 y1 ...

template <class D>
HWY_INLINE void LoadInterleaved(D d, const float* p, hn::Vec<D>& x, hn::Vec<D>& y) {
  hn::LoadInterleaved2(d, p, x, y);
}
template <class D>
HWY_INLINE void LoadInterleaved(D d, const F16* p, hn::Vec<D>& x, hn::Vec<D>& y) {
  hn::Vec<Halves<D>> x_bits, y_bits;
  hn::LoadInterleaved2(Halves<D>(), Bits(p), x_bits, y_bits);
  x = FloatOfF16(d, x_bits);
  y = FloatOfF16(d, y_bits);
}
#if HWY_TARGET != HWY_SCALAR
template <class D>
HWY_INLINE void LoadInterleaved(D d, const Bf16* p, hn::Vec<D>& x, hn::Vec<D>& y) {
  const auto words = hn::BitCast(Words<D>(), hn::LoadU(TwoHalves<D>(), Bits(p)));
  x = FromLowerHalf(d, words);
  y = FromUpperHalf(d, words);
}
#else
template <class D>
HWY_INLINE void LoadInterleaved(D d, const Bf16* p, hn::Vec<D>& x, hn::Vec<D>& y) {
  x = LoadFloats(d, p);
  y = LoadFloats(d, p + 1);
}
#endif

template <NaNs kNaNs, bool kNonTemporal, class D>
HWY_INLINE void StoreInterleaved(hn::Vec<D> x, hn::Vec<D> y, D d, float* p) {
  hn::StoreInterleaved2(x, y, d, p);
}
template <NaNs kNaNs, bool kNonTemporal, class D>
HWY_INLINE void StoreInterleaved(hn::Vec<D> x, hn::Vec<D> y, D d, F16* p) {
  hn::StoreInterleaved2(F16OfFloat(d, x), F16OfFloat(d, y), Halves<D>(), Bits(p));
}
#if HWY_TARGET != HWY_SCALAR
template <NaNs kNaNs, bool kNonTemporal, class D>
HWY_INLINE void StoreInterleaved(hn::Vec<D> x, hn::Vec<D> y, D d, Bf16* p) {
  StoreVector<kNonTemporal>(hn::BitCast(TwoHalves<D>(), RoundToWords<kNaNs>(d, x, y)), TwoHalves<D>(), Bits(p));
}
#else
template <NaNs kNaNs, bool kNonTemporal, class D>
HWY_INLINE void StoreInterleaved(hn::Vec<D> x, hn::Vec<D> y, D d, Bf16* p) {
  StoreFloats<kNaNs, kNonTemporal>(x, d, p);
  StoreFloats<kNaNs, kNonTemporal>(y, d, p + 1);
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
