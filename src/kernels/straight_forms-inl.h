// The rotation of a vector: x' = x cos - y sin, y' = y cos + x sin, in float, rounded once to the head's format. One
// multiply, one multiply-add for each result, in the same order in every form, so that all forms give the same bits.
#if defined(SIMDROPE_STRAIGHT_FORMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_STRAIGHT_FORMS_INL_H_
#undef SIMDROPE_STRAIGHT_FORMS_INL_H_
#else
#define SIMDROPE_STRAIGHT_FORMS_INL_H_
#endif

#include <type_traits>

#include "hwy/highway.h"
#include "kernels/arguments.h"
#include "kernels/convert-inl.h"
#include "kernels/cos_sin_order-inl.h"
#include "kernels/head_walk-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

template <class T>
inline constexpr NaNs kNaNsOf = std::is_same_v<T, Bf16> ? NaNs::kBf16 : NaNs::kAny;

template <class D, class V = hn::Vec<D>>
HWY_INLINE void RotatePair(D, V x, V y, V cos, V sin, V& x_out, V& y_out) {
  x_out = hn::NegMulAdd(y, sin, hn::Mul(x, cos));
  y_out = hn::MulAdd(x, sin, hn::Mul(y, cos));
}

// How the heads of one format and pairing are rotated, a step (one vector of lanes) at a time:
//   Element, kPairing, kOrder   what is rotated; the order in which Load wants a row of cos and sin
//   Lanes(pairs)                lanes that `pairs` pairs take; Pairs(lanes) the other way round
//   kLeastLanes                 the shortest vector that a step can take
//   CosSin<V>                   the vectors of cos and sin of a step, in registers (not with scalable vectors):
//     LoadNatural(d, cos, sin, i)   from a row in natural order, whole vectors
//   At(d, cos, sin, pairs, i)   the same, read when asked for, from a row in kOrder, at lane i
//   kStepsInLine                steps that fill a cache line of each half, which Rotate takes at once if non-temporal
//   Rotate<kNonTemporal>(d, head, i, cos_sin)  rotates from lane i on; cos_sin(k) is the CosSin of its k-th step

#if !HWY_HAVE_SCALABLE
template <class V>
struct TwoVectors {
  V cos_vector, sin_vector;
  HWY_INLINE TwoVectors() {}  // written, as an implicit one would not have the target's attributes
  HWY_INLINE TwoVectors(V c, V s) : cos_vector(c), sin_vector(s) {}
  HWY_INLINE V cos() const { return cos_vector; }
  HWY_INLINE V sin() const { return sin_vector; }
};
#endif

template <class D>
struct TwoLoads {
  D d;
  const float* cos_row;
  const float* sin_row;
  HWY_INLINE hn::Vec<D> cos() const { return hn::LoadU(d, cos_row); }
  HWY_INLINE hn::Vec<D> sin() const { return hn::LoadU(d, sin_row); }
};

// Half pairs: x and y in separate vectors.
template <class T>
struct HalfForm {
  using Element = T;
#if !HWY_HAVE_SCALABLE
  template <class V>
  using CosSin = TwoVectors<V>;
#endif
  static constexpr simdrope_pairing kPairing = SIMDROPE_HALF;
  static constexpr CosSinOrder kOrder = CosSinOrder::kNatural;
  static constexpr size_t kLeastLanes = 1;
  static constexpr size_t kVectors = 2;
  static constexpr size_t kStepsInLine =
      kMaxLanes<float> * sizeof(T) < kCacheLine ? kCacheLine / sizeof(T) / kMaxLanes<float> : 1;

  static size_t Lanes(size_t pairs) { return pairs; }
  static constexpr size_t Pairs(size_t lanes) { return lanes; }

#if !HWY_HAVE_SCALABLE
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE TwoVectors<V> LoadNatural(D d, const float* cos, const float* sin, size_t i) {
    return {hn::LoadU(d, cos + i), hn::LoadU(d, sin + i)};
  }
#endif
  template <class D>
  static HWY_INLINE TwoLoads<D> At(D d, const float* cos, const float* sin, size_t, size_t i) {
    return {d, cos + i, sin + i};
  }

