// The rotation of a vector: x' = x cos - y sin, y' = y cos + x sin, in float, rounded once to the output type. One
// multiply, one multiply-add for each result, in the same order in every form, so that all forms give the same bits.
#if defined(SIMDROPE_FORMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_FORMS_INL_H_
#undef SIMDROPE_FORMS_INL_H_
#else
#define SIMDROPE_FORMS_INL_H_
#endif

#include <type_traits>

#include "hwy/highway.h"
#include "kernels/arrange-inl.h"
#include "kernels/convert-inl.h"
#include "kernels/kernels.h"
#include "kernels/walk-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

// Vectors of angles that leave enough registers for the rest.
inline constexpr size_t kResidentAngles =
    (HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3) || HWY_ARCH_ARM_V7 || HWY_ARCH_WASM ? 8 : 16;
template <class In, class Out>
inline constexpr NaNs kNaNsOf = std::is_same_v<In, Bf16>&& std::is_same_v<Out, Bf16> ? NaNs::kBf16 : NaNs::kAny;

template <class D, class V = hn::Vec<D>>
HWY_INLINE void RotatePair(D, V x, V y, V cos, V sin, V& x_out, V& y_out) {
  x_out = hn::NegMulAdd(y, sin, hn::Mul(x, cos));
  y_out = hn::MulAdd(x, sin, hn::Mul(y, cos));
}

// A form rotates the elements of one row at lane i of the angles, given their vectors:
//   Lanes(pairs)           angles of a row, in lanes; Pairs(lanes) the other way round
//   kAngles, Angle<k>      the vectors of angles that lane i takes, from angles in the form's order,
//   NaturalAngle<k>        and from angles in natural order, for whole vectors
//   Block(d, i, angles...) the rotation

// Any types, any pairings: x and y in separate vectors. Natural angles.
template <class In, class Out, simdrope_pairing kIn, simdrope_pairing kOut, bool kPastCaches>
struct SeparateForm {
  static constexpr AngleOrder kOrder = AngleOrder::kNatural;
  static constexpr size_t kAngles = 2;
  static constexpr size_t kSmallest = 1;
  Row<In, Out> row;

  static size_t Lanes(size_t pairs) { return pairs; }
  static constexpr size_t Pairs(size_t lanes) { return lanes; }

  template <size_t k, class D>
  static HWY_INLINE hn::Vec<D> Angle(D d, const RotateRows& a, size_t i) {
    return hn::LoadU(d, (k == 0 ? a.cos : a.sin) + i);
  }
  template <size_t k, class D>
  static HWY_INLINE hn::Vec<D> NaturalAngle(D d, const RotateRows& a, size_t i) {
    return Angle<k>(d, a, i);
  }

  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void Block(D d, size_t i, V cos, V sin) const {
    V x, y, x_out, y_out;
    if constexpr (kIn == SIMDROPE_HALF) {
      x = LoadFloats(d, row.in + i);
      y = LoadFloats(d, row.in_second + i);
    } else {
      LoadInterleaved(d, row.in + 2 * i, x, y);
    }
    RotatePair(d, x, y, cos, sin, x_out, y_out);
    constexpr NaNs kNaNs = kNaNsOf<In, Out>;
    if constexpr (kOut == SIMDROPE_HALF) {
      StoreFloats<kNaNs, kPastCaches>(x_out, d, row.out + i);
      StoreFloats<kNaNs, kPastCaches>(y_out, d, row.out_second + i);
    } else {
      StoreInterleaved<kNaNs, kPastCaches>(x_out, y_out, d, row.out + 2 * i);
    }
  }
};

#if HWY_TARGET != HWY_SCALAR

// Interleaved in and out without separating the elements: each is multiplied by its cos, its
// neighbour by its signed sin. One shuffle a vector.
template <class In, class Out, bool kPastCaches>
struct NeighbourForm {
  static constexpr AngleOrder kOrder = AngleOrder::kSigned;
  static constexpr size_t kAngles = 2;
  static constexpr size_t kSmallest = 2;
  Row<In, Out> row;

  static size_t Lanes(size_t pairs) { return 2 * pairs; }
  static constexpr size_t Pairs(size_t lanes) { return lanes / 2; }