  template <bool kNonTemporal, class D, class CosSinAt, class V = hn::Vec<D>>
  static HWY_INLINE void Rotate(D d, const Head<T>& head, size_t i, const CosSinAt& cos_sin) {
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
    if constexpr (kNonTemporal) {
      V x[kStepsInLine], y[kStepsInLine];
      HWY_UNROLL(8)
      for (size_t k = 0; k < kStepsInLine; ++k) {
        const size_t lane = i + k * hn::Lanes(d);
        const auto cs = cos_sin(k);
        RotatePair(d, LoadFloats(d, head.in + lane), LoadFloats(d, head.in_second + lane), cs.cos(), cs.sin(), x[k],
                   y[k]);
      }
      StoreLine(d, x, head.out + i);
      StoreLine(d, y, head.out_second + i);
      return;
    }
#endif
    V x, y;
    const auto cs = cos_sin(0);
    RotatePair(d, LoadFloats(d, head.in + i), LoadFloats(d, head.in_second + i), cs.cos(), cs.sin(), x, y);
    StoreFloats<kNaNsOf<T>, false>(x, d, head.out + i);
    StoreFloats<kNaNsOf<T>, false>(y, d, head.out_second + i);
  }
};

// Interleaved pairs, separated while they are loaded.
template <class T>
struct InterleavedForm {
  using Element = T;
#if !HWY_HAVE_SCALABLE
  template <class V>
  using CosSin = TwoVectors<V>;
#endif
  static constexpr simdrope_pairing kPairing = SIMDROPE_INTERLEAVED;
  static constexpr CosSinOrder kOrder = CosSinOrder::kNatural;
  static constexpr size_t kLeastLanes = 1;
  static constexpr size_t kVectors = 2;
  static constexpr size_t kStepsInLine = 1;

  static size_t Lanes(size_t pairs) { return pairs; }
  static constexpr size_t Pairs(size_t lanes) { return lanes; }

#if !HWY_HAVE_SCALABLE
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE TwoVectors<V> LoadNatural(D d, const float* cos, const float* sin, size_t i) {
    return {hn::LoadU(d, cos + i), hn::LoadU(d, sin + i)};
  }
#endif
  template <class D>
  static HWY_INLINE TwoLoads<D> At(D d, const float* cos, const float* sin, size_t, size_t i) {
    return {d, cos + i, sin + i};
  }

  template <bool kNonTemporal, class D, class CosSinAt, class V = hn::Vec<D>>
  static HWY_INLINE void Rotate(D d, const Head<T>& head, size_t i, const CosSinAt& cos_sin) {
    V x, y, x_out, y_out;
    LoadInterleaved(d, head.in + 2 * i, x, y);
    const auto cs = cos_sin(0);
    RotatePair(d, x, y, cs.cos(), cs.sin(), x_out, y_out);
    StoreInterleaved<kNaNsOf<T>, kNonTemporal>(x_out, y_out, d, head.out + 2 * i);
  }
};

#if HWY_TARGET != HWY_SCALAR

// Interleaved pairs without separating them: each element is multiplied by its cos, its neighbour by its signed sin.
// One shuffle a vector.
template <class T>
struct NeighbourForm {
  using Element = T;
#if !HWY_HAVE_SCALABLE
  template <class V>
  using CosSin = TwoVectors<V>;
#endif
  static constexpr simdrope_pairing kPairing = SIMDROPE_INTERLEAVED;
  static constexpr CosSinOrder kOrder = CosSinOrder::kSigned;
  static constexpr size_t kLeastLanes = 2;
  static constexpr size_t kVectors = 2;
  static constexpr size_t kStepsInLine = 1;

  static size_t Lanes(size_t pairs) { return 2 * pairs; }
  static constexpr size_t Pairs(size_t lanes) { return lanes / 2; }

#if !HWY_HAVE_SCALABLE
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE TwoVectors<V> LoadNatural(D d, const float* cos, const float* sin, size_t i) {
    return {LoadTwice(d, cos + i / 2), LoadSigned(d, sin + i / 2)};
  }
#endif
  template <class D>
  static HWY_INLINE TwoLoads<D> At(D d, const float* cos, const float* sin, size_t, size_t i) {
    return {d, cos + i, sin + i};
  }

  template <bool kNonTemporal, class D, class CosSinAt>
  static HWY_INLINE void Rotate(D d, const Head<T>& head, size_t i, const CosSinAt& cos_sin) {
    const auto v = LoadFloats(d, head.in + i);
    const auto cs = cos_sin(0);
    const auto rotated = hn::MulAdd(hn::Reverse2(d, v), cs.sin(), hn::Mul(v, cs.cos()));
    StoreFloats<kNaNsOf<T>, kNonTemporal>(rotated, d, head.out + i);
  }
};

#if !HWY_HAVE_SCALABLE
template <class V>
struct FourVectors {
  V even_cos, odd_cos, even_sin, odd_sin;
  HWY_INLINE FourVectors() {}
  HWY_INLINE FourVectors(V ce, V co, V se, V so) : even_cos(ce), odd_cos(co), even_sin(se), odd_sin(so) {}
  HWY_INLINE V cos_even() const { return even_cos; }
  HWY_INLINE V cos_odd() const { return odd_cos; }
  HWY_INLINE V sin_even() const { return even_sin; }
  HWY_INLINE V sin_odd() const { return odd_sin; }
};
#endif

template <class D>
struct FourLoads {
  D d;
  const float* cos_row;
  const float* sin_row;
  size_t evens;  // floats from the even pairs to the odd ones
  HWY_INLINE hn::Vec<D> cos_even() const { return hn::LoadU(d, cos_row); }
  HWY_INLINE hn::Vec<D> cos_odd() const { return hn::LoadU(d, cos_row + evens); }
  HWY_INLINE hn::Vec<D> sin_even() const { return hn::LoadU(d, sin_row); }
  HWY_INLINE hn::Vec<D> sin_odd() const { return hn::LoadU(d, sin_row + evens); }
};

// bf16 half pairs as words of two elements, without widening or narrowing shuffles: the even pairs are the lower halves
// of the words, the odd pairs the upper ones. An odd number of pairs leaves the last one over (RotateLastPair).
struct WordsForm {
  using Element = Bf16;
#if !HWY_HAVE_SCALABLE
  template <class V>
  using CosSin = FourVectors<V>;
#endif
  static constexpr simdrope_pairing kPairing = SIMDROPE_HALF;
  static constexpr CosSinOrder kOrder = CosSinOrder::kEvenOdd;
  static constexpr size_t kLeastLanes = 1;
  static constexpr size_t kVectors = 4;
  static constexpr size_t kStepsInLine = 1;

  static size_t Lanes(size_t pairs) { return pairs / 2; }
  static constexpr size_t Pairs(size_t lanes) { return 2 * lanes; }

#if !HWY_HAVE_SCALABLE
  template <class D, class V = hn::Vec<D>>
  static HWY_INLINE FourVectors<V> LoadNatural(D d, const float* cos, const float* sin, size_t i) {
    const size_t n = hn::Lanes(d);
    const V c0 = hn::LoadU(d, cos + 2 * i), c1 = hn::LoadU(d, cos + 2 * i + n);
    const V s0 = hn::LoadU(d, sin + 2 * i), s1 = hn::LoadU(d, sin + 2 * i + n);
    return {hn::ConcatEven(d, c1, c0), hn::ConcatOdd(d, c1, c0), hn::ConcatEven(d, s1, s0), hn::ConcatOdd(d, s1, s0)};
  }
#endif
  template <class D>
  static HWY_INLINE FourLoads<D> At(D d, const float* cos, const float* sin, size_t pairs, size_t i) {
    return {d, cos + i, sin + i, (pairs + 1) / 2};
  }

  template <bool kNonTemporal, class D, class CosSinAt, class V = hn::Vec<D>>
  static HWY_INLINE void Rotate(D d, const Head<Bf16>& head, size_t i, const CosSinAt& cos_sin) {
    const Words<D> du;
    const TwoHalves<D> dh;
    const auto x = hn::BitCast(du, hn::LoadU(dh, Bits(head.in + 2 * i)));
    const auto y = hn::BitCast(du, hn::LoadU(dh, Bits(head.in_second + 2 * i)));
    const auto cs = cos_sin(0);
    V x_even, y_even, x_odd, y_odd;
    RotatePair(d, FromLowerHalf(d, x), FromLowerHalf(d, y), cs.cos_even(), cs.sin_even(), x_even, y_even);
    RotatePair(d, FromUpperHalf(d, x), FromUpperHalf(d, y), cs.cos_odd(), cs.sin_odd(), x_odd, y_odd);
    StoreInterleaved<NaNs::kBf16, kNonTemporal>(x_even, x_odd, d, head.out + 2 * i);
    StoreInterleaved<NaNs::kBf16, kNonTemporal>(y_even, y_odd, d, head.out_second + 2 * i);
  }
};

#endif

template <class T, simdrope_pairing kPairing>
struct FormFor {
  using Type = std::conditional_t<kPairing == SIMDROPE_HALF, HalfForm<T>, InterleavedForm<T>>;
};
#if HWY_TARGET != HWY_SCALAR
template <>
struct FormFor<float, SIMDROPE_INTERLEAVED> {
  using Type = NeighbourForm<float>;
};
template <>
struct FormFor<F16, SIMDROPE_INTERLEAVED> {
  using Type = NeighbourForm<F16>;
};
template <>
struct FormFor<Bf16, SIMDROPE_HALF> {
  using Type = WordsForm;
};
#endif

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