  template <size_t k, class D>
  static HWY_INLINE hn::Vec<D> Angle(D d, const RotateRows& a, size_t i) {
    return hn::LoadU(d, (k == 0 ? a.cos : a.sin) + i);
  }
  template <size_t k, class D>
  static HWY_INLINE hn::Vec<D> NaturalAngle(D d, const RotateRows& a, size_t i) {
    return k == 0 ? LoadTwice(d, a.cos + i / 2) : LoadSigned(d, a.sin + i / 2);
  }

  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void Block(D d, size_t i, V cos, V signed_sin) const {
    const auto v = LoadFloats(d, row.in + i);
    const auto rotated = hn::MulAdd(hn::Reverse2(d, v), signed_sin, hn::Mul(v, cos));
    StoreFloats<kNaNsOf<In, Out>, kPastCaches>(rotated, d, row.out + i);
  }
};

// bf16 halves as words of two elements, without widening or narrowing shuffles: the even pairs are the
// lower halves of the words, the odd pairs the upper ones. Angles in even-odd order.
template <bool kPastCaches>
struct WordsForm {
  static constexpr AngleOrder kOrder = AngleOrder::kEvenOdd;
  static constexpr size_t kAngles = 4;
  static constexpr size_t kSmallest = 1;
  Row<Bf16, Bf16> row;

  static size_t Lanes(size_t pairs) { return pairs / 2; }  // an odd pair is left over
  static constexpr size_t Pairs(size_t lanes) { return 2 * lanes; }

  template <size_t k, class D>
  static HWY_INLINE hn::Vec<D> Angle(D d, const RotateRows& a, size_t i) {
    const size_t evens = (a.pairs + 1) / 2;
    return hn::LoadU(d, (k % 2 == 0 ? a.cos : a.sin) + (k < 2 ? 0 : evens) + i);
  }
  template <size_t k, class D>
  static HWY_INLINE hn::Vec<D> NaturalAngle(D d, const RotateRows& a, size_t i) {
    const float* p = (k % 2 == 0 ? a.cos : a.sin) + 2 * i;
    const auto low = hn::LoadU(d, p);
    const auto high = hn::LoadU(d, p + hn::Lanes(d));
    return k < 2 ? hn::ConcatEven(d, high, low) : hn::ConcatOdd(d, high, low);
  }

  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void Block(D d, size_t i, V cos_even, V sin_even, V cos_odd, V sin_odd) const {
    const Words<D> du;
    const TwoHalves<D> dh;
    const auto x = hn::BitCast(du, hn::LoadU(dh, Bits(row.in + 2 * i)));
    const auto y = hn::BitCast(du, hn::LoadU(dh, Bits(row.in_second + 2 * i)));
    V x_even, y_even, x_odd, y_odd;
    RotatePair(d, FromLowerHalf(d, x), FromLowerHalf(d, y), cos_even, sin_even, x_even, y_even);
    RotatePair(d, FromUpperHalf(d, x), FromUpperHalf(d, y), cos_odd, sin_odd, x_odd, y_odd);
    StoreInterleaved<NaNs::kBf16, kPastCaches>(x_even, x_odd, d, row.out + 2 * i);
    StoreInterleaved<NaNs::kBf16, kPastCaches>(y_even, y_odd, d, row.out_second + 2 * i);
  }
};

#endif

template <class In, class Out, simdrope_pairing kIn, simdrope_pairing kOut, bool kPastCaches>
struct FormFor {
  using Type = SeparateForm<In, Out, kIn, kOut, kPastCaches>;
};
#if HWY_TARGET != HWY_SCALAR
template <class In, class Out, bool kPastCaches>
struct FormFor<In, Out, SIMDROPE_INTERLEAVED, SIMDROPE_INTERLEAVED, kPastCaches> {
  using Type = NeighbourForm<In, Out, kPastCaches>;
};
template <bool kPastCaches>
struct FormFor<Bf16, Bf16, SIMDROPE_INTERLEAVED, SIMDROPE_INTERLEAVED, kPastCaches> {
  using Type = SeparateForm<Bf16, Bf16, SIMDROPE_INTERLEAVED, SIMDROPE_INTERLEAVED, kPastCaches>;
};
template <bool kPastCaches>
struct FormFor<Bf16, Bf16, SIMDROPE_HALF, SIMDROPE_HALF, kPastCaches> {
  using Type = WordsForm<kPastCaches>;
};
#endif

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
